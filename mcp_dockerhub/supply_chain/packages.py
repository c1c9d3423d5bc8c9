"""The one model of "what is in an image", whoever found it out.

An SBOM somebody attached, the built-in cataloguer and external scanners all end here, and everything that asks
about packages (the SBOM tool, both document writers, vulnerability matching) starts here.

Rules for whoever builds a ``PackageSet``:

- A package is one installed thing at one place. The same (type, name, version) at two locations is two packages;
  readers that want it once use ``distinct``.
- Facts are those of the document or file read. What is not said is empty (``""``, ``()``, ``None``), never guessed:
  an empty ``version`` means "not known" and matches nothing.
- Strings are as found, bounded to ``MAX_TEXT`` characters and otherwise untouched: hostile text is cleaned where it
  is shown, because matching must see what is really there.
- What was seen and not turned into packages goes to ``Coverage`` with its evidence. An empty ``packages`` without a
  gap means "nothing is installed"; it must never stand for "nothing was read".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

MAX_TEXT: Final = 1024
"""Characters of any one string of a package; names and purls of real packages stay far below."""
MAX_PACKAGES: Final = 200_000
"""Packages of one set; the largest real images have some ten thousand."""

Found = Literal["attestation", "catalogue", "syft", "trivy"]
"""Who found the packages: a document attached to the image, our own cataloguer, or a tool that was run."""


@dataclass(frozen=True, slots=True)
class Distro:
    """The operating system an image is made from, by its ``os-release`` file (freedesktop os-release(5))."""

    id: str
    """``debian``, ``alpine``, ``ubuntu``, ``wolfi``; lower case."""
    version_id: str = ""
    """``12``, ``3.20.3``, ``24.04``; empty for rolling distributions."""
    codename: str = ""
    """``VERSION_CODENAME``, such as ``bookworm``."""
    name: str = ""
    """``PRETTY_NAME``."""
    id_like: tuple[str, ...] = ()
    """Distributions it derives from, closest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package."""

    type: str
    """Package URL type (purl-spec): ``deb``, ``apk``, ``rpm``, ``pypi``, ``npm``, ``golang``, ``maven``, …;
    empty where the document does not say."""
    name: str
    """As its ecosystem writes it in full: ``libc6``, ``@scope/name``, ``github.com/o/r``, ``group:artifact``."""
    version: str
    """As its ecosystem writes it, epoch and revision included (``1:2.36-9+deb12u9``, ``v1.2.3`` for Go); empty
    where not known."""
    purl: str = ""
    """Package URL with its qualifiers (``arch``, ``distro``, ``upstream``) as found or built; empty where there is
    none."""
    licenses: tuple[str, ...] = ()
    """SPDX identifiers or expressions where the source has them, else the words it uses."""
    location: str = ""
    """Absolute path in the image of the file that is the evidence: the database, ``METADATA``, the binary, or
    ``outer.jar!/inner.jar`` for what is inside an archive."""
    layer: str | None = None
    """Digest of the layer that holds ``location``, as the image's manifest lists it; None where not known. For a
    database that later layers wrote anew our own cataloguer says the layer that brought the package; documents by
    others say the last that wrote it."""
    source_name: str = ""
    """Name of the source package of a distribution package (``openssl`` for ``libssl3``), which advisories name.
    Empty means the same as ``name``; use ``source``."""
    source_version: str = ""
    """Version of the source package; empty means the same as ``version``."""
    arch: str = ""
    """``amd64``, ``all``, ``noarch``; the ecosystem's own word."""
    distro: str = ""
    """``debian-12``: the distribution release it was built for by its own purl (qualifier ``distro``); where empty
    the ``PackageSet.distro`` counts."""
    owner: str | None = None
    """The purl of the distribution package that installed it (a Python library from a ``.deb``): such a package is
    maintained, and its vulnerabilities are tracked, by its owner. None where nobody owns it or that is not known."""

    @property
    def source(self) -> tuple[str, str]:
        """Name and version of the source package, the package's own where nothing else is said."""
        return self.source_name or self.name, self.source_version or self.version

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two findings the same package, wherever they lie."""
        return self.type, self.name, self.version


class GapKind(StrEnum):
    """Why something that is there is not among the packages."""

    UNREAD = "unread"
    """Present, and nothing here reads its format: an rpm database, a lock file of another ecosystem."""
    UNOWNED = "unowned"
    """A language runtime or binary that no package accounts for."""
    UNIDENTIFIED = "unidentified"
    """Listed or found without what identifies a package: no name, no version, no purl."""
    DAMAGED = "damaged"
    """Unreadable content where packages were expected."""
    LIMIT = "limit"
    """A bound of ours was reached: what comes after it was not looked at."""
    SCOPE = "scope"
    """The source says that it covers only part of the image (an SBOM of one stage, a filtered document)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something the packages do not cover, and how we know that it is there."""

    kind: GapKind
    what: str
    """In words, without markup: ``rpm database``."""
    evidence: tuple[str, ...] = ()
    """Paths, entry names or identifiers; a few examples, not all."""
    count: int = 1
    """How many things this stands for."""
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a set can be trusted to be whole."""

    gaps: tuple[Gap, ...] = ()
    ecosystems: tuple[str, ...] = ()
    """Package URL types that were looked for; empty where an attached document does not tell."""

    @property
    def complete(self) -> bool:
        """Nothing is known to be missing. For attached documents that is the author's word, not ours."""
        return not self.gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """All packages found in one image for one platform."""

    packages: tuple[Package, ...]
    """In the order found."""
    found: Found
    distro: Distro | None = None
    tools: tuple[str, ...] = ()
    """What made the document or did the look-up, such as ``syft-1.18.0``."""
    created: datetime | None = None
    """When the packages were listed, by the document's word."""
    name: str = ""
    """Of an attached document, by its own word."""
    format: str = ""
    """Of an attached document: ``SPDX-2.3``, ``CycloneDX 1.6``."""
    coverage: Coverage = field(default_factory=Coverage)

    def distinct(self) -> Iterator[Package]:
        """Each (type, name, version) once: the first place it was found at."""
        seen: set[tuple[str, str, str]] = set()
        for package in self.packages:
            if package.identity not in seen:
                seen.add(package.identity)
                yield package
