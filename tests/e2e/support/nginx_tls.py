"""A real nginx that speaks TLS as a backend, and tells what it saw of the gateway."""
import json
import shutil
import signal
import subprocess

from .net import eventually, free_port

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    log_format hits escape=json '{{"uri":"$request_uri","sni":"$ssl_server_name","verify":"$ssl_client_verify",'
        '"client":"$ssl_client_fingerprint","reused":"$ssl_session_reused","tls":"$ssl_protocol",'
        '"alpn":"$ssl_alpn_protocol","connection":"$connection","requests":"$connection_requests"}}';
    access_log {folder}/hits.log hits;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 1g;
    keepalive_requests 100000;
    server {{
        listen 127.0.0.1:{port} ssl{http2};
        ssl_protocols {protocols};
        ssl_certificate {folder}/server.crt;
        ssl_certificate_key {folder}/server.key;
        {clients}
        default_type text/plain;
        location = /big {{ root {folder}/www; }}
        location = /upload {{ client_body_in_file_only clean; proxy_pass https://127.0.0.1:{port}/sink; }}
        location / {{ return 200 "sni=$ssl_server_name verify=$ssl_client_verify\\n"; }}
    }}
}}
"""


class NginxTls:
    def __init__(self, folder, identity, client_ca=None, protocols="TLSv1.2 TLSv1.3", h2=False):
        self.folder, self.port = folder, free_port()
        for sub in ("body", "proxy", "fastcgi", "uwsgi", "scgi", "www"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "www" / "big").write_bytes(b"0123456789abcdef" * 65536 * 4)
        for path in (folder, folder / "www"):
            path.chmod(0o755)
        clients = ""
        if client_ca:
            (folder / "clients.crt").write_text(client_ca.cert_pem)
            clients = f"ssl_client_certificate {folder}/clients.crt; ssl_verify_client optional;"
        self.present(identity)
        (folder / "nginx.conf").write_text(
            CONFIG.format(folder=folder, port=self.port, clients=clients, protocols=protocols,
                          http2=" http2" if h2 else ""))
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert nginx, "nginx is not installed: ./dev setup"
        self.process = subprocess.Popen(
            [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"),
             "-g", "user root;" if shutil.os.geteuid() == 0 else ""],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers, lambda: "nginx answers: " + (folder / "error.log").read_text())

    def present(self, identity):
        (self.folder / "server.crt").write_text(identity.cert_pem + identity.chain_pem)
        (self.folder / "server.key").write_text(identity.key_pem)

    def change(self, identity):
        """Another certificate for whoever connects from here on; connections that are open go."""
        self.present(identity)
        before = self._leaf()
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: self._leaf() not in (None, before), "nginx presents another certificate")

    def _leaf(self):
        import ssl
        try:
            return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=5)
        except OSError:
            return None

    def _answers(self):
        return self._leaf() is not None

    def hits(self):
        log = self.folder / "hits.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def await_hits(self, prefix, count):
        """Of paths that begin so: it logs a request behind its answer, so who has that may be before the log."""
        def of_them():
            return [hit for hit in self.hits() if hit["uri"].startswith(prefix)]
        eventually(lambda: len(of_them()) >= count, lambda: f"{count} hits of {prefix}: {of_them()}")
        return of_them()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
