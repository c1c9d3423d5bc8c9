"""What is known about single tags: from the Hub with dates and sizes, from a registry with the digest."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError, NotFound, Unsupported
from mcp_dockerhub.hub.client import MAX_PAGE_SIZE
from mcp_dockerhub.hub.models import HubImage, HubTag, HubTagPage
from mcp_dockerhub.images.reading import for_each
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import DEFAULT_PLATFORM, Platform
from mcp_dockerhub.reference import Reference, Repository
from mcp_dockerhub.results import Provenance

MAX_WALKED: Final = 2_000
"""Tags the Hub is asked for at most, newest first, to find those that match."""
HUB_MISSING: Final = "Docker Hub could not be asked for dates and sizes"


@dataclass(frozen=True, slots=True)
class TagFacts:
    name: str
    digest: str | None = None
    size: int | None = None
    """Compressed bytes for the platform asked for; without one for linux/amd64, else the first there is."""
    updated: datetime | None = None
    platforms: tuple[str, ...] | None = None
    """None where nobody said."""


def of_hub(tag: HubTag, platform: Platform | None) -> TagFacts | None:
    """What the Hub says; None when the tag has no image for ``platform``."""
    images = tag.platform_images
    chosen = _choose(images, platform)
    if platform and chosen is None:
        return None
    only = images[0].digest if len(images) == 1 else None
    return TagFacts(
        tag.name,
        digest=tag.digest or only,
        size=chosen.size if chosen else None,
        updated=tag.last_pushed or tag.updated_at,
        platforms=tuple(image.platform for image in images) or None,
    )


def _choose(images: tuple[HubImage, ...], platform: Platform | None) -> HubImage | None:
    wanted = platform or DEFAULT_PLATFORM
    for image in images:
        if Platform(image.os, image.architecture, image.variant).matches(wanted):
            return image
    return None if platform or not images else images[0]


async def all_hub_tags(
    sources: Sources,
    access: Access,
    repository: Repository,
    seen: Provenance,
    *,
    contains: str | None = None,
    most: int = MAX_WALKED,
) -> tuple[list[HubTag], bool]:
    """Up to ``most`` tags, newest first, and whether these are all. ``contains`` narrows them by name."""

    async def read(page: int) -> HubTagPage:
        return seen.take(
            await sources.hub.tags(access, repository, page, MAX_PAGE_SIZE, name_contains=contains),
        )

    first = await read(1)
    last = -(-min(first.total, most) // MAX_PAGE_SIZE)
    pages = [first, *await for_each(range(2, last + 1), read)]
    return [tag for page in pages for tag in page.tags], first.total <= most


class TagReader:
    """Facts about tags of one repository, for one caller. A Hub that fails once is not asked again."""

    def __init__(self, sources: Sources, access: Access, repository: Repository, seen: Provenance) -> None:
        self._sources = sources
        self._access = access
        self._repository = repository
        self._seen = seen
        self._hub = repository.is_docker_hub
        self._known: dict[str, HubTag] = {}

    async def preload(self, total: int, most: int) -> bool:
        """Read whole pages of the Hub instead of single tags, if ``total`` tags are at most ``most``.

        True when every tag the Hub has is known then.
        """
        if not self._hub or total > most:
            return False
        try:
            tags, complete = await all_hub_tags(self._sources, self._access, self._repository, self._seen, most=most)
        except DockerHubError as error:
            self._hub_failed(error)
            return False
        self._known = {tag.name: tag for tag in tags}
        return complete

    async def read(self, name: str) -> TagFacts:
        """Whatever can be known without fetching a manifest."""
        tag = await self._hub_tag(name)
        facts = of_hub(tag, None) if tag else None
        return facts or await self._from_registry(name)

    async def read_for(self, name: str, platform: Platform) -> TagFacts | None:
        """As ``read``, for one platform: None when the tag has no image for it."""
        tag = await self._hub_tag(name)
        if tag and tag.platform_images:
            return of_hub(tag, platform)
        return await self._image(name, platform)

    async def _hub_tag(self, name: str) -> HubTag | None:
        if not self._hub or name in self._known:
            return self._known.get(name)
        try:
            return self._seen.take(await self._sources.hub.tag(self._access, self._repository, name))
        except NotFound:
            return None  # the registry may know better: the Hub's list lags behind
        except DockerHubError as error:
            self._hub_failed(error)
            return None

    def _hub_failed(self, error: DockerHubError) -> None:
        self._hub = False
        self._seen.warn(f"{HUB_MISSING}: {error.message}")

    async def _from_registry(self, name: str) -> TagFacts:
        try:
            found = self._seen.take(await self._sources.registry.resolve(self._access, self._ref(name)))
        except NotFound:
            self._seen.warn("Some listed tags do not resolve: they may have been deleted meanwhile.")
            return TagFacts(name)
        except DockerHubError as error:
            self._seen.warn(f"Digests are missing: {error.message}")
            return TagFacts(name)
        return TagFacts(name, digest=found.digest)

    async def _image(self, name: str, platform: Platform) -> TagFacts | None:
        try:
            image = self._seen.take(await self._sources.registry.image(self._access, self._ref(name), platform))
        except (Unsupported, NotFound):
            return None
        platforms = tuple(str(offered) for offered in image.platforms)
        return TagFacts(name, digest=image.digest, size=image.manifest.layers_size, platforms=platforms)

    def _ref(self, name: str) -> Reference:
        return Reference(self._repository, name)
