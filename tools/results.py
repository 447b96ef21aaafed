"""results.py FOLDER STATUS: sums up the JUnit reports of a test run in one last line.

Each runner leaves NAME.status (its exit status) and NAME.xml in FOLDER. A runner that went wrong without
a failed test in its report (it crashed, or wrote none) counts as one failure, and so does a run that ended with
STATUS other than 0 before anything could fail, such as a build that broke.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def outcomes(report):
    """(passed, failed, skipped) of one JUnit file; an unreadable one is a failure."""
    passed = failed = skipped = 0
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"{report.name}: {error}")
        return 0, 1, 0
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"failed: {case.get('classname') or report.stem} {case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(folder, status):
    passed = failed = skipped = 0
    for status_file in sorted(pathlib.Path(folder).glob("*.status")):
        counts = outcomes(status_file.with_suffix(".xml"))
        runner_failed = status_file.read_text().strip() != "0"
        if runner_failed and counts[1] == 0:
            print(f"{status_file.stem}: the runner ended with {status_file.read_text().strip()}")
        passed += counts[0]
        failed += max(counts[1], int(runner_failed))
        skipped += counts[2]
    if status != 0 and failed == 0:
        failed = 1
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
