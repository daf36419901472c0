"""Framing and smuggling, in the first lines: targets, versions, hosts, and how much of all that (THREATS A21 to A24)."""
import pytest

from rig_client import request
from rig_framing import HOST, POLICY, SITES, canary, head, is_refusal, one_request, post, refused, told, watched

ROOT = b" HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(SITES, origin=shared_origin, policies={"shop": POLICY})
    return g


# ---- A21: forms of the target ----

@pytest.mark.parametrize("target",
                         [b"http://169.254.169.254/", b"http://169.254.169.254/latest/meta-data",
                          b"http://other.example.org/",
                                    b"http://127.0.0.1:6379/", b"http://[::1]/", b"http://localhost/",
                                    b"http://unknown.example.com:8080/x"])
def test_an_authority_that_is_no_site_is_misdirected(rig, target):
    """Whatever Host says; the connection is as good as it was."""
    with watched(rig) as seen:
        answers, closed = told(rig, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert [a.status for a in answers] == [421] and not closed
    assert len(seen.requests) == 1 and seen.requests[0].target.startswith("/behind/")


@pytest.mark.parametrize("message, statuses", [
    (b"CONNECT x:25 HTTP/1.1\r\nHost: x:25\r\n\r\n", {405, 501}),
    (b"CONNECT shop.example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n", {405, 501}),
    (b"CONNECT 127.0.0.1:6379 HTTP/1.1\r\nHost: 127.0.0.1:6379\r\n\r\n", {405, 501}),
    (b"CONNECT /" + ROOT, {405, 501}), (b"TRACE /" + ROOT, {405, 501}),
    (b"GET @evil/" + ROOT, {400}), (b"GET .evil/" + ROOT, {400}), (b"GET :80/" + ROOT, {400}),
    (b"GET evil/" + ROOT, {400}),
    (b"GET shop.example.com" + ROOT, {400}), (b"GET shop.example.com:80" + ROOT, {400}), (b"GET *" + ROOT, {400}),
    (b"OPTIONS **" + ROOT, {400}),
    (b"GET ftp://shop.example.com/" + ROOT, {400}), (b"GET file:///etc/passwd" + ROOT, {400}),
    (b"GET http:///x" + ROOT, {400}),
    (b"GET http://" + ROOT, {400}), (b"GET http:/shop.example.com/" + ROOT, {400}),
    (b"GET https://shop.example.com/" + ROOT, {421}),
    (b"GET http://shop.example.com@evil/" + ROOT, {400}), (b"GET http://u:p@shop.example.com/" + ROOT, {400}),
    (b"GET http://shop.example.com\\@evil/" + ROOT, {400}), (b"GET http://shop.example.com:99999/" + ROOT, {400}),
    (b"GET http://shop.example.com/ HTTP/1.1\r\n\r\n", {400}),
    (b"GET http://shop.example.com/ HTTP/1.1\r\nHost: a b\r\n\r\n", {400}),
])
def test_a_target_of_another_form_is_refused(rig, message, statuses):
    answer = refused(rig, message, statuses)
    assert answer.status != 405 or "GET" in answer.get("allow")


@pytest.mark.parametrize("line, target, host", [
    (b"GET http://shop.example.com/a?b=c", "/a?b=c", "shop.example.com"),
    (b"GET HTTP://SHOP.Example.com:80/a", "/a", "shop.example.com"),
    (b"GET http://shop.example.com", "/", "shop.example.com"),
    (b"GET http://shop.example.com?x", "/?x", "shop.example.com"),
    (b"GET http://shop.example.com:8080/", "/", "shop.example.com:8080"),
    (b"OPTIONS http://shop.example.com", "*", "shop.example.com"),
    (b"OPTIONS *", "*", "shop.example.com"),
    (b"GET //evil/", "/evil/", "shop.example.com"),
    (b"GET //evil.example//a", "/evil.example/a", "shop.example.com"),
    (b"GET /http://evil.example/", "/http:/evil.example/", "shop.example.com"),
    (b"GET /@evil", "/@evil", "shop.example.com"),
    (b"GET http://other.example.com/a", "/a", "other.example.com"),
])
def test_every_form_is_sent_on_in_origin_form_with_its_own_host(rig, line, target, host):
    got = one_request(rig, line + ROOT)
    assert (got.target, got.all("host"), got.get("x-forwarded-host")) == (target, [host], host)


# ---- A22: the request line ----

@pytest.mark.parametrize("line, statuses", [
    (b"GET  / HTTP/1.1", {400}), (b"GET /  HTTP/1.1", {400}), (b"GET\t/ HTTP/1.1", {400}), (b"GET /\tHTTP/1.1", {400}),
    (b"GET / HTTP/1.1 ", {400}),
    (b" GET / HTTP/1.1", {400}), (b"GET /a b HTTP/1.1", {400}), (b"GET HTTP/1.1", {400}),
    (b"GET / HTTP/1.1 HTTP/1.1", {400}),
    (b"GET / HTTP/1.2", {400, 505}), (b"GET / HTTP/2.0", {400, 505}), (b"GET / HTTP/3.0", {400, 505}),
    (b"GET / HTTP/0.9", {400, 505}),
    (b"GET / HTTP/9.9", {400, 505}), (b"GET / HTTP/4294967295.255", {400, 505}), (b"GET / HTTP/1.32", {400, 505}),
    (b"GET / http/1.1", {400, 505}),
    (b"GET / HTTP/1.1x", {400, 505}), (b"GET / HTTP/01.1", {400, 505}), (b"GET / HTTP/1", {400, 505}),
    (b"GET / HTTP/+1.1", {400, 505}),
    (b"GET / ", {400, 505}), (b"GET /", {400, 505}), (b"GET", {400}),
    (b"GET /a#frag HTTP/1.1", {400}), (b"GET /\x80 HTTP/1.1", {400}), (b"GET /\xc3\xa9 HTTP/1.1", {400}),
    (b"GET /\x7f HTTP/1.1", {400}),
    (b'G=":<>(e) / HTTP/1.1', {400}), (b'G=":<>(e),[T];?" /get HTTP/1.1', {400}), (b"A" * 33 + b" / HTTP/1.1", {501}),
    (b"GET /" + b"a" * 9216 + b" HTTP/1.1", {414}), (b"GET /" + b"a" * 8192 + b" HTTP/1.1", {414}),
    (b"GET /" + b"a" * 40000 + b" HTTP/1.1", {414}),
    (b"GET /%00 HTTP/1.1", {400}), (b"GET /%2 HTTP/1.1", {400}), (b"GET /%zz HTTP/1.1", {400}),
    (b"GET /a%2fb HTTP/1.1", {400}),
    (b"GET /a%5cb HTTP/1.1", {400}), (b"GET /a\\b HTTP/1.1", {400}), (b"GET /a/..;/b HTTP/1.1", {400}),
    (b"GET /../../etc/passwd HTTP/1.1", {400}),
    (b"GET /%c0%af HTTP/1.1", {400}), (b"GET /%u002f HTTP/1.1", {400}), (b"GET /%0d%0aX:y HTTP/1.1", {400}),
])
def test_a_request_line_that_is_not_one_is_refused(rig, line, statuses):
    refused(rig, line + b"\r\n" + HOST + b"\r\n", statuses)


@pytest.mark.parametrize("target, canonical", [
    ("/a/./b", "/a/b"), ("/a/%2e/b", "/a/b"), ("/a/x/../b", "/a/b"), ("/a/x/%2E%2e/b", "/a/b"), ("/%61", "/a"),
    ("/a/.", "/a/"),
    ("/a?b=%2e%2e/c", "/a?b=%2e%2e/c"),
])
def test_one_canonical_path_is_judged_and_sent(rig, target, canonical):
    assert one_request(rig, request(target)).target == canonical


@pytest.mark.parametrize("target",
                         ["/x/../secret", "/%73ecret", "/x/%2e%2e/secret", "/./secret", "/secret/.", "/secret?x",
                          "//secret"])
def test_a_rule_cannot_be_walked_around(rig, target):
    before = rig.origin.bytes_seen()
    assert rig.get(target).status == 403
    assert rig.origin.bytes_seen() == before


@pytest.mark.parametrize("target", ["//evil/", "/secret%20", "/%2573ecret", "/a;b=c/d"])
def test_an_odd_path_is_refused_or_means_what_it_says(rig, target):
    with watched(rig) as seen:
        status = rig.get(target).status
        assert status in (200, 400)
    assert len(seen.requests) == (status == 200)
    assert all(not got.path.rstrip("/") == "/secret" and got.get("host") == "shop.example.com" for got in seen.requests)


# ---- A23: host ----

@pytest.mark.parametrize("lines", [
    [], [b"Host: shop.example.com", b"Host: shop.example.com"], [b"Host: shop.example.com", b"Host: b"],
    [b"Host:", b"Host: shop.example.com"],
    [b"Host: a, b"], [b"Host: a@b"], [b"Host: shop.example.com:99999"], [b"Host: shop.example.com:65536"],
    [b"Host: shop.example.com:0"],
    [b"Host: a b"], [b"Host: [::1"], [b"Host: ::1"], [b"Host: [shop.example.com]"], [b"Host:"],
    [b"Host: shop.example.com:80:80"],
    [b"Host: shop.example.com/x"], [b"Host: shop.example.com?x"], [b"Host: shop.example.com#x"],
    [b"Host: shop..example.com"], [b"Host: ."],
    [b"Host: \xff"], [b"Host: shop.example.com:x"], [b"Host: http://shop.example.com"], [b"Host: shop.example.com\\x"],
    [b"Host: 2130706433"], [b"Host: 0x7f.1"], [b"Host: " + b"a" * 300],
])
def test_a_host_that_is_not_one_is_refused(rig, lines):
    refused(rig, b"GET / HTTP/1.1\r\n" + b"".join(l + b"\r\n" for l in lines) + b"\r\n", {400})


@pytest.mark.parametrize("host",
                         ["unknown.example.org", "127.0.0.1", "127.0.0.1:80", "[::1]", "169.254.169.254", "localhost",
                          "example.com",
                                  "shop.example.com.evil.org", "xshop.example.com", "a.shop.example.com",
                                  "SHOP.EXAMPLE.ORG."])
def test_an_unknown_host_is_never_the_first_sites(rig, host):
    with watched(rig) as seen:
        answers, closed = told(rig, request("/", host))
        assert [a.status for a in answers] == [421] and not closed
    assert [got.target for got in seen.requests if "/behind/" not in got.target] == []


@pytest.mark.parametrize("host, sent", [
    ("SHOP.example.COM", "shop.example.com"), ("shop.example.com.", "shop.example.com"),
    ("shop.example.com:80", "shop.example.com"),
    ("Shop.Example.Com.:80", "shop.example.com"), ("shop.example.com:8080", "shop.example.com:8080"),
    ("\tshop.example.com \t", "shop.example.com"),
])
def test_a_host_has_one_normal_form(rig, host, sent):
    got = one_request(rig, request("/", host))
    assert got.all("host") == [sent]


@pytest.mark.parametrize("host, sent",
                         [("192.0.2.1", "192.0.2.1"), ("[2001:DB8:0::1]:8080", "[2001:db8::1]:8080"),
                          ("my_service.internal", "my_service.internal")])
def test_any_host_that_is_one_is_served_where_any_is_wanted(gateway, origin, host, sent):
    g = gateway(origin=origin)
    assert g.get("/", host).status == 200
    assert origin.requests[-1].all("host") == [sent]


# ---- A24: volume ----

@pytest.mark.parametrize("lines, statuses", [
    ([b"X-%d: v" % i for i in range(100)], {431}), ([b"X: " + b"v" * 33 * 1024], {431}),
    ([b"X" * 32 * 1024 + b": v"], {431}),
    ([b"X%d: " % i for i in range(10000)], {431}), ([b"Cookie: " + b"; ".join(b"a%d=b" % i for i in range(200))], {431}),
    ([b": "] * 10000, {400, 431}), ([b": v"] * 100, {400, 431}), ([b"X: " + b"v" * (1 << 20)], {431}),
],
ids=["101 fields", "33 KiB", "a name of 32 KiB", "10,000 without value", "200 cookies", "10,000 without name",
     "100 without name", "1 MiB"])
def test_a_head_has_bounds(rig, lines, statuses):
    refused(rig, head(*lines, method=b"GET"), statuses)


def test_a_hundred_fields_are_none_too_many(rig):
    got = one_request(rig, head(*[b"X-%d: v" % i for i in range(99)], method=b"GET"))
    assert got.get("x-98") == "v"


def sized(size, **how):
    """A head of exactly so many bytes."""
    empty = head(b"X: ", method=b"GET")
    return head(b"X: " + b"v" * (size - len(empty)), method=b"GET")


# The buffers a head goes through: reads of 4 KiB, the arena's block, a record of 16 KiB out, 32 KiB of head; the head
# upstream is larger by what the gateway says itself, so each lies a little before them, too.
EDGES = sorted({edge + off for edge in (4096, 8192, 16384) for off in (-400, -300, -200, -1, 0, 1)} | {32768 - 400, 32767,
                                                                                                       32768})


@pytest.mark.parametrize("size", EDGES)
def test_a_head_of_any_size_within_bounds_comes_through(rig, size):
    message = sized(size)
    assert len(message) == size
    got = one_request(rig, message)
    assert got.get("x") == "v" * (size - len(head(b"X: ", method=b"GET")))


@pytest.mark.parametrize("total", [4096, 8192, 16384, 32768])
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_the_head_upstream_may_have_any_size(rig, total, off):
    """The same by what is sent: its size is known from a smaller one."""
    small = one_request(rig, sized(1000))
    size = 1000 + total + off - len(small.head) - 4
    got = one_request(rig, sized(size))
    assert len(got.head) + 4 == total + off


@pytest.mark.parametrize("size", [32769, 32770, 40000, 65536])
def test_a_head_one_byte_over_is_431(rig, size):
    refused(rig, sized(size), {431})


@pytest.mark.parametrize("length", [8191, 8192, 8193])
def test_a_target_has_an_exact_bound(rig, length):
    message = b"GET /" + b"a" * (length - 1) + ROOT
    if length > 8192:
        refused(rig, message, {414})
    else:
        assert len(one_request(rig, message).target) == length


@pytest.mark.parametrize("step", [1, 4095, 4096, 4097])
def test_a_large_head_in_pieces_is_the_same(rig, step):
    message = sized(20000 if step > 1 else 1500)
    got = one_request(rig, [message[i:i + step] for i in range(0, len(message), step)], pause=0.001 if step > 1 else 0)
    assert len(got.get("x")) > 1000


@pytest.mark.parametrize("garbage",
                         [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"EHLO example.com\r\n\r\n", b"\x00" * 64,
                          b"\xff" * 4096,
                                     b"SSH-2.0-x\r\n\r\n", b"*1\r\n$4\r\nPING\r\n",
                                     b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"],
                         ids=["TLS", "SMTP", "NUL", "FF", "SSH", "Redis", "PROXY"])
def test_what_is_not_http_is_never_answered_as_http(rig, garbage):
    refused(rig, garbage, {400})


@pytest.mark.slow
def test_three_hundred_refusals_cost_no_memory(rig):
    """Heads of every oversize; afterwards the processes are as large as before."""
    before = rig.resident_kib()
    for i in range(300):
        with rig.client() as c:
            c.send(sized(32769 + 97 * i))
            is_refusal(c.read(), c.closed(), {431})
    canary(rig)
    assert rig.resident_kib() < before * 1.05 + 8192
