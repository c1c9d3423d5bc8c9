"""Records are written together, waited for together, and kept until they can be written."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from mcp_dockerhub_security import audit
from mcp_dockerhub_security.audit import AuditHead, AuditLog, AuditOptions, AuditUnavailableError
from mcp_dockerhub_security.audit_chain import GENESIS
from mcp_dockerhub_security.audit_file import FileSink, StderrSink
from mcp_dockerhub_security.audit_segments import rotated
from mcp_dockerhub_security.audit_verify import verify
from tests.upstreams.audit_parts import WallClock, events, fragile, lines, public_keys, records, signer, write, written

pytestmark = pytest.mark.anyio


def test_each_record_continues_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    clock = WallClock()
    clock.pass_(milliseconds=123)
    log = AuditLog.open(path, instance="one", now=clock)
    log.append("outcome", {"tool": "t"})
    log.append("refusal", {"tool": "u"})
    first, second = records(path)
    assert first["time"] == "2026-11-21T09:00:00.123Z"
    assert (first["sequence"], first["previous"], first["event"], first["instance"]) == (1, GENESIS, "outcome", "one")
    assert (second["sequence"], second["previous"]) == (2, first["hash"])
    assert first["chain"] == second["chain"] == log.chain
    assert log.head == AuditHead(2, second["hash"])
    assert verify(path).intact
    log.close()


def test_the_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 1)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert path.exists()


def test_a_log_ends_with_a_checkpoint_and_one_that_says_nothing_new_has_no_more(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 2)
    assert events(path) == ["outcome", "outcome", "checkpoint"]
    assert records(path)[-1]["reason"] == "close"
    assert verify(path).closed
    AuditLog.open(path).close()
    assert len(records(path)) == 3
    write(path, 1)
    assert not verify(path).closed


async def test_records_of_one_turn_of_the_loop_are_written_at_once(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log")
    for number in range(50):
        log.append("outcome", {"number": number})
    assert (sink.writes, log.head.sequence) == (0, 0)
    await log.settle()
    assert (sink.writes, log.head.sequence) == (1, 50)
    assert verify(tmp_path / "audit.log").records == 50
    await log.settle()
    assert sink.syncs == 0
    log.close()


async def test_what_is_waited_for_is_written_and_a_cancelled_wait_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog.open(path)

    async def call() -> None:
        log.append("outcome", {"number": 0})
        await log.settle()

    waiting = asyncio.create_task(call())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    log.append("outcome", {"number": 1})
    await log.settle()
    assert [record["number"] for record in records(path)] == [0, 1]
    log.close()


async def test_those_who_wait_for_the_disk_share_a_sync(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log", fsync="always")

    async def call(number: int) -> None:
        log.append("outcome", {"number": number})
        await log.settle()
        assert log.synced >= next(
            record["sequence"] for record in records(tmp_path / "audit.log") if record["number"] == number
        )

    await asyncio.gather(*(call(number) for number in range(40)))
    assert sink.syncs < 5
    for number in range(40, 43):
        await call(number)
    assert sink.syncs >= 4
    log.close()


@pytest.mark.parametrize(("policy", "syncs"), [("intent", 0), ("interval", 0), ("always", 1)])
async def test_the_policy_says_what_is_on_the_disk(tmp_path: Path, policy: audit.FsyncPolicy, syncs: int) -> None:
    log, sink = fragile(tmp_path / "audit.log", fsync=policy)
    log.append("outcome", {})
    await log.settle()
    assert sink.syncs == syncs
    await log.sync()
    assert sink.syncs == 1
    assert log.synced == log.head.sequence == 1
    log.close()


async def test_a_full_disk_loses_nothing_while_memory_lasts(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log, sink = fragile(path)
    log.append("outcome", {"number": 0})
    await log.settle()
    sink.full = True
    for number in range(1, 4):
        log.append("outcome", {"number": number})
        with pytest.raises(AuditUnavailableError, match="No space left on device"):
            await log.settle()
    assert log.failing
    assert log.problem == "records cannot be written (No space left on device): 3 wait, 0 are lost"
    assert [record["number"] for record in records(path)] == [0]
    sink.full = False
    log.append("outcome", {"number": 4})
    await log.settle()
    assert not log.failing
    assert log.problem is None
    assert [record["number"] for record in records(path)] == [0, 1, 2, 3, 4]
    assert verify(path).intact
    log.close()


async def test_what_little_room_there_is_gets_used(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log, sink = fragile(path)
    sink.full = True
    for number in range(10):
        log.append("outcome", {"number": number})
    with pytest.raises(AuditUnavailableError):
        await log.settle()
    sink.room = 800
    with pytest.raises(AuditUnavailableError):
        log.flush()
    assert [record["number"] for record in records(path)] == [0, 1]
    sink.full = False
    log.flush()
    assert [record["number"] for record in records(path)] == list(range(10))
    log.close()
    assert verify(path).closed


async def test_what_memory_cannot_hold_is_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_WAITING", 3)
    path = tmp_path / "audit.log"
    log, sink = fragile(path)
    sink.full = True
    for number in range(5):
        log.append("outcome", {"number": number})
        with pytest.raises(AuditUnavailableError):
            await log.settle()
    assert log.lost == 2
    sink.full = False
    log.flush()
    assert [(record["number"], record.get("lost")) for record in records(path)] == [(2, 2), (3, None), (4, None)]
    report = verify(path)
    assert report.intact
    assert report.lost == 2
    assert "2 records that it could not write" in report.text
    log.close()


async def test_a_sync_that_failed_is_not_believed_later(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log, sink = fragile(path)
    log.append("intent", {"number": 0})
    await log.sync()
    sink.sync_fails = True
    log.append("intent", {"number": 1})
    with pytest.raises(AuditUnavailableError, match="Input/output"):
        await log.sync()
    assert log.failing
    assert log.problem == "records may not be on the disk: a sync failed"
    assert log.synced == 1
    sink.sync_fails = False
    log.append("intent", {"number": 2})
    await log.sync()
    assert not log.failing
    # What the failed sync was for is said to be in doubt, in a new file.
    (old,) = rotated(path)
    assert events(old.path) == ["intent", "intent", "intent", "checkpoint"]
    assert [(record["event"], record["first"], record["last"]) for record in records(path)] == [("sync_failed", 2, 4)]
    log.close()
    assert verify(path).intact


async def test_a_rotation_does_not_hide_that_a_sync_failed(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log, sink = fragile(path, max_bytes=2_000)
    sink.sync_fails = True
    for number in range(6):
        log.append("intent", {"number": number})
    with pytest.raises(AuditUnavailableError):
        await log.sync()
    # The rotation that was due could not be made for the same reason.
    assert rotated(path) == []
    assert log.failing
    sink.sync_fails = False
    for number in range(6):
        log.append("intent", {"number": number})
    await log.settle()
    assert [segment.first for segment in rotated(path)] == [1]
    assert events(path)[0] == "sync_failed"
    await log.sync()
    assert not log.failing
    log.close()
    assert verify(path).intact


async def test_everybody_who_waits_for_a_sync_learns_that_it_failed(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log")
    sink.sync_fails = True
    log.append("intent", {})
    failures = await asyncio.gather(*(log.sync() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(failure, AuditUnavailableError) for failure in failures)
    sink.sync_fails = False
    log.close()


async def test_a_sync_outlives_those_who_wait_for_it(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log")
    log.append("intent", {})
    task = asyncio.create_task(log.sync())
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await log.sync()
    assert log.synced == 1
    assert sink.syncs == 1
    log.close()


async def test_those_who_watch_are_told_of_each_record_and_each_failure(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log")
    told: list[str] = []

    def watch(event: str, seconds: float) -> None:
        assert seconds >= 0
        told.append(event)

    log.watch(watch)
    log.append("outcome", {})
    log.append("intent", {}, watched=False)
    await log.settle()
    sink.full = True
    log.append("refusal", {})
    with pytest.raises(AuditUnavailableError):
        await log.settle()
    sink.full = False
    log.flush()
    assert told == ["outcome", "failed", "refusal"]
    log.close()


async def test_without_a_file_the_last_records_are_in_memory() -> None:
    log = AuditLog.open("")
    for number in range(1_200):
        log.append("outcome", {"number": number})
    await log.settle()
    await log.sync()
    assert [record["number"] for record in log.tail(2)] == [1_198, 1_199]
    assert len(log.tail(5_000)) == 1_000
    assert not log.failing
    assert log.path is None
    log.close()


async def test_a_dash_is_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    log = AuditLog.open("-", instance="one", options=AuditOptions(signer=signer()))
    log.append("outcome", {"tool": "t"})
    await log.settle()
    await log.sync()
    log.close()
    shown = capfd.readouterr()
    outcome, checkpoint = map(json.loads, shown.err.splitlines())
    assert outcome["tool"] == "t"
    assert public_keys().signed(checkpoint)
    assert shown.out == ""


def test_stderr_takes_a_line_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []

    def slowly(descriptor: int, data: memoryview) -> int:
        assert descriptor == 2
        taken.append(bytes(data[:3]))
        return min(3, len(data))

    monkeypatch.setattr(os, "write", slowly)
    sink = StderrSink()
    sink.write(b"whole line\n")
    sink.rotate("20261121")
    sink.close()
    assert b"".join(taken) == b"whole line\n"


def test_a_checkpoint_is_written_after_so_many_records(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = write(path, 7, options=AuditOptions(checkpoint_records=3, signer=signer()))
    found = [(record["sequence"], record.get("reason")) for record in records(path)]
    assert [entry for entry in found if entry[1]] == [(4, "records"), (8, "records")]
    assert all(public_keys().signed(record) for record in records(path) if record["event"] == "checkpoint")
    log.close()


def test_a_checkpoint_is_due_after_some_time_if_there_is_news(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.log", WallClock()
    log = AuditLog.open(path, now=clock)
    clock.pass_(minutes=5)
    log.checkpoint_if_due()
    log.append("outcome", {})
    log.checkpoint_if_due()
    clock.pass_(seconds=30)
    log.checkpoint_if_due()
    clock.pass_(seconds=30)
    log.checkpoint_if_due()
    # The log was opened five minutes ago, so the first record made one due.
    assert events(path) == ["outcome", "checkpoint"]
    log.append("outcome", {})
    log.checkpoint_if_due()
    clock.pass_(seconds=60)
    log.checkpoint_if_due()
    log.checkpoint_if_due()
    assert events(path) == ["outcome", "checkpoint", "outcome", "checkpoint"]
    log.close()


async def test_checkpoints_are_noted_beside_the_log_once_they_are_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog.open(path, options=AuditOptions(checkpoint_records=2))
    for _ in range(2):
        log.append("outcome", {})
    await log.settle()
    notes = tmp_path / "audit.log.checkpoints"
    assert log.has_unnoted
    assert not notes.exists()
    await log.sync()
    assert not log.has_unnoted
    assert lines(notes) == lines(path)[-1:]
    log.close()


async def test_a_note_that_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    path, notes = tmp_path / "audit.log", tmp_path / "audit.log.checkpoints"
    log = AuditLog.open(path, options=AuditOptions(checkpoint_records=1))
    notes.mkdir()
    log.append("outcome", {})
    await log.sync()
    assert log.has_unnoted
    notes.rmdir()
    # As a disk that filled up would have left it.
    notes.write_bytes(b'{"half a li')
    log.append("outcome", {})
    await log.sync()
    checkpoints = [line for line in lines(path) if b'"event":"checkpoint"' in line]
    assert lines(notes) == [b'{"half a li\n', *checkpoints]
    assert len(checkpoints) == 2
    log.close()
    assert verify(path).intact


def test_what_comes_after_the_end_is_not_written_anywhere(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", 1)
    log.close()
    with (tmp_path / "other").open("wb") as other:
        log.append("outcome", {})
        assert log.failing
        other.write(b"mine")
    assert (tmp_path / "other").read_bytes() == b"mine"
    assert events(tmp_path / "audit.log") == ["outcome", "checkpoint"]


def test_each_loop_gets_its_records_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog.open(path)

    async def append_only() -> None:
        log.append("outcome", {})

    async def append_and_wait() -> None:
        log.append("outcome", {})
        await log.settle()

    asyncio.run(append_only())
    asyncio.run(append_and_wait())
    assert len(records(path)) == 2
    log.close()


def test_a_log_that_cannot_be_closed_properly_is_closed(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log")
    log.append("outcome", {})
    sink.full = True
    log.close()
    assert events(tmp_path / "audit.log") == ["outcome"]
    again = FileSink.open(tmp_path / "audit.log")
    assert again.path == tmp_path / "audit.log"
    again.close()
