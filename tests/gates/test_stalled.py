"""A thousand readers that stop reading: what the gateway keeps of a page that nobody takes."""
import resource
import time

import pytest

from rig_client import request
from rig_origin import Origin

PAGE, READERS = 200 << 20, 1000


@pytest.mark.slow
def test_a_thousand_stalled_readers_of_a_200_mib_page(gateway, origin_maker, capsys):
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
                                                resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    origin = origin_maker(backlog=2048)

    def pour(_):
        piece = b"x" * 65536
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % PAGE
        for _ in range(PAGE // len(piece)):
            yield piece

    origin.answers["/page"] = pour
    g = gateway("client: {per_address: 2000, stall: 5m}\nprocesses: {workers: 2}", origin=origin)
    assert g.get("/small").status == 200
    before = g.resident_kib()
    readers = []
    for _ in range(READERS):
        c = g.client(rcvbuf=4096)
        c.send(request("/page"))
        readers.append(c)
    for c in readers:
        assert c.more()
    time.sleep(3)
    after = g.resident_kib()
    began = time.monotonic()
    assert g.get("/small").status == 200
    took = time.monotonic() - began
    with capsys.disabled():
        print("\n%d stalled readers of %d MiB: resident %d KiB before, %d KiB after, %.1f KiB each; a page beside them took %.1f ms"
              % (READERS, PAGE >> 20, before, after, (after - before) / READERS, 1000 * took))
    for c in readers:
        c.close()
    # 64 KiB buffered per direction and connection, and bookkeeping.
    assert after - before < READERS * (64 + 16)
    assert took < 1
    time.sleep(1)
    assert g.resident_kib() < before + (after - before) * 0.5 + 16384, "what was held is given back"
