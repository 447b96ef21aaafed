"""Who may write objects in one namespace holds up nobody else's: what others' pins become is heard and enforced whatever they
write, and as often as they like. Against the stand-in, or a real API server (support/cluster.py)."""
import socket
import threading

import pytest
from support import gateway as gw
from support import pki
from support.kube import PINNED_OUT, ask
from support.net import eventually, free_port
from support.policy import policy, target

TENANT = "another"  # listed before edge


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pin_set(name, *who, namespace="edge"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace},
            "data": {"pins.txt": "".join(f"spki:{p.spki_hash}\n" for p in who)}}


def map_ref(name):
    return {"group": "", "kind": "ConfigMap", "name": name}


def test_the_largest_object_that_a_server_takes_is_no_hindrance(world):
    """etcd takes 1.5 MiB of a request, in protobuf; in the JSON of an answer each "<" of it is six bytes."""
    people = world.people
    world.apply()
    world.api.apply([namespace(TENANT), pin_set("list", people.pinned, people.by_intermediate)])
    world.pin(pinSetRefs=[map_ref("list")])
    large = {"apiVersion": "v1", "kind": "ConfigMap",
             "metadata": {"name": "large", "namespace": TENANT, "annotations": {"a": "<" * (250 << 10)},
                          "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "<" * (180 << 10)}]},
             "data": {"d": "<" * (1 << 20)}}
    world.run()
    world.await_in(people.by_intermediate)
    world.api.apply_one(large)
    world.api.apply([pin_set("list", people.pinned)])
    world.await_out(people.by_intermediate)
    world.gateways[0].stop()
    world.run()
    assert world.status(people.pinned) == 200 and world.status(people.by_intermediate) == PINNED_OUT


class Edits:
    """While the block runs: `edit(n)` again and again, each `pause_s`."""

    def __init__(self, edit, pause_s=0.05):
        self.edit, self.pause_s, self.count, self.over = edit, pause_s, 0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.await_more(5)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(30)

    def await_more(self, count):
        wanted = self.count + count
        eventually(lambda: self.count >= wanted, "edits go on")

    def _run(self):
        while not self.over.wait(self.pause_s):
            self.edit(self.count)
            self.count += 1


def test_who_refers_to_something_new_all_the_time_keeps_nobody_from_being_heard(world):
    """More names than are asked for one by one are had by a list; one that is begun anew for each edit would never end."""
    if world.cluster.is_real:
        pytest.skip("the stand-in makes lists that take their time")
    people = world.people
    world.apply()
    world.api.apply([namespace(TENANT), pin_set("list", people.pinned, people.by_intermediate)])
    world.pin(pinSetRefs=[map_ref("list")])
    world.api.apply(gw.gateway([gw.https_listener("https", world.port)], name="own", namespace=TENANT, default=gw.validation()))
    world.cluster.apply_many([pin_set(f"m{n}", namespace=TENANT) for n in range(200)])
    world.cluster.server.page_max = 2

    def refer(n):
        world.api.apply("".join(policy(name, [target("own", **section)], namespace=TENANT,
                                       pinSetRefs=[map_ref(f"{name}-{n}-{i}") for i in range(64)])
                                for name, section in (("whole", {}), ("part", {"section": "https"}))))
    refer(0)
    world.run()
    world.await_in(people.by_intermediate)
    with Edits(refer) as edits:
        world.api.apply([pin_set("list", people.pinned)])
        world.await_out(people.by_intermediate, deadline_s=30)  # by a whole list, which the edits slow down
        edits.await_more(5)


def test_a_key_that_openssl_does_not_serve_is_its_own_gateways_matter(world):
    people = world.people
    weak = people.server_ca.issue("weak", dns=["weak.example.com"], eku=pki.SERVER_AUTH, key_type="rsa1024")
    world.apply()
    world.pin(people.pinned, people.by_intermediate)
    gateway = world.run(pool="127.0.0.1-127.0.0.2")
    world.await_in(people.by_intermediate)
    world.api.apply([namespace(TENANT)])
    listener = gw.https_listener("https", free_port(), secret="weak")
    world.api.apply(gw.secret_tls("weak", weak, TENANT) + gw.gateway([listener], name="own", namespace=TENANT, address="127.0.0.2"))
    world.pin(people.pinned)
    world.await_out(people.by_intermediate)
    eventually(lambda: "does not serve" in told(world, "own"), lambda: f"it is told: {told(world, 'own')}")
    gateway.stop()
    world.run(pool="127.0.0.1-127.0.0.2")
    assert world.status(people.pinned) == 200 and world.status(people.by_intermediate) == PINNED_OUT


def told(world, name):
    return str(world.api.get("gateways", name, TENANT).get("status"))


def test_a_route_that_says_much_for_many_names_takes_no_more_memory_than_it_is_long(world):
    """64 matches under 16 names, each with the same filters: a megabyte of them, a thousand times."""
    people = world.people
    world.apply()
    world.pin(people.pinned, people.by_intermediate)
    gateway = world.run(pool="127.0.0.1-127.0.0.2")
    world.await_in(people.by_intermediate)
    port = free_port()
    world.api.apply([namespace(TENANT)])
    world.api.apply(gw.gateway([gw.http_listener("http", port)], name="own", namespace=TENANT, address="127.0.0.2"))
    world.api.apply_one({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "long", "namespace": TENANT},
        "spec": {"parentRefs": [{"name": "own"}], "hostnames": [f"h{n}.example.com" for n in range(16)], "rules": [{
            "matches": [{"path": {"type": "PathPrefix", "value": f"/{n}"}} for n in range(64)],
            "backendRefs": [{"name": f"b{n}", "port": 80, "filters": header_filters()} for n in range(4)]}]}})
    eventually(lambda: knock("127.0.0.2", port, "/63", "h15.example.com") == 500, "it is served")
    world.pin(people.pinned)
    world.await_out(people.by_intermediate)
    assert peak_mib(gateway.process.pid) < 400


def header_filters():
    def values(what):
        return [{"name": f"x-{what}-{n}", "value": "v" * 4096} for n in range(16)]
    return [{"type": f"{kind}HeaderModifier", f"{kind.lower()}HeaderModifier": {what: values(what) for what in ("set", "add")}}
            for kind in ("Request", "Response")]


def knock(address, port, path, host):
    try:
        with socket.create_connection((address, port), timeout=10) as connection:
            return ask(connection, path, host)[0]
    except OSError as e:
        return type(e).__name__


def peak_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM:"))


def test_a_watch_of_policies_that_ends_all_the_time_keeps_no_removed_pin(world):
    """A server lets go of who reads too slowly, and a load balancer of whomever it likes. Each time policies are listed anew."""
    people, kind = world.people, "clientcertificatepolicies"
    world.apply()
    world.pin(people.pinned, people.by_intermediate)
    world.run()
    world.await_in(people.by_intermediate)

    def end(n):
        world.api.patch(kind, "partners", {"metadata": {"annotations": {"turn": str(n)}}})
        world.cluster.door.end_watches(kind)
    with Edits(end, pause_s=0.1) as ends:
        world.pin(people.pinned)
        world.await_out(people.by_intermediate)
        ends.await_more(5)
