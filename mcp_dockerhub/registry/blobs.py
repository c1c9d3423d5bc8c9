"""Configs and other blobs, fetched by descriptor: at most the size it promises, verified against its digest."""

from datetime import datetime

from mcp_dockerhub.access import Access
from mcp_dockerhub.cache import Cached, Fetched, Kind
from mcp_dockerhub.errors import TooLarge, UpstreamInvalid
from mcp_dockerhub.reference import Repository
from mcp_dockerhub.registry import fields, media_types
from mcp_dockerhub.registry.configs import MAX_CONFIG, parse_config
from mcp_dockerhub.registry.keeping import kept_document
from mcp_dockerhub.registry.models import Descriptor, ImageConfig
from mcp_dockerhub.registry.verify import check_digest, check_size
from mcp_dockerhub.registry.wire import Endpoint, Wire


async def blob(wire: Wire, access: Access, repository: Repository, descriptor: Descriptor, limit: int) -> Cached[bytes]:
    """The bytes of a blob; see ``RegistryClient.blob``."""
    endpoint = wire.endpoint(access, repository)
    what = _name(repository, descriptor)
    if descriptor.size > limit:
        raise TooLarge(f"{what} has {descriptor.size} bytes; at most {limit} are read here.")

    async def fetch() -> Fetched[bytes]:
        raw, kept_at = await _kept(wire, endpoint, descriptor, what)
        return Fetched(raw, len(raw), kept_at)

    return await wire.cache.get(endpoint.key(Kind.DOCUMENT, "blob", descriptor.digest), fetch)


async def config(wire: Wire, access: Access, repository: Repository, descriptor: Descriptor) -> Cached[ImageConfig]:
    """An image's configuration; see ``RegistryClient.config``."""
    endpoint = wire.endpoint(access, repository)
    what = f"The configuration of an image in {repository.familiar}"
    if descriptor.media_type not in media_types.CONFIGS:
        raise UpstreamInvalid(f"{what} is not of an image configuration's type.")
    if descriptor.size > MAX_CONFIG:
        raise TooLarge(f"{what} has {descriptor.size} bytes; at most {MAX_CONFIG} are read here.")

    async def fetch() -> Fetched[ImageConfig]:
        raw, kept_at = await _kept(wire, endpoint, descriptor, what)
        return Fetched(parse_config(raw, descriptor.digest, what), len(raw) * fields.PARSED_FACTOR, kept_at)

    return await wire.cache.get(endpoint.key(Kind.DOCUMENT, "config", descriptor.digest), fetch)


async def _kept(wire: Wire, endpoint: Endpoint, descriptor: Descriptor, what: str) -> tuple[bytes, datetime | None]:
    if descriptor.data is not None:
        return descriptor.data, None

    async def fetch() -> tuple[str, bytes]:
        return "", await _read(wire, endpoint, descriptor, what)

    _, raw, kept_at = await kept_document(wire, endpoint, "blob", descriptor.digest, fetch)
    check_size(raw, descriptor.size, what)
    return raw, kept_at


async def _read(wire: Wire, endpoint: Endpoint, descriptor: Descriptor, what: str) -> bytes:
    path = endpoint.path("blobs", descriptor.digest)
    try:
        response = await wire.fetch(endpoint, path, what, limit=max(descriptor.size, 1))
    except TooLarge:
        raise UpstreamInvalid(f"{what} is larger than the {descriptor.size} bytes its descriptor says.") from None
    check_size(response.body, descriptor.size, what)
    check_digest(response.body, descriptor.digest, what)
    return response.body


def _name(repository: Repository, descriptor: Descriptor) -> str:
    return f"The blob {descriptor.digest} of {repository.familiar}"
