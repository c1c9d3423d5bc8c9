"""The services with the real clients, on a registry and a Hub that need no sockets."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal

import httpx2
import pytest

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.hub.client import HubClient
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.registry import Registries, RegistryClient
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, DEFAULT_BODY_LIMIT, Response, Upstream
from tests.upstreams.app_client import AppClient
from tests.upstreams.callers import Caller
from tests.upstreams.hub import HubState, create_app
from tests.upstreams.registry import InMemoryRegistry

HUB_URL = "https://hub.test"


class BothUpstreams(AppClient):
    """An HttpClient for the stand-in registry and the stand-in Hub, by what a request is for."""

    def __init__(self, registry: InMemoryRegistry, hub: httpx2.AsyncClient) -> None:
        super().__init__(registry)
        self._hub = hub

    async def request(
        self,
        upstream: Upstream,
        method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        if upstream.host_class != "hub":
            return await super().request(
                upstream, method, path, params=params, headers=headers, json=json, scope=scope, limit=limit
            )
        answer = await self._hub.request(method, path, params=dict(params or {}))
        named = {name.lower(): (value,) for name, value in answer.headers.items()}
        return Response(answer.status_code, named, answer.content, str(answer.url))


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    """Stands for every registry that is named."""
    held = InMemoryRegistry()
    yield held
    held.close()


@pytest.fixture
def hub() -> HubState:
    """An empty Hub; tests put repositories and faults into it."""
    return HubState(limit=10**9)


@pytest.fixture
def access() -> Caller:
    return Caller()


@pytest.fixture
async def sources(registry: InMemoryRegistry, hub: HubState) -> AsyncIterator[Sources]:
    transport = httpx2.ASGITransport(app=create_app(hub))
    async with httpx2.AsyncClient(transport=transport, base_url=HUB_URL) as client:
        http = BothUpstreams(registry, client)
        cache = Cache()
        yield Sources(
            RegistryClient(http, cache, Registries.build()), HubClient(http, cache, HUB_URL, ANONYMOUS_CREDENTIAL)
        )
        await cache.aclose()
