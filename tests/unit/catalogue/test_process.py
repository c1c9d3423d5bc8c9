"""The worker as a process of its own."""

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.supply_chain.catalogue import process as module
from mcp_dockerhub.supply_chain.catalogue import worker
from mcp_dockerhub.supply_chain.catalogue.layer import read_facts
from mcp_dockerhub.supply_chain.catalogue.process import WorkerFailed, WorkerLimits, run_worker
from mcp_dockerhub.supply_chain.packages import GapKind
from tests.upstreams.layers import STATUS, Member, chunks_of, header, layer_of, tar_of

pytestmark = pytest.mark.anyio
LAYER = layer_of(Member("var/lib/dpkg/status", STATUS))
MIB = 1024 * 1024


async def pieces(*parts: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if error is not None:
        raise error


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> object:
    before = children()
    yield
    assert children() <= before


async def test_a_layer_is_read_by_another_process_and_progress_is_told() -> None:
    received: list[int] = []
    raw = await run_worker(pieces(*chunks_of(LAYER, 50)), WorkerLimits(), received.append)
    assert len(read_facts(raw).evidence["var/lib/dpkg/status"].packages) == 3
    assert sum(received) == len(LAYER)


async def test_zstd_is_read_once_confined() -> None:
    zstd = __import__("importlib").import_module(
        "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    )
    raw = await run_worker(pieces(zstd.compress(tar_of([Member("var/lib/dpkg/status", STATUS)]))), WorkerLimits())
    assert read_facts(raw).compression == "zstd"


async def test_a_piece_larger_than_a_frame_arrives_whole() -> None:
    noise = os.urandom(3 * MIB)
    raw = await run_worker(pieces(tar_of([Member("noise", noise)])), WorkerLimits())
    assert read_facts(raw).size == 3 * MIB


async def test_a_result_does_not_count_before_the_digest_did() -> None:
    with pytest.raises(UpstreamInvalid):
        await run_worker(pieces(LAYER, error=UpstreamInvalid("altered")), WorkerLimits())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
async def test_a_file_that_needs_too_much_memory_is_a_gap() -> None:
    large = layer_of(
        Member("var/lib/dpkg/status", b"Package: x\nVersion: 1\n\n" * 600_000),
        Member("a/package.json", b'{"name": "a"}'),
    )
    facts = read_facts(await run_worker(pieces(large), WorkerLimits(memory=60 * MIB)))
    assert [(gap.kind, gap.what) for gap in facts.gaps] == [
        (GapKind.LIMIT, "file that is not read: it needs too much memory")
    ]
    assert facts.evidence["a/package.json"].packages


async def test_a_worker_that_runs_out_of_memory_elsewhere_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_START", "raise MemoryError")
    with pytest.raises(WorkerFailed, match="more than 384 MiB of memory"):
        await run_worker(pieces(*[LAYER] * 100), WorkerLimits())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
async def test_a_layer_that_takes_too_long_fails_alone() -> None:
    zeros = gzip.compress(bytes(64 * MIB), 1)
    first = gzip.compress(header(b"endless", 8**11 - 1))
    with pytest.raises(WorkerFailed, match="processor time"):
        await run_worker(pieces(first, *[zeros] * 1000), WorkerLimits(seconds=1))


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
async def test_a_large_layer_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
import sys
sys.path += sys.argv[3:]
from mcp_dockerhub.supply_chain.catalogue import worker
status = open("/proc/self/status")
worker._confine(int(sys.argv[1]), int(sys.argv[2]))
assert b"file that is not read" not in worker.read_layer(worker._frames(sys.stdin.buffer))
peak = next(line for line in status if line.startswith("VmHWM")).split()[1].encode()
sys.stdout.buffer.write(len(peak).to_bytes(4, "big") + peak)
"""
    monkeypatch.setattr(module, "_START", program)
    jar = header(b"opt/large.jar", 4 * 64 * MIB)
    zeros = gzip.compress(bytes(64 * MIB), 1)
    peak = await run_worker(pieces(gzip.compress(jar), *[zeros] * 4, gzip.compress(bytes(1024))), WorkerLimits())
    assert int(peak) * 1024 < 48 * MIB


async def test_a_worker_that_answers_nonsense_fails() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_START", "import sys; sys.stdin.buffer.read(); print('nonsense')")
        with pytest.raises(WorkerFailed, match="too many"):
            await run_worker(pieces(LAYER), WorkerLimits())


async def test_a_worker_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE", 0.0)
    monkeypatch.setattr(module, "_START", "import sys, threading; sys.stdin.buffer.read(1); threading.Event().wait()")
    with pytest.raises(WorkerFailed, match="longer than 0 s"):
        await run_worker(pieces(LAYER), WorkerLimits(seconds=0))


async def test_a_worker_killed_from_outside_is_noticed() -> None:
    async def killing() -> AsyncIterator[bytes]:
        yield LAYER
        (victim,) = [child for child in psutil.Process().children() if "catalogue" in " ".join(child.cmdline())]
        victim.send_signal(signal.SIGKILL)
        for _ in range(100):
            yield bytes(MIB)

    with pytest.raises(WorkerFailed, match="stopped from outside"):
        await run_worker(killing(), WorkerLimits())


async def test_a_cancelled_call_ends_its_worker_at_once() -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield LAYER
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_worker(endless(), WorkerLimits()))
    async with asyncio.timeout(10):
        await started.wait()
    task.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_worker_knows_nothing_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKERHUB_TOKEN", "secret")
    show = "import os, sys; sys.stdin.buffer.read(); b = repr(dict(os.environ)).encode(); "
    monkeypatch.setattr(module, "_START", show + "sys.stdout.buffer.write(len(b).to_bytes(4, 'big') + b)")
    assert b"secret" not in await run_worker(pieces(LAYER), WorkerLimits())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
async def test_the_worker_can_open_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attempt = f"""
import sys
sys.path += sys.argv[3:]
from mcp_dockerhub.supply_chain.catalogue import worker
worker._confine(int(sys.argv[1]), int(sys.argv[2]))
found = []
for mode in ("rb", "wb"):
    try:
        open({str(tmp_path / "file")!r}, mode)
    except OSError as error:
        found.append(error.errno)
sys.stdin.buffer.read()
b = repr(found).encode()
sys.stdout.buffer.write(len(b).to_bytes(4, 'big') + b)
"""
    monkeypatch.setattr(module, "_START", attempt)
    assert await run_worker(pieces(LAYER), WorkerLimits()) == b"[24, 24]"


class _Pipe:
    def __init__(self, raw: bytes = b"") -> None:
        self.raw = raw
        self.buffer = self

    def read(self, size: int) -> bytes:
        found, self.raw = self.raw[:size], self.raw[size:]
        return found

    def write(self, data: bytes) -> None:
        self.raw += data

    def flush(self) -> None:
        pass


def frame(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


def test_frames_become_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    out = _Pipe()
    monkeypatch.setattr(worker, "_confine", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", _Pipe(frame(LAYER[:9]) + frame(LAYER[9:]) + frame(b"")))
    monkeypatch.setattr(sys, "stdout", out)
    worker.main(0, 0)
    assert int.from_bytes(out.raw[:4], "big") == len(out.raw) - 4
    assert json.loads(out.raw[4:])["entries"] == 1


@pytest.mark.parametrize("raw", [b"", frame(b"x"), (2 * MIB).to_bytes(4, "big") + bytes(9)])
def test_a_sender_who_goes_away_or_talks_nonsense_ends_the_worker(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_confine", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", _Pipe(raw))
    with pytest.raises(SystemExit):
        worker.main(0, 0)


async def test_a_call_that_is_cancelled_again_while_it_ends_leaves_nothing_behind() -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield LAYER
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_worker(endless(), WorkerLimits()))
    async with asyncio.timeout(10):
        await started.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task
