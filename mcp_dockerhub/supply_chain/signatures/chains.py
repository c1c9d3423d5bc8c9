"""Whether a signing certificate was issued by a trusted authority, at a time a transparency log vouches for.

Path validation is the library's (RFC 5280 by ``cryptography``); the certificate transparency proof is RFC 6962,
sections 3.2 and 3.3, for the embedded kind, which Fulcio uses.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mcp_dockerhub.supply_chain.signatures.trust_root import TrustRoot

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def chain_of(x509: Any, root: TrustRoot, when: datetime) -> list[Any] | None:
    """The certificates above ``x509`` up to a trusted authority's root, valid at ``when``; None where there is none."""
    from cryptography.x509 import ExtendedKeyUsage, UnsupportedGeneralNameType
    from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

    trusted = [
        certificate
        for authority in root.authorities
        if authority.validity.covers(when)
        for certificate in authority.certificates
    ]
    if not trusted:
        return None
    # Code signing is what these certificates are for; the library would want them for TLS clients.
    authorities = ExtensionPolicy.webpki_defaults_ca().may_be_present(ExtendedKeyUsage, Criticality.NON_CRITICAL, None)
    leaves = ExtensionPolicy.webpki_defaults_ee().may_be_present(ExtendedKeyUsage, Criticality.NON_CRITICAL, None)
    verifier = (
        PolicyBuilder()
        .store(Store(trusted))
        .time(when)
        .extension_policies(ca_policy=authorities, ee_policy=leaves)
        .build_client_verifier()
    )
    try:
        return list(verifier.verify(x509, []).chain[1:])
    except (VerificationError, UnsupportedGeneralNameType):
        return None


def may_sign(x509: Any) -> bool:
    """Whether the certificate is meant for signing code."""
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound, KeyUsage
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        usage = x509.extensions.get_extension_for_class(KeyUsage).value
        extended = x509.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except (ExtensionNotFound, ValueError):
        return False
    return bool(usage.digital_signature) and ExtendedKeyUsageOID.CODE_SIGNING in extended


def stranger(x509: Any, root: TrustRoot) -> str:
    """Why a certificate is none the trusted root could vouch for, as of a private Sigstore; empty when it could.

    That is not the same as a forged one, which claims to be from an authority the root does know.
    """
    authorities = {certificate.subject for authority in root.authorities for certificate in authority.certificates}
    if x509.issuer not in authorities:
        return "Its certificate is from an authority that the trusted root does not know."
    if not any(timestamp.log_id in root.ct_logs for timestamp in _timestamps(x509)):
        return "No certificate transparency log that the trusted root knows vouches for its certificate."
    return ""


def is_logged(x509: Any, issuer: Any, root: TrustRoot) -> bool:
    """Whether a trusted certificate transparency log promised to publish the certificate."""
    return any(_holds(timestamp, x509, issuer, root) for timestamp in _timestamps(x509))


def _timestamps(x509: Any) -> list[Any]:
    from cryptography.x509 import ExtensionNotFound, PrecertificateSignedCertificateTimestamps

    try:
        return list(x509.extensions.get_extension_for_class(PrecertificateSignedCertificateTimestamps).value)
    except (ExtensionNotFound, ValueError):
        return []


def _holds(timestamp: Any, x509: Any, issuer: Any, root: TrustRoot) -> bool:
    log = root.ct_logs.get(timestamp.log_id)
    return log is not None and log.key.verifies(timestamp.signature, _signed_part(timestamp, x509, issuer))


def _signed_part(timestamp: Any, x509: Any, issuer: Any) -> bytes:
    """RFC 6962 section 3.2: version, type, time, entry type, issuer key hash, certificate without the proof."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    made = (timestamp.timestamp.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
    tbs = x509.tbs_precertificate_bytes
    extensions = timestamp.extension_bytes
    return b"".join(
        (
            struct.pack(">BBQH", 0, 0, made, 1),
            hashlib.sha256(key).digest(),
            len(tbs).to_bytes(3, "big"),
            tbs,
            struct.pack(">H", len(extensions)),
            extensions,
        )
    )
