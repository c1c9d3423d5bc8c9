"""What a scan found, whoever asked for it and whatever matched it: the tool, the command for CI, reports.

Rules for whoever builds a ``ScanReport``:

- A finding is one vulnerability in one package at one version; ``packages`` are all places where that is installed.
- Nothing is hidden: what a VEX document calls not affected is a finding with a mark.
- What was not compared with any advisory is in ``unmatched`` with a reason. No findings mean "none is known" only
  where ``complete``; a scan that could not be made raises, and is no report.
- Strings are as publishers wrote them: hostile text is cleaned where it is shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.results import Source
from mcp_dockerhub.supply_chain.advisories.model import (
    SEVERITIES,
    DatabaseFacts,
    EpssScore,
    KevEntry,
    Rating,
    Severity,
)
from mcp_dockerhub.supply_chain.advisories.model import Reference as Link
from mcp_dockerhub.supply_chain.inventory import Origin
from mcp_dockerhub.supply_chain.packages import Distro, Found, Package
from mcp_dockerhub.supply_chain.vocabulary import VexStatus

HARMLESS: Final[frozenset[VexStatus]] = frozenset({"not_affected", "fixed"})
"""What takes a finding's urgency away, if its author is right."""


@dataclass(frozen=True, slots=True)
class VexMark:
    """What a VEX document says of one finding (OpenVEX 0.2.0). Somebody's word: signatures are not checked."""

    status: VexStatus
    justification: str = ""
    """``vulnerable_code_not_present`` and such; empty where none is given."""
    statement: str = ""
    """The author's impact or action statement."""
    author: str = ""
    source: str = ""
    """Where the document is from: ``sha256:… attached to the image``, or the name of a file."""
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One vulnerability in one package at one version."""

    id: str
    """CVE where one is known."""
    aliases: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    """The vulnerabilities it is about where they are several (a distribution's notice), each of them an alias too:
    what is decided about one of them is not decided about the others. Empty for one vulnerability."""
    packages: tuple[Package, ...]
    """Every installed package it concerns, at least one: several places, several binaries of one source package."""
    ecosystem: str = ""
    """Whose advisory it is: ``Debian:12``, ``PyPI``; empty where an external scanner does not say."""
    fixed: tuple[str, ...] = ()
    """Versions that fix it, that on the installed version's own branch first; empty where there is no fix."""
    rating: Rating | None = None
    known_exploited: KevEntry | None = None
    """None where it is not on the list, or the list could not be read: ``ScanReport.feeds`` tells."""
    epss: EpssScore | None = None
    layer: str | None = None
    """Digest of the layer the vulnerable package lies in: of several the topmost; None where not known."""
    in_base: bool | None = None
    """Whether every place comes from the base image; False where one was added on top; None where not known."""
    vex: VexMark | None = None
    summary: str = ""
    references: tuple[Link, ...] = ()
    published: datetime | None = None
    modified: datetime | None = None
    why: str = ""
    """One line that explains its place in the order."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the whole of it is called."""
        return tuple(name for name in (self.id, *self.aliases) if name not in self.about)

    @property
    def package(self) -> Package:
        """The one to name where only one is named."""
        return self.packages[0]

    @property
    def severity(self) -> Severity:
        return self.rating.severity if self.rating else "unknown"

    @property
    def source_package(self) -> str:
        """The distribution's source package, which advisories are about; empty where it is the package's own name."""
        return self.package.source_name

    @property
    def fixable(self) -> bool:
        """Whether a version that fixes it is known."""
        return bool(self.fixed)

    @property
    def harmless(self) -> bool:
        """Whether a VEX document says that nothing need be done."""
        return self.vex is not None and self.vex.status in HARMLESS


@dataclass(frozen=True, slots=True)
class UnmatchedPackages:
    """Something in the image that was compared with no advisory: it may be vulnerable, and nobody looked."""

    what: str
    """In words, without markup: ``generic packages``, ``CPython``, ``rpm database``."""
    reason: str
    """Why, in words, with what to do where something can be done."""
    count: int = 1
    evidence: tuple[str, ...] = ()
    """Names with versions, or paths; a few examples, not all."""


@dataclass(frozen=True, slots=True)
class SbomSource:
    """Where the list of packages is from."""

    found: Found
    """``attestation``: a document attached to the image; otherwise what read the layers."""
    document: Origin | None = None
    """The attached document; None where the layers were read."""
    format: str = ""
    tools: tuple[str, ...] = ()
    """What made the document, by its own word."""
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class ScannedLayer:
    """One layer of the image, from the bottom up."""

    digest: str
    size: int
    """Compressed bytes."""
    in_base: bool | None
    """Whether it is the base image's; None where not known."""


@dataclass(frozen=True, slots=True)
class ScannedBase:
    """The base image findings are attributed to."""

    image: str
    digest: str
    """Empty where not known."""
    layers: int
    """How many of the image's layers are its, from the bottom up."""
    sure: bool
    """Whether all layers of it were found in the image; else only some of them are known to be its."""


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """A list that ranks findings: KEV or EPSS."""

    name: str
    """``CISA KEV``, ``EPSS``."""
    available: bool
    """False: could not be read, or is switched off; then nothing is known of it."""
    dated: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """All that is known about the vulnerabilities of one platform's image."""

    image: Reference
    """As asked for."""
    platform: Platform
    manifest: Digest
    sbom: SbomSource
    distro: Distro | None = None
    findings: tuple[Finding, ...]
    """Most urgent first."""
    packages: tuple[Package, ...]
    """All packages of the image."""
    matched: int
    """How many of ``packages`` were compared with a database that covers them, those included that belong to a
    distribution package which was."""
    unmatched: tuple[UnmatchedPackages, ...]
    incomplete_because: tuple[str, ...]
    """Why absence of a finding proves nothing, a sentence each; empty where it was looked for everywhere."""
    database: DatabaseFacts
    feeds: tuple[FeedFacts, ...] = ()
    base: ScannedBase | None = None
    """None where the base is not known: then ``in_base`` of no finding is."""
    layers: tuple[ScannedLayer, ...] = ()
    """Empty where the layers are not known."""
    vex_documents: tuple[str, ...] = ()
    """Sources of the VEX documents that were read."""
    warnings: tuple[str, ...] = ()
    source: Source = "live"
    """Least fresh of all it was made from."""
    fetched_at: datetime | None = None
    requests: int = 0
    """Requests to the vulnerability database made for it."""

    @property
    def complete(self) -> bool:
        """Whether everything in the image was compared with advisories that cover it."""
        return not self.incomplete_because

    @property
    def counts(self) -> Mapping[Severity, int]:
        """Findings by severity, worst first, severities without any included, those with a VEX mark too."""
        found: dict[Severity, int] = dict.fromkeys(SEVERITIES, 0)
        for finding in self.findings:
            found[finding.severity] += 1
        return found

    @property
    def actionable(self) -> Iterator[Finding]:
        """Findings that no VEX document calls harmless, most urgent first."""
        return (finding for finding in self.findings if not finding.harmless)


@dataclass(frozen=True, slots=True)
class VexSource:
    """A VEX document as bytes, and what it is called in answers."""

    name: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What a scan takes into account beyond the image."""

    vex: tuple[VexSource, ...] = ()
    """Documents given by the caller; they outrank attached ones only by being newer."""
    attached_vex: bool = True
    """Whether to look for VEX documents attached to the image."""
    find_base: bool = True
    """Whether to find out which layers are the base image's."""
