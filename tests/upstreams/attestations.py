"""What publishers attach to images, made up for tests: statements, SBOMs, provenance, signatures by a key."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.upstreams.content import OCI_CONFIG, OCI_MANIFEST, Json, Seeded, Seeder, digest_of, encode

SPDX: Final = "https://spdx.dev/Document"
CYCLONEDX: Final = "https://cyclonedx.org/bom"
V02: Final = "https://slsa.dev/provenance/v0.2"
V1: Final = "https://slsa.dev/provenance/v1"
SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE: Final = "application/vnd.dsse.envelope.v1+json"
IN_TOTO: Final = "application/vnd.in-toto+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


def statement(about: str | Sequence[str], predicate_type: str, predicate: Any, kind: str = "v1") -> Json:
    """An in-toto statement about digests."""
    digests = [about] if isinstance(about, str) else list(about)
    return {
        "_type": f"https://in-toto.io/Statement/{kind}",
        "subject": [{"name": "_", "digest": dict([digest.split(":")])} for digest in digests],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def spdx_package(name: str, version: str, purl: str = "", **more: Any) -> Json:
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    return {
        "name": name,
        "SPDXID": f"SPDXRef-Package-{name}",
        "versionInfo": version,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        **({"externalRefs": [reference]} if purl else {}),
        **more,
    }


def spdx(packages: Iterable[Json], version: str = "SPDX-2.3", **more: Any) -> Json:
    return {
        "spdxVersion": version,
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "sbom",
        "creationInfo": {
            "created": "2026-03-01T12:00:00Z",
            "creators": ["Organization: Example", "Tool: syft-1.18.1"],
        },
        "packages": list(packages),
        **more,
    }


def cyclonedx(components: Iterable[Json], version: str = "1.6", **more: Any) -> Json:
    return {"bomFormat": "CycloneDX", "specVersion": version, "components": list(components), **more}


DEBIAN_PACKAGE: Final = spdx_package(
    "libssl3t64",
    "3.5.1-1",
    "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13&upstream=openssl%403.5.1-2",
    licenseDeclared="Apache-2.0",
    sourceInfo="acquired package info from DPKG DB: /usr/share/doc/libssl3t64/copyright, /var/lib/dpkg/status",
)
PYTHON_PACKAGE: Final = spdx_package("anyio", "4.9.0", "pkg:pypi/anyio@4.9.0", licenseDeclared="MIT OR Apache-2.0")
SBOM: Final = spdx([DEBIAN_PACKAGE, PYTHON_PACKAGE])


def buildkit_v02(dockerfile: str | None = None, **changes: Any) -> Json:
    """BuildKit's provenance v0.2; with a Dockerfile as ``mode=max`` writes it."""
    metadata: Json = {
        "buildInvocationID": "abc123",
        "buildStartedOn": "2026-03-01T11:00:00.5Z",
        "buildFinishedOn": "2026-03-01T11:01:00.5Z",
        "completeness": {"parameters": True, "environment": True, "materials": False},
        "reproducible": False,
        "https://mobyproject.org/buildkit@v1#metadata": {},
    }
    if dockerfile is not None:
        metadata["https://mobyproject.org/buildkit@v1#metadata"] = recorded(dockerfile)
    predicate: Json = {
        "builder": {"id": ""},
        "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": [
            {
                "uri": "pkg:docker/python@3.13-slim?platform=linux%2Famd64",
                "digest": {"sha256": "1" * 64},
            }
        ],
        "invocation": {
            "configSource": {"entryPoint": "Dockerfile"},
            "parameters": {"frontend": "dockerfile.v0", "args": {}},
            "environment": {"platform": "linux/amd64"},
        },
        "metadata": metadata,
    }
    return {**predicate, **changes}


def recorded(dockerfile: str, layers: Mapping[str, Sequence[Json]] | None = None) -> Json:
    """BuildKit's own metadata of ``mode=max``."""
    data = base64.b64encode(dockerfile.encode()).decode()
    info = {"filename": "Dockerfile", "language": "Dockerfile", "data": data}
    chains = {step: [list(chain)] for step, chain in (layers or {}).items()}
    return {"source": {"infos": [info]}, "layers": chains}


def attach(
    registry: Seeder,
    repository: str,
    tag: str,
    statements: Sequence[Json],
    *,
    legacy: bool = False,
    **image: Any,
) -> tuple[Seeded, Seeded]:
    """An index of one image and BuildKit's attestation manifest; returns index and image."""
    pushed = registry.add_image(repository, **image)
    make = legacy_attestation if legacy else Seeder.add_attestation
    child = make(registry, repository, pushed, statements)
    return registry.add_index(repository, tag, [pushed, child]), pushed


def legacy_attestation(registry: Seeder, repository: str, image: Seeded, statements: Sequence[Json]) -> Json:
    """As BuildKit writes it with ``oci-artifact=false``: an image's config, no subject, no artifact type."""
    layers = []
    for content in statements:
        descriptor = registry.blob(repository, encode(content), IN_TOTO)
        layers.append({**descriptor, "annotations": {"in-toto.io/predicate-type": content.get("predicateType", "")}})
    config = encode({"architecture": "unknown", "os": "unknown", "config": {}})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": registry.blob(repository, config, OCI_CONFIG),
        "layers": layers,
    }
    raw = encode(manifest)
    digest = registry.put_manifest(repository, digest_of(raw), raw, OCI_MANIFEST)
    return {
        "mediaType": OCI_MANIFEST,
        "digest": digest,
        "size": len(raw),
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest,
        },
    }


@dataclass(frozen=True)
class Key:
    """A signing key of any kind cosign uses."""

    private: Any

    @classmethod
    def make(cls, kind: str = "p256") -> "Key":
        if kind == "ed25519":
            return cls(ed25519.Ed25519PrivateKey.generate())
        if kind == "rsa":
            return cls(rsa.generate_private_key(65537, 2048))
        curves: Mapping[str, ec.EllipticCurve] = {
            "p256": ec.SECP256R1(),
            "p384": ec.SECP384R1(),
            "p521": ec.SECP521R1(),
        }
        return cls(ec.generate_private_key(curves[kind]))

    @property
    def pem(self) -> str:
        public = self.private.public_key()
        return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())

    @property
    def der(self) -> bytes:
        return bytes(self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
        chosen = algorithm or hashes.SHA256()
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), chosen)
        return bytes(self.private.sign(data, ec.ECDSA(chosen)))


def payload_for(digest: str, **critical: Any) -> bytes:
    """What cosign signs for an image."""
    document = {
        "critical": {
            "identity": {"docker-reference": "registry.test/app"},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
            **critical,
        },
        "optional": None,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def signature_annotations(signature: bytes, **more: str) -> dict[str, str]:
    named = {f"dev.sigstore.cosign/{name}": value for name, value in more.items()}
    return {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode(), **named}


def cosign_tag(digest: str, kind: str) -> str:
    return f"{digest.replace(':', '-')}.{kind}"


def sign_image(
    registry: Seeder, image: Seeded, key: Key, *, payload: bytes | None = None, **annotations: str
) -> Seeded:
    """cosign's signature under the tag ``sha256-….sig``."""
    signed = payload_for(image.digest) if payload is None else payload
    return registry.add_artifact(
        image.repository,
        cosign_tag(image.digest, "sig"),
        config=(OCI_CONFIG, b"{}"),
        layers=[(SIMPLE_SIGNING, signed)],
        layer_annotations=signature_annotations(key.sign(signed), **annotations),
    )


def pae(payload: bytes, kind: str = IN_TOTO) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)


def envelope(content: Json, *signers: Key) -> Json:
    """A DSSE envelope around a statement."""
    payload = json.dumps(content, separators=(",", ":")).encode()
    signatures = [{"keyid": "", "sig": base64.b64encode(key.sign(pae(payload))).decode()} for key in signers]
    return {"payloadType": IN_TOTO, "payload": base64.b64encode(payload).decode(), "signatures": signatures}


def attest_image(registry: Seeder, image: Seeded, content: Json, key: Key, **annotations: str) -> Seeded:
    """cosign's attestation under the tag ``sha256-….att``."""
    named = {f"dev.sigstore.cosign/{name}": value for name, value in annotations.items()}
    return registry.add_artifact(
        image.repository,
        cosign_tag(image.digest, "att"),
        config=(OCI_CONFIG, b"{}"),
        layers=[(DSSE, encode(envelope(content, key)))],
        layer_annotations={"predicateType": content["predicateType"], **named},
    )


def refer(registry: Seeder, image: Seeded, document: Json | bytes, media_type: str, **annotations: str) -> Seeded:
    """A document attached by the referrers API."""
    raw = document if isinstance(document, bytes) else encode(document)
    return registry.add_artifact(
        image.repository,
        artifact_type=media_type,
        layers=[(media_type, raw)],
        subject=image,
        annotations=annotations,
    )
