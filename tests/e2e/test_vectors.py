"""The public path-validation vectors, judged by the data plane's own function (docs/path-validation.md)."""
import collections
import json
import os
import pathlib
import re
import subprocess

import pytest

from support.gateway import BINARY, ROOT

VECTORS = pathlib.Path(os.environ.get("PINGATE_VECTORS", pathlib.Path(ROOT).parent / "shared" / "vectors"))
DOCUMENT = (pathlib.Path(ROOT) / "docs" / "path-validation.md").read_text()


class Run:
    """A batch of cases and what became of each."""

    def __init__(self, name, profile):
        path = VECTORS / name
        if not path.exists():
            pytest.skip(f"{path} is not there: the vectors lie beside the repository; "
                        "PINGATE_VECTORS names another folder")
        self.cases = {c["id"]: c for c in json.loads(path.read_text())["testcases"]}
        done = subprocess.run([BINARY, "explain", "--batch", str(path), "--profile", profile],
                              capture_output=True, timeout=100)
        assert done.returncode == 0, done.stderr.decode()
        report = json.loads(done.stdout)
        assert report["version"] == 1 and report["harness"] == "pingate"
        self.results = {r["id"]: r for r in report["results"]}
        assert list(self.results) == list(self.cases), "one result for each case, in their order"

    def ids(self, expected, actual):
        return [i for i, r in self.results.items()
                if self.cases[i]["expected_result"] == expected and r["actual_result"] == actual]

    def counts(self):
        return collections.Counter((self.cases[i]["expected_result"], r["actual_result"])
                                   for i, r in self.results.items())


def section(title):
    """The rows of the table under a heading of the document, its head left out."""
    text = re.search(rf"^## {title}[^\n]*\n(.*?)(?=^## |\Z)", DOCUMENT, re.M | re.S).group(1)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def figures(name):
    """successes, accepted, failures, wrongly accepted, skipped: as the document's first table says."""
    row = re.search(rf"^\| `{re.escape(name)}`.*\|$", DOCUMENT, re.M).group(0)
    return [int(re.match(r"\d+", cell.strip()).group(0)) for cell in row.strip("|").split("|")[1:]]


@pytest.fixture(scope="module")
def pkits():
    return Run("pkits.json", "chain")


@pytest.fixture(scope="module")
def openssl_verify():
    return Run("openssl-verify.json", "chain")


def test_no_pkits_case_that_must_fail_is_accepted_and_none_is_skipped(pkits):
    assert pkits.ids("FAILURE", "SUCCESS") == []
    assert pkits.ids("FAILURE", "SKIPPED") == pkits.ids("SUCCESS", "SKIPPED") == []


def test_pkits_successes_succeed_but_for_the_documented_ones(pkits):
    accepted, refused = pkits.ids("SUCCESS", "SUCCESS"), pkits.ids("SUCCESS", "FAILURE")
    assert len(accepted) >= 105 and len(accepted) + len(refused) == 112
    assert [pkits.cases[i]["description"] for i in refused] == [row[0] for row in section("PKITS")]


def test_openssl_cases_differ_exactly_where_the_document_says(openssl_verify):
    differences = openssl_verify.ids("SUCCESS", "FAILURE") + openssl_verify.ids("FAILURE", "SUCCESS")
    documented = [row[0].split()[0] for row in section("OpenSSL's cases")]
    assert sorted(i.split("::")[1] for i in differences) == sorted(documented)


def test_openssl_cases_are_skipped_with_a_reason_exactly_as_often_as_the_document_says(openssl_verify):
    skipped = [r for r in openssl_verify.results.values() if r["actual_result"] == "SKIPPED"]
    assert all(r["context"].startswith("not modelled: ") for r in skipped)
    assert len(skipped) == sum(int(row[1]) for row in section("Skipped"))


@pytest.mark.parametrize("name", ["pkits.json", "openssl-verify.json"])
def test_the_documents_figures_are_what_comes_out(request, name):
    run = request.getfixturevalue(name.split(".")[0].replace("-", "_"))
    counts = run.counts()
    successes = sum(n for (expected, _), n in counts.items() if expected == "SUCCESS")
    assert figures(name) == [successes, counts[("SUCCESS", "SUCCESS")], len(run.cases) - successes,
                             counts[("FAILURE", "SUCCESS")],
                             counts[("SUCCESS", "SKIPPED")] + counts[("FAILURE", "SKIPPED")]]


def test_a_gateways_own_rules_let_no_pkits_certificate_in():
    assert {r["actual_result"] for r in Run("pkits.json", "client").results.values()} == {"FAILURE"}
