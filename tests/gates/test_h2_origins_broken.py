"""Origins of HTTP/2 that break the protocol: one clean answer or 502, nothing leaks into another's, and floods end (THREATS A25)."""
import random
import struct
import threading
import time

import pytest

from rig_client import Closed, request
from rig_h2 import (CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2, HEADERS, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
                    RST_STREAM, SETTINGS, fields_of, frame, literal, ping, priority, rst, settings, window)
from rig_h2_origin import Origin2
from test_h2_origins import two

OK = literal(b":status", b"200")
SECRET = b"of another client"


@pytest.fixture(scope="module")
def rig(shared_gateway):
    o = Origin2()
    g = shared_gateway("client: {fields: 50}\n" + two(o, retries=0, eject_failures=1000, between="5s"), origin=o)
    yield g
    o.stop()
    assert not o.faults, o.faults


HEADS = [
    ("nothing", b""), ("no :status", literal(b"x", b"y")), (":status behind a field", literal(b"x", b"y") + OK), (":status twice", OK + OK),
    ("an empty :status", literal(b":status")), (":status of letters", literal(b":status", b"abc")), ("two digits", literal(b":status", b"20")),
    ("600", literal(b":status", b"600")), ("099", literal(b":status", b"099")), ("101", literal(b":status", b"101")),
    ("another pseudo-field", OK + literal(b":path", b"/")), ("upper case", OK + literal(b"X-Upper", b"a")), ("no name", OK + literal(b"", b"a")),
    ("a space in a name", OK + literal(b"x y", b"a")), ("a colon in a name", OK + literal(b"x:y", b"a")), ("a line in a name", OK + literal(b"x\r\ny", b"a")),
    ("CR", OK + literal(b"x", b"a\rb")), ("LF", OK + literal(b"x", b"a\nb")), ("CRLF", OK + literal(b"x", b"a\r\nset-cookie: b")), ("NUL", OK + literal(b"x", b"a\0b")),
    ("DEL", OK + literal(b"x", b"a\x7f")), ("escape", OK + literal(b"x", b"\x1b[2J")), ("space before", OK + literal(b"x", b" a")), ("space behind", OK + literal(b"x", b"a ")),
    ("connection", OK + literal(b"connection", b"close")), ("keep-alive", OK + literal(b"keep-alive", b"a")), ("upgrade", OK + literal(b"upgrade", b"h2c")),
    ("transfer-encoding", OK + literal(b"transfer-encoding", b"chunked")), ("proxy-connection", OK + literal(b"proxy-connection", b"a")),
    ("two lengths", OK + literal(b"content-length", b"3") * 2), ("two other lengths", OK + literal(b"content-length", b"3") + literal(b"content-length", b"4")),
    ("a signed length", OK + literal(b"content-length", b"+3")), ("a list", OK + literal(b"content-length", b"3,3")), ("no number", OK + literal(b"content-length", b"x")),
    ("too many", OK + b"".join(literal(b"x-%d" % i, b"a") for i in range(51))), ("a length and no content", OK + literal(b"content-length", b"5")),
]


@pytest.mark.parametrize("block", [h[1] for h in HEADS], ids=[h[0] for h in HEADS])
def test_a_broken_head_is_502(rig, block):
    rig.origin.answers["/head"] = lambda r: r.raw(block, end=True)
    for ask in (lambda: rig.get("/head"), lambda: with_h2(rig, "/head")):
        answer = ask()
        assert answer.status == 502 and answer.get("x") is None and answer.get("set-cookie") is None
    assert rig.get("/fine").text == "origin got /fine"
    assert rig.record_where(lambda r: r.get("path") == "/head")["reason"] == "origin-broken"


def with_h2(rig, path):
    with H2(rig.https) as h:
        return h.get(path)


def announce(r, n):
    r.head(("content-length", str(n)))


BODIES = {
    "more than was announced": lambda r: (announce(r, 4), r.send(frame(DATA, END_STREAM, r.stream, b"only" + SECRET))),
    "more, later": lambda r: (announce(r, 4), r.data(b"only"), time.sleep(0.05), r.data(SECRET, end=True)),
    "less than was announced": lambda r: (announce(r, 40), r.data(b"only", end=True)),
    "reset": lambda r: (announce(r, 40), r.data(b"only"), r.send(rst(r.stream))),
    "reset without an error": lambda r: (announce(r, 40), r.data(b"only"), r.send(rst(r.stream, 0))),
    "the connection ends": lambda r: (announce(r, 40), r.data(b"only"), time.sleep(0.05), r.connection.socket.shutdown(2)),
    "unknown length, reset": lambda r: (r.head(), r.data(b"only"), r.send(rst(r.stream))),
    "unknown length, the end": lambda r: (r.head(), r.data(b"only"), time.sleep(0.05), r.connection.socket.shutdown(2)),
    "a second head": lambda r: (r.head(), r.data(b"only"), r.raw(OK)),
    "a second head that ends": lambda r: (r.head(), r.data(b"only"), r.raw(OK, end=True)),
    "trailers that do not end": lambda r: (r.head(), r.data(b"only"), r.raw(literal(b"x", b"y"))),
    "trailers in upper case": lambda r: (r.head(), r.data(b"only"), r.raw(literal(b"X", b"y"), end=True)),
    "trailers with a line": lambda r: (r.head(), r.data(b"only"), r.raw(literal(b"x", b"a\r\nb: c"), end=True)),
    "padding beyond its frame": lambda r: (r.head(), r.data(b"only"), r.send(frame(DATA, 8, r.stream, b"\xff" + b"x" * 10))),
    "a frame too large": lambda r: (r.head(), r.data(b"only"), r.send(frame(DATA, 0, r.stream, b"x" * 16385))),
    "beyond the window": lambda r: (r.head(), [r.send(frame(DATA, 0, r.stream, b"x" * 16384)) for _ in range(300)], time.sleep(0.2)),
}


@pytest.mark.parametrize("which", BODIES)
def test_content_that_is_not_what_was_announced_never_looks_complete(rig, which):
    rig.origin.answers["/body"] = BODIES[which]
    with rig.client() as c:
        try:
            answer = c.get("/body")
            assert SECRET not in answer.body + c.rest
            # What was announced may have gone out before the rest came.
            assert answer.status == 502 or not answer.complete or (which == "more, later" and c.closed())
        except Closed:
            pass
    if which != "beyond the window":
        with H2(rig.https) as h:
            answer = h.get("/body")
            assert SECRET not in answer.body
            assert answer.status == 502 or (answer.reset is not None and not answer.ended)
            assert h.alive()
    assert rig.get("/fine").text == "origin got /fine"


def test_content_where_none_may_be(rig):
    rig.origin.answers["/none"] = lambda r: (r.head(("content-length", "17")), r.send(frame(DATA, END_STREAM, r.stream, SECRET)))
    rig.origin.answers["/204"] = lambda r: (r.head(status="204"), r.send(frame(DATA, END_STREAM, r.stream, SECRET)))
    rig.origin.answers["/304"] = lambda r: (r.head(status="304"), r.send(frame(DATA, END_STREAM, r.stream, SECRET)))
    for path, method in (("/none", "HEAD"), ("/204", "GET"), ("/304", "GET")):
        with rig.client() as c:
            try:
                c.get(path, method=method)
                assert SECRET not in c.rest
            except Closed:
                pass
        assert rig.get("/fine").text == "origin got /fine"


def test_content_before_a_head_and_on_streams_of_nobody(rig):
    rig.origin.answers["/data"] = lambda r: r.send(frame(DATA, END_STREAM, r.stream, SECRET))
    assert rig.get("/data").status == 502
    rig.origin.answers["/other"] = lambda r: (r.send(frame(HEADERS, END_HEADERS | END_STREAM, r.stream + 2, OK)), r.wait_reset(3))
    assert rig.get("/other").status == 502
    rig.origin.answers["/pushed"] = lambda r: (r.send(frame(PUSH_PROMISE, END_HEADERS, r.stream, struct.pack(">I", 2) + OK)), r.wait_reset(3))
    assert rig.get("/pushed").status == 502
    assert rig.get("/fine").text == "origin got /fine"


def test_ten_thousand_informational_answers(rig):
    rig.origin.answers["/1xx"] = lambda r: [r.head(status="103") for _ in range(10000) if r.reset is None and not r.connection.ended]
    assert rig.get("/1xx").status == 502
    rig.origin.answers["/1xx-end"] = lambda r: r.head(status="103", end=True)
    assert rig.get("/1xx-end").status == 502


FLOODS = {
    "SETTINGS": lambda i: settings(),
    "SETTINGS of many": lambda i: settings(*[(3, 100)] * 40),
    "PING": lambda i: ping(),
    "PRIORITY": lambda i: priority(1, 3),
    "WINDOW_UPDATE": lambda i: window(0, 1),
    "empty DATA": lambda i: None,
    "unknown": lambda i: frame(77, 0, 0, b"x"),
    "CONTINUATION": lambda i: frame(HEADERS, 0, 1, OK) if i == 0 else frame(CONTINUATION, 0, 1, b""),
    "a header bomb": lambda i: frame(HEADERS, 0, 1, OK) if i == 0 else frame(CONTINUATION, 0, 1, literal(b"x-%d" % i, b"a" * 16000)),
}


@pytest.mark.parametrize("which", FLOODS)
def test_floods_end_the_connection(rig, which):
    def flood(r):
        if which == "empty DATA":
            r.head()
        for i in range(20000):
            if r.connection.ended:
                return
            r.send(FLOODS[which](i) if which != "empty DATA" else frame(DATA, 0, r.stream))
        r.page(b"too late")
    rig.origin.answers["/flood"] = flood
    # A connection of its own: the stream is the first.
    for c in rig.origin.connections:
        if not c.ended:
            c.socket.shutdown(2)
    time.sleep(0.1)
    before = rig.resident_kib()
    with rig.client() as c:
        try:
            answer = c.get("/flood")
            assert answer.status == 502 or not answer.complete
        except Closed:
            pass
    end = time.monotonic() + 5
    while not rig.origin.requests[-1].connection.ended and time.monotonic() < end:
        time.sleep(0.02)
    assert rig.origin.requests[-1].connection.ended
    assert rig.resident_kib() < before + 20000
    assert rig.get("/fine").text == "origin got /fine"


def test_a_server_that_only_breaks_is_left_out(gateway):
    bad, good = Origin2(), Origin2()
    bad.answers["/x"] = lambda r: r.raw(b"", end=True)
    g = gateway(two(bad, good, eject_failures=3, retries=1), origin=good)
    got = [g.get("/x").status for _ in range(12)]
    assert got.count(502) <= 3 and got[-3:] == [200, 200, 200]
    for o in (bad, good):
        o.stop()


def test_each_gets_his_own_answer_however_they_come(gateway):
    o = Origin2()
    held = []

    def shuffle(r):
        """Answers in reverse order, in pieces that interleave."""
        held.append(r)
        if len(held) < 20:
            return
        time.sleep(0.05)
        for one in reversed(held):
            one.head()
        for piece in range(5):
            for one in held:
                one.data(("%s %d;" % (one.target, piece)).encode(), end=piece == 4)
    o.answers["/mine"] = shuffle
    g = gateway(two(o), origin=o)
    with H2(g.https) as h:
        streams = [h.headers(fields_of("/mine?%d" % i)) for i in range(20)]
        for i, answer in enumerate(h.wait(*streams)):
            assert answer.text == "".join("/mine?%d %d;" % (i, p) for p in range(5))
    o.stop()


def any_deed(dice):
    def do(r):
        deed, size = dice.randrange(10), dice.randrange(200000)
        if deed == 0:
            r.send(rst(r.stream, dice.choice([0, 2, 7, 8])))
        elif deed == 1:
            r.head(), r.data(b"x" * size), r.send(rst(r.stream, dice.choice([0, 2, 7, 8])))
        elif deed == 2:
            r.send(frame(GOAWAY, payload=max(0, r.stream - 2 * dice.randrange(3)).to_bytes(4, "big") + bytes(4))), r.page(b"x" * size)
        elif deed == 3:
            r.wait_reset(0.3)
        elif deed == 4:
            r.raw(literal(b"X", b"y"), end=True)
        elif deed == 5 and size < 40000:
            r.connection.socket.shutdown(2)
        elif deed == 6:
            r.head(), r.data(b"x" * size), r.trail(("x", "y"))
        else:
            r.page(b"x" * size)
    return do


def any_client(g, dice, until):
    while time.monotonic() < until:
        try:
            if dice.random() < 0.3:
                with g.client(timeout=2) as c:
                    c.send(request("/dice", method="POST", body=b"q" * dice.randrange(60000)))
                    c.reset() if dice.random() < 0.4 else c.read()
                continue
            with H2(g.https, timeout=1, reads=dice.random() < 0.8, first=[(4, dice.choice([0, 100, 65535]))]) as h:
                streams = [h.headers(fields_of("/dice", "POST"), end=dice.random() < 0.6) for _ in range(dice.randrange(1, 25))]
                for stream in dice.sample(streams, len(streams) // 3):
                    h.send(rst(stream))
                h.until(lambda: all(h.answer(s).over for s in streams), dice.random())
        except (OSError, Closed, AssertionError):
            pass


@pytest.mark.parametrize("seed", [1, 2])
def test_both_sides_at_random_leave_nothing_behind(gateway, seed):
    dice = random.Random(seed)
    o = Origin2(settings=[(3, dice.choice([1, 5, 100]))])
    o.answers["/dice"] = any_deed(dice)
    g = gateway(two(o, first_byte="700ms", between="700ms", connect="500ms", idle="300ms", eject_failures=1000), origin=o)
    workers, until = g.role("worker"), time.monotonic() + 4
    clients = [threading.Thread(target=any_client, args=(g, random.Random(seed * 100 + i), until)) for i in range(5)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    time.sleep(1.5)
    assert len(o.requests) > 50 and all(c.ended for c in o.connections), "a connection stays"
    assert g.get("/fine").text == "origin got /fine" and g.role("worker") == workers
    o.stop()
    assert not o.faults
