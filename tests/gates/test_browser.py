"""What people use: a browser and h2load load a page with fifty parts over HTTP/2."""
import json
import re
import shutil
import subprocess

import pytest

from rig_gateway import SANITIZED
from rig_origin import page

PARTS = 50
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

PAGE = """<!doctype html><title>parts</title><body><pre id=seen></pre>%s<script>
addEventListener("load", () => {
  const all = performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"));
  const good = [...document.images].filter(i => i.naturalWidth === 1).length;
  document.getElementById("seen").textContent = JSON.stringify({good, protocols: all.map(e => e.nextHopProtocol)});
});
</script>""" % "".join('<img src="/part/%d.gif">' % i for i in range(PARTS))
DOT = bytes.fromhex("47494638396101000100800000ff0000ffffff21f90400000000002c00000000010001000002024401003b")


@pytest.fixture
def rig(gateway, origin):
    origin.answers["/page"] = [page(PAGE.encode(), "200 OK", "Content-Type: text/html")]
    for i in range(PARTS):
        origin.answers["/part/%d.gif" % i] = [page(DOT, "200 OK", "Content-Type: image/gif")]
    # Under sanitizers fifty inspections at once take their time.
    return gateway("waf: {queue: 30s, run: 5s}", origin=origin, policies={"shop": "policy: shop\nwaf: {mode: enforce}\n"})


@pytest.mark.skipif(not BROWSER, reason="no Chromium here")
def test_a_browser_loads_a_page_with_fifty_parts(rig, tmp_path):
    done = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
                           "--user-data-dir=%s" % tmp_path, "--virtual-time-budget=20000", "--dump-dom",
                           "https://localhost:%d/page" % rig.https], capture_output=True, text=True, timeout=60)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout)
    assert found and found[1], done.stdout + done.stderr
    seen = json.loads(found[1])
    assert seen["good"] == PARTS
    assert seen["protocols"].count("h2") == PARTS + 1, seen["protocols"]
    lines = rig.log(PARTS + 1)
    assert {line["http"] for line in lines} == {2}


@pytest.mark.skipif(not shutil.which("h2load"), reason="no h2load here")
def test_h2load_loads_its_parts(rig, tmp_path):
    targets = tmp_path / "targets"
    targets.write_text("".join("https://localhost:%d/%s\n" % (rig.https, path)
                               for path in ["page", *("part/%d.gif" % i for i in range(PARTS))]))
    n, clients, streams = (PARTS + 1, 1, 5) if SANITIZED else (20 * (PARTS + 1), 4, 25)
    done = subprocess.run(["h2load", "-n", str(n), "-c", str(clients), "-m", str(streams), "-i", targets], capture_output=True, text=True, timeout=60)
    assert "Application protocol: h2" in done.stdout, done.stdout
    assert "%d succeeded, 0 failed, 0 errored, 0 timeout" % n in done.stdout, done.stdout
    assert "status codes: %d 2xx" % n in done.stdout
