"""Layers as a stream."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from mcp_dockerhub.access import ANONYMOUS
from mcp_dockerhub.cache import Cache
from mcp_dockerhub.errors import (
    DockerHubError,
    NotFound,
    PolicyDenied,
    TooLarge,
    Unsupported,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.reference import Digest, Repository
from mcp_dockerhub.registry.client import RegistryClient
from mcp_dockerhub.registry.config import Registries
from mcp_dockerhub.registry.models import Descriptor
from mcp_dockerhub.transport.client import Response, StreamedResponse, Upstream
from tests.upstreams.layers import Member, layer_of

pytestmark = pytest.mark.anyio
RAW = layer_of(Member("etc/hostname", b"box"), Member("data", bytes(range(256))))
REPOSITORY = Repository.parse("registry.test/app")


@dataclass
class Answer:
    """What one connection brings: pieces, then perhaps a failure."""

    pieces: list[bytes] = field(default_factory=list)
    failure: DockerHubError | None = None
    status: int = 200
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Streams:
    """An HttpClient whose streams are scripted, in order."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Mapping[str, str] | None, float | None]] = []
        self.open = 0

    async def request(self, *_: Any, **__: Any) -> Response:
        raise NotImplementedError

    @asynccontextmanager
    async def stream(
        self,
        upstream: Upstream,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = 0,
        seconds: float | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        self.asked.append((headers, seconds))
        answer = self.answers.pop(0)

        async def pieces() -> AsyncIterator[bytes]:
            received = 0
            for piece in answer.pieces:
                received += len(piece)
                if received > limit:
                    raise TooLarge("more than was allowed")
                yield piece
            if answer.failure is not None:
                raise answer.failure

        self.open += 1
        try:
            yield StreamedResponse(answer.status, answer.headers, upstream.base_url + path, pieces())
        finally:
            self.open -= 1


def layer(raw: bytes = RAW, **changes: Any) -> Descriptor:
    digest = Digest(f"sha256:{hashlib.sha256(raw).hexdigest()}")
    return Descriptor(**{"media_type": "x", "digest": digest, "size": len(raw), **changes})


async def read(streams: Streams, descriptor: Descriptor | None = None, access: Any = ANONYMOUS) -> bytes:
    client = RegistryClient(streams, Cache(), Registries.build([]))
    async with client.layer_stream(access, REPOSITORY, descriptor or layer(), seconds=9.0) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_layer_comes_in_pieces_and_is_verified() -> None:
    streams = Streams(Answer([RAW[:10], RAW[10:]]))
    assert await read(streams) == RAW
    assert (streams.asked, streams.open) == ([(None, 9.0)], 0)


async def test_a_change_of_any_byte_is_refused() -> None:
    for place in range(len(RAW)):
        altered = bytearray(RAW)
        altered[place] ^= 0x20
        with pytest.raises(UpstreamInvalid, match="altered"):
            await read(Streams(Answer([bytes(altered)])))


@pytest.mark.parametrize("raw", [RAW[:-1], RAW + b"x", b"", RAW[1:]])
async def test_a_layer_of_another_size_is_refused(raw: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        await read(Streams(Answer([raw])))


async def test_too_many_bytes_are_noticed_before_they_are_handed_on() -> None:
    got: list[bytes] = []
    client = RegistryClient(Streams(Answer([RAW, b"more"])), Cache(), Registries.build([]))
    with pytest.raises(UpstreamInvalid, match="larger"):
        async with client.layer_stream(ANONYMOUS, REPOSITORY, layer(), seconds=9.0) as chunks:
            got += [chunk async for chunk in chunks]
    assert got == []


def broken(*pieces: bytes) -> Answer:
    return Answer(list(pieces), UpstreamUnavailable("the connection broke"))


def rest(offset: int, stated: str | None = None) -> Answer:
    return Answer([RAW[offset:]], status=206, headers={"content-range": (stated or f"bytes {offset}-99/100",)})


async def test_a_connection_that_breaks_is_taken_up_where_it_ended() -> None:
    streams = Streams(broken(RAW[:7]), Answer([RAW[7:20]], UpstreamTimeout("slow"), 206, rest(7).headers), rest(20))
    assert await read(streams) == RAW
    assert [headers for headers, _ in streams.asked] == [None, {"range": "bytes=7-"}, {"range": "bytes=20-"}]


async def test_a_connection_that_brings_nothing_is_not_tried_again() -> None:
    streams = Streams(broken())
    with pytest.raises(UpstreamUnavailable):
        await read(streams)
    assert len(streams.asked) == 1


async def test_connections_are_not_tried_for_ever() -> None:
    streams = Streams(
        broken(RAW[:1]), *(Answer([RAW[n : n + 1]], UpstreamTimeout("slow"), 206, rest(n).headers) for n in range(1, 9))
    )
    with pytest.raises(UpstreamTimeout):
        await read(streams)
    assert len(streams.asked) == 4


@pytest.mark.parametrize(
    "answer", [Answer([RAW]), rest(7, "bytes 3-99/100"), rest(7, "nonsense"), Answer([RAW[7:]], status=206)]
)
async def test_a_continuation_from_elsewhere_is_refused(answer: Answer) -> None:
    with pytest.raises(UpstreamInvalid, match="cannot continue"):
        await read(Streams(broken(RAW[:7]), answer))


async def test_a_continuation_with_other_bytes_is_refused() -> None:
    wrong = Answer([RAW[7:-1] + b"?"], status=206, headers=rest(7).headers)
    with pytest.raises(UpstreamInvalid, match="altered"):
        await read(Streams(broken(RAW[:7]), wrong))


async def test_a_layer_that_is_gone_is_not_found() -> None:
    with pytest.raises(NotFound):
        await read(Streams(Answer([b'{"errors": [{"code": "BLOB_UNKNOWN"}]}'], status=404)), layer(size=len(RAW)))


async def test_a_foreign_layer_is_not_fetched() -> None:
    streams = Streams()
    with pytest.raises(Unsupported, match="outside the registry"):
        await read(streams, layer(urls=("https://elsewhere.test/layer",)))
    assert streams.asked == []


async def test_an_embedded_layer_needs_no_request() -> None:
    streams = Streams()
    assert await read(streams, layer(data=RAW)) == RAW
    assert streams.asked == []


async def test_nothing_is_asked_for_that_policy_forbids() -> None:
    class Forbidding:
        private = False
        partition = ""

        def check_target(self, registry: str, repository: str) -> None:
            raise PolicyDenied(f"{registry}/{repository}")

    streams = Streams()
    with pytest.raises(PolicyDenied):
        await read(streams, access=Forbidding())
    assert streams.asked == []


async def test_who_stops_reading_closes_the_connection() -> None:
    streams = Streams(Answer([RAW[:10], RAW[10:]]))
    client = RegistryClient(streams, Cache(), Registries.build([]))
    async with client.layer_stream(ANONYMOUS, REPOSITORY, layer(), seconds=9.0) as chunks:
        assert await anext(chunks) == RAW[:10]
        assert streams.open == 1
    assert streams.open == 0
