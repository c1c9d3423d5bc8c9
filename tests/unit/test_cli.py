"""The command line, as people and scripts use it."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mcp_dockerhub import __version__
from mcp_dockerhub.cli import main
from mcp_dockerhub.settings import Settings
from tests.upstreams.faults import unused_port
from tests.upstreams.osv import osv_settings
from tests.upstreams.registry import InMemoryRegistry
from tests.upstreams.seeded import Upstreams, running_upstreams


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    with running_upstreams() as running:
        yield running


@pytest.fixture
def _seeded(upstreams: Upstreams, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**upstreams.settings(tmp_path), **osv_settings(upstreams.osv_url)}.items():
        monkeypatch.setenv(name, value)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"mcp-dockerhub {__version__}\n"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["launch"])
    assert stopped.value.code == 2
    assert "launch" in capsys.readouterr().err


def test_config_prints_what_is_in_force(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKERHUB_TOKEN", "dckr_pat_x")
    assert main(["config"]) == 0
    printed = capsys.readouterr().out
    assert "DOCKERHUB_TOKEN=(set)" in printed
    assert "dckr_pat_x" not in printed


def test_a_configuration_that_cannot_be_used_is_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_LOG_LEVEL", "loud")
    for command in (["config"], ["doctor"], ["call", "health_check"], ["serve"], []):
        assert main(command) == 2
        assert "MCP_DOCKERHUB_LOG_LEVEL" in capsys.readouterr().err


@pytest.mark.usefixtures("_seeded")
def test_call_prints_the_answer_of_one_tool(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "docker_get_image_history", '{"image": "nginx:alpine"}']) == 0
    assert "nginx:alpine (linux/amd64)" in capsys.readouterr().out
    assert main(["call", "--json", "docker_get_stats", '{"repository": "nginx"}']) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "live"


@pytest.mark.usefixtures("_seeded")
def test_call_prints_an_error_to_stderr_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "docker_get_image_details", '{"image": "nginx:no-such-tag"}']) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("NOT_FOUND: ")


@pytest.mark.parametrize("arguments", ["{", "[]", "7", "[" * 20_000])
def test_call_wants_a_json_object(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "health_check", arguments]) == 2
    assert "JSON" in capsys.readouterr().err


@pytest.mark.usefixtures("_seeded")
def test_call_goes_through_the_whole_pipeline_and_the_audit_log_can_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "audit.jsonl"
    monkeypatch.setenv("MCP_DOCKERHUB_AUDIT_FILE", str(log))
    assert main(["call", "docker_get_stats", '{"repository": "nginx"}']) == 0
    capsys.readouterr()
    assert main(["audit", "verify", str(log)]) == 0
    assert "unbroken" in capsys.readouterr().out
    log.write_bytes(log.read_bytes().replace(b"docker_get_stats", b"docker_get_status"))
    assert main(["audit", "verify", str(log)]) == 1


def test_verifying_a_log_that_is_not_there_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(tmp_path / "nothing")]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("_seeded")
def test_doctor_tries_everything_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for part in ("audit log", "Docker Hub account", "Docker Hub API", "registry docker.io", "pull quota"):
        assert part in printed
    for part in ("vulnerability database: answers at http", "CISA KEV: the list of ", "EPSS: the list of "):
        assert f"ok    {part}" in printed
    assert "FAIL" not in printed


@pytest.mark.usefixtures("_seeded")
def test_doctor_does_not_hold_a_registry_against_an_operator_who_left_it_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_ALLOWED_REGISTRIES", "ghcr.io")
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "warn  registry docker.io: is not in MCP_DOCKERHUB_ALLOWED_REGISTRIES" in printed
    assert "pull quota" not in printed


@pytest.mark.usefixtures("_seeded")
def test_doctor_says_that_a_database_cannot_be_asked_or_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = f"http://127.0.0.1:{unused_port()}"
    monkeypatch.setenv("MCP_DOCKERHUB_OSV_URL", gone)
    monkeypatch.setenv("MCP_DOCKERHUB_KEV_URL", f"{gone}/kev.json")
    monkeypatch.setenv("MCP_DOCKERHUB_EPSS_URL", "none")
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  vulnerability database: UPSTREAM_UNAVAILABLE" in printed
    assert "warn  CISA KEV: Which vulnerabilities are exploited is not known" in printed
    assert "ok    EPSS: is switched off" in printed
    monkeypatch.setenv("MCP_DOCKERHUB_OSV_URL", "nonsense")
    assert main(["doctor"]) == 2
    assert "MCP_DOCKERHUB_OSV_URL" in capsys.readouterr().err


def database_said(capsys: pytest.CaptureFixture[str], code: int) -> list[str]:
    assert main(["doctor"]) == code
    return [line for line in capsys.readouterr().out.splitlines() if "vulnerability database" in line]


@pytest.mark.usefixtures("_seeded")
def test_doctor_looks_into_a_local_database_and_asks_no_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "advisories.db"
    monkeypatch.setenv("MCP_DOCKERHUB_DATABASE", str(path))
    (line,) = database_said(capsys, 1)
    assert line.startswith(f"FAIL  vulnerability database: {path}: The local database of advisories does not exist.")
    assert main(["db", "update", "--ecosystem", "Alpine", "Debian"]) == 0
    monkeypatch.setenv("MCP_DOCKERHUB_OSV_URL", f"http://127.0.0.1:{unused_port()}")
    (line,) = database_said(capsys, 0)
    assert line == f"ok    vulnerability database: {path} holds Alpine, Debian; 0.0 days old"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE archives SET updated = '2020-01-01T00:00:00+00:00' WHERE ecosystem = 'Alpine'")
        connection.execute("UPDATE archives SET unreadable = 3 WHERE ecosystem = 'Debian'")
    old, unreadable = database_said(capsys, 0)
    assert old.startswith(f"warn  vulnerability database: {path} holds Alpine, Debian; Alpine is ")
    assert old.endswith("so no scan with it is complete. Run mcp-dockerhub db update.")
    assert unreadable == "warn  vulnerability database: advisories that could not be read: 3 of Debian"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM archives")
    (line,) = database_said(capsys, 1)
    assert "holds nothing. Fill it: mcp-dockerhub db update --ecosystem NAME." in line


def test_doctor_tells_a_registry_that_wants_credentials_from_one_that_refuses_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_DATABASE", "/nonexistent/advisories.db")
    with InMemoryRegistry(auth="basic") as registry:
        for name in ("HUB_URL", "REGISTRY_URL"):
            monkeypatch.setenv(f"MCP_DOCKERHUB_{name}", registry.url)
        for username, said in (("", "wants credentials"), ("mallory", "refused the credentials")):
            one = {"host": registry.host, "url": registry.url}
            account = {"username": username, "password": "hunter2"} if username else {}
            monkeypatch.setenv("MCP_DOCKERHUB_REGISTRIES", json.dumps([one | account]))
            main(["doctor"])
            printed = capsys.readouterr().out
            (line,) = (line for line in printed.splitlines() if f"registry {registry.host}:" in line)
            assert line.startswith("FAIL" if username else "warn")
            assert said in line
            assert "hunter2" not in printed


def test_doctor_says_what_does_not_work_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = f"http://127.0.0.1:{unused_port()}"
    for name in ("HUB_URL", "REGISTRY_URL", "OSV_URL", "KEV_URL", "EPSS_URL"):
        monkeypatch.setenv(f"MCP_DOCKERHUB_{name}", gone)
    monkeypatch.setenv("MCP_DOCKERHUB_AUDIT_FILE", str(tmp_path / "no" / "such" / "folder"))
    monkeypatch.setenv("MCP_DOCKERHUB_RATE_LIMIT", "often")
    monkeypatch.setenv("DOCKERHUB_TOKEN", "dckr_pat_x")
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("FAIL") == 5
    assert "UPSTREAM_UNAVAILABLE" in printed
    assert "DOCKERHUB_USERNAME" in printed
    assert "dckr_pat_x" not in printed


@pytest.mark.skipif(os.name == "nt", reason="Windows has no broken pipes")
@pytest.mark.parametrize("command", [("config",), ("audit", "query", "--json", "log")], ids=["short", "long"])
def test_output_that_nobody_reads_to_its_end_is_no_defect_and_no_success(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    records = ({"sequence": number, "event": "outcome"} for number in range(1000))
    (tmp_path / "log").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    ours, theirs = os.pipe()
    os.close(ours)
    program = Path(sys.executable).with_name("mcp-dockerhub")
    done = subprocess.run([program, *command], cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, b"")
