"""docker_verify_signature: who signed an image, and whether that can be proven here."""

import asyncio
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import DockerHubError, TooLarge, UpstreamInvalid
from mcp_dockerhub.platform import Platform
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry.models import Index, Manifest
from mcp_dockerhub.results import Provenance
from mcp_dockerhub.supply_chain.answers import SignatureRow, SignatureVerification
from mcp_dockerhub.supply_chain.attachments import Attachment, Form
from mcp_dockerhub.supply_chain.context import SupplyChain
from mcp_dockerhub.supply_chain.discovery import Discovery, Target
from mcp_dockerhub.supply_chain.json_walk import MAX_DOCUMENT
from mcp_dockerhub.supply_chain.opening import MAX_OPENED, Opener, on_thread
from mcp_dockerhub.supply_chain.signatures.documents import Judge, bad
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.signatures.publishers import publisher_of
from mcp_dockerhub.supply_chain.signatures.trust_root import load_trust_root
from mcp_dockerhub.supply_chain.signatures.verdicts import Finding, Outcome, Overall, Verdict, overall

MAX_BYTES: Final = MAX_DOCUMENT
"""Bytes of all documents fetched to verify one image."""
_ANYWHERE: Final = Platform("unknown", "unknown")
_TAGS: Final = ("sig", "att")
_OPEN: Final = (
    "No key or identity was asked for and the publisher is not one that is known here: the answer says who signed, "
    "and anyone can sign as themselves."
)
_UNREACHED: Final = "Nothing signed was found, but some places it could be in could not be reached."
_OF_PLATFORMS: Final = "The image is an index; images of single platforms may be signed: ask for one by its digest."


async def verify_signature(
    chain: SupplyChain, access: Access, ref: Reference, policy: Policy | None
) -> SignatureVerification:
    """Every signature of what ``ref`` points to, judged by ``policy``; without one by its publisher's, where known."""
    seen = Provenance()
    document = seen.take(await chain.sources.registry.manifest(access, ref))
    seen.warn(*document.warnings)
    publisher = None if policy else publisher_of(ref.repository)
    wanted = policy or (publisher.policy if publisher else Policy())
    target = Target(ref.with_digest(document.digest), ref, None, document.digest, _ANYWHERE)
    discovery = Discovery(chain.sources, access, target, seen)
    root = await asyncio.to_thread(load_trust_root, chain.trusted_root)
    findings = await _judged(discovery, Judge(wanted, root), document.digest)
    if wanted.is_open and findings:
        seen.warn(_OPEN)
    answer = overall(findings)
    row = answer.best.verdict if answer.best else _nothing(discovery, document, seen)
    return SignatureVerification(
        source=seen.source,
        fetched_at=seen.fetched_at,
        warnings=seen.warnings,
        image=ref.familiar,
        digest=document.digest,
        status=row.outcome.value,
        verified_by=row.signer.identity if row.signer and row.outcome is Outcome.VERIFIED else None,
        issuer=(row.signer.issuer or None) if row.signer and row.outcome is Outcome.VERIFIED else None,
        reason=row.reason,
        policy=str(wanted),
        publisher=publisher.name if publisher else None,
        policy_source=publisher.source if publisher else None,
        signatures=_rows(answer),
    )


async def _judged(discovery: Discovery, judge: Judge, digest: Digest) -> list[Finding]:
    """Signatures of the image first: they decide, and statements can be large."""
    attachments = [entry for entry in await discovery.everything(_TAGS) if entry.form is not Form.SBOM]
    attachments.sort(key=lambda entry: not entry.is_signature)
    opener = Opener(discovery)
    findings, room = [], MAX_BYTES
    for attachment in attachments:
        room -= attachment.blob.size
        if room < 0 or opener.opened >= MAX_OPENED:
            findings.append(_unread(attachment))
            continue
        found = await _one(opener, attachment, judge, digest)
        findings += [found] if found else []
    return findings


async def _one(opener: Opener, attachment: Attachment, judge: Judge, digest: Digest) -> Finding | None:
    try:
        opened = await opener.fetch(attachment)
    except (UpstreamInvalid, TooLarge) as error:
        return bad(attachment, error.message)
    except DockerHubError as error:
        return _with(attachment, Verdict(Outcome.UNVERIFIABLE, f"It could not be fetched: {error.message}"))
    return await on_thread(lambda document: judge.finding(document, (digest,)), opened)


def _unread(attachment: Attachment) -> Finding:
    return _with(attachment, Verdict(Outcome.UNVERIFIABLE, "It was not fetched: too much is attached to the image."))


def _with(attachment: Attachment, verdict: Verdict) -> Finding:
    finding = bad(attachment, "")
    return Finding(finding.kind, finding.where, finding.document, verdict, finding.predicate_type)


def _nothing(discovery: Discovery, document: Manifest, seen: Provenance) -> Verdict:
    if isinstance(document, Index):
        seen.warn(_OF_PLATFORMS)
    if discovery.incomplete:
        return Verdict(Outcome.UNVERIFIABLE, _UNREACHED)
    return Verdict(Outcome.NO_SIGNATURE, "No signature is attached, and no signed statement.")


def _rows(answer: Overall) -> list[SignatureRow]:
    return [
        SignatureRow(
            kind=finding.kind,
            status=finding.verdict.outcome.value,
            reason=finding.verdict.reason,
            signer=finding.verdict.signer.identity if finding.verdict.signer else None,
            issuer=(finding.verdict.signer.issuer or None) if finding.verdict.signer else None,
            predicate_type=finding.predicate_type or None,
            logged_at=finding.verdict.logged_at,
            where=finding.where,
            document=finding.document,
        )
        for finding in answer.findings
    ]
