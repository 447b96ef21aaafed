"""`pingate explain -c`: the same answers as the gateway that serves the same configuration."""
import json
import re
import subprocess

import pytest
from support import gateway as gw
from support.client import curl, handshake
from support.net import free_port
from support.policy import pin, policy, target
from support.streams import edge as edge_of
from support.streams import stream_route, tcp_listener, tls_listener


@pytest.fixture(scope="module")
def edge(people, nginx, tmp_path_factory):
    """Ports with pins, without CA, in the fallback mode, without validation; a listener without backends."""
    ports = {name: free_port() for name in ("pins", "noca", "fallback", "http")}
    pins = gw.pinning(spki=[people.pinned.spki_hash])
    policy = f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: partners, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  pins: [{{name: acme-robot, spkiHash: "{people.pinned.spki_hash}"}}]
"""
    rules = """- matches: [{path: {type: Exact, value: /empty}}]
  backendRefs: [{name: empty, port: 80}]
- name: canary
  matches: [{path: {type: PathPrefix, value: /canary}, headers: [{name: X-Canary, value: "yes"}]}]
  backendRefs: [{name: app, port: 80}]
- matches: [{path: {type: PathPrefix, value: /app}}]
  backendRefs: [{name: app, port: 80}]"""
    listeners = [gw.https_listener("app", ports["pins"], "app.example.com"),
                 gw.https_listener("other", ports["pins"], "other.example.com"),
                 gw.https_listener("noca", ports["noca"]), gw.https_listener("fallback", ports["fallback"]),
                 gw.http_listener("http", ports["http"])]
    text = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca) + policy
            + gw.gateway(listeners, default=gw.validation(pins=pins),
                         per_port={ports["noca"]: gw.validation(ca_names=("nobody",)),
                                   ports["fallback"]: gw.validation(mode="AllowInsecureFallback", pins=pins)})
            + gw.backend(nginx.port) + gw.backend(nginx.port, name="empty", ready=False)
            + gw.route(rules=rules))
    gateway = gw.Gateway(tmp_path_factory.mktemp("explain"), {"edge.yaml": text})
    yield gateway, ports
    gateway.stop()


def explain(edge, port, identity=None, *options, gateway="edge/edge"):
    config, ports = edge[0].config, edge[1]
    shows = ["--cert", str(identity.cert_file)] if identity else []
    return subprocess.run([gw.BINARY, "explain", "-c", str(config), "--gateway", gateway,
                           "--port", str(ports.get(port, port)), *shows, *options],
                          capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("who,reason", (("pinned", "accepted"), ("unpinned", "not_pinned"), ("untrusted", "untrusted"),
                                        ("expired", "expired"), ("weak", "weak_key"), ("wrong_use", "wrong_use"),
                                        (None, "no_certificate")))
def test_it_says_what_the_gateway_says(edge, people, who, reason):
    identity = getattr(people, who) if who else None
    alert = handshake(edge[1]["pins"], people.server_ca, identity)  # sends app.example.com
    out = explain(edge, "pins", identity, "--sni", "app.example.com")
    assert out.returncode == (0 if reason == "accepted" else 1), out
    assert (alert == 0) == (out.returncode == 0)
    assert re.search(rf"^(let in|refused): {reason}$", out.stdout, re.M), out.stdout
    assert len(re.findall(r"^  NO ", out.stdout, re.M)) == (0 if reason == "accepted" else 1), "one gate decides"
    if reason != "accepted":
        assert edge[0].last_refusal(reason)


def test_it_names_the_pin_and_the_scope_that_refuses(edge, people):
    assert "name:        acme-robot" in explain(edge, "pins", people.pinned, "--sni", "app.example.com").stdout
    assert re.search(r"^pins: .*edge/edge", explain(edge, "pins", people.unpinned, "--sni", "app.example.com").stdout, re.M)


def test_the_fallback_lets_in_without_identity(edge, people):
    out = explain(edge, "fallback", people.unpinned)
    assert out.returncode == 0 and "Pingate-Client-Verify is FAILED:not_pinned" in out.stdout, out
    out = explain(edge, "fallback")
    assert out.returncode == 0 and "Pingate-Client-Verify is NONE" in out.stdout, out


def test_a_port_without_a_ca_refuses_the_client_hello(edge, people):
    assert handshake(edge[1]["noca"], people.server_ca, people.pinned) == 49
    out = explain(edge, "noca", people.pinned)
    assert out.returncode == 1 and "refused: port_not_usable" in out.stdout and "alert 49" in out.stdout, out


def test_a_server_name_that_no_listener_has_is_refused(edge, people):
    out = explain(edge, "pins", people.pinned, "--sni", "elsewhere.example.com")
    assert out.returncode == 1 and "refused: unknown_sni" in out.stdout, out


@pytest.mark.parametrize("path,status,says", (("/app/x?y=1", 200, "yes  backend edge/app:80"), ("/nowhere", 404, "no_route"),
                                              ("/empty", 503, "no_endpoints")))
def test_a_request_meets_the_gates_of_the_gateway(edge, people, path, status, says):
    out = explain(edge, "pins", people.pinned, "--request", f"GET https://app.example.com{path}")
    assert out.returncode == (0 if status == 200 else 1), out
    assert says in out.stdout
    if status != 200:
        assert f"answered {status} ({says})" in out.stdout
    reply = curl(edge[1]["pins"], people.server_ca, people.pinned, path=path)
    assert reply.status == (200 if status == 200 else status), reply


@pytest.mark.parametrize("headers,status", (((), 404), (("X-Canary: no",), 404), (("X-Canary: yes",), 200),
                                            (("Accept: */*", "x-canary:yes"), 200)))
def test_headers_of_the_request_are_matched(edge, people, headers, status):
    options = [word for header in headers for word in ("--header", header)]
    out = explain(edge, "pins", people.pinned, "--request", "GET https://app.example.com/canary", *options)
    assert out.returncode == (0 if status == 200 else 1), out
    sent = [word for header in headers for word in ("-H", header)]
    assert curl(edge[1]["pins"], people.server_ca, people.pinned, path="/canary", options=sent).status == status


def story(*args):
    out = explain(*args, "-o", "json")
    told = json.loads(out.stdout)
    assert told["passes"] == (out.returncode == 0), out
    return told


def test_json_tells_every_gate_that_was_reached(edge, people):
    told = story(edge, "pins", people.pinned, "--request", "GET https://app.example.com/canary", "--header", "X-Canary: yes")
    assert (told["gateway"], told["protocol"], told["mode"]) == ("edge/edge", "HTTPS", "AllowValidOnly")
    assert (told["serverName"], told["listener"], told["reason"]) == ("app.example.com", "app", "accepted")
    assert told["certificate"]["spkiHash"] == people.pinned.spki_hash and told["certificate"]["pinName"] == "acme-robot"
    request = told["request"]
    assert (request["host"], request["listener"]) == ("app.example.com", "app")
    assert (request["route"], request["rule"]) == ("edge/app", "canary") and "status" not in request
    assert [(b["name"], b["ready"], b["weight"]) for b in request["backends"]] == [("edge/app:80", 1, 1)]


def test_json_ends_at_the_gate_that_decides(edge, people):
    told = story(edge, "pins", people.unpinned, "--request", "GET https://app.example.com/app")
    assert (told["reason"], told["certificate"]["admitted"]) == ("not_pinned", False) and "request" not in told
    told = story(edge, "pins", people.pinned, "--sni", "elsewhere.example.com")
    assert told["reason"] == "unknown_sni" and not {"listener", "certificate", "request"} & set(told)
    told = story(edge, "pins", people.pinned, "--request", "GET https://app.example.com/nowhere")
    assert [told["request"][key] for key in ("gate", "status", "fault", "backends")] == ["rule", 404, "no_route", []]
    told = story(edge, "pins", people.pinned, "--request", "GET https://app.example.com/empty")
    assert told["request"]["backends"][0]["status"] == 503
    told = story(edge, "http", None, "--request", "GET http://any.example.com/app")
    assert not {"mode", "reason", "serverName", "certificate"} & set(told) and told["request"]["route"] == "edge/app"


def test_another_listeners_host_is_misdirected(edge, people):
    out = explain(edge, "pins", people.pinned, "--sni", "app.example.com", "--request", "GET https://other.example.com/app")
    assert out.returncode == 1 and "answered 421 (misdirected)" in out.stdout, out


def test_a_plain_port_asks_for_nothing(edge):
    out = explain(edge, "http", None, "--request", "GET http://any.example.com/app")
    assert out.returncode == 0 and "yes  rule of HTTPRoute edge/app" in out.stdout, out


@pytest.mark.parametrize("options,says", (
    (["--request", "nonsense"], "--request nonsense"),
    (["--request", "GET https://app.example.com/a/../b"], "answered 400"),
    (["--ca", "x"], "with -c"),
    (["--header", "X-A: b"], "belongs to a --request"),
    (["--request", "GET https://app.example.com/", "--header", "nonsense"], "--header: wants"),
    (["--request", "GET https://app.example.com/", "--header", "X-A: b\nX-B: c"], "--header: wants"),
    (["--request", "GET https://app.example.com/", "--header", "X A: b"], "answered 400 (field_name)"),
    (["--request", "GET https://app.example.com/", "--header", "Host: other"], "answered 400 (host_repeated)"),
    (["-o", "yaml"], "-o is text or json"),
    (["--cert", "/nonexistent"], "/nonexistent")))
def test_what_cannot_be_read_is_2(edge, options, says):
    out = explain(edge, "pins", None, *options)
    assert out.returncode == 2 and says in out.stderr, out


def test_a_port_or_gateway_that_is_not_there_is_2(edge, people):
    assert explain(edge, 1, people.pinned).returncode == 2
    assert explain(edge, "pins", people.pinned, gateway="edge/nobody").returncode == 2


def test_a_stream_is_followed_to_its_backends(people, tmp_path):
    """TLS that goes through, TLS that ends here, TCP, and a name that is nobody's."""
    listeners = [tls_listener("pass", 443, "*.pass.example.com", "Passthrough"),
                 tls_listener("end", 443, "db.example.com"), tcp_listener("tcp", 5432)]
    config = tmp_path / "edge.yaml"
    config.write_text(edge_of(
        people, listeners, gw.backend(9001),
        stream_route("TLSRoute", "pass", ["app", "gone"], section="pass"),
        stream_route("TLSRoute", "end", ["app"], section="end",
                     annotations={"pingate.dev/send-proxy-protocol": "v2"}),
        policy("robots", [target(section="end")], [pin(spki=people.pinned.spki_hash, name="robot")]),
        default=gw.validation()))

    def explain(port, sni=None, cert=None):
        command = [gw.BINARY, "explain", "-c", str(config), "--gateway", "edge/edge", "--port", str(port), "-o", "json"]
        command += ["--sni", sni] if sni else []
        command += ["--cert", str(cert.cert_file)] if cert else []
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return result.returncode, json.loads(result.stdout)

    code, story = explain(443, "a.pass.example.com", people.unpinned)
    assert code == 0 and story["listener"] == "pass" and "reason" not in story and "mode" not in story
    assert story["stream"]["route"] == "edge/pass"
    assert [(b.get("fault"), b["weight"]) for b in story["stream"]["backends"]] == [(None, 1), ("backend_invalid", 1)]
    code, story = explain(443, "db.example.com", people.pinned)
    assert code == 0 and story["protocol"] == "TLS" and story["reason"] == "accepted"
    assert story["stream"]["proxyHeader"] and story["stream"]["backends"][0]["name"] == "edge/app:80"
    code, story = explain(443, "db.example.com", people.unpinned)
    assert code == 1 and story["reason"] == "not_pinned" and "stream" not in story
    code, story = explain(443, "else.example.com")
    assert code == 1 and story["stream"] == {"fault": "unknown_sni", "backends": []}
    code, story = explain(5432)
    assert code == 1 and story["protocol"] == "TCP" and story["stream"]["fault"] == "no_route"
