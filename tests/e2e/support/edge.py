"""The usual gateway of most tests: one HTTPS listener, one CA, pins, one route to a backend."""
from . import gateway as gw
from .net import free_port


class Edge:
    def __init__(self, people, backend_port, *, spki=None, certificates=None, mode="AllowValidOnly", rules=None,
                 hostname=None, extra="", ca=None, crl=None, listeners=None, route_hostnames=()):
        self.people, self.backend_port = people, backend_port
        self.port = free_port()
        self.spki = [people.pinned.spki_hash] if spki is None else list(spki)
        self.certificates = list(certificates or [])
        self.mode, self.rules, self.hostname, self.extra = mode, rules, hostname, extra
        self.ca, self.crl, self.listeners = ca or people.ca, crl, listeners
        self.route_hostnames = route_hostnames

    def text(self, **changes):
        for key, value in changes.items():
            setattr(self, key, value)
        listeners = self.listeners or [gw.https_listener("https", self.port, self.hostname)]
        pins = gw.pinning(self.spki, self.certificates) if self.spki or self.certificates else ""
        return (gw.secret_tls("server", self.people.server)
                + gw.ca_config_map("clients-ca", self.ca, crl=self.crl)
                + gw.gateway(listeners, default=gw.validation(mode=self.mode, pins=pins))
                + gw.backend(self.backend_port)
                + gw.route(rules=self.rules, hostnames=self.route_hostnames) + self.extra)
