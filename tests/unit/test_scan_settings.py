"""How images are read: settings, and what is built from them."""

from pathlib import Path

import pytest

from mcp_dockerhub.environment import read
from mcp_dockerhub.scan_settings import ScanSettings
from mcp_dockerhub.services import open_store, scanning
from mcp_dockerhub.settings import SettingsError

PREFIX = "MCP_DOCKERHUB_"


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> ScanSettings:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)
    return read(ScanSettings)


def test_by_default_nothing_outlives_the_process_and_the_built_in_cataloguer_reads() -> None:
    found = read(ScanSettings)
    assert (found.cache_dir, found.scanner) == (None, "builtin")
    assert open_store(found) == (None, ())


def test_a_directory_makes_a_store_of_its_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store, problems = open_store(settings(monkeypatch, CACHE_DIR=str(tmp_path), CACHE_DIR_MAX_BYTES="2000000"))
    assert store is not None
    assert (store.stats().max_bytes, problems) == (2_000_000, ())


def test_a_directory_that_cannot_be_used_is_said_and_done_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    store, problems = open_store(settings(monkeypatch, CACHE_DIR=str(tmp_path / "file")))
    assert store is None
    assert problems[0].startswith("MCP_DOCKERHUB_CACHE_DIR is not used: nothing can be kept in")


def test_limits_and_tool_are_what_the_operator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(
        monkeypatch, SCANNER="trivy", TRIVY_SERVER="http://127.0.0.1:4954", SCAN_TIMEOUT="7.5", SCAN_MAX_BYTES="5000000"
    )
    found = scanning(chosen, None, None)  # type: ignore[arg-type]
    assert found.tool is not None
    assert (found.tool.name, found.tool.server, found.tool.seconds) == ("trivy", "http://127.0.0.1:4954", 7.5)
    assert (found.reader.limits.seconds, found.reader.limits.image_bytes) == (7.5, 5_000_000)
    assert found.reader.limits.worker.seconds == 8
    assert found.enabled


def test_scans_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not scanning(settings(monkeypatch, SCANNER="none"), None, None).enabled  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"SCANNER": "grype"}, "SCANNER"),
        ({"SCANNER": "syft", "TRIVY_SERVER": "http://127.0.0.1"}, "TRIVY_SERVER needs"),
        ({"SCANNER": "trivy", "TRIVY_SERVER": "127.0.0.1"}, "TRIVY_SERVER"),
        ({"SCANNER": "trivy", "TRIVY_SERVER": "http://user@127.0.0.1"}, "TRIVY_SERVER"),
        ({"SCAN_TIMEOUT": "0"}, "SCAN_TIMEOUT"),
        ({"CACHE_DIR_MAX_BYTES": "5"}, "CACHE_DIR_MAX_BYTES"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        settings(monkeypatch, **values)
