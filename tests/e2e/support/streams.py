"""Backends of bytes: TCP and TLS servers that speak first and echo, and the objects that lead to them."""
import json
import socket
import ssl
import threading

from . import gateway as gw


class ByteServer:
    """Says `greeting` to who connects, then echoes. Keeps what each connection sent, in order of their coming.
    With `identity` it speaks TLS; `reads_first` bytes come in the clear before all that (a PROXY header)."""

    def __init__(self, greeting=b"hello\n", identity=None, on_connection=None):
        self.greeting, self.on_connection = greeting, on_connection
        self.connections, self.names = [], []
        self._context = None
        if identity is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(identity.cert_file, identity.key_file)
            self._context.sni_callback = lambda sock, name, ctx: self.names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def received(self):
        return [bytes(data) for data in self.connections]

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            data = bytearray()
            self.connections.append(data)
            threading.Thread(target=self._serve, args=(connection, data), daemon=True).start()

    def _serve(self, connection, data):
        try:
            connection.settimeout(30)
            if self.on_connection:
                self.on_connection(connection, data)
                return
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            connection.sendall(self.greeting)
            while piece := connection.recv(65536):
                data += piece
                connection.sendall(piece)
        except OSError:
            pass
        finally:
            connection.close()


def tls_listener(name, port, hostname=None, mode="Terminate", secret="server"):
    host = f'\n  hostname: "{hostname}"' if hostname else ""
    refs = f", certificateRefs: [{{name: {secret}}}]" if mode == "Terminate" else ""
    return f"- name: {name}\n  port: {port}\n  protocol: TLS{host}\n  tls: {{mode: {mode}{refs}}}"


def tcp_listener(name, port):
    return f"- name: {name}\n  port: {port}\n  protocol: TCP"


def stream_route(kind, name, refs, section=None, hostnames=(), annotations=None):
    """refs: Service names, or (name, weight)."""
    parent = {"name": "edge", **({"sectionName": section} if section else {})}
    backends = [{"name": r, "port": 80} if isinstance(r, str) else {"name": r[0], "port": 80, "weight": r[1]}
                for r in refs]
    spec = {"parentRefs": [parent], "rules": [{"backendRefs": backends}]}
    if kind == "TLSRoute":  # upstream demands some
        spec["hostnames"] = list(hostnames or ["*.example.com"])
    version = "v1" if kind == "TLSRoute" else "v1alpha2"
    meta = {"name": name, "namespace": "edge", "annotations": annotations or {}}
    return f"---\napiVersion: gateway.networking.k8s.io/{version}\nkind: {kind}\n" \
           f"metadata: {json.dumps(meta)}\nspec: {json.dumps(spec)}\n"


def edge(people, listeners, *parts, default="", annotations=""):
    """A Gateway, its certificate and its clients' CA, and whatever else."""
    return (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
            + gw.gateway(listeners, default=default, annotations=annotations) + "".join(parts))


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, f"ended behind {data!r}"
        data += piece
    return data


def ended(connection):
    """How a connection ends that should say nothing more: b'' or a reset; else what was said."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""
