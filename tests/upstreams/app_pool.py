"""Stands where the HTTP stack's connections are: hosts are answered by stand-in registries, without sockets."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx2

from tests.upstreams.registry import InMemoryRegistry
from tests.upstreams.registry_behaviour import Recorded


class AppPool(httpx2.AsyncBaseTransport):
    """``hosts`` maps ``HOST[:PORT]`` to who answers there; ``seen`` are hosts and whether credentials came along."""

    def __init__(self, hosts: Mapping[str, InMemoryRegistry]) -> None:
        self._hosts = hosts
        self.seen: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        parts = urlsplit(str(request.url))
        headers = {name.lower(): value for name, value in request.headers.items()}
        recorded = Recorded(request.method, parts.path, parts.query, headers)
        self.seen.append((parts.netloc, recorded.authorization))
        registry = self._hosts[parts.netloc]
        registry.requests.append(recorded)
        reply = registry.app.answer(recorded, request.content)
        sent = [*reply.headers, ("content-length", str(len(reply.body)))]
        body = b"" if request.method == "HEAD" else reply.body
        return httpx2.Response(reply.status, headers=sent, stream=httpx2.ByteStream(body), request=request)
