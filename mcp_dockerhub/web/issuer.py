"""The token issuer, asked through our own HTTP stack: for its keys, and about opaque tokens.

Its addresses are the operator's word or the issuer's own metadata, and an answer counts only if it comes from the
address that was asked: a redirect to another origin is no answer.
"""

import base64
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol
from urllib.parse import quote_plus, urlsplit

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.transport.client import Response, Upstream
from mcp_dockerhub.transport.deadline import own_deadline
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable
from mcp_dockerhub_security.tokens.strict_json import strict_object

_logger = logging.getLogger("mcp_dockerhub.issuer")

DOCUMENT_LIMIT: Final = 256 * 1024
"""Bytes of a key set, of metadata, of an answer about a token."""
FETCH_TIMEOUT: Final = 5.0
"""Seconds to get keys, repeated attempts included."""
ASK_TIMEOUT: Final = 5.0
"""Seconds for an answer about a token."""
DISCOVERED_FOR: Final = 3_600.0
"""Seconds that the address of the keys is remembered."""
RETRY_AFTER: Final = 5.0


class IssuerHttp(Protocol):
    """What is needed of the HTTP stack."""

    async def request(
        self,
        upstream: Upstream,
        method: Literal["GET", "POST"],
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        limit: int = DOCUMENT_LIMIT,
    ) -> Response:
        """See ``HttpStack.request``."""


class IssuerKeys:
    """The issuer's JWK Set: from a configured address, or from the one in its metadata."""

    def __init__(
        self, http: IssuerHttp, issuer: str, jwks_url: str = "", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._issuer = issuer
        self._configured = jwks_url
        self._clock = clock
        self._discovered: tuple[str, float] | None = None

    async def fetch(self) -> bytes:
        """The document as it is now; AuthorityUnavailable where it cannot be had."""
        with own_deadline(FETCH_TIMEOUT):
            url = self._configured or await self._discover()
            try:
                return await _get(self._http, url)
            except AuthorityUnavailable:
                self._discovered = None
                raise

    async def _discover(self) -> str:
        if self._discovered is not None and self._clock() - self._discovered[1] < DISCOVERED_FOR:
            return self._discovered[0]
        for address in metadata_addresses(self._issuer):
            try:
                url = _keys_address(strict_object(await _get(self._http, address)), self._issuer)
            except (AuthorityUnavailable, ValueError):
                continue
            self._discovered = (url, self._clock())
            return url
        _logger.warning("The issuer's metadata is not to be had, or is another issuer's.")
        raise AuthorityUnavailable(RETRY_AFTER)


class IssuerIntrospection:
    """The issuer's word on one token (RFC 7662), asked as a client of its own."""

    def __init__(self, http: IssuerHttp, url: str, client_id: str, secret: str) -> None:
        self._http = http
        self._url = url
        self._authorization = _basic(client_id, secret)
        self._failing = False

    async def introspect(self, token: str) -> bytes:
        """Its answer; AuthorityUnavailable where there is none."""
        headers = {"authorization": self._authorization, "accept": "application/json"}
        form = {"token": token, "token_type_hint": "access_token"}
        try:
            with own_deadline(ASK_TIMEOUT):
                answer = await _ask(self._http, "POST", self._url, headers, form)
        except AuthorityUnavailable:
            if not self._failing:
                _logger.warning("The issuer does not answer about tokens; check its address and this server's secret.")
            self._failing = True
            raise
        self._failing = False
        return answer

    def problem(self) -> str | None:
        """What is wrong, for health; None when all is well."""
        return "the issuer does not answer about tokens" if self._failing else None


def metadata_addresses(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata can be: RFC 8414, section 3.1, and OpenID Connect Discovery, section 4."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def _keys_address(metadata: Mapping[str, Any], issuer: str) -> str:
    """``jwks_uri``, if this is the metadata of exactly this issuer (RFC 8414, section 3.3)."""
    url = metadata.get("jwks_uri")
    if metadata.get("issuer") != issuer or not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("not this issuer's metadata")
    return url


async def _get(http: IssuerHttp, url: str) -> bytes:
    return await _ask(http, "GET", url, {"accept": "application/json"})


async def _ask(
    http: IssuerHttp,
    method: Literal["GET", "POST"],
    url: str,
    headers: Mapping[str, str],
    form: Mapping[str, str] | None = None,
) -> bytes:
    parts = urlsplit(url)
    upstream = Upstream("the token issuer", f"{parts.scheme}://{parts.netloc}", "issuer")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer = await http.request(upstream, method, path, headers=headers, form=form, limit=DOCUMENT_LIMIT)
    except DockerHubError as error:
        _logger.debug("The issuer cannot be asked: %s", error.code)
        # Not chained: frames of the request hold the token and the secret.
        raise AuthorityUnavailable(error.retry_after_s or RETRY_AFTER) from None
    if answer.status != 200 or not _same_origin(answer.url, url):
        _logger.debug("The issuer answered with status %d.", answer.status)
        raise AuthorityUnavailable(RETRY_AFTER)
    return answer.body


def _same_origin(answered: str, asked: str) -> bool:
    first, second = urlsplit(answered), urlsplit(asked)
    return (first.scheme, first.hostname, first.port or _default(first.scheme)) == (
        second.scheme,
        second.hostname,
        second.port or _default(second.scheme),
    )


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _basic(client_id: str, secret: str) -> str:
    """Client authentication by password (RFC 6749, section 2.3.1: both parts form-encoded first)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
