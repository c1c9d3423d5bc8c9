"""docker_analyze_layers: findings from history and configuration, each with its evidence."""

import json
from typing import Any

import pytest

from mcp_dockerhub.images.findings import LARGE
from mcp_dockerhub.images.layers import LayerAnalysis, analyze_layers
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Reference
from tests.upstreams.callers import Caller
from tests.upstreams.registry import InMemoryRegistry

pytestmark = pytest.mark.anyio

APP = Reference.parse("ghcr.io/o/app:v1")
USER = {"User": "65532"}


async def analysed(
    registry: InMemoryRegistry, sources: Sources, steps: list[str], config: dict[str, Any] | None = None
) -> LayerAnalysis:
    history = [{"created_by": step} for step in steps]
    layers = tuple(step.encode() for step in steps)
    registry.add_image("o/app", "v1", layers=layers, history=history, config=USER if config is None else config)
    return await analyze_layers(sources, Caller(), APP, None)


async def test_an_image_with_nothing_to_change_has_no_findings(registry: InMemoryRegistry, sources: Sources) -> None:
    found = await analysed(registry, sources, ["COPY app / # buildkit"])
    assert found.findings == []


@pytest.mark.parametrize(
    "step",
    [
        "RUN |1 NPM_TOKEN=abcdef0123 /bin/sh -c npm run build # buildkit",
        "|2 A=b DB_PASSWORD=hunter2 /bin/sh -c make",
        "ARG API_KEY=abcdef",
        "/bin/sh -c #(nop)  ARG API_KEY=abcdef",
    ],
)
async def test_secret_looking_build_arguments_are_found_and_withheld(
    registry: InMemoryRegistry, sources: Sources, step: str
) -> None:
    (finding,) = (await analysed(registry, sources, [step])).findings
    assert (finding.rule, finding.severity) == ("secret_build_argument", "high")
    assert "[withheld]" in finding.evidence
    assert not any(secret in finding.evidence for secret in ("abcdef", "hunter2"))


@pytest.mark.parametrize("step", ["ARG VERSION=1", "ARG API_KEY", "RUN |1 VERSION=1 /bin/sh -c make # buildkit"])
async def test_other_build_arguments_are_not(registry: InMemoryRegistry, sources: Sources, step: str) -> None:
    assert (await analysed(registry, sources, [step])).findings == []


async def test_secret_looking_variables_are_found(registry: InMemoryRegistry, sources: Sources) -> None:
    config = {**USER, "Env": ["PATH=/bin", "DB_PASSWORD=hunter2", "GPG_KEY=ABCDEF"]}
    (finding,) = (await analysed(registry, sources, ["COPY a b"], config)).findings
    assert (finding.rule, finding.evidence) == ("secret_environment", "ENV DB_PASSWORD")
    assert "hunter2" not in finding.model_dump_json()


@pytest.mark.parametrize(("user", "evidence"), [("", "no USER is set"), ("root", "USER root"), ("0:0", "USER 0:0")])
async def test_root_is_found(registry: InMemoryRegistry, sources: Sources, user: str, evidence: str) -> None:
    (finding,) = (await analysed(registry, sources, ["COPY a b"], {"User": user})).findings
    assert (finding.rule, finding.evidence) == ("root_user", evidence)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("apt-get update && apt-get install -y curl", True),
        ("apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*", False),
        ("apk add curl", True),
        ("apk add --no-cache curl", False),
        ("dnf install -y curl", True),
        ("microdnf install curl && microdnf clean all", False),
        ("pip install flask", True),
        ("pip3 install --no-cache-dir flask", False),
        ("npm ci", True),
        ("npm ci && npm cache clean --force", False),
        ("echo install", False),
    ],
)
async def test_package_caches_left_behind_are_found_with_their_layer(
    registry: InMemoryRegistry, sources: Sources, command: str, found: bool
) -> None:
    answer = await analysed(registry, sources, [f"RUN /bin/sh -c {command} # buildkit"])
    assert [finding.rule for finding in answer.findings] == (["package_cache"] if found else [])
    if found:
        assert answer.findings[0].layer == answer.layers[0].digest
        assert command[:20] in answer.findings[0].evidence
        assert "- low: A step installs with" in answer.render()


async def test_mounted_caches_are_no_finding(registry: InMemoryRegistry, sources: Sources) -> None:
    step = "RUN --mount=type=cache,target=/root/.cache pip install flask # buildkit"
    assert (await analysed(registry, sources, [step])).findings == []


async def test_a_large_late_layer_is_found(registry: InMemoryRegistry, sources: Sources) -> None:
    image = registry.add_image("o/other", layers=(b"a", b"b", b"c"), config=USER)
    manifest = image.document
    manifest["layers"][2]["size"] = LARGE
    registry.put_manifest("o/app", "v1", json.dumps(manifest).encode(), image.media_type)
    held = registry.app.repositories
    held["o/app"].blobs.update(held["o/other"].blobs)
    found = await analyze_layers(sources, Caller(), APP, None)
    (finding,) = found.findings
    assert (finding.rule, finding.layer, finding.size) == ("large_late_layer", manifest["layers"][2]["digest"], LARGE)


async def test_many_findings_are_counted(registry: InMemoryRegistry, sources: Sources) -> None:
    found = await analysed(
        registry, sources, [f"RUN /bin/sh -c pip install p{place} # buildkit" for place in range(120)]
    )
    assert len(found.findings) == 100
    assert "Only 100 of 120 findings are listed." in found.warnings
