"""--limit connections-per-address: one client address has so many connections and no more, whatever its ports and
workers; others do not feel it; behind a load balancer the client of the PROXY header is counted."""
import socket
from contextlib import ExitStack

import pytest
from support import gateway as gw
from support.client import tls_context
from support.net import eventually, free_port
from support.pki import SERVER_AUTH
from support.streams import ByteServer, edge, ended, receive, stream_route, tcp_listener, tls_listener

ONE, OTHER = "127.0.0.1", "127.0.0.2"
GET = b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n"
KINDS = ("http", "https", "tcp", "pass")
MOST = 5


class Ports:
    """A port of each kind."""

    def __init__(self, people, start, nginx, server, most=MOST, workers=2, behind=""):
        self.people = people
        inner = people.server_ca.issue("inner", dns=["a.pass.example.com"], eku=SERVER_AUTH)
        plain, passed = server(), server(identity=inner)
        self.port = {kind: free_port() for kind in KINDS}
        listeners = [gw.http_listener("http", self.port["http"]), gw.https_listener("https", self.port["https"]),
                     tcp_listener("tcp", self.port["tcp"]),
                     tls_listener("pass", self.port["pass"], "*.pass.example.com", "Passthrough")]
        believed = "; ".join(f"{port} from {behind}" for port in self.port.values()) if behind else ""
        self.gateway = start({"edge.yaml": edge(
            people, listeners, gw.backend(nginx.port), gw.backend(plain.port, "bytes"), gw.backend(passed.port, "passed"),
            "".join(gw.route(name, section=name) for name in ("http", "https")),
            stream_route("TCPRoute", "tcp", ["bytes"], section="tcp"),
            stream_route("TLSRoute", "pass", ["passed"], section="pass"),
            default=gw.validation(pins=gw.pinning([people.pinned.spki_hash])),
            annotations=f'pingate.dev/proxy-protocol: "{believed}"' if behind else "")},
            *(["--limit", f"connections-per-address={most}"] if most is not None else []), workers=workers)

    def dial(self, kind, source=ONE, header=b""):
        raw = socket.create_connection((ONE, self.port[kind]), timeout=20, source_address=(source, 0))
        if header:
            raw.sendall(header)
        return raw

    def enter(self, kind, source=ONE, header=b""):
        """An open connection that is served."""
        raw = self.dial(kind, source, header)
        if kind in ("https", "pass"):
            context = tls_context(self.people.server_ca, self.people.pinned if kind == "https" else None, alpn=None)
            raw = context.wrap_socket(raw, server_hostname="app.example.com" if kind == "https" else "a.pass.example.com")
        if kind in ("http", "https"):
            raw.sendall(GET)
            assert receive(raw, 12) == b"HTTP/1.1 200"
        else:
            assert receive(raw, 6) == b"hello\n"
        return raw

    def is_refused(self, kind, source=ONE, header=b""):
        with self.dial(kind, source, header) as raw:
            return ended(raw) == b""

    def metric(self, name):
        return sum(int(float(line.split()[-1])) for line in self.gateway.admin("/metrics")[1].splitlines()
                   if line.split("{")[0].split(" ")[0] == name)

    def told(self):
        """Refusals in the audit log, those that were only counted too."""
        return len(self.gateway.audit("connection_refused")) + sum(r["count"] for r in self.gateway.audit("connections_folded"))


def await_text(connection, text):
    got = b""
    while text not in got:
        part = connection.recv(65536)
        assert part, got
        got += part


@pytest.fixture
def server():
    made = []

    def make(**keywords):
        made.append(ByteServer(**keywords))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_one_address_has_so_many_on_all_ports_and_workers(people, start, nginx, server):
    ports = Ports(people, start, nginx, server)
    with ExitStack() as stack:
        held = [stack.enter_context(ports.enter(kind)) for kind in (*KINDS, "http")]
        started, hits = ports.metric("pingate_handshakes_started_total"), nginx.hit_count()
        for kind in KINDS * 20:
            assert ports.is_refused(kind), kind
        assert ports.metric("pingate_handshakes_started_total") == started  # no TLS was begun for them
        assert nginx.hit_count() == hits
        for kind in KINDS:  # nobody else feels it
            stack.enter_context(ports.enter(kind, OTHER))
        assert ports.is_refused("http")
        for one in held[:1] + held[4:]:  # and who is in goes on
            one.sendall(GET)
            await_text(one, b"HTTP/1.1 200")  # behind the rest of the first answer
        assert ports.metric("pingate_connections_refused_total") == 81
        eventually(lambda: ports.told() == 81, "each is in the audit log, in full or folded")
        record = ports.gateway.audit("connection_refused")[0]
        assert record["reason"] == "address_over_capacity" and record["admitted"] is False
        assert record["peer"].startswith(ONE + ":") and record["gateway"] == "edge/edge"
        assert len(ports.gateway.audit("connection_refused")) < 81 and ports.gateway.audit("connections_folded")
        assert not [h for h in ports.gateway.handshakes() if not h["admitted"]]


@pytest.mark.parametrize("kind", KINDS)
def test_who_leaves_makes_room(people, start, nginx, server, kind):
    ports = Ports(people, start, nginx, server, most=1)
    for _ in range(5):
        with ports.enter(kind):
            assert ports.is_refused(kind)
        eventually(lambda: ports.metric("pingate_connections") == 0, "it has gone")


def test_off_by_default(people, start, nginx, server):
    ports = Ports(people, start, nginx, server, most=None)
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(ports.enter("http"))
        assert ports.metric("pingate_connections_refused_total") == 0


def v1(client):
    return f"PROXY TCP4 {client} 192.0.2.1 5000 443\r\n".encode()


def test_behind_a_load_balancer_its_clients_are_counted(people, start, nginx, server):
    ports = Ports(people, start, nginx, server, behind=ONE)
    with ExitStack() as stack:
        for kind in (*KINDS, "https"):
            stack.enter_context(ports.enter(kind, header=v1("192.0.2.77")))
        for kind in KINDS:
            assert ports.is_refused(kind, header=v1("192.0.2.77")), kind
        started = ports.metric("pingate_handshakes_started_total")
        assert started == 2
        for client in ("192.0.2.78", "192.0.2.79"):  # ten more of the load balancer's own address
            for kind in (*KINDS, "tcp"):
                stack.enter_context(ports.enter(kind, header=v1(client)))
        for _ in range(MOST + 2):  # which is no client
            stack.enter_context(ports.enter("tcp", header=b"PROXY UNKNOWN\r\n"))
            stack.enter_context(ports.dial("http"))  # says nothing yet
        peers = eventually(lambda: [r["peer"] for r in ports.gateway.audit("connection_refused")][3:] and
                           [r["peer"] for r in ports.gateway.audit("connection_refused")], "four records")
        assert peers == ["192.0.2.77:5000"] * 4
        for _ in range(MOST):  # beside the load balancer each is for itself
            stack.enter_context(ports.enter("http", OTHER))
        assert ports.is_refused("http", OTHER)


def test_of_ipv6_all_of_a_64_is_one_client(people, start, nginx, server):
    ports = Ports(people, start, nginx, server, most=2, behind=ONE)

    def v1_6(client):
        return f"PROXY TCP6 {client} 2001:db8::1 5000 443\r\n".encode()

    with ports.enter("tcp", header=v1_6("2001:db8:1:2::1")), ports.enter("tcp", header=v1_6("2001:db8:1:2:3::1")):
        assert ports.is_refused("tcp", header=v1_6("2001:db8:1:2:ffff::1"))
        with ports.enter("tcp", header=v1_6("2001:db8:1:3::1")):
            pass
