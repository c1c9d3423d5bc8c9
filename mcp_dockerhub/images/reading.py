"""Reading several documents for one answer: at the same time, and with parts that may be missing."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub_security.refusals import Refusal

T = TypeVar("T")
Item = TypeVar("Item")

AT_ONCE: Final = 8
"""Requests one call sends at a time for the rows of a list."""


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that fails with the first failure itself, not with a group of one."""
    parent = asyncio.current_task()
    pending = parent.cancelling() if parent else 0
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failures:
        # Before Python 3.13 a group whose member fails while it is being left asks its parent to stop and never takes
        # that back: whoever counts cancellations later, as anyio's scopes do, would take it for one from outside.
        if sys.version_info < (3, 13) and parent is not None and parent.cancelling() > pending:
            parent.uncancel()
        raise failures.exceptions[0] from None


async def for_each(items: Sequence[Item], read: Callable[[Item], Awaitable[T]]) -> list[T]:
    """``read`` of every item, at most ``AT_ONCE`` at a time, in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Item) -> T:
        async with gate:
            return await read(item)

    async with task_group() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]


async def read_image(
    sources: Sources, access: Access, ref: Reference, platform: Platform | None, seen: Provenance
) -> Image:
    """The image, its freshness and its warnings counted into ``seen``."""
    image = seen.take(await sources.registry.image(access, ref, platform))
    seen.warn(*image.warnings)
    return image


async def optional(call: Awaitable[Cached[T]], what: str, seen: Provenance) -> T | None:
    """A part an answer can do without: None, and a warning that says ``what`` is missing and why."""
    try:
        return seen.take(await call)
    except (DockerHubError, Refusal) as error:
        seen.warn(f"{what}: {error.message}")
        return None
