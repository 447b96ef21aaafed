"""Backends that speak HTTP/2: requests share a connection, what a backend has not touched is asked again, and neither
side is sent more than it takes."""
import concurrent.futures
import hashlib
import socket
import subprocess
import threading

import pytest
from support import gateway as gw
from support.client import connect, curl
from support.edge import Edge
from support.h2_backend import H2Backend
from support.net import eventually


@pytest.fixture
def backend():
    server = H2Backend()
    yield server
    server.release()
    server.kill()


class H2Edge(Edge):
    def text(self, **changes):
        return super().text(**changes).replace("targetPort: ", "appProtocol: kubernetes.io/h2c, targetPort: ")


@pytest.fixture
def edge(people, start, backend):
    e = H2Edge(people, backend.port)
    e.gateway = start({"edge.yaml": e.text()}, workers=1)
    return e


def ask(edge, people, path, **options):
    return curl(edge.port, people.server_ca, people.pinned, path=path, **options)


def logged(edge, path):
    return [r for r in edge.gateway.access() if r.get("url.path") == path]


def test_a_request_of_either_protocol_reaches_an_h2_backend(edge, people, backend):
    for http in ("1.1", "2"):
        reply = ask(edge, people, f"/a?http={http}", http=http, options=["-H", "TE: trailers", "-H", "Client-Cert: x"])
        assert (reply.status, reply.body) == (200, "xx")
        headers = backend.asked(f"/a?http={http}")[0].headers
        named = dict(headers)
        assert (named[":method"], named[":scheme"], named[":authority"]) == ("GET", "http", "app.example.com:%d" % edge.port)
        assert named["pingate-client-verify"] == "SUCCESS" and named["client-cert"] != "x" and named["te"] == "trailers"
        assert not {"connection", "host", "transfer-encoding"} & set(named)
    one, two = [sorted((k, v) for k, v in r.headers if "client" in k) for r in backend.asked("/a")]
    assert one == two  # I26


def test_requests_share_one_connection(edge, people, backend):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = [pool.submit(ask, edge, people, f"/?hold=1&n={n}") for n in range(20)]
        eventually(lambda: len(backend.asked()) == 20, "twenty requests at once at the backend")
        backend.release()
        assert {r.result().status for r in replies} == {200}
    assert {r.connection for r in backend.asked()} == {1}


@pytest.mark.parametrize("size", [4000, 16000, 60000, 200000])
def test_a_mirror_answers_as_much_as_it_likes(people, start, backend, nginx, size):
    """What nobody reads comes in a window at once, whatever the mirror keeps of it."""
    rules = """- filters:
  - {type: RequestMirror, requestMirror: {backendRef: {name: app, port: 80}}}
  backendRefs: [{name: main, port: 81}]"""
    edge = H2Edge(people, backend.port, rules=rules,
                  extra=gw.backend(nginx.port, "main").replace("targetPort: ", "target: ").replace("port: 80,", "port: 81,"))
    edge.gateway = start({"edge.yaml": edge.text()}, workers=1)
    for n in range(5):
        assert ask(edge, people, f"/?bytes={size}&n={n}").status == 200
    answered = 'pingate_mirrored_requests_total{result="answered"} 5'
    eventually(lambda: answered in edge.gateway.admin("/metrics")[1], "all are over")
    assert len(backend.asked()) == 5


def test_a_full_connection_gets_a_second_one_beside_it(people, start):
    backend = H2Backend(max_streams=2)
    edge = H2Edge(people, backend.port)
    edge.gateway = start({"edge.yaml": edge.text()}, workers=1)
    assert ask(edge, people, "/first").status == 200  # so that its SETTINGS are known
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        replies = [pool.submit(ask, edge, people, f"/?hold=1&n={n}") for n in range(5)]
        eventually(lambda: len(backend.asked("/?")) == 5, "five requests at once")
        backend.release()
        assert {r.result().status for r in replies} == {200}
    # The third one may be spared: all that wait for a connection begin on it before its SETTINGS say how few it takes.
    assert backend.connections in (2, 3)
    backend.kill()


def test_trailers_pass_both_ways_but_for_forged_ones(edge, people, backend):
    with connect(edge.port, people.server_ca, people.pinned) as client:
        client.sendall(b"POST /t?trailers=1 HTTP/1.1\r\nHost: app.example.com\r\nTransfer-Encoding: chunked\r\n"
                       b"Trailer: x-n\r\n\r\n3\r\nabc\r\n0\r\nx-n: 1\r\nclient-cert: forged\r\n\r\n")
        data = b""
        while not data.endswith(b"0\r\nx-sum: 7\r\n\r\n"):
            piece = client.recv(65536)
            assert piece, data
            data += piece
    assert b"forged" not in data
    assert [dict(t) for t in backend.trailers.values()] == [{"x-n": "1"}]


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_64_mib_go_up_and_down(edge, people, backend, tmp_path, http):
    body = tmp_path / "body"
    body.write_bytes(b"0123456789abcdef" * (4 << 20))
    reply = tmp_path / "reply"
    result = ask(edge, people, "/big?echo=1", http=http, options=[
        "-H", "Expect:", "-T", str(body), "-X", "PUT", "-o", str(reply), "--max-time", "60"])
    assert result.error == ""
    head, _, got = reply.read_bytes().partition(b"\r\n\r\n")
    assert b" 200" in head and hashlib.sha256(got).digest() == hashlib.sha256(body.read_bytes()).digest()


def test_a_client_that_reads_nothing_holds_one_window(edge, people, backend):
    with connect(edge.port, people.server_ca, people.pinned) as slow:
        slow.sendall(b"GET /slow?bytes=67108864 HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
        eventually(lambda: backend.asked("/slow"), "the request")
        for n in range(5):  # others on the same connection are served meanwhile
            reply = ask(edge, people, f"/fast?bytes=300000&n={n}")
            assert reply.status == 200 and len(reply.body) == 300000
        assert {r.connection for r in backend.asked()} == {1}


def test_refused_streams_are_asked_again_whatever_the_method(edge, people, backend):
    reply = ask(edge, people, "/r?refuse=2", options=["-d", "body"])
    assert reply.status == 200
    assert len(backend.asked("/r")) == 3
    eventually(lambda: logged(edge, "/r"), "the record")
    assert logged(edge, "/r")[0]["http.request.resend_count"] == 2


def test_a_request_that_goaway_leaves_out_is_asked_again(edge, people, backend):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        inside = pool.submit(ask, edge, people, "/inside?hold=1")
        eventually(lambda: backend.asked("/inside"), "the request before it")
        reply = ask(edge, people, "/out?goaway=1", options=["-d", "body"])
        assert reply.status == 200
        backend.release()
        assert inside.result().status == 200  # what was under way ends well
    assert [r.connection for r in backend.asked("/out")] == [1, 2]
    assert [r.connection for r in backend.asked("/inside")] == [1]


def test_a_connection_that_dies_breaks_posts_and_repeats_gets(edge, people, backend):
    assert ask(edge, people, "/first").status == 200
    assert ask(edge, people, "/die?die=1").status == 200
    assert [r.connection for r in backend.asked("/die")] == [1, 2]
    reply = ask(edge, people, "/post?die=1", options=["-d", "body"])
    assert reply.status == 502
    assert len(backend.asked("/post")) == 1


def test_killed_and_revived_it_is_used_again(edge, people, backend):
    assert ask(edge, people, "/one").status == 200
    backend.kill()
    assert ask(edge, people, "/two").status == 502
    backend.revive()
    assert ask(edge, people, "/three").status == 200


def test_a_reset_stream_is_502_and_leaves_the_connection(edge, people, backend):
    assert ask(edge, people, "/reset?reset=1").status == 502
    assert ask(edge, people, "/after").status == 200
    assert len(backend.asked("/reset")) == 1 and backend.connections == 1


@pytest.mark.parametrize("bad", ["upper", "connection", "length", "status"])
def test_a_bad_head_is_502_and_leaves_the_connection(edge, people, backend, bad):
    reply = ask(edge, people, f"/bad?bad={bad}")
    assert reply.status == 502 or (bad == "length" and reply.error)  # that one shows behind its head
    assert ask(edge, people, "/after").status == 200
    assert backend.connections == 1


def test_a_client_that_goes_away_cancels_its_stream_alone(edge, people, backend):
    with subprocess.Popen(
            ["curl", "-s", "--http2", "-k", "--cert", people.pinned.cert_file, "--key", people.pinned.key_file,
             "--resolve", f"app.example.com:{edge.port}:127.0.0.1",
             f"https://app.example.com:{edge.port}/gone?hold=1"]) as client:
        eventually(lambda: backend.asked("/gone"), "the request")
        client.kill()
    eventually(lambda: backend.resets, "the reset")
    assert [code for _, _, code in backend.resets] == [8]
    assert ask(edge, people, "/after").status == 200
    assert backend.connections == 1


def test_http1_backends_that_are_called_h2_answer_502(people, start, nginx):
    edge = H2Edge(people, nginx.port)
    edge.gateway = start({"edge.yaml": edge.text()}, workers=1)
    assert ask(edge, people, "/").status == 502


def test_a_backend_that_says_nothing_is_left_after_its_ping(people, start):
    """It accepts, answers once, and falls silent: connected, and dead."""
    backend = H2Backend()
    relay = Silencer(backend.port)
    edge = H2Edge(people, relay.port)
    edge.gateway = start({"edge.yaml": edge.text()}, workers=1)
    assert ask(edge, people, "/one").status == 200
    relay.silence()
    threading.Event().wait(10.5)  # the silence behind which a PING goes along
    assert ask(edge, people, "/two", options=["--max-time", "15"]).status == 200
    assert relay.connections == 2
    backend.kill()


class Silencer:
    """Passes on what goes both ways, until it is told to drop what is on the connections that there are."""

    def __init__(self, target):
        self.target, self.connections, self.silent = target, 0, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self):
        self.silent.set()
        self.silent = threading.Event()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.target))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(*pair, self.silent), daemon=True).start()

    @staticmethod
    def _pump(source, sink, silent):
        try:
            while data := source.recv(65536):
                if not silent.is_set():
                    sink.sendall(data)
        except OSError:
            pass
