"""WebSocket through the gateway: the handshake is judged like any request, what follows is carried and not read."""
import asyncio
import os
import socket
import ssl
import threading
import time

import pytest
import websockets

from rig_client import Closed, request
from rig_gateway import make_certificate
from rig_metrics import Bounded, at
from rig_origin import CLOSE, HANG, page
from rig_websocket import GOING_AWAY, KEY, SITE, Loop, Peer, accept_of, connect, frame, handshake, switch
from test_reload import changed, policy

SITES = "sites: {shop: {hosts: [shop.example.com], origin: '$origin', policy: shop, websocket: true}}\n"
ENFORCE = "policy: shop\nwaf: {mode: enforce, responses: {mode: enforce, body: true}}\n"
OFF = "policy: shop\nrules:\n  - {id: secret, when: 'path under \"/secret\"', do: block 403}\nwaf: {mode: off}\n"


@pytest.fixture(scope="module")
def peer():
    made = Peer()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def loop():
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def rig(shared_gateway, peer):
    """With the WAF on, both ways."""
    return shared_gateway(SITES, origin=peer, policies={"shop": ENFORCE})


def by_hand(gateway, origin, config="", policy=OFF):
    """A gateway whose origin switches as it should at /ws, and does not answer what comes then."""
    origin.answers.setdefault("/ws", lambda r: [switch(r), HANG])
    return gateway(config + SITES, origin=origin, policies={"shop": policy})


def opened(g, *lines, target="/ws", **how):
    """A client whose tunnel is open."""
    c = g.client(**how)
    c.send(handshake(target, *lines))
    answer = c.read()
    assert answer.status == 101 and answer.informational == [], answer
    return c


def behind(origin, connection=-1):
    """What the origin got behind the handshake."""
    return origin.connections[connection].raw.partition(b"\r\n\r\n")[2]


def soon(condition, within=5.0):
    end = time.monotonic() + within
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def soon_over(c, within=8.0):
    """It ends although the client has always something to say."""
    end = time.monotonic() + within
    c.socket.settimeout(0.1)
    while time.monotonic() < end:
        try:
            if not c.socket.recv(100):
                return True
        except socket.timeout:
            c.socket.sendall(b".")
    return False


# ---- Real peers ----

@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages_of_any_size_go_both_ways(rig, loop, tls, compression):
    large = os.urandom(1 << 20)

    async def talk():
        async with connect(rig, tls=tls, compression=compression) as ws:
            assert ("permessage-deflate" in ws.response_headers.get("Sec-WebSocket-Extensions", "")) == bool(compression)
            for message in ["hello", "", b"\0" * 125, b"x" * 126, os.urandom(65535), os.urandom(65536), large]:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send([b"in ", b"", b"three ", b"fragments"])
            assert await ws.recv() == b"in three fragments"
            await (await ws.ping(b"are you there"))
    loop.do(talk())


def test_many_messages_are_under_way_at_once(rig, loop):
    messages = [os.urandom(n * 997 % 70000) for n in range(200)]

    async def talk():
        async with connect(rig, compression=None) as ws:
            async def send():
                for message in messages:
                    await ws.send(message)
            sending = asyncio.ensure_future(send())
            for message in messages:
                assert await ws.recv() == message
            await sending
    loop.do(talk())


@pytest.mark.parametrize("code, reason", [(1000, ""), (4321, "because")])
def test_a_close_goes_through_with_its_code(rig, peer, loop, code, reason):
    async def talk():
        ws = await connect(rig)
        await ws.close(code, reason)
        return ws.close_code
    assert loop.do(talk()) == code
    assert soon(lambda: (code, reason) in peer.ends)


def test_a_subprotocol_is_one_that_was_offered(rig, loop):
    async def talk(**how):
        async with connect(rig, **how) as ws:
            return ws.subprotocol
    assert loop.do(talk(subprotocols=["tea", "soup"])) == "soup"
    assert loop.do(talk()) is None


def test_an_origin_over_tls(gateway, loop, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder, names=("127.0.0.1",)))
    peer = Peer(tls=context)
    g = gateway("origins: {o: {servers: '%s', tls_verify: false}}\n" % peer.url + SITES.replace("$origin", "o"), origin=peer,
                policies={"shop": OFF})

    async def talk():
        async with connect(g, tls=True) as ws:
            await ws.send(b"x" * 300000)
            assert await ws.recv() == b"x" * 300000
    loop.do(talk())
    assert soon(lambda: (1000, "") in peer.ends)
    peer.stop()


# ---- The handshake is a request ----

def test_an_attack_in_the_handshake_is_refused(rig, peer):
    before = len(peer.heads)
    with rig.client() as c:
        c.send(handshake("/echo?q=%3Cscript%3Ealert(1)%3C/script%3E", "User-Agent: gates", "Accept: */*"))
        answer = c.read()
        assert answer.status == 403 and rig.record(answer)["reason"] == "waf-score"
    assert len(peer.heads) == before


def test_policy_and_limits_are_asked_before(gateway, origin):
    origin.answers["/ws"] = lambda r: [switch(r), HANG]
    g = gateway(SITES, origin=origin, policies={"shop": "policy: shop\nrules:\n"
                "  - {id: no-sockets, when: 'upgrade == websocket and path under \"/no\"', do: block 403}\n"
                "limits:\n  - {id: few, rate: 2 per 1h, burst: 2}\nwaf: {mode: off}\n"})
    assert g.ask(handshake("/no")).status == 403
    with opened(g), opened(g):
        assert g.ask(handshake("/ws")).status == 429
    assert [r.target for r in origin.requests] == ["/ws", "/ws"]


def test_the_origin_gets_a_handshake_of_ours(gateway, origin):
    g = by_hand(gateway, origin)
    with opened(g, "Sec-WebSocket-Protocol: chat", "X-Forwarded-For: 1.2.3.4", "Connection: X-Odd", "X-Odd: 1", "Cookie: a=b"):
        got = origin.requests[-1]
    assert (got.method, got.target, got.body) == ("GET", "/ws", b"")
    assert [got.all(n) for n in ("connection", "upgrade", "x-odd")] == [["upgrade"], ["websocket"], []]
    assert got.all("sec-websocket-key") == [KEY] and got.all("sec-websocket-version") == ["13"]
    assert got.all("x-forwarded-for") == ["127.0.0.1"] and got.get("cookie") == "a=b"


@pytest.mark.parametrize("how", [
    {"version": "777"}, {"version": None}, {"key": None}, {"key": "short"}, {"method": "POST"},
], ids=lambda how: "%s %s" % next(iter(how.items())))
def test_less_than_a_handshake_opens_no_tunnel(gateway, origin, how):
    """A19: it is an ordinary request, which cannot be answered with 101; what follows is a request, too."""
    origin.answers["/ws"] = lambda r: [switch(r, accept=accept_of(KEY)) + b"\x81\x02hi", HANG]
    g = by_hand(gateway, origin)
    with g.client() as c:
        c.send(handshake(**how) + request("/secret"))
        assert [c.read().status, c.read().status] == [502, 403]
    assert origin.requests[-1].all("upgrade") == [] and behind(origin) == b""


@pytest.mark.parametrize("lines, offered", [
    ([], []),
    (["Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="], []),
    (["Sec-WebSocket-Protocol: chat"], []),
    (["Sec-WebSocket-Protocol: chat"], ["Sec-WebSocket-Protocol: Chat, soup"]),
    (["Sec-WebSocket-Protocol: chat, soup"], ["Sec-WebSocket-Protocol: chat, soup"]),
    (["Sec-WebSocket-Extensions: permessage-deflate"], []),
    (["Sec-WebSocket-Extensions: foo, permessage-deflate"], ["Sec-WebSocket-Extensions: permessage-deflate; a=1"]),
], ids=["wrong accept", "two accepts", "protocol", "another protocol", "two protocols", "extension", "another extension"])
def test_a_wrong_101_is_no_answer(gateway, origin, lines, offered):
    wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" if not lines else None
    origin.answers["/ws"] = lambda r: [switch(r, *lines, accept=wrong) + b"\x81\x02hi", HANG]
    g = by_hand(gateway, origin)
    with g.client() as c:
        c.send(handshake("/ws", *offered))
        answer = c.read()
        assert answer.status == 502 and b"\x81\x02hi" not in answer.body and answer.all("upgrade") == []
        c.send(request("/secret"))
        assert c.read().status == 403
    assert soon(lambda: origin.connections[-1].ended) and behind(origin) == b""


def test_a_plain_request_is_not_switched(gateway, origin):
    g = by_hand(gateway, origin)
    with g.client() as c:
        c.send(request("/ws") + request("/secret"))
        assert [c.read().status, c.read().status] == [502, 403]


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "426 Upgrade Required", "302 Found"])
def test_a_refusal_is_an_ordinary_answer(gateway, origin, status):
    """A18: no tunnel without a 101; what follows is a request."""
    origin.answers["/ws"] = [page(b"no", status, "Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13")]
    g = by_hand(gateway, origin)
    with g.client() as c:
        c.send(handshake() + request("/secret") + request("/after"))
        answers = [c.read() for _ in range(3)]
    assert [a.status for a in answers] == [int(status[:3]), 403, 200]
    assert answers[0].text == "no" and answers[0].get("sec-websocket-version") == "13" and answers[0].all("upgrade") == []


def test_what_comes_with_the_handshake_waits_for_the_tunnel(gateway, origin):
    origin.answers["/ws"] = lambda r: [0.3, switch(r) + b"first from the origin", HANG]
    g = by_hand(gateway, origin)
    with g.client() as c:
        c.send(handshake() + b"first from the client")
        time.sleep(0.15)
        assert behind(origin) == b""
        assert c.read().status == 101 and c.take(21) == b"first from the origin"
        assert soon(lambda: behind(origin) == b"first from the client")


@pytest.mark.parametrize("said, status", [
    (["http://shop.example.com"], 101), (["https://shop.example.com"], 101), (["https://app.example.net"], 101),
    (["http://shop.example.com:80"], 101), ([], 101),
    (["https://evil.example"], 403), (["null"], 403), (["http://shop.example.com:8080"], 403), (["https://app.example.net:444"], 403),
    (["https://shop.example.com.evil.example"], 403), (["https://app.example.net", "https://evil.example"], 403),
    (["https://SHOP.example.com"], 403), (["shop.example.com"], 403), (["https://evil.example/https://shop.example.com"], 403),
])
def test_whose_pages_may_open_one(gateway, origin, said, status):
    """A19: browsers say whose page it is, and send the site's cookies whosever it is."""
    origin.answers["/ws"] = lambda r: [switch(r), HANG]
    g = gateway(SITES.replace("websocket: true", "websocket: true, websocket_origins: 'https://app.example.net'"), origin=origin,
                policies={"shop": OFF})
    with g.client() as c:
        c.send(handshake("/ws", *["Origin: " + o for o in said]))
        answer = c.read()
        assert answer.status == status
        if status == 403:
            assert g.record(answer)["reason"] == "foreign-origin" and origin.requests == []


def test_over_tls_a_page_in_clear_is_foreign(gateway, origin):
    g = by_hand(gateway, origin)
    for said, status in (("http://shop.example.com", 403), ("https://shop.example.com", 101), ("https://shop.example.com:443", 101)):
        with g.client(tls=True) as c:
            c.send(handshake("/ws", "Origin: " + said))
            assert c.read().status == status


def test_any_page_where_the_operator_says_so(gateway, origin):
    origin.answers["/ws"] = lambda r: [switch(r), HANG]
    g = gateway(SITES.replace("websocket: true", "websocket: true, websocket_origins: '*'"), origin=origin, policies={"shop": OFF})
    opened(g, "Origin: https://evil.example").close()


# ---- What is told of it ----

def test_the_record_says_what_nobody_read(rig, peer, loop):
    async def talk():
        async with connect(rig, "/echo?one", compression=None) as ws:
            await ws.send(b"x" * 1000)
            await ws.recv()
            await asyncio.sleep(0.3)
    loop.do(talk())
    record = rig.record_where(lambda r: r["path"] == "/echo" and r.get("query") == "one")
    assert record["status"] == 101 and record["decision"] == "pass"
    assert [n["uninspected"] for n in record["notes"] if "uninspected" in n] == ["what follows the upgrade"]
    assert 1008 <= record["received"] < 1100 and 1004 <= record["sent"] < 1100
    assert record["ms"] >= 300


def test_its_bytes_are_counted_as_uninspected(gateway, origin):
    origin.answers["/ws"] = lambda r: [switch(r) + b"y" * 70, HANG]
    b = Bounded(gateway, SITES, origin=origin, policies={"shop": ENFORCE})
    c = b.g.client()
    c.send(handshake("/ws", "User-Agent: gates", "Accept: */*"))
    assert c.read().status == 101 and c.take(70) == b"y" * 70
    c.send(b"z" * 50)
    assert soon(lambda: at(b.metrics(), "portcullis_tunnels") == 1)
    c.close()
    b.g.log(1)
    time.sleep(0.3)
    m = b.metrics()
    assert at(m, "portcullis_tunnels") == 0
    assert at(m, "portcullis_uninspected_requests_total") == 1 and at(m, "portcullis_uninspected_bytes_total") == 50
    assert at(m, "portcullis_uninspected_answers_total") == 1 and at(m, "portcullis_uninspected_answer_bytes_total") == 70
    assert at(m, "portcullis_responses_total", **{"class": "1xx"}) == 1


def test_a_rule_can_refuse_the_101(gateway, origin):
    """The head of the answer is inspected, too; nothing of the tunnel is let through before."""
    origin.answers["/ws"] = lambda r: [switch(r, "X-Evil: yes") + b"leak", HANG]
    g = gateway(SITES + "rulesets: {crs: {path: /usr/share/modsecurity-crs, before: '$dir/own.conf'}}\n", origin=origin,
                policies={"shop": ENFORCE}, files={
                    "own.conf": 'SecRule RESPONSE_HEADERS:X-Evil "@streq yes" "id:1000,phase:3,deny,status:403"\n'})
    with g.client() as c:
        c.send(handshake("/ws", "User-Agent: gates", "Accept: */*"))
        answer = c.read()
        assert answer.status == 403 and b"leak" not in answer.body
    assert soon(lambda: origin.connections[-1].ended)


# ---- Ends ----

@pytest.mark.parametrize("tls", [False, True])
def test_the_origins_end_is_the_clients(gateway, origin, tls):
    origin.answers["/ws"] = lambda r: [switch(r) + b"last words", CLOSE]
    g = by_hand(gateway, origin)
    with opened(g, tls=tls) as c:
        assert c.take(11) == b"last words"
    record = g.record_where(lambda r: r["status"] == 101)
    assert record["decision"] == "pass" and record["sent"] == 10


@pytest.mark.parametrize("said", [b"", b"last words"])
def test_an_origin_that_is_gone_before_its_101_has_passed(gateway, origin, said):
    origin.answers["/ws"] = lambda r: [switch(r) + said, CLOSE]
    g = by_hand(gateway, origin, policy=ENFORCE)
    for _ in range(5):
        with opened(g, "User-Agent: gates", "Accept: */*") as c:
            assert c.take(20) == said
    assert [r["decision"] for r in g.log(5)] == ["pass"] * 5


def test_a_101_waits_for_the_lines_of_the_waf(gateway, origin):
    """Hits that do not refuse are on disk before anything leaves (logs.waf_sync)."""
    origin.answers["/ws"] = lambda r: [switch(r) + b"hello", CLOSE]
    g = by_hand(gateway, origin, policy=ENFORCE.replace("enforce,", "detect,", 1))
    for how in ({}, {"tls": True}):
        with opened(g, target="/ws?q=%3Cscript%3Ealert(1)%3C/script%3E", **how) as c:
            assert c.take(10) == b"hello"
    assert g.waf_ids(1, within=3)


def test_a_half_closed_client_hears_what_the_origin_still_says(gateway, origin_maker):
    ready = socket.create_server(("127.0.0.1", 0))

    class Plain:
        url = "http://127.0.0.1:%d" % ready.getsockname()[1]
    g = gateway(SITES, origin=Plain, policies={"shop": OFF})
    with g.client() as c:
        c.send(handshake())
        peer, _ = ready.accept()
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += peer.recv(65536)
        peer.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept_of(KEY).encode())
        assert c.read().status == 101
        c.send(b"x" * 100000)
        c.finish()
        got = b""
        while piece := peer.recv(65536):
            got += piece
        assert got == b"x" * 100000, "the end comes behind all that was sent"
        peer.sendall(b"y" * 100000)
        peer.close()
        assert c.take(100001) == b"y" * 100000
    assert g.record_where(lambda r: r["status"] == 101)["decision"] == "pass"
    ready.close()


def test_a_client_that_breaks_off_ends_it_at_the_origin(gateway, origin):
    g = by_hand(gateway, origin)
    c = opened(g)
    c.send(b"x")
    soon(lambda: behind(origin) == b"x")
    c.reset()
    assert soon(lambda: origin.connections[-1].ended)
    assert g.record_where(lambda r: r["status"] == 101)["reason"] == "client-left"


# ---- Bounds ----

def test_an_idle_tunnel_is_closed_and_one_that_speaks_is_not(gateway, origin):
    g = by_hand(gateway, origin, "client: {tunnel_idle: 600ms, body_grace: 100ms, body_rate: 1KiB, stall: 300ms}\n")
    began = time.monotonic()
    with opened(g) as silent, opened(g) as talks:
        for _ in range(12):
            talks.send(b".")
            time.sleep(0.1)
        assert silent.take(5) == GOING_AWAY, "without a byte either way"
        talks.send(b"!")
        assert soon(lambda: b"!" in behind(origin, 1))
    record = g.record_where(lambda r: r.get("reason") == "tunnel-bound")
    assert record["why"] == "the tunnel was idle" and record["status"] == 101
    assert 550 <= record["ms"] <= 2000 and time.monotonic() - began < 10
    assert soon(lambda: origin.connections[0].ended)


def test_the_gateways_end_falls_into_no_frame(gateway, origin):
    """Who is told to go hears it between two frames, or not at all."""
    origin.answers["/half"] = lambda r: [switch(r) + frame(b"x" * 100, masked=False) + b"\x82\x7e\x01\x00half", HANG]
    origin.answers["/whole"] = lambda r: [switch(r) + frame(b"x" * 100, masked=False), HANG]
    origin.answers["/closed"] = lambda r: [switch(r) + b"\x88\x02\x03\xe8", HANG]
    g = by_hand(gateway, origin, "client: {tunnel_idle: 300ms}\n")
    for target, want in (("/half", b"\x82\x7e\x01\x00half"), ("/whole", GOING_AWAY), ("/closed", b"\x88\x02\x03\xe8")):
        with opened(g, target=target) as c:
            got = c.take(200)
            assert got == (frame(b"x" * 100, masked=False) if target != "/closed" else b"") + want


def test_a_client_of_the_library_is_told_to_go(gateway, peer, loop):
    g = gateway("client: {tunnel_idle: 500ms}\n" + SITES, origin=peer, policies={"shop": OFF})

    async def talk(**how):
        async with connect(g, compression=None, **how) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            await ws.wait_closed()
            return ws.close_code
    assert [loop.do(talk()), loop.do(talk(tls=True))] == [1001, 1001]


def test_bytes_both_ways_are_bounded(gateway, origin):
    origin.answers["/down"] = lambda r: [switch(r) + b"y" * 400000, HANG]
    g = by_hand(gateway, origin, "client: {tunnel_bytes: 300KiB}\n")
    with opened(g) as up:
        try:
            up.send(b"x" * 400000)
        except OSError:
            pass
        assert up.take(5) in (b"", GOING_AWAY), "it ends"
    with opened(g, target="/down") as down:
        got = down.take(500000)
        assert 300 << 10 <= len(got) <= 400004
    for record in g.log(2):
        assert record["why"] == "the tunnel carried more than it may" and 300 << 10 <= record["received"] + record["sent"] < 400000


def test_a_tunnel_may_have_a_last_hour(gateway, origin):
    g = by_hand(gateway, origin, "client: {tunnel_total: 1s}\n")
    began = time.monotonic()
    with opened(g) as c:
        assert soon_over(c)
    assert 0.9 < time.monotonic() - began < 3
    assert g.record_where(lambda r: r["status"] == 101)["why"] == "the tunnel was open for as long as it may be"


def test_total_is_no_bound_of_a_tunnel(gateway, origin):
    g = by_hand(gateway, origin, "client: {total: 1s}\n")
    with opened(g) as c:
        time.sleep(1.5)
        c.send(b"still there")
        assert soon(lambda: behind(origin) == b"still there")


def test_who_does_not_read_is_not_read_from(gateway, peer, loop):
    """Back-pressure: the origin's 64 MiB stay at the origin; a client that reads nothing at all is cut."""
    g = gateway("client: {stall: 2s}\n" + SITES, origin=peer, policies={"shop": OFF})
    before = g.resident_kib()
    c = g.client(rcvbuf=65536)
    c.send(handshake("/talk"))
    time.sleep(1)
    assert g.resident_kib() - before < 4096
    assert soon(lambda: g.log() != [], 10)
    assert g.log()[0]["sent"] < 8 << 20
    c.close()


def test_a_slow_reader_gets_every_byte(gateway, peer, loop):
    g = gateway(SITES, origin=peer, policies={"shop": OFF})

    async def talk():
        async with connect(g, "/talk", compression=None, max_queue=1) as ws:
            for i in range(1000):
                assert len(await ws.recv()) == 65536
                if i < 20:
                    await asyncio.sleep(0.02)
    loop.do(talk())


def test_a_tunnel_is_a_connection_of_its_client(gateway, origin):
    g = by_hand(gateway, origin, "client: {per_address: 2}\n")
    with opened(g), opened(g):
        with pytest.raises((Closed, OSError)):
            g.get("/")
    assert soon(lambda: g.log() and len(g.log()) == 2) and g.get("/").status == 200


def test_one_client_has_so_many(gateway, origin):
    g = by_hand(gateway, origin, "client: {tunnels: 2}\nprocesses: {workers: 2, inspectors: 2}\n")
    with opened(g) as one, opened(g, tls=True), g.client() as c:
        c.send(handshake())
        answer = c.read()
        assert answer.status == 429 and g.record(answer)["reason"] == "tunnels"
        assert c.get("/").status == 200, "other requests are none of them"
        one.close()
        assert soon(lambda: len([r for r in g.log() if r["status"] == 101]) == 1)
        c.send(handshake("/plain"))
        assert c.read().status == 200, "a handshake that becomes none counts while it is asked"
        for _ in range(3):
            opened(g).close()
            time.sleep(0.3)


# ---- The gateway's own ends ----

def test_a_reload_leaves_tunnels_alone(gateway, origin):
    g = by_hand(gateway, origin)
    with opened(g) as c:
        changed(g, policy(451))
        c.send(b"over and over")
        assert soon(lambda: behind(origin) == b"over and over")
        assert g.get("/x").status == 451


def test_a_replaced_configuration_does_not_stay_for_ever(gateway, origin):
    """A tunnel holds what it began with; once that is replaced, it has as long as a request has in all."""
    g = by_hand(gateway, origin, "client: {total: 1s, tunnel_idle: 3s}\n")
    with opened(g) as c:
        assert not soon_over(c, 2)
        began = time.monotonic()
        reloading = threading.Thread(target=changed, args=(g, policy(451)))
        reloading.start()
        assert soon_over(c, 20)
        reloading.join()
    assert time.monotonic() - began > 0.9
    assert g.record_where(lambda r: r["status"] == 101)["why"] == "the tunnel's configuration was replaced"


@pytest.mark.parametrize("tls", [False, True])
def test_a_drain_ends_tunnels_when_its_time_is_over(gateway, origin, tls):
    g = by_hand(gateway, origin, "processes: {workers: 1, inspectors: 2, drain: 1s}\n")
    with opened(g, tls=tls) as c:
        began = time.monotonic()
        g.process.terminate()
        time.sleep(0.4)
        c.send(b"meanwhile")
        assert soon(lambda: behind(origin) == b"meanwhile")
        assert c.take(5) == GOING_AWAY, "an end in good order"
        assert 0.8 < time.monotonic() - began < 5
    g.process.wait(10)
    record = g.log(1)[-1]
    assert record["status"] == 101 and record["why"] == "the gateway stops"
    assert origin.connections[-1].ended


@pytest.mark.slow
def test_a_thousand_idle_sockets_across_a_reload(gateway, peer, loop):
    g = gateway("client: {per_address: 2000, tunnels: 2000}\n" + SITES, origin=peer, policies={"shop": ENFORCE})
    before = g.resident_kib()

    async def talk():
        sockets = []
        for _ in range(40):
            sockets += await asyncio.gather(*(connect(g, compression=None, open_timeout=30) for _ in range(25)))
        used = g.resident_kib() - before
        await asyncio.get_event_loop().run_in_executor(None, lambda: changed(g, policy(451)))
        for i, ws in enumerate(sockets):
            await ws.send("%d" % i)
        for i, ws in enumerate(sockets):
            assert await ws.recv() == "%d" % i
        await asyncio.gather(*(ws.close() for ws in sockets))
        return used
    used = loop.do(talk(), 120)
    assert used < 60 << 10, "%d KiB for a thousand" % used
    assert len([r for r in g.log(1000, within=20) if r["status"] == 101]) == 1000


# ---- Without it ----

def test_where_it_is_off_a_handshake_is_an_ordinary_request(gateway, origin):
    origin.answers["/ws"] = lambda r: [switch(r), HANG]
    g = gateway(SITES.replace(", websocket: true", ""), origin=origin, policies={"shop": OFF})
    assert g.ask(handshake()).status == 502
    assert origin.requests[-1].all("upgrade") == []
