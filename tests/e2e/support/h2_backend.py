"""An HTTP/2 backend over python-h2, by prior knowledge, that does what a request's query asks for and keeps what it was
asked: `bytes` to answer, `echo`, `hold` until release(), `refuse` how many times by REFUSED_STREAM, `goaway` once that
leaves the request out, `die` once by closing, `reset` by INTERNAL_ERROR, `trailers`, `bad` breaks a rule of heads."""
import collections
import selectors
import socket
import struct
import threading
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .net import free_port

Request = collections.namedtuple("Request", "connection stream headers query")
BAD = {"upper": [("X-Upper", "1")], "connection": [("connection", "close")], "length": [("content-length", "5")],
       "status": [(":status", "99")]}


class H2Backend:
    def __init__(self, max_streams=100):
        self.port, self.max_streams = free_port(), max_streams
        self.requests, self.bodies, self.trailers = [], collections.Counter(), {}
        self.connections, self.resets = 0, []
        self._lock, self._held, self._open = threading.Lock(), threading.Event(), []
        self.revive()

    def revive(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def kill(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets, self._open = self._open, []
        for s in sockets:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def asked(self, path="/"):
        with self._lock:
            return [r for r in self.requests if dict(r.headers)[":path"].startswith(path)]

    def release(self):
        self._held.set()

    def _accept(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(s)
                number = self.connections
            threading.Thread(target=Connection(self, s, number).run, daemon=True).start()


class Connection:
    def __init__(self, backend, s, number):
        self.backend, self.socket, self.number = backend, s, number
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False))
        self.queries, self.left, self.held = {}, {}, []
        self.leaving = self.closed = False

    def run(self):
        try:
            self.h2.initiate_connection()
            self.h2.update_settings({3: self.backend.max_streams})
            self._loop()
        except (OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            self.socket.close()

    def _loop(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while not self.closed and not (self.leaving and not self.left and not self.held):
                self.socket.sendall(self.h2.data_to_send())
                if selector.select(0.02 if self.held else None):
                    data = self.socket.recv(1 << 20)
                    if not data:
                        return
                    for event in self.h2.receive_data(data):
                        self._on(event)
                if self.held and self.backend._held.is_set():
                    held, self.held = self.held, []
                    for stream in held:
                        self._answer(stream)
                for stream in list(self.left):
                    self._push(stream)
            if not self.closed:
                self.socket.sendall(self.h2.data_to_send())

    def _on(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.RequestReceived):
            path = dict(event.headers)[":path"]
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query, keep_blank_values=True))
            with self.backend._lock:
                before = sum(dict(r.headers)[":path"] == path for r in self.backend.requests)
                self.backend.requests.append(Request(self.number, stream, event.headers, query))
            self.queries[stream] = query
            if before < int(query.get("refuse", 0)):
                self.h2.reset_stream(stream, 7)
                self.queries.pop(stream)
            elif "goaway" in query and before == 0:
                self.h2.close_connection(0, last_stream_id=stream - 2)
                self.h2.state_machine.state = h2.connection.ConnectionState.SERVER_OPEN  # others go on
                self.leaving = True
                self.queries.pop(stream)
            elif "die" in query and before == 0:
                self.closed = True
            elif "reset" in query:
                self.h2.reset_stream(stream, 2)
                self.queries.pop(stream)
            elif "echo" in query:
                self.h2.send_headers(stream, [(":status", "200")])
        elif isinstance(event, h2.events.DataReceived):
            with self.backend._lock:
                self.backend.bodies[self.number, stream] += len(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            if "echo" in self.queries.get(stream, {}):
                self.left.setdefault(stream, bytearray()).extend(event.data)
        elif isinstance(event, h2.events.TrailersReceived):
            self.backend.trailers[self.number, stream] = event.headers
        elif isinstance(event, h2.events.StreamEnded) and stream in self.queries:
            query = self.queries[stream]
            query["ended"] = "yes"
            if "hold" in query:
                self.held.append(stream)
            elif "echo" in query:
                self.left.setdefault(stream, bytearray())
            else:
                self._answer(stream)
        elif isinstance(event, h2.events.StreamReset):
            self.backend.resets.append((self.number, stream, event.error_code))
            self.left.pop(stream, None)
            self.held = [s for s in self.held if s != stream]

    def _answer(self, stream):
        query = self.queries[stream]
        headers = [(":status", query.get("status", "200")), ("x-connection", str(self.number))]
        if "bad" in query:
            headers = BAD[query["bad"]] if query["bad"] == "status" else headers + BAD[query["bad"]]
        self.h2.send_headers(stream, headers)
        self.left[stream] = bytearray(b"x" * int(query.get("bytes", 2)))

    def _push(self, stream):
        left = self.left[stream]
        while left:
            n = min(len(left), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if n <= 0:
                break
            self.h2.send_data(stream, bytes(left[:n]))
            del left[:n]
        if left or "ended" not in self.queries[stream]:
            return
        del self.left[stream]
        if "trailers" in self.queries[stream]:
            self.h2.send_headers(stream, [("x-sum", "7"), ("client-cert", "forged")], end_stream=True)
        else:
            self.h2.end_stream(stream)
