"""Tags to digests by HEAD, which no pull quota counts; documents by digest, verified, kept for good."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached, Fetched, Key, Kind
from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.reference import Digest, Reference
from mcp_dockerhub.registry import fields, media_types
from mcp_dockerhub.registry.documents import MAX_MANIFEST, parse_manifest
from mcp_dockerhub.registry.errors import codes, failure
from mcp_dockerhub.registry.freshness import combined
from mcp_dockerhub.registry.keeping import kept_document
from mcp_dockerhub.registry.models import Descriptor, Manifest, Resolved
from mcp_dockerhub.registry.notices import notices
from mcp_dockerhub.registry.schema_one import signed_payload
from mcp_dockerhub.registry.verify import check_digest, digest_of, parse_digest
from mcp_dockerhub.registry.wire import Endpoint, Wire
from mcp_dockerhub.transport.client import Response

# A HEAD's refusal has no body to say why (a token service's, met on the way, has), and some registries do not do
# HEAD at all: GET tells.
_UNCLEAR: Final = frozenset({400, 403, 404, 405, 406, 415, 501})


async def resolve(wire: Wire, access: Access, ref: Reference) -> Cached[Resolved]:
    """What ``ref`` points at now; see ``RegistryClient.resolve``."""
    endpoint = wire.endpoint(access, ref.repository)
    kind = Kind.DOCUMENT if ref.digest else Kind.TAG_DIGEST

    async def fetch() -> Fetched[Resolved]:
        resolved = await _head(wire, endpoint, ref)
        return Fetched(resolved, 256)

    return await wire.cache.get(endpoint.key(kind, "resolve", ref.target), fetch)


async def _head(wire: Wire, endpoint: Endpoint, ref: Reference) -> Resolved:
    path = endpoint.path("manifests", ref.target)
    response = await wire.ask(endpoint, path, ref.familiar, method="HEAD", accept=media_types.ACCEPT)
    if response.status != 200 and (response.status not in _UNCLEAR or codes(response)):
        raise failure(response, ref.familiar, endpoint.upstream)
    digest = parse_digest(response.header("docker-content-digest")) if response.status == 200 else None
    if digest is None:
        return await _get_instead(wire, endpoint, ref)
    if ref.digest and digest.algorithm == ref.digest.algorithm and digest != ref.digest:
        raise UpstreamInvalid(f"{endpoint.upstream.name} answers {ref.familiar} with another digest.")
    length = response.header("content-length") or ""
    return Resolved(
        ref.digest or digest,
        media_types.essence(response.header("content-type")),
        int(length) if length.isascii() and length.isdigit() and len(length) < 16 and int(length) else None,
        notices(response),
    )


async def _get_instead(wire: Wire, endpoint: Endpoint, ref: Reference) -> Resolved:
    """Fetch the manifest itself; it is kept, so that asking for it next costs nothing."""
    manifest = await _get(wire, endpoint, ref)

    async def seed() -> Fetched[Manifest]:
        return _fetched(manifest)

    await wire.cache.get(_document_key(endpoint, manifest.digest), seed)
    return Resolved(manifest.digest, manifest.media_type, manifest.size, manifest.warnings)


async def manifest(wire: Wire, access: Access, ref: Reference) -> Cached[Manifest]:
    """The document ``ref`` names; see ``RegistryClient.manifest``."""
    endpoint = wire.endpoint(access, ref.repository)
    if ref.digest:
        return await _by_digest(wire, endpoint, ref, lambda: _get(wire, endpoint, ref))
    resolved = await resolve(wire, access, ref)
    pinned = ref.with_digest(resolved.value.digest)
    document = await _by_digest(wire, endpoint, pinned, lambda: _get(wire, endpoint, pinned))
    return combined(document.value, resolved, document)


async def child(wire: Wire, access: Access, ref: Reference, descriptor: Descriptor) -> Cached[Manifest]:
    """The manifest an index lists, whose size must be the one listed."""
    endpoint = wire.endpoint(access, ref.repository)
    pinned = ref.with_digest(descriptor.digest)
    what = f"The manifest {descriptor.digest} of {ref.familiar}"
    if descriptor.size > MAX_MANIFEST:
        raise TooLarge(f"{what} is larger than {MAX_MANIFEST} bytes.")
    found = await _by_digest(wire, endpoint, pinned, lambda: _get(wire, endpoint, pinned, limit=descriptor.size))
    if found.value.size != descriptor.size:
        raise UpstreamInvalid(f"{what} has {found.value.size} bytes where the index says {descriptor.size}.")
    return found


async def _by_digest(
    wire: Wire, endpoint: Endpoint, ref: Reference, get: Callable[[], Awaitable[Manifest]]
) -> Cached[Manifest]:
    fresh: list[Manifest] = []

    async def ask() -> tuple[str, bytes]:
        fresh.append(await get())
        return fresh[0].media_type, fresh[0].raw

    async def fetch() -> Fetched[Manifest]:
        digest = Digest(ref.target)
        media_type, raw, kept_at = await kept_document(wire, endpoint, "manifest", digest, ask)
        if kept_at is None:
            return _fetched(fresh[0])
        return replace(_fetched(parse_manifest(raw, digest, media_type, ref.familiar)), kept_at=kept_at)

    return await wire.cache.get(_document_key(endpoint, Digest(ref.target)), fetch)


async def _get(wire: Wire, endpoint: Endpoint, ref: Reference, *, limit: int = MAX_MANIFEST) -> Manifest:
    path = endpoint.path("manifests", ref.target)
    try:
        response = await wire.fetch(endpoint, path, ref.familiar, accept=media_types.ACCEPT, limit=max(limit, 1))
    except TooLarge:
        if limit == MAX_MANIFEST:
            raise
        raise UpstreamInvalid(
            f"The manifest of {ref.familiar} is larger than the {limit} bytes its index says."
        ) from None
    return verified(response, ref)


def verified(response: Response, ref: Reference) -> Manifest:
    """The manifest in an answer, once the digest asked for, the one in the header and the bytes agree."""
    what = f"The manifest of {ref.familiar}"
    content_type = response.header("content-type")
    body = response.body
    if media_types.essence(content_type) == media_types.SCHEMA_ONE_SIGNED:
        body = signed_payload(body, what)
    stated = parse_digest(response.header("docker-content-digest"))
    for expected in (ref.digest, stated):
        if expected:
            check_digest(body, expected, what)
    digest = ref.digest or stated or digest_of(body)
    return parse_manifest(response.body, digest, content_type, what, notices(response))


def _document_key(endpoint: Endpoint, digest: Digest) -> Key:
    return endpoint.key(Kind.DOCUMENT, "manifest", digest)


def _fetched(document: Manifest) -> Fetched[Manifest]:
    return Fetched(document, document.size * (1 + fields.PARSED_FACTOR))
