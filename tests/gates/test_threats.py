"""tests/README.md says which test sends which attack; every name in it is there."""
import fnmatch
import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from rig_gateway import TOP

PAGE = TOP / "tests/README.md"


def rows():
    """row -> names in its last cell."""
    found = {}
    for line in PAGE.read_text().splitlines():
        match = re.fullmatch(r"\| ([A-Z]\d+) \|.*\| (.*) \|", line)
        if match:
            assert match[1] not in found, "%s twice" % match[1]
            found[match[1]] = re.findall(r"`([^`]+)`", match[2])
    return found


def there():
    """Every test, by name."""
    names = set()
    for path in TOP.glob("tests/gates/test_*.py"):
        names.update(re.findall(r"(?m)^def (test_\w+)\(", path.read_text()))
    for path in TOP.glob("tests/unit/**/*_test.c*"):
        names.update(re.findall(r"(?m)^static void (\w+)\(void \*\*state\)", path.read_text()))
    return names


def cases():
    """Every name in the table of raw requests."""
    lines = (TOP / "tests/framing.cases").read_text().splitlines()
    return [line.split()[1] for line in lines if line and line[0] not in "# \t"]


@pytest.mark.parametrize("row", rows() or ["none"])
def test_each_row_names_tests_that_are_there(row):
    names = rows()[row]
    assert names, "%s has no test" % row
    missing = [name for name in names if name not in there() and not fnmatch.filter(cases(), name) and not (TOP / name).is_file()]
    assert missing == []


def test_every_row_of_framing_and_of_http2_is_on_the_page():
    assert {"A%d" % i for i in range(1, 27)} | {"B%d" % i for i in range(1, 17)} <= set(rows())


# Of TLS, D10 and D11 are about a process that holds the keys alone, which there is not.
def test_every_row_of_tls_and_identity_is_on_the_page():
    assert {"D%d" % i for i in range(1, 15)} - {"D10", "D11"} <= set(rows())
    assert {"G%d" % i for i in range(1, 11)} <= set(rows())


def test_every_row_of_exhaustion_is_on_the_page():
    assert {"E%d" % i for i in range(1, 14)} <= set(rows())


@pytest.fixture(scope="module")
def runner():
    loader = SourceFileLoader("framing", str(TOP / "tests/framing"))
    module = module_from_spec(spec_from_loader("framing", loader))
    loader.exec_module(module)
    return module


def test_the_table_of_requests_can_be_read(runner):
    table = runner.load(TOP / "tests/framing.cases")
    assert len([c for c in table if c.expect == "valid"]) > 100 and len([c for c in table if c.expect == "refuse"]) > 300
