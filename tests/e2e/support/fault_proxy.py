"""The door that pingate comes to an API server by, and all that can go wrong there: of single requests and watches here, of
connections in web_server.py. What is behind it is the stand-in's `answer`, or a Forward to a real server."""
import asyncio
import collections
import ssl
import time

from .api_server import Asked
from .api_store import encode, status_of
from .web_server import Cut, Response, WebServer

Seen = collections.namedtuple("Seen", "at method target verb resource status body token")
REASONS = {403: "Forbidden", 404: "NotFound", 410: "Expired", 429: "TooManyRequests", 500: "InternalError",
           503: "ServiceUnavailable", 504: "Timeout"}


class Failure:
    """Requests that are answered by `status`: of one verb and resource, or all; one in `every`, `times` in all."""

    def __init__(self, status, resource=None, verb=None, every=1, times=None, retry_after=None, body=None):
        self.status, self.resource, self.verb = status, resource, verb
        self.every, self.times, self.retry_after, self.body = every, times, retry_after, body
        self.matched = self.hits = 0

    def takes(self, asked):
        if self.resource not in (None, asked.resource) or self.verb not in (None, asked.verb) or self.times == self.hits:
            return False
        self.matched += 1
        if self.matched % self.every:
            return False
        self.hits += 1
        return True

    def response(self):
        headers = [("retry-after", str(self.retry_after))] if self.retry_after is not None else []
        reason = REASONS.get(self.status, "Unknown")
        body = self.body if self.body is not None else encode(status_of(self.status, reason, "the test says so"))
        return Response(self.status, body, headers)


class Held(Failure):
    """Requests that wait for their answer until the door is mended."""

    def __init__(self, resource, verb):
        super().__init__(None, resource, verb)
        self.over = asyncio.Event()


class FaultProxy(WebServer):
    def __init__(self, loop, behind, identity, client_ca=None, alpn=("h2", "http/1.1"), listen=None):
        self.behind, self.delay_s = behind, 0
        self.failures, self.cuts, self.watches = [], {}, {}
        self.requests, self.writing = [], 0
        super().__init__(loop, self._answer, identity, client_ca, alpn, listen=listen)

    # --- for tests ---

    def fail(self, status, resource=None, verb=None, **how):
        failure = Failure(status, resource, verb, **how)
        self.failures.append(failure)
        return failure

    def hold(self, resource, verb):
        held = Held(resource, verb)
        self.failures.append(held)
        return held

    def mend(self):
        held = [failure for failure in self.failures if isinstance(failure, Held)]
        self.failures.clear()
        self.loop.do(lambda: [failure.over.set() for failure in held])
        self.cuts.clear()
        self.delay_s, self.pace = 0, None
        self.start()

    def cut_next_event(self, resource, clean=False):
        """Half of it is sent, and the watch ends: cut off, or `clean`, as if that had been all."""
        self.cuts[resource] = clean

    def say(self, resource, data):
        """Bytes into every open watch of this."""
        self.loop.do(lambda: [queue.put_nowait(data) for queue in self.watches.get(resource, ())])

    def end_watches(self, resource=None):
        """As a server that has served them for long enough."""
        self.loop.do(lambda: [q.put_nowait(None) for of, queues in self.watches.items() if resource in (None, of) for q in queues])

    def open_watches(self):
        return sorted(of for of, queues in self.watches.items() for _ in queues)

    def seen(self, verb=None, resource=None, since=0):
        return [r for r in list(self.requests)
                if verb in (None, r.verb) and resource in (None, r.resource) and r.at >= since]

    def writes(self, since=0, but=("leases", "events")):
        return [r for r in self.seen(since=since) if r.method != "GET" and r.resource not in but]

    # --- on the loop ---

    async def _answer(self, request):
        self.writing += request.method != "GET"
        try:
            return await self._answer_one(request)
        finally:
            self.writing -= request.method != "GET"

    async def _answer_one(self, request):
        asked = Asked(request)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        failure = next((f for f in self.failures if f.takes(asked)), None)
        if isinstance(failure, Held):
            await failure.over.wait()
            failure = None
        if failure:
            response = failure.response()
        else:
            try:
                response = await self.behind(request)
            except (OSError, asyncio.IncompleteReadError) as e:
                response = Response(502, repr(e).encode(), content_type="text/plain")
        self.requests.append(Seen(time.monotonic(), request.method, request.target, asked.verb, asked.resource, response.status,
                                  request.body, request.headers.get("authorization", "").removeprefix("Bearer ")))
        if not isinstance(response.body, bytes):
            response.body = self._watched(asked, response.body)
        return response

    async def _watched(self, asked, pieces):
        queue = asyncio.Queue()
        queues = self.watches.setdefault(asked.resource, [])
        queues.append(queue)
        pumping = asyncio.ensure_future(self._pump(pieces, queue))
        try:
            while (piece := await queue.get()) is not None:
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if asked.resource in self.cuts:
                    clean = self.cuts.pop(asked.resource)
                    yield piece[:len(piece) // 2]
                    raise Cut(clean)
                yield piece
        finally:
            pumping.cancel()
            queues.remove(queue)

    @staticmethod
    async def _pump(pieces, queue):
        try:
            async for piece in pieces:
                queue.put_nowait(piece)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            queue.put_nowait(None)


class Forward:
    """To a real API server, by HTTP/1.1; connections that are idle are used again."""

    def __init__(self, host, port, ca_pem, token=None):
        self.host, self.port, self.token, self.idle = host, port, token, []
        self.context = ssl.create_default_context(cadata=ca_pem)

    async def __call__(self, request):
        for _ in range(8):
            fresh = not self.idle
            reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(
                self.host, self.port, ssl=self.context, limit=1 << 24)
            try:
                self._send(writer, request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                break
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                if fresh:
                    raise
        status = int(head[0].split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        kept = [(k, headers[k]) for k in ("retry-after",) if k in headers]
        pieces = self._body(reader, writer, headers)
        if request.query.get("watch") in ("1", "true") and status == 200:
            return Response(status, pieces, kept, headers.get("content-type", "application/json"))
        body = b"".join([piece async for piece in pieces])
        return Response(status, body, kept, headers.get("content-type", "application/json"))

    def _send(self, writer, request):
        fields = {k: v for k, v in request.headers.items() if k in ("accept", "authorization", "content-type", "user-agent")}
        if request.certificate and "authorization" not in fields:  # checked at our door; behind it, a token says the same
            fields["authorization"] = f"Bearer {self.token}"
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"{request.method} {request.target} HTTP/1.1\r\nhost: {self.host}\r\ncontent-length: {len(request.body)}\r\n"
                     f"{lines}\r\n".encode() + request.body)

    async def _body(self, reader, writer, headers):
        whole = False
        try:
            if "chunked" in headers.get("transfer-encoding", ""):
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    yield (await reader.readexactly(size + 2))[:-2]
                await reader.readexactly(2)
            else:
                yield await reader.readexactly(int(headers.get("content-length", 0)))
            whole = headers.get("connection") != "close"
        finally:
            self.idle.append((reader, writer)) if whole else writer.transport.abort()
