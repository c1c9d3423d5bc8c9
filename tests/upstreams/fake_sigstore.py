"""A Sigstore of our own: certificate authority, transparency log and certificate log, and a root that trusts them.

Everything it issues is what the real services issue, in form, so that both our own verification and the library's
can be tested without the network, for good signatures and for every way to forge one.
"""

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.upstreams.attestations import BUNDLE, IN_TOTO, Key, pae
from tests.upstreams.content import Json

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GITHUB: Final = "https://token.actions.githubusercontent.com"
WORKFLOW: Final = "https://github.com/o/app/.github/workflows/release.yml@refs/heads/main"
_ISSUER: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_TIMESTAMPS: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass
class FakeSigstore:
    """One instance of all services."""

    now: datetime = NOW
    ca_key: Key = field(default_factory=lambda: Key.make("p384"))
    log_key: Key = field(default_factory=Key.make)
    ct_key: Key = field(default_factory=Key.make)

    def __post_init__(self) -> None:
        subject = _name("fulcio.test")
        self.ca = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.ca_key.private.public_key())
            .serial_number(1)
            .not_valid_before(self.now - timedelta(days=365))
            .not_valid_after(self.now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.ca_key.private.public_key()), critical=False)
            .sign(self.ca_key.private, hashes.SHA384())
        )

    @property
    def log_id(self) -> bytes:
        return hashlib.sha256(self.log_key.der).digest()

    def trusted_root(self) -> bytes:
        """The ``trusted_root.json`` of this instance."""
        start = {"start": "2025-01-01T00:00:00Z"}
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [_log(self.log_key, self.log_id, start)],
                "ctlogs": [_log(self.ct_key, hashlib.sha256(self.ct_key.der).digest(), start)],
                "certificateAuthorities": [
                    {
                        "subject": {"organization": "test", "commonName": "fulcio.test"},
                        "uri": "https://fulcio.test",
                        "certChain": {"certificates": [{"rawBytes": _b64(self.ca.public_bytes(Encoding.DER))}]},
                        "validFor": start,
                    }
                ],
                "timestampAuthorities": [],
            }
        ).encode()

    def certificate(
        self,
        key: Key,
        identity: str = WORKFLOW,
        issuer: str = GITHUB,
        *,
        logged: bool = True,
        signer: Key | None = None,
        lifetime: timedelta = timedelta(minutes=10),
        code_signing: bool = True,
    ) -> x509.Certificate:
        """A short-lived certificate; with another ``signer`` than the authority it is a forged one.

        Without an ``identity`` it names a host, as those of private authorities do.
        """
        made = self._leaf(key, identity, issuer, lifetime, code_signing)
        signing = (signer or self.ca_key).private
        plain = made.sign(signing, hashes.SHA384())
        if not logged:
            return plain
        proof = self._timestamp(plain.tbs_certificate_bytes)
        stamped = made.add_extension(x509.UnrecognizedExtension(_TIMESTAMPS, proof), critical=False)
        return stamped.sign(signing, hashes.SHA384())

    def _leaf(
        self, key: Key, identity: str, issuer: str, lifetime: timedelta, code_signing: bool
    ) -> x509.CertificateBuilder:
        name: Any = x509.UniformResourceIdentifier if "://" in identity else x509.RFC822Name
        subject = name(identity) if identity else x509.DNSName("host.test")
        purpose = ExtendedKeyUsageOID.CODE_SIGNING if code_signing else ExtendedKeyUsageOID.CLIENT_AUTH
        said = issuer.encode()
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.ca.subject)
            .public_key(key.private.public_key())
            .serial_number(1000 + len(identity))
            .not_valid_before(self.now - timedelta(seconds=10))
            .not_valid_after(self.now + lifetime)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName([subject]), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca_key.private.public_key()), critical=False
            )
            .add_extension(x509.UnrecognizedExtension(_ISSUER, bytes([0x0C, len(said)]) + said), critical=False)
        )

    def _timestamp(self, precertificate: bytes) -> bytes:
        """The list of one signed certificate timestamp (RFC 6962 section 3.3), as an extension's value."""
        made = int(self.now.timestamp() * 1000) + 123
        head = struct.pack(">BBQH", 0, 0, made, 1)
        issuer = hashlib.sha256(self.ca_key.der).digest()
        signed = head + issuer + len(precertificate).to_bytes(3, "big") + precertificate + b"\0\0"
        signature = self.ct_key.sign(signed)
        stamp = struct.pack(">B32sQH", 0, hashlib.sha256(self.ct_key.der).digest(), made, 0)
        stamp += struct.pack(">BBH", 4, 3, len(signature)) + signature
        listed = struct.pack(">HH", len(stamp) + 2, len(stamp)) + stamp
        return b"\x04" + _length(len(listed)) + listed

    def promise(self, entry: Json, index: int = 7) -> Json:
        """What cosign keeps beside a signature: the log's promise over ``entry``."""
        body = _b64(_canonical(entry))
        log_id = self.log_id.hex()
        payload = {"body": body, "integratedTime": int(self.now.timestamp()), "logIndex": index, "logID": log_id}
        return {"SignedEntryTimestamp": _b64(self.log_key.sign(_canonical(payload))), "Payload": payload}

    def bundle(self, payload: bytes, key: Key, certificate: x509.Certificate) -> Json:
        """A Sigstore bundle, version 0.3, around an envelope."""
        signature = key.sign(pae(payload))
        envelope = {"payloadType": IN_TOTO, "payload": _b64(payload), "signatures": [{"sig": _b64(signature)}]}
        entry = dsse_entry(payload, signature, pem_of(certificate))
        return {
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": {"rawBytes": _b64(certificate.public_bytes(Encoding.DER))},
                "tlogEntries": [self._included(entry)],
            },
            "dsseEnvelope": envelope,
        }

    def message_bundle(self, manifest: bytes, key: Key, certificate: x509.Certificate) -> Json:
        """A Sigstore bundle that signs a manifest itself."""
        signature = key.sign(manifest)
        digest = {"algorithm": "SHA2_256", "digest": _b64(hashlib.sha256(manifest).digest())}
        return {
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": {"rawBytes": _b64(certificate.public_bytes(Encoding.DER))},
                "tlogEntries": [self._included(record_entry(manifest, signature, pem_of(certificate)))],
            },
            "messageSignature": {"messageDigest": digest, "signature": _b64(signature)},
        }

    def _included(self, entry: Json) -> Json:
        body = _canonical(entry)
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"rekor.test - 1\n1\n{_b64(root)}\n"
        mark = _b64(self.log_id[:4] + self.log_key.sign(note.encode()))
        promise = self.promise(entry, 0)
        return {
            "logIndex": "0",
            "logId": {"keyId": _b64(self.log_id)},
            "kindVersion": {"kind": entry["kind"], "version": entry["apiVersion"]},
            "integratedTime": str(promise["Payload"]["integratedTime"]),
            "inclusionPromise": {"signedEntryTimestamp": promise["SignedEntryTimestamp"]},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n— rekor.test {mark}\n"},
            },
            "canonicalizedBody": _b64(body),
        }


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def record_entry(signed: bytes, signature: bytes, signer_pem: str, kind: str = "hashedrekord") -> Json:
    """The log's record of a signature over ``signed``."""
    return {
        "apiVersion": "0.0.1",
        "kind": kind,
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(signed).hexdigest()}},
            "signature": {"content": _b64(signature), "publicKey": {"content": _b64(signer_pem.encode())}},
        },
    }


def dsse_entry(payload: bytes, signature: bytes, signer_pem: str) -> Json:
    """The log's record of an envelope."""
    return {
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": _b64(signature), "verifier": _b64(signer_pem.encode())}],
        },
    }


def intoto_entry(payload: bytes, signature: bytes, signer_pem: str) -> Json:
    """The older record of an envelope, which encodes the signature once more."""
    digest = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
    signed = {"publicKey": _b64(signer_pem.encode()), "sig": _b64(_b64(signature).encode())}
    envelope = {"payloadType": IN_TOTO, "signatures": [signed]}
    spec = {"content": {"envelope": envelope, "hash": digest, "payloadHash": digest}}
    return {"apiVersion": "0.0.2", "kind": "intoto", "spec": spec}


def _log(key: Key, identifier: bytes, validity: Json) -> Json:
    public = {"rawBytes": _b64(key.der), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": validity}
    return {
        "baseUrl": "https://log.test",
        "hashAlgorithm": "SHA2_256",
        "publicKey": public,
        "logId": {"keyId": _b64(identifier)},
    }


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _canonical(document: Json) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _length(count: int) -> bytes:
    return (
        bytes([count]) if count < 128 else bytes([0x81, count]) if count < 256 else bytes([0x82, *divmod(count, 256)])
    )


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
