"""A pinned gateway in a cluster: its objects, the pingate that serves them, and clients that look all the while whether
anybody comes in who must not, or is kept out who must be let in."""
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

from . import gateway as gw
from .client import alert_of, connect, tls_context
from .net import SERVICE_PORTS, eventually, free_port
from .policy import pin, policy, target

ENFORCED_S = 10  # the promise is 1 s; a test asserts its tenfold
PINNED_OUT = 46  # the alert that who is not pinned gets
ECHO = pathlib.Path(__file__).parent / "echo_backend.py"


class Echo:
    """Of a process of its own: answers with the path and the certificate that it was told of."""

    def __init__(self, address):
        self.port, self.address = free_port(), address
        self.process = subprocess.Popen([sys.executable, str(ECHO), str(self.port), address])

    def answers(self):
        try:
            socket.create_connection((self.address, self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()


class World:
    """Gateway edge/edge with one HTTPS listener, a policy with pins, a route to the echo backend."""

    def __init__(self, cluster, people, start):
        self.cluster, self.people, self.start, self.api = cluster, people, start, cluster.api
        self.port, self.echo = free_port(), Echo(cluster.backend_address)
        self.contexts, self.gateways = {}, []

    def close(self):
        self.echo.stop()

    # --- objects ---

    def text(self, pins=None, listeners=()):
        people = self.people
        listeners = [gw.https_listener("https", self.port), *listeners]
        return (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
                + gw.gateway(listeners, default=gw.validation())
                + gw.backend(self.echo.port, address=self.cluster.backend_address) + gw.route()
                + self.policy_text(pins))

    def policy_text(self, pins=None, **spec):
        who = [self.people.pinned] if pins is None else pins
        return policy("partners", [target("edge")], [pin(spki=p.spki_hash) for p in who], **spec)

    def apply(self, text=None):
        """As after a former run: its address and its Service are there, and nothing of them is news while a test looks."""
        self.api.apply(self.text() if text is None else text)
        self.api.patch("gateways", "edge", {"status": {"addresses": [{"type": "IPAddress", "value": "127.0.0.1"}]}}, part="status")
        self.api.apply_one(named_service("edge", [self.port]))

    def pin(self, *who, **spec):
        self.api.apply(self.policy_text(list(who), **spec))

    def route(self, name, hostname="app.example.com", path="/", service="app", **meta):
        return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": name, "namespace": "edge", **meta},
                "spec": {"parentRefs": [{"name": "edge"}], "hostnames": [hostname], "rules": [
                    {"matches": [{"path": {"type": "PathPrefix", "value": path}}],
                     "backendRefs": [{"name": service, "port": 80}]}]}}

    # --- pingate ---

    def run(self, *options, wait=True, kubeconfig=None, identity="replica-a", pool="127.0.0.1", **keywords):
        source = ["--kubernetes", "--kubeconfig", str(kubeconfig or self.cluster.kubeconfig()), "--identity", identity]
        addresses = ["--address-pool", pool] if pool else ["--service-ports", f"{SERVICE_PORTS[0]}-{SERVICE_PORTS[-1]}"]
        gateway = self.start({}, *options, wait=False, source=source + addresses, **keywords)
        self.gateways.append(gateway)
        eventually(self.echo.answers, "the backend answers")
        if wait:
            eventually(gateway.ready, lambda: "ready: " + gateway.stderr_file.read_text())
        return gateway

    # --- clients ---

    def context(self, identity):
        if identity not in self.contexts:
            self.contexts[identity] = tls_context(self.people.server_ca, identity)
        return self.contexts[identity]

    def connect(self, identity, port=None):
        return connect(port or self.port, self.people.server_ca, identity)

    def knock(self, identity, path="/knock", host="app.example.com", port=None):
        """(status, body), an alert's number, or the name of what went wrong."""
        try:
            raw = socket.create_connection(("127.0.0.1", port or self.port), timeout=20)
            with self.context(identity).wrap_socket(raw, server_hostname="app.example.com") as connection:
                return ask(connection, path, host)
        except ssl.SSLError as e:
            return alert_of(e)
        except OSError as e:
            return type(e).__name__

    def status(self, identity, **keywords):
        got = self.knock(identity, **keywords)
        return got[0] if isinstance(got, tuple) else got

    def await_status(self, wanted, identity, deadline_s=ENFORCED_S, **keywords):
        last = []

        def look():
            last[:] = [self.status(identity, **keywords)]
            return last[0] == wanted and all(g.serving() == g.generation() for g in self.gateways if g.process.poll() is None)
        eventually(look, lambda: f"{identity.name} gets {wanted}: {last[0]}", deadline_s)

    def await_in(self, identity, **keywords):
        self.await_status(200, identity, **keywords)

    def await_out(self, identity, **keywords):
        self.await_status(PINNED_OUT, identity, **keywords)


def named_service(name, ports, namespace="edge"):
    """As pingate makes it with an address pool."""
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": f"{name}-pingate", "namespace": namespace, "labels": {
                "app.kubernetes.io/managed-by": "pingate", "gateway.networking.k8s.io/gateway-name": name,
                "gateway.networking.k8s.io/gateway-class-name": "pingate", "pingate.dev/gateway-namespace": namespace}},
            "spec": {"clusterIP": "None", "ports": [
                {"name": f"p-{port}", "protocol": "TCP", "port": port, "targetPort": port} for port in ports]}}


def ask(connection, path, host="app.example.com"):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(f"closed behind {data!r}")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("cut off")
        body += piece
    return int(head.split()[1]), body.decode("latin-1")


def grant(namespace, kind, name=None, origin="Gateway"):
    group = "" if kind in ("Secret", "ConfigMap", "Service") else "gateway.networking.k8s.io"
    to = {"group": group, "kind": kind, **({"name": name} if name else {})}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
            "metadata": {"name": f"{kind}-{name}".lower(), "namespace": namespace},
            "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": origin, "namespace": "edge"}], "to": [to]}}


def await_quiet(door):
    """Half a second without a write, nor one that waits for its answer."""
    last = [-1]

    def still():
        count = len(door.writes()) if not door.writing else -1
        same, last[0] = count == last[0] >= 0, count
        return same or threading.Event().wait(0.5)
    eventually(still, "it is quiet", 30)


class Probes:
    """While the block runs: one client that is pinned asks on a connection that stays, another by a new one each time, and
    who is not pinned, of another CA or without a certificate tries to come in. Afterwards not one of them got anything else
    than it should."""

    def __init__(self, world, pause_s=0.01):
        self.world, self.pause_s = world, pause_s
        self.requests = self.refusals = 0
        self.wrong, self.over = [], threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self._guard, args=(run,), daemon=True)
                        for run in (self._stay, self._come, self._knock)]
        for thread in self.threads:
            thread.start()
        self.await_more(2)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.await_more(2)
        self.over.set()
        for thread in self.threads:
            thread.join(30)
        if kind is None:
            assert not self.wrong, self.wrong

    def await_more(self, count):
        """So many more of each: what was done before is seen by them."""
        requests, refusals = self.requests + count, self.refusals + count
        eventually(lambda: self.wrong or (self.requests >= requests and self.refusals >= refusals), "probes go on")
        assert not self.wrong, self.wrong

    def _guard(self, run):
        try:
            while not self.over.wait(self.pause_s) and not self.wrong:
                run()
        except Exception as e:  # noqa: BLE001: shown by the test
            self.wrong.append((time.monotonic(), run.__name__, repr(e)))

    def _expect(self, what, got, wanted):
        if got != wanted:
            self.wrong.append((time.monotonic(), what, got))

    def _check(self, answer, path, identity):
        self._expect("a pinned one's answer", answer, (200, f"{path} {identity.client_cert_header}"))
        self.requests += 1

    def _stay(self):
        pinned = self.world.people.pinned
        with self.world.connect(pinned) as connection:
            while not self.over.wait(self.pause_s) and not self.wrong:
                self._check(ask(connection, "/stay"), "/stay", pinned)

    def _come(self):
        pinned = self.world.people.pinned
        self._check(self.world.knock(pinned, "/come"), "/come", pinned)

    def _knock(self):
        people = self.world.people
        for who, alert in ((people.unpinned, PINNED_OUT), (people.untrusted, 48), (None, 116)):
            self._expect(f"{who.name if who else 'nobody'}", self.world.knock(who), alert)
        self.refusals += 1
