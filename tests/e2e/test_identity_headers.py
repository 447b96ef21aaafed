"""I23-I26: forged identity never arrives, and ours is the same over h1 and h2."""
import itertools
import random
import re

import pytest
from support import gateway as gw
from support.client import connect, curl, read_all
from support.edge import Edge
from support.net import free_port

NAMES = ["client-cert", "client-cert-chain", "x-forwarded-client-cert", "x-ssl-client-cert", "x-ssl-client-verify",
         "x-ssl-cert", "x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-info", "pingate-client-name",
         "pingate-client-verify", "pingate-anything"]


def spellings(count=500):
    """Case and separators mixed at random, with a fixed seed: the same 500 each time."""
    source = random.Random(20261123)
    seen = set()
    for name in itertools.cycle(NAMES):
        spelled = "".join(source.choice([c.lower(), c.upper()]) if c.isalpha() else source.choice("-_-_.") for c in name)
        if spelled not in seen:
            seen.add(spelled)
            yield spelled
        if len(seen) == count:
            return


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    from support.net import Recorder
    relay = Recorder(nginx.port)
    config = Edge(people, relay.port)
    plain = free_port()
    config.listeners = [gw.https_listener("https", config.port), gw.http_listener("http", plain)]
    gateway = gw.Gateway(tmp_path_factory.mktemp("identity"), {"edge.yaml": config.text()})
    yield config, plain, relay
    gateway.stop()
    relay.close()


def test_500_spellings_over_tls(edge, people):
    config, _, relay = edge
    relay.clear()
    batch = 50
    names = list(spellings())
    assert len(names) == 500
    with connect(config.port, people.server_ca, people.pinned) as connection:
        for at in range(0, len(names), batch):
            fields = "".join(f"{name}: forged\r\n" for name in names[at:at + batch])
            connection.sendall(f"GET /{at} HTTP/1.1\r\nHost: app.example.com\r\n{fields}\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data or b"hello" not in data:
                piece = connection.recv(65536)
                assert piece, data
                data += piece
            assert data.startswith(b"HTTP/1.1 200 ")
    assert relay.bytes().count(b"GET /") == 10
    assert b"forged" not in relay.bytes()


def test_spellings_on_a_plain_port(edge):
    _, plain, relay = edge
    import socket
    relay.clear()
    for at in range(0, 100, 50):
        fields = "".join(f"{name}: forged\r\n" for name in list(spellings())[at:at + 50])
        with socket.create_connection(("127.0.0.1", plain), timeout=20) as connection:
            connection.sendall(
                f"GET /{at} HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n{fields}\r\n".encode())
            assert read_all(connection).startswith(b"HTTP/1.1 200 ")
    assert b"forged" not in relay.bytes()
    assert b"client-cert" not in relay.bytes().lower()


def test_forged_over_h2(edge, people):
    config, _, relay = edge
    relay.clear()
    names = [n for n in spellings(60)]
    options = [x for n in names for x in ("-H", f"{n}: forged")]
    reply = curl(config.port, people.server_ca, people.pinned, http="2", options=options)
    assert reply.status == 200, reply
    assert b"forged" not in relay.bytes()


def test_forged_in_trailers(edge, people):
    config, _, relay = edge
    relay.clear()
    with connect(config.port, people.server_ca, people.pinned) as connection:
        connection.sendall(b"POST /trailers HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nClient-Cert: forged\r\n"
                           b"pingate_client_name: forged\r\nX-Fine: fine\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 ")
    assert b"forged" not in relay.bytes()


def test_the_connection_list_cannot_remove_ours(edge, people):
    config, _, relay = edge
    relay.clear()
    reply = curl(config.port, people.server_ca, people.pinned,
                 options=["-H", "Connection: client-cert, pingate-client-verify, x-forwarded-for, close"])
    assert reply.status == 200
    sent = relay.bytes().lower()
    assert b"client-cert: " + people.pinned.client_cert_header.lower().encode() in sent
    assert b"pingate-client-verify: success" in sent
    assert b"x-forwarded-for: 127.0.0.1\r\n" in sent


def test_h1_and_h2_give_the_same_identity_bytes(edge, people):
    config, _, relay = edge
    seen = []
    for http in ("1.1", "2"):
        relay.clear()
        assert curl(config.port, people.server_ca, people.pinned, http=http).status == 200
        fields = re.findall(rb"(?im)^((?:client-cert|pingate-[a-z-]+): [^\r]*)\r$", relay.bytes())
        assert fields
        seen.append([f.lower().split(b":", 1)[0] + b":" + f.split(b":", 1)[1] for f in sorted(fields)])
    assert seen[0] == seen[1]


def test_edge_headers_are_replaced(edge, people):
    config, _, relay = edge
    relay.clear()
    reply = curl(config.port, people.server_ca, people.pinned,
                 options=["-H", "X-Forwarded-For: 6.6.6.6", "-H", "X-Forwarded-Proto: gopher",
                          "-H", "X-Forwarded-Host: evil", "-H", "X-Request-Id: forged", "-H", "Forwarded: for=6.6.6.6"])
    assert reply.status == 200
    sent = relay.bytes().decode("latin-1").lower()
    assert "x-forwarded-for: 127.0.0.1\r\n" in sent and "x-forwarded-proto: https\r\n" in sent
    assert re.search(r"x-forwarded-host: app\.example\.com(:\d+)?\r\n", sent)
    for forged in ("6.6.6.6", "gopher", "evil", "forged"):
        assert forged not in sent
