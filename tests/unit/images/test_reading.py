"""Reading several documents at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mcp_dockerhub.images.reading import for_each, task_group

pytestmark = pytest.mark.anyio


async def fails() -> None:
    await asyncio.sleep(0)
    raise ValueError("one of several")


async def fails_while_left() -> None:
    async with task_group() as group:
        group.create_task(fails())
        group.create_task(asyncio.Event().wait())


async def fails_while_used() -> None:
    async with task_group() as group:
        group.create_task(fails())
        await asyncio.Event().wait()


@pytest.mark.parametrize("failing", [fails_while_left, fails_while_used])
async def test_a_failed_group_fails_with_the_failure_itself_and_leaves_no_cancellation_behind(
    failing: Callable[[], Awaitable[None]],
) -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(ValueError, match="one of several"):
        await failing()
    assert task.cancelling() == 0


async def test_every_item_is_read_in_order() -> None:
    async def doubled(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    assert await for_each(range(20), doubled) == [2 * number for number in range(20)]
