"""A stand-in Docker Hub on loopback, and clients of it on the real HTTP stack."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_dockerhub.cache import Cache
from mcp_dockerhub.hub import HubClient
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential
from mcp_dockerhub.transport.clock import Clock
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.stack import HttpStack
from tests.upstreams.hub import HubState, create_app, running_app

ACCOUNT = ("demo-account", "demo-secret")


def _tag(name: str, day: int, *platforms: str) -> dict[str, Any]:
    images = []
    for n, platform in enumerate(platforms):
        os, architecture, *variant = platform.split("/")
        image = {"os": os, "architecture": architecture, "size": 1000 + n, "digest": f"sha256:{day:060x}{n:04x}"}
        if variant:
            image["variant"] = variant[0]
        image["layers"] = [
            {"digest": f"sha256:{day:060x}{n + 100:04x}", "size": 1000 + n, "instruction": "ADD file:0 in / "},
            {"size": 0, "instruction": ' CMD ["sh"]'},
        ]
        images.append(image)
    return {
        "name": name,
        "last_updated": f"2026-01-{day:02}T04:44:13.965904{day:03}Z",
        "digest": f"sha256:{day:064x}",
        "media_type": "application/vnd.oci.image.index.v1+json",
        "content_type": "image",
        "images": images,
    }


SEED: dict[str, Any] = {
    "attribution": "made up",
    "accounts": dict([ACCOUNT]),
    "repositories": [
        {
            "namespace": "library",
            "name": "nginx",
            "description": "A web server",
            "full_description": "# nginx",
            "star_count": 20_000,
            "pull_count": 12_000_000_000,
            "date_registered": "2014-06-05T19:14:45Z",
            "categories": [{"name": "Web servers", "slug": "web-servers"}],
            "tags": [
                _tag("1.29", 5, "linux/amd64", "unknown/unknown", "linux/arm/v7", "unknown/unknown"),
                _tag("latest", 6, "linux/amd64", "linux/arm64"),
                _tag("1.28", 2, "linux/amd64"),
                {"name": "ancient", "images": [{"os": "linux", "architecture": "amd64", "size": 5}]},
            ],
        },
        {
            "namespace": "example",
            "name": "server",
            "description": "Another web server",
            "badge": "verified_publisher",
            "pull_count": 1_234_567,
            "tags": [_tag(f"build-{n:04}", 1 + n % 28, "linux/arm64") for n in range(250)],
        },
        {"namespace": "example", "name": "secret", "description": "A private web server", "is_private": True},
        *({"namespace": "many", "name": f"web-{n:04}", "description": "server", "pull_count": n} for n in range(2600)),
    ],
}


class _Stage:
    """One server for all tests; each puts an application of its own on it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[_Stage, str]]:
    stage = _Stage()
    with running_app(stage) as address:
        yield stage, address


@pytest.fixture
def state(stage: tuple[_Stage, str]) -> HubState:
    state = HubState.seeded(SEED, limit=100_000)
    stage[0].app = create_app(state)
    return state


@pytest.fixture
def url(stage: tuple[_Stage, str], state: HubState) -> str:
    return stage[1]


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=10) as client:
        yield client


class Connect(Protocol):
    def __call__(
        self, *, credential: Credential = ..., request_timeout: float = ...
    ) -> AbstractAsyncContextManager[HubClient]: ...


@pytest.fixture
def connect(url: str) -> Connect:
    """Hub clients that never wait between attempts."""

    @asynccontextmanager
    async def connected(
        *, credential: Credential = ANONYMOUS_CREDENTIAL, request_timeout: float = 10
    ) -> AsyncIterator[HubClient]:
        options = StackOptions(
            configured_origins=frozenset({url}), request_timeout=request_timeout, call_timeout=request_timeout * 4
        )
        stack = HttpStack(options, clock=_leaping_clock())
        try:
            yield HubClient(stack, Cache(), url, credential)
        finally:
            await stack.aclose()

    return connected


def _leaping_clock() -> Clock:
    """Time that passes by itself, and leaps over every wait."""
    leapt = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal leapt
        leapt += seconds
        await anyio.lowlevel.checkpoint()

    return Clock(lambda: time.monotonic() + leapt, lambda: time.time() + leapt, sleep)
