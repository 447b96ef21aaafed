"""The row about gRPC: unary calls over HTTP/2 on both sides, beside nginx and HAProxy that do the same."""
import shutil
import sys

from run import load, print_table
from servers import CLIENT_CPU, Haproxy, NginxProxy, Pingate, Server, _start, wait_for
from support import gateway as gw
from support.net import free_port

PATH = "/bench.Echo/Unary"


class GrpcBackend(Server):
    """An nginx that answers each call with one empty message, and its status in the trailers."""

    def __init__(self, folder):
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "message").write_bytes(b"\0" * 5)
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log /dev/null;\n"
            "events { worker_connections 16384; }\n"
            f"http {{ access_log off; keepalive_requests 100000000; http2_max_requests 100000000; client_body_temp_path {folder}/b;\n"
            f"open_file_cache max=10; server {{ listen 127.0.0.1:{self.port} http2 backlog=4096;\n"
            f"location / {{ root {folder}; default_type application/grpc; error_page 405 =200 /message; try_files /message =404;\n"
            "add_trailer grpc-status 0 always; } } }\n")
        self.process = _start([shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-e", "/dev/null", "-c",
                               str(folder / "nginx.conf"), "-p", str(folder)], cpu=CLIENT_CPU)
        wait_for(self.port, self.process)


def pingate(folder, people, port):
    service = gw.backend(port, "calls").replace("targetPort:", "appProtocol: kubernetes.io/h2c, targetPort:")
    route = ("---\napiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: calls, namespace: edge}\nspec:\n"
             "  parentRefs: [{name: edge}]\n  hostnames: [app.example.com]\n  rules:\n  - backendRefs: [{name: calls, port: 80}]\n")
    return Pingate(folder / "grpc-pingate", people, port, rules="- backendRefs: [{name: app, port: 80}]",
                   extra=service + route, hostnames=["other.example.com"])


def unary(folder, people, repeats, size):
    backend = GrpcBackend(folder / "grpc-backend")
    servers = []
    rows = [("gRPC unary call, 100 streams", lambda s, p, n: load(s, p, "grpc", count=20000 * n, concurrency=4, streams=100,
                                                                  path=PATH, may_fail=0 if s.name == "pingate" else 20)[0])]
    try:
        servers = [pingate(folder, people, backend.port),
                   NginxProxy(folder / "grpc-nginx", people, backend.port, grpc=True),
                   Haproxy(folder / "grpc-haproxy", people, backend.port, grpc=True)]
        table = {(rows[0][0], s.name): [] for s in servers}
        for _ in range(repeats):
            for server in servers:
                try:
                    table[rows[0][0], server.name].append(rows[0][1](server, people, size))
                except RuntimeError as e:
                    print(f"# {server.name}: {e}", file=sys.stderr)
        print_table(table, servers, rows)
    finally:
        for server in [*servers, backend]:
            server.stop()
