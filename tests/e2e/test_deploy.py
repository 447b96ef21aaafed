"""What deploy/ gives a cluster: no more power than the code uses, a pod of the restricted profile, and a Gateway CRD
that takes what pingate's decoder takes. The files are read as they are; where kustomize is on PATH, or named in KUSTOMIZE,
what it renders is held to the same."""
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import tempfile

import jsonschema
import pytest
import yaml
from support import gateway as gw
from test_crd import HASHES, HEX, OTHER_TYPES, SPKI, strict

DEPLOY = os.path.join(gw.ROOT, "deploy")


def read(*path):
    with open(os.path.join(DEPLOY, *path)) as file:
        return list(yaml.safe_load_all(file))


def one(objects, kind, name=None):
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, (kind, name, len(found))
    return found[0]


# --- rights ---

def kinds_of_the_code():
    """{(group, plural)} of the tables that documents are read by."""
    source = open(os.path.join(gw.ROOT, "src", "control", "api", "object.c")).read()
    header = open(os.path.join(gw.ROOT, "src", "control", "api", "object.h")).read()
    groups = dict(re.findall(r'^#define (GROUP_\w+)\s+"([^"]+)"', header, re.M))
    rows = re.findall(r'\[(KIND_\w+)\] = \{(?:(GROUP_\w+)|"([^"]*)"), "\w+"', source)
    plurals = dict(re.findall(r'\[(KIND_\w+)\] = "([a-z]+)"', source))
    assert len(rows) == len(plurals) >= 15
    return {(groups[name] if name else text, plurals[kind]) for kind, name, text in rows}


READ = {"get", "list", "watch"}
STATUS = {"patch"}
GATEWAY_API = "gateway.networking.k8s.io"
WITH_STATUS = [(GATEWAY_API, kind) for kind in ("gatewayclasses", "gateways", "listenersets", "httproutes", "grpcroutes",
                                                "tlsroutes", "tcproutes", "backendtlspolicies")] + [
    ("pingate.dev", "clientcertificatepolicies")]
# Beside reading the kinds of the table: (group, resource): verbs.
WRITES = {**{(group, kind + "/status"): STATUS for group, kind in WITH_STATUS},
          ("events.k8s.io", "events"): {"create"}}
CRD_READ = {("apiextensions.k8s.io", "customresourcedefinitions", name): {"get"} for name in (
    "gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io", "clientcertificatepolicies.pingate.dev")}
IN_ITS_NAMESPACE = {("coordination.k8s.io", "leases"): READ | {"create", "update", "patch", "delete"},
                    ("", "services"): {"create", "patch", "delete"}}
WITH_A_POOL = {("", "services"): {"create", "patch", "delete"}}


def rights_of(role):
    """{(group, resource[, name]): verbs}; no rule may say the same as another."""
    rights = {}
    for rule in role["rules"]:
        assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for key in ([(group, resource, name) for name in rule["resourceNames"]] if "resourceNames" in rule
                            else [(group, resource)]):
                    assert key not in rights, key
                    rights[key] = set(rule["verbs"])
    assert "*" not in str(rights)
    return rights


def rights_hold(objects, pool):
    reads = {kind: READ for kind in kinds_of_the_code()}
    assert rights_of(one(objects, "ClusterRole", "pingate")) == {**reads, **WRITES, **CRD_READ}
    assert rights_of(one(objects, "Role")) == IN_ITS_NAMESPACE
    names = {o["metadata"]["name"] for o in objects if o["kind"] == "ClusterRole"}
    assert names == ({"pingate", "pingate-address-pool"} if pool else {"pingate"})
    if pool:
        assert rights_of(one(objects, "ClusterRole", "pingate-address-pool")) == WITH_A_POOL
    account = one(objects, "ServiceAccount")["metadata"] if any(o["kind"] == "ServiceAccount" for o in objects) else None
    for binding in (o for o in objects if o["kind"].endswith("RoleBinding")):
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"], subject["namespace"]) == ("ServiceAccount", "pingate", "pingate-system")
        assert not account or (account["name"], account["namespace"]) == (subject["name"], subject["namespace"])
        assert binding["roleRef"]["name"] == binding["metadata"]["name"]
        assert binding["roleRef"]["kind"] + "Binding" == binding["kind"]
        one(objects, binding["roleRef"]["kind"], binding["roleRef"]["name"])


def test_the_rights_are_those_that_the_code_uses():
    rights_hold(read("kubernetes", "rbac.yaml"), pool=False)
    rights_hold(read("kubernetes", "rbac.yaml") + read("kubernetes-address-pool", "rbac.yaml"), pool=True)


def test_the_conformance_rig_knows_the_pool_that_it_replaces():
    with open(os.path.join(gw.ROOT, "tests", "conformance", "rig")) as rig:
        (pool,) = re.findall(r"^written_pool=(\S+)", rig.read(), re.M)
    (pod,) = read("kubernetes-address-pool", "deployment.yaml")
    assert f"--address-pool={pool}" in pod["spec"]["template"]["spec"]["containers"][0]["args"]


# --- the pod ---

def options_of(pod):
    """{option: value or None} of the container's arguments."""
    (container,) = pod["containers"]
    command, *arguments = container["args"]
    assert command == "run"
    return {word.partition("=")[0]: word.partition("=")[2] or None for word in arguments}


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|ms)", text).groups()
    return int(number) / (1000 if unit == "ms" else 1)


def limit_default_s(name):
    text = subprocess.run([gw.BINARY, "run", "--help"], capture_output=True, text=True).stdout
    return int(re.search(rf"^  {name} \((\d+)\)", text, re.M)[1]) / 1000


def pod_holds(objects):
    """What is the same in both ways to address."""
    deployment = one(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    options = options_of(pod)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for chosen in (deployment["spec"]["selector"], one(objects, "PodDisruptionBudget")["spec"]["selector"],
                   *(c["labelSelector"] for c in pod["topologySpreadConstraints"])):
        assert chosen["matchLabels"].items() <= labels.items()
    assert deployment["spec"]["replicas"] >= 2 and pod["serviceAccountName"] == one(objects, "ServiceAccount")["metadata"]["name"]
    assert {c["topologyKey"] for c in pod["topologySpreadConstraints"]} == {"kubernetes.io/hostname",
                                                                         "topology.kubernetes.io/zone"}
    end = seconds(options["--drain-delay"]) + limit_default_s("drain-grace-ms")
    assert pod["terminationGracePeriodSeconds"] > end + 5
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probe"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "probe"}
    (probe,) = (p["containerPort"] for p in container["ports"] if p["name"] == "probe")
    assert options["--probe-addr"] == f"0.0.0.0:{probe}"
    assert deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(probe)
    assert set(container["resources"]["requests"]) == {"cpu", "memory"} and "memory" in container["resources"]["limits"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostPID", "hostIPC", "shareProcessNamespace"} & set(pod) and "volumes" not in pod
    environment = {e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"] for e in container["env"]}
    for option, variable, path in (("--namespace", "POD_NAMESPACE", "metadata.namespace"),
                                   ("--identity", "POD_NAME", "metadata.name"),
                                   ("--pod-uid", "POD_UID", "metadata.uid")):
        assert options[option] == f"$({variable})" and environment[variable] == path
    return pod, container, options


def restricted_holds(objects):
    """Kubernetes' restricted profile, as far as a pod without volumes can break it."""
    pod, container, options = pod_holds(objects)
    enforced = one(objects, "Namespace")["metadata"]["labels"] if any(o["kind"] == "Namespace" for o in objects) else {}
    assert enforced.get("pod-security.kubernetes.io/enforce", "restricted") == "restricted"
    assert not {"hostNetwork", "hostUsers"} & set(pod) and not any("hostPort" in p for p in container["ports"])
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
    assert set(container["securityContext"]) == {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"}
    assert set(container["securityContext"]["capabilities"]) == {"drop"}
    assert not {"--address-pool", "--user"} & set(options)


def host_network_holds(objects):
    pod, container, options = pod_holds(objects)
    assert pod["hostNetwork"] is True and pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert container["securityContext"]["capabilities"]["add"] == ["NET_BIND_SERVICE", "SETUID", "SETGID"]
    assert options["--user"] == "pingate" and options["--address-pool"] and pod["securityContext"]["fsGroup"] == 65532
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["topologyKey"] == "kubernetes.io/hostname"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="wants root and setpriv")
def test_the_pools_capabilities_are_enough_and_one_is_left():
    """As a container runtime starts it: root, without a power but these three, and with no_new_privs."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pingate-"))  # pytest's are root's alone
    folder.chmod(0o755)
    (patch,) = read("kubernetes-address-pool", "deployment.yaml")
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    names = ["+" + name.lower() for name in container["securityContext"]["capabilities"]["add"]]
    around = ["setpriv", "--inh-caps=-all", "--bounding-set=" + ",".join(["-all", *names]), "--no-new-privs"]
    low = {name: gw.gateway([gw.http_listener("http", port)], name=name, address="127.83.7.9")
           for name, port in (("first", 81), ("second", 82))}
    gateway = gw.Gateway(folder, {"first.yaml": low["first"]}, "--user", "nobody", around=around)
    try:
        gateway.swap("second.yaml", low["second"])
        for port in (81, 82):
            socket.create_connection(("127.83.7.9", port), timeout=5).close()
        lines = open(f"/proc/{gateway.process.pid}/status").read().splitlines()
    finally:
        gateway.stop()
        shutil.rmtree(folder)
    status = dict(line.split(":\t") for line in lines if ":\t" in line)
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 1 << 10
    assert status["Uid"].split() == [str(pwd.getpwnam("nobody").pw_uid)] * 4 and status["NoNewPrivs"] == "1"


def of_kustomization(folder):
    """Its own files, without what it takes from elsewhere."""
    kustomization = yaml.safe_load(open(os.path.join(DEPLOY, folder, "kustomization.yaml")))
    return [o for file in kustomization["resources"] if file.endswith(".yaml") for o in read(folder, file)]


def test_every_file_of_the_manifests_is_in_the_kustomization():
    for folder in ("kubernetes", "kubernetes-address-pool", "crds"):
        kustomization = yaml.safe_load(open(os.path.join(DEPLOY, folder, "kustomization.yaml")))
        named = set(kustomization["resources"]) | {patch["path"] for patch in kustomization.get("patches", [])}
        assert {name for name in named if not name.startswith("..")} | {"kustomization.yaml"} == set(
            os.listdir(os.path.join(DEPLOY, folder)))
        for name in named:
            assert os.path.exists(os.path.join(DEPLOY, folder, name))


def test_the_plain_manifests_are_of_the_restricted_profile():
    restricted_holds(of_kustomization("kubernetes"))


def test_the_class_names_this_controller():
    (gateway_class,) = read("kubernetes", "gatewayclass.yaml")
    header = open(os.path.join(gw.ROOT, "src", "control", "api", "object.h")).read()
    assert gateway_class["spec"]["controllerName"] == re.search(r'CONTROLLER_NAME "([^"]+)"', header)[1]


def test_the_pod_is_given_only_options_that_there_are():
    text = subprocess.run([gw.BINARY, "run", "--help"], capture_output=True, text=True).stdout
    known = set(re.findall(r"(?<![\w-])--[a-z-]+", text))
    if "--address-pool" not in known:
        pytest.skip("this pingate has no address pool yet")
    (patch,) = read("kubernetes-address-pool", "deployment.yaml")
    for pod in (one(of_kustomization("kubernetes"), "Deployment"), patch):
        assert set(options_of(pod["spec"]["template"]["spec"])) <= known


def test_the_services_of_gateways_select_the_pods():
    header = open(os.path.join(gw.ROOT, "src", "cli", "service_options.h")).read()
    key, value = re.search(r'SERVICE_SELECTOR_DEFAULT\s+"([^"=]+)=([^"]+)"', header).groups()
    template = one(of_kustomization("kubernetes"), "Deployment")["spec"]["template"]
    assert template["metadata"]["labels"][key] == value and "--service-selector" not in options_of(template["spec"])


def test_the_image_is_of_this_version():
    version = re.search(r"version: '([^']+)'", open(os.path.join(gw.ROOT, "meson.build")).read())[1]
    (kustomization,) = read("kubernetes", "kustomization.yaml")
    assert [image["newTag"] for image in kustomization["images"]] == [version]


# --- the Gateway CRD ---

(PATCH,) = read("gateway-api-crd", "patch", "certificate-pinning.yaml")
FRONTEND = "properties/spec/properties/tls/properties/frontend/properties/"
PLACES = ("default/", "perPort/items/properties/tls/")
(SCHEMA,) = [op["value"] for op in PATCH if op["op"] == "add"]
VALIDATOR = jsonschema.Draft7Validator(strict(SCHEMA))
AT_LEAST_ONE = ("has(self.spkiHashes) || has(self.certificateHashes) || "
                "(has(self.pinnedCertificateRefs) && size(self.pinnedCertificateRefs) > 0)")
REF = {"group": "", "kind": "ConfigMap", "name": "bots"}
FULL = {"spkiHashes": [SPKI], "certificateHashes": [HEX], "pinnedCertificateRefs": [dict(REF, namespace="edge")]}


def pointer(document, path):
    for step in path.strip("/").split("/"):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def patched(document):
    """RFC 6902, as far as the patch needs it; its paths have no escapes."""
    for op in PATCH:
        parent, _, last = op["path"].rpartition("/")
        if op["op"] == "test":
            assert pointer(document, op["path"]) == op["value"], op["path"]
        else:
            where = pointer(document, parent)
            assert last not in where
            where[last] = op["value"] if op["op"] == "add" else pointer(document, op["from"])
    return document


def crd_like_upstreams():
    def validation():
        return {"validation": {"properties": {"caCertificateRefs": {}, "mode": {}}, "required": ["caCertificateRefs"]}}

    def version(name):
        frontend = {"default": {"properties": validation()},
                    "perPort": {"items": {"properties": {"port": {}, "tls": {"properties": validation()}}}}}
        tls = {"properties": {"tls": {"properties": {"frontend": {"properties": frontend}}}}}
        return {"name": name, "schema": {"openAPIV3Schema": {"properties": {"spec": tls}}}}

    return {"spec": {"group": GATEWAY_API, "names": {"kind": "Gateway"}, "versions": [version("v1"), version("v1beta1")]}}


def patch_holds(crd):
    """Both versions have the field in both places, and whatever else there is stayed."""
    for version in range(2):
        for place in PLACES:
            path = f"spec/versions/{version}/schema/openAPIV3Schema/{FRONTEND}{place}properties/validation"
            validation = pointer(crd, path)
            assert validation["properties"].pop("certificatePinning") == SCHEMA
            assert set(validation["properties"]) == {"caCertificateRefs", "mode"}


def test_the_patch_adds_the_field_in_all_four_places():
    crd = patched(crd_like_upstreams())
    patch_holds(json.loads(json.dumps(crd)))


def test_the_patch_refuses_a_crd_that_is_another():
    for edit in (lambda crd: crd["spec"].update(group="example.com"), lambda crd: crd["spec"]["names"].update(kind="Gate"),
                 lambda crd: crd["spec"]["versions"].reverse()):
        crd = crd_like_upstreams()
        edit(crd)
        with pytest.raises(AssertionError):
            patched(crd)


def test_the_policys_crd_and_this_one_take_the_same_pins():
    (policy,) = read("crds", "pingate.dev_clientcertificatepolicies.yaml")
    pins = policy["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["pins"]["items"]
    for field in ("spkiHashes", "certificateHashes"):
        for limit in ("type", "maxLength", "pattern"):
            assert SCHEMA["properties"][field]["items"][limit] == pins["properties"]["spkiHash"][limit]


def schema_takes(pinning):
    return VALIDATOR.is_valid(pinning) and bool(
        "spkiHashes" in pinning or "certificateHashes" in pinning or pinning.get("pinnedCertificateRefs"))


def pingate_takes(tmp_path, pinnings):
    """True where pingate reads all of them, half of them under perPort."""
    def item(number, pinning):
        validation = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}], "certificatePinning": pinning}
        tls = {"validation": validation}
        frontend = {"default": tls} if number % 2 else {"default": {}, "perPort": [{"port": 443, "tls": tls}]}
        return {"apiVersion": f"{GATEWAY_API}/v1", "kind": "Gateway", "metadata": {"name": f"g{number}", "namespace": "edge"},
                "spec": {"gatewayClassName": "pingate", "tls": {"frontend": frontend},
                         "listeners": [{"name": "a", "port": 443, "protocol": "HTTP"}]}}

    file = tmp_path / "gateways.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item(i, p) for i, p in enumerate(pinnings)]}))
    out = subprocess.run([gw.BINARY, "check", "-c", str(file)], capture_output=True, text=True, timeout=60)
    assert out.stdout or ("certificatePinning" in out.stderr and out.stderr.count("\n") == 1), out.stderr
    return bool(out.stdout)


def hex_of(number):
    return f"{number + 1:064x}"


def cases():
    """Everything that the schema says of certificatePinning, met and broken."""
    yield FULL
    yield {}
    yield {"pinnedCertificateRefs": []}
    for value in OTHER_TYPES:
        yield {"spkiHashes": value}
        yield {"certificateHashes": [value], "spkiHashes": [SPKI]}
        yield {"pinnedCertificateRefs": [value], "spkiHashes": [SPKI]}
        yield dict(FULL, unknown=value)
    for field in ("spkiHashes", "certificateHashes"):
        for count in (0, 1, 2, 64, 65):
            yield {field: [hex_of(i) for i in range(count)]}
        yield {field: [SPKI, SPKI]}
        for text in HASHES + ["", "a" * 129]:
            yield {field: [text]}
    for count in (0, 1, 16, 17):
        yield {"spkiHashes": [SPKI], "pinnedCertificateRefs": [dict(REF, name=f"n{i}") for i in range(count)]}
    for field, texts in (("group", ["", "apps", "A", "a" * 254]), ("kind", ["", "Secret", "1a", "a" * 63, "a" * 64]),
                         ("name", ["", "a", "a" * 253, "a" * 254]), ("namespace", ["", "a", "A", "a.b", "a" * 63, "a" * 64])):
        yield {"pinnedCertificateRefs": [{key: value for key, value in REF.items() if key != field}]}
        for text in texts:
            yield {"pinnedCertificateRefs": [dict(REF, **{field: text})]}
    yield {"pinnedCertificateRefs": [dict(REF, key="tls.crt")]}


def test_the_patched_crd_takes_what_the_decoder_takes(tmp_path):
    assert [rule["rule"] for rule in SCHEMA["x-kubernetes-validations"]] == [AT_LEAST_ONE]
    good = [case for case in cases() if schema_takes(case)]
    bad = [case for case in cases() if not schema_takes(case)]
    assert len(good) > 50 and len(bad) > 80
    assert pingate_takes(tmp_path, good) or [case for case in good if not pingate_takes(tmp_path, [case])] == []
    assert [case for case in bad if pingate_takes(tmp_path, [case])] == []


def test_where_they_differ_the_decoder_takes_less(tmp_path):
    """As the descriptions say; in a cluster such a Gateway's pins admit nobody."""
    for pinning in ({"spkiHashes": ["0" * 64]}, {"spkiHashes": [HEX, HEX.upper()]}, {"certificateHashes": [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}):
        assert schema_takes(pinning) and not pingate_takes(tmp_path, [pinning])


GEP = open(os.path.join(gw.ROOT, "docs", "gep-4078.md")).read()


def test_what_the_gep_proposes_pingate_takes(tmp_path):
    """Its patterns take no text that pingate does not; its examples are taken as they stand."""
    for field, name in (("spkiHashes", "SPKIHash"), ("certificateHashes", "CertificateHash")):
        shortest, longest, pattern = re.search(
            r"MinLength=(\d+)\n// \+kubebuilder:validation:MaxLength=(\d+)\n// \+kubebuilder:validation:Pattern=`(.*)`\n"
            rf"type {name} string", GEP).groups()
        taken = [text for text in HASHES if int(shortest) <= len(text) <= int(longest)
                 and re.search(pattern.replace("$", r"\Z"), text)]
        assert len(taken) >= 2 and all(schema_takes({field: [text]}) for text in taken)
        for limit in ("MinItems", "MaxItems"):
            assert f"+kubebuilder:validation:{limit}={SCHEMA['properties'][field][limit[0].lower() + limit[1:]]}" in GEP
    examples = re.findall(r"```yaml\n(.*?)```", GEP, re.S)
    (whole,) = [text for text in examples if text.startswith("apiVersion")]
    (part,) = [text for text in examples if text.startswith("  tls:")]
    gateway = yaml.safe_load(whole)
    other = dict(gateway, spec=dict(gateway["spec"], **yaml.safe_load(part)))
    pinnings = [gateway["spec"]["tls"]["frontend"]["default"]["validation"]["certificatePinning"],
                other["spec"]["tls"]["frontend"]["perPort"][0]["tls"]["validation"]["certificatePinning"]]
    assert all(schema_takes(pinning) for pinning in pinnings) and pingate_takes(tmp_path, pinnings)


def test_the_geps_reasons_are_those_that_pingate_gives():
    source = "".join(open(os.path.join(gw.ROOT, "src", "control", "translate", name)).read()
                     for name in os.listdir(os.path.join(gw.ROOT, "src", "control", "translate")) if name.endswith(".c"))
    reasons = re.findall(r'^\tListenerReason\w+ ListenerConditionReason = "(\w+)"', GEP, re.M)
    assert len(reasons) == 3 and all(f'"{reason}"' in source for reason in reasons)


def test_the_geps_tests_are_in_the_suite():
    folder = os.path.join(gw.ROOT, "tests", "conformance", "suite")
    suite = "".join(open(os.path.join(folder, name)).read() for name in os.listdir(folder) if name.endswith("_test.go"))
    named = set(re.findall(r"^\| `(Gateway\w+)` \|", GEP, re.M)) | {"GatewayFrontendClientCertificatePinningRequired"}
    assert named == {name for name in re.findall(r'ShortName:\s+"(\w+)"', suite) if name.startswith("Gateway")}
    features = set(re.findall(r"^\* `(Gateway\w+)`:", GEP, re.M))
    assert len(features) == 2 and all(f'features.FeatureName = "{name}"' in suite for name in features)


# --- rendered ---

def tool(name):
    path = os.environ.get(name.upper()) or shutil.which(name)
    if not path:
        pytest.skip(f"no {name} on PATH")
    return path


def rendered(*command):
    out = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = [line for line in out.stderr.splitlines() if "found symbolic link" not in line]
    assert out.returncode == 0 and not said, out.stderr
    return [o for o in yaml.safe_load_all(out.stdout) if o]


def kustomized(*folder):
    return rendered(tool("kustomize"), "build", os.path.join(DEPLOY, *folder))


def test_kustomize_makes_the_plain_manifests():
    objects = kustomized("kubernetes")
    rights_hold(objects, pool=False)
    restricted_holds(objects)
    assert one(objects, "CustomResourceDefinition") == read("crds", "pingate.dev_clientcertificatepolicies.yaml")[0]


def test_kustomize_makes_the_manifests_of_an_address_pool():
    objects = kustomized("kubernetes-address-pool")
    rights_hold(objects, pool=True)
    host_network_holds(objects)


def test_kustomize_patches_a_crd_among_the_resources(tmp_path):
    crd = crd_like_upstreams()
    crd.update(apiVersion="apiextensions.k8s.io/v1", kind="CustomResourceDefinition",
               metadata={"name": "gateways.gateway.networking.k8s.io"})
    (tmp_path / "crd.yaml").write_text(yaml.safe_dump(crd))
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({
        "resources": ["crd.yaml"],
        "components": [os.path.relpath(os.path.join(DEPLOY, "gateway-api-crd", "patch"), tmp_path)]}))
    (made,) = rendered(tool("kustomize"), "build", str(tmp_path))
    patch_holds(made)
