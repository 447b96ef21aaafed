"""The Dockerfile, as far as it can be held without a container engine: what it installs, what it copies, whose it is."""
import os
import re
import shutil
import subprocess

import pytest
import test_deploy
from support import gateway as gw

DOCKERFILE = open(os.path.join(gw.ROOT, "Dockerfile")).read()


def packages_of_stage(number):
    """What the stage installs by apt."""
    stage = DOCKERFILE.replace("\\\n", " ").split("\nFROM ")[number + 1]
    return re.search(r"--no-install-recommends ([a-z0-9 .+-]+?) *(?:&&|\n|$)", re.sub(r" +", " ", stage))[1].split()


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_image_has_the_libraries_that_the_program_is_linked_with():
    """Those that it names itself: what they need comes with them."""
    if not shutil.which("readelf") or not shutil.which("dpkg"):
        pytest.skip("no readelf, or no Debian")
    names = set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", gw.BINARY)))
    paths = dict(re.findall(r"^\s*(\S+) => (\S+) ", output("ldd", gw.BINARY), re.M))
    ours = {name for name in names if not re.match(r"lib(asan|ubsan|tsan)\.", name)}
    # /lib is /usr/lib on Debian 12, and dpkg knows either.
    packages = {output("dpkg", "-S", "*/" + os.path.basename(os.path.realpath(paths[name]))).split(":")[0]
                for name in ours if name in paths}
    assert packages - {"libc6", "libgcc-s1"} == set(packages_of_stage(1)) - ({"libcurl4"} - packages)


def test_the_image_is_compiled_with_what_dev_installs():
    dev = open(os.path.join(gw.ROOT, "dev")).read()
    wanted = set(re.search(r"^packages=\((.*?)^\)", dev, re.M | re.S)[1].split())
    libraries = {name for name in wanted if re.fullmatch("lib(?!cmocka|clang).*-dev", name)}
    have = set(packages_of_stage(0))
    assert {name for name in have if name.endswith("-dev")} == libraries | {"libc6-dev"}
    assert have - libraries - {"libc6-dev"} <= wanted


def test_the_images_user_is_the_pods():
    pod = test_deploy.one(test_deploy.of_kustomization("kubernetes"), "Deployment")["spec"]["template"]["spec"]
    user, group = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.M).groups()
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (int(user), int(group))
    assert f"useradd --uid {user} --gid {group} " in DOCKERFILE and re.search(r"useradd .* pingate$", DOCKERFILE, re.M)


def let_through(path, rules):
    """As .dockerignore is read: the last rule that matches the path, or a folder that it is in, decides."""
    taken = True
    for rule in rules:
        pattern = re.escape(rule.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if re.match(f"(?:{pattern})(?:/|$)", path):
            taken = rule.startswith("!")
    return taken


def test_what_goes_into_the_image_can_be_compiled(tmp_path):
    """As far as meson asks before it compiles: every source and every folder is there."""
    lines = open(os.path.join(gw.ROOT, ".dockerignore")).read().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    files = output("git", "-C", gw.ROOT, "ls-files", "--cached", "--others", "--exclude-standard").split("\n")
    taken = [file for file in files if file and let_through(file, rules) and os.path.exists(os.path.join(gw.ROOT, file))]
    assert not [file for file in taken if file.startswith(("docs/", "deploy/", "tests/e2e/"))]
    for copied in re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.M):
        assert copied == "." or copied in taken
    for file in taken:
        os.makedirs(tmp_path / os.path.dirname(file), exist_ok=True)
        shutil.copy(os.path.join(gw.ROOT, file), tmp_path / file)
    done = subprocess.run(["meson", "setup", "build", "--prefix=/usr"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
