"""Redirects: how far, with what, and by whom they are followed."""

from typing import Any

import httpx2
import pytest

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.transport.exchange import plan_of
from mcp_dockerhub.transport.redirects import MAX_HOPS, Redirects
from tests.upstreams.chain import Inner, get, in_turn, status

pytestmark = pytest.mark.anyio


def moved(location: str, code: int = 307) -> httpx2.Response:
    return status(code, b"moved", location=location)


def secret(url: str = "https://registry.example/v2/x/blobs/sha256:1", **plan: Any) -> httpx2.Request:
    request = get(url, **plan)
    request.headers["authorization"] = "Bearer t"
    request.headers["cookie"] = "c=1"
    request.headers["accept"] = "application/json"
    return request


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reads_are_followed_with_their_method(code: int, method: str) -> None:
    inner = Inner(in_turn(moved("/v2/elsewhere?x=1#part", code), status(200, b"")))
    response = await Redirects(inner).handle_async_request(secret(method=method))
    assert response.status_code == 200
    assert inner.sent[1] == (method, "https://registry.example/v2/elsewhere?x=1", "Bearer t")
    assert str(response.request.url) == "https://registry.example/v2/elsewhere?x=1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://cdn.example/blob",
        "//cdn.example/blob",
        "http://registry.example/blob",
        "https://registry.example:8443/blob",
        "https://sub.registry.example/blob",
    ],
)
async def test_credentials_stay_with_their_origin(elsewhere: str) -> None:
    inner = Inner(in_turn(moved(elsewhere), status(200)))
    await Redirects(inner).handle_async_request(secret())
    second = inner.requests[1]
    assert "authorization" not in second.headers
    assert "cookie" not in second.headers
    assert second.headers["accept"] == "application/json"
    assert second.headers["host"] == second.url.netloc.decode()
    assert plan_of(second).purpose == "redirect"
    assert plan_of(second).host_class == "redirect"


async def test_credentials_do_not_come_back_on_the_way_home() -> None:
    inner = Inner(in_turn(moved("https://cdn.example/"), moved("https://registry.example/v2/y"), status(200)))
    await Redirects(inner).handle_async_request(secret())
    assert [authorization for _, _, authorization in inner.sent] == ["Bearer t", None, None]


async def test_a_spelled_out_default_port_is_the_same_origin() -> None:
    inner = Inner(in_turn(moved("https://REGISTRY.example:443/v2/y"), status(200)))
    await Redirects(inner).handle_async_request(secret())
    assert inner.sent[1][2] == "Bearer t"
    assert plan_of(inner.requests[1]).purpose == "request"


async def test_five_hops_are_followed_and_a_sixth_is_not() -> None:
    hops = [moved(f"/{n}") for n in range(MAX_HOPS)]
    inner = Inner(in_turn(*hops, status(200)))
    assert (await Redirects(inner).handle_async_request(get())).status_code == 200
    assert len(inner.requests) == MAX_HOPS + 1
    loop = Inner(lambda request: moved("/again"))
    with pytest.raises(UpstreamInvalid, match=r"registry\.example redirects more than 5 times"):
        await Redirects(loop).handle_async_request(get())
    assert len(loop.requests) == MAX_HOPS + 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_writes_and_log_ins_are_not_followed(method: str) -> None:
    inner = Inner(in_turn(moved("https://cdn.example/"), status(200)))
    assert (await Redirects(inner).handle_async_request(secret(method=method))).status_code == 307
    assert len(inner.requests) == 1


@pytest.mark.parametrize("answer", [status(307), status(304, location="/x"), status(201, location="/x"), status(300)])
async def test_what_is_no_redirect_is_an_answer(answer: httpx2.Response) -> None:
    inner = Inner(in_turn(answer))
    assert await Redirects(inner).handle_async_request(get()) is answer


@pytest.mark.parametrize("location", ["https://[::1", "http://\x7f/"])
async def test_a_target_that_is_no_url_is_an_invalid_answer(location: str) -> None:
    with pytest.raises(UpstreamInvalid, match="not a URL"):
        await Redirects(Inner(in_turn(moved(location)))).handle_async_request(get())
