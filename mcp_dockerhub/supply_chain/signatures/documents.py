"""One attached document that may be signed: what it is about, and the verdict on its signature."""

from dataclasses import dataclass
from typing import Final

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.supply_chain.attachments import COSIGN_SIGNATURE, Attachment, Form
from mcp_dockerhub.supply_chain.opening import Opened
from mcp_dockerhub.supply_chain.signatures import bundles, by_key, keyless
from mcp_dockerhub.supply_chain.signatures.bundles import Bundle
from mcp_dockerhub.supply_chain.signatures.log_entries import LogEntry
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.signatures.simple_signing import annotation, problem_of, signature_of
from mcp_dockerhub.supply_chain.signatures.trust_root import TrustRoot
from mcp_dockerhub.supply_chain.signatures.verdicts import Finding, Outcome, Verdict
from mcp_dockerhub.supply_chain.statements import PAYLOAD_TYPE, Envelope, envelope_of, read_statement

_ELSEWHERE: Final = "It is a signed statement about something else."


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges documents by one policy and one trusted root."""

    policy: Policy
    root: TrustRoot | None

    def finding(self, opened: Opened, digests: tuple[Digest, ...]) -> Finding | None:
        """The verdict on a document that must be about one of ``digests``; None where nothing is signed.

        Takes long for large documents: use a thread.
        """
        try:
            return self._finding(opened, digests)
        except DockerHubError as error:
            return bad(opened.attachment, error.message)

    def _finding(self, opened: Opened, digests: tuple[Digest, ...]) -> Finding | None:
        attachment = opened.attachment
        if attachment.form is Form.SIGNATURE:
            return found(attachment, self._simple(opened, digests))
        if attachment.form is Form.BUNDLE:
            return self._bundle(opened, digests)
        envelope = envelope_of(opened.raw, opened.what) if attachment.form is Form.STATEMENT else None
        if envelope is None or not envelope.signatures:
            return None
        verdict = self._signed(attachment, envelope.signed_bytes, envelope.signatures, envelope.payload)
        return _stated(opened, envelope, digests, verdict)

    def _simple(self, opened: Opened, digests: tuple[Digest, ...]) -> Verdict:
        attachment = opened.attachment
        problem = problem_of(opened.raw, attachment.subject, opened.what)
        if problem or attachment.subject not in digests:
            return Verdict(Outcome.BAD, problem or _ELSEWHERE)
        signature = signature_of(attachment.blob)
        if signature is None:
            return Verdict(Outcome.BAD, "The signature is missing or cannot be read.")
        return self._signed(attachment, opened.raw, (signature,), None)

    def _signed(
        self, attachment: Attachment, signed: bytes, signatures: tuple[bytes, ...], payload: bytes | None
    ) -> Verdict:
        """By the key asked for, or by what is kept beside the signature: a certificate, a log's record, or nothing."""
        certificate = annotation(attachment.blob, "certificate")
        entry = LogEntry.parse(annotation(attachment.blob, "bundle"))
        if certificate and not by_key.proves(signed, signatures, self.policy):
            return keyless.assess(
                keyless.Signed(signed, signatures, certificate, entry, payload), self.policy, self.root
            )
        return by_key.assess(signed, signatures, self.policy, entry)

    def _bundle(self, opened: Opened, digests: tuple[Digest, ...]) -> Finding:
        bundle = Bundle.parse(opened.raw, opened.what)
        verdict = bundles.assess(bundle, opened.attachment.subject, self.policy, self.root)
        if bundle.envelope is None:
            return found(opened.attachment, verdict, "")
        return _stated(opened, bundle.envelope, digests, verdict)


def _stated(opened: Opened, envelope: Envelope, digests: tuple[Digest, ...], verdict: Verdict) -> Finding:
    """``verdict``, unless the signed statement is about something else, or no statement at all."""
    if envelope.payload_type != PAYLOAD_TYPE:
        return bad(opened.attachment, "What is signed is no in-toto statement.")
    statement = read_statement(envelope.payload, opened.what)
    if statement.about(digests) is None:
        verdict = Verdict(Outcome.BAD, _ELSEWHERE)
    return found(opened.attachment, verdict, statement.predicate_type)


def found(attachment: Attachment, verdict: Verdict, predicate_type: str = "") -> Finding:
    """A finding; what signs the image itself is a signature, what signs a statement about it an attestation."""
    of_image = predicate_type in ("", COSIGN_SIGNATURE)
    return Finding(
        "signature" if of_image else "attestation",
        attachment.where,
        attachment.blob.digest,
        verdict,
        "" if of_image else predicate_type,
    )


def bad(attachment: Attachment, reason: str) -> Finding:
    """A finding for what cannot be used at all; by its annotation's word it is a signature or an attestation."""
    predicate_type = "" if attachment.is_signature else attachment.predicate_type or "unknown"
    return found(attachment, Verdict(Outcome.BAD, reason), predicate_type)
