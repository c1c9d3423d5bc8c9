"""The log continues, survives crashes and full disks, and proves what happened to it."""

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_dockerhub_security import audit_file
from mcp_dockerhub_security.audit import AuditHead, AuditLog, AuditUnavailableError, verify
from mcp_dockerhub_security.audit_chain import GENESIS, MAX_LINE, seal
from mcp_dockerhub_security.audit_file import FileSink, StderrSink

pytestmark = pytest.mark.anyio


def write(path: Path, count: int, **fields: Any) -> AuditLog:
    log = AuditLog.open(path, instance="one")
    for number in range(count):
        log.append("outcome", {"number": number, **fields})
    return log


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


class BrokenSink:
    """A disk with so much room, and a sync that may fail."""

    def __init__(self, room: int = 0, *, sync_fails: bool = False) -> None:
        self.room = room
        self.sync_fails = sync_fails
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        if self.room == 0:
            raise OSError(28, "No space left on device")
        self.room -= 1
        self.lines.append(line)

    def sync(self) -> None:
        if self.sync_fails:
            raise OSError(5, "Input/output error")

    def close(self) -> None:
        self.room = 0


def test_each_record_continues_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    moment = datetime(2026, 11, 21, 9, 0, 0, 123_000, tzinfo=UTC)
    sink = FileSink.open(path)
    log = AuditLog(sink, instance="one", now=lambda: moment)
    log.append("outcome", {"tool": "t"})
    log.append("refusal", {"tool": "u"})
    first, second = records(path)
    assert first["time"] == "2026-11-21T09:00:00.123Z"
    assert (first["sequence"], first["previous"], first["event"], first["instance"]) == (1, GENESIS, "outcome", "one")
    assert (second["sequence"], second["previous"]) == (2, first["hash"])
    assert log.head == AuditHead(2, second["hash"])
    assert verify(path).intact


def test_the_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_restart_continues_sequence_and_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write(path, 3).close()
    log = AuditLog.open(path)
    log.append("outcome", {})
    log.close()
    assert [record["sequence"] for record in records(path)] == [1, 2, 3, 4]
    assert verify(path).intact
    assert verify(path).recovered == 0


@pytest.mark.parametrize("torn", [b'{"sequence":4,"ev', b"\x00" * 300, b"x"])
def test_a_torn_last_line_is_set_aside_and_the_chain_continues(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "audit.log"
    write(path, 3).close()
    with path.open("ab") as file:
        file.write(torn)
    assert verify(path).kind == "torn"
    log = AuditLog.open(path)
    log.append("outcome", {})
    log.close()
    report = verify(path)
    assert report.intact
    assert report.recovered == 1
    assert (tmp_path / "audit.log.torn").read_bytes() == torn + b"\n"
    recovered = records(path)[3]
    assert (recovered["event"], recovered["kind"], recovered["bytes"]) == ("recovered", "torn", len(torn))


def test_a_file_that_is_all_torn_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"half')
    AuditLog.open(path).close()
    assert [record["event"] for record in records(path)] == ["recovered"]
    assert verify(path).intact


@pytest.mark.parametrize("damage", [b"not json\n", b'{"sequence":"x"}\n', b"[" * 40_000 + b"\n", b"\n\n"])
def test_a_file_that_cannot_be_continued_is_kept_as_evidence(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "audit.log"
    write(path, 2).close()
    with path.open("ab") as file:
        file.write(damage)
    log = AuditLog.open(path)
    log.append("outcome", {})
    log.close()
    (aside,) = tmp_path.glob("audit.log.damaged-*")
    assert aside.read_bytes().endswith(damage)
    first = records(path)[0]
    assert (first["event"], first["kind"], first["aside"]) == ("recovered", "damaged", aside.name)
    assert verify(path).intact


def test_a_second_process_writes_a_chain_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    first = write(path, 2)
    second = write(path, 1)
    third = write(path, 1)
    second.close()
    fourth = write(path, 1)
    assert [len(lines(path.with_name(f"audit.log{suffix}"))) for suffix in ("", ".2", ".3")] == [2, 2, 1]
    assert all(verify(file).intact for file in tmp_path.iterdir())
    for log in (first, third, fourth):
        log.close()


def test_too_many_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_file, "MAX_WRITERS", 2)
    logs = [write(tmp_path / "audit.log", 1) for _ in range(2)]
    with pytest.raises(OSError, match="2 processes"):
        AuditLog.open(tmp_path / "audit.log")
    for log in logs:
        log.close()


@pytest.mark.parametrize("kind", ["directory", "fifo", "link", "nowhere"])
def test_only_a_regular_file_is_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "audit.log"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path = tmp_path / "missing" / "audit.log"
    with pytest.raises(OSError, match=r"regular|directory|symbolic|No such"):
        AuditLog.open(path)


def test_a_write_that_stops_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 2)
    before = path.read_bytes()
    real = os.write
    calls = 0

    def full(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return real(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(AuditUnavailableError, match="No space"):
            log.append("outcome", {})
    assert path.read_bytes() == before
    assert log.failing
    assert log.lost == 1
    log.append("outcome", {})
    assert not log.failing
    assert records(path)[-1]["lost"] == 1
    report = verify(path)
    assert report.intact
    assert report.lost == 1
    log.close()


def test_what_could_not_be_undone_is_undone_before_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 1)
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:-50])

    def stuck(descriptor: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        patch.setattr(os, "ftruncate", stuck)
        with pytest.raises(AuditUnavailableError):
            log.append("outcome", {})
    assert not path.read_bytes().endswith(b"\n")
    log.append("outcome", {})
    assert verify(path).intact
    assert verify(path).records == 2
    log.close()


async def test_a_failing_sync_is_seen_until_one_succeeds() -> None:
    sink = BrokenSink(10, sync_fails=True)
    log = AuditLog(sink)
    log.append("intent", {})
    with pytest.raises(AuditUnavailableError, match="Input/output"):
        await log.sync()
    assert log.failing
    sink.sync_fails = False
    await log.sync()
    assert not log.failing


def test_every_lost_record_is_counted_until_one_is_written() -> None:
    sink = BrokenSink(0)
    log = AuditLog(sink)
    for _ in range(3):
        with pytest.raises(AuditUnavailableError):
            log.append("outcome", {})
    sink.room = 1
    log.append("outcome", {})
    record = json.loads(sink.lines[0])
    assert (record["lost"], record["sequence"], record["previous"]) == (3, 1, GENESIS)


async def test_without_a_file_the_last_records_are_in_memory() -> None:
    log = AuditLog.open("")
    for number in range(1_200):
        log.append("outcome", {"number": number})
    await log.sync()
    assert [record["number"] for record in log.tail(2)] == [1_198, 1_199]
    assert len(log.tail(5_000)) == 1_000
    assert not log.failing
    log.close()


async def test_a_dash_is_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    log = AuditLog.open("-", instance="one")
    log.append("outcome", {"tool": "t"})
    await log.sync()
    log.close()
    shown = capfd.readouterr()
    assert json.loads(shown.err)["tool"] == "t"
    assert shown.out == ""


def test_stderr_takes_a_line_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    def slowly(descriptor: int, data: memoryview) -> int:
        assert descriptor == 2
        written.append(bytes(data[:3]))
        return min(3, len(data))

    monkeypatch.setattr(os, "write", slowly)
    StderrSink().write(b"whole line\n")
    assert b"".join(written) == b"whole line\n"


def _edit(content: list[bytes]) -> list[bytes]:
    return [*content[:2], content[2].replace(b'"number":2', b'"number":7'), *content[3:]]


def _edit_with_hash(content: list[bytes]) -> list[bytes]:
    record = json.loads(content[2])
    del record["hash"]
    record["number"] = 7
    return [*content[:2], seal(record)[0], *content[3:]]


def _insert(content: list[bytes]) -> list[bytes]:
    record = json.loads(content[2])
    forged = seal({"number": 9, "event": "outcome", "sequence": 4, "previous": record["hash"]})[0]
    return [*content[:3], forged, *content[3:]]


def _respell(content: list[bytes]) -> list[bytes]:
    return [*content[:2], content[2].replace(b'"number":2', b'"number": 2'), *content[3:]]


@pytest.mark.parametrize(
    ("tamper", "kind", "line"),
    [
        (_edit, "edited", 3),
        (_edit_with_hash, "edited", 4),
        (_respell, "edited", 3),
        (lambda content: [*content[:2], b"garbage\n", *content[3:]], "edited", 3),
        (lambda content: [*content[:2], *content[3:]], "deleted", 3),
        (lambda content: content[1:], "deleted", 1),
        (_insert, "inserted", 5),
        (lambda content: [*content[:3], content[2], *content[3:]], "inserted", 4),
        (lambda content: [content[0], content[2], content[1], *content[3:]], "reordered", 2),
        (lambda content: [content[0], content[2], b"noise\n", content[1], *content[3:]], "reordered", 2),
        (lambda content: [*content[:4], content[4][:-10]], "torn", 5),
        (lambda content: [*content[:2], b"x" * (MAX_LINE + 1) + b"\n", *content[2:]], "unreadable", 3),
    ],
)
def test_tampering_is_found_and_the_first_bad_record_named(
    tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]], kind: str, line: int
) -> None:
    path = tmp_path / "audit.log"
    write(path, 5).close()
    path.write_bytes(b"".join(tamper(lines(path))))
    report = verify(path)
    assert not report.intact
    assert (report.kind, report.line) == (kind, line)
    assert f"NOT INTACT: line {line}" in report.text
    assert report.records == line - 1


def test_an_intact_log_reports_its_head_and_what_no_chain_can_prove(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 5)
    log.close()
    report = verify(path)
    assert (report.records, report.head_sequence, report.head_digest) == (5, 5, log.head.digest)
    assert log.head.digest in report.text
    assert "cannot prove" in report.text
    path.write_bytes(b"".join(lines(path)[:3]))
    assert verify(path).intact
    assert verify(path).head_sequence == 3


def test_the_report_tells_of_losses_and_recoveries(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write(path, 1, lost=4).close()
    with path.open("ab") as file:
        file.write(b"torn")
    AuditLog.open(path).close()
    text = verify(path).text
    assert "4 records that it could not write" in text
    assert "1 restart(s)" in text


def test_an_empty_log_is_intact(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    assert verify(path).intact
    assert verify(path).records == 0
