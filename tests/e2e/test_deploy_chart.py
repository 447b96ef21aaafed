"""The Helm chart makes what the manifests are, by each of its values, and takes no other. HELM names the program."""
import json
import os
import re
import subprocess

import jsonschema
import pytest
from support import gateway as gw
from test_deploy import DEPLOY, host_network_holds, kustomized, one, read, rendered, restricted_holds, rights_hold, tool

CHART = os.path.join(DEPLOY, "helm", "pingate")
POOL = ("--set", "mode=addressPool", "--set", "addressPool={192.0.2.10-192.0.2.20}")


def templated(*options, name="pingate", namespace="pingate-system"):
    return rendered(tool("helm"), "template", name, CHART, "--namespace", namespace, "--kube-version", "1.36.0",
                    "--include-crds", *options)


def bare(objects):
    """By kind and name, without what a chart says of itself; the namespace is there before the chart."""
    out = {}
    for o in objects:
        for metadata in (o["metadata"], o.get("spec", {}).get("template", {}).get("metadata", {})):
            metadata["labels"] = {key: value for key, value in metadata.get("labels", {}).items()
                                  if key == "app.kubernetes.io/name" or not key.startswith(("app.kubernetes.io/", "helm.sh/"))}
        for container in o.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            if container.get("imagePullPolicy") == "IfNotPresent":  # what an API server says of a tag by itself
                del container["imagePullPolicy"]
        if o["kind"] != "Namespace":
            out[o["kind"], o["metadata"]["name"]] = o
    return out


def test_the_chart_makes_what_the_manifests_are():
    assert bare(templated()) == bare(kustomized("kubernetes"))
    assert bare(templated(*POOL)) == bare(kustomized("kubernetes-address-pool"))


def test_the_chart_holds_what_the_manifests_hold():
    rights_hold(templated(), pool=False)
    restricted_holds(templated())
    rights_hold(templated(*POOL), pool=True)
    host_network_holds(templated(*POOL))


def test_the_charts_values_arrive():
    objects = templated("--set", "requirePinning=true,audit=strict,accessLog=-,workers=0,replicas=3,drainDelay=1s",
                        "--set", "limits.handshakes=400000,limits.idle-ms=10000000", "--set", "podMonitor.enabled=true",
                        "--set", "extraArgs={--plain-openssl}", "--set", "image.tag=9.9,image.repository=example.com/p",
                        "--set", "gatewayClass.name=edge,serviceAccount.name=gate", "--set", "probePort=9999",
                        name="edge", namespace="other")
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {"--require-pinning", "--audit=strict", "--access-log=-", "--drain-delay=1s", "--limit=handshakes=400000",
            "--limit=idle-ms=10000000", "--plain-openssl", "--probe-addr=0.0.0.0:9999"} <= set(container["args"])
    assert "--workers" not in str(container["args"]) and one(objects, "Deployment")["spec"]["replicas"] == 3
    assert container["image"] == "example.com/p:9.9" and container["ports"][0]["containerPort"] == 9999
    assert one(objects, "GatewayClass")["metadata"]["name"] == "edge"
    assert "annotations" not in one(objects, "Deployment")["spec"]["template"]["metadata"]
    one(objects, "PodMonitor", "edge-pingate")
    for binding in (o for o in objects if o["kind"].endswith("RoleBinding")):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "gate", "namespace": "other"}]
        one(objects, binding["roleRef"]["kind"], binding["roleRef"]["name"])
    assert {o["metadata"].get("namespace", "other") for o in objects} == {"other"}


# Of each value: another, and what it takes to be seen. What it makes is not there without it, or is gone with it.
EACH_VALUE = {
    "image.repository": "example.com/other", "image.tag": "8.7.6", "image.pullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}], "replicas": 5, "mode": "addressPool", "addressPool": ["192.0.2.77"],
    "requirePinning": True, "audit": "strict", "accessLog": "-", "limits": {"handshakes": 4711}, "workers": 7,
    "drainDelay": "17s", "terminationGracePeriodSeconds": 171, "probePort": 9471, "extraArgs": ["--plain-openssl"],
    "gatewayClass.create": False, "gatewayClass.name": "other-class", "serviceAccount.create": False,
    "serviceAccount.name": "other-account", "serviceAccount.annotations": {"example.com/a": "b"}, "rbac.create": False,
    "resources.requests.cpu": "333m", "resources.requests.memory": "333Mi", "resources.limits.memory": "3Gi",
    "podDisruptionBudget.enabled": False, "podDisruptionBudget.maxUnavailable": "34%", "podMonitor.enabled": True,
    "podMonitor.interval": "47s", "podMonitor.labels": {"release": "prometheus"}, "podLabels": {"example.com/l": "m"},
    "podAnnotations": {"example.com/p": "q"}, "nodeSelector": {"disk": "none"},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}, "priorityClassName": "system-edge"}
WITH = {"mode": ("addressPool=[\"192.0.2.10\"]",), "addressPool": ("mode=\"addressPool\"",),
        "podMonitor.interval": ("podMonitor.enabled=true",), "podMonitor.labels": ("podMonitor.enabled=true",)}
GONE = {"gatewayClass.create": "GatewayClass", "serviceAccount.create": "ServiceAccount", "rbac.create": "ClusterRole",
        "podDisruptionBudget.enabled": "PodDisruptionBudget"}


def leaves(values, path=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield path + key


def words(value):
    """What of it is to be found in what is made."""
    if isinstance(value, dict):
        return [w for key, inner in value.items() for w in [key, *words(inner)]]
    if isinstance(value, list):
        return [w for inner in value for w in words(inner)]
    return [] if isinstance(value, bool) else [str(value)]


def all_values():
    """At once, but for those that leave something out, and for a kind that only an operator brings."""
    settings = [*WITH["mode"], *(f"{name}={json.dumps(value)}" for name, value in EACH_VALUE.items()
                                 if name not in GONE and not name.startswith("podMonitor."))]
    return tuple(w for s in settings for w in ("--set-json", s))


def test_every_value_of_the_chart_is_tried():
    (values,) = read("helm", "pingate", "values.yaml")
    assert set(leaves(values)) == set(EACH_VALUE)


@pytest.mark.parametrize("name", EACH_VALUE)
def test_each_value_of_the_chart_has_its_effect(name):
    settings = [*WITH.get(name, ()), f"{name}={json.dumps(EACH_VALUE[name])}"]
    made, plain = templated(*(w for s in settings for w in ("--set-json", s))), templated()
    assert made != plain
    if name in GONE:
        assert {o["kind"] for o in plain} - {o["kind"] for o in made} >= {GONE[name]}
        return
    changed = json.dumps([o for o in made if o not in plain])
    assert all(word in changed for word in (["hostNetwork"] if name == "mode" else words(EACH_VALUE[name]))), changed


@pytest.mark.parametrize("settings", [
    ("image.x=1",), ("gatewayClass.x=1",), ("serviceAccount.x=1",), ("rbac.x=1",), ("podDisruptionBudget.x=1",), ("podMonitor.x=1",),
    ("mode=addressPool",), ("addressPool={192.0.2.1}",), ("mode=other",), ("image.name=p",), ("limits.handshakes=many",),
    ("audit=none",), ("extraArgs={run}",), ("requirePinning=yes please",), ("unknown=1",)])
def test_the_chart_refuses_values_that_are_none(settings):
    out = subprocess.run([tool("helm"), "template", "pingate", CHART, "--kube-version", "1.36.0", "--set", *settings],
                         capture_output=True, text=True, timeout=60)
    assert out.returncode != 0 and "values don't meet the specifications of the schema" in out.stderr


def test_the_chart_has_nothing_to_be_told(tmp_path):
    out = subprocess.run([tool("helm"), "lint", "--strict", CHART], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0 and "1 chart(s) linted, 0 chart(s) failed" in out.stdout, out.stdout
    assert "[WARNING]" not in out.stdout and "[ERROR]" not in out.stdout


def test_the_packed_chart_has_what_its_links_lead_to(tmp_path):
    subprocess.run([tool("helm"), "package", CHART, "--destination", str(tmp_path)], check=True, capture_output=True)
    (packed,) = tmp_path.iterdir()
    objects = rendered(tool("helm"), "template", "pingate", str(packed), "--namespace", "pingate-system",
                       "--kube-version", "1.36.0", "--include-crds")
    assert objects == templated()


def test_the_charts_files_are_one_source_with_the_manifests():
    """Without helm: links that lead where they should, and the class and versions that are written twice."""
    for link, target in (("crds/pingate.dev_clientcertificatepolicies.yaml", "crds/pingate.dev_clientcertificatepolicies.yaml"),
                         ("files/rbac.yaml", "kubernetes/rbac.yaml"),
                         ("files/rbac-address-pool.yaml", "kubernetes-address-pool/rbac.yaml")):
        assert os.path.islink(os.path.join(CHART, link))
        assert os.path.samefile(os.path.join(CHART, link), os.path.join(DEPLOY, target))
    version = re.search(r"version: '([^']+)'", open(os.path.join(gw.ROOT, "meson.build")).read())[1]
    (chart,) = read("helm", "pingate", "Chart.yaml")
    assert chart["version"] == chart["appVersion"] == version
    (values,) = read("helm", "pingate", "values.yaml")
    schema = json.load(open(os.path.join(CHART, "values.schema.json")))
    jsonschema.validate(values, schema)
    assert set(values) == set(schema["properties"]) - {"global"}
