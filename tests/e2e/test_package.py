"""The Debian package holds what it should, and its unit gives the gateway next to nothing."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "pingate.service"
BUILD = ROOT / "build"
EXPOSURE_MAX = 1.5

pytestmark = [pytest.mark.package, pytest.mark.xdist_group("package")]


def output(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def exposure_of(unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed (systemd)")
    run = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
                         capture_output=True, text=True, env={**os.environ, "LANG": "C.UTF-8"})
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", run.stdout)
    assert level, run.stdout + run.stderr
    assert "nknown" not in run.stderr, run.stderr
    return float(level[1])


def test_the_unit_exposes_little():
    assert exposure_of(UNIT) <= EXPOSURE_MAX


def test_a_unit_without_its_walls_would_be_noticed(tmp_path):
    """The measure can fail: the same unit without its system-call filter is over the maximum."""
    bare = tmp_path / "pingate.service"
    bare.write_text(re.sub(r"^SystemCallFilter=.*\n", "", UNIT.read_text(), flags=re.MULTILINE))
    assert exposure_of(bare) > EXPOSURE_MAX


def test_the_unit_holds_one_capability_and_is_not_root():
    lines = UNIT.read_text().splitlines()
    for key in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert [line for line in lines if line.startswith(key)] == [f"{key}=CAP_NET_BIND_SERVICE"]
    assert "User=pingate" in lines


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "meson"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    if not (BUILD / "src" / "cli" / "pingate").exists():
        pytest.skip("no release build (./dev build)")
    folder = tmp_path_factory.mktemp("deb")
    return pathlib.Path(output(ROOT / "deploy" / "deb" / "build", BUILD, folder).strip())


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    output("dpkg-deb", "--raw-extract", package, folder)
    return folder


def test_the_package_holds_program_unit_configuration_and_copyright(unpacked):
    wanted = ["usr/bin/pingate", "lib/systemd/system/pingate.service", "etc/pingate/README",
              "usr/share/doc/pingate/copyright", "usr/share/doc/pingate/examples/pingate.json",
              "usr/share/doc/pingate/examples/alerts.yaml"]
    assert [path for path in wanted if not (unpacked / path).is_file()] == []
    assert (unpacked / wanted[1]).read_text() == UNIT.read_text()
    assert (unpacked / "DEBIAN" / "conffiles").read_text() == "/etc/pingate/README\n"


def test_everything_in_the_package_belongs_to_root_and_is_nobody_elses_to_write(package):
    for line in output("dpkg-deb", "--contents", package).splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root", line
        assert mode[5] == "-" and mode[8] == "-", line
        assert "s" not in mode, line


def test_programs_of_the_build_stay_out_of_the_package(unpacked):
    assert sorted(path.name for path in (unpacked / "usr" / "bin").iterdir()) == ["pingate"]
    assert not list(unpacked.rglob("*.a")) + list(unpacked.rglob("*.h"))


def test_the_package_depends_on_each_library_that_the_program_loads(unpacked, package):
    depends = output("dpkg-deb", "--field", package, "Depends")
    needed = re.findall(r"NEEDED.*\[(\S+)\]", output("readelf", "--dynamic", unpacked / "usr/bin/pingate"))
    assert "libssl.so.3" in needed
    for library in needed:
        path = re.search(rf"{re.escape(library)} .*=> (\S+)", output("/sbin/ldconfig", "-p"))[1]
        owners = {owner_of(path), owner_of(os.path.realpath(path)), owner_of(path.removeprefix("/usr"))} - {None}
        assert any(re.search(rf"\b{re.escape(owner)}\b", depends) for owner in owners), (library, owners, depends)
    assert "adduser" in depends and "procps" in depends  # the scripts; kill, for a reload


def owner_of(path):
    run = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
    return run.stdout.split(":")[0] if run.returncode == 0 else None


def test_the_packaged_program_runs(unpacked):
    assert re.search(r"\d+\.\d+\.\d+", output(unpacked / "usr" / "bin" / "pingate", "version"))


def test_the_scripts_of_the_package_are_sound_shell(unpacked):
    for script in ("postinst", "prerm", "postrm"):
        output("sh", "-n", unpacked / "DEBIAN" / script)
