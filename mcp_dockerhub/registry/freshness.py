"""An answer made of several documents is as old as the oldest and as fresh as the worst of them."""

from collections.abc import Sequence
from typing import Any, TypeVar

from mcp_dockerhub.cache import Cached
from mcp_dockerhub.registry.notices import MAX_COUNT
from mcp_dockerhub.results import QUOTED, worst

T = TypeVar("T")


def combined(value: T, *parts: Cached[Any]) -> Cached[T]:
    """``value`` with the worst source and the oldest time of the documents it was made of, at least one."""
    return Cached(value, worst(*(part.source for part in parts)), min(part.fetched_at for part in parts))


def all_warnings(*groups: Sequence[str]) -> tuple[str, ...]:
    """Every warning once, in order; what registries say is bounded, for a listing has any number of answers."""
    found = dict.fromkeys(warning for group in groups for warning in group)
    surplus = set([warning for warning in found if warning.startswith(QUOTED)][MAX_COUNT:])
    return tuple(warning for warning in found if warning not in surplus)
