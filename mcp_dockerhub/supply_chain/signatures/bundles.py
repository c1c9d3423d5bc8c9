"""Sigstore bundles (protobuf-specs sigstore_bundle.proto, versions 0.1 to 0.3).

Bundles signed with a key are checked here; those with a certificate by the ``sigstore`` library, which also proves
that the log included them. It is an extra of its own and imported only when there is such a bundle to verify.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry.fields import text
from mcp_dockerhub.supply_chain.json_walk import MAX_DOCUMENT, load
from mcp_dockerhub.supply_chain.signatures import by_key, keyless
from mcp_dockerhub.supply_chain.signatures.certificates import Certificate
from mcp_dockerhub.supply_chain.signatures.chains import stranger
from mcp_dockerhub.supply_chain.signatures.policy import Policy
from mcp_dockerhub.supply_chain.signatures.trust_root import TrustRoot
from mcp_dockerhub.supply_chain.signatures.verdicts import Outcome, Signer, Verdict
from mcp_dockerhub.supply_chain.statements import Envelope, read_envelope

_PROVEN: Final = "Certificate, signature and the transparency log's proof of inclusion verify."
_FORMS: Final = re.compile(
    r"application/vnd\.dev\.sigstore\.bundle(?:\+json;version=0\.[123]|\.v0\.3\+json)", re.IGNORECASE
)
_NO_EXTRA: Final = "It is a keyless Sigstore bundle; to verify it the server needs the `sigstore` extra."


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's parts that tell how it was signed."""

    raw: bytes = field(repr=False)
    envelope: Envelope | None
    """None for a signature over the manifest itself."""
    signature: bytes
    """Over the manifest, where there is no envelope."""
    certificate: Certificate | None
    has_certificate: bool
    """Whether one is there, readable or not."""
    media_type: str
    """What it says it is, version included."""
    log: Mapping[str, Any] = field(hash=False, repr=False)
    """The first record of a transparency log, empty where there is none."""

    @classmethod
    def parse(cls, raw: bytes, what: str) -> "Bundle":
        """Raise UpstreamInvalid unless ``raw`` is a bundle around an envelope or a signature."""
        document = load(raw, what, MAX_DOCUMENT)
        wrapped, message = document.get("dsseEnvelope"), document.get("messageSignature")
        envelope = read_envelope(wrapped, what) if isinstance(wrapped, dict) else None
        signature = _decoded(message.get("signature")) if isinstance(message, dict) else b""
        material = document.get("verificationMaterial")
        der = _certificate(material)
        return cls(raw, envelope, signature, _parsed(der), der is not None, text(document, "mediaType"), _log(material))


def assess(bundle: Bundle, digest: Digest, policy: Policy, root: TrustRoot | None) -> Verdict:
    """The verdict on a bundle attached to ``digest``; what its statement is about is the caller's to check."""
    verdict = _by_key(bundle, digest, policy)
    if not bundle.has_certificate or verdict.outcome is Outcome.VERIFIED:
        return verdict
    certificate = bundle.certificate
    if certificate is None:
        return Verdict(Outcome.BAD, keyless.NO_CERTIFICATE)
    if policy.wants_key:
        return Verdict(Outcome.OTHER_SIGNER, keyless.NO_KEY, certificate.signer)
    signer = certificate.signer
    if signer is None:
        return Verdict(Outcome.UNVERIFIABLE, keyless.NO_SIGNER)
    unknown = _unknown(bundle, certificate, root)
    if root is None or unknown:
        return Verdict(Outcome.UNVERIFIABLE, unknown, signer)
    return _keyless(bundle, signer, digest, policy, root)


def _unknown(bundle: Bundle, certificate: Certificate, root: TrustRoot | None) -> str:
    """What is missing to judge it by; empty where nothing is."""
    if root is None:
        return keyless.NO_ROOT
    if not _FORMS.fullmatch(bundle.media_type):
        return "It is a Sigstore bundle of a version that is not read here."
    return stranger(certificate.x509, root) or _unknown_log(bundle, root)


def _by_key(bundle: Bundle, digest: Digest, policy: Policy) -> Verdict:
    if bundle.envelope is not None:
        return by_key.assess(bundle.envelope.signed_bytes, bundle.envelope.signatures, policy, None)
    if policy.key is None:
        return by_key.assess(b"", (bundle.signature,), policy, None)
    if policy.key.verifies_digest(bundle.signature, bytes.fromhex(digest.hex)):
        return Verdict(Outcome.VERIFIED, "The key verifies it.", by_key.signer_of(policy.key))
    return by_key.assess(b"", (), policy, None)


def _keyless(bundle: Bundle, signer: Signer, digest: Digest, policy: Policy, root: TrustRoot) -> Verdict:
    try:
        logged_at = _verify(bundle, digest, root)
    except ModuleNotFoundError:
        return Verdict(Outcome.UNVERIFIABLE, _NO_EXTRA, signer)
    except _Refused:
        return Verdict(Outcome.BAD, "The certificate, the signature or the log's proof does not verify.")
    return policy.proven(signer, _PROVEN, Verdict(Outcome.VERIFIED, "", logged_at=logged_at))


class _AnySigner:
    """The library's policy that asks nothing: who signed is compared here, so that "by somebody else" is not "bad"."""

    def verify(self, cert: Any) -> None:
        """Accept."""


class _Refused(Exception):
    """The library found the bundle to be wrong."""


def _verify(bundle: Bundle, digest: Digest, root: TrustRoot) -> datetime | None:
    """When it was logged, by the log's word where it gives one. Raises what went wrong."""
    from sigstore.errors import Error
    from sigstore.models import Bundle as SigstoreBundle
    from sigstore.verify import Verifier

    try:
        parsed = SigstoreBundle.from_json(bundle.raw)
        verifier = Verifier(trusted_root=_library_root(root))
        if bundle.envelope is not None:
            kind, payload = verifier.verify_dsse(parsed, _AnySigner())
            if (kind, payload) != (bundle.envelope.payload_type, bundle.envelope.payload):
                raise _Refused
        else:
            verifier.verify_artifact(_hashed(digest), parsed, _AnySigner())
    except (Error, ValueError) as error:
        raise _Refused from error
    return _moment(bundle.log.get("integratedTime"))


def _library_root(root: TrustRoot) -> Any:
    from sigstore.models import TrustedRoot
    from sigstore_models.trustroot.v1 import TrustedRoot as Inner

    return TrustedRoot(Inner.from_json(root.raw))


def _hashed(digest: Digest) -> Any:
    from sigstore.hashes import Hashed
    from sigstore_models.common.v1 import HashAlgorithm

    return Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(digest.hex))


def _moment(seconds: Any) -> datetime | None:
    """A time in a bundle: seconds as text; newer logs give none."""
    known = isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 11
    return datetime.fromtimestamp(int(seconds), UTC) if known and int(seconds) else None


def _unknown_log(bundle: Bundle, root: TrustRoot) -> str:
    log = bundle.log.get("logId")
    identifier = _decoded(log.get("keyId")) if isinstance(log, dict) else b""
    return "" if identifier in root.logs else "The transparency log that recorded it is not one the trusted root knows."


def _log(material: Any) -> Mapping[str, Any]:
    entries = material.get("tlogEntries") if isinstance(material, dict) else None
    return entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}


def _certificate(material: Any) -> bytes | None:
    """DER of the signing certificate: alone, or the first of a chain; None where it was signed with a key."""
    known = material if isinstance(material, dict) else {}
    chain = known.get("x509CertificateChain")
    listed = chain.get("certificates") if isinstance(chain, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else known.get("certificate")
    return _decoded(first.get("rawBytes")) if isinstance(first, dict) else None


def _parsed(der: bytes | None) -> Certificate | None:
    from cryptography.x509 import load_der_x509_certificate

    try:
        return Certificate.of(load_der_x509_certificate(der)) if der else None
    except ValueError:
        return None


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""
