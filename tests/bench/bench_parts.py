"""What the programs of this folder share: an origin that is no Python, and what each role takes."""
import shutil
import subprocess
import tempfile
from pathlib import Path

from rig_gateway import free_port, processes_under

TOP = Path(__file__).resolve().parent.parent.parent
ROLES = {"supervisor": "supervisor", "role-worker": "worker", "role-logger": "logger", "role-admin": "admin",
         "portcullis-inspector": "inspector"}


class DemoOrigin:
    """The demo origin, a process of its own."""

    def __init__(self):
        self.folder, self.port = tempfile.mkdtemp(prefix="portcullis-bench."), free_port()
        program = Path(self.folder) / "origin"
        subprocess.run(["cc", "-std=gnu17", "-O2", "-pthread", "-o", program, TOP / "packaging/demo/origin.c"],
                       check=True)
        self.process = subprocess.Popen([program, str(self.port)], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.url = "http://127.0.0.1:%d" % self.port

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def own_kib(pid):
    """What nobody shares: the rest goes up and down with the processes that do."""
    lines = Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def look(g):
    """role -> [processes, KiB of its own, descriptors]"""
    seen = {}
    for pid, line in {g.process.pid: "supervisor", **processes_under(g.process.pid)}.items():
        role = next((name for word, name in ROLES.items() if word in line), "other")
        try:
            found = [1, own_kib(pid), len(list(Path("/proc/%d/fd" % pid).iterdir()))]
        except OSError:
            continue
        seen[role] = [a + b for a, b in zip(seen.get(role, [0, 0, 0]), found)]
    return seen
