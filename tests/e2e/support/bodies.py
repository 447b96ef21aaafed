"""Bodies of any length, up and down, and the memory that a process takes meanwhile."""
import hashlib
import socket
import subprocess
import tempfile
import threading

from .net import DEADLINE_S

PIECE = bytes(range(256)) * 256  # 64 KiB
CHECKED_MAX = 1 << 28  # bytes of a body whose digest is made


def digest_of(length):
    """Of a body of so many bytes, as both ends make it."""
    total = hashlib.sha256()
    for at in range(0, length, len(PIECE)):
        total.update(PIECE[:min(len(PIECE), length - at)])
    return total.hexdigest()


class BodyBackend:
    """GET /N answers with N bytes; a PUT is answered by how many bytes came and their digest, and while `reads` is not set
    none of its body is read."""

    def __init__(self):
        self.reads = threading.Event()
        self.reads.set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection.makefile("rwb", buffering=1 << 16),), daemon=True).start()

    def _serve(self, stream):
        try:
            while line := stream.readline():
                method, path = line.decode().split()[:2]
                fields = {}
                while (line := stream.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    fields[name.lower()] = value.strip()
                if method == "GET":
                    self._send(stream, int(path[1:]))
                else:
                    self._receive(stream, fields)
                stream.flush()
        except (OSError, ValueError):
            pass

    def _send(self, stream, length):
        stream.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode())
        for at in range(0, length, len(PIECE)):
            stream.write(PIECE[:min(len(PIECE), length - at)])

    def _pieces(self, stream, fields):
        if "content-length" in fields:
            left = int(fields["content-length"])
            while left and (data := stream.read(min(left, 1 << 16))):
                left -= len(data)
                yield data
        elif "transfer-encoding" in fields:
            while size := int(stream.readline(), 16):
                yield stream.read(size)
                stream.readline()
            stream.readline()

    def _receive(self, stream, fields):
        count, total = 0, hashlib.sha256()
        self.reads.wait()
        for data in self._pieces(stream, fields):
            count += len(data)
            if count <= CHECKED_MAX:
                total.update(data)
        text = f"{count} {total.hexdigest()}\n"
        stream.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())


def rss_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int([line for line in status if line.startswith("VmRSS")][0].split()[1])


class Watch:
    """The most that a process held while the block ran, beyond what it held before."""

    def __init__(self, pid):
        self.pid, self.over = pid, threading.Event()

    def _look(self):
        while not self.over.wait(0.005):
            self.most = max(self.most, rss_kb(self.pid))

    def __enter__(self):
        self.before = self.most = rss_kb(self.pid)
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.most = max(self.most, rss_kb(self.pid))
        self.grown_kb = self.most - self.before


def transfer(port, people, length, way, http, rate=None, timeout=None):
    """curl's status, and how many bytes the other end got and their digest; `way` is up or down, `rate` what a slow client takes or gives a second."""
    command = ["curl", "-sS", "--max-time", str(timeout or DEADLINE_S), "--cacert", str(people.server_ca.cert_file),
               "--cert", str(people.pinned.cert_file), "--key", str(people.pinned.key_file),
               "--resolve", f"app.example.com:{port}:127.0.0.1", "--http2" if http == "2" else "--http1.1",
               *(["--limit-rate", rate] if rate else [])]
    url = f"https://app.example.com:{port}/"
    if way == "down":
        curl = subprocess.Popen([*command, url + str(length)], stdout=subprocess.PIPE)
        count, total = 0, hashlib.sha256()
        while data := curl.stdout.read1(1 << 16):
            count += len(data)
            if length <= CHECKED_MAX:
                total.update(data)
        return curl.wait(), f"{count} {total.hexdigest()}"
    with tempfile.NamedTemporaryFile() as body:
        if length <= CHECKED_MAX:
            for at in range(0, length, len(PIECE)):
                body.write(PIECE[:min(len(PIECE), length - at)])
            body.flush()
        else:
            body.truncate(length)
        done = subprocess.run([*command, "-H", "Expect:", "-T", body.name, url], stdout=subprocess.PIPE)
    return done.returncode, done.stdout.decode().strip()
