"""TLS by hand: records and hellos as bytes, for what no library would send."""
import ctypes
import hmac
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


class Library:
    """OpenSSL itself, for what Python's ssl does not offer: key updates, and a session's keys."""

    def __init__(self):
        self.ssl, self.crypto = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
        pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
        for name, result, *takes in [
            ("SSL_CTX_new", pointer, pointer), ("TLS_client_method", pointer), ("SSL_new", pointer, pointer), ("SSL_set_fd", number, pointer, number),
            ("SSL_connect", number, pointer), ("SSL_write", number, pointer, text, number), ("SSL_read", number, pointer, text, number),
            ("SSL_key_update", number, pointer, number), ("SSL_do_handshake", number, pointer), ("SSL_free", None, pointer), ("SSL_CTX_free", None, pointer),
            ("SSL_ctrl", ctypes.c_long, pointer, number, ctypes.c_long, pointer), ("SSL_set_cipher_list", number, pointer, text),
            ("SSL_get_session", pointer, pointer), ("SSL_SESSION_get_master_key", ctypes.c_size_t, pointer, text, ctypes.c_size_t),
            ("SSL_get_client_random", ctypes.c_size_t, pointer, text, ctypes.c_size_t),
            ("SSL_get_server_random", ctypes.c_size_t, pointer, text, ctypes.c_size_t),
        ]:
            call = getattr(self.ssl, name)
            call.restype, call.argtypes = result, takes
        for name, result, *takes in [
            ("EVP_CIPHER_CTX_new", pointer), ("EVP_CIPHER_CTX_free", None, pointer), ("EVP_aes_128_gcm", pointer),
            ("EVP_EncryptInit_ex", number, pointer, pointer, pointer, text, text),
            ("EVP_EncryptUpdate", number, pointer, text, ctypes.POINTER(number), text, number),
            ("EVP_EncryptFinal_ex", number, pointer, text, ctypes.POINTER(number)),
            ("EVP_CIPHER_CTX_ctrl", number, pointer, number, number, text),
        ]:
            call = getattr(self.crypto, name)
            call.restype, call.argtypes = result, takes

    def gcm(self, key, nonce, aad, plain):
        ctx, n = self.crypto.EVP_CIPHER_CTX_new(), ctypes.c_int()
        out, tag = ctypes.create_string_buffer(len(plain) + 16), ctypes.create_string_buffer(16)
        assert self.crypto.EVP_EncryptInit_ex(ctx, self.crypto.EVP_aes_128_gcm(), None, key, nonce) == 1
        assert self.crypto.EVP_EncryptUpdate(ctx, None, ctypes.byref(n), aad, len(aad)) == 1
        assert self.crypto.EVP_EncryptUpdate(ctx, out, ctypes.byref(n), plain, len(plain)) == 1
        assert self.crypto.EVP_EncryptFinal_ex(ctx, out, ctypes.byref(n)) == 1
        assert self.crypto.EVP_CIPHER_CTX_ctrl(ctx, 0x10, 16, tag) == 1
        self.crypto.EVP_CIPHER_CTX_free(ctx)
        return out.raw[:len(plain)] + tag.raw


class Peer:
    """A client of OpenSSL's own, connected; `version` 0x0303 (with AES128-GCM) or 0x0304."""

    def __init__(self, port, version, name="shop.example.com", timeout=10):
        self.library = Library()
        ssl = self.library.ssl
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(None)
        self.ctx = ssl.SSL_CTX_new(ssl.TLS_client_method())
        self.ssl = ssl.SSL_new(self.ctx)
        ssl.SSL_ctrl(self.ssl, 123, version, None)  # least
        ssl.SSL_ctrl(self.ssl, 124, version, None)  # most
        ssl.SSL_ctrl(self.ssl, 55, 0, ctypes.cast(ctypes.c_char_p(name.encode()), ctypes.c_void_p))
        assert ssl.SSL_set_cipher_list(self.ssl, b"ECDHE-ECDSA-AES128-GCM-SHA256") == 1
        ssl.SSL_set_fd(self.ssl, self.socket.fileno())
        assert ssl.SSL_connect(self.ssl) == 1, "no handshake"
        self.sequence = 1  # of records that this end has sent under its keys: Finished was the first

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.ssl.SSL_free(self.ssl)
        self.library.ssl.SSL_CTX_free(self.ctx)
        self.socket.close()

    def write(self, data):
        """False when the other end has gone."""
        return self.library.ssl.SSL_write(self.ssl, data, len(data)) == len(data)

    def read(self, n=65536):
        at = ctypes.create_string_buffer(n)
        got = self.library.ssl.SSL_read(self.ssl, at, n)
        return at.raw[:max(got, 0)]

    def update_key(self, ask=False):
        ssl = self.library.ssl
        return ssl.SSL_key_update(self.ssl, int(ask)) == 1 and ssl.SSL_do_handshake(self.ssl) == 1

    def keys(self):
        """(key, salt) with which this end writes in TLS 1.2 (RFC 5246 section 6.3)."""
        ssl, parts = self.library.ssl, []
        for call, of, n in ((ssl.SSL_SESSION_get_master_key, ssl.SSL_get_session(self.ssl), 48), (ssl.SSL_get_client_random, self.ssl, 32),
                            (ssl.SSL_get_server_random, self.ssl, 32)):
            at = ctypes.create_string_buffer(n)
            assert call(of, at, n) == n
            parts.append(at.raw)
        master, client, server = parts
        seed, a, block = b"key expansion" + server + client, b"key expansion" + server + client, b""
        while len(block) < 40:
            a = hmac.new(master, a, "sha256").digest()
            block += hmac.new(master, a + seed, "sha256").digest()
        return block[:16], block[32:36]

    def seal(self, kind, plain):
        """A record of TLS 1.2 as this end would send it, with whatever it holds."""
        if self.sequence == 1:
            self.key, self.salt = self.keys()
        number = struct.pack(">Q", self.sequence)
        self.sequence += 1
        aad = number + struct.pack(">BHH", kind, 0x0303, len(plain))
        return record(kind, number + self.library.gcm(self.key, self.salt + number, aad, plain))

    def flood(self, pieces, within=30):
        """Send pieces until the other end closes: how many left here.  None: it has taken all of them."""
        self.socket.settimeout(within)
        sent = 0
        try:
            for piece in pieces:
                self.socket.sendall(piece)
                sent += 1
            return None if self.stays() else sent
        except OSError:
            return sent

    def stays(self, within=0.5):
        self.socket.settimeout(within)
        try:
            while self.socket.recv(65536):
                pass
            return False
        except socket.timeout:
            return True
        except OSError:
            return False
