"""Requests that are cheap to send and dear to serve: expressions that run away, names that fall on one place,
answers in a thousand pieces, connections that end in every way."""
import itertools
import random
import socket
import threading
import time

import pytest

from rig_client import Closed, request
from rig_gateway import SANITIZED, descriptors_of
from rig_metrics import Bounded
from rig_origin import page

FORM = "Content-Type: application/x-www-form-urlencoded"
AGENT = ("User-Agent: Mozilla/5.0", "Accept: text/html")


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = Bounded(shared_gateway, """\
waf: {client_cpu: 0s}
processes: {workers: 1, inspectors: 2}
client: {per_address: 5000, requests: 1000000}
sites:
  shop: {hosts: shop.example.com, origin: '$origin', policy: shop}
  plain: {hosts: plain.example.com, origin: '$origin'}
""", origin=shared_origin, policies={"shop": "policy: shop\nwaf: {mode: enforce, paranoia: 2}\n"})
    shared_origin.answers["/large"] = [page(b"z" * (4 << 20))]
    return g


class Canary:
    """Somebody else, who asks all the time."""

    def __init__(self, rig):
        self.rig, self.over, self.seen = rig, False, []
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        with self.rig.client(source="127.0.0.9", timeout=20) as c:
            while not self.over:
                began = time.monotonic()
                status = c.get("/canary", "plain.example.com").status
                self.seen.append((status, time.monotonic() - began))
                time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        assert self.seen and {status for status, _ in self.seen} == {200}
        waits = sorted(w for _, w in self.seen)
        assert waits[len(waits) // 2] < 0.25, waits[-5:]


# ---- Expressions that run away ----

# What backtracking likes best, as long as an argument may be; the last ones grow where transformations undo them.
RUNAWAY = {
    "shell prefixes": b"a=" + b";'\"\\" * 8000 + b"cat",
    "assignments": b"a=" + b"x='' " * 6000 + b"!",
    "words and slashes": b"a=" + b"/*/" * 10000,
    "select": b"a=" + b"select " * 4500,
    "quotes": b"a=" + b"'\"" * 15000,
    "parentheses": b"a=" + b"(" * 30000,
    "tags": b"a=" + b"<a " * 10000,
    "attributes": b"a=<" + b"a on=" * 6000,
    "digits and operators": b"a=" + b"1=1 or " * 4500,
    "functions": b"a=" + b"sleep ( " * 3800,
    "urls": b"a=" + b"http://" * 4300,
    "objects": b'a=O:' + b"1:" * 15000,
    "white space": b"a=" + b"+" * 30000 + b"x",
    "percent": b"a=" + b"%2525" * 6000,
    "comments": b"a=" + b"/**/--%0a#%0a" * 2300,
    "entities": b"a=" + b"%26%23x0" * 3700,
    "escapes": b"a=" + b"\\u0027\\x27" * 3000,
    "base64": b"a=" + b"QUFB" * 7500 + b"=",
}


@pytest.mark.parametrize("name", RUNAWAY)
def test_no_text_runs_an_inspection_past_its_clock(rig, name):
    with Canary(rig):
        began = time.monotonic()
        with rig.client(timeout=30) as c:
            status = c.ask(request("/", "shop.example.com", FORM, *AGENT, method="POST", body=RUNAWAY[name])).status
        took = time.monotonic() - began
    assert status in (200, 403, 413, 503)
    # 250 ms of CPU and one for each KiB, four times that on the wall, and the wait before.
    assert took < 4 * 0.3 + 1 + (4 if SANITIZED else 1)
    assert rig.get("/after", "shop.example.com", *AGENT).status == 200


# ---- Names that fall on one place ----

@pytest.mark.timing
def test_names_that_collide_cost_no_more_than_others(rig):
    """The engine's tables add up the letters of a name: those of one word's letters in every order are one place."""
    letters = random.Random(7)
    alike = ["".join(p) for p in itertools.islice(itertools.permutations("abcdefg"), 400)]
    apart = ["".join(letters.choice("abcdefghijklmnopqrstuvwxyz0123456789_") for _ in range(7)) for _ in range(400)]

    def cpu(names):
        spent = []
        for _ in range(3):
            before = rig.count("waf_cpu_seconds_total")
            body = "&".join("%s=1" % n for n in names).encode()
            for _ in range(3):
                assert rig.ask(request("/", "shop.example.com", FORM, *AGENT, method="POST", body=body)).status == 200
            spent.append(rig.count("waf_cpu_seconds_total") - before)
        return min(spent)

    cpu(apart)
    assert cpu(alike) < 2 * cpu(apart)


# ---- Answers in pieces ----

@pytest.mark.parametrize("ranges", [
    "bytes=" + ",".join("0-" for _ in range(1000)), "bytes=" + ",".join("%d-%d" % (5 * i, 5 * i + 1) for i in range(11)),
    "bytes=0-1,1-2", "bytes=0-,-1", "bytes=", "bytes", "bytes=9-1", "bytes=" + "9" * 100 + "-",
], ids=["a thousand", "eleven", "overlapping", "open and end", "none", "no set", "backwards", "huge"])
def test_an_answer_is_not_asked_for_in_a_thousand_pieces(rig, ranges):
    before = rig.origin.bytes_seen()
    answer = rig.get("/x", "plain.example.com", "Range: " + ranges)
    assert answer.status == 416 and rig.origin.bytes_seen() == before
    record = rig.record(answer)
    assert record["reason"] == "range" and "range" in record["why"].lower()
    assert rig.get("/x", "plain.example.com", "Range: bytes=0-1", "Range: bytes=4-5").status == 416


@pytest.mark.parametrize("ranges", ["bytes=0-499", "bytes=-500", "bytes=0-", "bytes=-0", "bytes=0-0,-1", "bytes=0-9, 20-29",
                                    "items=1-2,2-3", ",".join("bytes=%d-%d" % (0, 1) if not i else "%d-%d" % (i * 9, i * 9 + 1) for i in range(10))])
def test_a_few_pieces_are_asked_for_as_they_were(rig, ranges):
    assert rig.get("/x", "plain.example.com", "Range: " + ranges).status == 200
    assert rig.origin.requests[-1].all("range") == [ranges]


# ---- Connections that end ----

def settle(rig, worker, before, within=10):
    end = time.monotonic() + within
    while descriptors_of(worker) > before + 8 and time.monotonic() < end:
        time.sleep(0.1)
    assert descriptors_of(worker) <= before + 8
    assert rig.gauge_falls(1, "connections")


@pytest.fixture
def worker(rig):
    assert rig.get("/", "plain.example.com").status == 200
    pid = rig.role("worker")[0]
    before = descriptors_of(pid)
    yield pid
    settle(rig, pid, before)


def test_who_has_said_all_still_gets_the_answer(rig, worker):
    with Canary(rig):
        for _ in range(100):
            with rig.client() as c:
                c.send(request("/", "plain.example.com"))
                c.finish()
                assert c.read().status == 200


def test_over_tls_who_ends_without_saying_so_was_cut(rig, worker):
    """A FIN without close_notify may be anybody's."""
    with Canary(rig):
        for _ in range(100):
            with rig.client(tls=True) as c:
                c.send(request("/large", "plain.example.com"))
                c.finish()
                with pytest.raises(Closed):
                    c.read()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_reset_in_the_middle_of_anything_leaves_nothing(rig, worker, tls):
    large = request("/large", "plain.example.com")
    upload = request("/up", "shop.example.com", FORM, *AGENT, "Content-Length: 100000", method="POST") + b"a=" + b"b" * 5000
    with Canary(rig):
        for i in range(60):
            for message, read in ((large, 1), (large, 0), (upload, 0), (large[:20], 0), (b"", 0), (large * 3, 1)):
                c = rig.client(tls, timeout=20)
                if message:
                    c.send(message)
                if read:
                    c.piece()
                c.reset()


@pytest.mark.slow
def test_five_thousand_connections_of_one_request_each(rig, worker):
    began, lock, served = time.monotonic(), threading.Lock(), []

    def churn(n):
        for _ in range(n):
            with socket.create_connection(("127.0.0.1", rig.http), timeout=20) as s:
                s.sendall(request("/", "plain.example.com", "Connection: close"))
                answer = b""
                while piece := s.recv(65536):
                    answer += piece
            with lock:
                served.append(answer[9:12])

    with Canary(rig):
        threads = [threading.Thread(target=churn, args=(1250,)) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert set(served) == {b"200"} and len(served) == 5000
    print("%d connections a second" % (5000 / (time.monotonic() - began)))


def test_hellos_that_never_end_keep_nobody_out(rig, worker):
    """They wait for their clients, not for us: no reason to refuse others."""
    for _ in range(50):
        assert rig.get("/", "plain.example.com", tls=True).status == 200
    waiting = [socket.create_connection(("127.0.0.1", rig.https)) for _ in range(1500)]
    for s in waiting:
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    time.sleep(0.2)
    for _ in range(50):
        assert rig.get("/", "plain.example.com", tls=True).status == 200
    for s in waiting:
        s.close()
