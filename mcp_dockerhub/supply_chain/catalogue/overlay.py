"""Layers put on top of each other: what is left of the findings of each (OCI image-spec layer.md)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from mcp_dockerhub.supply_chain.catalogue.found import Evidence, Found
from mcp_dockerhub.supply_chain.catalogue.layer import LayerFacts

_MAX_HOPS: Final = 40
"""Symbolic links followed for one path, as for Linux."""
_MAX_PARTS: Final = 512
"""Of a path with links in it."""
_MAX_STEPS: Final = 10_000_000
"""Parts of paths looked at for one image; after that links are not followed any more."""


_REWRITTEN: Final = frozenset({"dpkg", "apk"})
"""Kinds of files that list all packages: each layer that adds one holds the whole list."""


class Placed(NamedTuple):
    """Evidence that is still there, and the layer that holds it."""

    evidence: Evidence
    layer: str
    origins: Mapping[Found, str] = {}
    """Layers that brought packages, where that is not ``layer``: later layers only listed them again."""

    def origin(self, package: Found) -> str:
        """The layer that brought one of the packages."""
        return self.origins.get(package, self.layer)


class Overlay:
    """The image so far. Lay the layers on from the bottom up."""

    def __init__(self) -> None:
        self._files: dict[str, Placed] = {}
        self._links: dict[str, str] = {}
        self._steps = 0

    @property
    def files(self) -> Mapping[str, Placed]:
        """Evidence by its path, every link on the way to it followed."""
        return self._files

    def lay(self, digest: str, facts: LayerFacts) -> None:
        """Put a layer on top: first what it takes away, then what it brings.

        As overlay file systems do, which know a layer by itself: its own links lead on, and where one of a lower
        layer stands in the way of a path there is a folder from now on.
        """

        def places(paths: Iterable[str]) -> set[str]:
            return {self._resolved(path, facts.links) for path in paths}

        removed, emptied = places(facts.removed), places(facts.emptied)
        arriving = {path: self._resolved(path, facts.links) for path in facts.evidence}
        links = {self._resolved(path, facts.links): target for path, target in facts.links.items()}
        covered = places(facts.replaced) | set(links) | set(arriving.values())
        folders = {above for path in (*covered, *removed, *emptied) for above in _above(path)} | emptied
        before = {path: self._files[path] for path in arriving.values() if path in self._files}
        for path in [*self._files, *self._links]:
            if path in folders or _is_gone(path, removed, emptied, covered):
                self._files.pop(path, None)
                self._links.pop(path, None)
        self._links.update(links)
        for path, evidence in facts.evidence.items():
            place = arriving[path]
            self._files[place] = Placed(evidence, digest, _origins(evidence, before.get(place)))

    def resolve(self, path: str) -> str:
        """Where a path really leads, the links of all folders above it followed within the image."""
        return self._resolved(path, self._links)

    def _resolved(self, path: str, links: Mapping[str, str]) -> str:
        if not links or self._steps > _MAX_STEPS:
            return path
        hops = _MAX_HOPS
        waiting = path.split("/")[::-1]
        done: list[str] = []
        while waiting:
            self._steps += 1
            part = waiting.pop()
            if part == "..":
                del done[-1:]
                continue
            if part in ("", "."):
                continue
            done.append(part)
            target = links.get("/".join(done)) if waiting else None
            if target is not None:
                hops -= 1
                done = [] if target.startswith("/") else done[:-1]
                waiting += target.split("/")[::-1]
                if hops < 0 or len(waiting) > _MAX_PARTS:
                    return path
        return "/".join(done)


def _origins(evidence: Evidence, before: Placed | None) -> Mapping[Found, str]:
    """Where the packages are from that a list has which was there before."""
    if before is None or evidence.kind not in _REWRITTEN or before.evidence.kind != evidence.kind:
        return {}
    known = set(evidence.packages)
    return {package: before.origin(package) for package in before.evidence.packages if package in known}


def _is_gone(path: str, removed: set[str], emptied: set[str], covered: set[str]) -> bool:
    if path in removed or path in covered:
        return True
    return any(above in removed or above in emptied or above in covered for above in _above(path))


def _above(path: str) -> Iterator[str]:
    """Every folder above a path, the root last."""
    while path:
        path = path.rpartition("/")[0]
        yield path
