"""Completions: as many as the protocol allows, and how many there are."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcp_dockerhub.reference import Repository
from mcp_dockerhub.registry import TagList
from mcp_dockerhub.tools.addressed import MAX_COMPLETIONS, Wanted, complete
from mcp_dockerhub.tools.call import Call

pytestmark = pytest.mark.anyio


class _Registry:
    async def tags(self, access: object, repository: Repository) -> Any:
        return SimpleNamespace(
            value=TagList(tags=tuple(f"1.{minor}" for minor in range(150)), requests=1, complete=True)
        )


async def test_no_more_tags_are_offered_than_the_protocol_allows() -> None:
    call = cast("Call", SimpleNamespace(sources=SimpleNamespace(registry=_Registry()), grant=None))
    wanted = Wanted("tag", "1.", Repository.parse("nginx"))
    values, total = await complete(call, wanted)
    assert (values[0], len(values), total) == ("1.0", MAX_COMPLETIONS, 150)
