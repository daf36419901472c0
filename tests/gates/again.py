"""again.py REPORT -- counts of a JUnit report of the gate tests: "passed failed skipped", then the tests that may have a
second try, one a line.

A machine that is shared takes a core away when it likes, and of some thousand tests one then waits too little.  At most
three may try again, once, and whoever reads the output is told which.  What a sanitizer said is final: a fault that
comes and goes is a fault."""
import sys
import xml.etree.ElementTree as tree

from rig_gateway import REPORTS

MOST = 3


def lost(case):
    """What a case says of its failure; nothing of one that passed or was skipped."""
    return "\n".join((part.get("message") or "") + (part.text or "") for part in case if part.tag in ("failure", "error"))


def name(case):
    return "%s.py::%s" % (case.get("classname").replace(".", "/"), case.get("name"))


def main(path):
    try:
        suites = list(tree.parse(path).getroot().iter("testsuite"))
    except (OSError, tree.ParseError):
        print("0 1 0")
        return
    total = {kind: sum(int(s.get(kind)) for s in suites) for kind in ("tests", "errors", "failures", "skipped")}
    failed = total["errors"] + total["failures"]
    print(total["tests"] - failed - total["skipped"], failed, total["skipped"])
    faults = {name(case): lost(case) for s in suites for case in s.iter("testcase") if lost(case)}
    if failed <= MOST and not any(REPORTS.search(text) for text in faults.values()):
        print(*faults, sep="\n", end="\n" if faults else "")


main(sys.argv[1])
