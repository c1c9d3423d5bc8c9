"""The files of one audit log.

``PATH`` is written to. ``PATH.DATE-SEQUENCE`` are the rotated files before it, named after the day of their last
record (``20261121``) and the sequence number of their first. ``PATH.checkpoints`` holds copies of the checkpoints
that the chain carries, and ``PATH.lock`` is locked by the process that writes. A second process at the same path
writes ``PATH.2``, a third ``PATH.3``, each with files of its own.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mcp_dockerhub_security.audit_chain import MAX_LINE, unseal

MAX_WRITERS: Final = 64

_ROTATED: Final = re.compile(r"\.(\d{8})-(\d{12,20})")
_BLOCK: Final = 64 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A rotated file."""

    first: int
    """Sequence number of its first record."""
    day: str
    """UTC day of its last record, as ``20261121``."""
    path: Path


def writer_path(path: Path, slot: int) -> Path:
    """The file of the ``slot``-th process (from 1) that writes at ``path``."""
    return path if slot == 1 else path.with_name(f"{path.name}.{slot}")


def writer_paths(path: Path) -> list[Path]:
    """The files of all processes that wrote at ``path``, its own first."""
    found = [writer_path(path, slot) for slot in range(1, MAX_WRITERS + 1)]
    return [candidate for candidate in found if candidate.exists() or rotated(candidate)]


def rotated_path(path: Path, day: str, first: int) -> Path:
    """Where the file at ``path`` goes."""
    return path.with_name(f"{path.name}.{day}-{first:012d}")


def checkpoints_path(path: Path) -> Path:
    """Where copies of the checkpoints are."""
    return path.with_name(f"{path.name}.checkpoints")


def rotated(path: Path) -> list[Segment]:
    """The rotated files of the log at ``path``, oldest first; none where its directory is not there."""
    segments = []
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 -- names are enough, and directories can be long
    except FileNotFoundError:
        return []
    for name in names:
        match = _ROTATED.fullmatch(name[len(path.name) :]) if name.startswith(path.name) else None
        if match is not None:
            segments.append(Segment(int(match[2]), match[1], path.with_name(name)))
    return sorted(segments)


def files(path: Path) -> list[Path]:
    """All files of the log at ``path`` in the order they were written; ``path`` itself where there are none."""
    older = [segment.path for segment in rotated(path)]
    # A crash between two files leaves none at the path.
    return [*older, path] if path.exists() or not older else older


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of one file; one that is too long is cut, and recognised by its length.

    Raises OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            yield number, line


def lines_backwards(path: Path) -> Iterator[bytes]:
    """The whole lines of one file, last first; what follows the last newline is left out."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        rest = b""
        whole = False
        while position:
            length = min(position, _BLOCK)
            position -= length
            file.seek(position)
            first, *lines = (file.read(length) + rest).split(b"\n")
            for line in reversed(lines):
                if whole:
                    yield line + b"\n"
                whole = True
            rest = first
            if len(rest) > MAX_LINE:
                # No line of ours: whoever reads it finds that out.
                yield rest
                return
        if rest and whole:
            yield rest + b"\n"


def last_record(path: Path) -> tuple[dict[str, Any], str] | None:
    """The last whole record of a file and its hash, or None where there is none; raises ValueError for a bad one."""
    for line in lines_backwards(path):
        return unseal(line)
    return None
