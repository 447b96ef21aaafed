"""The servers that ./dev bench compares: each behind mutual TLS with one pinned client, in front of one nginx."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from support import gateway as gw  # noqa: E402
from support.net import free_port  # noqa: E402

SERVER_CPU, CLIENT_CPU = "0", "1" if (os.cpu_count() or 1) > 1 else "0"


def _start(command, cpu=SERVER_CPU, **options):
    return subprocess.Popen(["taskset", "-c", cpu, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def wait_for(port, process=None):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing listens on {port}")


def _tree(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    found = [pid]
    for child in children.read_text().split() if children.exists() else []:
        found += _tree(int(child))
    return found


class Server:
    name = "?"
    h2 = True

    def cpu_s(self):
        """User and system time of all of the server's processes; by thread the kernel tells it to the nanosecond."""
        spent = 0
        for pid in _tree(self.process.pid):
            for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
                spent += int((thread / "schedstat").read_text().split()[0])
        return spent / 1e9

    def main_thread_s(self):
        """CPU time of the process's first thread; pingate changes its configuration on it."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat").read_text().split()
        return int(fields[0]) / 1e9

    def rss_kb(self):
        total = 0
        for pid in _tree(self.process.pid):
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for pid in getattr(self, "extra_pids", []):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


class Backend(Server):
    name = "backend"

    def __init__(self, folder):
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log /dev/null;\n"
            "events { worker_connections 16384; }\n"
            f"http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/b;\n"
            f"server {{ listen 127.0.0.1:{self.port} backlog=4096; location / {{ return 200 'hello'; }} }} }}\n")
        self.process = _start([shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-e", "/dev/null", "-c",
                               str(folder / "nginx.conf"), "-p", str(folder)], cpu=CLIENT_CPU)
        wait_for(self.port, self.process)


class Pingate(Server):
    name = "pingate"

    def __init__(self, folder, people, backend_port, pins=(), set_refs=(), logs=True, binary=gw.BINARY,
                 options=(), rules=None, extra="", hostnames=()):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.admin_port = free_port()
        (folder / "pins.txt").write_text("".join(f"cert:{p}\n" for p in pins))
        spki = [people.pinned.spki_hash, people.by_intermediate.spki_hash]
        policy, inline = "", gw.pinning(spki=spki)
        if pins or set_refs:
            inline = ""
            refs = ", ".join(["{group: pingate.dev, kind: File, name: pins.txt}", *set_refs])
            policy = ("---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\n"
                      "metadata: {name: devices, namespace: edge}\nspec:\n"
                      "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\n"
                      f"  pinSetRefs: [{refs}]\n")
            (folder / "pins.txt").open("a").write("".join(f"spki:{p}\n" for p in spki))
        text = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
                + gw.gateway([gw.https_listener("https", self.port)],
                             default=gw.validation(pins=inline))
                + gw.backend(backend_port) + gw.route(rules=rules, hostnames=hostnames) + policy + extra)
        (folder / "edge.yaml").write_text(text)
        self.config = folder / "edge.yaml"
        log = ["--access-log", str(folder / "access.log"), "--audit-log", str(folder / "audit.log")] if logs else [
            "--access-log", "off", "--audit-log", "off"]
        self.started = time.monotonic()
        self.process = _start([binary, "run", "-c", str(self.config), "--workers", "1", "--admin",
                               f"127.0.0.1:{self.admin_port}", *log, *options])
        wait_for(self.port, self.process)


class NginxProxy(Server):
    def __init__(self, folder, people, backend_port, tuned=False, grpc=False):
        folder.mkdir(parents=True, exist_ok=True)
        self.name = "nginx tuned" if tuned else "nginx"
        self.port = free_port()
        extra = "ssl_session_tickets off; ssl_session_cache shared:S:10m;" if tuned else ""
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log /dev/null;\n"
            "events { worker_connections 16384; }\n"
            f"http {{ access_log {folder}/access.log; keepalive_requests 100000000; http2_max_requests 100000000; client_body_temp_path {folder}/b;\n"
            f"upstream b {{ server 127.0.0.1:{backend_port}; keepalive 128; keepalive_requests 100000000; }}\n"
            f"map $ssl_client_fingerprint $pinned {{ default 0; {_sha1(people.pinned)} 1; {_sha1(people.by_intermediate)} 1; }}\n"
            f"server {{ listen 127.0.0.1:{self.port} ssl http2 backlog=4096; ssl_certificate {people.server.cert_file};\n"
            f"ssl_certificate_key {people.server.key_file}; ssl_client_certificate {people.ca.cert_file};\n"
            f"ssl_verify_client on; ssl_verify_depth 4; ssl_protocols TLSv1.2 TLSv1.3; {extra}\n"
            "location / { if ($pinned = 0) { return 403; } "
            + ("grpc_pass grpc://b; grpc_set_header X-Forwarded-For $remote_addr; } } }\n" if grpc else
               "proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection '';"
               " proxy_set_header X-Forwarded-For $remote_addr; } } }\n"))
        self.process = _start([shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-e", "/dev/null", "-c",
                               str(folder / "nginx.conf"), "-p", str(folder)])
        wait_for(self.port, self.process)


def _sha1(identity):
    import hashlib
    return hashlib.sha1(identity.der).hexdigest()


class Haproxy(Server):
    def __init__(self, folder, people, backend_port, tuned=False, grpc=False):
        folder.mkdir(parents=True, exist_ok=True)
        self.name = "haproxy tuned" if tuned else "haproxy"
        self.port = free_port()
        (folder / "server.pem").write_text(people.server.cert_pem + people.server.chain_pem + people.server.key_pem)
        (folder / "pins").write_text(f"{people.pinned.certificate_hash}\n{people.by_intermediate.certificate_hash}\n")
        (folder / "haproxy.cfg").write_text(f"""
global
    nbthread 1
    maxconn 4000
    log 127.0.0.1:{_sink(self)} local0
defaults
    mode http
    log global
    option httplog
    timeout client 600s
    timeout server 60s
    timeout connect 5s
frontend f
    bind 127.0.0.1:{self.port} ssl crt {folder}/server.pem ca-file {people.ca.cert_file} verify required alpn h2,http/1.1 {'no-tls-tickets' if tuned else ''}
    acl pinned ssl_c_der,sha2(256),hex,lower -m str -f {folder}/pins
    tcp-request content reject if !pinned
    option forwardfor
    default_backend b
backend b
    http-reuse always
    server s 127.0.0.1:{backend_port} {'proto h2' if grpc else ''}
""")
        self.process = _start(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")])
        wait_for(self.port, self.process)


def _sink(server):
    """A log receiver, so that HAProxy pays for its log as the others do."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    server.sink = s
    return s.getsockname()[1]


class Caddy(Server):
    name = "caddy"

    def __init__(self, folder, people, backend_port, leafs=True):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        trusted = "".join(f"            trusted_leaf_cert_file {c.cert_file}\n"
                          for c in ((people.pinned, people.by_intermediate) if leafs else ()))
        (folder / "Caddyfile").write_text(f"""
{{
    admin off
    auto_https off
    servers {{
        protocols h1 h2
    }}
}}
https://app.example.com:{self.port} {{
    bind 127.0.0.1
    log {{
        output file {folder}/access.log
    }}
    tls {people.server.cert_file} {people.server.key_file} {{
        client_auth {{
            mode require_and_verify
            trusted_ca_cert_file {people.ca.cert_file}
{trusted}        }}
    }}
    reverse_proxy 127.0.0.1:{backend_port}
}}
""")
        environment = dict(os.environ, GOMAXPROCS="1", HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
        self.process = _start(["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")], env=environment)
        wait_for(self.port, self.process)
