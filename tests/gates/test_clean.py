"""Clean content passes: requests as curl, browsers, .NET, Python and others write them (beside test_evasion.py)."""
import pytest

from rig_client import chunked, request
from rig_disguise import FORM, JSON, MULTIPART, TEXT, field, file, parts, post

POLICY = {"shop": """policy: shop
bodies:
  - {id: any, when: 'path under "/any"', types: [text/plain, text/csv, application/graphql, application/x-ndjson,
     application/octet-stream, application/x-protobuf, image/png]}
waf: {mode: enforce, paranoia: 1}
"""}


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(origin=shared_origin, policies=POLICY)
    return g


def passes(rig, message, body=None):
    """Answered with 200; the origin got exactly the content."""
    before = len(rig.origin.requests)
    answer = rig.ask(message)
    assert answer.status == 200, rig.record(answer)
    got = rig.origin.requests[before:]
    assert len(got) == 1
    if body is not None:
        assert got[0].body == body


DOT_NET = parts(("Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=name", "Ada Lovelace"),
                ("Content-Type: application/octet-stream\r\nContent-Disposition: form-data; name=file; filename=notes.txt; filename*=utf-8''notes.txt", "hello"),
                boundary="9e2b7c5e-6a0f-4a52-8f6d-2a5f0f0e8d11")
SOAP = ('<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<soap:Body><m:GetPrice xmlns:m="http://www.example.org/stock"><m:Name xsi:type="xsd:string">Garden chair</m:Name><m:At>2026-11-02T12:00:00Z</m:At></m:GetPrice></soap:Body></soap:Envelope>')
CLEAN = {
    "curl -F": ("/", "multipart/form-data; boundary=------------------------d74496d66958873e",
                parts((field("name"), "Ada"), (file("f", "notes.txt", "Content-Type: text/plain"), "some\nnotes\n"),
                      boundary="------------------------d74496d66958873e")),
    "Chrome": ("/", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
               parts((field("comment"), "Schöne Grüße"), (file("photo", "Übersicht (1).png", "Content-Type: image/png"),
                                                          "\x89PNG\r\n\x1a\n"),
                                                          (file("empty", "", "Content-Type: application/octet-stream"),
                                                           ""),
                     boundary="----WebKitFormBoundary7MA4YWxkTrZu0gW")),
    "Firefox": ("/", "multipart/form-data; boundary=---------------------------974767299852498929531610575",
                parts((field("a"), "b"), (file("f", "a b.txt", "Content-Type: text/plain"), "x"),
                      boundary="---------------------------974767299852498929531610575")),
    "requests, without a line end": ("/", "multipart/form-data; boundary=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
                                     parts((field("a"), "b"), (file("f", "naïve.txt"), "x"),
                                           boundary="0a1b2c3d4e5f60718293a4b5c6d7e8f9", end="")),
    ".NET": ("/", 'multipart/form-data; boundary="9e2b7c5e-6a0f-4a52-8f6d-2a5f0f0e8d11"', DOT_NET),
    "a Blob of JSON": ("/", MULTIPART, parts((file("meta", "blob", "Content-Type: application/json"),
                                              '{"title":"Chair","tags":["oak"]}'),
                                              (file("f", "a.jpg", "Content-Type: image/jpeg"), "\xff\xd8"))),
    "urllib": ("/", FORM, "name=Ada+Lovelace&city=S%C3%A3o+Paulo"),
    "a browser's form": ("/", FORM, "name=Ada&comment=Lovely+chair%21+Thanks.&sizes=10&sizes=20&_charset_=UTF-8"),
    "a form with a charset": ("/", FORM + "; charset=UTF-8", "a=b"),
    "a form in Latin letters": ("/", FORM + "; charset=ISO-8859-1", "name=M%FCller"),
    "an empty form": ("/", FORM, ""),
    "JSON": ("/", JSON, '{"name":"Ada","tags":["a","b"],"n":[1,2.5,-1e3,true,null],"o":{}}'),
    "JSON of JavaScript's numbers": ("/", JSON, '{"max":1.7976931348623157e308,"min":5e-324,"safe":9007199254740991}'),
    "JSON with escapes": ("/", JSON, '{"name":"Zo\\u00eb \\ud83d\\ude00","path":"a\\/b"}'),
    "JSON with UTF-8": ("/", JSON + ";charset=UTF-8", '{"name":"Zoë 😀"}'),
    "JSON with utf8": ("/", JSON + "; charset=utf8", '{"a":1}'),
    "JSON with a quoted charset": ("/", JSON + '; charset="utf-8"', '{"a":1}'),
    "JSON of no content": ("/", JSON, ""),
    "JSON, a text alone": ("/", JSON, '"hello"'),
    "GraphQL in JSON": ("/", JSON,
                        '{"query":"query Hero($id: ID!) { hero(id: $id) { name friends { name } } }","variables":{"id":"5"}}'),
    "JSON:API": ("/", "application/vnd.api+json", '{"data":{"type":"chairs","attributes":{"colour":"oak"}}}'),
    "linked data": ("/", "application/ld+json", '{"@context":"https://schema.org","@type":"Product","name":"Chair"}'),
    "a report": ("/", "application/csp-report",
                 '{"csp-report":{"document-uri":"https://shop.example.com/","violated-directive":"img-src","blocked-uri":"inline"}}'),
    "reports": ("/", "application/reports+json", '[{"type":"deprecation","age":27,"body":{"id":"x"}}]'),
    "SOAP 1.1": ("/", "text/xml; charset=utf-8", SOAP),
    "SOAP 1.2": ("/", 'application/soap+xml; charset=utf-8; action="urn:GetPrice"', SOAP),
    "XML": ("/", "application/xml",
            '<?xml version="1.0"?>\n<order id="17"><!-- first --><item sku="A-1" note="oak &amp; ash">Chair</item></order>\n'),
    "a text": ("/any", TEXT, "Dear shop,\nthe chair is lovely, thank you & goodbye.\n"),
    "a beacon": ("/any", TEXT + ";charset=UTF-8",
                 '{"event":"click","at":1730000000000,"page":"/chairs?colour=oak&size=2"}'),
    "CSV": ("/any", "text/csv", "sku,name,price\r\nA-1,\"Chair, oak\",99.50\r\n"),
    "GraphQL": ("/any", "application/graphql", "{ hero(id: 5) { name friends { name } } }"),
    "lines of JSON": ("/any", "application/x-ndjson", '{"a":1}\n{"name":"chair"}\n'),
    "bytes": ("/any", "application/octet-stream", bytes(range(256)) * 20),
    "protobuf": ("/any", "application/x-protobuf", b"\x08\x96\x01\x12\x07testing"),
    "a picture": ("/any", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(300)),
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_content_passes_as_it_is(rig, name):
    target, media, body = CLEAN[name]
    body = body.encode() if isinstance(body, str) else body
    passes(rig, post(target, media, body), body)
    if body:
        passes(rig, request(target, "shop.example.com", "Content-Type: " + media, "Transfer-Encoding: chunked",
                            method="POST", body=chunked(body)), body)


def test_what_nobody_reads_is_recorded_as_uninspected(rig):
    assert "uninspected" in str(rig.record(rig.ask(post("/any", "application/octet-stream", b"\0\1\2"))))
    assert "uninspected" not in str(rig.record(rig.ask(post("/any", TEXT, "hello"))))


@pytest.mark.parametrize("message", [
    request("/", method="POST", body=b""), request("/", method="OPTIONS"), request("/?q=a+b%20c%2Bd&empty=&x"),
    request("/?tag=red&tag=green&tag=blue&ids[]=5&ids[]=7"),
    request("/?q=caf%C3%A9&n=M%FCller"), request("/caf%C3%A9/%E2%82%AC.html"), request("/a,b/c:d@e/~f"),
    request("/", "shop.example.com", 'Cookie: sid=abc123; theme="dark mode"; m="W1tcIl9f\\054x"; =; plain'),
    request("/", "shop.example.com", "Content-Type: application/json"),
])
def test_clean_heads_pass(rig, message):
    passes(rig, message)
