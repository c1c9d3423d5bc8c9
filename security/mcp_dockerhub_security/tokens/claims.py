"""What a verified token says, and whether this server believes it enough (RFC 9068, section 4; RFC 7519)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.tokens.audience import Audience
from mcp_dockerhub_security.tokens.flaws import Flaw, TokenRefused

LEEWAY: Final = 30.0
"""Seconds that two clocks may differ."""
MAX_AGE: Final = 3_600.0
"""Seconds since a token was issued, whatever its own expiry says."""
MAX_TEXT: Final = 255
"""Characters of a subject, a client's name and a token's identifier."""
MAX_NAMES: Final = 64
"""Scopes, and roles, of one token."""

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}", re.ASCII)
"""RFC 6749, section 3.3."""
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""A tenant's name becomes part of cache keys and file names."""
_LATEST: Final = float(2**40)


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What a token must say. Durations are in seconds."""

    issuer: str
    audience: Audience
    tenant_claim: str = ""
    """Where the tenant is named; empty where there is only one. A name, or a path of names with dots."""
    roles_claim: str = "roles"
    """The same for roles."""
    leeway: float = LEEWAY
    max_age: float = MAX_AGE
    """Without leeway: a clock that differs makes a token older, never this limit longer."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What is believed."""

    principal: Principal
    valid_until: float
    """Unix seconds; infinite where neither the token nor its issuer says."""
    token_id: str
    """``jti``, or empty."""
    context_class: str
    """``acr``, or empty."""


def read_claims(claims: Mapping[str, Any], rules: ClaimRules, now: float, *, introspected: bool = False) -> Claims:
    """Check every claim that matters at ``now`` (Unix seconds).

    ``introspected``: the issuer itself just said that the token is active (RFC 7662), so it need not repeat who it
    is and when the token was issued and expires; what it does say holds all the same.

    Raises:
        TokenRefused: the first claim that will not do.
    """
    issuer = claims.get("iss", rules.issuer if introspected else None)
    if issuer != rules.issuer:
        raise TokenRefused(Flaw.ISSUER)
    rules.audience.check(claims)
    valid_until = _check_dates(claims, rules, now, required=not introspected)
    subject = _text(claims.get("sub"), Flaw.SUBJECT)
    auth_time = _date(claims, "auth_time")
    if auth_time is not None and auth_time > now + rules.leeway:
        raise TokenRefused(Flaw.DATES)
    principal = Principal(
        id=f"{rules.issuer}#{subject}",
        kind="token",
        tenant=_tenant(claims, rules.tenant_claim),
        scopes=_scopes(claims),
        client=_text(claims.get("client_id"), Flaw.CLIENT),
        roles=_roles(_lookup(claims, rules.roles_claim)),
        auth_time=auth_time,
        issuer=rules.issuer,
    )
    token_id = _text(claims["jti"], Flaw.CLAIMS) if "jti" in claims else ""
    context_class = _text(claims["acr"], Flaw.CLAIMS) if "acr" in claims else ""
    return Claims(principal, valid_until, token_id, context_class)


def _check_dates(claims: Mapping[str, Any], rules: ClaimRules, now: float, *, required: bool) -> float:
    expires, issued, not_before = (_date(claims, name) for name in ("exp", "iat", "nbf"))
    if required and (expires is None or issued is None):
        raise TokenRefused(Flaw.DATES)
    if expires is not None and now >= expires + rules.leeway:
        raise TokenRefused(Flaw.EXPIRED)
    if not_before is not None and now < not_before - rules.leeway:
        raise TokenRefused(Flaw.NOT_YET_VALID)
    if issued is not None and issued > now + rules.leeway:
        raise TokenRefused(Flaw.ISSUED_IN_FUTURE)
    if issued is not None and now > issued + rules.max_age:
        raise TokenRefused(Flaw.TOO_OLD)
    limits = [expires, None if issued is None else issued + rules.max_age]
    return min((limit for limit in limits if limit is not None), default=math.inf)


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2), or None where the claim is not there."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise TokenRefused(Flaw.DATES)
    return float(value)


def is_name(text: str) -> bool:
    """Whether a subject, a client or a token may be called so."""
    return 1 <= len(text) <= MAX_TEXT and text.isprintable() and text == text.strip()


def _text(value: object, flaw: Flaw) -> str:
    """A bounded name: refused rather than cleaned, since two that differ must stay different."""
    if not isinstance(value, str) or not is_name(value):
        raise TokenRefused(flaw)
    return value


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """``scope`` (RFC 9068: names with spaces between them) or else ``scp``, which some issuers write as a list."""
    found = claims.get("scope", claims.get("scp", ""))
    names = found.split(" ") if isinstance(found, str) else found
    if not isinstance(names, list) or len(names) > MAX_NAMES:
        raise TokenRefused(Flaw.SCOPES)
    if not all(isinstance(name, str) for name in names):
        raise TokenRefused(Flaw.SCOPES)
    scopes = frozenset(name for name in names if name)
    if not all(_SCOPE.fullmatch(name) for name in scopes):
        raise TokenRefused(Flaw.SCOPES)
    return scopes


def _tenant(claims: Mapping[str, Any], claim: str) -> str:
    """Where tenants are told apart, a token without one belongs to nobody: it must not become the default's."""
    if not claim:
        return ""
    tenant = _lookup(claims, claim)
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        raise TokenRefused(Flaw.TENANT)
    return tenant


def _roles(found: object) -> frozenset[str]:
    """A list of names, or names with spaces between them; no claim, no roles."""
    names = found.split() if isinstance(found, str) else [] if found is None else found
    if not isinstance(names, list) or len(names) > MAX_NAMES:
        raise TokenRefused(Flaw.ROLES)
    return frozenset(_text(name, Flaw.ROLES) for name in names)


def _lookup(claims: Mapping[str, Any], claim: str) -> object:
    """A claim by its whole name first (names may be URLs), then as a path: ``realm_access.roles``."""
    if claim in claims:
        return claims[claim]
    found: object = claims
    for name in claim.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found
