"""I43: of Secrets that were served and are referred to no longer nothing is left in memory, neither their text nor their keys."""
import base64

from cryptography.hazmat.primitives import serialization
from support import gateway as gw
from support import pki
from support.kube import Probes
from support.net import eventually

PIECE = 60  # bytes: longer than any of them is by chance, shorter than what an allocator writes over
COUNT = 8  # memory that is let go of is soon used for something else: of some of them something would be left


def traces(identity):
    """How its key lies in memory: as the API server tells it, as PEM, and as OpenSSL's numbers."""
    pem, numbers = identity.key_pem.encode(), identity.key.private_numbers()
    told, lines = base64.b64encode(pem), pem.splitlines()
    return {"told": told[len(told) // 2:][:PIECE], "pem": lines[len(lines) // 2][:PIECE],
            **{name: getattr(numbers, name).to_bytes(256, "little")[:PIECE] for name in "dpq"}}


def memory(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as file:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "rw" in line.split()[1] and "[v" not in line and end - begin <= 1 << 32:
                try:
                    file.seek(begin)
                    yield file.read(end - begin)
                except OSError:  # it is gone, or nobody's to read
                    pass


def left(gateway, identities):
    found = set()
    wanted = [(f"{one.name}: {what}", piece) for one in identities for what, piece in traces(one).items()]
    for data in memory(gateway.process.pid):
        found |= {what for what, piece in wanted if piece in data}
    return sorted(found)


def refer(world, names):
    listeners = world.api.get("gateways", "edge")["spec"]["listeners"]
    listeners[0]["tls"]["certificateRefs"] = [{"group": "", "kind": "Secret", "name": name} for name in names]
    world.api.patch("gateways", "edge", {"spec": {"listeners": listeners}})


def flush(world):
    """What came last is in the buffers of TLS and HTTP until something else has come: as long, and by the same way."""
    for n in range(3):
        world.api.patch("secrets", "server", {"metadata": {"annotations": {"padding": str(n) * 100000}}})


def test_secrets_that_are_referred_to_no_longer_are_wiped(world):
    people = world.people
    old = [people.server_ca.issue(f"old-{n}", dns=[f"n{n}.example.com"], eku=pki.SERVER_AUTH, key_type="rsa") for n in range(COUNT)]
    world.apply()
    world.api.apply("".join(gw.secret_tls(one.name, one) for one in old))
    refer(world, ["server"] + [one.name for one in old])
    gateway = world.run()
    with Probes(world):
        found = left(gateway, old)
        assert all(f"old-{n}: {what}" in found for n in range(COUNT) for what in ("pem", "d", "p", "q")), found  # the search finds them
        before = gateway.generation()
        refer(world, ["server"])
        eventually(lambda: gateway.serving() == gateway.generation() > before, "they are not served any more")
        flush(world)
    eventually(lambda: not left(gateway, old), lambda: f"left: {left(gateway, old)}", 20)
