"""Layers put on top of each other: what is left of the findings of each (OCI image-spec layer.md)."""

from collections.abc import Iterator, Mapping
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
        """Put a layer on top: first what it takes away, then what it brings."""
        removed = {self.resolve(path) for path in facts.removed}
        emptied = {self.resolve(path) for path in facts.emptied}
        arriving = {path: self.resolve(path) for path in facts.evidence}
        covered = {self.resolve(path) for path in (*facts.replaced, *facts.links)} | set(arriving.values())
        before = {path: self._files[path] for path in arriving.values() if path in self._files}
        gone = [path for path in (*self._files, *self._links) if _is_gone(path, removed, emptied, covered)]
        for path in gone:
            self._files.pop(path, None)
            self._links.pop(path, None)
        for path, target in facts.links.items():
            self._links[self.resolve(path)] = target
        for path, evidence in facts.evidence.items():
            target = self.resolve(path)
            self._files[target] = Placed(evidence, digest, _origins(evidence, before.get(target)))

    def resolve(self, path: str) -> str:
        """Where a path really leads, the links of all folders above it followed within the image."""
        if not self._links or self._steps > _MAX_STEPS:
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
            target = self._links.get("/".join(done)) if waiting else None
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
