"""The Docker Hub API client: one method per question, every answer cached, every refusal an error of ours."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cache, Cached, Fetched, Key, Kind
from mcp_dockerhub.errors import InvalidInput, NotFound, Unsupported
from mcp_dockerhub.hub import fields as read
from mcp_dockerhub.hub import parsing
from mcp_dockerhub.hub.models import (
    HubLimits,
    HubRepository,
    HubTag,
    HubTagPage,
    SearchFilters,
    SearchPage,
    TagOrdering,
)
from mcp_dockerhub.hub.statuses import refusal
from mcp_dockerhub.reference import DOCKER_HUB, Repository, check_tag
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential, HttpClient, Response, Upstream

T = TypeVar("T")

MAX_PAGE_SIZE: Final = 100
SEARCH_WINDOW: Final = 2500
"""The search pages no further than this many results, whatever its total."""
MAX_QUERY: Final = 100

_SEARCH_PATH: Final = "/api/search/v4"
_LEGACY_SEARCH_PATH: Final = "/v2/search/repositories/"
_BODY_LIMIT: Final = 4 * 1024 * 1024
_GONE: Final = frozenset({404, 410})
_LOGIN_WANTED: Final = frozenset({401})
# Models take about this many times the bytes of the JSON they came from.
_OBJECT_FACTOR: Final = 2
_ALL: Final = SearchFilters()


@dataclass(frozen=True, slots=True)
class _Question:
    """What to ask for: its place in the cache, its name in messages, and where it is answered."""

    kind: Kind
    address: Hashable
    what: str
    path: str
    params: Mapping[str, str | int]
    other_path: str = ""
    """Asked when ``path`` answers one of ``other_on``."""
    other_on: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Search:
    query: str
    page: int
    page_size: int
    filters: SearchFilters

    def check(self) -> None:
        _check_page(self.page, self.page_size)
        if self.page * self.page_size > SEARCH_WINDOW:
            raise InvalidInput(
                f"A Docker Hub search can be paged through its first {SEARCH_WINDOW} results only.",
                hint="Use a narrower query or a filter.",
            )

    @property
    def params(self) -> dict[str, str | int]:
        found: dict[str, str | int] = {"query": self.query, "type": "image"}
        found |= {"from": (self.page - 1) * self.page_size, "size": self.page_size}
        if self.filters.badge:
            found["badges"] = self.filters.badge
        if self.filters.architecture:
            found["architectures"] = self.filters.architecture
        return found

    @property
    def legacy_params(self) -> dict[str, str | int]:
        """Of the old search; raise Unsupported for what it cannot filter by."""
        if self.filters != _ALL:
            raise Unsupported(
                "Docker Hub's search with filters is not available.", hint="Search again without filters."
            )
        return {"query": self.query, "page": self.page, "page_size": self.page_size}


class HubClient:
    """Reads Docker Hub at ``base_url`` anonymously, or with ``credential`` where the caller's Access says so.

    Every method raises what HttpClient raises, and besides: InvalidInput (an argument out of bounds), NotFound,
    AuthenticationFailed, Forbidden, RateLimited, UpstreamUnavailable, UpstreamTimeout and UpstreamInvalid (an
    answer without the promised shape).
    """

    def __init__(self, http: HttpClient, cache: Cache, base_url: str, credential: Credential) -> None:
        self._http = http
        self._cache = cache
        self._public = Upstream("hub", base_url, "hub", ANONYMOUS_CREDENTIAL, "hub")
        self._private = Upstream("hub", base_url, "hub", credential, "hub")
        self._limits: dict[str, HubLimits] = {}

    async def search(
        self, access: Access, query: str, page: int = 1, page_size: int = 25, filters: SearchFilters = _ALL
    ) -> Cached[SearchPage]:
        """Public repositories that match ``query``, best match first, with the exact total.

        ``page`` times ``page_size`` may not exceed SEARCH_WINDOW. Unsupported: a filter, where only the old search
        is left.
        """
        asked = _Search(_check_query(query), page, page_size, filters)
        asked.check()
        upstream = self._upstream(access)
        access.check_target(DOCKER_HUB, "")

        async def fetch() -> Fetched[SearchPage]:
            response = await self._ask(upstream, _SEARCH_PATH, asked.params)
            if response.status not in _GONE:
                return _parsed(response, parsing.search_page, "a search", upstream)
            response = await self._ask(upstream, _LEGACY_SEARCH_PATH, asked.legacy_params)
            if response.status in _GONE:
                raise Unsupported(f"Docker Hub's search is not available, or has no page {page} for this query.")
            return _parsed(response, parsing.legacy_search_page, "a search", upstream)

        return await self._cache.get(_key(access, upstream, Kind.SEARCH, asked), fetch)

    async def repository(self, access: Access, repository: Repository) -> Cached[HubRepository]:
        """What the Hub says about a repository: descriptions, stars, pulls, dates, categories."""
        path = _repository_path(repository)
        question = _Question(
            Kind.REPOSITORY,
            ("repository", repository.path),
            f"the repository {repository.familiar}",
            f"/v2/namespaces/{path}",
            {},
            f"/v2/repositories/{repository.path}/",
            _LOGIN_WANTED,
        )
        return await self._get(access, repository, question, lambda body: parsing.repository(body, repository))

    async def tags(
        self,
        access: Access,
        repository: Repository,
        page: int = 1,
        page_size: int = MAX_PAGE_SIZE,
        ordering: TagOrdering = "last_updated",
        name_contains: str | None = None,
    ) -> Cached[HubTagPage]:
        """One page of tags with their images, and the exact total. A page past the end is empty."""
        _check_page(page, page_size)
        params: dict[str, str | int] = {"page": page, "page_size": page_size, "ordering": ordering}
        if name_contains:
            params["name"] = check_tag(name_contains)
        question = self._tags_question(repository, "", params)
        try:
            return await self._get(access, repository, question, parsing.tag_page)
        except NotFound:
            if page == 1:
                raise
        # The Hub answers 404 past the end as well as for a repository that is not there.
        first = await self.tags(access, repository, 1, page_size, ordering, name_contains)
        return Cached(HubTagPage((), first.value.total), first.source, first.fetched_at)

    async def tag(self, access: Access, repository: Repository, tag: str) -> Cached[HubTag]:
        """One tag with its images."""
        question = self._tags_question(repository, f"/{check_tag(tag)}", {})
        return await self._get(access, repository, question, lambda body: parsing.tag(body, tag))

    def limits(self, access: Access) -> HubLimits | None:
        """The API limit as the latest answer to this caller's credential showed it; None before the first."""
        return self._limits.get(self._upstream(access).credential.identity)

    def _upstream(self, access: Access) -> Upstream:
        return self._private if access.private else self._public

    @staticmethod
    def _tags_question(repository: Repository, rest: str, params: Mapping[str, str | int]) -> _Question:
        path = _repository_path(repository)
        tag = rest.removeprefix("/")
        return _Question(
            Kind.TAGS,
            ("tags", repository.path, rest, tuple(sorted(params.items()))),
            f"the tag {repository.familiar}:{tag}" if tag else f"the tags of {repository.familiar}",
            f"/v2/namespaces/{path}/tags{rest}",
            params,
            # The older route answers anonymously for certain.
            f"/v2/repositories/{repository.path}/tags{rest}",
            _LOGIN_WANTED,
        )

    async def _get(
        self, access: Access, repository: Repository, question: _Question, parse: Callable[[Any], T]
    ) -> Cached[T]:
        access.check_target(DOCKER_HUB, repository.path)
        upstream = self._upstream(access)

        async def fetch() -> Fetched[T]:
            response = await self._ask(upstream, question.path, question.params)
            refused = response.status == 401 and upstream.credential.kind != "anonymous"
            if response.status in question.other_on and not refused:
                response = await self._ask(upstream, question.other_path, question.params)
            return _parsed(response, parse, question.what, upstream)

        return await self._cache.get(_key(access, upstream, question.kind, question.address), fetch)

    async def _ask(self, upstream: Upstream, path: str, params: Mapping[str, str | int]) -> Response:
        headers = {"accept": "application/json"}
        response = await self._http.request(upstream, "GET", path, params=params, headers=headers, limit=_BODY_LIMIT)
        found = HubLimits(
            read.whole(response.header("x-ratelimit-limit")),
            read.whole(response.header("x-ratelimit-remaining")),
            read.unix_moment(response.header("x-ratelimit-reset")),
        )
        if found.limit is not None:
            self._limits[upstream.credential.identity] = found
        return response


def _parsed(response: Response, parse: Callable[[Any], T], what: str, upstream: Upstream) -> Fetched[T]:
    if response.status != 200:
        raise refusal(response, what, anonymous=upstream.credential.kind == "anonymous")
    return Fetched(parse(read.document(response.body)), _OBJECT_FACTOR * len(response.body))


def _key(access: Access, upstream: Upstream, kind: Kind, address: Hashable) -> Key:
    """Only what was fetched anonymously is shared between tenants."""
    anonymous = upstream.credential.kind == "anonymous"
    identity = upstream.credential.identity
    return Key(kind, "" if anonymous else access.partition, identity, upstream.base_url, address)


def _repository_path(repository: Repository) -> str:
    if not repository.is_docker_hub:
        raise Unsupported(
            f"{repository.registry} is not Docker Hub.", hint="Ask its registry: this is about Docker Hub only."
        )
    namespace, _, name = repository.path.partition("/")
    if "/" in name:
        raise InvalidInput("A Docker Hub repository has a namespace and a name, no further parts.")
    return f"{namespace}/repositories/{name}"


def _check_query(query: str) -> str:
    query = " ".join(query.split())
    if not 1 <= len(query) <= MAX_QUERY or not query.isprintable():
        raise InvalidInput(f"A search query has 1 to {MAX_QUERY} printable characters.")
    return query


def _check_page(page: int, page_size: int) -> None:
    if page < 1 or not 1 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidInput(f"Pages start at 1 and have 1 to {MAX_PAGE_SIZE} entries.")
