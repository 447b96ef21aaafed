"""GRPCRoute: calls of every kind go to the backends that their method and metadata choose, trailers come back, and what
pingate refuses itself is told as gRPC tells it."""
import collections

import grpc
import pytest
from support import gateway as gw
from support.client import curl
from support.grpc_backend import GrpcBackend
from support.net import eventually, free_port

NAMES = {"new": 3, "old": 1}


@pytest.fixture(scope="module")
def backends():
    servers = {name: GrpcBackend(name) for name in NAMES}
    yield servers
    for server in servers.values():
        server.stop()


def grpc_route(rules, hostnames=(), name="calls"):
    return gw.route(name=name, rules=rules, hostnames=hostnames).replace("HTTPRoute", "GRPCRoute")


RULES = """- matches: [{method: {service: shop.Cart}}]
  backendRefs: [{name: new, port: 80}]
- matches: [{method: {service: shop.Cart, method: Unary}, headers: [{name: x-version, value: "1"}]}]
  filters:
  - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-via, value: edge}, {name: x-both, value: a}]}}
  - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-answer, value: edge}]}}
  backendRefs: [{name: old, port: 80}]
- matches: [{method: {type: RegularExpression, service: "count[.].*", method: "Un.*"}}]
  backendRefs: [{name: new, port: 80, weight: 3}, {name: old, port: 80, weight: 1}]
- matches: [{method: {service: gone.Away}}]
  backendRefs: [{name: empty, port: 80}]
- matches: [{method: {service: no.Where}}]
  backendRefs: [{name: missing, port: 80}]
- matches: [{method: {service: dead.End}}]
  backendRefs: [{name: dead, port: 80}]
- name: guarded
  matches: [{method: {service: guarded.Safe}}]
  backendRefs: [{name: new, port: 80}]
"""


@pytest.fixture
def edge(start, people, backends):
    plain, tls = free_port(), free_port()
    text = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
            + gw.gateway([gw.http_listener("http", plain), gw.https_listener("https", tls)],
                         default=gw.validation(mode="AllowInsecureFallback"))
            + "".join(gw.backend(s.port, name=name) for name, s in backends.items())
            + gw.backend(free_port(), name="dead") + gw.backend(1, name="empty", ready=False)
            + grpc_route(RULES) + f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: guard, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: GRPCRoute, name: calls, sectionName: guarded}}]
  pins: [{{name: robot, spkiHash: "{people.pinned.spki_hash}"}}]
""")
    running = start({"edge.yaml": text})
    running.plain, running.tls = plain, tls
    return running


@pytest.fixture
def channel(edge):
    with grpc.insecure_channel(f"127.0.0.1:{edge.plain}") as opened:
        yield opened


def secure(edge, people, identity=None):
    key, chain = (identity.key_file.read_bytes(), identity.cert_file.read_bytes()) if identity else (None, None)
    return grpc.secure_channel(
        f"127.0.0.1:{edge.tls}", grpc.ssl_channel_credentials(people.server_ca.cert_pem.encode(), key, chain),
        [("grpc.ssl_target_name_override", "app.example.com"), ("grpc.default_authority", "app.example.com")])


def unary(channel, path="/shop.Cart/Unary", message=b"hi", **options):
    return channel.unary_unary(path).with_call(message, timeout=20, **options)


def refused(channel, path, **options):
    with pytest.raises(grpc.RpcError) as failure:
        unary(channel, path, **options)
    return failure.value


def test_calls_of_every_kind_pass(channel):
    answer, call = unary(channel)
    assert answer == b"new:hi"
    assert dict(call.initial_metadata())["x-initial"] == "yes"
    assert dict(call.trailing_metadata())["x-backend"] == "new"
    assert channel.stream_unary("/shop.Cart/Up")(iter([b"a", b"b", b"c"]), timeout=20) == b"a,b,c"
    assert list(channel.unary_stream("/shop.Cart/Down")(b"500", timeout=20)) == [b"%d" % n for n in range(500)]


def test_both_sides_stream_at_once(channel):
    """Each message goes when the answer to the former has come: nothing is held back until an end."""
    answers = collections.deque()

    def messages():
        yield b"first"
        for n in range(50):
            eventually(lambda: len(answers) > n, "an answer")
            yield b"m%d" % n
    for answer in channel.stream_stream("/shop.Cart/Both")(messages(), timeout=60):
        answers.append(answer)
    assert answers[0] == b"tsrif" and len(answers) == 51


def test_large_messages_pass(channel):
    message = b"0123456789abcdef" * (3 << 16)
    assert unary(channel, message=message)[0] == b"new:" + message


def test_a_status_of_the_backend_comes_through(channel):
    failure = refused(channel, "/shop.Cart/Fail")
    assert (failure.code(), failure.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not so, fünf")
    assert dict(failure.trailing_metadata())["x-backend"] == "new"


def test_headers_choose_and_filters_change(channel, backends):
    answer, call = unary(channel, metadata=[("x-version", "1"), ("x-both", "b")])
    assert answer == b"old:hi" and dict(call.initial_metadata())["x-answer"] == "edge"
    metadata = dict(backends["old"].calls[-1][1])
    assert metadata["x-via"] == "edge" and metadata["x-both"] == "a"


def test_weights_share_calls(channel):
    count = collections.Counter(unary(channel, "/count.Er/Unary")[0] for _ in range(400))
    assert 250 < count[b"new:hi"] < 350 and sum(count.values()) == 400


@pytest.mark.parametrize("path, code", [
    ("/nobody.Knows/Unary", "UNIMPLEMENTED"), ("/shop.Cartwheel/Unary", "UNIMPLEMENTED"),
    ("/count.Er/Down", "UNIMPLEMENTED"), ("/gone.Away/Unary", "UNAVAILABLE"), ("/no.Where/Unary", "UNAVAILABLE"),
    ("/dead.End/Unary", "UNAVAILABLE"), ("/guarded.Safe/Unary", "PERMISSION_DENIED")])
def test_what_is_refused_is_told_as_grpc_does(channel, path, code):
    failure = refused(channel, path)
    assert failure.code().name == code and ", request " in failure.details()


def test_others_get_http_for_an_answer(edge):
    reply = curl(edge.plain, None, scheme="http", path="/shop.Cart/Unary", http="2-prior-knowledge")
    assert reply.status == 404  # no POST, no call
    reply = curl(edge.plain, None, scheme="http", path="/dead.End/X", http="2-prior-knowledge", options=["-X", "POST"])
    assert reply.status == 502 and "grpc-status" not in reply.headers


def test_pins_guard_calls_and_name_their_client(edge, people, backends):
    with secure(edge, people, people.unpinned) as channel:
        assert refused(channel, "/guarded.Safe/Unary").code().name == "PERMISSION_DENIED"
        assert unary(channel)[0] == b"new:hi"
    assert "/guarded.Safe/Unary" not in [method for s in backends.values() for method, _ in s.calls]
    with secure(edge, people, people.pinned) as channel:
        forged = [("client-cert", "x"), ("pingate-client-name", "root")]
        assert unary(channel, "/guarded.Safe/Unary", metadata=forged)[0] == b"new:hi"
    said = [(k, v) for k, v in backends["new"].calls[-1][1] if k.startswith(("client-cert", "pingate-"))]
    assert dict(said)["pingate-client-name"] == "robot" and "x" not in dict(said).values() and len(said) == len(dict(said))


def test_calls_share_connections_to_a_backend(edge, backends, channel):
    for _ in range(50):
        unary(channel)
    text = edge.admin("/metrics")[1]
    opened = [int(float(line.split()[-1])) for line in text.splitlines()
              if line.startswith("pingate_upstream_connections_total") and 'result="opened"' in line]
    assert 1 <= sum(opened) <= 2  # one a worker


def test_a_rules_time_is_told_as_grpc_does(start, backends):
    """A GRPCRoute has no timeouts: this is a rule of an HTTPRoute, and the client itself would wait longer."""
    port = free_port()
    start({"edge.yaml": gw.gateway([gw.http_listener("http", port)])
           + gw.backend(backends["new"].port).replace("port: 80,", "port: 80, appProtocol: kubernetes.io/h2c,")
           + gw.route(rules="- timeouts: {request: 500ms}\n  backendRefs: [{name: app, port: 80}]")})
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert unary(channel)[0] == b"new:hi"
        with pytest.raises(grpc.RpcError) as failure:
            channel.unary_unary("/shop.Cart/Hold")(b"", timeout=50)
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert ", request " in failure.value.details()  # by pingate, not by the client's own clock
