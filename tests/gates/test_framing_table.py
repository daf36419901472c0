"""tests/framing: the table of raw requests and streams at random through the gateway, against a second reading
(THREATS A26).  And that the runner would find something, if there were something."""
import subprocess
import sys

import pytest

from rig_gateway import SANITIZED, TOP
from rig_mutate import Mutator
from rig_relay import DESYNC, MALFORMED, REFUSED, Outcome, Relay, Said, check, judge
from rig_wire import stream

GET = b"GET /a HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"


def framing(*arguments):
    done = subprocess.run([sys.executable, TOP / "tests/framing", *map(str, arguments)], capture_output=True, text=True,
                          timeout=600)
    return done.returncode, done.stdout + done.stderr


def test_the_table_and_streams_at_random_find_no_difference():
    code, text = framing("--random", 2000, "--seed", 20240229, "--every", 5 if SANITIZED else 1)
    assert code == 0 and "desync 0 malformed 0 refused-though-valid 0" in text, text


def test_the_table_over_tls_finds_no_difference():
    code, text = framing("--tls", "--only", "valid", "--random", 100)
    assert code == 0, text


def test_content_that_is_held_makes_no_difference():
    code, text = framing("--held", "--every", 256, "--only", "chunk", "--random", 100)
    assert code == 0, text


def test_answers_at_random_find_no_difference():
    code, text = framing("--only", "nothing", "--answers", 1500, "--seed", 20240229)
    assert code == 0 and "1500 streams" in text, text


def test_a_wrong_table_is_found_out(folder):
    (folder / "table").write_text("refuse a $get$crlf\nvalid b $postContent-Length: +5\\r\\n\\r\\nhello\n"
                                  "wait c $get$crlf\n")
    code, text = framing(folder / "table")
    assert code == 1 and "3 streams" in text and "desync 2 malformed 0 refused-though-valid 1" in text, text


def test_without_a_gateway_between_them_client_and_origin_disagree():
    """The client talks to the origin itself, which knows only canonical requests."""
    relay, mutator, kinds = Relay(), Mutator(1), []
    relay.gateway = relay.port
    for _ in range(300):
        data = mutator.stream()
        kinds += [kind for kind, _ in check(relay, [data], data, within=0.02)[0]]
    relay.hang_up()
    assert kinds.count(MALFORMED) > 100 and kinds.count(DESYNC) > 100


def outcome(*answers, got=(), closed=False, **how):
    o = Outcome([Said(*a) for a in answers], list(got), closed, **how)
    for serial, wire in enumerate(o.got, 1):
        wire.serial = serial
    return o


def others(**how):
    wire = stream(GET).whole[0]
    for name, value in how.items():
        setattr(wire, name, value)
    return wire


@pytest.mark.parametrize("data, outcome, kind", [
    (GET, outcome((200, 1), got=[others()]), None),
    (GET, outcome((200, 1), got=[others(target="/b")]), DESYNC),
    (GET, outcome((200, 1), got=[others(body=b"x")]), DESYNC),
    (GET, outcome((200, 1), got=[others(authority="b")]), DESYNC),
    (GET, outcome((200, 1), got=[others(fields=[("x", b"y")])]), DESYNC),
    (GET, outcome((200, 2), got=[others()]), DESYNC),
    (GET, outcome((200, 1), got=[others(), others()]), DESYNC),
    (GET, outcome((200, 1), (400, 0, True), got=[others()], closed=True), DESYNC),
    (GET, outcome(got=[others()]), DESYNC),
    (GET, outcome((400, 0, True), closed=True), REFUSED),
    (GET, outcome((200, 1), got=[others()], malformed=["x"]), MALFORMED),
    (GET, outcome((200, 1), got=[others()], unread=b"x"), DESYNC),
    (b"GET\r\n", outcome((400, 0, True), closed=True), None),
    (b"GET\r\n", outcome((400, 0, False), closed=True), DESYNC),
    (b"GET\r\n", outcome((400, 0, True)), DESYNC),
    (b"GET\r\n", outcome(closed=True), DESYNC),
    (b"GET\r\n", outcome((200, 1), closed=True), DESYNC),
    (b"GET /", outcome(closed=True), None),
    (b"GET /", outcome((400, 0, True), closed=True), REFUSED),
], ids=range(19))
def test_the_judge_judges(data, outcome, kind):
    kinds = {k for k, _ in judge(stream(data), outcome)}
    assert kinds == ({kind} if kind else set())


@pytest.mark.parametrize("data, ending, requests", [
    (GET + GET, "clean", 2), (GET + b"G", "part", 1), (GET + b"G T", "part", 1), (GET + b"\n", "bad", 1),
    (GET.replace(b"1.1", b"1.0") + GET, "closed", 1), (GET.replace(b"Host", b"Hos"), "bad", 0),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", "part", 0),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab", "bad", 0),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "clean", 1),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r", "part", 0),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", "bad", 0),
])
def test_the_second_reading_reads(data, ending, requests):
    reading = stream(data)
    assert (reading.ending, len(reading.whole)) == (ending, requests), reading.why
