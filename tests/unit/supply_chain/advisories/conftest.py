"""A local database made from a stand-in's archives."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from mcp_dockerhub.supply_chain.advisories.feeds import Source
from mcp_dockerhub.supply_chain.advisories.local.database import LocalDatabase
from mcp_dockerhub.supply_chain.advisories.local.updating import Updated, Updater
from tests.upstreams.osv import DirectHttp, OsvState

ARCHIVES = "https://archives.invalid"
Update = Callable[..., Awaitable[Updated]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db" / "advisories.db"


@pytest.fixture
def database(path: Path) -> LocalDatabase:
    return LocalDatabase(path)


@pytest.fixture
def update(path: Path) -> Update:
    """``update(state, ecosystem, …)``: what ``db update`` does."""

    async def run(state: OsvState, *ecosystems: str, feeds: dict[str, Source] | None = None) -> Updated:
        return await updater(state, path, feeds).update(ecosystems)

    return run


def updater(state: OsvState, path: Path, feeds: dict[str, Source] | None = None) -> Updater:
    return Updater(DirectHttp(state), ARCHIVES, path, feeds or {})


def names(files: Sequence[Path]) -> list[str]:
    return sorted(file.name for file in files)
