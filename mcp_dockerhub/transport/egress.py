"""The egress guard's place in the chain: every URL that is sent, redirects and realms included, passes here.

The rules are ``mcp_dockerhub_security.egress``; addresses are checked further down, where connections are made.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpx2

from mcp_dockerhub.errors import PolicyDenied
from mcp_dockerhub.transport.exchange import endpoint_of, plan_of
from mcp_dockerhub_security.egress import EgressPolicy
from mcp_dockerhub_security.refusals import Refusal

AddressCheck = Callable[[str, Iterable[str]], None]
"""``(host, addresses)``; raises PolicyDenied to refuse the host."""


class EgressGuard(httpx2.AsyncBaseTransport):
    """Raises PolicyDenied for what the policy refuses."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, policy: EgressPolicy) -> None:
        self._inner = inner
        self._policy = policy

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        plan = plan_of(request)
        with _denials():
            if plan.upstream.host_class == "registry":
                self._policy.check_registry(plan.upstream.name)
            self._policy.check_url(endpoint_of(request.url), plan.purpose)
        return await self._inner.handle_async_request(request)


def address_check(policy: EgressPolicy) -> AddressCheck:
    """The policy's rule on addresses, for the pool; raises PolicyDenied."""

    def check(host: str, addresses: Iterable[str]) -> None:
        with _denials():
            policy.check_addresses(host, addresses)

    return check


@contextmanager
def _denials() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise PolicyDenied(refusal.message, hint=refusal.hint) from refusal
