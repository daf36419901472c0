"""The cages: what the kernel says of every process, what the forbidden calls say, and what happens without."""
import ctypes
import os
import platform
import re
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from rig_gateway import PROGRAM, SANITIZED, Gateway, processes_under, status_of

WAF = {"shop": "policy: shop\nwaf: {mode: enforce}\n"}
ROOT = os.getuid() == 0
# SETUID, SETGID, SETPCAP, KILL, DAC_READ_SEARCH, NET_BIND_SERVICE, by their numbers.
SUPERVISOR_KEEPS = sum(1 << n for n in (7, 6, 8, 5, 2, 10))


def capabilities(pid):
    return {key: int(status_of(pid, key)[0], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def limits_of(pid):
    return {line[:26].strip(): line[26:].split()[:2] for line in Path("/proc/%d/limits" % pid).read_text().splitlines()[1:]}


def inspectors(g):
    found = {pid for pid, line in processes_under(g.process.pid).items() if "portcullis-inspector" in line}
    return {pid for pid in found if int(status_of(pid, "PPid")[0]) in found}


def test_every_role_is_in_a_cage(gateway, origin):
    g = gateway(origin=origin, policies=WAF)
    assert g.get().status == 200
    roles = processes_under(g.process.pid)
    assert len(inspectors(g)) == 2 and len(roles) == 6
    for pid, line in [(g.process.pid, "supervisor"), *roles.items()]:
        assert status_of(pid, "Seccomp") == ["2"], line
        assert status_of(pid, "NoNewPrivs") == ["1"], line
        assert limits_of(pid)["Max core file size"] == ["0", "0"], line


@pytest.mark.skipif(not ROOT, reason="who has no capabilities cannot show that they are given up")
def test_no_capability_is_left_but_the_supervisors(gateway, origin):
    g = gateway(origin=origin, policies=WAF)
    for pid, line in processes_under(g.process.pid).items():
        assert set(capabilities(pid).values()) == {0}, line
        assert int(status_of(pid, "Uid")[0]) >= 1000, line
    own = capabilities(g.process.pid)
    assert own["CapInh"] == own["CapAmb"] == 0
    for key in ("CapPrm", "CapEff", "CapBnd"):
        assert own[key] & ~SUPERVISOR_KEEPS == 0 and own[key], key


@pytest.mark.skipif(SANITIZED, reason="a sanitizer looks for leaks from a process of its own")
def test_who_need_not_fork_cannot(gateway, origin):
    g = gateway(origin=origin, policies=WAF)
    for pid in [*g.role("worker"), *g.role("logger"), *inspectors(g)]:
        assert limits_of(pid)["Max processes"] == ["0", "0"]


def test_who_comes_later_is_caged_too(gateway, origin):
    g = gateway(origin=origin, policies=WAF)
    before = inspectors(g)
    worker = g.role("worker")[0]
    for pid in (min(before), worker):
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        new = [*inspectors(g) - before, *(pid for pid in g.role("worker") if pid != worker)]
        try:
            if len(new) == 2 and all(status_of(pid, "Seccomp") == ["2"] for pid in new):
                break
        except OSError:
            pass
        time.sleep(0.05)
    else:
        raise AssertionError("no caged successors:\n" + g.stderr())
    while g.get().status != 200:
        assert time.monotonic() < end
    assert g.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E").status == 403


def test_the_command_shows_that_every_cage_holds():
    done = subprocess.run([PROGRAM, "cage"], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    roles = lines[0].split()
    assert {"supervisor", "loader", "logger", "worker", "zygote", "inspector", "admin"} <= set(roles)
    table = {line[:26].strip(): dict(zip(roles, line[26:].split())) for line in lines[1:-1]}
    assert all(how in ("-", "EPERM", "ENOSYS", "killed") for row in table.values() for how in row.values()), done.stdout
    assert table["execute a program"]["worker"] == "killed"
    assert table["make a UDP socket"]["worker"] == "EPERM"
    assert table["mount"]["supervisor"] == "killed"
    if not SANITIZED:
        assert table["open a file"]["inspector"] == "EPERM"
        assert table["make a process"]["worker"] == "EPERM"


# ---- Without ----

class Open(Gateway):
    """Started with --no-cage."""

    def start(self, wait=60):
        self.error_file = open(self.folder / "errors.txt", "ab")
        self.process = subprocess.Popen([PROGRAM, "run", "-c", self.file, "--no-cage"], stdout=subprocess.PIPE, stderr=self.error_file)
        assert self.process.stdout.readline() == b"READY\n", self.stderr()


def test_without_cages_every_line_says_so(origin):
    g = Open(origin=origin, policies=WAF)
    try:
        assert g.get().status == 200
        for pid in [g.process.pid, *processes_under(g.process.pid)]:
            assert status_of(pid, "Seccomp") == ["0"] and status_of(pid, "NoNewPrivs") == ["1"]
        os.kill(g.role("worker")[0], signal.SIGKILL)
        end = time.monotonic() + 5
        while "started again" not in g.stderr() and time.monotonic() < end:
            time.sleep(0.05)
        lines = g.stderr().splitlines()
        assert any("--no-cage is for development only" in line for line in lines), lines
        assert any("rules loaded" in line for line in lines) and any("started again" in line for line in lines)
        assert all(re.search(r"Z \w+ \w+( \d+)? \(no cage\): ", line) for line in lines), lines
        g.stop()
    finally:
        g.remove()


def test_what_is_inherited_does_not_open_a_cage(monkeypatch, gateway, origin):
    monkeypatch.setenv("PORTCULLIS_CAGE_OPEN", "yes")
    g = gateway(origin=origin)
    assert {status_of(pid, "Seccomp")[0] for pid in [g.process.pid, *processes_under(g.process.pid)]} == {"2"}


def refuse_seccomp():
    """A filter that answers the seccomp call, and prctl's way to it, as a kernel without filters does."""
    seccomp = {"x86_64": 317, "aarch64": 277}[platform.machine()]
    prctl = {"x86_64": 157, "aarch64": 167}[platform.machine()]
    code = [(0x20, 0, 0, 0),                # the call's number
            (0x15, 3, 0, seccomp), (0x15, 0, 3, prctl),
            (0x20, 0, 0, 16),               # prctl's first argument
            (0x15, 0, 1, 22),               # PR_SET_SECCOMP
            (0x06, 0, 0, 0x00050000 | 22),  # EINVAL
            (0x06, 0, 0, 0x7fff0000)]
    program = b"".join(struct.pack("HBBI", *step) for step in code)
    held = ctypes.create_string_buffer(program)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(held)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, head, 0, 0) == 0


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the numbers of two architectures are known here")
def test_a_kernel_without_filters_is_a_reason_not_to_serve(origin):
    g = Gateway(origin=origin, start=False)
    try:
        done = subprocess.run([PROGRAM, "run", "-c", g.file], capture_output=True, text=True, timeout=60, preexec_fn=refuse_seccomp)
        assert done.returncode == 1 and "READY" not in done.stdout, done.stderr
        assert "cannot be closed" in done.stderr and "seccomp" in done.stderr and "--no-cage" in done.stderr
    finally:
        g.remove()
