"""Servers for kube_client_test.c: `kube_server.py FOLDER` writes ca.crt, other.crt, client.crt and client.key there, says the
ports of one with HTTP/2, one without, one that is named by a certificate alone and a stand-in for an API server, and serves
until its standard input ends."""
import asyncio
import json
import os
import pathlib
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
from support import pki  # noqa: E402
from support.api_server import ApiServer  # noqa: E402
from support.api_store import KINDS  # noqa: E402
from support.web_server import Cut, Loop, Response, WebServer  # noqa: E402

servers = []


async def lines():
    count = 0
    while True:
        yield b'{"line":%d}\n' % count
        count += 1
        await asyncio.sleep(0.02)


async def one_line(then):
    yield b'{"line":0}\n'
    if then == "silence":
        await asyncio.Event().wait()
    if then == "cut":
        raise Cut()


async def answer(request):
    what, query = request.path, request.query
    if what == "/echo":
        said = {"method": request.method, "target": request.target, "body": request.body.decode(), "version": request.version,
                "certificate": bool(request.certificate)}
        for name in ("authorization", "content-type", "user-agent", "accept", "cookie"):
            said[name] = request.headers.get(name, "")
        said["host"] = request.headers.get(":authority") or request.headers.get("host", "")
        return Response(200, json.dumps(said).encode(), [("set-cookie", "a=b")])
    if what == "/lines":
        return Response(int(query.get("code", 200)), lines())
    if what == "/one":
        return Response(200, one_line(query.get("then")))
    if what == "/big":
        return Response(200, b"x" * int(query["bytes"]))
    if what == "/never":
        await asyncio.Event().wait()
    if what == "/status":
        body = {"kind": "Status", "message": query.get("message", ""), "reason": query.get("reason", "")}
        return Response(int(query["code"]), json.dumps(body).encode(), [("retry-after", query.get("retry", "0"))])
    if what == "/text":
        return Response(int(query["code"]), urllib.parse.unquote(query["text"]).encode(), content_type="text/html")
    if what == "/redirect":
        return Response(302, b"", [("location", "/echo")])
    if what == "/leave":
        for server in servers:
            await server._go_away()
        return Response(200, b"left")
    if what == "/drop":
        for server in servers:
            asyncio.get_running_loop().call_later(0.05, server._abort_all)
        await asyncio.Event().wait()
    if what == "/freeze":
        for server in servers:
            asyncio.get_running_loop().call_later(0.05, server._freeze, False)
        return Response(200, b"frozen")
    if what == "/connections":
        return Response(200, str(sum(server.accepted for server in servers)).encode())
    return Response(404, b"404 page not found\n", content_type="text/plain")


def main():
    folder, loop = pathlib.Path(sys.argv[1]), Loop()
    ca, other = pki.make_ca(folder, "ca"), pki.make_ca(folder, "other")
    client = ca.issue("client")
    (folder / "ca.crt").write_text(ca.cert_pem)
    (folder / "other.crt").write_text(other.cert_pem)
    (folder / "client.crt").write_text(client.cert_pem)
    (folder / "client.key").write_text(client.key_pem)
    addressed = ca.issue("server", ips=["127.0.0.1"], dns=["localhost"], eku=pki.SERVER_AUTH)
    named = ca.issue("named", dns=["api.example.com"], eku=pki.SERVER_AUTH)
    for identity, alpn in ((addressed, ("h2", "http/1.1")), (addressed, ("http/1.1",)), (named, ("h2",))):
        servers.append(WebServer(loop, answer, identity, ca, alpn))
    api = ApiServer(loop, addressed)
    api.tokens = {"t0ken"}
    api.store.create(KINDS["namespaces"], "", {"metadata": {"name": "pingate-system"}})
    servers.append(WebServer(loop, api.answer, addressed, ca))
    print(*(server.port for server in servers), flush=True)
    sys.stdin.read()


main()
