"""Framing and smuggling, from one request to the next: state, pipelines, upgrades (THREATS A16 to A20)."""
import base64
import hashlib
import time

import pytest

from rig_client import request
from rig_framing import HOST, POLICY, SITES, canary, head, is_refusal, post, refused, told, watched
from rig_origin import HANG, page

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = base64.b64encode(hashlib.sha1(KEY + GUID).digest())
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
TWO_SITES = """
sites:
  shop: {hosts: [shop.example.com], origin: '$origin', policy: shop}
  private: {hosts: [private.example.com], origin: '$origin', policy: private}
"""
PRIVATE = "policy: private\nrules:\n  - {id: closed, do: block 403}\nwaf: {mode: off}\n"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(SITES, origin=shared_origin, policies={"shop": POLICY})
    return g


@pytest.fixture(scope="module")
def sites(shared_gateway, shared_origin):
    g = shared_gateway(TWO_SITES, origin=shared_origin, policies={"shop": POLICY, "private": PRIVATE})
    return g


# ---- A16: the first request says nothing about the next ----

def test_every_request_is_routed_and_judged_by_itself(sites):
    with watched(sites) as seen:
        with sites.client() as c:
            assert c.get("/one").status == 200
            assert c.get("/two", "internal.local").status == 421
            assert c.get("/three", "private.example.com").status == 403
            assert c.get("/secret").status == 403
            assert c.ask(b"GET http://private.example.com/four HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").status == 403
        with sites.client() as c:
            assert c.ask(b"GET http://internal.local/five HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").status == 421
            assert c.get("/six").get("x-canary") == "/six"
    assert [got.target for got in seen.requests if got.target != "/six"] == ["/one"]


@pytest.mark.parametrize("second", ["GET /two HTTP/1.1\r\nHost: private.example.com\r\n\r\n",
                                    "GET http://private.example.com/two HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"])
def test_over_tls_a_connection_is_for_the_site_it_was_made_for(sites, second):
    with watched(sites) as seen:
        with sites.client(tls=True) as c:
            assert c.get("/one").status == 200
            assert c.get("/secret").status == 403
            assert c.ask(second.encode()).status == 421
            assert c.closed()
    assert [got.target for got in seen.requests] == ["/one"]


# ---- A17: pipelines ----

@pytest.mark.parametrize("tls", [False, True])
def test_pipelined_requests_are_answered_in_order_each_by_its_own_merits(rig, tls):
    """200 in one segment: an attack is the hundredth, the next is malformed."""
    batch = [request("/p/%d" % i) for i in range(99)] + [request("/secret")]
    batch += [b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"] + [request("/after")] * 99
    with watched(rig) as seen:
        began = time.monotonic()
        answers, closed = told(rig, b"".join(batch), tls=tls)
        assert time.monotonic() - began < 5
        assert [a.get("x-canary") for a in answers[:99]] == ["/p/%d" % i for i in range(99)]
        assert [a.status for a in answers[99:]] == [403, 400]
        is_refusal(answers[100], closed, {400})
    assert [got.target for got in seen.requests] == ["/p/%d" % i for i in range(99)]
    assert len({got.connection for got in seen.requests}) == 1


def test_pipelined_uploads_keep_their_content(rig):
    batch = [post(b"Content-Length: %d" % (i * 100), b"Content-Type: text/plain", target=b"/u/%d" % i,
                  body=b"%d" % (i % 10) * (i * 100))
             for i in range(40)]
    with watched(rig) as seen:
        answers, _ = told(rig, b"".join(batch))
        assert [a.get("x-canary") for a in answers] == ["/u/%d" % i for i in range(40)]
    assert [len(got.body) for got in seen.requests[:40]] == [i * 100 for i in range(40)]


def test_others_are_served_beside_an_endless_pipeline(rig):
    with rig.client(timeout=20) as c:
        c.send(request("/p") * 500)
        for _ in range(5):
            began = time.monotonic()
            canary(rig)
            assert time.monotonic() - began < 1
        for _ in range(500):
            assert c.read().get("x-canary") == "/p"


# ---- A18: an upgrade is no tunnel ----

def upgrade(token, *lines, method=b"GET", target=b"/up"):
    return head(b"Connection: upgrade" + (b", HTTP2-Settings" if token == b"h2c" else b""), b"Upgrade: " + token, *lines,
                method=method, target=target)


ANSWERS = {
    "200": [page(b"plain")],
    "426": [page(b"", "426 Upgrade Required", "Upgrade: foo", "Connection: upgrade")],
    "400": [page(b"", "400 Bad Request")],
}


@pytest.mark.parametrize("token",
                         [b"foo", b"foo/1, bar", b"TLS/1.0", b"h2c", b"websocket", b"websocket, foo", b"WebSocket"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_follows_an_upgrade_is_judged_as_a_request(rig, token, answer):
    rig.origin.answers["/up"] = ANSWERS[answer]
    with watched(rig) as seen:
        answers, closed = told(rig, upgrade(token) + request("/secret") + request("/admin"))
        assert [a.status for a in answers] == [int(answer), 403, 200] and not closed
        assert answers[2].get("x-canary") == "/admin" and answers[0].all("upgrade") == []
    assert [got.target for got in seen.requests][:2] == ["/up", "/admin"]


@pytest.mark.parametrize("token", [b"foo", b"websocket", b"h2c"])
@pytest.mark.parametrize("switch", [
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    SWITCH + ACCEPT + b"\r\n\r\n",
    b"HTTP/1.1 101\r\n\r\n",
], ids=["foo", "h2c", "websocket", "bare"])
def test_an_origin_cannot_switch_protocols(rig, token, switch):
    """Nobody was promised a tunnel: the answer is 502, and neither side hears the other."""
    rig.origin.answers["/101"] = [switch + b"tunnelled", HANG]
    lines = [b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: " + KEY] if token == b"websocket" else []
    with watched(rig) as seen:
        answers, _ = told(rig, upgrade(token, *lines, target=b"/101") + request("/secret"))
        assert [a.status for a in answers] == [502, 403]
        assert not any(b"tunnelled" in a.body for a in answers)
    upstream = rig.origin.connections[seen.requests[0].connection]
    assert upstream.ended and b"/secret" not in upstream.raw


# ---- A19: WebSocket, where a site does not have it (with it: test_websocket.py) ----

HANDSHAKE = [b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: " + KEY]


@pytest.mark.parametrize("method, lines", [
    (b"GET", HANDSHAKE),
    (b"GET", [b"Sec-WebSocket-Version: 777", HANDSHAKE[1]]),
    (b"GET", [HANDSHAKE[0]]),
    (b"GET", [HANDSHAKE[0], b"Sec-WebSocket-Key: short"]),
    (b"GET", [*HANDSHAKE, b"Origin: https://evil.example"]),
    (b"POST", [*HANDSHAKE, b"Content-Length: 0"]),
], ids=["whole", "version 777", "no key", "bad key", "foreign origin", "POST"])
@pytest.mark.parametrize("accept", [ACCEPT, b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="], ids=["right accept", "wrong accept"])
def test_no_handshake_opens_a_tunnel(rig, method, lines, accept):
    frames = b"\x81\x05hello" + hidden_frame()
    rig.origin.answers["/ws"] = [SWITCH + accept + b"\r\n\r\n\x81\x02hi", HANG]
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(upgrade(b"websocket", *lines, method=method, target=b"/ws"))
            answer = c.read()
            assert answer.status == 502 and answer.informational == []
            c.send(frames)
            assert c.read().status == 400 and c.closed()
    got = seen.requests[0]
    assert (got.method, got.target, got.all("upgrade"), got.all("connection")) == (method.decode(), "/ws", [], [])
    assert b"hello" not in rig.origin.connections[got.connection].raw


def hidden_frame():
    return b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"


def test_a_handshake_is_an_ordinary_request_to_the_origin(rig):
    rig.origin.answers["/ws"] = [page(b"no sockets here")]
    with watched(rig, reused=True) as seen:
        with rig.client() as c:
            assert c.ask(upgrade(b"websocket", *HANDSHAKE, target=b"/ws")).text == "no sockets here"
    assert [(got.target, got.all("upgrade"), got.get("sec-websocket-version")) for got in seen.requests] == [("/ws", [],
                                                                                                              "13")]


# ---- A20: HTTP/2 in the clear, TLS by upgrade ----

@pytest.mark.parametrize("lines", [
    [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    [b"Connection: Upgrade", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    [b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    [b"Connection: HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    [b"Connection: Upgrade", b"Upgrade: TLS/1.0"],
    [b"Connection: Upgrade", b"Upgrade: TLS/1.2, HTTP/1.1"],
])
@pytest.mark.parametrize("tls", [False, True])
def test_no_upgrade_reaches_an_origin(rig, lines, tls):
    with watched(rig, reused=True) as seen:
        with rig.client(tls=tls) as c:
            assert c.ask(head(*lines, method=b"GET", target=b"/h2c")).status == 200
    got = seen.requests[0]
    assert got.target == "/h2c"
    assert [got.all(name) for name in ("upgrade", "http2-settings", "connection")] == [[], [], []]


@pytest.mark.parametrize("tls", [False, True])
def test_http2_prior_knowledge_is_refused(rig, tls):
    settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    refused(rig, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings, {400, 505}, tls=tls)
