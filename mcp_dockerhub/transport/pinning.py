"""Look a name up once, check every address, dial one of just those.

Checking a name and then connecting to it would resolve it twice, and a hostile name server answers differently
the second time. The address is fixed below the connection pool, where TLS still sees the host's name.
"""

from collections.abc import Iterable

import anyio
import httpcore2

from mcp_dockerhub.transport.egress import AddressCheck
from mcp_dockerhub.transport.resolver import Resolver


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that ``check`` has seen, through ``dialer``."""

    def __init__(self, resolver: Resolver, check: AddressCheck, dialer: httpcore2.AsyncNetworkBackend) -> None:
        self._resolver = resolver
        self._check = check
        self._dialer = dialer

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the library's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises what the resolver and the check raise, else ConnectError and ConnectTimeout of httpcore2."""
        try:
            with anyio.fail_after(timeout):
                addresses = await self._resolver(host, port)
                self._check(host, addresses)
                return await self._dial(addresses, port, timeout, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error

    async def _dial(
        self,
        addresses: tuple[str, ...],
        port: int,
        timeout: float | None,  # noqa: ASYNC109
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        """Try the addresses in order; each gets its share of the time, so that a dead one does not use it all."""
        failure: Exception = httpcore2.ConnectError("the name has no address")
        share = None if timeout is None else timeout / max(1, min(len(addresses), 3))
        for address in addresses:
            try:
                return await self._dialer.connect_tcp(
                    address, port, timeout=share, local_address=local_address, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._dialer.sleep(seconds)
