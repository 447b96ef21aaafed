"""I42: what an API server holds is served: nothing before all of it is known, each change once it is heard, and nothing that
nobody asked for. Against the stand-in, or a real API server (support/cluster.py)."""
import asyncio
import base64
import json
import re
import signal
import threading
import urllib.parse

import pytest
import test_deploy
import yaml
from support import gateway as gw
from support import pki
from support.client import connect
from support.kube import PINNED_OUT, Probes, grant
from support.net import eventually
from support.policy import policy, target

REFUSED = "ConnectionRefusedError"  # nobody listens
GRANT_ONLY = ("tcproutes", "tlsroutes", "grpcroutes", "listenersets")


def events(gateway, kind):
    return [json.dumps(e) for e in gateway.audit(kind)]


def document(text):
    return yaml.safe_load(text)


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.mark.tsan
def test_nothing_is_served_before_every_kind_is_synced(world):
    kinds = ("clientcertificatepolicies", "referencegrants", "secrets")
    world.apply()
    for kind in kinds:
        world.cluster.deny("list", kind)
    gateway = world.run(wait=False)
    door = world.cluster.door
    for n, kind in enumerate(kinds):
        group = "pingate.dev" if n == 0 else "gateway.networking.k8s.io" if n == 1 else ""
        rule = f'apiGroups: [\\"{group}\\"], resources: [{kind}], verbs: [get, list, watch]'
        eventually(lambda: [t for t in events(gateway, "source_error") if ": list: 403" in t and rule in t], f"{kind} is told of")
        eventually(lambda: {"gateways", "httproutes", "services"} <= set(door.open_watches()), "others are watched")
        assert world.status(world.people.pinned) == REFUSED
        assert gateway.admin("/readyz")[0] != 200
        world.cluster.allow("list", kind)
        gateway.reload()
        eventually(lambda: any(r.status == 200 for r in door.seen("list", kind)), f"{kind} is listed")
    eventually(gateway.ready, "ready")
    world.await_in(world.people.pinned)
    with Probes(world) as probes:
        probes.await_more(10)


def test_secrets_are_listed_beside_routes_and_wait_for_them(world):
    world.apply()
    world.cluster.deny("list", "httproutes")
    gateway = world.run(wait=False)
    door = world.cluster.door
    eventually(lambda: any(r.status == 200 for r in door.seen("list", "secrets")), "Secrets are listed")
    eventually(lambda: {"gateways", "secrets", "configmaps"} <= set(door.open_watches()), "others are watched")
    assert world.status(world.people.pinned) == REFUSED
    assert gateway.admin("/readyz")[0] != 200
    world.cluster.allow("list", "httproutes")
    gateway.reload()
    eventually(gateway.ready, "ready")
    assert world.status(world.people.pinned) == 200 and gateway.generation() == 1


def test_lists_come_by_pages_and_all_of_them_is_served(world):
    world.apply()
    world.cluster.apply_many([world.route(f"r{n}", f"h{n}.example.com") for n in range(1200)])
    gateway = world.run()
    door = world.cluster.door
    lists = [r.target for r in door.seen("list", "httproutes")]
    assert len(lists) == 3 and all("limit=500" in t and "resourceVersion=" not in t for t in lists)
    assert ["continue=" in t for t in lists] == [False, True, True]
    for n in (0, 499, 500, 999, 1199):
        assert world.status(world.people.pinned, host=f"h{n}.example.com") == 200
    assert gateway.generation() == 1


def test_an_expired_page_token_begins_the_list_anew(world):
    if world.cluster.is_real:
        pytest.skip("a real API server's tokens live for minutes")
    world.apply()
    world.cluster.apply_many([world.route(f"r{n}", f"h{n}.example.com") for n in range(600)])
    expired = world.cluster.door.fail(410, "httproutes", "list", every=2, times=1)
    world.run()
    assert expired.hits == 1 and len(world.cluster.door.seen("list", "httproutes")) == 4
    assert world.status(world.people.pinned, host="h599.example.com") == 200


def asked_of(seen):
    """{resource: the parameters of its last request}"""
    return {r.resource: dict(urllib.parse.parse_qsl(r.target.partition("?")[2])) for r in seen}


def all_kinds():
    """Those that the role lets it watch, but Leases."""
    (role,) = [o for o in test_deploy.read("kubernetes", "rbac.yaml") if o["kind"] == "ClusterRole"]
    return {resource for rule in role["rules"] if "watch" in rule["verbs"] for resource in rule["resources"]}


def test_each_kind_is_watched_from_its_list_on_for_a_time_and_with_bookmarks(world):
    world.apply()
    world.run()
    door, kinds = world.cluster.door, all_kinds()
    eventually(lambda: kinds <= set(door.open_watches()), lambda: kinds - set(door.open_watches()))
    watches = asked_of(door.seen("watch"))
    times = {int(watches[kind]["timeoutSeconds"]) for kind in kinds}
    assert all(240 <= s <= 600 for s in times) and len(times) > 1  # not all of them at once
    assert all(watches[kind]["allowWatchBookmarks"] == "true" and int(watches[kind]["resourceVersion"]) > 0 for kind in kinds)


def test_bookmarks_carry_a_kind_over_that_says_nothing_itself(world):
    """So that its watch is not begun at a version that is long gone, and what has 10,000 objects listed anew."""
    if world.cluster.is_real:
        pytest.skip("a real API server says when it sends them")
    world.apply()
    world.cluster.server.bookmark_s = 0.1
    world.run()
    door, server, quiet = world.cluster.door, world.cluster.server, "namespaces"
    with Probes(world):
        eventually(lambda: quiet in door.open_watches(), "it is watched")
        world.pin(world.people.pinned, world.people.by_intermediate)  # of another kind
        version = server.store.version
        eventually(lambda: server.bookmarks.get(quiet, 0) >= version, "a bookmark tells of it")
        world.cluster.compact(version)
        door.end_watches(quiet)
        eventually(lambda: int(asked_of(door.seen("watch"))[quiet]["resourceVersion"]) >= version, "it is watched from there")
        eventually(lambda: quiet in door.open_watches(), "it is watched again")
    assert len(door.seen("list", quiet)) == 1


def silences(gateway):
    """{kind: seconds}"""
    text = gateway.admin("/metrics")[1]
    return {kind: float(s) for kind, s in re.findall(r'^pingate_source_seconds_since_heard\{kind="(\w+)"\} (\S+)$', text, re.M)}


def test_a_gauge_says_for_each_kind_how_old_its_news_are(world):
    world.apply()
    gateway = world.run()
    eventually(lambda: set(silences(gateway)) == all_kinds(), lambda: silences(gateway))
    eventually(lambda: min(silences(gateway)[k] for k in ("namespaces", "clientcertificatepolicies")) > 1.5, lambda: silences(gateway))
    world.pin(world.people.pinned, world.people.by_intermediate)
    eventually(lambda: silences(gateway)["clientcertificatepolicies"] < 1.5 < silences(gateway)["namespaces"], lambda: silences(gateway))
    world.cluster.door.stop()
    eventually(lambda: min(silences(gateway).values()) > 2, lambda: silences(gateway))


def test_an_answer_whose_end_is_held_back_is_heard_to_its_end(world):
    """Where libcurl's room for a call, 128 KiB with the answer's head, is full within the last frame, and it reads for another
    call just then: see client_wake.c."""
    if world.cluster.is_real:
        pytest.skip("the size of an answer is the stand-in's to say")
    room, head = 128 * 1024, len("HTTP/2 200 \r\ncontent-type: application/json\r\n\r\n")
    world.apply()
    world.api.apply([world.route("long", "long.example.com", annotations={"note": "x" * 100000})])
    length = len(json.dumps(world.api.must("GET", "/apis/gateway.networking.k8s.io/v1/httproutes"), separators=(",", ":"))) + 1
    world.api.patch("httproutes", "long", {"metadata": {"annotations": {"note": "x" * (100000 + room - head // 2 - length)}}})
    door = world.cluster.door
    held = door.hold("httproutes", "list")
    gateway = world.run(wait=False)
    eventually(lambda: held.hits == 1 and len(door.open_watches()) > 8, "the list is asked for, and others are over")
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        door.mend()
        eventually(lambda: door.seen("list", "httproutes"), "it is answered")
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    eventually(gateway.ready, "it is heard")
    assert world.status(world.people.pinned, host="long.example.com") == 200


@pytest.mark.tsan
def test_pins_come_and_go_with_their_policy(world):
    world.apply()
    gateway = world.run()
    goes = world.people.by_intermediate
    with Probes(world) as probes:
        assert world.status(goes) == PINNED_OUT
        for _ in range(2):
            world.pin(world.people.pinned, goes, onRemoval={"action": "Drain", "grace": "1s"})
            world.await_in(goes)
            with world.connect(goes) as connection:
                world.pin(world.people.pinned, onRemoval={"action": "Drain", "grace": "1s"})
                world.await_out(goes)
                connection.settimeout(30)
                eventually(lambda: ended(connection), "its connection ends", 30)
            probes.await_more(2)
    assert world.api.get("clientcertificatepolicies", "partners")
    assert gateway.audit("source_error") == []


def ended(connection):
    try:
        return connection.recv(65536) == b""
    except OSError:
        return True


def test_pins_come_and_go_with_the_gateway_itself(world):
    world.apply()
    world.run()
    goes = world.people.by_intermediate
    world.pin(world.people.pinned, goes)
    world.await_in(goes)
    validation = {"certificatePinning": {"spkiHashes": [world.people.pinned.spki_hash]}}
    with Probes(world):
        world.api.patch("gateways", "edge", {"spec": {"tls": {"frontend": {"default": {"validation": validation}}}}})
        world.await_out(goes)
        world.api.patch("gateways", "edge", {"spec": {"tls": {"frontend": {"default": {"validation": {"certificatePinning": None}}}}}})
        world.await_in(goes)


def test_pins_that_another_crd_hides_stay_in_force(world):
    """Its patched Gateway CRD was replaced by upstream's, and is back: the object has the version that it had."""
    if world.cluster.is_real:
        pytest.skip("the conformance suite does it to a real API server")
    world.apply()
    gateway = world.run()
    goes = world.people.by_intermediate
    pinning = {"certificatePinning": {"spkiHashes": [world.people.pinned.spki_hash]}}
    world.pin(world.people.pinned, goes)
    world.api.patch("gateways", "edge", {"spec": {"tls": {"frontend": {"default": {"validation": pinning}}}}})
    world.await_out(goes)
    with Probes(world):
        world.cluster.show("gateways", "edge", lambda value: validation_of(value).pop("certificatePinning"))
        eventually(lambda: "hides its certificatePinning" in gateway.stderr_file.read_text(), "it is told")
        assert world.status(goes) == PINNED_OUT
        world.cluster.show("gateways", "edge", lambda value: validation_of(value).update(pinning))
        world.api.patch("gateways", "edge", {"spec": {"tls": {"frontend": {"default": {"validation": {"certificatePinning": None}}}}}})
        world.await_in(goes)


def validation_of(gateway):
    return gateway["spec"]["tls"]["frontend"]["default"]["validation"]


def test_routes_and_endpoints_come_and_go(world):
    world.apply()
    world.run()
    pinned = world.people.pinned
    with Probes(world):
        assert world.status(pinned, host="new.example.com") == 200  # by the route without hostnames
        world.api.apply_one(world.route("new", "new.example.com", service="nowhere"))
        world.await_status(500, pinned, host="new.example.com")
        world.api.apply_one(world.route("new", "new.example.com", path="/only"))
        world.await_status(200, pinned, host="new.example.com", path="/only/x")
        world.api.delete("httproutes", "new")
        world.await_in(pinned, host="new.example.com")
        world.api.apply_one(world.route("empty", "empty.example.com", service="empty"))
        world.api.apply(gw.backend(world.echo.port, "empty", address=world.cluster.backend_address))
        world.await_in(pinned, host="empty.example.com")
        world.api.delete("endpointslices", "empty-1")
        world.await_status(503, pinned, host="empty.example.com")


def test_a_secret_is_rotated_and_nobody_notices(world):
    world.apply()
    gateway = world.run()
    people = world.people
    renewed = people.server_ca.issue("server", dns=["*.example.com", "app.example.com"], eku=pki.SERVER_AUTH)
    with Probes(world):
        assert served(world) == people.server.der
        world.api.apply(gw.secret_tls("server", renewed))
        eventually(lambda: served(world) == renewed.der, "the renewed one is served")
    assert gateway.audit("source_error") == []


def served(world, name="app.example.com"):
    with connect(world.port, world.people.server_ca, world.people.pinned, sni=name) as connection:
        return connection.getpeercert(binary_form=True)


def test_a_secret_that_nobody_refers_to_is_not_in_memory(world):
    marker = "MARKER" + "0123456789abcdefghijklmnopqrstuvwxyz" * 40
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "edge"},
              "data": {"key": base64.b64encode(marker.encode()).decode()}}
    world.apply()
    world.api.apply_one(secret)
    gateway = world.run()
    with Probes(world):
        for n in range(3):
            world.api.patch("secrets", "other", {"metadata": {"labels": {"turn": str(n)}}})
        # What came last is in the buffers of TLS and HTTP until something else has come: as long, and by the same way.
        for n in range(3):
            world.api.patch("secrets", "server", {"metadata": {"annotations": {"padding": str(n) * 100000}}})
        world.pin(world.people.pinned, world.people.by_intermediate)
        world.await_in(world.people.by_intermediate)
    assert not in_memory(gateway.process.pid, [marker[:300].encode(), secret["data"]["key"][:300].encode()])


def test_a_secret_that_nobody_refers_to_does_not_wait_for_its_page(world):
    """A server that stops within a page of Secrets makes nothing stay that came before."""
    if world.cluster.is_real:
        pytest.skip("where an answer stops is the stand-in's to say")
    marker, last = (base64.b64encode(word + b"0123456789abcdefghijklmnopqrstuvwxyz" * 40).decode() for word in (b"MARKER", b"LAST"))
    door = world.cluster.door
    world.apply()
    world.api.apply([namespace("another")])  # listed before the others
    for name, data in (("a", marker), ("b", "A" * 400000), ("c", last + "A" * 400000)):
        world.api.apply_one({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "another"},
                             "data": {"key": data}})
    stops, goes_on = stop_within(door, "/api/v1/secrets", 600000)
    gateway = world.run(wait=False)
    eventually(lambda: stops.is_set() and in_memory(gateway.process.pid, [last[:300].encode()]), "the page has come so far")
    eventually(lambda: not in_memory(gateway.process.pid, [marker[:300].encode()]), "it is gone")
    world.cluster.loop.do(goes_on.set)
    eventually(gateway.ready, "ready")
    assert world.status(world.people.pinned) == 200


def stop_within(door, path, count):
    """The first answer stops behind so many bytes: an event that it does, and one that lets it go on."""
    behind, stops, goes_on = door.behind, threading.Event(), asyncio.Event()

    async def pieces(body):
        yield body[:count]
        stops.set()
        await goes_on.wait()
        yield body[count:]

    async def answer(request):
        response = await behind(request)
        if request.path == path and "watch" not in request.query and not stops.is_set():
            response.body = pieces(response.body)
        return response
    door.behind = answer
    return stops, goes_on


def in_memory(pid, needles):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "rw" not in line.split()[1] or "[v" in line or end - begin > 1 << 32:
                continue
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except OSError:
                continue
            for needle in needles:
                if needle in data:
                    at = data.index(needle)
                    return line, data[at - 600:at + 40]
    return None


def test_what_is_referred_to_later_is_fetched_then(world):
    people = world.people
    other = people.server_ca.issue("other", dns=["other.example.com"], eku=pki.SERVER_AUTH)
    world.apply()
    world.api.apply(gw.secret_tls("other", other))
    world.run()
    door = world.cluster.door
    assert not [r for r in door.seen("get", "secrets") if r.target.endswith("/other")]
    listener = document(gw.https_listener("other", world.port, "other.example.com", secret="other"))
    with Probes(world):
        gateway = world.api.get("gateways", "edge")
        world.api.patch("gateways", "edge", {"spec": {"listeners": gateway["spec"]["listeners"] + listener}})
        eventually(lambda: served(world, "other.example.com") == other.der, "the other listener's certificate")
    assert len([r for r in door.seen("get", "secrets") if r.target.endswith("/other")]) == 1


def test_what_is_referred_to_before_it_is_there_is_served_once_it_is(world):
    world.apply()
    world.api.delete("secrets", "server")
    gateway = world.run(wait=False)
    eventually(lambda: gateway.generation() > 0, "a generation")
    assert world.status(world.people.pinned) != 200
    world.api.apply(gw.secret_tls("server", world.people.server))
    world.await_in(world.people.pinned)
    with Probes(world):
        pass


def test_a_grant_that_is_revoked_grants_no_more(world):
    world.apply()
    world.api.apply([namespace("other")])
    world.api.apply(gw.backend(world.echo.port, "far", namespace="other", address=world.cluster.backend_address))
    allowed = grant("other", "Service", "far", origin="HTTPRoute")
    route = world.route("far", "far.example.com", service="far")
    route["spec"]["rules"][0]["backendRefs"][0]["namespace"] = "other"
    world.api.apply([route])
    world.run()
    pinned = world.people.pinned
    with Probes(world) as probes:
        assert world.status(pinned, host="far.example.com") == 500
        for _ in range(2):
            world.api.apply_one(allowed)
            world.await_in(pinned, host="far.example.com")
            world.api.delete("referencegrants", allowed["metadata"]["name"], "other")
            world.await_status(500, pinned, host="far.example.com")
        probes.await_more(2)


def test_what_changes_nothing_but_a_status_is_no_change(world):
    world.apply()
    world.api.apply_one(world.route("r", "r.example.com"))
    gateway = world.run()
    before = gateway.generation()
    parents = [{"parentRef": {"name": "edge"}, "controllerName": "example.com/other", "conditions": [
        {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
         "lastTransitionTime": "2026-01-01T00:00:00Z"}]}]
    with Probes(world):
        for n in range(10):
            parents[0]["conditions"][0]["observedGeneration"] = n + 1
            world.api.patch("httproutes", "r", {"status": {"parents": parents}}, part="status")
        world.pin(world.people.pinned, world.people.by_intermediate)
        world.await_in(world.people.by_intermediate)
    eventually(lambda: gateway.generation() > before, "every worker has it")
    assert gateway.generation() == before + 1


@pytest.mark.parametrize("kind", GRANT_ONLY)
def test_a_kind_that_only_grants_need_not_be_installed(world, kind):
    if world.cluster.is_real:
        pytest.skip("its CRDs are installed once for all tests")
    world.cluster.remove_kind(kind)
    world.apply()
    gateway = world.run()
    with Probes(world):
        told = [w for w in events(gateway, "config_warning") + [gateway.stderr_file.read_text()] if kind in w]
        assert told and "not installed" in str(told)


def test_a_kind_that_restricts_must_be_installed(world):
    if world.cluster.is_real:
        pytest.skip("its CRDs are installed once for all tests")
    kinds = ("clientcertificatepolicies", "referencegrants", "backendtlspolicies")
    world.apply()
    for kind in kinds:
        world.cluster.remove_kind(kind)
    gateway = world.run(wait=False)
    for kind in kinds:
        told = eventually(lambda: [t for t in events(gateway, "source_error") if kind in t], f"{kind} is told of")[-1]
        assert "404" in told and "CRD" in told
        assert world.status(world.people.pinned) == REFUSED
        world.cluster.restore_kind(kind)
        gateway.reload()
    eventually(gateway.ready, "ready")
    with Probes(world):
        pass


def test_objects_of_a_mebibyte_are_taken(world):
    """As large as an API server lets them be."""
    lines = "".join(f"cert:{n:064x} name=device-{n}\n" for n in range(1, 12000))
    late = lines + f"spki:{world.people.by_intermediate.spki_hash} name=late\n"
    padding = {"padding": base64.b64encode(b"x" * 700000).decode()}
    secret = document(gw.secret_tls("server", world.people.server))
    world.apply()
    world.api.apply([{**secret, "data": {**secret["data"], **padding}}])
    world.api.apply(gw.config_map("devices", {"pins.txt": lines}))
    world.pin(world.people.pinned, pinSetRefs=[{"group": "", "kind": "ConfigMap", "name": "devices"}])
    world.run()
    with Probes(world):
        assert world.status(world.people.by_intermediate) == PINNED_OUT
        world.api.apply(gw.config_map("devices", {"pins.txt": late}))
        world.await_in(world.people.by_intermediate)
        world.api.apply(gw.config_map("devices", {"pins.txt": lines}))
        world.await_out(world.people.by_intermediate)


def test_an_object_that_cannot_be_used_narrows_and_harms_no_other(world):
    if world.cluster.is_real:
        pytest.skip("the CRDs let none of these through")
    world.apply()
    gateway = world.run()
    good = world.people.pinned
    with Probes(world):
        world.api.apply_one(world.route("r", "r.example.com"))
        world.await_in(good, host="r.example.com")
        broken = world.route("r", "r.example.com")
        broken["spec"]["rules"] = 7
        world.api.apply_one(broken)
        world.await_status(500, good, host="r.example.com")
        assert world.status(good) == 200
        world.api.apply_one({**world.route("bad", "bad.example.com"), "spec": []})
        world.api.apply_one(world.route("r", "r.example.com"))
        world.await_in(good, host="r.example.com")
    world.api.apply(policy("partners", [target("edge")], [{"spkiHash": "not a pin"}]))
    world.await_status(49, good)  # the port has no usable pin
    assert world.status(world.people.unpinned) == 49
    world.pin(good)
    world.await_in(good)
    assert gateway.ready()


def named(kind, port):
    """Service edge/named of an address that an API server lets in as a name alone."""
    spec = {"ports": [{"port": 80, "targetPort": port}]}
    if kind == "service":
        spec |= {"type": "ExternalName", "externalName": "127.0.0.1"}
    else:
        yield {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
               "metadata": {"name": "named", "namespace": "edge", "labels": {"kubernetes.io/service-name": "named"}},
               "addressType": "FQDN", "endpoints": [{"addresses": ["127.0.0.1"]}], "ports": [{"port": port, "protocol": "TCP"}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "named", "namespace": "edge"}, "spec": spec}


@pytest.mark.parametrize("kind", ("service", "slice"))
def test_a_name_of_digits_does_not_lead_to_this_machine(world, kind):
    """Whoever may write a Service would reach what listens on loopback alone, pingate's own admin address first of all."""
    world.apply()
    world.run()
    world.await_in(world.people.pinned)
    for value in named(kind, world.echo.port):
        world.api.apply_one(value)
    world.api.apply_one(world.route("named", "named.example.com", service="named"))
    world.await_status(503, world.people.pinned, host="named.example.com")
