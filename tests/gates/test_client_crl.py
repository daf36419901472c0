"""Certificates of clients that were revoked: who gets in, and what a newer list means for who is in already."""
import re
import shutil
import subprocess
import time

import pytest

from rig_client import Client
from rig_gateway import check, make_certificate
from test_client_cert import VERSIONS, Papers, ask, context, visit
from test_reload import reload

NAME = "shop.example.com"
SITE = "sites: {shop: {hosts: [%s], origin: '$origin', client_cert: %%s, client_ca: '%%s', client_crl: '%%s'}}" % NAME

ISSUER = """[ca]
default_ca = one
[one]
database = %s
default_md = sha256
"""


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout.strip()


def utc(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


class Lists:
    """Revocation lists, by the tool that operators use."""

    def __init__(self, folder):
        self.folder = folder

    def of(self, ca, revoked=(), began=-3600, ends=86400):
        """PEM of what `ca` (a pair) has revoked, good between these seconds from now."""
        database, settings = self.folder / "index.txt", self.folder / "ca.cnf"
        serials = [openssl("x509", "-in", paper[0], "-noout", "-serial").split("=")[1] for paper in revoked]
        database.write_text("".join("R\t%s\t%s\t%s\tunknown\t/CN=x\n" % (utc(9e6)[2:], utc(-60)[2:], serial) for serial in serials))
        settings.write_text(ISSUER % database)
        return openssl("ca", "-config", settings, "-gencrl", "-keyfile", ca[1], "-cert", ca[0],
                       "-crl_lastupdate", utc(began), "-crl_nextupdate", utc(ends)) + "\n"

    def write(self, name, *texts):
        path = self.folder / name
        path.write_text("".join(texts))
        return path


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def lists(tmp_path):
    return Lists(tmp_path)


# ---- Who gets in ----

@VERSIONS
def test_who_is_on_a_list_is_refused(gateway, origin, papers, lists, version):
    file = lists.write("crl.pem", lists.of(papers.one, [papers.ann]))
    g = gateway(SITE % ("required", papers.one[0], file), origin=origin)
    assert ask(g, NAME, paper=papers.good, version=version) == 200
    assert ask(g, NAME, paper=papers.ann, version=version) == "refused"
    assert ask(g, NAME, version=version) == "refused"
    # Whose intermediate has no list is refused as well: nobody can say whether it is good.
    assert ask(g, NAME, paper=papers.chained, version=version) == "refused"
    assert len(origin.requests) == 1


def test_of_a_chain_each_certificate_is_looked_up(gateway, origin, papers, lists):
    of_one, of_below = lists.of(papers.one), lists.of(papers.below)
    file = lists.write("crl.pem", of_one, of_below)
    g = gateway(SITE % ("required", papers.one[0], file), origin=origin)
    for of_one, of_below, want in [([], [], 200), ([papers.below], [], "refused"), ([], [papers.leaf], "refused"), ([], [], 200)]:
        lists.write("crl.pem", lists.of(papers.one, of_one), lists.of(papers.below, of_below))
        code, said = reload(g)
        assert code == 0, said
        assert ask(g, NAME, paper=papers.chained) == want, (of_one, of_below)
        assert ask(g, NAME, paper=papers.good) == 200


def test_an_intermediate_as_authority_needs_its_own_list_only(gateway, origin, papers, lists):
    file = lists.write("crl.pem", lists.of(papers.below))
    g = gateway(SITE % ("required", papers.below[0], file), origin=origin)
    assert ask(g, NAME, paper=papers.leaf) == 200 and ask(g, NAME, paper=papers.chained) == 200
    lists.write("crl.pem", lists.of(papers.below, [papers.leaf]))
    assert reload(g)[0] == 0
    assert ask(g, NAME, paper=papers.leaf) == "refused" and ask(g, NAME, paper=papers.chained) == "refused"


def test_where_certificates_are_optional_a_revoked_one_is_worse_than_none(gateway, origin, papers, lists):
    g = gateway(SITE % ("optional", papers.one[0], lists.write("crl.pem", lists.of(papers.one, [papers.ann]))), origin=origin)
    assert [ask(g, NAME, paper=p) for p in (None, papers.good, papers.ann)] == [200, 200, "refused"]


@pytest.mark.parametrize("began, ends, word", [(-7200, -3600, "is out of date"), (3600, 7200, "is not valid yet")])
def test_a_list_that_is_not_of_now_lets_nobody_in_and_is_warned_of(gateway, origin, papers, lists, began, ends, word):
    file = lists.write("crl.pem", lists.of(papers.one, began=began, ends=ends))
    g = gateway(SITE % ("required", papers.one[0], file), origin=origin)
    assert re.search(r"portcullis.yaml:1:\d+: warning: .*crl.pem: the list of /CN=one " + word, g.stderr()), g.stderr()
    assert ask(g, NAME, paper=papers.good) == "refused"
    lists.write("crl.pem", lists.of(papers.one))
    assert reload(g)[0] == 0
    assert ask(g, NAME, paper=papers.good) == 200


# ---- Who is in already ----

@VERSIONS
def test_a_newer_list_ends_who_is_on_it_and_nobody_else(gateway, origin, papers, lists, version):
    file = lists.write("crl.pem", lists.of(papers.one), lists.of(papers.below))
    g = gateway("processes: {workers: 1}\n" + SITE % ("optional", papers.one[0], file), origin=origin)
    who = {name: Client(g.https, tls=context(paper, version), name=NAME)
           for name, paper in (("good", papers.good), ("ann", papers.ann), ("chained", papers.chained), ("nobody", None))}
    assert all(c.get("/", NAME).status == 200 for c in who.values())
    of_ann = context(papers.ann, version)
    _, status, session = visit(g, of_ann, NAME)
    assert status == 200 and visit(g, of_ann, NAME, session)[:2] == (True, 200)

    lists.write("crl.pem", lists.of(papers.one, [papers.ann]), lists.of(papers.below))
    code, said = reload(g)
    assert code == 0, said
    seen = len(origin.requests)
    refused = who["ann"].get("/", NAME)
    assert refused.status == 421 and who["ann"].closed() and len(origin.requests) == seen
    record = g.record(refused)
    assert record["reason"] == "client-cert" and "revoked" in record["why"], record
    assert visit(g, of_ann, NAME, session)[1] == "refused"
    for name in ("good", "chained", "nobody"):
        assert [who[name].get("/", NAME).status for _ in range(2)] == [200, 200], name
        assert bool(origin.requests[-1].all("x-client-cert-subject")) == (name != "nobody")

    # A list as it was: nothing is asked again, and the connections live on over any number of reloads.
    for text in ("", "\n"):
        file.write_text(file.read_text() + text)
        assert reload(g)[0] == 0
        assert all(who[name].get("/", NAME).status == 200 for name in ("good", "chained", "nobody"))
    for c in who.values():
        c.close()


# ---- Files that are no such lists ----

def test_what_is_wrong_with_a_file_is_told_and_changes_nothing(gateway, origin, papers, lists, tmp_path):
    ca, file = tmp_path / "ca.pem", lists.write("crl.pem", lists.of(papers.one, [papers.ann]))
    shutil.copy(papers.one[0], ca)
    g = gateway(SITE % ("required", ca, file), origin=origin)
    good = file.read_text()
    namesake = make_certificate(tmp_path, "namesake", subject="/CN=one")
    for text, word in [("", "no revocation list in PEM"), ("garbage", "no revocation list in PEM; openssl crl -inform der"),
                       (good[:200] + "\n-----END X509 CRL-----\n", "revocation list 1 in .* is damaged"),
                       (good + good.replace("M", "Z", 1), "revocation list 2 in .* is damaged"),
                       (lists.of(papers.two), "has no list of /CN=one, so all its clients would be refused"),
                       (lists.of(namesake), "the list of /CN=one is not signed by that authority")]:
        file.write_text(text)
        code, said = reload(g)
        assert code == 1 and re.search(r"portcullis.yaml:1:\d+: error: .*" + word, said), said
        assert ask(g, NAME, paper=papers.good) == 200 and ask(g, NAME, paper=papers.ann) == "refused"
    file.write_text(good)
    ca.write_text(papers.one[0].read_text() + papers.two[0].read_text())
    code, said = reload(g)
    assert code == 1 and "has no list of /CN=two" in said, said


def test_a_list_alone_is_a_mistake():
    code, said = check("sites: {shop: {hosts: [a.example], origin: 'http://127.0.0.1:9', client_crl: crl.pem}}")
    assert code == 1 and re.search(r"portcullis.yaml:1:\d+: error: client_crl alone asks nobody", said), said
