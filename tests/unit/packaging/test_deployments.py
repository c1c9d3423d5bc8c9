"""What deploy/ sets is what the server reads; what replicas have to share, every deployment of several shares."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic_settings import BaseSettings

from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.environment import SECRETS
from mcp_dockerhub.protection_settings import ProtectionSettings
from mcp_dockerhub.scan_settings import ScanSettings
from mcp_dockerhub.settings import Settings, load_settings
from mcp_dockerhub.token_settings import TokenSettings
from mcp_dockerhub.web_settings import WebSettings

ROOT: Final = Path(__file__).resolve().parents[3]
DEPLOY: Final = ROOT / "deploy"
KINDS: Final[tuple[type[BaseSettings], ...]] = (
    Settings,
    AdvisorySettings,
    ProtectionSettings,
    ScanSettings,
    TokenSettings,
    WebSettings,
)
KNOWN: Final = {str(field.validation_alias) for kind in KINDS for field in kind.model_fields.values()} | {
    f"{name}_FILE" for name in SECRETS
}
NAMED: Final = re.compile(r"\b(?:MCP_DOCKERHUB|DOCKERHUB)_[A-Z_]+[A-Z]\b")
FILES: Final = sorted(
    path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".png" and "secrets" not in path.parts
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_variable_that_is_named_is_a_setting(path: Path) -> None:
    assert set(NAMED.findall(path.read_text(encoding="utf-8"))) <= KNOWN


def _pairs(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {entry["name"]: str(entry.get("value", "")) for entry in entries}


def _documents(path: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / path).read_text(encoding="utf-8")))


def _literals(path: str) -> dict[str, str]:
    literals = _documents(path)[0]["configMapGenerator"][0]["literals"]
    return dict(literal.split("=", 1) for literal in literals)


def _compose(service: str) -> dict[str, str]:
    found: dict[str, Any] = _documents("compose/compose.yaml")[0]["services"][service]["environment"]
    given = {"MCP_HOST": "mcp.example.com", "MCP_ISSUER": "https://login.example.com/"}

    def filled(match: re.Match[str]) -> str:
        return given.get(match[1], match[2] or "")

    return {name: re.sub(r"\$\{(\w+)(?::-([^}]*)|[^}]*)\}", filled, str(value)) for name, value in found.items()}


def environments() -> dict[str, dict[str, str]]:
    """What each deployment sets, by its name; values of secrets are not among it."""
    base = _literals("kubernetes/base/kustomization.yaml")
    task = json.loads((DEPLOY / "aws-ecs/task-definition.json").read_text(encoding="utf-8"))["containerDefinitions"][0]
    run = _documents("cloud-run/service.yaml")[0]["spec"]["template"]["spec"]["containers"][0]
    group = _documents("azure-container-instances/container-group.yaml")[0]["properties"]["containers"][0]
    return {
        "compose a": _compose("server-a"),
        "compose b": _compose("server-b"),
        "kustomize evaluation": base | _literals("kubernetes/overlays/evaluation/kustomization.yaml"),
        "kustomize production": base | _literals("kubernetes/overlays/production/kustomization.yaml"),
        "ecs": _pairs(task["environment"] + task["secrets"]),
        "cloud run": _pairs(run["env"]),
        "azure": _pairs(group["properties"]["environmentVariables"]),
    }


@pytest.mark.parametrize("name", sorted(environments()))
def test_the_server_accepts_what_a_deployment_sets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [variable for variable in os.environ if NAMED.fullmatch(variable)]:
        monkeypatch.delenv(variable)
    # Secrets and the files they are in are the operator's.
    settings = {key: value for key, value in environments()[name].items() if key.removesuffix("_FILE") not in SECRETS}
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    loaded = load_settings()
    assert loaded.transport == "http"
    for kind in KINDS:
        kind()


@pytest.mark.parametrize("name", ["compose a", "compose b", "ecs", "cloud run"])
def test_replicas_share_a_redis_and_the_keys_that_seal_consents(name: str) -> None:
    names = {variable.removesuffix("_FILE") for variable in environments()[name]}
    assert {"MCP_DOCKERHUB_REDIS_URL", "MCP_DOCKERHUB_STATE_KEYS"} <= names


@pytest.mark.parametrize(
    "path", ["kubernetes/components/redis/kustomization.yaml", "helm/mcp-dockerhub/templates/deployment.yaml"]
)
def test_replicas_in_a_cluster_share_them_too(path: str) -> None:
    text = (DEPLOY / path).read_text(encoding="utf-8")
    assert "MCP_DOCKERHUB_REDIS_URL_FILE" in text
    assert "MCP_DOCKERHUB_STATE_KEYS_FILE" in text


def test_the_redis_of_the_compose_file_forgets_nothing() -> None:
    lines = (DEPLOY / "compose/redis/redis.conf").read_text(encoding="utf-8").splitlines()
    assert "maxmemory-policy noeviction" in lines


@pytest.mark.skipif(os.name == "nt" or shutil.which("openssl") is None, reason="needs a shell and openssl")
def test_preparing_makes_every_secret_of_the_compose_file_once(tmp_path: Path) -> None:
    folder = tmp_path / "compose"
    shutil.copytree(DEPLOY / "compose", folder, ignore=shutil.ignore_patterns("secrets", ".env"))

    def prepared() -> dict[str, str]:
        subprocess.run([str(folder / "prepare")], check=True, capture_output=True)
        return {path.name: path.read_text(encoding="utf-8") for path in (folder / "secrets").iterdir()}

    made = prepared()
    wanted = {Path(secret["file"]).name for secret in _documents("compose/compose.yaml")[0]["secrets"].values()}
    assert set(made) == wanted
    assert len(made["state_keys"]) >= 32
    assert prepared() == made


def test_a_gateway_that_follows_the_catalogue_entry_lets_every_default_upstream_through() -> None:
    allowed = set(_documents("docker-mcp-catalog/server.yaml")[0]["run"]["allowHosts"])
    settings, advisory = Settings(), AdvisorySettings()
    urls = [settings.hub_url, settings.registry_url, advisory.osv_url, *_feeds()]
    assert {f"{urlsplit(url).hostname}:443" for url in urls} <= allowed


def _feeds() -> list[str]:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    return [
        url
        for name in ("KEV_URL", "EPSS_URL")
        for url in re.findall(rf"MCP_DOCKERHUB_{name}`.*`(https://[^`]+)`", text)
    ]
