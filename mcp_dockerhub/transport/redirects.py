"""Redirects, each hop through every element below: retried, throttled and guarded like a request of its own.

Registries send blobs to content networks, with signed URLs. What identifies us stays with the origin it was
meant for: once a redirect leaves it, the request goes on without credentials, even if it comes back later.
Only GET and HEAD are followed; a redirected log-in would hand over what is in its body.
"""

from typing import Final

import httpx2

from mcp_dockerhub.errors import UpstreamInvalid
from mcp_dockerhub.transport.exchange import follow, host_of, origin_of

MAX_HOPS: Final = 5
_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_OF_ORIGIN: Final = ("authorization", "cookie", "proxy-authorization")


class Redirects(httpx2.AsyncBaseTransport):
    """Raises UpstreamInvalid for more than ``MAX_HOPS`` redirects and for a target that is no URL."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        first = host_of(request.url)
        for _ in range(MAX_HOPS + 1):
            response = await self._inner.handle_async_request(request)
            response.request = request
            location = response.headers.get("location")
            followed = request.method in ("GET", "HEAD") and response.status_code in _STATUSES
            if location is None or not followed:
                return response
            await response.aclose()
            request = _next(request, location)
        raise UpstreamInvalid(f"{first} redirects more than {MAX_HOPS} times.")


def _next(request: httpx2.Request, location: str) -> httpx2.Request:
    try:
        url = request.url.join(location).copy_with(fragment=None)
        host_of(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise UpstreamInvalid(f"{host_of(request.url)} redirects to something that is not a URL.") from error
    headers = request.headers.copy()
    headers.pop("host", None)
    elsewhere = origin_of(url) != origin_of(request.url)
    if elsewhere:
        for name in _OF_ORIGIN:
            headers.pop(name, None)
    return follow(request, url, headers, elsewhere=elsewhere)
