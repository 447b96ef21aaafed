"""I42: whatever an API server does, or does not, not one verdict is wrong and no request fails: the last generation serves on,
what was changed meanwhile is enforced once it can be heard, and the log says what was wrong."""
import json
import threading
import time

import pytest
import yaml
from support import gateway as gw
from support import pki
from support.cluster import namespace_of
from support.kube import ENFORCED_S, PINNED_OUT, Probes, grant
from support.net import eventually
from support.policy import pin, policy, target

REFUSED = "ConnectionRefusedError"  # nobody listens
POLICIES = "clientcertificatepolicies"
BACK_S = ENFORCED_S + 15  # after a fault there is a pause, longer with each


def told(gateway, *words):
    return [e for e in gateway.audit("source_error") if all(w in json.dumps(e) for w in words)]


def await_told(gateway, *words):
    return eventually(lambda: told(gateway, *words), lambda: f"{words}: {gateway.audit('source_error')}")[-1]


def await_well(gateway):
    eventually(lambda: gateway.audit("source_recovered"), "the source is well again", BACK_S)


@pytest.fixture
def goes(people):
    """Pinned at first; its pin goes while something is wrong."""
    return people.by_intermediate


@pytest.fixture
def gateway(world, goes):
    world.apply(world.text([world.people.pinned, goes]))
    gateway = world.run()
    world.await_in(goes)
    eventually(lambda: POLICIES in world.cluster.door.open_watches(), "policies are watched")
    return gateway


@pytest.mark.tsan
def test_a_server_that_stops_and_comes_back_is_caught_up_with(world, gateway, goes):
    door = world.cluster.door
    with Probes(world) as probes:
        for _ in range(2):
            before = gateway.generation()
            door.stop()
            await_told(gateway, "Kubernetes: ", "others")
            world.pin(world.people.pinned)
            world.api.apply_one(world.route("new", "new.example.com", service="nowhere"))
            probes.await_more(20)
            assert world.status(goes) == 200 and gateway.generation() == before  # it serves on
            assert gateway.ready()
            door.start()
            world.await_out(goes, deadline_s=BACK_S)
            world.await_status(500, world.people.pinned, host="new.example.com", deadline_s=BACK_S)
            await_well(gateway)
            world.api.delete("httproutes", "new")
            world.pin(world.people.pinned, goes)
            world.await_in(goes)


def test_a_server_that_refuses_while_it_starts_is_asked_again_soon(world, gateway, goes):
    """It has not read its roles yet, nor its CRDs: a real one does so for a second or more."""
    door = world.cluster.door
    with Probes(world):
        door.stop()
        await_told(gateway, "Kubernetes: ")
        world.pin(world.people.pinned)
        refusals = [door.fail(403, POLICIES, "watch", times=2), door.fail(404, POLICIES, "watch", times=1),
                    door.fail(404, POLICIES, "list", times=1)]
        door.start()
        world.await_out(goes, deadline_s=BACK_S)  # by pauses of 10 s it would be 40
        await_well(gateway)
    assert [r.hits for r in refusals] == [2, 1, 1]


def test_who_starts_while_the_server_is_away_serves_nothing(world, goes):
    world.apply(world.text([world.people.pinned, goes]))
    first = world.run()
    world.cluster.door.stop()
    first.stop()
    world.pin(world.people.pinned)
    second = world.run(wait=False)
    await_told(second, "Kubernetes: ")
    assert world.status(world.people.pinned) == REFUSED and second.admin("/readyz")[0] != 200
    world.cluster.door.start()
    world.await_in(world.people.pinned, deadline_s=BACK_S)
    with Probes(world):
        assert world.status(goes) == PINNED_OUT


def test_a_server_that_comes_and_goes_is_followed(world, gateway, goes):
    door, over = world.cluster.door, threading.Event()

    def flap():
        while not over.is_set():
            door.stop()
            over.wait(0.3)
            door.start()
            over.wait(0.3)
    flapping = threading.Thread(target=flap)
    with Probes(world) as probes:
        flapping.start()
        for n in range(8):
            world.pin(world.people.pinned, *([goes] if n % 2 else []))
            probes.await_more(10)
        world.pin(world.people.pinned)
        over.set()
        flapping.join()
        world.await_out(goes, deadline_s=BACK_S)


def test_a_slow_server_is_waited_for(world, goes):
    door = world.cluster.door
    door.delay_s, door.pace = 0.2, (1000, 0.01)
    world.apply(world.text([world.people.pinned, goes]))
    gateway = world.run()
    with Probes(world) as probes:
        door.pace = (10, 0.01)
        world.pin(world.people.pinned)
        world.await_out(goes, deadline_s=BACK_S)
        probes.await_more(5)
    assert gateway.audit("source_error") == []


def test_a_server_that_refuses_a_share_of_what_it_is_asked_is_asked_again(world, goes):
    door = world.cluster.door
    failures = [door.fail(429, every=12, retry_after=1), door.fail(500, every=12), door.fail(503, every=12)]
    world.apply(world.text([world.people.pinned, goes]))
    world.run()
    with Probes(world):
        door.end_watches()
        world.pin(world.people.pinned)
        world.await_out(goes, deadline_s=2 * BACK_S)
    assert all(f.hits > 1 for f in failures)


@pytest.mark.parametrize("status", (403, 404, 503))
def test_a_kind_that_is_refused_later_keeps_what_it_had(world, gateway, goes, status):
    door, before = world.cluster.door, gateway.generation()
    with Probes(world) as probes:
        for verb in ("list", "watch"):
            door.fail(status, POLICIES, verb)
        door.end_watches(POLICIES)
        fault = await_told(gateway, POLICIES, str(status))
        world.api.delete(POLICIES, "partners")  # unheard: who is not pinned must not come in
        world.pin(world.people.pinned)
        probes.await_more(10)
        assert world.status(goes) == 200 and gateway.generation() == before
        door.mend()
        gateway.reload()
        world.await_out(goes, deadline_s=BACK_S)
        await_well(gateway)
    if status == 403:
        assert "list, watch" in json.dumps(fault)


def test_nothing_opens_while_policies_are_out_of_hearing(world, gateway, goes):
    """A Gateway that is heard of, and its policy not: whoever its policy keeps out must not come in meanwhile."""
    door, before = world.cluster.door, gateway.generation()
    with Probes(world) as probes:
        for verb in ("list", "watch"):
            door.fail(403, POLICIES, verb)
        door.end_watches(POLICIES)
        await_told(gateway, POLICIES, "403")
        world.pin(world.people.pinned)
        world.api.apply_one(world.route("new", "new.example.com", service="nowhere"))
        probes.await_more(10)
        assert gateway.generation() == before and world.status(goes) == 200
        door.mend()
        world.await_status(500, world.people.pinned, host="new.example.com", deadline_s=BACK_S)
        assert world.status(goes) == PINNED_OUT  # not a moment later than what waited for it
        await_well(gateway)


@pytest.mark.parametrize("kind", ("backendtlspolicies", "referencegrants", "httproutes"))
def test_no_other_kind_holds_up_a_removed_pin(world, gateway, goes, kind):
    door = world.cluster.door
    with Probes(world):
        for verb in ("list", "watch"):
            door.fail(403, kind, verb)
        door.end_watches(kind)
        await_told(gateway, kind, "403")
        world.pin(world.people.pinned)
        world.await_out(goes)


def test_a_right_that_is_taken_away_is_missed_by_name(world, gateway, goes):
    with Probes(world) as probes:
        for verb in ("list", "watch"):
            world.cluster.deny(verb, "secrets")
        # Rights are looked at when something is asked, so what is open goes on.
        eventually(lambda: "secrets" in world.cluster.door.open_watches(), "they are watched")
        world.cluster.door.end_watches("secrets")
        await_told(gateway, "secrets", "403")
        fault = told(gateway, "secrets", "403")[-1]["says"]
        assert 'apiGroups: [""], resources: [secrets], verbs: [get, list, watch]' in fault
        world.pin(world.people.pinned)  # of another kind: heard all the same
        world.await_out(goes)
        probes.await_more(5)


@pytest.mark.parametrize("clean", (False, True), ids=("cut", "ended"))
@pytest.mark.parametrize("http", ("1.1", "2"))
def test_a_watch_that_ends_inside_an_event_misses_nothing(make_world, goes, http, clean):
    world = make_world(alpn=("http/1.1",) if http == "1.1" else ("h2", "http/1.1"))
    world.apply()
    world.run()
    door = world.cluster.door
    with Probes(world):
        for n in range(2):
            eventually(lambda: POLICIES in door.open_watches(), "policies are watched", BACK_S)
            door.cut_next_event(POLICIES, clean)
            world.pin(world.people.pinned, *([goes] if n % 2 == 0 else []))
            world.await_status(200 if n % 2 == 0 else PINNED_OUT, goes, deadline_s=BACK_S)
            assert POLICIES not in door.cuts


@pytest.mark.parametrize("new_too", (False, True), ids=("old", "old-and-new"))
def test_a_half_open_connection_hides_a_removed_pin_no_longer_than_the_limit(world, goes, new_too):
    world.apply(world.text([world.people.pinned, goes]))
    gateway, door = world.run("--limit", "source-silence-ms=1500"), world.cluster.door
    eventually(lambda: POLICIES in door.open_watches(), "policies are watched")
    with Probes(world) as probes:
        door.freeze(new_too)
        world.pin(world.people.pinned)
        if new_too:
            await_told(gateway, "Kubernetes: ")
            probes.await_more(20)
            door.thaw()
        world.await_out(goes, deadline_s=BACK_S + 20)


def test_a_server_that_goes_away_gently_is_asked_by_another_connection(world, gateway, goes):
    door = world.cluster.door
    with Probes(world):
        before = door.accepted
        door.go_away()
        door.end_watches()
        eventually(lambda: POLICIES in door.open_watches() and door.accepted > before, "it watches by another", BACK_S)
        world.pin(world.people.pinned)
        world.await_out(goes, deadline_s=BACK_S)
    assert gateway.audit("source_error") == []


def test_versions_that_are_gone_are_listed_anew(world, gateway, goes):
    if world.cluster.is_real:
        pytest.skip("a real API server is compacted by time alone")
    door = world.cluster.door
    world.api.apply_one(world.route("gone", "gone.example.com", service="nowhere"))
    world.await_status(500, world.people.pinned, host="gone.example.com")
    with Probes(world):
        door.stop()
        await_told(gateway, "Kubernetes: ")
        world.pin(world.people.pinned)
        world.api.delete("httproutes", "gone")
        world.cluster.compact()
        lists = len(door.seen("list", POLICIES))
        door.start()
        world.await_out(goes, deadline_s=BACK_S)
        world.await_in(world.people.pinned, host="gone.example.com", deadline_s=BACK_S)
    assert len(door.seen("list", POLICIES)) == lists + 1


GONE = b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old",' \
       b'"reason":"Expired","code":410}}\n'
GARBAGE = {
    "gone": GONE, "no JSON": b"<html>\n", "half an object": b'{"type":"MODIFIED","object":{"kind":"ClientCert\n',
    "nothing in it": b'{"type":"DELETED","object":{}}\n', "no type": b"{}\n", "unheard of": b'{"type":"RESTRICTED","object":{}}\n',
    "zeros": b"\0" * 4096 + b"\n", "deep": b'{"type":"ADDED","object":' + b"[" * 100000 + b"\n", "long": b"x" * (25 << 20),
    "list": b'[{"type":"DELETED"}]\n',
}


def test_nothing_opens_while_policies_are_listed_anew(world, gateway, goes):
    """What was missed before a 410 comes with the list, and that may take its time: a route must not open before its policy."""
    door = world.cluster.door
    with Probes(world) as probes:
        eventually(lambda: POLICIES in door.open_watches(), "policies are watched")
        held = door.hold(POLICIES, "list")
        door.say(POLICIES, GONE)
        eventually(lambda: held.hits, "policies are listed anew")
        world.api.apply(policy("staff", [target("new", kind="HTTPRoute")], [pin(spki=world.people.pinned.spki_hash)]))
        world.api.apply_one(world.route("new", "new.example.com", service="nowhere"))
        probes.await_more(10)
        assert world.status(goes, host="new.example.com") == 200  # by the route that was there; 500 by the new one
        door.mend()
        world.await_status(500, world.people.pinned, host="new.example.com", deadline_s=BACK_S)
        assert world.status(goes, host="new.example.com") == 403


@pytest.mark.slow
def test_a_grant_revoked_while_grants_cannot_be_heard_is_told_of_and_goes_with_the_first_answer(world, goes):
    """As any kind it stays as it was last heard: of that there is a word within 30 s, and it holds up no removed pin."""
    door, grants, pinned = world.cluster.door, "referencegrants", world.people.pinned
    world.apply(world.text([pinned, goes]))
    allowed = grant_far(world)
    gateway = world.run()
    with Probes(world) as probes:
        world.await_in(pinned, host="far.example.com")
        eventually(lambda: grants in door.open_watches(), "they are watched")
        held = door.hold(grants, "list")
        door.say(grants, GONE)
        eventually(lambda: held.hits, "they are listed anew")
        world.api.delete(grants, allowed["metadata"]["name"], "other")
        world.pin(pinned)
        world.await_out(goes)
        assert world.status(pinned, host="far.example.com") == 200  # nobody has said so
        eventually(lambda: told(gateway, grants), "it is told that they can't be heard", 40)
        probes.await_more(5)
        door.mend()
        world.await_status(500, pinned, host="far.example.com", deadline_s=BACK_S)
        await_well(gateway)


def grant_far(world):
    """A route of edge to a Service of namespace other, and what allows it."""
    allowed = grant("other", "Service", "far", origin="HTTPRoute")
    route = world.route("far", "far.example.com", service="far")
    route["spec"]["rules"][0]["backendRefs"][0]["namespace"] = "other"
    world.api.apply([namespace_of("other")])
    world.api.apply(gw.backend(world.echo.port, "far", namespace="other", address=world.cluster.backend_address))
    world.api.apply([route, allowed])
    return allowed


def test_pages_that_expire_each_time_are_told_and_not_asked_for_without_a_pause(world, gateway):
    if world.cluster.is_real:
        pytest.skip("a real API server makes pages as they are asked for")
    door = world.cluster.door
    for n in range(3):
        world.api.apply(policy(f"more-{n}", [target(f"none-{n}", kind="HTTPRoute")], [pin(spki=world.people.pinned.spki_hash)]))
    world.cluster.server.page_max = 2
    with Probes(world):
        expired = door.fail(410, POLICIES, "list", every=2)
        gateway.reload()
        await_told(gateway, POLICIES, "410")
        assert expired.hits < 20
        door.mend()
        await_well(gateway)


def test_what_no_server_says_does_no_harm(world, gateway, goes):
    door = world.cluster.door
    with Probes(world):
        for n, what in enumerate(GARBAGE):
            eventually(lambda: POLICIES in door.open_watches(), what, BACK_S)
            door.say(POLICIES, GARBAGE[what])
            world.pin(world.people.pinned, *([goes] if n % 2 else []))
            world.await_status(200 if n % 2 else PINNED_OUT, goes, deadline_s=BACK_S)


LISTS = {
    "nothing": b"", "an empty object": b"{}", "null": b"null", "html": b"<html><body>Sign in</body></html>",
    "another kind": b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}',
    "half": b'{"kind":"ClientCertificatePolicyList","apiVersion":"pingate.dev/v1alpha1","metadata":{"resourceVersion":"1"},"items":[',
    "no items": b'{"kind":"ClientCertificatePolicyList","apiVersion":"pingate.dev/v1alpha1","metadata":{"resourceVersion":"1"}}',
    "no version": b'{"kind":"ClientCertificatePolicyList","apiVersion":"pingate.dev/v1alpha1","metadata":{},"items":[]}',
    "a long token": b'{"kind":"ClientCertificatePolicyList","apiVersion":"pingate.dev/v1alpha1","metadata":{"resourceVersion":"1","continue":"'
                    b'%s"},"items":[]}' % (b"=" * 40000),
}


def test_a_list_that_is_none_is_not_an_empty_one(world, gateway, goes):
    """Were it taken for one, the policy would be gone, and everybody whom the CA vouches for let in."""
    door = world.cluster.door
    with Probes(world) as probes:
        for n, what in enumerate(LISTS):
            bad = door.fail(200, POLICIES, "list", body=LISTS[what])
            gateway.reload()
            eventually(lambda: bad.hits > 0 and len(told(gateway, POLICIES)) > n, what)
            probes.await_more(2)
            door.mend()
            world.pin(world.people.pinned, *([goes] if n % 2 else []))
            world.await_status(200 if n % 2 else PINNED_OUT, goes, deadline_s=BACK_S)
            eventually(lambda: len(gateway.audit("source_recovered")) > n, "it is well again", BACK_S)


def test_a_secret_that_cannot_be_asked_for_holds_up_no_removed_pin(world, gateway, goes):
    people, door = world.people, world.cluster.door
    other = people.server_ca.issue("other", dns=["other.example.com"], eku=pki.SERVER_AUTH)
    world.api.apply(gw.secret_tls("other", other))
    with Probes(world):
        failure = door.fail(500, "secrets", "get")
        listeners = world.api.get("gateways", "edge")["spec"]["listeners"]
        more = {"name": "other", "port": world.port, "protocol": "HTTPS", "hostname": "other.example.com",
                "tls": {"mode": "Terminate", "certificateRefs": [{"name": "other"}]}}
        world.api.patch("gateways", "edge", {"spec": {"listeners": listeners + [more]}})
        eventually(lambda: failure.hits > 0, "it is asked for")
        world.pin(people.pinned)
        world.await_out(goes, deadline_s=BACK_S)
        door.mend()


def pin_set(name, *who):
    """The namespace is edge."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "edge"},
            "data": {"pins.txt": "".join(f"spki:{one.spki_hash}\n" for one in who)}}


def test_a_watch_that_lags_brings_no_removed_pin_back(world, gateway, goes):
    """What came to be wanted is asked for by itself, and its watch may then tell of what was before."""
    people, door, maps = world.people, world.cluster.door, "configmaps"
    eventually(lambda: maps in door.open_watches(), "ConfigMaps are watched")
    world.api.apply_one(pin_set("mark"))
    world.api.apply_one(pin_set("devices", goes))
    older = world.api.get(maps, "devices")
    world.api.apply_one(pin_set("devices"))
    with Probes(world):
        refs = [{"group": "", "kind": "ConfigMap", "name": name} for name in ("devices", "mark")]
        world.pin(people.pinned, pinSetRefs=refs)
        eventually(lambda: len([r for r in door.seen("get", maps) if r.target.endswith(("/devices", "/mark"))]) == 2, "asked for")
        world.await_out(goes)
        door.say(maps, json.dumps({"type": "MODIFIED", "object": older}).encode() + b"\n")
        world.api.apply_one(pin_set("mark", people.pinned_rsa))
        world.await_in(people.pinned_rsa)  # so the older event was heard
        assert world.status(goes) == PINNED_OUT
        world.api.apply_one(pin_set("devices", goes))
        world.await_in(goes)


# ---- who is asked, and as whom ----

def test_a_rotated_token_is_taken_up(world, goes, tmp_path):
    first, file = world.cluster.new_token(), tmp_path / "token"
    file.write_text(first)
    world.apply(world.text([world.people.pinned, goes]))
    gateway = world.run(kubeconfig=world.cluster.kubeconfig(token_file=file))
    door = world.cluster.door
    with Probes(world):
        second = world.cluster.new_token()
        file.write_text(second)
        world.cluster.revoke(first) if not world.cluster.is_real else None
        door.drop_all()
        world.pin(world.people.pinned)
        world.await_out(goes, deadline_s=BACK_S)
    assert gateway.ready()


def test_a_client_certificate_does_instead_of_a_token(world):
    world.apply()
    world.run(kubeconfig=world.cluster.kubeconfig(certificate=True))
    with Probes(world):
        pass


def test_a_token_that_is_refused_is_told(world):
    world.apply()
    gateway = world.run(wait=False, kubeconfig=world.cluster.kubeconfig(token="wrong"))
    await_told(gateway, "401")
    assert world.status(world.people.pinned) == REFUSED


@pytest.mark.parametrize("what", ("another CA", "another name"))
def test_a_server_that_is_another_is_not_believed(world, people, what):
    wrong = {"ca": people.other_ca} if what == "another CA" else {"server_name": "other.example.com"}
    world.apply()
    gateway = world.run(wait=False, kubeconfig=world.cluster.kubeconfig(**wrong))
    await_told(gateway, "certificate")
    assert world.status(people.pinned) == REFUSED and gateway.admin("/readyz")[0] != 200
    assert world.cluster.door.seen() == []  # nothing was asked, no token was shown


NOBODY = 49  # the alert where no pin is usable


@pytest.mark.parametrize("nul", ("\0", "\\u0000\0"))
def test_a_policy_with_a_nul_in_an_annotation_keeps_out_whom_it_kept_out(world, nul):
    """Go's strings may have one, and ours not: broken, it must not let in everybody of the CA. A restart knows no former one."""
    world.apply()
    world.api.patch(POLICIES, "partners", {"metadata": {"annotations": {"note": nul}}})
    gateway = world.run()
    eventually(lambda: world.status(world.people.pinned) != REFUSED, "the port is bound")
    assert world.status(world.people.unpinned) == world.status(world.people.pinned) == NOBODY
    world.api.patch(POLICIES, "partners", {"metadata": {"annotations": {"note": None}}})
    world.await_in(world.people.pinned)


def test_thousands_of_objects_that_nobody_can_read_hold_up_no_removed_pin(world, goes):
    if world.cluster.is_real:
        pytest.skip("a real API server takes minutes to be given so many")
    world.apply(world.text([world.people.pinned, goes]))
    world.cluster.apply_many([
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [], "ports": [],
         "metadata": {"name": f"broken-{n:05}", "namespace": "edge", "annotations": {"note": "\0"}}} for n in range(60000)])
    world.run()
    world.await_in(goes)
    began = time.monotonic()
    world.pin(world.people.pinned)
    world.await_out(goes)
    world.pin(world.people.pinned, goes)
    world.await_in(goes)
    assert time.monotonic() - began < 5  # two changes


def of_routes(gateway):
    return [r["says"] for r in gateway.audit("warning") if r["where"] == "httproutes"]


def test_who_edits_a_broken_object_again_and_again_does_not_fill_the_log(world, gateway, goes):
    """Neither does a good one hide among them: what is not written is counted, and no verdict is missing."""
    if world.cluster.is_real:
        pytest.skip("a real API server's schema lets in no such route")
    edits, people = 2000, world.people
    world.api.apply_one(world.route("broken", "broken.example.com"))
    with Probes(world) as probes:
        for n in range(edits // 100):
            world.cluster.replace_many([world.route("broken", 1000 * n + k) for k in range(100)])
            world.pin(people.pinned, *([] if n % 2 == 0 else [goes]))
            world.await_status(PINNED_OUT if n % 2 == 0 else 200, goes)
        probes.await_more(2)
        eventually(lambda: sum(counted(said) for said in of_routes(gateway)) == edits, lambda: of_routes(gateway)[-5:])
    assert len(of_routes(gateway)) < 150, len(of_routes(gateway))
    assert gateway.audit("gap") == []


def counted(said):
    """How many a line stands for."""
    return int(said.split()[1]) if said.startswith("and ") else 1


def test_ten_thousand_routes_and_a_thousand_secrets_hold_up_nothing(world, goes):
    """1,024 Secrets: 16 listeners with the 64 that each may have."""
    if world.cluster.is_real:
        pytest.skip("the bench holds as many against a real API server")
    world.apply(world.text([world.people.pinned, goes]))
    secret, names = yaml.safe_load(gw.secret_tls("server", world.people.server)), [f"many-{n}" for n in range(1024)]
    world.cluster.apply_many([{**secret, "metadata": {"name": name, "namespace": "edge"}} for name in names])
    world.cluster.apply_many([world.route(f"r{n}", f"h{n}.example.com") for n in range(10000)])
    listeners = world.api.get("gateways", "edge")["spec"]["listeners"]
    for n in range(16):
        refs = [{"name": name} for name in names[n * 64:n * 64 + 64]]
        listeners.append({**listeners[0], "name": f"l{n}", "hostname": f"l{n}.example.net", "tls": {"certificateRefs": refs}})
    world.api.patch("gateways", "edge", {"spec": {"listeners": listeners}})
    world.run()
    with Probes(world) as probes:
        for n in (0, 5000, 9999):
            assert world.status(world.people.pinned, host=f"h{n}.example.com") == 200
        world.pin(world.people.pinned)
        world.await_out(goes, deadline_s=BACK_S)
        world.api.patch("httproutes", "r5000", {"spec": {"hostnames": ["moved.example.com"]}})
        world.await_status(200, world.people.pinned, host="moved.example.com", deadline_s=BACK_S)
        probes.await_more(20)
