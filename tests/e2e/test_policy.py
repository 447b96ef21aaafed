"""ClientCertificatePolicy in the handshake: scopes, ReportOnly, PinnedOnly, key usage, issuers, windows, deny,
removal; each through real handshakes, with a backend that counts hits."""
import base64
import datetime

import pytest
from support import gateway as gw
from support import pki
from support.client import connect, curl, handshake
from support.net import eventually, free_port
from support.policy import pin, policy, target

PROTOCOLS = [(tls, http) for tls in ("1.2", "1.3") for http in ("1.1", "2")]
IN = 0  # no alert
NOT_PINNED, UNTRUSTED, WRONG_USE, REVOKED, EXPIRED, CLOSED = 46, 48, 43, 44, 45, 49


@pytest.fixture(scope="module")
def cast(people):
    """Clients that this file needs besides those of the truth table."""
    people.self_made = pki.self_signed(people.folder, "self-made")
    people.self_made_too = pki.self_signed(people.folder, "self-made-too")
    return people


def cases(p):
    """A Gateway each: its policies, and what becomes of clients: an alert, or the name that they bear."""
    robot, other = pin(spki=p.pinned.spki_hash, name="robot"), pin(spki=p.unpinned.spki_hash, name="other")
    raw = pin(spki=p.self_made.spki_hash, name="raw")
    return {
        "gateway": ([policy("gateway", [target("gateway")], [robot])],
                    {"pinned": "robot", "unpinned": NOT_PINNED, "untrusted": UNTRUSTED}),
        "both": ([policy("both", [target("both")], [robot, other]),
                  policy("both-listener", [target("both", "https")], [dict(robot, name="robot-of-listener")])],
                 {"pinned": "robot-of-listener", "unpinned": NOT_PINNED}),
        "report": ([policy("report", [target("report")], [robot], enforcement="ReportOnly")],
                   {"pinned": "", "unpinned": "", "untrusted": UNTRUSTED}),
        "deny": ([policy("deny", [target("deny")], [robot, other], deny=[pin(spki=p.pinned.spki_hash)])],
                 {"pinned": NOT_PINNED, "unpinned": "other"}),  # 46: a denied client is not told that it is
        "deny-issuer": ([policy("deny-issuer", [target("deny-issuer")],
                                [robot, pin(spki=p.by_intermediate.spki_hash, name="below")],
                                deny=[pin(issuer=p.issuing.spki_hash)])],
                        {"pinned": "robot", "by_intermediate": NOT_PINNED}),
        "pinned-only": ([policy("pinned-only", [target("pinned-only")], [raw, robot], trust="PinnedOnly")],
                        {"self_made": "raw", "self_made_too": UNTRUSTED, "pinned": "robot",
                         "unpinned": NOT_PINNED, "untrusted": UNTRUSTED}),
        "pinned-only-not": ([policy("pinned-only-not", [target("pinned-only-not")], [raw, robot])],
                            {"self_made": UNTRUSTED, "pinned": "robot"}),
        "use": ([policy("use", [target("use")], [pin(certificate=p.wrong_use.certificate_hash, name="server"), robot],
                        extendedKeyUsage="ClientOrServerAuth")],
                {"wrong_use": "server", "pinned": "robot", "unpinned": NOT_PINNED}),
        "use-by-issuer": ([policy("use-by-issuer", [target("use-by-issuer")], [pin(issuer=p.ca.spki_hash, name="any")],
                                  extendedKeyUsage="Any")],
                          {"wrong_use": WRONG_USE, "pinned": "any"}),
        "issuer": ([policy("issuer", [target("issuer")], [pin(issuer=p.issuing.spki_hash, name="issued")])],
                   {"by_intermediate": "issued", "pinned": NOT_PINNED}),
        "expired-pins": ([policy("expired-pins", [target("expired-pins")],
                                 [dict(robot, notAfter="2020-01-01T00:00:00Z")])], {"pinned": NOT_PINNED}),
        "no-pins": ([policy("no-pins", [target("no-pins")])], {"pinned": CLOSED, "unpinned": CLOSED, None: CLOSED}),
        "bad-deny": ([policy("bad-deny", [target("bad-deny")], [robot],
                             deny=[pin(spki=p.unpinned.spki_hash, not_before=datetime.datetime(2030, 1, 1),
                                       not_after=datetime.datetime(2029, 1, 1))])],
                     {"pinned": CLOSED, None: CLOSED}),
        "secret": ([policy("secret", [target("secret")], pinSetRefs=[{"group": "", "kind": "Secret", "name": "pins"}])],
                   {"pinned": "from-secret", "unpinned": NOT_PINNED}),
        "conflict": ([policy("conflict-a", [target("conflict")], [robot]),
                      policy("conflict-b", [target("conflict")], [other])],
                     {"pinned": "robot", "unpinned": NOT_PINNED}),
        "no-such-section": ([policy("no-such-section", [target("no-such-section", "htps")], [robot])],
                            {"pinned": "", "unpinned": "", None: 116}),
    }


@pytest.fixture(scope="module")
def stage(cast, nginx, tmp_path_factory):
    p = cast
    ports = {name: free_port() for name in cases(p)}
    pins_txt = base64.b64encode(f"spki:{p.pinned.spki_hash} name=from-secret\n".encode()).decode()
    text = (gw.secret_tls("server", p.server) + gw.ca_config_map("clients-ca", p.ca) + gw.backend(nginx.port)
            + f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: pins, namespace: edge}}\n"
              f"data: {{pins.txt: {pins_txt}}}\n")
    for name, (policies, _) in cases(p).items():
        text += gw.gateway([gw.https_listener("https", ports[name])], default=gw.validation(), name=name)
        text += gw.route(name=name, parent=name) + "".join(policies)
    gateway = gw.Gateway(tmp_path_factory.mktemp("policy"), {"edge.yaml": text})
    yield gateway, ports
    gateway.stop()



CASES = ("gateway", "both", "report", "deny", "deny-issuer", "pinned-only", "pinned-only-not", "use", "use-by-issuer",
         "issuer", "expired-pins", "no-pins", "bad-deny", "secret", "conflict", "no-such-section")


@pytest.mark.parametrize("tls,http", PROTOCOLS)
@pytest.mark.parametrize("case", CASES)
def test_policy(stage, cast, nginx, case, tls, http):
    gateway, ports = stage
    for who, expected in cases(cast)[case][1].items():
        identity = getattr(cast, who) if who else None
        path = f"/{case}/{who}/{tls}/{http}"
        reply = curl(ports[case], cast.server_ca, identity, tls=tls, http=http, path=path)
        if isinstance(expected, str):
            assert reply.status == 200, (who, reply)
            assert f"verify=SUCCESS name={expected}\n" in reply.body, reply.body
            assert identity.client_cert_header in reply.body
        else:
            assert reply.status == 0 and reply.error, (who, reply)
            assert path not in [hit["uri"] for hit in nginx.hits()], "a refused client reached the backend"


@pytest.mark.parametrize("tls", ("1.2", "1.3"))
@pytest.mark.parametrize("case", CASES)
def test_alert(stage, cast, case, tls):
    gateway, ports = stage
    for who, expected in cases(cast)[case][1].items():
        identity = getattr(cast, who) if who else None
        alert = IN if isinstance(expected, str) else 40 if expected == 116 and tls == "1.2" else expected
        assert handshake(ports[case], cast.server_ca, identity, tls=tls) == alert, who


def test_report_only_records_what_it_would_refuse(stage, cast):
    gateway, ports = stage
    assert handshake(ports["report"], cast.server_ca, cast.unpinned) == IN
    record = eventually(lambda: [r for r in gateway.handshakes() if r.get("report_only") == "not_pinned"],
                        "a record of what would be refused")[-1]
    assert record["reason"] == "accepted" and cast.unpinned.spki_hash in str(record)


def test_a_denied_client_is_on_record_as_denied(stage, cast):
    gateway, ports = stage

    def is_recorded():  # not by a record of its own in a second that has one of another denied client
        assert handshake(ports["deny"], cast.server_ca, cast.pinned) == NOT_PINNED
        return any(r.get("reason") == "denied" and r["scope"] == "ClientCertificatePolicy edge/deny"
                   for r in gateway.handshakes())

    eventually(is_recorded, "a record of who was denied")


# --- listeners: what SNI chose decides, and nothing goes around it ---


@pytest.fixture(scope="module")
def doors(cast, nginx, tmp_path_factory):
    p, port = cast, free_port()
    listeners = [gw.https_listener("wide", port, "wide.example.com"),
                 gw.https_listener("narrow", port, "narrow.example.com")]
    text = (gw.secret_tls("server", p.server) + gw.ca_config_map("clients-ca", p.ca) + gw.backend(nginx.port)
            + gw.gateway(listeners, default=gw.validation()) + gw.route()
            + policy("all", [target()], [pin(spki=p.pinned.spki_hash), pin(spki=p.unpinned.spki_hash)])
            + policy("narrow", [target(section="narrow")], [pin(spki=p.pinned.spki_hash)]))
    gateway = gw.Gateway(tmp_path_factory.mktemp("doors"), {"edge.yaml": text})
    yield gateway, port
    gateway.stop()


@pytest.mark.parametrize("tls,http", PROTOCOLS)
def test_a_listener_policy_holds_on_its_listener_alone(doors, cast, tls, http):
    gateway, port = doors
    for who, host, expected in (("pinned", "wide", 200), ("pinned", "narrow", 200), ("unpinned", "wide", 200),
                                ("unpinned", "narrow", 0)):
        reply = curl(port, cast.server_ca, getattr(cast, who), host=f"{host}.example.com", tls=tls, http=http)
        assert reply.status == expected, (who, host, reply)


@pytest.mark.parametrize("tls,http", PROTOCOLS)
def test_no_name_goes_around_a_listener_policy(doors, cast, tls, http):
    """In by the wide listener, then asking for the narrow one: 421, and nothing reaches the backend."""
    gateway, port = doors
    reply = curl(port, cast.server_ca, cast.unpinned, host="narrow.example.com", sni="wide.example.com", tls=tls,
                 http=http)
    assert reply.status == 421, reply
    for sni in ("NARROW.example.com", "narrow.example.com."):
        assert handshake(port, cast.server_ca, cast.unpinned, sni=sni, tls=tls) != IN, sni


# --- windows: at the handshake, and when the moment comes, for open connections ---


def is_open(connection):
    """Asks once; False when the gateway has let go or says that it will."""
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
        data = connection.recv(65536)
        return data.startswith(b"HTTP/1.1 200") and b"connection: close" not in data.lower()
    except OSError:
        return False


def edge_text(p, nginx, port, *policies):
    return (gw.secret_tls("server", p.server) + gw.ca_config_map("clients-ca", p.ca) + gw.backend(nginx.port)
            + gw.gateway([gw.https_listener("https", port)], default=gw.validation()) + gw.route()
            + "".join(policies))


def soon(seconds):
    return datetime.datetime.utcnow().replace(microsecond=0) + datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize("tls", ("1.2", "1.3"))
@pytest.mark.parametrize("kind", ("pin", "deny"))
def test_a_window_ends_open_connections_when_its_moment_comes(cast, nginx, start, kind, tls):
    """Its own connections and no other; and who comes later is judged by the window, too."""
    port, moment = free_port(), soon(4)
    pins = [pin(spki=cast.pinned.spki_hash, not_after=moment if kind == "pin" else None),
            pin(spki=cast.unpinned.spki_hash)]
    deny = [pin(spki=cast.pinned.spki_hash, not_before=moment)] if kind == "deny" else []
    start({"edge.yaml": edge_text(cast, nginx, port, policy("partners", [target()], pins, deny=deny,
                                                           onRemoval={"action": "Drain", "grace": "1s"}))})
    with connect(port, cast.server_ca, cast.pinned, tls=tls) as ends, \
            connect(port, cast.server_ca, cast.unpinned, tls=tls) as stays:
        assert is_open(ends) and is_open(stays)
        assert datetime.datetime.utcnow() < moment, "the machine is too slow for this window"
        eventually(lambda: not is_open(ends), "the connection ended with its window", 30)
        assert datetime.datetime.utcnow() >= moment, "it ended before its window did"
        assert is_open(stays)
        assert handshake(port, cast.server_ca, cast.pinned, tls=tls) == NOT_PINNED
        assert handshake(port, cast.server_ca, cast.unpinned, tls=tls) == IN


def test_a_pin_that_is_not_open_yet_opens(cast, nginx, start):
    port, moment = free_port(), soon(4)
    gateway = start({"edge.yaml": edge_text(cast, nginx, port, policy(
        "partners", [target()], [pin(spki=cast.pinned.spki_hash, not_before=moment)]))})
    assert handshake(port, cast.server_ca, cast.pinned) == NOT_PINNED
    assert gateway.last_refusal("pin_out_of_window")
    eventually(lambda: handshake(port, cast.server_ca, cast.pinned) == IN, "the pin opened", 30)
    assert datetime.datetime.utcnow() >= moment


# --- what becomes of open connections ---


@pytest.mark.tsan
@pytest.mark.parametrize("action", ("Keep", "Drain", "Close"))
def test_removal_follows_the_policy(cast, nginx, start, action):
    port = free_port()
    removal = {"action": action, "grace": "2s"} if action == "Drain" else {"action": action}

    def text(*names):
        pins = [pin(spki=getattr(cast, name).spki_hash) for name in names]
        return edge_text(cast, nginx, port, policy("partners", [target()], pins, onRemoval=removal))

    gateway = start({"edge.yaml": text("pinned", "unpinned")})
    with connect(port, cast.server_ca, cast.unpinned) as removed, connect(port, cast.server_ca, cast.pinned) as stays:
        assert is_open(removed) and is_open(stays)
        gateway.swap("edge.yaml", text("pinned"))
        assert handshake(port, cast.server_ca, cast.unpinned) == NOT_PINNED
        if action == "Keep":
            assert is_open(removed) and is_open(removed)
        else:
            eventually(lambda: not is_open(removed), "the removed client's connection ended", 20)
        assert is_open(stays)


def test_listeners_that_change_places_keep_no_connection_from_its_policy(cast, nginx, start):
    """Named first or second, a listener is the one of its name: who is on it is judged by what it has now."""
    port = free_port()

    def text(*names, section):
        listeners = [gw.https_listener(name, port, f"{name}.example.com") for name in names]
        return (gw.secret_tls("server", cast.server) + gw.ca_config_map("clients-ca", cast.ca) + gw.backend(nginx.port)
                + gw.gateway(listeners, default=gw.validation()) + gw.route()
                + policy("partners", [target(section=section)], [pin(spki=cast.pinned.spki_hash)],
                         onRemoval={"action": "Close"}))

    def is_served(connection, name):
        try:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}.example.com\r\n\r\n".encode())
            return connection.recv(65536).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    gateway = start({"edge.yaml": text("one", "two", section="one")})
    with connect(port, cast.server_ca, cast.unpinned, sni="two.example.com") as loses, \
            connect(port, cast.server_ca, cast.pinned, sni="two.example.com") as stays:
        assert is_served(loses, "two") and is_served(stays, "two")
        gateway.swap("edge.yaml", text("two", "one", section="two"))
        assert handshake(port, cast.server_ca, cast.unpinned, sni="two.example.com") == NOT_PINNED
        assert not is_served(loses, "two")
        assert is_served(stays, "two")


def test_who_is_kept_does_not_outlive_its_ca(cast, nginx, start):
    """Keep is said of pins: with the last pin of a listener gone, a CA that goes still ends its clients."""
    port = free_port()

    def edge(ca, *pins):
        return (gw.secret_tls("server", cast.server) + gw.ca_config_map("clients-ca", ca) + gw.backend(nginx.port)
                + gw.gateway([gw.https_listener("https", port)], default=gw.validation()) + gw.route()
                + policy("partners", [target(section="https")], pins, onRemoval={"action": "Keep"}))

    gateway = start({"edge.yaml": edge(cast.ca, pin(spki=cast.pinned.spki_hash))})
    with connect(port, cast.server_ca, cast.pinned) as kept:
        assert is_open(kept)
        gateway.swap("edge.yaml", edge(cast.ca))
        assert handshake(port, cast.server_ca, cast.pinned) == CLOSED
        assert is_open(kept)
        gateway.swap("edge.yaml", edge(cast.server_ca))
        assert not is_open(kept)


def test_a_port_that_asks_nobody_any_more_vouches_for_nobody(cast, recorder, start):
    """Who came in before stays, but no backend is told who it is: nobody looks after that any more."""
    port = free_port()

    def text(**validation):
        return (gw.secret_tls("server", cast.server) + gw.ca_config_map("clients-ca", cast.ca)
                + gw.backend(recorder.port) + gw.gateway([gw.https_listener("https", port)], **validation) + gw.route())

    gateway = start({"edge.yaml": text(default=gw.validation())})
    with connect(port, cast.server_ca, cast.pinned) as connection:
        assert is_open(connection)
        assert b"pingate-client-verify: SUCCESS" in recorder.bytes()
        gateway.swap("edge.yaml", text())
        before = len(recorder.bytes())
        assert is_open(connection)
        told = recorder.bytes()[before:].lower()
        assert told and b"pingate-" not in told and b"client-cert" not in told, told


# --- what a bad edit does ---


def test_a_malformed_deny_entry_keeps_the_last_good_generation(cast, nginx, start):
    port = free_port()
    good = edge_text(cast, nginx, port, policy("partners", [target()], [pin(spki=cast.pinned.spki_hash)]))
    gateway = start({"edge.yaml": good})
    gateway.write("edge.yaml", edge_text(cast, nginx, port, policy(
        "partners", [target()], [pin(spki=cast.pinned.spki_hash), pin(spki=cast.unpinned.spki_hash)],
        deny=[pin(spki="AAAA")])))
    record = eventually(lambda: gateway.audit("source_error"), "the fault is told")[-1]
    assert "deny[0].spkiHash" in str(record)
    assert handshake(port, cast.server_ca, cast.pinned) == IN
    assert handshake(port, cast.server_ca, cast.unpinned) == NOT_PINNED


def test_deleting_the_policy_shuts_a_door_that_requires_pins(cast, nginx, start):
    port = free_port()

    def text(*policies):
        return edge_text(cast, nginx, port, *policies).replace(
            "annotations: {}", 'annotations: {pingate.dev/require-pinning: "true"}')

    gateway = start({"edge.yaml": text(policy("partners", [target()], [pin(spki=cast.pinned.spki_hash)]))})
    assert handshake(port, cast.server_ca, cast.pinned) == IN
    gateway.swap("edge.yaml", text())
    assert handshake(port, cast.server_ca, cast.pinned) == CLOSED
    gateway.swap("edge.yaml", text(policy("partners", [target(section="renamed")],
                                          [pin(spki=cast.pinned.spki_hash)])))
    assert handshake(port, cast.server_ca, cast.pinned) == CLOSED
