"""A log's files: one writer each, continued after a crash, rotated without losing the chain, deleted by retention."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from mcp_dockerhub_security import audit_segments
from mcp_dockerhub_security.audit import AuditLog, AuditOptions, AuditUnavailableError
from mcp_dockerhub_security.audit_chain import MAX_LINE
from mcp_dockerhub_security.audit_file import FileSink
from mcp_dockerhub_security.audit_keeper import prune
from mcp_dockerhub_security.audit_notes import CheckpointNotes
from mcp_dockerhub_security.audit_segments import files, last_record, lines_backwards, rotated, writer_paths
from mcp_dockerhub_security.audit_verify import verify
from tests.upstreams.audit_parts import WallClock, events, lines, records, write, written

pytestmark = pytest.mark.anyio


def test_a_restart_continues_sequence_and_chain(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 3)
    written(path, 1)
    assert [record["sequence"] for record in records(path)] == [1, 2, 3, 4, 5, 6]
    assert len({record["chain"] for record in records(path)}) == 1
    assert verify(path).intact
    assert verify(path).recovered == 0


@pytest.mark.parametrize("torn", [b'{"sequence":4,"ev', b"\x00" * 300, b"x"])
def test_a_torn_last_line_is_set_aside_and_the_chain_continues(tmp_path: Path, torn: bytes) -> None:
    path = written(tmp_path / "audit.log", 2)
    with path.open("ab") as file:
        file.write(torn)
    assert verify(path).kind == "torn"
    written(path, 1)
    report = verify(path)
    assert report.intact
    assert report.recovered == 1
    assert "An incomplete end was found by 1 restart(s)" in report.text
    assert (tmp_path / "audit.log.torn").read_bytes() == torn + b"\n"
    recovered = records(path)[3]
    assert (recovered["event"], recovered["kind"], recovered["bytes"]) == ("recovered", "torn", len(torn))


def test_a_file_that_is_all_torn_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"half')
    AuditLog.open(path).close()
    assert events(path) == ["recovered", "checkpoint"]
    assert verify(path).intact


@pytest.mark.parametrize("damage", [b"not json\n", b'{"sequence":"x"}\n', b"[" * 40_000 + b"\n", b"\n\n"])
def test_a_log_that_cannot_be_continued_is_kept_as_evidence_and_reported(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "audit.log"
    clock = WallClock()
    log = AuditLog.open(path, now=clock)
    log.append("outcome", {})
    clock.pass_(days=1)
    log.append("outcome", {})
    log.close()
    with path.open("ab") as file:
        file.write(damage)
    written(path, 1)
    assert rotated(path) == []
    aside = {file.name.rpartition("-")[0]: file for file in tmp_path.glob("*.damaged-*")}
    assert set(aside) == {
        "audit.log.damaged",
        "audit.log.checkpoints.damaged",
        "audit.log.20261121-000000000001.damaged",
    }
    assert aside["audit.log.damaged"].read_bytes().endswith(damage)
    first = records(path)[0]
    assert (first["event"], first["kind"], first["aside"]) == ("recovered", "damaged", aside["audit.log.damaged"].name)
    report = verify(path)
    assert (report.intact, report.kind, report.records) == (False, "damaged", 3)
    assert aside["audit.log.damaged"].name in report.text


def test_an_unusable_first_line_stops_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 2)
    content = lines(path)
    path.write_bytes(b"".join([b"{}\n", *content[1:]]))
    written(path, 1)
    assert len(records(path)) == 5
    assert verify(path).line == 1


def test_a_second_process_writes_a_chain_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    first, second, third = write(path, 2), write(path, 1), write(path, 1)
    second.close()
    fourth = write(path, 1)
    paths = writer_paths(path)
    assert [(file.name, len(lines(file))) for file in paths] == [
        ("audit.log", 2),
        ("audit.log.2", 3),
        ("audit.log.3", 1),
    ]
    assert len({verify(file).chain for file in paths}) == 3
    assert all(verify(file).intact for file in paths)
    for log in (first, third, fourth):
        log.close()


def test_too_many_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_segments, "MAX_WRITERS", 2)
    logs = [write(tmp_path / "audit.log", 1) for _ in range(2)]
    with pytest.raises(OSError, match="2 processes"):
        AuditLog.open(tmp_path / "audit.log")
    for log in logs:
        log.close()


@pytest.mark.parametrize("kind", ["directory", "fifo", "link", "nowhere"])
def test_only_a_regular_file_is_opened_and_a_failure_frees_the_lock(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "audit.log"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path = tmp_path / "missing" / "audit.log"
    for _ in range(2):
        with pytest.raises(OSError, match=r"regular|directory|symbolic|No such"):
            AuditLog.open(path)


def test_a_lock_that_cannot_be_taken_for_another_reason_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("mcp_dockerhub_security.audit_file.fcntl.flock", failing)
    with pytest.raises(OSError, match="No locks"):
        AuditLog.open(tmp_path / "audit.log")


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
        log.append("outcome", {})
        assert log.failing
    assert path.read_bytes() == before
    log.append("outcome", {})
    assert not log.failing
    assert verify(path).records == 4
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
        log.append("outcome", {})
        assert log.failing
    assert not path.read_bytes().endswith(b"\n")
    sink = log._sink
    assert sink is not None
    with pytest.raises(OSError, match="undone"):
        sink.rotate("20261121")
    log.append("outcome", {})
    assert verify(path).intact
    assert verify(path).records == 3
    log.close()


# Rotation


def test_a_file_that_is_big_enough_is_rotated_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    written(path, 40, options=AuditOptions(max_bytes=4_000))
    older = rotated(path)
    assert len(older) >= 2
    assert all(segment.path.stat().st_size < 5_000 for segment in older)
    assert [records(segment.path)[0]["sequence"] for segment in older] == [segment.first for segment in older]
    assert all(records(segment.path)[-1]["reason"] == "rotation" for segment in older)
    everything = [record["sequence"] for file in files(path) for record in records(file)]
    assert everything == list(range(1, len(everything) + 1))
    report = verify(path)
    assert (report.intact, report.files, report.records) == (True, len(older) + 1, len(everything))
    written(path, 40, options=AuditOptions(max_bytes=4_000))
    assert verify(path).intact


def test_each_day_has_files_of_its_own(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.log", WallClock()
    log = AuditLog.open(path, now=clock)
    log.append("outcome", {"day": 1})
    clock.pass_(hours=14.9)
    log.append("outcome", {"day": 1})
    clock.pass_(hours=0.2)
    log.append("outcome", {"day": 2})
    log.close()
    clock.pass_(days=3)
    log = AuditLog.open(path, now=clock)
    log.append("outcome", {"day": 5})
    log.close()
    assert [segment.path.name for segment in rotated(path)] == [
        "audit.log.20261121-000000000001",
        "audit.log.20261122-000000000004",
    ]
    assert [record.get("day") for record in records(path)] == [5, None]
    assert verify(path).intact


def test_the_checkpoints_beside_the_log_are_one_for_each_rotated_file_and_those_of_the_current(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    written(path, 60, options=AuditOptions(max_bytes=6_000, checkpoint_records=5))
    noted = [record["reason"] for record in records(tmp_path / "audit.log.checkpoints")]
    older = len(rotated(path))
    assert noted[:older] == ["rotation"] * older
    assert set(noted[older:]) <= {"records", "close"}
    assert noted[-1] == "close"


@pytest.mark.parametrize("after", ["both renames", "the first rename"])
def test_a_crash_between_two_files_loses_nothing(tmp_path: Path, after: str) -> None:
    path = tmp_path / "audit.log"
    written(path, 3)
    path.rename(audit_segments.rotated_path(path, "20261121", 1))
    if after == "both renames":
        path.touch()
    assert verify(path).records == 4
    written(path, 1)
    assert [record["sequence"] for record in records(path)] == [5, 6]
    assert verify(path).intact


@pytest.mark.parametrize("failing", ["open", "first", "second"])
def test_a_rotation_that_fails_goes_on_with_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 1, options=AuditOptions(max_bytes=2_000))
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if failing == ("second" if self.name.endswith(".new") else "first"):
            raise OSError(5, "Input/output error")
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        if failing == "open":
            (tmp_path / "audit.log.new").mkdir()
        for _ in range(8):
            log.append("outcome", {})
        assert not log.failing
    assert rotated(path) == []
    # It is not tried with every record, and each attempt leaves a checkpoint.
    assert events(path).count("checkpoint") < 4
    assert verify(path).intact
    if failing == "open":
        (tmp_path / "audit.log.new").rmdir()
    for _ in range(8):
        log.append("outcome", {})
    assert len(rotated(path)) == 1
    log.close()
    assert verify(path).intact


def test_a_damaged_rotated_file_begins_a_new_chain_only_where_it_must_be_continued(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    written(path, 3)
    aside = audit_segments.rotated_path(path, "20261121", 1)
    path.rename(aside)
    aside.write_bytes(b"".join(lines(aside)[:-1]) + b"{}\n")
    written(path, 1)
    assert records(path)[0]["kind"] == "damaged"
    assert records(path)[0]["sequence"] == 1
    assert rotated(path) == []


def test_files_of_others_are_not_of_this_log(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 1)
    for name in ("audit.log.2", "audit.log.20261121", "audit.log.20261121-1", "audit.log.20261121-000000000001.gz"):
        (tmp_path / name).touch()
    assert files(path) == [path]
    assert rotated(tmp_path / "missing" / "audit.log") == []


def test_notes_that_are_written_in_part_are_not_taken_for_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    notes = CheckpointNotes(tmp_path / "audit.log")
    notes.add(b'{"reason":"rotation"}\n')
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:-5]))
        with pytest.raises(OSError, match="No space"):
            notes.add(b'{"reason":"close"}\n')
        with pytest.raises(OSError, match="No space"):
            notes.compact()
    assert notes.path.read_bytes() == b'{"reason":"rotation"}\n{"reason":"clo'
    notes.compact()
    assert notes.path.read_bytes() == b'{"reason":"rotation"}\n'


# Retention


async def old_log(path: Path, days: int = 3) -> tuple[AuditLog, WallClock]:
    clock = WallClock()
    log = AuditLog.open(path, now=clock)
    for day in range(days):
        log.append("outcome", {"day": day})
        await log.settle()
        clock.pass_(days=1)
    log.append("outcome", {"day": days})
    await log.settle()
    return log, clock


async def test_retention_deletes_whole_old_files_and_says_so_first(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log, clock = await old_log(path)
    assert len(rotated(path)) == 3
    assert await prune(log, clock() - timedelta(days=1)) == 2
    assert [segment.day for segment in rotated(path)] == ["20261123"]
    pruned = records(path)[-1]
    assert (pruned["event"], pruned["last"], len(pruned["files"])) == ("pruned", 4, 2)
    assert await prune(log, clock() - timedelta(days=1)) == 0
    log.close()
    report = verify(path)
    assert report.intact
    assert report.pruned == 4
    assert "Retention deleted what was before: 4 records." in report.text
    written(path, 1)
    assert verify(path).intact


async def test_retention_keeps_what_no_kept_checkpoint_stands_for(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log, clock = await old_log(path)
    notes = tmp_path / "audit.log.checkpoints"
    notes.write_bytes(b"".join(lines(notes)[1:]))
    assert await prune(log, clock()) == 0
    log.close()


async def test_retention_deletes_nothing_that_the_chain_cannot_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    log, clock = await old_log(path)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(AuditUnavailableError):
            await prune(log, clock())
    assert len(rotated(path)) == 3
    log.close()


async def test_a_log_without_a_file_has_nothing_to_delete() -> None:
    assert await prune(AuditLog.open(""), WallClock()()) == 0


# Reading


@pytest.mark.parametrize("read", [lines_backwards, lambda path: iter(lines(path))])
def test_lines_are_read_from_either_end(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "some.log"
    content = [b"%d%s\n" % (number, b"x" * (number * 997 % 5_000)) for number in range(120)]
    path.write_bytes(b"".join(content))
    assert list(lines_backwards(path)) == content[::-1]
    path.write_bytes(b"".join(content) + b"torn")
    assert list(lines_backwards(path)) == content[::-1]
    path.write_bytes(b"torn")
    assert list(lines_backwards(path)) == []
    assert last_record(path) is None


def test_a_line_too_long_to_be_one_ends_reading_backwards(tmp_path: Path) -> None:
    path = tmp_path / "some.log"
    path.write_bytes(b"good\n" + b"x" * (3 * MAX_LINE) + b"\nlast\n")
    found = list(lines_backwards(path))
    assert found[0] == b"last\n"
    assert len(found) == 2
    assert len(found[1]) > MAX_LINE
    with pytest.raises(ValueError, match="is not"):
        last_record(path)


def test_the_lock_outlives_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 30, options=AuditOptions(max_bytes=2_000))
    assert rotated(path)
    other = FileSink.open(path)
    assert other.path.name == "audit.log.2"
    other.close()
    log.close()
