"""Signatures by a short-lived certificate, with the log's promise beside them: what cosign made before bundles.

(Sigstore client specification, "Verification"; for promises instead of inclusion proofs cosign SIGNATURE_SPEC.md.)
Offline throughout: the certificate, the authority, both logs and the time are checked against the trusted root.
"""

from dataclasses import dataclass, field
from typing import Final

from mcp_dockerhub.supply_chain.signatures.certificates import Certificate
from mcp_dockerhub.supply_chain.signatures.chains import chain_of, is_logged, may_sign, stranger
from mcp_dockerhub.supply_chain.signatures.log_entries import LogEntry
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.signatures.trust_root import TrustRoot
from mcp_dockerhub.supply_chain.signatures.verdicts import Outcome, Signer, Verdict

NO_ROOT: Final = "It is keyless; to verify it the server needs the `sigstore` extra or a trusted root, and has neither."
NO_CERTIFICATE: Final = "The certificate that came with it cannot be read."
NO_SIGNER: Final = "Its certificate names no signer as those of Sigstore do; whoever has its key can verify it by that."
NO_KEY: Final = "It is by a certificate, not by the key asked for."
_PROVEN: Final = "The certificate, the signature and the transparency log's record of it agree."


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature and all that came with it."""

    signed: bytes = field(repr=False)
    """The bytes under the signature."""
    signatures: tuple[bytes, ...]
    certificate: str
    """PEM."""
    entry: LogEntry | None
    payload: bytes | None = field(default=None, repr=False)
    """Of an envelope, where ``signed`` is its pre-authentication encoding."""


def assess(found: Signed, policy: Policy, root: TrustRoot | None) -> Verdict:
    """The verdict on a signature that came with a certificate."""
    certificate = Certificate.parse(found.certificate)
    key = certificate.key if certificate else None
    if certificate is None or key is None:
        return Verdict(Outcome.BAD, NO_CERTIFICATE)
    if not any(key.verifies(signature, found.signed) for signature in found.signatures):
        return Verdict(Outcome.BAD, "It does not fit the certificate that came with it.")
    if policy.wants_key:
        return Verdict(Outcome.OTHER_SIGNER, NO_KEY, certificate.signer)
    signer = certificate.signer
    if signer is None:
        return Verdict(Outcome.UNVERIFIABLE, NO_SIGNER)
    if root is None:
        return Verdict(Outcome.UNVERIFIABLE, NO_ROOT, signer)
    return _proven(found, certificate, signer, policy, root)


def _proven(found: Signed, certificate: Certificate, signer: Signer, policy: Policy, root: TrustRoot) -> Verdict:
    entry = found.entry
    if entry is None:
        return Verdict(
            Outcome.UNVERIFIABLE, "No record of a transparency log came with it, so when it was made is not known."
        )
    forged, problem = entry.problem(root)
    if problem:
        return Verdict(Outcome.BAD if forged else Outcome.UNVERIFIABLE, problem)
    if not _is_recorded(found, entry):
        return Verdict(Outcome.BAD, "The transparency log's record is of another signature.")
    unknown = stranger(certificate.x509, root)
    if unknown:
        return Verdict(Outcome.UNVERIFIABLE, unknown, signer)
    chain = chain_of(certificate.x509, root, entry.logged_at)
    if not chain or not may_sign(certificate.x509) or not is_logged(certificate.x509, chain[0], root):
        return Verdict(Outcome.BAD, "Its certificate is forged, or was not valid for signing when it was logged.")
    return policy.proven(signer, _PROVEN, Verdict(Outcome.VERIFIED, "", logged_at=entry.logged_at))


def _is_recorded(found: Signed, entry: LogEntry) -> bool:
    signers = {found.certificate.strip().encode()}
    if found.payload is not None:
        return entry.records_envelope(found.payload, found.signatures, signers)
    return any(entry.records(found.signed, signature, signers) for signature in found.signatures)
