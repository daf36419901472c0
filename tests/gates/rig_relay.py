"""Client and origin of one gateway in one loop: a stream of bytes goes in, what the origin got and what the client
was answered come out.  Without threads, so that thousands of streams take seconds.

`Relay.run` sends and waits; `judge` compares that with the second reading of rig_wire.py."""
import re
import select
import socket
import ssl
import time
from dataclasses import dataclass, field

from rig_client import parse_head as parse_answer_head
from rig_origin import Malformed, framing, parse_head
from rig_wire import ADDED, Wire, stream as read_stream

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Canary: %d\r\nX-Of: %d\r\n\r\n%s"


@dataclass
class Said:
    """One final answer to the client."""
    status: int
    canary: int = 0   # serial of the request at the origin; 0: the gateway's own answer
    close: bool = False


@dataclass
class Outcome:
    answers: list = field(default_factory=list)
    got: list = field(default_factory=list)   # whole requests at the origin, as Wire with .serial
    closed: bool = False
    malformed: list = field(default_factory=list)
    unread: bytes = b""                        # of the client's side: no answer
    late: bool = False                         # nothing more came in time
    moved: int = 0                             # bytes that the origin got


class Upstream:
    """One connection at the origin."""

    def __init__(self, relay, sock):
        self.relay, self.socket, self.rest, self.raw = relay, sock, b"", b""
        self.dead = False

    def feed(self, data):
        self.rest += data
        self.raw += data
        try:
            while not self.dead and self.take():
                pass
        except Malformed as fault:
            self.relay.outcome.malformed.append(str(fault))
            self.dead = True

    def take(self):
        """A whole request from the front, answered; False: it is not whole yet."""
        end = self.rest.find(b"\r\n\r\n")
        if end < 0:
            if self.rest and not re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]*( |$)", self.rest):
                raise Malformed("no request line: %r" % self.rest[:80])
            return False
        method, target, fields = parse_head(self.rest[:end])
        kind, length = framing(fields)
        body, at = self.body(kind, length, end + 4)
        if body is None:
            return False
        self.rest = self.rest[at:]
        self.relay.arrived(self, method, target, fields, body)
        return True

    def body(self, kind, length, at):
        if kind != "chunked":
            return (self.rest[at:at + length], at + length) if len(self.rest) >= at + length else (None, at)
        whole = b""
        while True:
            end = self.rest.find(b"\r\n", at)
            if end < 0:
                return None, at
            if not re.fullmatch(rb"[0-9a-f]+", self.rest[at:end]):
                raise Malformed("chunk size %r" % self.rest[at:end][:40])
            size, at = int(self.rest[at:end], 16), end + 2
            if len(self.rest) < at + size + 2:
                return None, at
            if self.rest[at + size:at + size + 2] != b"\r\n":
                raise Malformed("no CRLF behind a chunk, or a trailer: %r" % self.rest[at + size:][:40])
            whole, at = whole + self.rest[at:at + size], at + size + 2
            if not size:
                return whole, at


class Relay:
    """The origin listens on `port`; `connect` gives a connection to the gateway."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.upstreams, self.client, self.serial, self.connections = {}, None, 0, 0
        self.gateway, self.tls = None, None
        self.outcome = Outcome()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    # ---- The origin's side ----

    def arrived(self, upstream, method, target, fields, body):
        self.serial += 1
        host = [v for n, v in fields if n.lower() == "host"]
        if len(host) != 1:
            raise Malformed("Host: %r" % host)
        rest = [(n.lower(), v.encode("latin-1")) for n, v in fields
                if n.lower() not in ADDED and n.lower() not in ("host", "content-length", "transfer-encoding")]
        wire = Wire(method, target, host[0], rest, body, 0)
        wire.serial = self.serial
        self.outcome.got.append(wire)
        page = b"" if method == "HEAD" else b"%d" % self.serial
        upstream.socket.sendall(ANSWER % (len(b"%d" % self.serial), self.serial, self.serial, page))

    def accept(self):
        peer, _ = self.listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstreams[peer.fileno()] = Upstream(self, peer)
        self.connections += 1
        self.poll.register(peer, select.EPOLLIN)

    def readable(self, upstream):
        try:
            data = upstream.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        if data:
            self.outcome.moved += len(data)
            upstream.feed(data)
        else:
            self.drop(upstream)

    def drop(self, upstream):
        del self.upstreams[upstream.socket.fileno()]
        self.poll.unregister(upstream.socket)
        upstream.socket.close()

    # ---- The client's side ----

    def connect(self):
        self.hang_up()
        sock = socket.create_connection(("127.0.0.1", self.gateway))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            sock = self.tls.wrap_socket(sock, server_hostname="shop.example.com")
        self.client, self.text = sock, b""
        sock.setblocking(False)
        self.poll.register(sock, select.EPOLLIN)

    def hang_up(self):
        if self.client:
            self.poll.unregister(self.client)
            self.client.close()
            self.client = None

    def receive(self):
        """What has come for the client; False at the end."""
        while True:
            try:
                piece = self.client.recv(1 << 18)
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
            except OSError:
                return False
            if not piece:
                return False
            self.text += piece

    def answers(self, methods):
        """Whole final answers at the front of what came."""
        while b"\r\n\r\n" in self.text:
            head, _, rest = self.text.partition(b"\r\n\r\n")
            status, fields = parse_answer_head(head)
            if status < 200:
                self.text = rest
                continue
            values = {n.lower(): v for n, v in fields}
            done = len(self.outcome.answers)
            no_content = (done < len(methods) and methods[done] == "HEAD") or status in (204, 304)
            length = 0 if no_content else int(values["content-length"])
            if len(rest) < length:
                return
            canary = int(values.get("x-canary", 0))
            if canary and not no_content and rest[:length] != b"%d" % canary:
                self.outcome.malformed.append("an answer mixed from two: %r" % rest[:length])
            self.text = rest[length:]
            self.outcome.answers.append(Said(status, canary, values.get("connection", "").lower() == "close"))

    # ---- Both ----

    def send(self, pieces):
        self.client.setblocking(True)
        self.client.settimeout(5)
        try:
            for piece in pieces:
                self.client.sendall(piece)
        except OSError:
            pass
        finally:
            self.client.setblocking(False)

    def run(self, pieces, methods, wanted, finish, within):
        """Send; serve the origin's side until `wanted` answers are here or the connection is closed.  `finish`: end
        our side behind the last byte, and read to the end."""
        self.outcome = outcome = Outcome()
        if not self.client:
            self.connect()
        self.send(pieces)
        if finish:
            try:
                # Under TLS, too: without a last word the stream is cut there.
                socket.socket.shutdown(self.client, socket.SHUT_WR)
            except OSError:
                pass
        end = time.monotonic() + within
        while not outcome.closed:
            if not finish and len(outcome.answers) >= wanted:
                break
            for fd, _ in self.poll.poll(max(0.0, end - time.monotonic())):
                if fd == self.listener.fileno():
                    self.accept()
                elif fd == self.client.fileno():
                    outcome.closed = not self.receive()
                    self.answers(methods)
                elif fd in self.upstreams:
                    self.readable(self.upstreams[fd])
            if time.monotonic() >= end:
                outcome.late = True
                break
        self.settle()
        outcome.unread = self.text
        if finish or outcome.closed or outcome.late or outcome.unread:
            self.hang_up()
        return outcome

    def await_end(self, outcome, within):
        """The gateway has said that it closes."""
        end = time.monotonic() + within
        while not outcome.closed and time.monotonic() < end:
            for fd, _ in self.poll.poll(0.1):
                if fd == self.client.fileno():
                    outcome.closed = not self.receive()
                elif fd in self.upstreams:
                    self.readable(self.upstreams[fd])
        outcome.unread = self.text
        self.hang_up()

    def settle(self):
        """What has reached the origin by now is looked at, too."""
        for fd, _ in self.poll.poll(0):
            if fd in self.upstreams:
                self.readable(self.upstreams[fd])

    def unfinished(self, within=1.0):
        """Raw bytes of connections that hold part of a request and that the gateway has not closed in time."""
        end = time.monotonic() + within
        while any(u.rest for u in self.upstreams.values()) and time.monotonic() < end:
            for fd, _ in self.poll.poll(0.02):
                if fd in self.upstreams:
                    self.readable(self.upstreams[fd])
        return [u.raw for u in self.upstreams.values() if u.rest]


# ---- Judging ----

DESYNC, MALFORMED, REFUSED = "desync", "malformed", "refused-though-valid"


def judge(reading, outcome):
    """[(kind, what)] of everything in which the gateway and the second reading differ."""
    faults = [(MALFORMED, what) for what in outcome.malformed]
    said, got, ending = list(outcome.answers), list(outcome.got), reading.ending
    late = " in time" if outcome.late else ""
    for n, wire in enumerate(reading.whole, 1):
        if not said:
            return [*faults, (DESYNC, "request %d was not answered%s" % (n, late))]
        answer = said.pop(0)
        if answer.canary and (not got or got[0].serial != answer.canary):
            return [*faults, (DESYNC, "request %d got an answer to another one" % n)]
        differ = wire.means(got.pop(0)) if answer.canary else []
        if differ:
            faults.append((DESYNC, "request %d is another one at the origin: %s" % (n, ", ".join(differ))))
        if not answer.canary and not wire.may_refuse:
            faults.append((REFUSED, "request %d: %d" % (n, answer.status)))
        if not answer.canary and answer.close:
            ending = "refused"
            break
    if got:
        faults.append((DESYNC, "a request at the origin that nobody sent: %s %s" % (got[0].method, got[0].target)))
    return faults + judge_end(ending, said, outcome, late)


def judge_end(ending, said, outcome, late):
    faults = []
    if ending == "bad":
        if not said:
            faults.append((DESYNC, "what is no request was not refused%s" % late))
        elif said[0].canary or said[0].status < 400:
            faults.append((DESYNC, "what is no request was answered with %d" % said[0].status))
        elif not said[0].close:
            faults.append((DESYNC, "%d without Connection: close" % said[0].status))
    elif ending == "part" and said:
        faults.append((REFUSED, "the beginning of a request: %d" % said[0].status))
    if ending in ("bad", "closed", "refused") and not outcome.closed:
        faults.append((DESYNC, "the connection was not closed"))
    if len(said) > (ending in ("bad", "part", "odd part")):
        faults.append((DESYNC, "%d answers too many" % len(said)))
    if outcome.unread:
        faults.append((DESYNC, "bytes to the client that are no answer: %r" % outcome.unread[:60]))
    return faults


def check(relay, pieces, data, sentinel=b"", within=3.0):
    """Send `data` and the sentinel behind it: (what is wrong, the second reading, the outcome)."""
    reading = read_stream(data + sentinel, relay.tls is not None)
    finish = reading.ending in ("bad", "part", "odd part")
    outcome = relay.run([*pieces, sentinel] if sentinel else pieces, reading.methods(), len(reading.whole), finish,
                        within)
    if relay.client and (reading.ending == "closed" or outcome.answers and outcome.answers[-1].close):
        relay.await_end(outcome, within)
    return judge(reading, outcome), reading, outcome
