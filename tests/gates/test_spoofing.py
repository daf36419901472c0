"""Whoever asks is who the gateway says: spoofed, doubled, look-alike and taken-away names, from strangers and through a hop."""
import time

import pytest

from rig_client import Client, request

HOP = "127.0.0.2"       # trusted
STRANGER = "127.0.0.1"  # not
MARK = "10.66.77.88"

# What the gateway states itself: replaced, whoever sent it.
OURS = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server",
        "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-User", "X-Forwarded-Client-Cert", "X-Forwarded", "X-Forward-For", "Forwarded",
        "Forwarded-For", "X-Real-IP", "Real-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "Fastly-Client-IP", "Fly-Client-IP",
        "Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Originating-IP", "X-Remote-IP", "X-Remote-Addr", "Remote-Addr", "WL-Proxy-Client-IP",
        "Proxy-Client-IP", "X-Azure-ClientIP", "X-Envoy-External-Address", "X-Envoy-Original-Path", "X-Host", "X-Original-Host", "X-Original-URL",
        "X-Original-Forwarded-For", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Request-ID", "X-Scheme",
        "Front-End-Https", "Base-URL", "Request-URI", "Proxy", "Proxy-Host", "X-Accel-Redirect", "X-Sendfile"]
# What only a hop in front can know.
HOPS = ["Remote-User", "Remote-Groups", "X-Remote-User", "X-WebAuth-User", "X-Auth-Request-Email", "X-Authenticated-User", "Client-Cert",
        "Client-Cert-Chain", "X-Client-Cert", "X-SSL-Client-Verify", "SSL-Client-S-DN", "X-Amzn-Oidc-Data", "X-MS-Client-Principal",
        "X-Goog-Authenticated-User-Email", "CF-IPCountry", "CloudFront-Viewer-Country"]


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin, countries):
    g = shared_gateway("""
        trusted: [%s]
        geoip: {country: '%s'}
        """ % (HOP, countries), origin=shared_origin, policies={"shop": """policy: shop
rules:
  - {id: embargo, when: 'ip.country == KP', do: block 451}
  - {id: banned, when: 'ip in [203.0.113.66]', do: block 403}
  - {id: local, when: 'ip in [127.0.0.0/8] and path == "/strangers-only"', do: block 404}
limits:
  - {id: few, when: 'path == "/few"', rate: 2 per 1h}
waf: {mode: off}
"""})
    return g


def ask(rig, *fields, source=STRANGER, target="/", method="GET", body=None):
    with Client(rig.http, source=source) as c:
        return c.ask(request(target, "shop.example.com", *fields, method=method, body=body))


def seen(rig, *fields, **how):
    """What the origin got, and the record."""
    answer = ask(rig, *fields, **how)
    assert answer.status == 200, answer.status
    return rig.origin.requests[-1], rig.record(answer)


@pytest.mark.parametrize("source", [STRANGER, HOP])
@pytest.mark.parametrize("name", OURS)
def test_what_the_gateway_states_is_replaced_whoever_sent_it(rig, name, source):
    # From the hop a forwarded address is read, and then stated anew; any other name of its is not.
    value = MARK if name != "X-Forwarded-For" or source == STRANGER else "garbage-" + MARK
    got, record = seen(rig, name + ": " + value, name.upper() + ": " + value, name.lower() + ": for=" + value, source=source)
    assert MARK.encode() not in got.head, got.head
    assert record["client"] == source and got.all("x-forwarded-for") == [source] and got.all("x-real-ip") == [source]


@pytest.mark.parametrize("name", HOPS)
def test_what_only_a_hop_can_know_passes_from_a_hop_alone(rig, name):
    got, _ = seen(rig, name + ": root")
    assert got.all(name) == []
    got, _ = seen(rig, name + ": root", source=HOP)
    assert got.all(name) == ["root"]


@pytest.mark.parametrize("source", [STRANGER, HOP])
def test_all_of_them_at_once(rig, source):
    fields = [n + ": " + MARK for n in OURS + HOPS if n != "X-Forwarded-For"]
    got, record = seen(rig, *fields, source=source)
    assert record["client"] == source
    assert got.head.count(MARK.encode()) == (len(HOPS) if source == HOP else 0)


@pytest.mark.parametrize("fields, client", [
    (["203.0.113.9"], "203.0.113.9"),
    (["127.0.0.1", "127.0.0.1", "203.0.113.9"], "203.0.113.9"),
    (["203.0.113.9, 127.0.0.2", "127.0.0.2"], "203.0.113.9"),
    (["10.0.0.1", "", "203.0.113.9", ""], "203.0.113.9"),
    ([",203.0.113.9"], "203.0.113.9"),
    (["203.0.113.9,"], HOP),
    (["203.0.113.9,,127.0.0.2"], HOP),
    (["evil, 203.0.113.9"], "203.0.113.9"),
    (["203.0.113.9, evil"], HOP),
    (["203.0.113.9, 127.0.0.2, evil, 127.0.0.2"], HOP),
    (["203.0.113.9, unknown"], HOP),
    (["203.0.113.9, _hidden"], HOP),
    (['for="203.0.113.9"'], HOP),
    (["203.0.113.9:4711"], "203.0.113.9"),
    (["[2001:db8::9]:4711"], "2001:db8::9"),
    (["[2001:db8::9]"], "2001:db8::9"),
    (["2001:db8::9"], "2001:db8::9"),
    (["::ffff:203.0.113.9"], "203.0.113.9"),
    (["::ffff:127.0.0.2"], HOP),
    (["64:ff9b::203.0.113.9"], "203.0.113.9"),
    (["203.0.113.9:x"], HOP), (["203.0.113.9:99999"], HOP), (["*:80"], HOP), (["*"], HOP), (["0x7f.1"], HOP), (["2130706433"], HOP),
    (["127.1"], HOP), (["203.0.113.009"], HOP), (["203.0.113.9/32"], HOP), (["fe80::1%lo"], HOP), (["203.0.113.9 10.0.0.1"], HOP),
    (["999.1.1.1"], HOP), (["<script>"], HOP), (["\xe2\x80\xae9.311.0.302"], HOP), (["-1"], HOP), (["'or 1=1--"], HOP),
])
def test_the_right_most_stranger_behind_the_hop_is_the_client(rig, fields, client):
    got, record = seen(rig, *["X-Forwarded-For: " + f for f in fields], source=HOP)
    assert record["client"] == client and record["peer"] == HOP
    assert got.all("x-real-ip") == [client]
    assert got.all("x-forwarded-for") == [client if client == HOP else client + ", " + HOP]


@pytest.mark.parametrize("hops", [31, 32, 33, 2000])
def test_a_chain_of_hops_is_walked_so_far_and_no_farther(rig, hops):
    _, record = seen(rig, "X-Forwarded-For: 203.0.113.9" + ", 127.0.0.2" * hops, source=HOP)
    # Where the walk ends, the last hop that was understood asks: never somebody further left.
    assert record["client"] == ("203.0.113.9" if hops < 32 else HOP)


def test_ten_thousand_hops_are_too_much_of_a_head(rig):
    before = rig.origin.bytes_seen()
    began = time.monotonic()
    for source in (STRANGER, HOP):
        assert ask(rig, "X-Forwarded-For: " + ", ".join(["10.0.0.1"] * 10000), source=source).status == 431
        assert ask(rig, *["X-Forwarded-For: 10.0.0.1"] * 10000, source=source).status == 431
    assert rig.origin.bytes_seen() == before and time.monotonic() - began < 5


@pytest.mark.parametrize("claim, status", [("175.45.176.9", 451), ("81.169.128.9", 200), ("203.0.113.66", 403), ("2a00:1:1::9", 200),
                                           ("203.0.113.66, 81.169.128.9", 200), ("81.169.128.9, 203.0.113.66", 403)])
def test_place_rules_and_record_go_by_one_address(rig, claim, status):
    answer = ask(rig, "X-Forwarded-For: " + claim, source=HOP)
    record = rig.record(answer)
    assert answer.status == status
    assert record["client"] == claim.split(", ")[-1]
    assert record.get("country") == {"175.45.176.9": "KP", "81.169.128.9": "DE", "2a00:1:1::9": "SY"}.get(record["client"])
    # The same words from a stranger change nothing.
    answer = ask(rig, "X-Forwarded-For: " + claim)
    assert answer.status == 200 and rig.record(answer)["client"] == STRANGER


def test_limits_go_by_the_same_address(rig):
    few = lambda *fields, **how: ask(rig, *fields, target="/few", **how).status
    assert [few("X-Forwarded-For: 198.51.100.%d" % (i // 3), source=HOP) for i in range(6)] == [200, 200, 429, 200, 200, 429]
    # A stranger who gives himself a new address for each request is one client.
    assert [few("X-Forwarded-For: 198.51.100.%d" % (50 + i), "X-Real-IP: 10.0.0.%d" % i) for i in range(4)] == [200, 200, 429, 429]


@pytest.mark.parametrize("said, source, want", [
    (["https"], HOP, "https"), (["http", "https"], HOP, "https"), (["https", "http"], HOP, "http"), (["https"], STRANGER, "http"),
    (["HTTPS"], HOP, "http"), (["https, http"], HOP, "http"), (["gopher"], HOP, "http"), (["https\x80"], HOP, "http"), ([""], HOP, "http"),
])
def test_the_scheme_is_a_trusted_hops_last_word_or_the_connections(rig, said, source, want):
    got, _ = seen(rig, *["X-Forwarded-Proto: " + s for s in said], source=source)
    assert got.all("x-forwarded-proto") == [want]


PROTECTED = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "X-Request-ID", "Host", "Content-Length", "Content-Type",
             "Cookie", "Authorization", "Transfer-Encoding", "Accept-Encoding", "User-Agent", "Origin", "Referer", "Sec-Fetch-Site", "Remote-User",
             "Client-Cert", "traceparent"]


@pytest.mark.parametrize("source", [STRANGER, HOP])
@pytest.mark.parametrize("form", ["close, %s", "%s", "keep-alive,%s , close", "x, %s"], ids=["behind", "alone", "between", "last"])
def test_connection_takes_away_nothing_that_somebody_relies_on(rig, form, source):
    for name in PROTECTED:
        fields = ["Cookie: a=b", "Authorization: Basic eA==", "Content-Type: text/plain", "Accept-Encoding: br", "Origin: https://o.example",
                  "Referer: https://r.example/", "Sec-Fetch-Site: same-origin", "Remote-User: ann", "Client-Cert: :eA==:",
                  "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
        got, _ = seen(rig, "Connection: " + form % name, "Connection: " + form % name.upper(), *fields, source=source, method="POST", body=b"hello")
        assert got.body == b"hello" and got.get("host") == "shop.example.com" and got.all("content-length") == ["5"]
        for field in fields[:7] + fields[9:]:
            n, _, value = field.partition(": ")
            assert got.all(n) == [value], (name, n)
        for field in fields[7:9]:
            n, _, value = field.partition(": ")
            assert got.all(n) == ([value] if source == HOP else []), (name, n)
        assert got.all("x-forwarded-for") == [source] == got.all("x-real-ip")
        assert len(got.all("x-request-id")) == 1 and got.all("connection") == []


def test_connection_takes_away_what_is_the_clients_own(rig):
    got, _ = seen(rig, "Connection: X-Auth-User, x-own", "X-Auth-User: root", "X-Own: 1", "X-Other: 2")
    assert got.all("x-auth-user") == got.all("x-own") == [] and got.all("x-other") == ["2"]


SIGNS = "_.!#$%&'*+^`|~"


@pytest.mark.parametrize("source", [STRANGER, HOP])
@pytest.mark.parametrize("sign", SIGNS)
def test_no_look_alike_of_a_protected_name_arrives(rig, sign, source):
    for name in ("X-Forwarded-For", "X-Real-IP", "Remote-User", "Client-Cert", "X-Auth-User", "Content-Length", "Transfer-Encoding",
                 "X-Remote-Addr", "X-Accel-Redirect", "Proxy-Authorization", "X-HTTP-Method-Override"):
        for one in (name.replace("-", sign), name.replace("-", sign, 1), name + sign, sign + name):
            before = len(rig.origin.requests)
            status = ask(rig, one + ": " + MARK, source=source).status
            assert status in (200, 400), one
            heads = b"".join(r.head for r in rig.origin.requests[before:])
            assert MARK.encode() not in heads and (status == 400) == (not heads), one


@pytest.mark.parametrize("line", ["X-Auth-User : root", "X-Auth-User\t: root", "X-Auth-User\0: root", " X-Auth-User: root", "X-Auth-User\r: root",
                                  "X-Auth\xa0User: root", "X-Auth\xadUser: root", "X\xe2\x80\x90Auth-User: root", "X-Auth User: root", ": root",
                                  "X-Auth-User", "X(Auth)User: root", '"X-Auth-User": root', "X/Auth/User: root", "X@Auth: root"])
def test_a_name_that_is_none_is_refused(rig, line):
    before = rig.origin.bytes_seen()
    for source in (STRANGER, HOP):
        assert ask(rig, line, source=source).status == 400
    assert rig.origin.bytes_seen() == before


def test_one_name_in_many_cases_is_one_name(rig):
    got, _ = seen(rig, "X-Auth-User: a", "x-auth-user: b", "X-AUTH-USER: c", "x-Auth-uSer: d")
    assert got.all("x-auth-user") == ["a", "b", "c", "d"]
    assert {n for n, _ in got.fields if n.lower() == "x-auth-user"} == {"x-auth-user"}
