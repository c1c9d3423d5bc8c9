"""From an image to its vulnerabilities: packages, what is known about them, what matters first, what nobody knows."""

import asyncio
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Fetched, Key, Kind
from mcp_dockerhub.errors import (
    DockerHubError,
    RateLimited,
    TooLarge,
    Unsupported,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.images.reading import task_group
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import Provenance, worst
from mcp_dockerhub.supply_chain.advisories.model import Advisories, Matches, Progress
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.discovery import Discovery, Target, find_target, read_target
from mcp_dockerhub.supply_chain.inventory import inventory
from mcp_dockerhub.supply_chain.vulnerabilities.attribution import scanned_base
from mcp_dockerhub.supply_chain.vulnerabilities.matching import Plan, plan
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScanOptions, ScanReport
from mcp_dockerhub.supply_chain.vulnerabilities.report import Parts, Ranks, Surroundings, report_of
from mcp_dockerhub.supply_chain.vulnerabilities.vex import VexDocument
from mcp_dockerhub.supply_chain.vulnerabilities.vex_sources import attached, given
from mcp_dockerhub.transport.deadline import own_deadline, remaining
from mcp_dockerhub_security.refusals import Refusal

LONGEST: Final = 3600.0
"""Seconds a scan may take where its caller has all the time there is."""
_NO_DATABASE: Final = "No vulnerability database is configured."
_NOT_KEPT: Final = sys.maxsize
"""A size that fits no cache."""
_COST: Final = 1500
"""Bytes in memory for each package or finding, roughly."""
_PLAIN: Final = ScanOptions()
_UNREACHABLE: Final = (UpstreamTimeout, UpstreamUnavailable, UpstreamInvalid, RateLimited, TooLarge)


async def scan_image(
    chain: SupplyChain,
    access: Access,
    ref: Reference,
    platform: Platform | None,
    options: ScanOptions = _PLAIN,
    progress: Progress | None = None,
) -> ScanReport:
    """What is known about the vulnerabilities of one platform's image; ``progress`` hears of ids as they are found.

    The report of an image by its digest is kept for two hours, unless the caller brought documents of their own or
    something that can be had later was missing.

    Raises what ``inventory`` raises where there is no list of packages, what ``Database.match`` raises where the
    database cannot be asked, Unsupported without a database, InvalidInput for a VEX document of the caller's that is
    none. Everything else that fails is a warning.
    """
    if chain.advisories is None:
        raise Unsupported(_NO_DATABASE, hint="The operator must set MCP_DOCKERHUB_OSV_URL or MCP_DOCKERHUB_DATABASE.")
    seen = Provenance()
    target = await find_target(chain.sources, access, ref, platform, seen)
    scan = _Scan(chain, chain.advisories, access, target, options, progress, min(remaining(), LONGEST))
    if chain.cache is None or options != _PLAIN:
        report, _ = await scan.run()
        return _named(report, ref, seen)
    kept = await chain.cache.get(_key(chain, chain.advisories, access, target), scan.fetch)
    report = kept.value
    if kept.source != "live":
        report = replace(report, source=worst(report.source, kept.source), requests=0)
    if kept.source == "stale":
        old = f"This is what was known at {kept.fetched_at:%Y-%m-%d %H:%M} UTC: it cannot be found out anew now."
        said = (old, *report.incomplete_because)
        report = replace(report, incomplete_because=said, warnings=(old, *report.warnings))
    return _named(report, ref, seen)


def _key(chain: SupplyChain, advisories: Advisories, access: Access, target: Target) -> Key:
    """By digest, repository and tag, as what is said about one image may differ by these; for each tenant apart."""
    repository = target.ref.repository
    key = chain.sources.registry.derived_key(access, repository, "scan", target.manifest)
    index = target.index.digest if target.index else ""
    address = ("scan", advisories.database.edition(), str(repository), target.named.tag, target.manifest, index)
    return replace(key, kind=Kind.VULNERABILITIES, partition=access.partition, address=address)


def _named(report: ScanReport, ref: Reference, seen: Provenance) -> ScanReport:
    seen.add(report.source, report.fetched_at or datetime.now(UTC))
    return replace(report, image=ref, source=seen.source, fetched_at=seen.fetched_at)


@dataclass(frozen=True, slots=True)
class _Scan:
    """One scan of one image."""

    chain: SupplyChain
    advisories: Advisories
    access: Access
    target: Target
    options: ScanOptions
    progress: Progress | None
    seconds: float
    """How long its first caller waits: the cache would give it the time of one request."""

    async def fetch(self) -> Fetched[ScanReport]:
        """The report and what it costs to keep it."""
        with own_deadline(self.seconds):
            report, whole = await self.run()
        size = (len(report.packages) + len(report.findings)) * _COST
        return Fetched(report, size if whole else _NOT_KEPT)

    async def run(self) -> tuple[ScanReport, bool]:
        """The report, and whether everything was there that another time might be."""
        seen = Provenance()
        sources, target = self.chain.sources, self.target
        documents = await given(self.options.vex)
        found = await inventory(sources, self.access, target.named, target.platform, seen, self.chain.cataloguer)
        planned = await asyncio.to_thread(plan, found.packages)
        async with task_group() as group:
            matching = group.create_task(self._match(planned))
            surrounding = group.create_task(self._around(found.target, seen))
        answer, around = matching.result(), surrounding.result()
        if not answer.database.local and answer.database.updated is not None:
            # A service is always of now, unless it cannot be asked and what it said before has to do.
            seen.add("stale", answer.database.updated)
        ranks = await self._ranks(answer)
        around = replace(around, vex=(*around.vex, *documents))
        parts = Parts(found, planned, answer, around, ranks)
        report = await asyncio.to_thread(report_of, parts, seen)
        if self.chain.count_scan is not None:
            self.chain.count_scan(report.sbom.found, "full" if report.complete else "partial")
        ranked = all(feed is None or feed.available for feed in (ranks.kev, ranks.epss))
        return report, ranked and around.whole and report.manifest == target.manifest and report.source != "stale"

    async def _match(self, planned: Plan) -> Matches:
        """What the database knows; that it cannot be asked is said to be about the database, not about the image."""
        try:
            return await self.advisories.database.match(tuple(planned.asked), self.progress)
        except _UNREACHABLE as error:
            raise type(error)(
                f"The vulnerability database could not be asked: {error.message}",
                hint="Nothing is known about the image's vulnerabilities; this is not a clean result.",
                retry_after_s=error.retry_after_s,
            ) from error

    async def _around(self, target: Target, seen: Provenance) -> Surroundings:
        """The image itself, its base, and the VEX documents attached to it; what cannot be read becomes a warning."""
        missed: list[str] = []
        image = base = None
        try:
            image = await read_target(self.chain.sources, self.access, target.ref, target.platform, seen)
        except (DockerHubError, Refusal) as error:
            missed.append(f"The image's configuration could not be read: {error.message}")
        if image is not None and self.options.find_base:
            try:
                base = await scanned_base(self.chain.sources, self.access, target.ref, image, seen)
            except (DockerHubError, Refusal) as error:
                missed.append(f"The base could not be read, so what came with it is not known: {error.message}")
        discovery = Discovery(self.chain.sources, self.access, target, seen)
        vex = await self._attached_vex(discovery, missed) if self.options.attached_vex else []
        seen.warn(*missed)
        return Surroundings(image, base, tuple(vex), not missed and not discovery.incomplete)

    async def _attached_vex(self, discovery: Discovery, missed: list[str]) -> list[VexDocument]:
        try:
            return await attached(discovery)
        except (DockerHubError, Refusal) as error:
            missed.append(f"VEX documents attached to the image could not be used: {error.message}")
            return []

    async def _ranks(self, answer: Matches) -> Ranks:
        cves = sorted({cve for hit in answer.hits for cve in hit.advisory.cves})
        kev, epss = self.advisories.kev, self.advisories.epss
        async with task_group() as group:
            exploited = group.create_task(kev.lookup(cves)) if kev else None
            likely = group.create_task(epss.lookup(cves)) if epss else None
        return Ranks(exploited.result() if exploited else None, likely.result() if likely else None)
