"""The CRD of ClientCertificatePolicy and pingate's own decoder say the same, field by field.

An API server and a file must not differ in what they take: every property, limit, enum, pattern and rule
of deploy/crds is walked, a policy is built at and beyond it, and what `pingate check` says is compared
with the schema's verdict. The schema is judged by python3-jsonschema. Debian 12 has no engine for CEL, so
each rule stands here with its text and a translation into Python: who edits a rule has to come here.
Where the two can't agree, DIFFERENCES says so, and the field's description does too."""
import copy
import datetime
import json
import os
import random
import re
import subprocess

import jsonschema
import pytest
import yaml
from support import gateway as gw

CRD = yaml.safe_load(open(os.path.join(gw.ROOT, "deploy", "crds", "pingate.dev_clientcertificatepolicies.yaml")))
VERSION = CRD["spec"]["versions"][0]
ROOT_SCHEMA = VERSION["schema"]["openAPIV3Schema"]
SPEC = ROOT_SCHEMA["properties"]["spec"]

SPKI = "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="
HEX = "df6ff7aa01234567890abcdeffedcba9876543210f1e2d3c4b5a69788796a5b4"
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
WINDOW = {"notBefore": "2026-11-01T00:00:00Z", "notAfter": "2027-02-01T00:00:00Z"}
# Every property once; of pins one entry for each kind of hash.
FULL = {
    "targetRefs": [dict(GATEWAY, sectionName="https")],
    "enforcement": "Enforce",
    "trust": "CertificateAuthority",
    "extendedKeyUsage": "ClientAuth",
    "pins": [dict(WINDOW, name="robot", owner="me@acme.example", spkiHash=SPKI),
             {"certificateHash": HEX}, {"issuerSpkiHash": SPKI}],
    "deny": [dict(WINDOW, name="lost", owner="me@acme.example", spkiHash=SPKI),
             {"certificateHash": HEX}, {"issuerSpkiHash": SPKI}],
    "pinSetRefs": [{"group": "", "kind": "ConfigMap", "name": "devices", "namespace": "other"}],
    "onRemoval": {"action": "Drain", "grace": "10s"},
    "forward": ["ClientCert"],
}
DNS = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


# --- the schema's verdict ---

def duration_s(text):
    unit = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(n) * unit[u] for n, u in re.findall(r"(\d+)(ms|h|m|s)", text))


def is_moment(text):
    """What CEL's timestamp() takes of what the pattern lets through: days that exist, no leap second, and a
    year in UTC of 1 to 9999."""
    year, month, day, hour, minute, second = (int(n) for n in re.findall(r"\d+", text)[:6])
    offset = re.search(r"([+-])(\d\d):(\d\d)$", text)
    shift = (int(offset[1] + "1") * (int(offset[2]) * 60 + int(offset[3]))) if offset else 0
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second)
        return bool(moment - datetime.timedelta(minutes=shift))
    except (ValueError, OverflowError):
        return False


def is_file(ref):
    return ref["group"] == "pingate.dev" and ref["kind"] == "File"


def pinned_only(spec):
    return spec["trust"] == "PinnedOnly"


def hashes_of(pin):
    return sum(name in pin for name in ("spkiHash", "certificateHash", "issuerSpkiHash"))


MOMENT = "timestamp(self.upperAscii()) >= timestamp('0001-01-01T00:00:00Z')"
ONE_HASH = ("(has(self.spkiHash) ? 1 : 0) + (has(self.certificateHash) ? 1 : 0) + "
            "(has(self.issuerSpkiHash) ? 1 : 0) == 1")
# (path, the rule in CEL): the same in Python, asked once everything else is valid.
RULES = {
    ("spec", "self.trust != 'PinnedOnly' || self.enforcement == 'Enforce'"):
        lambda self: not pinned_only(self) or self["enforcement"] == "Enforce",
    ("spec", "self.trust != 'PinnedOnly' || (has(self.pinSetRefs) && size(self.pinSetRefs) > 0) || "
             "(has(self.pins) && self.pins.exists(p, !has(p.issuerSpkiHash)))"):
        lambda self: not pinned_only(self) or bool(self.get("pinSetRefs")) or any(
            "issuerSpkiHash" not in pin for pin in self.get("pins", [])),
    ("spec.targetRefs", "self.all(p1, self.exists_one(p2, p1.kind == p2.kind && p1.name == p2.name && "
                        "(has(p1.sectionName) ? p1.sectionName : '') == (has(p2.sectionName) ? p2.sectionName : '')))"):
        lambda self: len({(p["kind"], p["name"], p.get("sectionName", "")) for p in self}) == len(self),
    ("spec.pins[]", ONE_HASH): lambda self: hashes_of(self) == 1,
    ("spec.deny[]", ONE_HASH): lambda self: hashes_of(self) == 1,
    **{(f"spec.{field}[].{name}", MOMENT): is_moment for field in ("pins", "deny") for name in WINDOW},
    ("spec.pinSetRefs[]", "self.group != 'pingate.dev' || self.kind != 'File' || !has(self.namespace)"):
        lambda self: not is_file(self) or "namespace" not in self,
    ("spec.pinSetRefs[]", "self.group != 'pingate.dev' || self.kind != 'File' || "
                          r"!self.name.matches(r'^/|(^|/)\.\.(/|$)|\x00')"):
        lambda self: not is_file(self) or not re.search(r"^/|(^|/)\.\.(/|\Z)|\x00", self["name"]),
    ("spec.pinSetRefs[]", "(self.group == 'pingate.dev' && self.kind == 'File') || "
                          f"(size(self.name) <= 253 && self.name.matches(r'{DNS}'))"):
        lambda self: is_file(self) or (len(self["name"]) <= 253 and bool(
            re.search(DNS.replace("$", r"\Z"), self["name"]))),
    ("spec.onRemoval.grace", "duration(self) <= duration('1h')"): lambda self: duration_s(self) <= 3600,
}


def rules_in(schema, path):
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, rule["rule"]
    for name, child in schema.get("properties", {}).items():
        yield from rules_in(child, f"{path}.{name}")
    if "items" in schema:
        yield from rules_in(schema["items"], path + "[]")


def strict(schema):
    """As jsonschema reads it: `$` is the end of the text as in RE2, and what is not known is refused, as
    kubectl has it by default. (An API server that is asked otherwise drops it, and `null` always.)"""
    out = dict(schema)
    if "pattern" in out:
        out["pattern"] = re.sub(r"\$$", r"\\Z", re.sub(r"^\^\$\|", r"^\\Z|", out["pattern"]))
    if out.get("x-kubernetes-list-type") == "set":
        out["uniqueItems"] = True
    if "properties" in out:
        out["properties"] = {name: strict(child) for name, child in out["properties"].items()}
        out["additionalProperties"] = False
    if "items" in out:
        out["items"] = strict(out["items"])
    return out


VALIDATOR = jsonschema.Draft7Validator(strict(SPEC))


def defaulted(schema, value):
    if isinstance(value, dict) and "properties" in schema:
        out = {name: defaulted(schema["properties"].get(name, {}), child) for name, child in value.items()}
        for name, child in schema["properties"].items():
            if "default" in child:
                out.setdefault(name, child["default"])
        return out
    if isinstance(value, list) and "items" in schema:
        return [defaulted(schema["items"], item) for item in value]
    return value


def parts(path):
    """("pins", "[]", "name") of spec.pins[].name"""
    return tuple(path.replace("[]", ".[]").split(".")[1:])


def instances(value, path):
    """All that stands at a path."""
    if not path:
        yield value
    elif path[0] == "[]":
        for item in value:
            yield from instances(item, path[1:])
    elif path[0] in value:
        yield from instances(value[path[0]], path[1:])


def schema_takes(spec):
    if not VALIDATOR.is_valid(spec):
        return False
    spec = defaulted(SPEC, spec)
    return all(holds(value) for (path, _), holds in RULES.items() for value in instances(spec, parts(path)))


# --- the decoder's ---

def pingate_says(tmp_path, specs):
    """None where all of them are taken, else the one line that says why not."""
    file = tmp_path / "policies.json"
    items = [{"apiVersion": "pingate.dev/v1alpha1", "kind": "ClientCertificatePolicy",
              "metadata": {"name": f"p{i}", "namespace": "edge"}, "spec": spec} for i, spec in enumerate(specs)]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    out = subprocess.run([gw.BINARY, "check", "-c", str(file)], capture_output=True, text=True, timeout=60)
    if out.stdout:
        return None
    assert out.returncode == 1 and out.stderr.count("\n") == 1, out.stderr
    assert re.search(r"ClientCertificatePolicy edge/p\d+: items\[\d+\]\.spec", out.stderr), out.stderr
    return out.stderr.strip()


def compare(tmp_path, cases):
    """Of each (what, spec) both say the same. Returns how many were taken, and refused."""
    cases = list({json.dumps(spec, sort_keys=True): (what, spec) for what, spec in cases}.values())
    good = [case for case in cases if schema_takes(case[1])]
    bad = [case for case in cases if not schema_takes(case[1])]
    wrong = []
    if good and pingate_says(tmp_path, [spec for _, spec in good]) is not None:
        wrong = [(what, "taken by the schema", said) for what, spec in good
                 if (said := pingate_says(tmp_path, [spec])) is not None]
    wrong += [(what, "refused by the schema alone", json.dumps(spec)[:300]) for what, spec in bad
              if pingate_says(tmp_path, [spec]) is None]
    assert not wrong, "\n".join(map(str, wrong[:20]))
    return len(good), len(bad)


# --- the walk ---

def walk(schema=SPEC, path=()):
    """(path, schema) of all that is below spec; "[]" in a path stands for an item."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, path + (name,))
    if "items" in schema:
        yield from walk(schema["items"], path + ("[]",))


def has(value, path):
    if not path:
        return True
    if path[0] == "[]":
        return isinstance(value, list) and any(has(item, path[1:]) for item in value)
    return isinstance(value, dict) and path[0] in value and has(value[path[0]], path[1:])


def edited(value, path, change):
    """A copy in which what stands at the path is changed; of a list the first item that has the path."""
    if not path:
        return change(copy.deepcopy(value))
    key = next(i for i, item in enumerate(value) if has(item, path[1:])) if path[0] == "[]" else path[0]
    out = copy.deepcopy(value)
    out[key] = edited(value[key], path[1:], change)
    return out


def at(path, value):
    return edited(FULL, path, lambda _: value)


def of_length(path, length):
    """A text of that length, good but for it where the field can have such."""
    if path[-1] in ("notBefore", "notAfter"):
        return "2026-11-01T00:00:00." + "0" * (length - 21) + "Z"
    return "a" * length


TEXTS = ["", " ", "a", "A", "a ", "a\n", "-a", "a-", "a.b", "a..b", ".a", "a_b", "a/b", "/a", "a/..", "\u00e9", "a\u007f", "1",
         "a" * 63 + ".b", "~!", "@a", "a@b"]
HASHES = [SPKI, SPKI[:-1], SPKI + "=", SPKI.replace("A=", "B="), SPKI.replace("+", "-").replace("/", "_")[:-1],
          SPKI.replace("+", "-"), HEX, HEX.upper(), HEX[:-1], HEX[:-2], HEX + "00", HEX[:-1] + "g", HEX + "\n", " " + HEX,
          ":".join(re.findall("..", HEX)), ":".join(re.findall("..", HEX)) + ":", "-".join(re.findall("..", HEX)),
          "sha256:" + HEX, "SHA256:" + HEX, "sha256/" + SPKI, "sha256//" + SPKI, "sha256///" + SPKI, "sha1:" + HEX[:40],
          "pin-sha256=" + SPKI, "pin-sha256=" + HEX, 'pin-sha256="' + SPKI + '"', "PIN-SHA256=" + SPKI, "sha256=" + HEX,
          "sha256 Fingerprint=" + ":".join(re.findall("..", HEX)), "SHA256 fingerprint=" + HEX, "sha256 Fingerprint= " + HEX,
          "SHA2-256(stdin)= " + HEX, "SHA256(stdin)= " + HEX, "(stdin)= " + HEX, "(stdin)=" + HEX, "sha-256:" + HEX,
          "sha256:", "sha256:sha256:" + HEX, "-----BEGIN CERTIFICATE-----", "0" * 63 + "1", "A" * 42 + "E", "A" * 42 + "E="]
MOMENTS = ["2026-11-01T00:00:00Z", "2026-11-01t00:00:00z", "2026-11-01T00:00:00+01:00", "2026-11-01T00:00:00-23:59",
           "2026-11-01T00:00:00+24:00", "2026-11-01T00:00:00+01:60", "2026-11-01T00:00:00+0100", "2026-11-01T00:00:00",
           "2026-11-01", "2026-11-01 00:00:00Z", "2026-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
           "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-11-01T24:00:00Z", "2026-11-01T00:60:00Z",
           "2026-11-01T00:00:61Z", "2026-11-01T00:00:00.5Z", "2026-11-01T00:00:00.Z", "26-11-01T00:00:00Z", "0001-01-01T00:00:00Z",
           "9999-12-31T23:59:59Z",
           "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-00:01", "2026-11-01T00:00:00Z\n", "now", "1793491200"]
GRACES = ["0s", "0h", "10s", "1h", "60m", "3600s", "59m60s", "1h1ms", "2h", "3601s", "61m", "99999h", "100000s", "00010s", "1d",
          "10", "10S", "1.5s", "-1s", "+1s", "1h0m0s0ms", "1m1m1m1m", "1m1m1m1m1m", "s", "1s ", "10s10"]
SPELLINGS = {"spkiHash": HASHES, "certificateHash": HASHES, "issuerSpkiHash": HASHES, "notBefore": MOMENTS,
             "notAfter": MOMENTS, "grace": GRACES}
OTHER_TYPES = ["x", 1, True, [], {}, None]


def cases_of(path, schema):
    """(what, spec) that try everything that this place of the schema says."""
    yield "as it is", FULL
    for value in OTHER_TYPES:
        yield f"a {type(value).__name__}", at(path, value)
    for name in schema.get("properties", {}):
        if has(FULL, path + (name,)):
            yield f"without {name}", edited(FULL, path, lambda v, name=name: {k: x for k, x in v.items() if k != name})
    if schema["type"] == "object":
        yield "an unknown field", edited(FULL, path, lambda v: dict(v, unknown="x"))
        yield "a field of other case", edited(FULL, path, lambda v: dict(v, **{next(iter(v)).upper(): "x"}))
    if schema["type"] == "array":
        for count in sorted({0, 1, schema.get("maxItems", 0), schema.get("maxItems", 0) + 1}):
            yield f"{count} items", edited(FULL, path, lambda v, count=count: copies(v[0], count))
        yield "an item twice", edited(FULL, path, lambda v: [v[0], v[0]])
    if schema["type"] != "string":
        return
    for text in schema.get("enum", []):
        yield text, at(path, text)
        yield text.lower(), at(path, text.lower())
    if path[0] == "deny":
        return  # the same properties as those of pins: a test below
    for text in SPELLINGS.get(path[-1], TEXTS) + [""]:
        yield repr(text), at(path, text)
    for length in (schema.get("minLength", 0), schema.get("maxLength", 64)):
        for n in range(max(0, length - 1), length + 2):
            yield f"{n} characters", at(path, of_length(path, n))


def copies(item, count):
    """Of an item of a list, each with a name of its own."""
    if isinstance(item, dict):
        return [dict(item, name=f"n{i}") for i in range(count)]
    return [item] * count


PLACES = list(walk())


def dotted(path):
    return ".".join(("spec",) + path).replace(".[]", "[]")


def test_a_policy_with_every_field_is_taken_by_both(tmp_path):
    assert [dotted(path) for path, _ in PLACES if not has(FULL, path)] == []
    assert compare(tmp_path, [("full", FULL), ("least", {"targetRefs": [GATEWAY]})]) == (2, 0)


@pytest.mark.parametrize("path,schema", PLACES, ids=[dotted(path) for path, _ in PLACES])
def test_field_by_field_both_take_and_refuse_the_same(path, schema, tmp_path):
    good, bad = compare(tmp_path, list(cases_of(path, schema)))
    assert good >= 1 and bad >= 5


RULE_CASES = [
    # (rule's place, what, fields beside the target, taken)
    ("spec", "PinnedOnly alone", {"trust": "PinnedOnly"}, False),
    ("spec", "PinnedOnly, an issuer", {"trust": "PinnedOnly", "pins": [{"issuerSpkiHash": SPKI}]}, False),
    ("spec", "PinnedOnly, denied", {"trust": "PinnedOnly", "deny": [{"spkiHash": SPKI}]}, False),
    ("spec", "PinnedOnly, no sets", {"trust": "PinnedOnly", "pinSetRefs": []}, False),
    ("spec", "PinnedOnly, a key", {"trust": "PinnedOnly", "pins": [{"spkiHash": SPKI}]}, True),
    ("spec", "PinnedOnly, a certificate and an issuer",
     {"trust": "PinnedOnly", "pins": [{"issuerSpkiHash": SPKI}, {"certificateHash": HEX}]}, True),
    ("spec", "PinnedOnly, a set",
     {"trust": "PinnedOnly", "pinSetRefs": [{"group": "", "kind": "Secret", "name": "s"}]}, True),
    ("spec", "PinnedOnly, said to be enforced",
     {"trust": "PinnedOnly", "enforcement": "Enforce", "pins": [{"spkiHash": SPKI}]}, True),
    ("spec", "PinnedOnly, reported",
     {"trust": "PinnedOnly", "enforcement": "ReportOnly", "pins": [{"spkiHash": SPKI}]}, False),
    ("spec.targetRefs", "twice", {"targetRefs": [GATEWAY, GATEWAY]}, False),
    ("spec.targetRefs", "another kind", {"targetRefs": [GATEWAY, dict(GATEWAY, kind="HTTPRoute")]}, True),
    ("spec.targetRefs", "another name", {"targetRefs": [GATEWAY, dict(GATEWAY, name="b")]}, True),
    ("spec.targetRefs", "whole and section", {"targetRefs": [GATEWAY, dict(GATEWAY, sectionName="a")]}, True),
    ("spec.targetRefs", "a section twice",
     {"targetRefs": [dict(GATEWAY, sectionName="a"), dict(GATEWAY, sectionName="a")]}, False),
    ("spec.targetRefs", "two sections",
     {"targetRefs": [dict(GATEWAY, sectionName="a"), dict(GATEWAY, sectionName="b")]}, True),
    *[(f"spec.{field}[]", what, {field: [entry]}, taken) for field in ("pins", "deny") for what, entry, taken in (
        ("no hash", {}, False), ("a name alone", {"name": "a"}, False), ("a key", {"spkiHash": SPKI}, True),
        ("a certificate", {"certificateHash": HEX}, True), ("an issuer", {"issuerSpkiHash": HEX}, True),
        ("two hashes", {"spkiHash": SPKI, "certificateHash": HEX}, False),
        ("two keys", {"spkiHash": SPKI, "issuerSpkiHash": SPKI}, False),
        ("three hashes", {"spkiHash": SPKI, "certificateHash": HEX, "issuerSpkiHash": SPKI}, False),
        ("an empty window", {"spkiHash": SPKI, "notBefore": WINDOW["notAfter"], "notAfter": WINDOW["notBefore"]}, True))],
    *[(f"spec.{field}[].{name}", text, {field: [{"spkiHash": SPKI, name: text}]}, taken)
      for field in ("pins", "deny") for name in WINDOW for text, taken in (
        ("2028-02-29T00:00:00Z", True), ("2026-02-29T00:00:00Z", False), ("2026-11-01t00:00:00.25z", True),
        ("0001-01-01T00:00:00Z", True), ("0001-01-01T00:00:00+00:01", False), ("9999-12-31T23:59:59Z", True),
        ("9999-12-31T23:59:59-00:01", False), ("0000-12-31T23:59:59-00:01", False))],
    *[("spec.pinSetRefs[]", what, {"pinSetRefs": [ref]}, taken) for what, ref, taken in (
        ("a path", {"group": "pingate.dev", "kind": "File", "name": "Pins/a b.txt"}, True),
        ("a long path", {"group": "pingate.dev", "kind": "File", "name": "a/" * 500}, True),
        ("1024 characters of path", {"group": "pingate.dev", "kind": "File", "name": "a" * 1024}, True),
        ("1025 characters of path", {"group": "pingate.dev", "kind": "File", "name": "a" * 1025}, False),
        ("from the root", {"group": "pingate.dev", "kind": "File", "name": "/etc/pins"}, False),
        ("upwards", {"group": "pingate.dev", "kind": "File", "name": "a/../../b"}, False),
        ("upwards at the end", {"group": "pingate.dev", "kind": "File", "name": "a/.."}, False),
        ("dots in a name", {"group": "pingate.dev", "kind": "File", "name": "a/..b/c.."}, True),
        ("a File with a namespace", {"group": "pingate.dev", "kind": "File", "name": "a", "namespace": "b"}, False),
        ("a File of the core group", {"group": "", "kind": "File", "name": "a/b"}, False),
        ("a ConfigMap of ours", {"group": "pingate.dev", "kind": "ConfigMap", "name": "a/b"}, False),
        ("a namespace", {"group": "", "kind": "ConfigMap", "name": "a", "namespace": "b"}, True),
        ("253 characters", {"group": "", "kind": "ConfigMap", "name": of_length(("pinSetRefs", "name"), 253)}, True),
        ("254 characters", {"group": "", "kind": "ConfigMap", "name": of_length(("pinSetRefs", "name"), 254)}, False),
        ("a label of 64", {"group": "", "kind": "Secret", "name": "a" * 64}, True))],
    *[("spec.onRemoval.grace", grace, {"onRemoval": {"grace": grace}}, taken) for grace, taken in (
        ("0s", True), ("1h", True), ("3600s", True), ("59m59s1000ms", True), ("1h1ms", False), ("3600s1ms", False))],
]


def test_every_rule_of_the_crd_stands_here_and_is_tried():
    assert set(rules_in(SPEC, "spec")) == set(RULES)
    for path, _ in RULES:
        assert {taken for place, _, _, taken in RULE_CASES if place == path} == {True, False}, path


def test_the_rules_and_the_decoder_say_what_is_expected(tmp_path):
    cases = [(f"{place}: {what}", dict({"targetRefs": [GATEWAY]}, **spec), taken)
             for place, what, spec, taken in RULE_CASES]
    assert [what for what, spec, taken in cases if schema_takes(spec) != taken] == []
    compare(tmp_path, [(what, spec) for what, spec, _ in cases])


# (what, fields, taken by the schema, taken by pingate): known, told in the descriptions, and each safe.
DIFFERENCES = [
    ("the hash of nothing known", {"pins": [{"spkiHash": "0" * 64}]}, True, False),
    ("the hash of no bytes",
     {"pins": [{"spkiHash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}, True, False),
    ("a leap second", {"pins": [{"spkiHash": SPKI, "notAfter": "2016-12-31T23:59:60Z"}]}, False, True),
    ("bytes of a path", {"pinSetRefs": [{"group": "pingate.dev", "kind": "File", "name": "\u00e9" * 600}]}, True, False),
]


def test_the_differences_are_those_that_are_told(tmp_path):
    for what, fields, schema, decoder in DIFFERENCES:
        spec = dict({"targetRefs": [GATEWAY]}, **fields)
        assert (schema_takes(spec), pingate_says(tmp_path, [spec]) is None) == (schema, decoder), what


def random_spec(rng):
    """FULL with up to three things of it changed in one of the ways of the walk."""
    spec = copy.deepcopy(FULL)
    for _ in range(rng.randrange(4)):
        path, schema = rng.choice(PLACES)
        if has(spec, path):
            what, other = rng.choice(list(cases_of(path, schema)))
            if has(other, path):
                spec = edited(spec, path, lambda _: next(instances(other, path)))
    return spec


def test_mixed_changes_get_one_verdict(tmp_path):
    rng = random.Random(20261126)
    good, bad = compare(tmp_path, [(f"random {i}", random_spec(rng)) for i in range(120)])
    assert good > 8 and bad > 40


# --- what is no verdict ---

def test_the_decoder_knows_no_field_that_the_crd_lacks():
    source = open(os.path.join(gw.ROOT, "src", "control", "api", "policy.c")).read()
    known = set(re.findall(r'^\s+\{"(\w+)", FIELD_', source, re.M)) - {"spec"}
    assert known == {path[-1] for path, _ in PLACES[1:] if path[-1] != "[]"}


def test_what_is_left_out_has_the_default_of_the_decoder():
    """tests/unit/control/policy_test.c holds the decoder to these."""
    assert {dotted(path): schema["default"] for path, schema in PLACES if "default" in schema} == {
        "spec.enforcement": "Enforce", "spec.trust": "CertificateAuthority", "spec.extendedKeyUsage": "ClientAuth",
        "spec.onRemoval.action": "Drain", "spec.onRemoval.grace": "10s"}


def test_the_crd_is_what_a_direct_policy_is():
    names = CRD["spec"]["names"]
    assert CRD["metadata"]["name"] == f"{names['plural']}.{CRD['spec']['group']}" == "clientcertificatepolicies.pingate.dev"
    assert CRD["metadata"]["labels"] == {"gateway.networking.k8s.io/policy": "Direct"}
    assert CRD["spec"]["scope"] == "Namespaced" and VERSION["name"] == "v1alpha1"
    assert VERSION["subresources"] == {"status": {}} and VERSION["served"] and VERSION["storage"]
    assert SPEC["properties"]["pins"]["items"]["properties"] == SPEC["properties"]["deny"]["items"]["properties"]
    assert [dotted(path) for path, schema in PLACES if path[-1:] != ("[]",) and not schema.get("description")] == []


def test_the_status_that_pingate_writes_fits_the_crd(tmp_path):
    schema = strict(ROOT_SCHEMA["properties"]["status"])
    del schema["properties"]["ancestors"]["items"]["properties"]["conditions"]["items"]["required"][0]
    for topic in sorted(os.listdir(os.path.join(gw.ROOT, "tests", "translate", "policy"))):
        file = os.path.join(gw.ROOT, "tests", "translate", "policy", topic, "status.yaml")
        for document in yaml.safe_load_all(open(file)):
            if document and document["kind"] == "ClientCertificatePolicy":
                jsonschema.validate(document["status"], schema)
