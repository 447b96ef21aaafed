"""The package on a real Debian with a real systemd: installed by apt, run under its hardened unit, removed.

The tests are one story and run in their order: what one leaves, the next finds."""
import json
import re
import threading

import pytest
from support.client import connect, curl
from support.edge import Edge
from support.net import eventually

UNIT = "pingate.service"
EXPOSURE_MAX = 1.5


@pytest.fixture(scope="module")
def edge(people, nginx):
    rules = f"""- matches: [{{path: {{type: PathPrefix, value: /named}}}}]
  backendRefs: [{{name: named, port: {nginx.port}}}]
- backendRefs: [{{name: app, port: 80}}]"""
    edge = Edge(people, nginx.port, rules=rules, extra="""---
apiVersion: v1
kind: Service
metadata: {name: named, namespace: edge}
spec: {type: ExternalName, externalName: named.example}
""")
    edge.port = 443
    return edge


def configure(machine, text):
    """As an administrator would: beside the old one, for the gateway's group, renamed into place."""
    source = machine.put("edge.yaml", text.encode())
    machine.run("install", "-m", "640", "-g", "pingate", source, "/etc/pingate/edge.yaml.new", check=True)
    machine.run("mv", "/etc/pingate/edge.yaml.new", "/etc/pingate/edge.yaml", check=True)


def process_status(machine):
    pid = machine.show(UNIT, "MainPID")["MainPID"]
    text = machine.run("cat", f"/proc/{pid}/status", check=True).stdout
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))


def serving(machine):
    run = machine.run("pingate", "status", "--output", "json")
    return json.loads(run.stdout)["generation"]["number"] if run.returncode == 0 else 0


def statuses(edge, people, *identities):
    return [curl(edge.port, people.server_ca, identity).status for identity in identities]


def test_apt_installs_it_and_starts_nothing(machine):
    machine.run("apt-get", "install", "--yes", machine.package, check=True)
    assert machine.run("stat", "--format=%U:%G %a", "/etc/pingate", check=True).stdout == "root:pingate 750\n"
    assert machine.show(UNIT, "ActiveState", "UnitFileState") == {"ActiveState": "inactive", "UnitFileState": "disabled"}


def test_a_start_with_a_broken_configuration_fails_and_says_why(machine):
    configure(machine, "kind: [Gateway")
    machine.run("systemctl", "start", UNIT)
    eventually(lambda: machine.show(UNIT, "ActiveState")["ActiveState"] == "failed", lambda: machine.journal(UNIT))
    assert "pingate: /etc/pingate/edge.yaml:2: not YAML" in machine.journal(UNIT)
    machine.run("systemctl", "reset-failed", UNIT, check=True)


def test_it_starts_under_its_unit_and_lets_in_the_pinned_client_alone(machine, edge, people, nginx):
    configure(machine, edge.text())
    assert machine.run("pingate", "check", "-c", "/etc/pingate").returncode == 0
    machine.run("systemctl", "enable", "--now", UNIT, check=True)
    eventually(lambda: serving(machine) > 0, lambda: "serving: " + machine.journal(UNIT))
    before = nginx.hit_count()
    assert statuses(edge, people, people.pinned, people.unpinned, people.untrusted, None) == [200, 0, 0, 0]
    assert nginx.hit_count() == before + 1
    status = machine.run("systemctl", "status", "--no-pager", UNIT)
    assert status.returncode == 0 and "active (running)" in status.stdout
    assert '"reason":"not_pinned"' in machine.journal(UNIT)


def test_every_wall_stands(machine):
    """Landlock and seccomp go up inside the unit's own walls: neither may forbid the other."""
    assert " is off" not in machine.journal(UNIT)
    status = process_status(machine)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    assert status["Uid"].split()[0] != "0"
    bind_only = 1 << 10
    for which in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[which], 16) & ~bind_only == 0, which


def test_a_name_is_found_once_the_file_of_names_was_replaced(machine, edge, people):
    def status():
        return curl(edge.port, people.server_ca, people.pinned, path="/named").status
    assert status() == 503
    hosts = machine.put("hosts", b"127.0.0.1 localhost named.example\n")
    machine.run("cp", hosts, "/etc/hosts.new", check=True)
    machine.run("mv", "/etc/hosts.new", "/etc/hosts", check=True)
    eventually(lambda: status() == 200, lambda: "the name is found: " + machine.journal(UNIT))


def test_its_exposure_is_small_by_the_running_systemds_word(machine):
    text = machine.run("systemd-analyze", "security", "--no-pager", UNIT, check=True).stdout
    assert float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)[1]) <= EXPOSURE_MAX


def test_a_reload_takes_the_new_pins_and_keeps_the_process(machine, edge, people):
    pid, before = machine.show(UNIT, "MainPID")["MainPID"], serving(machine)
    configure(machine, edge.text(spki=[people.unpinned.spki_hash]))
    machine.run("systemctl", "reload", UNIT, check=True)
    eventually(lambda: serving(machine) > before, "a new generation")
    eventually(lambda: statuses(edge, people, people.pinned, people.unpinned) == [0, 200], "the new pins")
    configure(machine, edge.text(spki=[people.pinned.spki_hash]))
    machine.run("systemctl", "reload", UNIT, check=True)
    eventually(lambda: statuses(edge, people, people.pinned, people.unpinned) == [200, 0], "the old pins")
    assert machine.show(UNIT, "MainPID")["MainPID"] == pid


def test_a_killed_gateway_is_started_again(machine, edge, people):
    pid = machine.show(UNIT, "MainPID")["MainPID"]
    machine.run("systemctl", "kill", "--signal=KILL", UNIT, check=True)
    eventually(lambda: machine.show(UNIT, "MainPID")["MainPID"] not in (pid, "0"), "another process")
    eventually(lambda: statuses(edge, people, people.pinned) == [200], "it serves again")


def test_an_upgrade_restarts_it(machine, edge, people):
    pid = machine.show(UNIT, "MainPID")["MainPID"]
    machine.run("apt-get", "install", "--yes", "--reinstall", machine.package, check=True)
    assert machine.show(UNIT, "ActiveState")["ActiveState"] == "active"
    assert machine.show(UNIT, "MainPID")["MainPID"] != pid
    eventually(lambda: statuses(edge, people, people.pinned) == [200], "it serves again")


def test_a_stop_drains(machine, edge, people):
    """A request that is under way when the order comes is answered whole, then the process ends well."""
    with connect(edge.port, people.server_ca, people.pinned) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 8\r\n\r\nhalf")
        stopping = threading.Thread(target=machine.run, args=("systemctl", "stop", UNIT))
        stopping.start()
        eventually(lambda: "draining" in machine.run("pingate", "status").stdout + machine.journal(UNIT), "draining")
        client.sendall(b"more")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    stopping.join()
    assert machine.show(UNIT, "ActiveState", "Result", "ExecMainStatus") == {
        "ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}


def test_a_removal_stops_it_and_keeps_the_configuration(machine, edge, people):
    machine.run("systemctl", "start", UNIT, check=True)
    eventually(lambda: statuses(edge, people, people.pinned) == [200], "it serves again")
    machine.run("apt-get", "remove", "--yes", "pingate", check=True)
    assert statuses(edge, people, people.pinned) == [0]
    assert machine.run("systemctl", "is-enabled", UNIT).returncode != 0
    assert machine.run("test", "-e", "/usr/bin/pingate").returncode == 1
    machine.run("test", "-e", "/etc/pingate/edge.yaml", check=True)
