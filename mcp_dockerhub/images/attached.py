"""Whether anything vouches for an image: attestations and signatures, looked for without reading them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached
from mcp_dockerhub.errors import DockerHubError, NotFound
from mcp_dockerhub.images.sources import Sources
from mcp_dockerhub.reference import Digest, Reference, Repository
from mcp_dockerhub.registry.artifacts import kind_of
from mcp_dockerhub.registry.models import Descriptor, Index, Manifest, Referrers, Resolved
from mcp_dockerhub.results import Provenance

T = TypeVar("T")

# Of a Sigstore bundle: what its statement is about. cosign writes signatures as statements of this type.
_BUNDLE_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_BUNDLE_SIGNATURES: Final = frozenset({"", "https://sigstore.dev/cosign/sign/v1"})


@dataclass(frozen=True, slots=True)
class Attached:
    """True: there is one; False: none where they are kept; None: it could not be found out. Nothing is verified."""

    attestations: bool | None
    signatures: bool | None


NOTHING_KNOWN: Final = Attached(None, None)


async def attached(
    sources: Sources, access: Access, repository: Repository, document: Manifest, seen: Provenance
) -> Attached:
    """Look at the index itself, the referrers of the document, and cosign's tags (by HEAD).

    One after the other, and no further than needed: beside the image's own documents that takes no longer.
    """
    found = await _referrers(sources, access, repository, document.digest, seen)
    attested = _among(found, _is_attestation)
    if isinstance(document, Index) and document.attestations:
        attested = True
    elif not attested:
        attested = _either(attested, await _tag_exists(sources, access, repository, document.digest, "att", seen))
    signed = _among(found, _is_signature)
    if not signed:
        signed = _either(signed, await _tag_exists(sources, access, repository, document.digest, "sig", seen))
    return Attached(attested, signed)


def cosign_tag(digest: Digest, kind: str) -> str:
    """Where cosign keeps what it makes for a digest in registries without referrers."""
    return f"{digest.algorithm}-{digest.hex}.{kind}"


def _is_signature(descriptor: Descriptor) -> bool:
    kind = kind_of(descriptor.artifact_type)
    if kind == "Sigstore bundle":
        return descriptor.annotations.get(_BUNDLE_PREDICATE, "") in _BUNDLE_SIGNATURES
    return "signature" in kind


def _is_attestation(descriptor: Descriptor) -> bool:
    kind = kind_of(descriptor.artifact_type)
    if kind == "Sigstore bundle":
        return not _is_signature(descriptor)
    return "attestation" in kind or "SBOM" in kind


def _among(found: Referrers | None, is_one: Callable[[Descriptor], bool]) -> bool | None:
    if found is None:
        return None
    if any(map(is_one, found.descriptors)):
        return True
    return False if found.complete else None


def _either(one: bool | None, other: bool | None) -> bool | None:
    """True if either is; unknown if either is, since it might be there."""
    if one or other:
        return True
    return None if one is None or other is None else False


async def _referrers(
    sources: Sources, access: Access, repository: Repository, digest: Digest, seen: Provenance
) -> Referrers | None:
    nothing = Referrers(descriptors=(), from_api=False)
    return await _or_none(sources.registry.referrers(access, repository, digest), nothing, seen)


async def _tag_exists(
    sources: Sources, access: Access, repository: Repository, digest: Digest, kind: str, seen: Provenance
) -> bool | None:
    tag = Reference(repository, cosign_tag(digest, kind))
    missing = Resolved(digest, "", None)
    found = await _or_none(sources.registry.resolve(access, tag), missing, seen)
    return None if found is None else found is not missing


async def _or_none(call: Awaitable[Cached[T]], missing: T, seen: Provenance) -> T | None:
    """``missing`` where the registry says there is none; None, and a warning, where it cannot say."""
    try:
        return seen.take(await call)
    except NotFound:
        return missing
    except DockerHubError as error:
        seen.warn(f"Whether the image is signed or attested is not fully known: {error.message}")
        return None
