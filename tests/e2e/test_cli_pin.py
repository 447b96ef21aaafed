"""`pingate pin`: both digests of whatever holds a key, and the rules that it would break."""
import base64
import json
import socket
import ssl
import subprocess
import threading

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from support import pki
from support.gateway import BINARY

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


def pin(*words, stdin=None):
    done = subprocess.run([BINARY, "pin", *map(str, words)], input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def pin_json(*words, stdin=None, code=0):
    got, out, err = pin(*words, "-o", "json", stdin=stdin)
    assert got == code, out + err
    return json.loads(out)


def reasons(report):
    return [fault["reason"] for fault in report["faults"]]


def is_pinned(report, identity):
    assert report["spkiHash"] == identity.spki_hash
    assert report["certificateHash"] == identity.certificate_hash
    return True


def test_a_certificate_has_both_digests_in_pem_and_der_from_file_and_standard_input(people, tmp_path):
    der = tmp_path / "leaf.der"
    der.write_bytes(people.pinned.der)
    for report in (pin_json(people.pinned.cert_file), pin_json(der), pin_json("-", stdin=people.pinned.der),
                   pin_json("-", stdin=people.pinned.cert_pem.encode())):
        assert is_pinned(report, people.pinned) and report["kind"] == "certificate" and report["faults"] == []


def test_text_has_the_lines_of_pins_txt_and_explain_takes_them(people):
    code, out, _ = pin(people.pinned.cert_file, "--name", "acme/robot-1")
    assert code == 0
    assert f"spki:{people.pinned.spki_hash} name=acme/robot-1" in out
    assert f"cert:{people.pinned.certificate_hash} name=acme/robot-1" in out
    spki = out.split("\nspki:")[1].split()[0]
    verdict = subprocess.run([BINARY, "explain", "--ca", people.ca.cert_file, "--cert", people.pinned.cert_file,
                              "--pin-spki", spki], capture_output=True, timeout=60)
    assert verdict.returncode == 0, verdict.stdout


def test_yaml_is_a_certificate_pinning_block_or_with_a_name_a_list_of_pins(people):
    code, out, _ = pin(people.pinned.cert_file, "-o", "yaml")
    assert code == 0 and yaml.safe_load(out) == {"certificatePinning": {"spkiHashes": [people.pinned.spki_hash]}}
    assert people.pinned.certificate_hash in out
    _, out, _ = pin(people.pinned.cert_file, "-o", "yaml", "--name", "acme")
    assert yaml.safe_load(out) == {"pins": [{"name": "acme", "spkiHash": people.pinned.spki_hash}]}


def test_a_public_key_and_a_request_have_the_spki_of_the_certificate_to_come(people):
    public = people.pinned.key.public_key()
    request = (x509.CertificateSigningRequestBuilder()
               .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "to come")]))
               .sign(people.pinned.key, hashes.SHA256()))
    spki_format = serialization.PublicFormat.SubjectPublicKeyInfo
    for encoding in (PEM, DER):
        key = pin_json("-", stdin=public.public_bytes(encoding, spki_format))
        csr = pin_json("-", stdin=request.public_bytes(encoding))
        assert key["kind"] == "public key" and csr["kind"] == "certificate request"
        assert key["spkiHash"] == csr["spkiHash"] == people.pinned.spki_hash
        assert "certificateHash" not in key and "certificateHash" not in csr
        assert csr["subject"] == "CN=to come"


def test_a_request_that_does_not_prove_its_key_is_no_input(people):
    request = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
               .sign(people.pinned.key, hashes.SHA256()).public_bytes(DER))
    code, _, err = pin("-", stdin=request[:-1] + bytes([request[-1] ^ 1]))
    assert code == 2 and "signature is wrong" in err


def test_pkcs12_without_a_password_is_read_and_with_one_it_says_how(people):
    def archive(encryption):
        return pkcs12.serialize_key_and_certificates(b"x", people.pinned.key, people.pinned.cert,
                                                     [people.ca.cert], encryption)
    report = pin_json("-", stdin=archive(serialization.NoEncryption()))
    assert is_pinned(report, people.pinned) and report["form"] == "PKCS#12" and report["others"] == 1
    code, _, err = pin("-", stdin=archive(serialization.BestAvailableEncryption(b"secret")))
    assert code == 2 and "openssl pkcs12 -nokeys" in err


@pytest.mark.parametrize("kind,field", [("Secret", "data"), ("Secret", "stringData"), ("ConfigMap", "data")])
def test_the_yaml_and_json_of_a_secret_or_configmap_is_unwrapped(people, kind, field):
    text = people.pinned.cert_pem
    if (kind, field) == ("Secret", "data"):
        text = base64.b64encode(text.encode()).decode()
    thing = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"},
             field: {"tls.crt": text, "tls.key": "never decoded %%%"}}
    other = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "before"}}
    assert is_pinned(pin_json("-", stdin=yaml.safe_dump_all([other, thing]).encode()), people.pinned)
    assert is_pinned(pin_json("-", stdin=json.dumps(thing).encode()), people.pinned)


def test_intermediates_and_keys_beside_the_certificate_are_not_pinned(people):
    bundle = people.by_intermediate.key_pem + people.by_intermediate.cert_pem + people.issuing.cert_pem
    report = pin_json("-", stdin=bundle.encode())
    assert is_pinned(report, people.by_intermediate) and report["others"] == 1


def test_broken_rules_are_named_with_exit_1_and_a_good_certificate_has_none(people, tmp_path):
    assert reasons(pin_json(people.expired.cert_file, code=1)) == ["expired"]
    assert reasons(pin_json(people.wrong_use.cert_file, code=1)) == ["wrong_use"]
    assert reasons(pin_json(people.weak.cert_file, code=1)) == ["weak_key"]
    assert "wrong_use" in reasons(pin_json(people.ca.cert_file, code=1))
    itself = pki.self_signed(tmp_path, "itself")
    assert "untrusted" in reasons(pin_json(itself.cert_file, code=1))


def test_what_pin_says_of_a_leaf_is_what_the_judge_says(people):
    for identity in (people.pinned, people.expired, people.wrong_use, people.weak, people.pinned_rsa):
        done = subprocess.run([BINARY, "explain", "--ca", people.ca.cert_file, "--cert", identity.cert_file,
                               "-o", "json"], capture_output=True, timeout=60)
        verdict = json.loads(done.stdout)["reason"]
        assert reasons(pin_json(identity.cert_file, code=done.returncode)) == [verdict] * (verdict != "accepted")


@pytest.mark.parametrize("who", ["wrong_use", "weak"])
def test_the_commands_that_it_prints_make_a_certificate_that_is_let_in(people, tmp_path, who):
    identity = getattr(people, who)
    for name, text in (("ca.crt", people.ca.cert_pem), ("ca.key", people.ca.key_pem),
                       ("client.key", identity.key_pem)):
        (tmp_path / name).write_text(text)
    for command in pin_json(identity.cert_file, code=1)["commands"]:
        subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    report = pin_json(tmp_path / "client.crt")
    assert (report["spkiHash"] == identity.spki_hash) == (who == "wrong_use")
    done = subprocess.run([BINARY, "explain", "--ca", people.ca.cert_file, "--cert", tmp_path / "client.crt"],
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("text,says", [
    (b"", "empty"),
    (b"hello", "wants"),
    (b"a: [1", "YAML"),
    (b"kind: Secret\ndata: {tls.crt: '%%%%'}\n", "tls.crt"),
    (b"kind: Service\n", "neither PEM, nor DER"),
    (b"0\x03\x02\x01\x01", "neither a certificate"),
    (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "PEM block 1"),
    (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "PEM"),
    (b"-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n", "openssl rsa"),
    (b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", "openssl pkcs7"),
    (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "openssl pkey"),
])
def test_what_can_not_be_read_says_so_in_one_line_with_exit_2(text, says):
    if text == b"hello":
        says = "Secret"
    code, out, err = pin("-", stdin=text)
    assert code == 2 and out == "" and err.startswith("pingate: -: ") and err.count("\n") == 1
    assert says in err, err


def test_wrong_words_are_told_with_exit_2(people):
    assert pin()[0] == 2
    assert pin(people.pinned.cert_file, "-o", "xml")[0] == 2
    assert pin(people.pinned.cert_file, "--name", "two words")[0] == 2
    code, _, err = pin("/nonexistent/leaf.pem")
    assert code == 2 and "/nonexistent/leaf.pem" in err
    assert pin("--help")[0] == 0


class Server:
    """Serves TLS handshakes until it is closed."""

    def __init__(self, identity, ca=None, versions=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.cert_file, identity.key_file)
        if ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(ca.cert_file)
        if versions:
            context.minimum_version = context.maximum_version = versions
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    def close(self):
        self.listener.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("demands", [False, True])
def test_a_server_is_asked_for_its_certificate_even_if_it_demands_one(people, version, demands):
    server = Server(people.server, people.ca if demands else None, version)
    try:
        report = pin_json(f"https://127.0.0.1:{server.port}", code=1)
    finally:
        server.close()
    assert is_pinned(report, people.server)
    assert report["unverified"] is True and reasons(report) == ["wrong_use"]


def test_a_server_that_is_not_there_or_does_not_speak_tls_is_told_with_exit_2():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, _, err = pin(f"https://127.0.0.1:{port}")
    assert code == 2 and "refused" in err
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def hang_up():
            connection, _ = listener.accept()
            connection.sendall(b"220 this is not TLS\r\n")
            connection.close()
        threading.Thread(target=hang_up, daemon=True).start()
        code, _, err = pin(f"https://127.0.0.1:{listener.getsockname()[1]}/")
    assert code == 2 and "showed no certificate" in err
    for url in ("https://", "https://h:", "https://h:0", "https://h:70000", "https://[::1", "https://h/path"):
        assert pin(url)[0] == 2, url
