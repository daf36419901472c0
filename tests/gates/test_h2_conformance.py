"""RFC 9113 and RFC 7541, section by section: what a client does wrong, and which error ends the stream or the
connection.  A stream error may be answered with an error of the connection (section 5.4.2)."""
import struct
import time

import pytest

from rig_h2 import (ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
                    FRAME_SIZE_ERROR, GOAWAY, H2, HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW_SIZE, MAGIC, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, NO_ERROR,
                    NO_RFC7540_PRIORITIES, PADDED, PING, PRIORITIZED, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS,
                    STREAM_CLOSED, WINDOW_UPDATE, fields_of, frame, literal, ping, priority, rst, settings, window)
from rig_origin import page

GET = fields_of("/")
POST = fields_of("/", "POST")


@pytest.fixture(scope="module")
def gate(shared_gateway, shared_origin):
    shared_origin.answers["/slow"] = [1.0, page(b"slow")]
    shared_origin.answers["/five"] = [page(b"12345")]
    return shared_gateway("listeners: [{address: '127.0.0.1:$https'}, {address: '127.0.0.1:$http', serve: http, http2: on}]\n",
                          origin=shared_origin)


@pytest.fixture
def h2(gate):
    with H2(gate.https) as connection:
        yield connection


def open_stream(h, stream=1):
    """A stream that stays open: its content has not ended."""
    h.headers(POST, end=False, stream=stream)


def half_closed(h, stream=1):
    """... or half closed: its answer takes a while."""
    h.headers(fields_of("/slow"), stream=stream)


def closed(h, stream=1):
    h.headers(GET, stream=stream)
    h.wait(stream)


def left(h, stream=1):
    open_stream(h, stream)
    h.send(rst(stream))


def block(h, fields=None):
    return h.encode(GET if fields is None else fields)


def headers(h, stream=1, fields=None, flags=END_STREAM | END_HEADERS, payload=None):
    return frame(HEADERS, flags, stream, block(h, fields) if payload is None else payload)


# What is done, and which error the connection ends with.
CONNECTION = [
    # 4.2 Frame size
    ("4.2 DATA larger than SETTINGS_MAX_FRAME_SIZE", FRAME_SIZE_ERROR, lambda h: (open_stream(h), h.data(1, b"x" * 16385))),
    ("4.2 HEADERS larger than that", FRAME_SIZE_ERROR, lambda h: h.send(headers(h, payload=b"x" * 16385))),
    ("4.2 SETTINGS larger than that", FRAME_SIZE_ERROR, lambda h: h.send(frame(SETTINGS, payload=b"\x00\x01\x00\x00\x10\x00" * 2731))),
    ("4.2 a length of 2^24-1", FRAME_SIZE_ERROR, lambda h: h.send(frame(DATA, 0, 1, b"x" * 100, length=(1 << 24) - 1))),
    # 4.3 Header compression
    ("4.3 a broken header block", COMPRESSION_ERROR, lambda h: h.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x40"))),
    ("4.3 PRIORITY within a header block", PROTOCOL_ERROR,
     lambda h: h.send(headers(h, flags=END_STREAM), priority(1), frame(CONTINUATION, END_HEADERS, 1, literal("x")))),
    ("4.3 HEADERS of another stream within a header block", PROTOCOL_ERROR, lambda h: h.send(headers(h, flags=END_STREAM), headers(h, 3))),
    ("4.3 PING within a header block", PROTOCOL_ERROR, lambda h: h.send(headers(h, flags=END_STREAM), ping())),
    # 5.1 Stream states
    ("5.1 idle: DATA", PROTOCOL_ERROR, lambda h: h.data(1, b"test", end=True)),
    ("5.1 idle: RST_STREAM", PROTOCOL_ERROR, lambda h: h.send(rst(1))),
    ("5.1 idle: WINDOW_UPDATE", PROTOCOL_ERROR, lambda h: h.send(window(1, 100))),
    ("5.1 idle: CONTINUATION", PROTOCOL_ERROR, lambda h: h.send(frame(CONTINUATION, END_HEADERS, 1, block(h)))),
    ("5.1 idle, of the server: RST_STREAM", PROTOCOL_ERROR, lambda h: h.send(rst(2))),
    ("5.1 idle, of the server: DATA", PROTOCOL_ERROR, lambda h: h.data(2, b"test")),
    ("5.1 half-closed (remote): DATA", STREAM_CLOSED, lambda h: (half_closed(h), h.data(1, b"test", end=True))),
    ("5.1 half-closed (remote): HEADERS", STREAM_CLOSED, lambda h: (half_closed(h), h.send(headers(h)))),
    ("5.1 half-closed (remote): CONTINUATION", PROTOCOL_ERROR, lambda h: (half_closed(h), h.send(frame(CONTINUATION, END_HEADERS, 1, block(h))))),
    ("5.1 closed by RST_STREAM: DATA", STREAM_CLOSED, lambda h: (left(h), h.data(1, b"test", end=True))),
    ("5.1 closed by RST_STREAM: HEADERS", STREAM_CLOSED, lambda h: (left(h), h.send(headers(h)))),
    ("5.1 closed by RST_STREAM: CONTINUATION", PROTOCOL_ERROR, lambda h: (left(h), h.send(frame(CONTINUATION, END_HEADERS, 1, literal("x"))))),
    ("5.1 closed: DATA", STREAM_CLOSED, lambda h: (closed(h), h.data(1, b"test", end=True))),
    ("5.1 closed: HEADERS", STREAM_CLOSED, lambda h: (closed(h), h.send(headers(h)))),
    ("5.1 closed: CONTINUATION", PROTOCOL_ERROR, lambda h: (closed(h), h.send(frame(CONTINUATION, END_HEADERS, 1, literal("x"))))),
    # 5.1.1 Stream identifiers
    ("5.1.1 an even identifier", PROTOCOL_ERROR, lambda h: h.send(headers(h, 2))),
    ("5.1.1 a smaller identifier than before", PROTOCOL_ERROR, lambda h: h.send(headers(h, 5), headers(h, 3))),
    ("5.1.1 a smaller one, when the other is over", PROTOCOL_ERROR, lambda h: (closed(h, 5), h.send(headers(h, 3)))),
    ("5.1.1 DATA on a skipped one", PROTOCOL_ERROR, lambda h: (closed(h, 5), h.data(3, b"x"))),
    ("5.1.1 an identifier again, long after", PROTOCOL_ERROR,
     lambda h: ([closed(h, 1 + 2 * i) for i in range(260)], h.send(headers(h, 1)))),
    # 5.3.2 Priorities are deprecated, their frames are not
    ("5.3.1 HEADERS that depends on itself", PROTOCOL_ERROR,
     lambda h: h.send(headers(h, flags=END_STREAM | END_HEADERS | PRIORITIZED, payload=struct.pack(">IB", 1, 255) + block(h)))),
    ("5.3.1 PRIORITY that depends on itself", PROTOCOL_ERROR, lambda h: h.send(priority(1, 1))),
    # 5.4.1, 5.5
    ("5.4.1 PING on a stream", PROTOCOL_ERROR, lambda h: h.send(frame(PING, 0, 3, bytes(8)))),
    ("5.5 an unknown frame within a header block", PROTOCOL_ERROR, lambda h: h.send(headers(h, flags=END_STREAM), frame(0x16, 0, 0, bytes(8)))),
    # 6.1 DATA
    ("6.1 DATA on stream 0", PROTOCOL_ERROR, lambda h: h.data(0, b"test")),
    ("6.1 DATA on a stream that has ended", STREAM_CLOSED, lambda h: (half_closed(h), h.data(1, b"test"))),
    ("6.1 DATA with more padding than there is", PROTOCOL_ERROR, lambda h: (open_stream(h), h.data(1, b"\x06test", flags=PADDED))),
    ("6.1 DATA with padding and no length of it", (PROTOCOL_ERROR, FRAME_SIZE_ERROR), lambda h: (open_stream(h), h.data(1, b"", flags=PADDED | END_STREAM))),
    # 6.2 HEADERS
    ("6.2 HEADERS on stream 0", PROTOCOL_ERROR, lambda h: h.send(headers(h, 0))),
    ("6.2 HEADERS with more padding than there is", PROTOCOL_ERROR,
     lambda h: h.send(headers(h, flags=END_STREAM | END_HEADERS | PADDED, payload=bytes([200]) + block(h)))),
    ("6.2 HEADERS too short for its priority", FRAME_SIZE_ERROR,
     lambda h: h.send(headers(h, flags=END_STREAM | END_HEADERS | PRIORITIZED, payload=b"\x00\x00\x00"))),
    # 6.3 PRIORITY
    ("6.3 PRIORITY on stream 0", PROTOCOL_ERROR, lambda h: h.send(priority(0, 1))),
    ("6.3 PRIORITY of 4 bytes", FRAME_SIZE_ERROR, lambda h: (open_stream(h), h.send(frame(PRIORITY, 0, 1, bytes(4))))),
    # 6.4 RST_STREAM
    ("6.4 RST_STREAM on stream 0", PROTOCOL_ERROR, lambda h: h.send(rst(0))),
    ("6.4 RST_STREAM of 3 bytes", FRAME_SIZE_ERROR, lambda h: (open_stream(h), h.send(frame(RST_STREAM, 0, 1, bytes(3))))),
    # 6.5 SETTINGS
    ("6.5 an acknowledgement with content", FRAME_SIZE_ERROR, lambda h: h.send(frame(SETTINGS, ACK, 0, b"\x00"))),
    ("6.5 SETTINGS on a stream", PROTOCOL_ERROR, lambda h: h.send(frame(SETTINGS, 0, 1, struct.pack(">HI", MAX_CONCURRENT_STREAMS, 100)))),
    ("6.5 SETTINGS of 3 bytes", FRAME_SIZE_ERROR, lambda h: h.send(frame(SETTINGS, 0, 0, b"\x00\x03\x00"))),
    ("6.5.2 ENABLE_PUSH of 2", PROTOCOL_ERROR, lambda h: h.send(settings((ENABLE_PUSH, 2)))),
    ("6.5.2 INITIAL_WINDOW_SIZE of 2^31", FLOW_CONTROL_ERROR, lambda h: h.send(settings((INITIAL_WINDOW_SIZE, 1 << 31)))),
    ("6.5.2 MAX_FRAME_SIZE of 16383", PROTOCOL_ERROR, lambda h: h.send(settings((MAX_FRAME_SIZE, 16383)))),
    ("6.5.2 MAX_FRAME_SIZE of 2^24", PROTOCOL_ERROR, lambda h: h.send(settings((MAX_FRAME_SIZE, 1 << 24)))),
    ("6.5.3 an acknowledgement of nothing", PROTOCOL_ERROR,
     lambda h: (h.until(lambda: h.settings), h.send(frame(SETTINGS, ACK), frame(SETTINGS, ACK)))),
    ("RFC 9218 2.1 NO_RFC7540_PRIORITIES of 2", PROTOCOL_ERROR, lambda h: h.send(settings((NO_RFC7540_PRIORITIES, 2)))),
    # 6.6, 8.4 PUSH_PROMISE
    ("8.4 PUSH_PROMISE from a client", PROTOCOL_ERROR,
     lambda h: (open_stream(h), h.send(frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block(h))))),
    # 6.7 PING
    ("6.7 PING on a stream", PROTOCOL_ERROR, lambda h: h.send(frame(PING, 0, 1, bytes(8)))),
    ("6.7 PING of 6 bytes", FRAME_SIZE_ERROR, lambda h: h.send(frame(PING, 0, 0, bytes(6)))),
    # 6.8 GOAWAY
    ("6.8 GOAWAY on a stream", PROTOCOL_ERROR, lambda h: h.send(frame(GOAWAY, 0, 1, bytes(8)))),
    ("6.8 GOAWAY of 4 bytes", FRAME_SIZE_ERROR, lambda h: h.send(frame(GOAWAY, 0, 0, bytes(4)))),
    # 6.9 WINDOW_UPDATE
    ("6.9 an increment of 0", PROTOCOL_ERROR, lambda h: h.send(window(0, 0))),
    ("6.9 WINDOW_UPDATE of 3 bytes", FRAME_SIZE_ERROR, lambda h: h.send(frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x01"))),
    ("6.9.1 the connection's window beyond 2^31-1", FLOW_CONTROL_ERROR, lambda h: h.send(window(0, 2**31 - 1), window(0, 2**31 - 1))),
    ("6.9.2 INITIAL_WINDOW_SIZE beyond 2^31-1", FLOW_CONTROL_ERROR, lambda h: h.send(frame(SETTINGS, payload=b"\x00\x04\x80\x00\x00\x00"))),
    # 6.10 CONTINUATION
    ("6.10 CONTINUATION and something else", PROTOCOL_ERROR,
     lambda h: h.send(headers(h, flags=END_STREAM), frame(CONTINUATION, 0, 1, literal("x")), frame(DATA, END_STREAM, 1, b"test"))),
    ("6.10 CONTINUATION on stream 0", PROTOCOL_ERROR, lambda h: h.send(headers(h, flags=END_STREAM), frame(CONTINUATION, END_HEADERS, 0, literal("x")))),
    ("6.10 CONTINUATION of another stream", PROTOCOL_ERROR, lambda h: h.send(headers(h, flags=END_STREAM), frame(CONTINUATION, END_HEADERS, 3, literal("x")))),
    ("6.10 CONTINUATION behind END_HEADERS", PROTOCOL_ERROR, lambda h: h.send(headers(h), frame(CONTINUATION, END_HEADERS, 1, literal("x")))),
    ("6.10 CONTINUATION behind the last CONTINUATION", PROTOCOL_ERROR,
     lambda h: h.send(headers(h, flags=END_STREAM), frame(CONTINUATION, END_HEADERS, 1, literal("x")), frame(CONTINUATION, END_HEADERS, 1, literal("y")))),
    ("6.10 CONTINUATION behind DATA", PROTOCOL_ERROR, lambda h: (open_stream(h), h.data(1, b"x"), h.send(frame(CONTINUATION, END_HEADERS, 1, literal("x"))))),
    # RFC 7541
    ("HPACK 2.3.3 an index beyond both tables", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\xc6"))),
    ("HPACK 2.3.3 a name's index beyond both tables", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\x7f\x07\x01x"))),
    ("HPACK 4.2 a table size update at the end", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\x20"))),
    ("HPACK 5.1 an integer without end", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\xff" + b"\xff" * 20 + b"\x7f"))),
    ("HPACK 5.2 Huffman padding of a byte", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"))),
    ("HPACK 5.2 Huffman padding of zeros", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"))),
    ("HPACK 5.2 Huffman EOS", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"))),
    ("HPACK 5.2 a string longer than the block", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\x00\x05abc"))),
    ("HPACK 6.1 index 0", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=block(h) + b"\x80"))),
    ("HPACK 6.3 a table larger than allowed", COMPRESSION_ERROR, lambda h: h.send(headers(h, payload=b"\x3f\xe2\x1f" + block(h)))),
]


@pytest.mark.parametrize("code, act", [row[1:] for row in CONNECTION], ids=[row[0] for row in CONNECTION])
def test_errors_of_the_connection(h2, code, act):
    act(h2)
    assert h2.ended(code)


def lists(*more, without=(), method="GET"):
    return [f for f in fields_of("/", method) if f[0] not in without] + list(more)


# Header lists that are no request: a stream error, and not a byte upstream.
MALFORMED = [
    ("8.2.1 a name in upper case", lambda h: literal("X-TEST", "ok")),
    ("8.2.1 a name with a space", lambda h: literal("x test", "ok")),
    ("8.2.1 a name with a colon", lambda h: literal("x:test", "ok")),
    ("8.2.1 a name with a line break", lambda h: literal("x\r\ntest", "ok")),
    ("8.2.1 an empty name", lambda h: literal("", "ok")),
    ("8.2.1 a name above 0x7f", lambda h: literal(b"x\x80", "ok")),
    ("8.2.1 a value with CR", lambda h: literal("x", "a\rb")),
    ("8.2.1 a value with LF", lambda h: literal("x", "a\nb")),
    ("8.2.1 a value with NUL", lambda h: literal("x", "a\0b")),
    ("8.2.1 a value that begins with a space", lambda h: literal("x", " a")),
    ("8.2.1 a value that ends with a tab", lambda h: literal("x", "a\t")),
    ("8.2.2 connection", lambda h: literal("connection", "keep-alive")),
    ("8.2.2 keep-alive", lambda h: literal("keep-alive", "timeout=5")),
    ("8.2.2 proxy-connection", lambda h: literal("proxy-connection", "keep-alive")),
    ("8.2.2 transfer-encoding", lambda h: literal("transfer-encoding", "chunked")),
    ("8.2.2 upgrade", lambda h: literal("upgrade", "h2c")),
    ("8.2.2 te: trailers, deflate", lambda h: literal("te", "trailers, deflate")),
    ("8.3 an unknown pseudo-field", lambda h: literal(":test", "ok")),
    ("8.3 a pseudo-field of answers", lambda h: literal(":status", "200")),
    ("8.3 a pseudo-field behind a field", lambda h: literal("x", "y") + literal(":path", "/")),
    ("8.3.1 :method twice", lambda h: literal(":method", "GET")),
    ("8.3.1 :scheme twice", lambda h: literal(":scheme", "https")),
    ("8.3.1 :path twice", lambda h: literal(":path", "/")),
    ("8.3.1 :authority twice", lambda h: literal(":authority", "shop.example.com")),
    ("8.3.1 :protocol without extended CONNECT", lambda h: literal(":protocol", "websocket")),
    ("8.3.1 an empty :path", [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "")]),
    ("8.3.1 no :method", lists(without=[":method"])),
    ("8.3.1 no :scheme", lists(without=[":scheme"])),
    ("8.3.1 no :path", lists(without=[":path"])),
    ("8.3.1 :path without a slash", [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "hello")]),
    ("8.3.1 * for GET", [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "*")]),
    ("8.1.1 a length without content", lambda h: literal("content-length", "10")),
    ("8.5 CONNECT with :path", lists(without=[":method"]) + [(":method", "CONNECT")]),
]


@pytest.mark.parametrize("what", [row[1] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_malformed_requests(gate, h2, shared_origin, what):
    before = len(shared_origin.requests)
    h2.send(headers(h2, payload=block(h2) + what(h2) if callable(what) else block(h2, what)))
    a = h2.wait(1)
    assert a.reset == PROTOCOL_ERROR and not a.status
    assert h2.headers(GET, stream=3) and h2.wait(3).status == 200, "the connection goes on"
    assert len(shared_origin.requests) == before + 1
    record = gate.record_where(lambda r: r["status"] == 400)
    assert (record["http"], record["reason"], record["decision"]) == (2, "bad-request", "block")


# Content that is not what the head says, and trailers that are none.
CONTENT = [
    ("8.1.1 more than Content-Length", PROTOCOL_ERROR, lambda h: (h.headers(POST + [("content-length", "1")], end=False), h.data(1, b"test", end=True))),
    ("8.1.1 more in the second frame", PROTOCOL_ERROR,
     lambda h: (h.headers(POST + [("content-length", "4")], end=False), h.data(1, b"test"), h.data(1, b"test", end=True))),
    ("8.1.1 less than Content-Length", PROTOCOL_ERROR, lambda h: (h.headers(POST + [("content-length", "5")], end=False), h.data(1, b"test", end=True))),
    ("8.1.1 content where there is to be none", PROTOCOL_ERROR, lambda h: (h.headers(POST + [("content-length", "0")], end=False), h.data(1, b"x" * 40))),
    ("8.1 a second HEADERS without END_STREAM", PROTOCOL_ERROR,
     lambda h: (open_stream(h), h.data(1, b"test"), h.headers([("x", "y")], end=False, stream=1))),
    ("8.1 a pseudo-field in trailers", PROTOCOL_ERROR,
     lambda h: (open_stream(h), h.data(1, b"test"), h.headers([(":method", "200")], stream=1))),
    ("6.9 an increment of 0 on a stream", PROTOCOL_ERROR, lambda h: (open_stream(h), h.send(window(1, 0)))),
    ("6.9.1 a stream's window beyond 2^31-1", FLOW_CONTROL_ERROR, lambda h: (open_stream(h), h.send(window(1, 2**31 - 1), window(1, 2**31 - 1)))),
]


@pytest.mark.parametrize("code, act", [row[1:] for row in CONTENT], ids=[row[0] for row in CONTENT])
def test_errors_of_a_stream(h2, code, act):
    act(h2)
    assert h2.until(lambda: h2.answer(1).reset is not None or h2.goaway)
    assert (h2.answer(1).reset if h2.answer(1).reset is not None else h2.goaway[1]) == code
    assert not h2.answer(1).status


def test_3_4_a_wrong_preface(gate):
    for magic in b"INVALID CONNECTION PREFACE\r\n\r\n", MAGIC[:-1] + b"x", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n":
        with H2(gate.https, begin=False) as h:
            h.send(magic + settings())
            assert h.ended(PROTOCOL_ERROR)


@pytest.mark.parametrize("first", [ping(), window(0, 10), frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x82"), frame(SETTINGS, ACK)],
                         ids=["PING", "WINDOW_UPDATE", "HEADERS", "an acknowledgement"])
def test_3_4_the_first_frame_is_SETTINGS(gate, first):
    with H2(gate.https, begin=False) as h:
        h.send(MAGIC + first)
        assert h.ended(PROTOCOL_ERROR)


def test_3_4_the_gateway_begins_with_SETTINGS(gate):
    with H2(gate.https) as h:
        assert h.step() and h.frames[0][0] == SETTINGS and not h.frames[0][1] & ACK


# What may be sent and must not disturb.
HARMLESS = [
    ("4.1 an unknown type", lambda h: h.send(frame(0x16, 0, 0, bytes(8)))),
    ("4.1 an unknown type on a stream that is not there", lambda h: h.send(frame(0xff, 0xff, 0x7fffffff, bytes(100)))),
    ("4.1 undefined flags", lambda h: h.send(frame(PING, 0x16, 0, bytes(8)))),
    ("4.1 the reserved bit", lambda h: h.send(frame(PING, 0, 1 << 31, bytes(8)))),
    ("4.2 DATA of 2^14 bytes", lambda h: (open_stream(h), h.data(1, b"x" * 16384, end=True))),
    ("5.1 closed: PRIORITY", lambda h: (closed(h), h.send(priority(1)))),
    ("5.1 closed: WINDOW_UPDATE", lambda h: (closed(h), h.send(window(1, 5)))),
    ("5.1 closed: RST_STREAM", lambda h: (closed(h), h.send(rst(1)))),
    ("5.1 half-closed (remote): WINDOW_UPDATE, PRIORITY", lambda h: (half_closed(h), h.send(window(1, 5), priority(1)))),
    ("5.1 half-closed (remote): RST_STREAM", lambda h: (half_closed(h), h.send(rst(1)))),
    ("6.3 PRIORITY on an idle stream", lambda h: h.send(priority(7, 3))),
    ("6.2 HEADERS with padding and priority", lambda h: h.send(headers(h, flags=END_STREAM | END_HEADERS | PADDED | PRIORITIZED,
                                                                     payload=b"\x08" + struct.pack(">IB", 0, 255) + block(h) + bytes(8)))),
    ("6.1 DATA with padding", lambda h: (open_stream(h), h.data(1, b"\x08test" + bytes(8), end=True, flags=PADDED))),
    ("6.5.2 an unknown setting", lambda h: h.send(settings((0xff, 1), (0x0a0a, 7)))),
    ("6.7 an acknowledgement of no PING", lambda h: h.send(ping(b"invalid!", ACK))),
    ("6.10 a header block in three frames", lambda h: h.send(headers(h, flags=END_STREAM), frame(CONTINUATION, 0, 1, literal("x")),
                                                             frame(CONTINUATION, END_HEADERS, 1, literal("y")))),
    ("7 RST_STREAM with an unknown code", lambda h: (open_stream(h), h.send(rst(1, 0xff)))),
    ("HPACK 4.2 a smaller table", lambda h: h.send(headers(h, payload=b"\x20\x3f\xe1\x1f" + block(h)))),
    ("RFC 9218 PRIORITY_UPDATE", lambda h: h.send(frame(16, 0, 0, struct.pack(">I", 1) + b"u=1, i"), headers(h))),
    ("RFC 9218 PRIORITY_UPDATE that is nonsense", lambda h: (closed(h), h.send(frame(16, 0, 0, struct.pack(">I", 1) + b"u=\xff;;;")))),
    ("RFC 7838 ALTSVC from a client", lambda h: h.send(frame(10, 0, 0, b"\x00\x00h2"))),
    ("RFC 8336 ORIGIN from a client", lambda h: h.send(frame(12, 0, 0, b"\x00\x00"))),
]


@pytest.mark.parametrize("act", [row[1] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_harmless(h2, act):
    act(h2)
    assert h2.alive()
    h2.headers(GET, stream=99)
    assert h2.wait(99).status == 200


def test_7_GOAWAY_with_an_unknown_code(h2):
    h2.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xff)), ping())
    assert h2.until(lambda: h2.pongs or h2.closed)


def test_6_8_a_client_that_goes_gets_its_answers(h2):
    h2.headers(fields_of("/slow"))
    h2.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR)))
    assert h2.wait(1).text == "slow"
    assert h2.until(lambda: h2.closed)


def test_6_7_PING_is_answered(h2):
    h2.send(ping(b"h2spec!!"))
    assert h2.until(lambda: h2.pongs == [b"h2spec!!"])


def test_6_5_3_SETTINGS_are_acknowledged(h2):
    assert h2.until(lambda: h2.settled)


def test_5_1_2_one_stream_too_many(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 0)]) as h:
        assert h.until(lambda: h.settled and h.settings)
        for i in range(101):
            h.headers(GET)
        assert h.until(lambda: h.answer(201).reset is not None or h.goaway)
        assert h.answer(201).reset == REFUSED_STREAM or h.goaway[1] == PROTOCOL_ERROR


def test_6_9_1_a_window_of_one(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 1)], reads=False) as h:
        h.headers(fields_of("/five"))
        assert h.until(lambda: h.answer(1).frames) and h.answer(1).frames == [1]
        for n in range(2, 6):
            h.send(window(1, 1))
            assert h.until(lambda: len(h.answer(1).frames) == n) and h.answer(1).frames == [1] * n
        assert h.answer(1).body == b"12345" and h.answer(1).ended


def test_6_9_2_a_window_that_is_opened_later(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 0)], reads=False) as h:
        h.headers(fields_of("/five"))
        assert h.until(lambda: h.answer(1).status == 200)
        assert h.alive() and not h.answer(1).frames
        h.send(settings((INITIAL_WINDOW_SIZE, 1)))
        assert h.until(lambda: h.answer(1).frames) and h.answer(1).frames == [1]


def test_6_9_2_a_negative_window(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 3)], reads=False) as h:
        h.headers(fields_of("/five"))
        assert h.until(lambda: h.answer(1).frames == [3])
        h.send(settings((INITIAL_WINDOW_SIZE, 2)), window(1, 2))
        assert h.until(lambda: len(h.answer(1).frames) == 2) and h.answer(1).frames == [3, 1]


def test_6_5_3_of_two_values_the_last_counts(gate):
    with H2(gate.https, first=[(INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)], reads=False) as h:
        h.headers(fields_of("/five"))
        assert h.until(lambda: h.answer(1).frames) and h.answer(1).frames == [1]


def test_6_9_the_gateway_opens_its_windows(h2, shared_origin):
    shared_origin.answers["/sink"] = [page(b"")]
    h2.headers(fields_of("/sink", "POST"), end=False)
    h2.upload(1, b"x" * 400000)
    assert h2.wait(1).status == 200
    sizes = {s: sum(int.from_bytes(p, "big") for k, _, t, p in h2.frames if k == WINDOW_UPDATE and t == s) for s in (0, 1)}
    assert sizes[0] >= 400000 - 65535 and sizes[1] >= 400000 - 65535


def test_6_9_more_than_the_window(gate, shared_origin):
    """A client that does not mind the windows, before an origin that does not read: one of the two ends."""
    shared_origin.early["/deaf"] = [3.0]
    with H2(gate.https) as h:
        h.headers(fields_of("/deaf", "POST"), end=False)
        for i in range(1000):
            if h.answer(1).over or not h.data(1, b"x" * 16384):
                break
            if i % 10 == 0:
                h.until(lambda: h.answer(1).over or h.closed, 0.01)
        assert h.until(lambda: h.answer(1).reset is not None or h.goaway)
        assert FLOW_CONTROL_ERROR in (h.answer(1).reset, h.goaway and h.goaway[1])


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_any_split_of_the_bytes_is_the_same(gate, size):
    # In records of TLS as small as the first two the client would be closed for those.
    tls = size > 4
    post, get = (fields_of("/", method, scheme="https" if tls else "http") for method in ("POST", "GET"))
    with H2(gate.https if tls else gate.http, tls=tls, begin=False) as h:
        raw = (MAGIC + settings((INITIAL_WINDOW_SIZE, 100000)) + priority(1) + headers(h, fields=post, flags=0) + frame(CONTINUATION, END_HEADERS, 1, literal("x", "y"))
               + frame(DATA, PADDED, 1, b"\x03abc\0\0\0") + frame(DATA, END_STREAM, 1, b"def") + ping() + headers(h, 3, fields=get))
        for i in range(0, len(raw), size):
            h.send(raw[i:i + size])
        a, b = h.wait(1, 3)
        assert a.status == 200 and b.status == 200 and h.until(lambda: h.pongs)
