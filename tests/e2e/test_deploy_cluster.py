"""What deploy/ gives a cluster, given to a real API server: the manifests and the chart are taken as they are, and the
CRDs judge by their own patterns and CEL as pingate's decoder does. Without PINGATE_CLUSTER (support/cluster.py) all of it
is skipped: the stand-in has no schemas."""
import concurrent.futures
import http.server
import json
import os
import re
import subprocess
import threading

import pytest
import test_crd
import test_deploy
import test_deploy_chart
import yaml
from support import cluster as clusters
from support.gateway import BINARY
from support.net import free_port
from test_docs import script_of

pytestmark = [pytest.mark.skipif(not clusters.CLUSTER, reason="wants a real API server: PINGATE_CLUSTER"),
              pytest.mark.xdist_group("cluster")]


@pytest.fixture(scope="module")
def plane():
    plane = clusters.the_plane()
    plane.kubectl("apply", "-f", "-", text=json.dumps(clusters.namespace_of("edge")))
    plane.api = clusters.Api("127.0.0.1", plane.port, plane.ca, plane.admin_token)
    return plane


def verdicts(plane, path, objects):
    """Whether the API server would take each, unknown fields refused as kubectl has it."""
    def ask(value):
        status, answer = plane.api.ask("POST", f"{path}?dryRun=All&fieldValidation=Strict", value)
        assert status in (201, 400, 422), (status, answer)
        return status == 201

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(ask, objects))


# --- what is applied ---

@pytest.mark.parametrize("folder", ["kubernetes", "kubernetes-address-pool"])
def test_the_manifests_are_taken(plane, folder):
    text = plane.kubectl("kustomize", os.path.join(test_deploy.DEPLOY, folder))
    said = plane.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", text=text)
    assert said.count("serverside-applied") == len(list(yaml.safe_load_all(text))) == (10 if folder == "kubernetes" else 12)


def test_the_restricted_namespace_takes_the_pod(plane):
    """Of a Deployment the API server only warns: the pod is what is refused."""
    text = plane.kubectl("kustomize", os.path.join(test_deploy.DEPLOY, "kubernetes"))
    plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=text)
    template = test_deploy.one(list(yaml.safe_load_all(text)), "Deployment")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
           "metadata": dict(template["metadata"], name="pingate", namespace="pingate-system")}
    path = "/api/v1/namespaces/pingate-system/pods?dryRun=All&fieldValidation=Strict"
    assert plane.api.ask("POST", path, pod)[0] == 201
    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = {}
    status, answer = plane.api.ask("POST", path, pod)
    assert status == 403 and 'violates PodSecurity "restricted' in answer["message"]


@pytest.mark.parametrize("mode", [(), test_deploy_chart.POOL, test_deploy_chart.all_values()], ids=["service", "pool", "all-values"])
def test_the_chart_is_taken(plane, mode):
    text = yaml.safe_dump_all(test_deploy_chart.templated(*mode))
    plane.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", text=text)


def test_the_patch_is_taken_by_kubectl_and_by_kustomize_alike(plane, tmp_path):
    (file,) = [name for name in os.listdir(clusters.GATEWAY_CRDS) if name.endswith("_gateways.yaml")]
    resource = tmp_path / "crd.yaml"
    resource.write_text(open(os.path.join(clusters.GATEWAY_CRDS, file)).read())
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({
        "resources": ["crd.yaml"],
        "components": [os.path.relpath(os.path.join(test_deploy.DEPLOY, "gateway-api-crd", "patch"), tmp_path)]}))
    made = yaml.safe_load(plane.kubectl("kustomize", str(tmp_path)))
    there = json.loads(plane.kubectl("get", "crd", clusters.GATEWAY_CRD, "-o", "json"))
    for crd in (made, there):
        for version in range(2):
            for place in test_deploy.PLACES:
                schema = test_deploy.pointer(crd, f"spec/versions/{version}/schema/openAPIV3Schema/{test_deploy.FRONTEND}{place}"
                                                  "properties/validation/properties/certificatePinning")
                assert schema == test_deploy.SCHEMA
    plane.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", text=yaml.safe_dump(made))


def test_a_patched_crd_may_be_patched_again(plane):
    """The same once more is no change: a second run of an installer does no harm."""
    before = plane.kubectl("get", "crd", clusters.GATEWAY_CRD, "-o", "jsonpath={.metadata.generation}")
    plane.kubectl("patch", "crd", clusters.GATEWAY_CRD, "--type=json", "--patch-file", clusters.PINNING_PATCH)
    assert plane.kubectl("get", "crd", clusters.GATEWAY_CRD, "-o", "jsonpath={.metadata.generation}") == before


# --- what the schemas say ---

def gateway_of(pinning):
    validation = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}], "certificatePinning": pinning}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "g", "namespace": "edge"},
            "spec": {"gatewayClassName": "pingate", "tls": {"frontend": {"default": {"validation": validation}}},
                     "listeners": [{"name": "a", "port": 443, "protocol": "HTTP"}]}}


def is_null(value):
    """null in the place of a field: an API server drops it, and pingate's files refuse it."""
    return value is None or isinstance(value, (dict, list)) and any(
        map(is_null, value.values() if isinstance(value, dict) else value))


def test_the_gateway_crd_takes_what_the_decoder_takes(plane):
    cases = [case for case in test_deploy.cases() if not is_null(case)]
    said = verdicts(plane, "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways", [gateway_of(case) for case in cases])
    assert [case for case, taken in zip(cases, said) if taken != test_deploy.schema_takes(case)] == []
    assert any(said) and not all(said)


def policy_of(spec):
    return {"apiVersion": "pingate.dev/v1alpha1", "kind": "ClientCertificatePolicy",
            "metadata": {"name": "p", "namespace": "edge"}, "spec": spec}


POLICIES = "/apis/pingate.dev/v1alpha1/namespaces/edge/clientcertificatepolicies"


def test_the_policys_crd_judges_by_its_rules_as_python_does(plane):
    """test_crd.py has each rule of CEL in Python beside it: here the two meet."""
    cases = [(what, dict({"targetRefs": [test_crd.GATEWAY]}, **spec), taken) for _, what, spec, taken in test_crd.RULE_CASES]
    said = verdicts(plane, POLICIES, [policy_of(spec) for _, spec, _ in cases])
    assert [what for (what, _, taken), is_taken in zip(cases, said) if is_taken != taken] == []


def test_the_policys_crd_judges_each_field_as_python_does(plane):
    specs = {json.dumps(spec, sort_keys=True): (test_crd.dotted(path), what, spec) for path, schema in test_crd.PLACES
             for what, spec in test_crd.cases_of(path, schema) if not is_null(spec)}
    cases = list(specs.values())
    assert len(cases) > 500
    said = verdicts(plane, POLICIES, [policy_of(spec) for _, _, spec in cases])
    assert [(path, what) for (path, what, spec), taken in zip(cases, said) if taken != test_crd.schema_takes(spec)] == []


# --- the page ---

PAGE = os.path.join(clusters.ROOT, "docs", "kubernetes.md")
SERVICE = """apiVersion: v1
kind: Service
metadata: {name: app, namespace: edge}
spec: {ports: [{name: http, port: 80, targetPort: %(port)d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: app-1, namespace: edge, labels: {kubernetes.io/service-name: app}}
addressType: IPv4
ports: [{name: http, port: %(port)d}]
endpoints: [{addresses: ["%(address)s"], conditions: {ready: true}}]
"""


class Backend(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.headers).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def backend():
    server = http.server.ThreadingHTTPServer((clusters.own_address(), 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def account(plane, folder):
    """A kubeconfig with the rights of the pods and no others."""
    config = yaml.safe_load(open(os.path.join(plane.folder, "admin.kubeconfig")))
    token = plane.kubectl("create", "token", "pingate", "-n", clusters.NAMESPACE).strip()
    config["users"] = [{"name": "admin", "user": {"token": token}}]
    path = folder / "account.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return path


def run_help():
    return subprocess.run([BINARY, "run", "--help"], capture_output=True, text=True).stdout


@pytest.mark.skipif("--address-pool" not in run_help(), reason="this pingate has no address pool yet")
def test_the_page_runs_as_printed(plane, backend, tmp_path):
    """Its shell blocks one after the other, with a pingate in the place of its pods, and a Service `app`."""
    text = open(PAGE).read()
    port, admin = free_port(), free_port()
    os.symlink(test_deploy.DEPLOY, tmp_path / "deploy")
    (tmp_path / "service.yaml").write_text(
        SERVICE.replace("edge", "page-edge") % {"port": backend, "address": clusters.own_address()})
    pool = os.path.join(test_deploy.DEPLOY, "kubernetes-address-pool", "rbac.yaml")
    between = {"## 4.": f"""```sh
kubectl apply -f {pool}
{BINARY} run --kubernetes --kubeconfig {account(plane, tmp_path)} --namespace pingate-system --identity page \\
    --address-pool 127.0.0.1 --admin 127.0.0.1:{admin} --audit-log audit.log --drain-delay 0s 2>stderr.log &
```
""", "## 5.": "```sh\nkubectl apply -f service.yaml\n```\n"}
    for heading, block in between.items():
        assert text.count("\n" + heading) == 1
        text = text.replace("\n" + heading, "\n" + block + heading)
    script = re.sub(r"\b443\b", str(port), re.sub(r"\bedge\b", "page-edge", script_of(text)))
    prelude = f"""set -euo pipefail
trap 'kill $(jobs -p) || true; wait' EXIT
kubectl() {{ {clusters.CLUSTER} kubectl --kubeconfig {plane.folder}/admin.kubeconfig "$@"; }}
"""
    out = subprocess.run(["timeout", "--signal=TERM", "200", "bash", "-c", prelude + script], cwd=tmp_path,
                         capture_output=True, text=True, timeout=220)
    said = out.stdout + out.stderr
    assert out.returncode == 0, said[-6000:] + (tmp_path / "stderr.log").read_text()[-2000:]
    assert "pingate-client-name: acme-robot" in said and "alert certificate unknown" in said
    assert "pingate.dev/PinningEnforced=True Enforced:" in said and "spec.pins[2].spkiHash: Invalid value" in said
    plane.kubectl("delete", "namespace", "page-edge", "--wait=false")
