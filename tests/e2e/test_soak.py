"""Everything changes at once, for as long as asked for: connections are busy and idle, backends are killed and revived,
listeners come and go, pins change, of the whole Gateway and of a rule. Meanwhile not one verdict is wrong, every answer
bears the certificate of the client that asked, and only requests that a killed backend had may fail.

`./dev soak [SECONDS]` does it with 1,000 busy and 5,000 idle connections; a test run with some.
"""
import collections
import os
import pathlib
import select
import socket
import ssl
import subprocess
import sys
import threading
import time

import h2.events
import pytest
from support import gateway as gw
from support.client import handshake, tls_context
from support.net import eventually, free_port
from test_open_connections import H1, H2, many_files  # noqa: F401

BUSY = int(os.environ.get("PINGATE_SOAK_BUSY", "48"))
IDLE = int(os.environ.get("PINGATE_SOAK_IDLE", "120"))
SECONDS = float(os.environ.get("PINGATE_SOAK_SECONDS", "12"))
BACKENDS, GRACE_S, LATE_S, DEADLINE_S = 3, 1, 10, 120
PINNED_OUT = 46  # the alert that who is not pinned gets
ECHO = pathlib.Path(__file__).parent / "support" / "echo_backend.py"


class Backend:
    def __init__(self):
        self.port, self.process = free_port(), None

    def start(self):
        self.process = subprocess.Popen([sys.executable, str(ECHO), str(self.port)])
        eventually(self.answers, "the backend answers", DEADLINE_S)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()


class Settled:
    """What a verdict must be, and between which moments it may be either: a change is not in force at once."""

    def __init__(self, value):
        self.lock, self.changes = threading.Lock(), [(0, 0, value)]  # (begun, in force, value)

    def change(self, value, act):
        with self.lock:
            self.changes.append((time.monotonic(), None, value))
        act()
        with self.lock:
            self.changes[-1] = (self.changes[-1][0], time.monotonic(), value)

    def allows(self, got, began, ended):
        with self.lock:
            former = self.changes[0][2]
            for begun, in_force, value in self.changes:
                if began < (in_force or float("inf")) and ended > begun and got in (former, value):
                    return True
                former = value if in_force is None or began >= in_force else former
            return got == former


class Asker:
    """Mixed into a connection: one request at a time; keeps the status and body of the last answer."""

    def prepare(self, who, goes):
        self.who, self.goes, self.path, self.count, self.status = who, goes, None, 0, 0

    def next(self, path):
        self.path, self.body, self.status, self.began = path, b"", 0, time.monotonic()
        self.ask(path)


class AskerH1(Asker, H1):
    def take(self, data):
        self.body += data
        head, end, body = self.body.partition(b"\r\n\r\n")
        if not end:
            return
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        if len(body) >= length:
            self.status, self.body = int(head.split()[1]), body
            self.answers += 1


class AskerH2(Asker, H2):
    def take(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.status_told = int(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.DataReceived):
                self.body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.status = self.status_told
                self.answers += 1
            elif isinstance(event, h2.events.StreamReset):
                self.status, self.answers = -1, self.answers + 1
        out = self.h2.data_to_send()
        if out:
            try:
                self.socket.sendall(out)
            except (ssl.SSLError, OSError):
                pass


class Soak:
    """The world, and what is wrong with it."""

    def __init__(self, people, start, tmp_path):
        self.people, self.wrong, self.failed = people, [], collections.Counter()
        self.goes = people.ca.issue("soak-goes")
        self.backends = [Backend() for _ in range(BACKENDS)]
        for backend in self.backends:
            backend.start()
        self.port, self.other_port = free_port(), free_port()
        self.killed, self.turns = [], 0  # (killed, gone)
        self.goes_in, self.secret_in, self.listens = Settled(True), Settled(True), False
        self.answers, self.over = 0, threading.Event()
        self.gateway = start({"edge.yaml": self.text()}, "--limit", "idle-ms=3600000", "--limit", "connections=65536",
                             "--limit", "drain-grace-ms=5000")
        self.goes_open = 0
        self.contexts, self.poll, self.by_fd, self.ended = {}, select.epoll(), {}, []

    # --- the configuration ---

    def text(self, goes=True, secret=True, listens=False):
        people, hosts = self.people, [self.people.pinned] + ([self.goes] if goes else [])
        listeners = [gw.https_listener("https", self.port)] + ([gw.https_listener("other", self.other_port)] if listens else [])
        endpoints = "\n".join(f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: app-{n}, namespace: edge, labels: {{kubernetes.io/service-name: app}}}}
addressType: IPv4
ports: [{{name: http, port: {backend.port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]""" for n, backend in enumerate(self.backends))
        return (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
                + gw.gateway(listeners, default=gw.validation())
                + "---\napiVersion: v1\nkind: Service\nmetadata: {name: app, namespace: edge}\n"
                  "spec: {ports: [{name: http, port: 80}]}\n" + endpoints + "\n"
                + gw.route(rules="- name: secret\n  matches: [{path: {type: PathPrefix, value: /secret}}]\n"
                                 "  backendRefs: [{name: app, port: 80}]\n- backendRefs: [{name: app, port: 80}]")
                + self.policy("partners", "kind: Gateway, name: edge", hosts)
                + self.policy("secret", "kind: HTTPRoute, name: app, sectionName: secret",
                              [people.pinned if secret else people.by_intermediate]))

    def policy(self, name, target, who):
        pins = ", ".join(f'{{spkiHash: "{w.spki_hash}"}}' for w in who)
        return (f"---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\nmetadata: {{name: {name}, namespace: edge}}\n"
                f"spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, {target}}}]\n"
                f"  onRemoval: {{action: Drain, grace: {GRACE_S}s}}\n  pins: [{pins}]\n")

    def swap(self):
        before = self.gateway.generation()
        self.gateway.write("edge.yaml", self.text(self.goes_in.changes[-1][2], self.secret_in.changes[-1][2], self.listens))
        eventually(lambda: self.gateway.serving() > before, "every worker serves the change", DEADLINE_S)

    # --- connections ---

    def open(self, kind, who, goes=False, port=None):
        alpn = "http/1.1" if kind is AskerH1 else "h2"
        if (alpn, who) not in self.contexts:
            self.contexts[alpn, who] = tls_context(self.people.server_ca, who, alpn=(alpn,))
        client = kind(self.contexts[alpn, who], port or self.port)
        client.prepare(who, goes)
        return client

    def expect(self, what, value, wanted):
        if value != wanted:
            self.wrong.append(f"{what}: {value}, not {wanted}")

    # --- what changes ---

    def await_answers(self, count):
        """So many more: what was done before is seen by them."""
        until = self.answers + count
        eventually(lambda: self.answers >= until or self.over.is_set(), "requests are answered", DEADLINE_S)

    def kill_and_revive(self):
        backend = self.backends[len(self.killed) % BACKENDS]
        began = time.monotonic()
        self.killed.append([began, float("inf")])
        backend.kill()
        self.await_answers(BUSY * 2)
        self.killed[-1][1] = time.monotonic()  # all that it had are answered
        self.await_answers(BUSY * 2)
        backend.start()

    def check_port(self, port):
        shake, ca = handshake, self.people.server_ca
        self.expect("the pinned one", shake(port, ca, self.people.pinned), 0)
        self.expect("one who is not pinned", shake(port, ca, self.people.unpinned), PINNED_OUT)
        self.expect("one of another CA", shake(port, ca, self.people.untrusted), 48)
        self.expect("one without a certificate", shake(port, ca), 116)

    def add_and_remove_listener(self):
        self.listens = True
        self.swap()
        eventually(lambda: handshake(self.other_port, self.people.server_ca, self.people.pinned) == 0, "it listens", DEADLINE_S)
        self.check_port(self.other_port)
        client = self.open(AskerH1, self.people.pinned, port=self.other_port)
        self.listens = False
        self.swap()

        def refuses():
            try:
                socket.create_connection(("127.0.0.1", self.other_port), timeout=5).close()
                return False
            except ConnectionRefusedError:
                return True
        eventually(refuses, "nothing listens", DEADLINE_S)
        eventually(lambda: client.read() or client.ended_at, "its connections end", DEADLINE_S)
        self.check_port(self.port)

    def change_pin(self):
        ca = self.people.server_ca
        self.goes_in.change(False, self.swap)
        for _ in range(4):
            self.expect("one whose pin went", handshake(self.port, ca, self.goes), PINNED_OUT)
        eventually(lambda: self.goes_open == 0, "all whose pin went have ended", DEADLINE_S)
        self.await_answers(BUSY)
        self.goes_in.change(True, self.swap)
        for _ in range(4):
            self.expect("one whose pin came", handshake(self.port, ca, self.goes), 0)
        self.check_port(self.port)

    def change_rule(self):
        self.secret_in.change(not self.secret_in.changes[-1][2], self.swap)
        self.await_answers(BUSY * 5)

    def change_all(self):
        acts = (self.kill_and_revive, self.change_rule, self.add_and_remove_listener, self.change_pin)
        try:
            while not self.over.is_set():
                for act in acts:
                    act()
                self.turns += 1
        except Exception as e:  # noqa: BLE001: shown by the test
            self.wrong.append(f"changing: {e!r}")

    # --- requests ---

    def had_by_a_killed_backend(self, client, ended):
        return any(client.began <= gone and ended >= killed for killed, gone in self.killed)

    def judge(self, client):
        ended, secret = time.monotonic(), client.path.startswith("/secret")
        if client.status in (200, 403):
            let_in = client.status == 200
            allowed = self.secret_in.allows(let_in, client.began, ended) and not client.goes or (client.goes and not let_in) \
                if secret else let_in
            if not allowed:
                self.wrong.append(f"{client.path}: {client.status}")
            wanted = f"{client.path} {client.who.client_cert_header}".encode()
            if let_in and client.body != wanted:
                self.wrong.append(f"{client.path}: answered with {client.body[:200]!r}")
        elif client.status == -1 and self.may_end(client):
            self.failed["cut with its connection"] += 1
        elif client.status in (502, 503, 504) and self.had_by_a_killed_backend(client, ended):
            self.failed[client.status] += 1
        else:
            self.wrong.append(f"{client.path}: {client.status} {client.body[:100]!r}")

    def ask_next(self, client):
        client.count += 1
        client.next(f"/secret/{client.count}" if client.count % 5 == 0 else f"/plain/{client.count}")

    def may_end(self, client):
        """Those whose pin went do, within the grace, and so does what they asked; LATE_S: the machine has other things to do."""
        now, out_since = time.monotonic(), None
        with self.goes_in.lock:
            for begun, in_force, value in self.goes_in.changes:
                if not value:
                    out_since = begun
                elif out_since is not None and client.goes and out_since <= now <= (in_force or now) + GRACE_S + LATE_S:
                    return True
                else:
                    out_since = None
        return client.goes and out_since is not None

    def watch(self, client):
        self.by_fd[client.fileno()] = client
        self.goes_open += client.goes
        self.poll.register(client.fileno(), select.EPOLLIN)

    def read(self, client):
        before = client.answers
        client.read()
        if client.answers > before:
            self.answers += 1
            self.judge(client)
            if client.ended_at is None and client.status > 0:
                self.ask_next(client)
        if client.ended_at is not None:
            self.poll.unregister(client.fileno())
            client.socket.close()
            self.goes_open -= client.goes
            if self.may_end(client):
                self.ended.append(client)
            else:
                self.wrong.append(f"a connection ended: {type(client).__name__} {client.path}, goes: {client.goes}")

    def open_again(self):
        """Those whose pin went and came again, a few at a time."""
        for former in self.ended[:8] if self.goes_in.changes[-1][1] and self.goes_in.changes[-1][2] else []:
            try:
                client = self.open(type(former), former.who, True)
                self.ask_next(client)
                self.watch(client)
                self.ended.remove(former)
            except OSError:
                if not self.may_end(former):
                    raise

    def run(self):
        kinds, pinned = (AskerH1, AskerH2), self.people.pinned
        idle = [self.open(kinds[n % 2], pinned) for n in range(IDLE)]
        busy = [self.open(kinds[n % 2], self.goes if n % 8 > 5 else pinned, n % 8 > 5) for n in range(BUSY)]
        for client in idle + busy:
            self.watch(client)
        for client in busy:
            self.ask_next(client)
        changer, end = threading.Thread(target=self.change_all), time.monotonic() + SECONDS
        changer.start()
        while changer.is_alive():
            if time.monotonic() >= end:
                self.over.set()
            for fd, _ in self.poll.poll(0.05):
                self.read(self.by_fd[fd])
            self.open_again()
        self.ask_idle(idle)

    def ask_idle(self, idle):
        for client in idle:
            if client.ended_at is None:
                client.next("/idle")
        deadline = time.monotonic() + DEADLINE_S
        while any(client.answers == 0 and client.ended_at is None for client in idle) and time.monotonic() < deadline:
            for fd, _ in self.poll.poll(0.05):
                self.by_fd[fd].read()
        self.expect("idle connections that answer", sum(client.status == 200 for client in idle), len(idle))
        for client in self.by_fd.values():
            client.socket.close()


@pytest.mark.slow
@pytest.mark.timeout(int(SECONDS) + 600)
def test_no_verdict_is_wrong_and_only_what_a_killed_backend_had_fails(people, start, tmp_path, many_files):  # noqa: F811
    soak = Soak(people, start, tmp_path)
    try:
        soak.run()
    finally:
        for backend in soak.backends:
            backend.kill()
    print(f"\n{BUSY} busy and {IDLE} idle connections, {SECONDS:.0f} s: {soak.answers} answers, {soak.turns} turns of changes "
          f"({len(soak.killed)} backends killed), failed: {dict(soak.failed)}, wrong: {len(soak.wrong)}")
    assert soak.wrong[:20] == []
    assert soak.turns >= 1
