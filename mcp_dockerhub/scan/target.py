"""What is to be scanned, as it was written: a reference, ``oci-layout:DIR`` or ``docker-archive:FILE``."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_dockerhub import render
from mcp_dockerhub.errors import InvalidInput
from mcp_dockerhub.reference import Reference, Repository
from mcp_dockerhub.scan.local.contents import Contents, open_layout
from mcp_dockerhub.scan.local.docker_archive import open_saved
from mcp_dockerhub.scan.local.files import Archive, Folder

OCI_LAYOUT: Final = "oci-layout"
DOCKER_ARCHIVE: Final = "docker-archive"
LOCAL_HOST: Final = "localhost"
"""The registry that local images are said to be on, as other tools do."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a local image lies."""

    kind: str
    path: Path
    name: str
    """Which of several images: a tag, a reference or a digest; empty for the only one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An image as it was asked for."""

    text: str
    ref: Reference | None
    """None for a local image, whose digest is known when it is open."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """A local image, open."""

    ref: Reference
    contents: Contents


def parse_target(text: str) -> Asked:
    """Raises InvalidInput for what is no target; whether it is there is seen when it is opened."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in (OCI_LAYOUT, DOCKER_ARCHIVE):
        return Asked(text, Reference.parse(text))
    if not rest or "\0" in rest:
        raise InvalidInput(f"{kind}: needs a path after the colon.")
    return Asked(text, None, Place(kind, *_path_and_name(rest)))


@contextmanager
def opened(place: Place, max_bytes: int) -> Iterator[Local]:
    """A local image as long as it is needed; ``max_bytes`` bounds what of it is unpacked.

    Raises NotFound, InvalidInput, Unsupported, UpstreamInvalid, TooLarge.
    """
    name = render.clip(str(place.path), 200)
    files = Folder(place.path, name) if place.kind == OCI_LAYOUT else Archive(place.path, name, max_bytes)
    try:
        if place.kind == OCI_LAYOUT:
            contents: Contents = open_layout(files, place.name)
        else:
            contents = open_saved(files, place.name, max_bytes)
        yield Local(Reference(_repository(place), None, contents.image), contents)
    finally:
        files.close()


def _repository(place: Place) -> Repository:
    """A name of its own for each place, valid whatever the path is."""
    words = _NOT_IN_NAMES.sub("-", place.path.name.lower()).strip("-")[:60]
    own = hashlib.sha256(str(place.path.absolute()).encode(errors="backslashreplace")).hexdigest()[:12]
    return Repository(LOCAL_HOST, f"{place.kind}/{words}-{own}" if words else f"{place.kind}/{own}")


def _path_and_name(rest: str) -> tuple[Path, str]:
    """``PATH``, ``PATH@DIGEST`` or ``PATH:NAME``, where the longest path that exists is the path."""
    ends = [len(rest), *(at for at in range(len(rest) - 1, 0, -1) if rest[at] in ":@")]
    for end in ends:
        if _exists(Path(rest[:end])):
            return Path(rest[:end]), rest[end + 1 :]
    return Path(rest), ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long a name, or a folder that may not be looked into
        return False
