"""Origins that break the protocol, by mistake or on purpose (THREATS A25): the client gets one clean answer, a 502 or a
cut connection; nothing of it is anybody else's, and the connection carries no other request."""
import os
import signal
import ssl
import time

import pytest

from rig_client import Closed, chunked, request
from rig_framing import canary, post, told, watched
from rig_gateway import make_certificate
from rig_origin import CLOSE, HANG, page

OK = b"HTTP/1.1 200 OK\r\n"
CODED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
POISON = OK + b"Content-Length: 6\r\n\r\npoison"
POOL = "sites: {shop: {hosts: ['*'], origin: pool}}\norigins: {pool: {servers: ['%s'], eject_failures: 1000%s}}\n"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(POOL % (shared_origin.url, ""))
    g.origin = shared_origin
    return g


def ended(connection, within=3.0):
    end = time.monotonic() + within
    while not connection.ended and time.monotonic() < end:
        time.sleep(0.005)
    return connection.ended


def asked(rig, path, method=b"POST", clean=None):
    """One request to a broken path, and what others get then: (answers, closed).  Its connection to the origin ends and
    has carried nothing else; `clean`: it is (not) used again."""
    lines = [b"Content-Type: text/plain", b"Content-Length: 1"] if method == b"POST" else []
    with watched(rig) as seen:
        answers, closed = told(rig, post(*lines, method=method, target=path.encode(), body=b"x" if lines else b""),
                               methods=(method.decode(),))
    assert not any(b"poison" in a.body for a in answers)
    for _ in range(3):
        canary(rig)
    broken = [r for r in seen.requests if r.target == path][-1].connection
    later = [r.connection for r in rig.origin.requests[seen.requests_before:] if r.target != path]
    if not clean:
        assert ended(rig.origin.connections[broken]) and broken not in later
    else:
        assert broken in later
    return answers, closed


# ---- Heads ----

BROKEN = {
    "two framings": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two framings, swapped": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "equal lengths": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "bad length": OK + b"Content-Length: 5x\r\n\r\nhello",
    "signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "empty length": OK + b"Content-Length:\r\n\r\nhello",
    "huge length": OK + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "unknown coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": OK + b"Transfer-Encoding: identity\r\n\r\nhello",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "disguised coding": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "not a status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 099 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICY": b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "LF in a field": OK + b"X: a\nSet-Cookie: poison=1\r\nContent-Length: 0\r\n\r\n",
    "NUL in a field": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "CR in a field": OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "NUL in a name": OK + b"X\0: a\r\nContent-Length: 0\r\n\r\n",
    "control in the reason": b"HTTP/1.1 200 O\x1bK\r\nContent-Length: 0\r\n\r\n",
    "folding": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "folding first": OK + b" X: a\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "no colon": OK + b"hello\r\nContent-Length: 0\r\n\r\n",
    "no name": OK + b": a\r\nContent-Length: 0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "101, then a page": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + POISON,
    "huge head": OK + b"X: " + b"v" * (1 << 20) + b"\r\n\r\n",
    "many fields": OK + b"".join(b"X%d: v\r\n" % i for i in range(5000)) + b"\r\n",
    "a head that is a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty line first": b"\r\n" + POISON,
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("method", [b"POST", b"GET", b"HEAD"])
def test_a_broken_head_is_502_and_its_connection_ends(rig, name, method):
    rig.origin.answers["/broken"] = [BROKEN[name], HANG if name != "HTTP/0.9" else CLOSE]
    answers, closed = asked(rig, "/broken", method)
    assert [a.status for a in answers] == [502] and not closed


# ---- Informational answers ----

def test_ten_thousand_informational_answers_are_502(rig):
    rig.origin.answers["/hints"] = [b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10000 + POISON, HANG]
    answers, _ = asked(rig, "/hints")
    assert [a.status for a in answers] == [502] and len(answers[0].informational) == 16


def test_what_follows_too_many_informational_answers_is_nobodys(rig):
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    rig.origin.answers["/hints"] = [hint * 17, 0.3, hint, 0.1, page(b"poison"), HANG]
    answers, _ = asked(rig, "/hints")
    assert [a.status for a in answers] == [502] and len(answers[0].informational) == 16


@pytest.mark.parametrize("early",
                         [b"HTTP/1.1 103 Early Hints\r\nContent-Length: 6\r\n\r\n",
                          b"HTTP/1.1 102 Processing\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_an_informational_answer_has_no_content(rig, early):
    """Its framing is not believed: what follows is the next head, or broken."""
    rig.origin.answers["/early"] = [early + POISON.replace(b"poison", b"honest")]
    answers, _ = asked(rig, "/early", clean=True)
    assert [a.status for a in answers] == [200] and answers[0].text == "honest"
    rig.origin.answers["/early"] = [early + b"poison" + POISON, HANG]
    answers, _ = asked(rig, "/early")
    assert [a.status for a in answers] == [502]


# ---- Chunks ----

CHUNKS = [b"Z\r\nhello\r\n", b"5\r\nhelloXX", b"5 \r\nhello\r\n", b"+5\r\nhello\r\n", b"5\nhello\n", b"F" * 17 + b"\r\n",
          b"0x5\r\nhello\r\n",
          b"\r\nhello\r\n", b"5;\nhello\r\n", b"5\r\nhello\n", b"5;" + b"e" * 5000 + b"\r\nhello\r\n",
          b"0\r\nno colon\r\n\r\n", b"0\r\n\n"]


@pytest.mark.parametrize("bad", CHUNKS)
@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_a_bad_chunk_of_the_origin_never_looks_complete(rig, bad, pause):
    rig.origin.answers["/chunk"] = [CODED + b"3\r\none\r\n", pause, bad + b"0\r\n\r\n", HANG]
    with watched(rig):
        with rig.client(timeout=4) as c:
            try:
                answer = c.get("/chunk")
                assert answer.status == 502 or not answer.complete
            except Closed:
                pass
            assert c.closed()
    assert ended(rig.origin.connections[[r for r in rig.origin.requests if r.target == "/chunk"][-1].connection])


def test_trailers_of_the_origin_end_at_the_gateway(rig):
    rig.origin.answers["/t"] = [CODED + b"3\r\none\r\n0\r\nX-Secret: v\r\nContent-Length: 9\r\n\r\n"]
    with rig.client() as c:
        assert c.get("/t").body == b"one" and c.rest == b""
        assert c.get("/after").get("x-canary") == "/after"


def test_a_drip_of_one_byte_is_still_one_answer(rig):
    raw = CODED + chunked(b"hello", b"world")
    rig.origin.answers["/drip"] = [a for i in range(len(raw)) for a in (raw[i:i + 1], 0.001)]
    answers, _ = asked(rig, "/drip", b"GET", clean=True)
    assert [a.body for a in answers] == [b"helloworld"]


# ---- More than was said, less than was said ----

@pytest.mark.parametrize("extra", [b"more than it said", POISON, b"\r\n", b"0\r\n\r\n"])
@pytest.mark.parametrize("pause", [0.0, 0.02])
@pytest.mark.parametrize("body", [page(b"mine"), CODED + chunked(b"mine")], ids=["length", "chunks"])
def test_bytes_behind_an_answer_never_reach_the_next_client(rig, extra, pause, body):
    rig.origin.answers["/extra"] = [body, pause, extra, 0.02] if pause else [body + extra, 0.02]
    with watched(rig):
        assert rig.get("/extra").body == b"mine"
        time.sleep(0.05 + pause)
    for _ in range(4):
        canary(rig)


@pytest.mark.parametrize("method, status",
                         [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified"),
                          ("HEAD", "404 Not Found")])
@pytest.mark.parametrize("content",
                         [b"Content-Length: 6\r\n\r\npoison", b"Content-Length: %d\r\n\r\n" % len(POISON) + POISON,
                                     b"Transfer-Encoding: chunked\r\n\r\n" + chunked(POISON), b"\r\n" + POISON],
                         ids=["length", "a whole answer", "chunks", "no framing"])
@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_content_where_none_may_be_never_reaches_a_client(rig, method, status, content, pause):
    head, mark, body = content.partition(b"\r\n\r\n") if not content.startswith(b"\r\n") else (b"X: y", b"\r\n\r\n",
                                                                                               content[2:])
    first = b"HTTP/1.1 " + status.encode() + b"\r\n" + head + mark
    rig.origin.answers["/none"] = [first, pause, body, 0.02] if pause else [first + body, 0.02]
    with watched(rig):
        with rig.client(timeout=4) as c:
            c.send(request("/none", method=method))
            answer = c.read(head=True)
            assert answer.status in (int(status[:3]), 502)
            time.sleep(0.05 + pause)
            assert c.get("/behind/none").get("x-canary") == "/behind/none"
            assert c.rest == b""
    for _ in range(4):
        canary(rig)


@pytest.mark.parametrize("method, head", [
    ("HEAD", OK + b"Content-Length: %d\r\n\r\n" % len(POISON)), ("HEAD", CODED), ("HEAD", OK + b"\r\n"),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n" % len(POISON)),
    ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n" % len(POISON)),
])
def test_announced_content_may_come_late_and_is_nobodys(rig, method, head):
    """The next client has asked already when it comes: on another connection."""
    rig.origin.answers["/late"] = [head, 0.1, POISON, HANG]
    rig.origin.answers["/next"] = [0.2, page(b"mine")]
    with watched(rig):
        with rig.client() as c:
            c.send(request("/late", method=method))
            assert c.read(head=True).status in (200, 204, 304)
        assert rig.get("/next").body == b"mine"


@pytest.mark.parametrize("content, end",
                         [(b"Content-Length: 100\r\n\r\nhello", CLOSE),
                          (b"Transfer-Encoding: chunked\r\n\r\n64\r\nhello", CLOSE),
                                          (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", CLOSE)])
def test_an_answer_shorter_than_it_said_is_cut(rig, content, end):
    rig.origin.answers["/short"] = [OK + content, end]
    with watched(rig):
        with rig.client(timeout=4) as c:
            try:
                answer = c.get("/short")
                assert answer.status == 502 or not answer.complete
            except Closed:
                pass
            assert c.closed()


# ---- Answers at the wrong time ----

def test_an_answer_before_the_request_is_nobodys(rig):
    """It comes while the connection is idle.  One that comes after the next request has left cannot be told
    from that request's own answer."""
    rig.origin.answers["/first"] = [page(b"x"), 0.02, page(b"poison")]
    for i in range(5):
        assert rig.get("/first").body == b"x"
        time.sleep(0.06)
        canary(rig)


def test_the_second_answer_to_one_request_is_nobodys(rig):
    rig.origin.answers["/twice"] = [page(b"x") + page(b"poison")]
    answers, _ = asked(rig, "/twice", b"GET")
    assert [a.body for a in answers] == [b"x"]


def test_an_answer_to_half_an_upload_ends_that_connection(rig):
    """The origin answers twice: the second answer would be the next request's."""
    rig.origin.early["/half"] = [page(b"early"), page(b"poison"), HANG]
    with watched(rig):
        with rig.client() as c:
            c.send(post(b"Content-Length: 100", b"Content-Type: text/plain", target=b"/half", body=b"x" * 50))
            assert c.read().text == "early"
            c.send(b"x" * 50, request("/behind/half"))
            assert c.read().get("x-canary") == "/behind/half"
    canary(rig)


@pytest.mark.parametrize("tls", [False, True])
def test_an_unasked_answer_that_came_in_the_same_turn_is_nobodys(gateway, origin_maker, folder, tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder))
    o = origin_maker(tls=context if tls else None)
    o.answers["/first"] = [page(b"x")]
    g = gateway(POOL % (o.url, ", tls_verify: false"))
    worker = g.role("worker")[0]
    assert g.get("/first").body == b"x"
    with g.client() as c:
        time.sleep(0.2)
        # The request is there first and looked at first; the answer was sent before it left.
        os.kill(worker, signal.SIGSTOP)
        c.send(request("/mine"))
        time.sleep(0.1)
        o.connections[0].socket.sendall(page(b"poison"))
        time.sleep(0.1)
        os.kill(worker, signal.SIGCONT)
        assert c.read().get("x-canary") == "/mine"


# ---- Size ----

def test_a_page_behind_a_large_head_waits_for_its_reader(gateway, origin):
    g = gateway("client: {memory: 256KiB}", origin=origin)
    worker, size = g.role("worker")[0], 20 << 20
    lines = ["X-%d: %s" % (i, "v" * 1000) for i in range(28)]
    origin.answers["/large"] = [0.3, page(b"y" * size, "200 OK", *lines)]
    with g.client() as c:
        c.send(request("/large"))
        time.sleep(0.1)
        # As much of the page as fits is there when the worker looks again.
        os.kill(worker, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(worker, signal.SIGCONT)
        assert len(c.read().body) == size


def page_with_head(size):
    empty = page(b"x", "200 OK", "X: ")
    return page(b"x", "200 OK", "X: " + "v" * (size - (len(empty) - 1)))


@pytest.mark.parametrize("size", [4095, 4096, 4097, 16384, 32767, 32768])
def test_a_large_head_of_the_origin_comes_through(rig, size):
    rig.origin.answers["/head"] = [page_with_head(size)]
    answers, _ = asked(rig, "/head", clean=True)
    assert [(a.status, a.body) for a in answers] == [(200, b"x")]


def test_a_head_of_the_origin_over_the_bound_is_502(rig):
    rig.origin.answers["/head"] = [page_with_head(32769), HANG]
    answers, _ = asked(rig, "/head")
    assert [a.status for a in answers] == [502]


def test_the_bound_of_heads_is_the_origins_too(gateway, origin):
    g = gateway("client: {head_bytes: 128KiB, memory: 4MiB}", origin=origin)
    origin.answers["/head"] = [page_with_head(100000)]
    assert g.get("/head").status == 200
    assert g.get("/", "shop.example.com", "X: " + "v" * 100000).status == 200
