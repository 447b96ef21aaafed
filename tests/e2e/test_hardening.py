"""The release binary is hardened as the threat model says: looked up in its ELF tables."""
import os
import pathlib
import platform
import re
import shutil
import subprocess

import pytest
from support import gateway as gw
from support.net import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = pathlib.Path(os.environ.get("PINGATE_RELEASE", ROOT / "build" / "src" / "cli" / "pingate"))


@pytest.fixture(scope="module")
def readelf():
    if not shutil.which("readelf"):
        pytest.skip("readelf is not installed (binutils)")
    if not RELEASE.exists():
        pytest.skip(f"no release build at {RELEASE} (./dev build)")

    def run(*options):
        command = ["readelf", "--wide", *options, str(RELEASE)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run


def imported(readelf):
    """Names that the dynamic linker must find elsewhere, without their versions."""
    return set(re.findall(r" UND (\w+)", readelf("--dyn-syms")))


def test_the_program_is_position_independent(readelf):
    assert re.search(r"Type:\s+DYN", readelf("--file-header"))
    assert re.search(r"FLAGS_1\).*\bPIE\b", readelf("--dynamic"))


def test_relocations_are_resolved_at_start_and_read_only_then(readelf):
    assert "GNU_RELRO" in readelf("--program-headers")
    dynamic = readelf("--dynamic")
    assert re.search(r"\(FLAGS\).*BIND_NOW", dynamic) or re.search(r"FLAGS_1\).*\bNOW\b", dynamic)


def test_no_segment_is_writable_and_executable(readelf):
    headers = readelf("--program-headers")
    stack = re.search(r"GNU_STACK.*?\s(R[W ][E ])\s+0x", headers)
    assert stack and "E" not in stack[1]
    flags = re.findall(r"^\s+LOAD\s.*?\s(R[W ][E ])\s+0x", headers, re.MULTILINE)
    assert flags
    assert not [f for f in flags if "W" in f and "E" in f]


def test_stacks_have_canaries(readelf):
    assert "__stack_chk_fail" in imported(readelf)


def test_libc_calls_are_fortified(readelf):
    names = imported(readelf)
    assert {name for name in names if name.endswith("_chk")} - {"__stack_chk_fail"}
    assert not names & {"sprintf", "strcpy", "strcat", "vsprintf", "gets"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="control-flow protection is of x86")
def test_indirect_branches_land_on_marks(readelf):
    """Asked of the code: Debian's start files are unmarked, so the linker drops the note from every program."""
    code = subprocess.run(["objdump", "--disassemble=main", "--no-show-raw-insn", str(RELEASE)],
                          check=True, capture_output=True, text=True).stdout
    assert re.search(r"<main>:\n\s+[0-9a-f]+:\s+endbr64", code)


def test_no_library_is_looked_for_beside_the_usual_places(readelf):
    assert not re.search(r"\((RPATH|RUNPATH)\)", readelf("--dynamic"))


def test_keys_of_a_running_gateway_reach_no_core_and_no_other_process(start):
    if os.geteuid() != 0:
        pytest.skip("wants root, to become somebody else")
    files = {"edge.yaml": gw.gateway([gw.http_listener("http", free_port())])}
    pid = start(files, "--user", "nobody").process.pid
    proc = pathlib.Path("/proc") / str(pid)
    assert re.search(r"^Max core file size +0 +0 ", (proc / "limits").read_text(), re.MULTILINE)
    uid = int(re.search(r"^Uid:\s+(\d+)", (proc / "status").read_text(), re.MULTILINE)[1])
    assert uid != 0
    # The kernel gives what a process that is not dumpable has in /proc to root instead (proc(5)).
    assert (proc / "mem").stat().st_uid == 0
