"""Origins: pools, retries, ejection, weights, TLS; and answers that break the protocol."""
import os
import signal
import socket
import ssl
import threading
import time

import pytest

from rig_client import Closed, chunked, request
from rig_gateway import make_certificate
from rig_origin import CLOSE, HANG, RESET, page

TEXT = "Content-Type: text/plain"


def pool(*origins, **settings):
    servers = ", ".join("{url: '%s'%s}" % (o.url, extra) for o, extra in origins)
    more = "".join(", %s: %s" % item for item in settings.items())
    return "origins:\n  pool: {servers: [%s]%s}\nsites: {shop: {hosts: ['*'], origin: pool}}\n" % (servers, more)


def test_connections_to_the_origin_are_used_again(gateway, origin):
    g = gateway(origin=origin)
    for i in range(10):
        assert g.get("/%d" % i).status == 200
    assert len(origin.connections) == 1


def test_one_connection_carries_one_request_at_a_time(gateway, origin):
    g = gateway(origin=origin)
    origin.answers["/slow"] = [0.5, page(b"slow")]
    with g.client() as a, g.client() as b:
        a.send(request("/slow"))
        time.sleep(0.1)
        began = time.monotonic()
        assert b.get("/fast").status == 200
        assert time.monotonic() - began < 0.4
        assert a.read().body == b"slow"
    assert len(origin.connections) == 2


def test_connection_close_of_the_origin_is_heeded(gateway, origin):
    g = gateway(origin=origin)
    origin.answers["/last"] = [page(b"x", "200 OK", "Connection: close"), CLOSE]
    for _ in range(3):
        assert g.get("/last").status == 200
    assert len(origin.connections) == 3


def test_a_pooled_connection_the_origin_closed_is_not_an_error(gateway, origin):
    g = gateway(origin=origin)
    origin.answers["/last"] = [page(b"x"), CLOSE]
    for i in range(20):
        assert g.get("/last").status == 200
        time.sleep(0.01 * (i % 3))


def test_a_refused_connection_is_502(gateway, origin_maker):
    gone = origin_maker()
    gone.stop()
    g = gateway(origin=gone)
    began = time.monotonic()
    assert g.get().status in (502, 503)
    assert time.monotonic() - began < 1


def test_an_origin_that_says_nothing_is_504(gateway, origin):
    origin.answers["/hang"] = [HANG]
    g = gateway(pool((origin, ""), first_byte="1s"))
    began = time.monotonic()
    assert g.get("/hang").status == 504
    assert 0.8 < time.monotonic() - began < 3


def test_an_origin_that_stops_in_the_middle_is_cut(gateway, origin):
    origin.answers["/stop"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", HANG]
    g = gateway(pool((origin, ""), between="1s"))
    began = time.monotonic()
    with g.client() as c:
        try:
            assert not c.get("/stop").complete
        except Closed:
            pass
    assert time.monotonic() - began < 4


def test_get_is_tried_once_more_on_another_server(gateway, origin_maker):
    bad, good = origin_maker(), origin_maker()
    bad.answers["/x"] = [RESET]
    g = gateway(pool((bad, ""), (good, ""), eject_failures=100))
    for _ in range(6):
        assert g.get("/x").status == 200
    assert len(bad.requests) >= 2 and len(good.requests) == 6


def test_post_is_never_sent_twice(gateway, origin_maker):
    bad, good = origin_maker(), origin_maker()
    bad.answers["/x"] = [RESET]
    g = gateway(pool((bad, ""), (good, ""), eject_failures=100))
    statuses = [g.ask(request("/x", "shop.example.com", TEXT, method="POST", body=b"%d" % i)).status for i in range(8)]
    bodies = [r.body for r in bad.requests + good.requests]
    assert sorted(bodies) == sorted(set(bodies)), "a POST reached two servers"
    assert statuses.count(502) == len(bad.requests) >= 2 and statuses.count(200) == len(good.requests)


def test_a_request_that_never_left_may_go_elsewhere_whatever_its_method(gateway, origin_maker):
    gone, good = origin_maker(), origin_maker()
    gone.stop()
    g = gateway(pool((gone, ""), (good, ""), eject_failures=100))
    for i in range(6):
        assert g.ask(request("/x", "shop.example.com", TEXT, method="POST", body=b"%d" % i)).status == 200


def test_content_that_was_lost_with_its_connection_is_never_left_out(gateway, origin_maker):
    bad, good = origin_maker(), origin_maker()
    bad.early["/up"] = [1.0, RESET]
    g = gateway(pool((bad, ""), (good, "")))
    worker = g.role("worker")[0]
    with g.client() as c:
        c.send(request("/up", "shop.example.com", TEXT, "Transfer-Encoding: chunked", method="PUT"))
        time.sleep(0.3)
        # The chunk and the reset are there together, and the chunk is looked at first.
        os.kill(worker, signal.SIGSTOP)
        c.send(b"5\r\nfirst\r\n")
        time.sleep(1.2)
        os.kill(worker, signal.SIGCONT)
        c.send(b"6\r\nsecond\r\n0\r\n\r\n")
        assert c.read().status == 502
    assert good.requests == []


def test_held_content_is_sent_again_from_its_beginning(gateway, origin_maker):
    bad, good = origin_maker(), origin_maker()
    bad.early["/held"] = [RESET]
    g = gateway(pool((bad, ""), (good, ""), eject_failures=1000).replace("origin: pool", "origin: pool, policy: shop"),
                policies={"shop": "policy: shop\nwaf: {mode: detect}\n"})
    body = b"a=" + b"x" * 300000
    for _ in range(10):
        form = "Content-Type: application/x-www-form-urlencoded"
        assert g.ask(request("/held", "shop.example.com", form, method="PUT", body=body)).status == 200
    assert [r.body == body for r in good.requests] == [True] * 10


def test_a_failing_server_is_ejected_and_comes_back(gateway, origin_maker):
    bad, good = origin_maker(), origin_maker()
    bad.answers["/x"] = [RESET]
    g = gateway(pool((bad, ""), (good, ""), eject_failures=2, eject="1s"))
    for _ in range(20):
        assert g.get("/x").status == 200
    assert len(bad.requests) <= 3
    bad.answers.clear()
    bad.forget()
    time.sleep(1.3)
    for _ in range(10):
        assert g.get("/x").status == 200
    assert len(bad.requests) >= 3


def test_weights_are_kept(gateway, origin_maker):
    light, heavy = origin_maker(), origin_maker()
    g = gateway(pool((light, ", weight: 1"), (heavy, ", weight: 3")))
    with g.client() as c:
        for _ in range(40):
            assert c.get().status == 200
    assert (len(light.requests), len(heavy.requests)) == (10, 30)


# ---- TLS towards origins ----

def tls_origin(origin_maker, folder, names, ca=None):
    cert, key = make_certificate(folder, "origin", names, ca=ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return origin_maker(tls=context)


def test_an_origin_with_a_good_certificate_is_believed(gateway, origin_maker, folder):
    ca = make_certificate(folder, "ca", ["ca.internal"])
    o = tls_origin(origin_maker, folder, ["backend.internal"], ca)
    g = gateway(pool((o, ""), tls_ca="'%s'" % ca[0], tls_name="backend.internal"))
    assert g.get("/secret-path").status == 200
    assert o.targets() == ["/secret-path"]


@pytest.mark.parametrize("names, trusted", [(["other.internal"], True), (["backend.internal"], False)])
def test_an_origin_with_another_name_or_issuer_gets_no_request(gateway, origin_maker, folder, names, trusted):
    ca, stranger = make_certificate(folder, "ca", ["ca.internal"]), make_certificate(folder, "stranger", ["ca.internal"])
    o = tls_origin(origin_maker, folder, names, ca if trusted else stranger)
    g = gateway(pool((o, ""), tls_ca="'%s'" % ca[0], tls_name="backend.internal"))
    assert g.get("/secret-path").status in (502, 503)
    assert o.bytes_seen() == 0


def test_verification_is_on_unless_said_otherwise(gateway, origin_maker, folder):
    o = tls_origin(origin_maker, folder, ["backend.internal"])
    assert gateway(pool((o, ""))).get().status in (502, 503)
    assert gateway(pool((o, ""), tls_verify="false")).get().status == 200


def test_a_plain_answer_on_a_tls_connection_is_not_an_answer(gateway):
    """An attacker between gateway and origin speaks before the handshake has ended."""
    listener = socket.create_server(("127.0.0.1", 0))

    def inject():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.recv(1000)
            peer.sendall(page(b"injected"))
            peer.close()

    threading.Thread(target=inject, daemon=True).start()
    url = "https://127.0.0.1:%d" % listener.getsockname()[1]
    g = gateway("sites: {shop: {hosts: ['*'], origin: pool}}\norigins: {pool: {servers: ['%s'], tls_verify: false}}\n" % url)
    answer = g.get()
    assert answer.status in (502, 503) and b"injected" not in answer.body
    listener.close()


# ---- A25: answers that break the protocol ----

OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "two framings": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "bad length": OK + b"Content-Length: 5x\r\n\r\nhello",
    "negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "unknown coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "not a status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 099 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "NUL in a field": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "CR in a field": OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "folding": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "no colon": OK + b"hello\r\nContent-Length: 0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "huge head": OK + b"X: " + b"v" * (1 << 20) + b"\r\n\r\n",
    "many fields": OK + b"".join(b"X%d: v\r\n" % i for i in range(5000)) + b"\r\n",
    "1xx for ever": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10000 + OK + b"Content-Length: 0\r\n\r\n",
}


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(pool((shared_origin, ""), eject_failures=1000))
    g.origin = shared_origin
    return g


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_502_and_its_connection_ends(rig, name):
    rig.origin.answers["/broken"] = [BROKEN[name], HANG] if name != "HTTP/0.9" else [BROKEN[name], CLOSE]
    try:
        answer = rig.ask(request("/broken", "shop.example.com", TEXT, method="POST", body=b"x"))
        assert answer.status == 502, answer.raw_head
    except Closed:
        assert name == "1xx for ever"
    connection = rig.origin.connections[rig.origin.requests[-1].connection]
    end = time.monotonic() + 3
    while not connection.ended and time.monotonic() < end:
        time.sleep(0.02)
    assert connection.ended
    assert rig.get("/after").get("x-canary") == "/after"


def test_what_follows_too_many_informational_answers_is_nobodys(rig):
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    rig.origin.answers["/hints"] = [hint * 17, 0.3, hint, 0.1, page(b"poison"), HANG]
    with rig.client() as c:
        answer = c.ask(request("/hints"))
        assert answer.status == 502 and len(answer.informational) == 16
        connection = rig.origin.connections[rig.origin.requests[-1].connection]
        end = time.monotonic() + 3
        while not connection.ended and time.monotonic() < end:
            time.sleep(0.02)
        assert connection.ended
        assert c.get("/after").get("x-canary") == "/after"


CHUNKS = [b"Z\r\nhello\r\n", b"5\r\nhelloXX", b"5 \r\nhello\r\n", b"+5\r\nhello\r\n", b"5\nhello\n", b"F" * 17 + b"\r\n", b"0x5\r\nhello\r\n"]


@pytest.mark.parametrize("bad", CHUNKS)
def test_a_bad_chunk_of_the_origin_never_looks_complete(rig, bad):
    rig.origin.answers["/chunk"] = [OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n" + bad + b"0\r\n\r\n", HANG]
    with rig.client(timeout=4) as c:
        try:
            answer = c.get("/chunk")
            assert answer.status == 502 or not answer.complete
        except Closed:
            pass
        assert c.closed()
    assert rig.get("/after").get("x-canary") == "/after"


@pytest.mark.parametrize("extra", [b"more than it said", OK + b"Content-Length: 6\r\n\r\npoison"])
def test_bytes_behind_an_answer_never_reach_the_next_client(rig, extra):
    rig.origin.answers["/extra"] = [page(b"mine") + extra, 0.05]
    assert rig.get("/extra").body == b"mine"
    time.sleep(0.1)
    for i in range(5):
        assert rig.get("/after/%d" % i).get("x-canary") == "/after/%d" % i


@pytest.mark.parametrize("method, status", [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")])
def test_content_where_none_may_be_never_reaches_a_client(rig, method, status):
    rig.origin.answers["/none"] = [b"HTTP/1.1 " + status.encode() + b"\r\nContent-Length: 6\r\n\r\npoison", 0.05]
    with rig.client(timeout=3) as c:
        c.send(request("/none", method=method))
        try:
            answer = c.read(head=True)
            assert answer.status in (int(status[:3]), 502)
        except Closed:
            pass
        assert b"poison" not in c.rest
    for i in range(5):
        assert rig.get("/after/%d" % i).get("x-canary") == "/after/%d" % i


def test_an_answer_before_the_request_is_nobodys(rig):
    """It comes while the connection is idle.  One that comes after the next request has left cannot be told
    from that request's own answer."""
    rig.origin.answers["/first"] = [page(b"x"), 0.05, page(b"poison")]
    for i in range(5):
        assert rig.get("/first").body == b"x"
        time.sleep(0.15)
        assert rig.get("/mine/%d" % i).get("x-canary") == "/mine/%d" % i


@pytest.mark.parametrize("tls", [False, True])
def test_an_unasked_answer_that_came_in_the_same_turn_is_nobodys(gateway, origin_maker, folder, tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder))
    o = origin_maker(tls=context if tls else None)
    o.answers["/first"] = [page(b"x")]
    g = gateway("sites: {shop: {hosts: ['*'], origin: pool}}\n"
                "origins: {pool: {servers: ['%s'], tls_verify: false}}\n" % o.url)
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


def test_trailers_of_the_origin_end_at_the_gateway(rig):
    rig.origin.answers["/t"] = [OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\nX-Secret: v\r\n\r\n"]
    with rig.client() as c:
        assert c.get("/t").body == b"one" and c.rest == b""
        assert c.get("/after").get("x-canary") == "/after"


def test_a_drip_of_one_byte_is_still_one_answer(rig):
    raw = OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"hello", b"world")
    rig.origin.answers["/drip"] = [a for i in range(len(raw)) for a in (raw[i:i + 1], 0.001)]
    assert rig.get("/drip").body == b"helloworld"
