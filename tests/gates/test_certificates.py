"""Certificates that a reload brings: a bad one is told with its file, the one in use stays, and nobody is disturbed."""
import os
import shutil
import ssl
import subprocess

import pytest

from rig_client import Client, trusting
from rig_gateway import PROGRAM, Gateway, make_certificate
from test_reload import reload

AIA = ["authorityInfoAccess=caIssuers;URI:http://ca.example/middle.crt"]


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    make = lambda name, **how: make_certificate(folder, name, ["shop.example.com"], **how)
    ca = make("ca", subject="/CN=ca")
    middle = make("middle", ca=ca, subject="/CN=middle", extensions=["basicConstraints=critical,CA:TRUE"])
    leaf = make("leaf", ca=middle, extensions=AIA)
    made = {"good": make("good"), "other": make("other"), "expired": make("expired", ca=ca, days=-1), "without chain": leaf}

    def file(name, *parts):
        path = folder / name
        path.write_text("".join(parts))
        return path

    read = lambda pair: pair[0].read_text()
    made["with chain"] = (file("whole.pem", read(leaf), read(middle)), leaf[1])
    made["another's chain"] = (file("wrong.pem", read(leaf), read(ca)), leaf[1])
    made["half a chain"] = (file("half.pem", read(leaf), read(middle)[:200]), leaf[1])
    made["turned round"] = (file("turned.pem", read(middle), read(leaf)), leaf[1])
    made["mismatched"] = (made["good"][0], made["other"][1])
    made["swapped"] = (made["good"][1], made["good"][0])
    made["empty"] = (file("empty.pem"), made["good"][1])
    made["garbage"] = (file("garbage.pem", "\0\1\2" * 1000), made["good"][1])
    made["an empty key"] = (made["good"][0], file("empty.key"))
    made["a garbage key"] = (made["good"][0], file("garbage.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
    locked = folder / "locked.key"
    subprocess.run(["openssl", "pkey", "-in", made["good"][1], "-aes256", "-passout", "pass:secret", "-out", locked], check=True)
    made["a locked key"] = (made["good"][0], locked)
    weak = folder / "weak.key", folder / "weak.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:shop.example.com",
                    "-keyout", weak[0], "-out", weak[1]], check=True, capture_output=True)
    made["a weak key"] = (weak[1], weak[0])
    return made


def put(g, pair):
    """In the place of the files that the configuration names."""
    for source, target in zip(pair, (g.cert, g.key)):
        if target.is_dir():
            target.rmdir()
        target.unlink(missing_ok=True)
        shutil.copy(source, target)


def shown(g):
    with Client(g.https, tls=trusting()) as c:
        assert c.get().status == 200
        return c.socket.getpeercert(binary_form=True)


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway("processes: {workers: 2, inspectors: 2}", origin=shared_origin)
    g.before = shown(g)
    g.files = [(path, path.read_bytes()) for path in (g.cert, g.key)]
    return g


@pytest.fixture
def restored(rig):
    """The files are what they were, whatever a test makes of them."""
    yield rig
    for path, data in rig.files:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(data)


def refused(g, file, says):
    """The reload says what is wrong with which file, and nothing has changed: not for who comes, not for who is there."""
    workers = g.role("role-worker")
    with Client(g.https, tls=trusting()) as c:
        assert c.get().status == 200
        code, said = reload(g)
        assert code == 1 and "goes on" in said, said
        assert ": error: " in said and str(file) in said and says in said, said
        assert "PRIVATE KEY" not in said and "secret" not in said
        assert c.get().status == 200
    assert shown(g) == g.before and g.role("role-worker") == workers


@pytest.mark.parametrize("which, file, says", [
    ("mismatched", "key", "does not belong to the certificate"),
    ("swapped", "cert", "are the two swapped?"),
    ("expired", "cert", "the certificate has expired"),
    ("without chain", "cert", "its chain is missing"),
    ("another's chain", "cert", "did not issue the one before it"),
    ("half a chain", "cert", "certificate 2 in"),
    ("turned round", "key", "does not belong to the certificate"),
    ("empty", "cert", "holds no certificate in PEM"),
    ("garbage", "cert", "holds no certificate in PEM"),
    ("an empty key", "key", "holds no private key"),
    ("a garbage key", "key", "holds no private key"),
    ("a locked key", "key", "protected by a passphrase"),
    ("a weak key", "key", "1024 bits is too weak"),
])
def test_a_bad_certificate_changes_nothing(restored, papers, which, file, says):
    put(restored, papers[which])
    refused(restored, restored.cert if file == "cert" else restored.key, says)


@pytest.mark.parametrize("file", ["cert", "key"])
@pytest.mark.parametrize("how", ["gone", "a directory", "a circle", "not ours"])
def test_a_file_that_cannot_be_read_changes_nothing(restored, file, how):
    path = getattr(restored, file)
    if how == "not ours" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    if how == "not ours":
        path.chmod(0)
    else:
        path.unlink()
    if how == "a directory":
        path.mkdir()
    if how == "a circle":
        path.symlink_to(path)
    refused(restored, path, "is not a regular file" if how == "a directory" else "cannot be")


def test_a_good_one_is_shown_to_who_comes_and_disturbs_nobody(gateway, origin, papers):
    g = gateway("processes: {workers: 2, inspectors: 2}", origin=origin)
    with Client(g.https, tls=trusting()) as c:
        assert c.get().status == 200
        for which in ("good", "with chain", "other"):
            put(g, papers[which])
            code, said = reload(g)
            assert code == 0 and "error" not in said, said
            assert shown(g) == ssl.PEM_cert_to_DER_cert(papers[which][0].read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n")
            assert c.get().status == 200


def test_what_is_expired_already_stops_no_other_change(gateway, origin, papers, folder):
    """A start takes it, with a warning: nothing better is there.  What comes beside it is held to more."""
    pair = folder / "c.pem", folder / "c.key"
    for source, target in zip(papers["expired"], pair):
        shutil.copy(source, target)
    g = gateway(origin=origin, cert=pair, policies={"shop": "policy: shop\nrules: [{id: x, when: 'path under \"/x\"', do: block 451}]\nwaf: {mode: off}\n"})
    assert "c.pem: the certificate has expired; clients will refuse it" in g.stderr()
    path = g.folder / "policies/shop.yaml"
    path.write_text(path.read_text().replace("451", "452"))
    code, said = reload(g)
    assert code == 0 and "warning" in said and "has expired" in said, said
    assert g.get("/x").status == 452
    # Another one that is no better.
    put(g, papers["without chain"])
    code, said = reload(g)
    assert code == 1 and "its chain is missing" in said and "c.pem" in said
    put(g, papers["with chain"])
    assert reload(g)[0] == 0


def test_check_says_what_clients_will_say(papers):
    for which, says in (("expired", "has expired"), ("without chain", "its chain is missing"), ("another's chain", "did not issue")):
        g = Gateway(cert=papers[which], start=False)
        done = subprocess.run([PROGRAM, "check", "-c", g.file], capture_output=True, text=True)
        g.remove()
        assert done.returncode == 0 and done.stderr.count("warning: ") == 1 and says in done.stderr, done.stderr
