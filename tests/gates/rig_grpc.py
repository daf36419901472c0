"""The real gRPC on both sides of the gateway: a server that does what its method's name says, a client that trusts the rig."""
import threading
import time
from concurrent import futures

import pytest

grpc = pytest.importorskip("grpc")

SERVICE = "gates.Calls"
BOUNDS = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]


class Calls(grpc.GenericRpcHandler):
    """Messages are bytes as they are."""

    def __init__(self):
        self.metadata, self.cancelled, self.seen = {}, threading.Event(), []

    def service(self, details):
        name = details.method.rpartition("/")[2]
        self.metadata[name] = list(details.invocation_metadata)
        kinds = {"Unary": grpc.unary_unary_rpc_method_handler, "Fail": grpc.unary_unary_rpc_method_handler, "Slow": grpc.unary_unary_rpc_method_handler,
                 "Many": grpc.unary_stream_rpc_method_handler, "Forever": grpc.unary_stream_rpc_method_handler,
                 "Sum": grpc.stream_unary_rpc_method_handler, "Chat": grpc.stream_stream_rpc_method_handler}
        return kinds[name](getattr(self, name.lower())) if name in kinds else None

    def unary(self, message, context):
        context.send_initial_metadata((("x-first", "1"), ("x-raw-bin", b"\x00\xff")))
        context.set_trailing_metadata((("x-last", "2"), ("x-last-bin", b"\x01\xfe")))
        return message

    def fail(self, message, context):
        context.set_trailing_metadata((("x-why", "because"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no: 100% \u2603")

    def slow(self, message, context):
        context.add_callback(self.cancelled.set)
        time.sleep(3)
        return message

    def many(self, message, context):
        for i in range(int(message)):
            yield b"%d" % i

    def forever(self, message, context):
        context.add_callback(self.cancelled.set)
        i = 0
        while context.is_active():
            yield b"%d" % i
            i += 1
            time.sleep(0.02)

    def sum(self, messages, context):
        return b"%d" % sum(int(m) for m in messages)

    def chat(self, messages, context):
        for m in messages:
            self.seen.append(m)
            yield b"you said " + m


class Server:
    def __init__(self):
        self.calls = Calls()
        self.server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[self.calls], options=BOUNDS)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.requests = []

    url = property(lambda self: "http://127.0.0.1:%d" % self.port)

    def stop(self):
        self.server.stop(0).wait(5)


def channel(gateway, name="shop.example.com"):
    trust = grpc.ssl_channel_credentials(gateway.cert.read_bytes())
    return grpc.secure_channel("127.0.0.1:%d" % gateway.https, trust, options=[("grpc.ssl_target_name_override", name), *BOUNDS])


def method(c, name, kind="unary_unary"):
    return getattr(c, kind)("/%s/%s" % (SERVICE, name))


def refused(call, *args, **how):
    """The error that a call ends with."""
    with pytest.raises(grpc.RpcError) as fault:
        answer = call(*args, **how)
        if not isinstance(answer, bytes):
            list(answer)
    return fault.value
