"""HTTP/2 as clients use it: the same gateway behind another front."""
import json
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest

from rig_client import request, trusting
from rig_h2 import (ACK, CANCEL, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, H2, HEADERS, INITIAL_WINDOW_SIZE, INTERNAL_ERROR, MAGIC,
                    MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE, NO_ERROR, NO_RFC7540_PRIORITIES, PRIORITY_UPDATE, PROTOCOL_ERROR,
                    REFUSED_STREAM, RST_STREAM, fields_of, frame, rst, settings, window)
from rig_origin import CLOSE, HANG, page

BIG = bytes(i * 7 % 251 for i in range(1 << 20))


@pytest.fixture(scope="module")
def gate(shared_gateway, shared_origin):
    o = shared_origin
    o.answers["/big"] = [page(BIG)]
    o.answers["/echo"] = lambda r: [page(r.body, "200 OK", "Content-Type: text/plain")]
    o.answers["/chunked"] = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"]
    o.answers["/nothing"] = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
    o.answers["/close"] = [b"HTTP/1.1 200 OK\r\n\r\nto the end", CLOSE]
    o.answers["/204"] = [b"HTTP/1.1 204 No Content\r\n\r\n"]
    o.answers["/304"] = [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n"]
    o.answers["/empty"] = [page(b"")]
    o.answers["/hop"] = [page(b"x", "200 OK", "Connection: X-Hop, close", "X-Hop: 1", "Keep-Alive: timeout=5", "Upgrade: h2c",
                              "Proxy-Connection: close", "Server: secret/1.0", "X-Stays: 1", "Set-Cookie: a=1", "Set-Cookie: b=2"), CLOSE]
    o.answers["/short"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly", CLOSE]
    o.answers["/long"] = [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nonlyHTTP/1.1 200 OK\r\n\r\nmore", CLOSE]
    o.answers["/early"] = [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", page(b"late")]
    o.answers["/slow"] = [0.6, page(b"slow")]
    return shared_gateway("client: {body: 4MiB}\n", origin=o)


@pytest.fixture
def h2(gate):
    with H2(gate.https) as connection:
        yield connection
        assert not connection.closed


def test_a_request(gate, h2):
    a = h2.get("/page?q=1", "shop.example.com", ("user-agent", "gates"))
    assert (a.status, a.text, a.ended, a.reset) == (200, "origin got /page?q=1", True, None)
    assert a.get("x-canary") == "/page?q=1" and a.get("content-length") == str(len(a.body))
    assert h2.settings == {MAX_CONCURRENT_STREAMS: 100, MAX_HEADER_LIST_SIZE: 32768, NO_RFC7540_PRIORITIES: 1}
    record = gate.log(1)[-1]
    assert (record["http"], record["stream"], record["status"], record["decision"]) == (2, 1, 200, "pass")
    assert record["path"] == "/page" and record["tls"] == "TLSv1.3"


def test_what_goes_upstream_is_http1(gate, h2, shared_origin):
    shared_origin.forget()
    h2.get("/up?x", "SHOP.example.com:443", ("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("te", "trailers"), ("x-forwarded-for", "1.1.1.1"))
    r = shared_origin.requests[-1]
    assert (r.method, r.target, r.get("host"), r.body) == ("GET", "/up?x", "shop.example.com", b"")
    assert r.all("cookie") == ["a=1; b=2"] and r.get("x-a") == "1" and not r.all("te")
    assert r.get("x-forwarded-for") == "127.0.0.1" and r.get("x-forwarded-proto") == "https"
    assert not [n for n, _ in r.fields if n.startswith(":")]


@pytest.mark.parametrize("body", [b"", b"x", b"y" * 16384, b"z" * 65536, BIG], ids=len)
def test_content_goes_up_and_comes_back(h2, shared_origin, body):
    shared_origin.forget()
    a = h2.post("/echo", body)
    assert a.status == 200 and a.body == body
    assert shared_origin.requests[-1].get("content-length") == str(len(body))


def test_content_without_a_length(h2, shared_origin):
    shared_origin.forget()
    stream = h2.headers(fields_of("/echo", "POST"), end=False)
    for piece in (b"one", b"two", b"three"):
        h2.data(stream, piece)
        time.sleep(0.02)
    h2.data(stream, b"", end=True)
    assert h2.wait(stream).text == "onetwothree"
    assert shared_origin.requests[-1].get("transfer-encoding") == "chunked"


def test_trailers_end_a_request_and_go_no_further(h2, shared_origin):
    shared_origin.forget()
    stream = h2.headers(fields_of("/echo", "POST"), end=False)
    h2.data(stream, b"content")
    h2.headers([("x-trailer", "1"), ("x-forwarded-for", "1.1.1.1")], stream=stream)
    assert h2.wait(stream).text == "content"
    assert b"x-trailer" not in shared_origin.requests[-1].head.lower()


@pytest.mark.parametrize("path, status, body, length", [
    ("/chunked", 200, b"hello world", None), ("/nothing", 200, b"", None), ("/close", 200, b"to the end", None),
    ("/204", 204, b"", None), ("/304", 304, b"", "77"), ("/empty", 200, b"", "0"), ("/big", 200, BIG, str(len(BIG)))])
def test_answers_of_every_framing(h2, path, status, body, length):
    a = h2.get(path)
    assert (a.status, a.body, a.get("content-length"), a.ended, a.reset) == (status, body, length, True, None)


def test_head_has_no_content(h2):
    a = h2.get("/big", method="HEAD")
    assert (a.status, a.body, a.ended, a.get("content-length")) == (200, b"", True, str(len(BIG)))


def test_what_is_of_the_origins_connection_stays_there(h2):
    a = h2.get("/hop")
    names = [n for n, _ in a.fields]
    assert a.body == b"x" and a.get("x-stays") == "1" and names.count("set-cookie") == 2
    assert not {"connection", "x-hop", "keep-alive", "upgrade", "proxy-connection", "server"} & set(names)


def test_an_answer_that_is_cut_is_seen_to_be(gate, h2):
    a = h2.get("/short")
    assert a.status == 200 and not a.ended and a.reset == INTERNAL_ERROR
    assert h2.get("/after").status == 200


def test_no_foreign_byte_in_an_answer(h2):
    a = h2.get("/long")
    assert (a.body, a.ended) == (b"only", True)


def test_informational_answers_are_passed_on(h2):
    a = h2.get("/early")
    assert a.informational == [(103, [("link", "</x>")])] and a.text == "late"


def test_expect_is_answered(h2):
    stream = h2.headers(fields_of("/echo", "POST", "shop.example.com", ("expect", "100-continue"), ("content-length", "3")), end=False)
    assert h2.until(lambda: h2.answer(stream).informational == [(100, [])])
    h2.data(stream, b"abc", end=True)
    assert h2.wait(stream).text == "abc"


def test_many_streams_at_once(gate, h2):
    before = time.monotonic()
    slow = [h2.headers(fields_of("/slow?%d" % i)) for i in range(20)]
    fast = h2.headers(fields_of("/fast"))
    assert h2.wait(fast).text == "origin got /fast"
    assert not any(h2.answer(s).over for s in slow)
    assert all(a.text == "slow" for a in h2.wait(*slow))
    assert time.monotonic() - before < 5


def test_a_refusal_is_the_same_page(gate, h2):
    a, b = h2.get("/x/../../y"), gate.get("/x/../../y")
    assert a.status == b.status == 400
    page_of = lambda answer: answer.text.replace(answer.get("x-request-id"), "ID")
    assert page_of(a) == page_of(b)
    assert sorted(n for n, _ in a.fields) == sorted(n.lower() for n, _ in b.fields if n.lower() != "connection")
    assert h2.get("/after").status == 200, "the connection goes on"


def test_a_refusal_does_not_wait_for_content(h2):
    stream = h2.headers(fields_of("/..", "POST"), end=False)
    a = h2.wait(stream)
    assert a.status == 400 and a.ended
    assert h2.until(lambda: a.reset is not None) and a.reset == NO_ERROR
    # What was on its way is thrown away quietly.
    h2.data(stream, b"x" * 1000)
    h2.data(stream, b"y" * 1000, end=True)
    assert h2.alive()


def test_content_beyond_the_bound(h2):
    a = h2.post("/echo", b"x" * (5 << 20))
    assert a.status == 413
    stream = h2.headers(fields_of("/echo", "POST"), end=False)
    h2.upload(stream, b"x" * (5 << 20))
    a = h2.wait(stream)
    assert a.status == 413 or a.reset is not None
    assert h2.get("/after").status == 200


def test_a_client_that_leaves_a_stream(gate, h2, shared_origin):
    shared_origin.forget()
    n = len(gate.log())
    stream = h2.headers(fields_of("/slow"))
    time.sleep(0.1)
    h2.send(rst(stream))
    assert h2.get("/after").status == 200
    record = next(r for r in gate.log(n + 2)[n:] if r["path"] == "/slow")
    assert record["status"] == 499 and record["reason"] == "client-left"


def test_both_versions_are_offered(gate):
    for offered, taken in (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2"], "h2"):
        context = trusting()
        context.set_alpn_protocols(offered)
        with socket.create_connection(("127.0.0.1", gate.https)) as raw, context.wrap_socket(raw, server_hostname="shop.example.com") as s:
            assert s.selected_alpn_protocol() == taken


def test_a_listener_without_http2(gateway, origin):
    g = gateway("listeners: [{address: '127.0.0.1:$https', http2: off}, {address: '127.0.0.1:$http', serve: http}]\n", origin=origin)
    context = trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", g.https)) as raw, context.wrap_socket(raw, server_hostname="shop.example.com") as s:
        assert s.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", g.https)) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="shop.example.com")
    assert g.get("/", tls=True).status == 200


def test_without_tls_it_is_refused(gate):
    with gate.client() as c:
        c.send(MAGIC + settings())
        assert c.read().status == 505 and c.closed()
    with gate.client() as c:
        a = c.ask(request("/", "shop.example.com", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"))
        assert a.status == 200, "an upgrade that is not taken is an ordinary request"


def test_without_tls_where_the_listener_says_so(gateway, origin):
    g = gateway("listeners: [{address: '127.0.0.1:$https'}, {address: '127.0.0.1:$http', serve: http, http2: on}]\n", origin=origin)
    with H2(g.http, tls=False) as h:
        a = h.wait(h.headers(fields_of("/plain", scheme="http")))
        assert a.text == "origin got /plain"
        assert h.wait(h.headers(fields_of("/x", scheme="https"))).status == 421
    with H2(g.http, tls=False, begin=False) as h:
        for i in range(0, 24, 5):
            h.send(MAGIC[i:i + 5])
            time.sleep(0.02)
        h.send(settings())
        assert h.wait(h.headers(fields_of("/slowly", scheme="http"))).status == 200
    # HTTP/1.1 stays, and what only begins like the preface is judged as it always was.
    assert g.get("/one").status == 200
    with g.client() as c:
        c.send(b"PRI")
        time.sleep(0.05)
        c.send(b"VATE / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.read().status == 200
        c.send(MAGIC)
        assert c.read().status == 505, "only as the first thing of a connection"


def test_metrics_by_version(gate, h2):
    def read():
        done = subprocess.run(["curl", "-s", "--unix-socket", admin_socket(gate), "http://localhost/metrics"], capture_output=True, text=True)
        return {l.rsplit(" ", 1)[0]: float(l.rsplit(" ", 1)[1]) for l in done.stdout.splitlines() if l and l[0] != "#"}
    before = read()
    h2.get("/m")
    gate.get("/m", tls=True)
    time.sleep(0.3)
    after = read()
    for version in ("1.1", "2"):
        name = 'portcullis_requests_by_version_total{version="%s"}' % version
        assert after[name] == before[name] + 1
    assert after["portcullis_http2_connections_total"] >= 1


def admin_socket(gate):
    import hashlib
    import os
    name = hashlib.sha256(str(gate.file).encode()).hexdigest()[:16]
    return ("/run/portcullis/" if os.getuid() == 0 else "%s/portcullis-%d/" % (os.environ.get("XDG_RUNTIME_DIR", "/tmp"), os.getuid())) + name + "/admin.sock"


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl(gate, folder):
    (folder / "body").write_bytes(BIG)
    done = subprocess.run(["curl", "-sk", "--http2", "-w", "%{http_version} %{http_code}\n", "-o", folder / "out1", "https://127.0.0.1:%d/big" % gate.https,
                           "-o", folder / "out2", "--data-binary", "@%s" % (folder / "body"), "https://127.0.0.1:%d/echo" % gate.https],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == "2 200\n2 200\n", done
    assert (folder / "out1").read_bytes() == BIG and (folder / "out2").read_bytes() == BIG


@pytest.mark.skipif(not shutil.which("h2load"), reason="no h2load")
def test_h2load(gate):
    done = subprocess.run(["h2load", "-n", "600", "-c", "4", "-m", "20", "https://127.0.0.1:%d/load" % gate.https], capture_output=True, text=True, timeout=60)
    assert "600 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout


@pytest.mark.timing
@pytest.mark.parametrize("early", [True, False], ids=["before", "behind"])
def test_what_is_more_urgent_goes_first(gate, early):
    """RFC 9218: a PRIORITY_UPDATE counts, also one that comes before its stream.  While the origin has nothing of the
    urgent one at hand, the other goes on; in turns it, which began first, would have been whole first."""
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 1 << 24)], reads=False) as h:
        urgent = frame(PRIORITY_UPDATE, 0, 0, struct.pack(">I", 3) + b"u=0")
        both = [frame(HEADERS, END_STREAM | END_HEADERS, s, h.encode(fields_of("/big"))) for s in (1, 3)]
        h.send(*([urgent] + both if early else both + [urgent]))
        assert h.until(lambda: h.answer(1).status and h.answer(3).status)
        # Now the connection's window is used up, and there is something of both to send.
        time.sleep(0.3)
        h.send(window(0, 1 << 24))
        h.wait(3)
        assert h.answer(3).body == BIG and len(h.answer(1).body) < len(BIG) * 3 // 4
        assert h.wait(1).body == BIG
