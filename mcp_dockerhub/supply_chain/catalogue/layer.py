"""What is known about one layer, read back from the JSON of its worker or of the store.

The worker has read what a stranger wrote and may do anything: its answer is taken apart as carefully as any other.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from mcp_dockerhub.supply_chain.catalogue.found import MAX_TEXT, Evidence, Found
from mcp_dockerhub.supply_chain.catalogue.survey import FORMAT
from mcp_dockerhub.supply_chain.packages import GapKind

MAX_JSON: Final = 16 * 1024 * 1024
"""Bytes; a worker collects at most a quarter of this in characters."""
_MAX_PATH: Final = 4096
_MAX_ITEMS: Final = 500_000

T = TypeVar("T")


class NotFacts(ValueError):
    """A document that no worker of this version writes."""


@dataclass(frozen=True, slots=True)
class PrivilegedFile:
    """A program that runs with more rights than whoever starts it."""

    path: str
    mode: int
    """Permission bits, such as ``0o4755``."""
    uid: int
    capabilities: bool
    """Whether it has file capabilities."""


@dataclass(frozen=True, slots=True)
class LeftCache:
    """Files of a package manager's cache, good for nothing in an image."""

    what: str
    count: int
    size: int
    """Bytes, uncompressed."""
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayerGap:
    """Something in the layer that is not among its findings."""

    kind: GapKind
    what: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """The findings of one layer by itself. Paths have no leading slash."""

    compression: str
    entries: int
    size: int
    """Bytes of all files, uncompressed."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    """Paths of lower layers that this one takes away."""
    emptied: frozenset[str] = frozenset()
    """Directories whose content in lower layers this one takes away."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Symbolic links and what they point at."""
    replaced: frozenset[str] = frozenset()
    """Other files that may stand where lower layers have something to tell."""
    privileged: tuple[PrivilegedFile, ...] = ()
    caches: tuple[LeftCache, ...] = ()
    gaps: tuple[LayerGap, ...] = ()


def read_facts(raw: bytes) -> LayerFacts:
    """The findings in a worker's document; raise NotFacts for any other."""
    try:
        said = _mapping(json.loads(raw))
        if said.get("format") != FORMAT:
            raise NotFacts("another format")
        return LayerFacts(
            compression=_text(said["compression"]),
            entries=_number(said["entries"]),
            size=_number(said["size"]),
            evidence={_path(path): _evidence(value) for path, value in _mapping(said["evidence"]).items()},
            removed=frozenset(_list(said["removed"], _path)),
            emptied=frozenset(_list(said["emptied"], _path)),
            links={_path(path): _path(target) for path, target in _mapping(said["links"]).items()},
            replaced=frozenset(_list(said["replaced"], _path)),
            privileged=_list(said["notable"], _privileged),
            caches=_list(said["caches"], _cache),
            gaps=_list(said["gaps"], _gap),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotFacts("not the findings of a layer") from error


def _evidence(value: Any) -> Evidence:
    kind, packages, paths, facts = value
    return Evidence(
        _text(kind),
        _list(packages, _found),
        _list(paths, _path),
        {_text(name): _long_text(fact) for name, fact in _mapping(facts).items()},
    )


def _found(value: Any) -> Found:
    kind, name, version, licenses, *rest = value
    return Found(_text(kind), _text(name), _text(version), _list(licenses, _text), *_list(rest, _text))


def _privileged(value: Any) -> PrivilegedFile:
    path, mode, uid, capabilities = value
    return PrivilegedFile(_path(path), _number(mode), _number(uid), bool(capabilities))


def _cache(value: Any) -> LeftCache:
    what, count, size, examples = value
    return LeftCache(_text(what), _number(count), _number(size), _list(examples, _path))


def _gap(value: Any) -> LayerGap:
    kind, what, count, examples = value
    return LayerGap(GapKind(kind), _text(what), _number(count), _list(examples, _path))


def _list(value: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    if not isinstance(value, list) or len(value) > _MAX_ITEMS:
        raise NotFacts("not a list")
    return tuple(read(item) for item in value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > _MAX_ITEMS:
        raise NotFacts("not an object")
    return value


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise NotFacts("not a text")
    return value


def _path(value: Any) -> str:
    return _text(value, _MAX_PATH)


def _long_text(value: Any) -> str:
    return _text(value, 64 * MAX_TEXT)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise NotFacts("not a number")
    return value
