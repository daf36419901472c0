"""Little that becomes much: content codings (THREATS E6) and structures (E8) are refused early, at little cost."""
import json
import socket
import threading
import time
import zlib

import pytest

from rig_client import Closed, request
from rig_disguise import CODINGS, FORM, JSON, MULTIPART, TEXT, XML, field, parts, post
from rig_gateway import SANITIZED, processes_under, status_of

CPU_MS = 50      # of one refusal, inspection and all
MEMORY_KIB = 16 << 10


POLICY = {"shop": "policy: shop\nwaf: {mode: enforce, responses: {mode: enforce, body: true}}\n"}


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(origin=shared_origin, policies=POLICY)
    return g


@pytest.fixture(scope="module")
def wide(shared_gateway, shared_origin):
    """One that inspects whatever is not too much in its structure."""
    g = shared_gateway("processes: {workers: 1, inspectors: 2}\nclient: {inspected_body: 8MiB, body: 16MiB}",
                       origin=shared_origin, policies=POLICY)
    return g


def inspectors(g):
    return [pid for zygote in processes_under(g.process.pid) for pid in processes_under(zygote)]


def most_kib(g):
    """The most that any inspector has ever been."""
    return max(int(status_of(pid, "VmHWM")[0]) for pid in inspectors(g))


def refused(g, message, statuses, cpu_ms=CPU_MS):
    """Nothing upstream, the client told why, and what it cost."""
    before = g.origin.bytes_seen()
    with g.client(timeout=20) as c:
        try:
            c.send(message)
        except OSError:
            pass
        answer = c.read()
        assert answer.status in statuses
    assert g.origin.bytes_seen() == before
    if not SANITIZED:
        waf = g.record(answer).get("waf")
        assert not waf or waf["ms"] <= cpu_ms, waf


def bomb():
    """A GiB of nothing in a MiB: behind a full flush the same bytes mean the same again."""
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = c.compress(bytes(1 << 20)) + c.flush(zlib.Z_FULL_FLUSH)
    return piece * 1024 + c.flush()


@pytest.fixture(scope="module")
def gibibyte():
    bare = bomb()
    gzipped = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + bare + bytes(8)
    return {"gzip": gzipped, "x-gzip": gzipped, "zlib": b"\x78\xda" + bare + bytes(4), "deflate as it is": bare}


@pytest.mark.parametrize("name", CODINGS)
def test_a_bomb_is_refused_before_it_goes_off(rig, gibibyte, name):
    word, coded = CODINGS[name]
    body = gibibyte[name] if name in gibibyte else coded(bytes(64 << 20))
    assert rig.get().status == 200
    before = most_kib(rig)
    for media in (JSON, FORM, TEXT):
        refused(rig, post("/", media, body, "Content-Encoding: " + word), {413})
    if not SANITIZED:
        assert most_kib(rig) - before <= MEMORY_KIB
    assert rig.get().status == 200


def test_a_bomb_in_a_bomb_is_only_opened_once(rig, gibibyte):
    twice = zlib.compress(gibibyte["zlib"], 9)
    assert len(twice) < 20000
    refused(rig, post("/", FORM, twice, "Content-Encoding: deflate"), {400, 413})
    refused(rig, post("/", FORM, twice, "Content-Encoding: deflate, deflate"), {415})


@pytest.mark.parametrize("times, status", [(15, 200), (25, 413)])
def test_twenty_to_one_is_the_most(rig, times, status):
    # 20 kB of noise, as they are when they are packed, and nothing behind them.
    noise = ("%x" % 3 ** 100000)[:40000]
    coded = CODINGS["gzip"][1](json.dumps([noise]).encode())
    clean = json.dumps([noise, "a" * (len(coded) * times - len(noise))]).encode()
    coded = CODINGS["gzip"][1](clean)
    with rig.client(timeout=30) as c:
        assert c.ask(post("/", JSON, coded, "Content-Encoding: gzip")).status == status


def test_more_than_may_be_inspected_is_too_much_however_well_packed(wide):
    word, coded = CODINGS["gzip"]
    noise = b"%x" % 3 ** 300000
    body = coded(b"a=" + noise * 80)
    assert len(noise) * 80 > 8 << 20 and len(body) * 20 > 8 << 20
    refused(wide, post("/", FORM, body, "Content-Encoding: " + word), {413}, cpu_ms=4 * CPU_MS)


def test_answers_that_are_inspected_are_asked_for_in_the_plain(rig, gibibyte):
    """One that comes in a coding all the same is not opened: it goes on and is recorded."""
    small = zlib.compress(bytes(1 << 20))
    rig.origin.answers["/coded"] = [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(small) + small]
    before = most_kib(rig)
    answer = rig.get("/coded", "shop.example.com", "Accept-Encoding: gzip, br, zstd")
    assert answer.status == 200 and answer.body == small
    assert rig.origin.requests[-1].all("accept-encoding") == ["identity"]
    assert "uninspected" in str(rig.record(answer))
    if not SANITIZED:
        assert most_kib(rig) - before <= MEMORY_KIB


# ---- E8: structures ----

MANY_PARTS = b"".join(b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' for _ in range(100000)) + b"--xyz--\r\n"
LAUGHS = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">%s]><l>&l9;</l>' % "".join(
    '<!ENTITY l%d "%s">' % (i, "&l%d;" % (i - 1) * 10) for i in range(1, 10))
STRUCTURES = {
    "JSON, ten thousand deep": (post("/", JSON, "[" * 10000 + "]" * 10000), {413}),
    "objects, ten thousand deep": (post("/", JSON, '{"a":' * 10000 + "1" + "}" * 10000), {413}),
    "a million names": (post("/", JSON, "{" + ",".join('"%d":1' % i for i in range(400000)) + "}"), {413}),
    "a million values": (post("/", JSON, "[" + "1," * 1000000 + "1]"), {413}),
    "a million empty lists": (post("/", JSON, "[" + "[]," * 1000000 + "1]"), {413}),
    "a billion laughs": (post("/", XML, LAUGHS), {400}),
    "an entity squared": (post("/", XML, '<!DOCTYPE a [<!ENTITY b "%s">]><a>%s</a>' % ("b" * 50000, "&b;" * 50000)),
                          {400}),
    "ten thousand attributes": (post("/", XML, "<a %s/>" % " ".join('b%d="x y"' % i for i in range(10000))), {413}),
    "a million elements": (post("/", XML, "<a>" + "<b/>" * 1000000 + "</a>"), {413}),
    "elements, ten thousand deep": (post("/", XML, "<a>" * 10000 + "</a>" * 10000), {413}),
    "a hundred thousand values of XML": (post("/", XML, "<a>" + "<b>x y</b>" * 100000 + "</a>"), {413}),
    "a hundred thousand parts": (post("/", MULTIPART, MANY_PARTS), {413}),
    "a part with ten thousand headers": (post("/", MULTIPART,
                                              parts((field("a", *["X-%d: y" % i for i in range(10000)]), "b"))),
                                              {400, 413}),
    "a million fields": (post("/", FORM, "&".join(["a=b"] * 1000000)), {413}),
    "a million empty fields": (post("/", FORM, "&" * 1000000), {413}),
    "a text of a million strings": (post("/", TEXT, '"" "a b" ' * 150000), {413}),
    "cookies": (request("/", "shop.example.com", "Cookie: " + "; ".join("a%d=b" % i for i in range(4096))), {431}),
    "cookies of a letter": (request("/", "shop.example.com", "Cookie: " + ";" * 4096), {431}),
    "arguments in the query": (request("/?" + "&" * 4000), {400, 413}),
    "semicolons in the query": (request("/?" + "a=;" * 2500), {400, 413}),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_out_of_bounds_is_refused_early(wide, name):
    message, statuses = STRUCTURES[name]
    refused(wide, message, statuses)


def test_nothing_that_xml_names_is_fetched(rig):
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.5)

    def wait():
        try:
            asked.append(listener.accept())
        except socket.timeout:
            pass

    thread = threading.Thread(target=wait)
    thread.start()
    url = "http://127.0.0.1:%d/x" % listener.getsockname()[1]
    for body in ('<!DOCTYPE a SYSTEM "%s"><a/>' % url, '<!DOCTYPE a [<!ENTITY %% b SYSTEM "%s">%%b;]><a/>' % url,
                 '<?xml-stylesheet href="%s"?><a/>' % url,
                 '<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="%s"/></a>' % url,
                 '<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a %s"/>' % url):
        rig.ask(post("/", XML, body))
    thread.join()
    listener.close()
    assert asked == []


@pytest.mark.timing
def test_bombs_stand_in_nobodys_way(rig, gibibyte):
    """Clean requests are answered while four clients send nothing else."""
    end, seen = time.monotonic() + 3, []
    message = post("/", JSON, gibibyte["gzip"][:200000], "Content-Encoding: gzip")

    def attack():
        while time.monotonic() < end:
            try:
                rig.ask(message)
            except (Closed, OSError):
                pass

    workers = [threading.Thread(target=attack) for _ in range(4)]
    for w in workers:
        w.start()
    while time.monotonic() < end:
        began = time.monotonic()
        assert rig.get("/catalog").status == 200
        seen.append(time.monotonic() - began)
    for w in workers:
        w.join()
    assert len(seen) > 20 and sorted(seen)[len(seen) * 95 // 100] < 0.5
