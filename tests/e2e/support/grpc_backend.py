"""A gRPC backend of python3-grpcio without generated code: every method of every service, by what its name says.
Messages are bytes as they are."""
import concurrent.futures
import threading

import grpc

from .net import free_port


class GrpcBackend(grpc.GenericRpcHandler):
    def __init__(self, name, identity=None):
        """With `identity` it speaks TLS."""
        self.name, self.port, self.calls = name, free_port(), []
        self.held = threading.Event()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), handlers=[self],
                                  options=[("grpc.so_reuseport", 0)])
        address = f"127.0.0.1:{self.port}"
        assert self.server.add_insecure_port(address) if identity is None else self.server.add_secure_port(
            address, grpc.ssl_server_credentials([(identity.key_pem.encode(), identity.cert_pem.encode())]))
        self.server.start()

    def stop(self):
        self.held.set()
        self.server.stop(0).wait()

    def service(self, details):
        method = details.method.rpartition("/")[2]
        kinds = {"Unary": (grpc.unary_unary_rpc_method_handler, self._unary),
                 "Up": (grpc.stream_unary_rpc_method_handler, self._up),
                 "Down": (grpc.unary_stream_rpc_method_handler, self._down),
                 "Both": (grpc.stream_stream_rpc_method_handler, self._both),
                 "Hold": (grpc.unary_unary_rpc_method_handler, self._hold),
                 "Fail": (grpc.unary_unary_rpc_method_handler, self._fail)}
        if method not in kinds:
            return None
        make, run = kinds[method]

        def handle(message, context):
            self.calls.append((details.method, context.invocation_metadata()))
            context.set_trailing_metadata([("x-backend", self.name)])
            return run(message, context)
        return make(handle)

    def _unary(self, message, context):
        context.send_initial_metadata([("x-initial", "yes")])
        return self.name.encode() + b":" + message

    def _up(self, messages, context):
        return b",".join(messages)

    def _down(self, message, context):
        for n in range(int(message)):
            yield b"%d" % n

    def _both(self, messages, context):
        for message in messages:
            yield message[::-1]

    def _hold(self, message, context):
        self.held.wait(60)
        return message

    def _fail(self, message, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so, fünf")
