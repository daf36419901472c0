"""Streams of requests, sound and mutilated, from a seed: what the runner of tests/framing sends by the thousand."""
import random

HOST = b"Host: shop.example.com\r\n"
SOUND = [
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /a/b?c=d HTTP/1.1\r\n" + HOST + b"User-Agent: x\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
    b"HEAD /h HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST /p HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST /p HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    b"PUT /p HTTP/1.1\r\n" + HOST + b"Content-Type: text/plain\r\nContent-Length: 34\r\n\r\n"
    b"GET /hidden HTTP/1.1\r\nHost: b\r\n\r\n1",
    b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"3;a=b\r\nhel\r\n2;c=\"d;e\"\r\nlo\r\n000\r\nX: y\r\n\r\n",
    b"GET /g HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1a\r\nGET /hidden HTTP/1.1\r\nX:  \r\n0\r\n\r\n",
    b"DELETE /d HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nConnection: keep-alive, X-Y\r\nX-Y: z\r\n\r\nabc",
    b"GET http://shop.example.com/abs?q HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST /e HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    b"GET /old HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n",
    b"GET /bye HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    b"GET /up HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"\r\nGET /crlf HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /v6 HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
]
LINES = [
    b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: 05", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length:",
    b"Content-Length: 5 ", b"Content-Length:\t5", b"content-length:5", b"Content-Length : 5", b"Content_Length: 5",
    b"Content-Length: 0x5",
    b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked ", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: x, chunked",
    b"Transfer_Encoding: chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: \xa0chunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Content-Length", b"Connection: Transfer-Encoding, close", b"Connection: Host",
    b"Host: shop.example.com", b"Host: b.example",
    b"Host:", b"Host: a b", b"Host:\tshop.example.com", b"Expect: 100-continue", b"Expect: 100-continue, x",
    b"Upgrade: websocket",
    b"X: \x80\xff", b"X:", b"X-A_B: c", b"X: \x00", b": v", b"novalue", b" X: folded", b"\tX: folded", b"TE: trailers",
    b"Trailer: X",
    b"X-Forwarded-For: 1.2.3.4", b"Cookie: a=b", b"Keep-Alive: 5", b"Proxy-Connection: close", b"HTTP2-Settings: AA", b"",
]
FIRST = [
    b"GET / HTTP/1.1", b"GET /a%2fb HTTP/1.1", b"GET /a;b HTTP/1.1", b"GET //a/./b/../c HTTP/1.1",
    b"GET /%61?%zz HTTP/1.1", b"POST / HTTP/1.1",
    b"GET / HTTP/1.0", b"POST / HTTP/1.0", b"GET / HTTP/1.2", b"GET / HTTP/2.0", b"GET /", b"GET  / HTTP/1.1",
    b"GET / HTTP/1.1 ", b"G@T / HTTP/1.1",
    b"get / HTTP/1.1", b"GET http://shop.example.com HTTP/1.1", b"GET http://b.example/x HTTP/1.1",
    b"GET HTTP://shop.example.com:80/ HTTP/1.1",
    b"OPTIONS http://shop.example.com HTTP/1.1", b"GET * HTTP/1.1", b"GET /#f HTTP/1.1", b"GET /\x80 HTTP/1.1",
    b"GET /<>\"{}|^` HTTP/1.1",
    b"CONNECT a:1 HTTP/1.1", b"TRACE / HTTP/1.1", b"PURGE / HTTP/1.1", b"PRI * HTTP/2.0", b"GET x HTTP/1.1",
    b"GET /.. HTTP/1.1",
    b"GET ftp://a/ HTTP/1.1", b"GET https://shop.example.com/ HTTP/1.1", b"GET /?a=b?c HTTP/1.1", b"HTTP/1.1 200 OK",
]
CHUNKS = [
    b"5\r\nhello\r\n", b"05\r\nhello\r\n", b"A\r\n0123456789\r\n", b"5;x\r\nhello\r\n", b"5;x=\"\\\"\"\r\nhello\r\n",
    b"5 ; x = y\r\nhello\r\n",
    b"5 \r\nhello\r\n", b" 5\r\nhello\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5\nhello\n", b"5\r\nhelloXX",
    b"5\r\nhello\n", b"5\r\nhello\r",
    b"\r\n", b"g\r\n", b"5;\r\nhello\r\n", b"5;x=\r\nhello\r\n", b"5;\x00\r\nhello\r\n", b"5;x\n\r\nhello\r\n",
    b"00000000000000005\r\nhello\r\n",
    b"FFFFFFFFFFFFFFFF\r\nhello\r\n", b"5;\xff=\"\xff\"\r\nhello\r\n", b"5;a=\"\xff\t\"\r\nhello\r\n", b"6\r\nhello\r\n",
    b"4\r\nhello\r\n",
]
ENDS = [b"0\r\n\r\n", b"00\r\n\r\n", b"0;x\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 5\r\nHost: b\r\n\r\n",
        b"0\r\n\n", b"0\n\n", b"0\r\nX\r\n\r\n",
        b"0\r\n X: y\r\n\r\n", b"0\r\nX: \x00\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0", b"", b"-0\r\n\r\n", b"0 \r\n\r\n",
        b"0\r\n\r\n\r\n"]
BYTES = b"\x00\t\n\x0b\x0c\r \"#%,:;=\\_\x7f\x80\x85\xa0\xad\xff0159afxGHP/?*@[]"


class Mutator:
    def __init__(self, seed, sound=()):
        self.random = random.Random(seed)
        self.sound = SOUND + list(sound)

    def composed(self):
        """A request put together from parts, each of them sound or not."""
        r = self.random
        lines = [r.choice(FIRST) if r.random() < 0.4 else r.choice(SOUND).split(b"\r\n")[0] or b"GET / HTTP/1.1"]
        if r.random() < 0.93:
            lines.append(b"Host: shop.example.com")
        lines += [r.choice(LINES) for _ in range(r.choice((0, 1, 1, 1, 2, 2, 3)))]
        if r.random() < 0.3:
            tail = lines[1:]
            r.shuffle(tail)
            lines[1:] = tail
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        if b"chunked" in head.lower():
            chunks = b"".join(r.choice(CHUNKS) for _ in range(r.choice((0, 1, 1, 2))))
            return head + chunks + r.choice(ENDS[:5] if r.random() < 0.6 else ENDS)
        return head + (b"hello" if b"ontent" in head and r.random() < 0.8 else b"")

    def bent(self, data):
        """A few bytes or lines of it changed."""
        r = self.random
        for _ in range(r.choice((1, 1, 1, 2, 3))):
            at = r.randrange(len(data) + 1)
            kind = r.randrange(8)
            if kind == 0:
                data = data[:at] + data[at + 1:]
            elif kind <= 2:
                data = data[:at] + bytes([r.choice(BYTES)]) + data[at:]
            elif kind == 3:
                data = data[:at] + bytes([r.choice(BYTES)]) + data[at + 1:]
            elif kind == 4:
                data = data[:at] + bytes([r.randrange(256)]) + data[at + 1:]
            elif kind == 5:
                lines = data.split(b"\r\n")
                lines.insert(r.randrange(len(lines)), r.choice(LINES))
                data = b"\r\n".join(lines)
            elif kind == 6:
                lines = data.split(b"\r\n")
                del lines[r.randrange(len(lines))]
                data = b"\r\n".join(lines)
            else:
                to = min(len(data), at + r.randrange(1, 12))
                data = data[:at] + data[at:to] * 2 + data[to:]
        return data

    def stream(self):
        """One to three requests in a row."""
        r = self.random
        parts = []
        for _ in range(r.choice((1, 1, 1, 1, 2, 3))):
            part = self.composed() if r.random() < 0.5 else r.choice(self.sound)
            parts.append(self.bent(part) if r.random() < 0.6 else part)
        return b"".join(parts)

    def pieces(self, data):
        """The stream as it is written to the socket."""
        r = self.random
        if r.random() < 0.7 or len(data) < 2:
            return [data]
        cuts = sorted(r.randrange(1, len(data)) for _ in range(r.choice((1, 1, 2, 4))))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)]) if a < b]
