"""The PROXY protocol from load balancers in front (versions 1 and 2): believed from listed addresses alone, demanded
from those; and written for backends of streams where a route asks for it."""
import socket
import ssl
import struct

import pytest
from support import gateway as gw
from support.client import read_all, tls_context
from support.net import eventually, free_port
from support.pki import SERVER_AUTH
from support.policy import pin, policy, target
from support.streams import ByteServer, edge, ended, receive, stream_route, tcp_listener, tls_listener

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LISTED, UNLISTED = "127.0.0.1", "127.0.0.2"
V1 = b"PROXY TCP4 192.0.2.77 192.0.2.1 5000 443\r\n"
V1_6 = b"PROXY TCP6 2001:db8::77 2001:db8::1 5000 443\r\n"


def v2(command=0x21, family=0x11, block=socket.inet_aton("192.0.2.77") + socket.inet_aton("192.0.2.1")
       + struct.pack("!HH", 5000, 443), tlvs=b""):
    return SIGNATURE + struct.pack("!BBH", command, family, len(block + tlvs)) + block + tlvs


HEADERS = {
    "1": (V1, "192.0.2.77"), "1, IPv6": (V1_6, "2001:db8::77"), "2": (v2(), "192.0.2.77"),
    "2 with TLVs": (v2(tlvs=b"\x02\0\x04host\xe0\0\x05robot"), "192.0.2.77"),
    "1 UNKNOWN": (b"PROXY UNKNOWN\r\n", LISTED), "2 LOCAL": (v2(0x20, 0, b""), LISTED),
    "2 UNIX": (v2(0x21, 0x31, bytes(216)), LISTED),
}


@pytest.fixture
def server():
    made = []

    def make(*args, **keywords):
        made.append(ByteServer(*args, **keywords))
        return made[-1]

    yield make
    for one in made:
        one.close()


def dial(port, source=LISTED):
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))


def over_tls(raw, people, identity=None, sni="app.example.com"):
    return tls_context(people.server_ca, identity, alpn=None).wrap_socket(raw, server_hostname=sni)


GET = b"GET / HTTP/1.1\r\nHost: app.example.com\r\nX-Forwarded-For: 198.51.100.9\r\nConnection: close\r\n\r\n"


class Front:
    """A Gateway with a port of each kind, all behind a load balancer at LISTED."""

    def __init__(self, people, start, nginx, server):
        self.people = people
        inner = people.server_ca.issue("inner", dns=["a.pass.example.com"], eku=SERVER_AUTH)
        self.bytes, self.passed = server(), server(identity=inner)
        self.http, self.https, self.tcp, self.mixed = (free_port() for _ in range(4))
        ports = "; ".join(f"{p} from {LISTED}/32, 2001:db8::/32" for p in (self.http, self.https, self.tcp, self.mixed))
        self.gateway = start({"edge.yaml": edge(
            people, [gw.http_listener("http", self.http), gw.https_listener("https", self.https),
                     tcp_listener("tcp", self.tcp), gw.https_listener("web", self.mixed, "app.example.com"),
                     tls_listener("pass", self.mixed, "*.pass.example.com", "Passthrough")],
            gw.backend(nginx.port), gw.backend(self.bytes.port, "bytes"), gw.backend(self.passed.port, "passed"),
            "".join(gw.route(name, section=name) for name in ("http", "https", "web")),
            stream_route("TCPRoute", "tcp", ["bytes"], section="tcp"),
            stream_route("TLSRoute", "pass", ["passed"], section="pass"),
            default=gw.validation(pins=gw.pinning([people.pinned.spki_hash])),
            annotations=f'pingate.dev/proxy-protocol: "{ports}"')}, "--limit", "handshake-ms=1500")

    def clients(self, event="request"):
        return [r["client.address"] for r in self.gateway.access() if r["event"] == event]


@pytest.fixture
def front(people, start, nginx, server):
    return Front(people, start, nginx, server)


@pytest.mark.parametrize("name", HEADERS)
def test_who_it_is_from_is_what_a_listed_one_says(front, people, nginx, name):
    header, client = HEADERS[name]
    before = nginx.hit_count()
    with dial(front.http) as raw:
        raw.sendall(header + GET)
        assert read_all(raw).startswith(b"HTTP/1.1 200 ")
    eventually(lambda: nginx.hit_count() > before, "nginx has written its log")
    assert nginx.hits()[-1]["xff"] == client  # and nothing of what the client said of itself
    for port in (front.https, front.mixed):
        with dial(port) as raw:
            raw.sendall(header)
            with over_tls(raw, people, people.pinned) as tls:
                tls.sendall(GET)
                assert read_all(tls).startswith(b"HTTP/1.1 200 ")
    eventually(lambda: len(front.gateway.handshakes()) == 2, "both handshakes are in the audit log")
    assert all(h["peer"].strip("[").startswith(client) for h in front.gateway.handshakes())
    with dial(front.tcp) as raw:
        raw.sendall(header + b"first")
        assert receive(raw, 11) == b"hello\nfirst"
    with dial(front.mixed) as raw:
        raw.sendall(header)
        with over_tls(raw, people, sni="a.pass.example.com") as tls:
            assert receive(tls, 6) == b"hello\n"
    eventually(lambda: front.clients() == [client] * 3 and front.clients("stream") == [client] * 2, front.clients)
    assert front.bytes.received() == [b"first"]  # the header is ours to read


def test_however_it_comes(front, people):
    for header in (V1, v2(tlvs=b"\x04\0\x03abc")):
        with dial(front.http) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header + GET:
                raw.sendall(bytes([byte]))
            assert read_all(raw).startswith(b"HTTP/1.1 200 ")
    eventually(lambda: front.clients() == ["192.0.2.77"] * 2, front.clients)


def test_who_says_all_at_once_and_no_more_is_heard(front):
    with dial(front.tcp) as raw:
        raw.sendall(V1 + b"all of it")
        raw.shutdown(socket.SHUT_WR)
        assert read_all(raw) == b"hello\nall of it"
    for cut in (V1[:-1], b""):
        with dial(front.tcp) as raw:
            raw.sendall(cut)
            raw.shutdown(socket.SHUT_WR)
            assert ended(raw) == b""
    assert front.bytes.received() == [b"all of it"]


def test_a_listed_one_must_say_it(front, people, nginx):
    before = nginx.hit_count()
    bad = [GET, V1.replace(b"TCP4", b"TCP6") + GET, V1.replace(b"\r\n", b"\n") + GET, v2(0x22) + GET,
           v2(family=0x12) + GET, v2(block=b"\0" * 11) + GET, v2(tlvs=b"\x04\xff\xff") + GET,
           SIGNATURE + b"\x21\x11\xff\xff" + GET, b"PROXY " + b"x" * 200]
    for said in bad:
        with dial(front.http) as raw:
            raw.sendall(said)
            assert ended(raw) == b"", said
    with dial(front.https) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            over_tls(raw, people, people.pinned)
    with dial(front.tcp) as raw:  # even one that waits for the server to speak
        assert ended(raw) == b""
    assert nginx.hit_count() == before and front.bytes.connections == []
    faults = eventually(lambda: [r["error.type"] for r in front.gateway.access() if "error.type" in r][len(bad) + 1:] and
                        {r["error.type"] for r in front.gateway.access()}, "all are in the access log")
    assert faults == {"proxy_header_malformed", "handshake_timeout"}


def test_a_look_for_life_is_not_recorded(front):
    for port in (front.http, front.https, front.tcp, front.mixed) * 2:
        dial(port).close()

    def metric(name):
        return sum(int(line.split()[-1]) for line in front.gateway.admin("/metrics")[1].splitlines()
                   if line.startswith(name))

    eventually(lambda: metric("pingate_connections_opened_total") == 8 and metric("pingate_connections{") == 0,
               "all have come and gone")
    with dial(front.tcp) as raw:  # who begins to say something is
        raw.sendall(V1[:-1])
    eventually(front.gateway.access, "a record")
    assert [r["error.type"] for r in front.gateway.access()] == ["client_gone"]
    assert metric("pingate_streams_refused_total") == 1


def test_from_others_it_is_garbage(front, people, nginx):
    before = nginx.hit_count()
    for header in (V1, v2()):
        with dial(front.http, UNLISTED) as raw:
            raw.sendall(header + GET)
            assert read_all(raw).startswith(b"HTTP/1.1 400 ")
        with dial(front.https, UNLISTED) as raw:
            raw.sendall(header)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                over_tls(raw, people, people.pinned)
    assert nginx.hit_count() == before
    with dial(front.http, UNLISTED) as raw:
        raw.sendall(GET)
        assert read_all(raw).startswith(b"HTTP/1.1 200 ")
    eventually(lambda: nginx.hit_count() > before, "nginx has written its log")
    assert nginx.hits()[-1]["xff"] == UNLISTED
    with dial(front.https, UNLISTED) as raw, over_tls(raw, people, people.pinned) as tls:
        tls.sendall(GET)
        assert read_all(tls).startswith(b"HTTP/1.1 200 ")


def test_behind_a_header_pins_hold_as_ever(front, people, nginx):
    before = nginx.hit_count()
    for identity in (people.unpinned, people.untrusted, None):
        with dial(front.https) as raw:
            raw.sendall(v2())
            with pytest.raises((ssl.SSLError, ConnectionError)):
                with over_tls(raw, people, identity) as tls:
                    tls.sendall(GET)
                    assert not tls.recv(1)
                    raise ConnectionError
    assert nginx.hit_count() == before
    refused = eventually(lambda: front.gateway.handshakes()[2:] and front.gateway.handshakes(), "three refusals")
    assert [h["peer"] for h in refused] == ["192.0.2.77:5000"] * 3


def test_a_malformed_annotation_closes_its_port_alone(people, start, nginx):
    closed, open_ = free_port(), free_port()
    gateway = start({"edge.yaml": edge(
        people, [gw.http_listener("closed", closed), gw.http_listener("open", open_)], gw.backend(nginx.port),
        gw.route(), annotations=f'pingate.dev/proxy-protocol: "{closed} from 10.0.0.0/33"')})
    for port, status in ((closed, b"403"), (open_, b"200")):
        with dial(port) as raw:
            raw.sendall(GET)
            assert read_all(raw).startswith(b"HTTP/1.1 " + status)
    assert gateway.process.poll() is None


# ---- to backends ----

TELLS = {"pingate.dev/send-proxy-protocol": "v2"}


def header_of(data):
    """(command, from, to, {type: value}, the rest) of a version 2 header."""
    assert data.startswith(SIGNATURE) and data[13] in (0x11, 0x21), data[:20]
    size = 16 + struct.unpack("!H", data[14:16])[0]
    width, family = (4, socket.AF_INET) if data[13] == 0x11 else (16, socket.AF_INET6)
    source, sink = (socket.inet_ntop(family, data[at:at + width]) for at in (16, 16 + width))
    ports = struct.unpack("!HH", data[16 + 2 * width:20 + 2 * width])
    tlvs, at = {}, 20 + 2 * width
    while at < size:
        kind, length = struct.unpack("!BH", data[at:at + 3])
        assert kind not in tlvs
        tlvs[kind], at = data[at + 3:at + 3 + length], at + 3 + length
    assert at == size
    return data[12], (source, ports[0]), (sink, ports[1]), tlvs, data[size:]


def test_a_tcp_backend_is_told_whom_it_is_from(people, start, server):
    backend, port = server(greeting=b""), free_port()
    start({"edge.yaml": edge(people, [tcp_listener("tcp", port)], gw.backend(backend.port),
                             stream_route("TCPRoute", "tcp", ["app"], annotations=TELLS))})
    with dial(port, UNLISTED) as raw:
        raw.sendall(V1 + b"is what the client says")  # nobody believes it, and it goes on as it is
        eventually(lambda: backend.received() and backend.received()[0].endswith(b"says"), "it is there")
        command, source, sink, tlvs, rest = header_of(backend.received()[0])
        assert (command, source, sink) == (0x21, raw.getsockname(), ("127.0.0.1", port))
        assert tlvs == {} and rest == V1 + b"is what the client says"


def test_a_backend_of_tls_is_told_who_was_let_in(people, start, server):
    backend, port = server(greeting=b""), free_port()
    start({"edge.yaml": edge(
        people, [tls_listener("end", port)], gw.backend(backend.port),
        stream_route("TLSRoute", "end", ["app"], annotations=TELLS),
        policy("robots", [target(section="end")], [pin(spki=people.pinned.spki_hash, name="robot")]),
        default=gw.validation(mode="AllowInsecureFallback"),
        annotations=f'pingate.dev/proxy-protocol: "{port} from {LISTED}"')})
    forged = v2(tlvs=b"\xe0\0\x05admin\xe1\0\x20" + b"x" * 32)
    with dial(port) as raw:
        raw.sendall(forged)
        with over_tls(raw, people, people.pinned) as tls:
            tls.sendall(b"inside")
            eventually(lambda: backend.received() and backend.received()[0].endswith(b"inside"), "it is there")
    _, source, sink, tlvs, rest = header_of(backend.received()[0])
    assert source == ("192.0.2.77", 5000) and sink == ("192.0.2.1", 443) and rest == b"inside"
    assert tlvs == {0x02: b"app.example.com", 0x20: b"\x03\0\0\0\0", 0xe0: b"robot",
                    0xe1: bytes.fromhex(people.pinned.certificate_hash)}
    for identity, bits in ((people.unpinned, 3), (None, 1)):  # let in, as nobody
        with dial(port) as raw:
            raw.sendall(forged)
            with over_tls(raw, people, identity) as tls:
                tls.sendall(b"inside")
                eventually(lambda: backend.received()[-1].endswith(b"inside") and backend.received()[-1] !=
                           backend.received()[0], "it is there")
        tlvs = header_of(backend.received()[-1])[3]
        assert tlvs == {0x02: b"app.example.com", 0x20: bytes([bits, 0, 0, 0, 1])}
        backend.connections.append(bytearray(backend.received()[0]))
    assert len(backend.connections) == 5


def test_a_passthrough_backend_is_told_the_name(people, start, server):
    backend, port = server(greeting=b"", on_connection=lambda c, d: d.extend(c.recv(65536))), free_port()
    start({"edge.yaml": edge(people, [tls_listener("pass", port, mode="Passthrough")], gw.backend(backend.port),
                             stream_route("TLSRoute", "pass", ["app"], annotations=TELLS))})
    with dial(port) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            over_tls(raw, people, sni="a.pass.example.com")
    _, _, _, tlvs, _ = header_of(backend.received()[0])
    assert tlvs == {0x02: b"a.pass.example.com"}


def test_another_version_is_not_sent(people, start, server):
    backend, port = server(), free_port()
    start({"edge.yaml": edge(people, [tcp_listener("tcp", port)], gw.backend(backend.port),
                             stream_route("TCPRoute", "tcp", ["app"],
                                          annotations={"pingate.dev/send-proxy-protocol": "v1"}))})
    with dial(port) as raw:
        assert ended(raw) == b""
    assert backend.connections == []
