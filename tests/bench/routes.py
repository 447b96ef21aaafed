"""Rows about routes: what a look-up costs, how long many routes take from files to the first reply, and one that changes."""
import http.client
import json
import os
import shutil
import statistics
import subprocess
import time

from servers import CLIENT_CPU, Server, _start
from support import gateway as gw
from support.net import free_port

LOOKUP = os.environ.get("LOOKUP", str(os.path.join(gw.ROOT, "build", "tests", "bench", "lookup")))
TRANSLATE = os.environ.get("TRANSLATE", str(os.path.join(gw.ROOT, "build", "tests", "bench", "translate")))
ALL_CPUS = f"0-{(os.cpu_count() or 1) - 1}"
HOSTS, BACKENDS = 1000, 100
LAYOUTS = (1, 100, 10000)  # files of routes


def lookup():
    """1,000,000 look-ups on one thread; each found the rule it was made of."""
    done = subprocess.run(["taskset", "-c", CLIENT_CPU, LOOKUP], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    print("\nroute look-up (ns; must: 2,000, at most logarithmic growth; and the table's making)")
    for shape in dict.fromkeys(row["shape"] for row in rows):
        print(f"  {shape:35}" + ", ".join(f"{r['routes']:,} routes {r['lookup_ns']} ({r['build_us'] / 1000:.1f} ms)"
                                          for r in rows if r["shape"] == shape))


def a_route(number, path):
    return gw.route(f"route-{number}", hostnames=[f"host-{number % HOSTS}.example.com"],
                    rules=f"- matches: [{{path: {{type: PathPrefix, value: {path}}}}}]\n"
                          f"  backendRefs: [{{name: app-{number % BACKENDS}, port: 80}}]")


def path_of(number):
    return f"/path-{number // HOSTS}"


class Many(Server):
    """A pingate of many routes on one plain listener, from one file of all else and `files` files of routes."""

    def __init__(self, folder, backend_port, count, files):
        self.folder, self.count, self.each = folder, count, count // files
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.port = free_port()
        (folder / "all.yaml").write_text(gw.gateway([gw.http_listener("http", self.port)]) + "".join(
            gw.backend(backend_port, f"app-{n}") for n in range(BACKENDS)))
        for at in range(files):
            self.file(at).write_text(self.text(at))
        time.sleep(0.1)  # the file system's clock: what is read in the moment it was written is read twice
        began = time.monotonic()
        self.process = _start([gw.BINARY, "run", "-c", str(folder), "--workers", "1", "--admin", f"127.0.0.1:{free_port()}",
                               "--access-log", "off", "--audit-log", "off"], cpu=ALL_CPUS)
        while True:
            try:
                self.client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                assert self.status(count - 1, path_of(count - 1)) == 200
                break
            except OSError:
                time.sleep(0.001)
        self.started_s = time.monotonic() - began

    def file(self, at):
        return self.folder / f"routes-{at:05}.yaml"

    def text(self, at):
        return "".join(a_route(n, path_of(n)) for n in range(at * self.each, (at + 1) * self.each))

    def status(self, number, path):
        self.client.request("GET", path, headers={"Host": f"host-{number % HOSTS}.example.com"})
        reply = self.client.getresponse()
        reply.read()
        return reply.status

    def change(self, number, path):
        """Seconds from the rename of the file to the first request that the new generation answers."""
        at = number // self.each
        new = self.folder / "new"
        new.write_text(self.text(at).replace(a_route(number, path_of(number)), a_route(number, path)))
        began = time.monotonic()
        os.replace(new, self.file(at))
        while self.status(number, path) == 404:
            time.sleep(0.0005)
        took = time.monotonic() - began
        assert self.status(number, path_of(number)) == 404
        return took


def translation(folder, backend, count=10000, changes=7):
    print(f"\n{count:,} routes of {HOSTS:,} hostnames from files (ms; must: 1,000 and 100)")
    for files in LAYOUTS:
        count_here = count // files * files
        server = Many(folder / "routes", backend.port, count_here, files)
        took = []
        try:
            for n in range(changes):
                time.sleep(1.5)  # at rest, and files no longer fresh
                took.append(server.change(count_here // 2, f"/changed-{n}") * 1000)
            done = subprocess.run([TRANSLATE, "30", server.folder], capture_output=True, text=True, check=True)
        finally:
            server.stop()
        print(f"  in {files:5,} files: start to first reply {server.started_s * 1000:.0f}; one changed route, rename to "
              f"first reply {statistics.median(took):.0f} [{min(took):.0f}..{max(took):.0f}], of it one translation "
              f"{json.loads(done.stdout)['translate_us'] / 1000:.0f} of CPU")
