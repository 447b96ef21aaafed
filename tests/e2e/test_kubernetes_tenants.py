"""Who may write objects in one namespace holds up nobody else's: what others' pins become is heard and enforced whatever they
write, and as often as they like. Against the stand-in, or a real API server (support/cluster.py)."""
from support import gateway as gw
from support import pki
from support.kube import PINNED_OUT
from support.net import eventually

TENANT = "tenant"


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pin_set(name, *who, namespace="edge"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace},
            "data": {"pins.txt": "".join(f"spki:{p.spki_hash}\n" for p in who)}}


def test_the_largest_object_that_a_server_takes_is_no_hindrance(world):
    """etcd takes 1.5 MiB of a request, in protobuf; in the JSON of an answer each "<" of it is six bytes."""
    people = world.people
    world.apply()
    world.api.apply([namespace(TENANT), pin_set("list", people.pinned, people.by_intermediate)])
    world.pin(pinSetRefs=[{"group": "", "kind": "ConfigMap", "name": "list"}])
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
