"""One request has one verdict, whichever version of HTTP carries it: inspection of requests and of answers over HTTP/2."""
import gzip

import pytest

from rig_client import chunked
from rig_h2 import H2, fields_of
from rig_origin import page
from test_responses import FORM, HTML, LEAK, filler, make, responses

ATTACK = "/?q=%3Cscript%3Ealert(1)%3C/script%3E"
SQL = b"id=1+union+select+password+from+users--+-"


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = make(shared_gateway, shared_origin, policies=responses(max="64KiB", beyond="pass"))
    g.origin = shared_origin
    o = shared_origin.answers
    o["/clean"] = [page(filler(30000), "200 OK", HTML)]
    o["/long"] = [page(filler(1 << 20), "200 OK", HTML)]
    o["/chunks"] = [b"HTTP/1.1 200 OK\r\n" + HTML.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(filler(8000), filler(8000))]
    o["/leak"] = [page(LEAK, "200 OK", HTML)]
    o["/debug"] = [page(b"x", "200 OK", HTML, "X-Debug: on")]
    o["/echo"] = lambda r: [page(r.body, "200 OK", "Content-Type: text/plain")]
    return g


@pytest.mark.parametrize("path, status", [("/clean", 200), ("/long", 200), ("/chunks", 200), ("/leak", 403), ("/debug", 418), (ATTACK, 403)])
def test_the_verdict_is_that_of_http1(rig, path, status):
    one = rig.get(path, tls=True)
    with H2(rig.https) as h:
        # Also where others of the same connection are before the filters.
        streams = [h.headers(fields_of(path)) for _ in range(5)]
        for answer in h.wait(*streams):
            assert (answer.status, one.status) == (status, status)
            assert answer.ended and (len(answer.body), answer.get("content-type")) == (len(one.body), one.get("content-type"))
            assert status != 200 or answer.body == one.body


@pytest.mark.parametrize("body, fields, status", [
    (SQL, [], 403), (b"text=" + b"a+clean+word+" * 3000, [], 200), (b"", [], 200),
    (gzip.compress(SQL), [("content-encoding", "gzip")], 403), (gzip.compress(b"text=fine"), [("content-encoding", "gzip")], 200)],
    ids=["attack", "40 KB", "nothing", "packed attack", "packed"])
def test_content_is_held_and_judged(rig, body, fields, status):
    kind = ("content-type", FORM.split(": ")[1])
    plain = gzip.decompress(body) if fields else body
    before = rig.origin.bytes_seen()
    with H2(rig.https) as h:
        known = h.post("/echo", body, kind, *fields)
        # The same without a length, so that the end is known by END_STREAM only.
        stream = h.headers(fields_of("/echo", "POST", "shop.example.com", kind, *fields), end=False)
        h.upload(stream, body) if body else h.data(stream, b"", end=True)
        for answer in (known, h.wait(stream)):
            assert answer.status == status
            assert (answer.body == plain) if status == 200 else rig.origin.bytes_seen() == before
        assert h.alive()
