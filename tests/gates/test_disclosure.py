"""Backends stay hidden: no byte of a head names their address or software, and no fault of theirs is shown."""
import re
import socket

import pytest

from rig_client import Client, chunked, request
from rig_origin import CLOSE, HANG, RESET, page

TRACE_OF_A_FAULT = (b"Traceback (most recent call last):\n  File \"/srv/app/marker.py\", line 7, in view\n"
                    b"psycopg2.OperationalError: could not connect to server: marker-db.int.local (10.0.0.9), port 5432\n")

# What origins say of themselves: every one must be gone, and so must the whole of "marker" and the origin's address.
TELLING = [
    "Server: marker/1.2.3", "Via: 1.1 marker.int.local (squid/5.7)", "X-Powered-By: marker/8.1", "X-Powered-CMS: marker", "X-AspNet-Version: marker",
    "X-AspNetMvc-Version: marker", "X-AspNetCore-Version: marker", "X-Generator: marker", "X-Generated-By: marker", "X-Runtime: marker",
    "X-Backend: marker", "X-Backend-Server: marker", "X-BEServer: marker", "X-FEServer: marker", "X-Upstream: marker", "X-Upstream-Addr: marker",
    "X-Served-By: marker", "X-Server: marker", "X-Server-Name: marker", "X-ServerName: marker", "X-Host: marker", "X-Hostname: marker",
    "X-Node: marker", "X-Node-Id: marker", "X-Pod: marker", "X-Pod-Name: marker", "X-Instance: marker", "X-Instance-Id: marker",
    "X-Real-Server: marker", "X-Origin-Server: marker", "X-Varnish: marker", "X-Varnish-Backend: marker", "X-Cache: HIT from marker",
    "X-Cache-Lookup: MISS from marker:3128", "X-Cache-Hits: marker", "X-Rack-Cache: marker", "X-Squid-Error: marker", "X-Drupal-Cache: marker",
    "X-Redirect-By: marker", "X-PHP-Version: marker", "X-Page-Speed: marker", "X-Mod-Pagespeed: marker", "X-LiteSpeed-Cache: marker",
    "X-Turbo-Charged-By: marker", "X-Debug-Token: marker", "X-Debug-Token-Link: http://marker/_profiler", "X-Debug-Exception: marker",
    "X-SourceFiles: =?UTF-8?B?marker?=", "X-Envoy-Upstream-Service-Time: marker", "X-Kong-Upstream-Latency: marker", "X-B3-TraceId: marker",
    "X-Dynatrace: marker", "X-OneAgent-JS-Injection: marker", "X-NewRelic-App-Data: marker", "X-Oracle-DMS-ECID: marker", "X-JBoss-Info: marker",
    "X-Application-Context: marker:8080", "X-OWA-Version: marker", "X-DiagInfo: marker", "X-CalculatedBETarget: marker", "X-Umbraco-Version: marker",
    "X-Magento-Tags: marker", "X-Framework: marker", "X-CMS: marker", "Liferay-Portal: marker", "Powered-By: marker", "Host-Header: marker",
    "MicrosoftSharePointTeamServices: marker", "SPRequestGuid: marker", "Alt-Svc: h3=\"marker:443\"", "X-Accel-Redirect: /marker",
    "X-Sendfile: /marker", "Surrogate-Control: marker", "Surrogate-Key: marker", "Proxy-Authenticate: Basic realm=marker", "Keep-Alive: marker=1",
    "Trailer: X-Marker", "Connection: X-Marker", "Set-Cookie: sid=1; Domain=marker.int.local; Path=/", "Set-Cookie: t=2; domain=$address",
]
# Where the address stands among what is wanted: it goes, the rest stays.
LINKING = [
    ("Location: http://$address:$port/x?y=z", "https://shop.example.com/x?y=z"),
    ("Content-Location: http://$address:$port/x", "https://shop.example.com/x"),
    ("Refresh: 5; url=http://$address:$port/x", "5; url=https://shop.example.com/x"),
    ("Link: <http://$address:$port/a.css>; rel=preload, <https://cdn.example/b.js>; rel=preload",
     "<https://shop.example.com/a.css>; rel=preload, <https://cdn.example/b.js>; rel=preload"),
    ("Content-Security-Policy: default-src 'self' http://$address:$port; connect-src ws://$address:$port",
     "default-src 'self' https://shop.example.com; connect-src wss://shop.example.com"),
    ("Access-Control-Allow-Origin: http://$address:$port", "https://shop.example.com"),
    ("SourceMap: http://$address:$port/a.map", "https://shop.example.com/a.map"),
    ("X-Whoever: served by $address:$port in 12 ms", "served by shop.example.com in 12 ms"),
    ("WWW-Authenticate: Basic realm=\"$address\"", "Basic realm=\"shop.example.com\""),
]


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway("""
        origins:
          app: {servers: ['$origin'], first_byte: 500ms, retries: 0}
        sites:
          shop: {hosts: [shop.example.com, '*.shop.example.com'], origin: app, policy: shop}
          open: {hosts: open.example.com, origin: app, errors: pass, show_fields: [Server, 'X-Cache*'], hide_fields: [X-Own, 'x-secret-*']}
          held: {hosts: held.example.com, origin: app, policy: held}
          walled: {hosts: walled.example.com, origin: app, policy: walled}
        """, origin=shared_origin, policies={"shop": """policy: shop
rules:
  - {id: no, when: 'path under "/no"', do: block 403}
waf: {mode: off}
""", "held": """policy: held
waf: {mode: enforce, responses: {mode: enforce, body: true, types: [text/plain, text/html], max: 64KiB}}
""", "walled": """policy: walled
rules:
  - {id: away, do: block 421}
waf: {mode: off}
"""})
    return g


def told(rig, lines):
    return [line.replace("$address", "127.0.0.1").replace("$port", str(rig.origin.port)) for line in lines]


def answer_with(rig, status, lines, body=b"x"):
    rig.origin.answers["/a"] = [page(body, status, *told(rig, lines))]


def is_clean(rig, raw):
    low = raw.lower()
    return b"marker" not in low and b"127.0.0.1" not in low and str(rig.origin.port).encode() not in low and b"portcullis" not in low


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "206 Partial Content", "301 Moved", "302 Found", "401 No", "404 Not marker", "429 marker"])
def test_no_byte_of_a_head_tells_of_the_origin(rig, status):
    assert len(TELLING) + len(LINKING) >= 60
    answer_with(rig, status, TELLING + [line for line, _ in LINKING])
    answer = rig.get("/a", tls=True)
    assert answer.status == int(status[:3]) and answer.body == b"x"
    assert is_clean(rig, answer.raw_head), answer.raw_head
    for line, want in LINKING:
        assert answer.get(line.partition(":")[0]) == want
    assert answer.all("set-cookie") == ["sid=1; Path=/", "t=2"]


@pytest.mark.parametrize("line", TELLING)
def test_each_line_of_them(rig, line):
    answer_with(rig, "200 OK", [line, "X-Kept: yes"])
    answer = rig.get("/a")
    assert is_clean(rig, answer.raw_head) and answer.get("x-kept") == "yes"


def test_hints_before_an_answer_tell_no_more(rig):
    hint = "HTTP/1.1 103 Early marker\r\n" + "\r\n".join(told(rig, ["Link: <http://$address:$port/a.css>; rel=preload", "Server: marker", "X-Node: marker"]))
    rig.origin.answers["/hint"] = [hint.encode() + b"\r\n\r\n", page(b"x")]
    answer = rig.get("/hint")
    assert [(s, dict(f)) for s, f in answer.informational] == [(103, {"link": "<http://shop.example.com/a.css>; rel=preload"})]


@pytest.mark.parametrize("host, tls, location", [
    ("shop.example.com", True, "https://shop.example.com/x"),
    ("shop.example.com", False, "http://shop.example.com/x"),
    ("de.shop.example.com", True, "https://de.shop.example.com/x"),
    ("shop.example.com:8443", True, "https://shop.example.com:8443/x"),
    ("open.example.com", True, "https://open.example.com/x"),
])
def test_links_lead_to_where_the_client_is(rig, host, tls, location):
    for form in ("http://$address:$port/x", "HTTP://$address/x", "https://$address:1/x", "http://%s:$port/x" % host.partition(":")[0]):
        answer_with(rig, "302 Found", ["Location: " + form])
        assert rig.get("/a", host, tls=tls).get("location") == location


@pytest.mark.parametrize("location", ["/x", "x?y=http", "https://www.example.org/x", "https://shop.example.com/x", "//cdn.example/x", "mailto:a@b",
                                      "http://127.0.0.10/x", "http://127.0.0.1.example/x", "https://login.example/?u=https%3A%2F%2Fshop.example.com"])
def test_links_elsewhere_stay(rig, location):
    answer_with(rig, "302 Found", ["Location: " + location])
    assert rig.get("/a").get("location") == location


def test_a_site_says_what_it_shows_and_what_else_it_hides(rig):
    answer_with(rig, "200 OK", ["Server: nginx", "Via: 1.1 marker", "X-Cache: HIT", "X-Cache-Hits: 3", "X-Own: marker", "X-Secret-One: marker",
                                "X-Secret: kept"])
    answer = rig.get("/a", "open.example.com")
    assert is_clean(rig, answer.raw_head)
    assert [answer.get(n) for n in ("server", "x-cache", "x-cache-hits", "x-secret")] == ["nginx", "HIT", "3", "kept"]
    assert rig.get("/a", "shop.example.com").get("server") is None


# ---- Faults ----

def normal(answer):
    """An answer but for what may differ: its id and the time."""
    raw = answer.raw_head + b"\r\n\r\n" + answer.body
    raw = re.sub(rb"[0-9a-f]{32}", b"ID", raw)
    return re.sub(rb"(?m)^date: [^\r]*", b"date: D", raw)


def ours(rig, host="shop.example.com", **how):
    """The gateway's own page of a status, as a refusal makes it."""
    return normal(rig.get("/no", host, **how))


FAULTS = ["500 Internal marker", "501 marker", "502 Bad marker", "503 marker", "504 marker", "507 marker", "511 marker", "599 marker"]


@pytest.mark.parametrize("status", FAULTS)
def test_a_fault_of_the_origin_is_a_page_of_ours(rig, status):
    code = int(status[:3])
    answer_with(rig, status, TELLING + ["Content-Type: text/plain", "Retry-After: 7", "X-Whatever: marker"], TRACE_OF_A_FAULT)
    answer = rig.get("/a")
    assert answer.status == code and is_clean(rig, answer.raw_head + answer.body)
    assert answer.get("retry-after") == "7" and answer.get("content-type") == "text/html; charset=utf-8"
    assert normal(answer).replace(b"retry-after: 7\r\n", b"").partition(b"\r\n")[2] == \
        re.sub(rb"403 Forbidden", answer.raw_head.split(b" ", 1)[1].split(b"\r\n")[0], ours(rig)).partition(b"\r\n")[2].replace(
            b"Content-Length: %d" % len(ours_body(rig)), b"Content-Length: %d" % len(answer.body))
    record = rig.record(answer)
    assert record["status"] == code and record["decision"] == "pass" and "own page" in record["why"]


def ours_body(rig):
    return rig.get("/no").body


@pytest.mark.parametrize("form", ["length", "chunked", "close", "http/1.0", "nothing", "empty", "large", "cut"])
def test_however_the_fault_is_framed(rig, form):
    head = b"HTTP/1.1 500 marker\r\nServer: marker\r\n"
    rig.origin.answers["/f"] = {
        "length": [head + b"Content-Length: %d\r\n\r\n" % len(TRACE_OF_A_FAULT) + TRACE_OF_A_FAULT],
        "chunked": [head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TRACE_OF_A_FAULT, b"more marker")],
        "close": [head + b"\r\n" + TRACE_OF_A_FAULT, CLOSE],
        "http/1.0": [b"HTTP/1.0 500 marker\r\n\r\n" + TRACE_OF_A_FAULT, CLOSE],
        "nothing": [head + b"Content-Length: 0\r\n\r\n"],
        "empty": [head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
        "large": [head + b"Content-Length: 3000000\r\n\r\n" + b"marker!" * 100, HANG],
        "cut": [head + b"Content-Length: 5000\r\n\r\n" + b"marker", RESET],
    }[form]
    for host in ("shop.example.com", "held.example.com"):
        with rig.client() as c:
            for _ in range(3):  # the client's connection goes on
                answer = c.get("/f", host)
                assert answer.status == 500 and answer.complete and is_clean(rig, answer.raw_head + answer.body)
            assert c.ask(request("/f", host, method="HEAD")).get("content-length") == str(len(answer.body))
            assert c.get("/fine", host).text == "origin got /fine"


def test_a_site_may_show_its_faults(rig):
    answer_with(rig, "500 Oops", ["Content-Type: application/json", "Server: marker"], b'{"error": "ours to see"}')
    answer = rig.get("/a", "open.example.com")
    assert answer.status == 500 and answer.body == b'{"error": "ours to see"}' and answer.get("content-type") == "application/json"


@pytest.mark.parametrize("status", ["400 Bad", "403 No", "404 Not Found", "418 Teapot", "422 No"])
def test_what_is_the_clients_fault_stays_the_origins_to_explain(rig, status):
    answer_with(rig, status, [], b"because of the third field")
    assert rig.get("/a").body == b"because of the third field"


def test_however_an_origin_fails_the_page_is_the_same(gateway, origin_maker):
    def statuses(actions, **how):
        o = origin_maker()
        o.answers["/"] = actions
        g = gateway("origins: {app: {servers: ['%s'], first_byte: 300ms, between: 300ms, retries: 0%s}}\n"
                    "sites: {shop: {hosts: '*', origin: app}}" % (o.url, how.get("more", "")))
        if how.get("stop"):
            o.stop()
        return [g.get("/") for _ in range(2)], o

    seen = {}
    for name, actions, how in (("refused", [], {"stop": True}), ("reset", [RESET], {}), ("closed", [CLOSE], {}), ("garbage", [b"marker\r\n\r\n", CLOSE], {}),
                               ("two lengths", [page(b"x", "200 OK", "Content-Length: 3")], {}), ("said", [page(b"marker", "502 marker")], {}),
                               ("silent", [HANG], {}), ("half a head", [b"HTTP/1.1 200 OK\r\nServer: marker\r\n", HANG], {}), ("said so", [page(b"marker", "504 marker")], {})):
        answers, o = statuses(actions, **how)
        for answer in answers:
            whole = answer.raw_head + answer.body
            assert b"marker" not in whole and b"127.0.0.1" not in whole and str(o.port).encode() not in whole
            seen.setdefault(answer.status, {}).setdefault(normal(answer), set()).add(name)
    assert sorted(seen) == [502, 504] and all(len(kinds) == 1 for kinds in seen.values()), seen
    # The two differ in nothing but what the status itself says.
    a, b = (next(iter(seen[s])) for s in (502, 504))
    assert re.sub(rb"502 Bad Gateway", b"S", a) .replace(b"Content-Length: 182", b"L") == \
        re.sub(rb"504 Gateway Timeout", b"S", b).replace(b"Content-Length: 190", b"L") or strip_length(a, b"502 Bad Gateway") == strip_length(b, b"504 Gateway Timeout")


def strip_length(raw, status):
    return re.sub(rb"Content-Length: \d+", b"L", raw.replace(status, b"S"))


# ---- What is not there, and what is hidden ----

@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("message", [request("/", "HOST"), request("/deep/path?q=1", "HOST", "Cookie: a=b"), request("/", "HOST", method="POST", body=b"hello"),
                                     request("/", "HOST", method="HEAD"), request("/", "HOST", "Connection: close")],
                         ids=["get", "path", "post", "head", "close"])
def test_a_host_that_is_refused_is_like_one_that_is_not_there(rig, tls, message):
    def whole(host):
        with Client(rig.https if tls else rig.http, tls=tls, name=host) as c:
            answer = c.ask(message.replace(b"HOST", host.encode()))
            goes_on = not c.closed(0.3) if b"Connection: close" not in message else None
            return normal(answer), goes_on

    before = rig.origin.bytes_seen()
    assert whole("walled.example.com") == whole("nobody.example.com")
    assert whole("walled.example.com")[0].startswith(b"HTTP/1.1 421 ")
    assert rig.origin.bytes_seen() == before


def test_methods_that_are_never_served_look_alike(rig):
    before = rig.origin.bytes_seen()
    one = normal(rig.get("/", method="TRACE"))
    assert one.startswith(b"HTTP/1.1 405 ") and b"gates" not in one  # nothing of the request comes back
    assert normal(rig.get("shop.example.com:443", method="CONNECT")) == one
    assert rig.origin.bytes_seen() == before


def test_what_cannot_be_read_gets_one_page_for_each_status(rig):
    refused = {}
    for message in (b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", request("/", "a b"), request("/%00"), request("/", "shop.example.com", "X Y: 1"),
                    request("/", "shop.example.com", "Content-Length: x"), request("/", "shop.example.com", "Transfer-Encoding: chunked, x"),
                    b"GET  / HTTP/1.1\r\n\r\n", b"\0\0\0\0", request("/" + "a" * 9000), request("/", "shop.example.com", *["A: b"] * 200),
                    request("/").replace(b"1.1", b"2.0"), request("/", "shop.example.com", "Expect: x"), request("/no"), request("/", method="TRACE")):
        answer = rig.ask(message)
        refused.setdefault(answer.status, set()).add(normal(answer).replace(b"\r\nConnection: close", b""))
    assert len(refused) >= 7 and all(len(pages) == 1 for pages in refused.values()), refused


def test_plain_http_on_a_tls_port_gets_the_same_page(rig):
    with socket.create_connection(("127.0.0.1", rig.https), timeout=5) as s:
        s.sendall(request("/"))
        raw = b""
        while piece := s.recv(4096):
            raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    want = rig.ask(b"garbage\r\n\r\n")
    assert re.sub(rb"[0-9a-f]{32}", b"ID", body) == re.sub(rb"[0-9a-f]{32}", b"ID", want.body)
    assert re.sub(rb"[0-9a-f]{32}|date: [^\r]*", b"", head) == re.sub(rb"[0-9a-f]{32}|date: [^\r]*", b"", want.raw_head)
