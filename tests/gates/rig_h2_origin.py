"""An origin of HTTP/2 that records every request, answers by script and misbehaves on order.  Header blocks are made by
hpack, frames by hand: a library that keeps the rules could not break them."""
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from rig_h2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAGIC, PING, PRIORITIZED,
                    PADDED, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, literal, ping, rst, settings, window)


@dataclass
class Request:
    stream: int
    fields: list
    connection: object
    body: bytes = b""
    ended: bool = False
    trailers: list = field(default_factory=list)
    reset: int = None    # error code of the gateway's RST_STREAM
    reset_at: float = 0

    def get(self, name, otherwise=None):
        return next((v for n, v in self.fields if n == name), otherwise)

    @property
    def target(self):
        return self.get(":path")

    @property
    def path(self):
        return self.target.partition("?")[0]

    # ---- What a script does ----

    def send(self, *pieces):
        self.connection.send(b"".join(pieces))

    def raw(self, block, end=False, flags=END_HEADERS):
        """A header block as bytes."""
        self.send(frame(HEADERS, flags | (END_STREAM if end else 0), self.stream, block))

    def head(self, *fields, status="200", end=False):
        with self.connection.sending:
            block = self.connection.encoder.encode([(":status", status), *fields])
            self.connection.socket.sendall(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), self.stream, block))

    def data(self, payload=b"", end=False):
        """As the gateway's windows allow."""
        while True:
            n = self.connection.take_window(self.stream, min(len(payload), 16384))
            if n is None:
                return False
            self.send(frame(DATA, END_STREAM if end and n == len(payload) else 0, self.stream, payload[:n]))
            payload = payload[n:]
            if not payload:
                return True

    def trail(self, *fields):
        with self.connection.sending:
            self.connection.socket.sendall(frame(HEADERS, END_HEADERS | END_STREAM, self.stream, self.connection.encoder.encode(fields)))

    def page(self, body=b"", *fields, status="200"):
        self.head(("content-length", str(len(body))), *fields, status=status, end=not body)
        if body:
            self.data(body, end=True)

    def wait_end(self, within=10):
        end = time.monotonic() + within
        while not self.ended and self.reset is None and time.monotonic() < end and not self.connection.ended:
            time.sleep(0.005)
        return self.ended

    def wait_reset(self, within=10):
        end = time.monotonic() + within
        while self.reset is None and time.monotonic() < end and not self.connection.ended:
            time.sleep(0.005)
        return self.reset


class Connection:
    def __init__(self, origin, peer):
        self.origin, self.socket = origin, peer
        self.encoder, self.decoder = Encoder(), Decoder()
        self.streams, self.ended, self.rest = {}, False, b""
        self.sending, self.changed = threading.RLock(), threading.Condition()
        self.windows, self.initial = {0: 65535}, 65535
        self.block, self.goaway, self.pings, self.settled, self.faults = b"", None, 0, False, []
        self.most = 0  # streams that were open at a time

    def send(self, data):
        with self.sending:
            try:
                self.socket.sendall(data)
            except OSError:
                self.ended = True

    def take_window(self, stream, n):
        with self.changed:
            while n and not self.ended:
                room = min(self.windows[0], self.windows.get(stream, self.initial), n)
                if self.streams[stream].reset is not None:
                    return None
                if room > 0:
                    self.windows[0] -= room
                    self.windows[stream] = self.windows.get(stream, self.initial) - room
                    return room
                self.changed.wait(0.1)
        return None if self.ended else 0

    def more(self, n):
        while len(self.rest) < n:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self.rest += piece
        taken, self.rest = self.rest[:n], self.rest[n:]
        return taken

    def serve(self):
        if self.more(len(MAGIC)) != MAGIC:
            self.origin.faults.append("no preface")
            return
        self.send(settings(*self.origin.settings))
        while True:
            head = self.more(9)
            length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:9], "big")
            payload = self.more(length)
            with self.changed:
                self.take(kind, flags, stream, payload)
                self.changed.notify_all()

    def take(self, kind, flags, stream, payload):
        request = self.streams.get(stream)
        if kind in (HEADERS, CONTINUATION):
            if flags & (PADDED | PRIORITIZED) and kind == HEADERS:
                self.origin.faults.append("flags %x" % flags)
            self.block += payload
            if kind == HEADERS:
                self.ends = bool(flags & END_STREAM)
            if not flags & END_HEADERS:
                return
            fields, self.block = self.decoder.decode(self.block), b""
            if request:
                request.trailers, request.ended = fields, self.ends
                return
            self.check(fields)
            request = self.streams[stream] = Request(stream, fields, self, ended=self.ends)
            self.most = max(self.most, sum(not r.ended and r.reset is None for r in self.streams.values()))
            self.origin.requests.append(request)
            threading.Thread(target=self.answer, args=(request,), daemon=True).start()
        elif kind == DATA:
            request.body += payload
            request.ended = bool(flags & END_STREAM)
            if payload and self.origin.reads:
                self.send(window(0, len(payload)) + (b"" if request.ended else window(stream, len(payload))))
        elif kind == RST_STREAM and request:
            request.reset, request.reset_at = int.from_bytes(payload, "big"), time.monotonic()
        elif kind == SETTINGS and not flags & ACK:
            for i in range(0, len(payload), 6):
                key, value = struct.unpack(">HI", payload[i:i + 6])
                if key == INITIAL_WINDOW_SIZE:
                    self.initial = value
            self.send(frame(SETTINGS, ACK))
        elif kind == SETTINGS:
            self.settled = True
        elif kind == WINDOW_UPDATE:
            self.windows[stream] = self.windows.get(stream, self.initial) + int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK:
            self.pings += 1
            if self.origin.pongs:
                self.send(ping(payload, ACK))
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">II", payload[:8])

    def check(self, fields):
        """Canonical, or a fault of the gateway."""
        names = [n for n, _ in fields]
        pseudo = [n for n in names if n.startswith(":")]
        if sorted(pseudo) != [":authority", ":method", ":path", ":scheme"] or names[:4] != pseudo:
            self.origin.faults.append("pseudo-fields %s" % names)
        bad = {"connection", "host", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection", "expect", "trailer", "http2-settings"}
        if set(names) & bad or any(n != n.lower() for n in names) or dict(fields).get("te", "trailers") != "trailers":
            self.origin.faults.append("fields %s" % fields)

    def answer(self, request):
        script = self.origin.answers.get(request.path, plain)
        try:
            script(request)
        except OSError:
            pass


def plain(request):
    request.wait_end()
    request.page(("origin got %s" % request.target).encode(), ("x-canary", request.target), ("content-type", "text/plain"))


def echo(request):
    request.wait_end()
    request.page(request.body, ("content-type", "text/plain"))


class Origin2:
    """`answers[path]` is a function of the request, in a thread of its own."""

    def __init__(self, tls=None, settings=(), port=0):
        self.tls, self.settings, self.reads, self.pongs = tls, settings, True, True
        self.requests, self.connections, self.faults, self.answers = [], [], [], {}
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.stopping = False
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.tls else "http", self.port)

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.run, args=(peer,), daemon=True).start()

    def run(self, peer):
        connection = Connection(self, peer)
        try:
            if self.tls:
                connection.socket = self.tls.wrap_socket(peer, server_side=True)
            self.connections.append(connection)
            connection.serve()
        except (OSError, EOFError, ssl.SSLError):
            pass
        finally:
            with connection.changed:
                connection.ended = True
                connection.changed.notify_all()
            connection.socket.close()

    def of(self, path):
        return [r for r in self.requests if r.path == path]

    def stop(self):
        self.stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
