"""Answers under inspection: what a rule refuses leaves no byte, what is clean passes unchanged, and what is not seen is said."""
import gzip
import itertools
import os
import signal
import socket
import struct
import threading
import time

import pytest

from rig_client import Client, chunked, request
from rig_gateway import processes_under, status_of
from rig_origin import CLOSE, HANG, RESET, page

# Rules 951100 and 951230 of the Core Rule Set: an error of MySQL, as a broken page shows it.
LEAK = b"<p>You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version</p>"
HTML = "Content-Type: text/html; charset=utf-8"
FORM = "Content-Type: application/x-www-form-urlencoded"
OWN_RULES = """
SecRule RESPONSE_HEADERS:X-Debug "@streq on" "id:1000,phase:3,deny,status:418,log,msg:'A debug field',severity:2"
SecRule RESPONSE_BODY "@contains canary-of-phase-4" "id:1001,phase:4,deny,status:403,log,msg:'A canary',severity:2"
SecRule ARGS_NAMES "@streq mark" "id:1002,phase:2,pass,nolog,setvar:tx.marked=1"
SecRule ARGS_POST:secret "@streq yes" "id:1003,phase:2,pass,nolog,setvar:tx.posted=1"
SecRule TX:marked "@eq 1" "id:1004,phase:4,deny,status:410,log,msg:'Marked by its request',severity:2"
SecRule TX:posted "@eq 1" "id:1005,phase:4,deny,status:411,log,msg:'Marked by its content',severity:2"
"""
CONFIG = "rulesets: {crs: {path: /usr/share/modsecurity-crs, before: ['$dir/own.conf']}}\n"


LAX_LOGS = "logs: {requests: '$dir/requests.log', errors: stderr, waf: '$dir/waf.log'}\n"


def responses(more="", **how):
    settings = {"mode": "enforce", "body": "true", **how}
    return {"shop": "policy: shop\nwaf: {mode: enforce, %sresponses: {%s}}\n"
                    % (more, ", ".join("%s: %s" % item for item in settings.items()))}


def make(gateway, origin, config="", policies=None, **how):
    return gateway(CONFIG + config, origin=origin, policies=policies or responses(), files={"own.conf": OWN_RULES}, **how)


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = make(shared_gateway, shared_origin)
    g.origin = shared_origin
    return g


@pytest.fixture(scope="module")
def strict(shared_gateway, shared_origin):
    """Beyond the bound of 64 KiB answers are refused."""
    g = make(shared_gateway, shared_origin, policies=responses(max="64KiB", beyond="block"))
    g.origin = shared_origin
    return g


def by_chunks(body, *fields, status="200 OK", size=8000):
    head = "\r\n".join(["HTTP/1.1 " + status, "Transfer-Encoding: chunked", *fields]).encode() + b"\r\n\r\n"
    return head + chunked(*[body[i:i + size] for i in range(0, len(body), size)])


def until_closed(body, *fields):
    return "\r\n".join(["HTTP/1.1 200 OK", "Connection: close", *fields]).encode() + b"\r\n\r\n" + body


def filler(n):
    """Text that no rule minds and no two lines of which are alike."""
    lines = b"".join(b"<li>item %d of a catalogue of garden chairs</li>\n" % i for i in range(n // 40 + 1))
    return lines[:n]


NUMBERS = itertools.count(1)


def fetch(g, path, *fields, post=None):
    """One request on a connection of its own: the answer, every byte that came, and its record, known by its query."""
    number = "number=%d" % next(NUMBERS)
    target = path + ("&" if "?" in path else "?") + number
    with g.client() as c:
        c.send(request(target, "shop.example.com", *fields, method="POST" if post is not None else "GET", body=post))
        answer = c.read()
        every_byte = answer.raw_head + answer.body + c.rest
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = [record for record in g.log() if record.get("query", "").endswith(number)]
        if found:
            return answer, every_byte, found[0]
        time.sleep(0.02)
    raise AssertionError("no record of " + target)


# ---- Refused ----

SIZES = {"small": b"", "over the memory of a spool": filler(100 << 10), "up to the bound": filler((512 << 10) - 200)}
FRAMINGS = {"length": lambda body: [page(body, "200 OK", HTML, "X-Origin: shelf-7")],
            "chunked": lambda body: [by_chunks(body, HTML, "X-Origin: shelf-7")],
            "close": lambda body: [until_closed(body, HTML, "X-Origin: shelf-7"), CLOSE]}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_page_that_leaks_leaves_no_byte(rig, framing, size):
    body = SIZES[size] + LEAK
    rig.origin.answers["/leak"] = FRAMINGS[framing](body)
    answer, every_byte, record = fetch(rig, "/leak")
    assert answer.status == 403 and answer.complete
    for trace in (b"SQL", b"garden", b"X-Origin", b"shelf-7"):
        assert trace not in every_byte
    assert record["status"] == 403 and record["reason"] == "waf-answer" and record["filter"] == "waf"
    assert record["waf"]["answer_score"] >= 4
    assert {rule["id"] for rule in record["waf"]["rules"]} & set(range(951000, 952000))
    assert any(n.get("rule", "").startswith("951") for n in record["notes"])


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("where", ["first", "last"])
def test_ten_megabytes_are_refused_before_a_byte(strict, framing, where):
    big = filler(10 << 20)
    body = LEAK + big if where == "first" else big + LEAK
    strict.origin.answers["/big"] = FRAMINGS[framing](body)
    answer, every_byte, record = fetch(strict, "/big")
    assert answer.status == 502
    for trace in (b"SQL", b"garden", b"X-Origin", b"shelf-7"):
        assert trace not in every_byte
    assert record["reason"] == "answer-uninspected" and record["status"] == 502


def test_the_first_part_of_what_is_longer_is_judged_too(rig):
    rig.origin.answers["/long"] = [by_chunks(LEAK + filler(2 << 20), HTML)]
    answer, every_byte, _ = fetch(rig, "/long")
    assert answer.status == 403 and b"SQL" not in every_byte


def test_a_rule_of_phase_3_refuses_with_its_own_status(rig):
    rig.origin.answers["/debug"] = [page(b"hello", "200 OK", "X-Debug: on", "Content-Type: image/png")]
    answer, every_byte, record = fetch(rig, "/debug")
    assert answer.status == 418 and b"hello" not in every_byte and b"X-Debug" not in every_byte
    assert [rule["id"] for rule in record["waf"]["rules"]] == [1000]
    assert 1000 in rig.waf_ids()


def test_the_hits_are_on_disk_before_the_answer(rig):
    rig.origin.answers["/canary"] = [page(b"a canary-of-phase-4 sings", "200 OK", "Content-Type: text/plain")]
    for _ in range(20):
        have = rig.waf_ids().count(1001)
        assert rig.get("/canary").status == 403
        assert rig.waf_ids().count(1001) == have + 1


def test_the_next_answer_on_the_connection_is_the_next_ones(rig):
    rig.origin.answers["/leak"] = [by_chunks(LEAK, HTML)]
    with rig.client() as c:
        for i in range(30):
            assert c.get("/leak").status == 403
            assert c.get("/clean/%d" % i).text == "origin got /clean/%d" % i


# ---- Passed ----

CLEAN = {
    "length": (FRAMINGS["length"], filler(30000), 200),
    "chunked": (FRAMINGS["chunked"], filler(30000), 200),
    "close": (FRAMINGS["close"], filler(30000), 200),
    "large, length": (FRAMINGS["length"], filler(400 << 10), 200),
    "large, chunked": (FRAMINGS["chunked"], filler(400 << 10), 200),
    "longer than is held, length": (FRAMINGS["length"], filler(5 << 20), 200),
    "longer than is held, chunked": (FRAMINGS["chunked"], filler(5 << 20), 200),
    "longer than is held, close": (FRAMINGS["close"], filler(5 << 20), 200),
    "exactly the bound": (FRAMINGS["chunked"], filler(512 << 10), 200),
    "no bytes, chunked": (FRAMINGS["chunked"], b"", 200),
    "no bytes, close": (FRAMINGS["close"], b"", 200),
    "no bytes, length": (FRAMINGS["length"], b"", 200),
    "an error page": (lambda body: [page(body, "404 Not Found", HTML)], filler(2000), 404),
    "a picture": (lambda body: [page(body, "200 OK", "Content-Type: image/png")], LEAK + bytes(range(256)) * 500, 200),
    "a range": (lambda body: [page(body, "206 Partial Content", HTML, "Content-Range: bytes 0-999/5000")], filler(1000), 206),
    "no type": (lambda body: [page(body, "200 OK")], filler(3000), 200),
}


@pytest.mark.parametrize("name", CLEAN)
def test_what_is_clean_passes_unchanged(rig, name):
    framed, body, status = CLEAN[name]
    rig.origin.answers["/clean"] = framed(body)
    with rig.client() as c:
        answer = c.get("/clean")
    assert answer.status == status and answer.complete
    assert answer.body == body
    if "length" in name:
        assert answer.framing == "length"


def test_answers_without_content_pass(rig):
    rig.origin.answers["/head"] = [page(b"", "200 OK", HTML)[:-4].replace(b"Content-Length: 0", b"Content-Length: 1234") + b"\r\n\r\n"]
    rig.origin.answers["/same"] = [b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"]
    rig.origin.answers["/none"] = [b"HTTP/1.1 204 No Content\r\nX-Kept: yes\r\n\r\n"]
    with rig.client() as c:
        head = c.get("/head", method="HEAD")
        assert head.status == 200 and head.get("content-length") == "1234"
        same = c.get("/same")
        assert same.status == 304 and same.get("etag") == '"a"'
        none = c.get("/none")
        assert none.status == 204 and none.get("x-kept") == "yes"
        assert c.get("/after").status == 200


def test_a_slow_reader_gets_every_byte(rig):
    body = filler(5 << 20)
    rig.origin.answers["/slow"] = [by_chunks(body, HTML)]
    with Client(rig.http, rcvbuf=4096, timeout=30) as c:
        c.send(request("/slow"))
        time.sleep(0.5)
        answer = c.read()
    assert answer.complete and answer.body == body


def test_http_1_0_gets_it_whole(rig):
    body = filler(100 << 10)
    rig.origin.answers["/old"] = [by_chunks(body, HTML)]
    with rig.client() as c:
        c.send(b"GET /old HTTP/1.0\r\nHost: shop.example.com\r\nUser-Agent: gates\r\nAccept: */*\r\n\r\n")
        answer = c.read()
    assert answer.framing == "close" and answer.body == body


# ---- Not seen ----

def unseen(record):
    return [n["uninspected"] for n in record.get("notes", []) if "uninspected" in n]


def test_what_is_not_seen_is_said(rig):
    rig.origin.answers["/long"] = [by_chunks(filler(1 << 20), HTML)]
    rig.origin.answers["/picture"] = [page(LEAK, "200 OK", "Content-Type: image/png")]
    rig.origin.answers["/wide"] = [page("x".encode("utf-16"), "200 OK", "Content-Type: text/html; charset=UTF-16")]
    rig.origin.answers["/plain"] = [page(b"hello", "200 OK", HTML)]
    fetched = [fetch(rig, path) for path in ("/long", "/picture", "/wide", "/plain")]
    assert [answer.status for answer, _, _ in fetched] == [200] * 4
    long, picture, wide, plain = (unseen(record) for _, _, record in fetched)
    assert long == ["the answer: what follows its first 524288 bytes"]
    assert picture == ["the answer: content of a type that is not listed"]
    assert wide == ["the answer: in a charset the rules cannot read"]
    assert plain == []


def test_the_origin_is_asked_for_what_can_be_read(rig):
    rig.get("/plain-please", "shop.example.com", "Accept-Encoding: gzip, br")
    assert rig.origin.requests[-1].all("accept-encoding") == ["identity"]


def test_a_coding_the_origin_uses_all_the_same(rig, strict):
    packed = gzip.compress(LEAK)
    rig.origin.answers["/gzip"] = [page(packed, "200 OK", HTML, "Content-Encoding: gzip")]
    answer, _, record = fetch(rig, "/gzip")
    assert answer.status == 200 and answer.body == packed
    assert unseen(record) == ["the answer: in a coding"]
    answer = strict.get("/gzip")
    assert answer.status == 502 and packed not in answer.body
    rig.origin.answers["/part"] = [page(b"abc", "206 Partial Content", HTML, "Content-Range: bytes 0-2/9")]
    assert strict.get("/part").status == 502


def test_informational_answers_do_not_slip_through(rig):
    rig.origin.answers["/hints"] = [b"HTTP/1.1 103 Early Hints\r\nX-Debug: on\r\n\r\n" + page(b"hello", "200 OK", HTML)]
    answer = rig.get("/hints")
    assert answer.status == 200 and answer.informational == []


def test_a_stream_of_events_is_not_held(gateway, origin):
    g = make(gateway, origin, "processes: {workers: 1, inspectors: 2, drain: 1s}\n")
    origin.answers["/events"] = [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n", HANG]
    with g.client() as c:
        c.send(request("/events"))
        while b"data: first" not in c.rest:
            assert c.more()


def test_head_only_leaves_content_alone(gateway, origin):
    g = make(gateway, origin, policies=responses(body="false"))
    origin.answers["/leak"] = [by_chunks(LEAK, HTML)]
    origin.answers["/debug"] = [by_chunks(b"x", HTML, "X-Debug: on")]
    answer = g.get("/leak", "shop.example.com", "Accept-Encoding: gzip")
    assert answer.status == 200 and answer.body == LEAK
    assert origin.requests[-1].get("accept-encoding") == "gzip"
    assert g.get("/debug").status == 418


def test_off_looks_at_nothing(gateway, origin):
    g = gateway(origin=origin, policies={"shop": "policy: shop\nwaf: {mode: enforce}\n"})
    origin.answers["/leak"] = [page(LEAK, "200 OK", HTML)]
    assert g.get("/leak").body == LEAK


# ---- The transaction of the request ----

def again(record):
    return [n["again"] for n in record.get("notes", []) if "again" in n]


def test_an_answer_is_judged_in_its_requests_transaction(rig):
    for path, post, status, rule in (("/page?mark=1", None, 410, 1004), ("/posted", b"secret=yes", 411, 1005)):
        answer, _, record = fetch(rig, path, *([FORM] if post else []), post=post)
        assert answer.status == status, "what the request has set is still there"
        assert again(record) == []
        assert [r["id"] for r in record["waf"]["rules"]][-1] == rule


def test_workers_share_the_doors(gateway, origin):
    g = make(gateway, origin, "processes: {workers: 2, inspectors: 3}\nwaf: {queue: 10s, run: 5s}\n")
    origin.answers["/leak"] = [by_chunks(LEAK, HTML)]
    wrong = []

    def some():
        for _ in range(10):
            with g.client(tls=True) as c:
                got = c.get("/leak").status, c.get("/page?mark=1").status, c.get("/clean").status
            if got != (403, 410, 200):
                wrong.append(got)

    threads = [threading.Thread(target=some) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
    assert [r for r in g.log(6 * 10 * 3) if again(r)] == []


def inspectors(g):
    zygotes = [pid for pid, line in processes_under(g.process.pid).items() if "portcullis-inspector" in line]
    return sorted(pid for z in zygotes for pid in processes_under(z))


def all_inspectors(g, signal_number):
    for pid in inspectors(g):
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            pass


def wait_for_new(g, old, within=10.0):
    end = time.monotonic() + within
    while time.monotonic() < end:
        now = inspectors(g)
        if len(now) == len(old) and not set(now) & set(old):
            return
        time.sleep(0.02)
    raise AssertionError("the inspectors were not replaced")


def test_where_the_transaction_is_gone_the_head_is_run_again(gateway, origin):
    g = make(gateway, origin)

    def while_they_die(request):
        old = inspectors(g)
        all_inspectors(g, signal.SIGKILL)
        wait_for_new(g, old)
        return [page(b"hello", "200 OK", HTML)]

    origin.answers["/dying"] = while_they_die
    origin.answers["/canary"] = lambda r: while_they_die(r) and [page(b"canary-of-phase-4", "200 OK", HTML)]
    answer, _, record = fetch(g, "/dying")
    assert answer.body == b"hello" and again(record) == ["the request's head"]
    answer, _, record = fetch(g, "/dying?mark=1")
    assert answer.status == 410, "the request's head is run again"
    assert [rule["id"] for rule in record["waf"]["rules"]] == [1004], "and tells nothing twice"
    assert fetch(g, "/canary")[0].status == 403
    assert fetch(g, "/dying?a=%2e%2e%2f%2e%2e%2fetc%2fpasswd")[0].status == 403
    answer, _, record = fetch(g, "/dying", FORM, post=b"secret=yes")
    assert answer.status == 200, "but not its content"
    assert again(record) == ["the request's head, without its content"]


@pytest.mark.parametrize("failure", ["block", "pass"])
def test_an_inspector_that_dies_over_an_answer(gateway, origin, failure):
    """A rule set that takes for ever over one page: the run clock ends it, and policy decides."""
    slow = "".join("SecRule RESPONSE_BODY \"@rx ^(?:a|aa|a{3})+x{0,%d}$\" \"id:%d,phase:4,deny,log,msg:'slow'\"\n" % (i + 1, 1100 + i)
                   for i in range(200))
    g = gateway(CONFIG + "waf: {run: 300ms}\n", origin=origin, files={"own.conf": slow},
                policies=responses("on_failure: %s, " % failure))
    stuck = b"a" * 40 + b"!"
    origin.answers["/stuck"] = [page(stuck, "200 OK", HTML)]
    answer, _, record = fetch(g, "/stuck")
    if failure == "block":
        assert answer.status == 503 and stuck not in answer.body
        assert record["reason"] == "waf-lost"
    else:
        assert answer.status == 200 and answer.body == stuck
        assert [step["gate"] for step in record["steps"] if step.get("reason") == "waf-lost"] == ["answer-body"]
    assert g.get("/after").status == 200


# ---- Detect ----

@pytest.mark.parametrize("requests", ["enforce", "detect"])
def test_detect_lets_it_through_and_records(gateway, origin, requests):
    """Also where the request's own verdict is still out: its transaction is waited for."""
    g = make(gateway, origin, LAX_LOGS,
             policies={"shop": "policy: shop\nwaf: {mode: %s, responses: {mode: detect, body: true}}\n" % requests})
    origin.answers["/leak"] = [by_chunks(LEAK, HTML)]
    answer, _, record = fetch(g, "/leak")
    assert answer.status == 200 and answer.body == LEAK
    assert record["decision"] == "pass" and again(record) == []
    assert {rule["id"] for rule in record["waf"]["rules"]} & set(range(951000, 952000))
    assert any("answer, score" in n.get("would-block", "") for n in record["notes"])
    origin.answers["/long"] = [by_chunks(LEAK + filler(3 << 20), HTML)]
    answer, _, record = fetch(g, "/long")
    assert len(answer.body) == len(LEAK) + (3 << 20)
    assert unseen(record) == ["the answer: what follows its first 524288 bytes"]
    assert record["waf"]["answer_score"] >= 4
    assert any(i // 1000 == 951 for i in g.waf_ids(1, within=5))


def test_detect_does_not_hold(gateway, origin):
    g = make(gateway, origin, LAX_LOGS + "processes: {workers: 1, inspectors: 2, drain: 1s}\n", policies=responses(mode="detect"))
    origin.answers["/half"] = [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\nhello", HANG]
    with g.client() as c:
        c.send(request("/half"))
        while b"hello" not in c.rest:
            assert c.more()


# ---- Origins and clients that break off ----

@pytest.mark.parametrize("end", [RESET, CLOSE])
def test_an_origin_that_dies_in_the_middle_leaves_no_byte(rig, end):
    rig.origin.answers["/cut"] = [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nhalf of it", 0.1, end]
    answer, every_byte, _ = fetch(rig, "/cut")
    assert answer.status == 502 and b"half of it" not in every_byte


def test_an_origin_that_stalls_in_the_middle_leaves_no_byte(gateway, origin):
    g = make(gateway, origin, """
sites: {shop: {hosts: ['*'], origin: slow, policy: shop}}
origins: {slow: {servers: [{url: '$origin'}], between: 500ms}}
""")
    origin.answers["/stall"] = [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nhalf of it", HANG]
    answer, every_byte, _ = fetch(g, "/stall")
    assert answer.status == 504 and b"half of it" not in every_byte


def test_clients_that_leave_cost_nothing(rig):
    rig.origin.answers["/big"] = [by_chunks(filler(400 << 10), HTML)]
    rig.origin.answers["/wait"] = [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nhalf of it", 0.3, CLOSE]
    for i in range(60):
        c = rig.client()
        c.send(request("/big" if i % 2 else "/wait"))
        time.sleep(0.01 * (i % 4))
        c.close()
    time.sleep(0.5)
    assert rig.get("/after").status == 200


@pytest.mark.slow
def test_memory_stays_flat(gateway, origin):
    g = make(gateway, origin)
    origin.answers["/big"] = [by_chunks(filler(300 << 10), HTML)]
    origin.answers["/leak"] = [by_chunks(filler(300 << 10) + LEAK, HTML)]

    def some(n):
        with g.client() as c:
            for i in range(n):
                assert c.get("/leak" if i % 3 == 0 else "/big").status in (200, 403)

    def worker_kib():
        return int(status_of(g.role("role-worker")[0], "VmRSS")[0])

    some(60)
    before = worker_kib()
    some(300)
    assert worker_kib() < before + 8192


@pytest.mark.slow
def test_clients_that_leave_while_both_questions_are_open_harm_nobody(gateway, origin):
    g = gateway("processes: {workers: 1, inspectors: 4}\nwaf: {run: 5s}\nlogs: {requests: '$dir/requests.log', errors: stderr}",
                origin=origin, policies={"shop": "policy: shop\nwaf: {mode: detect, responses: {mode: enforce, body: true}}\n"})
    origin.answers["/p"] = [page(b"<li>an item of a catalogue of garden chairs</li>\n" * 8000, "200 OK", "Content-Type: text/html")]
    form = "&".join("a%d=select+union+foo+bar+%s" % (i, "x" * 60) for i in range(400)).encode()
    message = request("/p", "shop.example.com", "Content-Type: application/x-www-form-urlencoded", method="POST", body=form)
    worker = g.role("role-worker")
    for i in range(80):
        c = g.client()
        c.send(message)
        time.sleep(0.002 + i % 40 * 0.004)
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    assert g.get("/").status == 200
    assert g.role("role-worker") == worker, g.stderr()
