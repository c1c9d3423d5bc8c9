"""Docker Hub's pull quota, asked for with a HEAD, which does not count as a pull."""

import re
from typing import Final

from mcp_dockerhub.access import Access
from mcp_dockerhub.reference import DOCKER_HUB, Reference, Repository
from mcp_dockerhub.registry import media_types
from mcp_dockerhub.registry.errors import failure
from mcp_dockerhub.registry.models import Quota
from mcp_dockerhub.registry.wire import Wire
from mcp_dockerhub.transport.client import Response

PREVIEW: Final = Reference(Repository(DOCKER_HUB, "ratelimitpreview/test"), "latest")
_VALUE: Final = re.compile(r"\s*([0-9]{1,12})\s*(?:;\s*w\s*=\s*([0-9]{1,9}))?\s*", re.ASCII)
_SOURCE_LENGTH: Final = 64


async def quota(wire: Wire, access: Access) -> Quota | None:
    """See ``RegistryClient.quota``."""
    endpoint = wire.endpoint(access, PREVIEW.repository)
    path = endpoint.path("manifests", PREVIEW.target)
    response = await wire.ask(endpoint, path, "The pull quota", method="HEAD", accept=media_types.ACCEPT)
    found = parse_quota(response)
    # A mirror does not hold the image whose answer states the quota: it counts none.
    if found is None and response.status not in (200, 404):
        raise failure(response, "The pull quota", endpoint.upstream)
    return found


def parse_quota(response: Response) -> Quota | None:
    """The quota an answer's headers state; None without them, which means unlimited or not counted."""
    limit = _VALUE.fullmatch(response.header("ratelimit-limit") or "")
    if limit is None:
        return None
    remaining = _VALUE.fullmatch(response.header("ratelimit-remaining") or "")
    return Quota(
        limit=int(limit[1]),
        remaining=int(remaining[1]) if remaining else None,
        window_s=int(limit[2]) if limit[2] else None,
        source=(response.header("docker-ratelimit-source") or "")[:_SOURCE_LENGTH],
    )
