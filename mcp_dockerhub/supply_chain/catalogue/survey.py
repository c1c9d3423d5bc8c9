"""What one layer holds, collected entry by entry within fixed bounds, and as the JSON that leaves the worker."""

import json
from typing import Any, Final

from mcp_dockerhub.supply_chain.catalogue.binaries import read_binary
from mcp_dockerhub.supply_chain.catalogue.elf import MAGIC as ELF_MAGIC
from mcp_dockerhub.supply_chain.catalogue.found import Evidence
from mcp_dockerhub.supply_chain.catalogue.readers import leads_away, may_be_asked_for, reader_of, unread_kind
from mcp_dockerhub.supply_chain.catalogue.remains import cache_of, is_privileged
from mcp_dockerhub.supply_chain.catalogue.source import TooMuch, Unreadable
from mcp_dockerhub.supply_chain.catalogue.tar import DIRECTORY, FILE, HARDLINK, OUTSIDE, SYMLINK, Entry

FORMAT: Final = 2
"""Changes with anything that a layer's result says, so that what was kept before is not used."""
MAX_ENTRIES: Final = 2_000_000
MAX_RESULT: Final = 4 * 1024 * 1024
"""Bytes, roughly, of what is collected about one layer."""
MAX_PATHS: Final = 100_000
"""Of each kind of path that only matters for what other layers hold."""
MAX_NOTABLE: Final = 1_000
EXAMPLES: Final = 5
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_AUFS: Final = ".wh..wh."
_SHALLOW: Final = 2
"""Depth to which any file is noted, as one that may have taken a folder's place."""


class Survey:
    """See the module's text. ``add`` every entry, then ask for ``to_json``."""

    def __init__(self) -> None:
        self.evidence: dict[str, Evidence] = {}
        self.removed: dict[str, None] = {}
        self.emptied: dict[str, None] = {}
        self.links: dict[str, str] = {}
        self.replaced: dict[str, None] = {}
        self.notable: dict[str, list[Any]] = {}
        self.caches: dict[str, list[Any]] = {}
        self.gaps: dict[tuple[str, str], list[Any]] = {}
        self.count = 0
        self.size = 0
        self._room = MAX_RESULT

    def add(self, entry: Entry) -> None:
        """Note one entry and read its content where it tells something."""
        self.count += 1
        path = entry.path
        if entry.kind == OUTSIDE:
            self.gap("damaged", "entry whose path leads out of the image or is too long", path)
        elif _WHITEOUT in path and path.rpartition("/")[2].startswith(_WHITEOUT):
            self._whiteout(path)
        elif entry.kind == FILE:
            self._file(entry)
        elif entry.kind == SYMLINK:
            self._forget(path)
            self._note(self.links, path, entry.link)
            if leads_away(path, entry.link):
                self.gap("unread", "symbolic link to what is not read at its own place", path)
        elif entry.kind == HARDLINK:
            self._hardlink(entry)
        elif entry.kind != DIRECTORY:
            self._forget(path)
            self._note(self.replaced, path, None)

    def gap(self, kind: str, what: str, path: str = "") -> None:
        """Something that is there and not read; the first few paths are its evidence."""
        found = self.gaps.setdefault((kind, what), [0, []])
        found[0] += 1
        if path and len(found[1]) < EXAMPLES:
            found[1].append(path[:1024])

    def to_json(self, form: str) -> bytes:
        """Everything collected, as ``layerfile`` reads it; ``form`` is the layer's compression."""
        return json.dumps(
            {
                "format": FORMAT,
                "compression": form,
                "entries": self.count,
                "size": self.size,
                "evidence": {path: [e.kind, e.packages, e.paths, e.facts] for path, e in self.evidence.items()},
                "removed": list(self.removed),
                "emptied": list(self.emptied),
                "links": self.links,
                "replaced": list(self.replaced),
                "notable": [[path, *rest] for path, rest in self.notable.items()],
                "caches": [[what, *rest] for what, rest in self.caches.items()],
                "gaps": [[kind, what, *rest] for (kind, what), rest in self.gaps.items()],
            },
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()

    def _whiteout(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if name == _OPAQUE:
            self._note(self.emptied, folder, None)
        elif not name.startswith(_AUFS) and name[4:] not in ("", ".", ".."):
            self._note(self.removed, f"{folder}/{name[4:]}".lstrip("/"), None)

    def _file(self, entry: Entry) -> None:
        path = entry.path
        self.size += entry.content.size
        if is_privileged(entry.mode) or entry.capabilities:
            self._notable(entry)
        cache = cache_of(path)
        if cache:
            self._cache(cache, path, entry.content.size)
        if path in self.evidence:
            self.gap("damaged", "entry that occurs twice", path)
            self._forget(path)
        self.links.pop(path, None)
        if entry.sparse and (reader_of(path) or unread_kind(path)):
            self.gap("unread", "sparse file", path)
            self._keep(path, Evidence("void"))
            return
        self._read(entry)

    def _read(self, entry: Entry) -> None:
        path = entry.path
        reader = reader_of(path)
        if reader is not None:
            try:
                self._keep(path, _trimmed(reader(path, entry.content)))
            except (Unreadable, MemoryError) as problem:
                self.gap(gap_kind(problem), f"file that is not read: {_reason(problem)}", path)
                self._keep(path, Evidence("void"))
            return
        what = unread_kind(path)
        if what:
            self._keep(path, Evidence("unread", facts={"what": what}))
            return
        if entry.content.peek(4) == ELF_MAGIC and not entry.sparse:
            found = read_binary(path, entry.content)
            if found is not None:
                self._keep(path, found)
                return
        if entry.mode & 0o111 or path.count("/") < _SHALLOW:
            self._note(self.replaced, path, None)

    def _hardlink(self, entry: Entry) -> None:
        """Another name for a file before it: what that tells, this tells too."""
        path = entry.path
        self._forget(path)
        reader = reader_of(path)
        target = self.evidence.get(entry.link)
        if reader is None:
            self._note(self.replaced, path, None)
        elif target is not None and reader_of(entry.link) is reader:
            self._keep(path, target)
        else:
            self.gap("unread", "hard link to a file that was not read under its other name", path)
            self._keep(path, Evidence("void"))

    def _keep(self, path: str, evidence: Evidence) -> None:
        cost = 64 + len(path) + sum(map(len, evidence.paths)) + 3 * len(evidence.paths)
        cost += sum(map(len, evidence.facts.values()))
        cost += sum(80 + sum(len(part) for part in package if isinstance(part, str)) for package in evidence.packages)
        if cost > self._room:
            self.gap("limit", "file whose findings are too many to keep", path)
            return
        self._room -= cost
        self.evidence[path] = evidence

    def _forget(self, path: str) -> None:
        self.evidence.pop(path, None)
        self.notable.pop(path, None)

    def _note(self, where: dict[str, Any], path: str, value: str | None) -> None:
        cost = 8 + len(path) + len(value or "")
        if len(where) >= MAX_PATHS or cost > self._room:
            self.gap("limit", "entry that hides others, beyond those that are kept", path)
            return
        self._room -= cost
        where[path] = value

    def _notable(self, entry: Entry) -> None:
        if len(self.notable) < MAX_NOTABLE:
            self.notable[entry.path] = [entry.mode & 0o7777, entry.uid, entry.capabilities]
        else:
            self.gap("limit", "privileged file, beyond those that are listed", entry.path)

    def _cache(self, what: str, path: str, size: int) -> None:
        found = self.caches.setdefault(what, [0, 0, []])
        found[0] += 1
        found[1] += size
        if len(found[2]) < EXAMPLES:
            found[2].append(path)


def _reason(problem: Unreadable | MemoryError) -> str:
    return "it needs too much memory" if isinstance(problem, MemoryError) else str(problem)


def gap_kind(problem: BaseException) -> str:
    """Whether a bound of ours or the content itself is why something is not read."""
    return "limit" if isinstance(problem, TooMuch | MemoryError) else "damaged"


def _trimmed(evidence: Evidence) -> Evidence:
    """Without paths nobody asks for: a package has thousands, and a handful of them matter."""
    if evidence.kind == "dpkg-files":
        return evidence._replace(paths=tuple(filter(may_be_asked_for, evidence.paths)))
    if evidence.kind == "apk":
        kept = tuple(path for path in evidence.paths if may_be_asked_for(path.partition(":")[2]))
        return evidence._replace(paths=kept)
    return evidence
