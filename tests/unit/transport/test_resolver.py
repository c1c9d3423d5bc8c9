"""What the operating system says about names."""

import socket
from typing import Any

import anyio
import pytest

from mcp_dockerhub.errors import UpstreamUnavailable
from mcp_dockerhub.transport.faults import NameUnknown
from mcp_dockerhub.transport.resolver import system_resolver

pytestmark = pytest.mark.anyio


async def test_an_address_is_its_own_answer() -> None:
    assert await system_resolver("127.0.0.1", 443) == ("127.0.0.1",)


async def test_an_address_that_comes_twice_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answers(*args: Any, **options: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 443)) for address in ("1.1.1.1", "2606:4700::1", "1.1.1.1")]

    monkeypatch.setattr(anyio, "getaddrinfo", answers)
    assert await system_resolver("h.example", 443) == ("1.1.1.1", "2606:4700::1")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), NameUnknown),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), UpstreamUnavailable),
        (UnicodeError("label too long"), NameUnknown),
    ],
)
async def test_failures_name_the_host(
    failure: Exception, kind: type[UpstreamUnavailable], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*args: Any, **options: Any) -> list[Any]:
        raise failure

    monkeypatch.setattr(anyio, "getaddrinfo", fail)
    with pytest.raises(UpstreamUnavailable, match=r"h\.example") as failed:
        await system_resolver("h.example", 443)
    assert type(failed.value) is kind
