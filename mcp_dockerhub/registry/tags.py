"""Every tag of a repository, however the registry pages (OCI distribution-spec, "Listing Tags")."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached, Fetched, Kind
from mcp_dockerhub.errors import InvalidInput, UpstreamInvalid
from mcp_dockerhub.reference import Repository, check_tag
from mcp_dockerhub.registry import fields
from mcp_dockerhub.registry.errors import failure
from mcp_dockerhub.registry.freshness import all_warnings
from mcp_dockerhub.registry.links import Pages
from mcp_dockerhub.registry.models import TagList
from mcp_dockerhub.registry.notices import notices
from mcp_dockerhub.registry.wire import Endpoint, Wire
from mcp_dockerhub.transport.client import Response

PAGE_SIZE: Final = 1000
"""The largest page that ECR and current versions of distribution accept."""
MAX_PAGES: Final = 2000
MAX_TAGS: Final = 200_000
_TAG_OVERHEAD: Final = 64
"""Bytes of a short string and its place in a tuple, beyond its characters."""
# The referrers fallback, cosign's .sig, .att and .sbom and the like: tags that hold what is said about a digest.
_ABOUT_A_DIGEST: Final = re.compile(r"sha(?:256|384|512)-[0-9a-f]{64}(?:\..*)?", re.ASCII)


async def tags(wire: Wire, access: Access, repository: Repository) -> Cached[TagList]:
    """All tags; see ``RegistryClient.tags``."""
    endpoint = wire.endpoint(access, repository)

    async def fetch() -> Fetched[TagList]:
        listing = await _collect(wire, endpoint)
        return Fetched(listing, sum(map(len, listing.tags)) + _TAG_OVERHEAD * len(listing.tags))

    return await wire.cache.get(endpoint.key(Kind.TAGS, "tags"), fetch)


@dataclass(slots=True)
class _Collected:
    tags: dict[str, None] = field(default_factory=dict)
    hidden: int = 0
    unusable: int = 0

    def add(self, page: list[Any]) -> None:
        for tag in page:
            if not isinstance(tag, str) or not _is_tag(tag):
                self.unusable += 1
            elif _ABOUT_A_DIGEST.fullmatch(tag):
                self.hidden += 1
            else:
                self.tags[tag] = None


async def _collect(wire: Wire, endpoint: Endpoint) -> TagList:
    path = endpoint.path("tags", "list")
    asked = f"The tag list of {endpoint.repository.familiar}"
    pages = Pages(endpoint.upstream.base_url, path, MAX_PAGES)
    response, requests = await _first(wire, endpoint, path, asked)
    collected, warnings = _Collected(), notices(response)
    while True:
        collected.add(_page(response, asked))
        query = pages.next_query(response)
        if query is None or len(collected.tags) >= MAX_TAGS:
            break
        response = await wire.ask(endpoint, path, asked, params=dict(query))
        requests += 1
        if response.status != 200:
            raise failure(response, asked, endpoint.upstream)
        warnings = all_warnings(warnings, notices(response))
    trouble = pages.trouble or (f"it has more than {MAX_TAGS} tags" if query else "")
    return TagList(
        tags=tuple(collected.tags),
        requests=requests,
        complete=not trouble,
        hidden=collected.hidden,
        warnings=all_warnings(warnings, _remarks(collected, trouble, endpoint)),
    )


async def _first(wire: Wire, endpoint: Endpoint, path: str, asked: str) -> tuple[Response, int]:
    """The first page; a registry that takes no pages of our size (ECR answers 405, others 400) chooses its own."""
    response = await wire.ask(endpoint, path, asked, params={"n": PAGE_SIZE})
    requests = 1
    if response.status in (400, 405, 416, 422):
        response = await wire.ask(endpoint, path, asked)
        requests += 1
    if response.status != 200:
        raise failure(response, asked, endpoint.upstream)
    return response, requests


def _page(response: Response, asked: str) -> list[Any]:
    document = fields.load_object(response.body, asked)
    page = document.get("tags")
    if page is None and "name" in document:
        return []  # Go's empty list
    if not isinstance(page, list):
        raise UpstreamInvalid(f"{asked} has no list of tags.")
    return page


def _is_tag(text: str) -> bool:
    try:
        check_tag(text)
    except InvalidInput:
        return False
    return True


def _remarks(collected: _Collected, trouble: str, endpoint: Endpoint) -> tuple[str, ...]:
    remarks = []
    if trouble:
        remarks.append(f"The tag list is not complete: {endpoint.upstream.name} was left because {trouble}.")
    if collected.unusable:
        remarks.append(f"{collected.unusable} names in the tag list are not valid tags and are left out.")
    return tuple(remarks)
