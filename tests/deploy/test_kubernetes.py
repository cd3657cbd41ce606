"""The Kubernetes manifests, held against Kubernetes' own schemas and against ours."""

import copy
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tellers_gateway.settings import GatewaySettings
from tellers_ingest.settings import IngestSettings
from tellers_runtime.probe import PORTS
from tellers_tally.settings import TallySettings
from tellers_webhooks.settings import WebhooksSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
VERSION = kubernetes_validate.latest_version()
Json = dict[str, Any]


@cache
def manifests() -> list[Json]:
    return [
        manifest
        for path in sorted(FOLDER.glob("*.yaml"))
        for manifest in yaml.safe_load_all(path.read_text())
    ]


def named(manifest: Json) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def pods() -> list[tuple[str, Json]]:
    return [
        (manifest["metadata"]["name"], manifest["spec"]["template"]["spec"])
        for manifest in manifests()
        if manifest["kind"] in ("Deployment", "StatefulSet", "Job")
    ]


@pytest.mark.parametrize("manifest", manifests(), ids=named)
def test_a_manifest_is_what_kubernetes_takes(manifest: Json) -> None:
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_a_manifest_that_is_wrong_is_found() -> None:
    wrong = copy.deepcopy(next(m for m in manifests() if m["kind"] == "Deployment"))
    wrong["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_every_file_is_in_the_kustomization() -> None:
    listed = {DEPLOY / name for name in KUSTOMIZATION["resources"]}
    assert listed == set(FOLDER.glob("*.yaml"))
    for generator in KUSTOMIZATION["configMapGenerator"]:
        for name in (*generator.get("envs", ()), *generator.get("files", ())):
            assert (DEPLOY / name).is_file()


def test_kustomize_renders_it() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on the path to render it with")
    done = subprocess.run(
        [kubectl, "kustomize", DEPLOY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    assert len(rendered) == len(manifests()) + len(KUSTOMIZATION["configMapGenerator"])


@pytest.mark.parametrize(
    ("name", "pod"), pods(), ids=lambda it: it if isinstance(it, str) else ""
)
def test_every_pod_is_tight(name: str, pod: Json) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        if name not in ("archive", "operator"):
            assert "readinessProbe" in container
            assert "livenessProbe" in container


def test_every_pod_gets_only_its_own_secrets() -> None:
    for name, pod in pods():
        files = {
            item["key"]
            for volume in pod["volumes"]
            if "secret" in volume
            for item in volume["secret"]["items"]
        }
        mine = {f for f in files if re.fullmatch(r"tellers-\w+\.password", f)}
        assert mine <= {f"tellers-{name}.password", "tellers-failover.password"}
        assert ("signing-key.pem" in files) is (name == "tally")
        assert ("webhooks-key" in files) is (name == "webhooks")
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                if variable["name"].endswith("_FILE"):
                    assert Path(variable["value"]).name in files


def test_ports_and_settings_are_those_of_the_services() -> None:
    known = {
        f"TELLERS_{field.upper()}"
        for cls in (IngestSettings, TallySettings, GatewaySettings, WebhooksSettings)
        for field in cls.model_fields
    } | {"TELLERS_REDIS_HOST"}  # which the URLs are made with
    for name, pod in pods():
        (container,) = pod["containers"]
        assert {variable["name"] for variable in container.get("env", ())} <= known
        if name in PORTS:
            assert container["ports"][0]["containerPort"] == PORTS[name]
    settings = (FOLDER / "settings.env").read_text().split()
    assert {line.partition("=")[0] for line in settings} <= known


def test_a_gateway_is_given_longer_than_its_drain() -> None:
    pod = dict(pods())["gateway"]
    env = {v["name"]: v["value"] for v in pod["containers"][0]["env"]}
    drain = float(env["TELLERS_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] >= drain + 2


def test_whoever_is_selected_is_there() -> None:
    labels = {name for name, _ in pods()}
    text = "".join(path.read_text() for path in FOLDER.glob("*.yaml"))
    selected = set(re.findall(r"matchLabels: \{app: ([\w-]+)\}", text))
    assert selected <= labels
    listed = re.search(r"operator: In, values: \[([^]]+)\]", text)
    assert listed is not None
    assert set(listed[1].split(", ")) <= labels


def test_everything_has_a_network_policy() -> None:
    policies = {
        m["metadata"]["name"]: m["spec"]
        for m in manifests()
        if m["kind"] == "NetworkPolicy"
    }
    assert policies["nobody"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    for name, _ in pods():
        assert policies[name]["podSelector"] == {"matchLabels": {"app": name}}
