"""Layers as a stream: verified as they pass, taken up again where a connection breaks, never held as a whole."""

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.errors import TooLarge, Unsupported, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.reference import Digest, Repository
from mcp_dockerhub.registry.errors import failure
from mcp_dockerhub.registry.models import Descriptor
from mcp_dockerhub.registry.wire import Endpoint, Wire
from mcp_dockerhub.transport.client import Response, StreamedResponse

ATTEMPTS: Final = 4
"""Connections for one layer, as long as each brought something."""
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@asynccontextmanager
async def layer_stream(
    wire: Wire, access: Access, repository: Repository, descriptor: Descriptor, seconds: float
) -> AsyncIterator[AsyncIterator[bytes]]:
    """See ``RegistryClient.layer_stream``."""
    endpoint = wire.endpoint(access, repository)
    what = f"The layer {descriptor.digest} of {repository.familiar}"
    if descriptor.is_foreign:
        raise Unsupported(f"{what} is kept outside the registry and is not fetched from there.")
    async with aclosing(_verified(wire, endpoint, descriptor, what, seconds)) as chunks:
        yield chunks


async def _verified(
    wire: Wire, endpoint: Endpoint, descriptor: Descriptor, what: str, seconds: float
) -> AsyncGenerator[bytes, None]:
    """The bytes; the end is only reached when size and digest are right."""
    size, digest = descriptor.size, descriptor.digest
    hasher = hashlib.new(digest.algorithm, usedforsecurity=True)
    received = attempts = 0
    while True:
        attempts += 1
        before = received
        try:
            async with aclosing(_body(wire, endpoint, descriptor, what, received, seconds)) as body:
                async for chunk in body:
                    received += len(chunk)
                    if received > size:
                        raise UpstreamInvalid(f"{what} is larger than the {size} bytes its descriptor says.")
                    hasher.update(chunk)
                    yield chunk
            break
        except (UpstreamUnavailable, UpstreamTimeout):
            if received == before or attempts == ATTEMPTS:
                raise
    if received != size:
        raise UpstreamInvalid(f"{what} has {received} bytes where its descriptor says {size}.")
    if Digest(f"{digest.algorithm}:{hasher.hexdigest()}") != digest:
        raise UpstreamInvalid(
            f"{what} does not match its digest: it was altered or damaged.",
            hint="Do not use this content; tell the registry's operator.",
        )


async def _body(
    wire: Wire, endpoint: Endpoint, descriptor: Descriptor, what: str, offset: int, seconds: float
) -> AsyncGenerator[bytes, None]:
    """One answer's bytes from ``offset`` on."""
    if descriptor.data is not None:
        yield descriptor.data
        return
    limit = max(descriptor.size - offset, 1)
    headers = {"range": f"bytes={offset}-"} if offset else None
    path = endpoint.path("blobs", descriptor.digest)
    try:
        async with wire.http.stream(
            endpoint.upstream, path, headers=headers, scope=endpoint.scope, limit=limit, seconds=seconds
        ) as answer:
            await _check(answer, endpoint, what, offset)
            async for chunk in answer.chunks:
                yield chunk
    except TooLarge:
        raise UpstreamInvalid(f"{what} is larger than the {descriptor.size} bytes its descriptor says.") from None


async def _check(answer: StreamedResponse, endpoint: Endpoint, what: str, offset: int) -> None:
    if not offset and answer.status == 200:
        return
    if offset and answer.status == 206:
        stated = _RANGE.match(answer.headers.get("content-range", ("",))[0])
        if stated and int(stated[1]) == offset:
            return
    if answer.status in (200, 206):
        raise UpstreamInvalid(f"{endpoint.upstream.name} broke off {what} and cannot continue it.")
    body = b"".join([chunk async for chunk in answer.chunks])
    raise failure(Response(answer.status, answer.headers, body, answer.url), what, endpoint.upstream)
