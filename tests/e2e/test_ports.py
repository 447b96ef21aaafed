"""A port that can't be bound is told and tried again; the others serve."""
import json
import socket
import subprocess

from support import gateway as gw
from support.client import curl
from support.edge import Edge
from support.net import eventually, free_port

NOT_OURS = "192.0.2.1"  # RFC 5737: no machine has it


def held(port=0):
    """A listening socket that shares its port with nobody."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen()
    return s


def two_ports(people, nginx, taken):
    edge = Edge(people, nginx.port)
    edge.listeners = [gw.https_listener("https", edge.port), gw.https_listener("other", taken)]
    return edge


def condition(gateway, listener, kind):
    status = json.loads(gateway.admin("/status")[1])
    found = [c for entry in status["listeners"] if entry["name"] == listener
             for c in entry["conditions"] if c["type"] == kind]
    assert len(found) == 1, status
    return found[0]["status"], found[0]["reason"], found[0]["message"]


def gateway_condition(gateway, kind):
    status = json.loads(gateway.admin("/status")[1])
    return [(c["status"], c["reason"]) for c in status["gateways"][0]["conditions"] if c["type"] == kind][0]


def test_a_taken_port_is_told_and_bound_once_it_is_free(people, nginx, start):
    with held() as holder:
        taken = holder.getsockname()[1]
        edge = two_ports(people, nginx, taken)
        gateway = start({"edge.yaml": edge.text()})
        assert curl(edge.port, people.server_ca, people.pinned).status == 200
        status, reason, message = condition(gateway, "other", "Programmed")
        assert (status, reason) == ("False", "PortUnavailable") and f"127.0.0.1:{taken}" in message and "in use" in message
        assert condition(gateway, "other", "Accepted")[:2] == ("False", "PortUnavailable")
        assert condition(gateway, "https", "Programmed")[:2] == ("True", "Programmed")
        assert gateway_condition(gateway, "Programmed") == ("True", "Programmed")
        assert gateway_condition(gateway, "Accepted") == ("True", "ListenersNotValid")
        warning = eventually(lambda: gateway.audit("warning"), "the log says so")[-1]
        assert f"127.0.0.1:{taken} can't be bound" in warning["says"]
        text = subprocess.run([gw.BINARY, "status", "--admin", f"127.0.0.1:{gateway.admin_port}"],
                              capture_output=True, text=True, timeout=30).stdout
        assert "NOT SERVED (PortUnavailable)" in text
    eventually(lambda: condition(gateway, "other", "Programmed")[0] == "True", "bound once it is free")
    assert gateway_condition(gateway, "Accepted") == ("True", "Accepted")
    assert curl(taken, people.server_ca, people.pinned).status == 200
    assert eventually(lambda: [r for r in gateway.audit("lifecycle") if r["what"] == "bound"], "the log says so")


def test_a_port_that_is_taken_does_not_hold_up_a_change(people, nginx, start):
    edge = Edge(people, nginx.port)
    gateway = start({"edge.yaml": edge.text()})
    assert curl(edge.port, people.server_ca, people.pinned).status == 200
    with held() as holder:
        edge.listeners = [gw.https_listener("https", edge.port), gw.https_listener("other", holder.getsockname()[1])]
        gateway.swap("edge.yaml", edge.text(spki=[people.unpinned.spki_hash]))
        assert curl(edge.port, people.server_ca, people.unpinned).status == 200
        assert curl(edge.port, people.server_ca, people.pinned).status == 0
        assert condition(gateway, "other", "Programmed")[:2] == ("False", "PortUnavailable")
    eventually(lambda: condition(gateway, "other", "Programmed")[0] == "True", "bound once it is free")


def test_an_address_of_another_machine_is_the_gateways_fault(people, nginx, start):
    edge = Edge(people, nginx.port)
    text = edge.text().replace("addresses: [{type: IPAddress, value: 127.0.0.1}]",
                               f"addresses: [{{type: IPAddress, value: 127.0.0.1}}, {{type: IPAddress, value: {NOT_OURS}}}]")
    assert NOT_OURS in text
    gateway = start({"edge.yaml": text})
    assert curl(edge.port, people.server_ca, people.pinned).status == 200
    status = json.loads(gateway.admin("/status")[1])
    programmed = {entry["address"]: entry["programmed"] for entry in status["listeners"]}
    assert programmed == {f"127.0.0.1:{edge.port}": True, f"{NOT_OURS}:{edge.port}": False}
    assert gateway_condition(gateway, "Programmed") == ("False", "AddressNotUsable")


def test_a_gateway_that_can_bind_nothing_does_not_start(people, nginx, tmp_path):
    edge = Edge(people, nginx.port)
    (tmp_path / "edge.yaml").write_text(edge.text())
    with held(edge.port):
        done = subprocess.run([gw.BINARY, "run", "-c", str(tmp_path), "--admin", f"127.0.0.1:{free_port()}"],
                              capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"pingate: 127.0.0.1:{edge.port} can't be bound (Address already in use)"


def test_every_source_is_named(people, nginx, start, tmp_path):
    edge = Edge(people, nginx.port)
    (tmp_path / "more").mkdir()
    gateway = start({"edge.yaml": edge.text()}, "-c", str(tmp_path / "more"))
    published = eventually(lambda: gateway.audit("generation_published"), "told")[0]
    assert published["sources"] == f"{gateway.config}, {tmp_path / 'more'}"
