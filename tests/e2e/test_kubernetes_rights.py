"""What deploy/ lets pingate do in a cluster is what it does: with an object of every kind nothing that it asks for is
refused, and nothing that it may do is left undone. The rights are read from the manifests; the stand-in holds it to them as
a real API server does (PINGATE_CLUSTER)."""
import json
import re

import pytest
import test_deploy
from support import gateway as gw
from support.cluster import NAMESPACE
from support.net import eventually, free_port
from support.policy import pin, policy, target
from support.streams import stream_route, tcp_listener, tls_listener

def granted(mode):
    """{(group, resource, verb)}"""
    rules = test_deploy.read("kubernetes", "rbac.yaml") + (
        test_deploy.read("kubernetes-address-pool", "rbac.yaml") if mode == "pool" else [])
    return {(key[0], key[1], verb) for role in rules if role["kind"].endswith("Role")
            for key, verbs in test_deploy.rights_of(role).items() for verb in verbs}


def group_of(target_path):
    parts = target_path.split("?")[0].strip("/").split("/")
    return "" if parts[0] == "api" else parts[1]


def used(seen):
    """What is not there could have been asked for in vain only by who may; of the server's version everybody may ask."""
    return {(group_of(r.target), r.resource, r.verb) for r in seen
            if (r.status < 300 or r.status == 404) and r.target != "/version"}


def listener_set(port):
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {{name: more, namespace: edge}}
spec:
  parentRef: {{name: edge}}
  listeners:
{gw.indent(gw.http_listener("more", port), 2)}
"""


def grpc_route():
    return """---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls, namespace: edge}
spec:
  parentRefs: [{name: edge, sectionName: http}]
  hostnames: [calls.example.com]
  rules: [{backendRefs: [{name: app, port: 80}]}]
"""


def everything(world):
    """An object of every kind that has a status, and of every kind that has none."""
    people, port = world.people, world.port
    listeners = [gw.https_listener("https", port), gw.http_listener("http", free_port()),
                 tls_listener("tls", free_port(), "tls.example.com", "Passthrough"), tcp_listener("tcp", free_port())]
    edge = gw.gateway(listeners, default=gw.validation()).replace(
        "  addresses: [{type: IPAddress, value: 127.0.0.1}]\n", "  allowedListeners: {namespaces: {from: Same}}\n")
    return (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca) + edge + listener_set(free_port())
            + gw.backend(world.echo.port, address=world.cluster.backend_address)
            + gw.route(section="https") + grpc_route() + stream_route("TLSRoute", "tls", ["app"], section="tls")
            + stream_route("TCPRoute", "tcp", ["app"], section="tcp")
            + gw.ca_config_map("backend-ca", people.ca) + gw.backend(world.echo.port, name="safe",
                                                                     address=world.cluster.backend_address)
            + gw.backend_tls("backend.example.com", name="safe", service="safe")
            + gw.route("safe", section="https", hostnames=["safe.example.com"], service="safe")
            + policy("partners", [target("edge")], [pin(spki=people.pinned.spki_hash)]))


@pytest.mark.parametrize("mode", ["pool", "service"])
def test_no_right_is_missing_and_none_is_idle(world, mode):
    door = world.cluster.door
    world.api.apply(everything(world))
    gateway = world.run(pool="127.0.0.1" if mode == "pool" else None)
    wanted = granted(mode)

    def all_written():
        done = used(door.seen())
        return {right for right in wanted if right[1].endswith("/status")} <= done and ("", "services", "create") in done

    eventually(all_written, lambda: f"statuses and Services: {sorted(wanted - used(door.seen()))}")
    # What is referred to later is asked for by itself, and what is wrong with it is an Event.
    world.api.apply(policy("partners", [target("edge")], [pin(spki=world.people.pinned.spki_hash)],
                           pinSetRefs=[{"group": "", "kind": "ConfigMap", "name": "devices"}])
                    + gw.config_map("devices", {"pins.txt": "spki:none\n"}))
    world.api.patch("gateways", "edge", {"spec": {"infrastructure": {"labels": {"team": "payments"}}}})
    for right in (("events.k8s.io", "events", "create"), ("", "services", "patch"), ("", "configmaps", "get")):
        eventually(lambda right=right: right in used(door.seen()), lambda right=right: f"{right}")
    world.api.delete("gateways", "edge")
    eventually(lambda: ("", "services", "delete") in used(door.seen()), "its Service goes")
    gateway.stop()
    refused = [(r.verb, r.target, json.dumps(r.body)[:200]) for r in door.seen() if r.status in (401, 403)]
    assert refused == []
    done = used(door.seen())
    assert done <= granted(mode)
    written = {re.search("/namespaces/([^/]+)/", r.target)[1] for r in door.seen()
               if r.resource in ("services", "leases") and r.method != "GET"}
    assert written == ({NAMESPACE, "edge"} if mode == "pool" else {NAMESPACE})
    # Whoever lists and watches a kind may see each of it alone: `get` widens nothing.
    seen_whole = {(group, resource, "get") for group, resource, verb in done if verb == "list"}
    assert sorted(wanted - done - seen_whole) == []


# --- what is missing is named ---

def watched():
    return {(group, resource) for group, resource, verb in granted("service") if verb == "watch" and resource != "leases"}


def told_of(gateway, group, resource, verb):
    """Lines that name all three, as a rule that can be added."""
    rule = rf'\{{apiGroups: \["{re.escape(group)}"\], resources: \[([^]]+, )?{resource}(, [^]]+)?\],( resourceNames: \[[^]]+\],)? verbs: \[[^]]*\b{verb}\b[^]]*\]\}}'
    return [line for line in gateway.stderr_file.read_text().replace('\\"', '"').splitlines() if re.search(rule, line)]


def await_named(gateway, rights):
    def unnamed():
        return sorted(right for right in rights if not told_of(gateway, *right))
    eventually(lambda: not unnamed(), lambda: f"{unnamed()}\n{gateway.stderr_file.read_text()}", 20)


def denied(world, rights):
    if world.cluster.is_real:
        pytest.skip("one role for all")
    for _, resource, verb in rights:
        world.cluster.deny(verb, resource)
    return rights


LATER = {"secrets", "configmaps"}  # not before it is known which of them are wanted


@pytest.mark.parametrize("later", (False, True), ids=("all", "later"))
@pytest.mark.parametrize("verb", ("list", "watch"))
def test_kinds_that_may_not_be_read_are_named_each(world, verb, later):
    rights = denied(world, {(group, resource, verb) for group, resource in watched() if (resource in LATER) is later})
    world.api.apply(everything(world))
    await_named(world.run(wait=False), rights)


@pytest.mark.parametrize("kind", ("secrets", "configmaps"))
def test_what_may_not_be_fetched_is_named(world, kind):
    """It came to be wanted when the kind had been listed."""
    rights = denied(world, {("", kind, "get")})
    world.api.apply(everything(world))
    gateway = world.run()
    later = {"apiVersion": "v1", "kind": "Secret" if kind == "secrets" else "ConfigMap",
             "metadata": {"name": "later", "namespace": "edge"}}
    world.api.apply_one(later)
    world.api.apply(policy("partners", [target("edge")], [pin(spki=world.people.pinned.spki_hash)], pinSetRefs=[
        {"group": "", "kind": later["kind"], "name": "later"}]))
    await_named(gateway, rights)


def test_crds_that_may_not_be_looked_at_are_named(world):
    rights = denied(world, {("apiextensions.k8s.io", "customresourcedefinitions", "get")})
    await_named(world.run(), rights)


def test_what_may_not_be_written_is_named_each(world):
    rights = denied(world, {right for right in granted("service") if right[1].endswith("/status")}
                    | {("", "services", "create"), ("events.k8s.io", "events", "create")})
    world.api.apply(everything(world) + policy("nowhere", [target("edge", section="none")], [pin(spki="none")]))
    await_named(world.run(pool=None), rights)


@pytest.mark.parametrize("verb", ("get", "list", "watch", "create", "update", "patch", "delete"))
def test_leases_that_may_not_be_had_are_named(world, verb):
    rights = denied(world, {("coordination.k8s.io", "leases", verb)})
    world.apply()
    gateway = world.run()
    if verb == "delete":
        eventually(lambda: world.cluster.door.seen("create", "leases"), "it has one")
        eventually(lambda: world.api.get("leases", "pingate-replica-a", NAMESPACE), "of its own")
        gateway.stop()
    await_named(gateway, rights)
