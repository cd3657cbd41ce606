"""Runs schemathesis against a service that lives, and reads what it found."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.report import FULL

# Two media types that it cannot make by itself: the bodies are texts, any text.
HOOKS = """\
import schemathesis

@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_text(context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
"""
# An unknown parameter in an address is ignored, as everywhere in the web (links are
# decorated by others); an unknown field in a body is refused. oEmbed asks for 501 where
# a format is not offered.
SETTINGS = """\
hooks = "fuzz_hooks"
[generation]
allow-extra-parameters = false
[[operations]]
include-path = "/oembed"
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501]
[parameters]"""
# What is right by the schema may still be refused (a code that is no member, figures
# that differ, a roll call that is not open): the documents say so of every operation.
EXCLUDED = "positive_data_acceptance"
# A stream that does not end, which tests/services/test_gateway_live.py reads; and what
# is handed on to the webhooks service, which does not run in this stack.
SKIPPED = "/live$|^/v1/admin/"


class Found(NamedTuple):
    """Requests sent, and findings: answers of 500, and what no document announces."""

    operations: int
    requests: int
    server_errors: int
    undocumented: int
    other: int
    said: str


def together(*runs: Found) -> Found:
    """The sums of several runs, and all that they said."""
    operations, requests, errors, undocumented, other, said = zip(*runs, strict=True)
    return Found(
        sum(operations),
        sum(requests),
        sum(errors),
        sum(undocumented),
        sum(other),
        "".join(said),
    )


def fuzz(
    url: str,
    folder: Path,
    examples: int,
    *,
    token: str = "",
    known: Mapping[str, Any] | None = None,
) -> Found:
    """Send what the service's own document allows, and what it does not.

    Args:
        known: values for parameters, so that requests get beyond "not found".
    """
    folder.mkdir()
    report = folder / "report.json"
    (folder / "fuzz_hooks.py").write_text(HOOKS)
    # Nobody waits for events: thousands of requests would.
    values = {"query.wait": [0, 0.01], **(known or {})}
    settings = [f"{json.dumps(name)} = {json.dumps(v)}" for name, v in values.items()]
    config = folder / "schemathesis.toml"
    config.write_text("\n".join([SETTINGS, *settings]))
    program = Path(sys.executable).with_name("st")
    command: list[str | Path]
    command = [program, "--config-file", config, "run", f"{url}/openapi.json"]
    command += ["--max-examples", str(examples), "--continue-on-failure"]
    if not FULL:
        command += ["--seed", "1"]  # a suite that fails fails again
    command += ["--exclude-path-regex", SKIPPED, "--exclude-checks", EXCLUDED]
    command += ["--report", "json", "--report-json-path", report]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    output = folder / "output.txt"
    with output.open("wb") as out:
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        )
    assert report.exists(), output.read_text()
    return _read(json.loads(report.read_text()), output.read_text())


def _read(report: dict[str, Any], said: str) -> Found:
    assert report["complete"], said
    kinds: Counter[str] = Counter()
    for failure in report["failures"]:
        kinds[failure["type"]] += failure["count"]
    server_errors = kinds.pop("ServerError", 0)
    undocumented = sum(_taken(kinds, lambda kind: kind.startswith("Undefined")))
    other = kinds.total() + len(report["errors"])
    findings = said if kinds or server_errors or undocumented or other else ""
    tested = report["operations"]["tested"]
    sent = report["test_cases"]["generated"]
    return Found(tested, sent, server_errors, undocumented, other, findings)


def _taken(kinds: Counter[str], wanted: Any) -> Iterable[int]:
    return [kinds.pop(kind) for kind in list(kinds) if wanted(kind)]
