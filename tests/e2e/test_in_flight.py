"""Answers that go on for ever, behind the policies of a route: who no longer passes is cut off, as onRemoval says, and
nobody else is."""
import datetime
import http.server
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest
from support import gateway as gw
from support.client import connect
from support.edge import Edge
from support.net import eventually
from support.policy import pin, policy, target

RULES = """- name: feed
  matches: [{path: {type: PathPrefix, value: /feed}}]
  timeouts: {request: 0s}
  backendRefs: [{name: app, port: 80}]
- name: open
  timeouts: {request: 0s}
  backendRefs: [{name: app, port: 80}]"""


class Feed(http.server.BaseHTTPRequestHandler):
    """Says something twenty times a second, for as long as it is heard; /feed/silent says nothing at all."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        try:
            if self.path.endswith("/silent"):
                while self.connection.recv(1):
                    pass
            else:
                self.talk()
        except OSError:
            pass
        self.server.ended.append(self.path)
        self.close_connection = True

    def talk(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.server.stopped.wait(0.05):
            self.wfile.write(b"9\r\ndata: x\n\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def feed():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    server.daemon_threads, server.asked, server.ended, server.stopped = True, [], [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


class Listener:
    """A client that reads one or more answers of its connection for as long as they come."""

    def __init__(self, edge, people, who, http, *paths):
        self.http, self.heard, self.ended, self.statuses = http, dict.fromkeys(paths, 0), {}, {}
        self.socket = connect(edge.port, people.server_ca, who, alpn=("h2" if http == "2" else "http/1.1",), timeout=60)
        if http == "2":
            self.session = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
            self.session.initiate_connection()
            self.paths = {}
            for path in paths:
                stream = self.session.get_next_available_stream_id()
                self.paths[stream] = path
                self.session.send_headers(stream, [(":method", "GET"), (":scheme", "https"), (":path", path),
                                                   (":authority", "app.example.com")], end_stream=True)
            self.socket.sendall(self.session.data_to_send())
        else:
            self.socket.sendall(f"GET {paths[0]} HTTP/1.1\r\nHost: app.example.com\r\n\r\n".encode())
        threading.Thread(target=self.read_h2 if http == "2" else self.read_h1, daemon=True).start()

    def end(self, path, how):
        self.ended.setdefault(path, (how, time.monotonic()))

    def read_h1(self):
        path, data = next(iter(self.heard)), b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
                self.heard[path] = len(data)
                self.statuses[path] = int(data[9:12])
                if b"\nrequest " in data or data.endswith(b"0\r\n\r\n"):
                    break
        except OSError:
            pass
        self.end(path, "whole" if self.statuses.get(path) == 403 or data.endswith(b"0\r\n\r\n") else "cut off")

    def read_h2(self):
        try:
            while data := self.socket.recv(65536):
                for event in self.session.receive_data(data):
                    path = self.paths.get(getattr(event, "stream_id", None))
                    if isinstance(event, h2.events.ResponseReceived):
                        self.statuses[path] = int(dict(event.headers)[":status"])
                    elif isinstance(event, h2.events.DataReceived):
                        self.heard[path] += len(event.data)
                        self.session.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        self.end(path, "whole")
                    elif isinstance(event, h2.events.StreamReset):
                        self.end(path, "cut off")
                self.socket.sendall(self.session.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):  # of what comes behind a GOAWAY, at the test's end
            pass
        for path in self.heard:
            self.end(path, "connection lost")

    def hears(self, path):
        before = self.heard[path]
        eventually(lambda: self.heard[path] > before + 20, f"{path} goes on")
        assert path not in self.ended


def guard(*pinned, on_removal, section="feed", **more):
    return policy("guard", [target("app", section, kind="HTTPRoute")], [pin(spki=p.spki_hash) for p in pinned],
                  onRemoval=on_removal, **more)


def edge_of(people, feed, extra):
    return Edge(people, feed.server_port, spki=[people.pinned.spki_hash, people.unpinned.spki_hash], rules=RULES, extra=extra)


CLOSE, KEEP, DRAIN = {"action": "Close"}, {"action": "Keep"}, {"action": "Drain", "grace": "1s"}


def cut_record(gateway, path="/feed/1"):
    return eventually(lambda: next((r for r in gateway.access() if r.get("url.path") == path), None), "its record")


@pytest.mark.parametrize("http", ["1.1", "2"])
@pytest.mark.parametrize("how", [CLOSE, DRAIN], ids=["close", "drain"])
def test_who_is_no_longer_pinned_is_cut_off_alone(people, feed, start, http, how):
    edge = edge_of(people, feed, guard(people.pinned, people.unpinned, on_removal=how))
    gateway = start({"edge.yaml": edge.text()})
    paths = ("/feed/1", "/open/1") if http == "2" else ("/feed/1",)
    gone, stays = Listener(edge, people, people.unpinned, http, *paths), Listener(edge, people, people.pinned, http, "/feed/2")
    for path in paths:
        gone.hears(path)
    stays.hears("/feed/2")
    gateway.swap("edge.yaml", edge.text() + gw.config_map("other", {"a": "b"}))  # changes nothing
    gone.hears("/feed/1")
    before = time.monotonic()
    gateway.write("edge.yaml", edge.text(extra=guard(people.pinned, on_removal=how)))
    ended, at = eventually(lambda: gone.ended.get("/feed/1"), "it ends")
    assert ended == "cut off" and (at - before < 5)
    if how is DRAIN:
        assert at - before > 0.8  # nothing can tell it to go, so it has nearly all of its grace
    eventually(lambda: "/feed/1" in feed.ended, "the backend is not asked for more")
    stays.hears("/feed/2")
    if http == "2":
        gone.hears("/open/1")
    record = cut_record(gateway)
    assert record["http.response.status_code"] == 200 and record["error.type"] == "no_longer_admitted"
    assert record["pingate.reason"] == "not_pinned" and record["pingate.scope"] == "ClientCertificatePolicy edge/guard"
    audit = eventually(lambda: gateway.audit("request_refused"), "the audit log has it")
    assert [(r["reason"], r["path"], r["spki_sha256"]) for r in audit] == [("not_pinned", "/feed/1", people.unpinned.spki_hash)]


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_keep_keeps(people, feed, start, http):
    edge = edge_of(people, feed, guard(people.pinned, people.unpinned, on_removal=KEEP))
    gateway = start({"edge.yaml": edge.text()})
    client = Listener(edge, people, people.unpinned, http, "/feed/1")
    client.hears("/feed/1")
    gateway.swap("edge.yaml", edge.text(extra=guard(people.pinned, on_removal=KEEP)))
    other = Listener(edge, people, people.unpinned, http, "/feed/2")
    eventually(lambda: other.statuses.get("/feed/2") == 403, "a new request is refused")
    client.hears("/feed/1")
    gateway.swap("edge.yaml", edge.text(extra=guard(people.pinned, on_removal=CLOSE)))
    assert eventually(lambda: client.ended.get("/feed/1"), "until the policy says otherwise")[0] == "cut off"


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_who_has_no_answer_yet_gets_403(people, feed, start, http):
    edge = edge_of(people, feed, guard(people.unpinned, on_removal=CLOSE))
    gateway = start({"edge.yaml": edge.text()})
    client = Listener(edge, people, people.unpinned, http, "/feed/silent")
    eventually(lambda: "/feed/silent" in feed.asked, "it waits")
    gateway.write("edge.yaml", edge.text(extra=guard(people.pinned, on_removal=CLOSE)))
    assert eventually(lambda: client.ended.get("/feed/silent"), "it ends")[0] == "whole"
    assert client.statuses["/feed/silent"] == 403
    assert cut_record(gateway, "/feed/silent")["pingate.reason"] == "not_pinned"


def denied(people):
    return RULES, guard(people.unpinned, on_removal=CLOSE, deny=[pin(spki=people.unpinned.spki_hash)])


def policy_of_the_route(people):
    return RULES, guard(people.unpinned, on_removal=CLOSE) + policy(
        "route", [target("app", kind="HTTPRoute")], [pin(spki=people.pinned.spki_hash)], onRemoval=CLOSE)


def rule_gone(people):
    return RULES.replace("value: /feed", "value: /other").replace("- name: open\n", "- name: open\n  matches: [{path: {type: "
                         "PathPrefix, value: /open}}]\n"), guard(people.unpinned, on_removal=CLOSE)


CHANGES = {"denied": (denied, "denied"), "policy of the route": (policy_of_the_route, "not_pinned"), "rule gone": (rule_gone, None)}


@pytest.mark.parametrize("change", CHANGES)
def test_what_else_ends_it(people, feed, start, change):
    make, reason = CHANGES[change]
    edge = edge_of(people, feed, guard(people.unpinned, on_removal=CLOSE))
    gateway = start({"edge.yaml": edge.text()})
    client = Listener(edge, people, people.unpinned, "2", "/feed/1")
    client.hears("/feed/1")
    rules, extra = make(people)
    gateway.write("edge.yaml", edge.text(rules=rules, extra=extra))
    assert eventually(lambda: client.ended.get("/feed/1"), "it ends")[0] == "cut off"
    record = cut_record(gateway)
    assert record.get("pingate.reason") == reason
    assert record["error.type"] == ("no_longer_admitted" if reason else "route_changed")


def test_a_first_policy_holds_for_what_began_without_one(people, feed, start):
    edge = edge_of(people, feed, "")
    gateway = start({"edge.yaml": edge.text()})
    client = Listener(edge, people, people.unpinned, "2", "/feed/1", "/open/1")
    client.hears("/feed/1")
    gateway.write("edge.yaml", edge.text(extra=guard(people.pinned, on_removal=CLOSE)))
    assert eventually(lambda: client.ended.get("/feed/1"), "it ends")[0] == "cut off"
    client.hears("/open/1")
    gateway.swap("edge.yaml", edge.text(rules=RULES.replace("name: open", "name: open\n  matches: [{path: {value: /no}}]")))
    client.hears("/open/1")  # no policy was ever asked: what has begun is finished


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_it_ends_with_the_window_of_its_pin(people, feed, start, http):
    ends = datetime.datetime.utcnow().replace(microsecond=0) + datetime.timedelta(seconds=4)
    extra = policy("guard", [target("app", "feed", kind="HTTPRoute")],
                   [pin(spki=people.unpinned.spki_hash, not_after=ends), pin(spki=people.pinned.spki_hash)], onRemoval=CLOSE)
    edge = edge_of(people, feed, extra)
    gateway = start({"edge.yaml": edge.text()})
    gone, stays = (Listener(edge, people, who, http, f"/feed/{n}") for who, n in ((people.unpinned, 1), (people.pinned, 2)))
    gone.hears("/feed/1")
    assert eventually(lambda: gone.ended.get("/feed/1"), "it ends")[0] == "cut off"
    assert datetime.datetime.utcnow() >= ends
    stays.hears("/feed/2")
    assert cut_record(gateway)["pingate.reason"] == "pin_out_of_window"
