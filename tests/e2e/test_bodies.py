"""A body of any length, up or down, fast or slow, passes whole and within 1 MiB of buffers. ./dev bench does it with 1 GiB."""
import threading

import pytest
from support import gateway as gw
from support.bodies import BodyBackend, Watch, digest_of, transfer
from support.edge import Edge

MIB = 1 << 20


@pytest.fixture(scope="module")
def edge(people, tmp_path_factory):
    backend = BodyBackend()
    edge = Edge(people, backend.port)
    edge.backend = backend
    edge.gateway = gw.Gateway(tmp_path_factory.mktemp("bodies"), {"edge.yaml": edge.text()}, workers=1)
    yield edge
    edge.gateway.stop()
    backend.close()


def passes(edge, people, length, way, http, rate=None):
    status, text = transfer(edge.port, people, length, way, http, rate)
    return status == 0 and text == f"{length} {digest_of(length)}"


def sanitized():
    return b"__asan_init" in open(gw.BINARY, "rb").read()


@pytest.mark.parametrize("way", ("up", "down"))
@pytest.mark.parametrize("http", ("1.1", "2"))
def test_64_mib_pass_within_1_mib(edge, people, way, http):
    assert passes(edge, people, 4 * MIB, way, http)  # what is had once for all
    with Watch(edge.gateway.process.pid) as watch:
        assert passes(edge, people, 64 * MIB, way, http)
    assert sanitized() or watch.grown_kb <= 1024, watch.grown_kb


@pytest.mark.parametrize("way", ("up", "down"))
@pytest.mark.parametrize("http", ("1.1", "2"))
def test_a_slow_client_holds_no_more(edge, people, way, http):
    assert passes(edge, people, 4 * MIB, way, http)
    with Watch(edge.gateway.process.pid) as watch:
        assert passes(edge, people, 8 * MIB, way, http, rate="4M")
    assert sanitized() or watch.grown_kb <= 1024, watch.grown_kb


@pytest.mark.parametrize("http", ("1.1", "2"))
def test_a_backend_that_does_not_read_is_waited_for(edge, people, http):
    assert passes(edge, people, 4 * MIB, "up", http)
    edge.backend.reads.clear()
    results = []
    with Watch(edge.gateway.process.pid) as watch:
        upload = threading.Thread(target=lambda: results.append(passes(edge, people, 64 * MIB, "up", http)))
        upload.start()
        for _ in range(30):  # all of it could have been taken in meanwhile
            assert passes(edge, people, 1000, "down", "1.1")
        assert not results
        edge.backend.reads.set()
        upload.join()
    assert results == [True]
    assert sanitized() or watch.grown_kb <= 1024, watch.grown_kb


@pytest.mark.parametrize("length", (0, 1, 16383, 16384, 65535, 65536, 1000003))
@pytest.mark.parametrize("http", ("1.1", "2"))
def test_every_length_arrives_whole(edge, people, length, http):
    for way in ("up", "down"):
        assert passes(edge, people, length, way, http)
