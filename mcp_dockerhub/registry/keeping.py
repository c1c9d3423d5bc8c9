"""Digest-addressed documents in the store that outlives the process.

Only what was fetched without credentials is kept there, and only a caller who would fetch without credentials reads
it: a digest is no authorisation. What comes from the store is verified against its digest like any answer.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from mcp_dockerhub.cache import Key, Kind
from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry.verify import check_digest
from mcp_dockerhub.registry.wire import Endpoint, Wire
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL


def is_public(endpoint: Endpoint) -> bool:
    """Whether what is fetched there is what anybody gets."""
    return endpoint.upstream.credential.identity == ANONYMOUS_CREDENTIAL.identity


def derived_key(endpoint: Endpoint, what: str, digest: Digest) -> Key:
    """Where something made from the blob ``digest`` is cached: for all callers alike when the blob is public."""
    if not is_public(endpoint):
        return endpoint.key(Kind.DOCUMENT, what, digest)
    return Key(Kind.DOCUMENT, "", ANONYMOUS_CREDENTIAL.identity, "", (what, digest))


async def kept_document(
    wire: Wire,
    endpoint: Endpoint,
    kind: str,
    digest: Digest,
    fetch: Callable[[], Awaitable[tuple[str, bytes]]],
) -> tuple[str, bytes, datetime | None]:
    """A document's media type, its bytes and when it was kept: from the store, else fetched (None) and kept there.

    Bytes that ``fetch`` returns were verified.
    """
    store = wire.store if is_public(endpoint) else None
    address = f"{endpoint.upstream.base_url}/{endpoint.repository.path}@{digest}"
    stored = await store.read(kind, address) if store else None
    if stored is not None:
        media_type, _, raw = stored.content.partition(b"\n")
        try:
            check_digest(raw, digest, "A kept document")
        except UpstreamInvalid:
            pass
        else:
            return media_type.decode("ascii", "replace"), raw, stored.kept_at
    name, raw = await fetch()
    if store:
        await store.keep(kind, address, name.encode("ascii", "replace").replace(b"\n", b"") + b"\n" + raw)
    return name, raw, None
