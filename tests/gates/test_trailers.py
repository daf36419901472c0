"""What follows content: an answer's trailers reach who can take them, a request's reach nobody, and none of either is believed."""
import pytest

from rig_client import chunked, request
from rig_h2 import H2, PROTOCOL_ERROR, fields_of, literal
from rig_origin import CLOSE
from test_responses import filler, make, responses

CODED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
SUM = [("x-sum", "abc"), ("grpc-status", "0"), ("empty", "")]


def coded(*lines, content=(b"hello", b"world")):
    """Chunked content with these trailer lines."""
    return CODED + chunked(*content)[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    shared_origin.answers["/sum"] = [coded(b"X-Sum: abc", b"Grpc-Status: 0", b"Empty:")]
    shared_origin.answers["/none"] = [coded(content=())]
    shared_origin.answers["/only"] = [coded(b"X-Sum: abc", content=())]
    g = shared_gateway("client: {fields: 10}\n", origin=shared_origin)
    g.origin = shared_origin
    return g


def by_http1(rig, path, *fields):
    with rig.client() as c:
        c.takes_trailers = True
        answer = c.get(path, "shop.example.com", *fields)
        assert c.rest == b"" and c.get("/after").text == "origin got /after"
        return answer


def by_http2(rig, path):
    with H2(rig.https) as h:
        answer = h.get(path)
        assert h.alive()
        return answer


def test_they_follow_content_in_http2(rig):
    answer = by_http2(rig, "/sum")
    assert (answer.body, answer.trailers, answer.ended) == (b"helloworld", SUM, True)
    assert by_http2(rig, "/none").trailers == []
    assert by_http2(rig, "/only").trailers == [("x-sum", "abc")]


def test_they_follow_a_megabyte_that_is_read_slowly(rig):
    body = filler(1 << 20)
    rig.origin.answers["/long"] = [coded(b"X-Sum: abc", content=[body[i:i + 50000] for i in range(0, len(body), 50000)])]
    answer = by_http2(rig, "/long")
    assert answer.body == body and answer.trailers == [("x-sum", "abc")]


@pytest.mark.parametrize("fields, want", [(["TE: trailers"], SUM), (["TE: gzip;q=0.5, Trailers", "Connection: TE"], SUM), (["TE: gzip"], []), ([], [])])
def test_in_http1_they_follow_for_who_has_said_that_he_takes_them(rig, fields, want):
    answer = by_http1(rig, "/sum", *fields)
    assert answer.body == b"helloworld" and answer.trailers == want


FORBIDDEN = [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: b", b"Connection: close", b"Trailer: x", b"TE: gzip", b"Set-Cookie: a=b",
             b"Authorization: x", b"WWW-Authenticate: Basic", b"Proxy-Authenticate: x", b"Location: /x", b"Content-Type: text/html",
             b"Content-Encoding: gzip", b"Content-Range: bytes 1-2/3", b"Cache-Control: public", b"Vary: *", b"Age: 1",
             b"Access-Control-Allow-Origin: *", b"Content-Security-Policy: x", b"Strict-Transport-Security: max-age=0", b"Sec-Fetch: x",
             b"X-Forwarded-For: 1.1.1.1", b"Server: secret", b"X-Powered-By: secret", b"Refresh: 0", b"If-Match: x"]


@pytest.mark.parametrize("half", [FORBIDDEN[i:i + 9] for i in range(0, len(FORBIDDEN), 9)], ids=["framing", "answers", "others"])
def test_what_belongs_into_a_head_is_taken_out(rig, half):
    rig.origin.answers["/bad"] = [coded(*half, b"X-Sum: abc")]
    assert by_http2(rig, "/bad").trailers == [("x-sum", "abc")]
    assert by_http1(rig, "/bad", "TE: trailers").trailers == [("x-sum", "abc")]


@pytest.mark.parametrize("lines", [[b"X-Sum: a\x01"], [b"X Sum: a"], [b" X: a"], [b": a"], [b"X: a\n"], [b"X-%d: a" % i for i in range(11)],
                                   [b"X: " + b"a" * 5000]], ids=["control", "space", "folded", "nameless", "bare LF", "too many", "too long"])
def test_what_is_malformed_or_too_much_cuts_the_answer(rig, lines):
    rig.origin.answers["/broken"] = [coded(*lines), CLOSE]
    answer = by_http2(rig, "/broken")
    assert answer.trailers == [] and answer.reset is not None and not answer.ended
    with rig.client() as c:
        assert not c.get("/broken").complete and c.closed()
    assert rig.record_where(lambda r: r.get("path") == "/broken")["reason"] == "origin-broken"


def test_the_origins_address_is_not_told(rig):
    where = "127.0.0.1:%d" % rig.origin.port
    rig.origin.answers["/where"] = [coded(b"X-Whoever: no answer of http://%s/x" % where.encode(), b"Grpc-Message: %s is late" % where.encode())]
    for answer in (by_http1(rig, "/where", "TE: trailers"), by_http2(rig, "/where")):
        assert [name for name, _ in answer.trailers] == ["x-whoever", "grpc-message"]
        assert not [value for _, value in answer.trailers if "127.0.0.1" in value or str(rig.origin.port) in value]


def test_where_answers_are_judged_none_are_passed_on(gateway, origin):
    origin.answers["/sum"] = [coded(b"X-Sum: abc")]
    g = make(gateway, origin, policies=responses())
    assert by_http2(g, "/sum").trailers == []
    origin.answers["/attack"] = [coded(b"X-Sum: abc")]
    with H2(g.https) as h:
        assert h.get("/attack?q=%3Cscript%3Ealert(1)%3C/script%3E").status == 403


@pytest.mark.parametrize("line", [b"X-Sum: abc", b"X-Attack: <script>alert(1)</script>", b"Host: b", b"Authorization: Basic eA=="])
def test_a_requests_trailers_reach_no_origin(rig, line):
    before = len(rig.origin.requests)
    with rig.client() as c:
        c.send(request("/up", "shop.example.com", "Transfer-Encoding: chunked", method="POST", body=b"5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n"))
        assert c.read().status == 200
    with H2(rig.https) as h:
        stream = h.headers(fields_of("/up", "POST"), end=False)
        h.data(stream, b"hello")
        name, value = line.lower().split(b": ")
        h.headers(literal(name, value), stream=stream)
        assert h.wait(stream).status == 200
    got = rig.origin.requests[before:]
    assert [r.body for r in got] == [b"hello", b"hello"] and not [r for r in got if b"abc" in r.head or b"script" in r.head]


@pytest.mark.parametrize("block", [literal(b"X-Upper", b"a"), literal(b":path", b"/x"), literal(b"connection", b"close"), literal(b"x", b"a\rb"),
                                   b"".join(literal(b"x-%d" % i, b"a") for i in range(12))],
                         ids=["upper case", "pseudo", "connection", "CR", "too many"])
def test_a_requests_trailers_are_well_formed(rig, block):
    with H2(rig.https) as h:
        stream = h.headers(fields_of("/up", "POST"), end=False)
        h.data(stream, b"hello")
        h.headers(block, stream=stream)
        answer = h.wait(stream)
        assert answer.reset == PROTOCOL_ERROR and h.alive()
