"""What the command line does with a verdict, without anything being scanned."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub.cli import main
from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.scan.judging import Rules, Verdict, judge
from mcp_dockerhub.scan.running import Request
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScanReport
from tests.upstreams import scan_parts as parts

Output = pytest.CaptureFixture[str]
Found = Callable[[ScanReport], list[Request]]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Found:
    """Makes every scan find a report; returns what will have been asked for."""

    def install(report: ScanReport) -> list[Request]:
        asked: list[Request] = []

        def run(settings: Any, request: Request, progress: Any) -> Verdict:
            asked.append(request)
            return judge(request.image.text, report, request.rules)

        monkeypatch.setattr("mcp_dockerhub.scan.running.run", run)
        return asked

    return install


def test_the_document_goes_to_standard_output_and_the_code_tells_the_outcome(found: Found, capfdbinary: Any) -> None:
    found(parts.report(parts.PLAIN))
    assert main(["scan", "app:1", "--format", "markdown"]) == 1
    shown = capfdbinary.readouterr()
    assert shown.out.decode().startswith("### ❌ FAILED: 1 finding")
    assert shown.err == b""


def test_a_file_gets_the_document_and_the_terminal_one_line(found: Found, capfd: Output, tmp_path: Path) -> None:
    found(parts.report())
    path = tmp_path / "out"
    assert main(["scan", "app:1", "--output", str(path)]) == 0
    assert "CLEAN" in path.read_text()
    assert capfd.readouterr() == ("", "mcp-dockerhub: CLEAN: no known vulnerability.\n")


def test_a_file_that_cannot_be_written_is_no_outcome(found: Found, capfd: Output, tmp_path: Path) -> None:
    found(parts.report())
    assert main(["scan", "app:1", "--output", str(tmp_path)]) == 2
    assert "cannot be written" in capfd.readouterr().err


def test_a_page_is_written_and_does_not_fail_by_its_findings(found: Found, capfd: Output, tmp_path: Path) -> None:
    asked = found(parts.report(parts.PLAIN))
    path = tmp_path / "report.html"
    assert main(["report", "app:1", "--html", str(path)]) == 0
    assert path.read_text().startswith("<!doctype html>")
    assert asked[0].rules == Rules(fail_on="none")


def test_a_reader_that_has_seen_enough_changes_nothing(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    found(parts.report(parts.PLAIN))
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as pipe:
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(pipe, write_through=True))
        assert main(["scan", "app:1"]) == 1


def test_a_defect_never_looks_like_a_finding(capfd: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("mcp_dockerhub.scan.running.run", broken)
    assert main(["scan", "app:1"]) == 2
    assert capfd.readouterr().err == "mcp-dockerhub: cannot scan: a defect of this program (RuntimeError).\n"


def test_what_was_asked_for_reaches_the_scan(found: Found, capfd: Output, tmp_path: Path) -> None:
    vex = tmp_path / "vex.json"
    vex.write_bytes(b"{}")
    asked = found(parts.report())
    options = ["--platform", "linux/arm64", "--vex", str(vex), "--no-attached-vex", "--cross-check"]
    options += ["--deny-license", "GPL-*, MIT", "--deny-license", "AGPL-3.0-only", "--allow-incomplete"]
    main(["scan", "app:1", "--baseline", "app:0", *options])
    request = asked[0]
    assert (request.image.text, str(request.platform)) == ("app:1", "linux/arm64")
    assert request.baseline is not None
    assert request.baseline.text == "app:0"
    assert request.vex == ((str(vex), b"{}"),)
    assert (request.attached_vex, request.trivy, request.cross_check) == (False, False, True)
    assert request.rules == Rules(deny_licenses=("GPL-*", "MIT", "AGPL-3.0-only"), allow_incomplete=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_no_outcome(
    found: Found, capfd: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(parts.report())
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr("sys.stdout", full)
        assert main(["scan", "app:1"]) == 2
    monkeypatch.setattr("sys.stdout", None)
    assert main(["scan", "app:1"]) == 2
    assert capfd.readouterr().err == (
        "mcp-dockerhub: standard output cannot be written (No space left on device).\n"
        "mcp-dockerhub: standard output is closed.\n"
    )


class Deaf(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [None, Deaf()])
def test_nobody_hearing_what_is_said_changes_nothing(
    found: Found, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: Any
) -> None:
    found(parts.report())
    monkeypatch.setattr("sys.stderr", stream)
    assert main(["scan", "app:1", "--output", str(tmp_path / "out")]) == 0
    assert main(["scan", "app:1", "--output", str(tmp_path)]) == 2


def test_a_stopped_scan_is_no_outcome(capfd: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcp_dockerhub.scan.running.run", stopped)
    assert main(["scan", "app:1"]) == 2
    assert capfd.readouterr().err == "mcp-dockerhub: stopped before anything was found out.\n"


@pytest.mark.parametrize("name", ["MCP_DOCKERHUB_OSV_URL", "MCP_DOCKERHUB_DATABASE_MAX_AGE"])
def test_a_setting_of_the_database_that_cannot_be_used_is_named(
    capfd: Output, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "nonsense")
    assert main(["scan", "app:1"]) == 2
    assert capfd.readouterr().err.startswith(f"mcp-dockerhub: cannot use the configuration:\n{name}: ")


def test_what_an_image_says_of_itself_is_no_command_in_an_error_either(
    capfd: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise UpstreamInvalid("It lacks the layer \x1b[31m##vso[task.prependpath]/tmp\n::error::x.")

    monkeypatch.setattr("mcp_dockerhub.scan.running.run", broken)
    assert main(["scan", "app:1"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("mcp-dockerhub: cannot scan: It lacks the layer # #vso[task.prependpath]/tmp\n: :error::x.")
