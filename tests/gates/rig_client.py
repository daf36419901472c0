"""Raw bytes to the gateway and whole answers back: no HTTP library stands between a test and the wire."""
import re
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field


@dataclass
class Answer:
    status: int
    fields: list
    body: bytes = b""
    raw_head: bytes = b""
    informational: list = field(default_factory=list)
    trailers: list = field(default_factory=list)
    complete: bool = True  # the framing says that nothing is missing
    framing: str = ""      # "length", "chunked", "close" or "none"

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name, otherwise=None):
        values = self.all(name)
        return values[0] if values else otherwise

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def parse_head(head):
    lines = head.split(b"\r\n")
    first = re.fullmatch(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?", lines[0])
    assert first, "not a status line: %r" % lines[0]
    fields = []
    for line in lines[1:]:
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\r\n\0]*", line), "not a field line: %r" % line
        name, _, value = line.partition(b":")
        fields.append((name.decode(), value.strip().decode("latin-1")))
    return int(first[1]), fields


class Closed(Exception):
    """The gateway closed where an answer was awaited."""


class Client:
    """One connection to the gateway."""
    takes_trailers = False  # its requests say so

    def __init__(self, port, tls=None, name="shop.example.com", timeout=15, source=None, rcvbuf=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = tls if isinstance(tls, ssl.SSLContext) else trusting()
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Not a half-close, behind which an answer is still wanted."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, *pieces, pause=0.0):
        for i, piece in enumerate(pieces):
            if i and pause:
                time.sleep(pause)
            self.socket.sendall(piece)

    def finish(self):
        """Half-close: no more from here, the answer is still wanted."""
        self.socket.shutdown(socket.SHUT_WR)

    def piece(self):
        """What comes next; empty at the end."""
        try:
            return self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            return b""

    def more(self):
        piece = self.piece()
        self.rest += piece
        return bool(piece)

    def read(self, head=False):
        """One final answer with its body; `head`: it answers HEAD."""
        informational = []
        while True:
            while b"\r\n\r\n" not in self.rest:
                if not self.more():
                    raise Closed("closed after %r" % self.rest[:200])
            raw, _, self.rest = self.rest.partition(b"\r\n\r\n")
            status, fields = parse_head(raw)
            if status >= 200 or status == 101:
                break
            informational.append((status, fields))
        answer = Answer(status, fields, raw_head=raw, informational=informational)
        self.read_body(answer, head)
        return answer

    def read_body(self, answer, head):
        lengths, coding = answer.all("content-length"), answer.get("transfer-encoding")
        assert len(lengths) <= 1 and not (lengths and coding), "two framings: %r" % answer.raw_head
        if head or answer.status in (101, 204, 304):
            answer.framing = "none"
        elif coding:
            assert coding == "chunked", coding
            answer.framing = "chunked"
            self.read_chunks(answer)
        elif lengths:
            answer.framing = "length"
            answer.body = self.take(int(lengths[0]))
            answer.complete = len(answer.body) == int(lengths[0])
        else:
            answer.framing = "close"
            while self.more():
                pass
            answer.body, self.rest = self.rest, b""

    def take(self, n):
        whole = bytearray(self.rest)
        while len(whole) < n:
            piece = self.piece()
            if not piece:
                break
            whole += piece
        self.rest = bytes(whole[n:])
        return bytes(whole[:n])

    def line(self):
        while b"\r\n" not in self.rest:
            if not self.more():
                return None
        taken, _, self.rest = self.rest.partition(b"\r\n")
        return taken

    def read_chunks(self, answer):
        while True:
            size = self.line()
            if size is None:
                answer.complete = False
                return
            assert re.fullmatch(rb"[0-9a-fA-F]+", size), "not a chunk size: %r" % size
            if int(size, 16) == 0:
                self.read_trailers(answer)
                return
            data = self.take(int(size, 16))
            answer.body += data
            if len(data) < int(size, 16) or self.line() != b"":
                answer.complete = False
                return

    def read_trailers(self, answer):
        while (line := self.line()):
            assert self.takes_trailers, "a trailer reached the client: %r" % line
            answer.trailers += parse_head(b"HTTP/1.1 200\r\n" + line)[1]
        assert line is not None, "cut within the trailers"

    def ask(self, message, **how):
        try:
            self.send(message)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered before it was all there; what was answered can still be read
        return self.read(head=message.startswith(b"HEAD "), **how)

    def get(self, target="/", host="shop.example.com", *fields, method="GET"):
        return self.ask(request(target, host, *fields, method=method))

    def closed(self, within=5.0):
        """The gateway closes within so many seconds, and says nothing more."""
        self.socket.settimeout(within)
        try:
            return not self.more()
        except socket.timeout:
            return False


def request(target="/", host="shop.example.com", *fields, method="GET", body=None):
    """A plain request as bytes; fields are 'Name: value' texts."""
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: %s" % host, "User-Agent: gates", "Accept: */*", *fields]
    if body is not None and not any(f.lower().startswith(("transfer-encoding:", "content-length:")) for f in fields):
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def trusting(**options):
    """A TLS context that believes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    return context
