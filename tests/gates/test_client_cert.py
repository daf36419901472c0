"""Sites that ask their clients for certificates: who gets in, on which connection, and what origins hear of them."""
import base64
import hashlib
import json
import re
import shutil
import socket
import ssl
import struct
import time

import pytest

from rig_client import Client, Closed, request, trusting
from rig_gateway import check, make_certificate
from rig_tls import HANDSHAKE, Raw, client_hello, message, record, records, server_name
from test_reload import changed, reload

V = ssl.TLSVersion
VERSIONS = pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=["1.2", "1.3"])

SITES = """
sites:
  need:  {hosts: [need.example.com, need2.example.com], origin: '$origin', policy: certs, client_cert: required, client_ca: '%(one)s'}
  wish:  {hosts: [wish.example.com], origin: '$origin', policy: certs, client_cert: optional, client_ca: '%(one)s'}
  other: {hosts: [other.example.com], origin: '$origin', client_cert: required, client_ca: '%(two)s'}
  open:  {hosts: [open.example.com, '*.open.example.com'], origin: '$origin'}
"""

POLICY = """policy: certs
rules:
  - {id: proven, when: 'path under "/proven" and not tls.client.verified', do: block 451}
  - {id: ann, when: 'path under "/ann" and tls.client.san != "email:ann@example.com"', do: block 452}
  - {id: cn, when: 'path under "/cn" and not tls.client.subject == "CN=ann,O=Example\\\\, Inc."', do: block 453}
  - {id: missing, when: 'path under "/missing" and tls.client.sha256 is missing', do: block 454}
waf: {mode: off}
"""


class Papers:
    """Two authorities and what they have issued."""

    def __init__(self, folder):
        make = lambda name, **how: make_certificate(folder, name, [how.pop("san", name + ".client")], **how)
        self.one, self.two = make("one", subject="/CN=one"), make("two", subject="/CN=two")
        self.good = make("good", ca=self.one)
        self.ann = make_certificate(folder, "ann", ["ann.client"], ca=self.one, subject="/O=Example, Inc./CN=ann",
                                    extensions=["subjectAltName=DNS:ann.client,email:ann@example.com,URI:spiffe://client/ann,IP:192.0.2.9",
                                                "extendedKeyUsage=clientAuth"])
        self.of_two = make("of_two", ca=self.two)
        self.expired = make("expired", ca=self.one, days=-1)
        self.server = make("server", ca=self.one, extensions=["extendedKeyUsage=serverAuth"])
        self.selfish = make("selfish")
        self.below = make("below", ca=self.one, extensions=["basicConstraints=critical,CA:TRUE"])
        self.leaf = make("leaf", ca=self.below)
        self.chained = (folder / "chained.pem", self.leaf[1])
        self.chained[0].write_text(self.leaf[0].read_text() + self.below[0].read_text())
        self.forged = (folder / "forged.pem", self.good[1])
        self.forged[0].write_text(forge(self.good[0].read_text()))


def forge(pem):
    """The same certificate, one bit of its signature changed."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(pem))
    der[-1] ^= 1
    return ssl.DER_cert_to_PEM_cert(bytes(der))


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin, papers):
    text = "processes: {workers: 2}\n" + SITES % {"one": papers.one[0], "two": papers.two[0]}
    g = shared_gateway(text, origin=shared_origin, policies={"certs": POLICY})
    return g


def context(paper=None, version=None):
    c = trusting()
    if paper:
        c.load_cert_chain(*paper)
    if version:
        c.minimum_version = c.maximum_version = version
    return c


def ask(g, name, host=None, paper=None, version=None, target="/", fields=()):
    """The status, or "refused" where there is no connection.  In 1.3 a client hears of that behind its own handshake."""
    try:
        with Client(g.https, tls=context(paper, version), name=name) as c:
            return c.get(target, host or name, *fields).status
    except (Closed, OSError):
        return "refused"


# ---- Who gets in ----

@VERSIONS
@pytest.mark.parametrize("paper, need, wish, other", [
    (None, "refused", 200, "refused"),
    ("good", 200, 200, "refused"),
    ("ann", 200, 200, "refused"),
    ("chained", 200, 200, "refused"),
    ("leaf", "refused", "refused", "refused"),
    ("of_two", "refused", "refused", 200),
    ("expired", "refused", "refused", "refused"),
    ("server", "refused", "refused", "refused"),
    ("selfish", "refused", "refused", "refused"),
    ("forged", "refused", "refused", "refused"),
])
def test_a_certificate_opens_the_sites_of_its_authority(rig, papers, version, paper, need, wish, other):
    shown = paper and getattr(papers, paper)
    got = [ask(rig, n, paper=shown, version=version) for n in ("need.example.com", "wish.example.com", "other.example.com")]
    assert got == [need, wish, other]
    assert ask(rig, "open.example.com", paper=shown, version=version) == 200


GARBAGE = {
    "nothing": b"",
    "random": bytes(range(256)) * 2,
    "an endless sequence": b"\x30\x84\xff\xff\xff\xff",
    "an empty sequence": b"\x30\x00",
    "deep": b"\x30\x80" * 4000,
    "half of one": "half",
    "trailing bytes": "trailing",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_certificate_ends_the_handshake(rig, papers, name):
    der = GARBAGE[name]
    good = ssl.PEM_cert_to_DER_cert(papers.good[0].read_text())
    der = good[:len(good) // 2] if der == "half" else good + b"\0" * 9 if der == "trailing" else der
    with Raw(rig.https) as raw:
        raw.send(records(client_hello(server_name(b"need.example.com"))))
        assert 13 in raw.until_hello_done(), "no certificate was asked for"
        listed = len(der).to_bytes(3, "big") + der if der else b""
        raw.send(records(message(11, len(listed).to_bytes(3, "big") + listed)))
        level, what = raw.end()
        assert level == 2 and what in (40, 42, 46, 50, 80), "alert %d" % what
    assert ask(rig, "need.example.com", paper=papers.good) == 200


@pytest.mark.parametrize("size", [40 << 10, 1 << 20, (1 << 24) - 1])
def test_a_list_of_certificates_without_end_is_not_read(rig, papers, size):
    with Raw(rig.https) as raw:
        raw.send(records(client_hello(server_name(b"need.example.com"))))
        raw.until_hello_done()
        raw.send(record(HANDSHAKE, bytes([11]) + size.to_bytes(3, "big") + b"\0" * 1000))
        assert raw.end() == (2, 47)


# ---- Which connection carries what ----

NAMES = ["need.example.com", "wish.example.com", "other.example.com", "open.example.com"]


@VERSIONS
@pytest.mark.parametrize("sni", NAMES)
@pytest.mark.parametrize("host", NAMES)
def test_a_connection_carries_requests_of_its_own_site(rig, papers, version, sni, host):
    before = rig.origin.bytes_seen()
    paper = papers.of_two if sni.startswith("other") else papers.good
    with Client(rig.https, tls=context(paper, version), name=sni) as c:
        answer = c.get("/x", host)
        assert answer.status == (200 if sni == host else 421)
        if sni != host:
            assert c.closed() and rig.origin.bytes_seen() == before


def test_two_names_of_one_site_are_one_site(rig, papers):
    assert ask(rig, "need.example.com", "need2.example.com", papers.good) == 200
    assert ask(rig, "a.open.example.com", "b.open.example.com") == 200
    assert ask(rig, "open.example.com", "a.open.example.com") == 200


@pytest.mark.parametrize("host, status", [("need.example.com", 421), ("other.example.com", 421), ("wish.example.com", 200), ("open.example.com", 200)])
@pytest.mark.parametrize("name", [None, "nobody.example.org"])
def test_who_says_no_name_of_ours_gets_what_asks_for_nothing(rig, papers, name, host, status):
    want = 421 if name and host.startswith("wish") else status
    assert ask(rig, name, host, papers.good) == want


def test_in_clear_there_are_no_certificates(rig):
    for host, status in (("need.example.com", 421), ("other.example.com", 421), ("wish.example.com", 200), ("open.example.com", 200)):
        assert rig.get("/", host).status == status
    assert rig.get("/proven", "wish.example.com").status == 451
    claims = ["Client-Cert: :AAAA:", "X-Client-Cert-Fingerprint: %064d" % 1]
    assert rig.get("/proven", "wish.example.com", *claims).status == 451


def test_the_second_request_of_a_connection_is_held_to_the_same(rig, papers):
    """And what is pipelined behind a misdirected one is not served."""
    before = len(rig.origin.requests)
    with Client(rig.https, tls=context(papers.good), name="need.example.com") as c:
        c.send(request("/first", "need.example.com") + request("/second", "other.example.com") + request("/third", "need.example.com"))
        assert [c.read().status, c.read().status] == [200, 421]
        assert c.closed()
    assert [r.path for r in rig.origin.requests[before:]] == ["/first"]


def test_a_refusal_says_why_in_the_record(rig, papers):
    lines = rig.lines()
    ask(rig, "open.example.com", "need.example.com")
    ask(rig, None, "need.example.com")
    wrong, bare = rig.log(lines + 2)[-2:]
    assert (wrong["status"], wrong["reason"]) == (421, "misdirected") and "another site" in wrong["why"]
    assert (bare["status"], bare["reason"]) == (421, "client-cert") and "demands a certificate" in bare["why"]


# ---- What is told of the client ----

OURS = ["client-cert", "x-client-cert-subject", "x-client-cert-san", "x-client-cert-fingerprint"]
LIES = ["Client-Cert: :bGllcw==:", "Client-Cert-Chain: :bGllcw==:", "X-Client-Cert: lies", "X-Client-Cert-Subject: CN=lies", "X-Client-Cert-SAN: DNS:lies",
        "X-Client-Cert-Fingerprint: lies", "X-Client-Cert-Verified: lies", "X-SSL-Client-Cert: lies", "X-SSL-Client-Verify: lies", "X-SSL-Client-S-DN: lies",
        "SSL-Client-Cert: lies", "X-TLS-Client-Cert: lies", "X-Forwarded-Client-Cert: By=lies", "X-Forwarded-Tls-Client-Cert: lies",
        "X-Amzn-Mtls-Clientcert: lies", "X-ARR-ClientCert: lies"]


def last(rig):
    return rig.origin.requests[-1]


@VERSIONS
def test_the_origin_hears_who_it_is(rig, papers, version):
    der = ssl.PEM_cert_to_DER_cert(papers.ann[0].read_text())
    assert ask(rig, "need.example.com", paper=papers.ann, version=version, fields=LIES) == 200
    got = last(rig)
    assert got.all("client-cert") == [":%s:" % base64.b64encode(der).decode()]
    assert got.all("x-client-cert-subject") == ["CN=ann,O=Example\\, Inc."]
    assert got.all("x-client-cert-san") == ["DNS:ann.client, email:ann@example.com, URI:spiffe://client/ann, IP:192.0.2.9"]
    assert got.all("x-client-cert-fingerprint") == [hashlib.sha256(der).hexdigest()]
    assert "lies" not in str(got.fields)


@pytest.mark.parametrize("name", ["wish.example.com", "open.example.com"])
def test_of_who_has_shown_none_the_origin_hears_nothing(rig, papers, name):
    paper = papers.ann if name.startswith("open") else None
    for line in LIES:
        assert ask(rig, name, paper=paper, fields=[line, "Connection: " + line.partition(":")[0]]) == 200
        assert not [n for n, _ in last(rig).fields if "cert" in n.lower()], line


def test_a_trusted_hop_does_not_say_it_either(gateway, origin, papers):
    g = gateway("trusted: ['127.0.0.0/8']\n" + SITES % {"one": papers.one[0], "two": papers.two[0]}, origin=origin, policies={"certs": POLICY})
    assert ask(g, "wish.example.com", fields=LIES) == 200
    assert "lies" not in str(origin.requests[-1].fields)
    assert ask(g, "wish.example.com", target="/proven", fields=LIES) == 451
    # Where the gateway asks nobody, a hop that does is all there is.
    assert ask(g, "open.example.com", fields=["X-SSL-Client-S-DN: CN=known"]) == 200
    assert origin.requests[-1].all("x-ssl-client-s-dn") == ["CN=known"]


@pytest.mark.parametrize("line", ["X_Client_Cert_Subject: lies", "Client_Cert: lies", "X.Client.Cert: lies", "X-Client-Cert_Fingerprint: lies",
                                  "Client-Cert_Chain: lies", "X!Client!Cert!SAN: lies"])
def test_names_that_pass_for_ours_are_refused(rig, papers, line):
    before = rig.origin.bytes_seen()
    assert ask(rig, "need.example.com", paper=papers.good, fields=[line]) == 400
    assert rig.origin.bytes_seen() == before


@pytest.mark.parametrize("line", ["X_SSL_Client_Verify: lies", "SSL_CLIENT_S_DN: lies", "X_Client_Cert_Verified: lies", "X_Tls_Client_Cert: lies"])
def test_names_that_pass_for_those_of_others_do_not_arrive(rig, papers, line):
    assert ask(rig, "need.example.com", paper=papers.good, fields=[line]) in (200, 400)
    assert "lies" not in str(rig.origin.requests[-1].fields)


@pytest.mark.parametrize("paper, target, status", [
    ("ann", "/proven", 200), (None, "/proven", 451),
    ("ann", "/ann", 200), ("good", "/ann", 452), (None, "/ann", 452),
    ("ann", "/cn", 200), ("good", "/cn", 453), (None, "/cn", 453),
    ("ann", "/missing", 200), (None, "/missing", 454),
])
def test_policies_read_the_certificate(rig, papers, paper, target, status):
    assert ask(rig, "wish.example.com", paper=paper and getattr(papers, paper), target=target) == status


def test_the_record_names_the_certificate(rig, papers):
    lines = rig.lines()
    assert ask(rig, "need.example.com", paper=papers.ann) == 200
    assert ask(rig, "wish.example.com") == 200
    proven, bare = rig.log(lines + 2)[-2:]
    assert proven["cert_sha256"] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(papers.ann[0].read_text())).hexdigest()
    assert proven["cert_subject"] == "CN=ann,O=Example\\, Inc."
    assert "cert_sha256" not in bare and "cert_subject" not in bare


# ---- D2: sessions ----

def visit(g, c, name, session=None, host=None):
    """(was it resumed, status, session left behind); (None, "refused", None) where there is no connection."""
    try:
        with socket.create_connection(("127.0.0.1", g.https), timeout=10) as raw:
            with c.wrap_socket(raw, server_hostname=name, session=session) as s:
                s.sendall(request("/session", host or name or "open.example.com"))
                head = s.recv(200)
                return s.session_reused, int(head.split()[1]) if head else "refused", s.session
    except OSError:
        return None, "refused", None


@VERSIONS
@pytest.mark.parametrize("first, paper", [("need.example.com", "good"), ("wish.example.com", "good"), ("wish.example.com", None), ("other.example.com", "of_two"),
                                          ("open.example.com", None), (None, None)])
def test_a_session_is_resumed_for_its_own_name_alone(rig, papers, version, first, paper):
    """Whoever comes with the ticket comes without the certificate; at its own name the session remembers it."""
    c = context(paper and getattr(papers, paper), version)
    for then in [*NAMES, "need2.example.com", None]:
        _, status, session = visit(rig, c, first)
        assert status == 200 and session
        resumed, status, _ = visit(rig, c, then, session)
        assert bool(resumed) == (first == then), (first, then)
        opens = {"need": paper == "good", "need2": paper == "good", "wish": paper != "of_two", "other": paper == "of_two", "open": True}
        assert status == (200 if opens[(then or "open").split(".")[0]] else "refused"), (first, then)


@VERSIONS
def test_a_resumed_session_is_the_same_client(rig, papers, version):
    c = context(papers.ann, version)
    _, _, session = visit(rig, c, "need.example.com")
    resumed, status, _ = visit(rig, c, "need.example.com", session)
    assert resumed and status == 200
    assert last(rig).all("x-client-cert-subject") == ["CN=ann,O=Example\\, Inc."]
    assert last(rig).all("x-client-cert-fingerprint") == [hashlib.sha256(ssl.PEM_cert_to_DER_cert(papers.ann[0].read_text())).hexdigest()]
    resumed, status, _ = visit(rig, c, "need.example.com", session, host="other.example.com")
    assert status == 421


# ---- A reload changes what is asked ----

def test_a_reload_that_changes_the_demand_is_held_to_at_once(gateway, origin, papers, folder):
    ca = folder / "ca.pem"
    shutil.copy(papers.one[0], ca)
    site = "sites: {shop: {hosts: [shop.example.com], origin: '$origin'%s}}"
    asked = ", client_cert: %s, client_ca: " + "'%s'" % ca
    g = gateway(site % (asked % "required"), origin=origin)
    write = lambda rest: g.file.write_text(re.sub(r"(origin: '[^']*')[^}]*", r"\1" + rest, g.file.read_text(), count=1))
    name = "shop.example.com"
    one, two = context(papers.good), context(papers.of_two)

    def open_with(c):
        client = Client(g.https, tls=c, name=name)
        assert client.get("/", name).status == 200
        return client

    # Another authority: old connections and sessions proved the wrong thing.
    old = open_with(one)
    _, _, session = visit(g, one, name)
    shutil.copy(papers.two[0], ca)
    code, said = reload(g)
    assert code == 0, said
    seen = len(origin.requests)
    assert old.get("/", name).status == 421 and old.closed()
    assert visit(g, one, name, session)[1] == "refused" and len(origin.requests) == seen
    assert ask(g, name, paper=papers.of_two) == 200

    # Optional now: who has shown one goes on; who has not may come.
    old = open_with(two)
    write(asked % "optional")
    assert reload(g)[0] == 0
    assert old.get("/", name).status == 200 and origin.requests[-1].all("x-client-cert-subject")
    bare = open_with(context())

    # Required again: of two connections that were asked the same, one has an answer.
    write(asked % "required")
    assert reload(g)[0] == 0
    assert old.get("/", name).status == 200
    assert bare.get("/", name).status == 421 and bare.closed()

    # Nothing is asked: who is there goes on, and the origin hears nothing of what was shown.
    write("")
    assert reload(g)[0] == 0
    assert old.get("/", name).status == 200 and not origin.requests[-1].all("x-client-cert-subject")
    plain = open_with(context())
    write(asked % "required")
    assert reload(g)[0] == 0
    assert plain.get("/", name).status == 421 and plain.closed()
    assert ask(g, name) == "refused"
    old.close()


def test_authorities_that_cannot_be_read_change_nothing(gateway, origin, papers, folder):
    ca = folder / "ca.pem"
    shutil.copy(papers.one[0], ca)
    g = gateway("sites: {shop: {hosts: [shop.example.com], origin: '$origin', client_cert: required, client_ca: '%s'}}" % ca, origin=origin)
    for text in ("", "garbage", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"):
        ca.write_text(text)
        code, said = reload(g)
        assert code == 1 and "ca.pem" in said and "goes on" in said, said
        assert ask(g, "shop.example.com", paper=papers.good) == 200 and ask(g, "shop.example.com") == "refused"


# ---- A site for any name ----

def test_where_any_name_is_served_no_name_is_asked_too(gateway, origin, papers):
    g = gateway("sites:\n  any: {hosts: ['*'], origin: '$origin', client_cert: required, client_ca: '%s'}\n"
                "  open: {hosts: [open.example.com], origin: '$origin'}\n" % papers.one[0], origin=origin)
    for name, host, paper, want in [(None, "127.0.0.1", None, "refused"), (None, "127.0.0.1", papers.good, 200),
                                    ("127.0.0.1", "127.0.0.1", papers.good, 200), ("what.ever", "else.where", papers.good, 200),
                                    ("what.ever", "else.where", None, "refused"), (None, "open.example.com", papers.good, 200),
                                    ("open.example.com", "open.example.com", None, 200), ("open.example.com", "what.ever", None, 421),
                                    ("what.ever", "open.example.com", papers.good, 421)]:
        assert ask(g, name, host, paper) == want, (name, host, bool(paper))


def test_mistakes_are_told_with_their_place():
    """A demand without authorities would be a door that looks locked."""
    code, said = check("sites: {shop: {hosts: [a.example], origin: 'http://127.0.0.1:9', client_cert: required}}")
    assert code == 1 and re.search(r"portcullis.yaml:1:\d+: error: .*add client_ca: FILE", said), said
