"""Slow, failing and dead backends: what a rule's timeouts promise."""
import json
import socket
import subprocess
import time

import pytest
from support import gateway as gw
from support.backend import Backend
from support.client import curl
from support.net import eventually, free_port


@pytest.fixture
def backend():
    server = Backend()
    yield server
    server.kill()


@pytest.fixture
def serve(start, backend):
    """serve(rules, option…) runs a gateway with one HTTP listener in front of `backend`."""
    def run(rules, *options, extra="", **keywords):
        port = free_port()
        text = gw.gateway([gw.http_listener("http", port)]) + gw.backend(backend.port) + gw.route(rules=rules) + extra
        gateway = start({"edge.yaml": text}, *options, **keywords)
        gateway.port = port
        return gateway
    return run


def ask(gateway, path, *options):
    return curl(gateway.port, None, path=path, scheme="http", options=options)


def timed(gateway, path, *options):
    begun = time.monotonic()
    return ask(gateway, path, *options), time.monotonic() - begun


# ---- timeouts ----

@pytest.mark.parametrize("field", ("request", "backendRequest"))
def test_a_backend_slower_than_the_timeout_is_504_and_a_faster_one_is_not(serve, backend, field):
    gateway = serve(f"- timeouts: {{{field}: 500ms}}\n  backendRefs: [{{name: app, port: 80}}]")
    reply, took = timed(gateway, "/?delay=3")
    assert reply.status == 504 and 0.45 < took < 1.5, (reply, took)
    assert ask(gateway, "/?delay=0.1").status == 200
    fault = "request_timeout" if field == "request" else "backend_timeout"
    eventually(lambda: [r.get("error.type") for r in gateway.access()] == [fault, None], gateway.access)


@pytest.mark.parametrize("http", ("1.1", "2"))
def test_zero_switches_the_gateways_own_limits_off(serve, people, start, backend, http):
    limits = ("--limit", "request-ms=300", "--limit", "response-ms=300", "--limit", "body-progress-ms=300")
    port = free_port()
    rules = """- matches: [{path: {value: /off}}]
  timeouts: {request: 0s}
  backendRefs: [{name: app, port: 80}]
- backendRefs: [{name: app, port: 80}]"""
    start({"edge.yaml": gw.secret_tls("server", people.server) + gw.gateway([gw.https_listener("https", port)])
           + gw.backend(backend.port) + gw.route(rules=rules)}, *limits)
    assert curl(port, people.server_ca, path="/on?delay=1", http=http).status == 504
    reply = curl(port, people.server_ca, path="/off?delay=1&drip=1", http=http)
    assert reply.status == 200 and reply.body.startswith("backend GET /off"), reply


def test_a_body_in_progress_is_cut_off_by_the_timeout(serve, backend):
    gateway = serve("- timeouts: {request: 500ms}\n  backendRefs: [{name: app, port: 80}]")
    reply, took = timed(gateway, "/?drip=5")
    assert reply.status == 200 and reply.body == "" and "closed" in reply.error and took < 2, (reply, took)


def post_on(client, path, body=b"abcd"):
    client.sendall(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body))
    return client.recv(4096)


def test_a_body_is_complete_with_its_last_byte(serve, backend):
    """Else it would be the client that is waited for (408), and neither connection could be used again."""
    gateway = serve("- timeouts: {backendRequest: 300ms}\n  backendRefs: [{name: app, port: 80}]", workers=1)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        assert post_on(client, b"/one").startswith(b"HTTP/1.1 200 ")
        assert post_on(client, b"/two").startswith(b"HTTP/1.1 200 ")
        assert backend.connections == 1
        assert post_on(client, b"/late?delay=9").startswith(b"HTTP/1.1 504 ")


def test_explain_tells_the_timeouts(serve):
    gateway = serve("- timeouts: {request: 10s, backendRequest: 0s}\n  backendRefs: [{name: app, port: 80}]")
    command = [gw.BINARY, "explain", "-c", str(gateway.config), "--gateway", "edge/edge", "--port", str(gateway.port),
               "--request", "GET http://a/"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    assert "timeout of the request: 10s" in said and "timeout of a try at a backend: no limit" in said
    told = json.loads(subprocess.run(command + ["-o", "json"], capture_output=True, text=True, timeout=30).stdout)
    assert told["request"]["timeouts"] == {"request": "10s", "backendRequest": "0s"}
