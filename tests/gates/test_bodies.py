"""Content both ways: lengths, chunks, nothing at all, early and late ends, back-pressure."""
import threading
import time

import pytest

from rig_client import Closed, chunked, request
from rig_origin import CLOSE, HANG, page

TEXT = "Content-Type: text/plain"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway("client: {body: 4MiB}", origin=shared_origin)
    return g


@pytest.mark.parametrize("size", [0, 1, 100, 16383, 16384, 16385, 65536, 100001, 1 << 20])
@pytest.mark.parametrize("tls", [False, True])
def test_an_upload_with_a_length_arrives_whole(rig, size, tls):
    body = bytes(i * 7 % 251 for i in range(size))
    assert rig.ask(request("/up", "shop.example.com", TEXT, method="POST", body=body), tls=tls).status == 200
    assert rig.origin.requests[-1].body == body


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_a_chunked_upload_arrives_whole(rig, pieces):
    parts = [b"%d," % i * 40 for i in range(pieces)]
    assert rig.ask(request("/up", "shop.example.com", TEXT, "Transfer-Encoding: chunked", method="POST", body=chunked(*parts))).status == 200
    assert rig.origin.requests[-1].body == b"".join(parts)


@pytest.mark.parametrize("size", [0, 1, 16384, 65536, 100001, 1 << 20])
@pytest.mark.parametrize("tls", [False, True])
def test_a_page_with_a_length_comes_whole(rig, size, tls):
    body = bytes(i * 7 % 251 for i in range(size))
    rig.origin.answers["/down"] = [page(body)]
    answer = rig.get("/down", tls=tls)
    assert answer.framing == "length" and answer.body == body


@pytest.mark.parametrize("parts", [[], [b"x"], [b"a" * 70000, b"b"], [b"%d" % i for i in range(500)]])
def test_a_chunked_page_comes_whole(rig, parts):
    rig.origin.answers["/down"] = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*parts)]
    with rig.client() as c:
        answer = c.get("/down")
        assert answer.complete and answer.body == b"".join(parts)
        assert c.get("/next").status == 200, "the connection is kept"


def test_a_page_that_ends_with_its_connection_comes_whole_and_framed(rig):
    rig.origin.answers["/until"] = [b"HTTP/1.1 200 OK\r\n\r\nfirst ", 0.1, b"second", CLOSE]
    with rig.client() as c:
        answer = c.get("/until")
        assert (answer.framing, answer.complete, answer.body) == ("chunked", True, b"first second")
        assert c.get("/next").status == 200


def test_http_10_clients_get_no_chunks(rig):
    rig.origin.answers["/down"] = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two")]
    with rig.client() as c:
        answer = c.ask(b"GET /down HTTP/1.0\r\nHost: shop.example.com\r\n\r\n")
        assert (answer.framing, answer.body) == ("close", b"onetwo")


def test_chunks_are_passed_on_as_they_come(rig):
    rig.origin.answers["/drip"] = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\none\r\n", 0.6, b"3\r\ntwo\r\n0\r\n\r\n"]
    with rig.client() as c:
        c.send(request("/drip"))
        began = time.monotonic()
        while b"one" not in c.rest:
            assert c.more()
        assert time.monotonic() - began < 0.5
        assert c.read().body == b"onetwo"


def test_head_has_a_length_and_no_content(rig):
    rig.origin.answers["/h"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"]
    with rig.client() as c:
        c.send(request("/h", method="HEAD"), request("/next"))
        answer = c.read(head=True)
        assert (answer.status, answer.get("content-length")) == (200, "1000")
        assert c.read().get("x-canary") == "/next"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_204_and_304_have_no_content(rig, status):
    rig.origin.answers["/none"] = [b"HTTP/1.1 " + status.encode() + b"\r\nETag: \"x\"\r\n\r\n"]
    with rig.client() as c:
        c.send(request("/none"), request("/next"))
        answer = c.read()
        assert answer.status == int(status[:3]) and answer.get("transfer-encoding") is None
        assert c.read().get("x-canary") == "/next"


def test_informational_heads_are_passed_on(rig):
    rig.origin.answers["/hints"] = [b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", 0.05, page(b"x")]
    answer = rig.get("/hints")
    assert answer.status == 200 and answer.body == b"x"
    assert [(s, dict((n.lower(), v) for n, v in f).get("link")) for s, f in answer.informational] == [(103, "</a.css>; rel=preload")]


def test_http_10_clients_get_no_informational_head(rig):
    rig.origin.answers["/hints"] = [b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", page(b"x")]
    answer = rig.ask(b"GET /hints HTTP/1.0\r\nHost: shop.example.com\r\n\r\n")
    assert answer.status == 200 and answer.informational == []


def test_a_hundred_continues_of_the_origin_do_not_reach_the_client_unasked(rig):
    rig.origin.answers["/c"] = [b"HTTP/1.1 100 Continue\r\n\r\n", page(b"x")]
    answer = rig.ask(request("/c", "shop.example.com", TEXT, method="POST", body=b"hello"))
    assert answer.status == 200 and answer.informational == []


def test_pipelined_pages_of_all_sizes_keep_their_order(rig):
    for i in range(30):
        rig.origin.answers["/size/%d" % i] = [page(b"%d" % i * (i * 700))]
    with rig.client() as c:
        c.send(b"".join(request("/size/%d" % i) for i in range(30)))
        for i in range(30):
            assert c.read().body == b"%d" % i * (i * 700)


@pytest.mark.parametrize("coded", [False, True])
def test_too_much_content_is_413_and_not_forwarded_whole(rig, coded):
    before = len(rig.origin.requests)
    body = b"x" * (5 << 20)
    with rig.client() as c:
        try:
            if coded:
                c.send(request("/up", "shop.example.com", TEXT, "Transfer-Encoding: chunked", method="POST"))
                for _ in range(80):
                    c.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            else:
                c.send(request("/up", "shop.example.com", TEXT, "Content-Length: %d" % len(body), method="POST"))
        except OSError:
            pass
        assert c.read().status == 413
        assert c.closed()
    assert len(rig.origin.requests) == before


@pytest.mark.parametrize("length", [(1 << 30) + 1, (1 << 63) - 1])
def test_the_length_alone_is_enough_for_413(gateway, origin, length):
    g = gateway(origin=origin)
    with g.client() as c:
        c.send(request("/up", "shop.example.com", TEXT, "Content-Length: %d" % length, method="POST"))
        assert c.read().status in (400, 413)
    assert origin.bytes_seen() == 0


def test_an_early_answer_reaches_the_client_and_the_connection_ends_or_is_drained(rig):
    rig.origin.early["/early"] = [page(b"no", "401 Unauthorized"), CLOSE]
    with rig.client() as c:
        try:
            c.send(request("/early", "shop.example.com", TEXT, "Content-Length: 3000000", method="POST"))
            for _ in range(30):
                c.send(b"x" * 100000)
        except OSError:
            pass
        assert c.read().status == 401
    assert rig.get("/after").get("x-canary") == "/after"


def test_a_half_closed_client_still_gets_its_answer(rig):
    rig.origin.answers["/slow"] = [0.3, page(b"here")]
    with rig.client() as c:
        c.send(request("/slow"))
        c.finish()
        assert c.read().body == b"here"


def test_content_that_ends_too_soon_is_never_a_request(rig):
    before = len(rig.origin.requests)
    with rig.client() as c:
        c.send(request("/up", "shop.example.com", TEXT, "Content-Length: 100", method="POST", body=b"x" * 50))
        c.finish()
        try:
            assert c.read().status in (400, 408)
        except Closed:
            pass
    assert len(rig.origin.requests) == before


@pytest.mark.parametrize("answer, what", [
    ([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50, CLOSE], "length"),
    ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n" + b"x" * 50 + b"\r\n", CLOSE], "chunked"),
    ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + b"x" * 50, CLOSE], "in a chunk"),
])
def test_a_page_cut_short_never_looks_complete(rig, answer, what):
    rig.origin.answers["/cut"] = answer
    with rig.client() as c:
        try:
            got = c.get("/cut")
            assert got.status == 502 or not got.complete
        except Closed:
            pass
        assert c.closed()


def test_a_slow_reader_slows_the_origin_down(rig):
    """Back-pressure: of 64 MiB only what buffers hold leaves the origin while nobody reads."""
    sent = [0]

    def pour(request):
        piece = b"x" * 65536
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20)
        for _ in range(1024):
            yield piece
            sent[0] += len(piece)

    rig.origin.answers["/pour"] = pour
    with rig.client(rcvbuf=65536) as c:
        c.send(request("/pour"))
        c.more()
        time.sleep(1.0)
        first = sent[0]
        time.sleep(0.5)
        assert sent[0] == first < 32 << 20
        assert len(c.read().body) == 64 << 20


def test_a_slow_origin_slows_the_uploader_down(rig):
    rig.origin.early["/stuck"] = [1.5]
    taken = [0]
    with rig.client(timeout=20) as c:
        c.send(request("/stuck", "shop.example.com", TEXT, "Content-Length: %d" % (4 << 20), method="POST"))

        def pour():
            for _ in range(64):
                c.send(b"x" * 65536)
                taken[0] += 65536

        thread = threading.Thread(target=pour)
        thread.start()
        assert c.read().status == 200
        thread.join()
    assert len(rig.origin.requests[-1].body) == 4 << 20


def test_a_client_that_leaves_frees_its_origin(rig):
    rig.origin.answers["/hang"] = [HANG]
    c = rig.client()
    c.send(request("/hang"))
    time.sleep(0.3)
    connection = rig.origin.connections[rig.origin.requests[-1].connection]
    c.socket.setsockopt(__import__("socket").SOL_SOCKET, __import__("socket").SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()
    end = time.monotonic() + 5
    while not connection.ended and time.monotonic() < end:
        time.sleep(0.02)
    assert connection.ended, "the origin still works for a client that is gone"
