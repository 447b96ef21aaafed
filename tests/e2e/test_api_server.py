"""The stand-in for an API server says what the real one says: these run against either (support/cluster.py)."""
import json
import subprocess
import threading

import pytest
from support.net import eventually

ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"
CONDITION = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
             "lastTransitionTime": "2026-01-01T00:00:00Z"}


def route(name, hostname="app.example.com", **meta):
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": "edge", **meta},
            "spec": {"hostnames": [hostname], "parentRefs": [{"name": "edge"}]}}


class Watcher(threading.Thread):
    """curl's events of a watch, as they come."""

    def __init__(self, cluster, path, http="2"):
        super().__init__(daemon=True)
        self.process = subprocess.Popen(curl(cluster, path, http, "-N"), stdout=subprocess.PIPE)
        self.events, self.broken = [], b""
        self.start()

    def run(self):
        for line in self.process.stdout:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.broken = line
        self.process.wait()

    def seen(self):
        return [(e["type"], e["object"]["metadata"].get("name")) for e in list(self.events)]


def curl(cluster, path, http, *options):
    return ["curl", "-sS", "--max-time", "20", "--http2" if http == "2" else "--http1.1", "--cacert", str(cluster.ca.cert_file),
            "-H", f"Authorization: Bearer {cluster.token}", *options, f"https://127.0.0.1:{cluster.door.port}{path}"]


def ask(cluster, path, http="2", options=()):
    done = subprocess.run(curl(cluster, path, http, "-w", "\n%{http_code} %{http_version}", *options), capture_output=True)
    body, _, tail = done.stdout.decode().rpartition("\n")
    return int(tail.split()[0]), body, tail.split()[1]


@pytest.mark.parametrize("http", ("1.1", "2"))
def test_lists_come_by_pages_and_watches_go_on_from_them(cluster, http):
    cluster.api.apply([route(f"r{n}") for n in range(5)])
    names, after = [], ""
    while True:
        status, body, version = ask(cluster, f"{ROUTES}?limit=2{after}", http)
        assert status == 200 and version == http
        page = json.loads(body)
        names += [item["metadata"]["name"] for item in page["items"]]
        assert all(item["kind"] == "HTTPRoute" for item in page["items"])
        if not page["metadata"].get("continue"):
            break
        after = "&continue=" + page["metadata"]["continue"]
    assert names == [f"r{n}" for n in range(5)]
    watcher = Watcher(cluster, f"{ROUTES}?watch=1&resourceVersion={page['metadata']['resourceVersion']}&timeoutSeconds=10", http)
    cluster.api.apply_one(route("r0", "other.example.com"))
    cluster.api.delete("httproutes", "r1")
    cluster.api.apply_one(route("new"))
    eventually(lambda: len(watcher.seen()) == 3, lambda: watcher.seen())
    assert watcher.seen() == [("MODIFIED", "r0"), ("DELETED", "r1"), ("ADDED", "new")]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in watcher.events]
    assert versions == sorted(versions)
    watcher.process.kill()


def test_writes_keep_versions_and_generations(cluster):
    api = cluster.api
    made = api.apply_one(route("r"))
    assert made["metadata"]["generation"] == 1 and made["metadata"]["uid"]
    path = api.path("httproutes", "edge", "r")
    parents = [{"parentRef": {"name": "edge"}, "controllerName": "pingate.dev/gateway-controller", "conditions": [CONDITION]}]
    after = api.must("PUT", path + "/status", {**made, "status": {"parents": parents},
                                               "spec": {"hostnames": ["ignored.example.com"]}})
    assert after["status"]["parents"] and after["spec"] == made["spec"] and after["metadata"]["generation"] == 1
    assert api.ask("PUT", path + "/status", {**made, "status": {"parents": []}})[0] == 409
    same = api.must("PUT", path + "/status", after)
    assert same["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    edited = api.patch("httproutes", "r", {"spec": {"hostnames": ["new.example.com"]}})
    assert edited["metadata"]["generation"] == 2 and edited["status"] == after["status"]
    assert api.ask("POST", api.path("httproutes", "edge"), route("r"))[0] == 409
    assert api.ask("POST", api.path("httproutes", "nowhere"), {**route("r"), "metadata": {"name": "r"}})[0] == 404
    held = api.patch("httproutes", "r", {"metadata": {"finalizers": ["example.com/held"]}})
    assert held["metadata"]["generation"] == 2
    api.delete("httproutes", "r")
    assert api.get("httproutes", "r")["metadata"]["deletionTimestamp"]
    api.patch("httproutes", "r", {"metadata": {"finalizers": None}})
    assert api.get("httproutes", "r") is None


def test_what_the_manifests_do_not_grant_is_forbidden(cluster):
    status, body, _ = ask(cluster, "/api/v1/nodes" if cluster.is_real else "/api/v1/events")
    assert status == 403 and json.loads(body)["reason"] == "Forbidden"
    assert ask(cluster, ROUTES)[0] == 200
    cluster.deny("list", "httproutes")
    message = eventually(lambda: [json.loads(body)["message"] for status, body, _ in [ask(cluster, ROUTES)] if status == 403], "denied")[0]
    assert message == ('httproutes.gateway.networking.k8s.io is forbidden: User "system:serviceaccount:pingate-system:pingate" cannot list '
                       'resource "httproutes" in API group "gateway.networking.k8s.io" at the cluster scope')
    cluster.allow("list", "httproutes")
    eventually(lambda: ask(cluster, ROUTES)[0] == 200, "allowed again")
    assert ask(cluster, "/apis/gateway.networking.k8s.io/v1/nothing")[0] in (403, 404)
    assert ask(cluster, ROUTES, options=["-H", "Authorization: Bearer wrong"])[0] == 401
    assert ask(cluster, ROUTES, options=["-H", "Authorization:", "--cert", str(cluster.client.cert_file), "--key",
                                         str(cluster.client.key_file)])[0] == 200


@pytest.mark.parametrize("http", ("1.1", "2"))
def test_the_door_fails_as_it_is_told(cluster, http):
    door, path = cluster.door, f"{ROUTES}?watch=1&timeoutSeconds=15&resourceVersion="
    version = cluster.api.must("GET", ROUTES)["metadata"]["resourceVersion"]
    failure = door.fail(429, "httproutes", "list", times=1, retry_after=1)
    assert ask(cluster, ROUTES, http)[0] == 429 and failure.hits == 1
    assert ask(cluster, ROUTES, http)[0] == 200
    watcher = Watcher(cluster, path + version, http)
    eventually(lambda: door.open_watches() == ["httproutes"], "it watches")
    door.cut_next_event("httproutes")
    cluster.api.apply_one(route("r"))
    eventually(lambda: watcher.broken, "half an event")
    watcher.join(20)
    assert watcher.process.returncode != 0 and watcher.events == []
    watcher = Watcher(cluster, path + version, http)
    eventually(lambda: watcher.seen() == [("ADDED", "r")], "it watches again")
    door.freeze()
    cluster.api.apply_one(route("unheard"))
    assert ask(cluster, ROUTES, http)[0] == 200  # on a new connection
    assert watcher.seen() == [("ADDED", "r")] and watcher.process.poll() is None
    watcher.process.kill()
    door.stop()
    assert subprocess.run(curl(cluster, ROUTES, http), capture_output=True).returncode == 7  # refused
    door.start()
    assert ask(cluster, ROUTES, http)[0] == 200
    door.freeze(new_too=True)
    assert subprocess.run(curl(cluster, ROUTES, http, "--max-time", "0.3"), capture_output=True).returncode == 28  # no answer
    door.thaw()
    assert ask(cluster, ROUTES, http)[0] == 200


def test_an_old_version_is_gone(cluster):
    if cluster.is_real:
        pytest.skip("a real API server is compacted by time alone")
    version = cluster.api.must("GET", ROUTES)["metadata"]["resourceVersion"]
    cluster.api.apply_one(route("r"))
    cluster.compact()
    watcher = Watcher(cluster, f"{ROUTES}?watch=1&resourceVersion={version}")
    watcher.join(20)
    assert [(e["type"], e["object"]["code"]) for e in watcher.events] == [("ERROR", 410)]
    cluster.server.bookmark_s = 0.05
    watcher = Watcher(cluster, f"{ROUTES}?watch=1&allowWatchBookmarks=true&resourceVersion={cluster.server.store.version}&timeoutSeconds=5")
    eventually(lambda: ("BOOKMARK", None) in watcher.seen(), "a bookmark")
    watcher.process.kill()
