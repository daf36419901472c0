"""Whatever a client sends, a log line stays one line, shows what is in it, gives the bytes back, and holds no secret."""
import json
import re
import ssl
import time
import urllib.parse

import pytest

from rig_client import Client, request

TRICKS = {
    "line end": "a\r\nb", "return": "a\rb", "nul": "a\0b", "escape": "a\x1b[2J\x1b]0;x\x07b", "c1": "a\u009b2Jb", "backspace": "a\b\b\bb",
    "quotes": 'a","status":200,"x":"b', "object": '"}\n{"client":"1.2.3.4"}', "backslashes": "a\\b\\\\c\\", "escapes": "a\\x41\\u0041\\n\\x5cx",
    "turned": "a\u202eb\u2066c\u2069d", "marks": "a\u200e\u061c\u200bb\ufeff", "lines": "a\u2028b\u2029c\u0085d", "tags": "a\U000e0041\U000e007fb",
    "jndi": "${jndi:ldap://192.0.2.1/a}", "format": "%s%n%x%%{}{0}$(id)`id`", "html": "<script>alert(1)</script>", "csv": "=cmd|' /C calc'!A0",
    "invalid": "a\udcff\udcc3(\udced\udca0\udc80\udcf4\udc90", "overlong": "a\udcc0\udcafb", "emoji": "a\U0001f600b", "letters": "äöü€",
    "brackets": '] [id "1"] [msg "x"] \\"', "long": "x" * 700, "long escapes": "\u202e" * 300, "long bytes": "\udcff" * 700,
}
# What no line may hold as it is: controls, and what cannot be seen or turns the order.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
                    "\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]")


def raw(trick):
    return trick.encode("utf-8", "surrogateescape")


def undo(text):
    """What docs/operations.md says: \\xNN is one byte."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway("""
        logs: {requests: '$dir/requests.log', errors: stderr, waf: '$dir/waf.log', waf_sync: true, level: debug}
        sites:
          shop: {hosts: shop.example.com, origin: '$origin', policy: shop}
          wide: {hosts: '*', origin: '$origin', policy: wide}
        trusted: 127.0.0.2
        """, origin=shared_origin, policies={"shop": """policy: shop
rules:
  - {id: odd, when: 'header.x-label contains "a"', do: label odd}
limits:
  - {id: keyed, when: 'path == "/keyed"', key: ['header.x-api-key'], rate: 1 per 1h}
  - {id: keyed-too, when: 'path == "/keyed"', rate: 1000 per 1m}
waf: {mode: detect, paranoia: 2}
""", "wide": """policy: wide
waf: {mode: enforce}
"""})
    return g


class Lines:
    """What the logs gained since."""

    def __init__(self, rig):
        self.rig, self.at = rig, {name: len(rig.log_text(name)) for name in ("requests.log", "waf.log", "errors.txt")}

    def of(self, name, at_least=0):
        end = time.monotonic() + 10
        while True:
            lines = self.rig.log_text(name)[self.at[name]:].split(b"\n")
            if len(lines) > at_least or time.monotonic() > end:
                assert lines[-1] == b"" and len(lines) > at_least, (name, lines)
                return lines[:-1]
            time.sleep(0.02)

    def records(self, n):
        """Exactly so many, each a line that is JSON, bounded, and shows what is in it."""
        lines = self.of("requests.log", n)
        assert len(lines) == n, lines
        for line in lines:
            assert len(line) <= 8192 and not UNSEEN.search(line.decode("utf-8")), line
        return [json.loads(line) for line in lines]

    def check_others(self):
        for line in self.of("waf.log"):
            assert len(line) <= 8192 and not UNSEEN.search(line.decode("utf-8")), line
            values = re.fullmatch(r'\S+Z \[client [0-9a-f.:]+\] ((?:\[[a-z_]+ "[^"]*"\] ?)+)', line.decode())
            assert values and re.findall(r'\[([a-z_]+) "', values[1]) == ["site", "id", "msg", "data", "severity", "phase", "hostname", "uri", "unique_id"], line
        for line in self.of("errors.txt"):
            assert len(line) <= 8192 and not UNSEEN.search(line.decode("utf-8")), line
            assert re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error) [a-z]+[^:]*: ", line), line


def field(name, value):
    return name.encode() + b": " + value + b"\r\n"


def with_field(name, value, target="/"):
    return request(target).replace(b"\r\n\r\n", b"\r\n" + field(name, value) + b"\r\n") if name != "User-Agent" else \
        request(target).replace(b"User-Agent: gates", b"User-Agent: " + value)


@pytest.mark.parametrize("name", TRICKS)
def test_a_user_agent(rig, name):
    value = raw(TRICKS[name])
    since = Lines(rig)
    answer = rig.ask(with_field("User-Agent", value))
    record, = since.records(1)
    since.check_others()
    refused = any(b < 0x20 or b == 0x7f for b in value)
    assert answer.status == (400 if refused else 200) and record["status"] == answer.status
    if not refused:
        assert undo(record["user_agent"]) == value[:256]


@pytest.mark.parametrize("name", TRICKS)
def test_a_path(rig, name):
    value = raw(TRICKS[name])
    since = Lines(rig)
    answer = rig.ask(request("/p" + urllib.parse.quote(value, safe="")))
    record, = since.records(1)
    since.check_others()
    if answer.status == 200:
        assert undo(record["path"]) == (b"/p" + value)[:1024]
    else:
        assert answer.status == 400 and (any(b < 0x20 or b == 0x7f or b in b"/\\" for b in value) or name in ("overlong", "invalid", "escapes"))


@pytest.mark.parametrize("name", TRICKS)
def test_a_query_escaped_and_bare(rig, name):
    value = raw(TRICKS[name])
    since = Lines(rig)
    escaped = "q=" + urllib.parse.quote(value, safe="")
    assert rig.ask(request("/?" + escaped)).status in (200, 400)
    bare = rig.ask(request("/?q=").replace(b"/?q=", b"/?q=" + value)).status
    records = since.records(2)
    since.check_others()
    assert undo(records[0]["query"]) == escaped.encode()[:1024]
    # A request line holds visible ASCII only.
    assert bare == (200 if all(0x20 < b < 0x7f and b != 0x23 for b in value) else 400)
    if bare == 200 and "=" not in TRICKS[name]:
        assert undo(records[1]["query"]) == b"q=" + value


@pytest.mark.parametrize("name", TRICKS)
def test_any_other_place(rig, name):
    value = raw(TRICKS[name])
    since = Lines(rig)
    form = b"user=" + urllib.parse.quote(value, safe="").encode() + b"&q=%3Cscript%3Ealert(1)%3C/script%3E"
    document = json.dumps({"user": TRICKS[name].encode("utf-8", "surrogateescape").decode("utf-8", "replace"), "q": "<script>alert(1)</script>"}).encode()
    messages = [value + b" / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", request("/").replace(b"GET", b"GET" + value[:20]),
                request("/").replace(b"shop.example.com", value), with_field("Cookie", b"a=" + value), with_field("Referer", value),
                with_field("X-Label", value), with_field("X-" + "y", value), request("/").replace(b"Accept", value), with_field("Origin", value),
                with_field("X-Forwarded-For", value), with_field("Authorization", b"Basic " + value), with_field("traceparent", value),
                with_field("X-Api-Key", value, "/keyed"), request("/", "anyhost.example").replace(b"anyhost", value[:30]),
                request("/", "shop.example.com", "Content-Type: application/x-www-form-urlencoded", method="POST", body=form),
                request("/", "shop.example.com", "Content-Type: application/json", method="POST", body=document),
                with_field("Content-Type", value, "/"), b"GET / " + value + b"\r\n\r\n"]
    for message in messages:
        rig.ask(message)
    since.records(len(messages))
    since.check_others()


@pytest.mark.parametrize("size", [9000, 65536, 200000])
def test_a_user_agent_that_is_too_long(rig, size):
    since = Lines(rig)
    for filling in (b"x", b'"', b"\\x", b"\xff", "\u202e".encode()):
        value = (filling * size)[:size]
        try:
            assert rig.ask(with_field("User-Agent", value)).status == (200 if size < 32000 else 431)
        except ConnectionError:
            assert size > 60000
    for record in since.records(5):
        assert record["status"] in (200, 431)
    since.check_others()


def test_everything_at_once_is_still_a_line(rig):
    since = Lines(rig)
    path = "/p" + "%ff%e2%80%ae" * 600
    message = request(path + "?" + "q=\\x41&" * 80, "shop.example.com", "Referer: " + "r" * 3000).replace(b"User-Agent: gates", b"User-Agent: " + b"\xff" * 3000)
    assert rig.ask(message).status in (200, 400)
    record, = since.records(1)
    since.check_others()
    # What decides comes first and is never cut.
    assert list(record)[:5] == ["time", "id", "client", "site", "status"] and record["decision"] in ("pass", "block")


# ---- Names in a handshake ----

def hello(name):
    """A ClientHello for a name of as many bytes, whatever they are."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    stand_in = "a" * (len(name) - 8) + ".example"
    o = context.wrap_bio(incoming, outgoing, server_hostname=stand_in)
    with pytest.raises(ssl.SSLWantReadError):
        o.do_handshake()
    sent = outgoing.read()
    assert stand_in.encode() in sent
    return sent.replace(stand_in.encode(), name)


@pytest.mark.parametrize("name", [n for n in TRICKS if len(raw(TRICKS[n])) < 50])
def test_a_name_in_a_handshake(rig, name):
    since = Lines(rig)
    with Client(rig.https, timeout=5) as c:
        c.send(hello(raw(TRICKS[name]) + b".example"))
        c.piece()
        c.send(b"\n\x1b[2J garbage\r\n")
        while c.more():
            pass
    since.check_others()
    assert rig.get("/", tls=True).status == 200


# ---- Secrets ----

def test_secrets_are_in_no_log(rig):
    attack = urllib.parse.quote("hunter2' UNION SELECT password FROM users-- <script>alert(1)</script>")
    spaced = urllib.parse.unquote(attack)
    since = Lines(rig)
    sent = [
        request("/login?user=ada&password=" + attack), request("/login?user=ada&p%61ssword=" + attack), request("/?next=%2Flogin%3Ftoken%3Dhunter2"),
        request("/?user%5Bpassword%5D=" + attack), request("/?a=b;token=" + attack), request("/?api_key=" + attack), request("/?key=" + attack),
        request("/?access_token=" + attack + "&id_token=" + attack), request("/?SAMLResponse=" + attack), request("/?code=" + attack + "&state=x"),
        request("/", "shop.example.com", "Cookie: session=" + attack + "; theme=" + attack), request("/", "shop.example.com", "Cookie: a=\"hunter2' or 1=1-- \""),
        request("/", "shop.example.com", "Authorization: Bearer hunter2' or 1=1--"), request("/", "shop.example.com", "Authorization: Basic " + attack),
        request("/", "shop.example.com", "X-Api-Key: " + spaced), request("/", "shop.example.com", "X-Auth-Token: " + spaced),
        request("/", "shop.example.com", "X-CSRF-Token: " + spaced), request("/", "shop.example.com", "Proxy-Authorization: Basic " + attack),
        request("/", "shop.example.com", "Referer: https://shop.example.com/reset?token=" + attack),
        request("/login", "shop.example.com", "Content-Type: application/x-www-form-urlencoded", method="POST", body=("user=ada&password=" + attack).encode()),
        request("/login", "shop.example.com", "Content-Type: application/json", method="POST", body=json.dumps({"user": "ada", "password": spaced}).encode()),
        request("/login", "shop.example.com", "Content-Type: application/json", method="POST", body=json.dumps({"a": {"client_secret": [spaced, spaced]}}).encode()),
        request("/keyed", "shop.example.com", "X-Api-Key: hunter2"), request("/keyed", "shop.example.com", "X-Api-Key: hunter2"),
    ]
    for host in ("shop.example.com", "other.example"):  # detected, enforced
        for message in sent:
            rig.ask(message.replace(b"Host: shop.example.com", b"Host: " + host.encode()))
    since.records(2 * len(sent))
    since.check_others()
    for log in ("requests.log", "waf.log", "errors.txt"):
        for line in since.of(log):
            assert b"hunter2" not in line, (log, line)
    hits = b"\n".join(since.of("waf.log"))
    # The rules have seen them, and say where.
    for place in (b"ARGS:password", b"REQUEST_COOKIES:session", b"ARGS:api_key"):
        assert b"*** found within " + place in hits, hits[:3000]


def test_what_is_no_secret_is_said(rig):
    since = Lines(rig)
    rig.ask(request("/?q=%3Cscript%3Ealert(1)%3C/script%3E&page=7"))
    record, = since.records(1)
    assert record["query"] == "q=%3Cscript%3Ealert(1)%3C/script%3E&page=7"
    assert b'found within ARGS:q: <script>alert(1)</script>"]' in b"\n".join(since.of("waf.log"))
