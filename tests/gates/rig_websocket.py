"""WebSocket: real peers of the websockets library on both sides of the gateway, and handshakes and frames by hand."""
import asyncio
import base64
import hashlib
import os
import struct
import threading
from http import HTTPStatus

import websockets

from rig_client import trusting

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SITE = "shop.example.com"
TEXT, BINARY, CLOSE_FRAME, PING = 1, 2, 8, 9
GOING_AWAY = b"\x88\x02\x03\xe9"  # Close with 1001, as a server sends it


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


# ---- By hand ----

def handshake(target="/ws", *lines, version="13", key=KEY, method="GET", host=SITE):
    fields = ["Host: " + host, "Connection: Upgrade", "Upgrade: websocket", *lines]
    fields += ["Sec-WebSocket-Version: " + version] if version else []
    fields += ["Sec-WebSocket-Key: " + key] if key else []
    return "\r\n".join(["%s %s HTTP/1.1" % (method, target), *fields]).encode() + b"\r\n\r\n"


def switch(request, *lines, accept=None):
    """The right answer to a handshake, or one that is wrong in what a test says."""
    fields = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
              "Sec-WebSocket-Accept: " + (accept or accept_of(request.get("sec-websocket-key", KEY))), *lines]
    return "\r\n".join(fields).encode() + b"\r\n\r\n"


def frame(payload=b"", kind=BINARY, last=True, masked=True):
    mask = os.urandom(4) if masked else b""
    n, bit = len(payload), 128 if masked else 0
    size = bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n) if n < 65536 else bytes([bit | 127]) + struct.pack(">Q", n)
    if masked:
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return bytes([(128 if last else 0) | kind]) + size + mask + payload


# ---- Real peers ----

class Loop:
    """An event loop of its own thread, for who is not asynchronous."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def do(self, what, within=60):
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(what, within), self.loop).result(within + 5)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


class Peer(Loop):
    """An origin: /echo gives back what comes, /count says how many are open, /talk sends unasked.  Plain HTTP is
    answered with a page."""

    def __init__(self, tls=None):
        super().__init__()
        self.tls, self.open, self.heads, self.ends = tls, set(), [], []
        self.server = self.do(self.serve())
        self.port = self.server.sockets[0].getsockname()[1]

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.tls else "http", self.port)

    async def serve(self):
        return await websockets.serve(self.talk, "127.0.0.1", 0, ssl=self.tls, max_size=None, ping_interval=None, backlog=2000,
                                      subprotocols=["chat", "soup"], process_request=self.plain)

    async def plain(self, path, fields):
        self.heads.append((path, fields))
        return None if "Sec-WebSocket-Key" in fields else (HTTPStatus.OK, [("Content-Type", "text/plain")], b"a page")

    async def talk(self, ws):
        self.open.add(ws)
        try:
            if ws.path.startswith("/talk"):
                for i in range(1000):
                    await ws.send(b"x" * 65536)
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass
        finally:
            self.open.discard(ws)
            self.ends.append((ws.close_code, ws.close_reason))

    async def end(self):
        self.server.close()
        await self.server.wait_closed()

    def stop(self):
        self.do(self.end())
        self.close()


def connect(g, path="/echo", tls=False, **how):
    """A client of the library's, to await."""
    how.setdefault("max_size", None)
    how.setdefault("ping_interval", None)
    more = {"ssl": trusting(), "server_hostname": SITE} if tls else {}
    return websockets.connect("%s://%s%s" % ("wss" if tls else "ws", SITE, path), host="127.0.0.1", port=g.https if tls else g.http,
                              **more, **how)
