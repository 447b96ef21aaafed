"""Listeners, wherever they are written: which of them a request meets, which routes serve it there, and that what
ListenerSets, grants and live changes do is done to them alone."""
import json
import socket
import ssl

import pytest
from support import gateway as gw
from support.client import connect, curl, handshake
from support.net import eventually, free_port
from support.pki import SERVER_AUTH
from support.policy import pin, policy, target
from support.streams import ByteServer, receive

PROTOCOLS = [("1.2", "1.1"), ("1.3", "1.1"), ("1.3", "2")]
GROUP = "gateway.networking.k8s.io"


def named_route(name, parents, hostnames=(), service="app", namespace="edge", path="/", service_namespace=None):
    """A route whose answers say its name."""
    ref = {"name": service, "port": 80, **({"namespace": service_namespace} if service_namespace else {})}
    spec = {"parentRefs": parents, "hostnames": list(hostnames), "rules": [{
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "filters": [{"type": "ResponseHeaderModifier",
                     "responseHeaderModifier": {"set": [{"name": "X-Route", "value": name}]}}],
        "backendRefs": [ref]}]}
    return f"""---
apiVersion: {GROUP}/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: {namespace}}}
spec: {json.dumps(spec)}
"""


def listener_set(name, listeners, namespace="edge", created=None):
    meta = {"name": name, "namespace": namespace, **({"creationTimestamp": created} if created else {})}
    return f"""---
apiVersion: {GROUP}/v1
kind: ListenerSet
metadata: {json.dumps(meta)}
spec:
  parentRef: {{name: edge, namespace: edge}}
  listeners:
{gw.indent(chr(10).join(listeners), 2)}
"""


def with_sets(gateway, allowed="All"):
    """The Gateway of that text, letting ListenerSets in."""
    return gateway.replace("  listeners:\n", f"  allowedListeners: {{namespaces: {{from: {allowed}}}}}\n  listeners:\n", 1)


def grant(from_kind, to_kind, from_namespace="edge", namespace="shared", to_group=""):
    return f"""---
apiVersion: {GROUP}/v1
kind: ReferenceGrant
metadata: {{name: {from_kind.lower()}-{to_kind.lower()}, namespace: {namespace}}}
spec:
  from: [{{group: {GROUP}, kind: {from_kind}, namespace: {from_namespace}}}]
  to: [{{group: "{to_group}", kind: {to_kind}}}]
"""


def ask(port, host, path="/"):
    """Status and the route that served."""
    reply = curl(port, None, host=host, path=path, scheme="http")
    return reply.status, reply.headers.get("x-route")


# ---- ListenerSets ----

SET = [{"kind": "ListenerSet", "name": "extra"}]
GATEWAY = [{"name": "edge", "namespace": "edge"}]


def test_a_route_reaches_the_listeners_of_its_parent_alone(start, nginx):
    port, other = free_port(), free_port()
    gateway = start({"edge.yaml": gw.backend(nginx.port) + with_sets(
        gw.gateway([gw.http_listener("own", port, "own.example.com")])) + listener_set("extra", [
            gw.http_listener("a", port, "a.example.com"), gw.http_listener("b", other)])
        + named_route("of-the-gateway", GATEWAY) + named_route("of-the-set", SET)
        + named_route("of-a-section", [dict(SET[0], sectionName="b")], path="/section")})
    assert ask(port, "own.example.com") == (200, "of-the-gateway")
    assert ask(port, "a.example.com") == (200, "of-the-set")
    assert ask(port, "none.example.com") == (404, None)
    assert ask(other, "any.example.com") == (200, "of-the-set")
    assert ask(other, "any.example.com", "/section") == (200, "of-a-section")
    assert ask(port, "a.example.com", "/section") == (200, "of-the-set")
    told = {listener["name"]: listener["conditions"] for listener in json.loads(gateway.admin("/status")[1])["listeners"]}
    assert set(told) == {"own", "edge/extra/a", "edge/extra/b"}
    for name, conditions in told.items():
        assert {c["type"]: c["status"] for c in conditions}["Programmed"] == "True", (name, conditions)


def test_a_listener_set_that_is_not_let_in_serves_nothing(start, nginx):
    port, other = free_port(), free_port()
    sets = listener_set("extra", [gw.http_listener("a", port, "a.example.com"), gw.http_listener("b", other)])
    own = gw.backend(nginx.port) + gw.gateway([gw.http_listener("own", port, "own.example.com")])
    rest = sets + named_route("of-the-gateway", GATEWAY) + named_route("of-the-set", SET)
    gateway = start({"edge.yaml": own + rest})
    assert ask(port, "own.example.com") == (200, "of-the-gateway")
    assert ask(port, "a.example.com") == (404, None)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", other))
    gateway.swap("edge.yaml", with_sets(own, "Same") + rest)  # let in, live
    assert ask(port, "a.example.com") == (200, "of-the-set")
    assert ask(other, "a.example.com") == (200, "of-the-set")
    gateway.swap("edge.yaml", with_sets(own, "None") + rest)  # and out again
    assert ask(port, "a.example.com") == (404, None)
    assert ask(port, "own.example.com") == (200, "of-the-gateway")


def test_the_older_listener_set_has_the_hostname(start, nginx):
    port = free_port()
    text = gw.backend(nginx.port) + with_sets(gw.gateway([gw.http_listener("own", port, "own.example.com")]))
    older = listener_set("older", [gw.http_listener("a", port, "a.example.com")], created="2026-01-01T00:00:00Z")
    younger = listener_set("extra", [gw.http_listener("a", port, "a.example.com"),
                                     gw.http_listener("b", port, "own.example.com")], created="2026-02-01T00:00:00Z")
    rest = named_route("of-the-gateway", GATEWAY) + named_route("of-the-older", [dict(SET[0], name="older")]) \
        + named_route("of-the-younger", SET)
    gateway = start({"edge.yaml": text + younger + older + rest})
    assert ask(port, "a.example.com") == (200, "of-the-older")
    assert ask(port, "own.example.com") == (200, "of-the-gateway")
    gateway.swap("edge.yaml", text + younger + rest.replace("older", "extra"))  # it goes: the next in age has it
    assert ask(port, "a.example.com") == (200, "of-the-extra")


@pytest.fixture(scope="module")
def pinned_set(people, nginx, tmp_path_factory):
    """Everybody of the CA may use the Gateway's own listener; the ListenerSet's are for one key."""
    port = free_port()
    text = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
            + gw.backend(nginx.port)
            + with_sets(gw.gateway([gw.https_listener("own", port, "own.example.com")], default=gw.validation()))
            + listener_set("extra", [gw.https_listener("a", port, "a.example.com"),
                                     gw.https_listener("b", port, "b.example.com")])
            + named_route("of-the-gateway", GATEWAY) + named_route("of-the-set", SET)
            + policy("set", [target("extra", kind="ListenerSet")],
                     [pin(spki=people.pinned.spki_hash), pin(spki=people.pinned_rsa.spki_hash)])
            + policy("section", [target("extra", "b", kind="ListenerSet")], [pin(spki=people.pinned.spki_hash)]))
    gateway = gw.Gateway(tmp_path_factory.mktemp("sets"), {"edge.yaml": text})
    yield gateway, port
    gateway.stop()


@pytest.mark.parametrize("tls,http", PROTOCOLS)
def test_a_policy_on_a_listener_set_holds_on_its_listeners_alone(pinned_set, people, tls, http):
    gateway, port = pinned_set
    for who, host, expected in (("pinned", "own", 200), ("pinned", "a", 200), ("pinned", "b", 200),
                                ("pinned_rsa", "a", 200), ("pinned_rsa", "b", 0),  # the section asks for more
                                ("unpinned", "own", 200), ("unpinned", "a", 0), ("unpinned", "b", 0)):
        reply = curl(port, people.server_ca, getattr(people, who), host=f"{host}.example.com", tls=tls, http=http)
        assert reply.status == expected, (who, host, reply)
        if expected:
            assert reply.headers["x-route"] == ("of-the-gateway" if host == "own" else "of-the-set")


@pytest.mark.parametrize("tls,http", PROTOCOLS)
def test_no_name_goes_around_a_policy_on_a_listener_set(pinned_set, people, nginx, tls, http):
    """In by the Gateway's own listener, then asking for one of the ListenerSet: 421, and no hit."""
    gateway, port = pinned_set
    hits = len(nginx.hits())
    for host in ("a.example.com", "b.example.com"):
        reply = curl(port, people.server_ca, people.unpinned, host=host, sni="own.example.com", tls=tls, http=http)
        assert reply.status == 421, reply
    assert len(nginx.hits()) == hits


def test_a_policy_that_is_put_on_a_listener_set_ends_who_is_not_pinned(people, nginx, start):
    port = free_port()
    text = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
            + gw.backend(nginx.port)
            + with_sets(gw.gateway([gw.https_listener("own", port, "own.example.com")], default=gw.validation()))
            + listener_set("extra", [gw.https_listener("a", port, "a.example.com")]) + named_route("of-the-set", SET))
    gateway = start({"edge.yaml": text})
    victim = connect(port, people.server_ca, people.unpinned, sni="a.example.com")
    bystander = connect(port, people.server_ca, people.unpinned, sni="own.example.com")
    gateway.write("policy.yaml", policy("set", [target("extra", kind="ListenerSet")],
                                        [pin(spki=people.pinned.spki_hash)]))
    eventually(lambda: handshake(port, people.server_ca, people.unpinned, sni="a.example.com") == 46, "refused")
    victim.settimeout(30)
    try:
        assert victim.recv(65536) == b""
    except (ConnectionError, ssl.SSLError):
        pass  # ended without a closing alert: ended all the same
    bystander.sendall(b"GET / HTTP/1.1\r\nHost: own.example.com\r\n\r\n")
    assert bystander.recv(65536).startswith(b"HTTP/1.1 404 ")


# ---- which listener a request meets ----

ISOLATED = (("empty", None), ("wildcard", "*.example.com"), ("foo", "*.foo.example.com"), ("abc", "abc.foo.example.com"))


@pytest.mark.parametrize("route_hostnames", (False, True), ids=("routes-of-any-host", "routes-with-hostnames"))
def test_a_request_meets_the_routes_of_its_most_specific_listener_alone(start, nginx, route_hostnames):
    """GatewayHTTPListenerIsolation"""
    port = free_port()
    hosts = {"empty": "bar.com", "wildcard": "bar.example.com", "foo": "bar.foo.example.com", "abc": "abc.foo.example.com"}
    start({"edge.yaml": gw.backend(nginx.port)
           + gw.gateway([gw.http_listener(name, port, pattern) for name, pattern in ISOLATED])
           + "".join(named_route(name, [{"name": "edge", "sectionName": name}], path=f"/{name}",
                                 hostnames=[hosts[name]] if route_hostnames else []) for name, _ in ISOLATED)})
    for listener, host in hosts.items():
        for path, _ in ISOLATED:
            expected = (200, path) if path == listener else (404, None)
            assert ask(port, host, f"/{path}") == expected, (host, path)
            assert ask(port, host.upper(), f"/{path}") == expected, (host, path)


@pytest.fixture(scope="module")
def misdirected(people, nginx, tmp_path_factory):
    """The listeners of HTTPRouteHTTPSListenerDetectMisdirectedRequests."""
    port = free_port()
    identity = people.server_ca.issue("many", dns=["*.org", "*.wildcard.org", "example.org"], eku=SERVER_AUTH)
    names = {"any": None, "second": "second-example.org", "wildcard": "*.wildcard.org",
             "fourth": "fourth-example.wildcard.org"}
    routes = {"any": ["example.org"], "second": [], "wildcard": [], "fourth": []}
    text = (gw.secret_tls("server", identity) + gw.backend(nginx.port)
            + gw.gateway([gw.https_listener(name, port, pattern) for name, pattern in names.items()])
            + "".join(named_route(name, [{"name": "edge", "sectionName": name}], hosts)
                      for name, hosts in routes.items()))
    gateway = gw.Gateway(tmp_path_factory.mktemp("misdirected"), {"edge.yaml": text})
    yield port
    gateway.stop()


@pytest.mark.parametrize("http", ("1.1", "2"))
@pytest.mark.parametrize("sni,host,status,route", (
    ("example.org", "example.org", 200, "any"),
    ("example.org", "second-example.org", 421, None),
    ("example.org", "unknown-example.org", 404, None),
    ("second-example.org", "second-example.org", 200, "second"),
    ("second-example.org", "example.org", 421, None),
    ("second-example.org", "unknown-example.org", 421, None),
    ("third-example.wildcard.org", "third-example.wildcard.org", 200, "wildcard"),
    ("third-example.wildcard.org", "fifth-example.wildcard.org", 200, "wildcard"),
    ("third-example.wildcard.org", "fourth-example.wildcard.org", 421, None),
    ("third-example.wildcard.org", "second-example.org", 421, None),
    ("third-example.wildcard.org", "unknown-example.org", 421, None),
    ("fourth-example.wildcard.org", "fourth-example.wildcard.org", 200, "fourth"),
    ("fourth-example.wildcard.org", "fifth-example.wildcard.org", 421, None),
    ("fourth-example.wildcard.org", "example.org", 421, None),
    ("unknown-example.org", "example.org", 200, "any"),
    ("unknown-example.org", "fourth-example.wildcard.org", 421, None),
))
def test_a_request_on_another_listeners_connection_is_misdirected(misdirected, people, http, sni, host, status, route):
    # curl takes no certificate for *.org, which is all that upstream's fixture has.
    reply = curl(misdirected, people.server_ca, host=host, sni=sni, http=http, options=("--insecure",))
    assert (reply.status, reply.headers.get("x-route")) == (status, route), reply


# ---- grants ----

def test_a_revoked_grant_to_a_service_ends_its_use(start, nginx):
    port = free_port()
    gateway = start({"edge.yaml": gw.backend(nginx.port, namespace="shared")
                     + gw.gateway([gw.http_listener("own", port)])
                     + named_route("over", GATEWAY, service_namespace="shared"),
                     "grant.yaml": grant("HTTPRoute", "Service")})
    assert ask(port, "a.example.com") == (200, "over")
    gateway.swap("grant.yaml", grant("TLSRoute", "Service"))  # another kind's is none
    assert ask(port, "a.example.com")[0] == 500
    gateway.swap("grant.yaml", grant("HTTPRoute", "Service", from_namespace="team"))  # nor another namespace's
    assert ask(port, "a.example.com")[0] == 500
    gateway.swap("grant.yaml", grant("HTTPRoute", "Service"))
    assert ask(port, "a.example.com") == (200, "over")
    gateway.swap("grant.yaml", "# none\n")
    assert ask(port, "a.example.com")[0] == 500


@pytest.mark.parametrize("kind", ("TLSRoute", "TCPRoute"))
def test_a_revoked_grant_ends_new_connections_of_streams(start, kind):
    backend, port = ByteServer(), free_port()
    protocol = "TCP" if kind == "TCPRoute" else "TLS\n  tls: {mode: Passthrough}"
    hostnames = "" if kind == "TCPRoute" else "hostnames: [app.example.com], "
    gateway = start({"edge.yaml": gw.backend(backend.port, namespace="shared")
                     + gw.gateway([f"- name: s\n  port: {port}\n  protocol: {protocol}"]) + f"""---
apiVersion: {GROUP}/v1
kind: {kind}
metadata: {{name: s, namespace: edge}}
spec: {{parentRefs: [{{name: edge}}], {hostnames}rules: [{{backendRefs: [{{name: app, namespace: shared, port: 80}}]}}]}}
""", "grant.yaml": grant(kind, "Service")})

    def reached():
        before = len(backend.connections)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            if kind == "TLSRoute":
                outgoing = ssl.MemoryBIO()
                context = ssl.create_default_context()
                tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="app.example.com")
                with pytest.raises(ssl.SSLWantReadError):
                    tls.do_handshake()
                client.sendall(outgoing.read())
            try:
                return receive(client, 6) == b"hello\n" and len(backend.connections) > before
            except (AssertionError, ConnectionError):
                return False

    try:
        assert reached()
        gateway.swap("grant.yaml", "# none\n")
        assert not reached()
        gateway.swap("grant.yaml", grant(kind, "Service"))
        assert reached()
    finally:
        backend.close()


@pytest.mark.parametrize("kind", ("Gateway", "ListenerSet"))
def test_a_revoked_grant_to_a_certificate_closes_the_listener(people, start, nginx, kind):
    port, plain = free_port(), free_port()
    secure = gw.https_listener("tls", port).replace("{name: server}", "{name: server, namespace: shared}")
    own = [gw.http_listener("plain", plain)]
    text = gw.secret_tls("server", people.server, "shared") + gw.backend(nginx.port)
    if kind == "Gateway":
        text += gw.gateway(own + [secure]) + named_route("app", GATEWAY)
    else:
        text += with_sets(gw.gateway(own)) + listener_set("extra", [secure]) + named_route("app", GATEWAY + SET)
    gateway = start({"edge.yaml": text, "grant.yaml": grant(kind, "Secret")})
    assert curl(port, people.server_ca).status == 200
    other = "ListenerSet" if kind == "Gateway" else "Gateway"
    for useless in (grant(other, "Secret"), "# none\n"):  # the one's grant is not the other's
        gateway.swap("grant.yaml", useless)
        assert handshake(port, people.server_ca) != 0
        assert ask(plain, "a.example.com") == (200, "app")
        gateway.swap("grant.yaml", grant(kind, "Secret"))
        assert curl(port, people.server_ca).status == 200


def test_a_revoked_grant_to_a_ca_admits_nobody(people, start, nginx):
    port = free_port()
    validation = gw.validation().replace("name: clients-ca", "name: clients-ca, namespace: shared")
    gateway = start({"edge.yaml": gw.secret_tls("server", people.server) + gw.backend(nginx.port)
                     + gw.ca_config_map("clients-ca", people.ca, namespace="shared")
                     + gw.gateway([gw.https_listener("tls", port)], default=validation)
                     + named_route("app", GATEWAY), "grant.yaml": grant("Gateway", "ConfigMap")})
    assert curl(port, people.server_ca, people.pinned).status == 200
    gateway.swap("grant.yaml", "# none\n")
    assert handshake(port, people.server_ca, people.pinned) == 49  # the port has no usable policy
    assert handshake(port, people.server_ca) == 49
    gateway.swap("grant.yaml", grant("Gateway", "ConfigMap"))
    assert curl(port, people.server_ca, people.pinned).status == 200


# ---- live changes ----

@pytest.mark.tsan
def test_listeners_come_and_go_while_others_serve_on(people, start, nginx):
    port, other, third = free_port(), free_port(), free_port()
    fixed = gw.secret_tls("server", people.server) + gw.backend(nginx.port) + named_route("app", GATEWAY)
    plain = gw.http_listener("plain", port, "plain.example.com")
    gateway = start({"edge.yaml": fixed + gw.gateway([plain])})
    steady = socket.create_connection(("127.0.0.1", port), timeout=20)

    def steady_serves():
        steady.sendall(b"HEAD / HTTP/1.1\r\nHost: plain.example.com\r\n\r\n")
        head = steady.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 ") and b"connection: close" not in head.lower(), head

    for _ in range(5):
        steady_serves()
        gateway.swap("edge.yaml", fixed + gw.gateway([
            plain, gw.http_listener("beside", port, "beside.example.com"), gw.https_listener("tls", other),
            gw.http_listener("third", third)]))
        steady_serves()
        assert ask(port, "beside.example.com") == (200, "app")
        assert curl(other, people.server_ca).status == 200
        assert ask(third, "any.example.com") == (200, "app")
        gateway.swap("edge.yaml", fixed + gw.gateway([plain, gw.http_listener("tls", other)]))  # another protocol
        assert ask(port, "beside.example.com") == (404, None)
        assert ask(other, "any.example.com") == (200, "app")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", third))
        gateway.swap("edge.yaml", fixed + gw.gateway([plain]))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other))
    steady_serves()
    steady.close()
