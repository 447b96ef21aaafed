"""`pingate explain`: exit codes, text and JSON, and that it gives the reason a handshake would."""
import datetime
import json
import subprocess

import pytest

from support import pki
from support.gateway import BINARY


def explain(*words, stdin=None):
    done = subprocess.run([BINARY, "explain", *map(str, words)], input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def judged(people, identity, *words, ca=None):
    code, out, err = explain("--ca", (ca or people.ca).cert_file, "--cert", identity.cert_file, *words, "-o", "json")
    assert err == ""
    verdict = json.loads(out)
    assert code == (0 if verdict["admitted"] else 1)
    assert verdict["verified"] == (verdict["reason"] == "accepted")
    return verdict


@pytest.fixture
def crl(people, tmp_path):
    def write(*revoked, **keywords):
        path = tmp_path / "ca.crl"
        path.write_text(people.ca.crl(revoked, **keywords))
        return path
    return write


@pytest.mark.parametrize("who,reason", [
    ("pinned", "accepted"), ("pinned_rsa", "accepted"), ("by_intermediate", "accepted"), ("untrusted", "untrusted"),
    ("expired", "expired"), ("wrong_use", "wrong_use"), ("weak", "weak_key"), ("ca", "wrong_use")])
def test_each_client_gets_its_reason(people, who, reason):
    identity = getattr(people, who)
    verdict = judged(people, identity)
    assert verdict["reason"] == reason
    assert verdict["spkiHash"] == identity.spki_hash and verdict["certificateHash"] == identity.certificate_hash
    if reason == "accepted":
        assert verdict["path"][0] == identity.certificate_hash and verdict["path"][-1] == people.ca.certificate_hash


@pytest.mark.parametrize("option,attribute,other", [
    ("--pin-spki", "spki_hash", "certificate_hash"), ("--pin-cert", "certificate_hash", "spki_hash")])
def test_a_pin_lets_in_only_its_own_and_only_in_its_own_list(people, option, attribute, other):
    pinned, unpinned = people.pinned, people.unpinned
    assert judged(people, pinned, option, getattr(pinned, attribute))["pinned"] is True
    assert judged(people, unpinned, option, getattr(pinned, attribute))["reason"] == "not_pinned"
    assert judged(people, pinned, option, getattr(pinned, other))["reason"] == "pin_in_wrong_list"
    both = (option, getattr(pinned, attribute), option, getattr(unpinned, attribute))
    assert judged(people, unpinned, *both)["reason"] == "accepted"
    untrusted = people.pinned_untrusted
    assert judged(people, untrusted, option, getattr(untrusted, attribute))["reason"] == "untrusted"


def test_intermediates_come_from_untrusted_and_depth_is_bounded(people, tmp_path):
    leaf, issuing = tmp_path / "leaf.crt", people.issuing
    leaf.write_text(people.by_intermediate.cert_pem)
    words = ("--ca", people.ca.cert_file, "--cert", leaf)
    assert explain(*words)[0] == 1
    assert explain(*words, "--untrusted", issuing.cert_file)[0] == 0
    assert explain(*words, "--untrusted", issuing.cert_file, "--max-depth", "1")[0] == 0
    assert explain(*words, "--untrusted", issuing.cert_file, "--max-depth", "0")[0] == 1


def test_a_crl_revokes_and_its_absence_or_age_refuses(people, crl):
    assert judged(people, people.revoked, "--crl", crl(people.revoked))["reason"] == "revoked"
    assert judged(people, people.pinned, "--crl", crl(people.revoked))["reason"] == "accepted"
    old = crl(days=1, last_update=datetime.datetime.utcnow() - datetime.timedelta(days=5))
    assert judged(people, people.pinned, "--crl", old)["reason"] == "crl_expired"
    assert judged(people, people.by_intermediate, "--crl", crl())["reason"] == "crl_missing"


def test_at_moves_the_clock(people):
    assert judged(people, people.pinned, "--at", "2001-01-01T00:00:00Z")["reason"] == "not_yet_valid"
    assert judged(people, people.pinned, "--at", "2101-01-01T00:00:00Z")["reason"] == "expired"


def test_the_chain_profile_leaves_out_use_and_key_floor_but_not_the_path(people):
    chain = ("--profile", "chain")
    assert judged(people, people.wrong_use, *chain)["reason"] == "accepted"
    assert judged(people, people.untrusted, *chain)["reason"] == "untrusted"
    assert judged(people, people.expired, *chain)["reason"] == "expired"


def test_text_walks_the_gates_and_names_the_one_that_decides(people):
    code, out, _ = explain("--ca", people.ca.cert_file, "--cert", people.pinned.cert_file)
    assert code == 0 and out.startswith("let in: accepted\n") and "  NO " not in out
    assert people.pinned.spki_hash in out and people.pinned.certificate_hash in out
    code, out, _ = explain("--ca", people.ca.cert_file, "--cert", people.wrong_use.cert_file)
    assert code == 1 and out.startswith("refused: wrong_use\n")
    assert out.count("  NO ") == 1 and "  NO   use: " in out and "  -    pins" in out and "hint:" in out


def test_names_are_escaped_for_one_line(people):
    hostile = people.ca.issue("evil\r\nSet-Cookie: x\x1b[2J\x00\"'")
    code, out, _ = explain("--ca", people.ca.cert_file, "--cert", hostile.cert_file)
    assert code == 0
    subject = [line for line in out.splitlines() if line.startswith("subject:")]
    assert len(subject) == 1 and "\\0D\\0A" in subject[0] and "\\1B" in subject[0] and "\\00" in subject[0]
    assert "\x1b" not in out and "\x00" not in out and "\r" not in out
    assert judged(people, hostile)["subject"] == subject[0].split(None, 1)[1]


@pytest.mark.parametrize("words,says", [
    ((), "--ca and --cert"),
    (("--ca", "CA"), "--ca and --cert"),
    (("--ca", "/nonexistent", "--cert", "LEAF"), "/nonexistent"),
    (("--ca", "LEAF", "--cert", "LEAF"), "CA"),
    (("--ca", "CA", "--cert", "KEY"), "none in it"),
    (("--ca", "CA", "--cert", "LEAF", "--pin-spki", "abc"), "--pin-spki"),
    (("--ca", "CA", "--cert", "LEAF", "--at", "soon"), "--at"),
    (("--ca", "CA", "--cert", "LEAF", "--crl", "LEAF"), "CRL"),
    (("--ca", "CA", "--cert", "LEAF", "--max-depth", "11"), "max-depth"),
    (("--ca", "CA", "--cert", "LEAF", "--profile", "x"), "--profile"),
    (("--ca", "CA", "--cert", "LEAF", "-o", "x"), "-o"),
    (("--ca", "CA", "--cert", "LEAF", "--nonsense"), "nonsense"),
    (("--batch", "/nonexistent"), "/nonexistent"),
    (("--batch", "CA"), "JSON"),
])
def test_what_can_not_be_used_exits_2_with_a_line_that_says_which(people, words, says):
    files = {"CA": people.ca.cert_file, "LEAF": people.pinned.cert_file, "KEY": people.pinned.key_file}
    code, out, err = explain(*[files.get(w, w) for w in words])
    assert code == 2 and out == "" and err.startswith("pingate: ") and says in err, err


def test_a_batch_of_cases_gives_a_result_for_each(people, tmp_path):
    def case(name, identity, **more):
        return {"id": name, "trusted_certs": [people.ca.cert_pem], "untrusted_intermediates": [],
                "peer_certificate": identity.cert_pem, "validation_time": None, **more}
    cases = [case("good", people.pinned), case("untrusted", people.untrusted), case("server", people.wrong_use),
             case("late", people.pinned, validation_time="2101-01-01T00:00:00Z"),
             case("revoked", people.revoked, crls=[people.ca.crl([people.revoked])]),
             case("deep", people.by_intermediate, untrusted_intermediates=[people.issuing.cert_pem]),
             case("shallow", people.by_intermediate, untrusted_intermediates=[people.issuing.cert_pem],
                  max_chain_depth=0),
             case("asks for a server", people.pinned, validation_kind="SERVER"),
             case("broken", people.pinned, trusted_certs=["nonsense"])]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"version": 1, "testcases": cases}))
    code, out, err = explain("--batch", path)
    assert code == 0, err
    results = {r["id"]: r["actual_result"] for r in json.loads(out)["results"]}
    assert results == {"good": "SUCCESS", "untrusted": "FAILURE", "server": "FAILURE", "late": "FAILURE",
                       "revoked": "FAILURE", "deep": "SUCCESS", "shallow": "FAILURE",
                       "asks for a server": "SKIPPED", "broken": "FAILURE"}
    assert explain("--batch", path, "--profile", "chain")[0] == 0


def test_a_certificate_that_signed_itself_is_refused_even_if_pinned(people, tmp_path):
    itself = pki.self_signed(tmp_path, "itself")
    assert judged(people, itself, "--pin-spki", itself.spki_hash)["reason"] == "untrusted"
