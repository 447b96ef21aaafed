"""pingate under test: its configuration as files, its process, its admin address, its logs."""
import base64
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

from .net import eventually, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BINARY = os.environ.get("PINGATE", os.path.join(ROOT, "build", "src", "cli", "pingate"))


def indent(text, spaces):
    return "\n".join(" " * spaces + line for line in text.splitlines())


def secret_tls(name, identity, namespace="edge"):
    crt = base64.b64encode((identity.cert_pem + identity.chain_pem).encode()).decode()
    key = base64.b64encode(identity.key_pem.encode()).decode()
    return f"""---
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: {namespace}}}
type: kubernetes.io/tls
data: {{tls.crt: {crt}, tls.key: {key}}}
"""


def config_map(name, data, namespace="edge"):
    body = "".join(f"  {key}: |\n{indent(value, 4)}\n" for key, value in data.items())
    return f"""---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, namespace: {namespace}}}
data:
{body}"""


def ca_config_map(name, *cas, crl=None, namespace="edge"):
    data = {"ca.crt": "".join(ca.cert_pem for ca in cas)}
    if crl is not None:
        data["ca.crl"] = crl
    return config_map(name, data, namespace)


def pinning(spki=(), certificates=(), refs=()):
    lines = ["certificatePinning:"]
    for key, values in (("spkiHashes", spki), ("certificateHashes", certificates)):
        if values:
            lines.append(f"  {key}: [" + ", ".join(f'"{v}"' for v in values) + "]")
    if refs:
        lines.append("  pinnedCertificateRefs: [" + ", ".join(
            f'{{group: "", kind: {kind}, name: {name}}}' for kind, name in refs) + "]")
    return "\n".join(lines)


def validation(ca_names=("clients-ca",), mode="AllowValidOnly", pins=""):
    refs = ", ".join(f'{{group: "", kind: ConfigMap, name: {name}}}' for name in ca_names)
    text = f"caCertificateRefs: [{refs}]\nmode: {mode}\n{pins}"
    return "validation:\n" + indent(text, 2)


def https_listener(name, port, hostname=None, secret="server"):
    host = f"\n  hostname: \"{hostname}\"" if hostname else ""
    return f"""- name: {name}
  port: {port}
  protocol: HTTPS{host}
  tls: {{mode: Terminate, certificateRefs: [{{name: {secret}}}]}}"""


def http_listener(name, port, hostname=None):
    host = f"\n  hostname: \"{hostname}\"" if hostname else ""
    return f"""- name: {name}
  port: {port}
  protocol: HTTP{host}"""


def gateway(listeners, default=None, per_port=None, name="edge", annotations="", namespace="edge",
            address="127.0.0.1", client_certificate=None):
    tls = ""
    if default is not None or per_port:
        tls = "  tls:\n    frontend:\n      default:" + (" {}\n" if not default else "\n" + indent(default, 8) + "\n")
        if per_port:
            tls += "      perPort:\n"
            for port, config in per_port.items():
                tls += f"      - port: {port}\n        tls:" + (" {}\n" if not config else "\n" + indent(config, 10) + "\n")
    if client_certificate:
        tls = tls or "  tls:\n"
        tls += f"    backend: {{clientCertificateRef: {{name: {client_certificate}}}}}\n"
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: {name}
  namespace: {namespace}
  annotations: {{{annotations}}}
spec:
  gatewayClassName: pingate
  addresses: [{{type: IPAddress, value: {address}}}]
{tls}  listeners:
{indent(chr(10).join(listeners), 2)}
"""


def backend(port, name="app", namespace="edge", ready=True, address="127.0.0.1"):
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{ports: [{{name: http, port: 80, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [{address}], conditions: {{ready: {str(ready).lower()}}}}}]
"""


def route(name="app", parent="edge", section=None, hostnames=(), rules=None, namespace="edge", service="app"):
    section_text = f", sectionName: {section}" if section else ""
    hosts = "  hostnames: [" + ", ".join(f'"{h}"' for h in hostnames) + "]\n" if hostnames else ""
    rules = rules or f"- backendRefs: [{{name: {service}, port: 80}}]"
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  parentRefs: [{{name: {parent}{section_text}}}]
{hosts}  rules:
{indent(rules, 2)}
"""


def backend_tls(hostname, name="app", service="app", cas=("backend-ca",), alt_names=(), options=None, created=None,
                namespace="edge"):
    refs = ", ".join(f'{{group: "", kind: ConfigMap, name: {ca}}}' for ca in cas)
    alt = "".join(f'    - {{type: {kind}, {kind.lower()}: "{value}"}}\n' for kind, value in alt_names)
    options = "".join(f'    {key}: "{value}"\n' for key, value in (options or {}).items())
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}, namespace: {namespace}{f', creationTimestamp: "{created}"' if created else ''}}}
spec:
  targetRefs: [{{group: "", kind: Service, name: {service}}}]
  validation:
    caCertificateRefs: [{refs}]
    hostname: {hostname}
{'    subjectAltNames:' + chr(10) + alt if alt else ''}{'  options:' + chr(10) + options if options else ''}"""


def whole_lines(file):
    """Of a log that is being written: its last line may be half of one."""
    return [json.loads(line) for line in file.read_text().rpartition("\n")[0].splitlines() if line]


class Gateway:
    """A running pingate. Configuration is swapped by an atomic rename, as an operator would."""

    def __init__(self, folder, files, *options, workers=2, wait=True, source=None, around=()):
        self.folder = folder
        self.config = folder / "config"
        self.config.mkdir(parents=True, exist_ok=True)
        self.audit_log, self.access_log = folder / "audit.log", folder / "access.log"
        self.stderr_file = folder / "stderr.log"
        self.admin_port = free_port()
        for name, text in files.items():
            self.write(name, text)
        self.stderr, self.killed = open(self.stderr_file, "wb"), False
        self.process = subprocess.Popen(
            [*around, BINARY, "run", *(source or ["-c", str(self.config)]), "--admin", f"127.0.0.1:{self.admin_port}",
             "--workers", str(workers), "--audit-log", str(self.audit_log),
             "--access-log", str(self.access_log),
             *([] if "--drain-delay" in options else ["--drain-delay", "0s", "--limit", "drain-grace-ms=2000"]),
             *options],
            stdout=self.stderr, stderr=self.stderr, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        if wait:
            eventually(self.ready, lambda: "ready: " + self.stderr_file.read_text())

    def write(self, name, text):
        temporary = self.config / (name + ".tmp")
        temporary.write_text(text)
        os.replace(temporary, self.config / name)

    def admin(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError:
            return 0, ""

    def ready(self):
        assert self.process.poll() is None, "pingate ended: " + self.stderr_file.read_text()
        return self.admin("/readyz")[0] == 200

    def generation(self):
        status, text = self.admin("/status")
        return json.loads(text)["generation"]["number"] if status == 200 else 0

    def serving(self):
        """The oldest generation that a worker serves."""
        text = self.admin("/metrics")[1]
        return min((int(float(line.split()[-1])) for line in text.splitlines()
                    if line.startswith("pingate_worker_generation")), default=0)

    def swap(self, name, text):
        """Changes a file and waits until every worker serves the new generation."""
        before = self.generation()
        self.write(name, text)
        eventually(lambda: self.serving() > before and self.ready(), "every worker serves a new generation")

    def audit(self, kind=None):
        if not self.audit_log.exists():
            return []
        records = whole_lines(self.audit_log)
        return [r for r in records if kind is None or r.get("event") == kind]

    def handshakes(self):
        return self.audit("handshake")

    def access(self):
        if not self.access_log.exists():
            return []
        return whole_lines(self.access_log)

    def last_refusal(self, reason):
        def find():
            found = [r for r in self.handshakes() if r.get("reason") == reason]
            return found[-1] if found else None
        return eventually(find, f"an audit record with reason {reason}")

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """As a machine that goes out; stop() does not mind."""
        self.process.kill()
        self.process.wait(timeout=60)
        self.killed = True

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.stderr.close()
        text = self.stderr_file.read_text()
        assert "Sanitizer" not in text and "runtime error" not in text, text
        assert code == (-signal.SIGKILL if self.killed else 0), f"exit {code}: {text}"
