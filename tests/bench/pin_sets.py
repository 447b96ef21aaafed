"""The rows about 1,000,000 pins: in one File pin set, in fifty of them, in fifty ConfigMaps."""
import hashlib
import json
import os
import statistics
import subprocess
import time

from run import gw, load, one_load, spread
from servers import Pingate
from support.client import handshake

MILLION, OBJECTS, CHANGES, UNDER_LOAD = 1_000_000, 50, 6, 120_000


def hashes(count=MILLION):
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(count)]


def replace(path, text):
    new = path.with_name("." + path.name + ".new")
    new.write_text(text)
    began = time.monotonic()
    os.replace(new, path)
    return began


def under_load(server, people, act):
    """What 16 keep-alive connections see from before the act to after its end."""
    busy = subprocess.Popen(one_load(server, people, "keepalive", "pinned", UNDER_LOAD, 16), stdout=subprocess.PIPE,
                            text=True)
    done = act(busy)
    return json.loads(busy.communicate()[0]), done


def probe_only(server, people):
    """As the changes are watched for, and nothing changes: what is to be compared with."""
    def act(busy):
        while busy.poll() is None:
            handshake(server.port, people.server_ca, people.unpinned)
    return under_load(server, people, act)[0]


def change_again_and_again(server, people, path, without, added):
    """The pin of a client comes and goes as long as the load lasts, at least CHANGES times."""
    took, cpu = [], []

    def act(busy):
        while busy.poll() is None or len(took) < CHANGES:
            comes = len(took) % 2 == 0
            before = server.main_thread_s()
            began = replace(path, without + added if comes else without)
            while (handshake(server.port, people.server_ca, people.unpinned) == 0) != comes:
                pass
            took.append((time.monotonic() - began) * 1000)
            cpu.append((server.main_thread_s() - before) * 1000)
    return under_load(server, people, act)[0], took, cpu


def changed(what, server, people, path, without, added):
    quiet = probe_only(server, people)
    before_kb = server.rss_kb()
    result, took, cpu = change_again_and_again(server, people, path, without, added)
    time.sleep(1)  # the last generation's sets are let go
    print(f"{what}, {len(took)} changes under load, from the rename to the first handshake by it: {spread(took, ' ms')}; "
          f"CPU of the control thread until then {spread(cpu, ' ms')}")
    print(f"  16 others' keep-alive requests meanwhile: p99 {result['p99_us']} us, {result['errors']} failed "
          f"(quiet: p99 {quiet['p99_us']} us); RSS {before_kb} KB before, {server.rss_kb()} KB after")


def started(what, server, people):
    while handshake(server.port, people.server_ca, people.pinned) != 0:
        pass
    print(f"\nstart with 1,000,000 pins {what}, from exec to the first reply: {time.monotonic() - server.started:.2f} s")


def million(folder, people, backend, size):
    small = Pingate(folder / "one", people, backend.port)
    rss_small = small.rss_kb()
    pins = hashes()
    large = Pingate(folder / "million", people, backend.port, pins=pins)
    started("in one File", large, people)
    print(f"RSS for a pin among 1,000,000: {(large.rss_kb() - rss_small) * 1024 / MILLION:.0f} bytes")
    one, many = [], []
    for _ in range(3):
        one.append(load(small, people, "full", count=800 * size)[0])
        many.append(load(large, people, "full", count=800 * size)[0])
    print(f"full handshake + GET: 1 pin {spread(one)} us, 1,000,000 pins {spread(many)} us, "
          f"ratio {statistics.median(many) / statistics.median(one):.2f}")
    path = folder / "million" / "pins.txt"
    changed("one pin changed among 1,000,000", large, people, path, path.read_text(),
            f"spki:{people.unpinned.spki_hash}\n")
    small.stop()
    large.stop()


def fifty_files(folder, people, backend):
    pins, each = hashes(), MILLION // OBJECTS
    place = folder / "fifty-files"
    place.mkdir()
    for n in range(OBJECTS):
        (place / f"set{n}.txt").write_text("".join(f"cert:{p}\n" for p in pins[n * each:(n + 1) * each]))
    refs = [f"{{group: pingate.dev, kind: File, name: set{n}.txt}}" for n in range(OBJECTS)]
    server = Pingate(place, people, backend.port, pins=["11" * 32], set_refs=refs)
    started("in fifty Files", server, people)
    path = place / "set7.txt"
    changed("one object of fifty changed among 1,000,000 pins (Files)", server, people, path, path.read_text(),
            f"spki:{people.unpinned.spki_hash}\n")
    server.stop()


def fifty_config_maps(folder, people, backend):
    pins, each = hashes(), MILLION // OBJECTS
    place = folder / "fifty-config-maps"
    (place / "sets").mkdir(parents=True)
    for n in range(OBJECTS):
        lines = "".join(f"    cert:{p}\n" for p in pins[n * each:(n + 1) * each])
        (place / "sets" / f"set{n}.yaml").write_text(gw.config_map(f"set{n}", {"pins.txt": ""}).rstrip() + "\n" + lines)
    refs = [f'{{group: "", kind: ConfigMap, name: set{n}}}' for n in range(OBJECTS)]
    rss_small = Pingate(place / "one", people, backend.port)
    small_kb = rss_small.rss_kb()
    rss_small.stop()
    server = Pingate(place, people, backend.port, pins=["11" * 32], set_refs=refs, options=["-c", str(place / "sets")])
    started("in fifty ConfigMaps", server, people)
    print(f"RSS for a pin among 1,000,000: {(server.rss_kb() - small_kb) * 1024 / MILLION:.0f} bytes")
    path = place / "sets" / "set7.yaml"
    changed("one object of fifty changed among 1,000,000 pins (ConfigMaps)", server, people, path, path.read_text(),
            f"    spki:{people.unpinned.spki_hash}\n")
    server.stop()
