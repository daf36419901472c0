"""What one client does to a connection to an origin that others share: nothing (THREATS A25)."""
import time

from rig_h2 import GOAWAY, H2, fields_of, frame, rst, window
from rig_h2_origin import echo
from test_h2_origins import origin2, two  # noqa: F401


def soon(condition, within=5.0):
    end = time.monotonic() + within
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def leave_many(g, o, clients, each, path="/left", pause=0.0):
    """Clients that ask and leave, one request at a time, as often as a client may."""
    for _ in range(clients):
        with H2(g.https) as h:
            for _ in range(each):
                before = len(o.requests)
                stream = h.headers(fields_of(path))
                assert soon(lambda: len(o.requests) > before), "not asked"
                h.send(rst(stream))
                time.sleep(pause)


def test_those_who_leave_do_not_end_it_for_others(gateway, origin2):
    o = origin2()
    o.answers["/left"] = lambda r: r.wait_reset(60)
    o.answers["/stays"] = lambda r: (r.head(), r.data(b"begun"), r.wait_reset(120))
    g = gateway("client: {per_address: 1000}\n" + two(o, eject_failures=1), origin=o)
    with H2(g.https) as other:
        stays = other.headers(fields_of("/stays"))
        assert other.until(lambda: other.answer(stays).body)
        # Each is followed by a ping of the gateway's, whose answer is no fault of the origin's.
        leave_many(g, o, 14, 95, pause=0.004)
        assert not other.until(lambda: other.answer(stays).over, 0.5), other.answer(stays)
    assert "more frames than" not in g.stderr() and "left out" not in g.stderr()


def test_connections_that_are_left_do_not_keep_others_from_coming(gateway, origin2):
    o = origin2()

    def stay(r):
        r.head()
        r.data(b"begun")
        r.send(frame(GOAWAY, payload=r.stream.to_bytes(4, "big") + bytes(4)))
        r.wait_reset(60)
    o.answers["/stays"] = stay
    g = gateway("client: {streams: 100}\n" + two(o, connect="1s", retries=0), origin=o)
    with H2(g.https) as h:
        for i in range(20):
            s = h.headers(fields_of("/stays"))
            assert h.until(lambda: h.answer(s).status) and h.answer(s).status == 200, (i, h.answer(s))
            time.sleep(0.05)
        assert g.get("/other").status == 200


def test_an_origin_that_counts_resets_is_not_made_to_end_what_others_have(gateway, origin2):
    o = origin2()

    def count(r):
        if r.wait_reset(60) is not None and sum(s.reset is not None for s in r.connection.streams.values()) >= 200:
            r.send(frame(GOAWAY, payload=bytes(7) + b"\x0b"))
            r.connection.socket.shutdown(2)
    o.answers["/left"] = count
    o.answers["/stays"] = lambda r: (r.head(), r.data(b"begun"), r.wait_reset(60))
    g = gateway(two(o), origin=o)
    with H2(g.https) as other:
        stays = other.headers(fields_of("/stays"))
        assert other.until(lambda: other.answer(stays).body)
        leave_many(g, o, 4, 95)
        assert not other.until(lambda: other.answer(stays).over, 0.5), other.answer(stays)
        assert g.get("/other").status == 200
    assert len(o.connections) > 1


def test_content_that_is_not_read_does_not_stop_that_of_others(gateway, origin2):
    o = origin2()
    o.reads = False
    o.answers["/stuck"] = lambda r: r.wait_reset(30)
    o.answers["/echo"] = echo
    g = gateway("client: {body: 8MiB}\n" + two(o, between="3s", retries=0), origin=o)
    with H2(g.https) as h:
        stuck = h.headers(fields_of("/stuck", "POST"), end=False)
        for n in (16384, 16384, 16384, 16383):
            h.data(stuck, b"x" * n)
        # All that the server takes over one connection is full now.
        assert soon(lambda: o.of("/stuck") and len(o.of("/stuck")[0].body) == 65535)
        assert soon(lambda: len(o.connections) == 2 and o.connections[1].settled)
        time.sleep(0.1)
        for _ in range(5):
            assert h.post("/echo", b"hello").text == "hello"
        assert not h.answer(stuck).over and len(o.connections) == 2
        # However many there are.
        for n in range(2, 20):
            more = h.headers(fields_of("/stuck", "POST"), end=False)
            h.data(more, b"x" * 16000)
            h.until(lambda: False, 0.02)
            for size in (16000, 16000, 16000, 1535):
                h.data(more, b"x" * size)
            assert soon(lambda: len(o.connections) > n and o.connections[n].settled), n
            time.sleep(0.1)


def test_a_window_for_each_request_is_no_flood(gateway, origin2):
    o = origin2()

    def wide(r):
        r.send(window(r.stream, 1000))
        r.page(b"fine")
    o.answers["/wide"] = wide
    g = gateway("client: {requests: 100000}\n" + two(o, retries=0), origin=o)
    with g.client() as c:
        for i in range(1100):
            assert c.get("/wide").status == 200, i
    assert len(o.connections) == 1
