"""The main job, end to end: TLS in, every request judged, clean traffic out."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig_client import request

ATTACK = "/?q=%3Cscript%3Ealert(1)%3C/script%3E"
WAF = "policy: shop\nwaf: {mode: enforce, paranoia: 1}\n"
LOGIN = """policy: shop
limits:
  - {id: login, when: 'path under "/login" and method == POST', rate: 5 per 1m}
waf: {mode: off}
"""


def post_login(gateway, tls=True):
    return gateway.ask(request("/login", method="POST", body=b"user=a"), tls=tls).status


def test_a_clean_page_comes_through_tls(gateway, origin):
    g = gateway(origin=origin)
    answer = g.get("/page", tls=True)
    assert (answer.status, answer.text) == (200, "origin got /page")
    assert origin.targets() == ["/page"]


def test_a_script_injection_is_refused_and_never_reaches_the_origin(gateway, origin):
    g = gateway(origin=origin, policies={"shop": WAF})
    assert g.get("/page", tls=True).status == 200
    before = origin.bytes_seen()
    assert g.get(ATTACK, tls=True).status == 403
    assert origin.bytes_seen() == before
    assert 941100 in g.waf_ids()


def test_a_refused_country_gets_451_by_its_forwarded_address(gateway, origin, countries):
    g = gateway("""
        geoip: {country: '%s', missing: refuse}
        trusted: ['127.0.0.0/8']
        """ % countries, origin=origin, policies={"shop": """policy: shop
sets: {embargo: [KP, SY]}
rules:
  - {id: embargo, when: 'ip.country in @embargo', do: block 451}
waf: {mode: off}
"""})
    assert g.get("/", "shop.example.com", "X-Forwarded-For: 175.45.176.7", tls=True).status == 451
    assert g.get("/", "shop.example.com", "X-Forwarded-For: 2a00:1:1::7", tls=True).status == 451
    assert g.get("/", "shop.example.com", "X-Forwarded-For: 81.169.128.7", tls=True).status == 200
    assert g.get("/", tls=True).status == 200, "an address without a place is in no set"
    assert len(origin.requests) == 2


def test_a_country_cannot_be_claimed_by_an_untrusted_client(gateway, origin, countries):
    g = gateway("geoip: {country: '%s', missing: refuse}" % countries, origin=origin, policies={"shop": """policy: shop
rules:
  - {id: only-de, when: 'ip.country not in [DE]', do: block 403}
waf: {mode: off}
"""})
    assert g.get("/", "shop.example.com", "X-Forwarded-For: 81.169.128.7").status == 403


def test_one_limit_is_shared_by_two_gateways_on_one_redis(gateway, origin, redis, folder):
    (folder / "secret").write_text("0123456789abcdef0123456789abcdef")
    (folder / "secret").chmod(0o644)
    config = "redis: {address: '127.0.0.1:%d'}\ncluster_secret_file: '%s'\n" % (redis.port, folder / "secret")
    pair = [gateway(config, origin=origin, policies={"shop": LOGIN}) for _ in range(2)]
    statuses = [post_login(pair[i % 2]) for i in range(20)]
    assert statuses.count(200) == 5 and statuses.count(429) == 15
    assert statuses[:5] == [200] * 5, "the first five, whichever gateway they came through"
    assert len(origin.requests) == 5


def test_a_limit_in_memory_is_exact_over_four_workers(gateway, origin):
    g = gateway("processes: {workers: 4, inspectors: 2}", origin=origin, policies={"shop": LOGIN})
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: post_login(g), range(20)))
    assert statuses.count(200) == 5 and statuses.count(429) == 15
    assert len(origin.requests) == 5


def test_a_refusal_carries_the_request_id_of_its_record(gateway, origin):
    g = gateway(origin=origin, policies={"shop": """policy: shop
rules:
  - {id: no, when: 'path under "/no"', do: block 403}
waf: {mode: off}
"""})
    answer = g.get("/no", tls=True)
    found = re.search(r"\b[0-9a-f]{32}\b", answer.text)
    assert answer.status == 403 and found, answer.text
    record = g.log(1)[-1]
    assert record["id"] == found[0]
    assert found[0] in (answer.get("x-request-id") or found[0])


def test_two_requests_never_share_an_id(gateway, origin):
    g = gateway(origin=origin)
    with g.client() as c:
        for _ in range(20):
            c.get()
    assert len({r["id"] for r in g.log(20)}) == 20


@pytest.mark.parametrize("host", ["other.example.org", "127.0.0.1", "example.com", "a.shop.example.com"])
def test_an_unknown_host_is_misdirected(gateway, origin, host):
    g = gateway("sites: {shop: {hosts: [shop.example.com], origin: '$origin'}}", origin=origin)
    assert g.get("/", host, tls=True).status == 421
    assert g.get("/", "shop.example.com", tls=True).status == 200
    assert len(origin.requests) == 1


def test_sites_have_their_own_origins_and_wildcards(gateway, origin_maker):
    exact, wild, rest = origin_maker(), origin_maker(), origin_maker()
    g = gateway("""
        sites:
          exact: {hosts: [a.example.com], origin: '%s'}
          wild: {hosts: ['*.example.com'], origin: '%s'}
          rest: {hosts: ['*'], origin: '%s'}
        """ % (exact.url, wild.url, rest.url))
    for host in ("a.example.com", "b.example.com", "other.org"):
        assert g.get("/" + host, host).status == 200
    assert [o.targets() for o in (exact, wild, rest)] == [["/a.example.com"], ["/b.example.com"], ["/other.org"]]


def test_a_redirect_listener_sends_to_https(gateway, origin):
    g = gateway("""
        listeners:
          - {address: '127.0.0.1:$https', serve: https}
          - {address: '127.0.0.1:$http', serve: redirect}
        """, origin=origin)
    answer = g.get("/a%20b?c=d")
    assert answer.status in (301, 308)
    assert answer.get("location") == "https://shop.example.com:%d/a%%20b?c=d" % g.https
    assert origin.requests == []
    assert g.get("/", tls=True).status == 200


def test_detect_lets_an_attack_pass_and_records_it(gateway, origin):
    g = gateway(origin=origin, policies={"shop": "policy: shop\nwaf: {mode: detect, paranoia: 1}\n"})
    assert g.get(ATTACK, tls=True).status == 200
    assert len(origin.requests) == 1
    assert 941100 in g.waf_ids()
