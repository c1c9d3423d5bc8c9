"""What Docker Hub says about repositories and tags, as read from its API: untrusted text, checked shapes.

Times are UTC, sizes bytes. None means that the Hub did not say; it is never a stand-in for zero.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from mcp_dockerhub.reference import Digest, Repository

Badge = Literal["official", "verified_publisher", "open_source"]
TagOrdering = Literal["last_updated", "-last_updated", "name", "-name"]
"""``last_updated`` is newest first, as the Hub answers it."""

_UNKNOWN: Final = ("unknown", "")


@dataclass(frozen=True, slots=True)
class HubLimits:
    """The API's own rate limit (not the pull quota), by the latest answer's headers."""

    limit: int | None
    """Requests per minute."""
    remaining: int | None
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What the Hub itself filters by, so that its totals stay exact."""

    badge: Badge | None = None
    architecture: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A number the Hub may abbreviate: ``1B+`` is at least 1,000,000,000."""

    value: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class SearchResult:
    repository: Repository
    description: str
    badge: Badge | None
    publisher: str
    star_count: int | None
    pull_count: Count | None
    created_at: datetime | None
    updated_at: datetime | None
    operating_systems: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    archived: bool = False


@dataclass(frozen=True, slots=True)
class SearchPage:
    results: tuple[SearchResult, ...]
    total: int
    """All matches, by the Hub's word; only the first ``SEARCH_WINDOW`` can be paged to."""
    unreadable: int = 0
    """Results left out because their name is not a repository's."""
    legacy: bool = False
    """Answered by the old search: no dates, architectures or publishers."""


@dataclass(frozen=True, slots=True)
class HubRepository:
    repository: Repository
    description: str
    full_description: str
    """Markdown by whoever owns the repository."""
    status: str
    """``active``, ``archived``, ``locked``…; empty when the Hub did not say."""
    repository_type: str
    """``image``, ``plugin`` or empty."""
    is_private: bool
    star_count: int | None
    pull_count: int | None
    registered_at: datetime | None
    updated_at: datetime | None
    """Last push."""
    storage_size: int | None
    categories: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ()

    @property
    def is_official(self) -> bool:
        return self.repository.namespace == "library"


@dataclass(frozen=True, slots=True)
class HubImage:
    """One manifest behind a tag."""

    os: str
    architecture: str
    variant: str
    os_version: str
    digest: Digest | None
    size: int | None
    """Compressed bytes of all layers."""
    status: str
    last_pushed: datetime | None
    last_pulled: datetime | None

    @property
    def is_attestation(self) -> bool:
        """True for what BuildKit attaches as ``unknown/unknown``: no platform, and its size is nobody's download."""
        return self.os in _UNKNOWN and self.architecture in _UNKNOWN

    @property
    def platform(self) -> str:
        """``os/arch[/variant]``, as far as the Hub says."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class HubTag:
    name: str
    digest: Digest | None
    """None for old tags, even where the registry has one."""
    media_type: str
    """May be empty, or the config's type for old tags."""
    content_type: str
    status: str
    """``active``, ``inactive`` or another word of the Hub's; empty when it did not say."""
    first_image_size: int | None
    """The Hub's ``full_size``: of one platform, not the sum."""
    updated_at: datetime | None
    last_pushed: datetime | None
    last_pulled: datetime | None
    images: tuple[HubImage, ...] = ()
    """Attestations included; ``platform_images`` leaves them out."""

    @property
    def platform_images(self) -> tuple[HubImage, ...]:
        return tuple(image for image in self.images if not image.is_attestation)

    @property
    def total_size(self) -> int | None:
        """Sum over all platforms; None unless the Hub gave every size."""
        sizes = [image.size for image in self.platform_images]
        known = [size for size in sizes if size is not None]
        return sum(known) if sizes and len(known) == len(sizes) else None


@dataclass(frozen=True, slots=True)
class HubTagPage:
    tags: tuple[HubTag, ...]
    total: int
    """All tags that match, over all pages."""
