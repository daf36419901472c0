"""A second reading of HTTP/1.1 requests, written from RFC 9112 and the gateway's documents, not from its code.

`read(stream, at, secure)` says what stands there: a whole request, the beginning of one, or nothing that may ever
become one; `secure`: it came over TLS.  A whole request also knows its canonical form (what an origin must get) and
every documented reason for which the gateway may refuse it although the RFC does not."""
import ipaddress
import re
from dataclasses import dataclass, field

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEAD_MAX, TARGET_MAX, FIELDS_MAX, OVERHEAD_MAX = 32768, 8192, 100, 4096

HOP = {"connection", "keep-alive", "te", "trailer", "upgrade", "expect", "http2-settings", "early-data"}
FRAMING = {"host", "content-length", "transfer-encoding"}
ORDERS = ("proxy", "x-accel-", "x-sendfile", "x-lighttpd-send", "surrogate-")
IDENTITY = {"forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "x-client-ip",
            "x-original-url",
            "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override", "x-request-id",
            "x-forwarded",
            "x-host", "x-original-host", "x-remote-ip", "x-remote-addr", "x-originating-ip", "fastly-client-ip",
            "x-cluster-client-ip"}
# What Connection cannot take away: somebody relies on it.
KEPT = {"cookie", "set-cookie", "authorization", "accept-encoding", "content-type", "content-encoding", "user-agent",
        "referer",
        "origin", "location", "retry-after", "date", "server", "via", "traceparent", "tracestate", "alt-svc",
        "x-powered-by",
        "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-runtime", "x-backend", "x-backend-server"}
ADDED = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "x-request-id"}


class Bad(Exception):
    """It can never become a request."""


class Part(Exception):
    """More bytes are needed; the gateway may refuse it already for what is in `odd`."""
    odd = ()


@dataclass
class Wire:
    """One request as it was read."""
    method: str
    target: str                # canonical
    authority: str             # canonical
    fields: list               # end to end, (lower-case name, value), in order
    body: bytes
    end: int                   # behind its last byte in the stream
    minor: int = 1
    close: bool = False        # no request may follow
    may_refuse: list = field(default_factory=list)

    def means(self, other):
        """What differs in another one; empty when nothing does."""
        return [name for name in ("method", "target", "authority", "fields", "body") if getattr(self,
                                                                                                name) != getattr(other,
                                                                                                                 name)]


# ---- Heads ----

def head_end(stream, at):
    """Behind the empty line.  Bytes that no head may hold are found first, as a careful reader finds them."""
    end = stream.find(b"\r\n\r\n", at)
    limit = end + 4 if end >= 0 else len(stream)
    for i in re.finditer(rb"[\x00-\x08\x0a-\x1f\x7f]", stream[at:limit]):
        where, byte = at + i.start(), i[0]
        if byte == b"\r" and where + 1 == len(stream):
            raise Part("a CR at the end")
        if byte == b"\r" and stream[where + 1:where + 2] == b"\n":
            continue
        if byte == b"\n" and where > at and stream[where - 1:where] == b"\r":
            continue
        raise Bad("control character 0x%02x in the head" % byte[0])
    if end < 0:
        first = stream[at:].split(b"\r\n", 1)
        if len(first) == 2:
            request_line(first[0])
        raise Part("no end of the head")
    return end + 4


def request_line(line):
    match = re.fullmatch(rb"(" + TOKEN.pattern + rb") ([^\x00-\x20\x7f-\xff]+) HTTP/1\.([01])", line)
    if not match:
        raise Bad("request line %r" % line[:80])
    return match[1].decode(), match[2].decode(), int(match[3])


def field_lines(lines):
    fields = []
    for line in lines:
        match = re.fullmatch(rb"(" + TOKEN.pattern + rb"):([\t\x20-\x7e\x80-\xff]*)", line)
        if not match:
            raise Bad("field line %r" % line[:80])
        fields.append((match[1].decode().lower(), match[2]))
    return fields


def folded(name):
    return re.sub(r"[-_.]", "", name)


def is_identity(name):
    return name in IDENTITY or name.startswith("x-forwarded-")


def looks_alike(name):
    if "_" not in name and "." not in name:
        return False
    known = HOP | FRAMING | IDENTITY | KEPT | ADDED | {"proxy", "proxy-connection", "proxy-authorization",
                                                       "proxy-authenticate",
                                                      "x-accel-redirect", "x-sendfile", "surrogate-control"}
    return folded(name) in {folded(k) for k in known} or folded(name).startswith("xforwarded")


def stays(name, named):
    """It does not reach an origin as the client wrote it."""
    if name in HOP or name in FRAMING or is_identity(name) or "_" in name or "." in name:
        return True
    if name.startswith(ORDERS[1:]) or name == "proxy" or name.startswith("proxy-"):
        return True
    return name in named and name not in KEPT and not name.startswith(("x-forwarded", "sec-"))


# ---- Host and target ----

def authority(text, odd, secure):
    """Host and port in canonical form: lower case, without the scheme's own port."""
    own = "443" if secure else "80"
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[!$&'()*+,;=%._~0-9A-Za-z-]+)(?::([0-9]*))?", text)
    if not match:
        raise Bad("host %r" % text)
    host, port = match[1].lower(), match[2]
    if port is not None:
        if not port or port.startswith("0") or int(port) > 65535:
            odd.append("an odd port")
            port = own
    if host.startswith("["):
        try:
            address = ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise Bad("not an address: %r" % host)
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        if address.ipv4_mapped or nat64 or 1 < int(address) < 1 << 32:
            odd.append("IPv4 in disguise")
        host = "[%s]" % address.compressed
    else:
        host = host[:-1] if len(host) > 1 and host.endswith(".") else host
        labels = host.split(".")
        if not re.fullmatch(r"[a-z0-9._-]+", host) or len(host) > 253 or any(not 0 < len(l) < 64 for l in labels):
            odd.append("a host that is no name")
        elif re.fullmatch(r"\d+|0x.*", labels[-1]) and not is_ipv4(host):
            odd.append("a host that ends in a number")
    return host if port in (None, own) else "%s:%s" % (host, port)


def is_ipv4(host):
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


PCHAR = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@/")


def canonical_path(path, odd):
    raw = path.encode()
    if re.search(rb"%(?![0-9A-Fa-f]{2})", raw):
        odd.append("a malformed escape")
        return path
    if b";" in raw or b"\\" in raw:
        odd.append("a parameter or a backslash")
    text = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), raw)
    if re.search(rb"%(2f|5c|[01][0-9a-f]|7f)", raw, re.I):
        odd.append("an encoded slash or control")
    for i, byte in enumerate(text):
        after = text[i + 1] if i + 1 < len(text) else 0
        if byte in (0xc0,
                    0xc1) or 0x80 <= after <= 0xbf and (byte == 0xe0 and after < 0xa0 or byte == 0xf0 and after < 0x90 or
                                                             0xf8 <= byte <= 0xfd):
            odd.append("overlong UTF-8")
    segments = []
    parts = text.split(b"/")[1:]
    for n, part in enumerate(parts):
        last = n == len(parts) - 1
        bare = part.rstrip(b" ").lstrip(b" ").split(b";")[0].rstrip(b" ")
        if part not in (b".", b"..") and bare and not bare.strip(b".") and part.strip(b"."):
            odd.append("a disguised dot segment")
        if part == b"..":
            if not segments:
                odd.append("above the root")
                return path
            segments.pop()
        elif part not in (b"", b"."):
            segments.append(part)
        if last and part not in (b"", b".", b".."):
            return quoted(b"/" + b"/".join(segments))
    return quoted(b"/" + b"/".join(segments) + (b"/" if segments else b""))


def quoted(path):
    return "".join(chr(b) if b in PCHAR else "%%%02X" % b for b in path)


def read_target(method, target, host, odd, secure):
    """The canonical target, and the authority that counts."""
    if "#" in target:
        raise Bad("a fragment")
    if target == "*":
        if method != "OPTIONS":
            raise Bad("* without OPTIONS")
        return "*", host
    if not target.startswith("/"):
        match = re.fullmatch(r"(https?)://([^/?#]*)(.*)", target, re.I)
        if not match:
            raise Bad("target %r" % target)
        host = authority(match[2], odd, match[1].lower() == "https")
        if (match[1].lower() == "https") != secure:
            odd.append("the other scheme")
        target = match[3]
        if not target and method == "OPTIONS":
            return "*", host
        target = target if target.startswith("/") else "/" + target
    path, mark, query = target.partition("?")
    return canonical_path(path, odd) + mark + query, host


# ---- Content ----

def content_length(value, odd):
    value = value.strip(b" \t")
    if not re.fullmatch(rb"[0-9]+", value):
        raise Bad("content length %r" % value)
    if len(value) > 19:
        odd.append("many digits")
    if int(value) >= 1 << 63:
        raise Bad("a length beyond all measure")
    if int(value) > 1 << 30:
        odd.append("more than client.body")
    return int(value)


QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
EXTENSION = rb"(?:[ \t]*;[ \t]*" + TOKEN.pattern + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN.pattern + rb"|" + QUOTED + rb"))?)*"
SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)(" + EXTENSION + rb")\r\n")


def size_line(stream, at, odd):
    """(size, extension bytes, behind it)"""
    match = SIZE_LINE.match(stream, at)
    if match:
        if len(match[1]) > 16:
            odd.append("many digits")
        if int(match[1], 16) >= 1 << 63:
            raise Bad("a size beyond all measure")
        return int(match[1], 16), len(match[2]), match.end()
    rest = stream[at:]
    # Could it still become one?  It could when it is a prefix of something of that form.
    if b"\n" in rest or re.search(rb"\r(?!$)", rest, re.S) or not re.match(rb"[0-9A-Fa-f]*", rest):
        raise Bad("chunk size line %r" % rest[:40])
    digits = re.match(rb"[0-9A-Fa-f]*", rest).end()
    tail = rest[digits:]
    if not digits and rest or tail and not re.match(rb"\r|[ \t]*(;|$)", tail):
        raise Bad("chunk size line %r" % rest[:40])
    raise Part("a chunk size line")


def chunked(stream, at, odd):
    body, overhead = b"", 0
    while True:
        size, extension, at = size_line(stream, at, odd)
        overhead += extension
        if not size:
            break
        if len(stream) < at + size:
            raise Part("a chunk")
        body, at = body + stream[at:at + size], at + size
        if stream[at:at + 2] != b"\r\n":
            if b"\r\n".startswith(stream[at:at + 2]):
                raise Part("the end of a chunk")
            raise Bad("no CRLF behind a chunk")
        at += 2
    if stream[at:at + 2] == b"\r\n":
        end = at + 2
    else:
        found = stream.find(b"\r\n\r\n", at)
        end = found + 4 if found >= 0 else len(stream)
        lines = stream[at:end].split(b"\r\n")
        for n, line in enumerate(lines[:-2] if found >= 0 else lines[:-1]):
            field_lines([line])
        if found < 0:
            if re.search(rb"[\x00-\x08\x0a-\x0c\x0e-\x1f\x7f]|\r.", lines[-1], re.S) or b"\r" in lines[-1][:-1]:
                raise Bad("a trailer line")
            if lines[-1] and not re.fullmatch(TOKEN.pattern + rb"(:.*)?\r?|\r", lines[-1], re.S):
                raise Bad("a trailer line")
            raise Part("trailers")
        overhead += end - at
    if overhead > OVERHEAD_MAX - 64:
        odd.append("many bytes beside the content")
    return body, end


# ---- The whole ----

def single(fields, name):
    values = [v for n, v in fields if n == name]
    if len(values) > 1:
        raise Bad("%s twice" % name)
    return values[0] if values else None


def connection(fields, odd):
    names = [part.strip(b" \t") for n, v in fields if n == "connection" for part in v.split(b",")]
    if any(part and not TOKEN.fullmatch(part) for part in names):
        odd.append("Connection is not a list of names")
    if len(names) > 16:
        odd.append("many names in Connection")
    return {part.decode("latin-1").lower() for part in names}


def read(stream, at=0, secure=False):
    odd = []
    try:
        return read_request(stream, at, odd, secure)
    except Part as part:
        part.odd = odd
        raise


def read_request(stream, at, odd, secure):
    if stream[at:at + 1] == b"\r" and len(stream) - at == 1:
        raise Part("an empty line")
    if stream[at:at + 2] == b"\r\n":
        at += 2
    if at == len(stream):
        raise Part("nothing")
    body_at = head_end(stream, at)
    lines = stream[at:body_at - 4].split(b"\r\n")
    method, target, minor = request_line(lines[0])
    fields = field_lines(lines[1:])
    raw_host, length, coding = single(fields, "host"), single(fields, "content-length"), single(fields,
                                                                                                "transfer-encoding")
    if raw_host is None:
        raise Bad("no Host")
    host = authority(raw_host.strip(b" \t").decode("latin-1"), odd, secure)
    if coding is not None and length is not None:
        raise Bad("two framings")
    if coding is not None and (minor == 0 or coding.strip(b" \t").lower() != b"chunked"):
        raise Bad("transfer coding %r" % coding)
    if coding is not None and not re.fullmatch(rb" *chunked", coding, re.I):
        odd.append("white space around the coding")
    length = content_length(length, odd) if length is not None else None
    canonical, host = read_target(method, target, host, odd, secure)
    named = connection(fields, odd)
    policy(method, target, fields, body_at - at, odd)
    end_to_end = [(n, v.strip(b" \t")) for n, v in fields if not stays(n, named)]
    body, end = b"", body_at
    if coding is not None:
        body, end = chunked(stream, body_at, odd)
    elif length:
        if len(stream) < body_at + length:
            raise Part("content")
        body, end = stream[body_at:body_at + length], body_at + length
    return Wire(method, canonical, host, end_to_end, body, end, minor, minor == 0 or "close" in named, odd)


def policy(method, target, fields, size, odd):
    """What the gateway's documents say it refuses beyond the RFC."""
    names = [n for n, _ in fields]
    if method in ("CONNECT", "TRACE") or len(method) > 32:
        odd.append("the method")
    if len(target) > TARGET_MAX or size > HEAD_MAX:
        odd.append("size")
    if len(fields) + sum(v.count(b";") for n, v in fields if n == "cookie") > FIELDS_MAX:
        odd.append("many fields")
    if any(looks_alike(n) for n in names):
        odd.append("a look-alike name")
    for name in ("content-type", "authorization", "expect"):
        if names.count(name) > 1:
            odd.append("%s twice" % name)
    if any(n == "expect" and v.strip(b" \t").lower() != b"100-continue" for n, v in fields):
        odd.append("an expectation")


@dataclass
class Reading:
    """All requests of a stream, and what stands behind them: "clean" nothing, "closed" whatever it is, "part" the
    beginning of a request, "odd part" one that may be refused already, "bad" what can be none."""
    whole: list
    ending: str
    why: str
    rest: bytes

    def methods(self):
        """Of what may be answered, in order: an answer to HEAD has no content."""
        return [w.method for w in self.whole] + (["HEAD"] if re.match(rb"(\r\n)?HEAD ", self.rest) else [])


def stream(data, secure=False):
    found, at = [], 0
    while at < len(data):
        try:
            wire = read(data, at, secure)
        except Part as why:
            return Reading(found, "odd part" if why.odd else "part", str(why), data[at:])
        except Bad as why:
            return Reading(found, "bad", str(why), data[at:])
        found.append(wire)
        at = wire.end
        if wire.close:
            return Reading(found, "closed", "the last request", b"")
    return Reading(found, "clean", "", b"")
