"""What a running gateway says of itself: metrics, status, health; true, bounded, and whoever dies."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from rig_client import Client, Closed
from rig_gateway import PROGRAM, TOP, check, free_port, status_of
from rig_metrics import at, parse
from rig_origin import page

WAF = {"shop": "waf: {mode: enforce}\nrules:\n  - {id: no, when: 'path under \"/no\"', do: block 403}\n"
               "  - {id: away, when: 'path under \"/away\"', do: redirect 302, to: 'https://www.example.com'}\n"
               "limits:\n  - {id: few, when: 'path under \"/few\"', rate: 1 per 1h}\n"}
PLAIN = {"shop": WAF["shop"].replace("enforce", "off")}


class Watched:
    """A gateway with a TCP port for its metrics."""

    def __init__(self, gateway, config="", **how):
        self.port = free_port()
        self.g = gateway("admin: {address: '127.0.0.1:%d'}\n%s" % (self.port, config), **how)

    def get(self, path, method="GET", host="localhost"):
        with Client(self.port) as c:
            c.send(("%s %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (method, path, host)).encode())
            return c.read(head=method == "HEAD")

    def metrics(self):
        return parse(self.get("/metrics").text)

    def status(self):
        return json.loads(self.get("/status").text)

    def wait(self, said, within=10.0):
        """Until /healthz says that."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            try:
                answer = self.get("/healthz")
                if answer.text == said + "\n":
                    assert answer.status == (200 if said == "ok" else 503)
                    return
            except (Closed, OSError):
                pass
            time.sleep(0.03)
        raise AssertionError("/healthz does not say %r:\n%s" % (said, self.g.stderr()))


@pytest.fixture
def watched(gateway, origin):
    def make(config="", **how):
        how.setdefault("policies", PLAIN)
        return Watched(gateway, config, origin=origin, **how)
    return make


def sum_of(samples, name):
    return sum(v for (n, _), v in samples.items() if n == name)


# ---- What is counted ----

def test_each_request_is_counted_by_what_became_of_it(watched):
    w = watched(policies=WAF)
    for target in ("/", "/", "/no", "/away", "/few", "/few", "/?q=<script>alert(1)</script>"):
        w.g.get(target.replace("<", "%3c").replace(">", "%3e"))
    w.g.ask(b"GARBAGE\r\n\r\n")
    w.g.log(8)
    m = w.metrics()
    decisions = {d: at(m, "portcullis_requests_total", site="shop", decision=d) for d in ("pass", "block", "redirect", "failed")}
    assert decisions == {"pass": 3, "block": 3, "redirect": 1, "failed": 0}
    assert at(m, "portcullis_requests_total", site="(none)", decision="block") == 1
    for reason in ("policy-rule", "rate-limit", "waf-score", "bad-request"):
        assert at(m, "portcullis_refusals_total", reason=reason) == (2 if reason == "policy-rule" else 1), reason
    assert at(m, "portcullis_responses_total", **{"class": "2xx"}) == 3
    assert at(m, "portcullis_responses_total", **{"class": "3xx"}) == 1
    assert at(m, "portcullis_responses_total", **{"class": "4xx"}) == 4
    assert at(m, "portcullis_limit_checks_total") == 2
    assert at(m, "portcullis_waf_inspections_total", result="allow") == 3
    assert at(m, "portcullis_waf_inspections_total", result="deny") == 1
    assert at(m, "portcullis_waf_run_seconds_count") == at(m, "portcullis_waf_queue_seconds_count") == 4
    assert at(m, "portcullis_waf_cpu_seconds_total") > 0
    assert at(m, "portcullis_request_seconds_count") == 8
    assert at(m, "portcullis_origin_first_byte_seconds_count") == 3
    assert at(m, "portcullis_connections_accepted_total") == 8
    assert at(m, "portcullis_requests_in_flight") == 0


def test_the_sum_over_decisions_is_the_number_of_records(watched):
    w = watched("processes: {workers: 2}")
    for i in range(40):
        w.g.get("/no" if i % 3 else "/")
    assert sum_of(w.metrics(), "portcullis_requests_total") == len(w.g.log(40)) == 40


def test_handshakes_are_counted_by_how_they_went(watched):
    w = watched()
    w.g.get("/", tls=True)
    with socket.create_connection(("127.0.0.1", w.g.https)) as s:
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        try:
            while s.recv(100):
                pass
        except ConnectionResetError:
            pass  # bytes that nobody read are behind the answer
    m = w.metrics()
    assert at(m, "portcullis_tls_handshakes_total", result="full") == 1
    assert at(m, "portcullis_tls_handshakes_total", result="failed") == 1
    assert at(m, "portcullis_tls_handshake_seconds_count") == 1


def test_a_dead_origin_shows(gateway):
    w = Watched(gateway, policies=PLAIN)
    assert w.g.get().status == 502
    w.g.log(1)
    m = w.metrics()
    assert at(m, "portcullis_requests_total", site="shop", decision="failed") == 1
    assert at(m, "portcullis_refusals_total", reason="origin-refused") == 1
    assert at(m, "portcullis_origin_failures_total") == 2 and at(m, "portcullis_origin_retries_total") == 1


def test_connections_and_memory_are_gauges(watched):
    w = watched()
    clients = [w.g.client() for _ in range(5)]
    for c in clients:
        c.get()
    time.sleep(0.6)
    m = w.metrics()
    assert at(m, "portcullis_connections") == 5
    assert at(m, "portcullis_memory_bytes", state="used") > 0
    for c in clients:
        c.close()
    time.sleep(0.6)
    assert at(w.metrics(), "portcullis_connections") == 0


def test_who_comes_too_often_is_counted(watched):
    w = watched("client: {per_address: 3}")
    clients = [w.g.client() for _ in range(3)]
    for c in clients:
        c.get()
    with pytest.raises((Closed, OSError)):
        w.g.get()
    assert at(w.metrics(), "portcullis_connections_refused_total", cause="address") == 1
    for c in clients:
        c.close()


def test_what_is_not_inspected_is_counted_in_bytes(watched):
    w = watched("client: {inspected_body: 1KiB}", policies={"shop": "waf:\n  mode: detect\n"})
    for length in (1000, 3000):
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
        assert w.g.ask(head + b"[" + b" " * (length - 2) + b"]").status == 200
    w.g.log(2)
    m = w.metrics()
    assert at(m, "portcullis_uninspected_requests_total") == 1
    assert at(m, "portcullis_uninspected_bytes_total") == 3000


def test_what_is_not_inspected_of_an_answer_is_counted_apart(watched, origin):
    w = watched(policies={"shop": "waf: {mode: enforce, responses: {mode: enforce, body: true}}\n"})
    origin.script = lambda request: [page(b"x" * 500, "200 OK", "Content-Type: image/png")]
    assert w.g.get().status == 200
    w.g.log(1)
    m = w.metrics()
    assert at(m, "portcullis_uninspected_answers_total") == 1
    assert at(m, "portcullis_uninspected_answer_bytes_total") == 500
    assert at(m, "portcullis_uninspected_requests_total") == 0


def test_redis_shows(watched, redis):
    w = watched("redis: {address: '127.0.0.1:%d'}" % redis.port)
    w.g.get("/few")
    time.sleep(0.4)
    m = w.metrics()
    assert at(m, "portcullis_redis_questions_total", result="answered") == 1
    assert at(m, "portcullis_limit_wait_seconds_count") == 1
    assert at(m, "portcullis_redis_ready") == 1
    redis.kill()
    w.g.get("/few")
    time.sleep(0.4)
    m = w.metrics()
    assert at(m, "portcullis_redis_breaks_total") == 1
    assert at(m, "portcullis_redis_ready") == 0
    assert sum_of(m, "portcullis_redis_questions_total") == 2


# ---- Bounded ----

def test_no_client_makes_a_line(watched):
    sites = "sites:\n" + "".join("  site-%d: {hosts: 'h%d.example.com', origin: '$origin', policy: shop}\n" % (i, i) for i in range(200))
    w = watched(sites)
    w.get("/metrics")
    before = set(w.metrics())
    for i in range(200):
        w.g.get("/path-%d?q=%d" % (i, i), "h%d.example.com" % i, "User-Agent: agent-%d" % i)
        w.g.get("/", "unheard-of-%d.example.com" % i)
    w.g.log(400)
    m = w.metrics()
    new = {k for k in set(m) - before}
    assert {k[0] for k in new} == {"portcullis_requests_total"}
    assert len(new) == 4 * (128 + 2)
    assert at(m, "portcullis_requests_total", site="(other)", decision="pass") == 72
    assert at(m, "portcullis_requests_total", site="(none)", decision="block") == 200
    assert len(m) < 1400


# ---- Whoever dies ----

def test_counters_outlive_a_worker_and_its_gauges_do_not(watched):
    w = watched()
    held = w.g.client()
    for _ in range(5):
        assert held.get().status == 200
    time.sleep(0.4)
    assert at(w.metrics(), "portcullis_connections") == 1
    os.kill(w.g.role("worker")[0], signal.SIGKILL)
    w.wait("no worker serves")
    assert at(w.metrics(), "portcullis_connections") == 0
    w.wait("ok")
    held.close()
    w.g.get()
    w.g.log(6)
    m = w.metrics()
    assert at(m, "portcullis_requests_total", site="shop", decision="pass") == 6
    assert at(m, "portcullis_role_restarts_total", role="worker") == 1


def test_a_killed_admin_is_replaced_and_nobody_served_notices(watched):
    w = watched()
    w.g.get()
    os.kill(w.g.role("role-admin")[0], signal.SIGKILL)
    assert w.g.get().status == 200
    w.wait("ok")
    m = w.metrics()
    assert at(m, "portcullis_role_restarts_total", role="admin") == 1
    assert at(m, "portcullis_requests_total", site="shop", decision="pass") == 2


def test_health_is_lost_when_all_workers_stand_still(watched):
    w = watched("processes: {workers: 2}")
    w.wait("ok")
    workers = w.g.role("worker")
    os.kill(workers[0], signal.SIGSTOP)
    time.sleep(0.3)
    assert w.get("/healthz").status == 200, "one worker is enough"
    os.kill(workers[1], signal.SIGSTOP)
    w.wait("no worker serves")
    w.wait("ok", 20)


def test_health_is_lost_with_the_inspectors(watched):
    w = watched(policies=WAF)
    w.wait("ok")
    gone = threading.Event()

    def kill_zygotes():
        """Each that comes: one alone may be replaced before anybody looks."""
        while not gone.wait(0.02):
            for pid in w.g.role("portcullis-inspector")[:1]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    killer = threading.Thread(target=kill_zygotes)
    killer.start()
    try:
        w.wait("no inspector is there")
    finally:
        gone.set()
        killer.join()
    w.wait("ok", 30)
    m = w.metrics()
    assert at(m, "portcullis_role_restarts_total", role="zygote") >= 1
    assert at(m, "portcullis_inspectors") == 2


def test_killed_inspectors_are_counted(watched):
    w = watched(policies=WAF)
    w.wait("ok")
    zygote, inspector = w.g.role("portcullis-inspector")[:2]
    os.kill(inspector, signal.SIGKILL)
    end = time.monotonic() + 10
    while at(m := w.metrics(), "portcullis_inspectors_started_total") < 3 and time.monotonic() < end:
        time.sleep(0.1)
    assert at(m, "portcullis_inspectors_ended_total", cause="died") == 1
    assert at(m, "portcullis_inspectors_started_total") == 3


# ---- From one generation to the next ----

def reload(g):
    done = subprocess.run([PROGRAM, "reload", "-c", g.file], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_counters_go_on_over_a_reload_and_new_sites_have_names(watched):
    w = watched(policies=WAF)
    w.g.get()
    w.g.log(1)
    before = w.status()
    text = w.g.file.read_text()
    w.g.file.write_text(text.replace("sites:\n", "sites:\n  blog: {hosts: blog.example.com, origin: 'http://127.0.0.1:9'}\n"))
    assert reload(w.g)[0] == 0, w.g.stderr()
    w.g.get()
    w.g.get("/", "blog.example.com")
    w.g.log(3)
    m = w.metrics()
    assert at(m, "portcullis_requests_total", site="shop", decision="pass") == 2
    assert at(m, "portcullis_requests_total", site="blog", decision="failed") == 1
    assert at(m, "portcullis_reloads_total", result="done") == 1
    assert at(m, "portcullis_waf_inspections_total", result="deny") == 0, "what a reload tries out is nobody's request"
    assert w.status()["generation"] != before["generation"] and w.get("/healthz").status == 200
    w.g.file.write_text(text + "nonsense: 1\n")
    assert reload(w.g)[0] == 1
    assert at(w.metrics(), "portcullis_reloads_total", result="refused") == 1


def test_inspectors_of_new_rules_are_counted_with_the_old(watched):
    w = watched(policies=WAF)
    w.wait("ok")
    started = at(w.metrics(), "portcullis_inspectors_started_total")
    w.g.file.write_text(w.g.file.read_text() + "waf: {arguments: 999, run: 5s}\n" if "\nwaf:" not in w.g.file.read_text()
                        else w.g.file.read_text().replace("waf: {", "waf: {arguments: 999, "))
    assert reload(w.g)[0] == 0, w.g.stderr()
    end = time.monotonic() + 10
    while at(w.metrics(), "portcullis_inspectors_started_total") < started + 2 and time.monotonic() < end:
        time.sleep(0.1)
    m = w.metrics()
    assert at(m, "portcullis_inspectors_started_total") == started + 2
    assert at(m, "portcullis_inspectors") == 2 and w.get("/healthz").status == 200


# ---- Who may ask what ----

def test_what_else_is_asked_is_refused(watched):
    w = watched()
    assert w.get("/").status == 404
    assert w.get("/metrics", "POST").status == 405
    head = w.get("/metrics", "HEAD")
    assert head.status == 200 and int(head.get("content-length")) > 1000 and not head.body
    assert w.get("/metrics", host="evil.example.com").status == 421, "a name of somebody else's may point here"
    assert w.get("/metrics", host="127.0.0.1:%d" % w.port).status == 200
    with Client(w.port) as c:
        c.send(b"nonsense\r\n\r\n")
        assert c.read().status == 400
    with Client(w.port) as c:
        c.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000)
        assert c.read().status == 400


def test_who_holds_on_does_not_shut_others_out(watched):
    w = watched()
    idle = [Client(w.port) for _ in range(100)]
    assert w.get("/healthz").status == 200
    for c in idle:
        c.close()


def test_it_answers_while_the_workers_are_busy(watched):
    w = watched("client: {requests: 1000000}")
    over = threading.Event()

    def ask_on():
        with w.g.client() as c:
            while not over.is_set():
                c.get("/no")

    askers = [threading.Thread(target=ask_on) for _ in range(8)]
    for a in askers:
        a.start()
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert w.get("/metrics").status == 200
        took.append(time.monotonic() - began)
        time.sleep(0.05)
    over.set()
    for a in askers:
        a.join()
    assert sorted(took)[10] < 0.5
    assert sum_of(w.metrics(), "portcullis_requests_total") > 100


def test_only_loopback_may_be_listened_on():
    code, text = check("admin: {address: '0.0.0.0:9180'}\n")
    assert code == 1 and "is not a loopback address" in text


def test_a_port_that_is_taken_ends_the_start(gateway, origin):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        with pytest.raises(AssertionError, match="admin.address .* in use"):
            gateway("admin: {address: '127.0.0.1:%d'}" % s.getsockname()[1], origin=origin)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_admin_process_has_a_uid_of_its_own_and_no_way_to_write(watched):
    w = watched()
    w.wait("ok")        # READY does not wait for it; what answers is in its cage.
    pid = w.g.role("role-admin")[0]
    uid = int(status_of(pid, "Uid")[0])
    assert uid == int(status_of(w.g.role("worker")[0], "Uid")[0]) + 1
    maps = [line for line in open("/proc/%d/maps" % pid) if "memfd" in line]
    assert len(maps) == 1 and "portcullis-metrics" in maps[0] and maps[0].split()[1] == "r--s"


# ---- portcullis status ----

def status(g, *arguments):
    done = subprocess.run([PROGRAM, "status", "-c", g.file, *arguments], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def test_status_prints_what_happened(gateway, origin):
    g = gateway(origin=origin, policies=PLAIN)
    for target in ("/", "/", "/no"):
        g.get(target)
    g.log(3)
    code, text, errors = status(g)
    assert code == 0, errors
    assert re.search(r"(?m)^portcullis \S+, serves, up 0m \ds", text)
    assert re.search(r"(?m)^shop +2 +1 +0 +0$", text)
    generation = re.search(r"generation (\w{16})", check_generation(g))[1]
    assert "generation  " + generation in text
    code, text, errors = status(g, "--json")
    assert code == 0 and json.loads(text)["generation"] == generation


def check_generation(g):
    return subprocess.run([PROGRAM, "check", "-c", g.file], capture_output=True, text=True).stdout


def test_status_says_when_nothing_runs(gateway, origin):
    g = gateway(origin=origin, start=False)
    code, text, errors = status(g)
    assert code == 1 and not text
    assert "no gateway runs for %s" % g.file in errors and "portcullis run -c" in errors
    assert status(g, "too", "much")[0] == 2


def test_two_gateways_do_not_meet_and_a_stale_socket_is_replaced(gateway, origin):
    first, second = gateway(origin=origin), gateway(origin=origin)
    first.get()
    first.log(1)
    sites = lambda g: json.loads(status(g, "--json")[1])["sites"][0]["pass"]
    assert sites(first) == 1 and sites(second) == 0
    for pid in [first.process.pid, *first.role("portcullis")]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    first.process.wait()
    first.process = None
    assert status(first)[0] == 1
    first.start()
    assert sites(first) == 0


# ---- What is written down about it ----

def test_every_metric_is_in_the_document(watched):
    text = (TOP / "docs/metrics.md").read_text()
    said = {name: (kind, help) for name, kind, help in re.findall(r"(?m)^\| `(portcullis_\w+)(?:\{[^`]*\})?` \| (\w+) \| (.*) \|$", text)}
    is_so = watched().get("/metrics").text
    have = {name: (re.search(r"# TYPE %s (\w+)" % name, is_so)[1], help) for name, help in re.findall(r"(?m)^# HELP (\w+) (.*)$", is_so)}
    assert said == have


def test_the_board_asks_for_metrics_that_there_are(watched):
    board = json.loads((TOP / "packaging/grafana/portcullis.json").read_text())
    queries = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
    names = set(re.findall(r"portcullis_\w+", " ".join(queries)))
    w = watched(policies=WAF)
    w.g.get()
    w.g.log(1)
    there = {name for name, _ in w.metrics()}
    assert len(names) > 20 and names <= there, names - there
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places) and len({p["id"] for p in board["panels"]}) == len(places)
