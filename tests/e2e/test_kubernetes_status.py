"""What became of each object is written to it: once, only where something changed, nothing of anybody else's, and never
in the way of enforcement. Against the stand-in, or a real API server (support/cluster.py)."""
import collections
import json
import threading

import pytest
from support.api_store import KINDS
from support.cluster import GATEWAY_CRD, ROUTE_CRD, retry_schema
from support.kube import ENFORCED_S, Probes, await_quiet
from support.net import eventually
from support.policy import pin, policy, target

OURS, OTHERS = "pingate.dev/gateway-controller", "example.com/other"
POLICIES = "clientcertificatepolicies"
QUIET_S = 3
AT = "2026-01-01T00:00:00Z"


def conditions(entries):
    return {c["type"]: (c["status"], c["reason"]) for c in entries}


def status_of(world, plural, name):
    found = world.api.get(plural, name)
    return (found or {}).get("status") or {}


def parents(world, name):
    """controller → its conditions"""
    return {p["controllerName"]: conditions(p["conditions"]) for p in status_of(world, "httproutes", name).get("parents", [])}


def accepted(world, name):
    return eventually(lambda: parents(world, name).get(OURS, {}).get("Accepted"), f"{name} has a status", ENFORCED_S)


def programmed(world):
    return conditions(status_of(world, "gateways", "edge").get("conditions", [])).get("Programmed", ("", ""))[0] == "True"


def others(name, count=1):
    return [{"parentRef": {"name": name if n == 0 else f"{name}-{n}"}, "controllerName": OTHERS, "conditions": [
        {"type": "Accepted", "status": "False", "reason": "Pending", "message": "theirs", "observedGeneration": 1,
         "lastTransitionTime": AT}]} for n in range(count)]


def written(world, since=0):
    """How often each object was."""
    return collections.Counter(r.target.split("?")[0] for r in world.cluster.door.writes(since) if r.status < 300)


def settled(world):
    await_quiet(world.cluster.door)


def quiet(world):
    """No more is written, for long enough that something would have been."""
    door = world.cluster.door
    settled(world)
    before = len(door.writes())
    threading.Event().wait(QUIET_S)  # nothing can be waited for where nothing must happen
    assert len(door.writes()) == before, door.writes()[before:]


@pytest.fixture
def served(world):
    world.apply()
    world.api.apply([world.route(f"r{n}", f"r{n}.example.com") for n in range(10)])
    gateway = world.run()
    eventually(lambda: programmed(world), lambda: f"programmed: {status_of(world, 'gateways', 'edge')}", ENFORCED_S)
    for n in range(10):
        accepted(world, f"r{n}")
    return gateway


def test_each_object_is_told_once_what_became_of_it(world, served):
    with Probes(world):
        quiet(world)
    counts = written(world)
    assert max(v for k, v in counts.items() if "httproutes" in k) == 1, counts
    assert max(counts.values()) <= 2, counts  # a Gateway is programmed once its ports are open
    assert all(r.method == "PATCH" for r in world.cluster.door.writes() if r.resource.endswith("/status"))
    gateway = status_of(world, "gateways", "edge")
    assert conditions(gateway["conditions"])["Accepted"][0] == "True"
    assert [(li["name"], li["attachedRoutes"]) for li in gateway["listeners"]] == [("https", 11)]
    assert gateway["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    generation = world.api.get("gateways", "edge")["metadata"]["generation"]
    assert {c["observedGeneration"] for c in gateway["conditions"]} == {generation}
    assert conditions(status_of(world, "gatewayclasses", "pingate")["conditions"])["Accepted"][0] == "True"
    ancestors = status_of(world, POLICIES, "partners")["ancestors"]
    assert [a["controllerName"] for a in ancestors] == [OURS]
    assert conditions(ancestors[0]["conditions"])["Accepted"][0] == "True"
    assert accepted(world, "r0")[0] == "True"


def test_only_what_changed_is_written(world, served):
    settled(world)
    since = world.cluster.door.requests[-1].at
    with Probes(world):
        world.api.apply_one(world.route("r3", "r3.example.com", service="nowhere"))
        eventually(lambda: parents(world, "r3")[OURS]["ResolvedRefs"][0] == "False", "its status")
        settled(world)
    assert [k.split("/")[-2] for k in written(world, since + 1e-6)] == ["r3"]


def test_what_others_wrote_stays(world, served):
    with Probes(world):
        ours = status_of(world, "httproutes", "r1")["parents"]
        for entries in (others("elsewhere") + ours, others("elsewhere", 3)):  # ours taken away, too
            world.api.patch("httproutes", "r1", {"status": {"parents": entries}}, part="status")
            world.api.apply_one(world.route("r1", "r1.example.com", path=f"/{len(entries)}"))
            eventually(lambda: OURS in parents(world, "r1") and all(
                c["observedGeneration"] == world.api.get("httproutes", "r1")["metadata"]["generation"]
                for p in status_of(world, "httproutes", "r1")["parents"] if p["controllerName"] == OURS
                for c in p["conditions"]), lambda: status_of(world, "httproutes", "r1"), ENFORCED_S)
            theirs = [p for p in status_of(world, "httproutes", "r1")["parents"] if p["controllerName"] == OTHERS]
            assert [(p["parentRef"]["name"], p["conditions"]) for p in theirs] == \
                [(p["parentRef"]["name"], p["conditions"]) for p in entries if p["controllerName"] == OTHERS]


def test_what_leaves_is_told_no_more(world, served):
    with Probes(world):
        world.api.patch("httproutes", "r2", {"status": {"parents": others("elsewhere") + status_of(
            world, "httproutes", "r2")["parents"]}}, part="status")
        route = world.route("r2", "r2.example.com")
        route["spec"]["parentRefs"] = [{"name": "elsewhere"}]
        world.api.apply_one(route)
        eventually(lambda: set(parents(world, "r2")) == {OTHERS}, lambda: parents(world, "r2"), ENFORCED_S)
        world.api.delete("httproutes", "r4")
        eventually(lambda: status_of(world, "gateways", "edge")["listeners"][0]["attachedRoutes"] == 9, "two less", ENFORCED_S)
    assert served.audit("source_error") == []


def test_a_write_that_fails_is_tried_again(world):
    world.apply()
    door = world.cluster.door
    failures = [door.fail(status, "httproutes/status", times=1, retry_after=again)
                for status, again in ((429, 1), (500, None), (503, None))]
    world.run()
    with Probes(world):
        assert accepted(world, "app")[0] == "True"
    assert [f.hits for f in failures] == [1, 1, 1]


def test_a_conflict_in_earnest_loses_nothing(world, served):
    """Another controller writes the same objects all the while."""
    over = threading.Event()
    wrong = []

    def write():
        n = 0
        while not over.wait(0.002):
            n += 1
            try:
                theirs = others("elsewhere")
                theirs[0]["conditions"][0]["message"] = f"turn {n}"
                found = world.api.get("httproutes", "r5")
                ours = [p for p in found["status"]["parents"] if p["controllerName"] == OURS]
                version = {"resourceVersion": found["metadata"]["resourceVersion"]}
                status, answer = world.api.ask(
                    "PATCH", world.api.path("httproutes", "edge", "r5", "status"),
                    {"metadata": version, "status": {"parents": ours + theirs}}, "application/merge-patch+json")
                if status not in (200, 409):
                    wrong.append(answer)
            except Exception as e:  # noqa: BLE001: shown by the test
                wrong.append(repr(e))
    writer = threading.Thread(target=write)
    with Probes(world):
        writer.start()
        for n in range(5):
            world.api.apply_one(world.route("r5", "r5.example.com", path=f"/{n}"))
            eventually(lambda: {c["observedGeneration"] for p in status_of(world, "httproutes", "r5")["parents"]
                                if p["controllerName"] == OURS for c in p["conditions"]}
                       == {world.api.get("httproutes", "r5")["metadata"]["generation"]}, "told of the newest", ENFORCED_S)
            eventually(lambda: OTHERS in parents(world, "r5"), "theirs is there, too", ENFORCED_S)
        over.set()
        writer.join()
    assert wrong == []
    assert [r for r in world.cluster.door.seen("patch", "httproutes/status") if r.status == 409], "it was no conflict in earnest"


def test_who_may_not_write_statuses_serves_all_the_same(world):
    world.cluster.deny("patch", "httproutes/status")
    world.cluster.deny("update", "httproutes/status")
    world.apply()
    gateway = world.run()
    goes = world.people.by_intermediate
    with Probes(world):
        told = eventually(lambda: [line for line in gateway.stderr_file.read_text().splitlines() if "httproutes/status" in line],
                          "it is told")[-1]
        assert r'{apiGroups: [\"gateway.networking.k8s.io\"], resources: [httproutes/status], verbs: [patch]}' in told
        world.pin(world.people.pinned, goes)
        world.await_in(goes)
        world.pin(world.people.pinned)
        world.await_out(goes)
        eventually(lambda: programmed(world), "others are written", ENFORCED_S)


def test_many_statuses_hold_up_no_removed_pin(world):
    """All routes change at once, and the server takes its time for each write."""
    goes = world.people.by_intermediate
    world.apply(world.text([world.people.pinned, goes]))
    world.cluster.apply_many([world.route(f"m{n}", f"m{n}.example.com") for n in range(300)])
    world.run()
    door = world.cluster.door
    with Probes(world):
        eventually(lambda: len(written(world)) > 20, "writing", 30)
        door.delay_s = 0.05
        for n in range(3):
            before = len(door.writes())
            world.pin(world.people.pinned)
            world.await_out(goes)
            world.pin(world.people.pinned, goes)
            world.await_in(goes)
            assert n > 0 or len(door.writes()) - before < 250  # they were not waited for
        door.delay_s = 0
        eventually(lambda: accepted(world, "m299"), "all are told", 60)


def test_a_condition_says_what_is_wrong(world, served):
    if not world.cluster.is_real:  # the CRDs let none of these through
        broken = world.route("r6", "r6.example.com")
        broken["spec"]["rules"] = 7
        world.api.apply_one(broken)
        eventually(lambda: "wants a list" in json.dumps(status_of(world, "httproutes", "r6")), "r6's", ENFORCED_S)
        world.api.apply(policy("bad", [target("r7", kind="HTTPRoute")], [{"spkiHash": "not a pin"}]))
        eventually(lambda: "spkiHash" in json.dumps(status_of(world, POLICIES, "bad")), "the policy's", ENFORCED_S)
    world.api.apply(policy("nowhere", [target("nowhere")], [pin(spki=world.people.pinned.spki_hash)]))
    listener = {"name": "dark", "port": world.port + 1, "protocol": "HTTPS",
                "tls": {"mode": "Terminate", "certificateRefs": [{"name": "missing"}]}}
    listeners = world.api.get("gateways", "edge")["spec"]["listeners"]
    with Probes(world):
        world.api.patch("gateways", "edge", {"spec": {"listeners": listeners + [listener]}})

        def dark():
            found = [li for li in status_of(world, "gateways", "edge")["listeners"] if li["name"] == "dark"]
            return found and conditions(found[0]["conditions"]).get("ResolvedRefs") == ("False", "InvalidCertificateRef")
        eventually(dark, "the listener's", ENFORCED_S)


def test_events_name_what_an_operator_should_see(world, served):
    if world.cluster.is_real:
        pytest.skip("a real API server's CRDs let no such pin through")
    world.api.apply(policy("bad", [target("r7", kind="HTTPRoute")], [{"spkiHash": "not a pin"}]))

    def events():
        return [e for plural in ("events", "events.events.k8s.io") for e in world.cluster.server.store.list(KINDS[plural])]
    found = eventually(lambda: [e.value for e in events() if "bad" in json.dumps(e.value)], "an Event", ENFORCED_S)
    assert "spkiHash" in json.dumps(found[0])


# --- what is claimed ---

def claimed(world):
    return {f["name"] for f in status_of(world, "gatewayclasses", "pingate").get("supportedFeatures", [])}


def retries_kept(world):
    crd = world.api.get("customresourcedefinitions", ROUTE_CRD)
    (schema,) = [v["schema"]["openAPIV3Schema"] for v in crd["spec"]["versions"] if v["name"] == "v1"]
    return "retry" in schema["properties"]["spec"]["properties"]["rules"]["items"]["properties"]


def test_a_kind_that_is_not_installed_is_not_claimed(world):
    if world.cluster.is_real:
        pytest.skip("its CRDs are installed once for all tests")
    world.cluster.remove_kind("tlsroutes")
    world.cluster.remove_kind("listenersets")
    world.apply()
    world.run()
    settled(world)
    assert {"TCPRoute", "GRPCRoute", "HTTPRoute"} <= claimed(world)
    assert not [name for name in claimed(world) if name.startswith(("TLSRoute", "ListenerSet"))]


RETRIES = {"HTTPRouteRetry", "HTTPRouteRetryBackendTimeout", "HTTPRouteRetryConnectionError"}


@pytest.mark.parametrize("channel", ("standard", "experimental"))
def test_retries_are_claimed_where_the_crd_of_routes_keeps_them(world, channel):
    if not world.cluster.is_real:
        world.api.patch("customresourcedefinitions", ROUTE_CRD, {"spec": retry_schema(*["matches"] * (channel == "standard"))})
    elif retries_kept(world) != (channel == "experimental"):
        pytest.skip("its CRDs are of the other channel")
    world.apply()
    world.run()
    door = world.cluster.door
    eventually(lambda: any(ROUTE_CRD in r.target for r in door.seen("get", "customresourcedefinitions")), "it is looked at")
    settled(world)
    assert claimed(world) & RETRIES == (RETRIES if channel == "experimental" else set())
    assert {"HTTPRoute", "HTTPRouteRequestTimeout"} <= claimed(world)


BUNDLE = "gateway.networking.k8s.io/bundle-version"


def class_conditions(world):
    return {c["type"]: c for c in status_of(world, "gatewayclasses", "pingate").get("conditions", [])}


@pytest.mark.parametrize("release, supported", (("v1.6.1", True), ("v1.5.0", False), (None, False)))
def test_the_release_of_the_crds_is_judged_on_the_class(world, release, supported):
    if not world.cluster.is_real:
        world.api.patch("customresourcedefinitions", GATEWAY_CRD, {"metadata": {"annotations": {BUNDLE: release}}})
    elif release != world.api.get("customresourcedefinitions", GATEWAY_CRD)["metadata"]["annotations"][BUNDLE]:
        pytest.skip("its CRDs are of another release")
    world.apply()
    world.run()
    said = eventually(lambda: class_conditions(world).get("SupportedVersion"), lambda: class_conditions(world), ENFORCED_S)
    assert (said["status"], said["reason"]) == (("True", "SupportedVersion") if supported else ("False", "UnsupportedVersion"))
    assert (release or "unknown") in said["message"]
    assert said["observedGeneration"] == world.api.get("gatewayclasses", "pingate")["metadata"]["generation"]
    assert class_conditions(world)["Accepted"]["status"] == "True"
    with Probes(world):  # served all the same
        pass
