"""``mcp-dockerhub db``: a local database from archives on loopback."""

import io
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mcp_dockerhub.cli import main
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from tests.upstreams.osv import OsvState, osv_settings, running_osv


def record(name: str, ecosystem: str) -> dict[str, object]:
    affected = [{"package": {"ecosystem": ecosystem, "name": "p"}, "versions": ["1.0"]}]
    return {"id": name, "modified": "2024-01-01T00:00:00Z", "affected": affected}


@pytest.fixture
def state() -> OsvState:
    return OsvState.of_records([record("PYSEC-1", "PyPI"), record("GHSA-1", "npm"), record("CVE-1", "DHI")])


@pytest.fixture
def path(tmp_path: Path, state: OsvState, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the database is to be; the settings point there and at the stand-in."""
    with running_osv(state) as url:
        for name, value in osv_settings(url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        monkeypatch.setenv("MCP_DOCKERHUB_DATABASE", str(tmp_path / "advisories.db"))
        yield tmp_path / "advisories.db"


def test_a_database_is_made_shown_and_renewed(path: Path, state: OsvState, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "update", "--ecosystem", "pypi", "npm:1", "--ecosystem", "docker hardened images"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "PyPI: 1 advisories" in said.err
    assert "done: 3 advisories of Docker Hardened Images, PyPI, npm" in said.err
    assert main(["db", "status"]) == 0
    shown = capsys.readouterr().out
    assert "PyPI                             1 advisories, 0.0 days old" in shown
    state.publish(record("PYSEC-2", "PyPI"))
    assert main(["db", "update"]) == 0
    assert "npm: unchanged" in capsys.readouterr().err
    assert LocalDatabase(path).archives()["PyPI"].advisories == 2


def test_its_status_can_be_read_by_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    capsys.readouterr()
    assert main(["db", "status", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["database"], shown["bytes"]) == (str(path), path.stat().st_size)
    assert [(row["ecosystem"], row["advisories"], row["unreadable"]) for row in shown["ecosystems"]] == [("PyPI", 1, 0)]


def test_another_place_can_be_named(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "elsewhere.db"
    assert main(["db", "update", "--ecosystem", "npm", "--database", str(other)]) == 0
    assert not path.exists()
    assert main(["db", "status", "--database", str(other)]) == 0
    assert "npm" in capsys.readouterr().out


def test_unreadable_advisories_and_lists_that_stay_behind_are_said(
    path: Path, state: OsvState, capsys: pytest.CaptureFixture[str]
) -> None:
    state.publish({**record("PYSEC-3", "PyPI"), "aliases": "CVE-2024-1"})
    state.broken["/kev.json"] = (404, b"")
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    said = capsys.readouterr().err
    assert "PyPI: 1 advisories could not be read and are not matched" in said
    assert "not fetched, the last one stays: kev: Unexpected status 404" in said
    assert main(["db", "status"]) == 0
    assert "1 unreadable" in capsys.readouterr().out


def test_a_list_that_is_switched_off_is_not_fetched(
    path: Path, state: OsvState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_DOCKERHUB_KEV_URL", "none")
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    assert (state.count("/kev.json"), state.count("/epss.csv.gz")) == (0, 1)


def test_an_archive_that_cannot_be_had_fails_and_says_why(
    path: Path, state: OsvState, capsys: pytest.CaptureFixture[str]
) -> None:
    state.broken["/npm/all.zip"] = (403, b"")
    assert main(["db", "update", "--ecosystem", "npm"]) == 1
    assert "Unexpected status 403, asked for the archive of npm" in capsys.readouterr().err
    assert not path.exists()


def test_without_a_database_there_is_no_status(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "status"]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["update"], "say what it is to hold"),
        (["update", "--ecosystem", "Cobol"], "no ecosystem 'Cobol'"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_what_is_missing(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["db", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["update", "status"])
def test_without_a_place_or_with_broken_settings_nothing_is_done(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.delenv("MCP_DOCKERHUB_DATABASE")
    assert main(["db", command]) == 2
    assert "--database FILE" in capsys.readouterr().err
    monkeypatch.setenv("MCP_DOCKERHUB_OSV_URL", "nowhere")
    assert main(["db", command]) == 2
    assert "MCP_DOCKERHUB_OSV_URL" in capsys.readouterr().err


def test_a_damaged_database_is_not_called_none(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"rubbish")
    assert main(["db", "update"]) == 1
    assert "is damaged. Delete the file and make it anew" in capsys.readouterr().err
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    assert list(LocalDatabase(path).archives()) == ["PyPI"]


def test_a_database_of_an_earlier_layout_is_built_anew_and_how_is_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA user_version = 1")
        old.commit()
    for command in (["status"], ["update"]):
        capsys.readouterr()
        assert main(["db", *command]) == 1
        assert "make it anew: mcp-dockerhub db update --ecosystem NAME." in capsys.readouterr().err
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    assert list(LocalDatabase(path).archives()) == ["PyPI"]


def test_an_update_that_is_stopped_says_so(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcp_dockerhub.db_cli._run", stopped)
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 1
    assert capsys.readouterr().err == "mcp-dockerhub: stopped: the database is what it was\n"


def test_a_status_that_cannot_be_written_is_a_failure_and_one_nobody_reads_is_none(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("sys.stdout", None)
    assert main(["db", "status"]) == 1
    assert capsys.readouterr().err == "mcp-dockerhub: standard output is closed.\n"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as pipe:
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(pipe, write_through=True))
        assert main(["db", "status"]) == 0


def test_a_place_that_cannot_be_a_database_is_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "update", "--ecosystem", "PyPI", "--database", str(path.parent)]) == 1
    assert "was not updated: Is a directory" in capsys.readouterr().err


def test_a_list_that_is_none_does_not_replace_the_one_that_is_held(
    path: Path, state: OsvState, capsys: pytest.CaptureFixture[str]
) -> None:
    def lists() -> dict[str, bytes]:
        with closing(sqlite3.connect(path)) as connection:
            return dict(connection.execute("SELECT name, body FROM feeds").fetchall())

    assert main(["db", "update", "--ecosystem", "PyPI"]) == 0
    held = lists()
    state.kev, state.epss = b"<html>sign in</html>", b""
    capsys.readouterr()
    assert main(["db", "update"]) == 0
    said = capsys.readouterr().err
    assert "not fetched, the last one stays: kev: " in said
    assert "not fetched, the last one stays: epss: " in said
    assert lists() == held
    assert held.keys() == {"kev", "epss"}
