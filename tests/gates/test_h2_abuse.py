"""What HTTP/2 lets a client make a server do for little, and where that ends (THREATS, group B)."""
import re
import socket
import struct
import subprocess
import threading
import time

import pytest

from rig_gateway import SANITIZED, status_of
from rig_h2 import (ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, GOAWAY, H2,
                    HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, NO_ERROR, PADDED, PING, PRIORITIZED, PRIORITY, PROTOCOL_ERROR,
                    PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, fields_of, frame, literal, ping, priority, rst,
                    settings, window)
from rig_origin import CLOSE, HANG, page

BIG = b"0123456789abcdef" * 65536 * 2  # 2 MiB
GET = fields_of("/")


@pytest.fixture(scope="module")
def gate(shared_gateway, shared_origin):
    shared_origin.answers["/big"] = [page(BIG)]
    shared_origin.answers["/wait"] = [1.5, page(b"late")]
    shared_origin.answers["/hang"] = [HANG]
    return shared_gateway("""
        client: {stall: 1s, head: 1s, keep_alive: 4s, body_grace: 1s, body_rate: 1KiB}
        admin: {address: '127.0.0.1:%d'}
        """ % admin_port(), origin=shared_origin)


ADMIN = []


def admin_port():
    from rig_gateway import free_port
    ADMIN[:] = [free_port()]
    return ADMIN[0]


def metric(name):
    with socket.create_connection(("127.0.0.1", ADMIN[0])) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return float(re.search(r"(?m)^%s (\S+)$" % re.escape(name), text)[1])


def calmed(gate, h, bound, within=5):
    """The connection ends with ENHANCE_YOUR_CALM, and that is counted and said."""
    name = 'portcullis_http2_ended_total{bound="%s"}' % bound
    assert h.ended(ENHANCE_YOUR_CALM, within)
    deadline = time.monotonic() + 3
    while metric(name) < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert metric(name) >= 1
    assert "closed the HTTP/2 connection of 127.0.0.1" in gate.stderr()


@pytest.fixture
def h2(gate):
    with H2(gate.https) as connection:
        connection.until(lambda: connection.settled and connection.settings)
        yield connection


def test_others_are_served_meanwhile(gate):
    """The canary of this file: asked again at its end."""
    assert gate.get("/canary", tls=True).status == 200


# ---- B1 ----

def test_b1_rapid_reset(gate, h2, shared_origin):
    shared_origin.forget()
    sent = 0
    for i in range(10000):
        stream = h2.take_id()
        if not h2.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, h2.encode(GET)), rst(stream)):
            break
        sent += 1
    calmed(gate, h2, "resets")
    time.sleep(0.3)
    assert len(shared_origin.requests) <= 200
    assert gate.get("/canary", tls=True).status == 200


def test_b1_as_many_as_are_allowed(gate, h2):
    for i in range(99):
        stream = h2.headers(GET)
        h2.send(rst(stream))
    assert h2.alive() and h2.get("/after").status == 200


# ---- B2: resets that the gateway is made to send ----

PROVOKED = [
    ("WINDOW_UPDATE 0", lambda h, s: window(s, 0)),
    ("a window beyond 2^31-1", lambda h, s: window(s, 2**31 - 1)),
    ("PRIORITY of 4 bytes", lambda h, s: frame(PRIORITY, 0, s, bytes(4))),
    ("PRIORITY that depends on itself", lambda h, s: priority(s, s)),
    ("HEADERS behind END_STREAM", lambda h, s: frame(HEADERS, END_STREAM | END_HEADERS, s, h.encode(GET))),
    ("DATA behind END_STREAM", lambda h, s: frame(DATA, END_STREAM, s, b"x")),
]


@pytest.mark.parametrize("provoke", [row[1] for row in PROVOKED], ids=[row[0] for row in PROVOKED])
def test_b2_provoked_resets(gate, shared_origin, provoke):
    shared_origin.forget()
    began = len(shared_origin.connections)
    with H2(gate.https) as h:
        for i in range(2000):
            s = h.take_id()
            if not h.send(frame(HEADERS, END_STREAM | END_HEADERS, s, h.encode(fields_of("/wait"))), provoke(h, s)):
                break
            if i % 50 == 49:
                h.until(lambda: h.closed, 0.05)
        h.until(lambda: h.closed, 5)
        assert h.goaway and h.goaway[1] in (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, 6) and h.closed
    time.sleep(0.2)
    assert len(shared_origin.connections) - began <= 200


def test_b2_what_is_left_still_counts(gate, shared_origin):
    """A hundred at a time, whether or not the client still waits for them."""
    at_work, most, lock = [0], [0], threading.Lock()

    def work(request):
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.6)
        with lock:
            at_work[0] -= 1
        return [page(b"done")]

    shared_origin.answers["/work"] = work
    refused = 0
    with H2(gate.https) as h:
        h.until(lambda: h.settled and h.settings)
        first = [h.headers(fields_of("/work")) for _ in range(60)]
        time.sleep(0.3)
        h.send(*[rst(s) for s in first])
        second = [h.headers(fields_of("/work")) for _ in range(70)]
        h.until(lambda: all(h.answer(s).over for s in second), 5)
        refused = sum(h.answer(s).reset == REFUSED_STREAM for s in second)
        # When the origin is done with what was left there is room again.
        h.until(lambda: False, 1)
        again = h.headers(fields_of("/work"))
        assert h.wait(again).status == 200
    assert refused >= 25 and most[0] <= 100, (refused, most)


# ---- B3 ----

@pytest.mark.parametrize("piece", [literal("x", "y"), literal("x", "z" * 1000), b""], ids=["5 bytes", "1 KiB", "empty"])
def test_b3_continuations_without_end(gate, h2, piece):
    h2.send(frame(HEADERS, END_STREAM, h2.take_id(), h2.encode(GET)))
    for i in range(3000):
        if not h2.send(frame(CONTINUATION, 0, 1, piece)):
            break
    calmed(gate, h2, "continuations")


def test_b3_eight_are_enough_for_anybody(h2):
    h2.send(frame(HEADERS, END_STREAM, 1, h2.encode(GET)), *[frame(CONTINUATION, END_HEADERS if i == 7 else 0, 1, literal("x%d" % i)) for i in range(8)])
    assert h2.wait(1).status == 200


# ---- B4, B5: header lists that grow when they are unpacked ----

def seeded(h, name, value):
    """A block that puts one entry into the table, which later ones name with one byte."""
    return h.encode(GET) + b"\x40" + literal(name, value)[1:]


@pytest.mark.parametrize("name, value, references, status", [
    ("x", "v" * 3000, 16000, None), ("x", "", 16000, None), ("cookie", "", 16000, None), ("cookie", "a=1", 150, 431), ("x", "", 150, 431),
    ("x", "v" * 3000, 12, 431)])
def test_b4_b5_references(gate, name, value, references, status):
    with H2(gate.https) as h:
        h.until(lambda: h.settled and h.settings)
        before = status_of(gate.role("worker")[0], "VmRSS")[0]
        # Without Huffman code and table use of its own, the library's blocks leave the table empty.
        plain = b"".join(literal(n, v) for n, v in GET)
        h.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, plain + b"\x40" + literal(name, value)[1:]))
        assert h.wait(1).status == 200
        block = plain + b"\xbe" * references
        pieces = [block[i:i + 16384] for i in range(0, len(block), 16384)]
        h.send(frame(HEADERS, END_STREAM | (END_HEADERS if len(pieces) == 1 else 0), 3, pieces[0]),
               *[frame(CONTINUATION, END_HEADERS if p is pieces[-1] else 0, 3, p) for p in pieces[1:]])
        if status:
            assert h.wait(3).status == status
            assert h.alive()
        else:
            calmed(gate, h, "fields")
        after = status_of(gate.role("worker")[0], "VmRSS")[0]
        assert SANITIZED or int(after) - int(before) < 4096


def test_b4_table_sizes_that_flap(gate, h2):
    plain = b"".join(literal(n, v) for n, v in GET)
    for i in range(50):
        h2.send(frame(HEADERS, END_STREAM | END_HEADERS, h2.take_id(), b"\x20\x3f\xe1\x1f" + plain))
        assert h2.wait(1 + 2 * i).status == 200


def test_b5_a_hundred_bombs_and_no_window(gate, shared_origin):
    worker = gate.role("worker")[0]
    bombs = []
    before = int(status_of(worker, "VmRSS")[0])
    try:
        for i in range(50):
            h = H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 0)], reads=False)
            bombs.append(h)
            plain = b"".join(literal(n, v) for n, v in GET)
            h.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, plain + b"\x40" + literal("cookie", "")[1:]))
            for s in range(3, 13, 2):
                h.send(frame(HEADERS, END_STREAM | END_HEADERS, s, plain + b"\xbe" * 95))
        time.sleep(0.5)
        during = int(status_of(worker, "VmRSS")[0])
        assert gate.get("/canary", tls=True).status == 200
        # Nobody reads: each of them is over when the stall is.
        for h in bombs:
            assert h.until(lambda: h.closed or all(h.answer(s).over for s in range(1, 13, 2)), 6)
    finally:
        for h in bombs:
            h.close()
    # Six exchanges each, with an answer that waits.
    assert SANITIZED or during - before < 50 * 6 * 24 + 16384, (before, during)


# ---- B6: frames that are answered, or looked at, for nothing ----

FLOODS = [
    ("SETTINGS", "settings", lambda h: settings()),
    ("SETTINGS with entries", "settings", lambda h: settings(*[(100 + i, i) for i in range(30)])),
    ("PING", "pings", lambda h: ping()),
    ("PRIORITY", "priorities", lambda h: priority(1, 3)),
    ("PRIORITY_UPDATE", "priorities", lambda h: frame(16, 0, 0, struct.pack(">I", 1) + b"u=1")),
    ("empty DATA", "empty", lambda h: frame(DATA, 0, 1)),
    ("DATA of padding", "empty", lambda h: frame(DATA, PADDED, 1, b"\xff" + bytes(255))),
    ("unknown types", "unknown", lambda h: frame(0xbe, 0, 0, b"x")),
    ("ALTSVC", "unknown", lambda h: frame(10, 0, 0, b"\x00\x00h2")),
    ("WINDOW_UPDATE", "windows", lambda h: window(0, 1)),
    ("WINDOW_UPDATE of a stream", "windows", lambda h: window(1, 1)),
    ("acknowledgements of PING", "unknown", lambda h: ping(flags=ACK)),
    ("GOAWAY", "unknown", lambda h: frame(GOAWAY, 0, 0, bytes(8))),
]


@pytest.mark.parametrize("bound, make", [row[1:] for row in FLOODS], ids=[row[0] for row in FLOODS])
def test_b6_floods(gate, h2, bound, make):
    h2.headers(fields_of("/wait", "POST"), end=False)
    one = make(h2)
    for i in range(100):
        if not h2.send(one * 100):
            break
    calmed(gate, h2, bound)


def test_b6_settings_with_too_many_entries(h2):
    h2.send(settings(*[(100 + i, i) for i in range(100)]))
    assert h2.ended(ENHANCE_YOUR_CALM)


def test_b6_empty_headers(gate, h2):
    """A header block of nothing is no request; each is a reset that was provoked."""
    for i in range(10000):
        if not h2.send(frame(HEADERS, END_STREAM | END_HEADERS, h2.take_id())):
            break
        if i % 50 == 49:
            h2.until(lambda: h2.closed, 0.02)
    calmed(gate, h2, "resets")


def test_b6_acknowledgements_that_nobody_reads(gate):
    with H2(gate.https, rcvbuf=4096, reads=False, acks=False) as h:
        for i in range(200):
            if not h.send(ping() * 100):
                break
        assert h.until(lambda: h.closed, 5)


def test_b6_ordinary_use_is_far_below(gate, h2):
    for i in range(50):
        assert h2.get("/x%d" % i).status == 200
        h2.send(window(0, 100))
        if i % 10 == 0:
            assert h2.alive()
        if i % 5 == 0:
            h2.send(priority(h2.next - 2, 0))


# ---- B7: answers that nobody reads ----

def test_b7_a_stream_without_a_window(gate, shared_origin):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 0)], reads=False) as h:
        began = time.monotonic()
        h.headers(fields_of("/big"))
        assert h.until(lambda: h.answer(1).status == 200)
        assert h.until(lambda: h.answer(1).reset == CANCEL, 6)
        assert 0.9 < time.monotonic() - began < 4
        assert h.alive(), "the others of the connection go on"
        record = gate.record_where(lambda r: r.get("path") == "/big" and r.get("why") == "the client did not read the answer")
        assert record["sent"] == 0


def test_b7_a_window_that_drips(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 1)], reads=False) as h:
        streams = [h.headers(fields_of("/big")) for _ in range(5)]
        end = time.monotonic() + 6
        while time.monotonic() < end and not all(h.answer(s).over for s in streams):
            h.send(*[window(s, 1) for s in streams if not h.answer(s).over])
            h.until(lambda: False, 0.3)
        assert all(h.answer(s).reset == CANCEL for s in streams), h.answers


def test_b7_a_connection_without_a_window(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 1 << 20)], reads=False) as h:
        for _ in range(3):
            h.headers(fields_of("/big"))
        calmed(gate, h, "stall", 6)


def test_b7_a_socket_that_is_not_read(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 1 << 30)], reads=False, rcvbuf=4096) as h:
        h.send(window(0, 1 << 30))
        for _ in range(4):
            h.headers(fields_of("/big"))
        n = len(gate.log())
        assert [(r["path"], r["reason"]) for r in gate.log(n + 4, within=8)[n:]] == [("/big", "http2-bound")] * 4


def test_b7_who_reads_slowly_but_reads_is_served(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 8192)], reads=False) as h:
        h.headers(fields_of("/big"))
        end = time.monotonic() + 3
        while time.monotonic() < end:
            h.send(window(0, 8192), window(1, 8192))
            h.until(lambda: False, 0.2)
        assert not h.answer(1).over and len(h.answer(1).body) > 60000


@pytest.mark.slow
def test_b7_answers_wait_at_the_origin_not_here(gate):
    """Forty streams of 2 MiB that nobody reads: what has come of them is not kept."""
    worker = gate.role("worker")[0]
    before = int(status_of(worker, "VmRSS")[0])
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 0)], reads=False) as h:
        for _ in range(40):
            h.headers(fields_of("/big"))
        h.until(lambda: all(h.answer(s).status for s in range(1, 81, 2)), 5)
        time.sleep(0.3)
        during = int(status_of(worker, "VmRSS")[0])
    assert during - before < 40 * 24 + 2048, (before, during)


# ---- B8: streams ----

def test_b8_the_last_requests_of_a_connection(gateway, origin):
    origin.answers["/wait"] = [0.3, page(b"late")]
    g = gateway("client: {requests: 10}", origin=origin)
    with H2(g.https) as h:
        streams = [h.headers(fields_of("/wait")) for _ in range(10)]
        assert h.until(lambda: h.goaway is not None)
        assert h.goaway == (2**31 - 1, NO_ERROR), "first that it ends, not yet where"
        assert h.until(lambda: h.goaway[0] != 2**31 - 1)
        assert h.goaway == (19, NO_ERROR)
        assert all(a.text == "late" for a in h.wait(*streams))
        assert h.until(lambda: h.closed)


def test_b8_requests_on_their_way_are_served(gateway, origin):
    g = gateway("client: {requests: 5}", origin=origin)
    with H2(g.https, acks=False) as h:
        # The notice is not answered: what comes within a second is still taken.
        assert all(h.get("/%d" % i).status == 200 for i in range(8))
        assert h.until(lambda: h.goaway and h.goaway == (15, NO_ERROR), 3)
        assert h.until(lambda: h.closed, 3)


def test_b8_draining_says_goodbye(gateway, origin):
    origin.answers["/wait"] = [0.8, page(b"late")]
    g = gateway("processes: {workers: 1, drain: 10s}", origin=origin)
    with H2(g.https) as busy, H2(g.https) as idle:
        assert idle.get("/").status == 200
        busy.headers(fields_of("/wait"))
        time.sleep(0.2)
        stopping = threading.Thread(target=g.stop)
        stopping.start()
        assert idle.ended(NO_ERROR)
        assert busy.wait(1).text == "late"
        assert busy.ended(NO_ERROR)
        stopping.join()


def test_b8_a_reload_touches_no_connection(gateway, origin):
    from rig_gateway import PROGRAM
    origin.answers["/wait"] = [0.8, page(b"late")]
    g = gateway("", origin=origin)
    with H2(g.https) as h:
        h.headers(fields_of("/wait"))
        done = subprocess.run([PROGRAM, "reload", "-c", g.file], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        assert h.wait(1).text == "late"
        assert h.get("/after").status == 200 and h.goaway is None


@pytest.mark.slow
def test_b8_many_streams_of_one_connection(gateway, origin):
    g = gateway("client: {requests: 100000}\nlogs: {requests: off, errors: stderr, waf: off}", origin=origin)
    worker = g.role("worker")[0]
    with H2(g.https, reads=False) as h:
        h.send(window(0, 1 << 30))
        h.get("/")
        before = int(status_of(worker, "VmRSS")[0])
        for i in range(60):
            assert all(a.status == 200 for a in h.wait(*[h.headers(GET) for _ in range(50)]))
            h.answers.clear()
        assert int(status_of(worker, "VmRSS")[0]) - before < 1024


# ---- B13, B14, B16 ----

def test_b13_connect(h2):
    h2.headers([(":method", "CONNECT"), (":authority", "shop.example.com:443")], end=False)
    a = h2.wait(1)
    assert a.status == 405 and h2.alive()


def test_b13_a_websocket_over_http1_is_an_ordinary_request(h2, shared_origin):
    shared_origin.answers["/ws"] = [page(b"no tunnel")]
    a = h2.get("/ws", "shop.example.com", ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))
    assert a.text == "no tunnel"


@pytest.mark.parametrize("answer, body", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b""),
    (b"HTTP/1.1 200 OK\r\n\r\nbody of a HEAD", b"")])
def test_b14_a_head_that_is_answered_with_content(h2, shared_origin, answer, body):
    shared_origin.answers["/tunnel"] = [answer, CLOSE]
    a = h2.get("/tunnel", method="HEAD")
    assert (a.status, a.body, a.ended) == (200, body, True)
    assert h2.get("/next").text == "origin got /next"


def test_b14_an_answer_that_is_shorter_than_it_says(h2, shared_origin):
    shared_origin.answers["/short"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort", CLOSE]
    a = h2.get("/short")
    assert not a.ended and a.reset is not None and h2.get("/next").status == 200


# ---- Clocks ----

def test_a_head_that_takes_too_long(gate, h2):
    h2.send(frame(HEADERS, END_STREAM, 1, h2.encode(fields_of("/slowhead"))))
    assert h2.ended(ENHANCE_YOUR_CALM)
    assert gate.record_where(lambda r: r.get("reason") == "slow-head")["status"] == 408


def test_trailers_that_take_too_long(gate, h2):
    """The request they belong to is at work: it is over with its connection, not left behind for an origin to answer."""
    stream = h2.headers(fields_of("/hang?trailers", "POST"), end=False)
    h2.data(stream, b"content!" * 1024)
    h2.send(frame(HEADERS, END_STREAM, stream, h2.encode([("x-trailer", "1")])))
    assert h2.ended(ENHANCE_YOUR_CALM)
    assert gate.record_where(lambda r: r.get("query") == "trailers")["reason"] == "slow-head"


def test_a_frame_that_takes_too_long(h2):
    h2.send(frame(PING, 0, 0, b"1234", length=8))
    # Or it was idle for too long a moment before.
    assert h2.ended((ENHANCE_YOUR_CALM, NO_ERROR))


def test_content_that_takes_too_long(gate, h2):
    h2.headers(fields_of("/sink", "POST"), end=False)
    h2.data(1, b"x" * 100)
    assert h2.wait(1).status == 408 and h2.alive()


def test_an_end_that_takes_too_long(gate, h2, shared_origin):
    shared_origin.forget()
    h2.headers(fields_of("/sink", "POST", "shop.example.com", ("content-length", "0")), end=False)
    assert h2.wait(1).status == 408 and h2.alive()
    assert not shared_origin.requests


def test_a_connection_that_says_nothing(gate):
    with H2(gate.https) as h:
        assert h.ended(NO_ERROR, 4)
    with H2(gate.https, begin=False) as h:
        assert h.until(lambda: h.closed, 4)


def test_a_connection_that_rests_too_long(gate, h2):
    assert h2.get("/").status == 200
    began = time.monotonic()
    # Frames that ask for nothing do not make it less idle.
    for i in range(8):
        h2.send(ping()[:5])
        time.sleep(0.2)
        h2.send(ping()[5:])
        h2.until(lambda: h2.closed, 0.3)
    assert h2.ended(NO_ERROR, 4)
    assert 3 < time.monotonic() - began < 7


def test_the_canary_sings(gate):
    assert gate.get("/canary", tls=True).status == 200
    assert gate.role("worker")
