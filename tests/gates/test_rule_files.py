"""The rules of a generation are the bytes that were read with it: whoever is started again has them, too."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from rig_gateway import PROGRAM, SANITIZED, Gateway, processes_under, status_of

POLICY = {"shop": "policy: shop\nwaf: {mode: enforce}\n"}
# Small, so that a reload costs milliseconds; it refuses what the canaries try.
ATTACKS = "SecRule REQUEST_URI|ARGS \"@rx [<;'{]|\\.\\./\" \"id:1,phase:1,deny,status:403,log\"\n"


class Rules:
    """A rule set that names files in every way: beside it, absolute, by a pattern, included."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="portcullis-rules."))
        self.make()

    def make(self):
        self.remove()
        for name in ("", "rules", "inc"):
            (self.path / name).mkdir()
        self.write("crs-setup.conf", "# nothing\n")
        self.write("rules/10-attacks.conf", ATTACKS)
        self.write("rules/20-names.conf",
                   "Include ../inc/*.conf\n"
                   'SecRule ARGS:data "@pmFromFile words.data" "id:20,phase:1,deny,status:403,log"\n'
                   'SecRule ARGS:far "@pmf %s/far.txt" "id:21,phase:1,deny,status:403,log"\n' % self.path)
        self.say("one")

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text):
        (self.path / name).write_text(text)

    def say(self, word):
        """The word is refused as ?rule=, ?inc=, ?data= and ?far= by four files."""
        rule = 'SecRule ARGS:%s "@streq %s" "id:%d,phase:1,deny,status:403,log"\n'
        self.write("rules/30-word.conf", rule % ("rule", word, 30))
        self.write("inc/word.conf", rule % ("inc", word, 31))
        self.write("rules/words.data", word + "\n")
        self.write("far.txt", word + "\n")

    def config(self):
        return "rulesets: {crs: {path: '%s'}}\nprocesses: {workers: 1, inspectors: 2}" % self.path


@pytest.fixture(scope="module")
def served(shared_gateway, shared_origin):
    rules = Rules()
    yield shared_gateway(rules.config(), origin=shared_origin, policies=POLICY), rules
    rules.remove()


@pytest.fixture
def rules(served):
    """As the gateway began with them, and again at the end."""
    g, r = served
    yield r
    r.make()
    assert reload(g)[0] == 0


def reload(g):
    done = subprocess.run([PROGRAM, "reload", "-c", g.file], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def refused(g, word):
    """Which of the four files refuse it."""
    return [way for way in ("rule", "inc", "data", "far") if g.get("/?%s=%s" % (way, word)).status == 403]


ALL = ["rule", "inc", "data", "far"]


def zygotes(g):
    """Children of the supervisor; inspectors are theirs."""
    children = Path("/proc/%d/task/%d/children" % (g.process.pid, g.process.pid)).read_text().split()
    return [pid for pid, line in processes_under(g.process.pid).items()
            if "portcullis-inspector" in line and str(pid) in children]


def until(holds, within=20):
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def the_zygote(g):
    """That of the rules before leaves when their last request has ended."""
    assert until(lambda: len(zygotes(g)) == 1), g.stderr()
    return zygotes(g)[0]


def kill_zygote(g):
    """And wait until its successor serves."""
    pid = the_zygote(g)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: zygotes(g) not in ([], [pid]) and g.get("/").status == 200), g.stderr()


def test_a_zygote_that_is_started_again_has_the_rules_that_were_committed(served, rules):
    g, _ = served
    assert refused(g, "one") == ALL and not refused(g, "two")
    rules.say("two")
    kill_zygote(g)
    assert refused(g, "one") == ALL and not refused(g, "two"), "the files are others, the generation is the same"
    assert reload(g)[0] == 0
    assert refused(g, "two") == ALL and not refused(g, "one")
    kill_zygote(g)
    assert refused(g, "two") == ALL and not refused(g, "one")


def test_it_needs_no_file_that_was_removed(served, rules):
    g, _ = served
    away = rules.path.rename(g.folder / "away")
    kill_zygote(g)
    assert refused(g, "one") == ALL
    code, said = reload(g)
    assert code == 1 and "%s/rules" % rules.path in said and "goes on" in said, said
    assert refused(g, "one") == ALL
    away.rename(rules.path)


def test_a_database_that_rules_open_is_captured_too(served, rules, countries):
    g, _ = served
    shutil.copy(countries, rules.path / "geo.mmdb")
    rules.write("rules/40-geo.conf", "SecGeoLookupDb ../geo.mmdb\n")
    code, said = reload(g)
    assert code == 0, said
    (rules.path / "geo.mmdb").unlink()
    kill_zygote(g)
    assert refused(g, "one") == ALL


@pytest.mark.parametrize("name", ["rules/30-word.conf", "inc/word.conf", "rules/words.data", "far.txt", "inc/new.conf"])
def test_a_change_of_any_file_is_another_generation(served, rules, name):
    """Also of one that is only named or included, wherever it is; touching it changes nothing."""
    g, _ = served
    check = lambda: subprocess.run([PROGRAM, "check", "-c", g.file], capture_output=True, text=True).stdout
    generation = lambda: check().split("generation ")[1]
    before, zygote = generation(), the_zygote(g)
    (rules.path / name).touch()
    if name != "inc/new.conf":
        assert generation() == before and reload(g)[0] == 0
        assert zygotes(g) == [zygote], "the rules are the same"
    with open(rules.path / name, "a") as f:
        f.write("# more\n")
    assert generation() != before and reload(g)[0] == 0
    assert the_zygote(g) != zygote


@pytest.mark.parametrize("name, text, place, says", [
    ("rules/30-word.conf", "# fine\nSecRul nonsense\n", "rules/30-word.conf:2", ""),
    ("inc/word.conf", "# fine\n\nSecNoSuch On\n", "inc/word.conf:3", ""),
    ("inc/word.conf", "# fine\nSecRule ARGS \"@pmFromFile none.data\" \"id:31,phase:1,deny\"\n",
     "inc/word.conf:2:27", "inc/none.data"),
    ("inc/word.conf", "Include *.conf\n", "inc/word.conf:1:9", "included by itself"),
    ("far.txt", None, "rules/20-names.conf:3:24", "far.txt cannot be opened"),
    ("rules/30-word.conf", "SecRule ARGS \"@pmFromFile https://rules.example/a\" \"id:30,phase:1,deny\"\n",
     "rules/30-word.conf:1:27", "from files alone"),
    ("rules/30-word.conf", "# \0\n", "rules/30-word.conf:1:3", "NUL"),
    ("rules/words.data", 65 << 20, "rules/20-names.conf:2:32", "more than 64 MiB"),
])
def test_a_mistake_names_the_file_as_the_operator_knows_it(served, rules, name, text, place, says):
    g, _ = served
    path = rules.path / name
    if text is None:
        path.unlink()
    elif isinstance(text, int):
        os.truncate(path, text)
    else:
        path.write_text(text)
    code, said = reload(g)
    assert code == 1 and place in said and says in said and "goes on" in said, said
    assert "%s/rules/" % rules.path in said, said
    assert g.get("/?rule=one").status == 403


def memory_files(pid):
    links = [os.readlink(entry) for entry in Path("/proc/%d/fd" % pid).iterdir() if entry.is_symlink()]
    return sum("portcullis-files" in link for link in links), len(links)


def test_fifty_reloads_leave_one_copy(served, rules):
    """One file, which the generation and its queue hold: two descriptors."""
    g, _ = served
    held, most, times = [], 0, 10 if SANITIZED else 50
    for i in range(times):
        rules.say("word%d" % i)
        code, said = reload(g)
        assert code == 0, said
        copies, descriptors = memory_files(g.process.pid)
        most = max(most, copies)
        if i in (4, times - 1):
            time.sleep(0.5)
            held.append((*memory_files(g.process.pid), int(status_of(g.process.pid, "RssShmem")[0])))
    assert refused(g, "word%d" % (times - 1)) == ALL and not refused(g, "word%d" % (times - 2))
    assert the_zygote(g)
    assert most <= 4, "two generations at most"
    assert held[1][:2] == held[0][:2] and held[1][0] == 2 and held[1][2] < held[0][2] + 256, held


def runtime_directory(g):
    name = hashlib.sha256(os.fsencode(os.path.abspath(g.file))).hexdigest()[:16]
    if os.geteuid() == 0:
        return Path("/run/portcullis") / name
    return Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")) / ("portcullis-%d" % os.geteuid()) / name


def test_a_killed_supervisor_leaves_no_copy(origin):
    rules = Rules()
    g = Gateway(rules.config(), origin=origin, policies=POLICY)
    try:
        children = processes_under(g.process.pid)
        g.process.kill()
        g.process.wait()
        alive = lambda: [pid for pid in children if os.path.exists("/proc/%d" % pid) and status_of(pid, "State")[0] != "Z"]
        assert until(lambda: not alive()), "who has a copy is gone"
        assert all(entry.is_socket() for entry in runtime_directory(g).iterdir()), "nothing was on a disk"
        rules.say("two")
        g.start()
        assert refused(g, "two") == ALL and not refused(g, "one")
        g.stop()
        assert not runtime_directory(g).exists()
    finally:
        g.remove()
        rules.remove()


def test_a_place_in_the_rules_ends_the_start(origin):
    rules = Rules()
    rules.write("inc/word.conf", "# fine\nSecNoSuch On\n")
    g = Gateway(rules.config(), origin=origin, policies=POLICY, start=False)
    try:
        with pytest.raises(AssertionError) as ended:
            g.start()
        assert "the rules cannot be loaded: %s/rules/../inc/word.conf:2: " % rules.path in str(ended.value)
    finally:
        g.process = None
        g.remove()
        rules.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_root_it_is_the_same(origin, tmp_path_factory):
    """In development: somebody's own gateway, whose rules nobody else may read."""
    rules = Rules()
    g = Gateway(rules.config(), origin=origin, policies=POLICY, start=False)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    try:
        for path in (g.folder, rules.path):
            subprocess.run(["chown", "-R", "65534:65534", path], check=True)
        for path in rules.path.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        with open(g.folder / "errors.txt", "ab") as errors:
            g.process = subprocess.Popen([*nobody, PROGRAM, "run", "-c", g.file], stdout=subprocess.PIPE, stderr=errors,
                                         env={**os.environ, "XDG_RUNTIME_DIR": str(g.folder)})
        assert g.process.stdout.readline() == b"READY\n", g.stderr()
        rules.remove()
        kill_zygote(g)
        assert refused(g, "one") == ALL
        g.stop()
    finally:
        if g.process:
            g.process.kill()
        g.remove()
        rules.remove()
