"""A known attack in disguise gets no further than in the plain (THREATS F1 to F13)."""
import json

import pytest

from rig_client import chunked, request
from rig_disguise import (CODINGS, FORM, JSON, MULTIPART, SQLI, SQLI_FORM, SQLI_JSON, SQLI_XML, TEXT, XML, XSS, XSS_FORM,
                          field, file,
                          parts, post)

POLICY = {"shop": """policy: shop
rules:
  - {id: admin, when: 'path under "/admin"', do: block 404}
limits:
  - {id: once, when: 'path under "/once"', key: [path], rate: 1 per 1h}
bodies:
  - {id: any, when: 'path under "/any"', types: [text/plain, text/csv, application/graphql, application/x-ndjson,
     application/octet-stream, application/x-protobuf, image/png, application/json, application/x-www-form-urlencoded]}
waf: {mode: enforce, paranoia: 1}
"""}


@pytest.fixture(scope="module")
def rig(shared_gateway, shared_origin):
    g = shared_gateway(origin=shared_origin, policies=POLICY)
    return g


def stopped(rig, message, statuses=(403,)):
    """Refused with one of these, nothing of it upstream, and the record says why."""
    before = rig.origin.bytes_seen()
    answer = rig.ask(message)
    assert answer.status in statuses
    assert rig.origin.bytes_seen() == before
    return answer


def passes(rig, message, body=None):
    """Answered with 200; the origin got exactly the content."""
    before = len(rig.origin.requests)
    answer = rig.ask(message)
    assert answer.status == 200, rig.record(answer)
    got = rig.origin.requests[before:]
    assert len(got) == 1
    if body is not None:
        assert got[0].body == body
    return got[0]


def each(table):
    return pytest.mark.parametrize("name", table)


# ---- F1, F2: media types and charsets ----

TYPES = {
    "two, alike": (request("/", "shop.example.com", "Content-Type: " + FORM, "Content-Type: " + FORM, method="POST",
                           body=b"a=b"), 400),
    "two, form first": (request("/", "shop.example.com", "Content-Type: " + FORM, "Content-Type: " + TEXT, method="POST",
                                body=b"a=b"), 400),
    "two, form last": (request("/", "shop.example.com", "Content-Type: " + TEXT, "Content-Type: " + FORM, method="POST",
                               body=b"a=b"), 400),
    "none": (post("/", None, "q=" + XSS_FORM), 415),
    "none, chunked": (request("/", "shop.example.com", "Transfer-Encoding: chunked", method="POST", body=chunked(b"a=b")),
                      415),
    "empty": (post("/", "", "a=b"), 415),
    "no type": (post("/", "json", "{}"), 415),
    "a list": (post("/", FORM + ", text/plain", "q=" + XSS_FORM), 415),
    "a list with JSON": (post("/", "application/json, " + FORM, "{}"), 415),
    "an empty parameter": (post("/", "application/json;;charset=utf-8", "{}"), 415),
    "unknown": (post("/", "application/x-unknown", "q=" + XSS_FORM), 415),
    "a longer name": (post("/", FORM + "x", "q=" + XSS_FORM), 415),
    "bytes": (post("/", "application/octet-stream", XSS), 415),
    "another multipart": (post("/", "multipart/mixed; boundary=xyz", parts((field("q"), XSS))), 415),
    "related parts": (post("/", "multipart/related; boundary=xyz", parts((field("q"), XSS))), 415),
    "one that an entry does not list": (post("/any", "application/xml", "<a/>"), 415),
    "text as the rule set has it": (post("/", TEXT, "hello"), 403),
    "a charset of JSON": (post("/", JSON + "; charset=utf-16", '{"a":1}'), 415),
    "a charset of a form": (post("/", FORM + "; charset=utf-7", "q=+ADw-script+AD4-"), 415),
    "ibm037": (post("/", FORM + "; charset=ibm037", "a=b"), 415),
    "two charsets": (post("/", JSON + "; charset=utf-8; charset=utf-7", '{"a":1}'), 415),
    "utf-32 of XML": (post("/", XML + "; charset=utf-32", "<a/>"), 415),
    "JSON in UTF-16": (post("/", JSON, '{"q":"x"}'.encode("utf-16")), 400),
    "JSON in UTF-16 without a mark": (post("/", JSON, '{"q":"x"}'.encode("utf-16-le")), 400),
    "JSON in Latin letters": (post("/", JSON, '{"q":"ü"}'.encode("latin-1")), 400),
    "a form that changes its charset": (post("/", FORM, "_charset_=utf-7&q=+ADw-script+AD4-"), 400),
    "so do parts": (post("/", MULTIPART, parts((field("_charset_"), "utf-16"), (field("q"), "x"))), 400),
    "the charset of part 1": (post("/", MULTIPART, parts((field("q", "Content-Type: text/plain; charset=utf-7"), "x"),
                                                         (field("r"), "y"))), 400),
    "the charset of part 2": (post("/", MULTIPART, parts((field("r"), "y"), (field("q",
        "Content-Type: text/plain; charset=ibm037"), "x"))), 400),
}


@each(TYPES)
def test_content_of_no_sure_type_or_charset_is_refused(rig, name):
    message, status = TYPES[name]
    stopped(rig, message, {status})


PARSED = {
    "form": (FORM, "q=" + SQLI_FORM),
    "form, spelt otherwise": ("Application/X-WWW-Form-UrlEncoded ; Charset=UTF-8", "q=" + SQLI_FORM),
    "JSON": (JSON, json.dumps({"q": SQLI})),
    "JSON, spelt otherwise": ("APPLICATION/json;charset=Utf-8", json.dumps({"q": SQLI})),
    "JSON of a dialect": ("application/vnd.api+json", json.dumps({"data": {"attributes": {"q": SQLI}}})),
    "a browser's report": ("application/csp-report", json.dumps({"csp-report": {"referrer": SQLI}})),
    "XML": (XML, "<a>%s</a>" % SQLI_XML),
    "XML of a dialect": ("application/soap+xml; charset=utf-8", "<a>%s</a>" % SQLI_XML),
    "multipart": (MULTIPART, parts((field("q"), SQLI))),
    "multipart, quoted": ('multipart/form-data; boundary="xyz"', parts((field("q"), SQLI))),
}


@each(PARSED)
def test_an_attack_is_found_in_whatever_the_type_says(rig, name):
    answer = stopped(rig, post("/", *PARSED[name]))
    assert any(r["id"] // 1000 == 942 for r in rig.record(answer)["waf"]["rules"])


ELSEWHERE = {
    "a form as text": (TEXT, "q=" + SQLI_FORM),
    "JSON as text": (TEXT, '{"q":"%s"}' % SQLI_JSON),
    "nearly JSON as text": (TEXT, '{"q":"%s",}' % SQLI_JSON),
    "XML as text": (TEXT, "<a b='%s'/>" % SQLI_XML),
    "as text": (TEXT, SQLI),
    "in CSV": ("text/csv", 'a,b\r\n1,"%s"\r\n' % SQLI),
    "lines of JSON": ("application/x-ndjson", '{"a":1}\n{"q":"%s"}\n' % SQLI_JSON),
    "a query of GraphQL": ("application/graphql", '{ find(name: "%s") { id } }' % SQLI_JSON),
    "JSON as a form": (FORM, '{"q":"%s"}' % SQLI_JSON),
    "JSON in a form": (FORM, "data=%7B%22q%22%3A%22" + SQLI_FORM.replace("%27", "%5Cu0027") + "%22%7D"),
}


@each(ELSEWHERE)
def test_an_attack_is_found_though_the_type_hides_what_it_is(rig, name):
    answer = stopped(rig, post("/any", *ELSEWHERE[name]))
    assert any(r["id"] // 1000 == 942 for r in rig.record(answer)["waf"]["rules"])


# ---- F3: multipart ----

ODD_PARTS = {
    "two boundaries": ("multipart/form-data; boundary=abc; boundary=xyz", parts((field("q"), XSS))),
    "two boundaries, one in capitals": ("multipart/form-data; boundary=xyz; BOUNDARY=abc", parts((field("q"), XSS))),
    "a boundary in another value": ('multipart/form-data; x="boundary=abc"; boundary=xyz', parts((field("q"), XSS))),
    "a boundary in another name": ("multipart/form-data; x-boundary=abc; boundary=xyz", parts((field("q"), XSS))),
    "an escaped boundary": ('multipart/form-data; boundary="x\\yz"', parts((field("q"), XSS))),
    "a boundary with a space": ('multipart/form-data; boundary="xyz "', parts((field("q"), XSS), boundary="xyz ")),
    "a boundary of 71": ("multipart/form-data; boundary=" + "b" * 71, parts((field("q"), XSS), boundary="b" * 71)),
    "an empty boundary": ("multipart/form-data; boundary=", parts((field("q"), XSS), boundary="")),
    "no boundary": ("multipart/form-data", parts((field("q"), XSS))),
    "another boundary in the body": ("multipart/form-data; boundary=abc", parts((field("q"), XSS))),
    "bare line feeds": (MULTIPART, parts((field("q"), XSS)).replace(b"\r\n", b"\n")),
    "one bare line feed": (MULTIPART, parts((field("q"), XSS)).replace(b"xyz\r\nC", b"xyz\nC", 1)),
    "no last dashes": (MULTIPART, parts((field("q"), XSS)).replace(b"xyz--", b"xyz")),
    "one last dash": (MULTIPART, parts((field("q"), XSS)).replace(b"xyz--", b"xyz-")),
    "cut": (MULTIPART, parts((field("q"), XSS))[:-9]),
    "text before": (MULTIPART, b"preamble\r\n" + parts((field("q"), XSS))),
    "text behind": (MULTIPART, parts((field("q"), XSS)) + b"epilogue"),
    "parts behind": (MULTIPART, parts((field("a"), "b")) + parts((field("q"), XSS))),
    "space behind a boundary": (MULTIPART, parts((field("q"), XSS)).replace(b"xyz\r\n", b"xyz \r\n", 1)),
    "a folded header": (MULTIPART, parts(('Content-Disposition: form-data;\r\n name="q"', XSS))),
    "a header without a colon": (MULTIPART, parts(("Content-Disposition form-data", XSS))),
    "space before the colon": (MULTIPART, parts(('Content-Disposition : form-data; name="q"', XSS))),
    "no disposition": (MULTIPART, parts(("Content-Type: text/plain", XSS))),
    "two dispositions": (MULTIPART, parts((field("a", field("q")), XSS))),
    "a name twice": (MULTIPART, parts(('Content-Disposition: form-data; name="a"; name="q"', XSS))),
    "a name in capitals": (MULTIPART, parts(('Content-Disposition: form-data; NAME="q"', XSS))),
    "no name": (MULTIPART, parts(("Content-Disposition: form-data", XSS))),
    "an empty name": (MULTIPART, parts((field(""), XSS))),
    "a name in single quotes": (MULTIPART, parts(("Content-Disposition: form-data; name='q'", XSS))),
    "an escaped quote": (MULTIPART, parts(('Content-Disposition: form-data; name="a\\"; filename=\\"b"', XSS))),
    "NUL in a name": (MULTIPART, parts((field("q\0"), XSS))),
    "NUL in a file's name": (MULTIPART, parts((file("f", "a\0.jpg"), XSS))),
    "an unfinished file name": (MULTIPART, parts(("Content-Disposition: form-data; name=a;filename=", XSS))),
    "content of a file without a name": (MULTIPART, parts((file("q", ""), XSS))),
    "only a second file name": (MULTIPART, parts(("Content-Disposition: form-data; name=f; filename*=utf-8''a.txt",
                                                  "x"))),
    "a second file name in another charset": (MULTIPART,
                                              parts(("Content-Disposition: form-data; name=f; filename=a; filename*=utf-7''a", "x"))),
    "continued parameters": (MULTIPART,
                             parts(('Content-Disposition: form-data; name="f"; filename*0="a"; filename*1=".php"', "x"))),
    "attachment": (MULTIPART, parts(('Content-Disposition: attachment; name="q"', XSS))),
    "base64": (MULTIPART, parts((field("q", "Content-Transfer-Encoding: base64"),
                                 "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="))),
    "quoted-printable": (MULTIPART, parts((field("q", "Content-Transfer-Encoding: quoted-printable"),
                                           "=3Cscript=3Ealert(1)=3C/script=3E"))),
    "parts within a part": (MULTIPART, parts((field("f", "Content-Type: multipart/mixed; boundary=abc"),
                                              "--abc\r\n\r\nx\r\n--abc--"))),
    "a boundary of PHP's in a file": (MULTIPART, parts((file("f", "a.txt"),
                                                        "x\n--xyz\r\n%s\r\n\r\n%s\n--xyz--" % (field("q"), XSS)))),
    "a boundary behind a carriage return": (MULTIPART, parts((file("f", "a.txt"),
                                                              "x\r--xyz\r\n%s\r\n\r\n%s" % (field("q"), XSS)))),
}


@each(ODD_PARTS)
def test_parts_in_no_canonical_form_are_refused(rig, name):
    stopped(rig, post("/", *ODD_PARTS[name]), {400, 403, 415})


NAMED = {
    "its name": file("f", "shell.php"),
    "its second name": "Content-Disposition: form-data; name=f; filename=chair.txt; filename*=utf-8''shell%2ephp",
    "its name as mail writes it": file("f", "=?utf-8?B?c2hlbGwucGhw?="),
    "space behind it": file("f", "shell.php "),
}


@each(NAMED)
def test_a_file_is_known_by_each_of_its_names(rig, name):
    stopped(rig, post("/", MULTIPART, parts((NAMED[name], "x"))))


@pytest.mark.parametrize("kind", ["field", "file"])
@pytest.mark.parametrize("media, content", [(JSON, '{"q":"%s"}' % SQLI_JSON), (XML, '<a b="%s"/>' % SQLI_XML)])
def test_a_part_that_says_it_is_json_or_xml_is_looked_into(rig, kind, media, content):
    head = field("j", "Content-Type: " + media) if kind == "field" else file("j", "blob", "Content-Type: " + media)
    stopped(rig, post("/", MULTIPART, parts((head, content))))


# ---- F4: bounds ----

@pytest.mark.slow
@pytest.mark.parametrize("padding", [128 << 10, 512 << 10, (1 << 20) - 60])
def test_padding_before_the_attack_hides_nothing(rig, padding):
    many = "&".join("k%d=%s" % (i, "x" * (padding // 900)) for i in range(900))
    stopped(rig, post("/", FORM, many[:padding] + "&q=" + XSS_FORM), {403, 413})


@pytest.mark.parametrize("more", [1, 20, 1000])
def test_content_that_reaches_over_the_bound_is_refused_whole(rig, more):
    body = "a=".ljust((1 << 20) + more - len("&q=" + XSS_FORM), "b") + "&q=" + XSS_FORM
    stopped(rig, post("/", FORM, body), {413})
    stopped(rig, request("/", "shop.example.com", "Content-Type: " + FORM, "Transfer-Encoding: chunked", method="POST",
                         body=chunked(body.encode())), {413})


# ---- F5: content codings ----

@each(CODINGS)
def test_what_is_in_a_coding_is_judged_and_sent_in_the_plain(rig, name):
    word, coded = CODINGS[name]
    clean = json.dumps({"q": ["a nice chair %d" % i for i in range(300)]}).encode()
    got = passes(rig, post("/", JSON, coded(clean), "Content-Encoding: " + word, "Content-MD5: x", "X-Other: y"), clean)
    assert got.all("content-encoding") == [] and got.all("content-md5") == [] and got.get("x-other") == "y"
    assert got.get("content-length") == str(len(clean))
    stopped(rig, post("/", JSON, coded(json.dumps({"q": SQLI}).encode()), "Content-Encoding: " + word))
    stopped(rig, request("/", "shop.example.com", "Content-Type: " + FORM, "Content-Encoding: " + word,
                         "Transfer-Encoding: chunked",
                         method="POST", body=chunked(*[bytes([b]) for b in coded(("q=" + XSS_FORM).encode())])))
    stopped(rig, post("/", MULTIPART, coded(parts((field("q"), XSS))), "Content-Encoding: " + word))


GZIP = CODINGS["gzip"][1]
CODED_CLEAN = GZIP(b'{"q":"chair"}')
CODED = {
    "no gzip": (post("/", JSON, '{"q":"chair"}', "Content-Encoding: gzip"), 400),
    "cut": (post("/", JSON, CODED_CLEAN[:-4], "Content-Encoding: gzip"), 400),
    "bytes behind it": (post("/", JSON, CODED_CLEAN + b"x", "Content-Encoding: gzip"), 400),
    "two members": (post("/", JSON, CODED_CLEAN + CODED_CLEAN, "Content-Encoding: gzip"), 400),
    "twice, and said": (post("/", JSON, GZIP(CODED_CLEAN), "Content-Encoding: gzip, gzip"), 415),
    "twice, in two fields": (post("/", JSON, GZIP(CODED_CLEAN), "Content-Encoding: gzip", "Content-Encoding: gzip"), 415),
    "twice, said once": (post("/", JSON, GZIP(CODED_CLEAN), "Content-Encoding: gzip"), 400),
    "another coding": (post("/", JSON, CODED_CLEAN, "Content-Encoding: compress"), 415),
    "identity and gzip": (post("/", JSON, CODED_CLEAN, "Content-Encoding: identity, gzip"), 415),
    "an empty name": (post("/", JSON, '{"q":"chair"}', "Content-Encoding:"), 415),
    "JSON that is none, decoded": (post("/", JSON, GZIP(b'{"q":1,}'), "Content-Encoding: gzip"), 400),
}


@each(CODED)
def test_what_is_not_one_whole_coding_is_refused(rig, name):
    message, status = CODED[name]
    stopped(rig, message, {status})


def test_a_large_upload_in_a_coding_goes_on_in_the_plain(rig):
    clean = b'{"noise":"%x"}' % 3 ** 360000
    assert len(GZIP(clean)) > 65536
    with rig.client() as c:
        for _ in range(2):
            c.send(post("/", JSON, GZIP(clean), "Content-Encoding: gzip"))
            assert c.read().status == 200
            assert rig.origin.requests[-1].body == clean
        assert c.ask(post("/", FORM, GZIP(b""), "Content-Encoding: gzip")).status == 200
        assert rig.origin.requests[-1].body == b""


def test_identity_is_no_coding(rig):
    got = passes(rig, post("/", JSON, '{"q":1}', "Content-Encoding: identity"), b'{"q":1}')
    assert got.all("content-encoding") == []


# ---- F6, F7: JSON and XML ----

NO_JSON = ['{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"a":{"b":1,"b":2}}', '{"a":1}//c', '/*c*/{"a":1}', '{"a":NaN}',
           '{"a":Infinity}', '{"a":1,}', '[1,]',
           '[,1]', '\ufeff{"a":1}', '{"a":"\\ud800"}', '{"a":"\\udc00\\ud800"}', '{"a":1e400}', '{"a":-1e999}',
           '{"a":01}', '{"a":+1}', "{'a':1}", '{a:1}',
           '{"a":"\t"}', '{"a":"\\x41"}', '{"a":1} {"b":2}', '{"a":1}\0', '', ' ', '{"a":tru}', '"a', '[' * 65 + ']' * 65]


@pytest.mark.parametrize("body", [b for b in NO_JSON if b])
def test_json_is_json_to_the_letter(rig, body):
    stopped(rig, post("/", JSON, body), {413} if body.startswith("[[") else {400})


NESTED = ['"%s"', '["%s"]', '{"":"%s"}', '{"%s":1}', '[[[["%s"]]]]', '{"a":[{"b":{"c":["%s"]}}]}',
          '{"a":1,"b":null,"c":true,"d":"%s"}']


@pytest.mark.parametrize("around", NESTED)
@pytest.mark.parametrize("attack", [SQLI_JSON, XSS, XSS.replace("<", "\\u003c").replace("/", "\\/")])
def test_an_attack_is_found_wherever_it_stands_in_json(rig, around, attack):
    stopped(rig, post("/", JSON, around % attack))


IN_XML = {
    "text": "<a><b>%s</b></a>" % SQLI_XML, "an attribute": '<a b="%s"/>' % SQLI_XML,
    "an attribute with a prefix": '<a xmlns:c="urn:c" c:b="%s"/>' % SQLI_XML,
    "CDATA": "<a><![CDATA[%s]]></a>" % XSS, "a comment": "<a><!-- %s --></a>" % SQLI.rstrip(" -"),
    "an instruction": "<a><?b %s?></a>" % SQLI,
    "a namespace": '<a xmlns:b="%s"/>' % SQLI_XML,
    "pieces": "<a>x<b>1&#39; or 1=1 uni<!-- -->on sel<![CDATA[ect password]]> from users</b></a>",
    "references": "<a b=\"" + "".join("&#%d;" % ord(c) for c in SQLI) + "\"/>",
}


@each(IN_XML)
@pytest.mark.parametrize("media", [XML, "application/xml", "application/atom+xml"])
def test_an_attack_is_found_wherever_it_stands_in_xml(rig, name, media):
    stopped(rig, post("/", media, IN_XML[name]))


NO_XML = {
    "an internal entity": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "an external entity": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a document type alone": "<!DOCTYPE a><a/>", "an entity from nowhere": "<a>&b;</a>",
    "UTF-16": "<a>x</a>".encode("utf-16"),
    "another encoding": '<?xml version="1.0" encoding="utf-7"?><a/>', "a name twice": '<a b="1" b="2"/>',
    "not closed": "<a><b></a>", "two": "<a/><b/>", "text": "hello",
}


@each(NO_XML)
def test_xml_is_well_formed_and_has_no_document_type(rig, name):
    stopped(rig, post("/", XML, NO_XML[name]), {400})


# ---- F8, F9: paths ----

@pytest.mark.parametrize("target", ["/foo/%3Cscript%3Ealert(1)%3C/script%3E", "/foo%3f/%3Cscript%3Ealert(1)%3C/script%3E",
                                    "/foo%3fx=1/../%3Cscript%3Ealert(1)%3C/script%3E",
                                    "/foo%23/%3Cscript%3Ealert(1)%3C/script%3E"])
def test_the_whole_path_is_judged(rig, target):
    stopped(rig, request(target))


REFUSED_PATHS = ["/a/..;/admin", "/a%2fadmin", "/a%2Fadmin", "/a\\admin", "/a%5cadmin", "/%c0%af", "/%c0%ae%c0%ae/admin",
                 "/%e0%80%af", "/%u002f", "/admin%09", "/admin%00",
                 "/admin%00.png", "/admin%0a", "/x;jsessionid=1", "/admin;x=y", "/..", "/../admin", "/a/../../admin",
                 "/%2e%2e/admin", "/a/.. /admin", "/a/..%20/admin", "/%", "/%a"]


@pytest.mark.parametrize("target", REFUSED_PATHS)
def test_a_path_with_two_readings_is_refused(rig, target):
    stopped(rig, request(target), {400, 505})


ADMIN = ["/admin", "/admin/", "/./admin", "//admin", "/a/../admin", "/a/%2e%2e/admin", "/admin/.", "/admin/x/..",
         "/%61dmin", "/a/./../admin", "/admin?x",
         "/admin/%2e", "///admin//x"]


@pytest.mark.parametrize("target", ADMIN)
def test_rules_judge_the_one_form_of_a_path(rig, target):
    stopped(rig, request(target), {404})


@pytest.mark.parametrize("target, sent", [("/ADMIN", "/ADMIN"), ("/admin%20", "/admin%20"), ("/%2561dmin", "/%2561dmin"),
                                          ("/administrator", "/administrator"),
                                          ("/b//c/./d/../e%7Ef?q=a//b", "/b/c/e~f?q=a//b")])
def test_what_is_sent_is_that_form(rig, target, sent):
    assert passes(rig, request(target)).target == sent


def test_limits_count_the_one_form_of_a_path(rig):
    assert rig.get("/once/a").status == 200
    for target in ("/once/a", "/once/./a", "//once//a", "/x/../once/a", "/once/%61", "/once/b/../a?x=1"):
        assert rig.get(target).status == 429, target
    assert rig.get("/once/A").status == 200


# ---- F10: parameters ----

QUERIES = {
    "percent": "q=" + XSS_FORM, "twice encoded": "q=%253Cscript%253Ealert(1)%253C/script%253E",
    "of Microsoft": "q=%u003Cscript%u003Ealert(1)%u003C/script%u003E",
    "an array": "a[]=" + XSS_FORM, "a map": "a[b][c]=" + XSS_FORM, "no name": "=" + XSS_FORM, "no value": XSS_FORM,
    "the name": XSS_FORM + "=1",
    "plus for space": "id=" + SQLI_FORM, "the second of one name": "a=1&a=" + SQLI_FORM,
    "in halves": "id=1+UNION/*&x=1&id=*/SELECT+password+FROM+users",
    "behind a semicolon": "x=1;id=" + SQLI_FORM, "NUL before it": "q=%00" + XSS_FORM,
    "an entity's NUL before it": "q=%26%230;" + XSS_FORM, "an escape's NUL before it": "q=%5C0" + XSS_FORM,
    "another query mark": "?q=" + XSS_FORM, "a fragment mark": "a=%23&q=" + XSS_FORM,
    "wide letters": "q=%EF%BC%9Cscript%EF%BC%9Ealert(1)%EF%BC%9C/script%EF%BC%9E",
    "JSON": "d=%7B%22q%22:%22" + SQLI_FORM.replace("%27", "%5Cu0027") + "%22%7D",
}


@each(QUERIES)
def test_a_parameter_is_judged_however_it_is_written(rig, name):
    stopped(rig, request("/?" + QUERIES[name]))
    if name not in ("another query mark", "a fragment mark"):
        stopped(rig, post("/", FORM, QUERIES[name]))


def test_no_more_than_a_thousand_parameters_are_taken(rig):
    stopped(rig, request("/?" + "&".join("a%d" % i for i in range(1001))), {400, 413})
    stopped(rig, post("/", FORM, "&".join("a%d" % i for i in range(1001))), {413})
    stopped(rig, post("/?" + "&".join("a%d" % i for i in range(500)), FORM, "&".join("b%d" % i for i in range(501))),
            {400, 413})


# ---- F11: another method, another path, cookies of old ----

@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL",
                                  "X-Rewrite-URL"])
def test_fields_that_override_are_not_sent_on(rig, name):
    got = passes(rig, request("/", "shop.example.com", name + ": DELETE"))
    assert got.all(name) == [] and got.method == "GET"


@pytest.mark.parametrize("body", ["_method=DELETE", "a=b&_method=put", "_method=%50UT"])
def test_a_field_that_names_the_method_is_held_to_the_list_of_methods(rig, body):
    stopped(rig, post("/", FORM, body))
    stopped(rig, post("/?" + body, FORM, "a=b"))
    stopped(rig, post("/", JSON, '{"_method":"DELETE"}'))
    passes(rig, post("/", FORM, "_method=post&method=DELETE"))


COOKIES = {"plain": "a=" + SQLI.replace(";", ""), "quoted": 'a="%s"' % SQLI,
           "in octal": 'a="%s"' % SQLI.replace("'", "\\047"), "no name": "=" + SQLI, "percent": "a=" + SQLI_FORM,
           "over a semicolon": 'a="1\' or 1=1; union select password from users-- -"', "the second": "a=b; c=" + SQLI}


@each(COOKIES)
def test_a_cookie_is_judged_however_it_is_written(rig, name):
    stopped(rig, request("/", "shop.example.com", "Cookie: " + COOKIES[name]))


def test_the_words_of_old_cookies_end_here(rig):
    got = passes(rig, request("/", "shop.example.com", 'Cookie: $Version=1; a="x"; $Path=/; b=c'))
    assert got.get("cookie") == 'a="x"; b=c'
    assert passes(rig, request("/", "shop.example.com", "Cookie: $Version=1")).all("cookie") == []


# ---- F12, F13: however it is sent ----

SPLIT = post("/", FORM, "q=" + XSS_FORM)


@pytest.mark.parametrize("from_end", range(0, len("q=" + XSS_FORM) + 20, 3))
def test_the_verdict_is_the_same_for_any_split(rig, from_end):
    cut = len(SPLIT) - from_end
    with rig.client() as c:
        c.send(SPLIT[:cut], SPLIT[cut:], pause=0.002)
        assert c.read().status == 403


@pytest.mark.parametrize("tls, step", [(False, 1), (True, 3)])
def test_the_verdict_is_the_same_byte_by_byte(rig, tls, step):
    """Over TLS in threes: many records of a byte or two are a flood (test_tls_floods.py)."""
    with rig.client(tls=tls) as c:
        c.send(*[SPLIT[i:i + step] for i in range(0, len(SPLIT), step)], pause=0.0005)
        assert c.read().status == 403
    with rig.client(tls=tls) as c:
        c.send(request("/", "shop.example.com", "Content-Type: " + FORM, "Transfer-Encoding: chunked", method="POST",
                       body=chunked(*[bytes([b]) for b in b"q=" + XSS_FORM.encode()])))
        assert c.read().status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_content_is_judged_whatever_the_method(rig, method):
    before = rig.origin.bytes_seen()
    with rig.client() as c:
        c.send(post("/", FORM, "q=" + XSS_FORM, method=method))
        assert c.read(head=method == "HEAD").status == 403
    assert rig.origin.bytes_seen() == before


def test_content_that_was_waited_for_is_judged(rig):
    before = rig.origin.bytes_seen()
    with rig.client() as c:
        c.send(request("/", "shop.example.com", "Content-Type: " + FORM, "Expect: 100-continue",
                       "Content-Length: %d" % len("q=" + XSS_FORM), method="POST"))
        while b"100" not in c.rest:
            assert c.more()
        c.send(("q=" + XSS_FORM).encode())
        assert c.read().status == 403
    assert rig.origin.bytes_seen() == before


def test_a_trailer_takes_nothing_upstream(rig):
    body = b"3\r\na=b\r\n0\r\nX-Attack: " + XSS.encode() + b"\r\n\r\n"
    got = passes(rig, request("/", "shop.example.com", "Content-Type: " + FORM, "Transfer-Encoding: chunked",
                              method="POST", body=body), b"a=b")
    assert XSS not in str(got.fields)
