"""HTTP/1.1 and HTTP/2 over TLS on an asyncio loop of its own thread, for servers that misbehave when a test says so: what
they answer is a coroutine of theirs, what becomes of their connections is decided here. Only the loop's thread touches its
state: others call in by `do`."""
import asyncio
import socket
import ssl
import threading
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .net import free_port

BODY_MAX = 16 << 20
PIECE = 1 << 16


class Request:
    def __init__(self, method, target, headers, body, certificate, version):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.certificate, self.version = certificate, version  # of the client, verified; None: it showed none
        parts = urllib.parse.urlsplit(target)
        self.path, self.query = parts.path, dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))


class Response:
    """`body` is bytes, or an asynchronous generator of bytes that is sent as it comes."""

    def __init__(self, status, body=b"", headers=(), content_type="application/json"):
        self.status, self.body = status, body
        self.headers = [("content-type", content_type), *headers]


class Cut(Exception):
    """Raised by a generator: its answer ends here, cut off, or `clean`, as if it were whole."""

    def __init__(self, clean=False):
        super().__init__("cut")
        self.clean = clean


class Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def do(self, function, *arguments):
        """Runs it there, a coroutine to its end; what it returned."""
        async def run():
            result = function(*arguments)
            return await result if asyncio.iscoroutine(result) else result
        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)


class WebServer:
    def __init__(self, loop, answer, identity, client_ca=None, alpn=("h2", "http/1.1"), address="127.0.0.1", port=None, listen=None):
        """`listen` makes the socket for a port, where it is not one of `address` here."""
        self.loop, self.answer, self.port = loop, answer, port or free_port()
        self.listen = listen or (lambda port: socket.create_server((address, port), backlog=512))
        self.connections, self.accepted = set(), 0
        self.pace = None  # (bytes, seconds): of what is sent
        self._listener = self._server = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity.cert_file, identity.key_file)
        self._context.set_alpn_protocols(list(alpn))
        if client_ca is not None:
            self._context.load_verify_locations(cadata=client_ca.cert_pem)
            self._context.verify_mode = ssl.CERT_OPTIONAL
        self.start()

    # --- for tests, from any thread ---

    def start(self):
        self.loop.do(self._start)

    def stop(self):
        """Nobody listens, and what was open is reset."""
        self.loop.do(self._stop)

    def drop_all(self):
        """What is open is reset; the next connection is served."""
        self.loop.do(self._abort_all)

    def freeze(self, new_too=False):
        """Half-open: what is open stays so and takes bytes, but nothing is heard on it any more, for good. `new_too`: a
        connection that comes is taken by the kernel, and nobody answers, until thaw()."""
        self.loop.do(self._freeze, new_too)

    def thaw(self):
        self.loop.do(self._start)

    def go_away(self):
        """Tells clients to go elsewhere: GOAWAY by HTTP/2, the end of the connection after its answer by HTTP/1.1."""
        self.loop.do(self._go_away)

    # --- on the loop ---

    async def _start(self):
        if self._listener is None:
            self._listener = self.listen(self.port)
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=self._listener.dup(), ssl=self._context, limit=BODY_MAX)

    def _close_server(self):
        if self._server is not None:
            self._server.close()
            self._server = None

    def _stop(self):
        self._close_server()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._abort_all()

    def _abort_all(self):
        for connection in list(self.connections):
            connection.writer.transport.abort()

    def _freeze(self, new_too):
        if new_too:
            self._close_server()
        for connection in self.connections:
            connection.frozen = True

    async def _go_away(self):
        for connection in list(self.connections):
            await connection.go_away()

    async def _serve(self, reader, writer):
        tls = writer.get_extra_info("ssl_object")
        kind = ConnectionH2 if tls.selected_alpn_protocol() == "h2" else ConnectionH1
        connection = kind(self, reader, writer, tls.getpeercert())
        self.connections.add(connection)
        self.accepted += 1
        try:
            await connection.run()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, h2.exceptions.ProtocolError, ValueError):
            pass
        finally:
            self.connections.discard(connection)
            connection.end()
            writer.transport.abort() if connection.cut else writer.close()


class Connection:
    def __init__(self, server, reader, writer, certificate):
        self.server, self.reader, self.writer, self.certificate = server, reader, writer, certificate
        self.frozen = self.cut = False
        self._writing = asyncio.Lock()

    async def write(self, data):
        async with self._writing:
            while data:
                if self.frozen:
                    await asyncio.Event().wait()  # until the connection goes
                count, pause = self.server.pace or (PIECE, 0)
                self.writer.write(data[:count])
                data = data[count:]
                await self.writer.drain()
                if pause:
                    await asyncio.sleep(pause)

    def end(self):
        pass


class ConnectionH1(Connection):
    async def run(self):
        self.leaving, self.ahead = False, b""
        while not self.leaving:
            request = await self._request()
            if self.frozen:
                await self.reader.read()  # what else comes, to its end
            response = await self.server.answer(request)
            await self._send(response)

    async def go_away(self):
        self.leaving = True

    async def _request(self):
        head, self.ahead = self.ahead + await self.reader.readuntil(b"\r\n\r\n"), b""
        head = head.decode("latin-1").split("\r\n")
        method, target, version = head[0].split()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = b""
        if "chunked" in headers.get("transfer-encoding", ""):
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readuntil(b"\r\n")
        elif "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Request(method, target, headers, body, self.certificate, version)

    async def _send(self, response):
        whole = isinstance(response.body, bytes)
        length = ("content-length", str(len(response.body))) if whole else ("transfer-encoding", "chunked")
        head = "".join(f"{name}: {value}\r\n" for name, value in [*response.headers, length])
        head = f"HTTP/1.1 {response.status} Said\r\n{head}\r\n".encode()
        if whole:
            return await self.write(head + response.body)
        await self.write(head)
        sending = asyncio.ensure_future(self._stream(response.body))
        gone = asyncio.ensure_future(self._until_gone())
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            else:
                self.leaving = True  # the client has left
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _until_gone(self):
        """Until the client has left. What it sends meanwhile is of its next request, as it is told of the end first."""
        while piece := await self.reader.read(PIECE if self.frozen else 1):
            if not self.frozen:
                self.ahead += piece
                await asyncio.Event().wait()

    async def _stream(self, pieces):
        try:
            async for piece in pieces:
                if piece:
                    await self.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await self.write(b"0\r\n\r\n")
        except Cut as cut:
            if cut.clean:
                await self.write(b"0\r\n\r\n")
            else:
                self.leaving = self.cut = True


class ConnectionH2(Connection):
    async def run(self):
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 250})
        self.heads, self.tasks, self.window = {}, {}, asyncio.Event()
        await self._flush()
        while data := await self.reader.read(PIECE):
            if self.frozen:
                continue
            for event in self.h2.receive_data(data):
                self._on(event)
            await self._flush()

    def end(self):
        for task in list(self.tasks.values()):
            task.cancel()

    async def go_away(self):
        """As a server that closes gently: streams that are open go on, new ones are refused."""
        last = max(self.tasks, default=0)
        frame = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + last.to_bytes(4, "big") + b"\x00\x00\x00\x00"
        await self.write(frame)

    async def _flush(self):
        data = self.h2.data_to_send()
        if data:
            await self.write(data)

    def _on(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.RequestReceived):
            self.heads[stream] = (dict(event.headers), bytearray())
        elif isinstance(event, h2.events.DataReceived):
            self.heads[stream][1].extend(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, h2.events.StreamEnded):
            self.tasks[stream] = asyncio.ensure_future(self._answer(stream, *self.heads.pop(stream)))
        elif isinstance(event, h2.events.StreamReset):
            self.heads.pop(stream, None)
            if stream in self.tasks:
                self.tasks[stream].cancel()
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self.window.set()

    async def _answer(self, stream, headers, body):
        request = Request(headers[":method"], headers[":path"], headers, bytes(body), self.certificate, "HTTP/2")
        try:
            response = await self.server.answer(request)
            whole = isinstance(response.body, bytes)
            fields = [(":status", str(response.status)), *response.headers]
            self.h2.send_headers(stream, fields, end_stream=whole and not response.body)
            if not whole:
                await self._stream(stream, response.body)
            elif response.body:
                await self._send(stream, response.body, True)
            else:
                await self._flush()
        except (OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            self.tasks.pop(stream, None)

    async def _stream(self, stream, pieces):
        await self._flush()
        try:
            async for piece in pieces:
                await self._send(stream, piece, False)
            await self._send(stream, b"", True)
        except Cut as cut:
            if cut.clean:
                return await self._send(stream, b"", True)
            self.h2.reset_stream(stream, 2)  # INTERNAL_ERROR
            await self._flush()

    async def _send(self, stream, data, last):
        while data or last:
            count = min(len(data), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if data and count <= 0:
                self.window.clear()
                await self._flush()
                await self.window.wait()
                continue
            self.h2.send_data(stream, data[:count], end_stream=last and count == len(data))
            data = data[count:]
            await self._flush()
            if not data:
                return
