#!/usr/bin/python3
"""What a cluster costs, against an API server whose kubeconfig is given (tests/conformance/control-plane makes one): the time from
start to the first generation of many routes and Secrets beside that which curl takes for the same lists, the memory, how long it
is from an API server's event to the change in force while connections are made all along, and how long while the status of every
route is written, because an edit of their Gateway made it another."""
import argparse
import base64
import concurrent.futures
import datetime
import http.client
import json
import pathlib
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMESPACE, GATEWAY = "bench", "gateway.networking.k8s.io/v1"
PLURALS = {"Namespace": "namespaces", "GatewayClass": "gatewayclasses", "Gateway": "gateways", "ListenerSet": "listenersets",
           "HTTPRoute": "httproutes", "Secret": "secrets", "Service": "services", "EndpointSlice": "endpointslices"}


class Api:
    def __init__(self, kubeconfig, folder):
        config = yaml.safe_load(open(kubeconfig))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server, self.ca = urllib.parse.urlparse(cluster["server"]), folder / "ca.pem"
        self.ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        self.context, self.token = ssl.create_default_context(cafile=str(self.ca)), {"Authorization": f"Bearer {user['token']}"}
        self.local = threading.local()

    def ask(self, method, path, body=None, again=True):
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPSConnection(self.server.hostname, self.server.port, context=self.context, timeout=60)
        try:
            self.local.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind, **self.token})
            reply = self.local.connection.getresponse()
            return reply.status, json.loads(reply.read())
        except (OSError, http.client.HTTPException):
            self.local.connection.close()
            if not again:
                raise
        return self.ask(method, path, body, again=False)

    @staticmethod
    def path(value):
        version, plural = value["apiVersion"], PLURALS[value["kind"]]
        namespace = value["metadata"].get("namespace")
        return f"/{'apis' if '/' in version else 'api'}/{version}{f'/namespaces/{namespace}' if namespace else ''}/{plural}"

    def make(self, value):
        status, answer = self.ask("POST", self.path(value), value)
        assert status in (201, 409), answer

    def make_all(self, values):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.make, values))

    def curl(self, path):
        """Seconds for all pages of a list."""
        began, more = time.monotonic(), ""
        while True:
            text = subprocess.run(["curl", "-sS", "--cacert", self.ca, "-H", f"Authorization: {self.token['Authorization']}",
                                   f"{self.server.geturl()}{path}?limit=500{more}"],
                                  capture_output=True, check=True).stdout
            spent = time.monotonic()
            token = json.loads(text)["metadata"].get("continue")
            began += time.monotonic() - spent  # Python's own time does not count
            if not token:
                return time.monotonic() - began
            more = "&continue=" + token


def thing(version, kind, name, namespace=NAMESPACE, **rest):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def secret(number):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"host-{number}.example")])
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(number + 1)
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"host-{number}.example")]), critical=False)
            .sign(key, hashes.SHA256()))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    data = {"tls.crt": base64.b64encode(cert.public_bytes(serialization.Encoding.PEM)).decode(),
            "tls.key": base64.b64encode(pem).decode()}
    return thing("v1", "Secret", f"tls-{number:05}", type="kubernetes.io/tls", data=data)


def route(number):
    return thing(GATEWAY, "HTTPRoute", f"route-{number:05}", spec={
        "parentRefs": [{"name": "edge", "sectionName": "http"}], "hostnames": [f"host-{number % 1000}.example"],
        "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": f"/path-{number}"}}],
                   "backendRefs": [{"name": f"app-{number % 100}", "port": 80}]}]})


def redirect(to, section="http"):
    return {"parentRefs": [{"name": "edge", "sectionName": section}], "hostnames": ["probe.example"],
            "rules": [{"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": to, "statusCode": 302}}]}]}


def fill(api, port, routes, secrets):
    api.make(thing("v1", "Namespace", NAMESPACE, None))
    api.make(thing(GATEWAY, "GatewayClass", "pingate", None, spec={"controllerName": "pingate.dev/gateway-controller"}))
    api.make(thing(GATEWAY, "Gateway", "edge", spec={
        "gatewayClassName": "pingate", "allowedListeners": {"namespaces": {"from": "Same"}},
        "listeners": [{"name": "http", "port": port, "protocol": "HTTP"}]}))
    sets = [list(range(at, min(at + 64, secrets))) for at in range(0, secrets, 64)]
    api.make_all(thing(GATEWAY, "ListenerSet", f"set-{at}", spec={
        "parentRef": {"name": "edge"},
        "listeners": [{"name": f"l-{n}", "port": port + 1, "protocol": "HTTPS", "hostname": f"host-{n}.example",
                       "tls": {"certificateRefs": [{"name": f"tls-{n:05}"}]}} for n in numbers]}) for at, numbers in enumerate(sets))
    api.make_all(thing("v1", "Service", f"app-{n}", spec={"ports": [{"port": 80}]}) for n in range(100))
    api.make_all(thing("discovery.k8s.io/v1", "EndpointSlice", f"app-{n}-a", addressType="IPv4", ports=[{"port": 8080, "name": ""}],
                       endpoints=[{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}]) for n in range(100))
    for value in api.ask("GET", f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices")[1]["items"]:
        name = value["metadata"]["name"]
        api.ask("PATCH", f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/{name}",
                {"metadata": {"labels": {"kubernetes.io/service-name": name[:-2]}}})
    api.make_all(secret(n) for n in range(secrets))
    api.make_all(route(n) for n in range(routes))
    api.make(thing(GATEWAY, "HTTPRoute", "probe", spec=redirect("n-0.example")))


class Gateway:
    def __init__(self, arguments, admin):
        command = [arguments.pingate, "run", "--kubernetes", "--kubeconfig", arguments.kubeconfig, "--admin", f"127.0.0.1:{admin}",
                   "--workers", "2", "--address-pool", "127.0.0.1", "--audit-log", str(arguments.log), *arguments.pass_on]
        self.began, self.port = time.monotonic(), arguments.port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def target(self, client):
        client.request("GET", "/", headers={"Host": "probe.example"})
        reply = client.getresponse()
        reply.read()
        return (reply.getheader("Location") or "//").split("/")[2].split(":")[0]

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def until(self, want, client=None, pause=0.0005):
        while self.process.poll() is None:
            try:
                client = client or self.client()
                if self.target(client) == want:
                    return time.monotonic(), client
            except (OSError, http.client.HTTPException):
                client = None
                time.sleep(0.005)
            time.sleep(pause)
        sys.exit("pingate has ended")

    def memory_mib(self, field="VmRSS"):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        return 0


PROBE = f"/apis/{GATEWAY}/namespaces/{NAMESPACE}/httproutes/probe"


def changes(api, gateway, count, section="http"):
    """Milliseconds from the API server's answer to a change until a connection that was open all along sees it, in turn."""
    client, took = None, []
    for number in range(1, count + 1):
        want = f"n-{number}-{random.randrange(1 << 30)}.example"
        status, answer = api.ask("PATCH", PROBE, {"spec": redirect(want, section)})
        made = time.monotonic()
        assert status == 200, answer
        seen, client = gateway.until(want, client)
        took.append((seen - made) * 1000)
    return took


def listeners(arguments, taken):
    """The routes' own listener, which takes them or not, and another for the probe's alone."""
    kinds = {} if taken else {"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}}
    return {"spec": {"listeners": [{"name": "http", "port": arguments.port, "protocol": "HTTP", **kinds},
                                   {"name": "probe", "port": arguments.port + 3, "protocol": "HTTP"}]}}


def told(api, number):
    """The status of its condition Accepted."""
    answer = api.ask("GET", f"/apis/{GATEWAY}/namespaces/{NAMESPACE}/httproutes/route-{number:05}")[1]
    return [c["status"] for p in answer.get("status", {}).get("parents", []) for c in p["conditions"] if c["type"] == "Accepted"]


def share_told(api, arguments, taken):
    """Of a twentieth of all: they are written in the order of their names."""
    numbers = range(0, arguments.routes, max(arguments.routes // 20, 1))
    return sum(told(api, n) == ["True" if taken else "False"] for n in numbers) / len(numbers)


def statuses(api, gateway, arguments):
    """The first changes behind each edit of the Gateway that makes every route's status another; those that follow while statuses
    are written; and the share that was written by then."""
    path, first, later, shares = f"/apis/{GATEWAY}/namespaces/{NAMESPACE}/gateways/edge", [], [], []
    api.ask("PATCH", path, listeners(arguments, True))
    api.ask("PATCH", PROBE, {"spec": redirect("n-0.example", "probe")})
    gateway.port = arguments.port + 3
    gateway.until("n-0.example")
    for turn in range(arguments.turns):
        taken = turn % 2 == 1
        status, answer = api.ask("PATCH", path, listeners(arguments, taken))
        assert status == 200, answer
        first += changes(api, gateway, 1, "probe")
        later += changes(api, gateway, arguments.behind, "probe")
        shares.append(share_told(api, arguments, taken))
    api.ask("PATCH", path, listeners(arguments, True))
    return sorted(first), sorted(later), shares


def spread(took):
    """Of what is sorted."""
    return (f"{statistics.median(took):.0f} ms in the middle (must: 200), 99 % within "
            f"{took[max(int(len(took) * 0.99) - 1, 0)]:.0f} ms (must: 500), at most {took[-1]:.0f} ms")


def load(gateway, stop):
    while not stop.is_set():
        try:
            client = gateway.client()
            for _ in range(20):
                gateway.target(client)
            client.close()
        except (OSError, http.client.HTTPException):
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig")
    parser.add_argument("--pingate", default=str(ROOT / "build" / "src" / "cli" / "pingate"))
    parser.add_argument("--routes", type=int, default=10000)
    parser.add_argument("--secrets", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--behind", type=int, default=100, help="changes behind each of them")
    parser.add_argument("--turns", type=int, default=4, help="of the Gateway, each of which changes every route's status")
    parser.add_argument("--port", type=int, default=24080, help="and the next and the third, of listeners; the second: admin")
    parser.add_argument("--log", type=pathlib.Path, default="/dev/null")
    parser.add_argument("--filled", action="store_true", help="the objects are there already")
    parser.add_argument("pass_on", nargs="*", help="arguments for pingate, behind --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        api = Api(arguments.kubeconfig, pathlib.Path(folder))
        if not arguments.filled:
            began = time.monotonic()
            fill(api, arguments.port, arguments.routes, arguments.secrets)
            print(f"filled in {time.monotonic() - began:.1f} s")
        api.ask("PATCH", PROBE, {"spec": redirect("n-0.example")})
        lists = [f"/apis/{GATEWAY}/httproutes", "/api/v1/secrets"]
        curls = [sum(api.curl(path) for path in lists) for _ in range(3)]
        gateway = Gateway(arguments, arguments.port + 2)
        try:
            synced = gateway.until("n-0.example")[0] - gateway.began
            print(f"{arguments.routes:,} routes, {arguments.secrets:,} Secrets: serving after {synced:.2f} s, curl takes "
                  f"{min(curls):.2f} s for the lists (must: at most twice); {gateway.memory_mib():.0f} MiB, at most "
                  f"{gateway.memory_mib('VmHWM'):.0f} (must: 256)")
            stop = threading.Event()
            threading.Thread(target=load, args=(gateway, stop), daemon=True).start()
            if arguments.changes:
                print(f"{arguments.changes:,} changes under load: {spread(sorted(changes(api, gateway, arguments.changes)))}; "
                      f"{gateway.memory_mib():.0f} MiB, at most {gateway.memory_mib('VmHWM'):.0f}")
            if arguments.turns:
                first, later, shares = statuses(api, gateway, arguments)
                print(f"{arguments.routes:,} statuses anew, {len(shares)} times: a change right behind it {spread(first)}; {len(later):,} "
                      f"more, by whose end {min(shares):.0%} to {max(shares):.0%} were written, {spread(later)}; "
                      f"{gateway.memory_mib():.0f} MiB, at most {gateway.memory_mib('VmHWM'):.0f}")
            stop.set()
        finally:
            gateway.process.terminate()
            gateway.process.wait()


if __name__ == "__main__":
    main()
