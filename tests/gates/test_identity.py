"""Who is asking, by which names, and what is given away: forwarded fields, look-alikes, hidden origins."""
import pytest

from rig_client import request
from rig_origin import page

CLAIMS = ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 192.168.0.1", "Forwarded: for=10.9.8.7;host=evil",
          "X-Real-IP: 10.9.8.7", "True-Client-IP: 10.9.8.7", "CF-Connecting-IP: 10.9.8.7", "X-Client-IP: 10.9.8.7",
          "X-Forwarded-Host: evil", "X-Forwarded-Proto: gopher", "X-Forwarded-Port: 31337", "X-Forwarded-Prefix: /evil",
          "X-Forwarded-Server: evil", "X-Original-URL: /evil", "X-Rewrite-URL: /evil", "X-HTTP-Method-Override: EVIL"]


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(origin=shared_origin, policies={"shop": """policy: shop
rules:
  - {id: move, when: 'path under "/redir"', do: redirect 302, to: 'https://www.example.com', keep: path_query}
  - {id: no, when: 'path under "/no"', do: block 403}
waf: {mode: off}
"""})
    return g


def last(rig):
    return rig.origin.requests[-1]


def test_what_a_client_claims_about_itself_never_arrives(rig):
    assert rig.get("/", "shop.example.com", *CLAIMS).status == 200
    text = str(last(rig).fields)
    for lie in ("10.9.8.7", "10.0.0.1", "192.168.0.1", "evil", "gopher", "31337", "EVIL"):
        assert lie not in text


def test_the_gateway_says_who_asked_and_how(rig):
    rig.get("/", tls=True)
    assert last(rig).all("x-forwarded-for") == ["127.0.0.1"]
    assert last(rig).all("x-forwarded-proto") == ["https"]
    rig.get("/")
    assert last(rig).all("x-forwarded-proto") == ["http"]
    assert len(last(rig).all("x-request-id")) == 1


@pytest.mark.parametrize("claimed, client", [
    ("203.0.113.9", "203.0.113.9"),
    ("10.1.1.1, 203.0.113.9", "203.0.113.9"),
    ("203.0.113.9, 127.0.0.2", "203.0.113.9"),
    ("evil, 203.0.113.9", "203.0.113.9"),
    ("2001:db8::9", "2001:db8::9"),
    ("::ffff:203.0.113.9", "203.0.113.9"),
    (", ".join(["10.0.0.1"] * 2000) + ", 203.0.113.9", "203.0.113.9"),
])
def test_behind_a_trusted_hop_the_rightmost_stranger_is_the_client(gateway, origin, claimed, client):
    g = gateway("trusted: ['127.0.0.0/8']", origin=origin)
    assert g.get("/", "shop.example.com", "X-Forwarded-For: " + claimed).status == 200
    assert g.log(1)[-1]["client"] == client


@pytest.mark.parametrize("claimed", ["evil", "", "999.1.1.1", "203.0.113.9:x", "<script>", "unknown"])
def test_garbage_from_a_trusted_hop_opens_nothing(gateway, origin, claimed):
    g = gateway("trusted: ['127.0.0.0/8']", origin=origin)
    status = g.get("/", "shop.example.com", "X-Forwarded-For: " + claimed).status
    assert status in (200, 400)
    assert g.log(1)[-1]["client"] == "127.0.0.1"
    assert claimed == "" or claimed not in str([r.fields for r in origin.requests])


@pytest.mark.parametrize("name", ["close, X-Forwarded-For", "X-Forwarded-Proto", "Host", "Content-Length", "Cookie", "Authorization",
                                  "X-Request-Id", "Transfer-Encoding"])
def test_connection_cannot_take_away_what_matters(rig, name):
    answer = rig.ask(request("/", "shop.example.com", "Connection: " + name, "Cookie: a=b", "Authorization: Basic eA==",
                             "Content-Type: text/plain", method="POST", body=b"hello"))
    if answer.status == 400:
        return
    got = last(rig)
    assert got.body == b"hello" and got.get("host") == "shop.example.com"
    assert got.get("cookie") == "a=b" and got.get("authorization") == "Basic eA=="
    assert got.all("x-forwarded-for") == ["127.0.0.1"] and len(got.all("x-request-id")) == 1


def test_hop_by_hop_fields_end_at_the_gateway(rig):
    rig.get("/", "shop.example.com", "Connection: keep-alive, X-Private", "X-Private: secret", "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive", "TE: gzip", "Proxy-Authorization: Basic eA==", "Trailer: X")
    for name in ("x-private", "keep-alive", "proxy-connection", "te", "proxy-authorization", "trailer"):
        assert last(rig).all(name) == [], name


def test_hop_by_hop_fields_of_the_origin_end_at_the_gateway(rig):
    rig.origin.answers["/hop"] = [page(b"x", "200 OK", "Connection: keep-alive, X-Private", "X-Private: secret", "Keep-Alive: timeout=5",
                                       "Proxy-Authenticate: Basic", "Upgrade: h2c")]
    answer = rig.get("/hop")
    assert answer.status == 200
    for name in ("x-private", "keep-alive", "proxy-authenticate", "upgrade"):
        assert answer.all(name) == [], name


@pytest.mark.parametrize("line", ["X_Forwarded_For: 1.1.1.1", "X.Forwarded.For: 1.1.1.1", "X-Forwarded_For: 1.1.1.1", "X_Real_IP: 1.1.1.1",
                                  "X_Request_Id: x", "Content_Length: 5", "Transfer.Encoding: chunked", "X-Auth-User : root",
                                  "X-Auth-User\0: root", "X-Auth\xadUser: root"])
def test_names_that_pass_for_another_are_refused(rig, line):
    before = rig.origin.bytes_seen()
    assert rig.get("/", "shop.example.com", line).status == 400
    assert rig.origin.bytes_seen() == before


HIDDEN = ["Server: nginx/1.2.3-marker", "X-Powered-By: marker", "X-AspNet-Version: marker", "X-AspNetMvc-Version: marker", "Via: 1.1 marker",
          "X-Backend: marker", "X-Backend-Server: marker", "X-Generator: marker", "X-Runtime: marker", "Alt-Svc: h3=\"marker:443\"",
          "X-Accel-Redirect: /marker", "X-Sendfile: /marker", "Surrogate-Control: marker"]


@pytest.mark.parametrize("line", HIDDEN)
def test_what_names_the_origin_is_hidden(rig, line):
    rig.origin.answers["/hide"] = [page(b"x", "200 OK", line)]
    answer = rig.get("/hide")
    assert answer.status == 200 and b"marker" not in answer.raw_head


def test_no_answer_names_the_gateway_software(rig):
    for answer in (rig.get("/"), rig.get("/no"), rig.ask(b"garbage\r\n\r\n")):
        assert b"portcullis" not in answer.raw_head.lower() + answer.body.lower()


def test_refused_and_silent_origins_leave_nothing_of_their_address(gateway, origin_maker):
    gone = origin_maker()
    gone.stop()
    g = gateway(origin=gone)
    answer = g.get("/")
    whole = answer.raw_head + answer.body
    assert answer.status == 502
    assert b"127.0.0.1" not in whole and str(gone.port).encode() not in whole


def test_error_pages_of_one_status_differ_only_in_the_request_id(rig):
    a, b = rig.get("/no"), rig.get("/no/other?x=y")
    strip = lambda t: "".join(c for c in t if c not in "0123456789abcdef")
    assert (a.status, b.status) == (403, 403) and strip(a.text) == strip(b.text) and len(a.text) == len(b.text)
    assert [n for n, _ in a.fields] == [n for n, _ in b.fields]


@pytest.mark.parametrize("query", ["u=%0d%0aSet-Cookie:x=1", "u=%0aSet-Cookie:x=1", "u=%E5%98%8A%E5%98%8DSet-Cookie:x", "u=%00", "u=\"><script>"])
def test_a_redirect_carries_no_line_end(rig, query):
    answer = rig.get("/redir?" + query.replace('"><script>', "%22%3E%3Cscript%3E"))
    assert answer.status in (302, 400) and answer.all("set-cookie") == []
    if answer.status == 302:
        assert answer.get("location").startswith("https://www.example.com/redir?u=")


def test_httpoxy_ends_at_the_gateway(rig):
    rig.get("/", "shop.example.com", "Proxy: http://evil/")
    assert last(rig).all("proxy") == []


def test_trace_is_not_allowed(rig):
    before = rig.origin.bytes_seen()
    assert rig.get("/", method="TRACE").status == 405
    assert rig.origin.bytes_seen() == before


def test_the_page_of_a_refusal_escapes_what_the_client_sent(rig):
    answer = rig.get("/no/%3Cscript%3E?<x>".replace("<x>", "%3Cx%3E"), "shop.example.com")
    assert b"<script>" not in answer.body and b"<x>" not in answer.body


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_trace_is_passed_on_and_in_the_record(rig):
    answer = rig.get("/", "shop.example.com", "traceparent: " + TRACE, "tracestate: a=1", "tracestate: b=2")
    assert last(rig).all("traceparent") == [TRACE]
    assert last(rig).all("tracestate") == ["a=1", "b=2"]
    assert rig.record(answer)["trace"] == TRACE.split("-")[1]


@pytest.mark.parametrize("fields", [["traceparent: 00-0-0-01"], ["traceparent: " + TRACE, "traceparent: " + TRACE], []],
                         ids=["malformed", "two", "none"])
def test_a_trace_that_is_none_ends_here(rig, fields):
    answer = rig.get("/", "shop.example.com", *fields, "tracestate: a=1")
    assert answer.status == 200
    assert not last(rig).all("traceparent") and not last(rig).all("tracestate")
    assert "trace" not in rig.record(answer)
