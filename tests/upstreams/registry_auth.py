"""Authentication of the stand-in registry: challenges, and a token service of its own."""

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.upstreams.registry_behaviour import Behaviour
from tests.upstreams.registry_replies import Reply, error_reply, json_reply


def basic_user(header: str, users: dict[str, str]) -> str | None:
    """The user a Basic header logs in, None when it does not."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if users.get(user) == password else None


@dataclass
class TokenService:
    """Hands out opaque tokens and remembers what each is good for."""

    behaviour: Behaviour
    granted: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    """Token to its user (None for anonymous) and scope."""

    def answer(self, method: str, query: str, body: bytes, authorization: str) -> Reply:
        """GET with a query, or POST with a form (distribution, token.md and oauth.md)."""
        form = parse_qs(query if method == "GET" else body.decode())
        user = basic_user(authorization, dict(self.behaviour.users))
        if form.get("grant_type") == ["refresh_token"]:
            user = next(
                (u for u, p in self.behaviour.users.items() if form.get("refresh_token") == [f"refresh-{p}"]), None
            )
            if user is None:
                return error_reply(401, "UNAUTHORIZED", "bad refresh token")
        elif authorization and user is None:
            return error_reply(401, "UNAUTHORIZED", "incorrect username or password")
        scope = " ".join(form.get("scope", []))
        if self.behaviour.refusal == "realm" and user is None and self._private(scope):
            return error_reply(403, "DENIED", "requested access to the resource is denied")
        token = secrets.token_urlsafe(12)
        self.granted[token] = (user, scope)
        return json_reply({self.behaviour.token_field: token, "expires_in": 300})

    def allows(self, authorization: str, repository: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token not in self.granted:
            return False
        user, scope = self.granted[token]
        named = any(part.startswith(f"repository:{repository}:") for part in scope.split())
        return (named or not repository) and (user is not None or repository not in self.behaviour.private)

    def _private(self, scope: str) -> bool:
        return any(part.split(":")[1] in self.behaviour.private for part in scope.split() if ":" in part)


def challenge(behaviour: Behaviour, base_url: str, repository: str) -> str:
    """The ``WWW-Authenticate`` header of a refusal."""
    if behaviour.challenge:
        return behaviour.challenge.replace("{repository}", repository)
    if behaviour.auth == "basic":
        return 'Basic realm="registry"'
    realm = behaviour.realm or f"{base_url}/token"
    scope = f',scope="repository:{repository}:pull"' if repository else ""
    return f'Bearer realm="{realm}",service="{behaviour.service}"{scope}'
