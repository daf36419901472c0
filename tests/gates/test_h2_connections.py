"""An HTTP/2 connection is a connection as any other: bounds, handshakes, hops, certificates, reloads, overload."""
import time

import pytest

from rig_client import trusting
from rig_gateway import make_certificate
from rig_h2 import H2, NO_ERROR, fields_of, literal
from rig_origin import page
from test_budgets import COSTLY
from test_proxy_protocol import CLIENT, block
from test_reload import reload

OFF = "policy: shop\nwaf: {mode: off}\n"

SITES = """
sites:
  a:    {hosts: [a.example.com, '*.a.example.com'], origin: '$origin'}
  b:    {hosts: [b.example.com], origin: '$origin', policy: b}
  need: {hosts: [need.example.com], origin: '$origin', policy: certs, client_cert: required, client_ca: '%(ca)s'}
  wish: {hosts: [wish.example.com], origin: '$origin', policy: certs, client_cert: optional, client_ca: '%(ca)s'}
"""

POLICIES = {"b": "policy: b\nrules: [{id: no, when: 'path under \"/no\"', do: block 451}]\nwaf: {mode: off}\n",
            "certs": "policy: certs\nrules: [{id: proven, when: 'path under \"/proven\" and not tls.client.verified', do: block 451}]\n"
                     "waf: {mode: off}\n"}


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    ca = make_certificate(folder, "ca", ["ca.client"], subject="/CN=ca")
    return ca, make_certificate(folder, "ann", ["ann.client"], ca=ca, subject="/CN=ann")


@pytest.fixture(scope="module")
def sites(shared_gateway, shared_origin, papers):
    return shared_gateway("processes: {workers: 1}\n" + SITES % {"ca": papers[0][0]}, origin=shared_origin, policies=POLICIES)


def context(paper=None):
    c = trusting()
    if paper:
        c.load_cert_chain(*paper)
    return c


def status(h, host, path="/"):
    return h.get(path, host).status


# ---- B16: which requests a connection may carry ----

def test_b16_a_connection_carries_requests_of_its_own_site(sites):
    with H2(sites.https, name="a.example.com") as h:
        assert status(h, "a.example.com") == 200 and status(h, "x.a.example.com") == 200
        before = sites.origin.bytes_seen()
        wrong = h.get("/no", "b.example.com")
        assert wrong.status == 421 and sites.origin.bytes_seen() == before
        assert sites.record(wrong)["reason"] == "misdirected"
        assert [status(h, host) for host in ("need.example.com", "wish.example.com", "nobody.example.org")] == [421] * 3
        assert sites.origin.bytes_seen() == before
        assert status(h, "a.example.com") == 200 and h.goaway is None, "the others of the connection go on"


def test_b16_a_certificate_is_of_the_connection_it_was_shown_on(sites, papers):
    with H2(sites.https, name="need.example.com", tls=context(papers[1])) as h:
        assert status(h, "need.example.com", "/proven") == 200
        got = sites.origin.requests[-1]
        assert got.all("x-client-cert-subject") == ["CN=ann"] and got.all("client-cert")[0].startswith(":")
        assert [status(h, host) for host in ("wish.example.com", "a.example.com")] == [421] * 2
    with H2(sites.https, name="wish.example.com", tls=context()) as h:
        assert status(h, "wish.example.com") == 200 and status(h, "wish.example.com", "/proven") == 451
        h.get("/claims", "wish.example.com", ("client-cert", ":AAAA:"), ("x-client-cert-subject", "CN=ann"))
        got = sites.origin.requests[-1]
        assert not got.all("client-cert") and not got.all("x-client-cert-subject")


def test_b16_where_a_certificate_is_missing_the_next_connection_may_bring_it(sites):
    """Nobody was asked on this one, so that the client is told to make another; what is on its way ends well."""
    with H2(sites.https, name=None, tls=context()) as h:
        assert status(h, "a.example.com") == 200
        wrong, right = h.wait(h.headers(fields_of("/", host="need.example.com")), h.headers(fields_of("/", host="a.example.com")))
        assert (wrong.status, right.status) == (421, 200)
        assert sites.record_where(lambda r: r.get("host") == "need.example.com" and r.get("reason") == "client-cert")["http"] == 2
        assert h.ended(NO_ERROR)


# ---- Reload ----

def test_a_reload_touches_no_connection_and_is_heard_on_it(gateway, origin):
    g = gateway("processes: {workers: 1}", origin=origin, policies={"shop": OFF})
    origin.answers["/slow"] = [1.0, page(b"late")]
    with H2(g.https) as h:
        assert status(h, "shop.example.com") == 200
        slow = h.headers(fields_of("/slow"))
        policy = g.folder / "policies" / "shop.yaml"
        policy.write_text(OFF + "rules: [{id: no, when: 'path == \"/no\"', do: block 451}]\n")
        code, said = reload(g)
        assert code == 0, said
        assert status(h, "shop.example.com", "/no") == 451
        assert h.wait(slow).status == 200 and h.goaway is None


# ---- Who it is for ----

def test_a_hop_names_the_client_of_each_stream(gateway, origin):
    g = gateway("listeners: [{address: '127.0.0.1:$https', proxy_protocol: 127.0.0.1},"
                " {address: '127.0.0.1:$http', serve: http, http2: on, proxy_protocol: 127.0.0.1}]\n"
                "client: {per_address: 2}", origin=origin, policies={"shop": OFF})
    for port, tls in ((g.https, True), (g.http, False)):
        with H2(port, tls=tls, hop=block()) as h:
            one, two = (h.headers(fields_of(p, scheme="https" if tls else "http")) for p in ("/one", "/two"))
            assert [a.status for a in h.wait(one, two)] == [200, 200]
        for path in ("/one", "/two"):
            line = g.record_where(lambda r: r["path"] == path and ("tls" in r) == tls)
            assert line["client"] == CLIENT and line["hop"] == "127.0.0.1"
    with H2(g.https, hop=block()) as first, H2(g.https, hop=block()) as second:
        assert status(first, "shop.example.com") == status(second, "shop.example.com") == 200
        with pytest.raises(OSError):
            H2(g.https, hop=block())
        assert status(first, "shop.example.com") == 200


# ---- Room ----

def test_near_the_end_the_longest_idle_makes_room_and_hears_goodbye(gateway, origin):
    origin.answers["/slow"] = [2.0, page(b"late")]
    g = gateway("processes: {workers: 1}\nclient: {connections: 20, per_address: 1000}", origin=origin, policies={"shop": OFF})
    busy = H2(g.https)
    slow = busy.headers(fields_of("/slow"))
    idle = [H2(g.https) for _ in range(17)]
    # The order is that of their last requests, not that in which they came.
    for h in idle[1:] + idle[:1]:
        assert status(h, "shop.example.com") == 200
    late = [H2(g.https) for _ in range(5)]
    for h in late:
        assert status(h, "shop.example.com") == 200
    assert all(h.ended(NO_ERROR) for h in idle[1:6])
    assert busy.wait(slow).status == 200, "who waits for an answer is not idle"
    assert idle[0].alive() and status(idle[0], "shop.example.com") == 200
    for h in [busy] + idle + late:
        h.close()


def test_a_connection_has_so_much_memory_for_all_its_streams(gateway, origin):
    """Some of them are refused, which may be repeated, or answered with what is wrong; the worker stays as it was."""
    origin.answers["/slow"] = [1.0, page(b"late")]
    g = gateway("processes: {workers: 1}\nclient: {memory: 256KiB}", origin=origin, policies={"shop": OFF})
    with H2(g.https, timeout=20) as h:
        streams = [h.headers(fields_of("/slow", "GET", "shop.example.com", ("x-long", "v" * 8000))) for _ in range(60)]
        h.until(lambda: all(h.answer(s).over for s in streams))
        answers = [h.answer(s) for s in streams]
        assert any(a.status == 200 for a in answers), answers
        assert any(a.status != 200 for a in answers), answers
        assert h.closed or status(h, "shop.example.com") == 200
    with H2(g.https) as h:
        assert status(h, "shop.example.com") == 200


# ---- More to do than can be done ----

@pytest.mark.slow
def test_a_worker_that_is_late_refuses_requests_of_streams_too(gateway, origin):
    g = gateway("client: {per_address: 5000}\nprocesses: {workers: 1, inspectors: 2, lag: 20ms}", origin=origin, policies=COSTLY)
    # Made once and without Huffman code: the gateway is to be late, not the client.
    costly = b"".join(literal(*f) for f in fields_of("/", "GET", "shop.example.com", *[("x", "abcd" * 1900)] * 2))
    rounds, seen, end = [], [], time.monotonic() + 30
    hs = [H2(g.https, timeout=30) for _ in range(12)]
    while time.monotonic() < end and not (seen.count(503) > 20 and seen.count(200) > 20):
        # There is always something to do.
        while len(rounds) < 3:
            rounds.append([(h, [h.headers(costly) for _ in range(6)]) for h in hs])
        for h, streams in rounds.pop(0):
            seen += [a.status for a in h.wait(*streams)]
    assert set(seen) == {200, 503} and seen.count(503) > 20 and seen.count(200) > 20, seen
    assert g.record_where(lambda r: r["status"] == 503)["reason"] == "overload"
    for h in hs:
        assert h.goaway is None
        h.close()
