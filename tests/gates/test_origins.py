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
