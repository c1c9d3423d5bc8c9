"""Bounds on bodies and content codings."""

import gzip
import zlib
from collections.abc import AsyncIterator, Iterable

import httpx2
import pytest

from mcp_dockerhub.errors import TooLarge, UpstreamInvalid, UpstreamUnavailable
from mcp_dockerhub.transport.exchange import meter_of, stream_of
from mcp_dockerhub.transport.limit import ERROR_BODY_LIMIT, BodyLimit
from tests.upstreams.chain import Inner, get

pytestmark = pytest.mark.anyio


class Body(httpx2.AsyncByteStream):
    def __init__(self, chunks: Iterable[bytes], failure: Exception | None = None) -> None:
        self.chunks = chunks
        self.failure = failure
        self.closed = False
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.given += len(chunk)
            yield chunk
        if self.failure:
            raise self.failure

    async def aclose(self) -> None:
        self.closed = True


def element(body: Body, code: int = 200, **headers: str) -> BodyLimit:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return BodyLimit(Inner(lambda request: httpx2.Response(code, headers=named, stream=body)))


async def test_a_body_up_to_the_limit_is_read_whole() -> None:
    body = Body([b"a" * 512, b"b" * 512])
    request = get(limit=1024)
    response = await element(body).handle_async_request(request)
    assert response.content == b"a" * 512 + b"b" * 512
    assert body.closed
    assert meter_of(request).received == 1024
    assert meter_of(request).first_byte_at is not None


async def test_a_body_beyond_the_limit_is_too_large_and_read_no_further() -> None:
    body = Body([b"a" * 512] * 100)
    with pytest.raises(TooLarge, match=r"registry\.example .* 1024 bytes"):
        await element(body).handle_async_request(get(limit=1024))
    assert body.given == 1536
    assert body.closed


async def test_a_promised_length_beyond_the_limit_is_not_even_begun() -> None:
    body = Body([b"a"])
    for streamed in (False, True):
        with pytest.raises(TooLarge):
            await element(body, content_length="1025").handle_async_request(get(limit=1024, streamed=streamed))
    assert body.given == 0
    assert body.closed


async def test_gzip_is_decoded_and_its_headers_go_with_it() -> None:
    body = Body([gzip.compress(b"x" * 1000)[:30], gzip.compress(b"x" * 1000)[30:]])
    answer = element(body, content_encoding="GZIP", content_length="29", etag="e")
    response = await answer.handle_async_request(get())
    assert response.content == b"x" * 1000
    assert "content-encoding" not in response.headers
    assert response.headers["content-length"] == "1000"
    assert response.headers["etag"] == "e"


async def test_several_gzip_members_are_one_body() -> None:
    body = Body([gzip.compress(b"one ") + gzip.compress(b"two")])
    response = await element(body, content_encoding="x-gzip").handle_async_request(get())
    assert response.content == b"one two"


async def test_a_gzip_bomb_goes_off_at_the_limit() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    request = get(limit=1024 * 1024)
    with pytest.raises(TooLarge):
        await element(Body([bomb]), content_encoding="gzip").handle_async_request(request)


async def test_bytes_that_decode_to_nothing_count_too() -> None:
    empty = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    nothing = empty.compress(b"") + empty.flush(zlib.Z_FULL_FLUSH)
    body = Body([nothing, *[b"\x00\x00\x00\xff\xff"] * 10_000])
    with pytest.raises(TooLarge):
        await element(body, content_encoding="gzip").handle_async_request(get(limit=1024))


@pytest.mark.parametrize("coded", [b"not gzip at all", gzip.compress(b"x" * 1000)[:-9], gzip.compress(b"x")[:5]])
async def test_broken_gzip_is_an_invalid_answer(coded: bytes) -> None:
    with pytest.raises(UpstreamInvalid, match="gzip"):
        await element(Body([coded]), content_encoding="gzip").handle_async_request(get())


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "gzip, gzip"])
async def test_a_coding_that_was_not_asked_for_is_an_invalid_answer(coding: str) -> None:
    body = Body([b"x"])
    with pytest.raises(UpstreamInvalid, match="coding"):
        await element(body, content_encoding=coding).handle_async_request(get())
    assert body.closed


async def test_an_empty_body_in_any_known_coding_is_empty() -> None:
    for coding in ("gzip", "identity", ""):
        assert (await element(Body([]), content_encoding=coding).handle_async_request(get())).content == b""


async def test_a_streamed_body_is_raw_and_counted() -> None:
    coded = gzip.compress(b"x" * 1000)
    body = Body([coded])
    response = await element(body, content_encoding="gzip").handle_async_request(get(streamed=True))
    assert b"".join([chunk async for chunk in stream_of(response)]) == coded
    assert not body.closed
    await response.aclose()
    assert body.closed
    response = await element(Body([b"a" * 512] * 3)).handle_async_request(get(streamed=True))
    with pytest.raises(TooLarge):
        [chunk async for chunk in stream_of(response)]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("code", [301, 404, 429, 500])
async def test_a_body_with_an_error_is_read_to_a_bound_of_its_own(code: int, streamed: bool) -> None:
    small = await element(Body([b"{}"]), code).handle_async_request(get(limit=1, streamed=streamed))
    assert small.content == b"{}"
    endless = Body(iter(lambda: b"x" * 1024, b""))
    large = await element(endless, code).handle_async_request(get(streamed=streamed))
    assert large.content == b""
    assert large.status_code == code
    assert endless.given == ERROR_BODY_LIMIT + 1024
    assert endless.closed


async def test_an_error_body_in_a_broken_coding_is_no_body() -> None:
    response = await element(Body([b"x"]), 404, content_encoding="gzip").handle_async_request(get())
    assert (response.status_code, response.content) == (404, b"")


@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304)])
async def test_answers_without_a_body_keep_their_headers(method: str, code: int) -> None:
    answer = element(Body([]), code, content_length="99999999", docker_content_digest="sha256:1")
    response = await answer.handle_async_request(get(method=method))
    assert response.content == b""
    assert response.headers["content-length"] == "99999999"
    assert response.headers["docker-content-digest"] == "sha256:1"


async def test_a_body_that_breaks_off_fails_the_attempt() -> None:
    body = Body([b"x"], UpstreamUnavailable("cut"))
    with pytest.raises(UpstreamUnavailable):
        await element(body).handle_async_request(get())
    assert body.closed
