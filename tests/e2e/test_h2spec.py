"""h2spec in strict mode against a running gateway; what it does not pass is listed in docs/http2.md with the reason.
Skipped where h2spec is not installed: Debian has no package of it."""
import re
import shutil
import subprocess

import pytest
from support import gateway as gw
from support.net import free_port

H2SPEC = shutil.which("h2spec")
# Of closed streams and of RFC 7540's priorities; and a plain port that has no preface speaks HTTP/1.1.
EXPECTED = {"3.5/2", "5.1/8", "5.1/9", "5.1/11", "5.1/12", "5.1.1/2", "5.3.1/2"}


@pytest.mark.skipif(not H2SPEC, reason="h2spec is not installed")
def test_h2spec_finds_what_is_known_and_nothing_else(start, nginx):
    port = free_port()
    gateway = start({"edge.yaml": gw.gateway([gw.http_listener("http", port)]) + gw.backend(nginx.port) + gw.route()})
    result = subprocess.run([H2SPEC, "-h", "127.0.0.1", "-p", str(port), "--strict", "-o", "3"],
                            capture_output=True, timeout=300)
    failed, section = set(), ""
    for line in result.stdout.decode().partition("Failures:")[2].splitlines():
        if title := re.match(r"\s*(\d+(?:\.\d+)+)\. ", line):
            section = title.group(1)
        elif case := re.match(r"\s*× (\d+):", line):
            failed.add(f"{section}/{case.group(1)}")
    assert failed <= EXPECTED, failed - EXPECTED
    assert b"147 tests" in result.stdout and gateway.ready()
