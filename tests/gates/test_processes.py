"""The family of processes: who dies is replaced, who is told to stop ends his work, who may do what."""
import os
import signal
import socket
import threading
import time

import pytest

from rig_client import Closed, request
from rig_gateway import SANITIZED, Gateway, check, processes_under, status_of
from rig_origin import page

WAF = {"shop": "policy: shop\nwaf: {mode: enforce}\n"}


def serves(g, within=5.0, tls=False):
    """Seconds until a request is answered 200 again."""
    began = time.monotonic()
    while time.monotonic() < began + within:
        try:
            with g.client(tls, timeout=2) as c:
                if c.get().status == 200:
                    return time.monotonic() - began
        except (Closed, OSError):
            pass
        time.sleep(0.01)
    raise AssertionError("does not serve again:\n" + g.stderr())


def test_a_killed_worker_is_replaced_within_a_second(gateway, origin):
    g = gateway(origin=origin)
    assert g.get().status == 200
    worker = g.role("worker")[0]
    os.kill(worker, signal.SIGKILL)
    assert serves(g) < 1.5
    assert g.role("worker") != [worker]


def test_of_two_workers_the_other_serves_on(gateway, origin):
    g = gateway("processes: {workers: 2}", origin=origin)
    clients = [g.client() for _ in range(16)]
    for c in clients:
        assert c.get().status == 200
    os.kill(g.role("worker")[0], signal.SIGKILL)
    alive = 0
    for c in clients:
        try:
            alive += c.get().status == 200
        except (Closed, OSError):
            pass
        c.close()
    assert 0 < alive < 16, "one worker's connections are lost, the other's are not"
    assert serves(g) < 2.5


def keep_connecting(g, seconds):
    """(status, or None where it was lost; seconds until then) of a connection begun every 20 ms."""
    seen, asking = [], []

    def one():
        began = time.monotonic()
        try:
            with g.client(timeout=10) as c:
                status = c.get().status
        except (Closed, OSError):
            status = None
        seen.append((status, time.monotonic() - began))

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asking.append(threading.Thread(target=one))
        asking[-1].start()
        time.sleep(0.02)
    for a in asking:
        a.join()
    return seen


@pytest.mark.timing
@pytest.mark.parametrize("how, least", [(signal.SIGKILL, 0.1), (signal.SIGSTOP, 1.5)])
def test_new_connections_do_not_hang_while_a_worker_is_replaced(gateway, origin, how, least):
    """Those that the kernel gave to its slot wait there for the next one, or for a sibling; three seconds at most."""
    g = gateway("processes: {workers: 2}", origin=origin)
    g.get()
    before = set(g.role("role-worker"))
    victim = min(before)
    os.kill(victim, how)
    seen = keep_connecting(g, 3)
    assert set(g.role("role-worker")) - before, "it was replaced\n" + g.stderr()
    assert victim not in g.role("role-worker")
    lost = [took for status, took in seen if status != 200]
    assert len(lost) <= 1 and len(seen) > 100, "at most the one that it was just accepting: %s" % lost
    waited = max(took for _, took in seen)
    assert least < waited < 3, "some did wait, and none for longer: %.2f" % waited


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes the signal for a fault of its own")
def test_a_request_that_kills_three_workers_is_not_looked_at_again(gateway, origin):
    g = gateway(origin=origin)
    origin.answers["/deadly"] = ["hang"]
    deadly = request("/deadly", "shop.example.com", "X-Bomb: 1")
    for _ in range(3):
        serves(g, 10)
        with g.client() as c:
            c.send(deadly)
            end = time.monotonic() + 5
            while not any(r.path == "/deadly" for r in origin.requests) and time.monotonic() < end:
                time.sleep(0.01)
            origin.forget()
            os.kill(g.role("role-worker")[0], signal.SIGSEGV)
            assert c.closed()
    serves(g, 10)
    refused = g.ask(deadly)
    assert refused.status == 503
    end = time.monotonic() + 5
    while not any(r.get("reason") == "quarantined" for r in g.log()) and time.monotonic() < end:
        time.sleep(0.02)
    assert any(r.get("reason") == "quarantined" for r in g.log())
    assert not origin.targets().count("/deadly")
    assert g.get("/").status == 200
    assert "refused for ten minutes" in g.stderr()


@pytest.mark.timing
def test_a_slot_whose_worker_does_not_come_back_is_served_by_a_sibling(gateway, origin):
    g = gateway("processes: {workers: 2}", origin=origin)
    slot = lambda: [pid for pid, line in processes_under(g.process.pid).items() if "role-worker 0 " in line]
    end, waits, kills = time.monotonic() + 5, [], 0
    while time.monotonic() < end:
        for pid in slot():
            os.kill(pid, signal.SIGKILL)
            kills += 1
        began = time.monotonic()
        try:
            with g.client(timeout=5) as c:
                assert c.get().status == 200
            waits.append(time.monotonic() - began)
        except (Closed, OSError):
            pass  # taken by the one that was killed
        time.sleep(0.005)
    assert kills > 3, "it was started again, later each time"
    assert len(waits) > 100 and max(waits) < 0.6, sorted(waits)[-5:]
    assert serves(g, 10) < 6


@pytest.mark.timing
def test_a_worker_that_hangs_is_replaced_within_three_seconds(gateway, origin):
    """Alone: nobody else can have answered."""
    g = gateway(origin=origin)
    g.get()
    worker = g.role("role-worker")[0]
    began = time.monotonic()
    os.kill(worker, signal.SIGSTOP)
    with g.client(timeout=10) as c:
        assert c.get().status == 200
    took = time.monotonic() - began
    assert 1.5 < took < 3, "%.2f s" % took
    assert g.role("role-worker") not in ([], [worker])
    assert "worker 0 has been silent for two seconds and is replaced" in g.stderr()


def test_a_killed_logger_is_replaced_and_serving_goes_on(gateway, origin):
    g = gateway(origin=origin)
    g.get("/before")
    g.log(1)
    os.kill(g.role("logger")[0], signal.SIGKILL)
    assert serves(g) < 1
    time.sleep(1)
    g.get("/after")
    end = time.monotonic() + 5
    while not any(r.get("path") == "/after" for r in g.log()) and time.monotonic() < end:
        time.sleep(0.05)
    assert any(r.get("path") == "/after" for r in g.log())


def test_a_killed_zygote_is_replaced_and_attacks_are_refused_meanwhile(gateway, origin):
    g = gateway(origin=origin, policies=WAF)
    assert g.get().status == 200
    before = origin.bytes_seen()
    zygote = min(pid for pid, line in processes_under(g.process.pid).items() if "inspector" in line or "zygote" in line)
    os.kill(zygote, signal.SIGKILL)
    for _ in range(5):
        assert g.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E").status in (403, 503)
    assert origin.bytes_seen() == before
    assert serves(g, 10) < 10
    assert g.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E").status == 403


def test_a_worker_that_dies_again_and_again_is_not_started_in_a_loop(gateway, origin):
    g = gateway(origin=origin)
    seen = set()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for pid in g.role("worker"):
            seen.add(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.005)
    assert len(seen) < 40, "back-off"
    assert serves(g, 15) < 15


def test_sigterm_lets_a_download_end(gateway, origin):
    g = gateway(origin=origin)
    origin.answers["/long"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"] + [x for _ in range(20) for x in (b"x", 0.1)]
    with g.client() as c:
        c.send(request("/long"))
        while b"\r\n\r\n" not in c.rest:
            assert c.more()
        g.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", g.http), timeout=1).close()
        answer = c.read()
        assert answer.complete and answer.body == b"x" * 20
    g.stop(within=5)


def test_sigterm_closes_idle_connections_at_once(gateway, origin):
    g = gateway(origin=origin)
    with g.client() as c:
        assert c.get().status == 200
        began = time.monotonic()
        g.stop(within=5)
        assert time.monotonic() - began < 3
        assert c.closed()


def test_sigterm_has_a_deadline(gateway, origin):
    g = gateway("processes: {workers: 1, drain: 1s}", origin=origin)
    origin.answers["/never"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", 30]
    with g.client() as c:
        c.send(request("/never"))
        c.more()
        began = time.monotonic()
        g.stop(within=10)
        assert 0.8 < time.monotonic() - began < 5


def test_no_process_outlives_a_killed_supervisor(origin):
    g = Gateway(origin=origin, policies=WAF)
    children = processes_under(g.process.pid)
    g.process.kill()
    g.process.wait()
    end = time.monotonic() + 10
    alive = lambda: [pid for pid in children if os.path.exists("/proc/%d" % pid) and status_of(pid, "State")[0] != "Z"]
    while alive() and time.monotonic() < end:
        time.sleep(0.05)
    left = alive()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    g.remove()
    assert left == []


@pytest.mark.skipif(os.getuid() != 0, reason="roles change their uid only when started as root")
def test_roles_run_as_different_users_that_are_not_root(gateway, origin):
    g = gateway(origin=origin, policies=WAF)
    uids = {}
    for pid, line in processes_under(g.process.pid).items():
        real, effective, saved, _ = map(int, status_of(pid, "Uid"))
        assert real == effective == saved != 0, line
        assert int(status_of(pid, "Groups")[0]) if status_of(pid, "Groups") else True
        uids.setdefault(real, set()).add(line)
    worker, logger = g.role("worker")[0], g.role("logger")[0]
    zygote = min(pid for pid, line in processes_under(g.process.pid).items() if "inspector" in line or "zygote" in line)
    assert len({status_of(pid, "Uid")[0] for pid in (worker, logger, zygote)}) == 3


def test_no_role_can_gain_privileges_or_leave_a_core(gateway, origin):
    g = gateway(origin=origin, policies=WAF)
    for pid, line in processes_under(g.process.pid).items():
        assert status_of(pid, "NoNewPrivs") == ["1"], line
        assert int(status_of(pid, "CapEff")[0], 16) == 0 or os.getuid() != 0, line
        limits = open("/proc/%d/limits" % pid).read()
        core = next(l for l in limits.splitlines() if l.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], line


@pytest.mark.parametrize("text, place, says", [
    ("listners: []\n", "portcullis.yaml:1:1", "listeners"),
    ("sites: {shop: {hosts: ['*'], origin: 'http://127.0.0.1:9', polcy: shop}}\n", "portcullis.yaml:1:", "policy"),
    ("client: {head: soon}\n", "portcullis.yaml:1:", "soon"),
    ("client: {head: 10s, head: 11s}\n", "portcullis.yaml:1:", "head"),
    ("processes: {workers: -1}\n", "portcullis.yaml:1:22", "auto"),
    ("logs: {level: loud}\n", "portcullis.yaml:1:", "level"),
    ("a: &x 1\n", "portcullis.yaml:1:", ""),
    ("sites: {shop: {hosts: ['*'], origin: 'gopher://x'}}\n", "portcullis.yaml:1:", ""),
    ("sites: {shop: {hosts: ['*'], origin: 'http://127.0.0.1:9', policy: nowhere}}\n", "portcullis.yaml:1:", "nowhere"),
])
def test_a_bad_configuration_names_the_place_and_the_reason(text, place, says):
    for command in (("check", "-c"), ("run", "-c")):
        code, output = check(text, command=command)
        assert code != 0
        assert place in output and says in output, output


def test_a_bad_policy_names_the_place_and_the_reason():
    code, output = check("", {"shop": "policy: shop\nrules:\n  - {id: a, when: 'ip.county == DE', do: block}\nwaf: {mode: off}\n"})
    assert code != 0
    assert "shop.yaml:3:" in output and "ip.country" in output, output


def test_a_good_configuration_is_said_to_be_good(origin):
    code, output = check("sites: {shop: {hosts: ['*'], origin: '%s', policy: shop}}\n" % origin.url,
                         {"shop": "policy: shop\nwaf: {mode: off}\n"})
    assert code == 0, output


def test_a_taken_port_is_an_error_that_names_it(origin):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output = check("listeners: [{address: '127.0.0.1:%d', serve: http}]\n" % port, command=("run", "-c"))
        assert code != 0 and str(port) in output


def test_requests_in_flight_survive_a_burst_of_connections(gateway, origin):
    g = gateway("client: {connections: 200, per_address: 1000}", origin=origin)
    origin.answers["/slow"] = [1.0, page(b"here")]
    with g.client() as c:
        c.send(request("/slow"))
        held = []
        for _ in range(400):
            try:
                held.append(g.client(timeout=1))
            except OSError:
                break
        assert c.read().body == b"here"
        for h in held:
            h.close()
    assert serves(g) < 3
