"""docker_list_tags: which tags there are, and which are the newest."""

import fnmatch
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Literal

from anyio import to_thread

from mcp_dockerhub import render
from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.hub.client import MAX_PAGE_SIZE
from mcp_dockerhub.images.reading import for_each, optional
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.images.tag_facts import HUB_MISSING, MAX_WALKED, TagFacts, TagReader, all_hub_tags, of_hub
from mcp_dockerhub.images.versions import newest_first
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.registry.models import TagList
from mcp_dockerhub.results import Provenance, Result
from mcp_dockerhub_security.sanitize import Identifier, OutputModel

Order = Literal["updated", "version", "name"]

MAX_EXAMINED: Final = 100
"""Tags whose manifests are read to find those for a platform."""
_ROWS_WORTH_A_PAGE: Final = 8
"""Single tags that are more work for the Hub than one page of a hundred."""
_ROWS: Final = 50
_IN_THREAD: Final = 2_000
_NO_DATES: Final = "This registry tells no dates, so tags are in version order and `updated` is null."
_CUT: Final = f"Only the {MAX_WALKED:,} tags updated last were looked at."
_LITERAL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]+", re.ASCII)


class Tag(OutputModel):
    name: Identifier
    digest: Identifier | None
    size: int | None
    """Compressed bytes for the platform asked for, else linux/amd64 or the first there is."""
    updated: datetime | None
    platforms: list[Identifier] | None


class TagPage(Result):
    repository: Identifier
    total: int | None
    """Tags that match pattern and platform; null where not every tag could be looked at."""
    order: Order
    """The order the tags are really in."""
    page: int
    limit: int
    tags: list[Tag]

    def render(self) -> str:
        rows = [
            (
                tag.name,
                render.size(tag.size),
                render.day(tag.updated),
                render.short(tag.digest) if tag.digest else render.UNKNOWN,
                render.clip(", ".join(tag.platforms or [render.UNKNOWN]), 50),
            )
            for tag in self.tags
        ]
        total = render.counted(self.total, "tag") if self.total is not None else "an unknown number of tags"
        lines = [f"{self.repository}: {total} by {self.order}, page {self.page}"]
        lines += render.head(
            render.table(("tag", "size", "updated", "digest", "platforms"), rows, "<>"), _ROWS + 1, "tag"
        )
        return self.text(lines)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One question about tags."""

    pattern: str | None
    order: Order
    platform: Platform | None
    limit: int
    page: int

    @property
    def first(self) -> int:
        return (self.page - 1) * self.limit

    @property
    def last(self) -> int:
        return self.page * self.limit

    @property
    def matches(self) -> Callable[[str], bool]:
        """Whether a tag's name is asked for; case counts."""
        if self.pattern is None:
            return lambda _: True
        found = re.compile(fnmatch.translate(self.pattern)).match
        return lambda name: found(name) is not None

    @property
    def literal(self) -> str | None:
        """The longest part of the pattern that every match contains, so that the Hub can filter."""
        plain = re.sub(r"\[!?\]?[^\]]*\]|[*?]", "\n", self.pattern or "")
        return max(_LITERAL.findall(plain), key=len, default=None)


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: Sequence[TagFacts]
    total: int | None
    order: Order


async def list_tags(
    sources: Sources,
    access: Access,
    repository: Repository,
    *,
    pattern: str | None,
    order: Order,
    platform: Platform | None,
    limit: int,
    page: int,
) -> TagPage:
    """One page of tags. Digests, sizes and dates are looked up for the tags of this page only."""
    seen = Provenance()
    pattern = None if pattern == "*" else pattern
    listing = _Listing(sources, access, repository, Wanted(pattern, order, platform, limit, page), seen)
    answer = await listing.answer()
    return TagPage(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        repository=repository.familiar,
        total=answer.total,
        order=answer.order,
        page=page,
        limit=limit,
        tags=[_row(facts) for facts in answer.rows],
    )


class _Listing:
    def __init__(
        self, sources: Sources, access: Access, repository: Repository, wanted: Wanted, seen: Provenance
    ) -> None:
        self._sources = sources
        self._access = access
        self._repository = repository
        self._wanted = wanted
        self._seen = seen

    async def answer(self) -> _Answer:
        if self._wanted.order != "updated":
            return await self._by_name(self._wanted.order)
        if self._repository.is_docker_hub:
            try:
                return await self._by_date()
            except DockerHubError as error:
                self._seen.warn(f"{HUB_MISSING}: {error.message}")
        self._seen.warn(_NO_DATES)
        return await self._by_name("version")

    async def _by_date(self) -> _Answer:
        """As the Hub lists them, newest first."""
        wanted = self._wanted
        if wanted.pattern is None and wanted.platform is None:
            found = self._seen.take(
                await self._sources.hub.tags(self._access, self._repository, wanted.page, wanted.limit)
            )
            rows = [facts for tag in found.tags if (facts := of_hub(tag, None))]
            return _Answer(rows, found.total, "updated")
        matched, complete = await self._walk()
        rows = matched[wanted.first : wanted.last]
        return _Answer(rows, len(matched) if complete else await self._count(), "updated")

    async def _walk(self) -> tuple[list[TagFacts], bool]:
        """All tags asked for, and whether every tag could be looked at."""
        found, complete = await all_hub_tags(
            self._sources, self._access, self._repository, self._seen, contains=self._wanted.literal
        )
        if not complete:
            self._seen.warn(_CUT)
        matches, platform = self._wanted.matches, self._wanted.platform
        return list(filter(None, (of_hub(tag, platform) for tag in found if matches(tag.name)))), complete

    async def _count(self) -> int | None:
        """How many tags match the pattern, by the registry's complete list; a platform cannot be counted so."""
        if self._wanted.platform:
            return None
        listed = await optional(
            self._sources.registry.tags(self._access, self._repository), "The total is not known", self._seen
        )
        if listed is None:
            return None
        self._note(listed)
        return sum(map(self._wanted.matches, listed.tags)) if listed.complete else None

    async def _by_name(self, order: Order) -> _Answer:
        """From the registry's list, which has names only; the rest is read for the page shown."""
        listed = await self._names()
        names = await _ordered(tuple(filter(self._wanted.matches, listed.tags)), order)
        reader = TagReader(self._sources, self._access, self._repository, self._seen)
        wanted = self._wanted
        if wanted.platform is None:
            shown = names[wanted.first : wanted.last]
            await reader.preload(len(listed.tags), MAX_PAGE_SIZE * max(1, len(shown) // _ROWS_WORTH_A_PAGE))
            total = len(names) if listed.complete else None
            return _Answer(await for_each(shown, reader.read), total, order)
        preloaded = await reader.preload(len(listed.tags), MAX_WALKED)
        read = partial(reader.read_for, platform=wanted.platform)
        found = await self._for_platform(names, order, read, len(names) if preloaded else MAX_EXAMINED)
        return found if listed.complete else replace(found, total=None)

    async def _names(self) -> TagList:
        """The registry's list; for Docker Hub the Hub's own where its registry (or the mirror of it) fails."""
        try:
            listed = self._seen.take(await self._sources.registry.tags(self._access, self._repository))
        except DockerHubError as error:
            if not self._repository.is_docker_hub:
                raise
            found, complete = await all_hub_tags(self._sources, self._access, self._repository, self._seen)
            missing = f"The registry's tag list could not be read, so these are the Hub's: {error.message}"
            warnings = (missing,) if complete else (missing, _CUT)
            listed = TagList(tags=tuple(tag.name for tag in found), requests=0, complete=complete, warnings=warnings)
        self._note(listed)
        return listed

    async def _for_platform(
        self, names: Sequence[str], order: Order, read: Callable[[str], Awaitable[TagFacts | None]], most: int
    ) -> _Answer:
        examined = names[:most]
        matched = list(filter(None, await for_each(examined, read)))
        complete = len(examined) == len(names)
        if not complete:
            self._seen.warn(
                f"Only the first {most:,} of {len(names):,} tags were looked at for their platforms, "
                "so the total is not known."
            )
        rows = matched[self._wanted.first : self._wanted.last]
        return _Answer(rows, len(matched) if complete else None, order)

    def _note(self, listed: TagList) -> None:
        self._seen.warn(*listed.warnings)
        if listed.hidden:
            self._seen.warn(f"{listed.hidden:,} tags that hold signatures or other referrers are left out.")


async def _ordered(names: tuple[str, ...], order: Order) -> Sequence[str]:
    if order == "name":
        return sorted(names)
    if len(names) < _IN_THREAD:
        return newest_first(names)
    # Ten thousand tags take a tenth of a second, in which other calls must not wait.
    return await to_thread.run_sync(newest_first, names)


def _row(facts: TagFacts) -> Tag:
    return Tag(
        name=facts.name,
        digest=facts.digest,
        size=facts.size,
        updated=facts.updated,
        platforms=list(facts.platforms) if facts.platforms is not None else None,
    )
