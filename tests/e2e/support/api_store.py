"""What a Kubernetes API server keeps, as far as pingate can tell: objects with versions and generations, the history that
watches are fed from, conflicts, patches. A stand-in: it knows no schema and checks nothing against one."""
import copy
import datetime
import json
import uuid

GATEWAY, PINGATE = "gateway.networking.k8s.io", "pingate.dev"


class Kind:
    def __init__(self, group, versions, name, plural, namespaced=True, status=True):
        self.group, self.versions, self.name, self.plural = group, versions, name, plural
        self.namespaced, self.status = namespaced, status
        self.custom = group in (GATEWAY, PINGATE)

    @property
    def api_version(self):
        return f"{self.group}/{self.versions[0]}" if self.group else self.versions[0]

    @property
    def resource(self):
        return f"{self.plural}.{self.group}" if self.group else self.plural


KINDS = {kind.plural: kind for kind in (
    Kind(GATEWAY, ("v1", "v1beta1"), "GatewayClass", "gatewayclasses", namespaced=False),
    Kind(GATEWAY, ("v1", "v1beta1"), "Gateway", "gateways"),
    Kind(GATEWAY, ("v1",), "ListenerSet", "listenersets"),
    Kind(GATEWAY, ("v1", "v1beta1"), "HTTPRoute", "httproutes"),
    Kind(GATEWAY, ("v1",), "GRPCRoute", "grpcroutes"),
    Kind(GATEWAY, ("v1", "v1alpha3", "v1alpha2"), "TLSRoute", "tlsroutes"),
    Kind(GATEWAY, ("v1", "v1alpha2"), "TCPRoute", "tcproutes"),
    Kind(GATEWAY, ("v1", "v1beta1"), "ReferenceGrant", "referencegrants", status=False),
    Kind(GATEWAY, ("v1", "v1alpha3"), "BackendTLSPolicy", "backendtlspolicies"),
    Kind(PINGATE, ("v1alpha1",), "ClientCertificatePolicy", "clientcertificatepolicies"),
    Kind("", ("v1",), "Namespace", "namespaces", namespaced=False),
    Kind("", ("v1",), "Secret", "secrets", status=False),
    Kind("", ("v1",), "ConfigMap", "configmaps", status=False),
    Kind("", ("v1",), "Service", "services"),
    Kind("", ("v1",), "Event", "events", status=False),
    Kind("discovery.k8s.io", ("v1",), "EndpointSlice", "endpointslices", status=False),
    Kind("coordination.k8s.io", ("v1",), "Lease", "leases", status=False),
    Kind("events.k8s.io", ("v1",), "Event", "events.events.k8s.io", status=False),
    Kind("apiextensions.k8s.io", ("v1",), "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
)}
BY_NAME = {kind.name: kind for kind in KINDS.values() if kind.group != "events.k8s.io"}


class Refused(Exception):
    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


def status_of(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": code}


def encode(value):
    """As Go writes it, for whom "<", ">" and "&" might stand in HTML."""
    text = json.dumps(value, separators=(",", ":"))
    for c in "<>&":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text.encode()


def now():
    return datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def json_patch(target, operations):
    """RFC 6902, as much of it as a client of ours sends."""
    target = copy.deepcopy(target)
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place = target
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        last = (len(place) if last == "-" else int(last)) if isinstance(place, list) else last
        if operation["op"] == "test":
            if (place[last] if isinstance(place, list) else place.get(last)) != operation["value"]:
                raise Refused(422, "Invalid", f"the test of {operation['path']} failed")
        elif operation["op"] == "remove":
            del place[last]
        elif isinstance(place, list) and operation["op"] == "add":
            place.insert(last, operation["value"])
        else:
            place[last] = operation["value"]
    return target


def selects(selector, labels):
    for term in filter(None, selector.split(",")):
        key, equals, value = term.replace("==", "=").partition("=")
        if (equals and labels.get(key) != value) or (not equals and key not in labels):
            return False
    return True


class Stored:
    """One version of an object; never changed."""

    def __init__(self, kind, value):
        self.kind, self.value = kind, value
        meta = value["metadata"]
        self.key = (meta.get("namespace", ""), meta["name"])
        self.version, self.labels = int(meta["resourceVersion"]), meta.get("labels") or {}
        self.text = encode(value)
        # Items of built-in kinds bear neither apiVersion nor kind in a list; those of custom resources do.
        self.item = self.text if kind.custom else encode({k: v for k, v in value.items() if k not in ("apiVersion", "kind")})


class Store:
    def __init__(self):
        self.version, self.compacted = 1000, 1000
        self.objects = {plural: {} for plural in KINDS}
        self.history = []  # (version, type, stored, the one before or None)
        self.watchers = set()  # asyncio.Event of each
        self.prunes = False  # as upstream's Gateway CRD does, which has no certificatePinning

    def list(self, kind, namespace=""):
        return [s for key, s in sorted(self.objects[kind.plural].items()) if not namespace or key[0] == namespace]

    def find(self, kind, namespace, name):
        stored = self.objects[kind.plural].get((namespace, name))
        if stored is None:
            raise Refused(404, "NotFound", f'{kind.resource} "{name}" not found')
        return stored

    def compact(self, version=None):
        """Nothing older than that, or than now, can be watched from any more."""
        self.compacted = self.version if version is None else version
        self.history = [entry for entry in self.history if entry[0] > self.compacted]

    def _keep(self, type_, kind, value, before):
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        stored = Stored(kind, value)
        if type_ == "DELETED":
            del self.objects[kind.plural][stored.key]
        else:
            self.objects[kind.plural][stored.key] = stored
        self.history.append((self.version, type_, stored, before))
        for event in self.watchers:
            event.set()
        return stored

    def _clean(self, kind, value):
        if self.prunes and kind.name == "Gateway":
            frontend = ((value.get("spec") or {}).get("tls") or {}).get("frontend") or {}
            configs = [frontend.get("default") or {}] + [p.get("tls") or {} for p in frontend.get("perPort") or []]
            for config in configs:
                (config.get("validation") or {}).pop("certificatePinning", None)

    def create(self, kind, namespace, value):
        value = copy.deepcopy(value)
        meta = value.setdefault("metadata", {})
        if kind.namespaced:
            meta["namespace"] = meta.get("namespace") or namespace
            if ("", meta["namespace"]) not in self.objects["namespaces"]:
                raise Refused(404, "NotFound", f'namespaces "{meta["namespace"]}" not found')
        if "name" not in meta and "generateName" in meta:
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        if not meta.get("name"):
            raise Refused(422, "Invalid", f"{kind.name}: metadata.name: Required value")
        if (meta.get("namespace", ""), meta["name"]) in self.objects[kind.plural]:
            raise Refused(409, "AlreadyExists", f'{kind.resource} "{meta["name"]}" already exists')
        value["apiVersion"], value["kind"] = value.get("apiVersion", kind.api_version), kind.name
        meta["uid"], meta["creationTimestamp"] = str(uuid.uuid4()), meta.get("creationTimestamp") or now()
        if kind.status:
            meta["generation"] = 1
            if kind.plural not in ("namespaces", "services"):
                value.pop("status", None)
        if kind.name == "Namespace":
            meta["labels"] = {"kubernetes.io/metadata.name": meta["name"], **(meta.get("labels") or {})}
            value.setdefault("status", {"phase": "Active"})
        meta["managedFields"] = [{"manager": "somebody", "operation": "Update", "apiVersion": value["apiVersion"], "time": now(),
                                  "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:noise": {}}}}]
        self._clean(kind, value)
        return self._keep("ADDED", kind, value, None)

    def replace(self, kind, namespace, name, value, part=""):
        before = self.find(kind, namespace, name)
        value, meta = copy.deepcopy(value), before.value["metadata"]
        expected = (value.get("metadata") or {}).get("resourceVersion")
        if expected not in (None, "", meta["resourceVersion"]):
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has been '
                                           "modified; please apply your changes to the latest version and try again")
        if part == "status":
            value = {**before.value, "status": value.get("status")}
            if value["status"] is None:
                del value["status"]
        elif kind.status:
            value.pop("status", None)
            if "status" in before.value:
                value["status"] = before.value["status"]
        kept = {k: meta[k] for k in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "namespace") if k in meta}
        value["metadata"] = {**(value["metadata"] if part != "status" else meta), **kept, "name": name,
                             "managedFields": meta["managedFields"], "resourceVersion": meta["resourceVersion"]}
        value["apiVersion"], value["kind"] = before.value["apiVersion"], kind.name
        self._clean(kind, value)
        if value == before.value:
            return before  # no write at all
        if kind.status and {k: v for k, v in value.items() if k not in ("metadata", "status")} != \
                {k: v for k, v in before.value.items() if k not in ("metadata", "status")}:
            value["metadata"]["generation"] += 1
        value["metadata"]["managedFields"] = [{**meta["managedFields"][0], "time": now()}]
        if "deletionTimestamp" in meta and not value["metadata"].get("finalizers"):
            return self._keep("DELETED", kind, value, before)
        return self._keep("MODIFIED", kind, value, before)

    def patch(self, kind, namespace, name, content_type, patch, part=""):
        if content_type.startswith("application/apply-patch") and (namespace, name) not in self.objects[kind.plural]:
            if part:
                raise Refused(404, "NotFound", f'{kind.resource} "{name}" not found')
            return self.create(kind, namespace, patch)
        before = self.find(kind, namespace, name)
        if content_type.startswith("application/json-patch"):
            value = json_patch(before.value, patch)
        else:
            value = merge(before.value, patch)
            if "resourceVersion" not in (patch.get("metadata") or {}):
                value["metadata"] = {k: v for k, v in value["metadata"].items() if k != "resourceVersion"}
        return self.replace(kind, namespace, name, value, part)

    def delete(self, kind, namespace, name, options):
        before = self.find(kind, namespace, name)
        meta = before.value["metadata"]
        wanted = (options or {}).get("preconditions") or {}
        if any(wanted.get(k) not in (None, meta[k]) for k in ("uid", "resourceVersion")):
            raise Refused(409, "Conflict", f'{kind.resource} "{name}": precondition failed')
        value = copy.deepcopy(before.value)
        if meta.get("finalizers"):
            if "deletionTimestamp" in meta:
                return before
            value["metadata"]["deletionTimestamp"] = now()
            return self._keep("MODIFIED", kind, value, before)
        if kind.name == "Namespace":
            self._empty(name)
        return self._keep("DELETED", kind, value, before)

    def _empty(self, namespace):
        for plural, objects in self.objects.items():
            for key in [k for k in objects if k[0] == namespace]:
                self._keep("DELETED", KINDS[plural], copy.deepcopy(objects[key].value), objects[key])
