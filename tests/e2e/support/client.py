"""Real clients: curl for whole requests, Python's ssl for what curl can't say."""
import os
import re
import socket
import ssl
import subprocess
import warnings

OPENSSL_ANY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "openssl-any.cnf")
TLS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
ALERTS = {
    "CERTIFICATE_REQUIRED": 116, "HANDSHAKE_FAILURE": 40, "UNKNOWN_CA": 48, "CERTIFICATE_EXPIRED": 45,
    "CERTIFICATE_REVOKED": 44, "CERTIFICATE_UNKNOWN": 46, "UNSUPPORTED_CERTIFICATE": 43, "ACCESS_DENIED": 49,
    "BAD_CERTIFICATE": 42, "UNRECOGNIZED_NAME": 112, "NO_APPLICATION_PROTOCOL": 120, "INTERNAL_ERROR": 80,
    "DECRYPT_ERROR": 51,
}


class Reply:
    def __init__(self, status, headers, body, error):
        self.status, self.headers, self.body, self.error = status, headers, body, error

    def __repr__(self):
        return f"Reply({self.status}, {self.error!r}, {self.body[:80]!r})"


def curl(port, server_ca, identity=None, *, path="/", host="app.example.com", tls="1.3", http="1.1", options=(),
         scheme="https", sni=None):
    sni = sni or host
    command = ["curl", "-sS", "-i", "--max-time", "20", f"--http{http}" if http != "2" else "--http2",
               "--resolve", f"{sni}:{port}:127.0.0.1", "--path-as-is"]
    if scheme == "https":
        # Debian's clients refuse to present what is weak: it is the server that must refuse it.
        command += ["--cacert", str(server_ca.cert_file), "--tlsv" + tls, "--tls-max", tls]
    if identity is not None:
        command += ["--cert", str(identity.cert_file), "--key", str(identity.key_file)]
    if sni != host:
        command += ["-H", f"Host: {host}"]
    result = subprocess.run(command + list(options) + [f"{scheme}://{sni}:{port}{path}"],
                            capture_output=True, timeout=60, env=dict(os.environ, OPENSSL_CONF=OPENSSL_ANY))
    text = result.stdout
    status, headers, body = 0, {}, b""
    while text.startswith(b"HTTP/"):
        head, _, text = text.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        body = text
        if status >= 200:
            break
    return Reply(status, headers, body.decode("latin-1"), result.stderr.decode("latin-1"))


def tls_context(server_ca, identity=None, tls=None, alpn=("http/1.1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.load_verify_locations(cadata=server_ca.cert_pem)
    if tls:
        context.minimum_version = context.maximum_version = TLS[tls]
    if identity is not None:
        context.load_cert_chain(identity.cert_file, identity.key_file)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def connect(port, server_ca, identity=None, *, sni="app.example.com", tls=None, alpn=("http/1.1",), timeout=20):
    raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    context = tls_context(server_ca, identity, tls, alpn)
    if sni is None:
        context.check_hostname = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return context.wrap_socket(raw, server_hostname=sni)


def alert_of(error):
    match = re.search(r"ALERT_([A-Z_]*[A-Z])", str(error).upper().replace(" ", "_"))
    return ALERTS.get(match.group(1), match.group(1)) if match else str(error)


def handshake(port, server_ca, identity=None, **options):
    """0 when let in, else the alert's number. TLS 1.3 clients learn it with their first read."""
    try:
        with connect(port, server_ca, identity, **options) as connection:
            connection.sendall(b"GET /handshake HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
            data = connection.recv(65536)
            return 0 if data.startswith(b"HTTP/1.1 ") else "closed"
    except ssl.SSLError as e:
        return alert_of(e)
    except ConnectionError as e:
        return repr(e)


def read_all(connection, deadline_s=20):
    connection.settimeout(deadline_s)
    data = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece
    except (ssl.SSLError, ConnectionError):
        return data
