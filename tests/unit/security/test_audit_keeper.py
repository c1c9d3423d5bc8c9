"""While nobody calls: the disk is synced, checkpoints are written, heads anchored, old files deleted."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcp_dockerhub_security import audit_keeper
from mcp_dockerhub_security.audit import AuditHead, AuditLog, AuditOptions
from mcp_dockerhub_security.audit_keeper import AuditKeeper
from mcp_dockerhub_security.audit_segments import rotated
from mcp_dockerhub_security.audit_verify import Anchor, verify
from tests.upstreams.audit_parts import WallClock, events, fragile, records, written

pytestmark = pytest.mark.anyio


@dataclass
class Elsewhere:
    """Keeps heads, or cannot."""

    heads: dict[str, Anchor] = field(default_factory=dict)
    stored: int = 0
    down: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def store(self, chain: str, head: AuditHead, *, time: str, instance: str, file: str) -> None:
        if self.down:
            raise ConnectionError
        self.stored += 1
        self.changed.set()
        self.heads[chain] = Anchor(head.sequence, head.digest, time, instance, file)

    async def find(self, chain: str) -> Anchor | None:
        if self.down:
            raise ConnectionError
        return self.heads.get(chain)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_keeper, "ANCHOR_EVERY", 1)
    monkeypatch.setattr(audit_keeper, "PRUNE_EVERY", 1)


@pytest.mark.parametrize(("policy", "syncs"), [("intent", 0), ("interval", 1)])
async def test_an_interval_brings_everything_to_the_disk(tmp_path: Path, policy: str, syncs: int) -> None:
    log, sink = fragile(tmp_path / "audit.log", fsync=policy)
    keeper = AuditKeeper([log])
    log.append("outcome", {})
    await keeper.look()
    await keeper.look()
    assert sink.syncs == syncs
    await keeper.finish()


async def test_a_checkpoint_that_is_due_is_written_and_noted(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.log", WallClock()
    log = AuditLog.open(path, now=clock)
    keeper = AuditKeeper([log])
    log.append("outcome", {})
    await keeper.look()
    assert events(path) == ["outcome"]
    clock.pass_(minutes=2)
    await keeper.look()
    assert events(path) == ["outcome", "checkpoint"]
    assert records(tmp_path / "audit.log.checkpoints") == records(path)[1:]
    await keeper.finish()


async def test_a_disk_that_has_room_again_gets_what_waited(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log")
    keeper = AuditKeeper([log])
    sink.full = True
    log.append("outcome", {})
    await keeper.look()
    assert log.failing
    sink.full = False
    await keeper.look()
    assert not log.failing
    assert events(tmp_path / "audit.log") == ["outcome"]
    await keeper.finish()


async def test_heads_are_anchored_when_they_change_and_only_what_is_on_the_disk(tmp_path: Path) -> None:
    log, sink = fragile(tmp_path / "audit.log")
    elsewhere = Elsewhere()
    keeper = AuditKeeper([log], anchors=elsewhere)
    await keeper.look()
    assert elsewhere.heads == {}
    log.append("outcome", {})
    await keeper.look()
    await keeper.look()
    assert elsewhere.stored == 1
    anchor = elsewhere.heads[log.chain]
    assert (anchor.sequence, anchor.digest, anchor.file) == (1, log.head.digest, "audit.log")
    assert log.synced == 1
    sink.sync_fails = True
    log.append("outcome", {})
    await keeper.look()
    assert elsewhere.heads[log.chain].sequence == 1
    sink.sync_fails = False
    await keeper.finish()
    assert elsewhere.heads[log.chain].sequence == log.head.sequence
    assert verify(tmp_path / "audit.log", anchors=elsewhere.heads).satisfies


async def test_an_anchor_that_knows_more_than_the_log_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    elsewhere = Elsewhere()
    log = AuditLog.open(path)
    for _ in range(4):
        log.append("outcome", {})
    await AuditKeeper([log], anchors=elsewhere).finish()
    # Cut off with its checkpoints, so that only the anchor knows.
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    (tmp_path / "audit.log.checkpoints").unlink()
    assert verify(path).intact
    assert verify(path, anchors=elsewhere.heads).kind == "truncated"
    log = AuditLog.open(path)
    keeper = AuditKeeper([log], anchors=elsewhere)
    await keeper.look()
    await keeper.look()
    await keeper.finish()
    assert events(path) == ["outcome", "outcome", "missing", "checkpoint"]
    assert records(path)[2]["source"] == "anchor"
    report = verify(path, anchors=elsewhere.heads)
    assert (report.kind, report.line) == ("truncated", 3)


async def test_anchors_that_cannot_be_kept_stop_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    elsewhere = Elsewhere(down=True)
    log = AuditLog.open(path, options=AuditOptions(checkpoint_seconds=0))
    keeper = AuditKeeper([log, AuditLog.open("")], anchors=elsewhere)
    log.append("outcome", {})
    await keeper.look()
    assert events(path) == ["outcome", "checkpoint"]
    elsewhere.down = False
    await keeper.look()
    assert elsewhere.heads[log.chain].sequence == 2
    elsewhere.down = True
    await keeper.finish()
    assert verify(path).closed


async def test_old_files_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock = tmp_path / "audit.log", WallClock()
    log = AuditLog.open(path, now=clock)
    log.append("outcome", {})
    await log.settle()
    clock.pass_(days=1)
    log.append("outcome", {})
    await log.settle()
    assert len(rotated(path)) == 1
    # The clock of the log is in the past or the future of the machine's; both are far from each other.
    (segment,) = rotated(path)
    old = segment.path.with_name("audit.log.20010101-000000000001")
    segment.path.rename(old)
    await AuditKeeper([log]).look()
    assert old.exists()
    keeper = AuditKeeper([log], retention_days=30)
    await keeper.look()
    assert not old.exists()
    assert events(path)[-1] == "pruned"
    await keeper.finish()
    assert verify(path).intact


async def test_it_looks_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_keeper, "INTERVAL", 0)
    log = AuditLog.open(tmp_path / "audit.log", options=AuditOptions(checkpoint_seconds=0))
    elsewhere = Elsewhere()
    task = asyncio.create_task(AuditKeeper([log], anchors=elsewhere).run())
    async with asyncio.timeout(10):
        for number in range(3):
            elsewhere.changed.clear()
            log.append("outcome", {"number": number})
            await elsewhere.changed.wait()
    assert elsewhere.stored >= 3
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    log.close()


def test_a_start_counts_from_what_was_there(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.log", 2)
    log = AuditLog.open(path)
    assert log.opened_at.sequence == log.synced == 3
    log.close()
