"""Readers that stop reading, and what the gateway keeps of a page that nobody takes; and readers and
writers that never pause, and what is left for the others."""
import resource
import shutil
import subprocess
import time

import pytest

from rig_client import request
from rig_gateway import TOP, free_port

PAGE, READERS = 200 << 20, 1000


class Demo:
    """The demo origin: a thousand pages poured by Python would measure Python."""

    def __init__(self, folder):
        port = free_port()
        subprocess.run(["cc", "-std=gnu17", "-O2", "-pthread", "-o", folder / "origin", TOP / "packaging/demo/origin.c"], check=True)
        self.url = "http://127.0.0.1:%d" % port
        self.process = subprocess.Popen([folder / "origin", str(port)], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"READY\n"


@pytest.fixture
def demo(folder):
    if not shutil.which("cc"):
        pytest.skip("no compiler for the demo origin")
    origin = Demo(folder)
    yield origin
    origin.process.terminate()
    origin.process.wait()


@pytest.mark.slow
@pytest.mark.timing
def test_a_thousand_stalled_readers_of_a_200_mib_page(gateway, demo, capsys):
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
                                                resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    g = gateway("client: {per_address: 2000, stall: 5m}\nprocesses: {workers: 2}", origin=demo)
    assert g.get("/small").status == 200
    before = g.resident_kib()
    readers = []
    try:
        for _ in range(READERS):
            c = g.client(rcvbuf=4096, timeout=30)
            c.send(request("/bytes/%d" % PAGE))
            readers.append(c)
        assert sum(not c.more() for c in readers) == 0, g.stderr()
        time.sleep(3)
        after = g.resident_kib()
        began = time.monotonic()
        assert g.get("/small").status == 200
        took = time.monotonic() - began
    finally:
        for c in readers:
            c.close()
    time.sleep(2)
    later = g.resident_kib()
    with capsys.disabled():
        print("\n%d stalled readers of %d MiB: resident %d KiB before, %d KiB beside them (%.1f KiB each), %d KiB after; "
              "a page beside them took %.1f ms" % (READERS, PAGE >> 20, before, after, (after - before) / READERS, later, 1000 * took))
    # 64 KiB buffered per direction and connection, and bookkeeping.
    assert after - before < READERS * (64 + 16)
    assert took < 1
    assert later < before + (after - before) * 0.25 + 8192, "what was held is given back"


ENDLESS = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char piece[1 << 20];

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 4 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return 1;
	dprintf(fd, "%s\r\nHost: shop.example.com\r\n%s\r\n\r\n", argv[2], argv[3]);
	while ((argv[2][0] == 'G' ? read(fd, piece, sizeof piece) : write(fd, piece, sizeof piece)) > 0)
		;
	return 0;
}
"""


@pytest.mark.timing
@pytest.mark.parametrize("line, field", [("GET /bytes/9000000000 HTTP/1.1", "Accept: */*"),
                                         ("PUT /up HTTP/1.1", "Content-Length: 20000000000")])
def test_who_never_pauses_leaves_a_turn_to_the_others(gateway, demo, folder, line, field):
    (folder / "endless.c").write_text(ENDLESS)
    subprocess.run(["cc", "-std=gnu17", "-O2", "-o", folder / "endless", folder / "endless.c"], check=True)
    g = gateway("client: {body: 100GiB}", origin=demo)
    busy = subprocess.Popen([folder / "endless", str(g.http), line, field])
    try:
        time.sleep(0.3)
        waits, end = [], time.monotonic() + 3
        while time.monotonic() < end:
            began = time.monotonic()
            assert g.get("/small").status == 200
            waits.append(time.monotonic() - began)
        assert busy.poll() is None
    finally:
        busy.kill()
        busy.wait()
    # Not the very worst: the machine has other work, too.
    assert sorted(waits)[-3] < 0.06, sorted(waits)[-10:]
