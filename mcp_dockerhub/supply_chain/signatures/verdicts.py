"""What can be said about one signature, and about an image by all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mcp_dockerhub.supply_chain.vocabulary import Kind


class Outcome(StrEnum):
    """The five answers that must never be mistaken for one another, best last."""

    NO_SIGNATURE = "no_signature"
    """Nothing is signed, in every place looked at."""
    UNVERIFIABLE = "not_verifiable_here"
    """There is a signature; what it takes to check it is missing: the key, the extra, the log's proof."""
    BAD = "bad_signature"
    """It is damaged, forged, or about something else."""
    OTHER_SIGNER = "signed_by_someone_else"
    """It is no signature of the key or identity asked for."""
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who made a signature, as far as it proves."""

    identity: str
    """A mail address or workflow URL of a certificate, or ``key sha256:…`` of a public key."""
    issuer: str = ""
    """Who vouched for the identity (OpenID Connect issuer); empty for keys."""

    def __str__(self) -> str:
        return f"{self.identity} (by {self.issuer})" if self.issuer else self.identity


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one signature."""

    outcome: Outcome
    reason: str
    """One sentence, ours: never text from the signature."""
    signer: Signer | None = None
    """Known for verified signatures, and for valid ones by someone else."""
    logged_at: datetime | None = None
    """When a transparency log recorded it, where that was checked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One signature that was found."""

    kind: Kind
    """Of the image itself, or of a statement about it."""
    where: str
    document: str
    """Digest of what holds it."""
    verdict: Verdict
    predicate_type: str = ""


@dataclass(frozen=True, slots=True)
class Overall:
    """The answer for the image."""

    outcome: Outcome
    best: Finding | None = None
    findings: tuple[Finding, ...] = field(default=())


_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}


def overall(findings: Iterable[Finding]) -> Overall:
    """The best of all signatures of the image; where there are none, of the statements about it.

    A forged signature next to a good one does not make the good one worse: anyone who may push can add one.
    """
    every = tuple(findings)
    decisive = [finding for finding in every if finding.kind == "signature"] or list(every)
    if not decisive:
        return Overall(Outcome.NO_SIGNATURE)
    best = max(decisive, key=lambda finding: _RANK[finding.verdict.outcome])
    return Overall(best.verdict.outcome, best, every)
