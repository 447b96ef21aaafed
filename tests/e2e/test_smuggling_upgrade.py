"""I21, I22, I31: no request talks its way into another protocol. WebSocket is offered to a whole and lawful request and
begins with the backend's 101; every other protocol is not asked on, and no byte goes ahead of the answer.
"""
import socket

import pytest
from hyperframe.frame import HeadersFrame, SettingsFrame
from support import gateway as gw
from support.client import connect, read_all
from support.edge import Edge
from support.net import Recorder, free_port
from support.websocket import ASK
from test_h2_attacks import H2
from test_smuggling_h2 import PSEUDO, block, heads, is_refused, outcome

H = "Host: app.example.com\r\n"
UP = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
HONEST = b"GET /honest HTTP/1.1\r\n" + H.encode() + b"Connection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + H.encode() + b"\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = SettingsFrame(0).serialize()
FRAME = b"\x81\x88\x01\x02\x03\x04smuggled"

# served as what they are without it: the backend is not asked to switch
QUIET = {f"protocol-{n}": f"GET /quiet HTTP/1.1\r\n{H}Connection: Upgrade\r\nUpgrade: {protocol}\r\n{KEY}\r\n"
         for n, protocol in enumerate(("h2c", "h2", "HTTP/2.0", "TLS/1.0", "websocket, h2c", "h2c, websocket", "websocket/13",
                                       "websockets", "web socket", "xwebsocket", "connect-udp", "", ",websocket", "websocket,"))}
QUIET |= {f"method-{method}": f"{method} /quiet HTTP/1.1\r\n{H}{UP}{KEY}\r\n"
          for method in ("POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "get", "PROPFIND")}
QUIET |= {
    "h2c-with-settings": f"GET /quiet HTTP/1.1\r\n{H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "h2c-settings-not-listed": f"GET /quiet HTTP/1.1\r\n{H}Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "h2c-post": f"POST /quiet HTTP/1.1\r\n{H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\nContent-Length: 3\r\n\r\nabc",
    "two-upgrades": f"GET /quiet HTTP/1.1\r\n{H}{UP}Upgrade: h2c\r\n{KEY}\r\n",
    "twice-the-same": f"GET /quiet HTTP/1.1\r\n{H}{UP}Upgrade: websocket\r\n{KEY}\r\n",
    "upgrade-not-listed": f"GET /quiet HTTP/1.1\r\n{H}Upgrade: websocket\r\n{KEY}\r\n",
    "upgrade-listed-only": f"GET /quiet HTTP/1.1\r\n{H}Connection: Upgrade\r\n{KEY}\r\n",
    "another-token": f"GET /quiet HTTP/1.1\r\n{H}Connection: upgraded\r\nUpgrade: websocket\r\n{KEY}\r\n",
    "http-1.0": f"GET /quiet HTTP/1.0\r\n{H}Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}\r\n",
    "with-a-body": f"GET /quiet HTTP/1.1\r\n{H}{UP}{KEY}Content-Length: 3\r\n\r\nabc",
    "with-chunks": f"GET /quiet HTTP/1.1\r\n{H}{UP}{KEY}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "post-with-a-body": f"POST /quiet HTTP/1.1\r\n{H}{UP}{KEY}Content-Length: 3\r\n\r\nabc",
    "underscore": f"GET /quiet HTTP/1.1\r\n{H}Connection: Upgrade\r\nUp_grade: websocket\r\n{KEY}\r\n",
}

# refused whole: the switch is not even looked at
REFUSED = {
    "cl-and-te": (f"GET /refused HTTP/1.1\r\n{H}{UP}{KEY}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two-lengths": (f"GET /refused HTTP/1.1\r\n{H}{UP}{KEY}Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
    "te-websocket": (f"GET /refused HTTP/1.1\r\n{H}{UP}{KEY}Transfer-Encoding: websocket\r\n\r\n", 400),
    "folded": (f"GET /refused HTTP/1.1\r\n{H}Connection: Upgrade\r\nUpgrade:\r\n websocket\r\n{KEY}\r\n", 400),
    "bare-lf": (f"GET /refused HTTP/1.1\r\n{H}Connection: Upgrade\nUpgrade: websocket\r\n{KEY}\r\n", 400),
    "space-before-colon": (f"GET /refused HTTP/1.1\r\n{H}Connection: Upgrade\r\nUpgrade : websocket\r\n{KEY}\r\n", 400),
    "nul": (f"GET /refused HTTP/1.1\r\n{H}Connection: Upgrade\r\nUpgrade: websocket\0\r\n{KEY}\r\n", 400),
    "vertical-tab": (f"GET /refused HTTP/1.1\r\n{H}Connection: \x0bUpgrade\r\nUpgrade: websocket\r\n{KEY}\r\n", 400),
    "no-host": (f"GET /refused HTTP/1.1\r\n{UP}{KEY}\r\n", 400),
    "two-hosts": (f"GET /refused HTTP/1.1\r\n{H}{H}{UP}{KEY}\r\n", 400),
    "dot-segments": (f"GET /a/../refused HTTP/1.1\r\n{H}{UP}{KEY}\r\n", 400),
    "absolute-and-other-host": (f"GET http://evil.example.com/refused HTTP/1.1\r\n{H}{UP}{KEY}\r\n", 400),
    "expectation": (f"GET /refused HTTP/1.1\r\n{H}{UP}{KEY}Expect: 101-switching\r\n\r\n", 417),
    "http-2.0": (f"GET /refused HTTP/2.0\r\n{H}{UP}{KEY}\r\n", 505),
    "connect": (f"CONNECT app.example.com:443 HTTP/1.1\r\n{H}{UP}{KEY}\r\n", 501),
    "pri": (f"PRI * HTTP/1.1\r\n{H}{UP}{KEY}\r\n", 400),
    "pri-path": (f"PRI /refused HTTP/1.1\r\n{H}{UP}{KEY}\r\n", 501),
    "not-its-host": (f"GET /refused HTTP/1.1\r\nHost: a.example.org\r\n{UP}{KEY}\r\n", 404),
    "of-another-listener": (f"GET /refused HTTP/1.1\r\nHost: other.example.com\r\n{UP}{KEY}\r\n", 421),
    "no-route": (f"GET /no-route HTTP/1.1\r\n{H}{UP}{KEY}\r\n", 404),
    "not-pinned-for-the-rule": (f"GET /secret HTTP/1.1\r\n{H}{UP}{KEY}\r\n", 403),
}
CLOSES = (400, 417, 501, 505)  # and reads no more; behind the others the next request is one of its own

# HTTP/2 where HTTP/1.1 was agreed on, or nothing; and the other way round
PREFACES = {f"split-{n}": (PREFACE[:n], PREFACE[n:] + SETTINGS) for n in range(1, len(PREFACE))}
PREFACES |= {
    "whole": (PREFACE + SETTINGS,), "without-settings": (PREFACE,), "and-a-request": (PREFACE + SMUGGLED,),
    "and-frames": (PREFACE + SETTINGS + HeadersFrame(1, block(PSEUDO), flags=["END_HEADERS", "END_STREAM"]).serialize(),),
    "of-1.1": (b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n",), "of-3.0": (b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n",),
    "lower-case": (b"pri * HTTP/2.0\r\n\r\nSM\r\n\r\n",), "a-path": (b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",),
    "a-host": (b"PRI * HTTP/2.0\r\n" + H.encode() + b"\r\nSM\r\n\r\n",), "other-letters": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",),
    "bare-lf": (b"PRI * HTTP/2.0\n\nSM\n\n",), "an-empty-line-before": (b"\r\n" + PREFACE + SETTINGS,),
    "settings-alone": (SETTINGS,), "behind-a-request-half": (b"GET /refused HTTP/1.1\r\n" + PREFACE + SETTINGS,),
}


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    relay, plain = Recorder(nginx.port), free_port()
    rules = "\n".join(f"- name: {name}\n  matches: [{{path: {{type: PathPrefix, value: /{name}}}}}]\n"
                      "  backendRefs: [{name: app, port: 80}]"
                      for name in ("quiet", "honest", "refused", "secret", "smuggled", "chat"))
    config = Edge(people, relay.port, rules=rules, hostname="*.example.com", extra=(
        "---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\nmetadata: {name: secret, namespace: edge}\nspec:\n"
        "  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: app, sectionName: secret}]\n"
        f'  pins: [{{spkiHash: "{people.unpinned.spki_hash}"}}]\n'))
    config.listeners = [gw.https_listener("https", config.port, "*.example.com"), gw.http_listener("http", plain),
                        gw.https_listener("other", config.port, "other.example.com")]
    gateway = gw.Gateway(tmp_path_factory.mktemp("upgrade"), {"edge.yaml": config.text()}, workers=1)
    yield config, plain, relay
    gateway.stop()
    relay.close()


def say(connection, *pieces):
    try:
        for piece in pieces:
            connection.sendall(piece)
    except OSError:
        pass
    return read_all(connection)


def over_tls(config, people, *pieces, alpn=("http/1.1",)):
    with connect(config.port, people.server_ca, people.pinned, alpn=alpn) as connection:
        return say(connection, *pieces)


def plainly(port, *pieces):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return say(connection, *pieces)


@pytest.mark.parametrize("port", ("tls", "plain"))
@pytest.mark.parametrize("name", QUIET)
def test_the_backend_is_not_asked_to_switch(edge, people, name, port):
    config, plain, relay = edge
    relay.clear()
    data = QUIET[name].encode("latin-1") + HONEST
    reply = over_tls(config, people, data) if port == "tls" else plainly(plain, data)
    assert b" 101 " not in reply
    sent = relay.bytes().lower()
    assert b"\nupgrade:" not in sent and b"http2-settings" not in sent and b"connection: upgrade" not in sent
    assert sent.count(b" /quiet http/1.1\r\n") == 1
    assert sent.count(b"/honest") == (0 if name == "http-1.0" else 1)  # which ends with its answer


@pytest.mark.parametrize("port", ("tls", "plain"))
@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request_sends_no_byte_on(edge, people, name, port):
    config, plain, relay = edge
    data, status = REFUSED[name]
    if port == "plain" and name in ("not-its-host", "of-another-listener"):
        pytest.skip("a listener without a hostname has every host")
    relay.clear()
    data = data.encode("latin-1") + (SMUGGLED if status in CLOSES else FRAME)
    reply = over_tls(config, people, data) if port == "tls" else plainly(plain, data)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode()), reply[:100]
    assert b" 101 " not in reply and relay.bytes() == b""


@pytest.mark.parametrize("name", PREFACES)
def test_http2_where_it_was_not_agreed_on(edge, people, name):
    config, _, relay = edge
    for alpn in (("http/1.1",), ()):
        relay.clear()
        reply = over_tls(config, people, *PREFACES[name], alpn=alpn)
        assert reply == b"" or reply.startswith(b"HTTP/1.1 4") or reply.startswith(b"HTTP/1.1 505 "), reply
        assert relay.bytes() == b""


@pytest.mark.parametrize("data", (SMUGGLED, ASK, b"\r\n" + SMUGGLED, PREFACE[:-1] + b"X" + SETTINGS, PREFACE[:20] + SMUGGLED),
                         ids=("a-get", "an-upgrade", "an-empty-line", "nearly-a-preface", "half-a-preface"))
def test_http1_where_http2_was_agreed_on(edge, people, data):
    config, _, relay = edge
    relay.clear()
    with connect(config.port, people.server_ca, people.pinned, alpn=("h2",)) as connection:
        connection.sendall(data)
        reply = read_all(connection)
    assert b"HTTP/1" not in reply and relay.bytes() == b""


def test_http_on_the_port_of_tls_and_tls_on_that_of_http(edge, people):
    config, plain, relay = edge
    relay.clear()
    for data in (SMUGGLED, PREFACE + SETTINGS, ASK):
        assert b" 200 " not in plainly(config.port, data)
    hello = bytes.fromhex("16030100610100005d0303") + b"\0" * 90
    assert not plainly(plain, hello).startswith(b"\x16")
    assert relay.bytes() == b""


ANSWERS = {status: f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode()
           for status in (200, 204, 301, 400, 401, 403, 404, 426, 500, 501, 503)}


@pytest.mark.parametrize("status", ANSWERS)
def test_frames_ahead_of_an_answer_that_does_not_switch_go_nowhere(people, start, status):
    """What was meant for a tunnel is read as a request, which it is not."""
    from support.streams import ByteServer
    came = []

    def serve(connection, data):
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        connection.sendall(ANSWERS[status] if status != 204 else b"HTTP/1.1 204 Said\r\n\r\n")
        while piece := connection.recv(65536):
            data += piece
        came.append(data)

    backend = ByteServer(on_connection=serve)
    edge = Edge(people, backend.port)
    start({"edge.yaml": edge.text()})
    reply = over_tls(edge, people, ASK + FRAME * 3)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode()) and b" 101 " not in reply
    assert b"HTTP/1.1 400 " in reply or reply.count(b"HTTP/1.1 ") == 1
    backend.close()
    assert all(b"smuggled" not in data and data.count(b"\r\n\r\n") == 1 for data in came)


# HTTP/2 on a plain port begins with its whole preface, and with nothing that is only like it
LIKE_A_PREFACE = {name: PREFACES[name] for name in ("of-1.1", "of-3.0", "lower-case", "a-path", "a-host", "other-letters", "bare-lf",
                                                    "an-empty-line-before", "settings-alone", "behind-a-request-half")}
LIKE_A_PREFACE |= {f"changed-{n}": (PREFACE[:n] + bytes([PREFACE[n] ^ 0x20]) + PREFACE[n + 1:] + SETTINGS,)
                   for n in range(len(PREFACE))}
LIKE_A_PREFACE |= {"cut-and-a-request": (PREFACE[:18], SMUGGLED), "cut-to-the-line-and-a-request": (PREFACE[:16], SMUGGLED),
                   "request-between": (PREFACE[:16] + SMUGGLED + PREFACE[16:],),
                   "a-request-for-settings": (PREFACE + SMUGGLED,), "twice": (PREFACE + PREFACE + SETTINGS,),
                   "frames-of-no-settings": (PREFACE + HeadersFrame(1, block(PSEUDO), flags=["END_HEADERS", "END_STREAM"]).serialize(),)}


@pytest.mark.parametrize("name", LIKE_A_PREFACE)
def test_what_is_only_like_a_preface_begins_no_http2(edge, people, name):
    _, plain, relay = edge
    relay.clear()
    reply = plainly(plain, *LIKE_A_PREFACE[name])
    assert b"HTTP/1.1 2" not in reply and relay.bytes() == b""


class Clear(H2):
    """HTTP/2 by prior knowledge."""

    def __init__(self, port):
        self.connection, self.data = socket.create_connection(("127.0.0.1", port), timeout=20), b""
        self.connection.sendall(PREFACE + SETTINGS)


@pytest.mark.parametrize("field", [("transfer-encoding", "chunked"), ("connection", "close"), ("upgrade", "websocket"),
                                   ("x\r\ny", "v"), ("x", "a\r\nb"), ("host", "evil.example.com"), (":path", "/smuggled"),
                                   ("content-length", "3")], ids=lambda f: f[0].encode("unicode_escape").decode())
def test_in_the_clear_the_rules_of_http2_are_the_same(edge, people, field):
    _, plain, relay = edge
    relay.clear()
    fields = [(":method", "GET"), (":scheme", "http"), (":path", "/refused"), (":authority", "app.example.com"), field]
    h2 = Clear(plain)
    h2.send(heads(1, fields, True))
    assert is_refused(outcome(h2)) and relay.bytes() == b""
    h2 = Clear(plain)
    h2.send(heads(1, [*fields[:2], (":path", "/honest"), fields[3]], True))
    assert outcome(h2) == 200 and relay.bytes().startswith(b"GET /honest HTTP/1.1\r\n")


def test_there_are_enough_cases():
    assert 2 * len(QUIET) + 2 * len(REFUSED) + 2 * len(PREFACES) + len(LIKE_A_PREFACE) + len(ANSWERS) >= 220
