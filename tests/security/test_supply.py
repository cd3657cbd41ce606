"""The supply chain: what is locked, what is known of it, and its list."""

import json
import re
from typing import Any

import pytest

from tests.security.supply import LOCK, names_in, sbom, verdict

GOOD = {"name": "good", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found"}
WEAK = {
    "name": "weak",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.1"], "aliases": []}],
}


def said(*packages: dict[str, Any]) -> tuple[bool, str]:
    ok, lines = verdict(json.dumps({"dependencies": packages}), "")
    return ok, "\n".join(lines)


def test_a_known_weakness_fails() -> None:
    ok, text = said(GOOD, WEAK, UNKNOWN)
    assert not ok
    assert "WEAK: weak 2.0: PYSEC-2026-1, mended in 2.1" in text
    assert "not audited: unknown" in text
    assert "2 of 3 packages audited, 1 weaknesses" in text


def test_none_is_said_to_be_none() -> None:
    assert said(GOOD) == (True, "1 of 1 packages audited, 0 weaknesses")


@pytest.mark.parametrize(
    ("output", "trouble"),
    [("", "ERROR: connection refused"), ("[]", ""), ("{}", ""), ("null", "")],
)
def test_who_could_not_be_asked_is_no_verdict(output: str, trouble: str) -> None:
    ok, lines = verdict(output, trouble)
    assert ok
    (line,) = lines
    assert line.startswith("NOT AUDITED")
    assert "audited," not in line
    assert trouble[-18:] in line


def test_a_service_that_knows_nobody_is_no_verdict() -> None:
    ok, text = said(UNKNOWN, {**UNKNOWN, "name": "other"})
    assert ok
    assert "NOT AUDITED: the advisory service knows none" in text
    assert "0 of 2 packages audited" in text


def test_every_package_of_the_lock_has_its_digests() -> None:
    text = LOCK.read_text()
    blocks = re.findall(r"^[\w.-]+==(?:[^\n]*\\\n)*[^\n]*", text, re.MULTILINE)
    assert len(blocks) == len(names_in(text)) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_the_list_has_every_package_and_no_address() -> None:
    found = sbom()
    assert found["bomFormat"] == "CycloneDX"
    listed = {f"{c['name']}@{c['version']}" for c in found["components"]}
    assert listed == names_in(LOCK.read_text())
    for component in found["components"]:
        assert component["purl"].startswith("pkg:pypi/")
        digests = [one["value"] for one in component["properties"]]
        assert digests
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
        assert "://" not in json.dumps(component)
