"""Where a cluster's Gateways are: at addresses of a pool, or at a load balancer's, by ports that its Service remembers. And an
object that its CRD let through and pingate can't use, which concerns no other. Against the stand-in, or a real API server."""
import http.client
import json
import re
import threading

import pytest
from support import gateway as gw
from support.cluster import NAMESPACE
from support.kube import ENFORCED_S
from support.net import SERVICE_PORTS, eventually, free_port

GROUP = "gateway.networking.k8s.io"


def gateway(name, port, address=None, infrastructure=None, more=(), namespace="edge"):
    spec = {"gatewayClassName": "pingate", "listeners": [
        {"name": f"http-{p}", "port": p, "protocol": "HTTP"} for p in (port, *more)]}
    if address:
        spec["addresses"] = [{"type": "IPAddress", "value": address}]
    if infrastructure:
        spec["infrastructure"] = infrastructure
    return {"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def redirect(name, parent):
    return {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": "edge"}, "spec": {
        "parentRefs": [{"name": parent}], "rules": [
            {"matches": [{"path": {"type": "PathPrefix", "value": "/away"}}],
             "filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "away.example.com"}}]},
            {"backendRefs": [{"name": "app", "port": 80}]}]}}


def told(world, name):
    """(addresses, Programmed's status and reason)"""
    status = (world.api.get("gateways", name) or {}).get("status") or {}
    programmed = {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", [])}.get("Programmed", ("", ""))
    return [a["value"] for a in status.get("addresses", [])], programmed


def await_told(world, name, addresses, status, reason):
    eventually(lambda: told(world, name) == (addresses, (status, reason)),
               lambda: f"{name} is {addresses} {status} {reason}, not {told(world, name)}", ENFORCED_S)


def ask(address, port, path="/", host="app.example.com"):
    """(status, Location); None: nobody is there."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        reply = connection.getresponse()
        return reply.status, reply.getheader("Location")
    except OSError:
        return None
    finally:
        connection.close()


# --- a pool ---

def test_each_gateway_has_an_address_of_the_pool_and_keeps_it(world):
    port, pool = free_port(), "127.0.1.10-127.0.1.11"
    world.api.apply([gateway("one", port), gateway("two", port)])
    first = world.run(pool=pool)
    held = {}
    for name in ("one", "two"):
        eventually(lambda: told(world, name)[1] == ("True", "Programmed"), lambda: f"{name}: {told(world, name)}", ENFORCED_S)
        (held[name],) = told(world, name)[0]
        assert ask(held[name], port)[0] == 404
    assert set(held.values()) == {"127.0.1.10", "127.0.1.11"}
    world.api.apply([gateway("three", port)])
    await_told(world, "three", [], "False", "AddressNotAssigned")
    first.stop()
    second = world.run(pool="127.0.1.8-127.0.1.12")  # lower ones are free now, and nobody is moved to them
    await_told(world, "three", ["127.0.1.8"], "True", "Programmed")
    for name, address in held.items():
        assert told(world, name)[0] == [address] and ask(address, port)[0] == 404
    world.api.delete("gateways", "one")
    eventually(lambda: ask(held["one"], port) is None, "it is given back", ENFORCED_S)
    world.api.apply([gateway("named", port, address=held["one"]), gateway("denied", port, address=held["two"]),
                     gateway("elsewhere", port, address="192.0.2.1")])
    await_told(world, "named", [held["one"]], "True", "Programmed")
    await_told(world, "denied", [], "False", "AddressNotUsable")
    await_told(world, "elsewhere", [], "False", "AddressNotUsable")
    second.stop()


def test_a_named_service_bears_what_infrastructure_asks_for(world):
    port, labels = free_port(), {"team": "a", "pingate.dev/gateway-namespace": "other"}
    foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken-pingate", "namespace": "edge"},
               "spec": {"ports": [{"port": 80}]}}
    world.api.apply([foreign, gateway("taken", free_port()),
                     gateway("one", port, infrastructure={"labels": labels, "annotations": {"example.com/kind": "internal"}})])
    before = world.api.get("services", "taken-pingate")["metadata"]["resourceVersion"]
    pingate = world.run(pool="127.0.1.10-127.0.1.20")

    def service():
        return world.api.get("services", "one-pingate") or {"metadata": {}, "spec": {"ports": []}}

    eventually(lambda: service()["metadata"].get("annotations", {}).get("example.com/kind") == "internal", "a Service", ENFORCED_S)
    meta, spec = service()["metadata"], service()["spec"]
    assert meta["labels"] == {"team": "a", "app.kubernetes.io/managed-by": "pingate", "pingate.dev/gateway-namespace": "edge",
                              f"{GROUP}/gateway-name": "one", f"{GROUP}/gateway-class-name": "pingate"}
    assert meta["ownerReferences"] == [{"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "name": "one", "controller": True,
                                        "uid": world.api.get("gateways", "one")["metadata"]["uid"]}]
    assert spec["clusterIP"] == "None" and "selector" not in spec and [p["port"] for p in spec["ports"]] == [port]
    world.api.patch("services", "one-pingate", {"metadata": {"labels": {"others": "stays"}}})
    more = free_port()
    world.api.apply([gateway("one", port, more=[more])])
    eventually(lambda: [p["port"] for p in service()["spec"]["ports"]] == sorted([port, more]), lambda: service(), ENFORCED_S)
    labels = service()["metadata"]["labels"]
    assert "team" not in labels and labels["others"] == "stays"
    assert "example.com/kind" not in (service()["metadata"].get("annotations") or {})
    assert world.api.get("services", "taken-pingate")["metadata"]["resourceVersion"] == before
    assert any("taken-pingate is somebody else's" in json.dumps(r) for r in pingate.audit())


# --- load balancers ---

def balanced(world, name="edge-one"):
    return world.api.get("services", f"pingate-{name}", NAMESPACE)


def targets(world, name="edge-one"):
    service = balanced(world, name)
    return {p["port"]: p["targetPort"] for p in service["spec"]["ports"]} if service else {}


def balance(world, address, name="edge-one"):
    """As a cloud does."""
    world.api.patch("services", f"pingate-{name}", {"status": {"loadBalancer": {"ingress": [address]}}}, NAMESPACE, part="status")


def test_a_gateway_is_where_its_load_balancer_is(world):
    world.api.apply(gw.backend(world.echo.port, address=world.cluster.backend_address))
    world.api.apply([gateway("one", 80, infrastructure={"labels": {"team": "a"}, "annotations": {"example.com/kind": "internal"}}),
                     redirect("r", "one")])
    pingate = world.run(pool=None)
    eventually(lambda: targets(world), "a Service", ENFORCED_S)
    spec = balanced(world)["spec"]
    assert spec["type"] == "LoadBalancer" and spec["externalTrafficPolicy"] == "Local"
    assert spec["selector"] == {"app.kubernetes.io/name": "pingate"}
    assert balanced(world)["metadata"]["annotations"]["example.com/kind"] == "internal"
    assert balanced(world)["metadata"]["labels"] == {
        "team": "a", "app.kubernetes.io/managed-by": "pingate", "pingate.dev/gateway-namespace": "edge",
        f"{GROUP}/gateway-name": "one", f"{GROUP}/gateway-class-name": "pingate"}
    target = targets(world)[80]
    assert target in SERVICE_PORTS
    await_told(world, "one", [], "False", "AddressNotAssigned")
    balance(world, {"ip": "198.51.100.7"})
    await_told(world, "one", ["198.51.100.7"], "True", "Programmed")
    assert ask("127.0.0.1", target)[0] == 200
    # What clients see is the listener's port: of the target nobody outside knows.
    assert ask("127.0.0.1", target, "/away/x") == (302, "http://away.example.com/away/x")
    balance(world, {"hostname": "lb.example.com"})
    await_told(world, "one", ["lb.example.com"], "True", "Programmed")

    world.api.apply([gateway("one", 80, more=[8080])])
    eventually(lambda: len(targets(world)) == 2, "a port more", ENFORCED_S)
    assert targets(world)[80] == target
    await_told(world, "one", ["lb.example.com"], "True", "Programmed")
    assert ask("127.0.0.1", targets(world)[8080], "/away/x") == (302, "http://away.example.com:8080/away/x")
    assert "example.com/kind" not in (balanced(world)["metadata"].get("annotations") or {})
    assert "team" not in balanced(world)["metadata"]["labels"]
    world.api.apply([gateway("one", 8080)])
    eventually(lambda: list(targets(world)) == [8080], "a port less", ENFORCED_S)
    eventually(lambda: ask("127.0.0.1", target) is None, "it is closed", ENFORCED_S)
    world.api.delete("gateways", "one")
    eventually(lambda: balanced(world) is None, "its Service goes", ENFORCED_S)
    pingate.stop()


def test_replicas_and_restarts_bind_what_the_service_says(world):
    world.api.apply([gateway("one", 80), gateway("two", 80)])
    first = world.run(pool=None)
    eventually(lambda: targets(world) and targets(world, "edge-two"), "Services", ENFORCED_S)
    allotted = targets(world)[80], targets(world, "edge-two")[80]
    assert allotted[0] != allotted[1]
    second = world.run(pool=None, identity="replica-b")

    def ports(replica):
        return {li["address"] for li in json.loads(replica.admin("/status")[1])["listeners"]}

    for replica in (first, second):
        eventually(lambda: ports(replica) == {f"[::]:{p}" for p in allotted}, lambda: ports(replica), ENFORCED_S)
    first.stop()
    world.api.apply([gateway("three", 80)])  # the other leads now
    eventually(lambda: targets(world, "edge-three"), "a Service", 20)
    assert (targets(world)[80], targets(world, "edge-two")[80]) == allotted
    assert len({*allotted, targets(world, "edge-three")[80]}) == 3


def test_a_service_that_may_not_be_written_is_told_with_the_rule_to_add(world):
    world.api.apply([gateway("one", 80)])
    world.cluster.door.fail(403, "services", "create")
    pingate = world.run(pool=None)
    eventually(lambda: [r for r in pingate.audit() if 'resources: [services], verbs: [create, patch, delete]' in json.dumps(r)],
               "it is told", ENFORCED_S)
    await_told(world, "one", [], "False", "AddressNotAssigned")
    world.cluster.door.mend()
    eventually(lambda: targets(world), "a Service", 30)


LONG = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 60])  # 252, and what makes two of it: as long as an object's name may be


@pytest.mark.parametrize("pool", ("127.0.1.10-127.0.1.20", None), ids=("pool", "service"))
def test_the_longest_names_are_cut_and_stay_two(world, pool):
    """The API server takes no Service and no label of more than 63 characters, so what is there fits."""
    names = [LONG + end for end in "xy"]
    port = free_port()
    world.api.apply([gateway(name, port) for name in names])
    pingate = world.run(pool=pool)

    def services():
        ours = [s for s in world.api.list("services", NAMESPACE if pool is None else "edge")
                if s["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "pingate"]
        return {s["metadata"]["name"]: s["metadata"]["labels"][f"{GROUP}/gateway-name"] for s in ours}

    eventually(lambda: len(services()) == 2, lambda: services(), ENFORCED_S)
    made = services()
    assert all(len(text) <= 63 and re.fullmatch("[a-z0-9]([-a-z0-9.]*[a-z0-9])?", text) for pair in made.items() for text in pair)
    assert len(set(made.values())) == 2
    if pool:
        for name in names:
            eventually(lambda name=name: told(world, name)[1] == ("True", "Programmed"), lambda name=name: told(world, name), ENFORCED_S)
    else:
        for name in made:
            world.api.patch("services", name, {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}}, NAMESPACE, part="status")
        for name in names:
            await_told(world, name, ["198.51.100.7"], "True", "Programmed")
    assert pingate.audit("source_error") == []


# --- objects that their CRD let through ---

def test_an_object_that_can_not_be_used_concerns_no_other(world):
    if world.cluster.is_real:
        pytest.skip("a real API server holds objects to their CRDs")
    world.apply()
    world.api.apply_one(world.route("other", "other.example.com"))
    pingate = world.run()
    world.await_in(world.people.pinned)
    broken = world.route("broken", "broken.example.com")
    broken["spec"]["rules"][0]["backendRefs"][0]["port"] = 80000
    bad_gateway = gateway("bad", free_port())
    bad_gateway["spec"]["listeners"][0]["port"] = 70000
    bad_policy = {"apiVersion": "pingate.dev/v1alpha1", "kind": "ClientCertificatePolicy",
                  "metadata": {"name": "bad", "namespace": "edge"},
                  "spec": {"targetRefs": [{"group": GROUP, "kind": "HTTPRoute", "name": "other"}], "pins": 7}}
    world.api.apply([broken, bad_gateway, bad_policy])
    world.await_status(500, world.people.pinned, host="broken.example.com")
    world.await_status(403, world.people.pinned, host="other.example.com")  # nobody is admitted by what can't be read
    assert world.status(world.people.pinned) == 200

    def condition(plural, name, of):
        entries = of((world.api.get(plural, name) or {}).get("status") or {})
        return next((c for c in entries if c["type"] == "Accepted"), {})

    for plural, name, of, reason, text in (
            ("httproutes", "broken", lambda s: s.get("parents", [{}])[0].get("conditions", []), "UnsupportedValue", "is 80000, wants 1 to 65535"),
            ("gateways", "bad", lambda s: s.get("conditions", []), "Invalid", "is 70000, wants 1 to 65535"),
            ("clientcertificatepolicies", "bad", lambda s: (s.get("ancestors") or [{}])[0].get("conditions", []), "Invalid", "wants a list")):
        found = eventually(lambda: condition(plural, name, of).get("status") == "False" and condition(plural, name, of),
                           lambda: f"{name}: {condition(plural, name, of)}", ENFORCED_S)
        assert found["reason"] == reason and text in found["message"], found
    world.api.delete("clientcertificatepolicies", "bad")
    world.api.apply_one(world.route("broken", "broken.example.com"))
    world.await_status(200, world.people.pinned, host="other.example.com")
    world.await_status(200, world.people.pinned, host="broken.example.com")
    pingate.stop()


# --- its end ---

@pytest.mark.parametrize("turn", range(4))
def test_changes_that_come_while_it_stops_do_no_harm(world, turn):
    """One worker has ended, the other waits for a request: what is published meanwhile is for the one that is left."""
    world.apply()
    pingate = world.run()
    world.await_in(world.people.pinned)
    over = threading.Event()

    def change():
        for n in range(10000):
            if over.is_set():
                return
            world.api.apply_one(world.route(f"more-{n % 40}", f"more-{n}.example.com"))

    changing = threading.Thread(target=change)
    with world.connect(world.people.pinned) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 10\r\n\r\nabc")
        changing.start()
        try:
            pingate.stop()
        finally:
            over.set()
            changing.join()
