"""The egress rules' place in the chain."""

import pytest

from mcp_dockerhub.errors import PolicyDenied
from mcp_dockerhub.transport.client import Upstream
from mcp_dockerhub.transport.egress import EgressGuard, address_check
from mcp_dockerhub_security.egress import EgressPolicy
from tests.upstreams.chain import Inner, get, status

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url",
    [
        "http://registry.example/v2/",
        "https://127.0.0.1/v2/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://user:pass@registry.example/",
        "https://registry.example\\@127.0.0.1/",
        "https://registry.example:99999999/",
        "ftp://registry.example/",
        "/v2/",
    ],
)
async def test_what_the_policy_refuses_is_not_sent(url: str) -> None:
    inner = Inner(lambda request: status(200))
    with pytest.raises(PolicyDenied) as denied:
        await EgressGuard(inner, EgressPolicy()).handle_async_request(get(url))
    assert inner.requests == []
    assert denied.value.hint


async def test_what_the_policy_allows_is_sent() -> None:
    inner = Inner(lambda request: status(200))
    guard = EgressGuard(inner, EgressPolicy(configured_origins=frozenset({"http://127.0.0.1:5000"})))
    await guard.handle_async_request(get("https://registry.example/v2/"))
    await guard.handle_async_request(get("http://127.0.0.1:5000/v2/"))
    assert len(inner.requests) == 2


async def test_a_registry_must_be_on_the_allow_list_and_other_services_need_not() -> None:
    inner = Inner(lambda request: status(200))
    guard = EgressGuard(inner, EgressPolicy(allowed_registries=frozenset({"docker.io"})))
    with pytest.raises(PolicyDenied, match=r"registry\.example"):
        await guard.handle_async_request(get())
    hub = Upstream("hub", "https://hub.example", "hub")
    await guard.handle_async_request(get("https://hub.example/", upstream=hub, host_class="hub"))
    docker = Upstream("docker.io", "https://mirror.example", "registry")
    await guard.handle_async_request(get("https://cdn.example/", upstream=docker, purpose="redirect"))
    assert len(inner.requests) == 2


def test_addresses_are_checked_for_the_pool() -> None:
    check = address_check(EgressPolicy())
    check("h.example", ["1.1.1.1"])
    with pytest.raises(PolicyDenied, match=r"h\.example"):
        check("h.example", ["1.1.1.1", "127.0.0.1"])
