"""I42: a kind that goes away keeps the last generation, though an API server that deletes a CRD deletes its objects first."""
from support.cluster import POLICY_CRD
from support.kube import Probes
from support.net import eventually
from support.policy import pin, policy, target
from test_kubernetes_faults import BACK_S, POLICIES, await_told, await_well, gateway, goes  # noqa: F401: fixtures, too
from test_kubernetes_tenants import Edits


def crd_goes(world):
    """As an API server deletes one: it says so, deletes the objects, and then knows the kind no more."""
    if world.cluster.is_real:
        world.cluster.kubectl("delete", "crd", POLICY_CRD)
        return
    world.api.patch("customresourcedefinitions", POLICY_CRD, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    world.api.delete(POLICIES, "partners")
    eventually(lambda: [r for r in world.cluster.door.seen("get", "customresourcedefinitions") if POLICY_CRD in r.target], "it is looked at")
    world.api.delete("customresourcedefinitions", POLICY_CRD)
    world.cluster.remove_kind(POLICIES)


def crd_comes(world):
    if world.cluster.is_real:
        world.cluster.plane.install()
        return
    world.api.apply([{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": POLICY_CRD},
                      "spec": {}}])
    world.cluster.restore_kind(POLICIES)


def test_policies_that_go_with_their_crd_stay_in_force(world, gateway, goes):
    """Nobody deleted them one by one, though that is how it looks; else all that the CA vouches for would come in."""
    before = gateway.generation()
    with Probes(world) as probes:
        crd_goes(world)
        await_told(gateway, POLICIES, "is deleted")
        await_told(gateway, POLICIES, "404")
        world.api.apply_one(world.route("new", "new.example.com", service="nowhere"))
        probes.await_more(20)
        assert world.status(goes) == 200 and gateway.generation() == before
        world.cluster.door.hold(POLICIES, "list")
        crd_comes(world)
        world.pin(world.people.pinned)
        world.cluster.door.mend()
        world.await_out(goes, deadline_s=BACK_S + 10)
        world.await_status(500, world.people.pinned, host="new.example.com", deadline_s=BACK_S)
        await_well(gateway)


def test_a_policy_that_somebody_deletes_is_gone(world, gateway, goes):
    with Probes(world):
        world.api.apply(policy("staff", [target("app", kind="HTTPRoute")], [pin(spki=world.people.pinned.spki_hash)]))
        world.await_status(403, goes)
        world.api.delete(POLICIES, "staff")
        world.await_in(goes)
    assert gateway.audit("source_error") == []


def test_whoever_may_not_look_at_the_crd_believes_what_is_said(world, gateway, goes):
    """With the role of an older release."""
    world.api.apply(policy("staff", [target("app", kind="HTTPRoute")], [pin(spki=world.people.pinned.spki_hash)]))
    world.await_status(403, goes)
    world.cluster.door.fail(403, "customresourcedefinitions", "get")
    world.api.delete(POLICIES, "staff")
    world.await_in(goes)
    rule = 'resources: [customresourcedefinitions], resourceNames: [clientcertificatepolicies.pingate.dev], verbs: [get]'
    assert [w for w in gateway.audit("warning") if rule in w["says"]]


def test_a_crd_that_cannot_be_asked_for_holds_up_a_deletion_for_seconds_alone(world, gateway, goes):
    with Probes(world):
        failure = world.cluster.door.fail(503, "customresourcedefinitions", "get")
        world.api.apply(policy("staff", [target("app", kind="HTTPRoute")], [pin(spki=world.people.pinned.spki_hash)]))
        world.await_status(403, goes)
        world.api.delete(POLICIES, "staff")
        world.pin(world.people.pinned)  # waits with it
        world.await_out(goes, deadline_s=20)
        assert failure.hits >= 10


def test_no_list_of_policies_makes_their_end_known_before_the_crd_is(world, gateway, goes):
    """A change that has waited goes out behind a list that is over: not one that lacks what may have gone with the CRD."""
    door = world.cluster.door
    world.api.apply(policy("staff", [target("app", kind="HTTPRoute")], [pin(spki=world.people.pinned.spki_hash)]))
    world.await_status(403, goes)
    held = door.hold("customresourcedefinitions", "get")
    world.api.delete(POLICIES, "staff")
    eventually(lambda: held.hits, "the CRD is looked at")

    def end(n):
        world.api.patch(POLICIES, "partners", {"metadata": {"annotations": {"turn": str(n)}}})
        door.end_watches(POLICIES)
    with Edits(end, pause_s=0.1) as ends:
        for _ in range(30):
            ends.await_more(1)
            assert world.status(goes) == 403
    door.mend()
    world.await_in(goes, deadline_s=BACK_S)
