"""Policies on routes and rules: 403 for one request, with an id that the audit log bears, and no word of the policy."""
import http.server
import json
import re
import subprocess
import threading

import h2.config
import h2.connection
import h2.events
import pytest
from support import gateway as gw
from support.client import connect, curl
from support.edge import Edge
from support.net import eventually, free_port

RULES = """- name: admin
  matches: [{path: {type: PathPrefix, value: /admin}}]
  backendRefs: [{name: app, port: 80}]
- name: open
  backendRefs: [{name: app, port: 80}]"""


def policy(name, spec, target="{kind: HTTPRoute, name: app, sectionName: admin}"):
    target = target.replace("{", "{group: gateway.networking.k8s.io, ", 1)
    return (f"---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\n"
            f"metadata: {{name: {name}, namespace: edge}}\nspec:\n  targetRefs: [{target}]\n" + gw.indent(spec, 2) + "\n")


def pins(*identities, name=None, key="pins"):
    return f"{key}: [" + ", ".join(
        f'{{spkiHash: "{i.spki_hash}"' + (f", name: {name}" if name else "") + "}" for i in identities) + "]"


def edge_of(people, recorder, *policies, **options):
    return Edge(people, recorder.port, spki=options.pop("spki", [people.pinned.spki_hash, people.unpinned.spki_hash]),
                rules=RULES, extra="".join(policies), **options)


def id_of(reply):
    match = re.fullmatch(r"403 Forbidden\nrequest ([0-9a-f]{32})\n", reply.body)
    assert reply.status == 403 and match, reply
    return match.group(1)


def refused(gateway, request_id):
    def find():
        return next((r for r in gateway.audit("request_refused") if r["request_id"] == request_id), None)
    record = eventually(find, "the audit log has the id")
    access = eventually(lambda: next((r for r in gateway.access() if r["pingate.request_id"] == request_id), None),
                        "the access log has the id")
    assert access["http.response.status_code"] == 403 and access["pingate.reason"] == record["reason"]
    assert access.get("pingate.scope") == record["scope"]
    return record


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("http", ["1.1", "2"])
def test_who_is_not_pinned_for_a_rule_gets_403_and_the_audit_log_says_why(people, recorder, start, tls, http):
    edge = edge_of(people, recorder, policy("vip", pins(people.pinned)))
    gateway = start({"edge.yaml": edge.text()})
    reply = curl(edge.port, people.server_ca, people.unpinned, path="/admin/x?secret=1", tls=tls, http=http)
    record = refused(gateway, id_of(reply))
    assert set(reply.headers) <= {"content-type", "content-length", "date"}, reply.headers
    assert (record["reason"], record["scope"]) == ("not_pinned", "ClientCertificatePolicy edge/vip")
    assert record["spki_sha256"] == people.unpinned.spki_hash
    assert record["certificate_sha256"] == people.unpinned.certificate_hash
    assert "unpinned-robot" in record["subject"] and record["path"] == "/admin/x" and record["admitted"] is False
    assert recorder.bytes() == b""
    assert curl(edge.port, people.server_ca, people.unpinned, path="/open", tls=tls, http=http).status == 200
    assert curl(edge.port, people.server_ca, people.pinned, path="/admin/x", tls=tls, http=http).status == 200
    assert recorder.bytes().count(b"GET /") == 2
    assert 'pingate_requests_refused_total{reason="not_pinned"} 1' in gateway.admin("/metrics")[1]


class Patient(http.server.BaseHTTPRequestHandler):
    """A backend that answers a POST once its body is there."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def patient():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Patient)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def read_streams(connection, session, count):
    """{stream: status} once `count` streams have ended."""
    statuses, ended = {}, set()
    while len(ended) < count:
        data = connection.recv(65536)
        assert data, (statuses, ended)
        for event in session.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                statuses[event.stream_id] = int(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.StreamEnded):
                ended.add(event.stream_id)
            assert not isinstance(event, (h2.events.ConnectionTerminated, h2.events.StreamReset)), event
        connection.sendall(session.data_to_send())
    return statuses


def ask(session, stream, path, body=None):
    """`body`: how many bytes will come; None: none."""
    length = [("content-length", str(body))] if body else []
    session.send_headers(stream, [(":method", "POST" if body else "GET"), (":scheme", "https"),
                                  (":authority", "app.example.com"), (":path", path), *length], end_stream=not body)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_other_streams_of_the_connection_live(people, patient, start, tls):
    edge = Edge(people, patient.server_port, spki=[people.unpinned.spki_hash], rules=RULES,
                extra=policy("vip", pins(people.pinned) + "\n" + pins(people.unpinned, key="deny")))
    gateway = start({"edge.yaml": edge.text()})
    with connect(edge.port, people.server_ca, people.unpinned, tls=tls, alpn=("h2",)) as connection:
        session = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        session.initiate_connection()
        ask(session, 1, "/open/1", body=4)
        ask(session, 3, "/admin/3")
        ask(session, 5, "/open/5")
        ask(session, 7, "/admin/7", body=10)
        session.send_data(7, b"never read", end_stream=True)
        connection.sendall(session.data_to_send())
        assert read_streams(connection, session, 3) == {3: 403, 5: 200, 7: 403}
        session.send_data(1, b"done", end_stream=True)
        ask(session, 9, "/open/9")
        connection.sendall(session.data_to_send())
        assert read_streams(connection, session, 2) == {1: 200, 9: 200}
    eventually(lambda: len(gateway.audit("request_refused")) == 2, "both are audited")
    assert {r["reason"] for r in gateway.audit("request_refused")} == {"denied"}
    assert sorted(patient.seen) == ["/open/1", "/open/5", "/open/9"]


def test_deny_on_a_route_refuses_whom_its_pins_admit(people, recorder, start):
    edge = edge_of(people, recorder,
                   policy("vip", pins(people.pinned, people.unpinned) + "\n" + pins(people.unpinned, key="deny"),
                          "{kind: HTTPRoute, name: app}"))
    gateway = start({"edge.yaml": edge.text()})
    reply = curl(edge.port, people.server_ca, people.unpinned, path="/open")
    assert refused(gateway, id_of(reply))["reason"] == "denied"
    assert "deny" not in reply.body and recorder.bytes() == b""
    assert curl(edge.port, people.server_ca, people.pinned, path="/open").status == 200


def test_route_and_rule_are_two_scopes_and_both_hold(people, recorder, start):
    edge = edge_of(people, recorder, policy("route", pins(people.pinned), "{kind: HTTPRoute, name: app}"),
                   policy("rule", pins(people.unpinned)))
    gateway = start({"edge.yaml": edge.text()})
    for who, path, scope in ((people.pinned, "/admin", "rule"), (people.unpinned, "/admin", "route"),
                             (people.unpinned, "/open", "route")):
        record = refused(gateway, id_of(curl(edge.port, people.server_ca, who, path=path)))
        assert record["scope"] == f"ClientCertificatePolicy edge/{scope}"
    assert recorder.bytes() == b""
    assert curl(edge.port, people.server_ca, people.pinned, path="/open").status == 200


def test_a_plain_listener_serves_the_open_rule_alone(people, recorder, start):
    plain = free_port()
    edge = edge_of(people, recorder, policy("vip", pins(people.pinned)))
    edge.listeners = [gw.https_listener("https", edge.port), gw.http_listener("http", plain)]
    gateway = start({"edge.yaml": edge.text()})
    reply = curl(plain, people.server_ca, path="/admin", scheme="http", options=["-H", "Client-Cert: forged"])
    record = refused(gateway, id_of(reply))
    assert record["reason"] == "no_client_auth" and "spki_sha256" not in record
    assert recorder.bytes() == b""
    assert curl(plain, people.server_ca, path="/open", scheme="http").status == 200
    assert curl(edge.port, people.server_ca, people.pinned, path="/admin").status == 200


def test_under_fallback_only_verified_clients_pass(people, recorder, start):
    edge = edge_of(people, recorder, policy("vip", pins(people.pinned, people.untrusted, people.expired)),
                   mode="AllowInsecureFallback")
    gateway = start({"edge.yaml": edge.text()})
    cases = ((None, "no_certificate"), (people.untrusted, "untrusted"), (people.expired, "expired"))
    for who, reason in cases:
        record = refused(gateway, id_of(curl(edge.port, people.server_ca, who, path="/admin")))
        assert record["reason"] == reason and "spki_sha256" not in record
    assert recorder.bytes() == b""
    for who, _ in cases:
        assert curl(edge.port, people.server_ca, who, path="/open").status == 200
    assert curl(edge.port, people.server_ca, people.pinned, path="/admin").status == 200


def identity_fields(recorder):
    """Names lower case, as the backend of h1 was told."""
    fields = re.findall(rb"(?im)^((?:client-cert[a-z-]*|pingate-[a-z-]+|x-forwarded-client-cert): [^\r]*)\r$", recorder.bytes())
    return sorted(f.split(b":", 1)[0].lower() + b":" + f.split(b":", 1)[1] for f in fields)


@pytest.mark.parametrize("forward", [None, "[]", "[XForwardedClientCert, ClientCertChain]"])
def test_name_and_forward_of_the_rule_go_before_those_of_the_listener(people, recorder, start, forward):
    spec = pins(people.by_intermediate, name="admin-robot") + (f"\nforward: {forward}" if forward else "")
    edge = edge_of(people, recorder, policy("vip", spec),
                   policy("all", pins(people.by_intermediate, name="robot"), "{kind: Gateway, name: edge}"), spki=[])
    start({"edge.yaml": edge.text()})
    forged = [x for n in ("Client-Cert", "client_cert_chain", "Pingate-Client-Name", "X-Forwarded-Client-Cert")
              for x in ("-H", f"{n}: forged")]
    seen = {}
    for path in ("/open", "/admin"):
        for http in ("1.1", "2"):
            recorder.clear()
            assert curl(edge.port, people.server_ca, people.by_intermediate, path=path, http=http, options=forged).status == 200
            assert b"forged" not in recorder.bytes()
            seen[path, http] = identity_fields(recorder)
        assert seen[path, "1.1"] == seen[path, "2"]
    ours = b"client-cert: " + people.by_intermediate.client_cert_header.encode()
    assert seen["/open", "2"] == [ours, b"pingate-client-name: robot", b"pingate-client-verify: SUCCESS"]
    names = [f.split(b":")[0] for f in seen["/admin", "2"]]
    assert b"pingate-client-name: admin-robot" in seen["/admin", "2"]
    assert names == ([b"client-cert"] if not forward else [b"client-cert-chain", b"client-cert"] if forward != "[]" else []) + [
        b"pingate-client-name", b"pingate-client-verify"] + ([b"x-forwarded-client-cert"] if forward not in (None, "[]") else [])
    assert (ours in seen["/admin", "2"]) == (forward != "[]")  # RFC 9440, 2.3: no chain without its leaf
    if forward == "[XForwardedClientCert, ClientCertChain]":
        assert seen["/admin", "2"][0].count(b":") == 3  # the intermediate alone: neither leaf nor anchor
        xfcc = seen["/admin", "2"][-1]
        assert xfcc.startswith(b"x-forwarded-client-cert: Hash=" + people.by_intermediate.certificate_hash.encode() + b";Cert=\"-----BEGIN%20CERTIFICATE-----%0A")


def test_a_client_without_a_path_is_shown_without_a_chain(people, recorder, start):
    edge = edge_of(people, recorder, policy("alone", pins(people.pinned_untrusted, name="alone") +
                                            "\ntrust: PinnedOnly\nforward: [ClientCert, ClientCertChain]",
                                            "{kind: Gateway, name: edge}"),
                   policy("vip", pins(people.pinned_untrusted)), spki=[])
    start({"edge.yaml": edge.text()})
    assert curl(edge.port, people.server_ca, people.pinned_untrusted, path="/admin").status == 200
    assert identity_fields(recorder) == [b"client-cert: " + people.pinned_untrusted.client_cert_header.encode(),
                                         b"pingate-client-name: alone", b"pingate-client-verify: SUCCESS"]


def test_a_pin_removed_from_a_rule_refuses_the_next_request_of_an_open_connection(people, recorder, start):
    edge = edge_of(people, recorder, policy("vip", pins(people.pinned)))
    gateway = start({"edge.yaml": edge.text()})
    with connect(edge.port, people.server_ca, people.pinned) as connection:
        def status(path):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: app.example.com\r\n\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data or not data.endswith((b"hello", b"\n")) or data.endswith(b"\r\n\r\n"):
                piece = connection.recv(65536)
                assert piece, data
                data += piece
            return int(data.split()[1])
        assert status("/admin") == 200
        gateway.swap("edge.yaml", edge.text(extra=policy("vip", pins(people.unpinned))))
        assert [status("/admin"), status("/open"), status("/admin")] == [403, 200, 403]
        gateway.swap("edge.yaml", edge.text(extra=policy("vip", pins(people.pinned))))
        assert status("/admin") == 200


def test_report_only_lets_through_and_tells_whom_it_would_refuse(people, recorder, start):
    edge = edge_of(people, recorder, policy("trial", pins(people.pinned) + "\nenforcement: ReportOnly"),
                   policy("all-trial", pins(people.pinned) + "\nenforcement: ReportOnly", "{kind: Gateway, name: edge}"))
    gateway = start({"edge.yaml": edge.text()})
    for who in (people.pinned, people.unpinned, people.unpinned):
        assert curl(edge.port, people.server_ca, who, path="/admin").status == 200
    assert curl(edge.port, people.server_ca, people.untrusted, path="/admin").status == 0
    records = eventually(lambda: len(gateway.access()) == 3 and gateway.access(), "three requests")
    assert [r.get("pingate.report_only") for r in records] == [None, "not_pinned", "not_pinned"]
    assert records[1]["pingate.report_scope"] == "ClientCertificatePolicy edge/trial"
    eventually(lambda: len(gateway.handshakes()) == 4, "four handshakes")
    assert [(r["admitted"], r.get("report_only"), r.get("report_scope")) for r in gateway.handshakes()] == [
        (True, None, None)] + 2 * [(True, "not_pinned", "ClientCertificatePolicy edge/all-trial")] + [(False, None, None)]
    listed = eventually(lambda: (lambda r: len(r) == 3 and r)(json.loads(gateway.admin("/refusals")[1])["refusals"]), "three")
    would = {r["event"]: r for r in listed if r.get("would_refuse")}
    assert {k: r["report_scope"] for k, r in would.items()} == {
        "handshake": "ClientCertificatePolicy edge/all-trial", "request_refused": "ClientCertificatePolicy edge/trial"}
    assert {r["pin"] for r in would.values()} == {f"spki:{people.unpinned.spki_hash}"}
    text = subprocess.run([gw.BINARY, "status", "--admin", f"127.0.0.1:{gateway.admin_port}", "--refusals"],
                          capture_output=True, text=True, check=True).stdout
    assert text.count("let in, but would be refused: not_pinned") == 2 and "untrusted" in text, text
    metrics = gateway.admin("/metrics")[1]
    assert 'pingate_handshakes_would_refuse_total{reason="not_pinned"} 2' in metrics
    assert 'pingate_requests_would_refuse_total{reason="not_pinned"} 2' in metrics


def explain(folder, edge, identity, request, *options):
    (folder / "edge.yaml").write_text(edge.text())
    return subprocess.run([gw.BINARY, "explain", "-c", str(folder / "edge.yaml"), "--gateway", "edge/edge", "--port",
                           str(edge.port), "--cert", str(identity.cert_file), "--request", request, *options],
                          capture_output=True, text=True)


def test_explain_shows_the_pins_of_the_route_as_a_gate(people, recorder, tmp_path):
    edge = edge_of(people, recorder, policy("vip", pins(people.pinned, name="admin-robot")),
                   policy("trial", pins(people.untrusted) + "\nenforcement: ReportOnly", "{kind: HTTPRoute, name: app}"))
    url = f"GET https://app.example.com:{edge.port}/admin"
    no = explain(tmp_path, edge, people.unpinned, url)
    assert no.returncode == 1, no
    assert "  NO   pins: the certificate is trusted, but neither it nor its key is pinned (not_pinned), " \
           "by ClientCertificatePolicy edge/vip\n" in no.stdout
    assert "answered 403 (refused_by_policy)" in no.stdout and "backend" not in no.stdout
    yes = explain(tmp_path, edge, people.pinned, url)
    assert yes.returncode == 0, yes
    assert "  yes  pins of the route: ClientCertificatePolicy edge/vip, name admin-robot\n" in yes.stdout
    assert "ReportOnly:  would be refused:" in yes.stdout and "by ClientCertificatePolicy edge/trial" in yes.stdout
    story = json.loads(explain(tmp_path, edge, people.unpinned, url, "-o", "json").stdout)["request"]
    assert (story["gate"], story["status"]) == ("pins", 403)
    assert story["pins"] == {"reason": "not_pinned", "scope": "ClientCertificatePolicy edge/vip",
                             "reportOnly": "not_pinned", "reportScope": "ClientCertificatePolicy edge/trial"}
