"""Framing and smuggling, in time: answers before the content has come, Expect, pauses (THREATS A13, A14, A15)."""
import time

import pytest

from rig_client import Closed, chunked, request
from rig_framing import POLICY, SITES, hidden, one_request, post, refused, told, watched
from rig_origin import CLOSE, HANG, page

TEXT = b"Content-Type: text/plain"
DRAIN_BYTES, DRAIN_SECONDS = 65536, 2.0


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(SITES + "client: {body: 1MiB}\n", origin=shared_origin, policies={"shop": POLICY})
    g.get("/few")
    return g


EARLY = [(b"/secret", 403), (b"/moved", 302), (b"/few", 429)]


def answers_of(client):
    """All that still comes, up to the answer to a request of our own."""
    found = []
    try:
        while not found or not (found[-1].get("x-canary") or "").startswith("/behind/"):
            found.append(client.read())
    except Closed:
        pass
    return found


# ---- A13: an answer before the content ----

@pytest.mark.parametrize("target, status", EARLY)
@pytest.mark.parametrize("lines, body", [
    ([b"Content-Length: 500"], hidden(500)),
    ([b"Transfer-Encoding: chunked"], chunked(hidden(500))),
    ([b"Content-Length: 500", b"Expect: 100-continue"], hidden(500)),
], ids=["length", "chunks", "expecting"])
def test_the_content_of_a_refused_request_is_never_a_request(rig, target, status, lines, body):
    with watched(rig) as seen:
        answers, closed = told(rig, post(*lines, target=target, body=body))
        assert [a.status for a in answers] == [status]
        assert closed == ((answers[0].get("connection") or "") == "close")
    assert [got.target for got in seen.requests if "/behind/" not in got.target] == []


@pytest.mark.parametrize("target, status", EARLY)
@pytest.mark.parametrize("expects", [[], [b"Expect: 100-continue"]], ids=["", "expecting"])
def test_content_that_comes_behind_the_refusal_is_read_away_or_cut_off(rig, target, status, expects):
    """The head alone, the answer, and only then the content that is a request."""
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(post(b"Content-Length: 500", *expects, target=target))
            answer = c.read()
            assert answer.status == status and (not expects or answer.get("connection") == "close")
            try:
                c.send(hidden(500), request("/behind/early"))
            except OSError:
                pass
            rest = answers_of(c)
        assert [a.get("x-canary") for a in rest] == ([] if answer.get("connection") == "close" else ["/behind/early"])
    assert len(seen.requests) == len(rest)


def test_a_refused_request_with_much_content_ends_the_connection(rig):
    """More than is worth reading away: the answer says close, and what follows is nothing."""
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(post(b"Content-Length: %d" % (DRAIN_BYTES + 1), target=b"/secret"))
            answer = c.read()
            assert (answer.status, answer.get("connection")) == (403, "close")
            try:
                c.send(hidden(DRAIN_BYTES + 1), request("/behind/much"))
            except OSError:
                pass
            assert answers_of(c) == []
    assert seen.requests == []


def test_content_is_read_away_up_to_a_bound(rig):
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(post(b"Content-Length: %d" % DRAIN_BYTES, target=b"/secret"))
            assert c.read().status == 403
            c.send(hidden(DRAIN_BYTES), request("/behind/bound"))
            assert c.read().get("x-canary") == "/behind/bound"
    assert [got.target for got in seen.requests] == ["/behind/bound"]


def test_content_is_read_away_for_two_seconds(rig):
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(post(b"Content-Length: 500", target=b"/secret"))
            began = time.monotonic()
            assert c.read().status == 403
            assert c.closed(4)
            assert DRAIN_SECONDS - 0.5 < time.monotonic() - began < DRAIN_SECONDS + 1.5
    assert seen.requests == []


def test_too_much_content_ends_the_connection(rig):
    for framed in (post(b"Content-Length: 2000000", TEXT), post(b"Transfer-Encoding: chunked", TEXT, body=b"200000\r\n")):
        with watched(rig) as seen:
            with rig.client() as c:
                try:
                    c.send(framed, *[hidden(65536)] * 40)
                except OSError:
                    pass
                answer = c.read()
                assert (answer.status, answer.get("connection")) == (413, "close")
                assert c.closed()
        assert seen.requests == []


@pytest.mark.parametrize("close", [False, True])
def test_an_early_answer_of_the_origin_leaves_nothing_behind(rig, close):
    """It answers from the head alone; the content goes nowhere, and neither connection to the origin is used again."""
    rig.origin.early["/early"] = [page(b"no", "401 Unauthorized"), CLOSE if close else HANG]
    with watched(rig, reused=None) as seen:
        with rig.client() as c:
            c.send(post(b"Content-Length: 500", TEXT, target=b"/early"))
            answer = c.read()
            assert answer.status == 401
            try:
                c.send(hidden(500), request("/behind/origin"))
            except OSError:
                pass
            rest = answers_of(c)
            assert [a.get("x-canary") for a in rest] in ([], ["/behind/origin"])
    assert all(got.target == "/behind/origin" for got in seen.requests)


# ---- A14: Expect ----

def test_the_gateway_answers_expect_itself_and_keeps_it(rig):
    with watched(rig, reused=True) as seen:
        with rig.client() as c:
            c.send(post(b"Content-Length: 5", b"Expect: 100-continue", TEXT))
            while b"100" not in c.rest:
                assert c.more()
            c.send(b"hello")
            answer = c.read()
        assert answer.status == 200 and [s for s, _ in answer.informational] == [100]
    assert [(got.body, got.all("expect")) for got in seen.requests] == [(b"hello", [])]


@pytest.mark.parametrize("value",
                         [b"y 100-continue", b"x 100-continue", b"200-ok", b"100-continue, x", b"100-continued",
                          b"100-continue;q=1", b""])
def test_another_expectation_cannot_be_met(rig, value):
    refused(rig, post(b"Content-Length: 5", b"Expect: " + value, body=b"hello"), {417})


@pytest.mark.parametrize("lines", [[b"Expect:\r\n 100-continue"], [b"Expect: 100-continue", b"Expect: 100-continue"]])
def test_an_expectation_has_one_line(rig, lines):
    refused(rig, post(b"Content-Length: 5", *lines, body=b"hello"), {400, 417})


@pytest.mark.parametrize("body, lines",
                         [(b"hello", [b"Content-Length: 5"]), (chunked(b"hel", b"lo"), [b"Transfer-Encoding: chunked"])])
def test_content_sent_without_waiting_is_one_request(rig, body, lines):
    assert one_request(rig, post(*lines, b"Expect: 100-continue", TEXT, body=body)).body == b"hello"


def test_an_expectation_without_content_or_from_http_10_is_nothing(rig):
    with rig.client() as c:
        answer = c.ask(post(b"Expect: 100-continue", method=b"GET"))
        assert answer.status == 200 and answer.informational == []
        answer = c.ask(post(b"Expect: 100-continue", b"Content-Length: 5", TEXT, version=b"HTTP/1.0", body=b"hello"))
        assert answer.status == 200 and answer.informational == []


@pytest.mark.parametrize("status", ["200 OK", "417 Expectation Failed", "403 Forbidden"])
def test_an_origin_that_does_not_wait_for_the_content_is_not_used_again(rig, status):
    """It answers where a 100 was due, and keeps its connection open, ready to take content for a request."""
    rig.origin.early["/final"] = [page(b"early", status), HANG]
    with watched(rig) as seen:
        with rig.client() as c:
            c.send(post(b"Content-Length: %d" % len(hidden()), b"Expect: 100-continue", TEXT, target=b"/final"))
            answer = c.read()
            assert answer.status == int(status[:3]) and answer.text == "early"
            try:
                c.send(hidden(), request("/behind/final"))
            except OSError:
                pass
            assert [a.get("x-canary") for a in answers_of(c)] in ([], ["/behind/final"])
    raw = [c.raw for c in rig.origin.connections if b"POST /final" in c.raw][-1]
    assert b"HTTP/1.1" not in raw.rpartition(b"POST /final HTTP/1.1")[2].replace(hidden(), b"")
    assert all(r.target == "/behind/final" for r in seen.requests)


def test_an_origin_that_answers_when_the_content_is_whole_is_used_again(rig):
    rig.origin.answers["/whole"] = [b"HTTP/1.1 100 Continue\r\n\r\n", page(b"x", "417 Expectation Failed")]
    with watched(rig, reused=True) as seen:
        answers, closed = told(rig,
                               post(b"Content-Length: 5", b"Expect: 100-continue", TEXT, target=b"/whole", body=b"hello"))
        assert [a.status for a in answers] == [417] and not closed
    assert seen.requests[0].body == b"hello"


# ---- A15: pauses ----

@pytest.fixture(scope="module")
def slow(shared_gateway, shared_origin):
    g = shared_gateway(SITES + "client: {head: 1s, body_grace: 1s, body_rate: 500B, stall: 1s, keep_alive: 1s}\n",
                       origin=shared_origin,
                       policies={"shop": POLICY})
    return g


@pytest.mark.parametrize("lines",
                         [[b"Content-Length: 34"], [b"Content-Length: 34", b"Expect: 100-continue"],
                          [b"Transfer-Encoding: chunked"],
                                   [b"Content-Length: 100000"]])
def test_content_that_comes_too_late_is_never_a_request(slow, lines):
    """Headers, a pause longer than the patience, then content that is a request: 408, both connections closed."""
    with watched(slow) as seen:
        with slow.client() as c:
            c.send(post(*lines, TEXT, target=b"/pause"))
            began = time.monotonic()
            answer = c.read()
            assert (answer.status, answer.get("connection")) == (408, "close")
            assert 0.8 < time.monotonic() - began < 4
            try:
                c.send(hidden())
            except OSError:
                pass
            assert answers_of(c) == []
    assert seen.requests == []


def test_a_pause_within_the_patience_is_content(slow):
    """A little before the limit: the bytes are what they were announced as."""
    content = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n12"
    with watched(slow, reused=True) as seen:
        with slow.client() as c:
            c.send(post(b"Content-Length: %d" % len(content), TEXT, target=b"/pause"))
            time.sleep(0.6)
            c.send(content)
            assert c.read().status == 200
    assert [got.body for got in seen.requests] == [content]


def test_a_pause_before_the_content_of_a_refused_request(slow):
    """The answer is out at once; late content finds a closed connection."""
    with watched(slow) as seen:
        with slow.client() as c:
            c.send(post(b"Content-Length: 34", target=b"/secret"))
            assert c.read().status == 403
            time.sleep(DRAIN_SECONDS + 0.5)
            try:
                c.send(hidden())
            except OSError:
                pass
            assert answers_of(c) == []
    assert seen.requests == []


def test_a_pause_in_a_head_ends_it(slow):
    with watched(slow) as seen:
        with slow.client() as c:
            c.send(b"POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Le")
            answer = c.read()
            assert (answer.status, answer.get("connection")) == (408, "close")
            try:
                c.send(b"ngth: 5\r\n\r\nhello" + hidden())
            except OSError:
                pass
            assert answers_of(c) == []
    assert seen.requests == [] and seen.bytes == 0
