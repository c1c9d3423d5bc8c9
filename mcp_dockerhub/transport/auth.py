"""The outermost element: who we are to the upstream, in the way it wants to be told.

A registry says with its first 401 how; that is remembered per origin, so that later requests bring their token
along. A token service gets credentials only if it is the registry's own host, in the table of known ones, or an
origin the operator configured; any other is asked for an anonymous token.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

import httpx2
from cachetools import LRUCache

from mcp_dockerhub.errors import DockerHubError, UpstreamInvalid
from mcp_dockerhub.transport.challenge import Challenge, parse_challenges
from mcp_dockerhub.transport.client import ANONYMOUS_CREDENTIAL, Credential, Upstream
from mcp_dockerhub.transport.exchange import Plan, endpoint_of, host_of, origin_of, plan_of
from mcp_dockerhub.transport.realm_client import RealmClient, basic, refused
from mcp_dockerhub.transport.token_cache import Denied, TokenCache, TokenKey
from mcp_dockerhub_security.egress import EgressPolicy

_logger = logging.getLogger("mcp_dockerhub.transport")
_MOST_ORIGINS: Final = 1024
_MOST_TRIES: Final = 3


class Auth(httpx2.AsyncBaseTransport):
    """Raises AuthenticationFailed for refused credentials; a 401 to a fresh token is returned as it is."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        realms: RealmClient,
        tokens: TokenCache,
        policy: EgressPolicy,
        known_realms: Mapping[str, frozenset[str]],
    ) -> None:
        self._inner = inner
        self._realms = realms
        self._tokens = tokens
        self._policy = policy
        self._known_realms = known_realms
        self._challenges: LRUCache[tuple[str, str, int | None], Challenge] = LRUCache(_MOST_ORIGINS)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        upstream = plan_of(request).upstream
        credential = upstream.credential
        if upstream.scheme == "none":
            return await self._inner.handle_async_request(request)
        if credential.kind == "bearer":
            return await self._send(request, f"Bearer {credential.secret}")
        if upstream.scheme == "registry":
            return await self._registry(request, plan_of(request))
        if credential.kind == "basic":
            return await self._hub(request, upstream)
        return await self._inner.handle_async_request(request)

    async def _hub(self, request: httpx2.Request, upstream: Upstream) -> httpx2.Response:
        key = TokenKey(f"{upstream.base_url}/v2/auth/token", "", "", upstream.credential)
        while True:  # ends with a fresh token, the second at the latest
            token = await self._tokens.get(key, lambda: self._realms.hub_token(upstream, key))
            assert not isinstance(token, Denied)  # noqa: S101  (the exchange refuses with an error)
            response = await self._send(request, f"Bearer {token.value}")
            if response.status_code != 401 or token.fresh or _foreign(request, response):
                return response
            await response.aclose()
            self._tokens.discard(key, token.value)

    async def _registry(self, request: httpx2.Request, plan: Plan) -> httpx2.Response:
        """At most: without or with an old token, with the token of another challenge, with a fresh one."""
        origin = origin_of(request.url)
        challenge = self._challenges.get(origin)
        tries = _MOST_TRIES
        while True:
            try:
                proof = await self._proof(challenge, plan)
            except DockerHubError:
                self._forget(origin, challenge)
                raise
            if isinstance(proof, Denied):
                return _denial(proof, request)
            response = await self._send(request, proof.authorization)
            if response.status_code != 401 or _foreign(request, response):
                return response
            tries -= 1
            offered = _choose(response, plan.upstream.credential)
            if offered is None or not tries or (proof.final and offered == challenge):
                if proof.authorization is not None and proof.key is None:
                    await response.aclose()
                    self._refuse_basic(request, plan)
                return response
            await response.aclose()
            if proof.key is not None:
                self._tokens.discard(proof.key, proof.token)
            challenge = self._challenges[origin] = offered

    def _forget(self, origin: tuple[str, str, int | None], challenge: Challenge | None) -> None:
        """A token service that fails may have moved: the next request asks the registry again."""
        if challenge is not None and challenge.scheme == "bearer" and self._challenges.get(origin) == challenge:
            del self._challenges[origin]

    async def _proof(self, challenge: Challenge | None, plan: Plan) -> "_Proof | Denied":
        credential = plan.upstream.credential
        if challenge is None:
            return _Proof()
        if challenge.scheme == "basic":
            # Remembered from another caller's request, perhaps: only a password can answer it.
            if credential.kind != "basic":
                return _Proof()
            self._tokens.check_refused(plan.upstream.base_url, credential)
            return _Proof(basic(credential), final=True)
        key = self._key(challenge, plan)
        token = await self._tokens.get(key, lambda: self._realms.registry_token(plan.upstream, key))
        if isinstance(token, Denied):
            return token
        return _Proof(f"Bearer {token.value}", final=token.fresh, key=key, token=token.value)

    def _key(self, challenge: Challenge, plan: Plan) -> TokenKey:
        upstream = plan.upstream
        try:
            realm = httpx2.URL(challenge.realm)
            trusted = self._trusted(realm, upstream)
        except (httpx2.InvalidURL, ValueError) as error:
            raise UpstreamInvalid(f"{upstream.name} names a token service that is not a URL.") from error
        credential = upstream.credential if trusted else ANONYMOUS_CREDENTIAL
        if not trusted and upstream.credential.kind != "anonymous":
            _logger.warning("%s names %s for tokens, an unknown host: no credentials sent", upstream.name, realm.host)
        return TokenKey(str(realm), challenge.service, plan.scope or challenge.scope, credential)

    def _trusted(self, realm: httpx2.URL, upstream: Upstream) -> bool:
        own = httpx2.URL(upstream.base_url)
        if origin_of(realm) == origin_of(own):
            return True
        if realm.scheme == "https":
            known = self._known_realms.get(upstream.name, frozenset()) | self._known_realms.get(own.host, frozenset())
            if realm.host == own.host or realm.host in known:
                return True
        return realm.scheme in ("http", "https") and self._policy.is_configured(endpoint_of(realm))

    def _refuse_basic(self, request: httpx2.Request, plan: Plan) -> NoReturn:
        """A 401 to Basic credentials is their refusal; to a token it may be about the repository."""
        error = refused(host_of(request.url), plan.upstream)
        self._tokens.remember_refused(plan.upstream.base_url, plan.upstream.credential, error.message)
        raise error

    async def _send(self, request: httpx2.Request, authorization: str | None) -> httpx2.Response:
        request.headers.pop("authorization", None)
        if authorization is not None:
            request.headers["authorization"] = authorization
        return await self._inner.handle_async_request(request)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a request carries to say who sends it; ``final`` if nothing newer can be had."""

    authorization: str | None = field(default=None, repr=False)
    final: bool = False
    key: TokenKey | None = None
    token: str = field(default="", repr=False)


def _choose(response: httpx2.Response, credential: Credential) -> Challenge | None:
    """A token if one is offered, else Basic if there is a password."""
    offered = parse_challenges(response.headers.get_list("www-authenticate"))
    for challenge in offered:
        if challenge.scheme == "bearer" and challenge.realm:
            return challenge
    if credential.kind != "basic":
        return None
    return next((challenge for challenge in offered if challenge.scheme == "basic"), None)


def _foreign(request: httpx2.Request, response: httpx2.Response) -> bool:
    """True for an answer from where a redirect led: its challenge is not the registry's."""
    return origin_of(response.request.url) != origin_of(request.url)


def _denial(denied: Denied, request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(denied.status, content=denied.body, request=request)
