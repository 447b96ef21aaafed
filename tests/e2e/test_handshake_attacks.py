"""I2, I10, I14, I15, I19, I20, I22, I34: what an intruder tries before, in and around the handshake."""
import itertools
import os
import resource
import socket
import ssl
import subprocess
import time

import pytest
from support import gateway as gw
from support import pki
from support.client import alert_of, connect, curl, handshake, tls_context
from support.edge import Edge
from support.net import eventually, free_port


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    edge = Edge(people, nginx.port, certificates=[people.pinned_rsa.certificate_hash])
    gateway = gw.Gateway(tmp_path_factory.mktemp("attacks"), {"edge.yaml": edge.text()})
    edge.gateway = gateway
    yield edge
    gateway.stop()


# ---- I2: the pinned certificate is everywhere but at the end of a proven path ----

BEHIND = ["P", "PP", "PC", "CP", "UP", "PU", "IP", "PI", "PIC", "RPR"]


@pytest.mark.parametrize("tls", ("1.2", "1.3"))
@pytest.mark.parametrize("leaf", ("unpinned", "by_intermediate"))
@pytest.mark.parametrize("behind", BEHIND)
def test_a_pinned_certificate_sent_along_opens_nothing(edge, people, nginx, tmp_path, leaf, behind, tls):
    certs = {"P": people.pinned, "R": people.pinned_rsa, "C": people.ca, "U": people.unpinned, "I": people.issuing}
    own = getattr(people, leaf)
    chain = [certs[c].cert for c in behind] + [c for c in own.chain if c not in [certs[b].cert for b in behind]]
    mixed = pki.Identity(tmp_path, "mixed", own.cert, own.key, chain)
    before = nginx.hit_count()
    assert handshake(edge.port, people.server_ca, mixed, tls=tls) == 46
    assert nginx.hit_count() == before
    eventually(lambda: edge.gateway.last_refusal("not_pinned")["certificate_sha256"] == own.certificate_hash,
               "the audit names the leaf that was proven, no other")


def test_ten_certificates_are_judged_and_eleven_are_not(edge, people, tmp_path):
    for extra, expected in ((9, 0), (10, 43)):
        many = pki.Identity(tmp_path, f"many{extra}", people.pinned.cert, people.pinned.key, [people.ca.cert] * extra)
        assert handshake(edge.port, people.server_ca, many) == expected


def test_a_certificate_message_over_32_kib_is_refused(edge, people, nginx, tmp_path):
    ballast = people.ca.issue("ballast", dns=[f"{n:04}." + "x" * 60 + ".example.com" for n in range(420)])
    assert len(ballast.der) > 32 * 1024
    fat = pki.Identity(tmp_path, "fat", people.pinned.cert, people.pinned.key, [ballast.cert])
    before = nginx.hit_count()
    for tls in ("1.2", "1.3"):
        assert handshake(edge.port, people.server_ca, fat, tls=tls) != 0
    edge.gateway.last_refusal("certificate_too_large")
    assert nginx.hit_count() == before


# ---- I15: nothing is resumed ----

def visit(port, context, session=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    with context.wrap_socket(raw, server_hostname="app.example.com", session=session) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        return connection.session, connection.session_reused


@pytest.mark.parametrize("tickets", (True, False), ids=("ticket", "session-id"))
@pytest.mark.parametrize("tls", ("1.2", "1.3"))
def test_no_session_is_ever_resumed(people, nginx, start, tls, tickets):
    edge = Edge(people, nginx.port)
    gateway = start({"edge.yaml": edge.text()})
    context = tls_context(people.server_ca, people.pinned, tls)
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    session, _ = visit(edge.port, context)
    assert not session.has_ticket and (tls == "1.3" or session.id == b"")
    _, reused = visit(edge.port, context, session)
    assert not reused
    gateway.swap("edge.yaml", edge.text(spki=[people.unpinned.spki_hash]))
    with pytest.raises(ssl.SSLError) as refused:
        visit(edge.port, context, session)
    assert alert_of(refused.value) == 46


# ---- I14, I22: what TLS offers besides ----

def test_renegotiation_is_refused(edge, people, tmp_path):
    log = tmp_path / "s_client.log"
    with open(log, "wb") as out:
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{edge.port}", "-servername", "app.example.com", "-tls1_2",
             "-cert", str(people.pinned.cert_file), "-key", str(people.pinned.key_file)],
            stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)
        eventually(lambda: b"Verify return code" in log.read_bytes(), "the handshake is done")
        client.stdin.write(b"R\n")
        client.stdin.flush()
        client.wait(timeout=20)
        client.stdin.close()
    assert b"no renegotiation" in log.read_bytes()


@pytest.mark.parametrize("alpn", (("spdy/3",), ("h3",), ("h2c",), ("http/1.0", "acme-tls/1")))
def test_an_alpn_that_nobody_speaks_is_refused(edge, people, alpn):
    assert handshake(edge.port, people.server_ca, people.pinned, alpn=alpn) == 120


@pytest.mark.parametrize("data", (b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                  b"GET /\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", b"\x80\x2e\x01\x03\x01" + b"\0" * 41))
def test_what_is_not_tls_gets_no_http_from_a_tls_port(edge, nginx, data):
    before = nginx.hit_count()
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as raw:
        raw.sendall(data)
        got = b""
        try:
            while piece := raw.recv(4096):
                got += piece
        except ConnectionError:
            pass
    assert b"HTTP/" not in got and len(got) <= 7, got  # an alert at most
    assert nginx.hit_count() == before


# ---- I19: no spelling of a name meets a weaker policy ----

@pytest.fixture(scope="module")
def names(people, nginx, tmp_path_factory):
    port = free_port()
    edge = Edge(people, nginx.port, listeners=[gw.https_listener("strict", port, "strict.example.com"),
                                               gw.https_listener("wild", port, "*.example.com")])
    edge.port = port
    edge.gateway = gw.Gateway(tmp_path_factory.mktemp("names"), {"edge.yaml": edge.text()})
    yield edge
    edge.gateway.stop()


def ask(port, people, identity, sni, host):
    """The status, or 0 when it did not come to that. Server names are not verified: they are the attack."""
    context = tls_context(people.server_ca, identity)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        with context.wrap_socket(raw, server_hostname=sni) as connection:
            connection.sendall(f"GET /strict HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            data = connection.recv(65536)
            return int(data.split()[1]) if data.startswith(b"HTTP/1.1 ") else 0
    except (ssl.SSLError, ConnectionError):
        return 0


SPELLINGS = ["strict.example.com", "STRICT.Example.COM", "strict.example.com."]


@pytest.mark.parametrize("sni", SPELLINGS)
def test_a_name_is_the_same_in_every_spelling(names, people, sni):
    for host in (*SPELLINGS, f"strict.example.com:{names.port}"):
        assert ask(names.port, people, people.pinned, sni, host) == 200


@pytest.mark.parametrize("sni", [None, "unknown.test", "other.example.com", "127.0.0.1", "x" * 63 + ".example.com",
                                 "a.strict.example.com", "example.com", *SPELLINGS])
def test_no_server_name_meets_a_weaker_policy(names, people, nginx, sni):
    before = nginx.hit_count()
    for host in (*SPELLINGS, f"strict.example.com:{names.port}", "other.example.com"):
        if sni not in SPELLINGS and "strict" in host.lower():
            assert ask(names.port, people, people.pinned, sni, host) in (0, 421)
        for identity in (None, people.unpinned, people.untrusted):
            assert ask(names.port, people, identity, sni, host) == 0
    assert nginx.hit_count() == before


def client_hello(people, identity, sni):
    context = tls_context(people.server_ca, identity)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=sni)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return tls, incoming, outgoing, outgoing.read()


def finish(port, pieces, tls, incoming, outgoing):
    """0 when a request was answered, else the alert; the ClientHello goes in these pieces."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            raw.sendall(piece)
        request = b"GET / HTTP/1.1\r\nHost: strict.example.com\r\n\r\n"
        done = False
        try:
            while True:
                try:
                    if not done:
                        tls.do_handshake()
                        tls.write(request)
                        done = True
                    data = tls.read(65536)
                    return 0 if data.startswith(b"HTTP/1.1 200 ") else data
                except ssl.SSLWantReadError:
                    pass
                finally:
                    if outgoing.pending:
                        raw.sendall(outgoing.read())
                data = raw.recv(65536)
                incoming.write(data) if data else incoming.write_eof()
        except ssl.SSLError as e:
            return alert_of(e)
        except ConnectionError as e:
            return repr(e)


def records(hello, at):
    """The same ClientHello in two TLS records."""
    body = hello[5:]
    return [b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in (body[:at], body[at:])]


def test_a_client_hello_split_at_any_byte_meets_the_same_policy(names, people):
    size = len(client_hello(people, people.unpinned, "strict.example.com")[3]) - 5
    for at in range(1, size):
        tls, incoming, outgoing, hello = client_hello(people, people.unpinned, "strict.example.com")
        assert len(hello) == size + 5
        assert finish(names.port, records(hello, at), tls, incoming, outgoing) == 46, at
    for identity, expected in ((people.unpinned, 46), (people.pinned, 0)):
        tls, incoming, outgoing, hello = client_hello(people, identity, "strict.example.com")
        assert finish(names.port, [bytes([b]) for b in hello], tls, incoming, outgoing) == expected


def test_a_listener_without_a_certificate_weakens_no_other(people, nginx, start):
    port = free_port()
    edge = Edge(people, nginx.port, listeners=[
        gw.https_listener("first", port, "first.example.com", secret="absent"),
        gw.https_listener("second", port, "app.example.com")])
    start({"edge.yaml": edge.text()})
    before = nginx.hit_count()
    for sni in (None, "first.example.com", "app.example.com", "APP.example.com.", "unknown.test"):
        for host in ("first.example.com", "app.example.com"):
            assert ask(port, people, None, sni, host) == 0
            assert ask(port, people, people.unpinned, sni, host) == 0
    assert nginx.hit_count() == before
    assert ask(port, people, people.pinned, "app.example.com", "app.example.com") == 200


# ---- I20: coalescing ----

MATRIX = [
    ("example.org", "example.org", 200), ("example.org", "second-example.org", 421),
    ("example.org", "unknown-example.org", 404),
    ("second-example.org", "second-example.org", 200), ("second-example.org", "example.org", 421),
    ("second-example.org", "unknown-example.org", 421),
    ("third-example.wildcard.org", "third-example.wildcard.org", 200),
    ("third-example.wildcard.org", "fith-example.wildcard.org", 200),
    ("third-example.wildcard.org", "fourth-example.wildcard.org", 421),
    ("third-example.wildcard.org", "second-example.org", 421),
    ("fourth-example.wildcard.org", "fourth-example.wildcard.org", 200),
    ("fourth-example.wildcard.org", "fith-example.wildcard.org", 421),
    ("unknown-example.org", "example.org", 200),
]


@pytest.fixture(scope="module")
def shared(people, nginx, tmp_path_factory):
    port = free_port()
    hosts = [None, "second-example.org", "*.wildcard.org", "fourth-example.wildcard.org"]
    edge = Edge(people, nginx.port, listeners=[gw.https_listener(f"l{n}", port, h) for n, h in enumerate(hosts)],
                route_hostnames=("example.org", "second-example.org", "*.wildcard.org"))
    gateway = gw.Gateway(tmp_path_factory.mktemp("shared"), {"edge.yaml": edge.text()})
    yield port
    gateway.stop()


@pytest.mark.parametrize("http", ("1.1", "2"))
@pytest.mark.parametrize("sni,host,status", MATRIX)
def test_a_request_for_another_listener_is_misdirected(shared, people, sni, host, status, http):
    reply = curl(shared, people.server_ca, people.pinned, sni=sni, host=host, http=http, options=["-k"])
    assert reply.status == status, reply


# ---- I34: who is slow is shown the door ----

def drip(connection, data):
    """Sends a byte at a time until the peer has closed; the seconds it took."""
    begin = time.monotonic()
    rest = itertools.cycle(data)

    def closed():
        try:
            connection.send(bytes([next(rest)]))
            connection.settimeout(0.05)
            return connection.recv(4096) == b""
        except (TimeoutError, socket.timeout):
            return False
        except (OSError, ssl.SSLError):
            return True
    eventually(closed, "the slow one is closed")
    return time.monotonic() - begin


def test_a_slow_handshake_ends_at_its_deadline(people, nginx, start):
    edge = Edge(people, nginx.port)
    gateway = start({"edge.yaml": edge.text()}, "--limit", "handshake-ms=500")
    hello = client_hello(people, people.pinned, "app.example.com")[3]
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as raw:
        assert drip(raw, hello) < 10
    gateway.last_refusal("handshake_timeout")


@pytest.mark.parametrize("start_line", (b"", b"GET / HTTP/1.1\r\nHost: app.example.com\r\n"))
def test_a_slow_head_ends_at_its_deadline(people, nginx, start, start_line):
    edge = Edge(people, nginx.port)
    start({"edge.yaml": edge.text()}, "--limit", "head-ms=500", "--limit", "idle-ms=60000")
    connection = connect(edge.port, people.server_ca, people.pinned)
    if start_line:
        connection.sendall(start_line)
    assert drip(connection, b"X-A: bcdefghijklmnop\r\n" if start_line else b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaa") < 10


def test_a_body_that_does_not_come_is_not_waited_for(people, nginx, start):
    edge = Edge(people, nginx.port)
    start({"edge.yaml": edge.text()}, "--limit", "body-progress-ms=500")
    connection = connect(edge.port, people.server_ca, people.pinned)
    begin = time.monotonic()
    connection.sendall(b"POST /echo HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 10\r\n\r\n12345")
    assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begin < 10


# ---- I37: descriptors run out ----

def test_without_descriptors_it_pauses_and_then_goes_on(people, nginx, start):
    edge = Edge(people, nginx.port)
    gateway = start({"edge.yaml": edge.text()}, workers=1)
    assert handshake(edge.port, people.server_ca, people.pinned) == 0
    pid = gateway.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 4, hard))
    crowd = [socket.create_connection(("127.0.0.1", edge.port), timeout=20) for _ in range(40)]
    refused = [raw for raw in crowd[20:] if raw.recv(1) == b""]  # told by a close, not left to wait
    assert len(refused) == 20
    for raw in crowd:
        raw.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    eventually(lambda: handshake(edge.port, people.server_ca, people.pinned) == 0, "it accepts again")
