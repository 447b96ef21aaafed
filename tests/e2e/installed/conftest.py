"""One machine for the tests of this folder, the package installed on it. Only `./dev package-test` makes one."""
import os
import pathlib

import pytest
from support.machine import Machine

collect_ignore_glob = [] if "PINGATE_MACHINE" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    running = Machine(os.environ["PINGATE_MACHINE"], tmp_path_factory.mktemp("machine"))
    package = pathlib.Path(os.environ["PINGATE_PACKAGE"])
    running.package = running.put(package.name, package.read_bytes())
    yield running
    running.stop()
