"""Ports, deadlines, and a relay that keeps every byte a backend was sent."""
import itertools
import os
import random
import socket
import threading
import time

DEADLINE_S = 20


# Below the ports that the kernel gives to clients, and another start for each process: two test workers must
# not come by the same port, as SO_REUSEPORT would let two gateways share it.
_FIRST, _COUNT = 10000, 14000
# What pingate binds behind load balancers, by itself, without asking the kernel first: another range for each worker.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SERVICE_PORTS = range(_FIRST + _COUNT + _WORKER % 8 * 1000, _FIRST + _COUNT + _WORKER % 8 * 1000 + 1000)
_next = itertools.count(random.SystemRandom().randrange(_COUNT))


def free_port():
    while True:
        port = _FIRST + next(_next) % _COUNT
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def eventually(check, what, deadline_s=DEADLINE_S):
    """Calls check() until it is true; a wait for an event, never for a time. `what`: a text, or makes one."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what() if callable(what) else what}")
        pause.wait(0.02)


class Recorder:
    """Listens in front of a backend, passes everything on, and keeps what came in."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.received = bytearray()
        self.connections = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def clear(self):
        with self._lock:
            self.received.clear()
            self.connections = 0

    def bytes(self):
        with self._lock:
            return bytes(self.received)

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source, sink, keep):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if keep:
                    with self._lock:
                        self.received += data
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
