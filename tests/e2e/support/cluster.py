"""A cluster for a test: an API server behind a door where faults are made, and a way past that door for the test itself. The
stand-in, or a real etcd and kube-apiserver, where PINGATE_CLUSTER names the binary of tests/conformance/cluster and
PINGATE_GATEWAY_CRDS a folder of upstream's CRDs."""
import atexit
import base64
import concurrent.futures
import copy
import functools
import glob
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

import yaml

from . import pki
from .api_server import RIGHTS, ApiServer
from .api_store import BY_NAME, KINDS, Stored
from .fault_proxy import FaultProxy, Forward
from .gateway import ROOT
from .net import eventually, free_port
from .web_server import Loop

NAMESPACE = "pingate-system"
CLUSTER, GATEWAY_CRDS = os.environ.get("PINGATE_CLUSTER"), os.environ.get("PINGATE_GATEWAY_CRDS")
GATEWAY_CRD, ROUTE_CRD = "gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"
POLICY_CRD = "clientcertificatepolicies.pingate.dev"
PINNING_PATCH = os.path.join(ROOT, "deploy", "gateway-api-crd", "patch", "certificate-pinning.yaml")


@functools.lru_cache(maxsize=None)
def shared_loop():
    return Loop()


class Conflict(Exception):
    pass


class Api:
    """Objects by HTTPS, with all rights."""

    def __init__(self, host, port, ca_pem, token):
        self.host, self.port, self.token = host, port, token
        self.context = ssl.create_default_context(cadata=ca_pem)
        self.local = threading.local()

    def ask(self, method, path, body=None, content_type="application/json"):
        """(status, what it answered)"""
        for again in (True, False):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = self.local.connection = http.client.HTTPSConnection(self.host, self.port, context=self.context,
                                                                                 timeout=60)
            try:
                connection.request(method, path, json.dumps(body) if body is not None else None,
                                   {"Authorization": f"Bearer {self.token}", "Content-Type": content_type})
                reply = connection.getresponse()
                text = reply.read()
                break
            except (http.client.HTTPException, OSError):
                connection.close()
                self.local.connection = None
                if not again:
                    raise
        try:
            return reply.status, json.loads(text)
        except ValueError:
            return reply.status, text.decode()

    def must(self, *arguments, **keywords):
        status, answer = self.ask(*arguments, **keywords)
        if status == 429:  # a CRD is new, and its storage is being made
            status, answer = eventually(lambda: [r for r in [self.ask(*arguments, **keywords)] if r[0] != 429], "it answers")[0]
        if status == 409:
            raise Conflict(answer)
        assert status < 300, (arguments[:2], status, answer)
        return answer

    @staticmethod
    def path(plural, namespace="", name="", part="", api_version=None):
        kind = KINDS.get(plural)
        version = api_version or kind.api_version
        within = f"/namespaces/{namespace}" if namespace else ""
        tail = "".join(f"/{p}" for p in (name, part) if p)
        return f"/{'apis' if '/' in version else 'api'}/{version}{within}/{plural}{tail}"

    def get(self, plural, name, namespace="edge"):
        """None: it is not there."""
        status, answer = self.ask("GET", self.path(plural, namespace if KINDS[plural].namespaced else "", name))
        assert status in (200, 404), answer
        return answer if status == 200 else None

    def list(self, plural, namespace=""):
        return self.must("GET", self.path(plural, namespace))["items"]

    def apply(self, objects):
        """YAML, or objects: made, or put in place of what is there."""
        if isinstance(objects, str):
            objects = [o for o in yaml.load_all(objects, yaml.CSafeLoader) if o]
        for value in objects:
            self.apply_one(value)

    def apply_one(self, value):
        kind, meta = BY_NAME[value["kind"]], value["metadata"]
        namespace = meta.get("namespace", "") if kind.namespaced else ""
        version = value["apiVersion"]
        while True:
            status, answer = self.ask("POST", self.path(kind.plural, namespace, api_version=version), value)
            if status != 409:
                assert status == 201, answer
                return answer
            path = self.path(kind.plural, namespace, meta["name"], api_version=version)
            status, former = self.ask("GET", path)
            if status == 404:
                continue
            try:
                return self.must("PUT", path, {**value, "metadata": {**meta, "resourceVersion": former["metadata"]["resourceVersion"]}})
            except Conflict:
                continue

    def apply_many(self, objects):
        """In no order, 8 at a time."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.apply_one, objects))

    def patch(self, plural, name, patch, namespace="edge", part=""):
        """A merge patch."""
        where = namespace if KINDS[plural].namespaced else ""
        return self.must("PATCH", self.path(plural, where, name, part), patch, "application/merge-patch+json")

    def delete(self, plural, name, namespace="edge"):
        status, answer = self.ask("DELETE", self.path(plural, namespace if KINDS[plural].namespaced else "", name))
        assert status in (200, 202, 404), answer


def namespace_of(name, **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def gateway_class():
    with open(os.path.join(ROOT, "deploy", "kubernetes", "gatewayclass.yaml")) as text:
        return yaml.safe_load(text)


class Cluster:
    """What both kinds have. `door` is the fault proxy that pingate comes by."""

    backend_address = "127.0.0.1"  # where endpoints may be
    is_real = False

    def __init__(self, folder, alpn=("h2", "http/1.1"), listen=None):
        """`listen`: see WebServer, for its doors."""
        self.folder, self.alpn, self.listen = folder, alpn, listen
        folder.mkdir(parents=True, exist_ok=True)
        self.loop = shared_loop()
        self.ca = pki.make_ca(folder, "cluster-ca")
        self.identity = self.ca.issue("kube-apiserver", dns=["localhost"], ips=["127.0.0.1"], eku=pki.SERVER_AUTH)
        self.client_ca = pki.make_ca(folder, "cluster-clients")
        self.client = self.client_ca.issue("pingate")
        self.begin()
        self.api.apply([namespace_of(NAMESPACE), namespace_of("edge"), gateway_class()])

    def open_door(self, behind):
        self.doors = [FaultProxy(self.loop, behind, self.identity, self.client_ca, self.alpn, self.listen)]
        self.door = self.doors[0]

    def another_door(self):
        """With faults of its own, for another replica."""
        self.doors.append(FaultProxy(self.loop, self.door.behind, self.identity, self.client_ca, self.alpn, self.listen))
        return self.doors[-1]

    def kubeconfig(self, name="kubeconfig", token=None, token_file=None, certificate=False, ca=None, server_name=None,
                   host="127.0.0.1", port=None):
        user = {"token": token or self.token}
        if token_file is not None:
            user = {"tokenFile": str(token_file)}
        if certificate:
            user = {"client-certificate-data": b64(self.client.cert_pem), "client-key-data": b64(self.client.key_pem)}
        cluster = {"server": f"https://{host}:{port or self.door.port}",
                   "certificate-authority-data": b64((ca or self.ca).cert_pem)}
        if server_name:
            cluster["tls-server-name"] = server_name
        path = self.folder / name
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}], "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}]}))
        path.chmod(0o600)
        return path

    def stop(self):
        for door in self.doors:
            door.stop()
        self.end()


def b64(text):
    return base64.b64encode(text.encode()).decode()


class StandIn(Cluster):
    def begin(self):
        self.server = ApiServer(self.loop, self.identity)
        self.api = Api("127.0.0.1", self.server.back.port, self.ca.cert_pem, self.server.admin_token)
        self.open_door(self.server.answer)
        self.api.apply([{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {
            "name": name, "annotations": {"gateway.networking.k8s.io/bundle-version": "v1.6.1",
                                          "gateway.networking.k8s.io/channel": "experimental"}},
            "spec": spec} for name, spec in ((GATEWAY_CRD, pinning_schema()), (ROUTE_CRD, retry_schema()), (POLICY_CRD, {}))])

    def end(self):
        self.server.back.stop()

    @property
    def token(self):
        return self.server.token

    def new_token(self):
        token = base64.urlsafe_b64encode(os.urandom(24)).decode()
        self.server.tokens.add(token)
        return token

    def revoke(self, token):
        self.server.tokens.discard(token)

    def deny(self, verb, plural):
        self.server.denied.add((verb, plural))

    def allow(self, verb, plural):
        self.server.denied.discard((verb, plural))

    def remove_kind(self, plural):
        self.server.missing.add(plural)
        self.door.end_watches(plural)

    def restore_kind(self, plural):
        self.server.missing.discard(plural)

    def compact(self, version=None):
        self.loop.do(lambda: self.server.store.compact(version))

    def show(self, plural, name, change):
        """An object as another CRD shows it: of the same version, so no event tells of it, but the kind's watches end."""
        def swap():
            objects = self.server.store.objects[plural]
            for key, stored in [(k, s) for k, s in objects.items() if k[1] == name]:
                value = copy.deepcopy(stored.value)
                change(value)
                objects[key] = Stored(stored.kind, value)
        self.loop.do(swap)
        self.door.end_watches(plural)

    def apply_many(self, objects):
        """Past HTTP: what is there already is in the way."""
        def create():
            for value in objects:
                kind = BY_NAME[value["kind"]]
                self.server.store.create(kind, value["metadata"].get("namespace", ""), value)
        self.loop.do(create)

    def replace_many(self, objects):
        """The same of what is there."""
        def replace():
            for value in objects:
                meta = value["metadata"]
                self.server.store.replace(BY_NAME[value["kind"]], meta["namespace"], meta["name"], value)
        self.loop.do(replace)


def within(names, schema):
    for name in reversed(names):
        schema = {"type": "object", "properties": {name: schema}}
    return schema


def crd_spec(schema):
    return {"group": "gateway.networking.k8s.io", "versions": [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}


def retry_schema(*fields):
    """As much of the HTTPRoute CRD as says which fields a rule has: `retry` unless said."""
    rule = {"type": "object", "properties": {field: {"type": "object"} for field in fields or ("matches", "retry")}}
    return crd_spec(within(("spec", "rules"), {"type": "array", "items": rule}))


def pinning_schema():
    """As much of the Gateway CRD as says that certificatePinning is in it."""
    pins = within(("validation", "certificatePinning"), {"type": "object"})
    frontend = {"type": "object", "properties": {"default": pins, "perPort": {"type": "array", "items": within(("tls",), pins)}}}
    return crd_spec(within(("spec", "tls", "frontend"), frontend))


def control(*arguments):
    subprocess.run([os.path.join(ROOT, "tests", "conformance", "control-plane"), *arguments], check=True, timeout=120)


class Plane:
    """etcd and kube-apiserver, with the CRDs: one for all tests of a process, as it takes a quarter of a minute to start."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pingate-plane-")
        self.port = free_port()
        while free_port() != self.port + 1:
            self.port = free_port()
        control("start", CLUSTER, self.folder, "127.0.0.1", str(self.port))
        atexit.register(self.stop)
        with open(os.path.join(self.folder, "admin.kubeconfig")) as text:
            config = yaml.safe_load(text)
        self.ca = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        self.admin_token = config["users"][0]["user"]["token"]
        self.install()

    def stop(self):
        control("stop", self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kubectl(self, *arguments, text=None):
        done = subprocess.run([CLUSTER, "kubectl", "--kubeconfig", os.path.join(self.folder, "admin.kubeconfig"), *arguments],
                              input=text, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, files):
        self.kubectl("apply", "--server-side", "--force-conflicts", *(a for f in files for a in ("-f", f)))

    def install(self):
        self.apply(f for folder in (GATEWAY_CRDS, os.path.join(ROOT, "deploy", "crds"))
                   for f in sorted(glob.glob(os.path.join(folder, "*.yaml"))) if "kustomization" not in f and "_vap_" not in f)
        self.apply(os.path.join(ROOT, "deploy", "kubernetes", f) for f in ("namespace.yaml", "serviceaccount.yaml"))
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        self.kubectl("patch", "crd", GATEWAY_CRD, "--type=json", "--patch-file", PINNING_PATCH)


@functools.lru_cache(maxsize=None)
def the_plane():
    return Plane()


class RealCluster(Cluster):
    """Its endpoints can't be of the loopback, so backends are reached by the machine's own address. What pingate may do is
    what the manifests say."""

    is_real = True

    def begin(self):
        self.backend_address, self.plane = own_address(), the_plane()
        self.kubectl = self.plane.kubectl
        self.api = Api("127.0.0.1", self.plane.port, self.plane.ca, self.plane.admin_token)
        self.empty()
        self.plane.apply(RIGHTS)
        self.tokens = [self.new_token()]
        self.open_door(Forward("127.0.0.1", self.plane.port, self.plane.ca, self.token))

    def empty(self):
        """Of what the test before left."""
        for kind in KINDS.values():
            if kind.plural in ("namespaces", "customresourcedefinitions") or kind.group == "events.k8s.io":
                continue
            for value in self.api.list(kind.plural):
                meta = value["metadata"]
                if meta.get("namespace", "edge") not in ("kube-system", "default", "kube-node-lease", "kube-public"):
                    if meta.get("finalizers"):
                        self.api.patch(kind.plural, meta["name"], {"metadata": {"finalizers": None}}, meta.get("namespace", ""))
                    self.api.delete(kind.plural, meta["name"], meta.get("namespace", ""))

    def end(self):
        pass

    @property
    def token(self):
        return self.tokens[0]

    def new_token(self):
        return self.kubectl("create", "token", "pingate", "-n", NAMESPACE).strip()

    def deny(self, verb, plural):
        self._edit_rules(lambda verbs: [v for v in verbs if v != verb], plural)

    def allow(self, verb, plural):
        self._edit_rules(lambda verbs: sorted({*verbs, verb}), plural)

    def _edit_rules(self, edit, plural):
        role = json.loads(self.kubectl("get", "clusterrole", "pingate", "-o", "json"))
        rules = []
        for rule in role["rules"]:
            others = [r for r in rule["resources"] if r != plural]
            if others != rule["resources"]:
                rules.append({**rule, "resources": [plural], "verbs": edit(rule["verbs"])})
            if others:
                rules.append({**rule, "resources": others})
        role["rules"] = [r for r in rules if r["verbs"]]
        self.kubectl("replace", "-f", "-", text=json.dumps(role))

    def apply_many(self, objects):
        self.api.apply_many(objects)


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


def make(folder, **keywords):
    return (RealCluster if CLUSTER else StandIn)(folder, **keywords)
