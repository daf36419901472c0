"""What a service manager asks of the gateway: signs of life, and taking over the ports it holds."""
import os
import signal
import socket
import subprocess
import time

import pytest

from rig_gateway import PROGRAM, Gateway, status_of


@pytest.fixture
def manager(folder, monkeypatch):
    """The socket that a manager listens on; the gateways of this test find it."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(folder / "notify"))
    listening.settimeout(20)
    monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1500000")
    yield listening
    listening.close()


def heard(manager, until, within=20):
    """Messages as dictionaries, the last one being the first that has the key `until`."""
    end, messages = time.monotonic() + within, []
    while time.monotonic() < end:
        messages.append(dict(line.split("=", 1) for line in manager.recv(4096).decode().split("\n")))
        if until in messages[-1]:
            return messages
    raise AssertionError("no %s within %d s, but %s" % (until, within, messages))


def test_the_manager_hears_ready_life_and_the_end(gateway, origin, manager):
    g = gateway("processes: {workers: 2, inspectors: 2, drain: 7s}", origin=origin)
    first = heard(manager, "READY")
    assert first[-1] == {"READY": "1", "STATUS": "2 workers serve"}
    assert g.get().status == 200, "READY means that it serves"
    times = []
    while len(times) < 4:
        heard(manager, "WATCHDOG")
        times.append(time.monotonic())
    # Three times in the manager's patience, give or take the supervisor's own beat of 250 ms and a busy machine.
    assert max(b - a for a, b in zip(times, times[1:])) < 1.5
    assert min(b - a for a, b in zip(times[1:], times[2:])) > 0.2
    pid = g.process.pid
    g.stop()
    last = heard(manager, "STOPPING")[-1]
    assert int(last["EXTEND_TIMEOUT_USEC"]) >= 7000000, "longer than it drains"
    assert not os.path.exists("/proc/%d" % pid)


def test_a_supervisor_that_hangs_sends_no_sign_of_life(gateway, manager):
    g = gateway()
    heard(manager, "WATCHDOG")
    g.process.send_signal(signal.SIGSTOP)
    manager.settimeout(0.05)
    with pytest.raises(TimeoutError):
        while True:
            manager.recv(4096)
    manager.settimeout(1.5)
    with pytest.raises(TimeoutError):
        manager.recv(4096)
    g.process.send_signal(signal.SIGCONT)
    manager.settimeout(20)
    heard(manager, "WATCHDOG")


def test_children_do_not_know_the_manager(gateway, manager):
    g = gateway(policies={"shop": "waf: {mode: enforce, paranoia: 1}"})
    for pid in [*g.role("role-worker"), *g.role("role-logger"), *g.role("portcullis-inspector")]:
        try:
            environment = open("/proc/%d/environ" % pid, "rb").read()
        except PermissionError:
            pytest.skip("without CAP_SYS_PTRACE the environment of a role cannot be read")
        assert b"NOTIFY_SOCKET" not in environment and b"WATCHDOG_" not in environment


# ---- Socket activation ----

def listening(port=0, backlog=64):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(backlog)
    return s


def start_with(monkeypatch, g, sockets):
    """Start it as a manager would: the sockets at descriptors 3 and following, LISTEN_PID its own."""
    passed = [os.dup(s.fileno()) for s in sockets]
    places = " ".join("%d<&%d" % (3 + i, 200 + i) for i in range(len(passed)))
    script = g.folder / "activated"
    script.write_text("#!/bin/bash\nexec %s\nexport LISTEN_PID=$$ LISTEN_FDS=%d\nexec '%s' \"$@\"\n" % (places, len(passed), PROGRAM))
    script.chmod(0o755)

    class Popen(subprocess.Popen):
        def __init__(self, command, **how):
            def place():
                for i, fd in enumerate(passed):
                    os.dup2(fd, 200 + i)
            super().__init__([script, *command[1:]], close_fds=False, preexec_fn=place, **how)
    monkeypatch.setattr("rig_gateway.subprocess.Popen", Popen)
    try:
        g.start()
    finally:
        for fd in passed:
            os.close(fd)


def listeners_at(port):
    """Inodes of the sockets that listen on 127.0.0.1:port."""
    rows = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    return [int(row[9]) for row in rows if row[1] == "0100007F:%04X" % port and row[3] == "0A"]


def test_the_managers_sockets_are_taken_and_outlive_the_gateway(gateway, origin, monkeypatch):
    g = gateway("processes: {workers: 2, inspectors: 2}", origin=origin, start=False)
    with listening(g.https) as https, listening(g.http) as http:
        start_with(monkeypatch, g, [http, https])
        for s in (http, https):
            port, inode = s.getsockname()[1], os.fstat(s.fileno()).st_ino
            assert listeners_at(port) == [inode], "no worker has one of its own beside the manager's"
        assert all(g.get("/%d" % i, tls=True).status == 200 for i in range(20))
        g.stop()
        with socket.create_connection(("127.0.0.1", g.http), 5):
            pass  # nobody serves, and the client waits instead of being refused


def test_who_came_during_a_restart_is_served_by_the_next(gateway, origin, monkeypatch):
    g = gateway(origin=origin, start=False)
    with listening(g.https) as https, listening(g.http) as http:
        with socket.create_connection(("127.0.0.1", g.http), 5) as early:
            early.sendall(b"GET /early HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n")
            start_with(monkeypatch, g, [http, https])
            early.settimeout(20)
            assert early.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert origin.targets() == ["/early"]


def test_a_listener_without_a_socket_is_opened_as_always(gateway, origin, monkeypatch):
    g = gateway(origin=origin, start=False)
    with listening(g.http) as http:
        start_with(monkeypatch, g, [http])
        assert g.get().status == 200
        assert g.get(tls=True).status == 200


def test_a_socket_that_no_listener_names_ends_the_start(gateway, monkeypatch):
    g = gateway(start=False)
    with listening() as other:
        port = other.getsockname()[1]
        with pytest.raises(AssertionError, match="ended with 1 before READY"):
            start_with(monkeypatch, g, [other])
        assert "socket on 127.0.0.1, port %d, that no listener names" % port in g.stderr()
    g.process = None


def test_all_workers_take_from_the_managers_one_queue(gateway, origin, monkeypatch):
    g = gateway("processes: {workers: 2, inspectors: 2}", origin=origin, start=False)
    with listening(g.https) as https, listening(g.http) as http:
        start_with(monkeypatch, g, [https, http])
        first, second = g.role("role-worker")
        os.kill(first, signal.SIGSTOP)
        try:
            # With queues of their own half of these would hang in that of the stopped worker.
            assert all(g.get("/%d" % i).status == 200 for i in range(12))
            assert status_of(first, "State")[0] == "T" or first not in g.role("role-worker")
        finally:
            try:
                os.kill(first, signal.SIGCONT)
            except ProcessLookupError:
                pass
