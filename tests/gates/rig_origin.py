"""An origin that records every byte and answers by script."""
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"


@dataclass
class Request:
    method: str
    target: str
    fields: list
    body: bytes
    head: bytes
    connection: int

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name, otherwise=None):
        values = self.all(name)
        return values[0] if values else otherwise

    @property
    def path(self):
        return self.target.partition("?")[0]


class Malformed(Exception):
    pass


def parse_head(head):
    """A canonical request head, strictly: anything else is a failure of the gateway."""
    lines = head.split(b"\r\n")
    first = re.fullmatch(rb"(" + TOKEN + rb") ([!-~]+) HTTP/1\.1", lines[0])
    if not first:
        raise Malformed("request line %r" % lines[0])
    fields = []
    for line in lines[1:]:
        match = re.fullmatch(rb"(" + TOKEN + rb"): ?([^\x00-\x08\x0a-\x1f\x7f]*)", line)
        if not match:
            raise Malformed("field line %r" % line)
        fields.append((match[1].decode(), match[2].decode("latin-1")))
    return first[1].decode(), first[2].decode(), fields


def framing(fields):
    """("none", 0), ("length", n) or ("chunked", 0); exactly one of them, or Malformed."""
    lengths = [v for n, v in fields if n.lower() == "content-length"]
    codings = [v for n, v in fields if n.lower() == "transfer-encoding"]
    if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
        raise Malformed("two framings: %r %r" % (lengths, codings))
    if codings:
        if codings[0] != "chunked":
            raise Malformed("transfer coding %r" % codings[0])
        return "chunked", 0
    if lengths:
        if not re.fullmatch(r"0|[1-9][0-9]*", lengths[0]):
            raise Malformed("content length %r" % lengths[0])
        return "length", int(lengths[0])
    return "none", 0


def page(body=b"", status="200 OK", *fields):
    """A whole answer with a length."""
    lines = ["HTTP/1.1 " + status, "Content-Length: %d" % len(body), *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


CLOSE, RESET, HANG = "close", "reset", "hang"


class Connection:
    def __init__(self, origin, number, peer):
        self.origin, self.number, self.socket = origin, number, peer
        self.raw, self.rest = b"", b""
        self.done = 0  # so many bytes of `raw` were whole requests
        self.ended = False

    @property
    def unfinished(self):
        """Part of a request is here, and the gateway has not closed."""
        return not self.ended and len(self.raw) > self.done

    def more(self):
        piece = self.socket.recv(65536)
        if not piece:
            self.ended = True
            return False
        with self.origin.lock:
            self.raw += piece
        self.rest += piece
        return True

    def until(self, mark):
        while mark not in self.rest:
            if not self.more():
                return None
        found, _, self.rest = self.rest.partition(mark)
        return found

    def take(self, n):
        while len(self.rest) < n:
            if not self.more():
                return None
        taken, self.rest = self.rest[:n], self.rest[n:]
        return taken

    def body(self, kind, length):
        if kind != "chunked":
            return self.take(length)
        whole = b""
        while True:
            size = self.until(b"\r\n")
            if size is None:
                return None
            if not re.fullmatch(rb"[0-9a-fA-F]+", size):
                raise Malformed("chunk size %r" % size)
            if int(size, 16) == 0:
                if self.until(b"\r\n") != b"":
                    raise Malformed("a trailer went upstream")
                return whole
            data = self.take(int(size, 16))
            if data is None or self.take(2) != b"\r\n":
                return None
            whole += data

    def serve(self):
        while True:
            head = self.until(b"\r\n\r\n")
            if head is None:
                if self.rest:
                    raise Malformed("bytes that are no request: %r" % self.rest[:200])
                return
            method, target, fields = parse_head(head)
            kind, length = framing(fields)
            path = target.partition("?")[0]
            early = self.origin.early.get(path)
            if early is not None and not self.act(early):
                return
            body = self.body(kind, length)
            if body is None:
                return
            request = Request(method, target, fields, body, head, self.number)
            with self.origin.lock:
                self.done = len(self.raw) - len(self.rest)
                self.origin.requests.append(request)
            if not self.act(self.origin.script(request)):
                return

    def act(self, actions):
        """Bytes are sent, numbers are slept, words end the connection.  True: it goes on."""
        for action in actions:
            if isinstance(action, (int, float)):
                time.sleep(action)
            elif action == CLOSE:
                return False
            elif action == RESET:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            elif action == HANG:
                while self.more():
                    pass
                return False
            else:
                self.socket.sendall(action)
        return True


class Origin:
    """`answers[path]` is a list of actions, or a function of the request that makes one; all other
    paths are answered with a page that repeats the target: a canary of its own for every request."""

    def __init__(self, tls=None, port=0, backlog=512):
        self.lock = threading.Lock()
        self.tls = tls
        self.requests, self.connections, self.faults = [], [], []
        self.answers, self.early = {}, {}
        self.listener = socket.create_server(("127.0.0.1", port), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self.stopping = False
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.tls else "http", self.port)

    def script(self, request):
        answer = self.answers.get(request.path)
        if callable(answer):
            return answer(request)
        if answer is not None:
            return answer
        body = b"" if request.method == "HEAD" else ("origin got %s" % request.target).encode()
        return [page(body, "200 OK", "X-Canary: " + request.target, "Content-Type: text/plain")]

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                connection = Connection(self, len(self.connections), peer)
                self.connections.append(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        try:
            if self.tls:
                connection.socket = self.tls.wrap_socket(connection.socket, server_side=True)
            connection.serve()
        except Malformed as fault:
            with self.lock:
                self.faults.append(str(fault))
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.ended = True
            try:
                # Orderly: what was sent must arrive although unread bytes may be waiting here.
                connection.socket.close()
            except OSError:
                pass

    def stop(self):
        """No longer listens: connections are refused from now on."""
        self.stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def forget(self):
        with self.lock:
            self.requests.clear()

    def bytes_seen(self):
        with self.lock:
            return sum(len(c.raw) for c in self.connections)

    def targets(self):
        with self.lock:
            return [r.target for r in self.requests]
