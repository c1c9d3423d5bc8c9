"""What the Hub's statuses mean. Bodies of refusals are never read: they come in any form and say nothing new."""

import time

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_dockerhub.transport.client import Response

_LOG_IN = "The operator can configure DOCKERHUB_USERNAME and DOCKERHUB_TOKEN."


def refusal(response: Response, what: str, *, anonymous: bool) -> DockerHubError:
    """The error for a status other than 200. ``what`` names what was asked, such as ``the tags of nginx``."""
    status = response.status
    if status in (401, 403):
        return _denial(status, what, anonymous)
    if status in (404, 410):
        hidden = "or is private" if anonymous else "or is hidden from the configured account"
        return NotFound(f"Docker Hub has no answer for {what}: it does not exist {hidden}.")
    if status in (400, 422):
        return InvalidInput(f"Docker Hub does not accept the request for {what}.")
    if status == 429:
        return RateLimited(
            f"Docker Hub limits requests at the moment, asked for {what}.", retry_after_s=_retry_after(response)
        )
    return _failure(status, what)


def _retry_after(response: Response) -> float | None:
    # Imported here: it brings the HTTP library, which start-up can do without.
    from mcp_dockerhub.transport.retry_after import parse_retry_after

    said = (response.header(name) for name in ("x-retry-after", "retry-after"))
    waits = (parse_retry_after(value, time.time()) for value in said if value)
    return next((wait for wait in waits if wait is not None), None)


def _denial(status: int, what: str, anonymous: bool) -> DockerHubError:
    if status == 403:
        return Forbidden(f"Docker Hub does not allow reading {what}.", hint=_LOG_IN if anonymous else "")
    if anonymous:
        return AuthenticationFailed(f"Docker Hub wants a login for {what}.", hint=_LOG_IN)
    return AuthenticationFailed(f"Docker Hub refused the configured credentials, asked for {what}.")


def _failure(status: int, what: str) -> DockerHubError:
    if status in (408, 504):
        return UpstreamTimeout(f"Docker Hub did not answer in time (status {status}), asked for {what}.")
    if status >= 500:
        return UpstreamUnavailable(f"Docker Hub fails at the moment (status {status}), asked for {what}.")
    return UpstreamInvalid(f"Docker Hub answered with the unexpected status {status}, asked for {what}.")
