"""Scans of images in a registry that needs no socket, matched by a database that tests fill."""

from collections.abc import AsyncIterator, Iterator

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.registry import Registries, RegistryClient
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
from tests.upstreams.advisory_fakes import Known
from tests.upstreams.app_client import AppClient
from tests.upstreams.registry import InMemoryRegistry


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    """Stands for every registry that is named."""
    held = InMemoryRegistry()
    yield held
    held.close()


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
async def cache() -> AsyncIterator[Cache]:
    made = Cache()
    yield made
    await made.aclose()


@pytest.fixture
def sources(registry: InMemoryRegistry, cache: Cache) -> Sources:
    http = AppClient(registry)
    hub = HubClient(http, cache, "https://hub.test", ANONYMOUS_CREDENTIAL)
    return Sources(RegistryClient(http, cache, Registries.build()), hub)


@pytest.fixture
def chain(sources: Sources, known: Known, cache: Cache) -> SupplyChain:
    return SupplyChain(sources, advisories=known.advisories, cache=cache)
