"""One cache for all clients. Signature agreed; implementation follows."""

import enum
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Source = Literal["live", "cache", "stale"]


class Kind(enum.StrEnum):
    """What is kept, each with its own time to live."""

    SEARCH = "search"
    REPOSITORY = "repository"
    TAGS = "tags"
    TAG_DIGEST = "tag_digest"
    DOCUMENT = "document"
    """Digest-addressed: never expires."""
    DOCKERFILE = "dockerfile"
    VULNERABILITIES = "vulnerabilities"


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    value: T
    size: int
    """Bytes to charge against the budget."""


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    value: T
    source: Source
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Key:
    kind: Kind
    partition: str
    identity: str
    """Of the credential it was fetched with."""
    upstream: str
    address: Hashable


class Cache:
    async def get(
        self,
        key: Key,
        fetch: Callable[[], Awaitable[Fetched[T]]],
        *,
        still_valid: Callable[[T], Awaitable[bool]] | None = None,
    ) -> Cached[T]:
        raise NotImplementedError
