"""No line end enters a head that the gateway writes: from a target, a Host, a trusted hop, an origin, a policy, a configuration."""
import pytest

from rig_client import Client, request
from rig_gateway import check, free_port
from rig_origin import CLOSE


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    redirect = free_port()
    g = shared_gateway("""
        listeners:
          - {address: '127.0.0.1:$https', serve: https}
          - {address: '127.0.0.1:$http', serve: http}
          - {address: '127.0.0.1:%d', serve: redirect}
        sites: {shop: {hosts: ['*.example.com'], origin: '$origin', policy: shop}}
        trusted: 127.0.0.1
        """ % redirect, origin=shared_origin, policies={"shop": """policy: shop
rules:
  - {id: move, when: 'path under "/redir"', do: redirect 302, to: 'https://www.example.com', keep: path_query}
  - {id: stay, when: 'path under "/local"', do: redirect 307, to: '/elsewhere', keep: path}
limits:
  - {id: few, when: 'path under "/few"', rate: 1 per 1h}
waf: {mode: off}
"""})
    g.origin, g.redirect = shared_origin, redirect
    return g


def is_one_head(answer):
    """No injected field, no line that is none: parse_head of the rig has seen each line of it."""
    return answer.all("set-cookie") == [] and answer.all("x-injected") == [] and b"\0" not in answer.raw_head


ENCODED = ["%0d%0aSet-Cookie:x=1", "%0aSet-Cookie:x=1", "%0dSet-Cookie:x=1", "%00Set-Cookie:x=1", "%0D%0A%0D%0A<html>".replace("<", "%3C").replace(">", "%3E"),
           "%E5%98%8A%E5%98%8DSet-Cookie:x=1", "%250d%250aSet-Cookie:x=1", "%c4%8d%c4%8aSet-Cookie:x=1", "%u000d%u000aSet-Cookie:x=1", "%85Set-Cookie:x=1",
           "%e2%80%a8Set-Cookie:x=1", "%0d%0a%20folded", "%3f%0d%0aSet-Cookie:x", "%23%0d%0aX-Injected:1"]


@pytest.mark.parametrize("tail", ENCODED)
@pytest.mark.parametrize("before", ["/redir?u=", "/redir/", "/local/", "/local/x?u=", "https:/x?", "https:/"])
def test_escapes_in_a_target_stay_escapes(rig, before, tail):
    with Client(rig.redirect if before.startswith("https:") else rig.http) as c:
        answer = c.get(before.replace("https:", "") + tail)
    assert answer.status in (302, 307, 308, 400) and is_one_head(answer)
    location = answer.get("location")
    assert (location is None) == (answer.status == 400)
    if location:
        assert "Set-Cookie:x" not in answer.raw_head.decode("latin-1").replace(location, "") and all(" " < c < "\x7f" for c in location)
        assert location.startswith("/elsewhere/local/" if answer.status == 307 else "https://www.example.com/redir" if answer.status == 302 else "https://shop.example.com")


@pytest.mark.parametrize("byte", ["\r", "\n", "\r\n", "\0", "\x0b", "\x0c", "\x85", "\xa0", "\xe2\x80\xa8", "\x7f", "\x01"])
def test_raw_bytes_in_a_target_are_refused(rig, byte):
    before = rig.origin.bytes_seen()
    for target in ("/redir?u=%sSet-Cookie:x=1", "/redir/%sX-Injected:1", "/x%sX-Injected:1"):
        answer = rig.ask(request(target % byte))
        assert answer.status == 400 and is_one_head(answer)
    assert rig.origin.bytes_seen() == before


@pytest.mark.parametrize("host", ["a.example.com\r\nX-Injected: 1", "a.example.com\nX-Injected: 1", "a.example.com%0d%0aX-Injected:1", "a.example.com\0",
                                  "a.example.com\\r\\n", "a.example.com/x", "a.example.com?x", "a.example.com#x", "u@a.example.com", "a.example.com:443@evil",
                                  "a.example.com:80:80", "a.example.com x", "a.example.com,evil", "<a>.example.com", "a\xe2\x80\xae.example.com", "[a.example.com]"])
def test_a_host_is_a_host(rig, host):
    before = rig.origin.bytes_seen()
    for port, target in ((rig.http, "/redir"), (rig.redirect, "/"), (rig.http, "/")):
        with Client(port) as c:
            answer = c.get(target, host)
        # A line end in it makes a field of the request's own, which nobody copies.
        assert (answer.status in (400, 421) or "\n" in host) and is_one_head(answer)
        assert "evil" not in (answer.get("location") or "")
    assert rig.origin.bytes_seen() == before or host.startswith("a.example.com\r\n")


@pytest.mark.parametrize("value", ["a\rX-Injected: 1", "a\nX-Injected: 1", "a\0b", "a\r\n X-Injected: 1", "a\x0bb", "a\x1b[2J", "a\x7f", "\r"])
def test_an_origin_cannot_split_its_answer(rig, value):
    for name in ("X-Any", "Location", "Set-Cookie", "Link", "Retry-After", "Content-Type"):
        rig.origin.answers["/split"] = [("HTTP/1.1 302 Found\r\n%s: %s\r\nContent-Length: 0\r\n\r\n" % (name, value)).encode("latin-1"), CLOSE]
        answer = rig.get("/split")
        assert answer.status == 502 and is_one_head(answer)


@pytest.mark.parametrize("line", ["HTTP/1.1 200 OK\rX-Injected: 1", "HTTP/1.1 200 OK\0", "HTTP/1.1 200 \x1b[2J"])
def test_nor_by_its_status_line(rig, line):
    rig.origin.answers["/split"] = [line.encode("latin-1") + b"\r\nContent-Length: 0\r\n\r\n", CLOSE]
    answer = rig.get("/split")
    assert answer.status == 502 and is_one_head(answer)


def test_nor_by_what_stands_behind_its_content(rig):
    rig.origin.answers["/trail"] = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n1\r\nx\r\n0\r\nSet-Cookie: x=1\r\nX-Injected: 1\r\n\r\n"]
    with rig.client() as c:
        answer = c.get("/trail")
        assert answer.status == 200 and answer.body == b"x" and is_one_head(answer) and c.rest == b""
        assert c.get("/fine").text == "origin got /fine"


@pytest.mark.parametrize("value", ["1.1.1.1\rX-Injected: 1", "1.1.1.1\nX: 1", "1.1.1.1\0", "1.1.1.1\x0bX", "1.1.1.1\r\n X-Injected: 1"])
def test_a_trusted_hop_cannot_split_what_goes_upstream(rig, value):
    before = rig.origin.bytes_seen()
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Remote-User", "traceparent", "tracestate"):
        assert rig.ask(request("/", "shop.example.com", name + ": " + value)).status == 400
    assert rig.origin.bytes_seen() == before


def test_fields_of_a_limit_are_the_policys_own_words(rig):
    answer = [rig.get("/few/a?x=%0d%0aX-Injected:1") for _ in range(2)][1]
    assert answer.status == 429 and is_one_head(answer)
    assert answer.get("ratelimit").startswith('"few"') and answer.get("retry-after").isdigit()


@pytest.mark.parametrize("to", [r'"https://www.example.com\r\nSet-Cookie: x=1"', r'"https://www.example.com\nX: 1"', r'"/x\0"', r'"https://www.example.com/\x0d"',
                                '"https://www.example.com/ x"', r'"https://www.example.com/\u2028"', r'"https://www.example.com\\evil"'])
def test_a_policy_cannot_write_one(to):
    code, text = check("sites: {shop: {hosts: ['*'], origin: 'http://10.0.0.1', policy: shop}}",
                       {"shop": "policy: shop\nrules:\n  - {id: a, when: 'path == \"/a\"', do: redirect 302, to: %s}\nwaf: {mode: off}\n" % to})
    assert code == 1 and any(why in text for why in ("must be written as %XX", "NUL", "control")), text


@pytest.mark.parametrize("key", [r'hide_fields: "X-A\r\nB"', r'show_fields: ["X-A\nB"]', r'errors: "pass\r\n"'])
def test_nor_can_a_configuration(key):
    code, text = check("sites: {shop: {hosts: ['*'], origin: 'http://10.0.0.1', %s}}" % key)
    assert code == 1, text
