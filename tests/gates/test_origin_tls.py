"""TLS towards origins, with an attacker on the way or in the origin's place: 502, and not one byte of theirs."""
import socket
import ssl
import threading
import time

import pytest

from rig_client import Closed, request
from rig_gateway import make_certificate
from rig_origin import page
from rig_tls import DATA, HANDSHAKE, record
from test_origins import pool
from test_reload import reload

V = ssl.TLSVersion
VERSIONS = pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=["1.2", "1.3"])
NAME = "backend.internal"
POISON = b"poison" * 10


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("origins")
    make = lambda name, names=(NAME,), **how: make_certificate(folder, name, list(names), **how)
    ca, stranger = make("ca", ["ca.internal"], subject="/CN=ca"), make("stranger", ["ca.internal"], subject="/CN=ca")
    below = make("below", ["below"], ca=ca, extensions=["basicConstraints=critical,CA:TRUE"])
    leaf = make("leaf", ca=below)
    chained = (folder / "chained.pem", leaf[1])
    chained[0].write_text(leaf[0].read_text() + below[0].read_text())
    return {"ca": ca, "good": make("good", ca=ca), "local": make("local", ["localhost", "127.0.0.1"], ca=ca), "wrong host": make("other", ["other.internal"], ca=ca),
            "expired": make("expired", ca=ca, days=-1), "self-signed": make("selfish"), "of a stranger": make("strange", ca=stranger),
            "without its chain": leaf, "with its chain": chained, "for clients": make("client", ca=ca, extensions=["extendedKeyUsage=clientAuth"])}


def context(paper, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*paper)
    if version:
        c.minimum_version = c.maximum_version = version
    return c


def trusting(papers, *origins, **more):
    return pool(*((o, "") for o in origins), tls_ca="'%s'" % papers["ca"][0], tls_name=NAME, eject_failures=1000, retries=0, **more)


# ---- What an origin shows ----

@VERSIONS
@pytest.mark.parametrize("which, says", [
    ("wrong host", "hostname mismatch"), ("expired", "certificate has expired"), ("self-signed", "self-signed certificate"),
    ("of a stranger", "unable to get local issuer certificate"), ("without its chain", "unable to get local issuer certificate"),
    ("for clients", "unsuitable certificate purpose")])
def test_an_origin_that_does_not_prove_itself_gets_no_byte(gateway, origin_maker, papers, version, which, says):
    o = origin_maker(tls=context(papers[which], version))
    g = gateway(trusting(papers, o))
    for _ in range(2):
        answer = g.ask(request("/secret", "shop.example.com", "Content-Type: text/plain", method="POST", body=b"secret"))
        assert answer.status == 502
        assert b"certificate" not in answer.body and b"internal" not in answer.body, "what is wrong is not the client's business"
    assert o.bytes_seen() == 0
    record_ = g.log(2)[-1]
    assert record_["reason"] == "origin-refused" and record_["why"] == says


@VERSIONS
@pytest.mark.parametrize("which", ["good", "with its chain"])
def test_one_that_does_is_asked(gateway, origin_maker, papers, version, which):
    o = origin_maker(tls=context(papers[which], version))
    g = gateway(trusting(papers, o))
    assert g.get("/x").status == 200 and o.targets() == ["/x"]


# ---- Who stands between ----

class Between:
    """Passes bytes on, and puts in its own at one point of each connection."""

    def __init__(self, to, where, what):
        self.to, self.where, self.what = to, where, what
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "https://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        far = socket.create_connection(("127.0.0.1", self.to))
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.where == "before the hello":
                near.sendall(self.what)
            threading.Thread(target=self.up, args=(near, far), daemon=True).start()
            self.down(near, far)
        except OSError:
            pass
        for s in (near, far):
            s.close()

    def up(self, near, far):
        """Turns of the gateway: hello, end of the handshake, request."""
        turn = 0
        try:
            while piece := near.recv(65536):
                turn += 1
                if (turn, self.where) in ((1, "behind the hello"), (2, "behind the handshake")):
                    near.sendall(self.what)
                far.sendall(piece)
            far.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def down(self, near, far):
        first = True
        while piece := far.recv(65536):
            if first and self.where == "before the answer to it":
                near.sendall(self.what)
            near.sendall(piece)
            if first and self.where == "behind the answer to it":
                near.sendall(self.what)
            first = False

    def close(self):
        self.listener.close()


PLAIN = page(POISON)
INJECTED = {"plain": PLAIN, "as a record": record(DATA, PLAIN), "as a message": record(HANDSHAKE, PLAIN), "as a record of nothing": record(DATA, b"")}


@VERSIONS
@pytest.mark.parametrize("where", ["before the hello", "behind the hello", "before the answer to it", "behind the answer to it", "behind the handshake"])
@pytest.mark.parametrize("verify", ["true", "false"])
def test_what_somebody_between_puts_in_is_nobodys_answer(gateway, origin_maker, papers, version, where, verify):
    """Also where certificates are not looked at: the bytes of a connection are the ones that its keys protect."""
    o = origin_maker(tls=context(papers["good"], version))
    shims = {name: Between(o.port, where, what) for name, what in INJECTED.items()}
    text = "origins:\n" + "".join("  o%d: {servers: ['%s'], tls_ca: '%s', tls_name: %s, tls_verify: %s, retries: 0, eject_failures: 1000, first_byte: 3s}\n"
                                  % (i, s.url, papers["ca"][0], NAME, verify) for i, s in enumerate(shims.values()))
    text += "sites:\n" + "".join("  s%d: {hosts: [s%d.example], origin: o%d}\n" % (i, i, i) for i in range(len(shims)))
    g = gateway(text)
    for i, name in enumerate(shims):
        with g.client() as c:
            try:
                answer = c.get("/x", "s%d.example" % i)
                assert POISON not in answer.body + answer.raw_head and answer.status in (502, 200), name
                # An empty record between the messages of a handshake is not forbidden in 1.2.
                assert answer.status == 502 or name == "as a record of nothing", name
            except Closed:
                pytest.fail("no answer: %s" % name)
    for s in shims.values():
        s.close()


# ---- Sessions ----

def resumed(o):
    return [c.resumed for c in o.connections if c.resumed is not None]


@VERSIONS
def test_a_session_of_one_name_is_not_offered_to_another(gateway, origin_maker, papers, version):
    """Two names of one group, whose servers know each other's tickets."""
    shared = context(papers["local"], version)
    a, b = origin_maker(tls=shared), origin_maker(tls=shared)
    g = gateway("origins: {pool: {servers: ['https://localhost:%d', 'https://127.0.0.1:%d'], tls_ca: '%s', keep: 0}}\n"
                "sites: {shop: {hosts: ['*'], origin: pool}}" % (a.port, b.port, papers["ca"][0]))
    for i in range(6):
        assert g.get("/%d" % i).status == 200
    assert len(resumed(a)) == len(resumed(b)) == 3
    assert resumed(a) == resumed(b) == [False, True, True], "each name begins with a handshake of its own"


@VERSIONS
def test_what_was_not_verified_opens_nothing_that_is(gateway, origin_maker, papers, version):
    o = origin_maker(tls=context(papers["self-signed"], version))
    group = "{servers: ['%s'], tls_name: %s, tls_ca: '%s', retries: 0, eject_failures: 1000, keep: 0, tls_verify: %s}"
    g = gateway("origins:\n  lax: %s\n  strict: %s\nsites:\n  lax: {hosts: [lax.example], origin: lax}\n  strict: {hosts: [strict.example], origin: strict}\n"
                % tuple(group % (o.url, NAME, papers["ca"][0], word) for word in ("false", "true")))
    for _ in range(3):
        assert g.get("/", "lax.example").status == 200
        assert g.get("/", "strict.example").status == 502
    assert resumed(o).count(True) == 2


@VERSIONS
def test_a_reload_that_takes_trust_away_takes_sessions_and_connections_too(gateway, origin_maker, papers, folder, version):
    o = origin_maker(tls=context(papers["good"], version))
    ca = folder / "ca.pem"
    ca.write_bytes(papers["ca"][0].read_bytes())
    g = gateway(pool((o, ""), tls_ca="'%s'" % ca, tls_name=NAME, eject_failures=1000, retries=0))
    assert g.get("/").status == 200 and g.get("/").status == 200
    assert len(o.connections) == 1
    ca.write_bytes(papers["self-signed"][0].read_bytes())
    code, said = reload(g)
    assert code == 0, said
    seen = o.bytes_seen()
    assert g.get("/").status == 502 and o.bytes_seen() == seen


@VERSIONS
def test_a_server_that_becomes_another_is_found_out(gateway, origin_maker, papers, version):
    """It takes over address and port, but not the key: the session that is offered to it is of no use."""
    o = origin_maker(tls=context(papers["good"], version))
    g = gateway(trusting(papers, o, keep=0))
    assert g.get("/").status == 200
    port = o.port
    o.stop()
    thief = origin_maker(tls=context(papers["of a stranger"], version), port=port)
    assert g.get("/").status == 502
    assert thief.bytes_seen() == 0
