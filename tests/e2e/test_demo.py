"""`pingate demo`: the whole product in one command, by the real gateway, and nothing is left behind."""
import os
import re
import signal
import subprocess

import pytest
from support import gateway as gw
from support.net import eventually

TABLE = {
    "pinned": ("HTTP 200", "accepted"),
    "pinned key, renewed certificate": ("HTTP 200", "accepted"),
    "trusted, but not pinned": ("alert 46, certificate unknown", "not_pinned"),
    "pinned key, signed by somebody else's CA": ("alert 48, unknown CA", "untrusted"),
    "pinned key, but expired": ("alert 45, certificate expired", "expired"),
    "no certificate": ("alert 116, certificate required", "no_certificate"),
}


def folders():
    return {name for name in os.listdir("/tmp") if name.startswith("pingate-demo-")}


@pytest.fixture(scope="module")
def demo():
    return subprocess.run([gw.BINARY, "demo"], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))


def test_it_ends_well_and_says_nothing_is_wrong(demo):
    assert demo.returncode == 0, demo.stderr
    assert demo.stderr == ""
    assert "WRONG" not in demo.stdout


@pytest.mark.parametrize("client", TABLE)
def test_each_client_is_treated_as_the_table_says(demo, client):
    rows = [re.split(r"\s{2,}", line.strip()) for line in demo.stdout.splitlines()]
    found = [row for row in rows if row[0] == client]
    assert found == [[client, *TABLE[client], "as it should"]], demo.stdout


def test_the_backend_is_told_the_pins_name_and_reached_by_admitted_clients_alone(demo):
    assert "pingate-client-verify: SUCCESS" in demo.stdout
    assert "pingate-client-name: demo-robot" in demo.stdout
    assert re.search(r"client-cert: :MII\S+", demo.stdout)
    assert "reached 2 times, by admitted clients alone: as it should" in demo.stdout


def test_wait_serves_until_ctrl_c_and_takes_its_folder_along():
    process = subprocess.Popen([gw.BINARY, "demo", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "until Ctrl-C" in line:
                break
        text = "".join(lines).replace("\\\n", " ")
        folder = re.search(r"Files: +(\S+)", text).group(1)
        assert os.path.isdir(folder), text
        commands = [line.strip() for line in text.splitlines() if line.strip().startswith("curl ")]
        replies = [subprocess.run(["sh", "-c", c + " -s"], capture_output=True, text=True, timeout=30)
                   for c in commands]
        assert [r.returncode == 0 for r in replies] == [True, False], replies
        admin = re.search(r"--admin (\S+) --refusals", text).group(1)
        eventually(lambda: "not_pinned" in subprocess.run([gw.BINARY, "status", "--admin", admin, "--refusals"],
                                                          capture_output=True, text=True).stdout, "the refusal shows")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert not os.path.exists(folder), "the folder with its keys must go"


def test_keep_leaves_the_files_that_the_gateway_served(tmp_path):
    before = folders()
    out = subprocess.run([gw.BINARY, "demo", "--keep"], capture_output=True, text=True, timeout=60,
                         env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    folder = re.search(r"Files: +(\S+)", out.stdout).group(1)
    try:
        assert os.path.basename(folder) in folders() - before
        assert os.stat(os.path.join(folder, "pinned.key")).st_mode & 0o077 == 0
        assert subprocess.run([gw.BINARY, "check", "-c", os.path.join(folder, "gateway.yaml")],
                              capture_output=True).returncode == 0
        assert "stopped" in open(os.path.join(folder, "gateway.log")).read()
    finally:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
