"""The floors of the house: a file includes only from floors below its own, and from its own folder."""
import re
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent

# The first prefix that a path begins with decides.
FLOORS = [
    ("gateway/base/", 0),
    ("gateway/http/", 1), ("gateway/loop/", 1), ("gateway/cage/", 1), ("geoip/", 1),
    ("gateway/limit/words.", 1), ("gateway/limit/gcra.", 1),
    ("policies/filter.", 3), ("policies/", 1),
    ("rules/waf.", 1), ("rules/plan.", 1), ("rules/bundle.", 1), ("rules/seclang.", 1), ("rules/capture.", 1), ("rules/media.", 1), ("rules/body.", 1), ("rules/body_", 1), ("rules/extra", 1),
    ("gateway/chain/", 2), ("gateway/tls/", 2), ("gateway/redis/", 2), ("gateway/config/", 2),
    ("gateway/limit/", 3), ("rules/filter.", 3), ("rules/filter_", 3), ("rules/question.", 3), ("rules/admit.", 3), ("rules/pool.", 3), ("rules/rules.h", 3),
    ("rules/pressure.", 3), ("rules/spending.", 3),
    ("gateway/proxy/", 4), ("gateway/admin/", 4),
    ("gateway/proc/", 5), ("rules/", 5),
    ("gateway/cli/", 6),
]
# Third-party headers, and the one folder (or file) that may include each.  TLS has one door; a hash
# or a MAC may be asked of the same library elsewhere.
GUARDED = {
    r"openssl/(ssl|x509|bio|pem|err)": ("gateway/tls/", "gateway/config/pem."),
    r"openssl/": ("gateway/tls/", "gateway/config/", "gateway/limit/", "gateway/proc/"),
    r"hiredis/": ("gateway/redis/",),
    r"maxminddb": ("geoip/",),
    r"yaml\.h": ("gateway/base/",),
    r"modsecurity/": ("rules/modsec.", "rules/modsec_mend."),
    r"zlib|brotli/|zstd": ("rules/coding.",),
    r"re2/": ("policies/",),
    r"seccomp": ("gateway/cage/",),
    r"jansson": ("gateway/cli/",),
    r"nghttp2/": ("gateway/proxy/h2_", "gateway/proxy/upstream_h2"),
}


def floor(path):
    return next((number for prefix, number in FLOORS if path.startswith(prefix)), None)


def sources():
    for pattern in ("gateway/**/*", "rules/*", "policies/*", "geoip/*"):
        for path in sorted(TOP.glob(pattern)):
            if path.suffix in (".c", ".cc", ".h", ".def"):
                yield path.relative_to(TOP).as_posix(), path.read_text()


def includes(text):
    return re.findall(r'(?m)^\s*#\s*include\s+(["<])([^">]+)[">]', text)


def test_every_file_has_a_floor():
    assert [path for path, _ in sources() if floor(path) is None] == []


def test_no_include_goes_up_or_sideways():
    wrong = []
    for path, text in sources():
        for mark, name in includes(text):
            if mark != '"':
                continue
            if not (TOP / name).exists():
                wrong.append("%s: \"%s\" is not relative to the root" % (path, name))
            elif Path(name).parent != Path(path).parent and floor(name) >= floor(path):
                wrong.append("%s (floor %d) includes %s (floor %d)" % (path, floor(path), name, floor(name)))
            elif Path(name).parent == Path(path).parent and floor(name) > floor(path):
                wrong.append("%s (floor %d) includes %s (floor %d) of its own folder" % (path, floor(path), name, floor(name)))
    assert wrong == []


def test_a_third_party_header_has_one_door():
    wrong = []
    for path, text in sources():
        for mark, name in includes(text):
            for pattern, doors in GUARDED.items():
                if mark == "<" and re.match(pattern, name) and not path.startswith(doors):
                    wrong.append("%s includes <%s>; only %s may" % (path, name, " ".join(doors)))
    assert wrong == []


def test_nothing_uses_a_banned_function():
    banned = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|alloca|atoi)\s*\(")
    found = ["%s:%d: %s" % (path, n, line.strip()) for path, text in sources()
             for n, line in enumerate(text.splitlines(), 1)
             if banned.search(re.sub(r"/\*.*?\*/|//.*|\"(?:[^\"\\]|\\.)*\"", "", line)) and not line.lstrip().startswith("*")]
    assert found == []
