"""The worker as its parent sees it: fed with bytes, killed when it is not needed any more or costs too much."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import mcp_dockerhub
from mcp_dockerhub.supply_chain.catalogue.layer import MAX_JSON
from mcp_dockerhub.supply_chain.catalogue.worker import MAX_FRAME
from mcp_dockerhub.supply_chain.reaping import gone, running

_MODULE: Final = "mcp_dockerhub.supply_chain.catalogue.worker"
_START: Final = (
    f"import os, sys; sys.path += sys.argv[3:]; from {_MODULE} import main; main(*map(int, sys.argv[1:3])); os._exit(0)"
)
"""Ends at once: to take an interpreter down in good order takes longer than to start one."""
_KEPT_VARIABLES: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Of the environment, which holds secrets, only what an interpreter may need to start."""
_SET_PIPE_SIZE: Final = 1031
"""F_SETPIPE_SZ of Linux, which ``fcntl`` knows on some versions only."""
_PIPE: Final = 1024 * 1024
_GRACE: Final = 30.0
"""Seconds for the last part of the work, once everything is sent."""


class WorkerFailed(Exception):
    """The worker ended without a result; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may use."""

    memory: int = 384 * 1024 * 1024
    """Bytes of address space, the interpreter's own 50 MiB included."""
    seconds: int = 300
    """Of processor time."""


async def run_worker(
    chunks: AsyncIterator[bytes], limits: WorkerLimits, received: Callable[[int], None] = lambda _: None
) -> bytes:
    """The result for the layer in ``chunks``; ``received`` is told of the bytes of each.

    Raises what ``chunks`` raises, WorkerFailed when the worker exceeds a limit or breaks. However it ends, the
    process is gone afterwards.
    """
    async with running(
        *(sys.executable, "-I", "-S", "-c", _START, str(limits.memory), str(limits.seconds), *_paths()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
    ) as process:
        try:
            return await _converse(process, chunks, limits, received)
        except (ConnectionError, asyncio.IncompleteReadError):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await gone(process)
            raise WorkerFailed(_reason(process.returncode, limits)) from None


async def _converse(
    process: asyncio.subprocess.Process,
    chunks: AsyncIterator[bytes],
    limits: WorkerLimits,
    received: Callable[[int], None],
) -> bytes:
    assert process.stdin is not None  # noqa: S101  (piped)
    _widen(process.stdin)
    async for chunk in chunks:
        received(len(chunk))
        await _send(process.stdin, chunk)
    await _send(process.stdin, b"")
    process.stdin.close()
    try:
        async with asyncio.timeout(_GRACE + limits.seconds):
            found = await _reply(process)
            # It ends by itself, which spares it from being killed in the same moment.
            await gone(process)
            return found
    except TimeoutError:
        raise WorkerFailed(f"reading it takes longer than {limits.seconds} s") from None


async def _send(pipe: asyncio.StreamWriter, chunk: bytes) -> None:
    for at in range(0, max(len(chunk), 1), MAX_FRAME):
        part = chunk[at : at + MAX_FRAME]
        pipe.write(len(part).to_bytes(4, "big"))
        pipe.write(part)
        await pipe.drain()


async def _reply(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None  # noqa: S101  (piped)
    size = int.from_bytes(await process.stdout.readexactly(4), "big")
    if size > MAX_JSON:
        raise WorkerFailed("its findings are too many")
    return await process.stdout.readexactly(size)


def _reason(code: int | None, limits: WorkerLimits) -> str:
    if code in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0)) and code:
        return f"reading it takes longer than {limits.seconds} s of processor time, or it was stopped from outside"
    return f"reading it needs more than {limits.memory // 1024**2} MiB of memory, or breaks its reader"


def _widen(pipe: asyncio.StreamWriter) -> None:
    """Ask for a larger pipe, so that the two sides take turns less often."""
    if sys.platform == "linux":
        import fcntl

        # The worker may be gone already, and its pipe with it.
        with contextlib.suppress(OSError, ValueError):
            fcntl.fcntl(pipe.get_extra_info("pipe").fileno(), _SET_PIPE_SIZE, _PIPE)


@cache
def _paths() -> tuple[str, ...]:
    """Where the worker finds its modules: it starts with the standard library alone."""
    found = [str(Path(mcp_dockerhub.__file__).resolve().parent.parent)]
    if sys.version_info < (3, 14):
        spec = importlib.util.find_spec("backports.zstd")
        if spec is not None and spec.origin is not None:
            found.append(str(Path(spec.origin).parents[2]))
    return tuple(dict.fromkeys(found))
