"""Dispatch: failures that nobody foresaw."""

import logging
from pathlib import Path

import pytest

from mcp_dockerhub.tools import server as server_tools
from mcp_dockerhub_monitoring.health import HealthMonitor
from tests.clients.inprocess import connected, settings


class SecretError(Exception):
    """Something that says more than it should."""


@pytest.mark.parametrize("moment", ["evaluate", "render"])
async def test_an_unexpected_failure_is_internal_and_says_nothing_of_itself(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise SecretError("/etc/secret/path " * 100)

    owner = server_tools.HealthReport if moment == "render" else HealthMonitor
    async with connected(settings(tmp_path)) as client:
        with monkeypatch.context() as patched:
            patched.setattr(owner, moment, fail)
            with caplog.at_level(logging.ERROR, "mcp_dockerhub"):
                result = await client.call_tool("health_check", {})
    assert result.is_error
    assert result.structured_content is not None
    assert result.structured_content["code"] == "INTERNAL"
    assert "secret" not in result.model_dump_json()
    assert any(record.exc_info for record in caplog.records)
