"""One piece of work for all who want the same thing at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable

V = TypeVar("V")


class Flights(Generic[V]):
    """Work belongs to nobody who waits for it: whoever leaves, leaves alone. It must bound its own time."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[V]] = {}

    def under_way(self, key: Hashable) -> bool:
        """True while somebody's work for ``key`` runs."""
        return key in self._tasks

    def start(self, key: Hashable, work: Callable[[], Awaitable[V]]) -> "asyncio.Task[V]":
        """Join the work for ``key``, or begin it."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(_run(work))
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    async def share(self, key: Hashable, work: Callable[[], Awaitable[V]]) -> V:
        """The outcome of the work for ``key``; AuthorityUnavailable is raised anew for each who waits."""
        try:
            return await asyncio.shield(self.start(key, work))
        except AuthorityUnavailable as error:
            # One exception raised in several tasks would collect all their frames, and frames hold tokens.
            raise AuthorityUnavailable(error.retry_after_s) from None

    async def aclose(self) -> None:
        """Stop everything under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: Hashable, task: "asyncio.Task[V]") -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            task.exception()  # marks it as seen: nobody may be left to see it


async def _run(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()
