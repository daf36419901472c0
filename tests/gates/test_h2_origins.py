"""Origins that are asked by HTTP/2: many requests on a connection, everything back as it was, and what ends well when they do not."""
import socket
import ssl
import threading
import time

import pytest

from rig_client import request
from rig_gateway import free_port, make_certificate
from rig_h2 import (CANCEL, H2, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, NO_ERROR, REFUSED_STREAM, fields_of, frame, GOAWAY, rst, settings)
from rig_h2_origin import Origin2, echo, plain
from rig_origin import page
from test_origins import pool
from test_reload import reload
from test_responses import LEAK, filler, make, responses

BIG = bytes(i * 7 % 251 for i in range(3 << 20))


def two(*origins, **more):
    return pool(*((o, "") for o in origins), http=2, **more)


@pytest.fixture
def origin2():
    made = []

    def make(**how):
        made.append(Origin2(**how))
        return made[-1]

    yield make
    faults = [fault for o in made for fault in o.faults]
    for o in made:
        if not o.stopping:
            o.stop()
    assert not faults, "the origin got what is not canonical: %s" % faults


@pytest.fixture(scope="module")
def rig(shared_gateway):
    o = Origin2()
    o.answers.update({
        "/echo": echo, "/big": lambda r: r.page(BIG), "/204": lambda r: r.head(status="204", end=True),
        "/304": lambda r: r.head(("content-length", "77"), ("etag", '"x"'), status="304", end=True),
        "/empty": lambda r: r.page(b""), "/early": lambda r: (r.head(("link", "</x>"), status="103"), r.page(b"late")),
        "/unknown": lambda r: (r.head(), r.data(b"hello "), r.data(b"world", end=True)),
        "/trailed": lambda r: (r.head(), r.data(b"hello"), r.trail(("x-sum", "abc"), ("set-cookie", "a=1"), ("grpc-status", "0"))),
        "/bare-end": lambda r: (r.head(), r.data(b"hello"), r.data(b"", end=True)),
        "/head": lambda r: r.head(("content-length", "500"), end=True),
        "/hang": lambda r: r.wait_reset(60),
    })
    g = shared_gateway("client: {body: 8MiB, requests: 100000}\n" + two(o), origin=o)
    yield g
    o.stop()
    assert not o.faults, o.faults


# ---- As they are ----

def test_a_request_is_what_it_was(rig):
    answer = rig.get("/page?q=1&x", "shop.example.com:8080", "Cookie: a=1; b=2", "X-A: 1", "Connection: x-a, te", "TE: trailers")
    got = rig.origin.requests[-1]
    assert (answer.status, answer.text, answer.get("x-canary")) == (200, "origin got /page?q=1&x", "/page?q=1&x")
    assert got.fields[:4] == [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example.com:8080"), (":path", "/page?q=1&x")]
    assert got.get("cookie") == "a=1; b=2" and got.get("x-a") is None and got.get("te") == "trailers"
    assert got.get("x-forwarded-for") == "127.0.0.1" and got.get("x-request-id")
    assert rig.record(answer)["origin_http"] == 2


@pytest.mark.parametrize("path, status, body, length", [
    ("/204", 204, b"", None), ("/304", 304, b"", "77"), ("/empty", 200, b"", "0"), ("/unknown", 200, b"hello world", None),
    ("/trailed", 200, b"hello", None), ("/bare-end", 200, b"hello", None), ("/early", 200, b"late", "4")])
def test_answers_of_every_shape(rig, path, status, body, length):
    one = rig.get(path)
    with H2(rig.https) as h:
        two = h.get(path)
        assert h.alive()
    for answer in (one, two):
        assert (answer.status, answer.body, answer.get("content-length")) == (status, body, length)
    assert one.complete and two.ended
    assert [i[0] for i in two.informational] == ([103] if path == "/early" else [])
    assert two.trailers == ([("x-sum", "abc"), ("grpc-status", "0")] if path == "/trailed" else [])


def test_an_answer_to_head_has_no_content(rig):
    answer = rig.get("/head", method="HEAD")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "500", b"")


def test_megabytes_both_ways(rig):
    assert rig.get("/big").body == BIG
    with H2(rig.https) as h:
        assert h.get("/big").body == BIG
        assert h.post("/echo", BIG).body == BIG
    assert rig.ask(request("/echo", method="POST", body=BIG)).body == BIG
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (BIG[i:i + 70000] for i in range(0, len(BIG), 70000))) + b"0\r\n\r\n"
    assert rig.ask(request("/echo", "shop.example.com", "Transfer-Encoding: chunked", method="POST", body=chunks)).body == BIG
    assert rig.origin.requests[-1].get("content-length") is None


def test_many_at_a_time_share_a_connection(gateway, origin2):
    o = origin2()
    gate = threading.Event()
    o.answers["/wait"] = lambda r: (gate.wait(10), plain(r))
    g = gateway(two(o), origin=o)
    with H2(g.https) as h:
        streams = [h.headers(fields_of("/wait?%d" % i)) for i in range(60)]
        end = time.monotonic() + 5
        while len(o.requests) < 60 and time.monotonic() < end:
            time.sleep(0.01)
        assert (len(o.requests), len(o.connections)) == (60, 1)
        gate.set()
        for i, answer in enumerate(h.wait(*streams)):
            assert answer.text == "origin got /wait?%d" % i


def test_who_does_not_read_keeps_nobody_else_waiting(rig):
    before = len(rig.origin.connections)
    with H2(rig.https, first=[(INITIAL_WINDOW_SIZE, 0)], reads=False) as slow:
        for _ in range(40):
            slow.headers(fields_of("/big"))
        slow.until(lambda: False, 0.5)
        assert rig.get("/big").body == BIG
    assert len(rig.origin.connections) <= before + 1


def test_a_slow_client_is_felt_by_the_origin(rig):
    sent = []

    def flow(r):
        r.head()
        while len(sent) < 400 and r.data(b"x" * 16384):
            sent.append(16384)
        r.data(b"", end=True)
    rig.origin.answers["/flow"] = flow
    with H2(rig.https, first=[(INITIAL_WINDOW_SIZE, 1000)], reads=False) as h:
        h.headers(fields_of("/flow"))
        h.until(lambda: False, 0.7)
        assert 0 < sum(sent) <= 3 * 65536


def test_events_may_pause(gateway, origin2):
    o = origin2()
    o.answers["/events"] = lambda r: (r.head(("content-type", "text/event-stream")), r.data(b"data: 1\n\n"), time.sleep(1.2), r.data(b"data: 2\n\n", end=True))
    g = gateway(two(o, between="300ms", events="5s"), origin=o)
    assert g.get("/events").body == b"data: 1\n\ndata: 2\n\n"


# ---- Where there is no room ----

def test_a_server_that_takes_few_at_a_time_gets_more_connections(gateway, origin2):
    o = origin2(settings=[(MAX_CONCURRENT_STREAMS, 4)])
    o.answers["/slow"] = lambda r: (time.sleep(0.3), plain(r))
    g = gateway(two(o), origin=o)
    with H2(g.https) as h:
        for answer in h.wait(*[h.headers(fields_of("/slow?%d" % i)) for i in range(20)]):
            assert answer.status == 200
    assert 5 <= len(o.connections) <= 16 and max(c.most for c in o.connections) <= 4


def test_where_all_are_full_it_waits_its_turn_or_its_time(gateway, origin2):
    o = origin2(settings=[(MAX_CONCURRENT_STREAMS, 1)])
    o.answers["/slow"] = lambda r: (time.sleep(0.4), plain(r))
    o.answers["/stuck"] = lambda r: r.wait_reset(20)
    g = gateway(two(o, connect="2s", retries=0), origin=o)
    with H2(g.https) as h:
        answers = h.wait(*[h.headers(fields_of("/slow?%d" % i)) for i in range(40)])
        assert [a.status for a in answers] == [200] * 40 and len(o.connections) == 16
        for _ in range(16):
            h.headers(fields_of("/stuck"))
        time.sleep(0.3)
        assert h.get("/late").status == 504


# ---- What ends ----

def test_goaway_loses_nothing(gateway, origin2):
    o = origin2()

    def leave(r):
        if len(o.connections) == 1:
            # The streams above the first are not begun.
            r.send(frame(GOAWAY, payload=(1).to_bytes(4, "big") + bytes(4)))
        time.sleep(0.2)
        plain(r)
    o.answers["/go"] = leave
    g = gateway(two(o), origin=o)
    with H2(g.https) as h:
        streams = [h.headers(fields_of("/go?%d" % i, method)) for i, method in enumerate(["GET", "POST", "GET", "DELETE"])]
        for i, answer in enumerate(h.wait(*streams)):
            assert (answer.status, answer.text) == (200, "origin got /go?%d" % i)
    assert len(o.connections) == 2
    assert g.get("/after").status == 200 and len(o.connections) == 2


def test_a_refused_stream_is_asked_again(gateway, origin2):
    o = origin2()
    refused = []

    def refuse(r):
        if len(refused) < 1:
            refused.append(r)
            r.wait_end()
            r.send(rst(r.stream, REFUSED_STREAM))
        else:
            plain(r)
    o.answers["/no"] = refuse
    g = gateway(two(o), origin=o)
    with H2(g.https) as h:
        assert h.wait(h.headers(fields_of("/no", "POST"))).text == "origin got /no"
        assert len(refused) == 1
        refused.clear()
        # Content that is gone cannot be sent again.
        assert h.post("/no", b"x" * 1000).status == 502
    assert g.get("/after").status == 200


def test_a_connection_that_ends_between_two_requests(gateway, origin2):
    o = origin2()
    g = gateway(two(o), origin=o)
    for i in range(4):
        assert g.get("/%d" % i).text == "origin got /%d" % i
        o.connections[-1].socket.shutdown(2)
        if i % 2:
            time.sleep(0.1)
    assert g.get("/last").status == 200


def test_idle_connections_end_with_goaway(gateway, origin2):
    o = origin2()
    g = gateway(two(o, idle="300ms"), origin=o)
    assert g.get("/").status == 200
    time.sleep(1)
    assert o.connections[0].ended and o.connections[0].goaway == (0, NO_ERROR)
    assert g.get("/").status == 200 and len(o.connections) == 2


def test_a_client_that_leaves_is_told_to_the_origin(rig):
    with H2(rig.https) as h:
        stream = h.headers(fields_of("/hang?left"))
        end = time.monotonic() + 5
        while not (got := [r for r in rig.origin.requests if r.target == "/hang?left"]) and time.monotonic() < end:
            time.sleep(0.01)
        h.send(rst(stream))
        assert got[0].wait_reset() == CANCEL and not got[0].connection.ended
    with rig.client() as c:
        c.send(request("/hang?gone"))
        time.sleep(0.2)
        c.reset()
    got = [r for r in rig.origin.requests if r.target == "/hang?gone"][0]
    assert got.wait_reset() == CANCEL


def ask_and_leave(h, o):
    """A request that the origin has, or that is refused, and is left then.  True: refused."""
    before, stream = len(o.requests), h.headers(fields_of("/hang"))
    end = time.monotonic() + 10
    while len(o.requests) == before and time.monotonic() < end and not h.until(lambda: h.answer(stream).reset is not None, 0.05):
        pass
    h.send(rst(stream))
    return h.answer(stream).reset == REFUSED_STREAM


def test_what_clients_left_is_work_until_the_origin_has_noticed(gateway, origin2):
    o = origin2()
    o.pongs = False
    o.answers["/hang"] = lambda r: r.wait_reset(30)
    g = gateway("client: {streams: 5}\n" + two(o), origin=o)
    with H2(g.https) as h:
        assert [ask_and_leave(h, o) for _ in range(12)] == [False] * 5 + [True] * 7
    o = origin2()
    o.answers["/hang"] = lambda r: r.wait_reset(30)
    g = gateway("client: {streams: 5}\n" + two(o), origin=o)
    with H2(g.https) as h:
        for _ in range(12):
            assert not ask_and_leave(h, o)
            assert o.requests[-1].wait_reset() == CANCEL
            time.sleep(0.1)


# ---- Trust, agreement, health ----

def context(paper, *names):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*paper)
    if names:
        c.set_alpn_protocols(list(names))
    return c


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("paper"), "o", ["127.0.0.1"])


def test_over_tls_it_is_agreed_on(gateway, origin2, paper):
    o = origin2(tls=context(paper, "h2", "http/1.1"))
    g = gateway(two(o, tls_verify="false"), origin=o)
    answer = g.get("/")
    assert answer.status == 200 and o.requests[-1].get(":scheme") == "https" and g.record(answer)["origin_http"] == 2


@pytest.mark.parametrize("names", [(), ("http/1.1",)], ids=["no ALPN", "http/1.1"])
def test_a_server_that_does_not_agree(gateway, origin_maker, paper, names):
    o = origin_maker(tls=context(paper, *names))
    g = gateway(pool((o, ""), tls_verify="false", http=2, retries=0), origin=o)
    answer = g.get("/")
    assert answer.status == 502 and not o.requests
    assert "ALPN" in g.record(answer)["why"] and "does not agree on HTTP/2" in g.stderr()
    g = gateway(pool((o, ""), tls_verify="false", http="auto", retries=0), origin=o)
    for i in range(5):
        answer = g.get("/%d" % i)
        assert answer.text == "origin got /%d" % i and "origin_http" not in g.record(answer)
    assert len(o.connections) <= 4


def test_auto_takes_http2_where_it_is_offered(gateway, origin2, origin_maker, paper):
    o = origin2(tls=context(paper, "h2", "http/1.1"))
    g = gateway(pool((o, ""), tls_verify="false", http="auto"), origin=o)
    assert g.get("/").status == 200 and o.requests
    clear = origin_maker()
    g = gateway(pool((clear, ""), http="auto"), origin=clear)
    assert g.get("/").text == "origin got /"


@pytest.mark.parametrize("says", [page(b"not here", "400 Bad Request"), b"", b"\x15\x03\x01\x00\x02\x02\x0a", bytes(100)],
                         ids=["HTTP/1.1", "nothing", "TLS", "zeros"])
def test_prior_knowledge_that_is_wrong(gateway, says):
    listener = socket.create_server(("127.0.0.1", 0))

    def answer_all():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.recv(100)
            peer.sendall(says)
            peer.close()
    threading.Thread(target=answer_all, daemon=True).start()
    g = gateway("origins: {pool: {servers: 'http://127.0.0.1:%d', http: 2, retries: 0}}\nsites: {shop: {hosts: ['*'], origin: pool}}\n"
                % listener.getsockname()[1])
    answer = g.get("/")
    assert answer.status == 502 and "HTTP/2" in g.record(answer)["why"]
    listener.shutdown(2)
    listener.close()


def test_nobody_there_and_the_next_server_is_asked(gateway, origin2):
    o = origin2()
    gone = "origins:\n  pool: {servers: ['http://127.0.0.1:%d', '%s'], http: 2, eject_failures: 2}\nsites: {shop: {hosts: ['*'], origin: pool}}\n" % (free_port(), o.url)
    g = gateway(gone, origin=o)
    for i in range(10):
        assert g.get("/%d" % i).status == 200
    end = time.monotonic() + 5
    while "left out for" not in g.stderr() and time.monotonic() < end:
        time.sleep(0.05)
    assert "left out for" in g.stderr()


def test_a_reload_keeps_the_connection_and_what_is_on_it(gateway, origin2):
    o = origin2()
    go = threading.Event()
    o.answers["/slow"] = lambda r: (go.wait(10), plain(r))
    g = gateway(two(o), origin=o)
    with H2(g.https) as h:
        stream = h.headers(fields_of("/slow"))
        end = time.monotonic() + 5
        while not o.requests and time.monotonic() < end:
            time.sleep(0.01)
        assert reload(g)
        assert g.get("/after").status == 200 and len(o.connections) == 1
        text = g.file.read_text()
        g.file.write_text(text.replace("http: 2", "http: 1"))
        assert reload(g)
        go.set()
        assert h.wait(stream).text == "origin got /slow"
    end = time.monotonic() + 5
    while not o.connections[0].ended and time.monotonic() < end:
        time.sleep(0.01)
    assert o.connections[0].ended


def test_a_slow_answer_and_a_silent_server(gateway, origin2):
    o = origin2()
    o.answers["/never"] = lambda r: r.wait_reset(30)
    o.answers["/stops"] = lambda r: (r.head(("content-length", "10")), r.data(b"only"), r.wait_reset(30))
    g = gateway(two(o, first_byte="600ms", between="600ms", retries=0, eject_failures=100), origin=o)
    answer = g.get("/never")
    assert answer.status == 504 and g.record_where(lambda r: r.get("path") == "/never")["reason"] == "origin-slow"
    assert o.of("/never")[0].wait_reset() == CANCEL
    with g.client() as c:
        answer = c.get("/stops")
        assert answer.status == 200 and not answer.complete
    assert g.get("/fine").status == 200


# ---- Under inspection ----

@pytest.fixture(scope="module")
def judged(shared_gateway):
    o = Origin2()
    html = ("content-type", "text/html; charset=utf-8")
    o.answers.update({"/echo": echo, "/clean": lambda r: r.page(filler(300000), html), "/leak": lambda r: r.page(filler(100000) + LEAK, html),
                      "/stream-leak": lambda r: (r.head(html), r.data(filler(90000)), r.data(LEAK), r.data(b"", end=True)),
                      "/trailed": lambda r: (r.head(html), r.data(b"<p>fine</p>"), r.trail(("x-sum", "abc")))})
    g = make(shared_gateway, o, config=two(o).replace("origin: pool", "origin: pool, policy: shop"), policies=responses())
    yield g
    o.stop()
    assert not o.faults, o.faults


@pytest.mark.parametrize("path, status", [("/clean", 200), ("/leak", 403), ("/stream-leak", 403), ("/trailed", 200)])
def test_answers_are_held_and_judged(judged, path, status):
    one = judged.get(path)
    with H2(judged.https) as h:
        two_ = h.get(path)
        assert h.alive()
    for answer in (one, two_):
        assert answer.status == status and b"SQL" not in answer.body
    assert two_.trailers == [] and (path != "/clean" or (one.body == two_.body == filler(300000)))


@pytest.mark.parametrize("n", [10, 60000, 400000])
def test_content_is_held_and_judged(judged, n):
    kind = "Content-Type: application/x-www-form-urlencoded"
    clean = b"text=" + b"a+clean+word+" * (n // 13)
    assert judged.ask(request("/echo", "shop.example.com", kind, method="POST", body=clean)).body == clean
    assert judged.origin.of("/echo")[-1].get("content-length") == str(len(clean))
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(clean), clean)
    assert judged.ask(request("/echo", "shop.example.com", kind, "Transfer-Encoding: chunked", method="POST", body=chunks)).body == clean
    before = len(judged.origin.requests)
    bad = clean + b"&id=1+union+select+password+from+users--+-"
    assert judged.ask(request("/echo", "shop.example.com", kind, method="POST", body=bad)).status == 403
    assert len(judged.origin.requests) == before
