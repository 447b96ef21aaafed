"""I42, for as long as it takes in earnest: an API server that is away for minutes, and packets that are lost without a word to
either end. Not one verdict is wrong meanwhile and no request fails, and what was changed is enforced promptly. They take
minutes, so they run when asked for: `./dev conformance outages`, or PINGATE_OUTAGE_S=200 with pytest, against the stand-in."""
import collections
import os
import time
import types

import pytest
from support.cluster import CLUSTER, control
from support.kube import ENFORCED_S, Probes
from support.lossy import LossyWay
from support.net import eventually

OUTAGE_S = int(os.environ.get("PINGATE_OUTAGE_S", "0"))
USER_TIMEOUT_S, SILENCE_S, PAUSE_S = 30, 90, 5  # src/control/kube/client_call.c, source-silence-ms, PAUSE_MS_MAX
POLICIES = "clientcertificatepolicies"
KINDS = 15  # that are watched: each may tell once that it can't be

pytestmark = [pytest.mark.slow, pytest.mark.timeout(OUTAGE_S + 400),
              pytest.mark.skipif(not OUTAGE_S, reason="takes minutes: ./dev conformance outages")]


class Server:
    """The API server of a world: its process, where that is a real one, and else the door."""

    def __init__(self, world):
        self.cluster, self.real = world.cluster, world.cluster.is_real

    def kubeconfig(self):
        """Past the door, to the server itself."""
        if not self.real:
            return self.cluster.kubeconfig()
        plane = self.cluster.plane
        return self.cluster.kubeconfig(ca=types.SimpleNamespace(cert_pem=plane.ca), port=plane.port)

    def end(self):
        control("halt", self.cluster.plane.folder) if self.real else self.cluster.door.stop()

    def begin(self):
        """Until it is ready."""
        plane = self.cluster.plane if self.real else None
        control("resume", CLUSTER, plane.folder, "127.0.0.1", str(plane.port)) if self.real else self.cluster.door.start()


def faults(gateway):
    return collections.Counter(e["says"].split(":")[1] for e in gateway.audit("source_error"))


def tell(probes, text):
    print(f"\n{text}; {probes.requests} requests and {probes.refusals} rounds of refusals, not one of them wrong")


@pytest.mark.parametrize("turn", ("removed", "added"))
def test_an_api_server_that_is_away_for_minutes_is_caught_up_with(world, people, turn):
    goes, server = people.by_intermediate, Server(world)
    former = [people.pinned] + [goes] * (turn == "removed")
    world.apply(world.text(former))
    gateway = world.run(kubeconfig=server.kubeconfig())
    world.await_status(200 if turn == "removed" else 46, goes)
    before = gateway.generation()
    with Probes(world, pause_s=0.05) as probes:
        since = time.monotonic()
        server.end()
        while time.monotonic() < since + OUTAGE_S:
            probes.await_more(5)
            assert world.status(goes) == (200 if turn == "removed" else 46)
        assert gateway.generation() == before and gateway.ready()
        told = faults(gateway)
        server.begin()
        back = time.monotonic()
        world.pin(people.pinned, *[goes] * (turn == "added"))
        changed = time.monotonic()
        world.await_status(46 if turn == "removed" else 200, goes, deadline_s=PAUSE_S + ENFORCED_S)
        enforced = time.monotonic()
        eventually(lambda: gateway.audit("source_recovered"), "the source is well again", ENFORCED_S)
        probes.await_more(20)
    tell(probes, f"away for {back - since:.0f} s; a pin {turn}: in force {enforced - changed:.1f} s after that")
    assert sum(told.values()) <= 2 * KINDS, told  # not one for each try


@pytest.fixture
def way():
    way = LossyWay()
    yield way
    way.close()


@pytest.fixture
def far_world(make_world, way, people, request):
    """pingate comes to its door by a way that can lose packets; the test by another, that can't."""
    world = make_world(alpn=("http/1.1",) if request.param == "1.1" else ("h2", "http/1.1"), listen=way.listen)
    world.apply(world.text([people.pinned, people.by_intermediate]))
    world.gateway = world.run(kubeconfig=world.cluster.kubeconfig(host=way.address, server_name="localhost"))
    world.await_in(people.by_intermediate)
    eventually(lambda: POLICIES in world.cluster.door.open_watches(), "policies are watched")
    return world


@pytest.mark.parametrize("far_world", ("1.1", "2"), indirect=True)
def test_a_connection_whose_packets_are_lost_hides_a_removed_pin_no_longer_than_the_limit(far_world, way, people):
    """Half open for good, while new connections come through."""
    with Probes(far_world, pause_s=0.05) as probes:
        lost = time.monotonic()
        way.lose_what_is_open()
        far_world.pin(people.pinned)
        far_world.await_out(people.by_intermediate, deadline_s=SILENCE_S + PAUSE_S + ENFORCED_S)
        took = time.monotonic() - lost
        probes.await_more(5)
    tell(probes, f"a removed pin is in force {took:.1f} s after the connection was lost")


@pytest.mark.parametrize("far_world", ("1.1", "2"), indirect=True)
def test_a_cut_wire_is_noticed_and_what_changed_meanwhile_is_enforced_when_it_is_mended(far_world, way, people):
    gateway, goes = far_world.gateway, people.by_intermediate
    with Probes(far_world, pause_s=0.05) as probes:
        lost = time.monotonic()
        way.lose_all()
        far_world.pin(people.pinned)
        eventually(lambda: gateway.audit("source_error"), "it is noticed", SILENCE_S + ENFORCED_S)
        noticed = time.monotonic()
        while time.monotonic() < lost + SILENCE_S + USER_TIMEOUT_S:
            probes.await_more(5)
            assert far_world.status(goes) == 200 and gateway.ready()
        way.mend()
        mended = time.monotonic()
        far_world.await_out(goes, deadline_s=2 * PAUSE_S + ENFORCED_S)
        took = time.monotonic() - mended
        probes.await_more(5)
    tell(probes, f"noticed {noticed - lost:.1f} s after the wire was cut; a removed pin is in force {took:.1f} s after it was mended")
