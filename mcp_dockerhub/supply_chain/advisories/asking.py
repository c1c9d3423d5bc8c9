"""Questions to services that publish advisories: every answer but the promised one is an error of ours."""

import time
from typing import Any
from urllib.parse import urlsplit

from mcp_dockerhub.errors import (
    DockerHubError,
    RateLimited,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.client import Response, StreamedResponse, Upstream
from mcp_dockerhub.transport.documents import parse_json

_HINT = "Nothing is known about vulnerabilities until it answers; this does not mean that there are none."


def service(url: str) -> tuple[Upstream, str]:
    """The upstream of a URL, and the path to ask it for."""
    parts = urlsplit(url)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    return Upstream("osv", f"{parts.scheme}://{parts.netloc}", "osv"), path


def whole(response: Response, what: str) -> bytes:
    """The body of a 200. ``what`` names what was asked, such as ``OSV for CVE-2024-1``."""
    if response.status != 200:
        raise refusal(response, what)
    return response.body


def refusal(response: Response | StreamedResponse, what: str) -> DockerHubError:
    """The error for a status other than the one wanted; bodies are never read."""
    status = response.status
    if status == 429:
        # Imported here: it brings the HTTP library, which start-up can do without.
        from mcp_dockerhub.transport.retry_after import parse_retry_after

        said = next(iter(response.headers.get("retry-after", ())), "")
        wait = parse_retry_after(said, time.time()) if said else None
        return RateLimited(f"Too many requests, asked {what}.", retry_after_s=wait)
    if status in (408, 504):
        return UpstreamTimeout(f"No answer in time (status {status}), asked {what}.", hint=_HINT)
    if status >= 500:
        return UpstreamUnavailable(f"The service fails at the moment (status {status}), asked {what}.", hint=_HINT)
    return UpstreamInvalid(f"Unexpected status {status}, asked {what}.", hint=_HINT)


def document(body: bytes, what: str) -> Any:
    """The JSON in ``body``. Raises UpstreamInvalid for anything else, TooLarge for too many parts."""
    try:
        return parse_json(body, what)
    except ValueError:
        raise defect(what, "is not JSON") from None


def defect(what: str, problem: str) -> UpstreamInvalid:
    """An answer against the interface."""
    return UpstreamInvalid(f"The answer of {what} {problem}.", hint=_HINT)
