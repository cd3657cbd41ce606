"""What we are made of: known weaknesses of it, and its list.

python -m tests.security.supply audit    asks PyPI's advisories about the lock
python -m tests.security.supply sbom     writes build/sbom.cdx.json (CycloneDX)
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
SBOM = ROOT / "build" / "sbom.cdx.json"
PROGRAMS = Path(sys.executable).parent
Json = dict[str, Any]


class Verdict(NamedTuple):
    """Whether the build goes on, and what is to be said."""

    ok: bool
    lines: list[str]


def verdict(output: str, trouble: str) -> Verdict:
    """What pip-audit's JSON says; `trouble` is what it said when there is none.

    A known weakness fails. That nobody could be asked does not, so that a build without
    the advisory service goes on, but it is said.
    """
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (trouble.strip().splitlines() or ["it said nothing"])[-1]
        return Verdict(True, [f"NOT AUDITED: the advisories cannot be read: {last}"])
    weak = [
        f"{package['name']} {package['version']}: {found['id']}, mended in "
        f"{', '.join(found['fix_versions']) or 'no release yet'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    said = [f"WEAK: {line}" for line in weak]
    if len(skipped) == len(packages):
        said.append("NOT AUDITED: the advisory service knows none of our packages")
    elif skipped:
        said.append(f"not audited: {', '.join(skipped)}")
    audited = len(packages) - len(skipped)
    of = f"{audited} of {len(packages)} packages audited"
    said.append(f"{of}, {len(weak)} weaknesses")
    return Verdict(not weak, said)


def audit() -> Verdict:
    """Ask about every package of the lock."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    done = subprocess.run(
        [PROGRAMS / "pip-audit", "-r", LOCK, *options, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return verdict(done.stdout, done.stderr)


def without_places(sbom: Json) -> Json:
    """The list without the addresses that packages were, or would be, taken from."""
    for component in sbom["components"]:
        component.pop("description", None)  # the lock's line
        digests = [
            digest
            for reference in component.pop("externalReferences", ())
            for digest in reference.get("hashes", ())
        ]
        # Of the files of this version, one of which is installed.
        component["properties"] = [
            {"name": "tellers:file:sha256", "value": digest["content"]}
            for digest in digests
        ]
    return sbom


def sbom() -> Json:
    """The packages of the lock, with the digests of their files."""
    done = subprocess.run(
        [PROGRAMS / "cyclonedx-py", "requirements", LOCK, "--output-reproducible"],
        capture_output=True,
        text=True,
        check=True,
    )
    return without_places(json.loads(done.stdout))


def names_in(lock: str) -> set[str]:
    """The packages that the lock names, as `name@version`."""
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE)
    return {f"{name}@{version}" for name, version in found}


def main(what: str) -> int:
    """Exit status of the command."""
    if what == "audit":
        ok, lines = audit()
        for line in lines:
            print(f"audit: {line}")
        return 0 if ok else 1
    SBOM.parent.mkdir(exist_ok=True)
    listed = sbom()
    SBOM.write_text(json.dumps(listed, indent=1) + "\n")
    print(f"sbom: {len(listed['components'])} packages in {SBOM.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
