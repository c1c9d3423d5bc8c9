"""What an operator says about the process is what the process says about itself."""

from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub import cli
from tests.clients.lines import LineClient

DIGEST = "sha256:" + "ab" * 32


def answer(environment: dict[str, str], folder: Path, tool: str) -> dict[str, Any]:
    with LineClient({"DOCKER_CONFIG": str(folder), **environment}) as client:
        client.initialize()
        content: dict[str, Any] = client.call(tool, {})["structuredContent"]
        return content


def test_the_build_and_the_image_are_said_where_they_are_known(tmp_path: Path) -> None:
    known = answer(
        {"MCP_DOCKERHUB_COMMIT": "0a1b2c3", "MCP_DOCKERHUB_IMAGE_DIGEST": DIGEST}, tmp_path, "get_server_info"
    )
    assert (known["commit"], known["image_digest"]) == ("0a1b2c3", DIGEST)
    unknown = answer({}, tmp_path, "get_server_info")
    assert not {"commit", "image_digest"} & set(unknown)


def test_a_threshold_decides_when_a_part_is_worse(tmp_path: Path) -> None:
    health = answer({"MCP_DOCKERHUB_HEALTH_THRESHOLDS": "process_memory_bytes=1000"}, tmp_path, "health_check")
    assert {part["name"]: part["status"] for part in health["components"]}["process"] == "degraded"
    assert health["status"] == "degraded"


@pytest.mark.parametrize("value", ["latency=3", "latency_degraded=0", "latency_degraded=soon", "latency_degraded"])
def test_a_threshold_that_means_nothing_stops_the_start(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_HEALTH_THRESHOLDS", value)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert cli.main(["call", "health_check"]) == 2
    told = capsys.readouterr().err
    assert "MCP_DOCKERHUB_HEALTH_THRESHOLDS" in told
