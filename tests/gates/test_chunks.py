"""Framing and smuggling, in chunked content: sizes, extensions, ends, trailers (THREATS A8, A9, A10)."""
import time

import pytest

from rig_client import Closed, chunked
from rig_framing import POLICY, SITES, cut, hidden, one_request, post, refused, watched

TEXT = b"Content-Type: text/plain"
CODED = b"Transfer-Encoding: chunked"
EXTENSIONS_MAX = 4096


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(SITES, origin=shared_origin, policies={"shop": POLICY})
    return g


@pytest.fixture(scope="module")
def holding(shared_gateway, shared_origin):
    """The same behind a WAF: content is held until it is whole."""
    g = shared_gateway(SITES, origin=shared_origin, policies={"shop": POLICY.replace("mode: off", "mode: detect")})
    return g


BAD_SIZES = [
    b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-0x0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
    b"5_0\r\nhello\r\n0\r\n\r\n",
    b"\r\nhello\r\n0\r\n\r\n", b"\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
    b"\t5\r\nhello\r\n0\r\n\r\n",
    b"5\t\r\nhello\r\n0\r\n\r\n", b"F" * 17 + b"\r\nhello\r\n0\r\n\r\n", b"F" * 16 + b"\r\nhello\r\n0\r\n\r\n",
    b"0" * 17 + b"\r\n\r\n",
    b"8000000000000000\r\nhello\r\n0\r\n\r\n", b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"Z\r\nhello\r\n0\r\n\r\n",
    b"1these-bytes-are-ignored\r\nh\r\n0\r\n\r\n", b"5.0\r\nhello\r\n0\r\n\r\n", b'"5"\r\nhello\r\n0\r\n\r\n',
    b"5\x00\r\nhello\r\n0\r\n\r\n",
    b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0 \r\n\r\n", b"5\r\nhello\r\n-0\r\n\r\n",
]
BAD_ENDS = [
    b"5;\nhello\r\n0\r\n\r\n", b"2;\nxx\r\n4c\r\n0\r\n\r\n" + hidden(), b"2;\rxx\r\n4c\r\n0\r\n\r\n" + hidden(),
    b"2\r\r;a\r\nhe\r\n0\r\n\r\n",
    b"2\r\r;a\r\n02\r\n4c\r\n0\r\n\r\n" + hidden(), b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n',
    b'5;a="\n"\r\nhello\r\n0\r\n\r\n', b"5;\x00e\r\nhello\r\n0\r\n\r\n",
    b"5;a\rX\r\nhello\r\n0\r\n\r\n", b"5;\r\nhello\r\n0\r\n\r\n", b"5;a=\r\nhello\r\n0\r\n\r\n",
    b"5;a \r\nhello\r\n0\r\n\r\n",
    b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n", b"5\r\nhello\rX0\r\n\r\n",
    b"5\r\nhello\r\r0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n", b"5\r\nhelloo\r\n0\r\n\r\n", b"4\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n\r\n0\r\n\r\n",
    b"5\r\nhello5\r\nworld\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX\r\n\r\n", b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\n\rX",
    b"5\r\nhello\r\n0\r\n\r\r\n",
    b"5\r\nhello\r\n0;\x7f\r\n\r\n",
]
BAD_TRAILERS = [
    b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n", b"5\r\nhello\r\n0\r\nX : a\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: a\x00\r\n\r\n", b"5\r\nhello\r\n0\r\nX: a\n\r\n", b"5\r\nhello\r\n0\r\n: a\r\n\r\n",
    b"5\r\nhello\r\n0\r\n" + hidden(),
]
BAD = BAD_SIZES + BAD_ENDS + BAD_TRAILERS


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_a_malformed_chunk_never_completes_a_request(rig, body):
    cut(rig, post(CODED, TEXT, body=body))


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_of_held_content_with_a_malformed_chunk_no_byte_goes_up(holding, body):
    refused(holding, post(CODED, TEXT, body=body), {400})


def test_what_is_upstream_already_was_sound(rig):
    """Two good chunks and a bad one, apart in time: the origin gets the good ones and the end of its connection."""
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(post(CODED, TEXT, target=b"/sound"), b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0x3\r\nbad\r\n", pause=0.1)
            assert c.read().status == 400 and c.closed()
    assert seen.requests == []
    upstream = next(c for c in rig.origin.connections if b"POST /sound" in c.raw)
    assert upstream.raw.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n")


# ---- Extensions ----

@pytest.mark.parametrize("body, data", [
    (b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5;a\r\nhello\r\n0;z\r\n\r\n", b"hello"),
    (b"5 ; a = b\t;c\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b'5;a="b;c\\"\xe4\t"\r\nhello\r\n0\r\n\r\n', b"hello"),
    (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
])
def test_chunk_extensions_end_at_the_gateway(rig, body, data):
    got = one_request(rig, post(CODED, TEXT, body=body))
    assert got.body == data and got.all("transfer-encoding") == ["chunked"]
    assert b";" not in rig.origin.connections[got.connection].raw.rpartition(b"POST / ")[2]


@pytest.mark.parametrize("body", [
    b"5;" + b"e" * 65536 + b"\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0;" + b"e" * 65536 + b"\r\n\r\n",
    b"".join(b"1;e\r\nx\r\n" for _ in range(100000)) + b"0\r\n\r\n",
    b"".join(b"1;" + b"e" * 40 + b"\r\nx\r\n" for _ in range(110)) + b"0\r\n\r\n",
], ids=["64 KiB in one", "64 KiB in the last", "100,000 of one byte", "a little over 4 KiB"])
def test_extensions_have_a_bound_per_message(rig, body):
    cut(rig, post(CODED, TEXT, body=body))


def extended(total):
    """Chunks whose extensions, with their semicolons, have so many bytes in all."""
    pieces, left = [], total
    while left:
        n = min(left, 64)
        pieces.append(b"1;" + b"e" * (n - 1) + b"\r\nx\r\n")
        left -= n
    return b"".join(pieces) + b"0\r\n\r\n"


def test_the_bound_is_4_kib(rig):
    """The CR that ends an extension counts, too: one for each of 64."""
    assert one_request(rig, post(CODED, TEXT, body=extended(EXTENSIONS_MAX - 64))).body == b"x" * 63
    cut(rig, post(CODED, TEXT, body=extended(EXTENSIONS_MAX + 64)))


# ---- Trailers ----

def test_trailers_end_at_the_gateway(rig):
    got = one_request(rig, post(CODED, TEXT, b"Trailer: X-Sum", b"TE: trailers",
                                body=b"5\r\nhello\r\n0\r\nContent-Length: 5\r\nHost: b\r\n"
                                b"X-Forwarded-For: 1.1.1.1\r\nX-Sum: 1\r\n\r\n"))
    assert got.body == b"hello"
    assert got.all("host") == ["shop.example.com"] and got.all("x-forwarded-for") == ["127.0.0.1"]
    assert got.all("content-length") == [] and got.all("x-sum") == []


def test_trailers_have_a_bound(rig):
    cut(rig, post(CODED, TEXT, body=b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 1000 + b"\r\n"))


# ---- Splits ----

@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_any_split_of_the_bytes_is_the_same_request(rig, step):
    message = post(CODED, TEXT, body=chunked(b"hel", b"lo"))
    pieces = [message[i:i + step] for i in range(0, len(message), step)]
    assert one_request(rig, pieces, pause=0.001).body == b"hello"


@pytest.mark.parametrize("body", [BAD_SIZES[0], BAD_ENDS[0], BAD_ENDS[3], BAD_ENDS[12], BAD_TRAILERS[3]])
def test_any_split_of_malformed_bytes_is_refused(rig, body):
    message = post(CODED, TEXT)
    with watched(rig) as seen:
        with rig.client() as c:
            try:
                c.send(message, *[body[i:i + 1] for i in range(len(body))], pause=0.001)
            except OSError:
                pass
            try:
                assert c.read().status == 400
            except Closed:
                pass
            assert c.closed()
    assert seen.requests == []


def test_content_whose_client_leaves_is_no_request(rig):
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(post(CODED, TEXT, body=b"5\r\nhel"))
            time.sleep(0.1)
    assert seen.requests == []
