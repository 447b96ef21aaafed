"""What an operator should see without reading logs is an Event, at the object that it is about, and once."""
import pytest
from support import gateway as gw
from support import pki
from support.cluster import GATEWAY_CRD, NAMESPACE
from support.net import eventually
from support.policy import pin, policy, target

WITHIN_S = 15


def events(world, reason):
    status, answer = world.api.ask("GET", "/apis/events.k8s.io/v1/events")
    assert status == 200, answer
    return [e for e in answer["items"] if e["reason"] == reason]


def event(world, reason):
    return eventually(lambda: events(world, reason), f"an Event {reason}", WITHIN_S)[0]


def test_a_missing_right_is_told_at_the_pod_that_leads(world):
    world.apply()
    gateway = world.run()
    eventually(lambda: "leads: replica-a" in gateway.stderr_file.read_text(), "it leads", WITHIN_S)
    world.cluster.deny("list", "services")
    gateway.reload()
    found = event(world, "SourceFailing")
    assert (found["regarding"]["kind"], found["regarding"]["name"]) == ("Pod", "replica-a")
    assert found["metadata"]["namespace"] == NAMESPACE
    assert "resources: [services], verbs: [get, list, watch]" in found["note"]
    world.cluster.allow("list", "services")
    gateway.reload()


def test_a_crd_that_drops_pins_unseen_is_told_at_the_class(world):
    if world.cluster.is_real:
        pytest.skip("others use its CRD as well")
    world.api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}])  # as every cluster has
    world.api.patch("customresourcedefinitions", GATEWAY_CRD, {"spec": {"versions": [{"name": "v1", "schema": {}}]}})
    world.apply()
    gateway = world.run()
    found = event(world, "PinsArePruned")
    assert (found["regarding"]["kind"], found["regarding"]["name"]) == ("GatewayClass", "pingate")
    assert found["metadata"]["namespace"] == "default"
    eventually(lambda: [w for w in gateway.audit("warning") if "certificatePinning" in w["says"]], "the log says so")


def test_a_certificate_that_ends_soon_is_told_at_its_secret_once(world):
    short = world.people.server_ca.issue("short", dns=("app.example.com",), eku=pki.SERVER_AUTH, days=9)
    world.apply(world.text() + gw.secret_tls("server", short))
    world.run()
    found = event(world, "EndsSoon")
    assert (found["regarding"]["kind"], found["regarding"]["name"]) == ("Secret", "server")
    assert "replace it before" in found["note"]
    world.pin(world.people.pinned, world.people.by_intermediate)  # a generation more
    world.await_in(world.people.by_intermediate)
    assert len(events(world, "EndsSoon")) == 1


def regards(found):
    return found["regarding"]["kind"], found["regarding"].get("namespace"), found["regarding"]["name"]


def test_a_conflict_is_told_at_the_policy_that_lost(world):
    world.apply()
    world.api.apply(policy("younger", [target("edge")], [pin(spki=world.people.by_intermediate.spki_hash)]))
    world.run()
    found = event(world, "Conflicted")
    assert regards(found) == ("ClientCertificatePolicy", "edge", "younger") and "partners" in found["note"]
    assert found["regarding"]["uid"] == world.api.get("clientcertificatepolicies", "younger")["metadata"]["uid"]
    assert len(events(world, "Conflicted")) == 1


def test_a_pin_that_is_none_is_told_at_its_policy(world):
    """The CRD can't look into a ConfigMap."""
    world.apply()
    world.api.apply(gw.config_map("devices", {"pins.txt": "spki:none\n"})
                    + policy("partners", [target("edge")], [pin(spki=world.people.pinned.spki_hash)],
                             pinSetRefs=[{"group": "", "kind": "ConfigMap", "name": "devices"}]))
    world.run()
    found = event(world, "InvalidPin")
    assert regards(found) == ("ClientCertificatePolicy", "edge", "partners") and "devices" in found["note"], found


def test_a_ca_and_a_crl_that_end_soon_are_told_at_their_gateway(world, people):
    short = people.ca.issue("short", ca=True, days=20)
    world.apply(world.text() + gw.ca_config_map("clients-ca", people.ca, short, crl=people.ca.crl(days=0.5)))
    world.run()
    eventually(lambda: len(events(world, "EndsSoon")) == 2, lambda: events(world, "EndsSoon"), WITHIN_S)
    found = events(world, "EndsSoon")
    assert {regards(e) for e in found} == {("Gateway", "edge", "edge")}
    assert {e["note"].split(" that")[0] for e in found} == {"a CA", "a CRL"}
