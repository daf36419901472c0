"""What every test of framing asks: the origin got nothing, or exactly one canonical request; the next request of
another client on that connection to the origin gets its own answer; a refusal for framing closes the client's
connection; a connection to the origin that was left unclean carries no other request."""
import contextlib
import itertools
import time
from dataclasses import dataclass, field

from rig_client import Closed, request
from rig_origin import framing, parse_head

SITE = "shop.example.com"
HOST = b"Host: shop.example.com\r\n"
REFUSED = {400, 404, 405, 408, 411, 413, 414, 417, 421, 431, 501, 505}
FORBIDDEN = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect", "http2-settings",
             "transfer_encoding",
             "content_length"}
POLICY = """policy: shop
rules:
  - {id: secret, when: 'path under "/secret"', do: block 403}
  - {id: moved, when: 'path under "/moved"', do: redirect 302, to: 'https://shop.example.com/'}
limits:
  - {id: few, when: 'path under "/few"', rate: 1 per 1h}
waf: {mode: off}
"""
SITES = "sites: {shop: {hosts: [shop.example.com, other.example.com], origin: '$origin', policy: shop}}\n"
numbers = itertools.count()


def head(*lines, method=b"POST", target=b"/", version=b"HTTP/1.1"):
    return method + b" " + target + b" " + version + b"\r\n" + HOST + b"".join(l + b"\r\n" for l in lines) + b"\r\n"


def post(*lines, body=b"", **how):
    return head(*lines, **how) + body


def hidden(length=0):
    """A request to hide in content."""
    return (b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n").ljust(length, b"x")


# ---- What the origin saw ----

@dataclass
class Seen:
    origin: object
    requests_before: int
    bytes_before: int
    requests: list = field(default_factory=list)
    bytes: int = 0

    def look(self):
        with self.origin.lock:
            self.requests = self.origin.requests[self.requests_before:]
        self.bytes = self.origin.bytes_seen() - self.bytes_before
        return self


def is_canonical(got):
    """One request as the gateway writes it: CRLF, one framing, nothing of the client's hop."""
    parse_head(got.head)
    framing(got.fields)
    names = [n.lower() for n, _ in got.fields]
    assert names.count("host") == 1
    assert not FORBIDDEN & set(names), "not for the origin: %r" % got.head
    assert not any("\r" in v or "\n" in v or "\0" in v for _, v in got.fields)


def canary(rig, host=SITE):
    """Another client's request gets its own answer; returns the request as the origin got it."""
    target = "/canary/%d" % next(numbers)
    answer = rig.get(target, host)
    assert (answer.status, answer.get("x-canary")) == (200, target), "another client got a foreign answer"
    assert answer.text in ("", "origin got %s" % target)
    return next(r for r in reversed(rig.origin.requests) if r.target == target)


@contextlib.contextmanager
def watched(rig, reused=None):
    """The origin is watched; what came and what follows is judged behind the block.  `reused`: the connection of the
    last request is (not) to carry the next one."""
    seen = Seen(rig.origin, len(rig.origin.requests), rig.origin.bytes_seen())
    faults = len(rig.origin.faults)
    yield seen
    settled(rig.origin)
    seen.look()
    for got in seen.requests:
        is_canonical(got)
        assert "/hidden" not in got.target, "content was taken for a request"
    assert rig.origin.faults[faults:] == []
    next_one = canary(rig)
    if reused is not None:
        assert (next_one.connection == seen.requests[-1].connection) == reused


def settled(origin, within=2.0):
    """Whoever holds part of a request is closed: no other one can follow there."""
    end = time.monotonic() + within
    while any(c.unfinished for c in origin.connections) and time.monotonic() < end:
        time.sleep(0.005)
    assert [c.raw[-200:] for c in origin.connections if c.unfinished] == [], "left open behind half a request"


# ---- What the client was told ----

def told(rig, message, pause=0.0, methods=(), tls=False, timeout=5):
    """Send, with a request of our own behind it; every final answer up to that one's, or to the end: (answers, closed).
    `methods` of the requests in the message, where one is HEAD."""
    target = "/behind/%d" % next(numbers)
    answers = []
    with rig.client(tls=tls, timeout=timeout) as c:
        try:
            c.send(*(message if isinstance(message, (list, tuple)) else [message]), request(target), pause=pause)
        except OSError:
            pass
        try:
            while True:
                n = len(answers)
                answer = c.read(head=n < len(methods) and methods[n] == "HEAD")
                if answer.get("x-canary") == target:
                    return answers, False
                answers.append(answer)
        except Closed:
            assert c.rest == b"", "bytes that are no answer: %r" % c.rest
            return answers, True


def is_refusal(answer, closed, statuses):
    assert answer.status in statuses, answer.raw_head
    assert (answer.get("connection") or "").lower() == "close" and closed, "a framing error must end the connection"
    assert answer.complete and "x-canary" not in answer.raw_head.decode("latin-1").lower()


def refused(rig, message, statuses=REFUSED, **how):
    """Refused and closed; not one byte went upstream."""
    with watched(rig) as seen:
        answers, closed = told(rig, message, **how)
        assert len(answers) == 1, [a.raw_head for a in answers]
        is_refusal(answers[0], closed, statuses)
    assert seen.bytes == 0 and seen.requests == []
    return answers[0]


def cut(rig, message, statuses=(400,), **how):
    """Refused when part of it may be upstream already; it never becomes a request there."""
    with watched(rig) as seen:
        answers, closed = told(rig, message, **how)
        assert len(answers) == 1, [a.raw_head for a in answers]
        is_refusal(answers[0], closed, set(statuses))
    assert seen.requests == []


def one_request(rig, message, statuses=(200,), methods=(), closes=False, **how):
    """Answered once; exactly one request went up.  Its connection to the origin carries the next client's request."""
    with watched(rig) as seen:
        answers, closed = told(rig, message, methods=methods, **how)
        assert len(answers) == 1 and answers[0].status in statuses, [a.raw_head for a in answers]
        assert closed == closes
    mine = [got for got in seen.requests if not got.target.startswith("/behind/")]
    assert len(mine) == 1 and len(seen.requests) == (1 if closes else 2)
    assert len({got.connection for got in seen.requests}) == 1
    return mine[0]


def refused_or_one(rig, message, statuses=(200,), **how):
    """One or the other, whole.  The request, or None."""
    with watched(rig) as seen:
        answers, closed = told(rig, message, **how)
        assert len(answers) == 1, [a.raw_head for a in answers]
        if answers[0].status in REFUSED:
            is_refusal(answers[0], closed, REFUSED)
        else:
            assert answers[0].status in statuses and not closed
    mine = [got for got in seen.requests if not got.target.startswith("/behind/")]
    assert len(mine) == (answers[0].status not in REFUSED)
    assert mine or seen.bytes == 0
    return mine[0] if mine else None
