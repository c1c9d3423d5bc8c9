"""May this principal do this to these targets? One decision, with the name of the rule that made it.

In this order: is the tenant known; may references name these registries; may the caller's roles, then the token's
scopes, do this at all; the first rule that covers each target, or the default; is the login fresh enough.
Without a rule, reads are allowed, and what changes something is denied.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.identity import ADMIN, READ, READ_PRIVATE, WRITE, Principal
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.policy_call import EVERYBODY, Call
from mcp_dockerhub_security.refusals import Needs, Refusal, RefusalCode, policy_denied
from mcp_dockerhub_security.tenants import Tenants

if TYPE_CHECKING:
    from mcp_dockerhub_security.policy_rules import Rule

ALL_SCOPES: Final = (READ, READ_PRIVATE, WRITE, ADMIN)
MAX_LOGIN_AGE: Final = 300
"""Seconds since the human last proved who they are, for RESTRICTED (RFC 9470)."""
_SKEW: Final = 30
"""Seconds that the issuer's clock may be ahead of ours."""

_SCOPES: Final[Mapping[Level, str]] = {
    Level.LOW: READ,
    Level.MEDIUM: READ_PRIVATE,
    Level.HIGH: WRITE,
    Level.RESTRICTED: ADMIN,
}


class RegistryRules(Protocol):
    """Which registries a reference may name; satisfied by the EgressPolicy."""

    def check_registry(self, host: str) -> None:
        """Raise Refusal (POLICY_DENIED) for a host that is not allowed."""


class CredentialLookup(Protocol):
    """For which registries the operator configured credentials."""

    def has(self, registry: str) -> bool:
        """True when a read of ``registry`` could be made with credentials."""


class Upstreams(RegistryRules, CredentialLookup, Protocol):
    """What one tenant may reach, and with whose credentials."""


class NoCredentials:
    """A server that only ever reads anonymously."""

    def has(self, registry: str) -> bool:
        """False for every registry."""
        return False


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A policy file, validated."""

    rules: "tuple[Rule, ...]" = ()
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The scopes that each role may use; where no role is named, roles limit nobody."""
    tenants: Tenants = field(default_factory=Tenants)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one target."""

    target: Target | None
    level: Level
    allowed: bool
    rule: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer; ``rule`` is from a closed or configured set, ``message`` and ``hint`` explain a denial."""

    allowed: bool
    rule: str
    level: Level
    private: bool = False
    """True when the operator's credentials may be used."""
    message: str = ""
    hint: str = ""
    code: str = RefusalCode.POLICY_DENIED
    needs: Needs | None = None
    """What the client could get to be let through."""
    verdicts: tuple[Verdict, ...] = ()
    """What was asked of the rules, target by target."""

    def refusal(self) -> Refusal:
        """A denial as it is raised."""
        return Refusal(self.code, self.message, rule=self.rule, hint=self.hint, needs=self.needs)


class Policy:
    """Decides; see the module's text. Keeps nothing about the calls it decided."""

    def __init__(
        self,
        registries: RegistryRules,
        credentials: CredentialLookup | None = None,
        document: PolicyDocument | None = None,
        *,
        tenants: Mapping[str, Upstreams] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``registries`` and ``credentials`` are of whoever has no entry in ``tenants``; ``now`` is Unix seconds."""
        self._registries = registries
        self._credentials = credentials or NoCredentials()
        self._tenants = dict(tenants or {})
        self._document = document or PolicyDocument()
        self._has_document = document is not None
        self._now = now

    def decide(
        self,
        principal: Principal,
        operation: Operation,
        targets: Sequence[Target],
        *,
        tool: str = "",
        address: str = "",
    ) -> Decision:
        """Decide on normalised targets. A LOW call that would use credentials is MEDIUM, and only with the scope."""
        level = operation.level
        try:
            self._check_upstreams(principal, targets)
        except Refusal as refusal:
            return Decision(False, refusal.rule, level, message=refusal.message, hint=refusal.hint)
        lacking = self._lacking(principal, level)
        if lacking is not None:
            return lacking
        call = Call(principal, tool, address)
        verdicts = self._verdicts(call, level, targets)
        denied = next((verdict for verdict in verdicts if not verdict.allowed), None)
        if denied is not None:
            return _denied(call, denied, verdicts)
        if level is Level.LOW:
            return self._read(call, targets, verdicts)
        if level is Level.RESTRICTED and self._login_is_old(principal):
            return _login_too_old(verdicts)
        return Decision(True, verdicts[0].rule, level, self._may_use(principal, READ_PRIVATE), verdicts=verdicts)

    def check_target(
        self, principal: Principal, registry: str, repository: str, *, tool: str = "", address: str = "", private: bool
    ) -> None:
        """Raise Refusal (POLICY_DENIED) for a target discovered during a call, such as a base image.

        Whatever the call may change, what it discovers it only reads: with credentials (``private``) where there
        are any, and a read that may not use them is refused because the call can no longer do without.
        """
        target = Target(registry, repository)
        self._check_upstreams(principal, (target,))
        level = Level.MEDIUM if private and self._credentials_of(principal).has(registry) else Level.LOW
        call = Call(principal, tool, address)
        verdict = self._verdict(call, level, target)
        if not verdict.allowed:
            raise _denied(call, verdict, (verdict,)).refusal()

    def may_ever(self, principal: Principal, operation: Operation, *, tool: str, address: str | None = None) -> bool:
        """False when no arguments, and no token that this principal could get, would let them use ``tool``.

        Without an address, from anywhere.
        """
        local, scope = principal.kind == "local", _SCOPES.get(operation.level)
        if not self._document.tenants.knows(principal.tenant, local=local):
            return False
        if scope is not None and self._forbidden_by_roles(principal, scope):
            return False
        if scope is not None and local and scope not in principal.scopes:
            return False
        # A read is one of two levels, whichever its target makes it.
        levels = (Level.LOW, Level.MEDIUM) if operation.level is Level.LOW else (operation.level,)
        return any(self._some_target_allowed(Call(principal, tool, address), level) for level in levels)

    def missing(self, principal: Principal, operation: Operation, *, tool: str) -> Needs | None:
        """What a fresh token would have to bring to make ``tool`` possible; None where nothing is missing, or helps."""
        if principal.kind == "local" or not self.may_ever(principal, operation, tool=tool):
            return None
        scope = _SCOPES.get(operation.level)
        scopes = () if scope is None or scope in principal.scopes else (scope,)
        old = operation.level is Level.RESTRICTED and self._login_is_old(principal)
        return Needs(scopes, MAX_LOGIN_AGE if old else None) if scopes or old else None

    def _read(self, call: Call, targets: Sequence[Target], verdicts: tuple[Verdict, ...]) -> Decision:
        """An allowed read: with credentials where there are any, the scope is there, and no rule says otherwise."""
        private = self._may_use(call.principal, READ_PRIVATE)
        credentials = self._credentials_of(call.principal)
        if not (private and any(credentials.has(target.registry) for target in targets)):
            return Decision(True, verdicts[0].rule, Level.LOW, private, verdicts=verdicts)
        with_credentials = self._verdicts(call, Level.MEDIUM, targets)
        verdicts += with_credentials
        if all(verdict.allowed for verdict in with_credentials):
            return Decision(True, with_credentials[0].rule, Level.MEDIUM, True, verdicts=verdicts)
        return Decision(True, verdicts[0].rule, Level.LOW, False, verdicts=verdicts)

    def _verdicts(self, call: Call, level: Level, targets: Sequence[Target]) -> tuple[Verdict, ...]:
        return tuple(self._verdict(call, level, target) for target in targets or (None,))

    def _verdict(self, call: Call, level: Level, target: Target | None) -> Verdict:
        for rule in self._document.rules:
            if rule.covers_call(call, level) and rule.covers_target(target):
                return Verdict(target, level, rule.allow, f"policy {rule.name}", rule.reason)
        allowed = self._default(call.principal, level)
        return Verdict(target, level, allowed, f"level_{level.value.lower()}" if allowed else "default_deny")

    def _default(self, principal: Principal, level: Level) -> bool:
        """Without a policy file the flags of whoever started the process decide; they are in the local scopes."""
        return not level.has_effects or (principal.kind == "local" and not self._has_document)

    def _some_target_allowed(self, call: Call, level: Level) -> bool:
        for rule in self._document.rules:
            if not rule.covers_call(call, level):
                continue
            if rule.allow:
                return True
            if not rule.names_targets:
                return False
        return self._default(call.principal, level)

    def _check_upstreams(self, principal: Principal, targets: Sequence[Target]) -> None:
        if not self._document.tenants.knows(principal.tenant, local=principal.kind == "local"):
            raise policy_denied("The policy does not know this tenant.", rule="tenant_unknown")
        registries = self._tenants.get(principal.tenant, self._registries)
        for target in targets:
            registries.check_registry(target.registry)

    def _credentials_of(self, principal: Principal) -> CredentialLookup:
        return self._tenants.get(principal.tenant, self._credentials)

    def _lacking(self, principal: Principal, level: Level) -> Decision | None:
        """Why this caller cannot do this with any target, or None."""
        scope = _SCOPES.get(level)
        if scope is None or self._may_use(principal, scope):
            return None
        if self._forbidden_by_roles(principal, scope):
            return Decision(
                False,
                "role_lacks_scope",
                level,
                message=f"None of the caller's roles may use the scope {scope}, which this operation needs.",
                hint="The operator must give a role this scope in the policy file.",
            )
        if level.has_effects and principal.kind == "local":
            hint = "The operator must start the server with --allow-writes."
            return Decision(False, "writes_not_allowed", level, message="Changes are not allowed here.", hint=hint)
        return Decision(
            False,
            "scope_missing",
            level,
            message=f"This operation needs the scope {scope}.",
            hint="Ask for a token with this scope.",
            needs=Needs(scopes=(scope,)),
        )

    def _may_use(self, principal: Principal, scope: str) -> bool:
        return scope in principal.scopes and not self._forbidden_by_roles(principal, scope)

    def _forbidden_by_roles(self, principal: Principal, scope: str) -> bool:
        """Scopes say what a client may do for its user, roles what the user may do: both must allow."""
        roles = self._document.roles
        if not roles or principal.kind == "local":
            return False
        return not any(scope in roles.get(role, ()) for role in (EVERYBODY, *principal.roles))

    def _login_is_old(self, principal: Principal) -> bool:
        """Whether the human must log in again; whoever started the process is here already."""
        if principal.kind == "local":
            return False
        return principal.auth_time is None or not -_SKEW <= self._now() - principal.auth_time <= MAX_LOGIN_AGE


def _denied(call: Call, verdict: Verdict, verdicts: tuple[Verdict, ...]) -> Decision:
    what = f"{call.tool or 'this'} on {verdict.target}" if verdict.target else (call.tool or "this")
    if verdict.rule == "default_deny":
        message = f"The policy denies {what}: no rule allows {verdict.level.value} operations here."
    else:
        message = f'The policy denies {what}: rule "{verdict.rule.removeprefix("policy ")}".'
    hint = verdict.reason or "The operator must allow it in the policy file."
    return Decision(False, verdict.rule, verdict.level, message=message, hint=hint, verdicts=verdicts)


def _login_too_old(verdicts: tuple[Verdict, ...]) -> Decision:
    return Decision(
        False,
        "login_too_old",
        Level.RESTRICTED,
        message=f"This operation needs a login that is at most {MAX_LOGIN_AGE // 60} minutes old.",
        hint="Log in again, then repeat the call.",
        code=RefusalCode.AUTHENTICATION_FAILED,
        needs=Needs(max_age_s=MAX_LOGIN_AGE),
        verdicts=verdicts,
    )
