"""Answers of an origin, sound and mutilated, through the gateway: what the client gets is compared with a second reading
of RFC 9112 section 6.3.  Client and origin are one loop (rig_relay.py)."""
import random
import re
from dataclasses import dataclass

from rig_relay import ANSWER, DESYNC, MALFORMED, Relay
from rig_wire import TOKEN, Bad, Part, chunked, field_lines, head_end

OK = b"HTTP/1.1 200 OK\r\n"
SOUND = [
    OK + b"Content-Length: 5\r\n\r\nhello", OK + b"Content-Length: 0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", b"HTTP/1.1 404\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end", OK + b"\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK
    + b"Content-Length: 5\r\n\r\nhello",
    OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
    OK + b"Content-Length: 34\r\n\r\n" + OK + b"X: aaaaaaaaaaaa\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    OK + b"Content-Length: 38\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
]
LINES = [
    b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: 05", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length:",
    b"Content-Length:\t5 ", b"Content-Length : 5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked ",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding:\x0bchunked",
    b"Connection: close",
    b"Connection: keep-alive", b"Connection: Content-Length", b"X: \x00", b"X: \x80", b" X: y", b"X", b": y", b"X_Y: z",
    b"X: y\rZ: a",
    b"X: y\nZ: a", b"Content-Type: text/plain", b"Set-Cookie: a=b", b"Upgrade: h2c", b"",
]
FIRST = [b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified",
         b"HTTP/1.1 100 Continue",
         b"HTTP/1.1 101 Switching", b"HTTP/1.1 103 Early", b"HTTP/1.1 599 X", b"HTTP/1.1 600 X", b"HTTP/1.1 99 X",
         b"HTTP/1.1 2000 X",
         b"HTTP/1.1  200 OK", b"HTTP/1.2 200 OK", b"HTTP/2 200", b"http/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200\tOK",
         b"ICY 200 OK",
         b"HTTP/1.1 200 \xff\x80", b"HTTP/1.1 200 O\x00K", b"<html>", b"HTTP/1.1 500 Oops"]
BODIES = [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhelloXX", b"0\r\n\r\n",
          b"5\nhello\n0\n\n", b"Z\r\n",
          b"hello" + OK + b"Content-Length: 6\r\n\r\npoison", b"5 ;a\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", b"hell"]
BYTES = b"\x00\t\n\x0b\r \"#%,:;=\\_\x7f\x80\xff0159afxHP/"


@dataclass
class Heard:
    """What a strict reader makes of an origin's bytes, as the answer to one request."""
    kind: str            # "whole", "broken" before its head was whole and sound, or "cut" behind that
    status: int = 0
    body: bytes = b""
    more: bool = False   # bytes are left over, or may yet come; the connection cannot be used again
    late: bool = True    # ... which the head tells, however late they come


def status_line(line):
    match = re.fullmatch(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?", line)
    if not match:
        raise Bad("status line")
    return int(match[1]), int(match[2])


def framing(fields, minor):
    lengths = [v.strip(b" \t") for n, v in fields if n == "content-length"]
    codings = [v.strip(b" \t") for n, v in fields if n == "transfer-encoding"]
    names = [p.strip(b" \t") for n, v in fields if n == "connection" for p in v.split(b",")]
    if len(lengths) + len(codings) > 1 or any(p and not TOKEN.fullmatch(p) for p in names):
        raise Bad("two framings")
    if codings and (codings[0].lower() != b"chunked" or not minor):
        raise Bad("a coding")
    if lengths and (not re.fullmatch(rb"\d{1,19}", lengths[0]) or int(lengths[0]) >= 1 << 63):
        raise Bad("a length")
    return (int(lengths[0]) if lengths else None), bool(codings), {p.lower() for p in names}


def read_head(stream, at, method):
    """(status, where the content begins, its length or None, chunked, names in Connection)"""
    for _ in range(17):
        body_at = head_end(stream, at)
        lines = stream[at:body_at - 4].split(b"\r\n")
        minor, status = status_line(lines[0])
        length, coded, names = framing(field_lines(lines[1:]), minor)
        if status >= 200:
            return status, body_at, length, coded, names, minor
        if status == 101:
            raise Bad("101")
        at = body_at
    raise Bad("too many of them")


def hear(stream, method, ends):
    """`ends`: the origin closes behind its last byte."""
    try:
        status, at, length, coded, names, minor = read_head(stream, 0, method)
    except (Bad, Part):
        return Heard("broken", more=True)
    closes = "close".encode() in names or not minor and b"keep-alive" not in names
    if method == "HEAD" or status in (204, 304):
        announced = coded or bool(length) or method == "HEAD" and length is None
        return Heard("whole", status, b"", at < len(stream) or closes or announced, announced)
    try:
        if coded:
            odd = []
            body, end = chunked(stream, at, odd)
            return Heard("cut", status, body, True) if odd else Heard("whole", status, body, end < len(stream) or closes,
                                                                      end == len(stream))
    except (Bad, Part):
        return Heard("cut", status, more=True)
    if length is None:
        return Heard("whole" if ends else "cut", status, stream[at:], True)
    if len(stream) < at + length:
        return Heard("cut", status, stream[at:], True)
    return Heard("whole", status, stream[at:at + length], len(stream) > at + length or closes, len(stream) == at + length)


class Crooked(Relay):
    """An origin that answers requests for /x with the bytes it is told."""

    def __init__(self):
        super().__init__()
        self.script, self.ends, self.used = b"", False, {}

    def arrived(self, upstream, method, target, fields, body):
        self.serial += 1
        self.used.setdefault(target, []).append(upstream)
        if target != "/x":
            upstream.socket.sendall(ANSWER % (len(b"%d" % self.serial), self.serial, self.serial, b"%d" % self.serial))
            self.last = self.serial
            return
        for piece in self.script:
            upstream.socket.sendall(piece)
        if self.ends:
            self.drop(upstream)

    def drop(self, upstream):
        if upstream.socket.fileno() >= 0:
            super().drop(upstream)

    def answers(self, methods):
        """Of whatever framing."""
        while b"\r\n\r\n" in self.text:
            head, _, rest = self.text.partition(b"\r\n\r\n")
            match = re.fullmatch(rb"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?((?:\r\n[^\r\n]*)*)", head)
            if not match:
                self.outcome.malformed.append("to the client: %r" % head[:80])
                return
            status, fields = int(match[1]), dict((n, v) for n, v in field_lines(match[2].split(b"\r\n")[1:]))
            if status < 200:
                self.text = rest
                continue
            method = methods[len(self.outcome.answers)] if len(self.outcome.answers) < len(methods) else "GET"
            body, left = self.content(method, status, fields, rest)
            if body is None:
                return
            self.text = left
            self.outcome.answers.append((status, body))

    def content(self, method, status, fields, rest):
        if method == "HEAD" or status in (204, 304):
            return b"", rest
        if "transfer-encoding" in fields:
            try:
                body, end = chunked(rest, 0, [])
            except Part:
                return None, rest
            return body, rest[end:]
        length = int(fields["content-length"])
        return (rest[:length], rest[length:]) if len(rest) >= length else (None, rest)


def exchange(relay, method, script, ends):
    """One answer by script, with a request of our own behind it: what is wrong, what was read here, what came."""
    relay.script, relay.ends, relay.used = script, ends, {}
    heard = hear(b"".join(script), method, ends)
    head = b" HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
    outcome = relay.run([method.encode() + b" /x" + head + b"GET /own" + head], [method, "GET"], 2, False, 4.0)
    faults, got = [(MALFORMED, what) for what in outcome.malformed], outcome.answers
    clean = len(got) == 2 and got[1] == (200, b"%d" % relay.last)
    if heard.kind == "whole" and (not clean or got[0] != (heard.status, heard.body)):
        faults.append((DESYNC, "a sound answer came otherwise"))
    if heard.kind == "broken" and not (clean and got[0][0] == 502):
        faults.append((DESYNC, "a broken head is not 502"))
    if heard.kind == "cut" and not (clean and got[0][0] == 502) and not (not got and outcome.closed):
        faults.append((DESYNC, "what ended too soon looks whole"))
    if heard.more and clean and relay.used["/own"][0] in relay.used["/x"]:
        faults.append((DESYNC, "an unclean connection was used again"))
    return faults, heard, outcome


class AnswerMutator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def composed(self):
        r = self.random
        lines = [r.choice(FIRST), *[r.choice(LINES) for _ in range(r.choice((0, 1, 1, 2, 3)))]]
        return b"\r\n".join(lines) + b"\r\n\r\n" + r.choice(BODIES)

    def bent(self, data):
        r = self.random
        for _ in range(r.choice((1, 1, 2))):
            at = r.randrange(len(data) + 1)
            new = bytes([r.choice(BYTES) if r.random() < 0.7 else r.randrange(256)])
            data = data[:at] + r.choice((b"", new, new)) + data[at + r.choice((0, 1)):]
        return data

    def script(self):
        """(method, pieces, whether the origin closes)"""
        r = self.random
        data = self.composed() if r.random() < 0.5 else r.choice(SOUND)
        data = self.bent(data) if r.random() < 0.6 else data
        data += r.choice(SOUND) if r.random() < 0.1 else b""
        method = r.choice(("GET", "GET", "POST", "HEAD"))
        heard = hear(data, method, False)
        # Who neither ends nor goes on is waited for: that is another test's business.
        ends = r.random() < 0.5 or heard.kind != "whole"
        # Bytes that nothing announced, and that come when the next request has left, look like its answer.
        if r.random() < 0.6 or not heard.late:
            return method, [data], ends
        at = r.randrange(len(data) + 1)
        return method, [piece for piece in (data[:at], data[at:]) if piece], ends
