"""What the clients see of the HTTP stack."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

HostClass = Literal["hub", "registry", "realm", "redirect", "osv", "issuer"]
"""What a host is to us: the bounded label of metrics and logs, never the host's name."""

DEFAULT_BODY_LIMIT: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Credential:
    """Who we are to one upstream. ``identity`` is part of every cache key; it never holds a secret."""

    identity: str
    """``anonymous``, or a stable name such as ``docker.io:alice``."""
    username: str = ""
    secret: str = field(default="", repr=False)
    """Password, PAT or, with ``kind`` ``bearer``, a ready registry token."""
    kind: Literal["anonymous", "basic", "bearer", "identity_token"] = "anonymous"


ANONYMOUS_CREDENTIAL: Final = Credential("anonymous")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One configured or named service a request belongs to."""

    name: str
    """The host as a reference names it (``docker.io``), or the service (``hub``, ``osv``)."""
    base_url: str
    """Origin (and path prefix) all request paths are joined to, without trailing slash."""
    host_class: HostClass
    credential: Credential = ANONYMOUS_CREDENTIAL
    scheme: Literal["none", "registry", "hub"] = "none"
    """How to authenticate: challenge and token (distribution spec), Hub token exchange, or not at all."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole, size-checked answer. ``headers`` has lower-case names; repeated headers keep every value."""

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: bytes
    url: str
    """Where the answer came from after redirects, without query: safe to show."""

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        values = self.headers.get(name.lower())
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """An answer whose body is read as it comes; reading past ``limit`` raises TooLarge."""

    status: int
    headers: Mapping[str, tuple[str, ...]]
    url: str
    chunks: AsyncIterator[bytes]


class HttpClient(Protocol):
    """The whole surface that hub, registry and advisory clients use.

    Both methods raise UpstreamTimeout, UpstreamUnavailable, UpstreamInvalid, TooLarge, PolicyDenied,
    AuthenticationFailed (credentials refused by a realm) and RateLimited (the wait asked for exceeds the
    call's deadline). Every other status, 4xx included, is returned: what it means is the client's business.
    """

    async def request(
        self,
        upstream: Upstream,
        method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
    ) -> Response:
        """Send one request and read its whole body, at most ``limit`` bytes after decoding.

        ``path`` starts with ``/`` and is joined to ``upstream.base_url``; an absolute URL of the same
        origin (a pagination link) is accepted too. ``scope`` is the registry token scope, such as
        ``repository:library/nginx:pull``.
        """

    def stream(
        self,
        upstream: Upstream,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        limit: int = DEFAULT_BODY_LIMIT,
        seconds: float | None = None,
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        """GET ``path`` and yield its raw body (no content decoding) in chunks.

        ``seconds`` is how long it may take to its end, instead of what other calls have: for large bodies.
        """
