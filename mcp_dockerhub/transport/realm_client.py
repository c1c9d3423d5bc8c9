"""Asking token services for bearer tokens (distribution token and OAuth2 specifications)."""

import base64
import json
import re
from typing import Any, Final

import httpx2

from mcp_dockerhub.errors import AuthenticationFailed, UpstreamInvalid
from mcp_dockerhub.transport.client import Credential, Upstream
from mcp_dockerhub.transport.exchange import Plan, build_request, host_of
from mcp_dockerhub.transport.token_cache import Denied, Issued, TokenKey

TOKEN_BODY_LIMIT: Final = 64 * 1024
DEFAULT_LIFE: Final = 60.0
"""Seconds, when the answer has no ``expires_in`` (token specification)."""
HUB_TOKEN_LIFE: Final = 600.0
"""Seconds that a Hub API token is good for; its answer does not say."""

_CLIENT_ID: Final = "mcp-dockerhub"
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}", re.ASCII)


class RealmClient:
    """One request per call; caching and sharing are the token cache's business.

    Raises AuthenticationFailed when the service refuses the credential, UpstreamInvalid for an answer that is
    not a token, and what the elements below raise.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, user_agent: str) -> None:
        self._inner = inner
        self._user_agent = user_agent

    async def registry_token(self, upstream: Upstream, key: TokenKey) -> Issued | Denied:
        """A token for ``key.scope``; an anonymous one for the anonymous credential."""
        if key.credential.kind == "identity_token":
            response = await self._post_refresh(upstream, key)
            if response.status_code == 404:
                response = await self._get(upstream, key)
        else:
            response = await self._get(upstream, key)
        return _read_answer(response, upstream, key)

    async def hub_token(self, upstream: Upstream, key: TokenKey) -> Issued:
        """Exchange user name and secret (password, personal or organisation token) at the Hub."""
        login = {"identifier": key.credential.username, "secret": key.credential.secret}
        headers = self._headers({"content-type": "application/json"})
        plan = Plan(upstream, "hub", TOKEN_BODY_LIMIT, token_request=True)
        request = build_request(plan, "POST", httpx2.URL(key.issuer), headers, json.dumps(login).encode())
        answer = _read_answer(await self._inner.handle_async_request(request), upstream, key, HUB_TOKEN_LIFE)
        if isinstance(answer, Denied):
            raise refused(host_of(request.url), upstream)
        return answer

    async def _get(self, upstream: Upstream, key: TokenKey) -> httpx2.Response:
        params: list[tuple[str, str]] = [("service", key.service)] if key.service else []
        params += [("scope", scope) for scope in key.scope.split()]
        url = httpx2.URL(key.issuer)
        url = url.copy_with(params=httpx2.QueryParams([*url.params.multi_items(), *params]))
        headers = self._headers()
        if key.credential.kind != "anonymous":
            headers["authorization"] = basic(key.credential)
        return await self._send(upstream, "GET", url, headers)

    async def _post_refresh(self, upstream: Upstream, key: TokenKey) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "service": key.service, "client_id": _CLIENT_ID}
        form |= {"scope": key.scope, "refresh_token": key.credential.secret}
        content = str(httpx2.QueryParams(form)).encode()
        headers = self._headers({"content-type": "application/x-www-form-urlencoded"})
        return await self._send(upstream, "POST", httpx2.URL(key.issuer), headers, content)

    async def _send(
        self, upstream: Upstream, method: str, url: httpx2.URL, headers: httpx2.Headers, content: bytes | None = None
    ) -> httpx2.Response:
        plan = Plan(upstream, "realm", TOKEN_BODY_LIMIT, purpose="realm", token_request=True)
        return await self._inner.handle_async_request(build_request(plan, method, url, headers, content))

    def _headers(self, more: dict[str, str] | None = None) -> httpx2.Headers:
        common = {"user-agent": self._user_agent, "accept": "application/json", "accept-encoding": "identity"}
        return httpx2.Headers(common | (more or {}))


def basic(credential: Credential) -> str:
    """The value of ``Authorization`` for the Basic scheme (RFC 7617, UTF-8)."""
    pair = f"{credential.username or '<token>'}:{credential.secret}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"


def refused(host: str, upstream: Upstream) -> AuthenticationFailed:
    return AuthenticationFailed(f"{host} refused the credentials configured for {upstream.name}.")


def _read_answer(
    response: httpx2.Response, upstream: Upstream, key: TokenKey, life: float = DEFAULT_LIFE
) -> Issued | Denied:
    host = host_of(response.request.url)
    status = response.status_code
    sent = response.request.method == "POST" or "authorization" in response.request.headers
    if status == 401 and sent:
        raise refused(host, upstream)
    if status in (401, 403):
        return Denied(status, response.content)
    if not response.is_success:
        raise UpstreamInvalid(f"The token service {host} answered with status {status}.")
    answer = _json_object(response.content)
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise UpstreamInvalid(f"The token service {host} answered without a usable token.")
    return Issued(token, _life(answer.get("expires_in"), life))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _life(seconds: Any, default: float) -> float:
    """``expires_in``, or the default where it is missing or senseless."""
    usable = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds > 0
    return float(min(seconds, 86_400)) if usable else default
