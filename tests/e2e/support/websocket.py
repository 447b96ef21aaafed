"""A real WebSocket backend (python3-websockets) that echoes, and clients of it."""
import asyncio
import ssl
import threading

import websockets


class WebSocketServer:
    """Echoes messages; keeps the path and headers of each request that asked for an upgrade."""

    def __init__(self, identity=None):
        self.requests = []
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        context = None
        if identity is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity.cert_file, identity.key_file)
        self._context = context
        threading.Thread(target=self._run, daemon=True).start()
        self._started.wait(20)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()

    async def _listen(self):
        self._server = await websockets.serve(self._echo, "127.0.0.1", 0, max_size=None, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        self._started.set()

    async def _echo(self, socket):
        self.requests.append((socket.path, dict(socket.request_headers.raw_items())))
        async for message in socket:
            await socket.send(message)

    async def _stop(self):
        self._server.close()
        await self._server.wait_closed()

    def close(self):
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)


def client_context(people, identity=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=people.server_ca.cert_pem)
    if identity is not None:
        context.load_cert_chain(identity.cert_file, identity.key_file)
    return context


def talk(uri, port, messages, context=None):
    """Sends each message, wants it back, and closes. What came back."""
    async def run():
        options = {"ssl": context, "server_hostname": "app.example.com"} if context else {}
        async with websockets.connect(uri, host="127.0.0.1", port=port, max_size=None, open_timeout=20,
                                      **options) as socket:
            got = []
            for message in messages:
                await socket.send(message)
                got.append(await asyncio.wait_for(socket.recv(), 30))
            return got
    return asyncio.run(run())


ASK = (b"GET /chat HTTP/1.1\r\nHost: app.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
TAKEN = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
         b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
