"""Fixtures: one PKI and one nginx a session; each test starts the gateways it needs."""
import datetime
import pathlib
import sys
import types

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support import cluster as clusters  # noqa: E402
from support import gateway as gw  # noqa: E402
from support import pki  # noqa: E402
from support.kube import World  # noqa: E402
from support.net import Recorder  # noqa: E402
from support.nginx import Nginx  # noqa: E402


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Every client of the truth table."""
    folder = tmp_path_factory.mktemp("pki")
    p = types.SimpleNamespace(folder=folder)
    p.server_ca = pki.make_ca(folder, "server-root")
    p.server = p.server_ca.issue("server", dns=["*.example.com", "app.example.com"], eku=pki.SERVER_AUTH)
    p.server_rsa = p.server_ca.issue("server-rsa", dns=["*.example.com"], eku=pki.SERVER_AUTH, key_type="rsa")
    p.ca = pki.make_ca(folder, "clients-root")
    p.other_ca = pki.make_ca(folder, "other-root")
    p.pinned = p.ca.issue("pinned-robot")
    p.pinned_rsa = p.ca.issue("pinned-rsa", key_type="rsa")
    p.unpinned = p.ca.issue("unpinned-robot")
    p.untrusted = p.other_ca.issue("untrusted-robot")
    p.pinned_untrusted = p.other_ca.issue("pinned-untrusted")
    now = datetime.datetime.utcnow()
    p.expired = p.ca.issue("expired-robot", not_before=now - datetime.timedelta(days=9),
                           not_after=now - datetime.timedelta(days=1))
    p.wrong_use = p.ca.issue("wrong-use", eku=pki.SERVER_AUTH)
    p.weak = p.ca.issue("weak-key", key_type="rsa1024")
    p.revoked = p.ca.issue("revoked-robot")
    p.issuing = p.ca.intermediate("clients-issuing")
    p.by_intermediate = p.issuing.issue("by-intermediate")
    return p


@pytest.fixture(scope="session")
def nginx(tmp_path_factory):
    server = Nginx(tmp_path_factory.mktemp("nginx"))
    yield server
    server.stop()


@pytest.fixture
def recorder(nginx):
    relay = Recorder(nginx.port)
    yield relay
    relay.close()


@pytest.fixture
def start(tmp_path):
    """start({file: text}, option…) runs a pingate; all are stopped, and must end well, after the test."""
    running = []

    def run(files, *options, **keywords):
        gateway = gw.Gateway(tmp_path / f"gateway{len(running)}", files, *options, **keywords)
        running.append(gateway)
        return gateway

    yield run
    for gateway in running:
        gateway.stop()


@pytest.fixture
def make_cluster(tmp_path):
    """make_cluster(option=…): an API server of its own, the stand-in or a real one (support/cluster.py)."""
    made = []

    def make(**options):
        made.append(clusters.make(tmp_path / f"cluster{len(made)}", **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


@pytest.fixture
def cluster(make_cluster):
    return make_cluster()


@pytest.fixture
def make_world(make_cluster, people, start):
    """A pinned gateway's objects in a cluster with those options; its run() serves them."""
    made = []

    def make(**options):
        made.append(World(make_cluster(**options), people, start))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world):
    return make_world()
