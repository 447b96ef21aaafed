"""README and manual say what the program does: the quick start runs as printed, and nothing that the
program can say, count or be told is missing from the manual."""
import json
import os
import re
import subprocess

import pytest
import yaml
from support import gateway as gw
from support.client import curl, handshake
from support.net import free_port

README = open(os.path.join(gw.ROOT, "README.md")).read()
MANUAL_FILE = os.path.join(gw.ROOT, "docs", "manual.md")
MANUAL = open(MANUAL_FILE).read() if os.path.exists(MANUAL_FILE) else ""
COMMANDS = ("run", "check", "explain", "pin", "import", "learn", "status", "secret", "demo", "version")


def section_of(text, title):
    return text.split(title)[1].split("\n## ")[0]


def script_of(text):
    """The shell blocks in order; one that is to be refused must fail."""
    blocks = re.findall(r"```sh( refused)?\n(.*?)```", text, re.S)
    assert len(blocks) >= 6
    return "\n".join(f"if\n{block.strip()}\nthen echo LET IN; exit 9; fi" if refused else block
                     for refused, block in blocks)


def run_as_printed(folder, *scripts):
    """Pasted one after the other into one shell, on ports of our own. Returns all that was said."""
    gateway, backend, admin = free_port(), free_port(), free_port()
    script = ("\n".join(scripts).replace("8443", str(gateway)).replace("3000", str(backend))
              .replace("127.0.0.1:9180", f"127.0.0.1:{admin}"))
    prelude = f"""set -euo pipefail
trap 'kill $(jobs -p) || true; sleep 0.2; kill $(jobs -p) 2>/dev/null || true; wait' EXIT
pingate() {{
    case $1 in
    run) exec '{gw.BINARY}' "$@" --admin 127.0.0.1:{admin} --drain-delay 0s ;;
    status) '{gw.BINARY}' "$@" --admin 127.0.0.1:{admin} ;;
    *) '{gw.BINARY}' "$@" ;;
    esac
}}
"""
    out = subprocess.run(["timeout", "--signal=TERM", "90", "bash", "-c", prelude + script], cwd=folder, text=True,
                         capture_output=True, timeout=110, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    said = out.stdout + out.stderr
    assert out.returncode == 0, said[-8000:]
    return said


QUICK_START = script_of(section_of(README, "## Quick start"))


def reasons_of(folder, event='"event":"handshake"'):
    lines = (folder / "audit.log").read_text().splitlines()
    return [json.loads(line)["reason"] for line in lines if event in line and '"reason"' in line]


def test_the_quick_start_of_the_readme_runs_as_printed(tmp_path):
    said = run_as_printed(tmp_path, QUICK_START)
    assert "pingate-client-verify: SUCCESS" in said
    assert "pingate-client-name: acme-robot" in said
    assert "alert certificate unknown" in said and "alert certificate required" in said
    assert "not_pinned" in said and "to admit this client, pin: spki:" in said
    assert reasons_of(tmp_path) == ["accepted", "not_pinned", "no_certificate"]


PAGES = {  # with what must have been said by its end, and the reasons that its audit log must bear
    "for-developers": (["pingate-client-name: acme-intern", "403 Forbidden\nrequest ",
                        "NO   pins: the certificate is trusted"], {"accepted", "not_pinned"}),
    "for-operators": (["let in, but would be refused: not_pinned", "CAN'T BE READ",
                       "pingate-client-name: guest", "PINS NOT ENFORCED (NoPins)"], {"accepted", "not_pinned"}),
    "for-security": (["the connection has ended", "PINS NOT ENFORCED (NoPins)"], {"accepted", "not_pinned", "denied"}),
    "rotation": (["warn  pingate.dev/Warning", "Revoking Certificate"],
                 {"accepted", "not_pinned", "untrusted", "revoked", "denied"}),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_printed_after_the_quick_start(page, tmp_path):
    text = open(os.path.join(gw.ROOT, "docs", page + ".md")).read()
    says, reasons = PAGES[page]
    said = run_as_printed(tmp_path, QUICK_START, script_of(text))
    for words in says:
        assert words in said, words
    # A change may meet who asks behind its handshake: the reason is then that of the connection's end.
    assert set(reasons_of(tmp_path, event="")) >= reasons


def anchors_of(file):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
            for line in open(file) if line.startswith("#")}


@pytest.mark.parametrize("file", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] + [
    f"docs/{name}" for name in sorted(os.listdir(os.path.join(gw.ROOT, "docs"))) if name.endswith(".md")])
def test_links_lead_somewhere(file):
    file = os.path.join(gw.ROOT, file)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", open(file).read()):
        path = os.path.join(os.path.dirname(file), target) if target else file
        assert os.path.exists(path), target
        assert not anchor or anchor in anchors_of(path), (target, anchor)


GATEWAY_API = open(os.path.join(gw.ROOT, "docs", "gateway-api.md")).read()
# Of v1.6.1 and, the last four, of what follows it. Prefixes stand for the rest of their line.
FEATURES = {
    "": "Gateway HTTPRoute GRPCRoute TLSRoute TCPRoute UDPRoute ReferenceGrant ListenerSet BackendTLSPolicy "
        "BackendTLSPolicySANValidation TLSRouteModeTerminate TLSRouteModeMixed GRPCRouteNamedRouteRule",
    "Gateway": "Port8080 StaticAddresses HTTPListenerIsolation HTTPSListenerDetectMisdirectedRequests AddressEmpty "
               "InfrastructurePropagation BackendClientCertificate FrontendClientCertificateValidation "
               "FrontendClientCertificateValidationInsecureFallback",
    "HTTPRoute": "DestinationPortMatching BackendRequestHeaderModification QueryParamMatching MethodMatching CORS "
                 "ResponseHeaderModification PortRedirect SchemeRedirect PathRedirect HostRewrite PathRewrite RequestMirror "
                 "RequestMultipleMirrors RequestPercentageMirror RequestTimeout BackendTimeout ParentRefPort "
                 "BackendProtocolH2C BackendProtocolWebSocket NamedRouteRule 303RedirectStatusCode 307RedirectStatusCode "
                 "308RedirectStatusCode Retry RetryBackendTimeout RetryConnectionError BackendURLRewrite "
                 "BackendRequestRedirect",
    "GRPCRoute": "RequestHeaderModifier",
}


def test_every_feature_of_gateway_api_is_spoken_of():
    for prefix, names in FEATURES.items():
        for name in names.split():
            assert f"`{prefix}{name}`" in GATEWAY_API, prefix + name


def test_every_twin_and_test_that_is_named_is_there():
    twins = set(re.findall(r"`([a-z0-9-]+/[a-z0-9-]+)`", GATEWAY_API)) - {"tests/translate", "tests/e2e"}
    tests = set(re.findall(r"`(test_\w+\.py)::(\w+)`", GATEWAY_API))
    assert len(twins) > 200 and len(tests) > 80
    for twin in twins:
        assert os.path.exists(os.path.join(gw.ROOT, "tests", "translate", twin, "in.yaml")), twin
    for file, name in tests:
        text = open(os.path.join(gw.ROOT, "tests", "e2e", file)).read()
        assert re.search(rf"^def {name}\(", text, re.M), (file, name)
    # A cell holds names and nothing else: what is misspelt must not pass as prose.
    for row in re.findall(r"^\|(?! what|---)(.*)\|$", GATEWAY_API.partition("## Gateway\n")[2], re.M):
        for cell in row.split(" | ")[1:]:
            for word in filter(None, (w.strip() for w in cell.strip(" |").split(", "))):
                assert re.fullmatch(r"`([a-z0-9-]+/[a-z0-9-]+|test_\w+\.py::\w+)`", word), (row, word)


def test_every_file_that_the_architecture_names_is_there():
    text = open(os.path.join(gw.ROOT, "ARCHITECTURE.md")).read()
    there = subprocess.run(["find", "src", "-type", "f"], cwd=gw.ROOT, capture_output=True, text=True).stdout.split()
    named = set(re.findall(r"`([\w/]+\.(?:c|h|def))`", text))
    assert len(named) > 20
    for name in named:
        assert any(("/" + path).endswith("/" + name) for path in there), name


def help_of(command):
    return subprocess.run([gw.BINARY, command, "--help"], capture_output=True, text=True, timeout=30).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_has_every_command_with_every_option(command):
    assert command in subprocess.run([gw.BINARY, "help"], capture_output=True, text=True).stdout
    part = re.search(rf"^### `pingate {command}\b.*?(?=^##)", MANUAL, re.S | re.M)
    assert part, command
    for option in re.findall(r"^  (?:-\w, |    )(--[\w-]+)", help_of(command), re.M):
        assert option == "--help" or f"`{option}" in part.group(0) or f", {option}" in part.group(0), option


def test_the_manuals_import_prints_what_it_says(tmp_path):
    part = re.search(r"^### `pingate import.*?(?=^##)", MANUAL, re.S | re.M).group(0)
    script, printed = re.search(r"```sh\n(.*?)```\n\nprints\n\n```yaml\n(.*?)```", part, re.S).groups()
    out = subprocess.run(["bash", "-c", f"pingate() {{ '{gw.BINARY}' \"$@\"; }}\n{script}"], cwd=tmp_path,
                         capture_output=True, text=True, timeout=30)
    assert out.returncode == 1 and out.stdout == printed
    assert out.stderr.startswith("pingate: import: no equivalent: istio.yaml:12: ") and out.stderr.count("\n") == 1


def test_the_migration_prints_what_it_says(tmp_path):
    text = open(os.path.join(gw.ROOT, "docs", "migrating.md")).read()
    script, printed = re.search(r"```sh\n(.*?)```\n\nprints\n\n```yaml\n(.*?)```", text, re.S).groups()
    out = subprocess.run(["bash", "-c", f"pingate() {{ '{gw.BINARY}' \"$@\"; }}\n{script}"], cwd=tmp_path,
                         capture_output=True, text=True, timeout=30)
    assert out.stdout == "something has no equivalent\n" + printed


@pytest.mark.parametrize("source,head", [("istio", "Istio, field by field"), ("envoy", "Envoy Gateway, field by field")])
def test_the_migration_speaks_of_every_field_that_import_knows(source, head):
    """Of TLS: fields that say who comes in."""
    code = open(os.path.join(gw.ROOT, "src", "cli", f"import_{source}.c")).read()
    part = section_of(open(os.path.join(gw.ROOT, "docs", "migrating.md")).read(), "## " + head)
    for table in re.findall(r"import_field (?:tls|validation)_fields\[\] = \{(.*?)\};", code, re.S):
        names = set(re.findall(r'\{"(\w+)"', table)) - {"credentialNames", "tlsCertificates", "clientValidation"}
        assert names
        for name in names:
            assert re.search(rf"[`.]{name}\b", part), name


def test_the_manuals_proposal_is_what_learn_prints():
    part = re.search(r"^### `pingate learn.*?(?=^##)", MANUAL, re.S | re.M).group(0)
    printed = re.search(r"```yaml\n(.*?)```", part, re.S).group(1)
    records = [{"time": f"2026-11-26T10:00:0{second}.000Z", "event": "handshake", "admitted": False, "verified": False,
                "reason": "not_pinned", "peer": "192.0.2.9:4711", "gateway": "edge/edge", "serial": "03e8",
                "scope": "ClientCertificatePolicy edge/partners", "subject": "CN=acme robot,O=acme",
                "issuer": "CN=corp CA", "certificate_sha256": "df" * 32,
                "spki_sha256": "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="} for second in (1, 5, 9)]
    out = subprocess.run([gw.BINARY, "learn", "--audit-log", "-"], input="\n".join(map(json.dumps, records)),
                         capture_output=True, text=True, timeout=30)
    assert out.returncode == 0 and out.stdout.split("---\n")[1] == printed


def test_the_manual_has_every_limit_with_its_default():
    limits = re.findall(r"^  ([a-z-]+) \((\d+)\): ", help_of("run"), re.M)
    assert len(limits) >= 16
    for name, default in limits:
        assert re.search(rf"^\| `{name}` \| {default} \|", MANUAL, re.M), name


def test_the_manual_has_every_reason_with_its_alert():
    table = open(os.path.join(gw.ROOT, "src", "base", "reason.def")).read()
    reasons = re.findall(r'^REASON\(\w+,\s+"(\w+)",\s+(\d+),', table, re.M)
    assert len(reasons) > 25
    for token, alert in reasons:
        assert re.search(rf"^\| `{token}` \| {alert if alert != '0' else '—'}[ |(]", MANUAL, re.M), token


def test_the_manual_has_every_condition_with_its_reasons():
    """Those that translation gives to the golden twins; what a running gateway adds is in served.c."""
    part = section_of(MANUAL, "### Conditions")
    told = set(re.findall(r'"(\w+)"', "".join(re.findall(r"deny\w*\([^;]*;|#define \w+ +\"\w+\"|return \"\w+\"", open(
        os.path.join(gw.ROOT, "src", "control", "translate", "served.c")).read()))))
    assert told >= {"Pending", "ProbeFailed", "PortUnavailable", "NoResources"}
    for folder, _, files in os.walk(os.path.join(gw.ROOT, "tests", "translate")):
        if "status.yaml" in files:
            text = open(os.path.join(folder, "status.yaml")).read()
            for pair in re.findall(r"- type: (\S+)\n *status: .*\n *reason: (\w+)", text):
                told.update(pair)
    assert len(told) > 60
    for word in told:
        assert re.search(rf"\b{word}\b", part), word


@pytest.fixture(scope="module")
def served(people, nginx, tmp_path_factory):
    port = free_port()
    text = (gw.secret_tls("server", people.server) + gw.ca_config_map("clients-ca", people.ca)
            + gw.gateway([gw.https_listener("https", port)],
                         default=gw.validation(pins=gw.pinning(spki=[people.pinned.spki_hash])))
            + gw.backend(nginx.port) + gw.route())
    gateway = gw.Gateway(tmp_path_factory.mktemp("docs"), {"edge.yaml": text})
    assert curl(port, people.server_ca, people.pinned).status == 200
    assert handshake(port, people.server_ca, people.unpinned) == 46
    gateway.last_refusal("not_pinned")
    yield gateway
    gateway.stop()


def test_the_manual_has_every_metric(served):
    metrics = re.findall(r"^# TYPE (\w+) ", served.admin("/metrics")[1], re.M)
    assert len(metrics) > 25
    for metric in metrics:
        assert f"`{metric}`" in MANUAL, metric


def test_the_manual_has_every_field_of_status(served):
    part = re.search(r"^### /status.*?(?=^## )", MANUAL, re.S | re.M).group(0)
    status = json.loads(served.admin("/status")[1])
    pins = status["pins"]
    for field in (*status, *status["generation"], *status["expires"], *pins, *pins["sets"][0], "next_to_end", "last_matched"):
        assert f"`{field}`" in part or f"`pins.{field}`" in part, field


def test_the_manual_has_every_field_of_the_records(served):
    records = served.audit() + served.access()
    assert {r["event"] for r in records} >= {"handshake", "request", "generation_published", "pin_changed"}
    for record in records:
        for field in record:
            assert f"`{field}`" in MANUAL, (record["event"], field)


def test_the_manual_has_every_event_and_admin_page(served):
    table = open(os.path.join(gw.ROOT, "src", "event", "events.def")).read()
    for token in re.findall(r'^EVENT\(\w+,\s+"(\w+)"', table, re.M):
        assert f"`{token}`" in MANUAL, token
    for page in ("/metrics", "/healthz", "/readyz", "/status", "/refusals"):
        assert served.admin(page)[0] == 200 and f"`{page}`" in MANUAL, page


def test_the_manual_has_every_field_of_the_policy_with_its_limits():
    """As the CRD has them, which test_crd.py holds to the decoder."""
    crd = yaml.safe_load(open(os.path.join(gw.ROOT, "deploy", "crds", "pingate.dev_clientcertificatepolicies.yaml")))

    def fields(schema, path=""):
        for name, child in schema.get("properties", {}).items():
            yield path + name, child, name in schema.get("required", [])
            yield from fields(child, f"{path}{name}.")
        yield from fields(schema["items"], path[:-1] + "[].") if "items" in schema else ()

    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for path, schema, required in fields(spec):
        row = re.search(rf"^\| (?:`[^`]+`, )*`{re.escape(path)}`(?:, `[^`]+`)* \| (.*) \|$", MANUAL, re.M)
        assert row, path
        assert row[1].startswith("required: ") == required, path
        for word in schema.get("enum", []) + schema.get("items", {}).get("enum", []):
            assert f"`{word}`" in row[1], (path, word)
        limit = schema.get("maxItems", None if "Hash" in path or "grace" in path else schema.get("maxLength"))
        assert limit is None or re.search(rf"\b{limit}\b", row[1]), (path, limit)
        assert "default" not in schema or re.search(rf"`{schema['default']}` (\(default\)|by default)", row[1]), path


# --- conformance ---

CONFORMANCE = open(os.path.join(gw.ROOT, "docs", "conformance.md")).read()


def test_what_is_claimed_is_what_the_gateway_class_says():
    source = open(os.path.join(gw.ROOT, "src", "control", "report", "features.c")).read()
    told = re.findall(r"`(\w+)`", CONFORMANCE.split("<!-- features -->")[1].split("<!-- end -->")[0])
    assert told == sorted(re.findall(r'"([A-Z]\w+)",', source)) and len(told) == 47


def test_every_conformance_test_of_ours_is_listed():
    folder = os.path.join(gw.ROOT, "tests", "conformance", "suite")
    suite = "".join(open(os.path.join(folder, name)).read() for name in os.listdir(folder) if name.endswith("_test.go"))
    told = re.findall(r"^\| `(\w+)` \|", CONFORMANCE.split("## Our own tests")[1], re.M)
    assert sorted(told) == sorted(re.findall(r'ShortName:\s+"(\w+)"', suite)) and len(told) >= 15


def test_the_report_is_a_success_and_of_what_is_claimed():
    folder = os.path.join(gw.ROOT, "docs", "reports")
    names = [name for name in os.listdir(folder) if name.endswith(".yaml")]
    claimed = set(re.findall(r"`(\w+)`", CONFORMANCE.split("<!-- features -->")[1].split("<!-- end -->")[0]))
    assert names
    for name in names:
        report = yaml.safe_load(open(os.path.join(folder, name)))
        assert name == f"{report['gatewayAPIChannel']}-{report['implementation']['version']}-{report['mode']}-report.yaml"
        for profile in report["profiles"]:
            passed = [profile[part]["statistics"]["Passed"] for part in ("core", "extended")]
            assert f"| {profile['name']} | {passed[0]} | {passed[1]} | 0 | 0 |" in CONFORMANCE
            for part in (profile["core"], profile["extended"]):
                assert part["result"] == "success" and part["statistics"]["Failed"] == part["statistics"]["Skipped"] == 0
            assert set(profile["extended"]["supportedFeatures"]) <= claimed and "unsupportedFeatures" not in profile["extended"]
        assert sorted(profile["name"] for profile in report["profiles"]) == [
            "GATEWAY-GRPC", "GATEWAY-HTTP", "GATEWAY-TCP", "GATEWAY-TLS"]
