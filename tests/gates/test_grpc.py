"""gRPC through the gateway, spoken by gRPC itself, and what becomes of it where something is refused or breaks (THREATS G10)."""
import queue
import threading
import time

import pytest

from rig_gateway import check
from rig_grpc import Server, channel, grpc, method, refused
from rig_h2 import H2, NO_ERROR, RST_STREAM, fields_of, rst
from rig_h2_origin import Origin2

S = grpc.StatusCode
SITES = ("origins: {pool: {servers: '$origin', http: 2%s}}\n"
         "sites: {shop: {hosts: ['*'], origin: pool, grpc: true%s}}\n")
POLICY = """
waf: {mode: enforce%s}
rules:
  - {id: blocked, when: 'path under "/gates.Calls/Blocked"', do: block}
  - {id: login, when: 'path under "/gates.Calls/Login"', do: block 401}
limits:
  - {id: few, when: 'path under "/gates.Calls/Few"', rate: 2 per 1m}
"""


def site(origin="", **more):
    return SITES % (origin, "".join(", %s: %s" % item for item in more.items()))


@pytest.fixture(scope="module")
def server():
    s = Server()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def rig(shared_gateway, server):
    """With the WAF on."""
    return shared_gateway(site(policy="shop") + "client: {body: 32MiB}\n", origin=server, policies={"shop": POLICY % ""})


@pytest.fixture
def calls(rig):
    with channel(rig) as c:
        yield c


# ---- The four kinds ----

def test_unary_with_metadata_both_ways(rig, calls, server):
    answer, call = method(calls, "Unary").with_call(b"hello", metadata=(("x-mine", "yes"), ("x-mine-bin", b"\x00\x01\xff")))
    assert answer == b"hello" and call.code() == S.OK
    got = dict(server.calls.metadata["Unary"])
    assert got["x-mine"] == "yes" and got["x-mine-bin"] == b"\x00\x01\xff" and got["x-forwarded-for"] == "127.0.0.1"
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert (first["x-first"], first["x-raw-bin"], last["x-last"], last["x-last-bin"]) == ("1", b"\x00\xff", "2", b"\x01\xfe")
    record = rig.record_where(lambda r: r.get("path") == "/gates.Calls/Unary")
    assert (record["status"], record["grpc_status"], record["origin_http"], record["decision"]) == (200, "0", 2, "pass")
    assert any("gRPC" in n.get("uninspected", "") for n in record["notes"])


@pytest.mark.parametrize("n", [0, 1, 1 << 20, 4 << 20])
def test_messages_of_every_size(calls, n):
    message = bytes(i * 11 % 253 for i in range(4096)) * (n // 4096) if n > 4096 else b"x" * n
    assert method(calls, "Unary")(message) == message


def test_streams_of_the_server_of_the_client_and_of_both(calls, server):
    assert list(method(calls, "Many", "unary_stream")(b"2000")) == [b"%d" % i for i in range(2000)]
    assert method(calls, "Sum", "stream_unary")(b"%d" % i for i in range(2000)) == b"1999000"
    said = queue.Queue()
    answers = method(calls, "Chat", "stream_stream")(iter(said.get, None))
    for word in (b"one", b"two", b"x" * 100000, b"three"):
        said.put(word)
        # The answer comes while the request still flows.
        assert next(answers) == b"you said " + word
        time.sleep(0.1)
    said.put(None)
    assert list(answers) == [] and answers.code() == S.OK


def test_many_calls_at_a_time(gateway, server):
    """Without the WAF, which would have more to do than it may."""
    with channel(gateway(site(), origin=server)) as c:
        futures = [method(c, "Unary").future(b"%d" % i * 1000) for i in range(100)]
        assert [f.result(20) for f in futures] == [b"%d" % i * 1000 for i in range(100)]


def test_a_status_with_its_message(rig, calls):
    fault = refused(method(calls, "Fail"), b"")
    assert (fault.code(), fault.details()) == (S.FAILED_PRECONDITION, "no: 100% \u2603")
    assert ("x-why", "because") in fault.trailing_metadata()
    assert rig.record_where(lambda r: r.get("path") == "/gates.Calls/Fail")["grpc_status"] == "9"
    assert refused(method(calls, "Nothing"), b"").code() == S.UNIMPLEMENTED


# ---- Ends ----

def test_a_client_that_cancels_is_seen_by_the_server(calls, server):
    server.calls.cancelled.clear()
    stream = method(calls, "Forever", "unary_stream")(b"")
    assert next(stream) == b"0"
    stream.cancel()
    assert server.calls.cancelled.wait(5)


def test_a_deadline_of_the_client(rig, calls, server):
    server.calls.cancelled.clear()
    assert refused(method(calls, "Slow"), b"", timeout=0.4).code() == S.DEADLINE_EXCEEDED
    assert server.calls.cancelled.wait(5)


def test_the_deadline_is_kept_by_the_gateway(gateway):
    o = Origin2()
    o.answers["/gates.Calls/Hang"] = lambda r: r.wait_reset(10)
    o.answers["/gates.Calls/Part"] = lambda r: (r.head(("content-type", "application/grpc")), r.data(b"\0\0\0\0\1a"), r.wait_reset(10))
    g = gateway(site() + "client: {total: 2s}\n", origin=o)
    with H2(g.https) as h:
        head = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m")]
        began = time.monotonic()
        answer = h.wait(h.headers(fields_of("/gates.Calls/Hang", "POST", "shop.example.com", *head)))
        assert answer.status == 200 and answer.get("grpc-status") == "4" and 0.25 < time.monotonic() - began < 1.5
        answer = h.wait(h.headers(fields_of("/gates.Calls/Part", "POST", "shop.example.com", *head)))
        assert answer.body == b"\0\0\0\0\1a" and ("grpc-status", "4") in answer.trailers
        # Where the client allows more, the gateway's own clock counts.
        began = time.monotonic()
        answer = h.wait(h.headers(fields_of("/gates.Calls/Hang", "POST", "shop.example.com", *head[:2], ("grpc-timeout", "1H"))))
        assert answer.get("grpc-status") == "4" and 1.5 < time.monotonic() - began < 4
    assert all(r.wait_reset(5) is not None for r in o.requests)
    o.stop()


def test_a_quiet_stream_is_no_slow_client_and_no_slow_origin(gateway, server):
    g = gateway(site(", between: 300ms") + "client: {body_grace: 300ms, body_rate: 10KiB}\n", origin=server)
    with channel(g) as c:
        said = queue.Queue()
        answers = method(c, "Chat", "stream_stream")(iter(said.get, None))
        for word in (b"one", b"two"):
            said.put(word)
            assert next(answers) == b"you said " + word
            time.sleep(1.5)
        said.put(None)
        assert list(answers) == []


# ---- Refusals ----

@pytest.mark.parametrize("name, code, reason", [
    ("Blocked", S.PERMISSION_DENIED, "policy-rule"), ("Login", S.UNAUTHENTICATED, "policy-rule"), ("Few", S.RESOURCE_EXHAUSTED, "rate-limit")])
def test_a_refusal_is_a_grpc_status(rig, calls, name, code, reason):
    fault = [refused(method(calls, name), b"") for _ in range(4)][-1]
    said, _, request_id = fault.details().rpartition(" ")
    assert fault.code() == code and said == "answered by the gateway, request id"
    record = rig.record_where(lambda r: r["id"] == request_id)
    assert (record["path"], record["reason"], record["decision"]) == ("/gates.Calls/" + name, reason, "block")
    assert record["grpc_status"] == str(code.value[0])


def test_an_attack_in_the_metadata_is_refused(rig, calls):
    fault = refused(method(calls, "Unary"), b"", metadata=(("x-note", "<script>alert(1)</script>"), ("user-id", "1 union select password from users--"),
                                                            ("referer", "http://x/?q=<script>alert(document.cookie)</script>")))
    assert fault.code() == S.PERMISSION_DENIED
    assert rig.record_where(lambda r: r.get("reason") == "waf-score")["grpc_status"] == "7"


def test_a_stream_that_is_refused_while_it_is_sent(calls):
    assert refused(method(calls, "Blocked", "stream_unary"), (b"x" * 1000 for _ in range(1000))).code() == S.PERMISSION_DENIED


def test_a_refusal_is_a_head_and_no_page(rig):
    with H2(rig.https) as h:
        answer = h.wait(h.headers(fields_of("/gates.Calls/Blocked", "POST", "shop.example.com", ("content-type", "application/grpc+proto"))))
        assert (answer.status, answer.get("content-type"), answer.get("grpc-status"), answer.body) == (200, "application/grpc", "7", b"")


@pytest.mark.parametrize("kind, method_", [("application/grpc-web", "POST"), ("application/grpcx", "POST"), ("application/grpc", "PUT"), ("text/plain", "POST")])
def test_what_is_no_call_is_judged_as_ever(rig, kind, method_):
    with H2(rig.https) as h:
        answer = h.wait(h.headers(fields_of("/gates.Calls/Blocked", method_, "shop.example.com", ("content-type", kind))))
        assert answer.status in (403, 415) and b"<html" in answer.body


def test_a_site_must_allow_it(gateway, server):
    g = gateway(site(policy="shop").replace(", grpc: true", ""), origin=server, policies={"shop": POLICY % ""})
    with channel(g) as c:
        assert refused(method(c, "Unary"), b"x").code() in (S.UNKNOWN, S.UNIMPLEMENTED, S.PERMISSION_DENIED)
    assert g.record_where(lambda r: r.get("path") == "/gates.Calls/Unary")["reason"] == "body-type"


def test_it_takes_an_origin_of_http2():
    code, said = check("origins: {pool: {servers: 'http://127.0.0.1:9'}}\nsites: {shop: {hosts: ['*'], origin: pool, grpc: true}}\n")
    assert code == 1 and "asked by HTTP/1.1" in said and "http: 2" in said


def test_answers_may_be_inspected_beside_it(gateway, server):
    policy = POLICY % ", responses: {mode: enforce, body: true}"
    g = gateway(site(policy="shop"), origin=server, policies={"shop": policy})
    with channel(g) as c:
        assert method(c, "Unary")(b"x" * 100000) == b"x" * 100000
        said = queue.Queue()
        answers = method(c, "Chat", "stream_stream")(iter(said.get, None))
        said.put(b"one")
        assert next(answers) == b"you said one"
        said.put(None)
        assert list(answers) == []


# ---- What only says that it is gRPC ----

def asked(h, path, content, *more, kind="application/grpc", end=True):
    s = h.headers(fields_of(path, "POST", "shop.example.com", ("content-type", kind), ("te", "trailers"), ("user-agent", "gates"), ("accept", "*/*"), *more),
                  end=False)
    h.data(s, content, end=end)
    return s


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+json", "application/grpc; charset=utf-8"])
def test_text_is_no_message(gateway, kind):
    """A handler that is no server of gRPC may read it all the same, and the rule set has not."""
    o = Origin2()
    g = gateway(site(policy="shop", errors="pass"), origin=o, policies={"shop": POLICY % ""})
    with H2(g.https) as h:
        for content in (b'{"q": "<script>alert(1)</script>"}', b"q=1+union+select+password+from+users--", b"<a/>", b" "):
            answer = h.wait(asked(h, "/api", content, kind=kind))
            assert answer.status == 200 and answer.get("grpc-status") == "3", (content, answer)
        answer = h.wait(asked(h, "/api", b"\0\0\0\0\1a", kind=kind))
        assert answer.text == "origin got /api"
    assert not any(b"script" in r.body or b"union" in r.body for r in o.requests)
    assert g.record_where(lambda r: r.get("path") == "/api" and r["decision"] != "pass")["reason"] == "body-invalid"
    o.stop()


def test_an_answer_that_is_no_message_is_inspected(gateway):
    """Whoever asks an ordinary page as if it were a call gets it no more than others do."""
    leak = b"<html>" + b"You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version" + b"</html>"
    o = Origin2()
    o.answers["/page"] = lambda r: (r.wait_end(), r.page(leak, ("content-type", "text/html")))
    g = gateway(site(policy="shop"), origin=o, policies={"shop": POLICY % ", responses: {mode: enforce, body: true}"})
    with H2(g.https) as h:
        plain = h.wait(h.headers(fields_of("/page", "GET", "shop.example.com", ("user-agent", "gates"), ("accept", "*/*"))))
        assert plain.status != 200 and b"SQL" not in plain.body
        answer = h.wait(asked(h, "/page", b""))
        assert answer.status == 200 and b"SQL" not in answer.body and answer.get("grpc-status") not in (None, "0")
    o.stop()


def test_a_client_that_says_nothing_is_not_held_against_the_server(gateway):
    o = Origin2()
    o.answers["/gates.Calls/Chat"] = lambda r: (r.head(HEAD), r.data(MESSAGE), r.wait_reset(30))
    g = gateway(site(", between: 300ms, events: 600ms, eject_failures: 2, retries: 0"), origin=o)
    with H2(g.https) as h:
        calls = [asked(h, "/gates.Calls/Chat", MESSAGE, end=False) for _ in range(8)]
        for answer in h.wait(*calls):
            assert answer.status == 200
    assert "left out" not in g.stderr()
    o.stop()


# ---- Origins ----

def test_no_origin_is_unavailable(gateway):
    o = Origin2()
    o.stop()
    g = gateway(site(), origin=o)
    with channel(g) as c:
        assert refused(method(c, "Unary"), b"x").code() == S.UNAVAILABLE


HEAD = ("content-type", "application/grpc")
MESSAGE = b"\0\0\0\0\5hello"
ENDS = {
    "trailers-only": (lambda r: r.head(HEAD, ("grpc-status", "5"), ("grpc-message", "not here"), end=True), S.NOT_FOUND),
    "reset": (lambda r: (r.head(HEAD), r.data(MESSAGE), r.send(rst(r.stream))), S.UNAVAILABLE),
    "the connection ends": (lambda r: (r.head(HEAD), r.data(MESSAGE), time.sleep(0.05), r.connection.socket.shutdown(2)), S.UNAVAILABLE),
    "no grpc-status": (lambda r: (r.head(HEAD), r.data(MESSAGE), r.trail(("x", "y"))), S.UNKNOWN),
    "two of them": (lambda r: (r.head(HEAD), r.data(MESSAGE), r.trail(("grpc-status", "0"), ("grpc-status", "7"))), S.UNKNOWN),
    "two in a head": (lambda r: r.head(HEAD, ("grpc-status", "0"), ("grpc-status", "7"), end=True), S.UNAVAILABLE),
    "a head without": (lambda r: r.head(HEAD, end=True), S.UNAVAILABLE),
    "no trailers": (lambda r: (r.head(HEAD), r.data(MESSAGE, end=True)), S.UNKNOWN),
    "an error page": (lambda r: r.page(b"<html>stack trace</html>", ("content-type", "text/html"), status="500"), S.UNAVAILABLE),
    "upper case": (lambda r: r.head(HEAD, ("X-Upper", "a")), S.UNAVAILABLE),
}


@pytest.mark.parametrize("which", ENDS)
def test_however_the_origin_ends_it_is_a_status(gateway, which):
    o = Origin2()
    o.answers["/gates.Calls/Unary"] = lambda r: (r.wait_end(), ENDS[which][0](r))
    g = gateway(site(", retries: 0"), origin=o)
    with channel(g) as c:
        fault = refused(method(c, "Unary"), b"x")
        assert fault.code() == ENDS[which][1] and "stack trace" not in (fault.details() or "")
    assert o.requests[0].get("te") == "trailers" and not o.faults
    o.stop()
