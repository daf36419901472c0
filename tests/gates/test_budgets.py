"""What one client may take of what all share: each bound driven over its edge, its answer, reason and metric
seen, others served beside it, and what was taken given back."""
import time

import pytest

from rig_client import Client, request
from rig_gateway import SANITIZED, free_port
from test_admin import at, parse

JSON = "Content-Type: application/json"
WAF = {"shop": "policy: shop\nwaf: {mode: enforce, paranoia: 1}\n"}


class Bounded:
    """A gateway that says what it counts."""

    def __init__(self, gateway, config="", **how):
        self.port = free_port()
        self.g = gateway("admin: {address: '127.0.0.1:%d'}\n%s" % (self.port, config), **how)

    def __getattr__(self, name):
        return getattr(self.g, name)

    def metrics(self):
        with Client(self.port) as c:
            return parse(c.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").text)

    def count(self, name, **labels):
        return at(self.metrics(), "portcullis_" + name, **labels)

    def gauge_falls(self, most, name, within=5.0, **labels):
        """Gauges are looked at four times a second."""
        end = time.monotonic() + within
        while self.count(name, **labels) > most and time.monotonic() < end:
            time.sleep(0.1)
        return self.count(name, **labels) <= most

    def records(self, n, **like):
        """At least so many records with these values."""
        end = time.monotonic() + 5
        while True:
            found = [r for r in self.log() if all(r.get(k) == v for k, v in like.items())]
            if len(found) >= n or time.monotonic() > end:
                assert len(found) >= n, self.log()[-5:]
                return found
            time.sleep(0.05)


@pytest.fixture
def bounded(gateway, origin):
    def make(config="", **how):
        how.setdefault("origin", origin)
        return Bounded(gateway, config, **how)
    return make


def heavy(leaves=300, target="/"):
    body = ('{"a":[%s]}' % ",".join('"%s"' % ("word " * 12) for _ in range(leaves))).encode()
    return request(target, "shop.example.com", JSON, method="POST", body=body)


# ---- CPU time of inspections ----

def test_one_client_has_so_much_inspection_and_others_have_theirs(bounded):
    g = bounded("waf: {client_cpu: 200ms, client_window: 4s, run: 5s}", policies=WAF)
    for n in range(200):
        with g.client() as c:
            answer = c.ask(heavy())
        if answer.status != 200:
            break
    assert answer.status == 429 and 1 <= int(answer.get("retry-after")) <= 9
    record = g.records(1, reason="waf-budget", status=429, filter="waf", decision="block")[0]
    assert "waf" not in record, "it was not inspected"
    assert g.get("/plain").status == 429, "whatever is asked for"
    with g.client(source="127.0.0.2") as other:
        assert other.ask(heavy(5)).status == 200
        assert other.ask(request("/?q=%3Cscript%3Ealert(1)%3C/script%3E")).status == 403
    assert g.count("waf_inspections_total", result="spent") >= 2
    assert g.count("refusals_total", reason="waf-budget") >= 2
    end = time.monotonic() + 12
    statuses = []
    while 200 not in statuses and time.monotonic() < end:
        time.sleep(0.2)
        statuses.append(g.get("/plain").status)
    assert statuses[-1] == 200, "it comes back"


def test_who_leaves_before_the_verdict_pays_all_the_same(bounded):
    g = bounded("waf: {client_cpu: 200ms, client_window: 10m, run: 5s}", policies=WAF)
    for n in range(100):
        with g.client() as c:
            c.send(heavy(900))
            time.sleep(0.03)
        if n % 5 == 4 and g.get().status == 429:
            break
    assert g.get().status == 429


def test_an_inspection_that_is_killed_costs_what_it_took(bounded):
    run = "400ms" if SANITIZED else "40ms"
    g = bounded("waf: {client_cpu: %s, client_window: 10m, run: %s, run_per_kib: 0ms}"
                % ("1200ms" if SANITIZED else "120ms", run), policies=WAF)
    seen = []
    for _ in range(20):
        with g.client() as c:
            seen.append(c.ask(heavy(950)).status)
        if seen[-1] == 429:
            break
    assert seen[0] == 503 and seen[-1] == 429, seen


def test_in_detect_mode_nobody_is_refused_and_the_record_says_what_was_not_seen(bounded):
    g = bounded("waf: {client_cpu: 30ms, client_window: 10m, run: 5s}",
                policies={"shop": "policy: shop\nwaf: {mode: detect}\n"})
    for _ in range(20):
        with g.client() as c:
            assert c.ask(heavy()).status == 200
    assert g.count("waf_inspections_total", result="spent") >= 1
    assert g.count("uninspected_requests_total") >= 1


def test_behind_a_trusted_hop_each_client_has_its_own(bounded):
    g = bounded("trusted: ['127.0.0.0/8']\nwaf: {client_cpu: 30ms, client_window: 10m, run: 5s}", policies=WAF)

    def ask(client):
        return g.get("/", "shop.example.com", "X-Forwarded-For: " + client).status

    for _ in range(200):
        if ask("2001:db8:1:1::1") == 429:
            break
    assert ask("2001:db8:1:1::2") == 429 and ask("2001:db8:1:2::1") == 200 and ask("198.51.100.1") == 200
