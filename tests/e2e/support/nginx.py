"""A real nginx as backend: it counts hits in its access log and answers with what it saw."""
import json
import shutil
import subprocess

from .net import eventually, free_port

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 4096; }}
http {{
    log_format hits escape=json '{{"uri":"$request_uri","host":"$host","method":"$request_method",'
        '"client_cert":"$http_client_cert","verify":"$http_pingate_client_verify",'
        '"name":"$http_pingate_client_name","xff":"$http_x_forwarded_for","xfp":"$http_x_forwarded_proto",'
        '"xfh":"$http_x_forwarded_host","request_id":"$http_x_request_id","body":"$request_body",'
        '"added":"$http_x_added","length":"$request_length"}}';
    access_log {folder}/hits.log hits;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 2g;
    keepalive_requests 100000;
    underscores_in_headers on;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        default_type text/plain;
        location = /big {{ root {folder}/www; }}
        location /status/404 {{ return 404 "none\\n"; }}
        location /small {{ client_max_body_size 1; return 200; }}
        location /no-content {{ return 204; }}
        location /drop {{ return 444; }}
        location /echo {{ proxy_pass http://127.0.0.1:{port}/sink; proxy_request_buffering on; }}
        location / {{
            add_header X-Backend nginx;
            return 200 "hello $request_method $request_uri cert=$http_client_cert verify=$http_pingate_client_verify name=$http_pingate_client_name\\n";
        }}
    }}
}}
"""


class Nginx:
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        for sub in ("body", "proxy", "fastcgi", "uwsgi", "scgi", "www"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "www" / "big").write_bytes(b"0123456789abcdef" * 65536 * 4)
        folder.chmod(0o755)
        (folder / "www").chmod(0o755)
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=self.port) + "")
        self.start()

    def start(self):
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert nginx, "nginx is not installed: ./dev setup"
        self.process = subprocess.Popen(
            [nginx, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "error.log"),
             "-g", "user root;" if shutil.os.geteuid() == 0 else ""],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers, "nginx answers")

    def _answers(self):
        import socket
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def hits(self):
        log = self.folder / "hits.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def hit_count(self):
        log = self.folder / "hits.log"
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
