"""A stand-in for a Kubernetes API server, so that tests of the Kubernetes side need no Go: lists by pages, watches with
bookmarks and compacted versions, conflicts, status subresources, rights. It is none: no schema, no defaults, no admission.
The same tests run against the real one, see cluster.py."""
import asyncio
import base64
import json
import os
import secrets
import time

import yaml

from .api_store import KINDS, Refused, Store, encode, selects, status_of
from .gateway import ROOT
from .web_server import Response, WebServer

USER = "system:serviceaccount:pingate-system:pingate"
RIGHTS = os.path.join(ROOT, "deploy", "kubernetes", "rbac.yaml"), os.path.join(ROOT, "deploy", "kubernetes-address-pool", "rbac.yaml")


def rules_of(files):
    """(namespace, rule): what the manifests allow pingate; namespace is empty for rules of the cluster."""
    for file in files:
        with open(file) as text:
            for document in yaml.safe_load_all(text):
                if document["kind"] in ("ClusterRole", "Role"):
                    for rule in document["rules"]:
                        yield document["metadata"].get("namespace", ""), rule


class Asked:
    """What a path means."""

    def __init__(self, request):
        parts = request.path.strip("/").split("/")
        group, parts = ("", parts[1:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[2:])
        self.version = parts.pop(0) if parts else ""
        self.namespace = ""
        if len(parts) > 2 and parts[0] == "namespaces" and parts[2] != "status":
            self.namespace, parts = parts[1], parts[2:]
        self.plural, self.name, self.part = (parts + ["", "", ""])[:3]
        self.group = group
        key = f"{self.plural}.{group}" if group == "events.k8s.io" else self.plural
        self.kind = KINDS.get(key)
        if self.kind and (self.kind.group != group or self.version not in self.kind.versions):
            self.kind = None
        self.watch = request.query.get("watch") in ("1", "true")
        self.verb = {"GET": "get" if self.name else "watch" if self.watch else "list", "POST": "create", "PUT": "update",
                     "PATCH": "patch", "DELETE": "delete"}[request.method]

    @property
    def resource(self):
        return f"{self.plural}/{self.part}" if self.part else self.plural


class ApiServer:
    """`answer` is its one way in; `back` a door of it for tests, past all faults."""

    def __init__(self, loop, identity):
        self.store, self.loop = Store(), loop
        self.admin_token, self.tokens = secrets.token_hex(16), {secrets.token_hex(16)}
        self.rules = list(rules_of(RIGHTS))
        self.denied, self.missing = set(), set()  # (verb, resource); plurals
        self.bookmark_s, self.page_max = 60, None
        self.bookmarks = {}  # of each kind: the last version that one told
        self._pages = {}
        self.back = WebServer(loop, self.answer, identity, alpn=("http/1.1",))

    @property
    def token(self):
        return next(iter(self.tokens))

    async def answer(self, request):
        asked = Asked(request)
        try:
            who = self._who(request)
            if asked.kind is None or asked.kind.plural in self.missing:
                response = Response(404, b"404 page not found\n", content_type="text/plain; charset=utf-8")
            else:
                self._authorize(who, asked)
                response = self._do(request, asked)
        except Refused as e:
            response = Response(e.code, encode(status_of(e.code, e.reason, e.message)))
        except (ValueError, KeyError, TypeError) as e:
            response = Response(400, encode(status_of(400, "BadRequest", repr(e))))
        return response

    # --- who may what ---

    def _who(self, request):
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if secrets.compare_digest(token, self.admin_token):
            return "admin"
        if token in self.tokens or (request.certificate and not token):
            return USER
        raise Refused(401, "Unauthorized", "Unauthorized")

    def _authorize(self, who, asked):
        if who == "admin":
            return
        if (asked.verb, asked.resource) not in self.denied:
            for namespace, rule in self.rules:
                if (namespace in ("", asked.namespace) and asked.group in rule["apiGroups"] and asked.resource in rule["resources"]
                        and asked.verb in rule["verbs"] and asked.name in rule.get("resourceNames", [asked.name])):
                    return
        where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
        name = f' "{asked.name}"' if asked.name else ""
        raise Refused(403, "Forbidden", f'{asked.kind.resource}{name} is forbidden: User "{who}" cannot {asked.verb} resource '
                                        f'"{asked.resource}" in API group "{asked.group}" {where}')

    # --- what ---

    def _do(self, request, asked):
        store, kind = self.store, asked.kind
        if asked.verb == "list":
            return self._list(request, asked)
        if asked.verb == "watch":
            return self._watch(request, asked)
        if asked.verb == "get":
            return Response(200, store.find(kind, asked.namespace, asked.name).text)
        if asked.part not in ("", "status") or (asked.part and not kind.status):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        content_type = request.headers.get("content-type", "")
        body = None
        if request.body:
            body = yaml.safe_load(request.body) if "yaml" in content_type else json.loads(request.body)
        if asked.verb == "create":
            return Response(201, store.create(kind, asked.namespace, body).text)
        where = (kind, asked.namespace, asked.name)
        if asked.verb == "update":
            return Response(200, store.replace(*where, body, asked.part).text)
        if asked.verb == "patch":
            return Response(200, store.patch(*where, content_type, body, asked.part).text)
        return Response(200, store.delete(*where, body).text)

    def _selected(self, request, stored):
        field = request.query.get("fieldSelector", "")
        if field.startswith("metadata.name=") and stored.key[1] != field.partition("=")[2]:
            return False
        return selects(request.query.get("labelSelector", ""), stored.labels)

    def _list(self, request, asked):
        limit = int(request.query.get("limit") or 0)
        limit = min(limit, self.page_max or limit) if limit else 0
        if "continue" in request.query:
            if request.query["continue"] not in self._pages:
                raise Refused(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
            version, items = self._pages[request.query["continue"]]
        else:
            version = self.store.version
            items = [s for s in self.store.list(asked.kind, asked.namespace) if self._selected(request, s)]
        meta = {"resourceVersion": str(version)}
        if limit and len(items) > limit:
            token = base64.urlsafe_b64encode(secrets.token_bytes(24)).decode()
            self._pages[token] = (version, items[limit:])
            meta["continue"], meta["remainingItemCount"] = token, len(items) - limit
            items = items[:limit]
        head = encode({"kind": asked.kind.name + "List", "apiVersion": asked.kind.api_version, "metadata": meta})
        return Response(200, head[:-1] + b',"items":[' + b",".join(s.item for s in items) + b"]}\n")

    def _watch(self, request, asked):
        version = int(request.query.get("resourceVersion") or 0)
        if version > self.store.version:
            raise Refused(504, "Timeout", "Too large resource version")
        return Response(200, self._events(request, asked, version))

    def _seen(self, request, asked, entry):
        """An event as this watch sees it: what begins to match is added, what ceases to is deleted."""
        _, type_, stored, before = entry
        if stored.kind is not asked.kind or asked.namespace not in ("", stored.key[0]):
            return None
        is_in = type_ != "DELETED" and self._selected(request, stored)
        was_in = before is not None and self._selected(request, before)
        if not is_in and not was_in:
            return None
        return b'{"type":"%s","object":%s}\n' % (
            b"MODIFIED" if is_in and was_in else b"ADDED" if is_in else b"DELETED", stored.text)

    async def _events(self, request, asked, version):
        store, changed = self.store, asyncio.Event()
        end = time.monotonic() + float(request.query.get("timeoutSeconds") or 1800)
        bookmarks = request.query.get("allowWatchBookmarks") in ("1", "true")
        if version == 0:
            for stored in store.list(asked.kind, asked.namespace):
                if self._selected(request, stored):
                    yield b'{"type":"ADDED","object":%s}\n' % stored.text
            version = store.version
        store.watchers.add(changed)
        try:
            while True:
                if version < store.compacted:
                    expired = status_of(410, "Expired", f"too old resource version: {version} ({store.compacted})")
                    yield b'{"type":"ERROR","object":%s}\n' % encode(expired)
                    return
                changed.clear()
                for entry in store.history[first_after(store.history, version):]:
                    version = entry[0]
                    line = self._seen(request, asked, entry)
                    if line:
                        yield line
                left = end - time.monotonic()
                try:
                    await asyncio.wait_for(changed.wait(), max(min(left, self.bookmark_s), 0.001))
                except asyncio.TimeoutError:
                    if bookmarks:
                        yield self._bookmark(asked.kind, version)
                        self.bookmarks[asked.kind.plural] = version
                    if left <= self.bookmark_s:
                        return
        finally:
            store.watchers.discard(changed)

    @staticmethod
    def _bookmark(kind, version):
        return b'{"type":"BOOKMARK","object":%s}\n' % encode(
            {"kind": kind.name, "apiVersion": kind.api_version,
             "metadata": {"resourceVersion": str(version), "creationTimestamp": None}})


def first_after(history, version):
    low, high = 0, len(history)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if history[middle][0] <= version else (low, middle)
    return low
