"""A way on which packets are lost as on a wire that is cut: no reset, no ICMP, nothing that tells either end. It leads by a
router, which forwards or does not, and each of router and server has a network namespace of its own. Wants root and `ip`."""
import ctypes
import os
import shutil
import socket
import subprocess
import threading

import pytest

CLONE_NEWNET = 0x40000000
FORWARD = "/proc/sys/net/ipv4/ip_forward"


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)


def within(netns, function):
    """What it returns, in a thread that is in that network namespace: a socket that it makes stays there."""
    out = []

    def enter():
        with open(f"/run/netns/{netns}") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                out.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            out.append(function())
        except OSError as e:
            out.append(e)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(out[0], OSError):
        raise out[0]
    return out[0]


class LossyWay:
    """From here to a server at `address`, whose socket listen() makes."""

    def __init__(self):
        if os.geteuid() != 0 or not shutil.which("ip"):
            pytest.skip("wants root, and `ip` (Debian: iproute2), for network namespaces")
        name, self.net = f"lossy{os.getpid()}", f"10.{200 + os.getpid() % 50}"
        self.router, self.server, self.link = f"{name}r", f"{name}s", f"l{os.getpid()}"
        self.address = f"{self.net}.2.1"
        try:
            self._lay()
        except (subprocess.CalledProcessError, OSError) as e:
            self.close()
            pytest.skip(f"no network namespaces here: {getattr(e, 'stderr', e)}")

    def _lay(self):
        net, router, server, link = self.net, self.router, self.server, self.link
        ip("netns", "add", router)
        ip("netns", "add", server)
        ip("link", "add", link, "type", "veth", "peer", "name", "near", "netns", router)
        ip("-n", router, "link", "add", "far", "type", "veth", "peer", "name", "eth", "netns", server)
        ip("address", "add", f"{net}.1.1/24", "dev", link)
        ip("address", "add", f"{net}.1.2/24", "dev", link)
        ip("-n", router, "address", "add", f"{net}.1.254/24", "dev", "near")
        ip("-n", router, "address", "add", f"{net}.2.254/24", "dev", "far")
        ip("-n", server, "address", "add", f"{self.address}/24", "dev", "eth")
        for space, device in (((), link), (("-n", router), "near"), (("-n", router), "far"), (("-n", server), "eth")):
            ip(*space, "link", "set", device, "up")
        ip("-n", server, "route", "add", "default", "via", f"{net}.2.254")
        self._come_from(1)
        self.mend()

    def _come_from(self, host):
        ip("route", "replace", f"{self.net}.2.0/24", "via", f"{self.net}.1.254", "src", f"{self.net}.1.{host}")

    def listen(self, port):
        return within(self.server, lambda: socket.create_server((self.address, port), backlog=512))

    def _forward(self, yes):
        def write():
            with open(FORWARD, "w") as file:
                file.write("1" if yes else "0")
        within(self.router, write)

    def lose_all(self):
        self._forward(False)

    def mend(self):
        self._forward(True)

    def lose_what_is_open(self):
        """For good, as where a router in between has forgotten it; what is new comes from another address, and gets through."""
        ip("-n", self.router, "rule", "add", "from", f"{self.net}.1.1", "blackhole")
        ip("-n", self.router, "route", "add", "blackhole", f"{self.net}.1.1/32")
        self._come_from(2)

    def close(self):
        for arguments in (("link", "del", self.link), ("netns", "del", self.router), ("netns", "del", self.server)):
            subprocess.run(["ip", *arguments], capture_output=True, timeout=20)
