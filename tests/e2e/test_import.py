"""What Istio and Envoy Gateway said about client certificates holds when pingate serves what `pingate import`
made of it: the same pins, pasted as their users have them, and never a client more."""
import base64
import random
import subprocess

import pytest
import yaml
from support import gateway as gw
from support.client import curl, handshake
from support.net import free_port


def colons(digest):
    return ":".join(digest[i:i + 2].upper() for i in range(0, len(digest), 2))


def run_import(text, *options):
    return subprocess.run([gw.BINARY, "import", *options, "-"], input=text, capture_output=True, text=True, timeout=60)


def check(text):
    return subprocess.run([gw.BINARY, "check", "-c", "-"], input=text, capture_output=True, text=True, timeout=60)


def imported(text, *options, code=0):
    result = run_import(text, *options)
    assert result.returncode == code, result.stderr
    assert (result.stderr == "") == (code == 0)
    for line in result.stderr.splitlines():
        assert line.startswith("pingate: import: ")
        assert "# " + line.removeprefix("pingate: import: ") in result.stdout.splitlines()
    return result.stdout


def documents(text):
    return [d for d in yaml.safe_load_all(text) if d]


def the(kind, text):
    found = [d for d in documents(text) if d["kind"] == kind]
    assert len(found) == 1, text
    return found[0]


def secret_with_ca(name, identity, ca, namespace="edge"):
    """As Istio's users keep it: the server's pair and its clients' CA in one Secret."""
    ca_text = base64.b64encode(ca.cert_pem.encode()).decode()
    return gw.secret_tls(name, identity, namespace).replace("data: {", f"data: {{ca.crt: {ca_text}, ")


def istio(servers, name="partners", version="v1"):
    return f"""---
apiVersion: networking.istio.io/{version}
kind: Gateway
metadata: {{name: {name}, namespace: edge}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
{gw.indent(servers, 2)}
"""


def server(port, tls, hosts='["*"]', protocol="HTTPS", name="https"):
    return f"""- port: {{number: {port}, name: {name}, protocol: {protocol}}}
  bind: 127.0.0.1
  hosts: {hosts}
  tls:
{gw.indent(tls, 4)}
"""


def mutual(extra="", mode="MUTUAL"):
    return f"mode: {mode}\ncredentialName: server\n{extra}"


def envoy_gateway(port, more=""):
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: eg
  namespace: edge
  annotations: {{kubectl.kubernetes.io/last-applied-configuration: "{{}}", team: payments}}
  uid: 0b5e1d2c
spec:
  gatewayClassName: eg
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  listeners:
{gw.indent(gw.https_listener("https", port), 2)}
{gw.indent(more, 2)}
status: {{}}
"""


def client_traffic_policy(validation, target="name: eg", more="", name="mtls"):
    return f"""---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {{name: {name}, namespace: edge}}
spec:
  targetRefs:
  - {{group: gateway.networking.k8s.io, kind: Gateway, {target}}}
{gw.indent(more, 2)}
  tls:
    clientValidation:
      caCertificateRefs: [{{group: "", kind: ConfigMap, name: clients-ca}}]
{gw.indent(validation, 6)}
"""


def around(people):
    """What stands beside a Gateway and is not imported."""
    return secret_with_ca("server", people.server, people.ca) + gw.ca_config_map("clients-ca", people.ca)


@pytest.fixture
def serve(start, people, nginx):
    def run(text, parent, backend_port=nginx.port):
        return start({"imported.yaml": text,
                      "around.yaml": around(people) + gw.backend(backend_port) + gw.route(parent=parent)})
    return run


# --- pins, as they were pasted there ---

@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_an_istio_gateway_admits_its_pins_and_nobody_else(serve, people, version):
    port = free_port()
    pins = (f'verifyCertificateSpki: ["{people.pinned.spki_hash}"]\n'
            f"verifyCertificateHash:\n- {colons(people.pinned_rsa.certificate_hash)}\n"
            f"- {colons(people.pinned_rsa.certificate_hash)}")
    text = imported(istio(server(port, mutual(pins)), version=version))
    assert the("Gateway", text)["metadata"]["annotations"] == {"pingate.dev/require-pinning": "true"}
    serve(text, "partners")
    for tls in ("1.2", "1.3"):
        assert curl(port, people.server_ca, people.pinned, tls=tls).status == 200
        assert curl(port, people.server_ca, people.pinned_rsa, tls=tls).status == 200
        assert handshake(port, people.server_ca, people.unpinned, tls=tls) == 46
        assert handshake(port, people.server_ca, people.untrusted, tls=tls) == 48
    assert handshake(port, people.server_ca) == 116


def test_an_envoy_gateway_policy_is_merged_into_its_gateway(serve, people):
    port = free_port()
    text = imported(envoy_gateway(port) + client_traffic_policy(
        f'spkiHashes: ["{people.pinned.spki_hash}"]\ncertificateHashes: ["{people.pinned_rsa.certificate_hash}"]'))
    gateway = the("Gateway", text)
    assert gateway["spec"]["gatewayClassName"] == "pingate"
    assert gateway["metadata"] == {"name": "eg", "namespace": "edge", "annotations": {
        "team": "payments", "pingate.dev/require-pinning": "true"}}
    serve(text, "eg")
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert curl(port, people.server_ca, people.pinned_rsa).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46


def test_a_policy_on_one_listener_holds_on_that_port_alone(serve, people):
    port, other = free_port(), free_port()
    text = imported(
        envoy_gateway(port, gw.https_listener("open", other))
        + client_traffic_policy(f'spkiHashes: ["{people.pinned.spki_hash}"]', target="name: eg, sectionName: https"))
    serve(text, "eg")
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46
    assert curl(other, people.server_ca).status == 200


def test_a_policy_without_its_gateway_is_a_fragment_to_merge(serve, people):
    port = free_port()
    text = imported(client_traffic_policy(f'spkiHashes: ["{people.pinned.spki_hash}"]'))
    assert "# A fragment: its Gateway is not in the input." in text
    gateway = documents(envoy_gateway(port))[0]
    fragment = the("Gateway", text)
    gateway["metadata"]["annotations"].update(fragment["metadata"]["annotations"])
    gateway["spec"].update(fragment["spec"], gatewayClassName="pingate")
    serve(yaml.safe_dump(gateway), "eg")
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46


@pytest.mark.parametrize("count", [65, 300])
def test_more_pins_than_fit_inline_hold_by_a_policy(serve, people, count):
    port = free_port()
    many = [base64.b64encode(i.to_bytes(32, "big")).decode() for i in range(1, count)] + [people.pinned.spki_hash]
    text = imported(envoy_gateway(port) + client_traffic_policy("spkiHashes:\n" + "\n".join(f'- "{p}"' for p in many)))
    policy = the("ClientCertificatePolicy", text)
    assert ("pins" in policy["spec"]) == (count <= 256) and ("pinSetRefs" in policy["spec"]) == (count > 256)
    serve(text, "eg")
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46


def test_backends_get_x_forwarded_client_cert_where_the_policy_set_it(serve, people, recorder):
    port = free_port()
    text = imported(envoy_gateway(port) + client_traffic_policy(
        f'spkiHashes: ["{people.pinned.spki_hash}"]',
        more="headers:\n  xForwardedClientCert:\n    mode: SanitizeSet\n    certDetailsToAdd: [Cert]"))
    serve(text, "eg", recorder.port)
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert f"Hash={people.pinned.certificate_hash}".encode() in recorder.bytes()


# --- never a client more ---

SAN = "subjectAltNames: [spiffe://corp/robot]"


@pytest.mark.parametrize("pinned", [True, False])
def test_names_that_narrowed_access_leave_a_port_that_refuses_everybody(serve, people, pinned):
    port = free_port()
    pins = f'verifyCertificateSpki: ["{people.pinned.spki_hash}"]\n' if pinned else ""
    text = imported(istio(server(port, mutual(pins + SAN))), code=1)
    assert ("#   spkiHash: " + people.pinned.spki_hash in text) == pinned
    serve(text, "partners")
    assert handshake(port, people.server_ca, people.pinned) == 49


def test_names_are_ignored_when_asked_and_pins_then_hold(serve, people):
    port = free_port()
    text = imported(envoy_gateway(port) + client_traffic_policy(
        f'spkiHashes: ["{people.pinned.spki_hash}"]\nsubjectAltNames:\n  dnsNames: [{{type: Exact, value: a.example}}]'),
        "--ignore-subject-alt-names", code=1)
    serve(text, "eg")
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46


def test_ignoring_names_alone_leaves_the_ca_alone_to_nobody(serve, people):
    port = free_port()
    text = imported(istio(server(port, mutual(SAN))), "--ignore-subject-alt-names", code=1)
    serve(text, "partners")
    assert handshake(port, people.server_ca, people.pinned) == 49


@pytest.mark.parametrize("pins", [
    'verifyCertificateHash: ["AB:CD"]',
    "verifyCertificateSpki: []",
    "verifyCertificateSpki: none",
    "verifyCertificateSpki: {a: b}",
    "somethingNew: {that: restricts}",
])
def test_pins_of_which_none_can_be_read_admit_nobody(serve, people, pins):
    port = free_port()
    text = imported(istio(server(port, mutual(pins))), code=1)
    serve(text, "partners")
    assert handshake(port, people.server_ca, people.pinned) == 49
    assert handshake(port, people.server_ca) == 49


def test_a_bad_pin_among_good_ones_is_said_and_left_out(serve, people):
    port = free_port()
    text = imported(envoy_gateway(port) + client_traffic_policy(
        f'spkiHashes: ["{people.pinned.spki_hash}", "{people.unpinned.spki_hash[4:]}"]'), code=1)
    assert "spkiHashes[1]: no pin, and left out: 29 bytes, wants 32" in text
    serve(text, "eg")
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46


LEFT_OUT = {
    "PASSTHROUGH": ("mode: PASSTHROUGH", "HTTPS", "not MUTUAL, OPTIONAL_MUTUAL or SIMPLE"),
    "ISTIO_MUTUAL": ("mode: ISTIO_MUTUAL", "HTTPS", "not MUTUAL, OPTIONAL_MUTUAL or SIMPLE"),
    "no mode": ("credentialName: server", "HTTPS", "not MUTUAL, OPTIONAL_MUTUAL or SIMPLE"),
    "pins on SIMPLE": ("mode: SIMPLE\ncredentialName: server\nverifyCertificateHash: [aa]", "HTTPS",
                       "SIMPLE asks no client for a certificate"),
    "not judged": (mutual("insecureSkipVerify: true"), "HTTPS", "a certificate is demanded but not judged"),
    "redirect": ("httpsRedirect: true", "HTTP", "requests without TLS would be served"),
    "not HTTP": (mutual(), "TLS", "the protocol is neither HTTP nor HTTPS"),
    "TLS on HTTP": (mutual(), "HTTP2", "TLS settings on a port without TLS"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_server_that_cannot_be_kept_is_left_out_with_all_that_would_serve_its_names(case):
    tls, protocol, why = LEFT_OUT[case]
    good = server(8444, mutual('verifyCertificateSpki: ["NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="]'),
                  name="good", hosts='["*"]')
    broader = server(8443, "mode: SIMPLE\ncredentialName: server", hosts='["*.example.com"]', name="broader")
    narrower = server(8443, "mode: SIMPLE\ncredentialName: server", hosts='["a.admin.example.com"]', name="narrower")
    bad = server(8443, tls, hosts='["ADMIN.example.com"]', protocol=protocol, name="bad")
    text = imported(istio(broader + bad + narrower + good), code=1)
    assert why in text and "would serve the names of listener bad" in text
    assert [x["name"] for x in the("Gateway", text)["spec"]["listeners"]] == ["narrower", "good"]


def test_listeners_of_one_port_keep_pins_of_their_own(serve, people):
    port = free_port()
    text = imported(istio("".join(
        server(port, mutual(f'verifyCertificateSpki: ["{who.spki_hash}"]'), hosts=f'["{host}"]', name=name)
        for who, host, name in ((people.pinned, "a.example.com", "a"), (people.unpinned, "*.example.com", "b")))))
    assert [[t["sectionName"] for t in d["spec"]["targetRefs"]] for d in documents(text)
            if d["kind"] == "ClientCertificatePolicy"] == [["a"], ["b"]]
    serve(text, "partners")
    assert curl(port, people.server_ca, people.pinned, host="a.example.com").status == 200
    assert curl(port, people.server_ca, people.unpinned, host="b.example.com").status == 200
    assert handshake(port, people.server_ca, people.unpinned, sni="a.example.com") == 46
    assert handshake(port, people.server_ca, people.pinned, sni="b.example.com") == 46
    assert curl(port, people.server_ca, people.unpinned, host="a.example.com", sni="b.example.com").status == 421


def test_a_restricted_listener_beside_a_pinned_one_refuses_everybody(serve, people):
    port = free_port()
    pins = f'verifyCertificateSpki: ["{people.pinned.spki_hash}"]'
    text = imported(istio(server(port, mutual(pins), hosts='["a.example.com"]', name="a")
                          + server(port, mutual(pins + "\n" + SAN), hosts='["b.example.com"]', name="b")), code=1)
    serve(text, "partners")
    assert curl(port, people.server_ca, people.pinned, host="a.example.com").status == 200
    assert handshake(port, people.server_ca, people.pinned, sni="b.example.com") in (46, 49)


def test_listeners_of_one_port_with_other_cas_are_left_out():
    text = imported(istio(server(8443, mutual(), hosts='["a.example.com"]', name="a")
                          + server(8443, mutual("caCertCredentialName: other"), hosts='["b.example.com"]', name="b")),
                    code=1)
    assert [x["name"] for x in the("Gateway", text)["spec"]["listeners"]] == ["a"]


def test_more_pins_than_fit_inline_hold_on_one_port_of_several(serve, people):
    port, other = free_port(), free_port()
    many = [base64.b64encode(i.to_bytes(32, "big")).decode() for i in range(1, 300)] + [people.pinned.spki_hash]
    text = imported(envoy_gateway(port, gw.https_listener("open", other)) + client_traffic_policy(
        "spkiHashes:\n" + "\n".join(f'- "{p}"' for p in many), target="name: eg, sectionName: https"))
    serve(text, "eg")
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46
    assert curl(other, people.server_ca).status == 200


def test_a_listener_without_validation_asks_for_certificates_if_its_port_does(serve, people):
    port = free_port()
    text = imported(
        envoy_gateway(port, gw.https_listener("open", port, hostname="open.example.com"))
        + client_traffic_policy(f'spkiHashes: ["{people.pinned.spki_hash}"]', target="name: eg, sectionName: https"),
        code=1)
    serve(text, "eg")
    assert handshake(port, people.server_ca, sni="open.example.com") == 116
    assert curl(port, people.server_ca, people.pinned, host="open.example.com").status == 200


@pytest.mark.parametrize("text", [
    envoy_gateway(8443) + client_traffic_policy("spkiHashes: [a]") + client_traffic_policy("spkiHashes: [b]", name="b")
    .replace("clients-ca", "other-ca"),
    client_traffic_policy("spkiHashes: [a]", target="name: eg, sectionName: https"),
    envoy_gateway(8443) + client_traffic_policy("spkiHashes: [a]", target="name: eg, sectionName: other"),
    client_traffic_policy("spkiHashes: [a]").replace("kind: Gateway", "kind: ListenerSet"),
    envoy_gateway(8443).replace("  listeners:", "  tls: {frontend: {default: {}}}\n  listeners:")
    + client_traffic_policy(""),
], ids=["two policies", "a listener without its Gateway", "no such listener", "ListenerSet", "validates by itself"])
def test_what_cannot_be_told_apart_is_refused(text):
    out = imported(text, code=1)
    assert "# refused: " in out
    for document in documents(out):
        assert document["kind"] != "Gateway" or "frontend" not in document["spec"].get("tls", {})


@pytest.mark.parametrize("mode, code", [("optional: true", 200), ("mode: VerifyIfGiven", 200), ("mode: Request", 200),
                                        ("mode: RequireAndVerify", 116), ("optional: false", 116),
                                        ("mode: RequireAny", 49), ("mode: Sometime", 49)])
def test_only_a_source_that_lets_in_without_certificate_becomes_insecure_fallback(serve, people, mode, code):
    port = free_port()
    strict = code == 116
    text = imported(envoy_gateway(port) + client_traffic_policy(f'{mode}\nspkiHashes: ["{people.pinned.spki_hash}"]'),
                    code=0 if strict else 1)
    assert ("AllowInsecureFallback" in text) == (code == 200)
    serve(text, "eg")
    if code == 200:
        assert curl(port, people.server_ca).status == 200
        assert curl(port, people.server_ca, people.pinned).status == 200
    else:
        assert handshake(port, people.server_ca) == code


@pytest.mark.parametrize("extra", ["", "\ninsecureSkipVerify: true"])
def test_optional_mutual_becomes_insecure_fallback_with_a_warning(serve, people, extra):
    port = free_port()
    text = imported(istio(server(port, mutual(extra, mode="OPTIONAL_MUTUAL"))), code=1)
    assert "becomes AllowInsecureFallback: who shows no certificate comes in without identity" in text
    serve(text, "partners")
    assert curl(port, people.server_ca).status == 200


def test_revocation_lists_kept_elsewhere_refuse_until_they_are_beside_their_ca(serve, people):
    port = free_port()
    text = imported(envoy_gateway(port) + client_traffic_policy(
        f'spkiHashes: ["{people.pinned.spki_hash}", "{people.revoked.spki_hash}"]\n'
        "crl: {refs: [{kind: Secret, name: clients-crl}]}"), code=1)
    assert "ca.crt from key ca.crt of ConfigMap clients-ca, ca.crl from key ca.crl of Secret clients-crl" in text
    gateway = serve(text, "eg")
    assert handshake(port, people.server_ca, people.pinned) == 49
    filled = documents(text)
    next(d for d in filled if d["kind"] == "ConfigMap")["data"] = {
        "ca.crt": people.ca.cert_pem, "ca.crl": people.ca.crl(revoked=[people.revoked])}
    gateway.swap("imported.yaml", yaml.safe_dump_all(filled))
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.revoked) == 44


def test_files_of_istios_pods_become_objects_to_fill(people):
    text = imported(istio(server(8443, "mode: MUTUAL\nserverCertificate: /etc/certs/server.pem\nprivateKey: /k\n"
                                       "caCertificates: /etc/certs/ca.pem\ncaCrl: /etc/certs/crl.pem")), code=1)
    assert the("ConfigMap", text)["data"] == {"ca.crt": "", "ca.crl": ""}
    assert "ca.crt from /etc/certs/ca.pem, ca.crl from /etc/certs/crl.pem" in text
    assert "pingate secret tls partners-8443-tls" in text


def test_rules_on_access_in_other_objects_are_not_passed_over():
    text = imported(istio(server(8443, mutual())) + """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: robots, namespace: edge}
spec: {action: DENY}
""", code=1)
    assert "AuthorizationPolicy robots is not translated" in text


# --- input is data ---

@pytest.mark.parametrize("text", ["", "kind: Gateway", "[", "a: &a [*a]", "kind: List\nitems: []",
                                  gw.gateway([gw.https_listener("https", 8443)])])
def test_input_with_nothing_to_import_is_bad_input(text):
    result = run_import(text)
    assert result.returncode == 2 and result.stdout == "" and result.stderr.startswith("pingate: ")


def test_a_list_of_kubectl_and_several_files_are_read(tmp_path, people):
    policy, gateway = tmp_path / "policy.yaml", tmp_path / "gateway.yaml"
    items = documents(client_traffic_policy(f'spkiHashes: ["{people.pinned.spki_hash}"]'))
    policy.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    gateway.write_text(envoy_gateway(8443))
    result = subprocess.run([gw.BINARY, "import", str(policy), str(gateway)], capture_output=True, text=True)
    assert result.returncode == 0 and the("Gateway", result.stdout)["spec"]["listeners"][0]["port"] == 8443


HOSTILE = ["x\n---\napiVersion: v1\nkind: Secret", "# comment", "\"quoted' and \\ more", "\x1b[2J", "a" * 65536,
           "\u202e\u2028", "a: b", "- item", "*alias", "'"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["name", "host", "key", "pin", "annotation", "credential", "file", "section"])
def test_hostile_text_stays_text(place, text):
    gateway = documents(istio(server(8443, mutual())))[0]
    upstream, policy = documents(envoy_gateway(8444))[0], documents(client_traffic_policy(""))[0]
    tls = gateway["spec"]["servers"][0]["tls"]
    if place == "name":
        gateway["metadata"]["name"] = text
    elif place == "host":
        gateway["spec"]["servers"][0]["hosts"] = [text]
    elif place == "key":
        tls[text] = {text: text}
    elif place == "pin":
        tls["verifyCertificateHash"] = [text]
    elif place == "annotation":
        upstream["metadata"]["annotations"][text] = text
    elif place == "credential":
        tls["credentialName"] = text
    elif place == "file":
        tls.update(credentialName="", caCertificates=text, serverCertificate=text)
    else:
        policy["spec"]["targetRefs"][0]["sectionName"] = text
    result = run_import(yaml.safe_dump_all([gateway, upstream, policy]))
    assert result.returncode in (0, 1), result.stderr
    assert "Sanitizer" not in result.stderr and "\x1b" not in result.stdout + result.stderr
    for document in documents(result.stdout):
        assert document["kind"] in ("Gateway", "ConfigMap")
    assert all(line.startswith("pingate: import: ") for line in result.stderr.splitlines())


def test_what_is_printed_is_what_check_takes(people, nginx):
    text = imported(envoy_gateway(8443) + client_traffic_policy(f'spkiHashes: ["{people.pinned.spki_hash}"]'))
    result = check(text + around(people) + gw.backend(nginx.port) + gw.route(parent="eg"))
    assert result.returncode == 0, result.stdout + result.stderr


# --- for any input, nobody more: an oracle of Istio's rules against one of ours ---

KEYS = [base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3)]
HOSTS = ["*", "*.example.com", "a.example.com", "*.b.example.com", "c.b.example.com", "other.org"]
NAMES = ["a.example.com", "b.example.com", "c.b.example.com", "x.example.com", "other.org", "nowhere.net"]


def matches(host, name):
    return host in ("*", name) or (host.startswith("*.") and name.endswith(host[1:]))


def most_specific(listeners, name):
    """Envoy's order, and ours: the exact name, then the longest wildcard."""
    found = [x for x in listeners if matches(x[0], name)]
    return max(found, key=lambda x: (not x[0].startswith("*"), len(x[0])), default=None)


def random_server(chance, number):
    mode = chance.choice(["SIMPLE", "MUTUAL", "MUTUAL", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL", "PASSTHROUGH"])
    tls = {"mode": mode, "credentialName": chance.choice(["server", "server", "server2"])}
    if chance.random() < 0.6:
        tls["verifyCertificateSpki"] = chance.sample(KEYS, chance.randint(1, 3)) + chance.choice([[], [], ["bad"]])
    if chance.random() < 0.15:
        tls["subjectAltNames"] = ["x"]
    if chance.random() < 0.1:
        tls["insecureSkipVerify"] = True
    if chance.random() < 0.1:
        tls["somethingNew"] = True
    return {"port": {"number": chance.choice([8443, 8443, 9443]), "name": f"s{number}", "protocol": "HTTPS"},
            "hosts": chance.sample(HOSTS, chance.randint(1, 2)), "tls": tls}


def source_admits(tls, key):
    """key: of a client that CA trusts and whose names fit; None: shows no certificate."""
    if tls["mode"] == "SIMPLE":
        return not ({"verifyCertificateSpki", "subjectAltNames", "somethingNew"} & set(tls))
    if tls["mode"] not in ("MUTUAL", "OPTIONAL_MUTUAL"):
        return False
    if key is None:
        return tls["mode"] == "OPTIONAL_MUTUAL"
    restricted = "subjectAltNames" in tls or "somethingNew" in tls
    return not restricted and key in tls.get("verifyCertificateSpki", [key])


def policies_admit(everything, listener, key):
    """Section policies; None: there is none on that listener."""
    pins = [[p["spkiHash"] for p in d["spec"]["pins"]] for d in everything if d["kind"] == "ClientCertificatePolicy"
            and any(t.get("sectionName", listener) == listener for t in d["spec"]["targetRefs"])]
    return all(key in p for p in pins) if pins else None


def outcome_admits(everything, gateway, listener, key):
    """Verified, or at all where key is None."""
    port = listener["port"]
    required = gateway["metadata"].get("annotations", {}).get("pingate.dev/require-pinning") == "true"
    frontend = gateway["spec"].get("tls", {}).get("frontend", {})
    tls = next((p["tls"] for p in frontend.get("perPort", []) if p["port"] == port), frontend.get("default", {}))
    validation = tls.get("validation")
    if not validation:
        return True
    pins = validation.get("certificatePinning", {}).get("spkiHashes")
    policies = policies_admit(everything, listener["name"], key)
    if pins is None and policies is None and required:
        return False
    if key is None:
        return validation["mode"] == "AllowInsecureFallback"
    return (pins is None or key in pins) and policies is not False


def test_no_random_gateway_admits_anybody_whom_istio_kept_out():
    chance, admitted = random.Random(20261126), 0
    for _ in range(250):
        servers = [random_server(chance, n) for n in range(chance.randint(1, 4))]
        document = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
                    "metadata": {"name": "g", "namespace": "edge"}, "spec": {"servers": servers}}
        result = run_import(yaml.safe_dump(document))
        assert result.returncode in (0, 1), result.stderr
        everything = documents(result.stdout)
        for gateway in (d for d in everything if d["kind"] == "Gateway"):
            for port in (8443, 9443):
                before = [(h, s["tls"]) for s in servers if s["port"]["number"] == port for h in s["hosts"]]
                after = [(x.get("hostname", "*"), x) for x in gateway["spec"]["listeners"] if x["port"] == port]
                for name in NAMES:
                    there, here = most_specific(before, name), most_specific(after, name)
                    for key in (None, *KEYS):
                        if here and outcome_admits(everything, gateway, here[1], key):
                            admitted += 1
                            assert there and source_admits(there[1], key), (servers, name, port, key, result.stdout)
    assert admitted > 500
