"""Framing and smuggling, in the head: lengths, codings, line ends, white space (THREATS A1 to A7, A11, A12).

Chunks are test_chunks.py, what happens between requests test_early.py and test_connections.py, request lines and
hosts test_targets.py; a table of 600 requests and streams at random, test_framing_table.py."""
import pytest

from rig_client import chunked
from rig_framing import HOST, POLICY, SITES, hidden, one_request, post, refused, refused_or_one

TEXT = b"Content-Type: text/plain"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(SITES, origin=shared_origin, policies={"shop": POLICY})
    return g


# ---- A1, A2, A3: content-length ----

@pytest.mark.parametrize("message", [
    post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG"),
    post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\nG"),
    post(b"Content-Length: 0", b"Content-Length: 44", body=b"x" * 44),
    post(b"Content-Length: 44", b"Content-Length: 0", body=b"x" * 44),
    post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    post(b"Content-Length: 5", b"content-length: 5", body=b"hello"),
    post(b"Content-Length: 5, 5", body=b"hello"),
    post(b"Content-Length: 5,6", body=b"hello!"),
    post(b"Content-Length:", b"Content-Length: 59", body=b"x" * 59),
    post(b"Content-Length: 59", b"Content-Length:", body=b"x" * 59),
],
ids=["CL.TE", "TE.CL", "0 and 44", "44 and 0", "equal twice", "in other case", "list", "unequal list", "empty then 59",
     "59 then empty"])
def test_two_lengths_are_refused(rig, message):
    refused(rig, message, {400})


@pytest.mark.parametrize("value", [
    b"+5", b"-48", b"0x10", b"5_0", b"5e0", b"5.0", b"1Z", b"", b'"5"', b"5 5", b"18446744073709551617",
    b"18446744073709551616",
    b"9223372036854775808", b"5;", b"\x0b5", b"5\x0c", b"9" * 40, b"5\x00", "5".encode("utf-16-le"), b"0 5", b"+1_0",
    b"\xd9\xa5", b"\xa05",
])
def test_a_length_that_is_not_digits_is_refused(rig, value):
    refused(rig, post(b"Content-Length: " + value, body=b"hello"), {400})


@pytest.mark.parametrize("value, n", [(b"010", 10), (b"0" * 20 + b"5", 5)])
def test_leading_zeros_are_refused_or_written_anew(rig, value, n):
    got = refused_or_one(rig, post(b"Content-Length: " + value, TEXT, body=b"x" * n))
    assert not got or (got.body == b"x" * n and got.get("content-length") == str(n))


@pytest.mark.parametrize("line",
                         [b"Content-Length:\t5", b"Content-Length: 5 \t", b"Content-Length:5", b"CONTENT-LENGTH:   5",
                          b"Content-Length: 05"])
def test_a_valid_length_is_written_as_a_number(rig, line):
    got = one_request(rig, post(line, TEXT, body=b"hello"))
    assert got.body == b"hello" and got.all("content-length") == ["5"]


@pytest.mark.parametrize("named", [b"Content-Length", b"content-length, close", b"Host", b"Content-Length, Host, Cookie"])
def test_connection_takes_no_framing_away(rig, named):
    got = one_request(rig, post(b"Connection: " + named, b"Content-Length: 5", TEXT, body=b"hello"),
                      closes=b"close" in named)
    assert got.body == b"hello" and got.all("content-length") == ["5"] and got.all("host") == ["shop.example.com"]


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
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow", b"Transfer-Encoding: CHUNKED\x1f",
    b"Transfer-Encoding: chu\xc5\xb7nked", b"Transfer-Encoding=chunked", b"Transfer-Encoding chunked",
    b"Transfer-Encod\xc4\xb1ng: chunked", b"Tran\xc5\xbffer-Encoding: chunked", b"Transfer-Encoding:: chunked",
    b"Transfer-Encoding: : chunked", b":Transfer-Encoding: chunked", b"Transfer-Encoding: chunked\\r\\n",
    b"Transfer-Encoding\x85: chunked", b"Transfer-Encoding\xad: chunked", b"Transfer-Encoding\xc2\xa0: chunked",
    b"Transfer\xadEncoding: chunked", b"Transfer\\Encoding: chunked", b"Transfer-Encoding x: chunked",
    b"Transfer-Encoding\n : chunked",
    b"Transfer-Encoding:\xffchunked", b"Transfer-Encoding:\x85chunked", b"Transfer-Encoding: chunked\r",
    b"Transfer-Encoding: Chunked\t",
    b"Transfer-Encoding: chunked ", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding:\r\n\tchunked",
    b"Transfer-Encoding:\n\x0bchunked",
    b"Transfer-Encoding:\r\n \r\n chunked", b"Foo: bar\r\n Transfer-Encoding: chunked",
    b"Foo: bar\r\n\tTransfer-Encoding: chunked",
    b"Foo: bar\r\n\rTransfer-Encoding: chunked", b"Foo: bar\n\nTransfer-Encoding: chunked",
    b"Tra\rnsfer-Encoding: chunked",
    b"Transf\x82r-Encoding: chunked", b"Transfer-Encoding: ch\x96nked", b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: =?utf-8?B?Y2h1bmtlZA==?=", b"Transfer-Encoding: identity, chunked, identity",
    b"Transfer-Encoding: cow chunked bar",
    b"Transfer-Encoding: cow, chunked", b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\n , identity",
    b"Transfer-Encoding: 0chunked", b"Transfer-Encoding: chunked=1", b"Transfer-Encoding: /chunked",
]


@pytest.mark.parametrize("line", OBFUSCATED)
@pytest.mark.parametrize("place", ["alone", "behind a length", "before a length"])
def test_a_disguised_transfer_coding_is_refused(rig, line, place):
    lines = {"alone": [line], "behind a length": [b"Content-Length: 5", line],
             "before a length": [line, b"Content-Length: 5"]}[place]
    refused(rig, post(*lines, body=b"0\r\n\r\n"), {400, 501})


def test_there_are_disguises_enough():
    assert len(set(OBFUSCATED)) == len(OBFUSCATED) >= 60


@pytest.mark.parametrize("line",
                         [b"Transfer-Encoding: chunked", b"Transfer-Encoding: CHUNKED", b"Transfer-Encoding: Chunked",
                                  b"TRANSFER-ENCODING: cHuNkEd", b"transfer-encoding:chunked",
                                  b"Transfer-Encoding:  chunked",
                                  b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"])
def test_chunked_in_any_case_is_one_request(rig, line):
    got = one_request(rig, post(line, TEXT, body=chunked(b"hel", b"lo")))
    assert got.body == b"hello" and got.all("transfer-encoding") == ["chunked"]


@pytest.mark.parametrize("lines",
                         [[b"Content-Encoding: chunked"], [b"X-Transfer-Encoding: chunked"],
                          [b"Transfer-Encodings: chunked"]])
def test_another_field_is_no_framing(rig, lines):
    got = one_request(rig, post(*lines, b"Content-Length: 5", TEXT, body=b"hello"))
    assert got.body == b"hello" and got.all("content-length") == ["5"]


@pytest.mark.parametrize("lines", [[], [b"Connection: keep-alive"], [b"Content-Length: 5"]])
def test_transfer_encoding_over_http_10_is_refused(rig, lines):
    refused(rig, post(*lines, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"HTTP/1.0"), {400})


@pytest.mark.parametrize("lines", [[], [b"Connection: keep-alive"]])
def test_an_http_10_body_without_length_is_never_a_request(rig, lines):
    got = one_request(rig, post(*lines, version=b"HTTP/1.0", body=hidden()), closes=True)
    assert got.body == b""


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
    b"GET / HTTP/1.1\r\n" + HOST + b"\rX",
    b"\n" + b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\r\n\r\n\r\nGET\r\n\r\n",
], ids=range(18))
def test_a_line_ends_with_crlf_and_holds_no_control_character(rig, message):
    refused(rig, message, {400})


@pytest.mark.parametrize("message",
                         [b"HEAD / HTTP/1.1\n" + HOST + b"\r\n", b"HEAD / HTTP/1.1\r\n" + HOST + b"X: \x00\r\n\r\n",
                                     b"HEAD  / HTTP/1.1\r\n" + HOST + b"\r\n",
                                     b"HEAD /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
                                     b"HEAD / HTTP/1.1\r\n" + HOST + b"X: " + b"v" * 40000 + b"\r\n\r\n"])
def test_the_refusal_of_a_head_has_no_content(rig, message):
    answer = refused(rig, message, {400, 414, 431}, methods=("HEAD",))
    assert answer.framing == "none" and int(answer.get("content-length")) > 0


@pytest.mark.parametrize("lines", [
    [b"Content-Length : 34"], [b" Content-Length: 5"], [b"\tContent-Length: 5"], [b"X: a", b" b: c"], [b"X: a", b"\tb"],
    [b"no colon"], [b": v"], [b":"], [b"Con\x85tent: v"], [b"Content-Length\t: 5"], [b"X-\xe2\x80\x8b: v"], [b"X Y: v"],
    [b"X(Y): v"], [b"X@Y: v"], [b'"X": v'], [b"X=Y: v"], [b"{X}: v"], [b"X[]: v"],
    [b"Content-Length:\r\n 7"], [b"X: x\nContent-Length: 7"], [b"X: x\r\n Content-Length: 7"],
    [b"X: x\rContent-Length: 7"],
    [b"X: x", b" ", b"Content-Length: 7"], [b"X-Invalid Y: ", b"Content-Length: 7"],
    [b"Content-Length: 7", b"Connection : Content-Length"],
    [b"Content_Length: 7"],
])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("expects", [[], [b"Expect: 100-continue"]], ids=["", "expecting"])
def test_no_space_in_names_no_folding_no_hidden_length(rig, lines, method, expects):
    refused(rig, post(*expects, *lines, body=b"GET / H", method=method), {400})


@pytest.mark.parametrize("first",
                         [b" \tContent-Length: 1", b"\tContent-Length: 1", b" Host: shop.example.com", b" ", b"\t"])
def test_nothing_stands_between_request_line_and_first_name(rig, first):
    refused(rig, b"GET / HTTP/1.1\r\n" + first + b"\r\n" + HOST + b"\r\nX", {400})


def test_an_empty_line_before_a_request_is_skipped_once(rig):
    assert one_request(rig, b"\r\n" + post(b"Content-Length: 5", TEXT, body=b"hello\r\n")).body == b"hello"
    refused(rig, b"\r\n\r\n" + post(method=b"GET"), {400})


# ---- A11: content where few expect it ----

@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"DELETE", b"PATCH", b"HEAD", b"PURGE"])
@pytest.mark.parametrize("coded", [False, True])
def test_content_of_any_method_is_forwarded_whole(rig, method, coded):
    content = b"GET /hidden HTTP/1.1\r\nX: "
    framed = [b"Transfer-Encoding: chunked"] if coded else [b"Content-Length: %d" % len(content)]
    got = one_request(rig, post(*framed, TEXT, body=chunked(content) if coded else content, method=method),
                      methods=(method.decode(),))
    assert (got.method, got.body) == (method.decode(), content)
    assert (got.get("content-length"),
            got.get("transfer-encoding")) == ((None, "chunked") if coded else (str(len(content)), None))
