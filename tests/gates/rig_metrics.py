"""What a gateway says that it counted."""
import re
import time

from rig_client import Client
from rig_gateway import free_port

# ---- The text format, version 0.0.4, read as strictly as it is written down ----

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? ([0-9]+(?:\.[0-9]+)?)" % (NAME, LABEL, LABEL))


def parse(text):
    """{(name, ((label, value), ...)): number}; one group per family, its HELP and TYPE first, histograms whole."""
    assert text.endswith("\n") and "\n\n" not in text
    samples, types, helped, family = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family, said = re.fullmatch(r"# HELP (%s) (\S.*)" % NAME, line).groups()
            assert family not in helped, "%s in two groups" % family
            helped.add(family)
        elif line.startswith("# TYPE "):
            name, kind = re.fullmatch(r"# TYPE (%s) (counter|gauge|histogram)" % NAME, line).groups()
            assert name == family and name not in types
            types[name] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name) if types[family] == "histogram" else name
            assert base == family, "%s among the lines of %s" % (name, family)
            key = (name, tuple(tuple(l.split("=", 1)) for l in re.findall(LABEL, labels or "")))
            key = (name, tuple((k, v[1:-1]) for k, v in key[1]))
            assert key not in samples, "twice: %s" % line
            samples[key] = float(value)
    assert helped == set(types)
    for name, kind in types.items():
        assert (kind == "counter") == name.endswith("_total")
        if kind == "histogram":
            buckets = [(float(dict(k[1])["le"].replace("+Inf", "inf")), v) for k, v in samples.items() if k[0] == name + "_bucket"]
            assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets)
            assert buckets[-1][0] == float("inf") and buckets[-1][1] == samples[name + "_count", ()]
            assert (name + "_sum", ()) in samples
    return samples


def at(samples, name, **labels):
    return samples[name, tuple(labels.items())]


# ---- Asking for it ----

class Bounded:
    """A gateway that says what it counts."""

    def __init__(self, gateway, config="", **how):
        self.port = free_port()
        self.g = gateway("admin: {address: '127.0.0.1:%d'}\n%s" % (self.port, config), **how)

    def __getattr__(self, name):
        return getattr(self.g, name)

    def metrics(self):
        with Client(self.port) as c:
            return parse(c.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").text)

    def count(self, name, **labels):
        return at(self.metrics(), "portcullis_" + name, **labels)

    def gauge_falls(self, most, name, within=5.0, **labels):
        """Gauges are looked at four times a second."""
        end = time.monotonic() + within
        while self.count(name, **labels) > most and time.monotonic() < end:
            time.sleep(0.1)
        return self.count(name, **labels) <= most

    def gauge_rises(self, least, name, within=10.0, **labels):
        end = time.monotonic() + within
        while self.count(name, **labels) < least and time.monotonic() < end:
            time.sleep(0.1)
        return self.count(name, **labels) >= least

    def records(self, n, **like):
        """At least so many records with these values."""
        end = time.monotonic() + 5
        while True:
            found = [r for r in self.log() if all(r.get(k) == v for k, v in like.items())]
            if len(found) >= n or time.monotonic() > end:
                assert len(found) >= n, self.log()[-5:]
                return found
            time.sleep(0.05)
