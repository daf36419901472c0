"""What one client may take of what all share: each bound driven over its edge, its answer, reason and metric
seen, others served beside it, and what was taken given back."""
import collections
import ctypes
import os
import selectors
import socket
import ssl
import subprocess
import threading
import time

import pytest

from rig_client import Client, Closed, request, trusting
from rig_gateway import SANITIZED, descriptors_of, free_port, make_certificate, processes_under, status_of
from rig_metrics import Bounded, at
from rig_origin import HANG, page

JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
OFF = {"shop": "policy: shop\nwaf: {mode: off}\n"}
WAF = {"shop": "policy: shop\nwaf: {mode: enforce, paranoia: 1}\n"}


@pytest.fixture
def bounded(gateway, origin):
    def make(config="", **how):
        how.setdefault("origin", origin)
        return Bounded(gateway, config, **how)
    return make


def heavy(leaves=300, target="/"):
    body = ('{"a":[%s]}' % ",".join('"%s"' % ("word " * 12) for _ in range(leaves))).encode()
    return request(target, "shop.example.com", JSON, method="POST", body=body)


# ---- CPU time of inspections ----

def test_one_client_has_so_much_inspection_and_others_have_theirs(bounded):
    g = bounded("waf: {client_cpu: 200ms, client_window: 4s, run: 5s}", policies=WAF)
    for n in range(200):
        with g.client() as c:
            answer = c.ask(heavy())
        if answer.status != 200:
            break
    assert answer.status == 429 and 1 <= int(answer.get("retry-after")) <= 9
    record = g.records(1, reason="waf-budget", status=429, filter="waf", decision="block")[0]
    assert "waf" not in record, "it was not inspected"
    assert g.get("/plain").status == 429, "whatever is asked for"
    with g.client(source="127.0.0.2") as other:
        assert other.ask(heavy(5)).status == 200
        assert other.ask(request("/?q=%3Cscript%3Ealert(1)%3C/script%3E")).status == 403
    assert g.count("waf_inspections_total", result="spent") >= 2
    assert g.count("refusals_total", reason="waf-budget") >= 2
    end = time.monotonic() + 12
    statuses = []
    while 200 not in statuses and time.monotonic() < end:
        time.sleep(0.2)
        statuses.append(g.get("/plain").status)
    assert statuses[-1] == 200, "it comes back"


def test_who_leaves_before_the_verdict_pays_all_the_same(bounded):
    g = bounded("waf: {client_cpu: 200ms, client_window: 10m, run: 5s}", policies=WAF)
    for n in range(100):
        with g.client() as c:
            c.send(heavy(900))
            time.sleep(0.03)
        if n % 5 == 4 and g.get().status == 429:
            break
    assert g.get().status == 429


def test_an_inspection_that_is_killed_costs_what_it_took(bounded):
    run = "400ms" if SANITIZED else "40ms"
    g = bounded("waf: {client_cpu: %s, client_window: 10m, run: %s, run_per_kib: 0ms}"
                % ("1200ms" if SANITIZED else "120ms", run), policies=WAF)
    seen = []
    for _ in range(20):
        with g.client() as c:
            seen.append(c.ask(heavy(950)).status)
        if seen[-1] == 429:
            break
    assert seen[0] == 503 and seen[-1] == 429, seen


def test_in_detect_mode_nobody_is_refused_and_the_record_says_what_was_not_seen(bounded):
    g = bounded("waf: {client_cpu: 30ms, client_window: 10m, run: 5s}",
                policies={"shop": "policy: shop\nwaf: {mode: detect}\n"})
    for _ in range(20):
        with g.client() as c:
            assert c.ask(heavy()).status == 200
    assert g.count("waf_inspections_total", result="spent") >= 1
    assert g.count("uninspected_requests_total") >= 1


def test_behind_a_trusted_hop_each_client_has_its_own(bounded):
    g = bounded("trusted: ['127.0.0.0/8']\nwaf: {client_cpu: 30ms, client_window: 10m, run: 5s}", policies=WAF)

    def ask(client):
        return g.get("/", "shop.example.com", "X-Forwarded-For: " + client).status

    for _ in range(200):
        if ask("2001:db8:1:1::1") == 429:
            break
    assert ask("2001:db8:1:1::2") == 429 and ask("2001:db8:1:2::1") == 200 and ask("198.51.100.1") == 200


# ---- Memory and room for content ----

def halves(n, source, length=100000, sent=60000, port=None):
    """Connections that have sent a part of their content and wait with the rest."""
    held = []
    for _ in range(n):
        c = Client(port, source=source, timeout=5)
        c.send(request("/", "shop.example.com", FORM, "Content-Length: %d" % length, method="POST") + b"x" * sent)
        held.append(c)
    return held


def test_a_connection_has_so_much_memory(bounded):
    g = bounded("client: {memory: 256KiB, head_bytes: 256KiB}", policies=WAF)
    before = g.count("memory_bytes", state="used")
    with g.client() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"v" * 4000) for i in range(50)) + b"\r\n")
        assert c.read().status == 431 and c.closed()
    with g.client() as c:
        head = request("/", "shop.example.com", FORM, "Content-Length: 200000", *["X-%d: %s" % (i, "v" * 4000) for i in range(23)], method="POST")
        try:
            c.send(head, b"x=" + b"y" * 60000, pause=0.3)
        except OSError:
            pass
        assert c.read().status == 413
    for status in (431, 413):
        g.records(1, status=status, reason="memory-connection")
    assert g.count("budget_refusals_total", budget="connection") >= 2
    assert g.get().status == 200
    assert g.gauge_falls(before + 1000, "memory_bytes", state="used")


def test_a_worker_has_so_much_memory_and_its_last_tenth_is_for_small_things(bounded):
    g = bounded("client: {head_bytes: 256KiB, per_address: 2000}\nprocesses: {workers: 1, inspectors: 2, worker_memory: 16MiB}",
                policies=OFF)
    canary = g.client()
    assert canary.get().status == 200
    before = g.count("memory_bytes", state="used")
    flood = []
    try:
        for i in range(400):
            if i % 10 == 0:
                assert canary.get().status == 200, "who was there is served"
            try:
                c = g.client(source="127.0.0.3", timeout=3)
                c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"v" * 70000)
                flood.append(c)
            except OSError:
                pass
        time.sleep(0.5)
        assert canary.get().status == 200
        assert g.count("memory_bytes", state="used") <= 16 << 20
        refused = sum(g.count("connections_refused_total", cause=cause) for cause in ("memory", "full"))
        assert refused + g.count("connections_evicted_total") + g.count("budget_refusals_total", budget="worker") > 50
    finally:
        for c in flood:
            c.close()
    assert g.gauge_falls(before + 50000, "memory_bytes", state="used")
    assert canary.get().status == 200 and g.get().status == 200
    canary.close()


def test_content_goes_to_a_file_early_where_memory_is_tight(bounded):
    g = bounded("client: {per_address: 2000}\nprocesses: {workers: 1, inspectors: 2, worker_memory: 32MiB, spool: 1GiB}",
                policies=WAF)
    flood = []
    try:
        for i in range(4):
            flood += halves(85, "127.0.1.%d" % (i + 1), length=61000, port=g.http)
        assert g.gauge_rises(1 << 20, "spool_bytes")
        assert g.count("memory_bytes", state="used") <= 32 << 20
        assert g.get().status == 200
        with g.client() as c:
            assert c.ask(heavy(50)).status == 200
    finally:
        for c in flood:
            c.close()
    assert g.gauge_falls(0, "spool_bytes")
    assert g.count("budget_refusals_total", budget="worker") == 0


def test_the_room_for_content_has_an_end_and_one_client_a_share_of_it(bounded):
    g = bounded("processes: {workers: 1, inspectors: 2, spool: 1MiB}", policies=WAF)
    held = []
    try:
        held += halves(1, "127.0.0.11", length=400000, sent=300000, port=g.http)
        time.sleep(0.2)
        assert halves(1, "127.0.0.11", length=400000, sent=300000, port=g.http)[0].read().status == 429
        for i in (12, 13):
            held += halves(1, "127.0.0.%d" % i, length=400000, sent=300000, port=g.http)
        time.sleep(0.2)
        refused = halves(1, "127.0.0.14", length=400000, sent=300000, port=g.http)[0].read()
        assert refused.status == 503 and refused.get("retry-after") == "1"
        assert g.get().status == 200, "who brings no content is served"
        with g.client() as c:
            assert c.ask(request("/", "shop.example.com", FORM, method="POST", body=b"x=" + b"y" * 30000)).status == 200
    finally:
        for c in held:
            c.close()
    g.records(1, status=429, reason="spool-share")
    g.records(1, status=503, reason="spool-full")
    assert g.count("budget_refusals_total", budget="spool-share") == 1
    assert g.count("budget_refusals_total", budget="spool") == 1
    assert g.gauge_falls(0, "spool_bytes")
    with g.client(source="127.0.0.14") as c:
        assert c.ask(request("/", "shop.example.com", FORM, method="POST", body=b"x=" + b"y" * 300000)).status == 200


# ---- Descriptors ----

def test_clients_leave_descriptors_for_what_their_requests_need(bounded, origin):
    origin.answers["/hang"] = [HANG]
    g = bounded("client: {per_address: 1000}", policies=OFF, descriptors=256)
    assert g.get().status == 200
    worker = g.role("worker")[0]
    before, held, idle = descriptors_of(worker), [], []
    try:
        # Idle ones first: they go when room is needed.
        idle = [g.client() for _ in range(10)]
        for _ in range(220):
            c = g.client(timeout=5)
            c.send(request("/hang"))
            held.append(c)
        time.sleep(0.5)
        assert descriptors_of(worker) <= 256
        m = g.metrics()
        closed = at(m, "portcullis_connections_evicted_total") + at(m, "portcullis_connections_refused_total", cause="descriptors")
        assert closed + at(m, "portcullis_accept_pauses_total") >= 2
        assert at(m, "portcullis_accept_pauses_total") < 20, "it pauses, it does not spin"
        assert at(m, "portcullis_budget_refusals_total", budget="descriptors") > 0
        assert at(m, "portcullis_origin_ejections_total") == 0, "the server is not to blame"
        g.records(1, status=503, reason="descriptors")
    finally:
        for c in held + idle:
            c.reset()
    end = time.monotonic() + 5
    while descriptors_of(worker) > before + 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert descriptors_of(worker) <= before + 2, "given back"
    assert g.get().status == 200


# ---- Addresses and networks ----

def in_a_network_of_its_own(work):
    """Run it where the loopback answers to all of 2001:db8::/32."""
    failed = []

    def run():
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
                pytest.skip("no network namespaces: %s" % os.strerror(ctypes.get_errno()))
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            if subprocess.run(["ip", "-6", "route", "add", "local", "2001:db8::/32", "dev", "lo"]).returncode:
                pytest.skip("no IPv6 here")
            work()
        except BaseException as fault:
            failed.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def test_an_ipv6_network_has_so_many_connections(bounded):
    def work():
        port = free_port()
        g = bounded("listeners: [{address: '[::]:%d', serve: http}]\nclient: {per_address: 4, per_network: 10}" % port,
                    policies={"shop": "policy: shop\nwaf: {mode: off}\nrules:\n  - {id: no, when: 'path under \"/\"', do: block 404}\n"})

        def come(source):
            s = socket.socket(socket.AF_INET6)
            s.settimeout(3)
            s.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND: the route is not an address
            s.bind((source, 0))
            s.connect(("::1", port))
            try:
                s.sendall(request("/"))
                return s, s.recv(1000).startswith(b"HTTP/1.1 404")
            except OSError:
                return s, False

        seen = [come("2001:db8:1:1::%x" % (i + 1)) for i in range(6)]
        assert [ok for _, ok in seen] == [True] * 4 + [False] * 2, "a /64 is one address"
        seen += [come("2001:db8:1:%x::1" % (i + 2)) for i in range(10)]
        assert [ok for _, ok in seen[6:]] == [True] * 6 + [False] * 4, "a /48 is one network"
        other = come("2001:db8:2:1::1")
        assert other[1], "its neighbour is served"
        m = g.metrics()
        assert at(m, "portcullis_connections_refused_total", cause="address") == 2
        assert at(m, "portcullis_connections_refused_total", cause="network") == 4
        for s, _ in seen:
            s.close()
        time.sleep(0.3)
        assert come("2001:db8:1:99::1")[1], "given back"

    in_a_network_of_its_own(work)


def test_near_the_end_the_longest_idle_makes_room(bounded):
    g = bounded("client: {connections: 40, per_address: 1000}", policies=OFF)
    idle = [g.client() for _ in range(36)]
    for c in idle:
        assert c.get().status == 200
    late = [g.client() for _ in range(10)]
    for c in late:
        assert c.get().status == 200
    assert idle[0].closed() and idle[9].closed() and idle[10].get().status == 200
    assert g.count("connections_evicted_total") == 10
    for c in idle + late:
        c.close()


# ---- More to do than can be done ----

def client_hello():
    """What a TLS client says first: enough to make a server sign."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        trusting().wrap_bio(incoming, outgoing, server_hostname="shop.example.com").do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def crowd(port, n, enough, message):
    """So many clients, of which each comes again as soon as it hears anything: how often nothing (b""), and how often
    what begins so."""
    heard, ready = collections.Counter(), selectors.DefaultSelector()

    def come():
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        ready.register(s, selectors.EVENT_WRITE)

    for _ in range(n):
        come()
    while not enough(heard):
        for key, _ in ready.select(0.1):
            piece = b""
            try:
                if key.events & selectors.EVENT_WRITE:
                    key.fileobj.sendall(message)
                    ready.modify(key.fileobj, selectors.EVENT_READ)
                    continue
                piece = key.fileobj.recv(4096)
            except OSError:
                pass
            heard[piece[:12]] += 1
            assert not piece.startswith(b"HTTP/1.1 503") or b"\r\nretry-after: 1\r\n" in piece
            ready.unregister(key.fileobj)
            key.fileobj.close()
            come()
    for key in list(ready.get_map().values()):
        key.fileobj.close()
    return heard


# Some hundred expressions over one long field: milliseconds for each request.
COSTLY = {"shop": "policy: shop\nwaf: {mode: off}\nrules:\n" + "".join(
    "  - {id: r%d, when: 'header.x matches r\"(ab|cd){3}e+%d\"', do: block 404}\n" % (i, i) for i in range(100))}


@pytest.mark.slow
def test_a_worker_that_is_late_refuses_requests_and_ends_what_it_has_begun(bounded, origin):
    g = bounded("client: {per_address: 5000}\nprocesses: {workers: 1, inspectors: 2, lag: 20ms}", policies=COSTLY)
    origin.answers["/slow"] = [2.0, page(b"at last")]
    begun = g.client(timeout=30)
    begun.send(request("/slow"))
    end = time.monotonic() + 20
    heard = crowd(g.http, 60, lambda h: h[b"HTTP/1.1 503"] > 20 and h[b"HTTP/1.1 200"] > 20 or time.monotonic() > end,
                  request("/", "shop.example.com", "Connection: close", *["X: " + "abcd" * 1900] * 4))
    assert begun.read().text == "at last", "what has begun goes on"
    assert heard[b"HTTP/1.1 503"] > 20 and heard[b"HTTP/1.1 200"] > 20, heard
    g.records(20, status=503, reason="overload", why="the worker is late")
    assert g.count("refusals_total", reason="overload") >= 20
    recovers(g)
    begun.close()


@pytest.mark.slow
def test_a_worker_that_is_late_refuses_handshakes_and_serves_who_is_there(bounded, folder):
    """Three hundred clients ask for signatures of some milliseconds each, as fast as they get them."""
    g = bounded("client: {per_address: 5000}\nprocesses: {workers: 1, inspectors: 2, lag: 50ms}", policies=OFF,
                cert=make_certificate(folder, kind="rsa4096"))
    waits, end = [], time.monotonic() + 8

    def ask():
        with g.client() as c:
            while time.monotonic() < end:
                began = time.monotonic()
                assert c.get().status in (200, 503)
                waits.append(time.monotonic() - began)
                time.sleep(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    heard = crowd(g.https, 300, lambda h: not asking.is_alive(), client_hello())
    assert heard[b""] > 20 and sum(n for what, n in heard.items() if what) > 20, heard
    assert g.count("connections_refused_total", cause="overload") > 20
    assert len(waits) > 5 and sorted(waits)[len(waits) // 2] < 1, waits
    assert g.count("role_restarts_total", role="worker") == 0
    recovers(g)


def recovers(g, within=5):
    end = time.monotonic() + within
    while True:
        try:
            if g.get().status == 200 and g.get(tls=True).status == 200:
                return
        except (Closed, OSError):
            pass
        assert time.monotonic() < end


def test_a_queue_of_inspections_that_stands_is_not_made_longer(bounded):
    g = bounded("waf: {queue: 400ms, run: 5s}\nprocesses: {workers: 1, inspectors: 2}", policies=WAF)
    assert g.get().status == 200
    statuses, waits, end = [], [], time.monotonic() + (6 if SANITIZED else 3)

    def flood(source):
        while time.monotonic() < end:
            with g.client(source=source, timeout=20) as c:
                began = time.monotonic()
                answer = c.ask(heavy(150))
                statuses.append((answer.status, answer.get("retry-after")))
                if answer.status == 503:
                    waits.append(time.monotonic() - began)

    threads = [threading.Thread(target=flood, args=("127.0.2.%d" % (i + 1),)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(statuses) == {(200, None), (503, "1")}, set(statuses)
    g.records(1, status=503, reason="waf-busy")
    assert g.count("waf_inspections_total", result="busy") > 0
    assert sorted(waits)[len(waits) // 2] < 0.2, "at once"
    began = time.monotonic()
    while g.get().status != 200:
        time.sleep(0.05)
    assert time.monotonic() - began < 5


# ---- Inspectors that grow ----

def inspectors(g):
    return {pid for z in g.role("portcullis-inspector") for pid in processes_under(z)}


@pytest.mark.slow
def test_a_peak_of_an_inspector_that_is_over_is_given_back(bounded):
    g = bounded("waf: {recycle_memory: 16MiB, run: 60s}\nprocesses: {workers: 1, inspectors: 1}", policies=WAF)
    assert g.get().status == 200
    before = inspectors(g)
    pid = min(before)
    rest = int(status_of(pid, "VmRSS")[0])
    with g.client(timeout=60) as c:
        assert c.ask(request("/", "shop.example.com", FORM, method="POST", body=b"&".join(
            b"k%d=%s" % (i, b"harmless+words+and+" * 1500) for i in range(30)))).status == 200
    peak = int(status_of(pid, "VmHWM")[0])
    assert peak > rest + (10 << 10), "%d KiB at rest, %d at its peak" % (rest, peak)
    end = time.monotonic() + 5
    while int(status_of(pid, "VmRSS")[0]) > rest + (peak - rest) // 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    with g.client() as c:
        for _ in range(70):
            assert c.get("/page").status == 200
    assert inspectors(g) == before and g.count("inspectors_ended_total", cause="grown") == 0


@pytest.mark.slow
def test_an_inspector_that_has_grown_and_does_not_shrink_is_replaced(bounded, origin):
    """Transactions that wait for an answer are memory in use."""
    origin.answers["/hang"] = [HANG]
    g = bounded("waf: {recycle_memory: 4MiB, run: 5s, queue: 30s, client_cpu: 0s}\nprocesses: {workers: 1, inspectors: 1}\nclient: {per_address: 1000}",
                policies={"shop": "policy: shop\nwaf: {mode: enforce, responses: {mode: enforce}}\n"})
    assert g.get().status == 200
    before, held = inspectors(g), []
    try:
        for _ in range(100):
            c = g.client(timeout=20)
            c.send(request("/hang", "shop.example.com", "X: " + "word " * 1500))
            held.append(c)
            time.sleep(0.01)
        end = time.monotonic() + 20
        while g.count("inspectors_ended_total", cause="grown") < 1 and time.monotonic() < end:
            time.sleep(0.1)
        assert g.count("inspectors_ended_total", cause="grown") >= 1 and inspectors(g) != before
        assert g.get().status == 200
        assert g.count("waf_inspections_total", result="lost") == 0, "between two inspections"
    finally:
        for c in held:
            c.reset()
