"""What RFC 9110 and 9112 want of a server and of an intermediary, beside what they forbid: valid requests are served, and
answers say what a correct client relies on."""
import re
import select
import time

import pytest

from rig_client import chunked, request
from rig_framing import HOST, POLICY, SITES, canary, one_request, post, told, watched
from rig_origin import CLOSE, page

OK = b"HTTP/1.1 200 OK\r\n"
DATE = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(SITES.replace("policy: shop", "policy: shop, errors: pass"), origin=shared_origin, policies={"shop": POLICY})
    return g


# ---- Requests ----

WHOLE = b"POST /part HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 5\r\n\r\nhello"


def test_the_beginning_of_a_request_is_waited_on(rig):
    """Every beginning: no answer, no end of the connection, until the rest comes."""
    clients = [rig.client() for _ in range(1, len(WHOLE))]
    for n, c in enumerate(clients, 1):
        c.send(WHOLE[:n])
    time.sleep(0.6)
    assert select.select([c.socket for c in clients], [], [], 0)[0] == []
    for n, c in enumerate(clients, 1):
        c.send(WHOLE[n:])
        assert c.read().status == 200
        c.close()


@pytest.mark.parametrize("method", ["PURGE", "REPORT", "PROPFIND", "MKCOL", "M-SEARCH", "QUERY", "get", "X", "FOO+BAR"])
def test_a_method_nobody_knows_is_the_origins_to_judge(rig, method):
    assert one_request(rig, request("/m", method=method)).method == method


@pytest.mark.parametrize("version, lines, closes", [
    (b"HTTP/1.1", [], False), (b"HTTP/1.1", [b"Connection: close"], True), (b"HTTP/1.1", [b"Connection: CLOSE"], True),
    (b"HTTP/1.1", [b"Connection: keep-alive"], False), (b"HTTP/1.1", [b"Connection: foo, close"], True),
    (b"HTTP/1.0", [], True), (b"HTTP/1.0", [b"Connection: keep-alive"], True),
])
def test_the_answer_says_whether_the_connection_ends(rig, version, lines, closes):
    with watched(rig):
        answers, closed = told(rig, post(*lines, method=b"GET", version=version))
        assert [a.status for a in answers] == [200] and closed == closes
        assert answers[0].get("connection") == ("close" if closes else None)
        assert answers[0].raw_head.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_405_names_what_is_allowed(rig, method):
    with rig.client() as c:
        answer = c.ask(b"%s / HTTP/1.1\r\n" % method.encode() + HOST + b"\r\n")
    assert answer.status == 405 and {"GET", "HEAD"} <= set(answer.get("allow").split(", "))


# ---- Answers ----

@pytest.mark.parametrize("target, status", [("/", 200), ("/secret", 403), ("/moved", 302), ("/a%2fb", 400)])
def test_every_answer_has_one_date(rig, target, status):
    answer = rig.get(target)
    assert answer.status == status
    assert [bool(re.fullmatch(DATE, d)) for d in answer.all("date")] == [True]


def test_the_date_of_the_origin_is_kept(rig):
    rig.origin.answers["/dated"] = [page(b"x", "200 OK", "Date: Sun, 06 Nov 1994 08:49:37 GMT")]
    assert rig.get("/dated").all("date") == ["Sun, 06 Nov 1994 08:49:37 GMT"]


@pytest.mark.parametrize("lines, length",
                         [(b"Content-Length: 1000", "1000"), (b"Transfer-Encoding: chunked", None), (b"X: y", None)])
def test_an_answer_to_head_has_the_fields_and_no_content(rig, lines, length):
    rig.origin.answers["/head"] = [OK + lines + b"\r\nETag: \"a\"\r\n\r\n", CLOSE]
    with watched(rig):
        answers, closed = told(rig, request("/head", method="HEAD"), methods=("HEAD",))
        assert [a.status for a in answers] == [200] and not closed
        assert (answers[0].get("content-length"), answers[0].get("etag")) == (length, '"a"')


@pytest.mark.parametrize("status, lines, length", [
    ("204 No Content", [], None), ("304 Not Modified", [], None), ("304 Not Modified", ["Content-Length: 7"], "7"),
])
def test_answers_without_content_say_no_framing_of_their_own(rig, status, lines, length):
    head = "\r\n".join(["HTTP/1.1 " + status, 'ETag: "a"', *lines])
    rig.origin.answers["/none"] = [head.encode() + b"\r\n\r\n", CLOSE]
    with watched(rig):
        answers, closed = told(rig, request("/none"))
        assert [a.status for a in answers] == [int(status[:3])] and not closed
        assert (answers[0].get("content-length"), answers[0].get("transfer-encoding")) == (length, None)


@pytest.mark.parametrize("raw, body", [
    (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"hel", b"lo"), b"hello"),
    (OK + b"\r\nhello", b"hello"), (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"), (OK + b"Content-Length: 0\r\n\r\n", b""),
])
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_every_framing_of_an_origin_is_one_the_client_understands(rig, raw, body, version):
    rig.origin.answers["/framed"] = [raw, CLOSE]
    with watched(rig):
        with rig.client() as c:
            answer = c.ask(post(method=b"GET", target=b"/framed", version=version))
            assert answer.complete and answer.body == body
            assert answer.framing in (("length", "chunked") if version == b"HTTP/1.1" else ("length", "close"))
            if version == b"HTTP/1.0":
                assert c.closed()
    canary(rig)


@pytest.mark.parametrize("line", ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 Wie Sie w\xfcnschen", "HTTP/1.0 200 OK"])
def test_any_reason_will_do(rig, line):
    rig.origin.answers["/reason"] = [line.encode("latin-1") + b"\r\nContent-Length: 1\r\n\r\nx"]
    assert rig.get("/reason").body == b"x"


@pytest.mark.parametrize("status", [201, 206, 299, 301, 399, 401, 418, 451, 499, 500, 511, 599])
def test_any_status_is_passed_on(rig, status):
    rig.origin.answers["/status"] = [b"HTTP/1.1 %d X\r\nContent-Length: 1\r\n\r\nx" % status]
    answer = rig.get("/status")
    assert (answer.status, answer.body) == (status, b"x")
