"""Lanes to the inspectors that nobody takes from: what waits is shed by its clock, what does not need them goes on."""
import os
import signal
import time

import pytest

from rig_client import request
from rig_gateway import SANITIZED, processes_under

QUEUE, RUN = (0.6, 0.4) if SANITIZED else (0.3, 0.1)
LATEST = QUEUE + 4 * RUN + 1  # of a job that was sent, and the machine's own slowness
AGENT = ("User-Agent: Mozilla/5.0", "Accept: text/html")
LARGE = request("/form", "shop.example.com", "Content-Type: application/x-www-form-urlencoded", *AGENT, method="POST",
                body=b"text=" + b"garden+chairs+" * 430)
PAGE = request("/page", "shop.example.com", *AGENT)
ATTACK = request("/page?q=%3Cscript%3Ealert(1)%3C/script%3E", "shop.example.com", *AGENT)
PLAIN = request("/page", "plain.example.com", *AGENT)


@pytest.fixture(scope="module")
def lanes(shared_gateway, shared_origin):
    return shared_gateway(
        "sites:\n  shop: {hosts: shop.example.com, origin: '$origin', policy: shop}\n  plain: {hosts: '*', origin: '$origin'}\n"
        "waf: {queue: %dms, run: %dms}\nprocesses: {workers: 1, inspectors: 2}\nclient: {requests: 1000000}\n"
        % (QUEUE * 1000, RUN * 1000),
        origin=shared_origin, policies={"shop": "policy: shop\nwaf: {mode: enforce}\n"})


def engines(g):
    """The zygote, then the inspectors."""
    return sorted(pid for pid, line in processes_under(g.process.pid).items() if "portcullis-inspector" in line)


def timed(c, message):
    began = time.monotonic()
    return c.ask(message).status, time.monotonic() - began


def serves_again(g):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if g.ask(PAGE).status == 200 and g.ask(LARGE).status == 200 and g.ask(ATTACK).status == 403:
            return True
        time.sleep(0.05)
    return False


class Stopped:
    """Some of them; the zygote always, or it would replace them."""

    def __init__(self, g):
        self.g, self.held = g, []

    def stop(self, *pids):
        self.held.extend(pids)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    def go_on(self):
        for pid in reversed(self.held):
            os.kill(pid, signal.SIGCONT)
        self.held = []

    def stop_all(self):
        self.stop(*engines(self.g))

    def stop_who_takes_large_bodies(self):
        """One of two, the first that was started; one that was replaced is not where it was."""
        zygote, *inspectors = engines(self.g)
        for pid in inspectors:
            self.stop(zygote, pid)
            if self.g.ask(LARGE).status == 503:
                return
            self.go_on()
        pytest.fail("both take large bodies")


@pytest.fixture
def stopped(lanes):
    assert serves_again(lanes)
    them = Stopped(lanes)
    yield them
    them.go_on()
    assert serves_again(lanes), lanes.stderr()


def flood(g, message, n):
    clients = [g.client(timeout=20) for _ in range(n)]
    began = time.monotonic()
    for c in clients:
        c.send(message)
    return clients, began


def end_of(clients, began):
    """(status, seconds) of each."""
    seen = []
    for c in clients:
        seen.append((c.read().status, time.monotonic() - began))
        c.close()
    return seen


def test_large_bodies_that_nobody_takes_leave_pages_alone(lanes, stopped):
    stopped.stop_who_takes_large_bodies()
    clients, began = flood(lanes, LARGE, 200)
    pages = []
    with lanes.client() as c, lanes.client() as d:
        while time.monotonic() < began + QUEUE + 4 * RUN:
            pages += [timed(c, PAGE), timed(d, PLAIN)]
            assert lanes.ask(ATTACK).status == 403
    seen = end_of(clients, began)
    assert {status for status, _ in pages} == {200}
    assert len(pages) > 20 and max(took for _, took in pages) < QUEUE, sorted(pages)[-5:]
    assert {status for status, _ in seen} == {503}
    assert max(took for _, took in seen) < LATEST


def test_while_nobody_inspects_the_queue_is_shed_and_other_sites_serve(lanes, stopped):
    before = lanes.lines()
    stopped.stop_all()
    clients, began = flood(lanes, PAGE, 200)
    plain = []
    with lanes.client() as c:
        while time.monotonic() < began + QUEUE + 4 * RUN:
            plain.append(timed(c, PLAIN))
    seen = end_of(clients, began)
    assert {status for status, _ in plain} == {200} and max(took for _, took in plain) < QUEUE, sorted(plain)[-5:]
    assert {status for status, _ in seen} == {503} and max(took for _, took in seen) < LATEST
    reasons = [r.get("reason") for r in lanes.log(before + 200 + len(plain)) if r["site"] == "shop"][-200:]
    # 128 were sent, and their own deadline ended them; the rest waited in the worker, and `queue` did.
    assert reasons.count("waf-busy") == 72 and reasons.count("waf-lost") == 128, reasons
    assert "worker 0 has been silent" not in lanes.stderr()
