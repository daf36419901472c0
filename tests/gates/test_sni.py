"""Server names as they come: whatever they are, nobody gets another's certificate or route, and nothing breaks."""
import os
import ssl

import pytest

from rig_client import Client, trusting
from rig_gateway import make_certificate
from rig_tls import ALERT, HANDSHAKE, Raw, client_hello, extension, records, server_name

SITES = """
sites:
  a: {hosts: [a.example.com], origin: '$origin', policy: a}
  b: {hosts: [b.example.com, '*.b.example.com'], origin: '$origin'}
"""


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin, tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    first, a, b = (make_certificate(folder, n, names) for n, names in
                   [("first", ["first.example.com"]), ("a", ["a.example.com"]), ("b", ["b.example.com", "*.b.example.com"])])
    g = shared_gateway("processes: {workers: 1}\ncertificates:\n" +
                       "".join("  - {certificate: '%s', key: '%s'}\n" % pair for pair in (first, a, b)) + SITES,
                       origin=shared_origin, policies={"a": "policy: a\nrules: [{id: no, when: 'path under \"/no\"', do: block 451}]\nwaf: {mode: off}\n"})
    g.shown = {ssl.PEM_cert_to_DER_cert(pair[0].read_text()): pair[0].stem for pair in (first, a, b)}
    return g


def visit(g, name, host, target="/"):
    """(whose certificate is shown, status)."""
    with Client(g.https, tls=trusting(), name=name) as c:
        return g.shown[c.socket.getpeercert(binary_form=True)], c.get(target, host).status


@pytest.mark.parametrize("name, host, shown, status", [
    ("a.example.com", "a.example.com", "a", 200),
    ("a.example.com", "A.EXAMPLE.COM", "a", 200),
    ("a.example.com", "a.example.com.", "a", 200),
    ("a.example.com", "a.example.com:8443", "a", 200),
    ("A.Example.com", "a.example.com", "a", 200),
    ("x.b.example.com", "y.b.example.com", "b", 200),
    ("a.example.com", "b.example.com", "a", 421),
    ("b.example.com", "a.example.com", "b", 421),
    ("x.b.example.com", "a.example.com", "b", 421),
    ("a.example.com", "nobody.example.org", "a", 421),
    ("nobody.example.org", "nobody.example.org", "first", 421),
    # A name that leads to no site says nothing, and neither does none.
    ("nobody.example.org", "a.example.com", "first", 200),
    ("first.example.com", "a.example.com", "first", 200),
    (None, "a.example.com", "first", 200),
    (None, "b.example.com", "first", 200),
    (None, "127.0.0.1", "first", 421),
])
def test_a_name_and_a_host_of_two_sites_do_not_go_together(rig, name, host, shown, status):
    assert visit(rig, name, host) == (shown, status)


def test_the_policy_is_the_one_of_the_host(rig):
    assert visit(rig, None, "a.example.com", "/no") == ("first", 451)
    before = rig.origin.bytes_seen()
    assert visit(rig, "b.example.com", "a.example.com", "/no") == ("b", 421)
    assert visit(rig, "a.example.com", "b.example.com", "/no") == ("a", 421)
    assert rig.origin.bytes_seen() == before


def first_answer(g, *extensions):
    """The first record that comes back: "hello", an alert's number, or "closed"."""
    with Raw(g.https) as raw:
        raw.send(records(client_hello(*extensions)))
        got = raw.record()
        if not got:
            return "closed"
        return got[1][1] if got[0] == ALERT else "hello"


NAMES = {
    "a dot at the end": (server_name(b"a.example.com."), "hello"),
    "an address": (server_name(b"127.0.0.1"), "hello"),
    "an address of IPv6": (server_name(b"::1"), "hello"),
    "255 bytes": (server_name(b"a" * 255), "hello"),
    "a star": (server_name(b"*.b.example.com"), "hello"),
    "a dot before it": (server_name(b".b.example.com"), "hello"),
    "dots alone": (server_name(b"..."), "hello"),
    "spaces and quotes": (server_name(b"a b\"'<>\\"), "hello"),
    "what is not ASCII": (server_name("b\u00fccher.example".encode()), "hello"),
    "a line end": (server_name(b"a.example.com\r\nX: y"), "hello"),
    "256 bytes": (server_name(b"a" * 256), 50),
    "20 KiB": (server_name(b"a" * 20480), 50),
    "60 KiB": (server_name(b"a" * 61440), "closed"),
    "a NUL at the end": (server_name(b"a.example.com\0"), 50),
    "a NUL inside": (server_name(b"a.example.com\0.evil.example"), 50),
    "a dot alone": (server_name(b"."), 50),
    "empty": (server_name(b""), 50),
    "an empty list": (extension(0, b"\0\0"), 50),
    "an empty extension": (extension(0, b""), 50),
    "two names": (server_name(b"a.example.com", b"b.example.com"), 50),
    "two thousand names": (server_name(*[b"%d.b" % i for i in range(2000)]), 50),
    "seven thousand names": (server_name(*[b"%d.b" % i for i in range(7000)]), "closed"),
    "another kind of name": (extension(0, b"\0\x05\x01\0\x02ab"), 50),
    "a length that lies": (extension(0, b"\0\x10\0\0\x0da.example"), 50),
    "bytes behind it": (extension(0, b"\0\x04\0\0\x01a!!"), 50),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_as_bytes_gets_a_hello_or_an_alert(rig, name):
    sent, want = NAMES[name]
    worker = rig.role("worker")
    assert first_answer(rig, sent) == want
    assert rig.role("worker") == worker and rig.get("/", "a.example.com").status == 200


def test_two_server_names_are_none(rig):
    """A second extension of one kind is an illegal parameter (RFC 8446 section 4.2)."""
    assert first_answer(rig, server_name(b"a.example.com"), server_name(b"b.example.com")) in (47, 50)


def test_noise_in_the_place_of_a_name_breaks_nothing(rig):
    worker = rig.role("worker")
    for size in range(0, 400, 7):
        assert first_answer(rig, extension(0, os.urandom(size))) in ("hello", 50)
    assert rig.role("worker") == worker


@pytest.mark.slow
def test_two_thousand_names_leave_nothing_behind(rig):
    """One after the other: no name is remembered."""
    for i in range(200):
        assert first_answer(rig, server_name(b"%d.example.net" % i)) == "hello"
    before = rig.resident_kib()
    for i in range(2000):
        assert first_answer(rig, server_name(os.urandom(8).hex().encode() + b".example.net")) == "hello"
    assert rig.resident_kib() < before + 2048
