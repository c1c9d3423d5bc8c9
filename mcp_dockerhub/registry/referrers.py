"""What refers to a manifest: the referrers API, else the fallback tag (OCI distribution-spec, "Listing Referrers")."""

from dataclasses import replace
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached, Fetched, Kind
from mcp_dockerhub.errors import NotFound, UpstreamInvalid
from mcp_dockerhub.reference import Digest, Reference, Repository
from mcp_dockerhub.registry import fields, media_types
from mcp_dockerhub.registry.documents import MAX_MANIFEST, parse_manifest
from mcp_dockerhub.registry.errors import failure
from mcp_dockerhub.registry.freshness import all_warnings
from mcp_dockerhub.registry.links import Pages
from mcp_dockerhub.registry.manifests import verified
from mcp_dockerhub.registry.models import Descriptor, Index, Referrers
from mcp_dockerhub.registry.notices import notices
from mcp_dockerhub.registry.verify import digest_of
from mcp_dockerhub.registry.wire import Endpoint, Wire
from mcp_dockerhub.transport.client import Response

MAX_PAGES: Final = 50
MAX_BYTES: Final = MAX_MANIFEST
"""Of all pages together: what descriptors carry (annotations, embedded content) is kept."""
# A registry without the API says so in many ways (the specification knows only 404).
_NO_API: Final = frozenset({400, 404, 405, 406, 415, 501})


async def referrers(
    wire: Wire, access: Access, repository: Repository, digest: Digest, artifact_type: str | None
) -> Cached[Referrers]:
    """See ``RegistryClient.referrers``. The whole list is kept, so that asking for another type costs nothing."""
    endpoint = wire.endpoint(access, repository)

    async def fetch() -> Fetched[Referrers]:
        return await _from_api(wire, endpoint, digest) or await _from_tag(wire, endpoint, digest)

    found = await wire.cache.get(endpoint.key(Kind.TAGS, "referrers", digest), fetch)
    if not artifact_type:
        return found
    wanted = tuple(entry for entry in found.value.descriptors if entry.artifact_type == artifact_type)
    return replace(found, value=replace(found.value, descriptors=wanted))


async def _from_api(wire: Wire, endpoint: Endpoint, digest: Digest) -> Fetched[Referrers] | None:
    """None when the registry does not have the API."""
    path = endpoint.path("referrers", digest)
    asked = f"What refers to {endpoint.repository.familiar}@{digest}"
    pages = Pages(endpoint.upstream.base_url, path, MAX_PAGES)
    response = await wire.ask(endpoint, path, asked, accept=media_types.OCI_INDEX, limit=MAX_MANIFEST)
    if response.status in _NO_API or (response.status == 200 and not _is_index(response)):
        return None
    found: dict[Descriptor, None] = {}
    warnings: tuple[str, ...] = ()
    size = 0
    while True:
        index = _listing(response, asked, endpoint)
        size += index.size
        found.update(dict.fromkeys(index.manifests))
        warnings = all_warnings(warnings, index.warnings)
        query = pages.next_query(response)
        if query is None:
            break
        if size > MAX_BYTES:
            pages.trouble = f"it is longer than {MAX_BYTES} bytes"
            break
        response = await wire.ask(endpoint, path, asked, params=dict(query), accept=media_types.OCI_INDEX)
    if pages.trouble:
        note = f"The list of referrers is not complete: {endpoint.upstream.name} was left because {pages.trouble}."
        warnings = (*warnings, note)
    listed = Referrers(descriptors=tuple(found), from_api=True, complete=not pages.trouble, warnings=warnings)
    return _kept(listed, size)


def _is_index(response: Response) -> bool:
    return media_types.essence(response.header("content-type")) == media_types.OCI_INDEX


def _listing(response: Response, asked: str, endpoint: Endpoint) -> Index:
    if response.status != 200:
        raise failure(response, asked, endpoint.upstream)
    index = parse_manifest(
        response.body, digest_of(response.body), response.header("content-type"), asked, notices(response)
    )
    if not isinstance(index, Index):
        raise UpstreamInvalid(f"{asked} was not answered with an index.")
    return index


async def _from_tag(wire: Wire, endpoint: Endpoint, digest: Digest) -> Fetched[Referrers]:
    """The index under the fallback tag; no such tag means nothing refers to the digest."""
    ref = Reference(endpoint.repository, fallback_tag(digest))
    path = endpoint.path("manifests", ref.target)
    try:
        response = await wire.fetch(endpoint, path, ref.familiar, accept=media_types.OCI_INDEX, limit=MAX_MANIFEST)
    except NotFound:
        return _kept(Referrers(descriptors=(), from_api=False), 0)
    index = verified(response, ref)
    if not isinstance(index, Index):
        note = "The tag that should list referrers holds something else: it is left out."
        return _kept(Referrers(descriptors=(), from_api=False, complete=False, warnings=(*index.warnings, note)), 0)
    return _kept(Referrers(descriptors=index.manifests, from_api=False, warnings=index.warnings), index.size)


def _kept(found: Referrers, size: int) -> Fetched[Referrers]:
    """``size`` is the bytes of the documents they were listed in."""
    return Fetched(found, size * fields.PARSED_FACTOR)


def fallback_tag(digest: Digest) -> str:
    """The tag that stands in for the referrers API: ``sha256-<hex>``, cut to the specification's lengths."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"
