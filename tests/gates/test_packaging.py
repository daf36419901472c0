"""What the package brings: man pages, the service, its files say what the program does."""
import os
import re
import shutil
import subprocess

import pytest

from rig_gateway import BUILD, PROGRAM, TOP, Gateway

PAGES = ["portcullis.8", "portcullis.yaml.5", "portcullis-policy.5"]
UNIT = TOP / "packaging/systemd/portcullis.service"
SOCKET = TOP / "packaging/systemd/portcullis.socket"
# What systemd-analyze counts against the unit, in tenths; docs/operations.md says for what, and why not less.
EXPOSURE = 22


def run(*command, **how):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, **how)
    return done.returncode, done.stdout + done.stderr


def needs(program):
    if not shutil.which(program):
        pytest.skip("%s is not installed" % program)


# ---- Man pages ----

def page(name):
    path = BUILD / "man" / name
    if not path.exists():
        needs("scdoc")
    assert path.exists(), "cmake --build makes the man pages"
    return path


@pytest.mark.parametrize("name", PAGES)
def test_a_man_page_renders_without_a_complaint(name):
    needs("mandoc")
    _, text = run("mandoc", "-T", "lint", "-W", "warning", page(name))
    # scdoc writes more paragraph macros than are needed; nobody sees them.
    assert [l for l in text.splitlines() if "skipping paragraph macro" not in l] == []
    code, text = run("mandoc", "-T", "utf8", page(name))
    assert code == 0 and "NAME" in text.replace("N\bN", "N").replace("A\bA", "A").replace("M\bM", "M").replace("E\bE", "E")


@pytest.mark.parametrize("name, which", [("portcullis.yaml.5", "config"), ("portcullis-policy.5", "policy")])
def test_a_man_page_has_every_row_of_the_reference(name, which):
    needs("mandoc")
    _, reference = run(PROGRAM, "reference", which)
    _, text = run("mandoc", "-T", "utf8", "-O", "width=500", page(name))
    text = re.sub(r".\x08", "", text).replace("…", "...")
    rows = [[cell.strip().replace("\x01", "|") for cell in line.replace("\\|", "\x01").split("|")[1:-1]]
            for line in reference.splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    missing = [cells for cells in rows if not re.search(
        r"(?m)^ +%s \(%s.*\)\n +%s$" % tuple(re.escape(c.replace("`", "")) for c in (cells[0], cells[1], cells[3])), text)]
    assert missing == []


def test_the_man_page_of_the_program_names_every_command():
    needs("mandoc")
    _, text = run("mandoc", "-T", "utf8", page("portcullis.8"))
    text = re.sub(r".\x08", "", text)
    _, help = run(PROGRAM, "--help")
    for command in re.findall(r"(?m)^  portcullis ([a-z ]*[a-z])", help):
        assert command in text


# ---- The service ----

def test_the_unit_is_as_closed_as_promised():
    needs("systemd-analyze")
    if not run("systemd-analyze", "--version")[1].startswith("systemd 252"):
        pytest.skip("the sums are those of Debian 12's systemd")
    code, text = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=%d" % EXPOSURE, UNIT)
    assert code == 0, text[-800:]
    assert "exposure level for portcullis.service: %.1f" % (EXPOSURE / 10) in text, "say the new number in docs/operations.md"
    assert "says %.1f" % (EXPOSURE / 10) in (TOP / "docs/operations.md").read_text()


def test_systemd_understands_the_units(folder):
    needs("systemd-analyze")
    # The program is not installed here: one that is takes its place.
    unit = folder / "portcullis.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/portcullis", "/bin/true"))
    shutil.copy(SOCKET, folder)
    code, text = run("systemd-analyze", "verify", "--man=no", unit, folder / "portcullis.socket")
    assert (code, text) == (0, "")


def test_the_socket_unit_holds_the_ports_of_the_packaged_configuration():
    listeners = re.findall(r"address: '\*:(\d+)'", (TOP / "packaging/deb/portcullis.yaml").read_text())
    assert re.findall(r"(?m)^ListenStream=(\d+)$", SOCKET.read_text()) == listeners


def test_the_reserved_user_ids_are_those_the_program_takes():
    _, reference = run(PROGRAM, "reference", "config")
    first = int(re.search(r"\| `uids` \|[^|]*\| `(\d+)` \|", reference).group(1))
    ids = [int(n) for n in re.findall(r"(?m)^u portcullis-\S+ +(\d+) ", (TOP / "packaging/systemd/portcullis.sysusers").read_text())]
    assert ids == list(range(first, first + len(ids))) and len(ids) >= 3
    assert "first_uid=%d" % first in (TOP / "packaging/deb/postinst").read_text()


def test_every_metric_to_alert_on_exists():
    named = set(re.findall(r"portcullis_[a-z_]+", (TOP / "docs/operations.md").read_text()))
    assert len(named) > 5
    assert named - set(re.findall(r"portcullis_[a-z_]+", (TOP / "docs/metrics.md").read_text())) - {"portcullis_"} == set()


# ---- Files of the package ----

def test_the_packaged_configuration_is_valid_as_it_is():
    g = Gateway(start=False)
    shutil.copy(TOP / "packaging/deb/portcullis.yaml", g.file)
    shutil.copy(TOP / "policies/default.yaml", g.folder / "policies")
    (g.folder / "tls").mkdir()
    shutil.copy(g.cert, g.folder / "tls/self-signed.pem")
    shutil.copy(g.key, g.folder / "tls/self-signed.key")
    code, text = run(PROGRAM, "check", "-c", g.file)
    g.remove()
    assert code == 0 and "0 warnings" in text, text


@pytest.mark.parametrize("script", ["deb/postinst", "deb/prerm", "deb/postrm", "deb/boot", "deb/test", "completion.bash"])
def test_a_script_is_clean(script):
    needs("shellcheck")
    # Info is not asked for: commands in single quotes are for another shell to expand.
    code, text = run("shellcheck", "--shell=%s" % ("sh" if "/p" in script else "bash"), "--severity=warning", TOP / "packaging" / script)
    assert code == 0, text


def test_the_completion_knows_every_command(folder):
    (folder / "portcullis").symlink_to(PROGRAM)
    code, text = run("bash", "-c", ". %s; COMP_WORDS=(portcullis ''); COMP_CWORD=1; _portcullis; echo ${COMPREPLY[@]}"
                     % (TOP / "packaging/completion.bash"), env={**os.environ, "PATH": "%s:%s" % (folder, os.environ["PATH"])})
    _, help = run(PROGRAM, "--help")
    assert code == 0 and set(text.split()) == set(re.findall(r"(?m)^  portcullis ([a-z-]+)", help))


def test_a_built_package_is_no_error_to_lintian():
    built = sorted(BUILD.glob("portcullis_*.deb"), key=lambda p: p.stat().st_mtime)
    if not built:
        pytest.skip("no package is built (cmake --build %s --target package)" % BUILD)
    needs("lintian")
    code, text = run("lintian", "--fail-on", "error", "--allow-root", built[-1])
    assert code == 0, text
