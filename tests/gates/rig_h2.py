"""HTTP/2 by hand: frames to the gateway as a test writes them, and what comes back, frame by frame.  Only header
blocks are made and read by a library (hpack); a test may give its own bytes instead."""
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from rig_client import trusting

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 16
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, \
    REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)
ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES = 8, 9
MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """One frame; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", k, v) for k, v in pairs))


def window(stream, n):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", n))


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def ping(data=b"12345678", flags=0):
    return frame(PING, flags, 0, data)


def priority(stream, parent=0, weight=15):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", parent, weight))


def literal(name, value=b""):
    """A field as a literal without indexing and without Huffman code: any bytes."""
    def text(t):
        t = t.encode("latin-1") if isinstance(t, str) else t
        if len(t) < 127:
            return bytes([len(t)]) + t
        out, n = b"\x7f", len(t) - 127
        while n >= 128:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n]) + t
    return b"\x00" + text(name) + text(value)


def fields_of(path="/", method="GET", host="shop.example.com", *more, scheme="https"):
    return [(":method", method), (":scheme", scheme), (":authority", host), (":path", path), *more]


@dataclass
class Answer:
    status: int = 0
    fields: list = field(default_factory=list)
    body: bytes = b""
    informational: list = field(default_factory=list)
    trailers: list = field(default_factory=list)
    ended: bool = False
    reset: int = None  # error code of a RST_STREAM
    frames: list = field(default_factory=list)  # lengths of the DATA frames

    def __repr__(self):
        return "<%s, %d bytes, ended %s, reset %s>" % (self.status, len(self.body), self.ended, self.reset)

    def get(self, name, otherwise=None):
        return next((v for n, v in self.fields if n == name), otherwise)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def over(self):
        return self.ended or self.reset is not None


class H2:
    """One connection.  It answers SETTINGS and opens windows by itself, unless told not to."""

    def __init__(self, port, tls=True, first=(), magic=MAGIC, begin=True, timeout=10, name="shop.example.com", reads=True,
                 acks=True, rcvbuf=None, hop=b""):
        """`hop`: what a load balancer says before."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(hop)
        if tls:
            context = tls if isinstance(tls, ssl.SSLContext) else trusting()
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
            assert self.socket.selected_alpn_protocol() == "h2"
        self.encoder, self.decoder = Encoder(), Decoder()
        self.rest, self.answers, self.next = b"", {}, 1
        self.timeout, self.reads, self.acks = timeout, reads, acks
        self.frames = []     # (type, flags, stream, payload) of all that came, DATA without its bytes
        self.settings = {}   # of the gateway
        self.settled = False # the gateway has acknowledged ours
        self.goaway = None   # (last stream, error code)
        self.pongs = []
        self.closed = False
        self.block = b""
        if begin:
            self.send(magic + settings(*first))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ---- Out ----

    def send(self, *pieces):
        """False: the gateway has closed already."""
        self.socket.settimeout(self.timeout)
        try:
            self.socket.sendall(b"".join(pieces))
            return True
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.closed = True
            return False

    def encode(self, fields):
        return self.encoder.encode(fields, huffman=True)

    def headers(self, fields, end=True, stream=None, flags=0):
        """A request on the next stream, as one HEADERS frame; its id."""
        stream = self.take_id() if stream is None else stream
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0) | flags, stream,
                        fields if isinstance(fields, bytes) else self.encode(fields)))
        return stream

    def take_id(self):
        self.next += 2
        return self.next - 2

    def data(self, stream, payload=b"", end=False, flags=0):
        return self.send(frame(DATA, (END_STREAM if end else 0) | flags, stream, payload))

    # ---- In ----

    def answer(self, stream):
        return self.answers.setdefault(stream, Answer())

    def step(self):
        """One frame; False when there is none within the timeout, or no more."""
        while len(self.rest) < 9 or len(self.rest) < 9 + int.from_bytes(self.rest[:3], "big"):
            try:
                piece = self.socket.recv(65536)
            except socket.timeout:
                return False
            except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
                piece = b""
            if not piece:
                self.closed = True
                return False
            self.rest += piece
        length = int.from_bytes(self.rest[:3], "big")
        kind, flags, stream = self.rest[3], self.rest[4], int.from_bytes(self.rest[5:9], "big")
        payload, self.rest = self.rest[9:9 + length], self.rest[9 + length:]
        assert length <= 16384, "a frame larger than we allow"
        assert not stream & 1 << 31, "the reserved bit is set"
        self.frames.append((kind, flags, stream, b"" if kind == DATA else payload))
        self.take(kind, flags, stream, payload)
        return True

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and flags & ACK:
            self.settled = True
        elif kind == SETTINGS:
            self.settings.update(struct.unpack(">HI", payload[i:i + 6]) for i in range(0, len(payload), 6))
            if self.acks:
                self.send(frame(SETTINGS, ACK))
        elif kind == HEADERS or kind == CONTINUATION:
            self.block += payload
            if flags & END_HEADERS:
                self.take_head(stream, self.decoder.decode(self.block), self.ends or flags & END_STREAM if kind == CONTINUATION else flags & END_STREAM)
                self.block = b""
            else:
                self.ends = flags & END_STREAM
        elif kind == DATA:
            a = self.answer(stream)
            assert a.status and not a.ended, "DATA out of place"
            a.body += payload
            a.frames.append(len(payload))
            a.ended = bool(flags & END_STREAM)
            if self.reads and payload:
                self.send(window(0, len(payload)), b"" if a.ended else window(stream, len(payload)))
        elif kind == RST_STREAM:
            self.answer(stream).reset = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">II", payload[:8])
        elif kind == PING and flags & ACK:
            self.pongs.append(payload)
        elif kind == PING and self.acks:
            self.send(ping(payload, ACK))

    def take_head(self, stream, fields, ended):
        a = self.answer(stream)
        if a.status:
            assert ended and not a.ended and all(n == n.lower() and n[0] != ":" for n, _ in fields), "a second head: %s" % fields
            a.trailers, a.ended = list(fields), True
            return
        assert fields[0][0] == ":status" and all(not n.startswith(":") for n, _ in fields[1:]), fields
        status = int(fields[0][1])
        assert all(n == n.lower() for n, _ in fields)
        assert not {n for n, _ in fields} & {"connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"}, fields
        if status < 200:
            assert not ended
            a.informational.append((status, fields[1:]))
            return
        a.status, a.fields, a.ended = status, fields[1:], bool(ended)

    def until(self, condition, within=None):
        """Read until it is so.  False: it did not become so in time, or the connection ended before."""
        end = time.monotonic() + (within or self.timeout)
        while not condition():
            left = end - time.monotonic()
            if left <= 0 or self.closed:
                return condition()
            self.socket.settimeout(left)
            if not self.step() and not self.closed and time.monotonic() < end:
                continue
        return True

    def wait(self, *streams, within=None):
        """The answers of these streams, whole or reset."""
        assert self.until(lambda: all(self.answer(s).over for s in streams), within), \
            "no end of %s; %s; goaway %s; closed %s" % (streams, self.answers, self.goaway, self.closed)
        return self.answers[streams[0]] if len(streams) == 1 else [self.answers[s] for s in streams]

    def get(self, path="/", host="shop.example.com", *more, method="GET"):
        return self.wait(self.headers(fields_of(path, method, host, *more)))

    def post(self, path="/", body=b"", *more, method="POST", host="shop.example.com"):
        stream = self.headers(fields_of(path, method, host, ("content-length", str(len(body))), *more), end=not body)
        if body:
            self.upload(stream, body)
        return self.wait(stream)

    def upload(self, stream, body, piece=16384):
        """As fast as the windows allow."""
        left = {0: 65535, stream: self.settings.get(INITIAL_WINDOW_SIZE, 65535)}
        seen = 0
        while body and not self.answer(stream).over:
            for kind, _, s, payload in self.frames[seen:]:
                if kind == WINDOW_UPDATE and s in left:
                    left[s] += int.from_bytes(payload, "big")
            seen = len(self.frames)
            n = min(piece, len(body), *left.values())
            if n <= 0:
                if not self.until(lambda: len(self.frames) > seen):
                    return
                continue
            body, sent = body[n:], body[:n]
            left[0], left[stream] = left[0] - n, left[stream] - n
            if not self.data(stream, sent, end=not body):
                return

    def alive(self):
        """It still answers a PING."""
        mark = struct.pack(">d", time.monotonic())
        self.send(ping(mark))
        return self.until(lambda: mark in self.pongs, 5)

    def ended(self, code, within=5):
        """The connection ends with that error: a GOAWAY, then the end."""
        codes = code if isinstance(code, tuple) else (code,)
        self.until(lambda: self.closed, within)
        assert self.goaway is not None, "closed %s without a GOAWAY; %s" % (self.closed, self.answers)
        assert self.goaway[1] in codes, "GOAWAY with %d" % self.goaway[1]
        assert self.closed, "the connection stays open behind its GOAWAY"
        return True


def dribble(h2, data, n, pause):
    for i in range(0, len(data), n):
        h2.send(data[i:i + n])
        time.sleep(pause)
