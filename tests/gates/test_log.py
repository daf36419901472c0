"""One line of JSON per request: bounded, escaped, without secrets."""
import json

import pytest

from rig_client import request


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    return shared_gateway(origin=shared_origin, policies={"shop": """policy: shop
rules:
  - {id: no-admin, when: 'path under "/admin"', do: block 404}
  - {id: watch, when: 'path under "/watched"', do: block 403, mode: detect}
waf: {mode: off}
"""})


def last(rig, message):
    return rig.record(rig.ask(message))


def test_a_record_says_who_asked_what_and_what_came_of_it(rig):
    record = last(rig, request("/page?a=b", "shop.example.com", "Referer: x"))
    assert record["client"] == "127.0.0.1" and record["site"] == "shop" and record["status"] == 200
    assert record["method"] == "GET" and record["host"] == "shop.example.com" and record["path"] == "/page" and record["query"] == "a=b"
    assert len(record["id"]) == 32 and record["time"].endswith("Z") and record["ms"] >= 0
    assert record["sent"] == len("origin got /page?a=b")


def test_a_decision_names_filter_policy_line_and_reason(rig):
    record = last(rig, request("/admin"))
    assert record["status"] == 404 and record["reason"] == "policy-rule"
    text = json.dumps(record)
    assert "no-admin" in text and "shop.yaml" in text


def test_what_would_have_been_refused_is_recorded(rig):
    record = last(rig, request("/watched"))
    assert record["status"] == 200 and "watch" in json.dumps(record) and "would" in json.dumps(record)


HOSTILE = ["\x80\xff", "\u202e".encode().decode("latin-1"), '"}\n{"a":"'.replace("\n", " "), "${jndi:ldap://x}", "\xc3\x28", "\\", "\t", "\xc2\x85",
           "\xe2\x80\xa8", "%1b[2J"]


@pytest.mark.parametrize("agent", HOSTILE)
def test_a_hostile_field_is_one_escaped_line(rig, agent):
    raw_before = rig.log_text()
    message = request("/x").replace(b"User-Agent: gates", b"User-Agent: a" + agent.encode("latin-1"))
    last(rig, message)
    added = rig.log_text()[len(raw_before):]
    assert added.count(b"\n") == 1
    json.loads(added)
    assert all(b >= 0x20 for b in added[:-1])
    for bad in ("\u202e", "\u2028", "\x85"):
        assert bad not in added.decode("utf-8")


@pytest.mark.parametrize("target", ["/a%0a%0d{\"x\":1}".replace("{", "%7b").replace("}", "%7d").replace('"', "%22"), "/%1b%5b2J", "/%e2%80%ae", "/?q=%00%0a"])
def test_a_hostile_target_is_one_escaped_line(rig, target):
    raw_before = rig.log_text()
    last(rig, request(target))
    added = rig.log_text()[len(raw_before):]
    assert added.count(b"\n") == 1 and b"\x1b" not in added
    json.loads(added)


@pytest.mark.parametrize("size", [100, 3000, 7900])
def test_a_line_is_at_most_8_kib_and_stays_valid(rig, size):
    raw_before = rig.log_text()
    last(rig, request("/" + "%22" * (size // 3), "shop.example.com", "X: " + "v" * 15000, "Referer: " + "r" * 5000)
         .replace(b"User-Agent: gates", b"User-Agent: " + b"\x01\x02".replace(b"\x01\x02", b'"') * 5000))
    added = rig.log_text()[len(raw_before):]
    assert added.count(b"\n") == 1 and len(added) <= 8193
    json.loads(added)


def test_secrets_are_not_written_down(rig):
    raw_before = rig.log_text()
    last(rig, request("/?token=hunter2a&user=ada&password=hunter2b&api_key=hunter2c", "shop.example.com",
                      "Authorization: Bearer hunter2d", "Cookie: session=hunter2e", "X-Api-Key: hunter2f", "Proxy-Authorization: Basic hunter2g"))
    added = rig.log_text()[len(raw_before):]
    assert b"hunter2" not in added and b"user=ada" in added


def test_a_request_that_is_not_http_leaves_a_record_too(rig):
    record = last(rig, b"garbage\r\n\r\n")
    assert record["status"] == 400 and record["reason"] == "bad-request" and record["client"] == "127.0.0.1"


def test_every_request_of_a_pipeline_has_its_line(rig):
    lines = rig.lines()
    with rig.client() as c:
        c.send(b"".join(request("/n/%d" % i) for i in range(200)))
        for _ in range(200):
            c.read()
    assert [r["path"] for r in rig.log(lines + 200)[lines:]] == ["/n/%d" % i for i in range(200)]


def test_a_log_can_be_turned_off(gateway, origin):
    g = gateway("logs: {requests: off, waf: off}", origin=origin)
    assert g.get().status == 200
    assert g.log_text() == b""


def test_a_client_that_left_is_recorded(gateway, origin):
    import socket
    import struct
    import time
    g = gateway(origin=origin)
    origin.answers["/hang"] = [5]
    c = g.client()
    c.send(request("/hang"))
    time.sleep(0.3)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    record = g.log(1)[-1]
    assert record["reason"] == "client-left"
