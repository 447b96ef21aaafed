"""`pingate learn` proposes whom a pin would let in, and nobody else; what a reviewer pastes lets that client in.
What a certificate says of itself never becomes more than a comment or a name."""
import base64
import hashlib
import json
import re
import subprocess

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from support import gateway as gw
from support import pki
from support.client import curl, handshake
from support.net import eventually, free_port

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@-]{0,126}")


def learn(*options, text=None):
    return subprocess.run([gw.BINARY, "learn", *options], input=text, capture_output=True, text=True, timeout=120)


def proposed(*options, text=None):
    result = learn(*options, text=text)
    assert result.returncode == 0, result.stderr
    return result.stdout, [d for d in yaml.safe_load_all(result.stdout) if d]


def of_records(*records, options=()):
    return proposed("--audit-log", "-", *options, text="".join(json.dumps(r) + "\n" for r in records))


def record(subject="CN=robot,O=acme", reason="not_pinned", key="a", **fields):
    digest = hashlib.sha256(key.encode()).digest()
    return {"time": "2026-11-26T10:00:00.000Z", "event": "handshake", "admitted": False, "verified": False,
            "reason": reason, "peer": "192.0.2.1:4711", "gateway": "edge/edge", "listener": "https",
            "certificate_sha256": hashlib.sha256(digest).hexdigest(),
            "spki_sha256": base64.b64encode(digest).decode(), "serial": "03e8", "issuer": "CN=corp CA",
            "subject": subject, "scope": "ClientCertificatePolicy edge/partners", **fields}


def spki(key="a"):
    return base64.b64encode(hashlib.sha256(key.encode()).digest()).decode()


def policy(pins, name="partners"):
    return f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: {name}, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  pins: {json.dumps(pins)}
"""


@pytest.fixture
def edge(start, people, nginx, recorder):
    port = free_port()

    def text(pins="", extra=""):
        return (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
                + gw.gateway([gw.https_listener("https", port)], default=gw.validation(pins=pins))
                + gw.backend(recorder.port) + gw.route() + extra)
    return port, text


def refuse(gateway, port, people, identity, code, reason):
    assert handshake(port, people.server_ca, identity) == code
    gateway.last_refusal(reason)
    eventually(lambda: reason in gateway.admin("/refusals")[1], f"a refusal for {reason}")


@pytest.mark.parametrize("source", ["admin", "log"])
def test_a_proposal_added_to_the_policy_that_refused_lets_the_client_in(start, people, edge, recorder, source):
    port, text = edge
    pins = [{"name": "acme", "spkiHash": people.pinned.spki_hash}]
    gateway = start({"edge.yaml": text(extra=policy(pins))})
    refuse(gateway, port, people, people.unpinned, 46, "not_pinned")
    refuse(gateway, port, people, people.untrusted, 48, "untrusted")
    refuse(gateway, port, people, people.expired, 45, "expired")
    out, documents = proposed(*(("--admin", f"127.0.0.1:{gateway.admin_port}") if source == "admin"
                                else ("--audit-log", str(gateway.audit_log))))
    assert len(documents) == 1 and documents[0]["metadata"] == {"name": "partners", "namespace": "edge"}
    assert documents[0]["spec"]["pins"] == [{"name": "unpinned-robot", "spkiHash": people.unpinned.spki_hash}]
    for identity in (people.untrusted, people.expired):
        assert identity.spki_hash not in out and f"# subject CN={identity.name}" in out
    assert "issuer CN=clients-root" in out and f"serial {people.unpinned.cert.serial_number:04x}" in out
    gateway.swap("edge.yaml", text(extra=policy(pins + documents[0]["spec"]["pins"])))
    assert curl(port, people.server_ca, people.unpinned).status == 200
    assert b"pingate-client-name: unpinned-robot" in recorder.bytes().lower()
    assert handshake(port, people.server_ca, people.untrusted) == 48


def test_a_proposal_for_inline_pins_is_their_list_as_no_policy_can_widen_it(start, people, edge):
    port, text = edge
    gateway = start({"edge.yaml": text(pins=gw.pinning(spki=[people.pinned.spki_hash]))})
    refuse(gateway, port, people, people.unpinned, 46, "not_pinned")
    out, documents = proposed("--admin", f"127.0.0.1:{gateway.admin_port}")
    assert documents == [{"certificatePinning": {"spkiHashes": [people.unpinned.spki_hash]}}]
    assert "# Add to the list of Gateway edge/edge certificatePinning" in out
    more = documents[0]["certificatePinning"]["spkiHashes"]
    gateway.swap("edge.yaml", text(pins=gw.pinning(spki=[people.pinned.spki_hash, *more])))
    assert curl(port, people.server_ca, people.unpinned).status == 200
    assert curl(port, people.server_ca, people.pinned).status == 200


def test_whole_certificates_are_pinned_when_asked(start, people, edge):
    port, text = edge
    gateway = start({"edge.yaml": text(extra=policy([{"spkiHash": people.pinned.spki_hash}]))})
    refuse(gateway, port, people, people.unpinned, 46, "not_pinned")
    _, documents = proposed("--admin", f"127.0.0.1:{gateway.admin_port}", "--certificates")
    assert documents[0]["spec"]["pins"] == [
        {"name": "unpinned-robot", "certificateHash": people.unpinned.certificate_hash}]
    gateway.swap("edge.yaml", text(extra=policy(documents[0]["spec"]["pins"])))
    assert curl(port, people.server_ca, people.unpinned).status == 200
    assert handshake(port, people.server_ca, people.pinned) == 46


HOSTILE = ["x\n---\nkind: Secret\n", "\" } # ' \\", "# comment", "&anchor *alias", "\u202eevil\x1b[2J", "null", "0x10",
           "-", "   ", "CN=other,O=x", "a" * 64, "ä", "../../etc/passwd", "\x00x"]


def test_whom_a_report_only_policy_would_refuse_comes_in_once_it_is_enforced(start, people, edge):
    port, text = edge
    pins = [{"name": "acme", "spkiHash": people.pinned.spki_hash}]
    reporting = policy(pins).replace("  pins:", "  enforcement: ReportOnly\n  pins:")
    gateway = start({"edge.yaml": text(extra=reporting)})
    assert curl(port, people.server_ca, people.unpinned).status == 200
    assert curl(port, people.server_ca, people.pinned).status == 200
    eventually(lambda: len(gateway.handshakes()) == 2, "two records")
    assert [r.get("report_only") for r in gateway.handshakes()] == ["not_pinned", None]
    out, documents = proposed("--audit-log", str(gateway.audit_log))
    assert "# would be refused: not_pinned, 1x" in out and people.pinned.spki_hash not in out
    assert documents[0]["metadata"] == {"name": "partners", "namespace": "edge"}
    more = documents[0]["spec"]["pins"]
    gateway.swap("edge.yaml", text(extra=policy(pins + more)))
    assert curl(port, people.server_ca, people.unpinned).status == 200
    assert handshake(port, people.server_ca, people.by_intermediate) != 0


@pytest.mark.parametrize("deny", [{"enforcement": "ReportOnly"}, {"enforcement": "Enforce"}])
def test_whom_a_policy_denies_is_never_proposed(start, people, edge, deny):
    port, text = edge
    denying = policy([{"spkiHash": people.pinned.spki_hash}]).replace(
        "  pins:", f"  enforcement: {deny['enforcement']}\n  deny: [{{spkiHash: \"{people.unpinned.spki_hash}\"}}]\n  pins:")
    gateway = start({"edge.yaml": text(extra=denying)})
    handshake(port, people.server_ca, people.unpinned)
    eventually(lambda: len(gateway.handshakes()) == 1, "a record")
    result = learn("--audit-log", str(gateway.audit_log))
    assert result.returncode == 1 and people.unpinned.spki_hash not in result.stdout
    assert "# subject CN=unpinned-robot" in result.stdout and "denied, 1x" in result.stdout


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_subject_is_a_comment_and_a_name_at_most(start, people, edge, name, tmp_path):
    port, text = edge
    key = pki.make_key()
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
                         x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issued = people.ca.issue("hostile", key=key)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(people.ca.cert.subject)
               .public_key(key.public_key()).serial_number(issued.cert.serial_number)
               .not_valid_before(issued.cert.not_valid_before).not_valid_after(issued.cert.not_valid_after))
    for extension in issued.cert.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    client = pki.Identity(tmp_path, "hostile", builder.sign(people.ca.key, hashes.SHA256()), key)
    gateway = start({"edge.yaml": text(extra=policy([{"spkiHash": people.pinned.spki_hash}]))})
    refuse(gateway, port, people, client, 46, "not_pinned")
    out, documents = proposed("--admin", f"127.0.0.1:{gateway.admin_port}")
    assert len(documents) == 1 and out.isprintable() is False and "\x1b" not in out and "\u202e" not in out
    pins = documents[0]["spec"]["pins"]
    assert [p["spkiHash"] for p in pins] == [client.spki_hash] and NAME.fullmatch(pins[0]["name"])
    gateway.swap("edge.yaml", text(extra=policy(pins)))
    assert curl(port, people.server_ca, client).status == 200


@pytest.mark.parametrize("field", ["subject", "issuer", "serial", "peer", "time", "gateway", "scope", "reason",
                                   "renewal_of", "report_only"])
@pytest.mark.parametrize("text", ["x\n---\nkind: Secret\n  - #\"'", "y" * 65000, "\\2C\\", "CN=", "Gateway \n- x: y"])
def test_hostile_records_stay_within_comments(field, text):
    out, documents = of_records(record(**{field: text}), record(key="good", subject="CN=good"))
    pins = [p for d in documents for p in d.get("spec", {}).get("pins", [])]
    lists = [p for d in documents for p in d.get("certificatePinning", {}).get("spkiHashes", [])]
    assert spki("good") in [p["spkiHash"] for p in pins]
    assert {p["spkiHash"] for p in pins} | set(lists) <= {spki(), spki("good")}
    assert all(NAME.fullmatch(p["name"]) for p in pins)
    assert all(d.get("kind", "ClientCertificatePolicy") == "ClientCertificatePolicy" for d in documents)
    assert max(map(len, out.splitlines())) < 8192


@pytest.mark.parametrize("subject, name", [
    ("CN=acme robot,O=x", "acme-robot"), ("O=x,CN=a\\,b", "a-b"), ("O=CN\\=evil,CN=me", "me"), ("cn=x+UID=7", "x"),
    ("CN=\\0A\\0Ax", "x"), ("CN=a\\C3\\A4b", "a-b"), ("CN=svc/pay@acme.example", "svc/pay@acme.example"),
    ("CN=--", "client-ca978112"), ("", "client-ca978112"), ("O=only", "client-ca978112"), ("CN=123", "123"),
    ("CN=true", "true"), ("CN=x\\", "x"), ("CN=" + "z" * 500, "z" * 63)])
def test_a_name_is_the_common_name_in_a_names_characters(subject, name):
    _, documents = of_records(record(subject=subject))
    assert documents[0]["spec"]["pins"][0]["name"] == name


def test_nobody_gets_a_name_that_another_subject_bears():
    admitted = record(key="old", subject="CN=acme", admitted=True, verified=True, reason="accepted", pin_name="acme")
    out, documents = of_records(
        admitted, record(key="1", subject="CN=acme", issuer="CN=some sub CA"), record(key="2", subject="CN=acme,O=x"),
        record(key="3", subject="CN=bot"), record(key="4", subject="CN=bot", issuer="CN=other"))
    names = {p["spkiHash"]: p["name"] for p in documents[0]["spec"]["pins"]}
    assert sorted(names.values()) == ["acme-2", "acme-3", "bot", "bot-2"]
    assert "acme is the name of another subject or issuer" in out


def test_a_renewal_is_told_and_keeps_its_name():
    out, documents = of_records(record(subject="CN=whoever", renewal_of="acme-robot"))
    assert documents[0]["spec"]["pins"] == [{"name": "acme-robot", "spkiHash": spki()}]
    assert "# renewal of acme-robot: new key" in out


def test_a_new_key_of_an_admitted_subject_is_told_and_keeps_its_name():
    admitted = record(key="old", admitted=True, verified=True, reason="accepted", pin_name="acme-robot")
    out, documents = of_records(admitted, record(key="new"))
    assert documents[0]["spec"]["pins"] == [{"name": "acme-robot", "spkiHash": spki("new")}]
    assert "admitted as acme-robot: a new key?" in out


def test_records_of_one_key_are_one_proposal_with_their_span():
    out, documents = of_records(record(time="2026-11-26T10:00:05.000Z"), record(time="2026-11-26T10:00:01.000Z"),
                                record(time="2026-11-26T10:00:09.000Z", peer="192.0.2.9:1"))
    assert len(documents[0]["spec"]["pins"]) == 1
    assert "not_pinned, 3x, first 2026-11-26T10:00:01.000Z, last 2026-11-26T10:00:09.000Z, from 192.0.2.9:1" in out


@pytest.mark.parametrize("reason", ["untrusted", "expired", "revoked", "wrong_use", "weak_key", "denied",
                                    "no_usable_pin", "port_not_usable", "possession_failed", "a new one"])
def test_who_is_refused_for_anything_but_pins_is_told_and_never_proposed(reason):
    result = learn("--audit-log", "-", text=json.dumps(record(reason=reason)) + "\n")
    assert result.returncode == 1 and spki() not in result.stdout and "CN=robot" in result.stdout
    assert result.stderr == "pingate: learn: there is nobody to propose\n"


@pytest.mark.parametrize("denied", [dict(reason="denied"), dict(admitted=True, verified=True, reason="accepted",
                                                                report_only="denied")])
def test_who_was_denied_once_is_never_proposed(denied):
    for records in ([record(), record(**denied)], [record(**denied), record()]):
        result = learn("--audit-log", "-", text="".join(json.dumps(r) + "\n" for r in records))
        assert result.returncode == 1 and spki() not in result.stdout


def test_who_was_admitted_since_is_not_proposed_again():
    admitted = record(admitted=True, verified=True, reason="accepted")
    assert learn("--audit-log", "-", text=json.dumps(record()) + "\n" + json.dumps(admitted)).returncode == 1
    assert learn("--audit-log", "-", text=json.dumps(admitted) + "\n" + json.dumps(record())).returncode == 0
    elsewhere = dict(admitted, gateway="edge/other")
    assert learn("--audit-log", "-", text=json.dumps(record()) + "\n" + json.dumps(elsewhere)).returncode == 0


def test_whom_a_report_only_policy_would_refuse_is_proposed_if_verified():
    would = record(admitted=True, verified=True, reason="accepted", report_only="not_pinned")
    out, documents = of_records(would)
    assert documents[0]["spec"]["pins"][0]["spkiHash"] == spki() and "would be refused: not_pinned" in out
    result = learn("--audit-log", "-", text=json.dumps(dict(would, verified=False)))
    assert result.returncode == 1 and "1 handshakes came in without identity" in result.stdout


def test_each_scope_has_a_document_of_its_own_and_one_gateway_can_be_asked_for():
    records = (record(key="1"), record(key="2", scope="Gateway edge/edge certificatePinning"),
               record(key="3", scope="", gateway="edge/other"))
    _, documents = of_records(*records)
    assert len(documents) == 3
    _, documents = of_records(*records, options=("--gateway", "edge/other"))
    assert [d["spec"]["targetRefs"][0]["name"] for d in documents] == ["other"]
    assert documents[0]["metadata"] == {"name": "learned", "namespace": "edge"}


def test_more_clients_than_a_policy_has_pins_become_a_pin_set(people):
    records = [record(key=f"k{i}", subject=f"CN=device {i}", scope="") for i in range(300)]
    out, documents = of_records(*records)
    assert [d["kind"] for d in documents] == ["ConfigMap", "ClientCertificatePolicy"]
    around = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
              + gw.gateway([gw.https_listener("https", 8443)], default=gw.validation()) + "---\n")
    check = subprocess.run([gw.BINARY, "check", "-c", "-"], input=around + out, capture_output=True, text=True)
    assert check.returncode == 0 and "300 pins in force" in check.stdout, check.stdout + check.stderr


def test_the_untrusted_cannot_crowd_out_who_is_proposed():
    flood = "".join(json.dumps(record(key=f"u{i}", subject=f"CN=u{i}", reason="untrusted")) + "\n" for i in range(5000))
    out, documents = proposed("--audit-log", "-", text=flood + json.dumps(record(subject="CN=last")))
    assert [p["name"] for p in documents[0]["spec"]["pins"]] == ["last"]
    assert out.count("CN=u") == 1000 and "# … and 4000 more records" in out


def test_lines_that_are_no_records_are_counted_and_passed_over():
    lines = ["", "{", "[1]", "null", "x" * 200000, json.dumps(record())[:100], json.dumps({"event": "request"}),
             json.dumps(dict(record(), spki_sha256=7)), json.dumps(record())]
    result = learn("--audit-log", "-", text="\n".join(lines))
    assert result.returncode == 0 and result.stderr == "pingate: learn: 3 lines are no records\n"


@pytest.mark.parametrize("options, says", [
    (("--audit-log", "/nonexistent"), "can't be opened"), (("--admin", "127.0.0.1:1"), "127.0.0.1:1"),
    (("--gateway", "edge"), "wants NAMESPACE/NAME"), (("more",), "one argument too many")])
def test_what_cannot_be_read_is_bad_usage(options, says):
    result = learn(*options)
    assert result.returncode == 2 and says in result.stderr and result.stdout == ""
