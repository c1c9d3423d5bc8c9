"""What a registry's refusals mean (OCI distribution-spec, "Error Codes").

The codes are modelled; messages of the other side are never repeated.
"""

import json
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from mcp_dockerhub.errors import (
    AuthenticationFailed,
    DockerHubError,
    Forbidden,
    InvalidInput,
    NotFound,
    QuotaExhausted,
    RateLimited,
    Unsupported,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from mcp_dockerhub.reference import DOCKER_HUB
from mcp_dockerhub.transport.client import Response, Upstream
from mcp_dockerhub.transport.retry_after import parse_retry_after

_MAX_ERROR_BODY: Final = 64 * 1024


class RegistryCode(StrEnum):
    """Codes of ``{"errors": [{"code": …}]}``, with the two that only implementations have."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    DENIED = "DENIED"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    PAGINATION_NUMBER_INVALID = "PAGINATION_NUMBER_INVALID"
    TAG_INVALID = "TAG_INVALID"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    UNAUTHORIZED = "UNAUTHORIZED"
    UNSUPPORTED = "UNSUPPORTED"


_INVALID: Final = frozenset({RegistryCode.NAME_INVALID, RegistryCode.TAG_INVALID, RegistryCode.DIGEST_INVALID})


def codes(response: Response) -> frozenset[RegistryCode]:
    """The known codes in an error body; empty for any other body."""
    if len(response.body) > _MAX_ERROR_BODY:
        return frozenset()
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return frozenset()
    errors = document.get("errors") if isinstance(document, dict) else None
    stated = [entry.get("code") for entry in errors if isinstance(entry, dict)] if isinstance(errors, list) else []
    known = {str(code) for code in RegistryCode}
    return frozenset(RegistryCode(code) for code in stated if isinstance(code, str) and code in known)


def failure(response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    """The error that an answer other than the expected one stands for; ``asked`` names what was asked for."""
    explain = _BY_STATUS.get(response.status, _other)
    return explain(response, asked, upstream)


def _denied_anonymously(asked: str, upstream: Upstream) -> NotFound:
    """What a denial means where nobody logged in: registries answer alike for private and missing things."""
    return NotFound(
        f"{asked} does not exist or is private: {upstream.name} does not tell those apart without a login.",
        hint="Check the spelling; for a private repository the operator must configure credentials.",
    )


def _unauthorized(response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    offered = " ".join(response.headers.get("www-authenticate", ())).lower()
    kind = upstream.credential.kind
    if kind == "anonymous":
        # A registry with a token service (whose own refusal comes without a challenge) answers everybody what is
        # public; one with passwords only answers nobody.
        if "bearer" in offered or "basic" not in offered:
            return _denied_anonymously(asked, upstream)
        return AuthenticationFailed(
            f"{upstream.name} answers nobody without a login, so whether {asked} exists is not known.",
            hint="The operator must configure credentials for this registry.",
        )
    if "bearer" in offered and kind != "bearer":
        # The token service took the credentials; the token it gave does not reach this repository.
        return _no_access(asked, upstream)
    return AuthenticationFailed(f"{upstream.name} refuses the configured credentials, asked for {asked}.")


def _forbidden(response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    if upstream.credential.kind != "anonymous":
        return _no_access(asked, upstream)
    if codes(response) & {RegistryCode.DENIED, RegistryCode.UNAUTHORIZED, RegistryCode.NAME_UNKNOWN}:
        return _denied_anonymously(asked, upstream)
    return Forbidden(
        f"{upstream.name} forbids reading {asked}.", hint="The registry blocks this client, address or repository."
    )


def _no_access(asked: str, upstream: Upstream) -> Forbidden:
    return Forbidden(
        f"The account configured for {upstream.name} has no access to {asked}, or it does not exist.",
        hint="Check the spelling, or ask the owner of the repository for access.",
    )


def _missing(response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    if RegistryCode.NAME_UNKNOWN in codes(response):
        return NotFound(f"{asked} does not exist: {upstream.name} has no such repository.")
    if RegistryCode.MANIFEST_UNKNOWN in codes(response):
        return NotFound(
            f"{asked} does not exist: {upstream.name} has no such tag or digest in that repository.",
            hint="List the repository's tags to see what there is.",
        )
    if RegistryCode.BLOB_UNKNOWN in codes(response):
        return NotFound(
            f"{asked} does not exist: {upstream.name} lists it and does not have it.",
            hint="The image is incomplete there, or being deleted: name it by another tag, or read it elsewhere.",
        )
    return NotFound(f"{asked} does not exist on {upstream.name}.")


def _bad_request(response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    if codes(response) & _INVALID:
        return InvalidInput(f"{upstream.name} does not accept the name or digest of {asked}.")
    return _other(response, asked, upstream)


def _not_done(_response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    return Unsupported(
        f"{upstream.name} does not offer {asked}.", hint="The registry lacks this function or this kind of document."
    )


def _too_many(response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    wait = _wait(response)
    remaining = response.header("ratelimit-remaining") or ""
    # Docker Hub's pull limit answers as a registry does; its limit on abuse is a plain text without any header.
    pulls = upstream.name == DOCKER_HUB and RegistryCode.TOOMANYREQUESTS in codes(response)
    if pulls or remaining.partition(";")[0].strip() == "0":
        return QuotaExhausted(f"The pull quota of {upstream.name} is spent, asked for {asked}.", retry_after_s=wait)
    return RateLimited(f"{upstream.name} limits requests, asked for {asked}.", retry_after_s=wait)


def _wait(response: Response) -> float | None:
    stated = (response.header("x-retry-after"), response.header("retry-after"))
    waits = (parse_retry_after(value, time.time()) for value in stated if value)
    return next((wait for wait in waits if wait is not None), None)


def _other(response: Response, asked: str, upstream: Upstream) -> DockerHubError:
    status = response.status
    if status >= 500:
        return UpstreamUnavailable(f"{upstream.name} failed with status {status}, asked for {asked}.")
    return UpstreamInvalid(f"{upstream.name} answered with the unexpected status {status}, asked for {asked}.")


_BY_STATUS: Final[dict[int, Callable[[Response, str, Upstream], DockerHubError]]] = {
    400: _bad_request,
    401: _unauthorized,
    403: _forbidden,
    404: _missing,
    405: _not_done,
    406: _not_done,
    410: _missing,
    415: _not_done,
    429: _too_many,
    451: _forbidden,
    501: _not_done,
}
