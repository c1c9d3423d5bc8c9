"""The services on a registry that needs no socket."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.registry import Registries, RegistryClient
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL
from tests.upstreams.app_client import AppClient
from tests.upstreams.callers import Caller
from tests.upstreams.fake_sigstore import FakeSigstore
from tests.upstreams.registry import InMemoryRegistry


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    """Stands for every registry that is named."""
    held = InMemoryRegistry()
    yield held
    held.close()


@pytest.fixture
def access() -> Caller:
    return Caller()


@pytest.fixture
async def sources(registry: InMemoryRegistry) -> AsyncIterator[Sources]:
    http, cache = AppClient(registry), Cache()
    hub = HubClient(http, cache, "https://hub.test", ANONYMOUS_CREDENTIAL)
    yield Sources(RegistryClient(http, cache, Registries.build()), hub)
    await cache.aclose()


@pytest.fixture(scope="session")
def sigstore() -> FakeSigstore:
    return FakeSigstore()


@pytest.fixture(scope="session")
def trusted_root(sigstore: FakeSigstore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root that trusts ``sigstore``, as an operator configures it."""
    path = tmp_path_factory.mktemp("sigstore") / "trusted_root.json"
    path.write_bytes(sigstore.trusted_root())
    return path


@pytest.fixture
def chain(sources: Sources, trusted_root: Path) -> SupplyChain:
    return SupplyChain(sources, trusted_root=trusted_root)
