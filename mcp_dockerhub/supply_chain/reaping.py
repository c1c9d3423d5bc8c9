"""The end of a process that was started for one call."""

import asyncio
from typing import Final

_PIECE: Final = 1024 * 1024


async def reap(process: asyncio.subprocess.Process) -> None:
    """Wait until a killed process is gone and its pipe is empty: then asyncio lets go of both.

    However often the caller is cancelled meanwhile: it takes milliseconds, and left alone it would outlive the loop.
    """
    ending = asyncio.ensure_future(_end(process))
    cancelled: asyncio.CancelledError | None = None
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def _end(process: asyncio.subprocess.Process) -> None:
    await process.wait()
    while process.stdout is not None and await process.stdout.read(_PIECE):
        pass
