"""docker_search_images: finding a repository by words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import InvalidInput, Unsupported
from mcp_dockerhub.hub import models as hub
from mcp_dockerhub.hub.client import MAX_PAGE_SIZE
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import DOCKER_HUB
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier, OutputModel, Prose

MAX_SCANNED: Final = 500
"""Results looked through for a filter that the Hub does not have itself."""
_SCAN_SIZE: Final = MAX_PAGE_SIZE


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What the caller wants; None means no matter."""

    is_official: bool | None = None
    is_verified_publisher: bool | None = None
    architecture: str | None = None
    min_stars: int | None = None
    min_pulls: int | None = None

    @property
    def upstream(self) -> hub.SearchFilters:
        """The part the Hub filters by, with exact totals; raise InvalidInput for what excludes itself."""
        if self.is_official and self.is_verified_publisher:
            raise InvalidInput("A repository is official or of a verified publisher, never both: ask for one of them.")
        badge: hub.Badge | None = "official" if self.is_official else None
        if self.is_verified_publisher:
            badge = "verified_publisher"
        return hub.SearchFilters(badge, self.architecture)

    @property
    def has_own_part(self) -> bool:
        """Whether anything is left that only looking at each result can decide."""
        excluded = self.is_official is False or self.is_verified_publisher is False
        return excluded or bool(self.min_stars) or bool(self.min_pulls)

    def accepts(self, found: hub.SearchResult) -> bool:
        """Counts the Hub does not state do not reach any minimum."""
        pulls = found.pull_count.value if found.pull_count else 0
        excluded = (self.is_official is False and found.badge == "official") or (
            self.is_verified_publisher is False and found.badge == "verified_publisher"
        )
        return not excluded and (found.star_count or 0) >= (self.min_stars or 0) and pulls >= (self.min_pulls or 0)


class Found(OutputModel):
    name: Identifier
    description: Prose
    badge: Identifier | None
    """official, verified_publisher or open_source."""
    publisher: Identifier | None
    stars: int | None
    pulls: int | None
    pulls_exact: bool
    """False: at least that many."""
    updated: datetime | None

    @property
    def vouched(self) -> bool:
        """Whether Docker Hub vouches for the publisher."""
        return self.badge in ("official", "verified_publisher")


class SearchResults(Result):
    query: Identifier
    total: int | None
    """Matches with every filter applied; null where only some could be looked at."""
    total_upstream: int
    """Matches by the Hub's word, before filters it does not have."""
    page: int
    limit: int
    results: list[Found]

    def render(self) -> str:
        total = render.number(self.total) if self.total is not None else f"some of {self.total_upstream:,}"
        lines = [f"'{self.query}': {total} found, page {self.page}"]
        rows = [
            (
                row.name,
                render.number(row.stars),
                render.number(row.pulls) + ("" if row.pulls_exact else "+"),
                row.badge or "",
                render.clip(row.description, 60),
            )
            for row in self.results
        ]
        lines += render.head(
            render.table(("name", "stars", "pulls", "badge", "description"), rows, "<>>"), 51, "result"
        )
        return self.text(lines)


async def search_images(
    sources: Sources,
    access: Access,
    query: str,
    registry: str,
    filters: SearchFilters,
    *,
    limit: int,
    page: int,
) -> SearchResults:
    """Repositories on Docker Hub; raise Unsupported for other registries, which have no common search."""
    if registry != DOCKER_HUB:
        raise Unsupported(
            f"{registry} cannot be searched: registries have no common search interface.",
            hint="Search docker.io, or name the repository: docker_list_tags and docker_get_image_details work there.",
        )
    seen = Provenance()
    upstream = filters.upstream
    if filters.has_own_part:
        rows, total, total_upstream = await _scan(sources, access, query, filters, page * limit, seen)
        rows = rows[(page - 1) * limit : page * limit]
    else:
        found = seen.take(await sources.hub.search(access, query, page, limit, upstream))
        _remarks(found, seen)
        rows, total, total_upstream = found.results, found.total, found.total
    return SearchResults(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        query=query,
        total=total,
        total_upstream=total_upstream,
        page=page,
        limit=limit,
        results=[_row(found) for found in rows],
    )


async def _scan(
    sources: Sources, access: Access, query: str, filters: SearchFilters, needed: int, seen: Provenance
) -> tuple[Sequence[hub.SearchResult], int | None, int]:
    """What matches among the first results of the Hub, the exact total where all were looked at, the Hub's total."""
    accepted: list[hub.SearchResult] = []
    scanned, page, total = 0, 1, 0
    while True:
        found = seen.take(await sources.hub.search(access, query, page, _SCAN_SIZE, filters.upstream))
        _remarks(found, seen)
        accepted += filter(filters.accepts, found.results)
        total = found.total
        read = len(found.results) + found.unreadable
        scanned += read
        if scanned >= total:
            return accepted, len(accepted), total
        if scanned >= MAX_SCANNED or len(accepted) >= needed or not read:
            seen.warn(
                f"The Hub cannot filter by all of this: {scanned:,} of its {total:,} matches were looked at, "
                "so how many there are in all is not known."
            )
            return accepted, None, total
        page += 1


def _remarks(found: hub.SearchPage, seen: Provenance) -> None:
    if found.legacy:
        seen.warn("The Hub's old search answered: dates and publishers are missing.")
    if found.unreadable:
        seen.warn(f"{found.unreadable} results with unusable names are left out.")


def _row(found: hub.SearchResult) -> Found:
    return Found(
        name=found.repository.familiar,
        description=found.description,
        badge=found.badge,
        publisher=found.publisher or None,
        stars=found.star_count,
        pulls=found.pull_count.value if found.pull_count else None,
        pulls_exact=found.pull_count.exact if found.pull_count else True,
        updated=found.updated_at,
    )
