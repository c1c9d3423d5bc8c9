"""From everything that was read and answered to one report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from mcp_dockerhub.registry.models import Image
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.advisories.lifetimes import ended
from mcp_dockerhub.supply_chain.advisories.merging import several
from mcp_dockerhub.supply_chain.advisories.model import EpssScore, Feed, Hit, KevEntry, Matches
from mcp_dockerhub.supply_chain.inventory import Inventory
from mcp_dockerhub.supply_chain.packages import Package
from mcp_dockerhub.supply_chain.vulnerabilities.attribution import Attribution, attribution
from mcp_dockerhub.supply_chain.vulnerabilities.coverage import trust
from mcp_dockerhub.supply_chain.vulnerabilities.matching import Plan, judged
from mcp_dockerhub.supply_chain.vulnerabilities.model import (
    FeedFacts,
    Finding,
    SbomSource,
    ScannedBase,
    ScanReport,
)
from mcp_dockerhub.supply_chain.vulnerabilities.priority import explained, ordered
from mcp_dockerhub.supply_chain.vulnerabilities.vex import Marks, Subject, VexDocument
from mcp_dockerhub.supply_chain.vulnerabilities.vex_sources import problems

KEV: Final = "CISA KEV"
EPSS: Final = "EPSS"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of an image besides its packages."""

    image: Image | None = None
    """None where its configuration could not be read."""
    base: ScannedBase | None = None
    vex: tuple[VexDocument, ...] = ()
    whole: bool = True
    """False where something could not be read that may be there the next time."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """What the lists say of the vulnerabilities found; None for a list that is switched off."""

    kev: Feed[KevEntry] | None = None
    epss: Feed[EpssScore] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """All that goes into a report."""

    found: Inventory
    planned: Plan
    answer: Matches
    around: Surroundings
    ranks: Ranks


def report_of(parts: Parts, seen: Provenance) -> ScanReport:
    """Takes its time for large images: use a thread."""
    found, around = parts.found, parts.around
    packages = found.packages
    matched = judged(parts.planned, parts.answer)
    old = ended(packages.distro, (query.ecosystem for query in parts.planned.asked), datetime.now(UTC).date())
    trusted = trust(found, matched, around.image, (*old, *parts.answer.database.warnings))
    placed = attribution(around.image, around.base, packages)
    marks = Marks(around.vex, Subject(found.target.named, found.target.digests, found.target.platform))
    maker = _Maker(parts.ranks, marks, placed)
    return ScanReport(
        image=found.target.named,
        platform=found.target.platform,
        manifest=found.target.manifest,
        sbom=_source(found),
        distro=packages.distro,
        findings=ordered(maker.finding(hit, about) for hit, about in matched.hits),
        packages=packages.packages,
        matched=matched.matched,
        unmatched=trusted.unmatched,
        incomplete_because=trusted.because,
        database=parts.answer.database,
        feeds=(_facts(KEV, parts.ranks.kev), _facts(EPSS, parts.ranks.epss)),
        base=around.base,
        layers=placed.layers,
        vex_documents=tuple(document.source for document in around.vex),
        warnings=tuple(_warnings(parts, old, seen)),
        source=seen.source,
        fetched_at=seen.fetched_at,
        requests=parts.answer.requests,
    )


def _source(found: Inventory) -> SbomSource:
    packages = found.packages
    return SbomSource(packages.found, found.origin, packages.format, packages.tools, packages.created)


def _facts(name: str, feed: Feed[KevEntry] | Feed[EpssScore] | None) -> FeedFacts:
    return FeedFacts(name, available=feed is not None and feed.available, dated=feed.dated if feed else None)


def _warnings(parts: Parts, old: Sequence[str], seen: Provenance) -> Iterable[str]:
    said = [*old, *parts.answer.database.warnings]
    for feed in (parts.ranks.kev, parts.ranks.epss):
        said += [feed.warning] if feed and feed.warning else []
    return dict.fromkeys(filter(None, [*said, *problems(parts.around.vex), *seen.warnings]))


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes findings of one image."""

    ranks: Ranks
    marks: Marks
    placed: Attribution

    def finding(self, hit: Hit, packages: Sequence[Package]) -> Finding:
        advisory = hit.advisory
        made = Finding(
            id=advisory.id,
            aliases=tuple(sorted(advisory.names - {advisory.id})),
            about=several(advisory),
            packages=tuple(packages),
            ecosystem=hit.query.ecosystem,
            fixed=hit.fixed,
            rating=hit.rating,
            known_exploited=_first(advisory.cves, self.ranks.kev),
            epss=_likeliest(advisory.cves, self.ranks.epss),
            layer=self.placed.topmost(packages),
            in_base=self.placed.in_base(packages),
            summary=advisory.summary,
            references=advisory.references,
            published=advisory.published,
            modified=advisory.modified,
        )
        made = replace(made, vex=self.marks.about(made))
        return replace(made, why=explained(made))


def _first(cves: Sequence[str], feed: Feed[KevEntry] | None) -> KevEntry | None:
    entries: Mapping[str, KevEntry] = feed.entries if feed else {}
    return next((entries[cve] for cve in cves if cve in entries), None)


def _likeliest(cves: Sequence[str], feed: Feed[EpssScore] | None) -> EpssScore | None:
    entries: Mapping[str, EpssScore] = feed.entries if feed else {}
    return max((entries[cve] for cve in cves if cve in entries), key=lambda entry: entry.score, default=None)
