"""Content that comes as things happen: streams of events and long polling, with the WAF looking at answers."""
import threading
import time

import pytest

from rig_client import request
from rig_h2 import H2, fields_of
from rig_metrics import Bounded, at
from rig_origin import CLOSE, HANG, page

SITES = "sites: {shop: {hosts: [shop.example.com], origin: '$origin', policy: shop}}\n"
ENFORCE = "policy: shop\nwaf: {mode: enforce, responses: {mode: enforce, body: true%s}}\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"


def event(n):
    return b"id: %d\ndata: <script>%d</script>\n\n" % (n, n)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Stream:
    """An answer whose events a test lets go one by one."""

    def __init__(self, origin, path="/events", framing="chunked", head=HEAD):
        self.gates = [threading.Event() for _ in range(4)]
        self.framing, self.head = framing, head
        origin.answers[path] = self.actions

    def actions(self, _):
        yield self.head + (b"Transfer-Encoding: chunked\r\n\r\n" if self.framing == "chunked" else b"\r\n")
        for n, gate in enumerate(self.gates):
            if not gate.wait(10):
                break
            yield chunk(event(n)) if self.framing == "chunked" else event(n)
        if self.framing == "chunked":
            yield b"0\r\n\r\n"
        yield CLOSE

    def go(self, n):
        self.gates[n].set()


def until(c, mark):
    while mark not in c.rest:
        assert c.more(), "closed before %r" % mark
    _, _, c.rest = c.rest.partition(mark)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("beyond", ["", ", beyond: block"])
def test_each_event_arrives_before_the_next_is_sent(gateway, origin, tls, framing, beyond):
    stream = Stream(origin, framing=framing)
    g = gateway(SITES, origin=origin, policies={"shop": ENFORCE % beyond})
    with g.client(tls=tls) as c:
        c.send(request("/events"))
        until(c, b"\r\n\r\n")
        for n in range(4):
            stream.go(n)
            until(c, event(n))
    record = g.record_where(lambda r: r["path"] == "/events")
    assert [n["uninspected"] for n in record["notes"] if "uninspected" in n] == ["the answer: content of a type that is not listed"]


def test_each_event_arrives_over_http2(gateway, origin):
    stream = Stream(origin)
    g = gateway(SITES, origin=origin, policies={"shop": ENFORCE % ""})
    with H2(g.https) as c:
        s = c.headers(fields_of("/events", "GET", "shop.example.com", ("user-agent", "gates"), ("accept", "*/*")))
        for n in range(4):
            stream.go(n)
            assert c.until(lambda: c.answer(s).body.endswith(event(n)))
        assert c.wait(s).body == b"".join(map(event, range(4)))


def test_events_are_counted_as_uninspected(gateway, origin):
    stream = Stream(origin)
    b = Bounded(gateway, SITES, origin=origin, policies={"shop": ENFORCE % ""})
    for n in range(4):
        stream.go(n)
    assert len(b.g.get("/events").body) == 4 * len(event(0))
    b.g.log(1)
    m = b.metrics()
    assert at(m, "portcullis_uninspected_answers_total") == 1
    assert at(m, "portcullis_uninspected_answer_bytes_total") == 4 * len(event(0))


def test_the_head_of_events_is_inspected(gateway, origin):
    Stream(origin, head=HEAD + b"X-Evil: yes\r\n").go(0)
    g = gateway(SITES + "rulesets: {crs: {path: /usr/share/modsecurity-crs, before: '$dir/own.conf'}}\n", origin=origin,
                policies={"shop": ENFORCE % ""}, files={
                    "own.conf": 'SecRule RESPONSE_HEADERS:X-Evil "@streq yes" "id:1000,phase:3,deny,status:403"\n'})
    answer = g.get("/events")
    assert answer.status == 403 and b"data:" not in answer.body


def test_what_only_looks_like_events_is_held(gateway, origin):
    origin.answers["/fake"] = [page(b"data: 1\n\n", "200 OK", "Content-Type: text/html; x=text/event-stream")]
    g = gateway(SITES, origin=origin, policies={"shop": ENFORCE % ""})
    g.get("/fake")
    record = g.record_where(lambda r: r["path"] == "/fake")
    assert [n for n in record.get("notes", []) if "uninspected" in n] == []


def test_events_may_be_farther_apart_than_the_bytes_of_a_page(gateway, origin):
    origin.answers["/page"] = [b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"one"), HANG]
    stream = Stream(origin)
    g = gateway("origins: {o: {servers: '$origin', between: 300ms, events: 3s}}\n" + SITES.replace("$origin", "o"),
                origin=origin, policies={"shop": ENFORCE % ""})
    with g.client() as c:
        c.send(request("/events"))
        for n in range(2):
            time.sleep(1)
            stream.go(n)
            until(c, event(n))
        began = time.monotonic()
        assert c.closed(within=8) and 2.5 < time.monotonic() - began < 6
    assert g.record_where(lambda r: r["path"] == "/events")["reason"] == "origin-slow"
    began = time.monotonic()
    assert not g.get("/page").complete and time.monotonic() - began < 2


def test_a_long_poll_waits_as_long_as_first_byte_says(gateway, origin):
    origin.answers["/poll"] = [1.5, page(b"news", "200 OK", "Content-Type: application/json")]
    g = gateway("origins: {o: {servers: '$origin', between: 300ms, first_byte: 3s}}\n" + SITES.replace("$origin", "o"),
                origin=origin, policies={"shop": ENFORCE % ""})
    assert g.get("/poll").body == b"news"
    origin.answers["/poll"] = [4, page(b"news")]
    answer = g.get("/poll")
    assert answer.status == 504 and g.record(answer)["reason"] == "origin-slow"


def test_a_client_that_leaves_ends_the_stream_at_the_origin(gateway, origin):
    Stream(origin).go(0)
    g = gateway(SITES, origin=origin, policies={"shop": ENFORCE % ""})
    with g.client() as c:
        c.send(request("/events"))
        until(c, event(0))
        c.reset()
    assert g.record_where(lambda r: r["path"] == "/events")["reason"] == "client-left"
