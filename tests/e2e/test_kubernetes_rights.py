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
