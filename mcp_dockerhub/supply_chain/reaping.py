"""A process that is started for one call and gone when the call is over, however the call ends."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

_PIECE: Final = 1024 * 1024


@asynccontextmanager
async def running(
    *command: str,
    kill: Callable[[asyncio.subprocess.Process], None] | None = None,
    **options: Any,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process while it is needed; ``options`` are those of ``asyncio.create_subprocess_exec``.

    A caller may be cancelled at any moment and again while the process ends: only when it is gone, and its pipes with
    it, does this return. asyncio by itself leaves a process behind whose start is cancelled twice.
    """
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, **options))
    try:
        yield await asyncio.shield(starting)
    finally:
        await _uncancelled(lambda: _end(starting, kill or _kill))


async def gone(process: asyncio.subprocess.Process) -> None:
    """Wait until the process has ended and all it wrote is read.

    In this order: asyncio calls no process ended while anything it wrote waits for a reader.
    """
    while process.stdout is not None and await process.stdout.read(_PIECE):
        pass
    await process.wait()


async def _end(
    starting: "asyncio.Future[asyncio.subprocess.Process]", kill: Callable[[asyncio.subprocess.Process], None]
) -> None:
    await asyncio.wait({starting})
    if starting.cancelled() or starting.exception() is not None:
        return
    process = starting.result()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill(process)
    if process.stdin is not None:
        process.stdin.close()
    await gone(process)


def _kill(process: asyncio.subprocess.Process) -> None:
    # Process.kill first looks whether it has ended, which collects the exit code that asyncio waits for on a thread.
    if process.returncode is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.kill(process.pid, signal.SIGKILL)


async def _uncancelled(work: Callable[[], Awaitable[None]]) -> None:
    """Do what takes milliseconds to its end, and only then let the caller be cancelled.

    Begun anew after each cancellation, in the caller's own task: another would be cancelled with all when a loop ends.
    """
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            await work()
            break
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
