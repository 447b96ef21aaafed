"""BackendTLSPolicy: no byte of a request reaches a backend that did not prove who it is, and nothing goes there in
the clear. A client always gets an answer, 502, and the access log says why."""
import datetime
import hashlib
import json
import re
import socket
import ssl
import subprocess
import threading
import types

import pytest
from support import gateway as gw
from support import pki
from support.client import curl
from support.net import Recorder, eventually, free_port
from support.nginx_tls import NginxTls

HOST = "app.internal"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The backends' CA, what they may present, and one backend that shows what it saw."""
    folder = tmp_path_factory.mktemp("backend-pki")
    w = types.SimpleNamespace(folder=folder)
    w.ca = pki.make_ca(folder, "backend-root")
    w.new_ca = pki.make_ca(folder, "backend-root-2")
    w.good = w.ca.issue("good", dns=[HOST], uris=["spiffe://example.com/app"], eku=pki.SERVER_AUTH)
    w.client_ca = pki.make_ca(folder, "gateways-root")
    w.client = w.client_ca.issue("edge-gateway")
    return w


@pytest.fixture
def backend(world, tmp_path):
    running = []

    def run(identity=None, **options):
        server = NginxTls(tmp_path / f"nginx{len(running)}", identity or world.good, **options)
        running.append(server)
        return server

    yield run
    for server in running:
        server.stop()


class Site:
    """One HTTP and one HTTPS listener, one Service, one BackendTLSPolicy."""

    def __init__(self, start, people, world, backend_port, **changes):
        self.people, self.world, self.backend_port = people, world, backend_port
        self.http, self.https = free_port(), free_port()
        self.hostname, self.alt_names, self.options, self.cas = HOST, (), None, [world.ca]
        self.client_certificate, self.extra, self.created, self.crl = None, "", None, None
        self.client, self.backend = world.client, gw.backend
        self.gateway = start({"edge.yaml": self.text(**changes)})

    def text(self, **changes):
        for key, value in changes.items():
            setattr(self, key, value)
        listeners = [gw.http_listener("http", self.http), gw.https_listener("https", self.https)]
        return (gw.secret_tls("server", self.people.server) + gw.secret_tls("edge-client", self.client)
                + gw.ca_config_map("backend-ca", *self.cas, crl=self.crl)
                + gw.gateway(listeners, client_certificate=self.client_certificate)
                + self.backend(self.backend_port) + gw.route()
                + gw.backend_tls(self.hostname, alt_names=self.alt_names, options=self.options, created=self.created)
                + self.extra)

    def change(self, **changes):
        self.gateway.swap("edge.yaml", self.text(**changes))

    def get(self, path="/", options=()):
        return curl(self.http, None, path=path, scheme="http", options=options)

    def fault(self, path):
        def find():
            found = [r for r in self.gateway.access() if r.get("url.path") == path]
            return found[-1] if found else None
        record = eventually(find, f"an access record of {path}")
        return record.get("error.type")


@pytest.fixture
def site(start, people, world):
    return lambda backend_port, **changes: Site(start, people, world, backend_port, **changes)


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_requests_of_http_and_https_listeners_reach_the_backend_by_tls_with_its_server_name(site, backend, protocol):
    nginx = backend(protocols=protocol)
    s = site(nginx.port)
    assert s.get("/by-http").body == f"sni={HOST} verify=NONE\n"
    by_https = curl(s.https, s.people.server_ca, path="/by-https")
    assert (by_https.status, by_https.body) == (200, f"sni={HOST} verify=NONE\n")
    assert {(h["sni"], h["tls"], h["alpn"]) for h in nginx.await_hits("/by-", 2)} == {
        (HOST, protocol, "http/1.1")}


@pytest.mark.parametrize("key_type", ["ec", "rsa"])
def test_bodies_pass_whole_both_ways(site, backend, world, key_type):
    identity = world.ca.issue("big", dns=[HOST], eku=pki.SERVER_AUTH, key_type=key_type)
    s = site(backend(identity).port)
    reply = s.get("/big")
    assert reply.status == 200 and reply.body == "0123456789abcdef" * 65536 * 4
    upload = s.get("/upload", options=["--data-binary", "@" + str(_big_file(world))])
    assert upload.status == 200


def _big_file(world):
    file = world.folder / "upload"
    file.write_bytes(b"x" * 3_000_000)
    return file


REFUSED = {
    "another_name": ("backend_hostname_mismatch", lambda w: w.ca.issue("other", dns=["other.internal"],
                                                                        eku=pki.SERVER_AUTH)),
    "no_alt_name_but_the_cn": ("backend_hostname_mismatch", lambda w: w.ca.issue(HOST, eku=pki.SERVER_AUTH)),
    "wildcard_over_two_labels": ("backend_hostname_mismatch", lambda w: w.ca.issue("wild", dns=["*.internal.example"],
                                                                                    eku=pki.SERVER_AUTH)),
    "another_ca": ("backend_untrusted", lambda w: w.new_ca.issue("stranger", dns=[HOST], eku=pki.SERVER_AUTH)),
    "self_signed": ("backend_wrong_use", lambda w: pki.self_signed(w.folder, HOST)),
    "expired": ("backend_expired", lambda w: w.ca.issue(
        "expired", dns=[HOST], eku=pki.SERVER_AUTH,
        not_before=datetime.datetime.utcnow() - datetime.timedelta(days=9),
        not_after=datetime.datetime.utcnow() - datetime.timedelta(days=1))),
    "for_clients_only": ("backend_wrong_use", lambda w: w.ca.issue("client", dns=[HOST])),
    "no_use_at_all": ("backend_wrong_use", lambda w: w.ca.issue("useless", dns=[HOST], eku=())),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_backend_that_is_not_who_it_must_be_gets_no_byte_of_a_request(site, backend, world, case):
    fault, make = REFUSED[case]
    nginx = backend(make(world))
    s = site(nginx.port)
    reply = s.get("/refused")
    assert reply.status == 502 and not reply.error, reply
    assert s.fault("/refused") == fault
    assert [h for h in nginx.hits() if h["uri"] == "/refused"] == []
    reason = fault.removeprefix("backend_")
    assert f'pingate_backend_handshakes_refused_total{{reason="{reason}"}} 1' in s.gateway.admin("/metrics")[1]


def test_a_backend_without_tls_gets_502_and_nothing_in_the_clear(site, nginx):
    recorder = Recorder(nginx.port)
    s = site(recorder.port)
    reply = s.get("/secret-path")
    assert reply.status == 502 and not reply.error
    assert s.fault("/secret-path") == "backend_handshake_failed"
    assert b"secret-path" not in recorder.bytes()
    recorder.close()


def test_a_backend_that_never_answers_the_handshake_gets_504(start, people, world):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        s = Site(lambda files: start(files, "--limit", "connect-ms=300"), people, world, deaf.getsockname()[1])
        reply = s.get("/deaf")
        assert reply.status == 504 and not reply.error


@pytest.mark.parametrize("names, serves", [
    ([("Hostname", "other.internal"), ("URI", "spiffe://example.com/app")], True),
    ([("Hostname", HOST)], True),
    ([("URI", "spiffe://example.com/other")], False),
    ([("URI", "spiffe://example.com/app/")], False),
    ([("Hostname", "other.internal")], False),
    ([("Hostname", "*.internal")], False),
])
def test_alt_names_stand_in_for_the_hostname_which_stays_the_server_name(site, backend, names, serves):
    nginx = backend()
    s = site(nginx.port, hostname="chosen.internal", alt_names=names)
    reply = s.get("/names")
    if serves:
        assert reply.body == "sni=chosen.internal verify=NONE\n"
    else:
        assert reply.status == 502 and s.fault("/names") == "backend_hostname_mismatch"


def test_the_gateway_shows_its_client_certificate(site, backend, world):
    nginx = backend(client_ca=world.client_ca)
    s = site(nginx.port)
    assert s.get("/without").body == f"sni={HOST} verify=NONE\n"
    s.change(client_certificate="edge-client")
    assert s.get("/with").body == f"sni={HOST} verify=SUCCESS\n"
    s.change(client_certificate="nowhere")
    assert s.get("/missing").status == 502
    assert s.fault("/missing") == "backend_tls_unusable"


def test_two_gateways_show_each_its_own_certificate(start, people, world, backend):
    nginx = backend(client_ca=world.client_ca)
    a, b = free_port(), free_port()
    start({"edge.yaml": gw.secret_tls("edge-client", world.client) + gw.ca_config_map("backend-ca", world.ca)
           + gw.gateway([gw.http_listener("http", a)], name="a", client_certificate="edge-client")
           + gw.gateway([gw.http_listener("http", b)], name="b")
           + gw.backend(nginx.port) + gw.route(name="a", parent="a") + gw.route(name="b", parent="b")
           + gw.backend_tls(HOST)})
    for _ in range(3):  # connections that are kept serve only whom they were made for
        assert curl(a, None, scheme="http").body == f"sni={HOST} verify=SUCCESS\n"
        assert curl(b, None, scheme="http").body == f"sni={HOST} verify=NONE\n"


@pytest.mark.tsan
def test_a_changed_ca_holds_for_the_next_request_though_connections_were_kept(site, backend, world):
    nginx = backend()
    s = site(nginx.port)
    for i in range(4):
        assert s.get(f"/before{i}").status == 200
    s.change(cas=[world.new_ca])
    assert s.get("/old-ca").status == 502
    assert s.fault("/old-ca") == "backend_untrusted"
    nginx.change(world.new_ca.issue("renewed", dns=[HOST], eku=pki.SERVER_AUTH))
    eventually(lambda: s.get("/new-ca").status == 200, "the new CA's certificate is accepted")
    s.change(cas=[world.ca, world.new_ca])
    assert s.get("/both").status == 200


def test_a_ca_config_map_that_is_emptied_and_filled_again(site, backend, world):
    s = site(backend().port)
    assert s.get("/filled").status == 200
    s.gateway.swap("edge.yaml", s.text().replace("ca.crt:", "nothing:"))
    assert s.get("/emptied").status == 502
    assert s.fault("/emptied") == "backend_tls_unusable"
    s.change()
    assert s.get("/refilled").status == 200


def test_pins_are_asked_for_beside_the_ca(site, backend, world):
    nginx = backend()
    other = world.ca.issue("other", dns=[HOST], eku=pki.SERVER_AUTH)
    s = site(nginx.port, options={"pingate.dev/spki-hashes": f"{other.spki_hash}, {world.good.spki_hash}"})
    assert s.get("/by-key").status == 200
    s.change(options={"pingate.dev/certificate-hashes": world.good.certificate_hash})
    assert s.get("/by-certificate").status == 200
    s.change(options={"pingate.dev/spki-hashes": other.spki_hash})
    assert s.get("/another-key").status == 502
    assert s.fault("/another-key") == "backend_not_pinned"
    s.change(options={"pingate.dev/spki-hashes": world.good.certificate_hash})
    assert s.get("/wrong-list").status == 502
    assert s.fault("/wrong-list") == "backend_pin_in_wrong_list"
    s.change(options={"pingate.dev/spki-hashes": world.good.spki_hash}, cas=[world.new_ca])
    assert s.get("/pinned-untrusted").status == 502
    assert s.fault("/pinned-untrusted") == "backend_untrusted"
    s.change(options={"pingate.dev/spki-hashes": world.good.spki_hash + " and"}, cas=[world.ca])
    assert s.get("/bad-pin").status == 502
    assert s.fault("/bad-pin") == "backend_tls_unusable"


def test_of_two_policies_the_older_one_holds(site, backend):
    other = gw.backend_tls("other.internal", name="zz-other", created="2020-01-01T00:00:00Z")
    s = site(backend().port, extra=other, created="2019-01-01T00:00:00Z")
    assert s.get("/older").status == 200
    s.change(created="2021-01-01T00:00:00Z")
    assert s.get("/younger").status == 502
    assert s.fault("/younger") == "backend_hostname_mismatch"


def test_connections_are_kept_and_none_is_resumed(site, backend):
    nginx = backend()
    s = site(nginx.port)
    reply = s.get("/kept", options=[f"http://app.example.com:{s.http}/kept"] * 5)
    assert reply.status == 200
    hits = nginx.await_hits("/kept", 6)
    assert len(hits) == 6 and {h["reused"] for h in hits} == {"."}
    assert max(int(h["requests"]) for h in hits) == 6


class CutOff:
    """Answers without a length, and ends by closing: with TLS's farewell, or without."""

    def __init__(self, identity, farewell):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.cert_file, identity.key_file)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(context, farewell), daemon=True).start()

    def _serve(self, context, farewell):
        connection = context.wrap_socket(self.listener.accept()[0], server_side=True)
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npay 100")
        if farewell:
            connection.unwrap()
        connection.close()
        self.listener.close()


@pytest.mark.parametrize("farewell", [True, False])
def test_a_body_without_a_length_ends_only_with_a_farewell(site, world, farewell):
    reply = site(CutOff(world.good, farewell).port).get("/cut")
    assert reply.status == 200 and reply.body == "pay 100"
    assert ("18" in reply.error) == (not farewell)  # curl: transfer closed with outstanding read data


def test_a_chain_with_an_intermediate_and_a_crl_of_each_ca(site, backend, world):
    issuing = world.ca.intermediate("backend-issuing")
    identity = issuing.issue("by-intermediate", dns=[HOST], eku=pki.SERVER_AUTH)
    revoked = issuing.issue("revoked", dns=[HOST], eku=pki.SERVER_AUTH)
    nginx = backend(identity)
    s = site(nginx.port)
    assert s.get("/chain").status == 200
    s.change(crl=world.ca.crl() + issuing.crl([revoked]))
    assert s.get("/not-revoked").status == 200
    nginx.change(revoked)
    eventually(lambda: s.get("/revoked").status == 502, "the revoked certificate is refused")
    eventually(lambda: s.fault("/revoked") == "backend_revoked", "the log says so, behind those that were let through")


@pytest.mark.tsan
def test_a_client_certificate_is_changed_live(site, backend, world):
    nginx = backend(client_ca=world.client_ca)
    s = site(nginx.port, client_certificate="edge-client")
    assert s.get("/first").status == 200
    s.change(client=world.client_ca.issue("edge-gateway-2"))
    assert s.get("/second").status == 200
    shown = {h["uri"]: h["client"] for path in ("/first", "/second") for h in nginx.await_hits(path, 1)}
    assert shown["/first"] and shown["/second"] and shown["/first"] != shown["/second"]


def test_http2_by_tls_is_held_to_the_same(site, backend, world):
    nginx = backend(h2=True, client_ca=world.client_ca)
    h2 = {"backend": lambda port: gw.backend(port).replace("port: 80,", "port: 80, appProtocol: kubernetes.io/h2c,")}
    s = site(nginx.port, client_certificate="edge-client", **h2)
    for i in range(3):
        assert s.get(f"/h2-{i}").body == f"sni={HOST} verify=SUCCESS\n"
    hits = nginx.await_hits("/h2-", 3)
    assert {h["alpn"] for h in hits} == {"h2"} and len({h["connection"] for h in hits}) <= 2  # one a worker
    s.change(cas=[world.new_ca])
    assert s.get("/old-ca").status == 502
    assert s.fault("/old-ca") == "backend_untrusted"
    s.change(cas=[world.ca], options={"pingate.dev/spki-hashes": world.client.spki_hash})
    assert s.get("/not-pinned").status == 502
    assert s.fault("/not-pinned") == "backend_not_pinned"
    s.change(options=None)
    assert s.get("/again").status == 200


class Silent:
    """Does the handshake with the protocols of `alpn`, and keeps what comes behind it."""

    def __init__(self, identity, alpn):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.cert_file, identity.key_file)
        if alpn:
            self.context.set_alpn_protocols(alpn)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.came = self.listener.getsockname()[1], []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection = self.listener.accept()[0]
            try:
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    self.came.append(tls.recv(65536))
            except OSError as e:
                self.came.append(str(e))


def as_h2(port):
    return gw.backend(port).replace("port: 80,", "port: 80, appProtocol: kubernetes.io/h2c,")


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
def test_a_backend_that_chooses_no_http2_gets_no_byte(site, world, alpn):
    server = Silent(world.good, alpn)
    s = site(server.port, backend=as_h2)
    assert s.get("/no-h2").status == 502
    assert s.fault("/no-h2") == "backend_without_http2"
    eventually(lambda: server.came, "the connection is over")
    assert set(server.came) == {b""}


def test_a_backend_that_refuses_http2_is_told_from_one_that_fails(site, backend):
    nginx = backend()
    s = site(nginx.port, backend=as_h2)
    assert s.get("/no-h2").status == 502
    assert s.fault("/no-h2") == "backend_without_http2"  # it has sent the alert no_application_protocol
    s.change(backend=gw.backend)  # in HTTP/1.1, so that what came before it is in the log as well
    assert s.get("/http1").status == 200
    nginx.await_hits("/http1", 1)
    assert [h["uri"] for h in nginx.hits() if h["uri"]] == ["/http1"]


def test_a_certificate_that_expires_ends_kept_connections(site, backend, world):
    nginx = backend()
    s = site(nginx.port)
    soon = datetime.datetime.utcnow() + datetime.timedelta(seconds=8)
    nginx.change(world.ca.issue("short-lived", dns=[HOST], eku=pki.SERVER_AUTH, not_after=soon))
    assert s.get("/alive").status == 200
    eventually(lambda: s.get("/late").status == 502, "the expired certificate is refused")
    eventually(lambda: s.fault("/late") == "backend_expired", "the log says so, behind those that were let through")


class OneSegment:
    """Answers with many small records in one segment, and keeps the connection: poll() fires once for all."""

    def __init__(self, identity):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.cert_file, identity.key_file)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection = self.listener.accept()[0]
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(into, out, server_side=True)

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    connection.sendall(out.read())
                    into.write(connection.recv(65536))

        until(tls.do_handshake)
        until(lambda: tls.read(65536))
        tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
        for i in range(20):
            tls.write(b"%09d\n" % i)
        connection.sendall(out.read())
        connection.recv(1)  # until the gateway is gone
        self.listener.close()


class SlowReader:
    """Takes a request's head, lets its body wait until the gateway can send no more, and then tells its digest."""

    def __init__(self, identity):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.cert_file, identity.key_file)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.go_on = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection = self.context.wrap_socket(self.listener.accept()[0], server_side=True)
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(4096)
        head, _, data = data.partition(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
        self.go_on.wait(60)
        digest, got = hashlib.sha256(data), len(data)
        while got < size:
            piece = connection.recv(65536)
            digest.update(piece)
            got += len(piece)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + digest.hexdigest().encode())
        connection.recv(1)
        self.listener.close()


def test_a_body_for_a_backend_that_reads_late_arrives_whole(site, world):
    slow = SlowReader(world.good)
    s = site(slow.port)
    body = bytes(range(256)) * 4 * 65536  # 64 MiB: more than all socket buffers hold
    with socket.create_connection(("127.0.0.1", s.http)) as client:
        client.sendall(b"POST /late HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):  # every buffer on the way is full
            while sent < len(body):
                sent += client.send(body[sent:])
        assert sent < len(body)
        slow.go_on.set()
        client.settimeout(20)
        client.sendall(body[sent:])
        reply = b""
        while b"\r\n\r\n" not in reply or len(reply.partition(b"\r\n\r\n")[2]) < 64:
            reply += client.recv(65536)
    assert reply.endswith(hashlib.sha256(body).hexdigest().encode())


def test_a_service_outside_is_spoken_to_by_tls(start, world, backend):
    nginx = backend()
    port = free_port()
    start({"edge.yaml": gw.ca_config_map("backend-ca", world.ca) + gw.gateway([gw.http_listener("http", port)])
           + f"""---
apiVersion: v1
kind: Service
metadata: {{name: app, namespace: edge}}
spec: {{type: ExternalName, externalName: localhost, ports: [{{name: https, port: 80, targetPort: {nginx.port}}}]}}
""" + gw.route() + gw.backend_tls(HOST)})
    assert curl(port, None, scheme="http").body == f"sni={HOST} verify=NONE\n"


def test_records_that_came_together_are_all_read(site, world):
    reply = site(OneSegment(world.good).port).get("/segment", options=["--max-time", "5"])
    assert reply.status == 200 and reply.body == "".join("%09d\n" % i for i in range(20)), reply


def test_explain_says_how_a_backend_is_spoken_to(site, backend, world):
    s = site(backend().port, client_certificate="edge-client", alt_names=[("Hostname", "a.internal"), ("URI", "x://b")],
             options={"pingate.dev/spki-hashes": world.good.spki_hash})
    explain = [gw.BINARY, "explain", "-c", str(s.gateway.config), "--gateway", "edge/edge", "--port", str(s.http),
               "--request", "GET http://app.example.com/"]
    said = subprocess.run(explain, capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said
    assert f"spoken to: HTTP/1.1, by TLS with server name {HOST} (BackendTLSPolicy edge/app)" in said.stdout
    assert "it must bear a.internal or x://b, under 1 CA, and match one of 1 pin" in said.stdout
    assert "the gateway shows it Secret edge/edge-client" in said.stdout
    tls = json.loads(subprocess.run([*explain, "-o", "json"], capture_output=True, timeout=30).stdout)[
        "request"]["backends"][0]["tls"]
    assert tls == {"policy": "BackendTLSPolicy edge/app", "serverName": HOST, "names": ["a.internal", "x://b"], "cas": 1,
                   "pins": 1, "clientCertificate": "Secret edge/edge-client"}
    s.change(options={"pingate.dev/spki-hashes": "no"})
    said = subprocess.run(explain, capture_output=True, text=True, timeout=30)
    assert said.returncode == 1 and "answered 502 (backend_tls_unusable)" in said.stdout
    assert "it can be nobody: options.pingate.dev/spki-hashes: item 0:" in said.stdout
