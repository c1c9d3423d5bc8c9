"""docker_get_provenance: who built an image, from what, how, and how well that is proven."""

import asyncio
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import NotFound
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Reference
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.answers import BuildMaterial, BuildProvenance, BuildSource, BuildStatement
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.discovery import Discovery, Target, find_target
from mcp_dockerhub.supply_chain.provenance.build import SourceCode
from mcp_dockerhub.supply_chain.provenance.finding import FoundBuild, every_build
from mcp_dockerhub.supply_chain.signatures.documents import Judge
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.signatures.publishers import publisher_of
from mcp_dockerhub.supply_chain.signatures.trust_root import load_trust_root
from mcp_dockerhub.supply_chain.signatures.verdicts import Outcome

MAX_STATEMENTS: Final = 5
MAX_MATERIALS: Final = 100
MAX_PARAMETERS: Final = 60
_SENSITIVE: Final = "Values of build arguments that look like secrets are withheld; they are public in the image."
_CLAIMED: Final = "The source was claimed by the client of the build; the builder did not check it."


async def image_provenance(
    chain: SupplyChain, access: Access, ref: Reference, platform: Platform | None
) -> BuildProvenance:
    """Every statement about the build of one platform's image, its signature judged.

    Raises NotFound where there is none, UpstreamInvalid where all there are were refused.
    """
    seen = Provenance()
    target = await find_target(chain.sources, access, ref, platform, seen)
    discovery = Discovery(chain.sources, access, target, seen)
    publisher = publisher_of(ref.repository)
    root = await asyncio.to_thread(load_trust_root, chain.trusted_root)
    found = await every_build(discovery, Judge(publisher.policy if publisher else Policy(), root))
    if not found:
        raise _nothing(target, discovery)
    if len(found) > MAX_STATEMENTS:
        seen.warn(f"Only {MAX_STATEMENTS} of {len(found)} statements are listed.")
    return _answer(target, found, seen)


def _nothing(target: Target, discovery: Discovery) -> NotFound:
    reached = " in the places that could be reached" if discovery.incomplete else ""
    return NotFound(
        f"No provenance is attached to {target.named.familiar} ({target.platform}){reached}.",
        hint="Nothing says how it was built; its history and labels may give hints.",
    )


def _answer(target: Target, found: list[FoundBuild], seen: Provenance) -> BuildProvenance:
    best = found[0].level
    if any(entry.build.withheld for entry in found):
        seen.warn(_SENSITIVE)
    if any(entry.build.source and entry.build.source.is_claim for entry in found):
        seen.warn(_CLAIMED)
    return BuildProvenance(
        image=target.named.familiar,
        platform=str(target.platform),
        manifest=target.manifest,
        level=best.level,
        why_not_higher=list(best.missing),
        statements=[_statement(entry) for entry in found[:MAX_STATEMENTS]],
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
    )


def _statement(entry: FoundBuild) -> BuildStatement:
    build, verdict = entry.build, entry.verdict
    signer = verdict.signer if verdict else None
    return BuildStatement(
        where=entry.attachment.where,
        document=entry.attachment.blob.digest,
        predicate_type=build.predicate_type,
        build_type=build.build_type,
        builder=build.builder,
        invocation=build.invocation,
        mode=build.mode,
        source=_source(build.source) if build.source else None,
        parameters=dict(list(build.parameters.items())[:MAX_PARAMETERS]),
        materials=[
            BuildMaterial(uri=row.uri, kind=row.kind, digest=row.digest) for row in build.materials[:MAX_MATERIALS]
        ],
        total_materials=len(build.materials),
        started=build.started,
        finished=build.finished,
        reproducible=build.reproducible,
        hermetic=build.hermetic,
        parameters_complete=build.parameters_complete,
        materials_complete=build.materials_complete,
        has_dockerfile=bool(build.files),
        signature=(verdict.outcome if verdict else Outcome.NO_SIGNATURE).value,
        signer=signer.identity if signer else None,
        issuer=(signer.issuer or None) if signer else None,
        level=entry.level.level,
    )


def _source(source: SourceCode) -> BuildSource:
    return BuildSource(repository=source.uri, commit=source.commit, path=source.path, checked=source.checked)
