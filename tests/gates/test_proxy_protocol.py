"""The PROXY header of a load balancer: from listed networks only, read to the byte, and its address is the client everywhere."""
import socket
import struct
import threading
import time

import pytest

from rig_client import Closed, request, trusting
from rig_gateway import free_port

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT = "203.0.113.7"


def line(source=CLIENT, target="198.51.100.1", port=4711):
    return ("PROXY TCP%d %s %s %d 443\r\n" % (6 if ":" in source else 4, source, target, port)).encode()


def block(source=CLIENT, target="198.51.100.1", port=4711, additions=b"", command=0x21, family=None, length=None):
    v6 = ":" in source
    kind = socket.AF_INET6 if v6 else socket.AF_INET
    ends = socket.inet_pton(kind, source) + socket.inet_pton(kind, target) + struct.pack("!HH", port, 443) + additions
    return SIGNATURE + bytes([command, family if family is not None else 0x21 if v6 else 0x11]) + \
        struct.pack("!H", len(ends) if length is None else length) + ends


def v6(header):
    return header("2001:db8::7", "2001:db8::1")


HEADERS = {"v1": line(), "v1-ipv6": v6(line), "v2": block(), "v2-ipv6": v6(block),
           "v2-additions": block(additions=b"\x01\x00\x02h2\x04\x0f\xa0" + bytes(4000))}


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin, countries):
    g = shared_gateway("""
        listeners:
          - {address: '127.0.0.1:$http', serve: http, proxy_protocol: 127.0.0.0/24}
          - {address: '127.0.0.1:$https', serve: https, proxy_protocol: ['10.0.0.0/8', '127.0.0.1']}
          - {address: '127.0.0.1:%d', serve: http}
        trusted: [192.0.2.1]
        geoip: {country: '%s'}
        client: {per_address: 4, handshake: 1s, head: 3s}
        """ % (free_port(), countries), origin=shared_origin, policies={"shop": """policy: shop
rules:
  - {id: embargo, when: 'ip.country == KP', do: block 451}
  - {id: home, when: 'ip in [203.0.113.99]', do: block 403}
limits:
  - {id: few, when: 'path == "/few"', rate: 2 per 1h}
waf: {mode: off}
"""})
    return g


def is_silent(s):
    """Closed, or reset because of what was left unread, and nothing said."""
    try:
        return s.recv(4096) == b""
    except ConnectionError:
        return True


def ask(rig, header, target="/", *fields, tls=False, pieces=None):
    """One request behind a header, in clear or under TLS."""
    with rig.client() if not tls else behind(rig, header) as c:
        if not tls:
            c.send(*(pieces or [header]))
        return c.ask(request(target, "shop.example.com", *fields))


def behind(rig, header, pieces=None):
    """A TLS client whose connection begins with `header`."""
    c = rig.client()
    c.socket.close()
    c.socket = socket.create_connection(("127.0.0.1", rig.https), timeout=15)
    c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces or [header]:
        c.socket.sendall(piece)
    c.socket = trusting().wrap_socket(c.socket, server_hostname="shop.example.com")
    return c


def record(rig, *how, **more):
    answer = ask(rig, *how, **more)
    return answer, rig.record(answer)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", HEADERS)
def test_the_client_is_whom_the_header_names(rig, name, tls):
    client = "2001:db8::7" if "ipv6" in name else CLIENT
    answer, line_of = record(rig, HEADERS[name], tls=tls)
    assert answer.status == 200
    assert line_of["client"] == client and line_of["hop"] == "127.0.0.1" and "peer" not in line_of
    assert rig.origin.requests[-1].all("x-forwarded-for") == [client] and rig.origin.requests[-1].all("x-real-ip") == [client]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", ["v1", "v2"])
def test_a_header_may_come_byte_by_byte_and_with_what_follows(rig, name, tls):
    header = HEADERS[name]
    split = [header[i:i + 1] for i in range(len(header))]
    if tls:
        with behind(rig, header, split) as c:
            assert c.get("/").status == 200
    else:
        assert ask(rig, header, pieces=split).status == 200
        with rig.client() as c:
            c.send(header + request("/one") + request("/two"))
            assert [c.read().status, c.read().status] == [200, 200]
        for cut in range(1, len(header), 5):
            assert ask(rig, header, pieces=[header[:cut], header[cut:]]).status == 200


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 203.0.113.7 198.51.100.1 1 2\r\n", block(command=0x20),
                                    SIGNATURE + b"\x20\x00\x00\x00", SIGNATURE + b"\x21\x00\x00\x00"],
                         ids=["unknown", "unknown-with-ends", "local", "local-empty", "unspecified"])
def test_a_hop_may_come_for_itself(rig, header):
    answer, line_of = record(rig, header)
    assert answer.status == 200 and line_of["client"] == "127.0.0.1" and line_of["hop"] == "127.0.0.1"


BAD = {"none": request("/"), "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "garbage": b"\0" * 64,
       "lower case": line().lower(), "bare lf": line().replace(b"\r\n", b"\n"), "endless": b"PROXY TCP4 " + b"1" * 200,
       "port": line(port=65536), "family": line().replace(b"TCP4", b"TCP6"), "signature": block()[:11] + b"X" + block()[12:],
       "version": block(command=0x31), "command": block(command=0x22), "udp": block(family=0x12), "unix": block(family=0x31, length=216) + bytes(216),
       "short": block(length=11), "long": block(length=13) + b"\0", "64 KiB": block(additions=bytes(65523)),
       "addition": block(additions=b"\x04\x00\x09abc"), "checksum": block(additions=b"\x03\x00\x04\x00\x00\x00\x01")}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_closed_without_a_word(rig, name, tls):
    before = rig.origin.bytes_seen()
    with socket.create_connection(("127.0.0.1", rig.https if tls else rig.http), timeout=5) as s:
        try:
            s.sendall(BAD[name] + request("/bad"))
        except ConnectionError:
            pass
        assert is_silent(s)
    assert rig.origin.bytes_seen() == before


def test_a_source_that_is_not_listed_is_closed_with_or_without_a_header(rig):
    for port in (rig.http, rig.https):
        for message in (line() + request("/"), request("/"), b""):
            with socket.socket() as s:
                s.settimeout(5)
                s.bind(("127.0.9.9", 0))
                s.connect(("127.0.0.1", port))
                try:
                    s.sendall(message)
                except ConnectionError:
                    pass
                assert is_silent(s)


def test_a_second_header_is_no_request(rig):
    before = rig.origin.bytes_seen()
    for first in ("v1", "v2"):
        for second in ("v1", "v2"):
            answer = ask(rig, HEADERS[first] + HEADERS[second])
            assert answer.status == 400
            with pytest.raises((OSError, Closed)):
                behind(rig, HEADERS[first] + HEADERS[second])
    assert rig.origin.bytes_seen() == before


def test_where_no_header_is_due_one_is_no_request(gateway, origin):
    g = gateway(origin=origin)
    for header in (line(), block()):
        assert g.ask(header + request("/")).status == 400
    assert origin.bytes_seen() == 0


def test_a_header_has_its_time(rig):
    for port, sent in ((rig.http, b""), (rig.http, b"PROXY TCP4 203"), (rig.https, b""), (rig.https, block()[:20])):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(sent)
            assert is_silent(s)
        assert 0.8 < time.monotonic() - began < 3


def test_a_drip_does_not_stretch_it(rig):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", rig.http), timeout=5) as s:
        with pytest.raises(OSError):
            for byte in line() * 9:
                s.sendall(bytes([byte]))
                time.sleep(0.05)
    assert time.monotonic() - began < 3


def test_policy_places_and_limits_go_by_the_named_client(rig):
    assert ask(rig, line("175.45.176.9")).status == 451
    assert ask(rig, line("81.169.128.9")).status == 200
    assert ask(rig, block("203.0.113.99")).status == 403
    assert [ask(rig, line("203.0.113.%d" % (20 + i % 2)), "/few").status for i in range(6)] == [200, 200, 200, 200, 429, 429]


def test_forwarded_fields_are_believed_of_the_named_client_not_of_the_hop(rig):
    claim = "X-Forwarded-For: 203.0.113.50"
    assert record(rig, line(), "/", claim)[1]["client"] == CLIENT
    line_of = record(rig, line("192.0.2.1"), "/", claim)[1]
    assert line_of["client"] == "203.0.113.50" and line_of["peer"] == "192.0.2.1" and line_of["hop"] == "127.0.0.1"


def test_connections_are_bounded_by_the_named_client_not_by_the_hop(rig):
    def hold(header):
        s = socket.create_connection(("127.0.0.1", rig.http), timeout=5)
        s.sendall(header + request("/"))
        return s

    many = [hold(line("198.51.100.%d" % (10 + i))) for i in range(40)]
    assert all(s.recv(65536).startswith(b"HTTP/1.1 200") for s in many)
    own = [hold(b"PROXY UNKNOWN\r\n") for _ in range(12)]
    assert all(s.recv(65536).startswith(b"HTTP/1.1 200") for s in own)
    same = [hold(line("198.51.100.99")) for _ in range(7)]
    answers = []
    for s in same:
        try:
            answers.append(s.recv(65536)[:12])
        except ConnectionError:
            answers.append(b"")
    assert sorted(answers) == [b""] * 3 + [b"HTTP/1.1 200"] * 4
    for s in many + own + same:
        s.close()
    # Who has left makes room.
    end = time.monotonic() + 5
    while True:
        try:
            assert ask(rig, line("198.51.100.99")).status == 200
            break
        except (Closed, OSError):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_client_that_closes_its_side_is_answered(rig):
    with rig.client() as c:
        c.send(line() + request("/"))
        c.finish()
        assert c.read().status == 200
        assert c.closed()


def test_a_look_at_the_port_is_no_fault(rig):
    before = rig.stderr()
    for _ in range(5):
        socket.create_connection(("127.0.0.1", rig.http)).close()
    with rig.client() as c:
        c.send(b"PROXY GARBAGE\r\n")
        assert c.closed()
    end = time.monotonic() + 5
    while "malformed PROXY line" not in rig.stderr()[len(before):] and time.monotonic() < end:
        time.sleep(0.02)
    assert rig.stderr()[len(before):].count("load balancer") == 1


def test_many_at_once(rig):
    faults = []

    def run(k):
        for i in range(25):
            client = "198.18.%d.%d" % (k, i)
            answer = ask(rig, block(client) if i % 2 else line(client), "/who", tls=k % 2 == 1)
            if answer.status != 200:
                faults.append((k, i, answer.status))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    rig.origin.forget()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults
    seen = {r.get("x-forwarded-for") for r in rig.origin.requests if r.path == "/who"}
    assert seen == {"198.18.%d.%d" % (k, i) for k in range(8) for i in range(25)}
