"""The memory limit of the control group this process lives in, version 1 or 2.

In a container psutil and /proc/meminfo show the host's memory; what gets a process killed is the limit of
its control group, or of any group above it (Linux ``Documentation/admin-guide/cgroup-v2.rst``, "Memory", and
``cgroup-v1/memory.rst``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")
_UNLIMITED_V1: Final = 1 << 60
"""Version 1 says "no limit" with the largest multiple of the page size that fits."""


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """The group with the tightest limit of those this process is in."""

    usage: int
    """Bytes in use, without file pages that can be dropped at once."""
    limit: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class _Files:
    limit: str
    usage: str
    droppable: str
    """The line of ``memory.stat`` that counts inactive file pages of the whole subtree."""


_V1: Final = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2: Final = _Files("memory.max", "memory.current", "inactive_file")


def group_memory(root: Path = ROOT, membership: Path = MEMBERSHIP) -> GroupMemory | None:
    """The tightest limit and the use it is compared with; None where nothing is limited or known."""
    paths = _memberships(membership)
    found: list[GroupMemory] = []
    if "memory" in paths:
        found.extend(_chain(root / "memory", paths["memory"], _V1))
    elif "" in paths:
        found.extend(_chain(root, paths[""], _V2))
    return min(found, key=lambda group: group.limit, default=None)


def _memberships(membership: Path) -> Mapping[str, str]:
    """Path by controller; version 2's one hierarchy has the empty name."""
    paths: dict[str, str] = {}
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return paths
    for line in lines:
        fields = line.split(":", 2)
        if len(fields) == 3:
            paths.update(dict.fromkeys(fields[1].split(","), fields[2]))
    return paths


def _chain(base: Path, path: str, files: _Files) -> Iterator[GroupMemory]:
    """The limited groups from the process's own up to ``base``.

    Inside a container the path may be the host's and lead nowhere; the mount then shows the own group.
    """
    parts = PurePosixPath(path.lstrip("/")).parts
    if ".." in parts:
        parts = ()
    for depth in range(len(parts), -1, -1):
        group = _read(base.joinpath(*parts[:depth]), files)
        if group is not None:
            yield group


def _read(directory: Path, files: _Files) -> GroupMemory | None:
    limit = _number(directory / files.limit)
    usage = _number(directory / files.usage)
    if limit is None or usage is None or limit >= _UNLIMITED_V1:
        return None
    return GroupMemory(max(0, usage - _droppable(directory / "memory.stat", files.droppable)), limit)


def _number(path: Path) -> int | None:
    """The file's number; None for a missing file and for the word ``max``."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdecimal() else None


def _droppable(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    for line in lines:
        key, _, value = line.partition(" ")
        if key == name and value.isdecimal():
            return int(value)
    return 0
