"""WebSockets: a request like any other until the backend's valid 101, bytes as they are behind it (I31); held to the
pins of its port and of its route for as long as it lives."""
import os
import threading

import pytest
import websockets
from support import gateway as gw
from support.client import connect, curl
from support.edge import Edge
from support.net import Recorder, eventually, free_port
from support.pki import SERVER_AUTH
from support.policy import pin, policy, target
from support.streams import ByteServer, ended, receive
from support.websocket import ASK, TAKEN, WebSocketServer, client_context, talk

URI = "wss://app.example.com/chat?room=1"


@pytest.fixture
def server():
    made = []

    def make(*args, kind=WebSocketServer, **keywords):
        made.append(kind(*args, **keywords))
        return made[-1]

    yield make
    for one in made:
        one.close()


def head_of(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(1)
        assert piece, f"ended behind {data!r}"
        data += piece
    return data


def streams(gateway):
    return [r for r in gateway.access() if r["event"] == "stream"]


def test_a_pinned_client_talks_through_it(people, start, server):
    backend = server()
    edge = Edge(people, backend.port)
    gateway = start({"edge.yaml": edge.text()})
    messages = ["hello", b"\x00\xff" * 500, os.urandom(2 << 20), "ende"]
    assert talk(URI, edge.port, messages, client_context(people, people.pinned)) == messages
    path, headers = backend.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert path == "/chat?room=1"
    assert headers["pingate-client-verify"] == "SUCCESS"  # I26: as any request's
    assert headers["client-cert"] == people.pinned.client_cert_header
    assert headers["x-forwarded-proto"] == "https" and headers["x-forwarded-for"] == "127.0.0.1"
    record = eventually(lambda: streams(gateway), "the stream's record")[0]
    request = [r for r in gateway.access() if r["event"] == "request"][0]
    assert request["http.response.status_code"] == 101 and record["network.protocol.name"] == "websocket"
    assert record["pingate.request_id"] == request["pingate.request_id"] == headers["x-request-id"]
    assert record["pingate.bytes_in"] > 2 << 20 and record["pingate.bytes_out"] > 2 << 20


def test_many_at_once(people, start, server):
    backend = server()
    edge = Edge(people, backend.port)
    start({"edge.yaml": edge.text()})
    failures = []

    def one(number):
        messages = [f"{number}:{i}" * 200 for i in range(20)]
        try:
            assert talk(URI, edge.port, messages, client_context(people, people.pinned)) == messages
        except Exception as e:  # noqa: BLE001
            failures.append(repr(e))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and len(backend.requests) == 16


@pytest.mark.parametrize("protocol", ["kubernetes.io/ws", "kubernetes.io/wss"])
def test_app_protocols(people, start, server, protocol):
    """On an HTTP listener, to a backend in the clear and to one over TLS."""
    inner = people.server_ca.issue("inner", dns=["inner.example.com"], eku=SERVER_AUTH)
    tls = protocol.endswith("wss")
    backend, port = server(inner if tls else None), free_port()
    service = gw.backend(backend.port).replace("targetPort:", f"appProtocol: {protocol}, targetPort:")
    text = (gw.gateway([gw.http_listener("http", port)]) + service + gw.route()
            + (gw.ca_config_map("backend-ca", people.server_ca) + gw.backend_tls("inner.example.com") if tls else ""))
    gateway = start({"edge.yaml": text})
    assert talk("ws://app.example.com/chat", port, ["hello", b"b" * 100000]) == ["hello", b"b" * 100000]
    assert gateway.process.poll() is None and len(backend.requests) == 1


# ---- who is refused reaches nothing ----

def test_a_refused_request_sends_the_backend_nothing(people, start, server):
    backend = server()
    recorder = Recorder(backend.port)
    edge = Edge(people, recorder.port, spki=[people.pinned.spki_hash, people.unpinned.spki_hash], extra=policy(
        "chat", [target("app", kind="HTTPRoute")], [pin(spki=people.pinned.spki_hash)]))
    start({"edge.yaml": edge.text()})
    for identity in (people.untrusted, None):
        with pytest.raises((OSError, websockets.WebSocketException, EOFError)):
            talk(URI, edge.port, ["x"], client_context(people, identity))
    with connect(edge.port, people.server_ca, people.unpinned) as client:  # the route's pins refuse it
        client.sendall(ASK + b"\x81\x85smuggled")
        assert head_of(client).startswith(b"HTTP/1.1 403 ")
    assert recorder.bytes() == b""
    assert talk(URI, edge.port, ["x"], client_context(people, people.pinned)) == ["x"]
    recorder.close()


# ---- only a valid 101 makes a tunnel ----

def scripted(people, start, server, answer, **options):
    """A backend that reads a head, says `answer`, and keeps what else comes."""
    def serve(connection, data):
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        connection.sendall(answer)
        while piece := connection.recv(65536):
            data += piece

    backend = server(kind=ByteServer, on_connection=serve)
    edge = Edge(people, backend.port, **options)
    gateway = start({"edge.yaml": edge.text()})
    return backend, edge, gateway


BAD_SWITCHES = {
    "another protocol": TAKEN.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    "two protocols": TAKEN.replace(b"Upgrade: websocket", b"Upgrade: websocket, h2c"),
    "two fields": TAKEN.replace(b"Upgrade: websocket", b"Upgrade: websocket\r\nUpgrade: websocket"),
    "no upgrade": TAKEN.replace(b"Upgrade: websocket\r\n", b""),
    "no connection": TAKEN.replace(b"Connection: upgrade\r\n", b""),
    "of HTTP/1.0": TAKEN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "with a length": TAKEN.replace(b"Connection: upgrade", b"Content-Length: 5\r\nConnection: upgrade"),
    "chunked": TAKEN.replace(b"Connection: upgrade", b"Transfer-Encoding: chunked\r\nConnection: upgrade"),
}


@pytest.mark.parametrize("name", BAD_SWITCHES)
def test_a_false_101_is_a_fault(people, start, server, name):
    backend, edge, gateway = scripted(people, start, server, BAD_SWITCHES[name])
    with connect(edge.port, people.server_ca, people.pinned) as client:
        client.sendall(ASK + b"bytes of a tunnel")
        assert head_of(client).startswith(b"HTTP/1.1 502 ")
    assert all(b"bytes of a tunnel" not in data for data in backend.received())
    assert streams(gateway) == []


@pytest.mark.parametrize("ask", [
    ASK.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    ASK.replace(b"Connection: Upgrade", b"Connection: keep-alive"),
    ASK.replace(b"Upgrade: websocket", b"Upgrade: websocket, h2c"),
    ASK.replace(b"GET ", b"POST ").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
    ASK.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"),
], ids=["h2c", "no connection", "two", "post", "1.0", "body"])
def test_what_asks_for_no_websocket_gets_no_101(people, start, server, ask):
    backend, edge, gateway = scripted(people, start, server, TAKEN)
    with connect(edge.port, people.server_ca, people.pinned) as client:
        client.sendall(ask)
        assert head_of(client).startswith(b"HTTP/1.1 502 ")
    heads = b"".join(backend.received()).lower()
    assert b"upgrade" not in heads.replace(b"upgrade-insecure", b"")
    assert streams(gateway) == []


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request", b"426 Upgrade Required"])
def test_any_other_answer_is_an_ordinary_one(people, start, server, status):
    answer = b"HTTP/1.1 " + status + b"\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 4\r\n\r\nnono"
    backend, edge, gateway = scripted(people, start, server, answer)
    with connect(edge.port, people.server_ca, people.pinned) as client:
        client.sendall(ASK)
        head = head_of(client)
        assert head.startswith(b"HTTP/1.1 " + status[:3]) and b"upgrade:" not in head.lower()
        assert receive(client, 4) == b"nono"
        client.sendall(ASK)  # and the connection goes on as one of HTTP
        assert head_of(client).startswith(b"HTTP/1.1 " + status[:3])
    assert len(backend.connections) == 2  # each on one of its own
    assert streams(gateway) == []


def test_nothing_goes_before_the_101_and_all_of_it_behind(people, start, server):
    asked, go = threading.Event(), threading.Event()

    def serve(connection, data):
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        asked.set()
        assert go.wait(20)
        connection.setblocking(False)
        try:
            data += connection.recv(65536)
        except BlockingIOError:
            pass
        early.append(bytes(data))
        connection.setblocking(True)
        connection.sendall(TAKEN + b"first bytes in the same segment")
        while piece := connection.recv(65536):
            data += piece

    early = []
    backend = server(kind=ByteServer, on_connection=serve)
    edge = Edge(people, backend.port)
    start({"edge.yaml": edge.text()})
    with connect(edge.port, people.server_ca, people.pinned) as client:
        client.sendall(ASK + b"early ")
        assert asked.wait(20)
        client.sendall(b"and more")
        go.set()
        head = head_of(client)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        assert b"connection: upgrade\r\n" in head and b"upgrade: websocket\r\n" in head
        assert receive(client, 31) == b"first bytes in the same segment"
        eventually(lambda: backend.received()[0].endswith(b"\r\n\r\nearly and more"), "it came, behind the 101")
    assert early[0].endswith(b"\r\n\r\n")


# ---- for as long as it lives ----

def opened(edge, people):
    client = connect(edge.port, people.server_ca, people.pinned)
    client.sendall(ASK)
    assert head_of(client).startswith(b"HTTP/1.1 101 ")
    client.sendall(b"in")
    return client


CHANGES = {
    # what is changed: (before, after); the end's why and reason
    "port pin": (lambda p: p.pinned.spki_hash, lambda p: p.unpinned.spki_hash, "no_longer_admitted", "not_pinned"),
    "route pin": (lambda p: f'"certificateHash": "{p.pinned.certificate_hash}"',
                  lambda p: f'"certificateHash": "{p.unpinned.certificate_hash}"', "no_longer_admitted", "not_pinned"),
    "rule": (lambda p: "value: /chat", lambda p: "value: /other", "route_changed", None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_held_to_what_would_be_said_now(people, start, server, change):
    before, after, why, reason = CHANGES[change]
    rules = "- matches: [{path: {type: PathPrefix, value: /chat}}]\n  backendRefs: [{name: app, port: 80}]"
    removal = {"action": "Close"}
    extra = policy("chat", [target("app", kind="HTTPRoute")], [pin(certificate=people.pinned.certificate_hash)],
                   onRemoval=removal)
    backend, edge, gateway = scripted(people, start, server, TAKEN, rules=rules, extra=extra)
    with opened(edge, people) as client:
        eventually(lambda: backend.received()[0].endswith(b"in"), "it is open")
        text = edge.text()
        gateway.swap("edge.yaml", text + "# nothing new\n---\napiVersion: v1\nkind: ConfigMap\n"
                     "metadata: {name: other, namespace: edge}\ndata: {}\n")
        client.sendall(b" and on")
        eventually(lambda: backend.received()[0].endswith(b"in and on"), "another generation changes nothing")
        assert before(people) in text
        gateway.write("edge.yaml", text.replace(before(people), after(people)))
        assert ended(client) == b""
    closed = eventually(lambda: gateway.audit("connection_closed"), "its end is in the audit log")[0]
    assert closed["why"] == why and closed.get("reason") == reason


@pytest.mark.parametrize("change, action", [("route pin", "Close"), ("rule", "Close"), ("route pin", "Drain")])
def test_it_is_held_to_what_changed_before_the_101(people, start, server, change, action):
    """The request was let in by one generation, and waits for its 101 in the next: that one decides. In the grace of a
    drain the 101 still comes, and the tunnel has to go."""
    before, after, why, reason = CHANGES[change]
    rules = "- matches: [{path: {type: PathPrefix, value: /chat}}]\n  backendRefs: [{name: app, port: 80}]"
    extra = policy("chat", [target("app", kind="HTTPRoute")], [pin(certificate=people.pinned.certificate_hash)],
                   onRemoval={"action": "Drain", "grace": "4s"} if action == "Drain" else {"action": action})
    asked, go = threading.Event(), threading.Event()

    def serve(connection, data):
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        asked.set()
        assert go.wait(20)
        connection.sendall(TAKEN)
        while piece := connection.recv(65536):
            data += piece

    backend = server(kind=ByteServer, on_connection=serve)
    edge = Edge(people, backend.port, rules=rules, extra=extra)
    gateway = start({"edge.yaml": edge.text()})
    with connect(edge.port, people.server_ca, people.pinned) as client:
        client.sendall(ASK)
        assert asked.wait(20)
        gateway.swap("edge.yaml", edge.text().replace(before(people), after(people)))
        if action == "Drain":
            go.set()
        assert head_of(client).startswith(b"HTTP/1.1 101 " if action == "Drain" else b"HTTP/1.1 403 ")
        if action == "Drain":
            assert ended(client) == b""
        go.set()
    if action == "Drain":
        closed = eventually(lambda: gateway.audit("connection_closed"), "its end is in the audit log")[0]
        assert closed["why"] == why and closed.get("reason") == reason
        return
    record = eventually(lambda: gateway.access(), "its record")[0]
    assert record["error.type"] == why and record.get("pingate.reason") == reason
    assert streams(gateway) == []


def test_a_silent_one_ends(people, start, server):
    def run(files, *options, **keywords):
        return start(files, "--limit", "tunnel-idle-ms=500", *options, **keywords)

    _, edge, gateway = scripted(people, run, server, TAKEN)
    with opened(edge, people) as client:
        assert ended(client) == b""
    assert eventually(lambda: streams(gateway), "its record")[0]["pingate.why"] == "idle_timeout"


def test_http_goes_on_beside_it(people, start, server, nginx):
    backend = server()
    edge = Edge(people, nginx.port, rules="- matches: [{path: {type: PathPrefix, value: /chat}}]\n"
                "  backendRefs: [{name: chat, port: 80}]\n- backendRefs: [{name: app, port: 80}]",
                extra=gw.backend(backend.port, "chat"))
    start({"edge.yaml": edge.text()})
    assert talk(URI, edge.port, ["x"], client_context(people, people.pinned)) == ["x"]
    for http in ("1.1", "2"):
        assert curl(edge.port, people.server_ca, people.pinned, http=http).status == 200
