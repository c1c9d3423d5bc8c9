"""The token layer over fakes at its edges: keys from a list, answers from a dictionary, time from a test."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_dockerhub_security.tokens.audience import Audience
from mcp_dockerhub_security.tokens.claims import ClaimRules
from mcp_dockerhub_security.tokens.compact import CompactToken, parse_compact
from mcp_dockerhub_security.tokens.flaws import AuthorityUnavailable
from mcp_dockerhub_security.tokens.jwt_tokens import JwtVerifier
from mcp_dockerhub_security.tokens.key_store import KeyStore
from mcp_dockerhub_security.tokens.keys import DEFAULT_ALGORITHMS
from mcp_dockerhub_security.tokens.opaque_tokens import OpaqueVerifier
from mcp_dockerhub_security.tokens.revocation import MemoryRevocationList
from mcp_dockerhub_security.tokens.verifier import TokenVerifier
from tests.upstreams.issuer_tokens import SigningKey, new_key, standard_claims

ISSUER: Final = "https://login.example.com/realm"
RESOURCE: Final = "https://hub.example.com/mcp"
NOW: Final = 1_900_000_000.0
TYPES: Final = frozenset({"at+jwt"})
RULES: Final = ClaimRules(ISSUER, Audience(RESOURCE))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeKeys:
    """A KeySource; with ``gate`` set, fetches wait for it."""

    keys: list[SigningKey] = field(default_factory=lambda: [new_key()])
    document: bytes | None = None
    down: bool = False
    fetches: int = 0
    gate: asyncio.Event | None = None

    async def fetch(self) -> bytes:
        self.fetches += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise AuthorityUnavailable
        return self.document if self.document is not None else key_set(*[key.public_jwk() for key in self.keys])


@dataclass
class FakeIntrospection:
    """An IntrospectionSource."""

    answers: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def introspect(self, token: str) -> bytes:
        self.asked.append(token)
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise AuthorityUnavailable(7.0)
        answer = self.answers.get(token, {"active": False})
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


class Parts:
    """A TokenVerifier, what it was made of, and tokens for it."""

    def __init__(self, rules: ClaimRules = RULES, *, opaque: bool = False, max_known: int = 100) -> None:
        self.wall, self.monotonic = Clock(), Clock(1_000.0)
        self.source = FakeKeys()
        self.introspection = FakeIntrospection()
        self.revocations = MemoryRevocationList()
        self.keys = KeyStore(self.source, DEFAULT_ALGORITHMS, clock=self.monotonic)
        jwt = JwtVerifier(rules, self.keys, algorithms=DEFAULT_ALGORITHMS, types=TYPES, clock=self.wall)
        self.opaque = OpaqueVerifier(rules, self.introspection, clock=self.wall) if opaque else None
        self.verifier = TokenVerifier(jwt, self.revocations, opaque=self.opaque, clock=self.wall, max_known=max_known)

    def claims(self, **claims: Any) -> dict[str, Any]:
        return {**standard_claims(ISSUER, RESOURCE, self.wall.now), **claims}

    def token(self, headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Signed with the newest key; claims overwrite good ones, ABSENT drops them."""
        return self.source.keys[-1].sign(self.claims(**claims), headers)

    def known_opaque(self, name: str = "opaque-token", **claims: Any) -> str:
        """A token the issuer says is active."""
        self.introspection.answers[name] = {"active": True, **self.claims(**claims)}
        return name

    async def settled(self) -> None:
        """Wait for fetches in the background."""
        while self.keys._flights._tasks:
            await asyncio.gather(*self.keys._flights._tasks.values(), return_exceptions=True)
            await asyncio.sleep(0)


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def parsed(token: str) -> CompactToken:
    return parse_compact(token, algorithms=DEFAULT_ALGORITHMS, types=TYPES)
