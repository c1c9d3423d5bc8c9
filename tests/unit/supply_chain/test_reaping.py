"""Processes end with the call that needs them, whenever that is cancelled."""

import asyncio
import gc
import subprocess
import sys
import warnings

import psutil
import pytest

from mcp_dockerhub.supply_chain.reaping import gone, running

ENDLESS = "import threading; threading.Event().wait()"
TALKATIVE = "import os, threading; os.write(1, bytes(1 << 20)); threading.Event().wait()"


def command(program: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", program)


async def hold(program: str, started: asyncio.Event) -> None:
    pipe = asyncio.subprocess.PIPE
    async with running(*command(program), stdin=pipe, stdout=pipe):
        started.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("steps", range(6))
def test_a_start_that_is_cancelled_at_any_step_leaves_nothing_behind(steps: int, times: int) -> None:
    async def call() -> None:
        task = asyncio.create_task(hold(ENDLESS, asyncio.Event()))
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({task})
        assert task.cancelled()

    before = psutil.Process().children()
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        asyncio.run(call())
        gc.collect()
    assert [str(warning.message) for warning in left] == []
    assert psutil.Process().children() == before


def test_a_loop_that_ends_in_the_middle_leaves_nothing_behind() -> None:
    async def call() -> "asyncio.Task[None]":
        started = asyncio.Event()
        task = asyncio.create_task(hold(ENDLESS, started))
        async with asyncio.timeout(10):
            await started.wait()
        return task

    before = psutil.Process().children()
    assert asyncio.run(call()).cancelled()
    assert psutil.Process().children() == before


@pytest.mark.anyio
async def test_what_a_process_wrote_and_nobody_reads_does_not_hold_up_its_end() -> None:
    async with asyncio.timeout(10), running(*command(TALKATIVE), stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        # Far less than was written: asyncio stops reading, and would never see the end.
        await process.stdout.readexactly(1)
    assert process.returncode not in (None, 0)


@pytest.mark.anyio
async def test_a_process_that_ends_by_itself_keeps_its_exit_code() -> None:
    async with running(*command("raise SystemExit(7)"), stdin=asyncio.subprocess.PIPE) as process:
        await gone(process)
    assert process.returncode == 7


@pytest.mark.anyio
async def test_a_program_that_is_not_there_is_an_error_of_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        async with running("/nonexistent/program"):
            pytest.fail("it does not start")


@pytest.mark.skipif(sys.platform == "win32", reason="there a process can be ended by its handle only")
def test_the_exit_code_is_left_for_asyncio_which_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """To collect it before asyncio's thread does makes that log an unknown child process."""

    def collects(_: object) -> None:
        pytest.fail("the process was asked whether it has ended")

    async def call() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(hold(ENDLESS, started))
        async with asyncio.timeout(10):
            await started.wait()
            monkeypatch.setattr(subprocess.Popen, "poll", collects)
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled()

    before = psutil.Process().children()
    asyncio.run(call())
    assert psutil.Process().children() == before
