"""A pin is removed while thousands of connections are open, HTTP/1.1 and HTTP/2, some with a request in flight: those
that it admitted end within the grace, spread over it, their requests done; all others see nothing."""
import asyncio
import datetime
import os
import resource
import select
import socket
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.events
import pytest
from support.client import handshake, tls_context
from support.edge import Edge
from support.net import eventually

CONNECTIONS = int(os.environ.get("PINGATE_TEST_CONNECTIONS", "2400"))
IN_FLIGHT_EVERY = 10  # of the connections of a kind
GRACE_S = 10  # of inline pins


class HoldingBackend:
    """Answers at once, but GET /hold only when it is told to."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.release = asyncio.Event()
        self.held = 0
        started = threading.Event()
        threading.Thread(target=self._run, args=(started,), daemon=True).start()
        started.wait()

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /hold "):
                    self.held += 1
                    await self.release.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def let_go(self):
        self.loop.call_soon_threadsafe(self.release.set)

    def stop(self):
        def end():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_soon(self.loop.stop)
        self.loop.call_soon_threadsafe(end)


class Client:
    """One open connection that never blocks once it is open."""

    def __init__(self, context, port):
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket = context.wrap_socket(raw, server_hostname="app.example.com")
        self.socket.setblocking(False)
        self.ended_at, self.answers, self.asked = None, 0, 0

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        try:
            while self.ended_at is None:
                data = self.socket.recv(65536)
                if not data:
                    self.ended_at = time.monotonic()
                else:
                    self.take(data)
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        except (ssl.SSLError, ConnectionError):
            self.ended_at = time.monotonic()


class H1(Client):
    def ask(self, path):
        self.asked += 1
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: app.example.com\r\n\r\n".encode())

    def take(self, data):
        self.answers += data.count(b"HTTP/1.1 200 ")


class PatientH2(h2.connection.H2Connection):
    """Takes answers after a GOAWAY (RFC 9113, 6.8), where python3-h2 takes the connection for closed."""

    def _receive_goaway_frame(self, _):
        return [], []


class H2(Client):
    def __init__(self, context, port):
        super().__init__(context, port)
        self.h2 = PatientH2(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.socket.sendall(self.h2.data_to_send())

    def ask(self, path):
        self.asked += 1
        self.h2.send_headers(self.h2.get_next_available_stream_id(), [
            (":method", "GET"), (":path", path), (":authority", "app.example.com"), (":scheme", "https")], end_stream=True)
        self.socket.sendall(self.h2.data_to_send())

    def take(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.StreamEnded):
                self.answers += 1
        out = self.h2.data_to_send()
        if out:
            try:
                self.socket.sendall(out)
            except (ssl.SSLError, OSError):
                pass


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def backend():
    server = HoldingBackend()
    yield server
    server.stop()


def open_all(people, port):
    """Of each client and protocol as many as of any other; (client, whether its pin goes)."""
    contexts = [(kind, tls_context(people.server_ca, who, alpn=(alpn,)), who is people.unpinned)
                for who in (people.pinned, people.unpinned) for kind, alpn in ((H1, "http/1.1"), (H2, "h2"))]
    return [(kind(context, port), goes) for n in range(CONNECTIONS // len(contexts)) for kind, context, goes in contexts]


def read_until(clients, done, deadline_s):
    """Reads what comes on any of them until done() or the deadline."""
    poll = select.epoll()
    by_fd = {c.fileno(): c for c in clients}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    end = time.monotonic() + deadline_s
    while not done() and time.monotonic() < end:
        for fd, _ in poll.poll(0.05):
            by_fd[fd].read()
            if by_fd[fd].ended_at is not None:
                poll.unregister(fd)
    poll.close()


def judged(gateway):
    lines = [line for line in gateway.admin("/metrics")[1].splitlines()
             if line.startswith("pingate_worker_judged_generation{")]
    return min((int(line.split()[-1]) for line in lines), default=0)


@pytest.mark.slow
def test_a_pin_removed_ends_those_that_it_admitted_and_nobody_else(people, backend, start, many_files):
    edge = Edge(people, backend.port, spki=[people.pinned.spki_hash, people.unpinned.spki_hash])
    gateway = start({"edge.yaml": edge.text()})
    everybody = open_all(people, edge.port)
    leaving, staying = [c for c, goes in everybody if goes], [c for c, goes in everybody if not goes]
    busy = leaving[::IN_FLIGHT_EVERY] + leaving[1::IN_FLIGHT_EVERY] + staying[::IN_FLIGHT_EVERY] + staying[1::IN_FLIGHT_EVERY]
    for client in busy:
        client.ask("/hold")
    eventually(lambda: backend.held == len(busy), "the requests are in flight", 60)

    gateway.write("edge.yaml", edge.text(spki=[people.pinned.spki_hash]))
    generation = eventually(lambda: gateway.generation() > 1 and gateway.generation(), "published")
    eventually(lambda: judged(gateway) >= generation, "all are judged")
    cut_at = time.monotonic()
    assert f"pingate_connections_cut_total {len(leaving)}" in gateway.admin("/metrics")[1]
    backend.let_go()
    clients = [c for c, _ in everybody]
    read_until(clients, lambda: all(c.ended_at for c in leaving), GRACE_S + 20)

    assert [c for c in leaving if c.ended_at is None] == []
    assert [c for c in staying if c.ended_at is not None] == []
    assert [c for c in busy if c.answers != 1] == [], "a request in flight was not completed"
    ends = sorted(c.ended_at - cut_at for c in leaving if c.asked == 0)
    # Evenly: a fourth of them in each fourth of the grace (whose last eighth is for goodbyes), late ones forgiven.
    for part in (1, 2, 3):
        early = sum(1 for end in ends if end < GRACE_S * part / 4)
        assert early < len(ends) * (part / 4 + 0.2), f"{early} of {len(ends)} within {part}/4 of the grace"
    assert ends[-1] < GRACE_S + 10

    for client in staying:
        client.ask("/after")
    read_until(staying, lambda: all(c.answers == c.asked for c in staying), 60)
    assert [c for c in staying if c.answers != c.asked or c.ended_at] == []
    for client in clients:
        client.socket.close()


def policy(people, pins, on_removal=None):
    """Of the whole Gateway; pins: (name, client, more fields)."""
    lines = "".join(f"  - {{name: {name}, spkiHash: \"{who.spki_hash}\"{more}}}\n" for name, who, more in pins)
    removal = f"  onRemoval: {on_removal}\n" if on_removal else ""
    return ("---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\n"
            "metadata: {name: partners, namespace: edge}\nspec:\n"
            "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\n"
            f"{removal}  pins:\n{lines}")


def pinned_by_policy(people, backend, start, on_removal):
    """A gateway with a connection that holds a request, and how to take its client's pin away."""
    edge = Edge(people, backend.port, spki=[])
    both = [("robot", people.unpinned, ""), ("other", people.pinned, "")]
    gateway = start({"edge.yaml": edge.text(extra=policy(people, both, on_removal))})
    client = H1(tls_context(people.server_ca, people.unpinned), edge.port)

    def take_away():
        before = gateway.generation()
        gateway.write("edge.yaml", edge.text(extra=policy(people, both[1:], on_removal)))
        eventually(lambda: judged(gateway) > before, "judged")
        assert handshake(edge.port, people.server_ca, people.unpinned) == 46
        return time.monotonic()
    return client, take_away


def hold(client, backend):
    client.ask("/hold")
    eventually(lambda: backend.held == 1, "the request is in flight")


def test_close_ends_a_request_in_flight_at_once(people, backend, start):
    client, take_away = pinned_by_policy(people, backend, start, "{action: Close}")
    hold(client, backend)
    take_away()
    read_until([client], lambda: client.ended_at, 20)
    assert client.ended_at and client.answers == 0


def test_drain_lets_a_request_in_flight_complete(people, backend, start):
    client, take_away = pinned_by_policy(people, backend, start, "{action: Drain, grace: 60s}")
    hold(client, backend)
    take_away()
    backend.let_go()
    read_until([client], lambda: client.ended_at, 20)
    assert client.ended_at and client.answers == 1


def test_a_grace_ends_what_does_not_complete_within_it(people, backend, start):
    client, take_away = pinned_by_policy(people, backend, start, "{action: Drain, grace: 2s}")
    hold(client, backend)
    began = take_away()
    read_until([client], lambda: client.ended_at, 20)
    assert client.answers == 0 and client.ended_at - began > 1


def test_keep_lets_a_connection_go_on(people, backend, start):
    client, take_away = pinned_by_policy(people, backend, start, "{action: Keep}")
    take_away()
    client.ask("/after")
    read_until([client], lambda: client.answers or client.ended_at, 20)
    assert client.answers == 1 and client.ended_at is None


def test_a_connection_ends_with_the_window_of_its_pin(people, backend, start):
    until = datetime.datetime.utcnow() + datetime.timedelta(seconds=6)
    edge = Edge(people, backend.port, spki=[])
    pins = [("robot", people.unpinned, f", notAfter: {until:%Y-%m-%dT%H:%M:%SZ}"), ("other", people.pinned, "")]
    gateway = start({"edge.yaml": edge.text(extra=policy(people, pins))})
    client, other = (H1(tls_context(people.server_ca, who), edge.port) for who in (people.unpinned, people.pinned))
    client.ask("/before")
    read_until([client, other], lambda: client.ended_at, 20)
    assert client.answers == 1 and client.ended_at and other.ended_at is None
    assert datetime.datetime.utcnow() >= until.replace(microsecond=0)
    assert handshake(edge.port, people.server_ca, people.unpinned) == 46
    assert eventually(lambda: [r for r in gateway.audit("connection_closed") if r.get("reason") == "pin_out_of_window"],
                      "the end is in the audit log")


KINDS = pytest.mark.parametrize("kind, alpn, tls", [(H1, "http/1.1", "1.2"), (H1, "http/1.1", "1.3"),
                                                    (H2, "h2", "1.2"), (H2, "h2", "1.3")])


def named_policy(name, on_removal, admitted, denied=(), section=""):
    pins, deny = (", ".join(f'{{spkiHash: "{who.spki_hash}"}}' for who in people) for people in (admitted, denied))
    return (f"---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\nmetadata: {{name: {name}, namespace: edge}}\n"
            f"spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge{section}}}]\n"
            f"  onRemoval: {{action: {on_removal}}}\n  pins: [{pins}]\n  deny: [{deny}]\n")


def changed(gateway, edge, extra):
    """Writes other policies and waits until all connections are judged by them; when that was."""
    before = gateway.generation()
    gateway.write("edge.yaml", edge.text(extra=extra))
    generation = eventually(lambda: gateway.generation() > before and gateway.generation(), "published")
    eventually(lambda: judged(gateway) >= generation, "all are judged")
    return time.monotonic()


def is_served(client):
    client.ask("/after")
    read_until([client], lambda: client.answers == client.asked or client.ended_at, 20)
    return client.answers == client.asked


@KINDS
def test_who_is_kept_is_closed_once_it_is_denied(people, backend, start, kind, alpn, tls):
    edge = Edge(people, backend.port, spki=[], extra=named_policy("p", "Keep", [people.pinned, people.unpinned]))
    gateway = start({"edge.yaml": edge.text()})
    stays, goes = (kind(tls_context(people.server_ca, who, tls=tls, alpn=(alpn,)), edge.port)
                   for who in (people.pinned, people.unpinned))
    changed(gateway, edge, named_policy("p", "Keep", [people.pinned]))
    assert handshake(edge.port, people.server_ca, people.unpinned) == 46
    assert is_served(goes) and is_served(stays)
    denied_at = changed(gateway, edge, named_policy("p", "Keep", [people.pinned], denied=[people.unpinned]))
    read_until([goes], lambda: goes.ended_at, 20)
    assert goes.ended_at - denied_at < 5
    assert is_served(stays)


@KINDS
def test_of_two_policies_the_stricter_removal_wins(people, backend, start, kind, alpn, tls):
    def both(*admitted):
        return (named_policy("whole", "Keep", admitted)
                + named_policy("section", "Close", admitted, section=", sectionName: https"))
    edge = Edge(people, backend.port, spki=[], extra=both(people.pinned, people.unpinned))
    gateway = start({"edge.yaml": edge.text()})
    stays, goes = (kind(tls_context(people.server_ca, who, tls=tls, alpn=(alpn,)), edge.port)
                   for who in (people.pinned, people.unpinned))
    goes.ask("/hold")
    eventually(lambda: backend.held == 1, "the request is in flight")
    cut_at = changed(gateway, edge, both(people.pinned))
    read_until([goes], lambda: goes.ended_at, 20)
    assert goes.ended_at - cut_at < 5 and goes.answers == 0
    assert is_served(stays)
