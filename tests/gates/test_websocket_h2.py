"""WebSocket in a stream of HTTP/2 (RFC 8441): the same request, the same rules, one connection for many."""
import os
import socket
import time

import pytest

from rig_h2 import CANCEL, ENABLE_CONNECT_PROTOCOL, H2, INITIAL_WINDOW_SIZE, PROTOCOL_ERROR, WINDOW_UPDATE, rst, window
from rig_origin import CLOSE, HANG, page
from rig_websocket import GOING_AWAY, KEY, SITE, accept_of, frame, switch
from test_reload import changed, policy
from test_websocket import ENFORCE, OFF, SITES, behind, by_hand, peer, soon  # noqa: F401


@pytest.fixture(scope="module")
def rig(shared_gateway, peer):
    return shared_gateway(SITES, origin=peer, policies={"shop": ENFORCE})


def asking(path="/ws", *more, protocol="websocket", version="13", method="CONNECT", host=SITE):
    fields = [(":method", method), (":protocol", protocol), (":scheme", "https"), (":authority", host), (":path", path),
              ("user-agent", "gates"), ("accept", "*/*"), *more]
    return fields + ([("sec-websocket-version", version)] if version else [])


def opened(c, path="/ws", *more):
    """A stream whose tunnel is open."""
    assert c.until(lambda: c.settings)
    s = c.headers(asking(path, *more), end=False)
    assert c.until(lambda: c.answer(s).status), "no answer"
    assert c.answer(s).status == 200 and not c.answer(s).over, c.answer(s)
    return s


def sent(c, stream, data, piece=16384):
    """As fast as the windows allow; the stream stays open.  False: they are not opened any more."""
    c.flow = getattr(c, "flow", {"seen": 0, 0: 65535})
    c.flow.setdefault(stream, c.settings.get(INITIAL_WINDOW_SIZE, 65535))
    while data:
        for kind, _, s, payload in c.frames[c.flow["seen"]:]:
            if kind == WINDOW_UPDATE:
                c.flow[s] = c.flow.get(s, 65535) + int.from_bytes(payload, "big")
        c.flow["seen"] = len(c.frames)
        n = min(piece, len(data), c.flow[0], c.flow[stream])
        if n <= 0:
            if not c.until(lambda: len(c.frames) > c.flow["seen"]):
                return False
            continue
        c.flow[0], c.flow[stream] = c.flow[0] - n, c.flow[stream] - n
        c.data(stream, data[:n])
        data = data[n:]
    return True


def heard(c, stream, data, within=10):
    return c.until(lambda: c.answer(stream).body.endswith(data) or c.answer(stream).over, within) and c.answer(stream).body.endswith(data)


# ---- Ordinary use ----

def test_messages_go_both_ways(rig, peer):
    with H2(rig.https) as c:
        s = opened(c, "/echo", ("sec-websocket-protocol", "tea, soup"))
        a = c.answer(s)
        assert a.get("sec-websocket-protocol") == "soup" and a.get("sec-websocket-accept") is None
        for payload in (b"", b"hello", os.urandom(70000), os.urandom(1 << 20)):
            assert sent(c, s, frame(payload))
            assert heard(c, s, frame(payload, masked=False), 30)
        sent(c, s, frame(b"part", last=False) + frame(b"s", kind=0))
        assert heard(c, s, frame(b"parts", masked=False))
        sent(c, s, frame(b"still there?", kind=9))
        assert heard(c, s, frame(b"still there?", kind=10, masked=False))
        sent(c, s, frame(b"\x03\xe8bye", kind=8))
        assert c.until(lambda: a.over) and a.ended and a.body.endswith(frame(b"\x03\xe8bye", kind=8, masked=False))
        assert soon(lambda: (1000, "bye") in peer.ends)
        assert c.get("/", SITE, ("user-agent", "gates"), ("accept", "*/*")).text == "a page"
    record = rig.record_where(lambda r: r.get("stream") == 1 and r["status"] == 101)
    assert record["http"] == 2 and record["decision"] == "pass" and record["received"] > 1 << 20 and record["sent"] > 1 << 20
    assert [n["uninspected"] for n in record["notes"] if "uninspected" in n] == ["what follows the upgrade"]


def test_the_origin_gets_a_handshake_in_http1(gateway, origin):
    g = by_hand(gateway, origin)
    with H2(g.https) as c:
        opened(c, "/ws", ("sec-websocket-key", "anything"), ("sec-websocket-key", KEY), ("cookie", "a=b"))
        one = origin.requests[-1]
        opened(c, "/ws")
        two = origin.requests[-1]
    assert (one.method, one.target, one.body) == ("GET", "/ws", b"") and one.get("cookie") == "a=b"
    assert [one.all(n) for n in ("connection", "upgrade", "sec-websocket-version")] == [["upgrade"], ["websocket"], ["13"]]
    keys = one.all("sec-websocket-key") + two.all("sec-websocket-key")
    assert len(set(keys)) == len(keys) == 2 and KEY not in keys and all(len(k) == 24 for k in keys)


def test_many_tunnels_and_requests_share_a_connection(rig):
    with H2(rig.https) as c:
        streams = [opened(c, "/echo?%d" % i) for i in range(30)]
        for round in range(3):
            for s in streams:
                c.data(s, frame(b"%d of %d" % (round, s)))
            for s in streams:
                assert heard(c, s, frame(b"%d of %d" % (round, s), masked=False))
            assert c.get("/", SITE, ("user-agent", "gates"), ("accept", "*/*")).status == 200
        assert not any(c.answer(s).over for s in streams)


def test_it_is_offered_where_some_site_has_it(rig, gateway, origin):
    with H2(rig.https) as c:
        assert c.until(lambda: c.settings) and c.settings[ENABLE_CONNECT_PROTOCOL] == 1
    g = gateway(SITES.replace(", websocket: true", ""), origin=origin, policies={"shop": OFF})
    with H2(g.https) as c:
        assert c.until(lambda: c.settings) and ENABLE_CONNECT_PROTOCOL not in c.settings
        s = c.headers(asking(), end=False)
        assert c.wait(s).reset == PROTOCOL_ERROR and c.alive()
    assert origin.requests == []


# ---- Refusals ----

@pytest.mark.parametrize("fields, status", [
    (asking(protocol="connect-udp"), 501), (asking(protocol="WebSocket"), 501), (asking(version="777"), 400), (asking(version=None), 400),
    (asking("/ws", ("origin", "https://evil.example")), 403), (asking("/secret"), 403), (asking(host="other.example.com"), 421),
    (asking(host="plain.example.com"), 501),
], ids=["udp", "case", "version 777", "no version", "foreign origin", "policy", "unknown host", "a site without"])
def test_what_opens_no_tunnel(gateway, origin, fields, status):
    g = gateway("sites:\n  shop: {hosts: [shop.example.com], origin: '$origin', policy: shop, websocket: true}\n"
                "  plain: {hosts: [plain.example.com], origin: '$origin'}\n", origin=origin, policies={"shop": OFF})
    with H2(g.https, name=dict(fields)[":authority"]) as c:
        assert c.until(lambda: c.settings)
        s = c.headers(fields, end=False)
        a = c.wait(s)
        assert a.status == status and c.alive()
        assert not c.data(s, b"more") or c.alive()
    assert origin.requests == []


@pytest.mark.parametrize("fields, end", [
    (asking(method="GET"), True), (asking(method="POST"), False),
    ([f for f in asking() if f[0] != ":path"], False), ([f for f in asking() if f[0] != ":scheme"], False),
], ids=["GET", "POST", "no path", "no scheme"])
def test_what_is_malformed(rig, fields, end):
    with H2(rig.https) as c:
        assert c.until(lambda: c.settings)
        a = c.wait(c.headers(fields, end=end))
        assert a.reset == PROTOCOL_ERROR or a.status == 400
        assert c.alive()


def test_an_attack_in_the_handshake_is_refused(rig, peer):
    before = len(peer.heads)
    with H2(rig.https) as c:
        assert c.until(lambda: c.settings)
        assert c.wait(c.headers(asking("/echo?q=%3Cscript%3Ealert(1)%3C/script%3E"), end=False)).status == 403
    assert len(peer.heads) == before


def test_a_wrong_answer_to_our_key_is_502(gateway, origin):
    """B13: to a client of HTTP/2 a 200 would say that the tunnel is open (RFC 8441)."""
    origin.answers["/ws"] = lambda r: [switch(r, accept=accept_of(KEY)) + b"leak", HANG]
    origin.answers["/page"] = [page(b"not here")]
    origin.answers["/other"] = [page(b"no such", "404 Not Found")]
    g = by_hand(gateway, origin)
    with H2(g.https) as c:
        assert c.until(lambda: c.settings)
        a = c.wait(c.headers(asking(), end=False))
        assert a.status == 502 and b"leak" not in a.body
        s = c.headers(asking("/page"), end=False)
        c.data(s, frame(b"x" * 1000))
        a = c.wait(s)
        assert a.status == 502 and b"not here" not in a.body
        a = c.wait(c.headers(asking("/other"), end=False))
        assert (a.status, a.body, a.ended) == (404, b"no such", True)
        assert c.get("/after").status == 200
    assert g.record_where(lambda r: r.get("path") == "/page")["reason"] == "origin-broken"
    assert behind(origin, 0) == b"" and all(b"x" * 100 not in k.raw for k in origin.connections)


# ---- Order, pressure, ends ----

def test_what_comes_before_the_answer_waits_for_it(gateway, origin):
    origin.answers["/ws"] = lambda r: [0.5, switch(r) + b"welcome", HANG]
    g = by_hand(gateway, origin)
    with H2(g.https) as c:
        assert c.until(lambda: c.settings)
        s = c.headers(asking(), end=False)
        c.data(s, b"early", end=True)
        time.sleep(0.2)
        assert behind(origin) == b""
        assert heard(c, s, b"welcome") and c.answer(s).status == 200
        assert soon(lambda: behind(origin) == b"early" and origin.connections[-1].ended), "the end, too"
        c.wait(s)


def test_the_origins_end_is_the_end_of_the_stream(gateway, origin):
    origin.answers["/ws"] = lambda r: [switch(r) + b"last words", CLOSE]
    g = by_hand(gateway, origin)
    with H2(g.https) as c:
        assert c.until(lambda: c.settings)
        a = c.wait(c.headers(asking(), end=False))
        assert a.status == 200 and a.body == b"last words" and a.ended
        assert c.get("/after").status == 200


def test_an_origin_that_is_gone_before_its_101_has_passed(gateway, origin):
    origin.answers["/ws"] = lambda r: [switch(r), CLOSE]
    g = by_hand(gateway, origin, policy=ENFORCE)
    with H2(g.https) as c:
        assert c.until(lambda: c.settings)
        a = c.wait(c.headers(asking(), end=False))
        assert (a.status, a.body, a.ended) == (200, b"", True) and c.alive()


def test_a_client_that_leaves_ends_it_at_the_origin(gateway, origin):
    g = by_hand(gateway, origin)
    with H2(g.https) as c:
        s = opened(c)
        c.send(rst(s, CANCEL))
        assert soon(lambda: origin.connections[-1].ended)
        assert c.get("/after").status == 200
    assert g.record_where(lambda r: r["status"] == 101)["reason"] == "client-left"


def test_who_does_not_read_stops_only_himself(gateway, origin):
    """What the origin sends waits at the origin; what the client sends beyond its window is not asked for."""
    origin.answers["/flood"] = lambda r: [switch(r), *[b"x" * 65536] * 400, HANG]
    g = by_hand(gateway, origin)
    with H2(g.https, reads=False) as c:
        opened(c, "/flood")
        time.sleep(0.5)
        before = g.resident_kib()
        c.send(window(0, 1 << 20))
        s = opened(c)
        c.data(s, b"meanwhile")
        assert soon(lambda: behind(origin) == b"meanwhile")
        assert g.resident_kib() - before < 2048


def test_an_origin_that_does_not_read_is_felt_by_the_client(gateway, peer):
    """Its window is not opened again."""
    ready = socket.create_server(("127.0.0.1", 0))

    class Deaf:
        url = "http://127.0.0.1:%d" % ready.getsockname()[1]
    g = gateway(SITES, origin=Deaf, policies={"shop": OFF})
    with H2(g.https, timeout=1) as c:
        assert c.until(lambda: c.settings)
        s = c.headers(asking(), end=False)
        origin, _ = ready.accept()
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += origin.recv(65536)
        key = seen.partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0].decode()
        origin.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
                       % accept_of(key).encode())
        assert c.until(lambda: c.answer(s).status == 200, 5)
        assert not sent(c, s, b"x" * (32 << 20)), "the window is shut before 32 MiB"
        got = 0
        while got < 1 << 20:
            got += len(origin.recv(65536))
        assert c.until(lambda: any(k == WINDOW_UPDATE and n == s for k, _, n, _ in c.frames[-3:]), 5)
        origin.close()
    ready.close()


def test_bounds_hold_in_a_stream(gateway, origin):
    g = by_hand(gateway, origin, "client: {tunnel_idle: 600ms, tunnel_bytes: 64KiB, body_grace: 100ms, body_rate: 1KiB}\n")
    with H2(g.https) as c:
        idle, much = opened(c), opened(c)
        sent(c, much, b"x" * 70000)
        assert c.wait(much, within=3).ended and c.wait(idle, within=3).ended
        assert c.answer(much).body == c.answer(idle).body == GOING_AWAY
        assert c.get("/after").status == 200
    assert sorted(r["why"] for r in g.log(3) if r["status"] == 101) == ["the tunnel carried more than it may", "the tunnel was idle"]


def test_one_client_has_so_many(gateway, origin):
    """Each is a connection to the origin, however few the client needs for them."""
    g = by_hand(gateway, origin, "client: {tunnels: 3}\n")
    with H2(g.https) as c, H2(g.https) as d:
        streams = [opened(c), opened(c)]
        opened(d)
        for _ in range(3):
            assert c.wait(c.headers(asking(), end=False)).status == 429
        c.send(rst(streams[0]))
        assert c.alive()
        opened(c)
        assert c.wait(c.headers(asking(), end=False)).status == 429


def test_a_tunnel_is_work_of_its_connection(gateway, origin):
    """Which is not idle then."""
    g = by_hand(gateway, origin, "client: {keep_alive: 500ms}\n")
    with H2(g.https) as c:
        one, two = opened(c), opened(c)
        time.sleep(1)
        c.data(two, b"still there")
        assert soon(lambda: behind(origin) == b"still there")
        c.send(rst(one), rst(two))
        assert c.until(lambda: c.closed, 5)


def test_a_reload_and_a_drain(gateway, origin):
    g = by_hand(gateway, origin, "processes: {workers: 1, inspectors: 2, drain: 1s}\n")
    with H2(g.https) as c:
        s = opened(c)
        changed(g, policy(451))
        c.data(s, b"over and over")
        assert soon(lambda: behind(origin) == b"over and over")
        began = time.monotonic()
        g.process.terminate()
        time.sleep(0.3)
        c.data(s, b" again")
        assert soon(lambda: behind(origin) == b"over and over again")
        assert c.wait(s).ended and c.answer(s).body == GOING_AWAY and 0.8 < time.monotonic() - began < 5
    g.process.wait(10)
    assert g.log(1)[-1]["why"] == "the gateway stops"
