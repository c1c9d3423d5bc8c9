"""JSON objects that mean one thing only: no duplicate names, no NaN, nothing two parsers read differently."""

import json
from typing import Any, NoReturn


def strict_object(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data`` (UTF-8); ValueError for anything else, duplicate names at any depth included."""
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  (one kind of failure for every document)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _refuse(_name: str) -> NoReturn:
    raise ValueError("not a JSON number")
