"""The WAF, whole: bodies of every kind, exclusions, and inspectors that die, hang or run out."""
import datetime
import os
import signal
import threading
import time

import pytest

from rig_client import Closed, chunked, request
from rig_gateway import SANITIZED, processes_under

XSS = "<script>alert(1)</script>"
SQLI = "1' or 1=1 union select password from users-- -"
LATER = (datetime.date.today() + datetime.timedelta(days=100)).isoformat()
BECAUSE = "why: a test, owner: gates, expires: " + LATER
FORM, JSON = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
AGENT = "User-Agent: Mozilla/5.0"


def policy(more="", **waf):
    settings = {"mode": "enforce", "paranoia": "1", **waf}
    return {"shop": "policy: shop\n%s\nwaf: {%s}\n" % (more, ", ".join("%s: %s" % item for item in settings.items()))}


def multipart(value, name="q", filename=None, boundary="xyz"):
    disposition = 'form-data; name="%s"' % name + ('; filename="%s"' % filename if filename else "")
    body = "--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n--%s--\r\n" % (boundary, disposition, value, boundary)
    return "Content-Type: multipart/form-data; boundary=" + boundary, body.encode()


def post(target, content_type, body, *fields):
    return request(target, "shop.example.com", *fields, content_type, method="POST", body=body)


def inspectors(g):
    """Children of the zygote."""
    below = processes_under(g.process.pid)
    zygotes = [pid for pid, line in processes_under(g.process.pid).items() if "inspector" in line or "zygote" in line]
    return sorted(pid for z in zygotes for pid in processes_under(z) if pid in below)


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(origin=shared_origin, policies=policy())
    return g


ATTACKS = {
    "query": request("/?q=%3Cscript%3Ealert(1)%3C/script%3E"),
    "query, SQL": request("/?id=1%27%20or%201=1%20union%20select%20password%20from%20users--%20-"),
    "query, a path": request("/show?f=../../../../etc/passwd"),
    "field": request("/", "shop.example.com", "Referer: " + XSS),
    "cookie": request("/", "shop.example.com", "Cookie: a=" + "${jndi:ldap://evil/x}"),
    "form": post("/", FORM, b"q=%3Cscript%3Ealert(1)%3C/script%3E"),
    "form, chunked": request("/", "shop.example.com", FORM, "Transfer-Encoding: chunked", method="POST",
                             body=chunked(*[bytes([b]) for b in b"q=%3Cscript%3Ealert(1)%3C/script%3E"])),
    "multipart": post("/", *multipart(XSS)),
    "file name": post("/", *multipart("x", filename="shell.php")),
    "JSON": post("/", JSON, ('{"q":"%s"}' % SQLI).encode()),
    "JSON, deep": post("/", JSON, ('{"a":{"b":["x",{"c":"%s"}]}}' % XSS).encode()),
    "JSON, escaped": post("/", JSON, b'{"q":"\\u003cscript\\u003ealert(1)\\u003c/script\\u003e"}'),
    "XML": post("/", "Content-Type: application/xml", ("<a>%s</a>" % SQLI).encode()),
    "upper-case type": post("/", "Content-Type: Application/JSON", ('{"q":"%s"}' % SQLI).encode()),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_wherever_it_stands(rig, name):
    before = rig.origin.bytes_seen()
    answer = rig.ask(ATTACKS[name])
    assert answer.status == 403
    assert rig.origin.bytes_seen() == before
    record = rig.log(1)[-1]
    assert record["status"] == 403 and record["waf"]["score"] >= 5 and record["waf"]["rules"]


CLEAN = {
    "query": request("/catalog?q=oak+table&page=2"),
    "form": post("/", FORM, b"name=Ada+Lovelace&city=London"),
    "multipart": post("/", *multipart("a nice chair")),
    "file": post("/", *multipart("plain text in a file", filename="notes.txt")),
    "JSON": post("/", JSON, b'{"name":"Ada","tags":["a","b"],"n":[1,2.5,true,null]}'),
    "XML": post("/", "Content-Type: application/xml", b"<order><item>chair</item></order>"),
    "empty form": post("/", FORM, b""),
    "no content": request("/", method="OPTIONS"),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_request_passes_unchanged(rig, name):
    with rig.client() as c:
        assert c.ask(CLEAN[name]).status == 200
    assert rig.origin.requests[-1].body == CLEAN[name].partition(b"\r\n\r\n")[2]


MALFORMED = {
    "two types": post("/", FORM, b"q=x", JSON),
    "not JSON": post("/", JSON, b'{"q":'),
    "JSON with more behind it": post("/", JSON, b'{"q":1} x'),
    "JSON, one name twice": post("/", JSON, b'{"q":1,"q":2}'),
    "JSON, one name twice in escapes": post("/", JSON, b'{"q":1,"\\u0071":2}'),
    "JSON, NaN": post("/", JSON, b'{"q":NaN}'),
    "JSON, trailing comma": post("/", JSON, b'{"q":1,}'),
    "JSON in UTF-16": post("/", JSON, '{"q":1}'.encode("utf-16")),
    "multipart, two boundaries": post("/", "Content-Type: multipart/form-data; boundary=a; boundary=xyz", multipart("x")[1]),
    "multipart, no end": post("/", multipart("x")[0], multipart("x")[1][:-4]),
    "multipart, bare LF": post("/", multipart("x")[0], multipart("x")[1].replace(b"\r\n", b"\n")),
    "multipart, text before": post("/", multipart("x")[0], b"hello\r\n" + multipart("x")[1]),
    "multipart, name twice": post("/", multipart("x")[0], multipart("x")[1].replace(b'name="q"', b'name="a"; name="q"')),
    "XML with a document type": post("/", "Content-Type: text/xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_content_that_is_not_what_it_says_is_refused(rig, name):
    before = rig.origin.bytes_seen()
    assert rig.ask(MALFORMED[name]).status in (400, 403, 415)
    assert rig.origin.bytes_seen() == before


VAST = {
    "arguments in the query": (request("/?" + "&".join("a%d=b" % i for i in range(1001))), {400, 413, 431}),
    "form fields": (post("/", FORM, b"&".join(b"a%d=b" % i for i in range(1001))), {400, 413}),
    "JSON leaves": (post("/", JSON, b"[" + b",".join([b"1"] * 1001) + b"]"), {400, 413}),
    "JSON depth": (post("/", JSON, b"[" * 65 + b"]" * 65), {400, 413}),
    "JSON depth, absurd": (post("/", JSON, b"[" * 100000 + b"]" * 100000), {400, 413}),
    "parts": (post("/", "Content-Type: multipart/form-data; boundary=xyz",
                   b"".join(b'--xyz\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nb\r\n' % i for i in range(129)) + b"--xyz--\r\n"), {400, 413}),
    "bytes": (post("/", FORM, b"a=" + b"b" * (1 << 20)), {413}),
    "bytes, chunked": (request("/", "shop.example.com", FORM, "Transfer-Encoding: chunked", method="POST",
                               body=chunked(*[b"b" * 65536] * 17)), {413}),
}


@pytest.mark.parametrize("name", VAST)
def test_what_is_too_much_to_inspect_is_refused_not_partly_inspected(rig, name):
    message, statuses = VAST[name]
    before = len(rig.origin.requests)
    with rig.client() as c:
        try:
            c.send(message)
        except OSError:
            pass
        assert c.read().status in statuses
    assert len(rig.origin.requests) == before


@pytest.mark.parametrize("offset", [1, 5, 10, 17, 23, 30])
def test_the_verdict_does_not_depend_on_how_the_bytes_are_split(rig, offset):
    body = b"q=%3Cscript%3Ealert(1)%3C/script%3E"
    message = post("/", FORM, body)
    cut = len(message) - len(body) + offset
    with rig.client() as c:
        c.send(message[:cut], message[cut:], pause=0.05)
        assert c.read().status == 403


def test_a_body_larger_than_a_message_is_inspected_whole(rig):
    filler = b"&".join(b"k%d=%s" % (i, b"harmless" * 100) for i in range(200))
    assert rig.ask(post("/", FORM, filler)).status == 200
    assert rig.origin.requests[-1].body == filler
    assert rig.ask(post("/", FORM, filler + b"&q=%3Cscript%3Ealert(1)%3C/script%3E")).status == 403


def test_exclusions_open_exactly_what_they_name(gateway, origin):
    g = gateway(origin=origin, policies={"shop": """policy: shop
waf:
  mode: enforce
  exclude:
    - {rules: [941100, 941110, 941160, 941390], target: query.q, when: 'path == "/search"', %s}
""" % BECAUSE})
    attack = "q=%3Cscript%3Ealert(1)%3C/script%3E"
    assert g.get("/search?" + attack).status == 200
    assert g.get("/search?x" + attack).status == 403, "another argument"
    assert g.get("/other?" + attack).status == 403, "another path"


def test_inspect_head_leaves_the_body_alone_and_says_so(gateway, origin):
    g = gateway(origin=origin, policies=policy("""bodies:
  - {id: up, when: 'path under "/upload"', max: 8MiB, inspect: head, %s}""" % BECAUSE))
    body = b"q=%3Cscript%3Ealert(1)%3C/script%3E&" + b"x" * (3 << 20)
    assert g.ask(post("/upload", FORM, body)).status == 200
    assert origin.requests[-1].body == body
    assert g.ask(post("/upload?q=%3Cscript%3Ealert(1)%3C/script%3E", FORM, b"a=b")).status == 403, "the query is inspected"
    assert g.ask(post("/other", FORM, body[:100])).status == 403


def test_exempt_from_waf_leaves_the_evidence(gateway, origin):
    g = gateway("trusted: ['127.0.0.0/8']", origin=origin, policies=policy("""rules:
  - {id: pen-test, when: 'ip == 198.51.100.7', do: exempt, from: [waf], %s}""" % BECAUSE))
    target = "/?q=%3Cscript%3Ealert(1)%3C/script%3E"
    assert g.get(target, "shop.example.com", "X-Forwarded-For: 198.51.100.8").status == 403
    assert g.get(target, "shop.example.com", "X-Forwarded-For: 198.51.100.7").status == 200
    assert any(rule["id"] == 941100 for rule in g.log(2)[-1]["waf"]["rules"])


def test_a_threshold_and_a_paranoia_level_are_heeded(gateway, origin):
    high = gateway(origin=origin, policies=policy(threshold="{request: 1000}"))
    assert high.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E").status == 200
    assert 941100 in high.waf_ids()
    odd = "/?q=a%27b%22c;d"
    strict, loose = gateway(origin=origin, policies=policy(paranoia=4)), gateway(origin=origin, policies=policy(paranoia=1))
    assert (strict.get(odd).status, loose.get(odd).status) == (403, 200)


# ---- Inspectors that fail ----

def heavy(leaves):
    return post("/", JSON, ('{"a":[%s]}' % ",".join('"%s"' % ("word " * 12) for _ in range(leaves))).encode())


HEAVY = heavy(300)
CLOCK = "waf: {queue: 1s, run: 250ms, run_per_kib: 1ms}\n"


def resume(pid):
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def load(g, seconds, threads=4, message=None):
    """(status or None, seconds it took) of every request of a few steady clients."""
    seen, end = [], time.monotonic() + seconds

    def work():
        c = g.client(timeout=20)
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                answer = c.ask(message or request("/catalog?q=chair", "shop.example.com", AGENT))
                status, goes_on = answer.status, answer.get("connection") != "close"
            except (Closed, OSError):
                status, goes_on = None, False
            seen.append((status, time.monotonic() - began))
            if not goes_on:
                c.close()
                c = g.client(timeout=20)
        c.close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for w in workers:
        w.start()
    return seen, workers


def test_a_killed_inspector_loses_only_its_own_job(gateway, origin, capsys):
    g = gateway(CLOCK + "processes: {workers: 1, inspectors: 4}", origin=origin, policies=policy())
    seen, workers = load(g, 4)
    kills = 0
    for _ in range(5):
        time.sleep(0.5)
        os.kill(inspectors(g)[0], signal.SIGKILL)
        kills += 1
    for w in workers:
        w.join()
    lost = [status for status, _ in seen if status != 200]
    with capsys.disabled():
        print("\n%d requests, %d inspectors killed, %d lost" % (len(seen), kills, len(lost)))
    assert len(lost) <= kills and all(status == 503 for status in lost)
    # One that is killed between taking a job and saying so is missed by nobody but the job's own clock.
    assert max(took for _, took in seen) < 4
    assert len(inspectors(g)) == 4, "each is replaced"
    assert len(seen) > 100
    assert g.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E").status == 403


@pytest.mark.parametrize("on_failure, status", [("block", 503), ("pass", 200)])
def test_a_stopped_inspector_delays_nobody_beyond_the_clocks(gateway, origin, on_failure, status):
    """It is noticed and replaced in time, or the policy's direction decides."""
    g = gateway(CLOCK + "processes: {workers: 1, inspectors: 1}", origin=origin, policies=policy(on_failure=on_failure))
    assert g.get().status == 200
    victim = inspectors(g)[0]
    with g.client(timeout=20) as c:
        os.kill(victim, signal.SIGSTOP)
        began = time.monotonic()
        c.send(request("/clean"))
        answer = c.read()
        took = time.monotonic() - began
    assert answer.status in (200, status)
    # Its queue clock is 1 s; four times 250 ms of wall once it has begun.
    assert took < 3
    resume(victim)
    assert g.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E").status == 403


@pytest.mark.timing
@pytest.mark.parametrize("on_failure, status", [("block", 503), ("pass", 200)])
def test_an_inspector_stopped_in_the_middle_of_a_job_is_replaced(gateway, origin, on_failure, status):
    g = gateway(CLOCK + "processes: {workers: 1, inspectors: 1}", origin=origin, policies=policy(on_failure=on_failure))
    assert g.get().status == 200
    victim = inspectors(g)[0]
    with g.client(timeout=20) as c:
        began = time.monotonic()
        c.send(HEAVY)
        time.sleep(0.02)
        os.kill(victim, signal.SIGSTOP)
        answer = c.read()
        took = time.monotonic() - began
    assert answer.status == status and took < 4
    end = time.monotonic() + 3
    while inspectors(g) == [victim] and time.monotonic() < end:
        time.sleep(0.02)
    assert inspectors(g) != [victim]
    assert g.get().status == 200


@pytest.mark.timing
def test_one_stopped_inspector_does_not_stop_the_others(gateway, origin):
    g = gateway(CLOCK + "processes: {workers: 1, inspectors: 4}", origin=origin, policies=policy())
    seen, workers = load(g, 4)
    time.sleep(0.5)
    os.kill(inspectors(g)[0], signal.SIGSTOP)
    for w in workers:
        w.join()
    assert sum(status != 200 for status, _ in seen) <= 1
    assert max(took for _, took in seen) < 3
    for pid in inspectors(g):
        resume(pid)


def test_a_job_that_takes_too_long_is_killed_and_the_next_is_served(gateway, origin):
    run = "400ms" if SANITIZED else "60ms"
    g = gateway("waf: {run: " + run + ", run_per_kib: 0ms}\nprocesses: {workers: 1, inspectors: 2}", origin=origin, policies=policy())
    assert g.ask(heavy(950)).status == 503
    assert g.get("/catalog").status == 200
    assert g.log(1)[0]["reason"] in ("waf-lost", "waf-busy")


@pytest.mark.timing
def test_a_heavy_body_does_not_stand_in_front_of_a_light_page(gateway, origin):
    g = gateway("processes: {workers: 1, inspectors: 4}", origin=origin, policies=policy())
    heavy, heavies = load(g, 4, threads=1, message=HEAVY)
    light, lights = load(g, 4, threads=1)
    for w in heavies + lights:
        w.join()
    assert all(status == 200 for status, _ in heavy + light)
    slow = sorted(took for _, took in light)[int(len(light) * 0.95)]
    assert slow < min(took for _, took in heavy)
