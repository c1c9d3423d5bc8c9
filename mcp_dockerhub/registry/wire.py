"""One repository as one caller may see it, and the only place requests to registries leave from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cache, Key, Kind
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.registry.config import Registries
from mcp_dockerhub.registry.errors import failure
from mcp_dockerhub.store import Store
from mcp_dockerhub.transport.client import DEFAULT_BODY_LIMIT, HttpClient, Response, Upstream


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A repository that policy lets a caller read, with the credential chosen for them."""

    repository: Repository
    upstream: Upstream
    partition: str

    @property
    def scope(self) -> str:
        return f"repository:{self.repository.path}:pull"

    def path(self, *parts: str) -> str:
        """Below the repository: ``path("manifests", "latest")``; parts come from checked references."""
        return "/".join(("/v2", self.repository.path, *parts))

    def key(self, kind: Kind, *address: str) -> Key:
        return Key(
            kind,
            self.partition,
            self.upstream.credential.identity,
            self.upstream.name,
            (self.repository.path, *address),
        )


class Wire:
    """What every registry operation shares: the HTTP stack, the cache, and who we are where."""

    def __init__(self, http: HttpClient, cache: Cache, registries: Registries, store: Store | None = None) -> None:
        self.http = http
        self.cache = cache
        self.registries = registries
        self.store = store

    def endpoint(self, access: Access, repository: Repository) -> Endpoint:
        """Raise what the caller's policy raises, before anything is looked up or sent."""
        access.check_target(repository.registry, repository.path)
        config = self.registries.find(repository.registry)
        credential = self.registries.choose(repository.registry, private=access.private)
        upstream = Upstream(repository.registry, config.url, "registry", credential, "registry")
        return Endpoint(repository, upstream, access.partition)

    async def ask(
        self,
        endpoint: Endpoint,
        path: str,
        asked: str,
        *,
        method: Literal["GET", "HEAD"] = "GET",
        params: Mapping[str, str | int] | None = None,
        accept: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        """Send a request and return its answer, whatever its status. ``asked`` names it in errors."""
        return await self.http.request(
            endpoint.upstream,
            method,
            path,
            params=params,
            headers={"accept": accept} if accept else None,
            scope=endpoint.scope,
            limit=limit,
        )

    async def fetch(
        self,
        endpoint: Endpoint,
        path: str,
        asked: str,
        *,
        accept: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        """GET, where anything but 200 is an error."""
        response = await self.ask(endpoint, path, asked, accept=accept, limit=limit)
        if response.status != 200:
            raise failure(response, asked, endpoint.upstream)
        return response
