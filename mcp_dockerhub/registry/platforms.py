"""Which child of an index someone means who asks for a platform (image-spec image-index.md).

An exact match first, then the variant a bare architecture stands for (``arm64`` is ``arm64/v8``); the first of
several wins, as the specification has it. Nothing nearby is offered instead: that would be a false answer.
"""

from collections.abc import Iterable

from mcp_dockerhub.errors import Unsupported
from mcp_dockerhub.platform import DEFAULT_PLATFORM, Platform
from mcp_dockerhub.registry.models import Descriptor, Index

_MAX_LISTED = 20


def choose(index: Index, wanted: Platform) -> Descriptor | None:
    """The child declared for ``wanted``, None when there is none."""
    declared = [child for child in index.images if child.platform]
    exact = (child for child in declared if child.platform == wanted)
    alike = (child for child in declared if child.platform and child.platform.matches(wanted))
    return next(exact, None) or next(alike, None)


def effective(wanted: Platform | None, offered: Iterable[Platform]) -> Platform:
    """What to look for: ``wanted``; else the default, unless an image has but one platform, which is then meant."""
    if wanted:
        return wanted
    only = list(offered)
    return only[0] if len(only) == 1 else DEFAULT_PLATFORM


def not_offered(familiar: str, wanted: Platform, offered: Iterable[Platform]) -> Unsupported:
    """The error that lists what there is instead."""
    names = [str(platform) for platform in offered]
    if not names:
        return Unsupported(
            f"{familiar} holds no container image for any platform.",
            hint="It may hold artifacts or attestations only: read its manifest instead.",
        )
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    listed = ", ".join(names[:_MAX_LISTED])
    return Unsupported(f"{familiar} has no image for {wanted}.", hint=f"Ask for one of its platforms: {listed}{more}.")
