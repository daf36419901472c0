"""A reload that something happens to: no process to be had, a worker that is not there yet, the end of the gateway."""
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from rig_gateway import PROGRAM, SANITIZED, Gateway, processes_under

ROOT = os.geteuid() == 0


def rule(status):
    return "policy: shop\nrules:\n  - {id: x, when: 'path under \"/x\"', do: block %d}\n" % status


def reload(g, prefix=(), env=None):
    done = subprocess.run([*prefix, PROGRAM, "reload", "-c", g.file], capture_output=True, text=True, timeout=90, env=env)
    return done.returncode, done.stdout + done.stderr


class Asked(threading.Thread):
    """A reload beside what the test does."""

    def __init__(self, g):
        super().__init__()
        self.g, self.code, self.said = g, None, ""
        self.start()

    def run(self):
        self.code, self.said = reload(self.g)


def until(holds, within=10, pause=0.005):
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(pause)
    return holds()


def worker(g, slot):
    """0 while there is none."""
    return next((pid for pid, line in processes_under(g.process.pid).items() if "role-worker %d " % slot in line), 0)


@pytest.mark.skipif(not ROOT, reason="only root can have it run as somebody who has nothing to lose")
def test_a_loader_that_cannot_be_started_is_an_error_and_kills_nobody(origin):
    uid = 61000 + os.getpid() % 1000
    somebody = ["setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups"]
    g = Gateway(origin=origin, policies={"shop": rule(451) + "waf: {mode: off}\n"}, start=False)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(g.folder)}
    bystander = subprocess.Popen([*somebody, "sleep", "60"])
    try:
        subprocess.run(["chown", "-R", "%d:%d" % (uid, uid), g.folder], check=True)
        with open(g.folder / "errors.txt", "ab") as errors:
            g.process = subprocess.Popen([*somebody, PROGRAM, "run", "-c", g.file], stdout=subprocess.PIPE,
                                         stderr=errors, env=env)
        assert g.process.stdout.readline() == b"READY\n", g.stderr()
        children = processes_under(g.process.pid)
        limit = [*somebody, "prlimit", "--pid=%d" % g.process.pid]
        processes = lambda most: subprocess.run([*limit, "--nproc=%d:" % most], check=True)
        processes(1)
        (g.folder / "policies/shop.yaml").write_text(rule(452) + "waf: {mode: off}\n")
        code, said = reload(g, somebody, env)
        assert code == 1 and "the loader cannot be started: Resource temporarily unavailable" in said, said
        assert "goes on" in said
        assert bystander.poll() is None and processes_under(g.process.pid) == children, "nobody was killed"
        assert g.get("/x").status == 451
        processes(1000)
        code, said = reload(g, somebody, env)
        assert code == 0, said
        assert g.get("/x").status == 452
        g.stop()
    finally:
        bystander.kill()
        bystander.wait()
        if g.process:
            g.process.kill()
        g.remove()


@pytest.fixture
def silent_redis():
    with socket.create_server(("127.0.0.1", 0)) as s:
        yield s.getsockname()[1]


def test_a_reload_that_meets_a_starting_worker_does_not_cost_its_slot(gateway, origin, silent_redis):
    """One that waits a moment for Redis before it serves, and hears of what was not put into force meanwhile."""
    g = gateway("processes: {workers: 2}\nredis: {address: '127.0.0.1:%d'}" % silent_redis, origin=origin,
                policies={"shop": rule(451) + "waf: {mode: off}\n"})
    (g.folder / "policies/shop.yaml").write_text(rule(452) + "waf: {mode: off}\n")
    for _ in range(20):
        old = worker(g, 1)
        os.kill(old, signal.SIGKILL)
        assert until(lambda: worker(g, 1) not in (0, old), pause=0.0005)
        young = worker(g, 1)
        os.kill(young, signal.SIGSTOP)
        asked = Asked(g)
        asked.join(0.5)
        os.kill(young, signal.SIGCONT)
        asked.join()
        if "worker 1 is not there to change over" in asked.said:
            break
        # It was quick, and serves already: once more.
        assert asked.code == 0, asked.said
        assert until(lambda: g.get("/x").status == 452)
        time.sleep(0.2)
    else:
        pytest.fail("no worker was found while it was starting")
    assert "goes on" in asked.said
    assert until(lambda: reload(g)[0] == 0, pause=0.1), "it has come up, and takes part\n" + g.stderr()
    assert worker(g, 1) == young
    assert g.get("/x").status == 452


# ---- While workers change over ----

SITES = 4 if SANITIZED else 40


@pytest.fixture
def slow_to_try(gateway, origin):
    """One whose known attacks take a while: in that time a worker can be stopped that has prepared and not committed."""
    names = ["p%d" % i for i in range(SITES)]
    sites = "".join("  %s: {hosts: %s.example.com, origin: '%s', policy: %s}\n" % (n, n, origin.url, n) for n in names)
    policies = {n: "policy: %s\nwaf: {mode: enforce}\n" % n for n in names}
    return gateway("sites:\n  shop: {hosts: '*', origin: '%s', policy: shop}\n%s"
                   "processes: {workers: 2, inspectors: 2, drain: 1s}\n" % (origin.url, sites),
                   policies={"shop": rule(451), **policies})


def images(pid):
    return len(re.findall("memfd:portcullis-config", Path("/proc/%d/maps" % pid).read_text()))


def idle(*pids):
    """None of them runs, or would if it had a core, for a moment."""
    wanted = lambda: sum(int(n) for pid in pids for n in Path("/proc/%d/schedstat" % pid).read_text().split()[:2])
    before = wanted()
    time.sleep(0.1)
    return wanted() - before < 20e6


def reload_while_it_is_tried(g):
    """(who asked, worker 1, which has prepared and waits while worker 0 tries the known attacks)"""
    (g.folder / "policies/shop.yaml").write_text(rule(452))
    late = worker(g, 1)
    assert images(late) == 1
    asked = Asked(g)
    assert until(lambda: images(late) == 2, pause=0.001)
    # It says so when it has made all of it, and then has nothing to do.
    assert until(lambda: idle(late), pause=0)
    return asked, late


def stop_in_the_commit(g):
    """The same, but that worker 0 has committed.  While the supervisor stands still nobody is told to."""
    logger, first = g.role("role-logger"), worker(g, 0)
    asked, late = reload_while_it_is_tried(g)
    g.process.send_signal(signal.SIGSTOP)
    inspectors = [pid for pid, line in processes_under(g.process.pid).items() if "portcullis-inspector" in line]
    tried = until(lambda: idle(first, *inspectors), within=30, pause=0)
    os.kill(late, signal.SIGSTOP)
    g.process.send_signal(signal.SIGCONT)
    assert tried, g.stderr()
    assert until(lambda: g.role("role-logger") != logger), "the logger is replaced with the commit\n" + g.stderr()
    assert asked.is_alive(), asked.said
    return asked, late


needs_maps = pytest.mark.skipif(not ROOT, reason="what a worker maps is root's to see")


@needs_maps
def test_a_stop_during_the_commit_is_a_clean_end(slow_to_try):
    g = slow_to_try
    asked, late = stop_in_the_commit(g)
    began = time.monotonic()
    g.stop(within=10)
    assert time.monotonic() - began < 6, "drain is a second, then the one that stands still is killed"
    asked.join(5)
    assert asked.code == 1 and "the gateway is stopping" in asked.said, asked.said
    assert "goes on" not in asked.said and not asked.said.endswith("ok\n")
    assert not os.path.exists("/proc/%d" % late)


@needs_maps
def test_a_worker_that_dies_before_the_commit_does_not_serve_another_generation(slow_to_try):
    """It had prepared the next one, and comes back with the one in force: then nobody may change."""
    g = slow_to_try
    asked, late = reload_while_it_is_tried(g)
    os.kill(late, signal.SIGKILL)
    asked.join(30)
    assert asked.code == 1 and "worker 1 died" in asked.said and "goes on" in asked.said, asked.said
    assert until(lambda: worker(g, 1) not in (0, late))
    assert until(lambda: reload(g)[0] == 0, pause=0.1)
    assert {g.get("/x").status for _ in range(40)} == {452}


@needs_maps
def test_a_worker_that_hangs_in_the_commit_comes_back_with_the_new_generation(slow_to_try):
    g = slow_to_try
    asked, late = stop_in_the_commit(g)
    asked.join(10)
    assert asked.code == 0 and "is in force" in asked.said, asked.said
    assert until(lambda: worker(g, 1) not in (0, late))
    assert {g.get("/x").status for _ in range(20)} == {452}
    assert reload(g)[0] == 0, "all workers are there"
