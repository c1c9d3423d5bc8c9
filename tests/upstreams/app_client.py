"""An HttpClient that asks the stand-in registry's application directly: no sockets, no authentication, no retries."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from mcp_dockerhub.errors import TooLarge
from mcp_dockerhub.transport.client import DEFAULT_BODY_LIMIT, Response, StreamedResponse, Upstream
from tests.upstreams.registry import InMemoryRegistry
from tests.upstreams.registry_behaviour import Recorded


class AppClient:
    """Requests appear in ``registry.requests``; ``upstreams`` are who they were made as."""

    def __init__(self, registry: InMemoryRegistry) -> None:
        self.registry = registry
        self.upstreams: list[Upstream] = []
        self.scopes: list[str] = []

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
        assert json is None
        self.upstreams.append(upstream)
        self.scopes.append(scope)
        request = Recorded(method, urlsplit(path).path, urlencode(params or {}), dict(headers or {}))
        self.registry.requests.append(request)
        reply = self.registry.app.answer(request, b"")
        found: dict[str, tuple[str, ...]] = {"content-length": (str(len(reply.body)),)}
        for name, value in reply.headers:
            found[name] = (*found.get(name, ()), value)
        if reply.status == 200 and len(reply.body) > limit:
            raise TooLarge(f"The answer is larger than {limit} bytes.")
        body = b"" if method == "HEAD" else reply.body
        return Response(reply.status, found, body, f"{upstream.base_url}{path}")

    @asynccontextmanager
    async def stream(
        self,
        upstream: Upstream,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
        seconds: float | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        answer = await self.request(upstream, "GET", path, headers=headers, scope=scope, limit=limit)

        async def chunks() -> AsyncIterator[bytes]:
            yield answer.body

        yield StreamedResponse(answer.status, answer.headers, answer.url, chunks())
