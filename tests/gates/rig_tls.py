"""TLS by hand: records and hellos as bytes, for what no library would send."""
import os
import socket
import struct

ALERT, HANDSHAKE, DATA = 21, 22, 23
HELLO_DONE = 14


def record(kind, payload, version=0x0303):
    return struct.pack(">BHH", kind, version, len(payload)) + payload


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def extension(kind, body):
    return struct.pack(">HH", kind, len(body)) + body


def server_name(*names):
    """RFC 6066 section 3, with whatever bytes the names are."""
    entries = b"".join(b"\0" + struct.pack(">H", len(n)) + n for n in names)
    return extension(0, struct.pack(">H", len(entries)) + entries)


def client_hello(*extensions, padding=0):
    """A ClientHello of TLS 1.2 with ECDHE-ECDSA; `padding` bytes of RFC 7685, in as many extensions as that takes."""
    groups = extension(10, b"\0\x02\0\x17") + extension(11, b"\x01\0") + extension(13, b"\0\x02\x04\x03")
    padded = b""
    while padding > 0:
        # One of each kind is allowed: the rest are kinds that nobody knows.
        n = min(padding, 60000)
        padded += extension(21 if not padded else 0xfa00 + len(padded) % 0xff, b"\0" * n)
        padding -= n
    listed = b"".join(extensions) + groups + padded
    length = struct.pack(">H", len(listed)) if len(listed) < 65536 else b"\xff\xff"
    return message(1, b"\x03\x03" + os.urandom(32) + b"\0" + b"\0\x02\xc0\x2b" + b"\x01\0" + length + listed)


def records(payload, kind=HANDSHAKE, size=16384):
    return b"".join(record(kind, payload[i:i + size]) for i in range(0, len(payload), size))


class Raw:
    """A connection whose bytes are the test's own."""

    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        try:
            piece = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            piece = b""
        self.rest += piece
        return bool(piece)

    def record(self):
        """(kind, payload) of the next record; None at the end."""
        while len(self.rest) < 5 or len(self.rest) < 5 + int.from_bytes(self.rest[3:5], "big"):
            if not self.more():
                return None
        n = int.from_bytes(self.rest[3:5], "big")
        kind, payload, self.rest = self.rest[0], self.rest[5:5 + n], self.rest[5 + n:]
        return kind, payload

    def until_hello_done(self):
        """The types of the server's messages up to ServerHelloDone (TLS 1.2, in clear)."""
        types, text = [], b""
        while HELLO_DONE not in types:
            got = self.record()
            assert got and got[0] == HANDSHAKE, "no ServerHelloDone: %r" % (got,)
            text += got[1]
            while len(text) >= 4 and len(text) >= 4 + int.from_bytes(text[1:4], "big"):
                types.append(text[0])
                text = text[4 + int.from_bytes(text[1:4], "big"):]
        return types

    def end(self):
        """The alert that was the last word, as (level, description); None without one."""
        last = None
        while True:
            got = self.record()
            if not got:
                return last
            if got[0] == ALERT and len(got[1]) == 2:
                last = tuple(got[1])
