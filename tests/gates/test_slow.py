"""Slow and idle clients: every limit is shortened by configuration, and each ends what it should end."""
import time

import pytest

from rig_client import Closed, chunked, request
from rig_origin import page

CONFIG = """
client: {handshake: 1s, head: 1s, body_rate: 500B, body_grace: 1s, stall: 1s, keep_alive: 1s, requests: 5, total: 20s, per_address: 40}
"""


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(CONFIG, origin=shared_origin, policies={"shop": "policy: shop\nwaf: {mode: off}\n"})
    return g


def seconds(since):
    return time.monotonic() - since


def test_a_head_that_never_ends_is_408(rig):
    before, began = rig.origin.bytes_seen(), time.monotonic()
    with rig.client() as c:
        c.send(b"GET / HTTP/1.1\r\n")
        assert c.read().status == 408
        assert c.closed()
    assert 0.8 < seconds(began) < 3
    assert rig.origin.bytes_seen() == before


def test_dripping_a_head_does_not_prolong_it(rig):
    began = time.monotonic()
    with rig.client() as c:
        try:
            for byte in request("/", "shop.example.com", "X: " + "v" * 100):
                c.send(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass
        try:
            assert c.read().status == 408
        except Closed:
            pass
    assert seconds(began) < 10


def test_a_connection_that_says_nothing_is_closed_in_silence(rig):
    with rig.client() as c:
        assert c.closed(4) and c.rest == b""


def test_a_handshake_that_never_ends_is_closed(rig):
    import socket
    with socket.create_connection(("127.0.0.1", rig.https), timeout=4) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        began = time.monotonic()
        try:
            while s.recv(1000):
                pass
        except ConnectionResetError:
            pass
        assert seconds(began) < 3


def test_content_that_never_comes_is_408(rig):
    before = len(rig.origin.requests)
    with rig.client() as c:
        c.send(request("/", "shop.example.com", "Content-Type: text/plain", "Content-Length: 100000", method="POST"))
        assert c.read().status == 408
        assert c.closed()
    assert len(rig.origin.requests) == before


def test_content_below_the_rate_is_cut(rig):
    before, began = len(rig.origin.requests), time.monotonic()
    with rig.client() as c:
        c.send(request("/", "shop.example.com", "Content-Type: text/plain", "Transfer-Encoding: chunked", method="POST"))
        try:
            for _ in range(100):
                c.send(b"1\r\nx\r\n")
                time.sleep(0.1)
        except OSError:
            pass
        try:
            assert c.read().status == 408
        except Closed:
            pass
    assert seconds(began) < 8 and len(rig.origin.requests) == before


def test_late_content_of_a_refused_request_is_never_a_request(rig):
    before = len(rig.origin.requests)
    with rig.client() as c:
        c.send(request("/", "shop.example.com", "Content-Type: text/plain", "Content-Length: 500", method="POST"))
        time.sleep(1.5)
        try:
            c.send(request("/hidden"))
        except OSError:
            pass
        try:
            while c.more():
                pass
        except OSError:
            pass
    assert c.rest.count(b"HTTP/1.1 ") <= 1
    assert rig.origin.requests[before:] == []


def test_steady_content_above_the_rate_is_not_cut(rig):
    with rig.client() as c:
        c.send(request("/steady", "shop.example.com", "Content-Type: text/plain", "Content-Length: 25000", method="POST"))
        for _ in range(25):
            c.send(b"x" * 1000)
            time.sleep(0.1)
        assert c.read().status == 200


def test_a_reader_that_stalls_is_cut(rig):
    rig.origin.answers["/big"] = [page(b"x" * (32 << 20))]
    with rig.client(rcvbuf=4096) as c:
        c.send(request("/big"))
        time.sleep(4)
        try:
            assert not c.read().complete
        except Closed:
            pass


def test_a_reader_that_stalls_is_cut_where_any_rate_will_do(gateway, origin):
    g = gateway("client: {body_rate: 0B, stall: 1s}", origin=origin)
    origin.answers["/big"] = [page(b"x" * (32 << 20))]
    with g.client(rcvbuf=4096, timeout=30) as c:
        c.send(request("/big"))
        time.sleep(4)
        try:
            assert not c.read().complete
        except Closed:
            pass


def test_a_slow_origin_is_not_the_clients_fault(rig):
    rig.origin.answers["/slow"] = [3.0, page(b"at last")]
    assert rig.get("/slow").text == "at last"


def test_an_idle_connection_is_closed(rig):
    with rig.client() as c:
        assert c.get().status == 200
        began = time.monotonic()
        assert c.closed(4)
        assert seconds(began) > 0.7


def test_a_connection_serves_so_many_requests(rig):
    with rig.client() as c:
        for i in range(5):
            answer = c.get("/%d" % i)
            assert answer.status == 200
        assert answer.get("connection") == "close" and c.closed()


def test_one_address_has_so_many_connections(rig):
    held = []
    try:
        refused = 0
        for _ in range(60):
            c = rig.client(timeout=2)
            held.append(c)
            try:
                c.send(request("/"))
                if c.read().status != 200:
                    refused += 1
            except (Closed, OSError):
                refused += 1
        assert refused >= 20
        assert len(held) - refused >= 35
        with rig.client(source="127.0.0.2") as other:
            assert other.get().status == 200, "another address is not its neighbour's keeper"
    finally:
        for c in held:
            c.close()
    time.sleep(0.3)
    assert rig.get().status == 200


def test_the_whole_request_has_one_deadline(gateway, origin):
    g = gateway("client: {total: 2s}", origin=origin)
    origin.answers["/endless"] = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] + [b"1\r\nx\r\n", 0.2] * 40
    began = time.monotonic()
    with g.client() as c:
        try:
            assert not c.get("/endless").complete
        except Closed:
            pass
    assert 1.5 < seconds(began) < 5


def test_a_head_that_never_ends_holds_no_worker(rig):
    idle = [rig.client() for _ in range(30)]
    for c in idle:
        c.send(b"GET / HT")
    began = time.monotonic()
    assert rig.get().status == 200
    assert seconds(began) < 0.5
    for c in idle:
        c.close()
