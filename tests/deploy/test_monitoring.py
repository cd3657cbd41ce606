"""Alerts and dashboards speak of metrics that exist, and every alert has a runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

# They declare the metrics.
for declaring in (
    "tellers_gateway.metrics",
    "tellers_ingest.metrics",
    "tellers_runtime.connections",
    "tellers_runtime.redis_health",
    "tellers_tally.metrics",
    "tellers_webhooks.metrics",
):
    import_module(declaring)

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
Json = dict[str, Any]
# Prometheus' own, and the client library's.
OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def rules() -> list[Json]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exposed() -> set[str]:
    """The name of every sample at /metrics."""
    return {
        name
        for metric in REGISTRY.collect()
        for name in sample_names(metric.name, metric.type)
    }


def sample_names(name: str, kind: str) -> list[str]:
    match kind:
        case "counter":
            return [f"{name}_total"]
        case "histogram":
            return [f"{name}_bucket", f"{name}_sum", f"{name}_count"]
        case _:
            return [name]


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:tellers|process)_[a-z_]+|\bup\b", expression))


def unknown(expression: str) -> set[str]:
    return metrics_in(expression) - exposed() - OTHERS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_is_of_metrics_that_exist(rule: Json) -> None:
    assert metrics_in(rule["expr"])
    assert not unknown(rule["expr"])
    assert rule["labels"]["severity"] in ("page", "look")


def test_a_metric_that_does_not_exist_is_found() -> None:
    assert unknown("sum(tellers_tally_leadings) < 1") == {"tellers_tally_leadings"}


def test_every_alert_has_its_heading_in_the_runbook_and_every_heading_its_alert() -> (
    None
):
    alerts = RUNBOOK.partition("\n## Alerts\n")[2]
    headings = re.findall(r"^### (\w+)$", alerts, re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]


def test_every_alert_is_tested_to_fire_and_not_to_fire() -> None:
    found = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
    silent, *firing = found
    names = [rule["alert"] for rule in rules()]
    assert [case["alertname"] for case in silent["alert_rule_test"]] == names
    assert not any("exp_alerts" in case for case in silent["alert_rule_test"])
    assert [test["name"] for test in firing] == names
    assert all(test["alert_rule_test"][0]["exp_alerts"] for test in firing)


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on the path; Debian's package prometheus has it")
    return found


def test_the_alerts_do_what_their_tests_say(promtool: str) -> None:
    for arguments in (
        ["check", "rules", "alerts.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["test", "rules", "alerts.test.yml"],
    ):
        done = subprocess.run(
            [promtool, *arguments],
            cwd=PROMETHEUS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def panels(dashboard: Json) -> Iterator[Json]:
    yield from dashboard["panels"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: str(path.stem))
def test_every_panel_is_of_metrics_that_exist(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    found = list(panels(dashboard))
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in found:
        for target in panel["targets"]:
            assert not unknown(target["expr"]), panel["title"]
            assert target["datasource"] == {"type": "prometheus", "uid": "tellers"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: str(path.stem))
def test_no_panel_lies_on_another(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(json.loads(path.read_text())):
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells


def test_every_runbook_entry_a_panel_names_is_there() -> None:
    named = re.findall(r"Runbook: (\w+)", "".join(p.read_text() for p in DASHBOARDS))
    assert named
    assert all(f"\n### {name}\n" in RUNBOOK for name in named)


def test_every_metric_of_ours_is_in_an_alert_or_on_a_dashboard() -> None:
    said = "".join(p.read_text() for p in DASHBOARDS)
    said += "".join(rule["expr"] for rule in rules())
    ours = {name for name in exposed() if name.startswith("tellers_")}
    unseen = {
        name
        for name in ours
        if name not in said and not name.endswith(("_sum", "_count", "_created"))
    }
    assert unseen <= {"tellers_webhooks_seq", "tellers_webhooks_endpoints"}
