"""A registry without sockets, and a client of it."""

from collections.abc import Iterator

import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.registry import Registries, RegistryClient
from tests.upstreams.app_client import AppClient
from tests.upstreams.registry import InMemoryRegistry


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    """Stands for every host that is named; not served, so it needs no port of its own to be asked."""
    held = InMemoryRegistry()
    yield held
    held.close()


@pytest.fixture
def http(registry: InMemoryRegistry) -> AppClient:
    return AppClient(registry)


@pytest.fixture
def client(http: AppClient) -> RegistryClient:
    return RegistryClient(http, Cache(), Registries.build())
