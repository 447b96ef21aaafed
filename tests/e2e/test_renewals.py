"""A client that comes back with a new key is refused like anybody who is not pinned, and told as the renewal
that it is. What only looks like one is not. Names never let anybody in (I13)."""
import re
import subprocess

import pytest
from support import gateway as gw
from support import pki
from support.client import curl, handshake
from support.net import eventually, free_port

POLICY = """---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: partners, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  pins:
{pins}
"""
NOT_PINNED = 46
UNTRUSTED = 48


def policy(*pins):
    return POLICY.format(pins="\n".join(f'  - {{name: {name}, spkiHash: "{who.spki_hash}"}}' for name, who in pins))


@pytest.fixture
def edge(people, nginx, start):
    """A gateway over two CAs that pins acme-robot, who has been in once."""
    acme = people.ca.issue("acme", dns=["acme.example"])
    port = free_port()
    files = {
        "edge.yaml": gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
        + gw.gateway([gw.https_listener("https", port)], default=gw.validation()) + gw.backend(nginx.port) + gw.route(),
        "pins.yaml": policy(("acme-robot", acme), ("bystander", people.pinned))}
    gateway = start(files)
    assert curl(port, people.server_ca, acme).status == 200
    return gateway, port, acme


def refusal(gateway, client):
    def find():
        return [r for r in gateway.handshakes() if r["reason"] != "accepted" and
                r.get("spki_sha256") == client.spki_hash]
    return eventually(find, "the refusal's record")[-1]


def renewals(gateway):
    return int(re.search(r"^pingate_renewals_noticed_total (\d+)$", gateway.admin("/metrics")[1], re.M).group(1))


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_renewed_certificate_with_a_new_key_is_refused_and_told_as_a_renewal(edge, people, tls):
    gateway, port, acme = edge
    renewed = people.ca.issue("acme", dns=["acme.example"], days=60)
    assert handshake(port, people.server_ca, renewed, tls=tls) == NOT_PINNED
    assert refusal(gateway, renewed)["renewal_of"] == "acme-robot"
    assert renewals(gateway) == 1
    listed = gw.json.loads(gateway.admin("/refusals")[1])["refusals"][-1]
    assert listed["renewal_of"] == "acme-robot" and listed["pin"] == "spki:" + renewed.spki_hash
    said = subprocess.run([gw.BINARY, "status", "--refusals", "--admin", f"127.0.0.1:{gateway.admin_port}"],
                          capture_output=True, text=True, timeout=30).stdout
    assert "renewal of acme-robot: same subject and names, new key" in said
    # The name is a hint for people: the old certificate still comes in, the new one once it is pinned.
    assert curl(port, people.server_ca, acme).status == 200
    gateway.swap("pins.yaml", policy(("acme-robot", acme), ("acme-robot", renewed)))
    assert curl(port, people.server_ca, renewed).status == 200


def look_alikes(people):
    return {
        "another subject": people.ca.issue("acme2", dns=["acme.example"], days=60),
        "another alternative name": people.ca.issue("acme", dns=["acme2.example"], days=60),
        "no alternative name": people.ca.issue("acme", days=60),
        "one that ends before the pinned one": people.ca.issue("acme", dns=["acme.example"], days=10),
    }


def test_what_only_looks_like_a_renewal_is_not_told_as_one(edge, people):
    gateway, port, _ = edge
    for why, client in look_alikes(people).items():
        assert handshake(port, people.server_ca, client) == NOT_PINNED, why
        assert "renewal_of" not in refusal(gateway, client), why
    forged = people.other_ca.issue("acme", dns=["acme.example"], days=60)
    assert handshake(port, people.server_ca, forged) == UNTRUSTED
    assert "renewal_of" not in refusal(gateway, forged)
    assert renewals(gateway) == 0


def test_a_forged_ca_of_the_same_name_makes_no_renewal(edge, people, tmp_path):
    gateway, port, _ = edge
    forger = pki.make_ca(tmp_path, "clients-root")
    forged = forger.issue("acme", dns=["acme.example"], days=60)
    assert handshake(port, people.server_ca, forged) == UNTRUSTED
    assert "renewal_of" not in refusal(gateway, forged)


def test_an_old_key_is_no_renewal_once_its_pin_is_gone(edge, people):
    gateway, port, acme = edge
    renewed = people.ca.issue("acme", dns=["acme.example"], days=60)
    gateway.swap("pins.yaml", policy(("acme-robot", renewed), ("bystander", people.pinned)))
    assert curl(port, people.server_ca, renewed).status == 200
    assert handshake(port, people.server_ca, acme) == NOT_PINNED
    assert "renewal_of" not in refusal(gateway, acme)


def test_a_client_whose_name_was_taken_out_is_nobodys_renewal(edge, people):
    gateway, port, _ = edge
    gateway.swap("pins.yaml", policy(("bystander", people.pinned)))
    renewed = people.ca.issue("acme", dns=["acme.example"], days=60)
    assert handshake(port, people.server_ca, renewed) == NOT_PINNED
    assert "renewal_of" not in refusal(gateway, renewed)
