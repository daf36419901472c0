"""Keys of session tickets: for how long each is good, at whom, and what of that nodes share."""
import socket
import ssl
import time

import pytest

from rig_client import Client, request
from rig_gateway import make_certificate

PERIOD = 2
V = ssl.TLSVersion


def context(version):
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    c.minimum_version = c.maximum_version = version
    return c


def visit(port, c, session=None, name="shop.example.com"):
    """(was it resumed, the session it left)."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        with c.wrap_socket(raw, server_hostname=name, session=session) as s:
            s.sendall(request("/"))
            assert s.recv(100).startswith(b"HTTP/1.1 200")
            return s.session_reused, s.session


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    return shared_gateway("processes: {workers: 2}\ntls: {ticket_period: %ds}\nlogs: {requests: off, errors: stderr, level: debug}" % PERIOD,
                          origin=shared_origin)


def fate(port, c, session):
    """What becomes of one ticket that is offered again and again: "kept", "renewed" or "refused", and when first."""
    began, seen = time.monotonic(), {}
    while "refused" not in seen:
        resumed, after = visit(port, c, session)
        what = "refused" if not resumed else "kept" if after.id == session.id else "renewed"
        seen.setdefault(what, time.monotonic() - began)
        assert time.monotonic() - began < 4 * PERIOD + 5, "it is good for ever: %s" % seen
        time.sleep(0.05)
    assert not visit(port, c, session)[0], "what was refused once is refused"
    return seen


def test_a_ticket_is_kept_then_renewed_then_refused(rig):
    """Whichever worker is asked: of 1.2 a ticket may be used again."""
    c = context(V.TLSv1_2)
    _, session = visit(rig.https, c)
    seen = fate(rig.https, c, session)
    assert list(seen) in (["kept", "renewed", "refused"], ["renewed", "refused"]), seen
    assert seen["renewed"] < PERIOD + 1 and PERIOD - 0.5 < seen["refused"] < 2 * PERIOD + 1, seen


def test_a_renewed_ticket_goes_on_where_the_old_one_ends(rig):
    c = context(V.TLSv1_2)
    _, session = visit(rig.https, c)
    end = time.monotonic() + PERIOD + 1
    while time.monotonic() < end:
        resumed, after = visit(rig.https, c, session)
        if after.id != session.id:
            break
        time.sleep(0.05)
    assert resumed and after.id != session.id
    assert visit(rig.https, c, after)[0]


def test_a_session_ends_however_often_it_was_resumed(rig):
    """Each visit of 1.3 brings the next ticket, under the newest key."""
    c = context(V.TLSv1_3)
    _, session = visit(rig.https, c)
    began, resumed = time.monotonic(), 0
    while True:
        again, session = visit(rig.https, c, session)
        if not again:
            break
        resumed += 1
        assert time.monotonic() - began < 2 * PERIOD + 5, "nothing is proved any more"
        time.sleep(0.05)
    assert resumed > 5 and time.monotonic() - began > 2 * PERIOD - 1
    assert visit(rig.https, c, session)[0]


SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def nodes(gateway, origin, folder):
    """Makes gateways with one certificate; each has `secret`, or none."""
    certificate = make_certificate(folder)

    def make(secret, period="12h"):
        text = "tls: {ticket_period: %s}\n" % period + ("cluster_secret_file: '$dir/secret'\n" if secret else "")
        return gateway(text, origin=origin, cert=certificate, files={"secret": secret or ""})

    return make


@pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3])
def test_nodes_with_one_secret_take_each_others_tickets(nodes, version):
    a, b, other, alone = nodes(SECRET), nodes(SECRET), nodes(SECRET[::-1]), nodes(None)
    c = context(version)
    _, session = visit(a.https, c)
    assert not visit(other.https, c, session)[0]
    _, session = visit(a.https, c)
    assert not visit(alone.https, c, session)[0]
    _, session = visit(a.https, c)
    resumed, session = visit(b.https, c, session)
    assert resumed
    a.stop()
    a.start()
    resumed, session = visit(a.https, c, session)
    assert resumed, "the secret is the same after a restart"
    _, mine = visit(alone.https, c)
    assert not visit(nodes(None).https, c, mine)[0], "who has no secret has keys of its own"


def test_keys_of_a_secret_change_with_time_too(nodes):
    a, b = nodes(SECRET, "%ds" % PERIOD), nodes(SECRET, "%ds" % PERIOD)
    c = context(V.TLSv1_2)
    _, session = visit(a.https, c)
    seen = fate(b.https, c, session)
    assert "renewed" in seen and PERIOD - 0.5 < seen["refused"] < 2 * PERIOD + 1, seen


def test_a_reload_with_another_secret_ends_old_tickets(nodes):
    from test_reload import changed
    g = nodes(SECRET)
    c = context(V.TLSv1_3)
    _, session = visit(g.https, c)
    changed(g, SECRET[::-1], "secret")
    resumed, session = visit(g.https, c, session)
    assert not resumed
    changed(g, g.file.read_text().replace("12h", "6h"), "portcullis.yaml")
    assert not visit(g.https, c, session)[0]
