"""One run: clients, the image, the scan, the verdict."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final

from mcp_dockerhub.advisory_settings import AdvisorySettings
from mcp_dockerhub.environment import read
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.scan.judging import Rules, Verdict, judge
from mcp_dockerhub.scan.local.registry import LocalRegistry
from mcp_dockerhub.scan.progress import Progress
from mcp_dockerhub.scan.target import Asked, Local, opened
from mcp_dockerhub.scan.workplace import Operator, Workplace
from mcp_dockerhub.scan_settings import ScanSettings
from mcp_dockerhub.services import Clients, build_clients
from mcp_dockerhub.settings import Settings
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.vulnerabilities.model import ScanOptions, ScanReport, VexSource
from mcp_dockerhub.supply_chain.vulnerabilities.scan import scan_image
from mcp_dockerhub.transport.deadline import call_deadline

LONGEST: Final = 3600.0
"""Seconds a run may take."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    image: Asked
    platform: Platform | None = None
    rules: Rules = field(default_factory=Rules)
    vex: tuple[tuple[str, bytes], ...] = ()
    """Names and contents of documents."""
    attached_vex: bool = True
    """Whether documents attached to the image count too."""
    baseline: Asked | None = None
    trivy: bool = False
    """Trivy in the built-in scanner's place."""
    cross_check: bool = False


def run(settings: Settings, request: Request, progress: Progress) -> Verdict:
    """Scan and judge.

    Raises what ``scan_image`` raises, and DockerHubError or Refusal for an image that cannot be opened or may not be.
    """
    return asyncio.run(_run(settings, request, progress))


async def _run(settings: Settings, request: Request, progress: Progress) -> Verdict:
    scan, advisory = read(ScanSettings), read(AdvisorySettings)
    with ExitStack() as stack:
        places = [asked for asked in (request.image, request.baseline) if asked is not None]
        found = {
            asked: stack.enter_context(opened(asked.place, scan.scan_max_bytes)) for asked in places if asked.place
        }
        clients = build_clients(settings, scan=scan, advisory=advisory)
        try:
            with call_deadline(LONGEST):
                return await _judged(_workplace(clients, settings, places, found, progress), request)
        finally:
            await clients.aclose()


def _workplace(
    clients: Clients, settings: Settings, places: list[Asked], found: dict[Asked, Local], progress: Progress
) -> Workplace:
    http, sources = clients.http, clients.sources
    refs = {asked: found[asked].ref if asked.ref is None else asked.ref for asked in places}
    if found:
        client: LocalRegistry | None = None
        for local in found.values():
            client = LocalRegistry(local.ref.repository, local.contents, client or http)
        assert client is not None  # noqa: S101  (found is not empty)
        # Without the store: what lies here need not be kept twice.
        sources = Sources(RegistryClient(client, clients.cache, clients.registries), sources.hub)
    scanning = clients.scanning
    assert scanning is not None  # noqa: S101  (built with the clients)
    layers = scanning.layers(progress.layers) if scanning.enabled else None
    chain = SupplyChain(
        sources,
        # Another program in its place would look for a local image on a registry.
        layers if found else scanning.cataloguer(progress.layers),
        layers,
        settings.sigstore_trusted_root,
        clients.advisories,
        clients.cache,
    )
    own = frozenset((local.ref.repository.registry, local.ref.repository.path) for local in found.values())
    return Workplace(chain, Operator(clients, own), refs, found, progress)


async def _judged(work: Workplace, request: Request) -> Verdict:
    baseline: tuple[str, ScanReport] | None = None
    if request.baseline is not None:
        work.progress.say(f"scanning the baseline {request.baseline.text}")
        baseline = request.baseline.text, await _scanned(work, request, request.baseline)
    report = await _scanned(work, request, request.image)
    verdict = judge(request.image.text, report, request.rules, baseline)
    if request.cross_check:
        from mcp_dockerhub.scan.cross_check import disagreements
        from mcp_dockerhub.scan.trivy import scan_with_trivy

        work.progress.say("asking trivy")
        other = await scan_with_trivy(work, request.image, request.platform)
        verdict = replace(verdict, disagreements=disagreements(report, other), second_scanner="trivy")
    return verdict


async def _scanned(work: Workplace, request: Request, asked: Asked) -> ScanReport:
    local = work.locals.get(asked)
    if request.trivy:
        from mcp_dockerhub.scan.trivy import scan_with_trivy

        report = await scan_with_trivy(work, asked, request.platform)
    else:
        given = tuple(VexSource(name, raw) for name, raw in request.vex)
        options = ScanOptions(vex=given, attached_vex=request.attached_vex)
        report = await scan_image(
            work.chain, work.access, work.refs[asked], request.platform, options, work.progress.advisories
        )
    own = local.contents.warnings if local else ()
    clients = work.access.clients.warnings
    return replace(report, warnings=(*report.warnings, *own, *clients))
