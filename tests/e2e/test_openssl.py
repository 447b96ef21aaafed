"""Whichever parts of OpenSSL handshakes go through (tls/library.h), the same clients come in and the same are refused."""
import pytest
from support.client import handshake
from support.edge import Edge

# A provider beside the default one, as an operator may configure for FIPS or a hardware module.
PROVIDERS = """openssl_conf = all
[all]
providers = providers
[providers]
default = on
base = on
[on]
activate = 1
"""

WARNING = "handshakes take longer: OpenSSL's configuration loads providers of its own"


def assert_serves(gateway, edge, people):
    for who, alert in ((people.pinned, 0), (people.pinned_rsa, 0), (people.unpinned, 46), (people.untrusted, 48),
                       (people.weak, 43), (None, 116)):
        assert handshake(edge.port, people.server_ca, who) == alert, who


@pytest.fixture
def edge(people, nginx):
    return Edge(people, nginx.port, spki=[people.pinned.spki_hash, people.pinned_rsa.spki_hash])


def test_the_needed_parts_alone_serve(people, edge, start):
    gateway = start({"edge.yaml": edge.text()})
    assert_serves(gateway, edge, people)
    assert WARNING not in gateway.audit_log.read_text()


def test_all_of_openssl_serves_by_choice(people, edge, start):
    gateway = start({"edge.yaml": edge.text()}, "--plain-openssl")
    assert_serves(gateway, edge, people)
    assert WARNING not in gateway.audit_log.read_text()


def test_providers_that_an_operator_chose_are_not_gone_round(people, edge, start, tmp_path, monkeypatch):
    (tmp_path / "openssl.cnf").write_text(PROVIDERS)
    monkeypatch.setenv("OPENSSL_CONF", str(tmp_path / "openssl.cnf"))
    gateway = start({"edge.yaml": edge.text()})
    monkeypatch.delenv("OPENSSL_CONF")
    assert WARNING in gateway.audit_log.read_text()
    assert_serves(gateway, edge, people)
