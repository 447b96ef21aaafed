"""PinningEnforced says what the workers and the probe have shown, and what the probe costs."""
import json
import re

from support.client import curl
from support.edge import Edge
from support.net import eventually


def enforced(gateway):
    def settled():
        status = json.loads(gateway.admin("/status")[1])
        condition = next(c for c in status["listeners"][0]["conditions"] if c["type"] == "pingate.dev/PinningEnforced")
        return condition if condition["reason"] != "Pending" else None
    return eventually(settled, "no longer pending")


def metric(gateway, name):
    return int(re.search(rf"^{re.escape(name)} (\d+)$", gateway.admin("/metrics")[1], re.M).group(1))


def test_enforced_names_pins_digest_generation_and_replicas(people, nginx, start):
    edge = Edge(people, nginx.port)
    gateway = start({"edge.yaml": edge.text()})
    condition = enforced(gateway)
    assert condition["status"] == "True" and condition["reason"] == "Enforced", condition
    assert re.fullmatch(r"1 pin in force, trust digest [0-9a-f]{64}, generation 1, replicas 1, probed", condition["message"])
    gateway.swap("edge.yaml", edge.text(spki=[people.pinned.spki_hash, people.unpinned.spki_hash]))
    assert "2 pins in force" in enforced(gateway)["message"] and "generation 2" in enforced(gateway)["message"]


def test_each_policy_is_probed_once_and_no_probe_is_a_handshake(people, nginx, start):
    edge = Edge(people, nginx.port)
    gateway = start({"edge.yaml": edge.text()})
    passed = 'pingate_probes_total{result="passed"}'
    assert metric(gateway, passed) == 1
    gateway.swap("edge.yaml", edge.text(backend_port=nginx.port, route_hostnames=("app.example.com",)))
    assert metric(gateway, passed) == 1, "its digest is the same"
    gateway.swap("edge.yaml", edge.text(spki=[people.unpinned.spki_hash]))
    assert metric(gateway, passed) == 2
    gateway.swap("edge.yaml", edge.text(mode="AllowInsecureFallback"))
    assert metric(gateway, passed) == 3
    assert metric(gateway, 'pingate_probes_total{result="failed"}') == 0 and metric(gateway, "pingate_probe_failing") == 0
    assert metric(gateway, "pingate_handshakes_started_total") == 0 and gateway.handshakes() == []
    assert curl(edge.port, people.server_ca, people.unpinned).status == 200
    assert metric(gateway, "pingate_handshakes_started_total") == 1
