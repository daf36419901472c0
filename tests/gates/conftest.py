"""Fixtures: gateways, origins, Redis, certificates; everything a test starts is stopped and judged here."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from rig_gateway import PROGRAM, SANITIZED, Gateway, free_port
from rig_origin import Origin


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes many seconds or much memory; the release build only")
    config.addinivalue_line("markers", "timing: compares milliseconds; the release build only")


def pytest_collection_modifyitems(config, items):
    if not PROGRAM.exists():
        pytest.exit("no %s: build it first" % PROGRAM, returncode=2)
    if SANITIZED:
        skip = pytest.mark.skip(reason="not under sanitizers")
        for item in items:
            if "slow" in item.keywords or "timing" in item.keywords:
                item.add_marker(skip)
    # A shared machine can take a core away for any time: what compares milliseconds may try again, and
    # pytest says how often that was needed.  For all others see again.py.
    for item in items:
        if "timing" in item.keywords:
            item.add_marker(pytest.mark.flaky(reruns=2))


def makers(request):
    """A factory whose products are stopped, judged and removed at the end."""
    made = []

    def make(*args, **how):
        gateway = Gateway(*args, **how)
        made.append(gateway)
        return gateway

    yield make
    faults = []
    for gateway in made:
        try:
            gateway.stop()
            gateway.remove()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture
def gateway(request):
    yield from makers(request)


@pytest.fixture(scope="module")
def shared_gateway(request):
    yield from makers(request)


def origins():
    made = []

    def make(**how):
        origin = Origin(**how)
        made.append(origin)
        return origin

    yield make
    faults = [fault for origin in made for fault in origin.faults]
    for origin in made:
        if not origin.stopping:
            origin.stop()
    assert not faults, "the origin got what is not canonical: %s" % faults


@pytest.fixture
def origin_maker():
    yield from origins()


@pytest.fixture
def origin(origin_maker):
    return origin_maker()


@pytest.fixture(scope="module")
def shared_origin():
    generator = origins()
    yield next(generator)()
    for _ in generator:
        pass


class Redis:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="portcullis-redis.")
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            if self.ask("PING") == "PONG":
                return
            time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def ask(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True)
        return done.stdout.strip()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def redis():
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    server = Redis()
    yield server
    server.stop()


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="portcullis-files."))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def countries():
    """A small country database: 175.45.176.0/24 is KP, 81.169.128.0/24 DE, 2a00:1:1::/48 SY.  Addresses of
    documentation would not do: they are nowhere, whatever a database says."""
    path = Path(tempfile.mkdtemp(prefix="portcullis-geoip."))
    path.chmod(0o755)
    number = lambda text: sum(int(o) << s for o, s in zip(text.split("."), (24, 16, 8, 0)))
    (path / "geoip").write_text("# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n%d,%d,DE\n%d,%d,KP\n" % (number("81.169.128.0"), number("81.169.128.255"),
                                                        number("175.45.176.0"), number("175.45.176.255")))
    (path / "geoip6").write_text("2a00:1:1::,2a00:1:1:ffff:ffff:ffff:ffff:ffff,SY\n")
    out = path / "country.mmdb"
    done = subprocess.run([PROGRAM, "geoip", "build", "--v4", path / "geoip", "--v6", path / "geoip6", "-o", out],
                          capture_output=True, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stdout + done.stderr
    yield out
    shutil.rmtree(path, ignore_errors=True)
