"""What an operator should see without reading logs is an Event, at the object that it is about, and once."""
import pytest
from support import gateway as gw
from support import pki
from support.cluster import GATEWAY_CRD, NAMESPACE
from support.net import eventually

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
