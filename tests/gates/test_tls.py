"""TLS to clients: versions, suites, certificates by name, tickets, protocols, what is not TLS."""
import socket
import ssl
import subprocess

import pytest

from rig_client import Client, Closed, request, trusting
from rig_gateway import make_certificate


def der(pem):
    return ssl.PEM_cert_to_DER_cert(pem.read_text())


def shown(g, name, **options):
    """The certificate the gateway shows for that name."""
    with Client(g.https, tls=trusting(**options), name=name) as c:
        return c.socket.getpeercert(binary_form=True)


def context(least=None, most=None, ciphers=None):
    c = trusting()
    if ciphers:
        c.set_ciphers(ciphers + ":@SECLEVEL=0")
    if least:
        c.minimum_version = least
    if most:
        c.maximum_version = most
    return c


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    return shared_gateway("processes: {workers: 4}", origin=shared_origin)


V = ssl.TLSVersion


@pytest.mark.parametrize("version, name", [(V.TLSv1_2, "TLSv1.2"), (V.TLSv1_3, "TLSv1.3")])
def test_modern_versions_are_spoken_and_recorded(rig, version, name):
    with Client(rig.https, tls=context(version, version)) as c:
        answer = c.get()
        assert answer.status == 200 and c.socket.version() == name
    assert rig.record(answer)["tls"] == name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [V.TLSv1, V.TLSv1_1])
def test_old_versions_are_refused(rig, version):
    with pytest.raises((ssl.SSLError, OSError)):
        Client(rig.https, tls=context(version, version, "ALL"))


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256",
                                     "AECDH-AES128-SHA", "NULL"])
def test_old_suites_are_refused(rig, ciphers):
    try:
        weak = context(V.TLSv1_2, V.TLSv1_2, ciphers)
    except ssl.SSLError:
        pytest.skip("this OpenSSL does not offer it")
    with pytest.raises((ssl.SSLError, OSError)):
        Client(rig.https, tls=weak)


@pytest.mark.parametrize("ciphers", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_forward_secret_suites_are_spoken(rig, ciphers):
    with Client(rig.https, tls=context(V.TLSv1_2, V.TLSv1_2, ciphers)) as c:
        assert c.get().status == 200


def test_certificates_are_chosen_by_name(gateway, origin, folder):
    first, exact, wild = (make_certificate(folder, n, names) for n, names in
                          [("first", ["first.example.com"]), ("exact", ["www.shop.example.net"]), ("wild", ["*.shop.example.net"])])
    g = gateway("certificates:\n" + "".join("  - {certificate: '%s', key: '%s'}\n" % pair for pair in (first, exact, wild)), origin=origin)
    assert shown(g, "www.shop.example.net") == der(exact[0])
    assert shown(g, "WWW.Shop.Example.net") == der(exact[0])
    assert shown(g, "a.shop.example.net") == der(wild[0])
    assert shown(g, "a.b.shop.example.net") == der(first[0]), "a wildcard is one label"
    assert shown(g, "shop.example.net") == der(first[0])
    assert shown(g, "unknown.example.org") == der(first[0])
    assert shown(g, None) == der(first[0])


def test_ecdsa_stands_beside_rsa_for_one_name(gateway, origin, folder):
    ec, rsa = make_certificate(folder, "ec", kind="ec"), make_certificate(folder, "rsa", kind="rsa")
    g = gateway("certificates:\n" + "".join("  - {certificate: '%s', key: '%s'}\n" % pair for pair in (rsa, ec)), origin=origin)
    for cipher, want in (("ECDHE-ECDSA-AES128-GCM-SHA256", ec), ("ECDHE-RSA-AES128-GCM-SHA256", rsa)):
        with Client(g.https, tls=context(V.TLSv1_2, V.TLSv1_2, cipher)) as c:
            assert c.socket.getpeercert(binary_form=True) == der(want[0])


@pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3])
def test_a_ticket_of_one_worker_is_good_at_all(rig, version):
    c = context(version, version)
    with Client(rig.https, tls=c) as first:
        assert first.get().status == 200
        session = first.socket.session
    resumed = 0
    for _ in range(16):
        raw = socket.create_connection(("127.0.0.1", rig.https), timeout=10)
        with c.wrap_socket(raw, server_hostname="shop.example.com", session=session) as s:
            s.sendall(request("/"))
            assert s.recv(100).startswith(b"HTTP/1.1 200")
            resumed += s.session_reused
    assert resumed == 16


def test_a_ticket_outlives_the_worker_that_made_it(gateway, origin):
    import os
    import signal
    import time
    g = gateway("processes: {workers: 1}", origin=origin)
    c = context(V.TLSv1_3, V.TLSv1_3)
    with Client(g.https, tls=c) as first:
        first.get()
        session = first.socket.session
    os.kill(g.role("worker")[0], signal.SIGKILL)
    time.sleep(1)
    raw = socket.create_connection(("127.0.0.1", g.https), timeout=10)
    with c.wrap_socket(raw, server_hostname="shop.example.com", session=session) as s:
        assert s.session_reused


@pytest.mark.parametrize("offered, agreed", [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (None, None)])
def test_alpn_agrees_on_what_is_spoken(rig, offered, agreed):
    c = trusting()
    if offered:
        c.set_alpn_protocols(offered)
    with Client(rig.https, tls=c) as client:
        assert client.socket.selected_alpn_protocol() == agreed
        assert agreed == "h2" or client.get().status == 200


@pytest.mark.parametrize("offered", [["ftp"], ["smtp", "imap"], ["h2c"]])
def test_another_protocol_is_not_spoken(rig, offered):
    c = trusting()
    c.set_alpn_protocols(offered)
    with pytest.raises((ssl.SSLError, OSError)):
        with Client(rig.https, tls=c):
            pass


def test_renegotiation_is_refused(rig):
    # With -quiet or piped input s_client still takes R at the beginning of a line.
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % rig.https, "-tls1_2", "-servername", "shop.example.com"],
                          input=b"R\nGET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", capture_output=True, timeout=20)
    said = done.stdout + done.stderr
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said.lower() or b"HTTP/1.1 200" not in said


def test_there_is_no_early_data(rig, folder):
    session = folder / "session"
    run = lambda *more: subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % rig.https, "-tls1_3", "-servername", "shop.example.com", *more],
                                       input=request("/", "shop.example.com", "Connection: close"), capture_output=True, timeout=20)
    run("-sess_out", session, "-ign_eof")
    assert session.exists()
    (folder / "early").write_bytes(request("/early"))
    said = run("-sess_in", session, "-early_data", folder / "early", "-ign_eof")
    assert b"Early data was accepted" not in said.stdout + said.stderr


def test_plain_http_on_the_tls_port_is_not_answered_as_http(rig):
    with rig.client(timeout=5) as plain:
        pass
    with Client(rig.https, timeout=5) as c:
        c.send(request("/"))
        try:
            while c.more():
                pass
        except TimeoutError:
            pytest.fail("the connection hangs")
        assert b"HTTP/1.1 200" not in c.rest
    assert rig.get("/", tls=True).status == 200


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_hello_in_small_pieces_is_a_hello(rig, size):
    client, server = socket.socketpair()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting().wrap_bio(incoming, outgoing, server_hostname="shop.example.com")
    with socket.create_connection(("127.0.0.1", rig.https), timeout=10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = outgoing.read()
                for i in range(0, len(data), size):
                    s.sendall(data[i:i + size])
                incoming.write(s.recv(65536))
        s.sendall(outgoing.read())
        assert tls.version() == "TLSv1.3"
    client.close()
    server.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "a" * 63 + ".example.com", "xn--e1afmkfd.example.com"])
def test_any_name_gets_a_handshake_and_nothing_breaks(rig, name):
    with Client(rig.https, tls=trusting(), name=name) as c:
        assert c.get().status == 200


def test_large_pages_over_tls_come_whole_through_many_records(rig, shared_origin):
    from rig_origin import page
    body = bytes(i % 251 for i in range(3 << 20))
    shared_origin.answers["/large"] = [page(body)]
    with rig.client(tls=True) as c:
        for _ in range(2):
            assert c.get("/large").body == body
