"""A small HTTP/1.1 backend that does what a request's query asks for, keeps what it was asked, and can be killed and
revived on its port: `delay` seconds before the head, `drip` seconds between head and body, `status` to answer, and
`fail`, how many requests with that path and query go wrong before one goes well, `how`: a status, `rst`, `close`,
`hang`."""
import collections
import socket
import struct
import threading
import urllib.parse

from .net import free_port

Request = collections.namedtuple("Request", "method target headers body")


class Backend:
    def __init__(self, name="backend"):
        self.name, self.port = name, free_port()
        self.requests, self.connections = [], 0
        self.status, self.delay = "200", 0  # of requests that ask for nothing else
        self.impatient = False  # closes as soon as it has read a head
        self._lock = threading.Lock()
        self.revive()

    def revive(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self._open, self._ended = set(), threading.Event()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def kill(self):
        """Nobody listens any more, and what was open is reset."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            reset(connection)

    def asked(self, path=""):
        with self._lock:
            return [r for r in self.requests if r.target.startswith(path)]

    def clear(self):
        with self._lock:
            self.requests.clear()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection.makefile("rb") as stream:
                while self._answer(connection, stream):
                    pass
        except (OSError, ValueError):
            pass
        with self._lock:
            self._open.discard(connection)
        try:
            connection.close()
        except OSError:
            pass

    def _answer(self, connection, stream):
        request = read_request(stream, self.impatient)
        if not request:
            return False
        with self._lock:
            before = sum(r.target == request.target for r in self.requests)
            self.requests.append(request)
        if self.impatient:
            return False
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.target).query))
        status = query.get("status", self.status)
        if before < int(query.get("fail", 0)):
            status = query.get("how", "503")
            if status == "rst":
                reset(connection)
                return False
            if status == "close":
                return False
            if status == "hang":
                self._ended.wait(30)
                return False
        self._ended.wait(float(query.get("delay", self.delay)))
        body = f"{self.name} {request.method} {request.target} {len(request.body)}\n".encode()
        head = f"HTTP/1.1 {status} Said\r\nX-Backend: {self.name}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(head + (b"" if "drip" in query else body))
        if "drip" in query:
            self._ended.wait(float(query["drip"]))
            connection.sendall(body)
        return True


def reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    # The stream made of it holds the descriptor open: what detach gives is closed at once.
    try:
        socket.socket(fileno=connection.detach()).close()
    except (OSError, ValueError):
        pass


def read_request(stream, head_only=False):
    line = stream.readline(65536).decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = []
    while True:
        field = stream.readline(65536).decode("latin-1").rstrip("\r\n")
        if not field:
            break
        name, _, value = field.partition(":")
        headers.append((name.lower(), value.strip()))
    named, body = dict(headers), b""
    if head_only:
        return Request(line[0], line[1], headers, body)
    if "chunked" in named.get("transfer-encoding", ""):
        while True:
            size = int(stream.readline(32), 16)
            body += stream.read(size)
            stream.readline(8)
            if size == 0:
                break
    else:
        body = stream.read(int(named.get("content-length", 0)))
    return Request(line[0], line[1], headers, body)
