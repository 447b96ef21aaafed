"""What operators see of pins: which set and name let somebody in and when last, what was never used, what ends next."""
import datetime
import json
import re
import subprocess
import time

import pytest
from support import gateway as gw
from support.client import curl, handshake
from support.net import eventually, free_port

POLICY = "ClientCertificatePolicy edge/partners"
INLINE = "Gateway edge/edge certificatePinning"


def soon(days):
    return datetime.datetime.utcnow().replace(microsecond=0) + datetime.timedelta(days=days)


def policy_text(people, days):
    return f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: partners, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  pins:
  - {{name: acme-robot, spkiHash: "{people.pinned.spki_hash}"}}
  - {{name: nobody-yet, certificateHash: "{people.expired.certificate_hash}", notAfter: {soon(days).isoformat()}Z}}
  pinSetRefs: [{{group: "", kind: ConfigMap, name: devices}}]
"""


def devices(*lines):
    return gw.config_map("devices", {"pins.txt": "\n".join(lines)})


class Metrics:
    """The samples of one scrape, by name and labels."""

    def __init__(self, gateway):
        self.values = {}
        for line in gateway.admin("/metrics")[1].splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                self.values[series] = float(value)

    def __call__(self, metric, /, **labels):
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return self.values.get(f"{metric}{{{text}}}" if text else metric)


@pytest.fixture
def edge(people, nginx, start):
    port = free_port()
    gateway = start({
        "edge.yaml": gw.secret_tls("server", people.server)
        + gw.ca_config_map("clients-ca", people.ca, crl=people.ca.crl(days=3))
        + gw.gateway([gw.https_listener("https", port)], default=gw.validation(pins=gw.pinning(
            spki=[people.pinned.spki_hash, people.unpinned.spki_hash])))
        + gw.backend(nginx.port) + gw.route(),
        "pins.yaml": policy_text(people, 5),
        "devices.yaml": devices(f"spki:{people.unpinned.spki_hash} name=device-7", "spki:AAAA", "# nothing"),
    })
    return gateway, port


def test_each_admission_counts_in_every_scope_that_it_met(edge, people):
    gateway, port = edge
    before = time.time()
    for client in (people.pinned, people.pinned, people.unpinned):
        assert curl(port, people.server_ca, client).status == 200
    assert handshake(port, people.server_ca, people.by_intermediate) != 0
    m = eventually(lambda: (lambda m: m("pingate_pin_set_matches_total", policy=INLINE, set="hashes") == 3 and m)(
        Metrics(gateway)), "three matches of the inline set")
    assert m("pingate_pin_set_pins", policy=INLINE, set="hashes") == 2
    assert m("pingate_pin_set_matches_total", policy=POLICY, set="pins") == 2
    assert m("pingate_pin_set_matches_total", policy=POLICY, set="ConfigMap edge/devices") == 1
    assert m("pingate_pin_set_faults", policy=POLICY, set="ConfigMap edge/devices") == 1
    assert m("pingate_pin_matches_total", policy=POLICY, name="acme-robot") == 2
    assert m("pingate_pin_matches_total", policy=POLICY, name="device-7") == 1
    assert before - 1 <= m("pingate_pin_last_matched_timestamp_seconds", policy=POLICY, name="acme-robot") <= time.time()
    assert m("pingate_pin_last_matched_timestamp_seconds", policy=POLICY, name="nobody-yet") is None
    assert m("pingate_pin_names") == 3 and m("pingate_pin_names_never_matched") == 1


def test_a_request_counts_in_the_scopes_of_its_route_and_an_issuer_pin_where_it_stands(people, nginx, start):
    port = free_port()
    gateway = start({
        "edge.yaml": gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
        + gw.gateway([gw.https_listener("https", port)], default=gw.validation()) + gw.backend(nginx.port) + gw.route(),
        "pins.yaml": f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: partners, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: app}}]
  pins:
  - {{name: issuing, issuerSpkiHash: "{people.issuing.spki_hash}"}}
  - {{name: acme-robot, spkiHash: "{people.pinned.spki_hash}"}}
"""})
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert curl(port, people.server_ca, people.by_intermediate).status == 200
    assert curl(port, people.server_ca, people.unpinned).status == 403
    m = eventually(lambda: (lambda m: m("pingate_pin_set_matches_total", policy=POLICY, set="pins") == 2 and m)(
        Metrics(gateway)), "two matches")
    assert m("pingate_pin_matches_total", policy=POLICY, name="issuing") == 1
    assert m("pingate_pin_matches_total", policy=POLICY, name="acme-robot") == 1
    assert m("pingate_requests_refused_total", reason="not_pinned") == 1


def test_status_names_the_pins_that_nobody_has_used(edge, people):
    gateway, port = edge
    assert curl(port, people.server_ca, people.pinned).status == 200

    def never():
        pins = json.loads(gateway.admin("/status")[1])["pins"]
        names = [entry["name"] for entry in pins["never_matched"]]
        return pins if "acme-robot" not in names else None
    pins = eventually(never, "acme-robot has matched")
    assert [(e["policy"], e["name"]) for e in pins["never_matched"]] == [(POLICY, "device-7"), (POLICY, "nobody-yet")]
    assert pins["next_to_end"]["name"] == "nobody-yet" and pins["expired"] == 0
    assert [(s["policy"], s["set"], s["matches"]) for s in pins["sets"]] == [
        (POLICY, "ConfigMap edge/devices", 0), (POLICY, "pins", 1), (INLINE, "hashes", 1)]
    said = subprocess.run([gw.BINARY, "status", "--admin", f"127.0.0.1:{gateway.admin_port}"],
                          capture_output=True, text=True, timeout=30).stdout
    assert "pin names   3, 0 of them over, 2 matched by nobody since the start: device-7, nobody-yet\n" in said


def test_what_ends_next_is_told_of_pins_cas_crls_and_server_certificates(edge, people):
    gateway, _ = edge
    m = Metrics(gateway)

    def is_at(name, moment):
        return abs(m(name) - moment.replace(tzinfo=datetime.timezone.utc).timestamp()) < 3
    assert is_at("pingate_pin_earliest_not_after_timestamp_seconds", soon(5))
    assert is_at("pingate_ca_earliest_not_after_timestamp_seconds", people.ca.cert.not_valid_after)
    assert is_at("pingate_server_certificate_earliest_not_after_timestamp_seconds", people.server.cert.not_valid_after)
    assert is_at("pingate_crl_earliest_next_update_timestamp_seconds",
                 datetime.datetime.utcnow() + datetime.timedelta(days=3, hours=-1))
    status = json.loads(gateway.admin("/status")[1])
    assert set(status["expires"]) == {"cas", "crls", "server_certificates"}


def test_a_changed_set_says_when_and_its_counts_go_on(edge, people):
    gateway, port = edge
    assert curl(port, people.server_ca, people.unpinned).status == 200
    eventually(lambda: Metrics(gateway)("pingate_pin_matches_total", policy=POLICY, name="device-7") == 1, "a match")
    changed, published = "pingate_pin_set_changed_timestamp_seconds", "pingate_generation_published_timestamp_seconds"
    before = Metrics(gateway)
    gateway.swap("devices.yaml", devices(f"spki:{people.unpinned.spki_hash} name=device-7",
                                         f"spki:{people.pinned_rsa.spki_hash}"))
    after = Metrics(gateway)
    assert after(published) > before(published)
    assert after(changed, policy=POLICY, set="ConfigMap edge/devices") == after(published)
    assert after(changed, policy=POLICY, set="pins") == before(changed, policy=POLICY, set="pins")
    assert after("pingate_pin_matches_total", policy=POLICY, name="device-7") == 1
    assert after("pingate_source_error_timestamp_seconds") is None
    gateway.write("devices.yaml", "not: [yaml")
    eventually(lambda: Metrics(gateway)("pingate_source_failing") == 1, "the source's fault")
    assert abs(Metrics(gateway)("pingate_source_error_timestamp_seconds") - time.time()) < 60


def test_no_name_breaks_out_of_its_label(edge, people):
    gateway, _ = edge
    for line in gateway.admin("/metrics")[1].splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="([^"\\\n]|\\["\\n])*"(,\w+="([^"\\\n]|\\["\\n])*")*\})? '
                            r'[-+.e\d]+', line), line
