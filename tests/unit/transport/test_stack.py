"""What the stack makes of a client's request, and how it is put together."""

import subprocess
import sys

import httpx2
import pytest

from mcp_dockerhub.errors import PolicyDenied, UpstreamInvalid, UpstreamUnavailable
from mcp_dockerhub.transport.client import HttpClient, Upstream
from mcp_dockerhub.transport.deadline import call_deadline, remaining
from mcp_dockerhub.transport.observer import NULL_OBSERVER
from mcp_dockerhub.transport.options import StackOptions
from mcp_dockerhub.transport.realms import KNOWN_REALMS
from mcp_dockerhub.transport.stack import HttpStack
from tests.upstreams.chain import Answer, FakeTime, Inner, in_turn, status

pytestmark = pytest.mark.anyio

HUB = Upstream("hub", "https://hub.example/api", "hub")


def stack_on(*answers: Answer, options: StackOptions | None = None) -> tuple[HttpStack, Inner]:
    inner = Inner(in_turn(*answers))
    return HttpStack(options or StackOptions(), clock=FakeTime().clock, pool=inner), inner


def test_the_stack_is_the_client_that_everybody_uses() -> None:
    client: HttpClient = HttpStack(StackOptions())
    assert isinstance(client, HttpStack)


@pytest.mark.parametrize(
    ("path", "params", "url"),
    [
        ("/v2/x", None, "https://hub.example/api/v2/x"),
        ("/v2/x?a=1", {"b": "c d", "n": 2}, "https://hub.example/api/v2/x?a=1&b=c+d&n=2"),
        ("https://hub.example/api/v2/x?page=2", None, "https://hub.example/api/v2/x?page=2"),
        ("https://HUB.example:443/other", {}, "https://hub.example/other"),
        ("//evil.example/x", None, "https://hub.example/api//evil.example/x"),
        ("/v2/..x/.../y", None, "https://hub.example/api/v2/..x/.../y"),
    ],
)
async def test_paths_are_joined_to_the_base_and_links_on_the_same_origin_are_accepted(
    path: str, params: dict[str, str | int] | None, url: str
) -> None:
    stack, inner = stack_on(status(200))
    await stack.request(HUB, "GET", path, params=params)
    assert str(inner.requests[0].url) == url


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/v2/x",
        "http://hub.example/api/v2/x",
        "https://hub.example:8443/v2/x",
        "https://user:pass@hub.example/v2/x",
        "https://[::1",
        "v2/x",
        "",
        "/v2/../../admin",
        "/v2/x/..",
        "/v2/%2E%2e/users?x=1#",
        "/v2/./x",
    ],
)
async def test_links_to_anywhere_else_are_refused(path: str) -> None:
    stack, inner = stack_on(status(200))
    with pytest.raises(UpstreamInvalid, match="hub links to"):
        await stack.request(HUB, "GET", path)
    assert inner.requests == []


async def test_the_shown_url_has_no_query() -> None:
    stack, _ = stack_on(status(307, location="https://cdn.example/b?X-Signature=s"), status(200))
    assert (await stack.request(HUB, "GET", "/x?token=s")).url == "https://cdn.example/b"


async def test_the_whole_call_has_one_deadline() -> None:
    seen: list[float] = []

    def note(request: httpx2.Request) -> Answer:
        seen.append(remaining())
        return status(200)

    stack = HttpStack(StackOptions(call_timeout=7), clock=FakeTime().clock, pool=Inner(note))
    await stack.request(HUB, "GET", "/x")
    async with stack.stream(HUB, "/x"):
        assert remaining() == 7
    with call_deadline(3):
        await stack.request(HUB, "GET", "/x")
    assert seen[:2] == [7, 7]
    assert 0 < seen[2] <= 3


async def test_a_registry_off_the_allow_list_is_not_asked() -> None:
    stack, inner = stack_on(status(200), options=StackOptions(allowed_registries=frozenset({"docker.io"})))
    with pytest.raises(PolicyDenied):
        await stack.request(Upstream("ghcr.io", "https://ghcr.io", "registry"), "GET", "/v2/")
    assert inner.requests == []


async def test_the_circuits_of_all_hosts_can_be_seen() -> None:
    stack, _ = stack_on(UpstreamUnavailable("down"))
    assert stack.circuits() == {}
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            await stack.request(HUB, "GET", "/x")
    assert stack.circuits() == {"hub.example": "open"}


async def test_a_stack_that_was_never_used_closes() -> None:
    await HttpStack(StackOptions()).aclose()


def test_observing_is_optional() -> None:
    NULL_OBSERVER.request("hub", "GET", "2xx", 0.1, None, 0)
    NULL_OBSERVER.retry("hub", "5xx")
    NULL_OBSERVER.circuit("hub", "open", "h")
    NULL_OBSERVER.quota(1, 1, 1)


def test_known_realms_are_hosts_and_cannot_be_changed() -> None:
    assert KNOWN_REALMS["docker.io"] == {"auth.docker.io"}
    assert all(host == host.lower() and "/" not in host for hosts in KNOWN_REALMS.values() for host in hosts)
    with pytest.raises(TypeError):
        KNOWN_REALMS["x"] = frozenset()  # type: ignore[index]


def test_importing_the_stack_does_not_load_what_only_requests_need() -> None:
    late = "{'httpcore2', 'tenacity', 'cryptography'}"
    code = f"import sys, mcp_dockerhub.transport.stack; print(*{late} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout.strip() == ""
