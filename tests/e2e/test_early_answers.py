"""An answer that is due before its request has come whole reaches the client: no reset overtakes it, none comes while the
client still ends its request in reasonable time, and who uploads for ever is stopped."""
import socket
import time

import h2.config
import h2.connection
import h2.events
import pytest
from support import gateway as gw
from support.client import connect, curl
from support.edge import Edge
from support.net import free_port

TRIES = 10
LINGER_BYTES = 256 * 1024

RULES = """- matches: [{path: {value: /dead}}]
  backendRefs: [{name: dead, port: 80}]
- name: guarded
  matches: [{path: {value: /guarded}}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {value: /status/404}}, {path: {value: /hello}}, {path: {value: /small}}]
  backendRefs: [{name: app, port: 80}]
"""
GUARD = """---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: guard, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: app, sectionName: guarded}}]
  pins: [{{name: other, spkiHash: "{pin}"}}]
"""


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    edge = Edge(people, nginx.port, rules=RULES,
                extra=gw.backend(free_port(), name="dead") + GUARD.format(pin=people.unpinned.spki_hash))
    edge.gateway = gw.Gateway(tmp_path_factory.mktemp("early"), {"edge.yaml": edge.text()}, workers=1)
    yield edge
    edge.gateway.stop()


GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers")
EARLY = {  # path, status, options
    "pins": ("/guarded", 403, ()),
    "no_rule": ("/none", 404, ()),
    "no_rule_grpc": ("/none", 200, GRPC),
    "pins_grpc": ("/guarded", 200, GRPC),
    "dead_backend": ("/dead", 502, ()),
    "backend_404": ("/status/404", 404, ()),  # nginx answers these before it reads
    "backend_200": ("/hello", 200, ()),
    "backend_413": ("/small", 413, ()),
}


@pytest.mark.parametrize("http", ("1.1", "2"))
@pytest.mark.parametrize("length", (100, 200000))
@pytest.mark.parametrize("case", EARLY)
def test_no_early_answer_is_lost(edge, people, tmp_path, case, length, http):
    path, status, options = EARLY[case]
    body = tmp_path / "body"
    body.write_bytes(b"b" * length)
    for _ in range(TRIES):
        reply = curl(edge.port, people.server_ca, people.pinned, path=path, http=http,
                     options=("-H", "Expect:", "--data-binary", f"@{body}", *options))
        assert (reply.status, reply.error) == (status, "")


class Client:
    """python3-h2 on one connection, that does with its uploads what a test says."""

    def __init__(self, edge, people):
        self.socket = connect(edge.port, people.server_ca, people.pinned, alpn=("h2",))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.seen = []
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def post(self, path, end=False):
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [(":method", "POST"), (":path", path), (":scheme", "https"),
                                      (":authority", "app.example.com")], end_stream=end)
        self.flush()
        return stream

    def read(self, wait_s):
        """What came, at most so long after."""
        self.socket.settimeout(wait_s)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return
        assert data, "the connection ended"
        self.seen += self.h2.receive_data(data)
        self.flush()

    def of(self, kind, stream):
        return [e for e in self.seen if isinstance(e, kind) and e.stream_id == stream]

    def answered(self, stream):
        while not self.of(h2.events.StreamEnded, stream):
            self.read(20)
        heads = self.of(h2.events.ResponseReceived, stream)
        return int(dict(heads[0].headers)[":status"])

    def resets(self, stream):
        return [e.error_code for e in self.of(h2.events.StreamReset, stream)]

    def upload_until_reset(self, stream):
        """How much went."""
        sent = 0
        while not self.resets(stream):
            room = min(self.h2.local_flow_control_window(stream), 16384)
            if room > 0:
                self.h2.send_data(stream, b"b" * room)
                self.flush()
                sent += room
            self.read(0.001 if room > 0 else 20)
        return sent


def test_who_uploads_for_ever_is_stopped_and_its_connection_lives_on(edge, people):
    client = Client(edge, people)
    for _ in range(10):  # ten times the connection's window: all of it comes back
        stream = client.post("/guarded")
        assert client.answered(stream) == 403
        sent = client.upload_until_reset(stream)
        assert client.resets(stream) == [0]
        assert LINGER_BYTES < sent <= 2 * LINGER_BYTES
    assert client.answered(client.post("/hello", end=True)) == 200


def test_who_sends_no_more_is_stopped_after_a_while(edge, people):
    client, begin = Client(edge, people), time.monotonic()
    streams = [client.post("/guarded") for _ in range(100)]  # all that there may be
    assert [client.answered(stream) for stream in streams] == [403] * 100
    while not all(client.resets(stream) for stream in streams):
        client.read(20)
    assert 1 <= time.monotonic() - begin < 5
    assert {code for stream in streams for code in client.resets(stream)} == {0}
    assert client.answered(client.post("/hello", end=True)) == 200


def test_who_ends_its_request_meanwhile_is_not_reset(edge, people):
    client = Client(edge, people)
    stream = client.post("/guarded")
    assert client.answered(stream) == 403
    client.h2.send_data(stream, b"b" * 1000, end_stream=True)
    client.flush()
    other = client.post("/guarded")  # its time is over later than the first one's
    while not client.resets(other):
        client.read(20)
    assert client.resets(stream) == []


def test_who_stops_its_request_itself_spends_no_budget(edge, people):
    client = Client(edge, people)
    for _ in range(300):  # a budget has 200 in 10 s
        stream = client.post("/guarded")
        assert client.answered(stream) == 403
        client.h2.reset_stream(stream, 0)
        client.flush()
    assert client.answered(client.post("/hello", end=True)) == 200


def test_an_end_waits_for_requests_that_were_answered_early(people, nginx, start):
    edge = Edge(people, nginx.port, rules=RULES, extra=GUARD.format(pin=people.unpinned.spki_hash))
    gateway = start({"edge.yaml": edge.text()}, workers=1)
    client = Client(edge, people)
    stream = client.post("/guarded")
    assert client.answered(stream) == 403
    gateway.process.terminate()
    while not any(isinstance(e, h2.events.ConnectionTerminated) for e in client.seen):
        client.read(20)
    client.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN  # python3-h2 takes any GOAWAY for the last word
    while not client.resets(stream):
        client.read(20)
    assert client.resets(stream) == [0]
    assert gateway.process.wait(timeout=30) == 0
