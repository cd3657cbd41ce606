"""docker-compose.yml, the Dockerfile and their locks: what can be seen without them
running. That they run is `make compose-test`."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tellers_gateway.settings import GatewaySettings
from tellers_ingest.settings import IngestSettings
from tellers_runtime.probe import PORTS
from tellers_runtime.settings import ServiceSettings
from tellers_tally.settings import TallySettings
from tellers_webhooks.settings import WebhooksSettings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("ingest", "tally", "gateway", "webhooks")
SETTINGS: tuple[type[ServiceSettings], ...] = (
    IngestSettings,
    TallySettings,
    GatewaySettings,
    WebhooksSettings,
)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_tight(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service.get("user", "") not in ("root", "0", "0:0")


def test_no_secret_is_in_an_environment_and_each_gets_only_its_own() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or "FILE" in key, (name, key)
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), (name, key)
    readers: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for secret in service.get("secrets", ()):
            readers.setdefault(secret, set()).add(name.rstrip("-12"))
    for kind in OURS:
        assert readers[f"redis_{kind}"] == {kind}
    assert readers["signing_key"] == {"tally", "operator"}
    assert readers["webhooks_key"] == {"webhooks"}
    assert set(readers) == set(COMPOSE["secrets"])


def test_every_setting_in_it_exists() -> None:
    known = {
        f"TELLERS_{field.upper()}" for cls in SETTINGS for field in cls.model_fields
    }
    used = {
        key
        for service in SERVICES.values()
        for key in service.get("environment", {})
        if key.startswith("TELLERS_")
    }
    assert used
    assert used <= known


def test_two_of_everything_that_may_be_two() -> None:
    for kind in ("ingest", "tally", "gateway"):
        assert {f"{kind}-1", f"{kind}-2"} <= set(SERVICES)
    assert "webhooks-2" not in SERVICES  # one process, docs/operations.md


def test_images_are_named_without_a_registry() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    text += (ROOT / "deploy" / "Dockerfile").read_text()
    for manifest in (ROOT / "deploy" / "kubernetes").rglob("*.yaml"):
        text += manifest.read_text()
    images = re.findall(r"(?:image: |PYTHON=)(?:\$\{\w+:-)?([\w./:-]+)", text)
    assert len(images) > 8
    for image in images:
        first, _, rest = image.partition("/")
        assert not rest or not re.search(r"[.:]", first), image


def test_the_images_locks_are_a_part_of_the_lock() -> None:
    whole = locked("requirements.lock")
    image, build = locked("deploy/requirements.lock"), locked("deploy/build.lock")
    traced = locked("deploy/otel.lock")
    assert image.items() < traced.items() <= whole.items()
    assert "opentelemetry-sdk" in traced
    assert "opentelemetry-sdk" not in image
    assert build.items() <= whole.items()
    assert "pytest" not in image
    for file in (ROOT / "deploy").glob("*.lock"):
        assert "://" not in file.read_text()


def locked(name: str) -> dict[str, tuple[str, ...]]:
    """Each package with its version and digests."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
        package, _, rest = entry.partition("==")
        found[package] = tuple(rest.replace("\\", "").split())
    return found


def test_every_member_finds_what_it_needs_in_the_images_lock() -> None:
    image = {name.partition("[")[0] for name in locked("deploy/requirements.lock")}
    for file in [
        *ROOT.glob("s*/*/pyproject.toml"),
        ROOT / "deploy/local/pyproject.toml",
    ]:
        for wanted in tomllib.loads(file.read_text())["project"]["dependencies"]:
            name = re.match(r"[\w.-]+", wanted)
            assert name is not None
            if not name[0].startswith("tellers-"):
                assert name[0].lower().replace("_", "-") in image, (file, wanted)


def test_the_probe_knows_the_ports_of_the_settings() -> None:
    for cls, name in zip(SETTINGS, OURS, strict=True):
        assert cls.model_fields[f"{name}_port"].default == PORTS[name]


def test_nginx_caches_what_may_be_and_never_what_is_old() -> None:
    conf = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
    assert "proxy_cache_use_stale off;" in conf
    upstreams = (ROOT / "deploy" / "nginx" / "upstreams.conf").read_text()
    for name in SERVICES:
        if name.startswith(("gateway", "ingest")):
            assert f"server {name}:" in upstreams
