"""Large pin sets over many objects: a change of one is enforced, and is a change of that one alone."""
import hashlib
import os
import time

import pytest
from support import gateway as gw
from support.client import handshake
from support.edge import Edge
from support.net import eventually
from test_reload import Load, rss_kb

OBJECTS, PINS_EACH = 50, 400
ENFORCED_S = 10  # the promise is 1 s; a test asserts its tenfold


def lines_of(n):
    return [f"cert:{hashlib.sha256(f'{n} {i}'.encode()).hexdigest()} name=device-{n}-{i}" for i in range(PINS_EACH)]


def policy(refs):
    return f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: devices, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  pins: [{{name: robot, spkiHash: "{{robot}}"}}]
  pinSetRefs: [{", ".join(refs)}]
"""


class Sets:
    """Fifty objects of one kind; `file(n, lines)` is the file that holds the nth, with these lines more."""

    def __init__(self, kind, people):
        self.kind, self.people = kind, people

    def refs(self):
        if self.kind == "File":
            return [f"{{group: pingate.dev, kind: File, name: set{n}.txt}}" for n in range(OBJECTS)]
        return [f'{{group: "", kind: ConfigMap, name: set{n}}}' for n in range(OBJECTS)]

    def name(self, n):
        return f"set{n}.txt" if self.kind == "File" else f"set{n}.yaml"

    def text(self, n, *more):
        lines = "\n".join([*lines_of(n), *more]) + "\n"
        return lines if self.kind == "File" else gw.config_map(f"set{n}", {"pins.txt": lines})

    def files(self, edge):
        text = policy(self.refs()).replace("{robot}", self.people.pinned.spki_hash)
        return {**{self.name(n): self.text(n) for n in range(OBJECTS)}, "edge.yaml": edge.text(), "policy.yaml": text}


@pytest.fixture(params=("File", "ConfigMap"))
def sets(request, people):
    return Sets(request.param, people)


def last_generation(gateway):
    return eventually(lambda: gateway.audit("generation_published"), "a generation is told")[-1]


def test_a_change_of_one_object_of_fifty_is_enforced_and_others_notice_nothing(people, nginx, start, sets):
    edge = Edge(people, nginx.port, spki=[])
    gateway = start(sets.files(edge))
    assert last_generation(gateway)["pins"] == OBJECTS * PINS_EACH + 1
    load = Load(edge.port, people, people.pinned)
    load.start()
    eventually(lambda: load.requests > 0, "the load runs")
    for n in (7, OBJECTS - 1):
        assert handshake(edge.port, people.server_ca, people.unpinned) == 46
        gateway.write(sets.name(n), sets.text(n, f"spki:{people.unpinned.spki_hash} name=late"))
        eventually(lambda: handshake(edge.port, people.server_ca, people.unpinned) == 0, "let in", ENFORCED_S)
        told = eventually(lambda: last_generation(gateway)["pins_added"] == 1 and last_generation(gateway), "told")
        assert told["pins_removed"] == 0 and told["pins"] == OBJECTS * PINS_EACH + 2
        gateway.write(sets.name(n), sets.text(n))
        eventually(lambda: handshake(edge.port, people.server_ca, people.unpinned) == 46, "refused", ENFORCED_S)
        told = eventually(lambda: last_generation(gateway)["pins_removed"] == 1 and last_generation(gateway), "told")
        assert told["pins_added"] == 0
    load.going = False
    load.join(30)
    assert load.failures == []


def test_a_bad_line_in_one_object_of_fifty_is_told_and_the_others_hold(people, nginx, start, sets):
    edge = Edge(people, nginx.port, spki=[])
    gateway = start(sets.files(edge))
    gateway.swap(sets.name(3), sets.text(3, "spki:nonsense", f"spki:{people.unpinned.spki_hash}"))
    assert handshake(edge.port, people.server_ca, people.unpinned) == 0
    assert handshake(edge.port, people.server_ca, people.pinned) == 0
    # Another line is bad around the same pins: a generation of its own, or the status would lie.
    gateway.swap(sets.name(3), sets.text(3, f"spki:{people.unpinned.spki_hash}", "spki:nonsense"))


def test_a_file_that_is_only_touched_makes_no_generation(people, nginx, start, sets):
    edge = Edge(people, nginx.port, spki=[])
    gateway = start(sets.files(edge))
    before = gateway.generation()
    os.utime(gateway.config / sets.name(3))
    gateway.write(sets.name(4), sets.text(4))  # the same bytes in another file
    looked_until = time.monotonic() + 1.5  # a change would have been served by then
    while time.monotonic() < looked_until:
        assert gateway.generation() == before
    gateway.write(sets.name(5), sets.text(5, f"spki:{people.unpinned.spki_hash}"))
    eventually(lambda: handshake(edge.port, people.server_ca, people.unpinned) == 0, "let in", ENFORCED_S)
    eventually(lambda: gateway.generation() > before, "every worker has it")
    assert gateway.generation() == before + 1
    gateway.reload()  # an operator who asks for it gets all of it read anew
    eventually(lambda: gateway.generation() == before + 2, "a generation by SIGHUP")


def test_memory_stays_flat_over_a_hundred_changes_of_one_object(people, nginx, start, sets):
    # AddressSanitizer keeps what was freed, up to 256 MB of it; what is lost it finds by itself.
    room_kb = 8 << 10 if "asan" not in gw.BINARY else 264 << 10
    edge = Edge(people, nginx.port, spki=[])
    gateway = start(sets.files(edge))
    early = None
    for n in range(100):
        gateway.swap(sets.name(7), sets.text(7, *([f"spki:{people.unpinned.spki_hash}"] if n % 2 == 0 else [])))
        if n == 20:
            early = rss_kb(gateway.process.pid)
    late = rss_kb(gateway.process.pid)
    assert late < early * 1.3 + room_kb, f"memory grew from {early} to {late} KiB"
