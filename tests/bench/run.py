"""./dev bench: server CPU microseconds per operation, peers interleaved in one run; ratios are what counts."""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("PINGATE", str(ROOT / "build" / "src" / "cli" / "pingate"))

from servers import (CLIENT_CPU, Backend, Caddy, Haproxy, NginxProxy, Pingate)  # noqa: E402
from support import gateway as gw  # noqa: E402
from support import pki  # noqa: E402

import types  # noqa: E402

LOAD = os.environ.get("LOAD", str(ROOT / "build" / "tests" / "bench" / "load"))


def make_people(folder):
    folder.mkdir(parents=True)
    p = types.SimpleNamespace()
    p.server_ca = pki.make_ca(folder, "server-root")
    p.server = p.server_ca.issue("server", dns=["app.example.com"], eku=pki.SERVER_AUTH)
    p.ca = pki.make_ca(folder, "clients-root")
    p.pinned = p.ca.issue("pinned")
    p.unpinned = p.ca.issue("unpinned")
    p.by_intermediate = p.ca.intermediate("issuing").issue("by-intermediate")
    for who in ("pinned", "unpinned", "by_intermediate"):
        identity = getattr(p, who)
        (folder / f"{who}.pem").write_text(identity.cert_pem + identity.chain_pem + identity.key_pem)
    p.folder = folder
    return p


def load(server, people, mode, who="pinned", count=1000, may_fail=0, **options):
    command = ["taskset", "-c", CLIENT_CPU, LOAD, "--mode", mode, "--port", str(server.port), "--count", str(count),
               "--identities", str(people.folder / f"{who}.pem")]
    for key, value in options.items():
        command += [f"--{key}", str(value)]
    before = server.cpu_s()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    cpu = server.cpu_s() - before
    result = json.loads(done.stdout or '{"errors": 1}')
    if result["errors"] > may_fail:
        raise RuntimeError(f"{server.name} {mode}: {done.stdout}{done.stderr}")
    return cpu * 1e6 / result["operations"], result


def idle_bytes(server, people, count=1000):
    # Warm, so that rings of records and the like, touched once for all, are not counted as the connections'.
    load(server, people, "full", count=2 * count, concurrency=4)
    before = server.rss_kb()
    process = subprocess.Popen([LOAD, "--mode", "idle", "--port", str(server.port), "--count", str(count),
                                "--concurrency", str(count), "--identities", str(people.folder / "pinned.pem")],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    after = server.rss_kb()
    process.communicate("")
    held = int(line.split()[1])
    return (after - before) * 1024 / held


ROWS = [
    ("full handshake + GET, leaf by root", lambda s, p, n: load(s, p, "full", count=800 * n)[0]),
    ("full handshake + GET, by an intermediate", lambda s, p, n: load(s, p, "full", "by_intermediate", count=800 * n)[0]),
    ("refusing an unpinned client", lambda s, p, n: load(s, p, "refused", "unpinned", count=800 * n)[0]),
    ("keep-alive HTTP/1.1 GET", lambda s, p, n: load(s, p, "keepalive", count=20000 * n, concurrency=64)[0]),
    ("HTTP/2 GET, 100 streams", lambda s, p, n: load(s, p, "h2", count=20000 * n, concurrency=4, streams=100)[0]),
]


def spread(values, unit=""):
    if not values:
        return "-"
    return f"{statistics.median(values):.1f} [{min(values):.1f}..{max(values):.1f}]{unit}"


def measure(servers, people, rows, repeats, size):
    table = {(row[0], s.name): [] for row in rows for s in servers}
    for _ in range(repeats):
        for name, run in rows:
            for server in servers:
                try:
                    table[name, server.name].append(run(server, people, size))
                except (RuntimeError, subprocess.TimeoutExpired) as e:
                    print(f"# {server.name}: {name}: {e}", file=sys.stderr)
    return table


def print_table(table, servers, rows):
    ours = servers[0].name
    for name, _ in rows:
        own = table[name, ours]
        print(f"\n{name} (server CPU us an operation: median [min..max])")
        for server in servers:
            values = table[name, server.name]
            ratio = ""
            if server.name != ours and values and own:
                ratio = f"  pingate/{server.name} = {statistics.median(own) / statistics.median(values):.2f}"
            print(f"  {server.name:15} {spread(values):28}{ratio}")


def one_load(server, people, mode, who, count, concurrency):
    return ["taskset", "-c", CLIENT_CPU, LOAD, "--mode", mode, "--port", str(server.port), "--count", str(count),
            "--concurrency", str(concurrency), "--identities", str(people.folder / f"{who}.pem")]


def comes_in(server, people, who):
    return subprocess.run(one_load(server, people, "full", who, 1, 1), capture_output=True).returncode == 0


def pin_sets(folder, people, backend, size):
    import pin_sets as rows
    rows.million(folder, people, backend, size)
    rows.fifty_files(folder, people, backend)
    rows.fifty_config_maps(folder, people, backend)


def routes(folder, backend):
    import routes as rows
    rows.lookup()
    rows.translation(folder, backend)


def grpc(folder, people, repeats, size):
    import grpc_calls
    grpc_calls.unary(folder, people, repeats, size)


def bodies(folder, people):
    import bodies as rows
    rows.bodies(folder, people)


def first_sight(folder, people, backend, repeats):
    """Clients that were never seen: nothing is remembered. Caddy is given the CA alone: its list of leaf
    certificates is searched one by one."""
    count = 500
    pins, crowds = [], []
    for n in range(repeats):
        crowd = [people.ca.issue(f"client-{n}-{i}") for i in range(count)]
        (people.folder / f"crowd{n}.pem").write_text("".join(c.cert_pem + c.key_pem for c in crowd))
        pins += [c.certificate_hash for c in crowd]
        crowds.append(f"crowd{n}")
    servers = [Pingate(folder / "sight", people, backend.port, pins=pins)]
    try:
        servers.append(Caddy(folder / "sight-caddy", people, backend.port, leafs=False))
    except RuntimeError as e:
        print(f"# caddy: {e}", file=sys.stderr)
    print("\nfull handshake + GET, first sight of each client (server CPU us an operation)")
    for server in servers:
        print(f"  {server.name:15} " + spread([load(server, people, "full", who, count=count)[0] for who in crowds]))
        server.stop()


def gauge(server, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/metrics", timeout=10) as reply:
        return min(int(line.split()[-1]) for line in reply.read().decode().splitlines() if line.startswith(name + "{"))


def time_to_judged(server, change):
    """Milliseconds from the change to the new generation being served, and to the last connection being judged."""
    before = gauge(server, "pingate_worker_generation")
    began = time.monotonic()
    change()
    served = 0
    while gauge(server, "pingate_worker_judged_generation") == before:
        if not served and gauge(server, "pingate_worker_generation") > before:
            served = time.monotonic()
    judged = time.monotonic()
    return (served or judged) - began, judged - began


def replace(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def rejudged(folder, people, backend):
    """10,000 connections of 5,000 clients are open; the pins of every other client go, then the CAs change."""
    clients, connections = 5000, 10000
    crowd = [people.ca.issue(f"crowd-{n}") for n in range(clients)]
    (people.folder / "crowd.pem").write_text("".join(c.cert_pem + c.key_pem for c in crowd))
    server = Pingate(folder / "rejudged", people, backend.port, pins=[c.certificate_hash for c in crowd])
    held = subprocess.Popen([LOAD, "--mode", "idle", "--port", str(server.port), "--count", str(connections),
                             "--concurrency", str(connections), "--identities", str(people.folder / "crowd.pem")],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    count = int(held.stdout.readline().split()[1])
    quiet = load(server, people, "keepalive", count=30000, concurrency=16)[1]
    busy = subprocess.Popen(one_load(server, people, "keepalive", "pinned", 120000, 16), stdout=subprocess.PIPE, text=True)
    edge, other = server.config.read_text(), pki.make_ca(people.folder, "other-root")
    both = gw.ca_config_map("clients-ca", people.ca, other)
    served, all_judged = time_to_judged(server, lambda: replace(
        server.config, edge.replace(gw.ca_config_map("clients-ca", people.ca), both)))
    print(f"\n{count:,} open connections of {clients:,} clients judged again, from the rename of the file: by other CAs "
          f"{all_judged * 1000:.0f} ms (new handshakes {served * 1000:.0f} ms)", end="")
    pins = server.config.parent / "pins.txt"
    lines = pins.read_text().splitlines(keepends=True)
    served, all_judged = time_to_judged(server, lambda: replace(pins, "".join(lines[1::2] + lines[-2:])))
    print(f", by half of the pins {all_judged * 1000:.0f} ms ({served * 1000:.0f} ms)")
    result = json.loads(busy.communicate()[0])
    print(f"others' keep-alive requests meanwhile: p99 {result['p99_us']} us, {result['errors']} failed "
          f"(quiet: p99 {quiet['p99_us']} us)")
    held.communicate("")
    server.stop()


def rule_policy(rule, pin):
    return (f"---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\nmetadata: {{name: {rule}, namespace: edge}}\n"
            f"spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: app, sectionName: {rule}}}]\n"
            f"  pins: [{pin}]\n")


def route_pins(folder, people, backend, repeats, size):
    """What the pins of a rule cost a request that they let in, name or refuse; beside 404, which asks no pin."""
    rules = "\n".join(f"- name: {name}\n  matches: [{{path: {{type: PathPrefix, value: /{name}}}}}]\n"
                      "  backendRefs: [{name: app, port: 80}]" for name in ("plain", "pinned", "named", "refused"))
    pinned, unpinned = (f'{{spkiHash: "{p.spki_hash}"}}' for p in (people.pinned, people.unpinned))
    server = Pingate(folder / "route-pins", people, backend.port, rules=rules,
                     extra=rule_policy("pinned", pinned) + rule_policy("named", pinned[:-1] + ", name: robot}") +
                     rule_policy("refused", unpinned))
    rows = [("plain request", "/plain", "200"), ("let in by the pins of its rule", "/pinned", "200"),
            ("and named by them", "/named", "200"), ("403 by the pins of its rule", "/refused", "403"),
            ("404 without a route", "/nothing", "404")]
    print("\nthe pins of a route (server CPU us a request: median [min..max])")
    for mode, options in (("keepalive", {"concurrency": 64}), ("h2", {"concurrency": 4, "streams": 100})):
        table = {row[0]: [] for row in rows}
        for _ in range(repeats):
            for name, path, status in rows:
                table[name].append(load(server, people, mode, count=20000 * size, path=path, status=status, **options)[0])
        for name, values in table.items():
            print(f"  {mode:10} {name:30} {spread(values)}")
    server.stop()


def versions():
    for command in (["nginx", "-v"], ["haproxy", "-v"], ["caddy", "version"], ["openssl", "version"]):
        path = shutil.which(command[0], path="/usr/sbin:/usr/bin")
        if path:
            done = subprocess.run([path, *command[1:]], capture_output=True, text=True)
            print("# " + (done.stdout + done.stderr).splitlines()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=2, help="operations, in multiples of the smallest useful run")
    parser.add_argument("--only-pingate", action="store_true")
    parser.add_argument("--against", metavar="BINARY", help="another build of pingate, in the same run")
    parser.add_argument("--only-pin-sets", action="store_true", help="only the rows about 1,000,000 pins")
    parser.add_argument("--only-routes", action="store_true", help="only the rows about 10,000 routes")
    parser.add_argument("--only-grpc", action="store_true", help="only the row about gRPC")
    parser.add_argument("--only-bodies", action="store_true", help="only the rows about a body of 1 GiB")
    parser.add_argument("--rows", metavar="WORD", help="only the rows whose name has the word, and the idle connection")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.rows or options.rows in row[0]]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pingate-bench-"))
    folder.chmod(0o755)
    people = make_people(folder / "pki")
    versions()
    backend = Backend(folder / "backend")
    if options.only_pin_sets or options.only_routes or options.only_bodies or options.only_grpc:
        try:
            if options.only_routes:
                routes(folder, backend)
            if options.only_grpc:
                grpc(folder, people, options.repeats, options.size)
            if options.only_bodies:
                bodies(folder, people)
            if options.only_pin_sets:
                pin_sets(folder, people, backend, options.size)
        finally:
            backend.stop()
            shutil.rmtree(folder, ignore_errors=True)
        return
    servers = [Pingate(folder / "pingate", people, backend.port)]
    try:
        if options.against:
            servers.append(Pingate(folder / "other", people, backend.port, binary=options.against))
            servers[1].name = "other pingate"
        if not options.only_pingate:
            servers += [NginxProxy(folder / "nginx", people, backend.port),
                        NginxProxy(folder / "nginx-tuned", people, backend.port, tuned=True),
                        Haproxy(folder / "haproxy", people, backend.port),
                        Haproxy(folder / "haproxy-tuned", people, backend.port, tuned=True),
                        Caddy(folder / "caddy", people, backend.port)]
        print("RSS an idle connection (bytes, 1,000 opened a few at a time and held after one GET each)")
        for server in servers:
            print(f"  {server.name:15} {idle_bytes(server, people):.0f}")
        print_table(measure(servers, people, rows, options.repeats, options.size), servers, rows)
        if options.rows:
            return
        first_sight(folder, people, backend, options.repeats)
        pin_sets(folder, people, backend, options.size)
        route_pins(folder, people, backend, options.repeats, options.size)
        routes(folder, backend)
        bodies(folder, people)
        grpc(folder, people, options.repeats, options.size)
        rejudged(folder, people, backend)
    finally:
        for server in servers + [backend]:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
