"""Slow, failing and dead backends: what a rule's timeouts promise."""
import concurrent.futures
import json
import math
import socket
import subprocess
import time

import pytest
from support import gateway as gw
from support.backend import Backend
from support.client import curl
from support.h2_backend import H2Backend
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


# ---- retry ----

RETRY = """- timeouts: {request: 5s, backendRequest: 500ms}
  retry: {codes: [500, 503], attempts: 2, backoff: 1ms}
  backendRefs: [{name: app, port: 80}]"""


@pytest.mark.parametrize("http", ("1.1", "2"))
@pytest.mark.parametrize("how,last", (("503", 503), ("500", 500), ("502", 502), ("rst", 503), ("close", 503), ("hang", 504)))
def test_a_failing_backend_is_asked_as_often_as_the_rule_says(start, people, backend, http, how, last):
    port = free_port()
    start({"edge.yaml": gw.secret_tls("server", people.server) + gw.gateway([gw.https_listener("https", port)])
           + gw.backend(backend.port) + gw.route(rules=RETRY)})

    def tries(fails):
        path = f"/{how}/{fails}?fail={fails}&how={how}"
        status = curl(port, people.server_ca, path=path, http=http).status
        return status, len(backend.asked(path))
    listed = how != "502"
    assert tries(0) == (200, 1)
    assert tries(1) == ((200, 2) if listed else (502, 1))
    assert tries(2) == ((200, 3) if listed else (502, 1))
    assert tries(3) == ((last, 3) if listed else (502, 1))


@pytest.mark.parametrize("method", ("POST", "PATCH", "PUT", "DELETE"))
def test_a_body_goes_with_each_try_whatever_the_method(serve, backend, method, tmp_path):
    gateway = serve(RETRY)
    big = tmp_path / "big"
    big.write_bytes(b"x" * 600000)
    reply = ask(gateway, "/twice?fail=1&how=rst", "-X", method, "--data-binary", "x" * 60000)
    assert reply.status == 200 and reply.body.endswith(" 60000\n"), reply
    assert [len(r.body) for r in backend.asked("/twice")] == [60000, 60000]
    eventually(lambda: [r.get("http.request.resend_count") for r in gateway.access()] == [1], gateway.access)
    reply = ask(gateway, "/big?fail=1&how=503", "-X", method, "-H", "Expect:", "--data-binary", f"@{big}")
    assert reply.status == 503 and len(backend.asked("/big")) == 1, reply


def test_who_waits_for_a_100_gets_it_from_a_later_try(serve, backend):
    gateway = serve("- retry: {attempts: 5, backoff: 500ms}\n  backendRefs: [{name: app, port: 80}]")
    backend.kill()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.sendall(b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        eventually(lambda: counted(gateway, "pingate_upstream_connections_total", result="failed") > 0, "a failed try")
        backend.revive()
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert [r.body for r in backend.asked("/late")] == [b"body"]


def test_a_backend_that_is_down_is_503_when_retries_are_spent_and_502_without(serve, backend):
    gateway = serve("- matches: [{path: {value: /retry}}]\n" + RETRY.replace("- ", "  ", 1)
                    + "\n- backendRefs: [{name: app, port: 80}]")
    backend.kill()
    assert ask(gateway, "/retry").status == 503
    assert ask(gateway, "/none").status == 502
    backend.revive()
    assert ask(gateway, "/retry").status == 200


def test_explain_tells_the_retry(serve):
    gateway = serve(RETRY)
    command = [gw.BINARY, "explain", "-c", str(gateway.config), "--gateway", "edge/edge", "--port", str(gateway.port),
               "--request", "GET http://a/"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    assert "retry: up to 2 more tries, after 1ms, on connection errors, timeouts, 500, 503" in said
    told = json.loads(subprocess.run(command + ["-o", "json"], capture_output=True, text=True, timeout=30).stdout)
    assert told["request"]["retry"] == {"attempts": 2, "backoff": "1ms", "codes": [500, 503]}


# ---- mirrors ----

@pytest.fixture
def mirror():
    server = Backend("mirror")
    yield server
    server.kill()


def mirrored(*shares):
    filters = "".join(f"  - {{type: RequestMirror, requestMirror: {{backendRef: {{name: mirror, port: 80}}{share}}}}}\n"
                      for share in shares)
    return f"- filters:\n{filters}  backendRefs: [{{name: app, port: 80}}]"


def counted(gateway, metric, **labels):
    return sum(float(line.split()[-1]) for line in gateway.admin("/metrics")[1].splitlines()
               if line.startswith(metric) and all(f'{k}="{v}"' in line for k, v in labels.items()))


def burst(port, count, path="/", headers=""):
    """So many requests, one behind the other on one connection. The statuses."""
    statuses = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client, client.makefile("rb") as stream:
        for _ in range(count):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n".encode())
            statuses.append(int(stream.readline().split()[1]))
            length, chunked = 0, False
            while (line := stream.readline().lower()) != b"\r\n":
                chunked |= line.startswith(b"transfer-encoding:")
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
            while chunked and (size := int(stream.readline(), 16)) >= 0:
                stream.read(size + 2)
                chunked = size > 0
    return statuses


@pytest.mark.parametrize("share,part", ((", percent: 20", 0.2), (", fraction: {numerator: 1, denominator: 2}", 0.5),
                                        (", fraction: {numerator: 35}", 0.35), (", percent: 0", 0), ("", 1)))
def test_a_mirror_gets_its_share_of_the_requests(serve, backend, mirror, share, part):
    gateway = serve(mirrored(share), extra=gw.backend(mirror.port, name="mirror"))
    assert burst(gateway.port, 500, "/share") == [200] * 500
    assert len(backend.asked("/share")) == 500
    sigma = math.sqrt(500 * part * (1 - part))
    eventually(lambda: abs(len(mirror.asked("/share")) - 500 * part) <= 3 * sigma, lambda: str(len(mirror.asked())))
    answered = eventually(lambda: counted(gateway, "pingate_mirrored_requests_total", result="answered") or part == 0,
                          "counted")
    assert part == 0 or answered


@pytest.mark.parametrize("http", ("1.1", "2"))
def test_a_mirror_sees_the_request_and_nothing_of_who_the_client_is(start, people, backend, mirror, http, tmp_path):
    port = free_port()
    rules = mirrored("").replace("- filters:\n", """- filters:
  - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Added, value: by-the-rule}], remove: [X-Gone]}}
""")
    text = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
            + gw.gateway([gw.https_listener("https", port)],
                         default=gw.validation(pins=gw.pinning(spki=[people.pinned.spki_hash])))
            + gw.backend(backend.port) + gw.backend(mirror.port, name="mirror") + gw.route(rules=rules))
    start({"edge.yaml": text})
    (tmp_path / "body").write_bytes(b"y" * 200000)
    reply = curl(port, people.server_ca, people.pinned, path="/seen?by=both", http=http, options=(
        "-H", "X-Gone: 1", "-H", "Client-Cert: :forged:", "-H", "Pingate-Client-Name: forged", "-H", "X_SSL_Cert: forged",
        "--data-binary", f"@{tmp_path}/body"))
    assert reply.status == 200 and reply.headers["x-backend"] == "backend", reply
    seen = eventually(lambda: mirror.asked("/seen"), "the mirror is asked")[0]
    real = backend.asked("/seen")[0]
    assert seen.method == "POST" and seen.target == "/seen?by=both" and seen.body == real.body == b"y" * 200000
    names = {name for name, _ in real.headers}
    identity = {name for name in names if name.startswith(("pingate-", "client-cert"))}
    assert {"client-cert", "pingate-client-verify"} <= identity
    assert [h for h in real.headers if h[0] not in identity] == seen.headers
    assert ("x-added", "by-the-rule") in seen.headers and "forged" not in str(seen.headers)


def test_nobody_waits_for_a_mirror_that_is_dead_or_silent(serve, backend, mirror):
    gateway = serve(mirrored("", ""), extra=gw.backend(mirror.port, name="mirror"))
    mirror.kill()
    assert ask(gateway, "/dead").status == 200
    eventually(lambda: counted(gateway, "pingate_mirrored_requests_total", result="failed") == 2, "failures counted")
    mirror.revive()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and reads nothing
        gateway.swap("silent.yaml", gw.backend(silent.getsockname()[1], name="silent") + gw.route(
            name="silent", hostnames=("silent.example.com",), rules=mirrored("").replace("mirror,", "silent,")))
        begun = time.monotonic()
        size = 20_000_000
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
            client.sendall(b"POST /big HTTP/1.1\r\nHost: silent.example.com\r\nContent-Length: %d\r\n\r\n" % size)
            client.sendall(b"z" * size)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - begun < 10
        assert len(backend.asked("/big")[0].body) == size
        eventually(lambda: counted(gateway, "pingate_mirrored_requests_total", result="dropped") == 1, "drop counted")


def test_a_mirror_that_does_not_exist_is_told_and_the_rule_serves(serve, backend):
    gateway = serve(mirrored(""))
    assert ask(gateway, "/").status == 200
    said = subprocess.run([gw.BINARY, "check", "-c", str(gateway.config), "-o", "json"], capture_output=True, text=True,
                          timeout=30).stdout
    assert "requestMirror.backendRef: Service edge/mirror does not exist" in said and "BackendNotFound" in said


# ---- endpoints ----

def service(name, *backends):
    """A Service with an endpoint for each of these."""
    text = gw.backend(backends[0].port, name=name)
    for number, backend in enumerate(backends[1:], 2):
        text += f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{number}, namespace: edge, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {backend.port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"""
    return text


@pytest.fixture
def several():
    backends = [Backend(name) for name in "abcd"]
    yield backends
    for backend in backends:
        backend.kill()


@pytest.fixture
def balanced(start):
    def run(text, *options, rules=None, workers=1):
        port = free_port()
        gateway = start({"edge.yaml": gw.gateway([gw.http_listener("http", port)]) + text + gw.route(rules=rules)},
                        *options, workers=workers)
        gateway.port = port
        return gateway
    return run


EJECTS = ("--limit", "eject-failures=3", "--limit", "eject-ms=1000", "--limit", "eject-max-ms=1500")


def test_endpoints_that_fail_are_passed_over_never_more_than_half_and_come_back(balanced, several):
    gateway = balanced(service("app", *several), *EJECTS)
    several[0].kill()
    several[1].status = "503"
    statuses = burst(gateway.port, 300)
    assert 1 <= statuses.count(503) <= 6 and statuses.count(200) == 300 - statuses.count(503), statuses
    assert counted(gateway, "pingate_upstream_ejections_total") >= 2
    several[2].status = "502"  # the third of four: it goes on being asked
    statuses = burst(gateway.port, 100)
    assert statuses.count(502) > 10, statuses
    assert counted(gateway, "pingate_upstream_ejected_endpoints") <= 2
    told = eventually(lambda: [r for r in gateway.audit() if "passed over" in str(r)], "the audit log tells")
    assert f"endpoint 127.0.0.1:{several[1].port} failed 3 times in a row" in str(told)
    several[0].revive()
    several[1].status = several[2].status = "200"
    eventually(lambda: counted(gateway, "pingate_upstream_ejected_endpoints") == 0, "all have come back")
    burst(gateway.port, 8)
    for server in several:
        server.clear()
    assert burst(gateway.port, 200) == [200] * 200
    assert all(len(server.asked()) > 20 for server in several)


def test_where_all_fail_all_are_used_and_the_first_that_lives_again_serves(balanced, several):
    gateway = balanced(service("app", *several), *EJECTS)
    for server in several:
        server.kill()
    assert burst(gateway.port, 30) == [502] * 30
    assert counted(gateway, "pingate_upstream_ejected_endpoints") <= 2
    for server in several:
        server.revive()
    statuses = burst(gateway.port, 100)
    assert statuses.count(200) > 95, statuses


def test_a_lone_endpoint_is_never_passed_over(balanced, backend):
    gateway = balanced(service("app", backend), *EJECTS)
    backend.status = "503"
    assert burst(gateway.port, 20) == [503] * 20
    backend.status = "200"
    assert burst(gateway.port, 20) == [200] * 20


def test_a_client_that_holds_its_body_back_has_no_endpoint_passed_over(balanced, several):
    gateway = balanced(service("app", *several), *EJECTS)
    several[0].impatient, asked = True, 0
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
            before = [server.connections for server in several]
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nslow")
            eventually(lambda: [server.connections for server in several] != before, "one is asked")
            if several[0].connections > before[0]:
                asked += client.recv(4096).startswith(b"HTTP/1.1 502 ")
    assert asked >= 4
    assert counted(gateway, "pingate_upstream_ejections_total") == 0
    statuses = burst(gateway.port, 100)  # with whole requests it is the endpoint's fault
    assert 3 <= statuses.count(502) <= 4 and counted(gateway, "pingate_upstream_ejections_total") == 1, statuses


def test_weights_hold_whatever_endpoints_do(balanced, several):
    rules = "- backendRefs: [{name: app, port: 80, weight: 70}, {name: other, port: 80, weight: 30}]"
    gateway = balanced(service("app", *several[:3]) + service("other", several[3]), *EJECTS, rules=rules)
    several[0].kill()
    assert burst(gateway.port, 500) == [200] * 500
    sigma = math.sqrt(500 * 0.3 * 0.7)
    assert abs(len(several[3].asked()) - 150) <= 3 * sigma
    assert abs(len(several[1].asked()) - len(several[2].asked())) <= 3 * math.sqrt(350)


def test_the_less_busy_endpoint_is_asked(balanced, several):
    gateway = balanced(service("app", *several[:2]))
    several[0].delay = 0.5
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(sum(pool.map(lambda _: burst(gateway.port, 40), range(8)), [])) == {200}
    slow, fast = (len(server.asked()) for server in several[:2])
    assert slow + fast == 320 and slow < 80, (slow, fast)


def many_at_once(gateway, count, path):
    """So many requests, all sent before one is answered. The statuses."""
    clients = [socket.create_connection(("127.0.0.1", gateway.port), timeout=20) for _ in range(count)]
    for client in clients:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    statuses = [int(client.makefile("rb").readline().split()[1]) for client in clients]
    for client in clients:
        client.close()
    return statuses


@pytest.mark.parametrize("limit,passes", (("endpoint-connections=2", 4), ("backend-connections=3", 3)))
def test_over_the_limit_on_connections_the_answer_is_503(balanced, several, limit, passes):
    gateway = balanced(service("app", *several[:2]), "--limit", limit)
    assert sorted(many_at_once(gateway, 10, "/?delay=1")) == [200] * passes + [503] * (10 - passes)
    assert sum(len(server.asked()) for server in several[:2]) == passes
    assert counted(gateway, "pingate_limit_refusals_total") >= 10 - passes
    eventually(lambda: [r.get("error.type") for r in gateway.access()].count("backend_over_limit") == 10 - passes,
               gateway.access)
    assert many_at_once(gateway, 2, "/") == [200, 200]


# ---- over HTTP/2 ----

@pytest.fixture
def h2c():
    server = H2Backend()
    yield server
    server.release()
    server.kill()


def h2c_service(server, name="app"):
    return gw.backend(server.port, name=name).replace("targetPort", "appProtocol: kubernetes.io/h2c, targetPort")


def test_timeouts_and_retries_are_the_same_over_http2(balanced, h2c):
    gateway = balanced(h2c_service(h2c), rules=RETRY.replace("500ms", "300ms"))
    reply, took = timed(gateway, "/held?hold")
    assert reply.status == 504 and took < 3 and len(h2c.asked("/held")) == 3, (reply, took)
    assert ask(gateway, "/reset?reset").status == 503 and len(h2c.asked("/reset")) == 3
    assert ask(gateway, "/well").status == 200


def test_a_mirror_may_speak_http2(balanced, backend, h2c, tmp_path):
    gateway = balanced(service("app", backend) + h2c_service(h2c, "mirror"), rules=mirrored(""))
    (tmp_path / "body").write_bytes(b"y" * 30000)
    assert ask(gateway, "/copied", "--data-binary", f"@{tmp_path}/body").status == 200
    eventually(lambda: sum(h2c.bodies.values()) == 30000, "the body is mirrored")
    names = {name for name, _ in h2c.asked("/copied")[0].headers}
    assert not [name for name in names if name.startswith(("pingate-", "client-cert"))]
    eventually(lambda: counted(gateway, "pingate_mirrored_requests_total", result="answered") == 1, "counted")


def test_an_http2_endpoint_that_is_gone_is_passed_over(balanced, h2c):
    others = [H2Backend() for _ in range(2)]
    text = h2c_service(h2c)
    for number, other in enumerate(others):
        text += gw.backend(other.port).split("---\n")[2].replace("app-1", f"app-{number + 2}").join(("---\n", ""))
    gateway = balanced(text, *EJECTS)
    h2c.kill()
    assert burst(gateway.port, 100) == [200] * 100
    assert counted(gateway, "pingate_upstream_ejections_total") >= 1
    assert all(len(other.asked()) > 10 for other in others)
    for other in others:
        other.kill()
    h2c.revive()


# What is wrong with a backend, and what the client gets. Never a hang, never a reset.
@pytest.mark.parametrize("http", ("1.1", "2"))
def test_each_fault_of_a_backend_has_its_answer(start, people, backend, http):
    port, dead, timeouts = free_port(), Backend(), "timeouts: {backendRequest: 300ms}\n  "
    dead.kill()
    rules = "".join(f"- matches: [{{path: {{value: /{name}}}}}]\n  {timeouts}backendRefs: [{{name: {name}, port: 80}}]\n"
                    for name in ("app", "dead", "empty"))
    gateway = start({"edge.yaml": gw.secret_tls("server", people.server) + gw.gateway([gw.https_listener("https", port)])
                     + gw.backend(backend.port) + gw.backend(dead.port, name="dead")
                     + gw.backend(backend.port, name="empty", ready=False) + gw.route(rules=rules)})
    faults = {"/dead": (502, "backend_connect_failed"), "/empty": (503, "no_endpoints"),
              "/app?fail=99&how=close": (502, "backend_closed"), "/app?fail=98&how=rst": (502, "backend_closed"),
              "/app?status=nonsense": (502, "status_line"), "/app?delay=5": (504, "backend_timeout"),
              "/nowhere": (404, "no_route")}
    got = {path: curl(port, people.server_ca, path=path, http=http).status for path in faults}
    assert got == {path: status for path, (status, _) in faults.items()}
    eventually(lambda: len(gateway.access()) == len(faults), gateway.access)
    assert [r.get("error.type") for r in gateway.access()] == [fault for _, fault in faults.values()]


def test_explain_tells_the_mirrors(serve, mirror):
    gateway = serve(mirrored(", percent: 20"), extra=gw.backend(mirror.port, name="mirror"))
    command = [gw.BINARY, "explain", "-c", str(gateway.config), "--gateway", "edge/edge", "--port", str(gateway.port),
               "--request", "GET http://a/"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    assert "mirrored to edge/mirror:80: 20 of 100 requests" in said
    told = json.loads(subprocess.run(command + ["-o", "json"], capture_output=True, text=True, timeout=30).stdout)
    assert told["request"]["mirrors"] == [{"backend": "edge/mirror:80", "numerator": 20, "denominator": 100}]


def test_explain_tells_the_timeouts(serve):
    gateway = serve("- timeouts: {request: 10s, backendRequest: 0s}\n  backendRefs: [{name: app, port: 80}]")
    command = [gw.BINARY, "explain", "-c", str(gateway.config), "--gateway", "edge/edge", "--port", str(gateway.port),
               "--request", "GET http://a/"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    assert "timeout of the request: 10s" in said and "timeout of a try at a backend: no limit" in said
    told = json.loads(subprocess.run(command + ["-o", "json"], capture_output=True, text=True, timeout=30).stdout)
    assert told["request"]["timeouts"] == {"request": "10s", "backendRequest": "0s"}
