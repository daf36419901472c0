"""Work that costs its sender nothing: hellos, records, key updates.  It ends, and the others are served meanwhile."""
import re
import socket
import statistics
import subprocess
import threading
import time

import pytest

from rig_client import Client, request
from rig_gateway import free_port
from rig_tls import ALERT, DATA, HANDSHAKE, Peer, Raw, client_hello, message, record, records, server_name

NAME = server_name(b"shop.example.com")


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    return shared_gateway("client: {handshake: 1s, per_address: 2000, requests: 1000000}\nlogs: {requests: off, errors: stderr}", origin=shared_origin)


@pytest.fixture
def served(rig):
    """Somebody else is served before and after, by the same worker."""
    worker = rig.role("worker")
    yield
    assert rig.get("/", tls=True).status == 200
    assert rig.role("worker") == worker


def seconds(since):
    return time.monotonic() - since


# ---- Handshakes ----

def test_a_hello_of_one_byte_now_and_then_ends_in_time(rig, served):
    hello, began = records(client_hello(NAME)), time.monotonic()
    with Raw(rig.https) as raw:
        try:
            for i in range(len(hello)):
                raw.send(hello[i:i + 1])
                time.sleep(0.05)
        except OSError:
            pass
        raw.end()
    assert 0.8 < seconds(began) < 3


@pytest.mark.parametrize("size", [40 << 10, 60 << 10, 100 << 10, 120 << 10])
def test_a_hello_without_end_is_not_read_to_its_end(rig, served, size):
    """OpenSSL alone would take 128 KiB of it."""
    began = time.monotonic()
    with Raw(rig.https) as raw:
        try:
            raw.send(records(message(1, b"\x03\x03" + b"\0" * size)))
        except OSError:
            pass
        raw.end()
    assert seconds(began) < 0.9


def test_a_hello_of_today_with_a_large_key_share_is_taken(rig, served):
    with Raw(rig.https) as raw:
        raw.send(records(client_hello(NAME, padding=16 << 10)))
        assert raw.until_hello_done()


def test_a_hello_in_records_of_one_byte_is_a_hello(rig, served):
    with Raw(rig.https) as raw:
        raw.send(records(client_hello(NAME), size=1))
        assert raw.until_hello_done()


@pytest.mark.parametrize("kind, payload", [(ALERT, b"\1\x5a"), (ALERT, b"\1\0"), (HANDSHAKE, b""), (DATA, b"x"), (20, b"\1"), (24, b"\1\0\0")],
                         ids=["warnings", "close_notify", "empty", "data", "cipher changes", "heartbeats"])
def test_records_before_a_hello_end_the_connection(rig, served, kind, payload):
    began = time.monotonic()
    with Raw(rig.https) as raw:
        try:
            for _ in range(100):
                raw.send(record(kind, payload) * 100)
        except OSError:
            pass
        raw.end()
    assert seconds(began) < 2


class Beside:
    """Somebody who is connected and goes on asking, until told to stop; `seen` is what each answer took."""

    def __init__(self, g):
        self.over, self.seen = threading.Event(), []
        self.client = g.client(tls=True, timeout=30)
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def ask(self):
        while not self.over.is_set():
            began = time.monotonic()
            if self.client.get("/").status != 200:
                break
            self.seen.append(seconds(began))
            time.sleep(0.002)

    def stop(self):
        self.over.set()
        self.thread.join()
        self.client.close()
        return self.seen


@pytest.fixture
def beside(rig):
    b = Beside(rig)
    yield b.stop
    b.stop()


def test_half_open_handshakes_leave_the_others_alone(rig, served, beside):
    """500 of them, each with a byte every now and then, until their time is over; and then they are gone."""
    before = rig.resident_kib()
    hello, began = records(client_hello(NAME)), time.monotonic()
    waiting = [socket.create_connection(("127.0.0.1", rig.https)) for _ in range(500)]
    for i in range(12):
        for s in waiting:
            try:
                s.send(hello[i:i + 1])
            except OSError:
                pass
        time.sleep(0.1)
    for s in waiting:
        s.settimeout(3)
        try:
            assert s.recv(100) == b""
        except ConnectionResetError:
            pass
        s.close()
    assert seconds(began) < 8
    seen = beside()
    assert len(seen) > 20 and statistics.median(seen) < 0.1
    assert rig.resident_kib() < before + (64 << 10)


@pytest.fixture(scope="module")
def costly(shared_gateway, shared_origin, tmp_path_factory):
    """Each of its handshakes is a signature of RSA 4096."""
    folder = tmp_path_factory.mktemp("rsa")
    key, cert = folder / "rsa.key", folder / "rsa.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "30", "-subj", "/CN=x", "-addext",
                    "subjectAltName=DNS:shop.example.com", "-keyout", key, "-out", cert], check=True, capture_output=True)


    def make(rest):
        port = free_port()
        g = shared_gateway("client: {per_address: 2000, requests: 1000000, %s}\nlogs: {requests: off, errors: stderr}\n"
                           "admin: {address: '127.0.0.1:%d'}" % (rest, port), origin=shared_origin, cert=(cert, key))
        g.admin = port
        return g

    return make


RSA_HELLO = records(client_hello(NAME).replace(b"\xc0\x2b", b"\xc0\x2f").replace(b"\0\x02\x04\x03", b"\0\x02\x08\x04"))


def burst(g, n):
    """So many hellos at once; how many are answered."""
    waiting = [socket.create_connection(("127.0.0.1", g.https), timeout=30) for _ in range(n)]
    for s in waiting:
        s.sendall(RSA_HELLO)
    answered = 0
    for s in waiting:
        try:
            answered += s.recv(100)[:1] == bytes([HANDSHAKE])
        except OSError:
            pass
        s.close()
    return answered


@pytest.mark.timing
def test_a_burst_of_hellos_does_not_stop_who_is_connected(costly, capsys):
    """All of them in one turn of the loop would be a second or more."""
    g = costly("handshake: 20s")
    who = Beside(g)
    time.sleep(0.3)
    quiet, began = len(who.seen), time.monotonic()
    assert burst(g, 200) == 200
    took = seconds(began)
    seen = who.stop()
    worst = max(seen[quiet:])
    with capsys.disabled():
        print("\n200 hellos at once took %.2f s; who was connected waited %.0f ms at most, %.1f ms before" % (took, 1e3 * worst, 1e3 * max(seen[:quiet])))
    assert worst < took / 5


def shed(g):
    with Client(g.admin) as c:
        return int(re.search(r"(?m)^portcullis_tls_handshakes_shed_total (\d+)", c.get("/metrics", "localhost").text)[1])


@pytest.mark.slow
def test_handshakes_that_nobody_waits_for_any_more_are_shed(costly):
    """What has been in the queue for half of its time is not begun; a client that is slow itself is not meant."""
    g = costly("handshake: 500ms")
    with Raw(g.https) as late:
        time.sleep(0.35)
        late.send(RSA_HELLO)
        assert late.record()[0] == HANDSHAKE
    assert shed(g) == 0
    answered = burst(g, 300)
    time.sleep(0.3)
    assert 0 < answered < 300 and 0 < shed(g) <= 300 - answered
    assert g.get("/", tls=True).status == 200


# ---- Records ----

def until_closed(peer, data, most):
    for i in range(most):
        if not peer.write(data):
            return i
    return None if peer.stays() else most


@pytest.mark.parametrize("version", [0x0303, 0x0304], ids=["1.2", "1.3"])
def test_records_of_one_byte_end_at_a_hundred(rig, served, version):
    head = request("/" + "x" * 4000)
    with Peer(rig.https, version) as peer:
        began, answer = time.monotonic(), until_closed(peer, b"x", 10000)
        assert answer is not None and seconds(began) < 3
    before = rig.get("/", tls=True).status
    with Peer(rig.https, version) as peer:
        # A head in pieces that are small but no flood is a head.
        for i in range(0, len(head), 50):
            assert peer.write(head[i:i + 50])
        assert peer.read(100).startswith(b"HTTP/1.1 200") and before == 200


@pytest.mark.parametrize("ask", [False, True], ids=["plain", "asking for ours"])
def test_key_updates_end_at_a_hundred(rig, served, ask):
    with Peer(rig.https, 0x0304) as peer:
        began, n = time.monotonic(), 0
        while n < 10000 and peer.update_key(ask):
            n += 1
        assert n < 10000 or not peer.stays()
        assert seconds(began) < 5


def test_key_updates_between_requests_are_followed(rig, served):
    with Peer(rig.https, 0x0304) as peer:
        for _ in range(50):
            assert peer.update_key(True) and peer.write(request("/"))
            assert peer.read().startswith(b"HTTP/1.1 200")


def test_key_updates_hidden_between_bytes_end_too(rig, served):
    """Many fit into one read of the socket, and what follows them is content."""
    with Peer(rig.https, 0x0304) as peer:
        assert peer.write(b"POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n")
        n = 0
        while n < 10000 and peer.update_key() and peer.write(b"x" * 100):
            n += 1
        assert n < 10000 or not peer.stays()


FLOODS = {
    "empty records": lambda p: p.seal(DATA, b""),
    "warnings": lambda p: p.seal(ALERT, b"\1\x5a"),
    "warnings of no renegotiation": lambda p: p.seal(ALERT, b"\1\x64"),
    "hello requests": lambda p: p.seal(HANDSHAKE, b"\0\0\0\0"),
    "hellos": lambda p: p.seal(HANDSHAKE, client_hello(NAME)),
    "pieces of a message": lambda p: p.seal(HANDSHAKE, b"\1"),
    "no type that there is": lambda p: p.seal(99, b"x"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_other_records_end_the_connection(rig, served, name):
    with Peer(rig.https, 0x0303) as peer:
        assert peer.write(request("/")) and peer.read().startswith(b"HTTP/1.1 200")
        peer.sequence = 2
        peer.key, peer.salt = peer.keys()
        assert peer.flood(FLOODS[name](peer) for _ in range(10000)) is not None


@pytest.mark.parametrize("name", ["empty records", "warnings"])
def test_the_same_between_bytes_of_a_request_end_it_too(rig, served, name):
    """As many in a row as OpenSSL allows, a byte of content, and so on."""
    head = b"POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n"
    with Peer(rig.https, 0x0303) as peer:
        assert peer.write(head)
        peer.sequence = 2
        peer.key, peer.salt = peer.keys()
        row = 30 if name == "empty records" else 4
        assert peer.flood(b"".join([FLOODS[name](peer) for _ in range(row)] + [peer.seal(DATA, b"x" * 20)]) for _ in range(2000)) is not None


@pytest.mark.slow
def test_floods_side_by_side_leave_the_others_alone(rig, served, beside, capsys):
    """Twenty connections that begin a flood again whenever one is ended."""
    end = time.monotonic() + 4
    begun = [0]

    def again():
        while time.monotonic() < end:
            try:
                with Peer(rig.https, 0x0304) as peer:
                    while time.monotonic() < end and peer.update_key():
                        pass
                begun[0] += 1
            except (OSError, AssertionError):
                pass

    threads = [threading.Thread(target=again) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    seen = beside()
    with capsys.disabled():
        print("\n%d floods of key updates in 4 s; beside them a page took %.1f ms, %.0f ms at most" %
              (begun[0], 1e3 * statistics.median(seen), 1e3 * max(seen)))
    assert len(seen) > 20 and statistics.median(seen) < 0.5
