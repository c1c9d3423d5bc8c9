"""JSON that strangers wrote, parsed in bounded memory."""

import json
from typing import Any, Final, Never

from mcp_dockerhub.errors import TooLarge

MAX_PARTS: Final = 500_000
"""Objects, lists and commas: the longest documents of real registries have a tenth. A body of nothing but ``{},``
takes 25 times its size once it is parsed, so a bound on bytes alone is none on memory."""


def parse_json(raw: bytes, what: str) -> Any:
    """The value in ``raw``; ``what`` names it.

    Raises:
        ValueError: it is not JSON, has numbers JSON does not know, or is nested too deep.
        TooLarge: it has more than ``MAX_PARTS`` parts.
    """
    if len(raw) > MAX_PARTS and sum(map(raw.count, (b"{", b"[", b","))) > MAX_PARTS:
        raise TooLarge(f"{what} has more than {MAX_PARTS:,} parts.")
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _no_constant(name: str) -> Never:
    raise ValueError(name)
