"""The gateway under test: a folder with its files, the processes, and what they leave behind."""
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from rig_client import Client

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = TOP / os.environ.get("PORTCULLIS_BUILD", "build/release")
PROGRAM = BUILD / "portcullis"
SANITIZED = b"__asan_init" in PROGRAM.read_bytes() if PROGRAM.exists() else False

REPORTS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer|fail_check|CHECK failed")


GIVEN = set()


def free_ports(n):
    """Below the range the kernel takes a client's port from (ip_local_port_range): between this look and the listen()
    some client would get it.  No port is given twice."""
    ports = []
    while len(ports) < n:
        port = random.randrange(10000, 32000)
        if port in GIVEN:
            continue
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        GIVEN.add(port)
        ports.append(port)
    return ports


def free_port():
    return free_ports(1)[0]


def make_certificate(folder, name="cert", names=("shop.example.com", "*.example.com"), kind="ec", ca=None, days=30, subject=None, extensions=()):
    """A self-signed certificate, or one of `ca` (a pair as returned), which alone may have expired (days=-1) and has
    `extensions`.  (certificate, key)."""
    cert, key = Path(folder) / (name + ".pem"), Path(folder) / (name + ".key")
    made = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"], "rsa4096": ["rsa:4096"]}[kind]
    sans = ",".join(("IP:" if re.fullmatch(r"[\d.]+", n) else "DNS:") + n for n in names)
    command = ["openssl", "req", "-x509", "-newkey", *made, "-nodes", "-days", str(days), "-subj", subject or "/CN=" + names[0],
               "-addext", "subjectAltName=" + sans, "-keyout", key, "-out", cert]
    if not ca:
        subprocess.run(command, check=True, capture_output=True)
        return cert, key
    request = Path(folder) / (name + ".csr")
    listed = Path(folder) / (name + ".ext")
    listed.write_text("".join(line + "\n" for line in ["subjectAltName=" + sans, *extensions]))
    subprocess.run(["openssl", "req", "-new", "-newkey", *made, "-nodes", "-subj", subject or "/CN=" + names[0],
                    "-keyout", key, "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial",
                    "-days", str(days), "-extfile", listed, "-out", cert], check=True, capture_output=True)
    return cert, key


def processes_under(pid):
    """pid -> command line of every descendant."""
    found = {}
    try:
        children = Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    except OSError:
        return found
    for child in map(int, children):
        try:
            found[child] = Path("/proc/%d/cmdline" % child).read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        found.update(processes_under(child))
    return found


def status_of(pid, key):
    for line in Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith(key + ":"):
            return line.split(":", 1)[1].split()
    raise KeyError(key)


def descriptors_of(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


class Gateway:
    """`config` holds the sections of portcullis.yaml that the test is about; the others are filled in.
    `descriptors`: each process may have so many."""

    def __init__(self, config="", policies=None, files=None, origin=None, start=True, wait=60, cert=None, descriptors=None):
        self.origin = origin
        self.folder = Path(tempfile.mkdtemp(prefix="portcullis-gate."))
        self.folder.chmod(0o755)
        self.https, self.http = free_ports(2)
        self.cert, self.key = cert or make_certificate(self.folder)
        (self.folder / "policies").mkdir()
        for name, text in (policies or {}).items():
            (self.folder / "policies" / (name + ".yaml")).write_text(text if text.lstrip().startswith("policy:") or
                                                                    not text.strip() else "policy: %s\n%s" % (name, text))
        for name, text in (files or {}).items():
            (self.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        self.file = self.folder / "portcullis.yaml"
        self.file.write_text(self.complete(config, policies or {}, origin))
        self.process, self.errors, self.output, self.descriptors = None, "", [], descriptors
        if start:
            self.start(wait)

    def complete(self, config, policies, origin):
        """Defaults for every section that the test does not write."""
        policy = ", policy: %s" % next(iter(policies)) if policies else ""
        sections = {
            "listeners": "listeners:\n  - {address: '127.0.0.1:%d', serve: https}\n  - {address: '127.0.0.1:%d', serve: http}\n"
                         % (self.https, self.http),
            "certificates": "certificates:\n  - {certificate: '%s', key: '%s'}\n" % (self.cert, self.key),
            "sites": "sites:\n  shop: {hosts: ['*'], origin: '%s'%s}\n" % (origin.url if origin else "http://127.0.0.1:9", policy),
            "processes": "processes: {workers: 1, inspectors: 2}\n",
            "logs": "logs: {requests: '%s/requests.log', errors: stderr, waf: '%s/waf.log', waf_sync: true}\n"
                    % (self.folder, self.folder),
        }
        if SANITIZED:
            # An inspection costs several times as much there; its clock is no subject of most tests.
            sections["waf"] = "waf: {run: 5s}\n"
        config = config.replace("$https", str(self.https)).replace("$http", str(self.http)).replace("$dir", str(self.folder))
        if origin:
            config = config.replace("$origin", origin.url)
        lines = config.splitlines()
        depth = min((len(l) - len(l.lstrip()) for l in lines if l.strip()), default=0)
        config = "".join(l[depth:] + "\n" for l in lines)
        present = set(re.findall(r"(?m)^(\w+):", config))
        return config + "".join(text for name, text in sections.items() if name not in present)

    # ---- Running ----

    def start(self, wait=60):
        environment = dict(os.environ)
        # A small quarantine: with the usual 256 MiB an inspector looks grown and is recycled every few hundred jobs.
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99:handle_abort=1:quarantine_size_mb=8")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        self.error_file = open(self.folder / "errors.txt", "ab")
        self.process = subprocess.Popen([PROGRAM, "run", "-c", self.file], stdout=subprocess.PIPE,
                                        stderr=self.error_file, env=environment,
                                        **({"preexec_fn": self.bound} if self.descriptors else {}))
        ready = threading.Event()
        threading.Thread(target=self.listen, args=(ready,), daemon=True).start()
        end = time.monotonic() + wait
        while not ready.wait(0.02):
            if self.process.poll() is not None:
                raise AssertionError("the gateway ended with %d before READY:\n%s" % (self.process.returncode, self.stderr()))
            assert time.monotonic() < end, "no READY within %d s:\n%s" % (wait, self.stderr())

    def bound(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def listen(self, ready):
        for line in self.process.stdout:
            self.output.append(line)
            if line.strip() == b"READY":
                ready.set()

    def stop(self, within=40):
        """SIGTERM; exit code 0 in time, and no process complained on its way."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        if self.process:
            children = processes_under(self.process.pid)
            try:
                code = self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.process.kill()
                for pid in children:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                raise AssertionError("did not stop within %d s of SIGTERM:\n%s" % (within, self.stderr()))
            assert code == 0, "ended with %d:\n%s" % (code, self.stderr())
            left = self.left_behind(children)
            assert not left, "left behind: %s" % left
            self.process = None
        report = REPORTS.search(self.stderr())
        assert not report, self.stderr()

    @staticmethod
    def left_behind(children, within=2):
        """Command lines of what does not end with its parent, or soon after: the kernel tells it so, and it has to be run
        for that."""
        end = time.monotonic() + within
        while True:
            left = []
            for pid, line in children.items():
                try:
                    left += [line] if status_of(pid, "State")[0] != "Z" else []
                except (OSError, KeyError):
                    continue
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.02)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def stderr(self):
        path = self.folder / "errors.txt"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    # ---- Looking ----

    def client(self, tls=False, **how):
        return Client(self.https if tls else self.http, tls=tls, **how)

    def get(self, target="/", host="shop.example.com", *fields, tls=False, method="GET"):
        """One request on a connection of its own, which asks for that host's certificate."""
        with self.client(tls, **({"name": host.partition(":")[0]} if tls else {})) as c:
            return c.get(target, host, *fields, method=method)

    def ask(self, message, tls=False):
        with self.client(tls) as c:
            return c.ask(message)

    def log_text(self, name="requests.log"):
        path = self.folder / name
        return path.read_bytes() if path.exists() else b""

    def log(self, at_least=0, within=5.0):
        """The request log as records; waits for so many of them."""
        end = time.monotonic() + within
        while True:
            lines = self.log_text().split(b"\n")[:-1]
            if len(lines) >= at_least or time.monotonic() > end:
                assert len(lines) >= at_least, "%d lines in the log, wanted %d" % (len(lines), at_least)
                return [json.loads(line) for line in lines]
            time.sleep(0.02)

    def lines(self):
        """How many records there are, once those of earlier requests are in."""
        seen, n = -1, len(self.log())
        while n != seen:
            time.sleep(0.25)
            seen, n = n, len(self.log())
        return n

    def record(self, answer):
        """What was decided about it: by the id on our own page, or by the one that the origin got last."""
        wanted = answer.get("x-request-id") or self.origin.requests[-1].get("x-request-id")
        end = time.monotonic() + 5
        while time.monotonic() < end:
            for line in reversed(self.log()):
                if line["id"] == wanted:
                    return line
            time.sleep(0.02)
        raise AssertionError("no record of " + wanted)

    def record_where(self, is_it, within=5.0):
        """The newest record that is so; waits for it."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            for line in reversed(self.log()):
                if is_it(line):
                    return line
            time.sleep(0.02)
        raise AssertionError("no such record; the newest: %s" % self.log()[-1:])

    def waf_ids(self, at_least=0, within=0.0):
        end = time.monotonic() + within
        while True:
            ids = [int(i) for i in re.findall(rb'id "(\d+)"', self.log_text("waf.log"))]
            if len(ids) >= at_least or time.monotonic() >= end:
                return ids
            time.sleep(0.02)

    def role(self, word):
        """Pids of the processes whose command line names that role."""
        return sorted(pid for pid, line in processes_under(self.process.pid).items() if re.search(r"\b%s\b" % word, line))

    def resident_kib(self):
        return sum(int(status_of(pid, "VmRSS")[0]) for pid in [self.process.pid, *processes_under(self.process.pid)])


def check(text, policies=None, command=("check", "-c")):
    """`portcullis check` of a file of its own: (exit code, output)."""
    g = Gateway(text, policies, start=False)
    try:
        done = subprocess.run([PROGRAM, *command, g.file], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr
    finally:
        g.remove()
