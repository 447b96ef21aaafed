"""The dashboard and the alert rules in deploy/ speak of what a running gateway exports: each metric, each label and
each value of a label that a query names is one that it really has. Queries are read by hand here; where Debian's
package prometheus is there, promtool reads them too and plays each alert's hour."""
import json
import os
import re
import shutil
import subprocess

import pytest
import yaml
from support import gateway as gw
from support.client import curl
from support.net import eventually, free_port

BOARD_FILE = os.path.join(gw.ROOT, "deploy", "grafana", "pingate.json")
RULES_FILE = os.path.join(gw.ROOT, "deploy", "prometheus", "alerts.yaml")
BOARD = json.load(open(BOARD_FILE))
RULES = yaml.safe_load(open(RULES_FILE))
PROMTOOL = shutil.which("promtool")
FROM_PROMETHEUS = {"job", "instance"}  # labels that scraping adds
SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
SERIES = re.compile(r'\b(pingate_\w+)\s*(?:\{([^}]*)\})?')
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r'\bby\s*\(([^)]*)\)')
WORDS = {"sum", "min", "max", "by", "rate", "increase", "changes", "histogram_quantile", "time", "and", "or", "offset", "sort",
         "label_values"}


@pytest.fixture(scope="module")
def exported(people, nginx, tmp_path_factory):
    """{metric: {label: {values}}} of a gateway in which everything has happened that makes a series."""
    port = free_port()
    gateway = gw.Gateway(tmp_path_factory.mktemp("dashboards"), {
        "edge.yaml": gw.secret_tls("server", people.server)
        + gw.ca_config_map("clients-ca", people.ca, crl=people.ca.crl())
        + gw.gateway([gw.https_listener("https", port)], default=gw.validation())
        + gw.backend(nginx.port) + gw.route(),
        "pins.yaml": f"""---
apiVersion: pingate.dev/v1alpha1
kind: ClientCertificatePolicy
metadata: {{name: partners, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  pins: [{{name: acme-robot, spkiHash: "{people.pinned.spki_hash}", notAfter: 2100-01-01T00:00:00Z}}]
"""})
    assert curl(port, people.server_ca, people.pinned).status == 200
    gateway.write("broken.yaml", "a: [")
    text = eventually(lambda: (lambda t: t if "pingate_pin_last_matched_timestamp_seconds{" in t
                               and "\npingate_source_failing 1\n" in t else None)(gateway.admin("/metrics")[1]), "all series")
    gateway.stop()
    metrics = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, _ = SAMPLE.fullmatch(line).groups()
            for label, value in LABEL.findall(labels or ""):
                metrics.setdefault(name, {}).setdefault(label, set()).add(value)
            metrics.setdefault(name, {})
    metrics["pingate_source_seconds_since_heard"] = {"kind": {"gateways"}}  # of a cluster alone
    return metrics


def board_queries():
    """(where, query, legend)"""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"], ""
    for annotation in BOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"], annotation["titleFormat"]


def rule_queries():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values()).replace("$labels.", "")


QUERIES = list(board_queries()) + list(rule_queries())


def check_matcher(where, metric, labels, label, operator, value):
    assert label in labels or label in FROM_PROMETHEUS, (where, metric, label)
    if label in FROM_PROMETHEUS:
        return
    for one in value.split("|") if operator in ("=~", "!~") else [value]:
        assert one in labels[label], (where, metric, label, one)


@pytest.mark.parametrize("where,query,shown", QUERIES, ids=[q[0] for q in QUERIES])
def test_a_query_names_only_what_the_gateway_exports(exported, where, query, shown):
    series = SERIES.findall(re.sub(r'"(?:[^"\\]|\\.)*"', lambda m: m.group(0) if "pingate_" not in m.group(0) else '""', query))
    assert series, where
    known = set(FROM_PROMETHEUS)
    for metric, matchers in series:
        assert metric in exported, (where, metric)
        known |= set(exported[metric])
        for label, operator, value in MATCHER.findall(matchers):
            check_matcher(where, metric, exported[metric], label, operator, value)
        assert not matchers.strip() or MATCHER.search(matchers), (where, matchers)
    kept = {label.strip() for group in GROUPING.findall(query) for label in group.split(",")} - {"le"}
    assert kept <= known, (where, kept - known)
    for label in re.findall(r"\{\{\s*(\w+)\s*(?:\|\s*\w+\s*)?\}\}", shown):
        assert label in (kept or known), (where, "shows", label)


@pytest.mark.parametrize("where,query,shown", QUERIES, ids=[q[0] for q in QUERIES])
def test_a_query_is_well_formed(where, query, shown):
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
    for pair in ("()", "{}", "[]"):
        assert bare.count(pair[0]) == bare.count(pair[1]), (where, pair)
    outside = SERIES.sub(" ", re.sub(r"\[[^]]*\]", " ", GROUPING.sub(" by ", bare)))
    words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"\b\d+[smhd]\b", " ", outside)))
    assert words - {"job", "instance"} <= WORDS, (where, words - WORDS)
    for metric in re.findall(r"(?:rate|increase)\((\w+)", query):
        assert metric.endswith(("_total", "_bucket")), (where, "rate of a gauge", metric)


def test_every_counter_of_refusals_and_every_expiry_is_on_the_dashboard_and_watched():
    board = " ".join(q for _, q, _ in board_queries())
    rules = " ".join(q for _, q, _ in rule_queries())
    for metric in ("pingate_handshakes_refused_total", "pingate_handshakes_would_refuse_total",
                   "pingate_requests_would_refuse_total", "pingate_renewals_noticed_total", "pingate_log_lost_total",
                   "pingate_pin_not_after_timestamp_seconds", "pingate_ca_earliest_not_after_timestamp_seconds",
                   "pingate_crl_earliest_next_update_timestamp_seconds", "pingate_source_failing",
                   "pingate_server_certificate_earliest_not_after_timestamp_seconds", "pingate_worker_generation"):
        assert metric in board and metric in rules, metric
    for metric in ("pingate_connections_cut_total", "pingate_requests_refused_total", "pingate_pin_set_matches_total",
                   "pingate_pin_last_matched_timestamp_seconds", "pingate_generation_published_timestamp_seconds"):
        assert metric in board, metric


def test_the_dashboard_is_laid_out_without_overlap():
    taken, ids = set(), [p["id"] for p in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in BOARD["panels"]:
        g = panel["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert g["x"] + g["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def test_the_rules_have_what_an_alert_needs():
    names = [rule["alert"] for group in RULES["groups"] for rule in group["rules"]]
    assert len(set(names)) == len(names) >= 15
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("page", "ticket", "info") and rule["annotations"]["summary"]


# ---- with promtool ----

# What makes each alert fire within two hours from Unix time 0: series and their values, minute by minute.
DAY = 86400
FIRES = {
    "PingateRefusalSpike": {'pingate_handshakes_refused_total{reason="expired"}': "0+1x105 105+120x14"},
    "PingatePortAdmitsNobody": {'pingate_handshakes_refused_total{reason="no_usable_pin"}': "0x110 0+1x10"},
    "PingateWouldRefuse": {'pingate_requests_would_refuse_total{reason="not_pinned"}': "0x100 1x20"},
    "PingateRenewalWaits": {"pingate_renewals_noticed_total": "0x100 1x20"},
    "PingateBackendRefused": {'pingate_backend_handshakes_refused_total{reason="untrusted"}': "0x110 0+1x10"},
    "PingatePinEnds": {'pingate_pin_not_after_timestamp_seconds{policy="p",name="n"}': f"{13 * DAY}x120"},
    "PingatePinOver": {'pingate_pin_not_after_timestamp_seconds{policy="p",name="n"}': "100x120"},
    "PingateClientCAEnds": {"pingate_ca_earliest_not_after_timestamp_seconds": f"{29 * DAY}x120"},
    "PingateCRLEnds": {"pingate_crl_earliest_next_update_timestamp_seconds": f"{DAY}x120"},
    "PingateServerCertificateEnds": {"pingate_server_certificate_earliest_not_after_timestamp_seconds": f"{13 * DAY}x120"},
    "PingateSourceFailing": {"pingate_source_failing": "0x60 1x60"},
    "PingateKindNotHeard": {'pingate_source_seconds_since_heard{kind="gateways"}': "30x60 30+60x60"},
    "PingateFaultyPins": {'pingate_pin_set_faults{policy="p",set="s"}': "2x120"},
    "PingateGenerationNotAdopted": {"pingate_generation": "1x60 2x60", 'pingate_worker_generation{worker="0"}': "1x60 2x60",
                                    'pingate_worker_generation{worker="1"}': "1x120"},
    "PingateProbeFailing": {"pingate_probe_failing": "0x60 1x60"},
    "PingateNotReady": {"pingate_ready": "1x60 0x60"},
    "PingateAuditLoss": {'pingate_log_lost_total{what="admissions"}': "0x110 3x10"},
}
# A gateway on a good day, on which none may fire: a steady trickle of refusals, nothing near its end.
CALM = {
    'pingate_handshakes_refused_total{reason="not_pinned"}': "0+12x120",
    'pingate_handshakes_refused_total{reason="no_usable_pin"}': "0x120",
    'pingate_backend_handshakes_refused_total{reason="untrusted"}': "3x120",
    'pingate_handshakes_would_refuse_total{reason="not_pinned"}': "7x120", "pingate_renewals_noticed_total": "1x120",
    'pingate_pin_not_after_timestamp_seconds{policy="p",name="n"}': f"{90 * DAY}x120",
    "pingate_ca_earliest_not_after_timestamp_seconds": f"{90 * DAY}x120",
    "pingate_crl_earliest_next_update_timestamp_seconds": f"{2 * DAY}x120",
    "pingate_server_certificate_earliest_not_after_timestamp_seconds": f"{60 * DAY}x120",
    "pingate_source_failing": "0x120", 'pingate_source_seconds_since_heard{kind="gateways"}': "60x120", 'pingate_pin_set_faults{policy="p",set="s"}': "0x120",
    "pingate_generation": "1x60 2x60", 'pingate_worker_generation{worker="0"}': "1x60 2x60",
    'pingate_worker_judged_generation{worker="0"}': "1x61 2x59", "pingate_probe_failing": "0x120", "pingate_ready": "1x120",
    'pingate_log_lost_total{what="admissions"}': "4x120",
}


def case(series, expected):
    def named(text):
        return text[:-1] + ',instance="i",job="j"}' if "{" in text else text + '{instance="i",job="j"}'
    return {"interval": "1m", "input_series": [{"series": named(s), "values": v} for s, v in series.items()],
            "promql_expr_test": [{"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > 0 or vector(0)',
                                  "eval_time": "119m", "exp_samples": [{"labels": "{}", "value": int(alert in expected)}]}
                                 for alert in FIRES]}


def promtool(*arguments):
    out = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stdout + out.stderr


def test_each_rule_has_an_hour_in_which_it_fires():
    assert set(FIRES) == {where for where, _, _ in rule_queries()}


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_reads_rules_and_queries_and_each_alert_fires_in_its_hour_alone(tmp_path):
    promtool("check", "rules", RULES_FILE)
    queries = [{"record": f"q{i}", "expr": q.replace("$__rate_interval", "5m")} for i, (_, q, _) in enumerate(board_queries())
               if not q.startswith("label_values")]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": [
        {**q, "record": "board:" + q["record"]} for q in queries]}]}))
    promtool("check", "rules", str(tmp_path / "queries.yaml"))
    tests = [case(series, {alert}) for alert, series in FIRES.items()] + [case(CALM, set())]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": [RULES_FILE], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(tmp_path / "tests.yaml"))


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_finds_no_fault_in_the_metrics(people, nginx, start):
    gateway = start({"edge.yaml": gw.gateway([gw.http_listener("http", free_port())]) + gw.backend(nginx.port) + gw.route()})
    out = subprocess.run([PROMTOOL, "check", "metrics"], input=gateway.admin("/metrics")[1], capture_output=True, text=True,
                         timeout=60)
    assert out.returncode == 0, out.stdout + out.stderr
