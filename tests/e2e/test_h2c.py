"""HTTP/2 in the clear on HTTP listeners, by prior knowledge: the preface decides, however it is cut; nothing else does."""
import socket
import subprocess

import pytest
from support import gateway as gw
from support.client import curl, read_all
from support.net import eventually, free_port

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
# :method GET, :scheme http, :path /, :authority a
GET = b"\0\0\x06\x01\x05\0\0\0\x01" + b"\x82\x86\x84\x41\x01a"


@pytest.fixture
def gateway(start, nginx):
    port = free_port()
    running = start({"edge.yaml": gw.gateway([gw.http_listener("http", port)]) + gw.backend(nginx.port) + gw.route()},
                    "--limit", "head-ms=1000")
    running.port = port
    return running


def ask(gateway, *options, path="/"):
    return curl(gateway.port, None, scheme="http", path=path, http="2-prior-knowledge", options=options)


def test_a_request_by_prior_knowledge_is_served(gateway):
    reply = ask(gateway, "-w", "|%{http_version}", path="/a")
    assert reply.status == 200 and reply.body.startswith("hello GET /a cert= verify= name=") and "|2" in reply.body
    reply = ask(gateway, "-d", "x" * 100000, path="/echo")
    assert reply.status == 200


def test_an_upgrade_to_h2c_is_ignored(gateway):
    result = subprocess.run(["curl", "-s", "--http2", "-w", "|%{http_version}", f"http://127.0.0.1:{gateway.port}/"],
                            capture_output=True, timeout=20)
    assert result.stdout.startswith(b"hello GET /") and result.stdout.endswith(b"|1.1")


@pytest.mark.parametrize("cut", range(1, len(PREFACE) + 1))
def test_the_preface_may_be_cut_anywhere(gateway, cut):
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(PREFACE[:cut])
        s.sendall(PREFACE[cut:] + SETTINGS + GET)
        s.settimeout(20)
        data = b""
        while b"hello GET /" not in data:
            piece = s.recv(65536)
            assert piece, data
            data += piece


@pytest.mark.parametrize("data", [PREFACE[:n] + b"X" for n in range(1, 24)] + [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\n"])
def test_what_only_begins_like_it_is_no_http2(gateway, data):
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.sendall(data + b"\r\n\r\n")
        assert read_all(s).startswith(b"HTTP/1.1 ")


def test_a_preface_that_does_not_end_is_late(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.sendall(PREFACE[:10])
        assert read_all(s) == b""
    eventually(gateway.ready, "it lives on")


def test_the_budgets_hold_in_the_clear(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.sendall(PREFACE + SETTINGS + (b"\0\0\x08\x06\0\0\0\0\0" + b"pingping") * 400)
        assert b"\x07\0\0\0\0\0" in read_all(s)  # GOAWAY


def test_a_pri_behind_a_request_is_no_preface(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + PREFACE + SETTINGS + GET)
        data = read_all(s)
        assert data.count(b"HTTP/1.1 ") == 2 and b" 505 " in data or b" 400 " in data


def test_a_client_that_leaves_with_streams_open_leaves_nothing_behind(gateway):
    """Its end closes its streams, and the last of them must not ask for anything on a connection that goes."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", gateway.port)) as s:
            s.sendall(PREFACE + SETTINGS + GET.replace(b"\x01\x05", b"\x01\x04"))  # no END_STREAM
            s.recv(9)
    assert ask(gateway).status == 200
