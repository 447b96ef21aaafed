"""TLSRoute and TCPRoute: bytes go to a backend as they are, by port and by server name; where TLS ends here, clients
are judged as everywhere, where it goes through, by nobody."""
import collections
import socket
import ssl
import threading

import pytest
from support import gateway as gw
from support.client import connect, curl, handshake
from support.net import eventually, free_port
from support.pki import SERVER_AUTH
from support.policy import pin, policy, target
from support.streams import ByteServer, edge, ended, receive, stream_route, tcp_listener, tls_listener

CLOSED = (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)  # and no alert


@pytest.fixture
def server():
    made = []

    def make(*args, **keywords):
        made.append(ByteServer(*args, **keywords))
        return made[-1]

    yield make
    for one in made:
        one.close()


def plain(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def records(gateway, count):
    """The access records of streams, once there are that many."""
    return eventually(lambda: [r for r in gateway.access() if r["event"] == "stream"][count - 1:count] and
                      [r for r in gateway.access() if r["event"] == "stream"], f"{count} records of streams")


# ---- TCP ----

def test_a_tcp_route_leads_to_its_backend(people, start, server):
    backend, port = server(), free_port()
    gateway = start({"edge.yaml": edge(people, [tcp_listener("db", port)], gw.backend(backend.port),
                                       stream_route("TCPRoute", "db", ["app"]))})
    with plain(port) as client:
        assert receive(client, 6) == b"hello\n"  # the server speaks first
        client.sendall(b"\x00\xff query")
        assert receive(client, 8) == b"\x00\xff query"
        client.shutdown(socket.SHUT_WR)
        assert ended(client) == b""
    record = records(gateway, 1)[0]
    assert (record["pingate.bytes_in"], record["pingate.bytes_out"]) == (8, 14)
    assert record["network.protocol.name"] == "tcp" and record["pingate.route"] == "edge/db"
    assert record["upstream.address"] == f"127.0.0.1:{backend.port}" and record["pingate.why"] == "ended"


def test_weights_share_connections_and_an_invalid_share_is_closed(people, start, server):
    one, two, port = server(b"1"), server(b"2"), free_port()
    start({"edge.yaml": edge(people, [tcp_listener("db", port)], gw.backend(one.port, "one"),
                             gw.backend(two.port, "two"),
                             stream_route("TCPRoute", "db", [("one", 6), ("two", 3), ("gone", 3), ("one", 0)]))})
    counts = collections.Counter()
    for _ in range(400):
        with plain(port) as client:
            counts[ended(client)] += 1
    assert counts.keys() == {b"1", b"2", b""}
    for said, share in ((b"1", 200), (b"2", 100), (b"", 100)):
        assert abs(counts[said] - share) < 50, counts


def test_without_endpoints_or_backends_the_connection_is_closed(people, start):
    ports = [free_port() for _ in range(3)]
    listeners = [tcp_listener(f"l{i}", port) for i, port in enumerate(ports)]
    gateway = start({"edge.yaml": edge(
        people, listeners, gw.backend(1, "down", ready=False), gw.backend(free_port(), "refused"),
        stream_route("TCPRoute", "a", ["down"], section="l0"),
        stream_route("TCPRoute", "b", ["refused"], section="l1"))})
    for port in ports:
        with plain(port) as client:
            assert ended(client) == b""
    faults = {r["error.type"] for r in records(gateway, 3)}
    assert faults == {"no_endpoints", "backend_connect_failed", "no_route"}


def test_over_the_limit_of_a_backend_the_connection_is_closed(people, start, server):
    backend, port = server(), free_port()
    gateway = start({"edge.yaml": edge(people, [tcp_listener("db", port)], gw.backend(backend.port),
                                       stream_route("TCPRoute", "db", ["app"]))},
                    "--limit", "endpoint-connections=1", workers=1)
    with plain(port) as client:
        assert receive(client, 6) == b"hello\n"
        with plain(port) as other:
            assert ended(other) == b""
        assert records(gateway, 1)[0]["error.type"] == "backend_over_limit"


def test_a_slow_reader_holds_a_bounded_part(people, start, server):
    """256 MiB wait for a client that reads nothing: pingate holds what its buffers hold."""
    size = 256 << 20

    def pour(connection, data):
        piece = b"x" * 65536
        for _ in range(size // len(piece)):
            connection.sendall(piece)

    backend, port = server(on_connection=pour), free_port()
    gateway = start({"edge.yaml": edge(people, [tcp_listener("db", port)], gw.backend(backend.port),
                                       stream_route("TCPRoute", "db", ["app"]))})

    def resident():
        with open(f"/proc/{gateway.process.pid}/statm") as f:
            return int(f.read().split()[1]) * 4096

    before = resident()
    with plain(port) as client:
        threading.Event().wait(1)  # as much as will come has come: the backend's send blocks
        held = resident() - before
        assert held < 8 << 20, held
        got = 0
        while piece := client.recv(1 << 20):
            got += len(piece)
    assert got == size


# ---- TLS that goes through ----

def passing(people, backend, port, extra="", listeners=(), **options):
    return edge(people, [tls_listener("pass", port, "*.pass.example.com", "Passthrough"), *listeners],
                gw.backend(backend.port), stream_route("TLSRoute", "pass", ["app"], section="pass"), extra, **options)


@pytest.fixture(scope="module")
def inner(people):
    """The backend's own certificate: clients see that it is not the gateway's."""
    return people.server_ca.issue("inner", dns=["a.pass.example.com", "b.other.example.com"],
                                  eku=SERVER_AUTH)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_passthrough_reaches_the_backends_own_tls(people, start, server, inner, tls):
    backend, port = server(identity=inner), free_port()
    gateway = start({"edge.yaml": passing(people, backend, port)})
    with connect(port, people.server_ca, sni="a.pass.example.com", tls=tls, alpn=None) as client:
        assert client.getpeercert(True) == inner.der
        assert receive(client, 6) == b"hello\n"
        client.sendall(b"inside")
        assert receive(client, 6) == b"inside"
    record = records(gateway, 1)[0]
    assert record["network.protocol.name"] == "tls-passthrough"
    assert record["tls.client.server_name"] == "a.pass.example.com"
    assert gateway.handshakes() == []  # none was ours


def test_a_name_that_no_listener_has_is_closed_without_an_alert(people, start, server, inner):
    backend, port = server(identity=inner), free_port()
    gateway = start({"edge.yaml": passing(people, backend, port)})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name in ("b.other.example.com", "pass.example.com", None):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        with plain(port) as client:
            client.sendall(outgoing.read())
            assert ended(client) == b""
    assert backend.connections == []
    assert {r["error.type"] for r in records(gateway, 3)} == {"unknown_sni"}


def test_a_passthrough_backend_that_is_not_there_is_a_close_without_an_alert(people, start, server):
    port = free_port()
    start({"edge.yaml": edge(people, [tls_listener("pass", port, mode="Passthrough")],
                             stream_route("TLSRoute", "pass", ["gone"]))})
    with pytest.raises(CLOSED):
        connect(port, people.server_ca, sni="a.pass.example.com")


# ---- TLS that ends here ----

def test_terminate_hands_the_backend_what_was_within(people, start, server):
    backend, port = server(), free_port()
    gateway = start({"edge.yaml": edge(people, [tls_listener("end", port, "*.example.com")], gw.backend(backend.port),
                                       stream_route("TLSRoute", "end", ["app"], hostnames=["app.example.com"]))})
    with connect(port, people.server_ca, alpn=("anything",)) as client:
        assert client.selected_alpn_protocol() is None
        assert client.getpeercert(True) == people.server.der
        assert receive(client, 6) == b"hello\n"
        client.sendall(b"in the clear")
        assert receive(client, 12) == b"in the clear"
    eventually(lambda: backend.received() == [b"in the clear"], "the backend has it")
    # A name of the listener that no route has.
    with connect(port, people.server_ca, sni="other.example.com") as client:
        with pytest.raises(CLOSED):
            assert client.recv(1) != b"" or True
            raise ConnectionResetError
    assert len(backend.connections) == 1
    assert "no_route" in [r.get("error.type") for r in records(gateway, 2)]


def pinned_port(people, backend, port, listener=None, **spec):
    return edge(people, [listener or tls_listener("end", port, "*.example.com")], gw.backend(backend.port),
                stream_route("TLSRoute", "end", ["app"]),
                policy("robots", [target(section="end")], [pin(spki=people.pinned.spki_hash, name="robot")], **spec),
                default=gw.validation())


def test_who_is_not_pinned_reaches_no_backend(people, start, server):
    backend, port = server(), free_port()
    gateway = start({"edge.yaml": pinned_port(people, backend, port)})
    for identity, alert in ((people.unpinned, 46), (people.untrusted, 48), (None, 116)):
        assert handshake(port, people.server_ca, identity, alpn=None) == alert
    assert backend.connections == []
    with connect(port, people.server_ca, people.pinned, alpn=None) as client:
        assert receive(client, 6) == b"hello\n"
    record = records(gateway, 1)[0]
    assert record["pingate.client.name"] == "robot"
    assert record["pingate.client.certificate_sha256"] == people.pinned.certificate_hash


def test_a_policy_that_is_gone_opens_nothing_where_pins_are_required(people, start, server):
    backend, port = server(), free_port()
    text = pinned_port(people, backend, port).replace("annotations: {}", 'annotations: {pingate.dev/require-pinning: "true"}', 1)
    gateway = start({"edge.yaml": text})
    with connect(port, people.server_ca, people.pinned, alpn=None) as client:
        assert receive(client, 6) == b"hello\n"
    head, mark, _ = text.partition("---\napiVersion: pingate.dev/v1alpha1")
    assert mark
    gateway.swap("edge.yaml", head)
    for identity in (people.pinned, people.unpinned, None):
        assert handshake(port, people.server_ca, identity, alpn=None) == 49
    assert len(backend.connections) == 1


def test_who_came_before_a_policy_closed_the_listener_does_not_stay(people, start, server):
    backend, port = server(), free_port()
    text = edge(people, [tcp_listener("db", port)], gw.backend(backend.port),
                stream_route("TCPRoute", "db", ["app"]))
    gateway = start({"edge.yaml": text})
    with plain(port) as client:
        assert receive(client, 6) == b"hello\n"
        gateway.swap("edge.yaml", text + policy("robots", [target(section="db")], [pin(spki=people.pinned.spki_hash)]))
        assert ended(client) == b""
    closed = eventually(lambda: gateway.audit("connection_closed"), "the end is in the audit log")[0]
    assert closed["why"] == "route_changed"


@pytest.mark.parametrize("action", ["Close", "Drain"])
def test_a_removed_pin_cuts_a_tunnel(people, start, server, action):
    backend, port = server(), free_port()
    removal = {"action": action, **({"grace": "1s"} if action == "Drain" else {})}
    gateway = start({"edge.yaml": pinned_port(people, backend, port, onRemoval=removal)})
    with connect(port, people.server_ca, people.pinned, alpn=None) as client:
        assert receive(client, 6) == b"hello\n"
        gateway.write("edge.yaml", pinned_port(people, backend, port, onRemoval=removal).replace(
            people.pinned.spki_hash, people.unpinned.spki_hash))
        with pytest.raises(CLOSED):
            while client.recv(1):  # pings nobody: the gateway acts by itself
                pass
            raise ConnectionResetError
    closed = eventually(lambda: gateway.audit("connection_closed"), "the end is in the audit log")[0]
    assert closed["why"] == "no_longer_admitted" and closed["reason"] == "not_pinned"
    assert closed["bytes_out"] == 6


# ---- all on one port ----

def mixed(people, nginx, passed, ended_here, port, **options):
    listeners = [gw.https_listener("https", port, "app.example.com"),
                 tls_listener("end", port, "db.example.com"),
                 tls_listener("pass", port, "*.pass.example.com", "Passthrough")]
    return edge(people, listeners, gw.backend(nginx.port), gw.backend(passed.port, "passed"),
                gw.backend(ended_here.port, "ended"), gw.route(section="https"),
                stream_route("TLSRoute", "end", ["ended"], section="end"),
                stream_route("TLSRoute", "pass", ["passed"], section="pass"), **options)


def test_three_kinds_share_a_port_by_server_name(people, start, server, nginx, inner):
    passed, ended_here, port = server(identity=inner), server(), free_port()
    gateway = start({"edge.yaml": mixed(people, nginx, passed, ended_here, port, default=gw.validation(
        pins=gw.pinning([people.pinned.spki_hash])))})
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert curl(port, people.server_ca, people.pinned, http="2").status == 200
    with connect(port, people.server_ca, people.pinned, sni="db.example.com", alpn=None) as client:
        assert receive(client, 6) == b"hello\n"
    with connect(port, people.server_ca, sni="a.pass.example.com", alpn=None) as client:
        assert client.getpeercert(True) == inner.der and receive(client, 6) == b"hello\n"
    # What HTTPS asks of its clients the stream beside it asks as well: the port is the unit.
    for sni in ("app.example.com", "db.example.com"):
        assert handshake(port, people.server_ca, people.unpinned, sni=sni, alpn=None) == 46
        assert handshake(port, people.server_ca, sni=sni, alpn=None) == 116
    assert len(ended_here.connections) == 1
    # And no request reaches what is judged by nobody, or what is no HTTP.
    for host in ("a.pass.example.com", "db.example.com"):
        assert curl(port, people.server_ca, people.pinned, host=host, sni="app.example.com").status == 421
    assert len(passed.connections) == 1 and len(ended_here.connections) == 1
    assert "\npingate_streams_opened_total" in gateway.admin("/metrics")[1]


def test_passthrough_listeners_come_and_go(people, start, server, nginx, inner):
    passed, ended_here, port = server(identity=inner), server(), free_port()
    text = mixed(people, nginx, passed, ended_here, port)
    gateway = start({"edge.yaml": text})
    with connect(port, people.server_ca, sni="a.pass.example.com", alpn=None) as client:
        assert receive(client, 6) == b"hello\n"
        gateway.swap("edge.yaml", text.replace("*.pass.example.com", "*.else.example.com"))
        with pytest.raises(CLOSED):
            while client.recv(1):
                pass
            raise ConnectionResetError
    with pytest.raises(CLOSED):
        connect(port, people.server_ca, sni="a.pass.example.com")
    assert curl(port, people.server_ca).status == 200


def test_a_policy_cannot_hold_where_tls_goes_through(people, start, server, inner):
    backend, port = server(identity=inner), free_port()
    start({"edge.yaml": passing(
        people, backend, port, policy("robots", [target(section="pass")], [pin(spki=people.pinned.spki_hash)]))})
    with pytest.raises(CLOSED):  # what was demanded and can't be had refuses
        connect(port, people.server_ca, sni="a.pass.example.com")
    assert backend.connections == []
