"""waf.at: other settings of the WAF for some paths, answers of some paths among them."""
import pytest

from rig_client import request
from rig_gateway import check
from rig_origin import page

LATER = __import__("datetime").date.today() + __import__("datetime").timedelta(days=100)
BECAUSE = "why: a test, owner: gates, expires: %s" % LATER
LEAK = b"<p>You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version</p>"
ATTACK = "?q=%3Cscript%3Ealert(1)%3C/script%3E"
POLICY = """policy: shop
waf:
  mode: enforce
  at:
    - {id: reports, when: 'path under "/reports"', responses: {mode: enforce, body: true}}
    - {id: watched, when: 'path under "/watched"', responses: {mode: detect, body: true}}
    - {id: strict, when: 'path under "/strict"', paranoia: 4}
    - {when: 'path under "/trial"', mode: detect, %s}
    - {id: open, when: 'path under "/open"', mode: off, %s}
""" % (BECAUSE, BECAUSE)


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(origin=shared_origin, policies={"shop": POLICY})
    for path in ("/reports/1", "/watched/1", "/elsewhere", "/open/1"):
        shared_origin.answers[path] = [page(LEAK, "200 OK", "Content-Type: text/html", "X-Inside: secret")]
    return g


def test_answers_are_judged_where_an_entry_says_so(rig):
    refused = rig.get("/reports/1")
    assert refused.status == 403 and b"MySQL" not in refused.body and refused.get("x-inside") is None
    line = rig.record(refused)
    assert line["reason"] == "waf-answer" and "'reports'" in str(line)
    assert rig.origin.requests[-1].all("accept-encoding") == ["identity"]
    assert rig.get("/reports/2").status == 200


def test_answers_are_watched_where_an_entry_says_so(rig):
    answer = rig.get("/watched/1")
    assert answer.body == LEAK
    assert any(r["id"] // 1000 == 951 for r in rig.record(answer)["waf"]["rules"])


def test_answers_of_other_paths_are_left_alone(rig):
    answer = rig.get("/elsewhere", "shop.example.com", "Accept-Encoding: gzip")
    assert answer.status == 200 and answer.body == LEAK
    assert rig.origin.requests[-1].all("accept-encoding") == ["gzip"]
    assert not rig.record(answer).get("waf", {}).get("rules")


@pytest.mark.parametrize("path, statuses", [("/", (403, 200)), ("/strict/x", (403, 403)), ("/trial/x", (200, 200)),
                                            ("/open/x", (200, 200)), ("/stricter", (403, 200))])
def test_requests_are_judged_by_the_entry_of_their_path(rig, path, statuses):
    """An attack, and something that only paranoia 4 takes for one."""
    assert (rig.get(path + ATTACK).status, rig.get(path + "?q=a%27b%22c").status) == statuses


def test_what_is_not_enforced_is_recorded_or_not_looked_at(rig):
    assert 941100 in [r["id"] for r in rig.record(rig.get("/trial/x" + ATTACK))["waf"]["rules"]]
    assert not rig.record(rig.get("/open/x" + ATTACK)).get("waf", {}).get("rules")
    assert rig.ask(request("/open/x", "shop.example.com", "Content-Type: application/x-unknown", method="POST",
                           body=b"x")).status == 200
    assert rig.ask(request("/strict/x", "shop.example.com", "Content-Type: application/x-unknown", method="POST",
                           body=b"x")).status == 415


def test_an_entry_protects_where_the_policy_does_not(gateway, origin):
    g = gateway(origin=origin,
                policies={"shop": "policy: shop\nwaf: {mode: off, at: [{when: 'path under \"/shop\"', mode: enforce}]}\n"})
    assert g.get("/" + ATTACK).status == 200
    assert g.get("/shop" + ATTACK).status == 403


def test_an_entry_that_looks_less_closely_answers_for_it():
    code, output = check("", {"shop": "policy: shop\nwaf: {at: [{when: 'path under \"/a\"', mode: detect}]}\n"})
    assert code and "add `why`" in output and "add `owner`" in output and "add `expires`" in output
