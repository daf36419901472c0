"""Framing and smuggling: the origin sees nothing, or exactly one canonical request.

After every row another client sends a request of its own over the same pool and must get its own
canary back."""
import itertools

import pytest

from rig_client import Client, Closed, chunked, request
from rig_origin import framing, parse_head

HOST = b"Host: shop.example.com\r\n"
REFUSED = {400, 404, 405, 408, 411, 413, 414, 417, 421, 431, 501, 505}
POLICY = """policy: shop
rules:
  - {id: secret, when: 'path under "/secret"', do: block 403}
  - {id: moved, when: 'path under "/moved"', do: redirect 302, to: 'https://shop.example.com/'}
limits:
  - {id: few, when: 'path under "/few"', rate: 1 per 1h}
waf: {mode: off}
"""
canaries = itertools.count()
QUIET = 0.4  # seconds without a further answer: there is none


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway("sites: {shop: {hosts: [shop.example.com], origin: '$origin', policy: shop}}",
                       origin=shared_origin, policies={"shop": POLICY})
    g.origin = shared_origin
    return g


def send(rig, message, pause=0.0):
    """Every answer on the connection until it is closed or quiet; and how it ended."""
    answers = []
    with rig.client(timeout=3) as c:
        try:
            c.send(*(message if isinstance(message, (list, tuple)) else [message]), pause=pause)
        except OSError:
            pass
        try:
            while True:
                answers.append(c.read())
                c.socket.settimeout(QUIET)
        except Closed:
            return answers, True
        except TimeoutError:
            return answers, False


def canary(rig):
    target = "/canary/%d" % next(canaries)
    answer = rig.get(target)
    assert (answer.status, answer.get("x-canary")) == (200, target), "another client got a foreign answer"


def refused(rig, message, statuses=REFUSED):
    """Refused, closed, nothing upstream, nobody else is hurt."""
    before = rig.origin.bytes_seen()
    answers, closed = send(rig, message)
    assert len(answers) == 1, [a.raw_head for a in answers]
    assert answers[0].status in statuses
    assert closed, "a framing error must end the connection"
    assert (answers[0].get("connection") or "").lower() == "close"
    assert rig.origin.bytes_seen() == before, "the origin saw %r" % rig.origin.connections[-1].raw[-200:]
    canary(rig)


def one_request(rig, message, statuses=(200,)):
    """Answered; exactly one request went up, and it is canonical.  Returns it."""
    before = len(rig.origin.requests)
    answers, _ = send(rig, message)
    assert [a.status for a in answers] == [answers[0].status] and answers[0].status in statuses
    assert len(rig.origin.requests) == before + 1
    got = rig.origin.requests[-1]
    parse_head(got.head)
    framing(got.fields)
    assert len(got.all("host")) == 1
    canary(rig)
    return got


def refused_or_one(rig, message, statuses=(200,)):
    before, bytes_before = len(rig.origin.requests), rig.origin.bytes_seen()
    answers, closed = send(rig, message)
    assert len(answers) == 1, [a.raw_head for a in answers]
    if answers[0].status in REFUSED:
        assert closed and rig.origin.bytes_seen() == bytes_before
    else:
        assert answers[0].status in statuses and len(rig.origin.requests) == before + 1
    canary(rig)


def post(*lines, body=b"", version=b"HTTP/1.1", method=b"POST", target=b"/"):
    return method + b" " + target + b" " + version + b"\r\n" + HOST + b"".join(l + b"\r\n" for l in lines) + b"\r\n" + body


# ---- A1, A2, A3: content-length ----

@pytest.mark.parametrize("message", [
    post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG"),
    post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\nG"),
    post(b"Content-Length: 0", b"Content-Length: 44", body=b"x" * 44),
    post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    post(b"Content-Length: 5, 5", body=b"hello"),
    post(b"Content-Length: 5,6", body=b"hello!"),
    post(b"Content-Length:", b"Content-Length: 59", body=b"x" * 59),
], ids=["CL.TE", "TE.CL", "0 and 44", "equal twice", "list", "unequal list", "empty then 59"])
def test_two_lengths_are_refused(rig, message):
    refused(rig, message, {400})


@pytest.mark.parametrize("value", [
    b"+5", b"-48", b"0x10", b"5_0", b"5e0", b"5.0", b"1Z", b"", b'"5"', b"5 5", b"18446744073709551617", b"5;", b"\x0b5",
    b"9" * 40, b"5\x00", "5".encode("utf-16-le"),
])
def test_a_length_that_is_not_digits_is_refused(rig, value):
    refused(rig, post(b"Content-Length: " + value, body=b"hello"), {400, 413})


@pytest.mark.parametrize("value, n", [(b"010", 10), (b"0" * 20 + b"5", 5)])
def test_leading_zeros_are_refused_or_written_anew(rig, value, n):
    before = len(rig.origin.requests)
    refused_or_one(rig, post(b"Content-Length: " + value, b"Content-Type: text/plain", body=b"x" * n))
    for got in rig.origin.requests[before:]:
        if got.method == "POST":
            assert got.body == b"x" * n and got.get("content-length") == str(n)


# ---- A4, A5: transfer-encoding ----

OBFUSCATED = [
    b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked,", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx", b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: chunked;a", b"Transfer-Encoding: chunked;a=b", b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x0b", b"Transfer-Encoding: \x0cchunked", b"Transfer-Encoding: \xa0chunked",
    b"Transfer-Encoding: chunked\xa0", b"Transfer-Encoding: \xc2\x85chunked", b"Transfer-Encoding: chun\xadked",
    b"Transfer-Encoding: \x00chunked", b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: chunked\x7f",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b"Transfer-Encoding\x0b: chunked",
    b"Transfer-Encoding\xa0: chunked", b"Transfer-Encoding\x00: chunked", b"Transfer_Encoding: chunked",
    b"Transfer.Encoding: chunked", b"Transfer Encoding: chunked", b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked", b"Transfer-\r\n Encoding: chunked", b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding:\n chunked", b"Transfer-Encoding: chunked\nX: x", b"Transfer-Encoding: chunked\rX: x",
    b"X: x\nTransfer-Encoding: chunked", b"X: x\rTransfer-Encoding: chunked", b"X: x\r\n Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: deflate, chunked", b"Transfer-Encoding: cow", b"Transfer-Encoding:", b"Transfer-Encoding: ",
    b"Transfer-Encoding: chunked chunked", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: ch unked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow", b"Transfer-Encoding: CHUNKED\x1f",
    b"Transfer-Encoding: chu\xc5\xb7nked", b"Transfer-Encoding=chunked", b"Transfer-Encoding chunked",
    b"Transfer-Encod\xc4\xb1ng: chunked", b"Tran\xc5\xbffer-Encoding: chunked", b"Transfer-Encoding:: chunked",
    b"Transfer-Encoding: : chunked", b":Transfer-Encoding: chunked", b"Transfer-Encoding: chunked\\r\\n",
    b"Transfer-Encoding: 0chunked", b"Transfer-Encoding: chunked=1", b"Transfer-Encoding: /chunked",
]


@pytest.mark.parametrize("line", OBFUSCATED)
def test_a_disguised_transfer_coding_is_refused(rig, line):
    refused(rig, post(line, body=b"0\r\n\r\n"), {400, 501})


@pytest.mark.parametrize("line", OBFUSCATED[:30])
def test_a_disguised_transfer_coding_beside_a_length_is_refused(rig, line):
    refused(rig, post(b"Content-Length: 5", line, body=b"0\r\n\r\n"), {400, 501})


@pytest.mark.parametrize("line", [b"Transfer-Encoding: chunked", b"Transfer-Encoding: CHUNKED", b"transfer-encoding:chunked"])
def test_chunked_in_any_case_is_one_request(rig, line):
    got = one_request(rig, post(line, b"Content-Type: text/plain", body=chunked(b"hel", b"lo")))
    assert got.body == b"hello"


@pytest.mark.parametrize("line", [b"Transfer-Encoding: chunked\t", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked "])
def test_space_around_chunked_is_refused_or_one_request(rig, line):
    refused_or_one(rig, post(line, b"Content-Type: text/plain", body=b"0\r\n\r\n"))


def test_transfer_encoding_over_http_10_is_refused(rig):
    refused(rig, post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"HTTP/1.0"), {400, 501})


def test_an_http_10_body_without_length_is_never_a_request(rig):
    before = len(rig.origin.requests)
    send(rig, post(version=b"HTTP/1.0", body=b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"))
    assert "/hidden" not in [r.target for r in rig.origin.requests[before:]]
    canary(rig)


# ---- A6, A7, A12: line ends, NUL, space, folding ----

@pytest.mark.parametrize("message", [
    b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: shop.example.com\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"\n",
    b"GET / HTTP/1.1\nHost: shop.example.com\n\n",
    b"GET / HTTP/1.1\r" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: v\rlue\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: v\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X\x00: v\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: v\r\n\rX: v\r\n\r\n",
    b"GET /\nHTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: v\r\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: \x1bv\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: \x7f\r\n\r\n",
    b"\r\n\r\n\r\nGET\r\n\r\n",
], ids=range(16))
def test_a_line_ends_with_crlf_and_holds_no_control_character(rig, message):
    refused(rig, message, {400, 505})


@pytest.mark.parametrize("lines", [
    [b"Content-Length : 5"], [b" Content-Length: 5"], [b"\tContent-Length: 5"], [b"X: a", b" b: c"], [b"X: a", b"\tb"],
    [b"no colon"], [b": v"], [b":"], [b"Con\x85tent: v"], [b"Content-Length\t: 5"], [b"X-\xe2\x80\x8b: v"], [b"X Y: v"],
    [b"X(Y): v"], [b"X@Y: v"], [b'"X": v'], [b"X=Y: v"], [b"{X}: v"],
    [b"Content-Length:\r\n 5"], [b"X: x\nContent-Length: 5"], [b"X: x\r\n Content-Length: 5"], [b"X: x\rContent-Length: 5"],
    [b"X: x", b" ", b"Content-Length: 5"],
])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_no_space_in_names_no_folding_no_hidden_length(rig, lines, method):
    refused(rig, post(*lines, body=b"hello", method=method), {400})


def test_a_hidden_length_behind_expect_is_refused(rig):
    refused(rig, post(b"Expect: 100-continue", b"Content-Length:\r\n 5", body=b"hello"), {400})
    refused(rig, post(b"Expect:\r\n 100-continue", b"Content-Length: 5", body=b"hello"), {400, 417})


# ---- A8, A9, A10: chunks ----

BAD_CHUNKS = [
    b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-0x0\r\n\r\n", b"5_0\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"\t5\r\nhello\r\n0\r\n\r\n", b"F" * 17 + b"\r\nhello\r\n0\r\n\r\n",
    b"Z\r\nhello\r\n0\r\n\r\n", b"1these-bytes\r\nh\r\n0\r\n\r\n", b"5;\nhello\r\n0\r\n\r\n", b"2\r\r;a\r\nhe\r\n0\r\n\r\n",
    b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n', b"5;\x00e\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello\r0\r\n\r\n", b"5\r\nhelloo\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nX", b"5\r\nhello\r\n0\r\n\n", b"5\nhello\n0\n\n",
    b"5\r\nhello\r\n00000000000000000\r\n\r\n", b"5;" + b"e" * 65536 + b"\r\nhello\r\n0\r\n\r\n",
    b"".join(b"1;e\r\nx\r\n" for _ in range(5000)) + b"0\r\n\r\n", b"5\r\nhello\r\n0;\x7f\r\n\r\n",
    b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n", b"5\r\nhello\r\n0\r\nX : a\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: a\x00\r\n\r\n",
]


@pytest.mark.parametrize("body", BAD_CHUNKS, ids=range(len(BAD_CHUNKS)))
def test_a_malformed_chunk_never_completes_a_request(rig, body):
    before = len(rig.origin.requests)
    message = post(b"Transfer-Encoding: chunked", b"Content-Type: text/plain", body=body)
    with rig.client(timeout=4) as c:
        try:
            c.send(message)
            c.finish()
            answers = [c.read()]
        except (Closed, OSError):
            answers = []
        assert c.closed(4), "a framing error must end the connection"
    assert [a.status for a in answers] in ([400], [])
    assert len(rig.origin.requests) == before
    canary(rig)


@pytest.mark.parametrize("body, data", [
    (b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5;a\r\nhello\r\n0;z\r\n\r\n", b"hello"),
    (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
])
def test_chunk_extensions_end_at_the_gateway(rig, body, data):
    got = one_request(rig, post(b"Transfer-Encoding: chunked", b"Content-Type: text/plain", body=body))
    assert got.body == data


def test_trailers_end_at_the_gateway(rig):
    got = one_request(rig, post(b"Transfer-Encoding: chunked", b"Content-Type: text/plain",
                                body=b"5\r\nhello\r\n0\r\nContent-Length: 5\r\nHost: b\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"))
    assert got.body == b"hello" and got.all("host") == ["shop.example.com"] and "1.1.1.1" not in str(got.fields)


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_any_split_of_the_bytes_is_the_same_request(rig, step):
    message = post(b"Transfer-Encoding: chunked", b"Content-Type: text/plain", body=chunked(b"hel", b"lo"))
    pieces = [message[i:i + step] for i in range(0, len(message), step)]
    before = len(rig.origin.requests)
    with rig.client() as c:
        c.send(*pieces, pause=0.001)
        assert c.read().status == 200
    assert [r.body for r in rig.origin.requests[before:]] == [b"hello"]
    canary(rig)


# ---- A11: content where few expect it ----

@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"DELETE", b"PATCH", b"HEAD"])
@pytest.mark.parametrize("coded", [False, True])
def test_content_of_any_method_is_forwarded_whole_or_refused(rig, method, coded):
    hidden = b"GET /admin HTTP/1.1\r\nX: "
    before = len(rig.origin.requests)
    if coded:
        message = post(b"Transfer-Encoding: chunked", b"Content-Type: text/plain", body=chunked(hidden), method=method)
    else:
        message = post(b"Content-Length: %d" % len(hidden), b"Content-Type: text/plain", body=hidden, method=method)
    with rig.client(timeout=3) as c:
        c.send(message)
        answer = c.read(head=method == b"HEAD")
    new = rig.origin.requests[before:]
    if answer.status == 200:
        assert [(r.method, r.body) for r in new] == [(method.decode(), hidden)]
    else:
        assert answer.status in REFUSED and new == []
    canary(rig)


# ---- A13: early refusal ----

@pytest.mark.parametrize("target, status", [(b"/secret", 403), (b"/moved", 302), (b"/few", 429)])
def test_the_content_of_a_refused_request_is_never_a_request(rig, target, status):
    if status == 429:
        rig.get("/few")
    hidden = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    before = len(rig.origin.requests)
    answers, _ = send(rig, post(b"Content-Length: 500", target=target, body=hidden.ljust(500, b"x")))
    assert [a.status for a in answers] == [status]
    assert rig.origin.requests[before:] == []
    canary(rig)


def test_a_refused_request_whose_content_was_read_lets_the_next_one_follow_or_closes(rig):
    with rig.client(timeout=3) as c:
        c.send(post(b"Content-Length: 5", target=b"/secret", body=b"hello"), request("/next"))
        assert c.read().status == 403
        try:
            assert c.read().get("x-canary") == "/next"
        except Closed:
            pass
    canary(rig)


# ---- A14: expect ----

def test_the_gateway_answers_expect_itself_and_keeps_it(rig):
    with rig.client(timeout=3) as c:
        c.send(post(b"Content-Length: 5", b"Expect: 100-continue", b"Content-Type: text/plain"))
        while b"100" not in c.rest:
            assert c.more()
        c.send(b"hello")
        answer = c.read()
    assert answer.status == 200 and [s for s, _ in answer.informational] == [100]
    got = rig.origin.requests[-1]
    assert got.body == b"hello" and got.all("expect") == []
    canary(rig)


@pytest.mark.parametrize("value", [b"y 100-continue", b"200-ok", b"100-continue, x", b"100-continued"])
def test_another_expectation_cannot_be_met(rig, value):
    refused(rig, post(b"Content-Length: 5", b"Expect: " + value, body=b"hello"), {400, 417})


def test_content_sent_without_waiting_is_one_request(rig):
    got = one_request(rig, post(b"Content-Length: 5", b"Expect: 100-continue", b"Content-Type: text/plain", body=b"hello"))
    assert got.body == b"hello"


# ---- A16, A17: many requests on one connection ----

def test_every_request_is_routed_by_its_own_host(rig):
    with rig.client() as c:
        assert c.get("/one").status == 200
        assert c.get("/two", "internal.local").status == 421
    assert "/two" not in rig.origin.targets()
    canary(rig)


def test_pipelined_requests_are_answered_in_order_each_by_its_own_merits(rig):
    rig.origin.forget()
    batch = [request("/p/%d" % i) for i in range(99)] + [request("/secret")] + [b"GET  / HTTP/1.1\r\n\r\n"] + [request("/after")] * 99
    answers, closed = send(rig, b"".join(batch))
    assert [a.get("x-canary") for a in answers[:99]] == ["/p/%d" % i for i in range(99)]
    assert [a.status for a in answers[99:]] == [403, 400] and closed
    assert "/after" not in rig.origin.targets()
    canary(rig)


# ---- A18, A19, A20: upgrades ----

@pytest.mark.parametrize("token", [b"foo", b"TLS/1.0", b"h2c", b"websocket, foo"])
def test_an_unknown_upgrade_is_not_a_tunnel(rig, token):
    rig.origin.forget()
    lines = [b"Connection: upgrade" + (b", HTTP2-Settings" if token == b"h2c" else b""), b"Upgrade: " + token]
    if token == b"h2c":
        lines.append(b"HTTP2-Settings: AAMAAABkAAQAAP__")
    answers, _ = send(rig, post(*lines, method=b"GET") + request("/secret"))
    assert [a.status for a in answers] in ([200, 403], [400])
    for got in rig.origin.requests:
        assert got.all("upgrade") == [] and got.all("http2-settings") == [] and "upgrade" not in (got.get("connection") or "").lower()
    canary(rig)


def test_an_origin_cannot_switch_protocols_unasked(rig):
    rig.origin.answers["/101"] = [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n"]
    answers, _ = send(rig, post(b"Connection: upgrade", b"Upgrade: foo", method=b"GET", target=b"/101"))
    assert [a.status for a in answers] in ([502], [400])
    canary(rig)


def test_http2_prior_knowledge_is_refused(rig):
    refused(rig, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505})


# ---- A21, A22: the request line ----

@pytest.mark.parametrize("line, statuses", [
    (b"GET http://169.254.169.254/ HTTP/1.1", {400, 421}), (b"GET http://other.example.org/ HTTP/1.1", {400, 421}),
    (b"CONNECT x:25 HTTP/1.1", {400, 405, 421, 501}), (b"CONNECT shop.example.com:443 HTTP/1.1", {400, 405, 501}),
    (b"GET @evil/ HTTP/1.1", {400}), (b"GET ftp://shop.example.com/ HTTP/1.1", {400, 421, 501}), (b"GET shop.example.com HTTP/1.1", {400}),
    (b"GET * HTTP/1.1", {400}), (b"GET  / HTTP/1.1", {400}), (b"GET\t/ HTTP/1.1", {400}), (b"GET / HTTP/1.1 ", {400, 505}),
    (b"GET /  HTTP/1.1", {400, 505}), (b" GET / HTTP/1.1", {400}), (b"GET / HTTP/1.2", {400, 505}), (b"GET / HTTP/2.0", {400, 505}),
    (b"GET / HTTP/0.9", {400, 505}), (b"GET / HTTP/4294967295.255", {400, 505}), (b"GET / http/1.1", {400, 505}),
    (b"GET / HTTP/1.1x", {400, 505}), (b"GET / HTTP/01.1", {400, 505}), (b"GET / ", {400, 505}), (b"GET /", {400, 505}),
    (b"GET /a#frag HTTP/1.1", {400}), (b"GET /\x80 HTTP/1.1", {400}), (b'G=":<>(e) / HTTP/1.1', {400}), (b"GET /a b HTTP/1.1", {400, 505}),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1", {414}), (b"GET /\x7f HTTP/1.1", {400}), (b"GET http:// HTTP/1.1", {400}),
    (b"GET http://shop.example.com@evil/ HTTP/1.1", {400, 421}), (b"GET /%00 HTTP/1.1", {400}), (b"GET /%2 HTTP/1.1", {400}),
    (b"GET /%zz HTTP/1.1", {400}), (b"GET /a%2fb HTTP/1.1", {400}), (b"GET /a%5cb HTTP/1.1", {400}), (b"GET /a\\b HTTP/1.1", {400}),
    (b"GET /a/..;/b HTTP/1.1", {400}), (b"GET /../../etc/passwd HTTP/1.1", {400}), (b"GET /%c0%af HTTP/1.1", {400}),
    (b"GET /%u002f HTTP/1.1", {400}), (b"TRACE / HTTP/1.1", {400, 405, 501}),
])
def test_a_request_line_that_is_not_one_is_refused(rig, line, statuses):
    refused(rig, line + b"\r\n" + HOST + b"\r\n", statuses)


def test_the_absolute_form_is_sent_on_in_origin_form(rig):
    got = one_request(rig, b"GET http://shop.example.com/a?b=c HTTP/1.1\r\n" + HOST + b"\r\n")
    assert got.target == "/a?b=c" and got.get("host") == "shop.example.com"


@pytest.mark.parametrize("target, canonical", [
    ("/a/./b", "/a/b"), ("/a/%2e/b", "/a/b"), ("/a/x/../b", "/a/b"), ("/a/x/%2E%2e/b", "/a/b"), ("/%61", "/a"), ("/a/.", "/a/"),
    ("/a?b=%2e%2e/c", "/a?b=%2e%2e/c"),
])
def test_one_canonical_path_is_judged_and_sent(rig, target, canonical):
    got = one_request(rig, request(target))
    assert got.target == canonical


@pytest.mark.parametrize("target", ["/x/../secret", "/%73ecret", "/x/%2e%2e/secret", "/./secret", "/secret/.", "/secret?x"])
def test_a_rule_cannot_be_walked_around(rig, target):
    before = rig.origin.bytes_seen()
    assert rig.get(target).status == 403
    assert rig.origin.bytes_seen() == before


@pytest.mark.parametrize("target", ["//secret", "//evil/", "/secret%20", "/%2573ecret", "/a;b=c/d"])
def test_an_odd_path_is_refused_or_means_what_it_says(rig, target):
    before = len(rig.origin.requests)
    status = rig.get(target).status
    new = rig.origin.requests[before:]
    if status == 200:
        assert len(new) == 1 and not new[0].path.rstrip("/") == "/secret" and new[0].get("host") == "shop.example.com"
    else:
        assert status in (400, 403) and new == []


# ---- A23: host ----

@pytest.mark.parametrize("lines, statuses", [
    ([], {400}), ([b"Host: shop.example.com", b"Host: shop.example.com"], {400}), ([b"Host: shop.example.com", b"Host: b"], {400}),
    ([b"Host: a, b"], {400}), ([b"Host: a@b"], {400}), ([b"Host: shop.example.com:99999"], {400}), ([b"Host: a b"], {400}),
    ([b"Host: [::1"], {400}), ([b"Host:"], {400}), ([b"Host: shop.example.com:"], {400, 200}), ([b"Host: shop.example.com:80:80"], {400}),
    ([b"Host: shop.example.com/x"], {400}), ([b"Host: shop.example.com?x"], {400}), ([b"Host: shop..example.com"], {400, 421}),
    ([b"Host: \xff"], {400}), ([b"Host: 127.0.0.1"], {421}), ([b"Host: [::1]"], {421}), ([b"Host: unknown.example.org"], {421}),
    ([b"Host: shop.example.com:x"], {400}), ([b"Host: http://shop.example.com"], {400}),
])
def test_a_host_that_is_not_one_is_refused(rig, lines, statuses):
    before = rig.origin.bytes_seen()
    answers, _ = send(rig, b"GET / HTTP/1.1\r\n" + b"".join(l + b"\r\n" for l in lines) + b"Connection: close\r\n\r\n")
    assert len(answers) == 1 and answers[0].status in statuses
    if answers[0].status != 200:
        assert rig.origin.bytes_seen() == before
    canary(rig)


@pytest.mark.parametrize("host", ["SHOP.example.COM", "shop.example.com.", "shop.example.com:80"])
def test_a_host_has_one_normal_form(rig, host):
    got = one_request(rig, request("/", host, "Connection: close"))
    assert got.get("host") in ("shop.example.com", "shop.example.com:80")


# ---- A24: volume ----

@pytest.mark.parametrize("lines, statuses", [
    ([b"X-%d: v" % i for i in range(101)], {431}), ([b"X: " + b"v" * 33 * 1024], {431}), ([b"X" * 32 * 1024 + b": v"], {431}),
    ([b"X%d: " % i for i in range(10000)], {431}), ([b"Cookie: " + b"; ".join(b"a%d=b" % i for i in range(200))], {431}),
])
def test_a_head_has_bounds(rig, lines, statuses):
    refused(rig, post(*lines, method=b"GET"), statuses)


@pytest.mark.parametrize("size", [4095, 4096, 4097, 8191, 8192, 8193, 16383, 16384, 16385, 30000])
def test_a_head_of_any_size_within_bounds_comes_through(rig, size):
    got = one_request(rig, request("/", "shop.example.com", "X: " + "v" * (size - 120), "Connection: close"))
    assert got.get("x") == "v" * (size - 120)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"EHLO example.com\r\n\r\n", b"\x00" * 64, b"\xff" * 4096,
                                     b"SSH-2.0-x\r\n\r\n", b"*1\r\n$4\r\nPING\r\n"],
                         ids=["TLS", "SMTP", "NUL", "FF", "SSH", "Redis"])
def test_what_is_not_http_is_never_answered_as_http(rig, garbage):
    before = rig.origin.bytes_seen()
    answers, _ = send(rig, garbage)
    assert [a.status for a in answers] in ([400], [505], [])
    assert rig.origin.bytes_seen() == before
    canary(rig)
