"""design: every row of the truth table, through real handshakes, with a backend that counts hits."""
import pytest
from support import gateway as gw
from support.client import curl, handshake
from support.net import eventually, free_port

PROTOCOLS = [(tls, http) for tls in ("1.2", "1.3") for http in ("1.1", "2")]
IN, OUT = True, False

# client, AllowValidOnly without pins, AllowValidOnly with pins, AllowInsecureFallback with pins,
# alert without pins, alert with pins, identity in the fallback
ROWS = [
    (None, OUT, OUT, IN, 116, 116, "NONE"),
    ("untrusted", OUT, OUT, IN, 48, 48, "FAILED:untrusted"),
    ("expired", OUT, OUT, IN, 45, 45, "FAILED:expired"),
    ("revoked", OUT, OUT, IN, 44, 44, "FAILED:revoked"),
    ("weak", OUT, OUT, IN, 43, 43, "FAILED:weak_key"),
    ("wrong_use", OUT, OUT, IN, 43, 43, "FAILED:wrong_use"),
    ("unpinned", IN, OUT, IN, 0, 46, "FAILED:not_pinned"),
    ("pinned", IN, IN, IN, 0, 0, "SUCCESS"),
    ("pinned_rsa", IN, IN, IN, 0, 0, "SUCCESS"),
    ("pinned_untrusted", OUT, OUT, IN, 48, 48, "FAILED:untrusted"),
]


@pytest.fixture(scope="module")
def table(people, nginx, tmp_path_factory):
    ports = {name: free_port() for name in ("plain", "pins", "fallback")}
    pins = gw.pinning(spki=[people.pinned.spki_hash, people.pinned_untrusted.spki_hash],
                      certificates=[people.pinned_rsa.certificate_hash])
    text = (gw.secret_tls("server", people.server)
            + gw.ca_config_map("clients-ca", people.ca, crl=people.ca.crl([people.revoked]))
            + gw.gateway([gw.https_listener(n, p) for n, p in ports.items()], default=gw.validation(pins=pins),
                         per_port={ports["plain"]: gw.validation(),
                                   ports["fallback"]: gw.validation(mode="AllowInsecureFallback", pins=pins)})
            + gw.backend(nginx.port) + gw.route())
    gateway = gw.Gateway(tmp_path_factory.mktemp("table"), {"edge.yaml": text})
    yield gateway, ports
    gateway.stop()


@pytest.mark.parametrize("tls,http", PROTOCOLS)
@pytest.mark.parametrize("row", ROWS, ids=[str(r[0]) for r in ROWS])
def test_row(table, people, nginx, row, tls, http):
    gateway, ports = table
    who, plain, pins, fallback, plain_alert, pins_alert, verify = row
    identity = getattr(people, who) if who else None
    for port, expected in (("plain", plain), ("pins", pins), ("fallback", fallback)):
        path = f"/{'in' if expected is IN else 'out'}/{who}/{tls}/{http}/{port}"
        reply = curl(ports[port], people.server_ca, identity, tls=tls, http=http, path=path)
        if expected is IN:
            assert reply.status == 200, (port, reply)
            word = verify if port == "fallback" else "SUCCESS"
            cert = identity.client_cert_header if word == "SUCCESS" else ""
            assert f"cert={cert} verify={word} " in reply.body
        else:
            assert reply.status == 0 and reply.error, (port, reply)
            assert path not in [hit["uri"] for hit in nginx.hits()], "a refused client reached the backend"


def test_no_refused_client_reached_the_backend(table, people, nginx):
    """After all rows: nginx writes its log a moment after it has answered."""
    gateway, ports = table
    assert curl(ports["pins"], people.server_ca, people.pinned, path="/in/last").status == 200
    eventually(lambda: "/in/last" in [hit["uri"] for hit in nginx.hits()], "the last hit is in the log")
    assert [hit["uri"] for hit in nginx.hits() if hit["uri"].startswith("/out/")] == []


@pytest.mark.parametrize("tls", ("1.2", "1.3"))
@pytest.mark.parametrize("row", ROWS, ids=[str(r[0]) for r in ROWS])
def test_alert(table, people, row, tls):
    gateway, ports = table
    identity = getattr(people, row[0]) if row[0] else None
    for port, expected in (("plain", row[4]), ("pins", row[5])):
        if expected == 116 and tls == "1.2":
            expected = 40
        assert handshake(ports[port], people.server_ca, identity, tls=tls) == expected


def test_the_audit_has_both_digests_and_the_reason_of_a_refusal(table, people):
    gateway, ports = table
    assert handshake(ports["pins"], people.server_ca, people.unpinned) == 46
    record = gateway.last_refusal("not_pinned")
    text = str(record)
    assert people.unpinned.certificate_hash in text
    assert people.unpinned.spki_hash in text or people.unpinned.spki_hash in record.values()
