"""Replicas: all of them serve, one writes. Here two of them share one address and port (SO_REUSEPORT), so that a new
connection comes to either; which one it was, its audit log tells."""
import json
import time

import pytest
from support.cluster import NAMESPACE
from support.kube import ENFORCED_S, PINNED_OUT, Probes, ask, await_quiet
from support.net import eventually

POLICIES = "clientcertificatepolicies"
TAKEN_OVER_S = 15  # the promise
ENFORCED = "pingate.dev/PinningEnforced"


class Replica:
    """A pingate that comes by a door and with a token of its own."""

    def __init__(self, world, name):
        self.world, self.name, self.door = world, name, world.cluster.another_door()
        self.token = world.cluster.new_token()
        config = world.cluster.kubeconfig(f"kubeconfig-{name}", token=self.token, port=self.door.port)
        self.gateway = world.run(wait=False, kubeconfig=config, identity=name)

    @property
    def process(self):
        return self.gateway.process

    def alive(self):
        return self.process.poll() is None

    def wrote(self, since=0):
        return [r.target for r in self.door.writes(since) if r.status < 300]

    def has(self, connection):
        """Whether that open connection came to this one."""
        peer = "%s:%d" % connection.getsockname()[:2]
        return any(r.get("peer") == peer and r["admitted"] for r in self.gateway.handshakes())

    def refused(self):
        return sum(r["reason"] == "not_pinned" for r in self.gateway.handshakes())


class Pair:
    def __init__(self, world):
        self.world = world
        self.both = [Replica(world, "replica-a"), Replica(world, "replica-b")]
        for replica in self.both:
            eventually(replica.gateway.ready, lambda: replica.gateway.stderr_file.read_text())

    def leader_name(self):
        lease = self.world.api.get("leases", "pingate-leader", NAMESPACE)
        holder = ((lease or {}).get("spec") or {}).get("holderIdentity") or ""
        return holder.partition("_")[0]  # behind it, which run of that replica

    def leader(self):
        eventually(self.leader_name, "one leads")
        name = self.leader_name()
        assert name in [r.name for r in self.both], name
        return next(r for r in self.both if r.name == name)

    def other(self):
        leader = self.leader()
        return next(r for r in self.both if r is not leader)

    def connections(self, count=12):
        """Open ones: (of the leader, of the other)."""
        leader, other = self.leader(), self.other()
        made = [self.world.connect(self.world.people.pinned) for _ in range(count)]
        for connection in made:
            assert ask(connection, "/first")[0] == 200
        eventually(lambda: all(leader.has(c) or other.has(c) for c in made), "each is of one of them")
        return [c for c in made if leader.has(c)], [c for c in made if other.has(c)]


@pytest.fixture
def pair(world):
    world.apply()
    return Pair(world)


def written_by(world, replica, name):
    """A new route, and its status is of that replica; how long it took."""
    before = time.monotonic()
    world.api.apply_one(world.route(name, f"{name}.example.com"))
    eventually(lambda: any(f"/{name}/status" in t for t in replica.wrote(before)), f"{name} has a status", TAKEN_OVER_S + 15)
    return time.monotonic() - before


def enforced(world):
    status = world.api.get(POLICIES, "partners").get("status") or {}
    found = [c for a in status.get("ancestors", []) for c in a["conditions"] if c["type"] == ENFORCED]
    return found[0]["status"] if found else None


def enforced_message(world):
    status = world.api.get(POLICIES, "partners").get("status") or {}
    return next((c["message"] for a in status.get("ancestors", []) for c in a["conditions"] if c["type"] == ENFORCED), "")


def await_silent(world, replica):
    """It may be dead, or cut off and serve what was before: which, nobody knows. Never is it claimed that all enforce it."""
    said = f"pingate-{replica.name} has not been heard of"

    def look():
        message = enforced_message(world)
        assert enforced(world) != "True" or said not in message
        return enforced(world) == "False" and said in message
    eventually(look, lambda: enforced_message(world), TAKEN_OVER_S + 15)


def gone(world, replica):
    """As Kubernetes does once the Pod is, which owns it."""
    world.api.delete("leases", f"pingate-{replica.name}", NAMESPACE)


def refuses(world, pair, identity):
    """Both do, with all of their workers: so often in a row, and by each of them."""
    def often():
        before = [r.refused() for r in pair.both]
        return all(world.status(identity) == PINNED_OUT for _ in range(24)) and all(
            r.refused() > b for r, b in zip(pair.both, before))
    eventually(often, "both refuse", ENFORCED_S)


def test_both_serve_and_one_of_them_writes(world, pair):
    goes = world.people.by_intermediate
    leader, other = pair.leader(), pair.other()
    with Probes(world):
        for turn in range(2):
            world.pin(world.people.pinned, goes)
            world.await_in(goes)
            eventually(lambda: enforced(world) == "True", "both enforce it")
            world.pin(world.people.pinned)
            refuses(world, pair, goes)
        written_by(world, leader, "new")
    assert other.wrote() == []
    assert {lease["metadata"]["name"] for lease in world.api.list("leases", NAMESPACE)} == {
        "pingate-leader", "pingate-replica-a", "pingate-replica-b"}


def enforced_messages(conditions):
    return [c["message"] for c in conditions if c["type"] == ENFORCED and c["status"] == "True"]


def test_a_replica_claims_no_more_than_its_own_and_objects_tell_of_all(world, pair):
    def listeners():
        return (world.api.get("gateways", "edge").get("status") or {}).get("listeners", [])
    eventually(lambda: any(m.endswith(", replicas 2, probed") for one in listeners() for m in enforced_messages(one["conditions"])),
               "both are told of")
    for replica in pair.both:
        status = json.loads(replica.gateway.admin("/status")[1])
        said = [m for listener in status["listeners"] for m in enforced_messages(listener["conditions"])]
        assert len(said) == 1 and ", this replica alone, probed" in said[0] and "replicas" not in said[0], said


@pytest.mark.slow
def test_when_the_leader_is_killed_the_other_writes_and_its_clients_see_nothing(world, pair):
    goes = world.people.by_intermediate
    leader, other = pair.leader(), pair.other()
    written_by(world, leader, "before")
    lost, kept = pair.connections()
    killed = time.monotonic()
    leader.gateway.kill()
    with Probes(world) as probes:
        world.api.apply_one(world.route("after", "after.example.com"))
        world.pin(world.people.pinned, goes)
        world.await_in(goes)
        world.pin(world.people.pinned)
        world.await_out(goes)
        while not any("/after/status" in t for t in other.wrote(killed)):
            assert time.monotonic() - killed < TAKEN_OVER_S + 15
            for connection in kept:
                assert ask(connection, "/meanwhile")[0] == 200
            probes.await_more(2)
        took = time.monotonic() - killed
    print(f"\nthe other wrote {took:.1f} s after the leader was killed")
    assert took < TAKEN_OVER_S + 2
    assert kept and pair.leader_name() == other.name
    await_silent(world, leader)
    gone(world, leader)
    eventually(lambda: enforced(world) == "True", "who is gone keeps it from nothing", TAKEN_OVER_S)
    for connection in (*lost, *kept):
        connection.close()


def test_a_leader_that_is_told_to_end_lets_the_other_write_at_once(world, pair):
    leader, other = pair.leader(), pair.other()
    leader.gateway.stop()
    with Probes(world):
        assert written_by(world, other, "new") < 5
        assert pair.leader_name() == other.name
        eventually(lambda: world.api.get("leases", f"pingate-{leader.name}", NAMESPACE) is None, "its own lease is gone")


def test_a_replica_that_lags_is_told_and_does_not_pass_for_enforcing(world, pair):
    goes = world.people.by_intermediate
    leader, other = pair.leader(), pair.other()
    world.pin(world.people.pinned, goes)
    eventually(lambda: enforced(world) == "True", "both enforce it")
    with Probes(world):
        for verb in ("list", "watch"):
            other.door.fail(503, POLICIES, verb)
        other.door.end_watches(POLICIES)
        eventually(lambda: other.gateway.audit("source_error"), "it hears nothing of policies")
        world.pin(world.people.pinned)
        eventually(lambda: enforced(world) == "False", "not all enforce it")
        other.door.mend()
        eventually(lambda: enforced(world) == "True", "both do", ENFORCED_S + 30)
        refuses(world, pair, goes)
    assert leader.alive() and other.alive()


@pytest.mark.slow
def test_who_cannot_reach_the_server_leads_no_more(world, pair):
    leader, other = pair.leader(), pair.other()
    with Probes(world):
        await_quiet(leader.door)  # else what it began before the freeze is taken for what it wrote since
        leader.door.freeze(new_too=True)
        since = time.monotonic()
        assert written_by(world, other, "new") < TAKEN_OVER_S + 2
        leader.door.thaw()
        eventually(lambda: [r for r in leader.door.seen("get", "leases", since) + leader.door.seen("watch", "leases", since)
                            + leader.door.seen("patch", "leases", since) + leader.door.seen("update", "leases", since)],
                   "it is back", 40)
        written_by(world, other, "newer")
        assert leader.wrote(since) == [] and pair.leader_name() == other.name


@pytest.mark.slow
def test_a_replica_that_is_cut_off_and_serves_old_pins_is_not_passed_over(world, pair):
    goes = world.people.by_intermediate
    world.pin(world.people.pinned, goes)
    eventually(lambda: enforced(world) == "True", "both enforce it")
    leader, other = pair.leader(), pair.other()
    with Probes(world):
        other.door.stop()
        world.pin(world.people.pinned)
        eventually(lambda: enforced(world) == "False", "not all enforce it")
        over = time.monotonic() + 2 * TAKEN_OVER_S
        while f"pingate-{other.name} has not been heard of" not in enforced_message(world):
            assert enforced(world) == "False" and time.monotonic() < over, enforced_message(world)
            world.status(goes)
        eventually(lambda: world.status(goes) == 200, "it serves what was before")
        assert enforced(world) == "False" and leader.alive() and other.alive()
        other.door.start()
        eventually(lambda: enforced(world) == "True", "both do", ENFORCED_S + 60)
        refuses(world, pair, goes)


@pytest.mark.slow
def test_a_replica_that_dies_while_no_pin_changes_keeps_nothing_back(world, pair):
    """What it said last is what it serves, if it lives: nothing newer can have come to it."""
    eventually(lambda: enforced_message(world).endswith("replicas 2, probed"), "both enforce it")
    other = pair.other()
    renewed = lambda: world.api.get("leases", f"pingate-{other.name}", NAMESPACE)["spec"]["renewTime"]  # noqa: E731
    for _ in range(2):
        last = renewed()
        eventually(lambda: renewed() != last, "it shows that it lives")
    other.gateway.kill()
    with Probes(world):
        eventually(lambda: enforced_message(world).endswith("replicas 1, probed"), lambda: enforced_message(world), 2 * TAKEN_OVER_S)
        assert enforced(world) == "True"


def test_a_lease_goes_with_its_pod(world):
    world.apply()
    world.run("--pod-uid", "0f1e2d3c")
    lease = eventually(lambda: world.api.get("leases", "pingate-replica-a", NAMESPACE), "it has a Lease")
    assert lease["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "replica-a", "uid": "0f1e2d3c"}]


def test_replicas_that_begin_together_write_each_status_once(world, pair):
    leader, other = pair.leader(), pair.other()
    written_by(world, leader, "new")
    with Probes(world) as probes:
        probes.await_more(20)
    routes = [t for t in leader.wrote() if "httproutes" in t]
    assert len(routes) == len(set(routes)) == 2, json.dumps(routes)
    assert other.wrote() == []
