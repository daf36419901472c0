"""Documents and shipped files say what the program does."""
import json
import subprocess
from pathlib import Path

import pytest

from rig_gateway import PROGRAM, TOP, Gateway


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_the_reference_in_docs_is_what_the_program_prints():
    code, text, errors = run("reference", "config")
    assert code == 0, errors
    assert text == (TOP / "docs/configuration.md").read_text(), "make it anew: portcullis reference config > docs/configuration.md"


@pytest.mark.parametrize("which", ["config", "policy"])
def test_the_schema_is_json(which):
    code, text, errors = run("schema", which)
    assert code == 0, errors
    assert json.loads(text)["type"] == "object"


def policies():
    return sorted(p for folder in ("policies", "policies/examples") for p in (TOP / folder).glob("*.yaml"))


def test_there_are_shipped_policies():
    assert TOP / "policies/default.yaml" in policies()


@pytest.mark.parametrize("path", policies(), ids=lambda p: getattr(p, "stem", "none"))
def test_a_shipped_policy_passes_check(path, countries):
    g = Gateway("sites: {shop: {hosts: ['*'], origin: 'http://127.0.0.1:9', policy: %s}}\npolicies: '%s'\ngeoip: {country: '%s', asn: '%s'}\n"
                % (path.stem, path.parent, countries, countries), start=False)
    code, text, errors = run("check", "-c", str(g.file))
    g.remove()
    assert code == 0, text + errors


def test_the_help_names_every_command():
    code, text, errors = run("--help")
    assert code == 0
    for word in ("run", "check", "cage", "schema", "reference", "geoip", "status"):
        assert word in text + errors


def test_the_version_is_that_of_the_build():
    version = next(l.split("VERSION")[1].split()[0] for l in (TOP / "CMakeLists.txt").read_text().splitlines() if l.startswith("project("))
    code, text, _ = run("--version")
    assert code == 0 and version in text


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/architecture.md",
                                  "policies/README.md", "policies/default.yaml"])
def test_a_document_is_there(name):
    assert (TOP / name).stat().st_size > 300


def test_links_between_documents_lead_somewhere():
    import re
    broken = []
    for document in [*TOP.glob("*.md"), *TOP.glob("docs/*.md"), *TOP.glob("policies/*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                broken.append("%s: %s" % (document.relative_to(TOP), target))
    assert broken == []
