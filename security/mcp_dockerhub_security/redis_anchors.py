"""Heads of audit logs in Redis, where who can write the files cannot reach: a cut-off or rewritten log is found.

A key for each chain, ``PREFIX:audit:head:CHAIN``, with its last record that is on a disk; it expires after
``KEPT`` seconds without a new one.
"""

import json
from typing import TYPE_CHECKING, Any, Final, cast

from mcp_dockerhub_security.audit import AuditHead
from mcp_dockerhub_security.audit_verify import Anchor
from mcp_dockerhub_security.redis_link import RedisLink

if TYPE_CHECKING:
    from collections.abc import Awaitable

KEPT: Final = 400 * 86_400


class RedisAnchors:
    """Stores and finds heads; every method raises RedisUnavailableError."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._prefix = f"{link.prefix}:audit:head:"

    async def store(self, chain: str, head: AuditHead, *, time: str, instance: str, file: str) -> None:
        """Note that ``chain`` has come to ``head``."""
        fields = {"sequence": head.sequence, "digest": head.digest, "time": time, "instance": instance, "file": file}
        value = json.dumps(fields)
        await self._link.run(lambda client: cast("Awaitable[Any]", client.set(self._prefix + chain, value, ex=KEPT)))

    async def find(self, chain: str) -> Anchor | None:
        """Where a chain had come to, or None."""
        text = await self._link.run(lambda client: cast("Awaitable[str | None]", client.get(self._prefix + chain)))
        return _anchor(text)

    async def all(self) -> dict[str, Anchor]:
        """Every chain whose head is kept."""
        anchors = {}
        for key in await self._link.run(self._keys):
            chain = key.removeprefix(self._prefix)
            anchor = await self.find(chain)
            if anchor is not None:
                anchors[chain] = anchor
        return anchors

    async def _keys(self, client: Any) -> list[str]:
        return sorted([key async for key in client.scan_iter(match=f"{self._prefix}*", count=1000)])


def _anchor(text: str | None) -> Anchor | None:
    try:
        return Anchor(**json.loads(text)) if text is not None else None
    except (ValueError, TypeError):
        return None
