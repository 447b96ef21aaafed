"""The rows about a body of a GiB: what it takes of memory and time, up and down, by a fast client and a slow one."""
import types

from servers import Pingate
from support.bodies import BodyBackend, Watch, transfer

GIB = 1 << 30
SLOW, SLOW_RATE = 1 << 26, "16M"


def row(server, people, length, way, http, rate=None):
    before = server.cpu_s()
    with Watch(server.process.pid) as watch:
        status, text = transfer(server.port, people, length, way, http, rate, timeout=300)
    if status != 0 or int(text.split()[0]) != length:
        raise RuntimeError(f"{way} over HTTP/{http}: curl {status}, {text}")
    return watch.grown_kb, (server.cpu_s() - before) * 1e3 / (length >> 20)


def bodies(folder, people):
    backend = BodyBackend()
    server = Pingate(folder / "bodies", people, backend.port)
    who = types.SimpleNamespace(server_ca=people.server_ca, pinned=people.pinned)
    print("\na body of 1 GiB, and 64 MiB at 16 MiB/s (must: within 1,024 KiB of buffers)")
    try:
        for http in ("1.1", "2"):
            for way in ("up", "down"):
                row(server, who, 1 << 24, way, http)  # what is had once for all
                grown, cpu = row(server, who, GIB, way, http)
                slow, _ = row(server, who, SLOW, way, http, SLOW_RATE)
                print(f"  HTTP/{http:3} {way:4}  RSS grows by {grown:4} KiB, with a slow client by {slow:4} KiB; "
                      f"{cpu:.2f} ms of server CPU a MiB")
    finally:
        server.stop()
        backend.close()
