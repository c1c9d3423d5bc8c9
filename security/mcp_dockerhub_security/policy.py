"""May this principal do this to these targets? One decision, with the name of the rule that made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mcp_dockerhub_security.grant import Target
from mcp_dockerhub_security.identity import ADMIN, READ, READ_PRIVATE, WRITE, Principal
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.refusals import Refusal


class RegistryRules(Protocol):
    """Which registries a reference may name; satisfied by the EgressPolicy."""

    def check_registry(self, host: str) -> None:
        """Raise Refusal (POLICY_DENIED) for a host that is not allowed."""


class CredentialLookup(Protocol):
    """For which registries the operator configured credentials."""

    def has(self, registry: str) -> bool:
        """True when a read of ``registry`` could be made with credentials."""


class NoCredentials:
    """A server that only ever reads anonymously."""

    def has(self, registry: str) -> bool:
        """False for every registry."""
        return False


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer; ``rule`` is from a closed set, ``message`` and ``hint`` explain a denial."""

    allowed: bool
    rule: str
    level: Level
    private: bool = False
    """True when the operator's credentials may be used."""
    message: str = ""
    hint: str = ""


_SCOPES: Final[Mapping[Level, str]] = {
    Level.LOW: READ,
    Level.MEDIUM: READ_PRIVATE,
    Level.HIGH: WRITE,
    Level.RESTRICTED: ADMIN,
}


class Policy:
    """Registry allow-list, then the scope the level needs. HIGH and RESTRICTED need what nobody has by default."""

    def __init__(self, registries: RegistryRules, credentials: CredentialLookup | None = None) -> None:
        self._registries = registries
        self._credentials = credentials or NoCredentials()

    def decide(self, principal: Principal, operation: Operation, targets: Sequence[Target]) -> Decision:
        """Decide on normalised targets. A LOW call that would use credentials is MEDIUM, and only with the scope."""
        private = READ_PRIVATE in principal.scopes
        level = operation.level
        try:
            for target in targets:
                self._registries.check_registry(target.registry)
        except Refusal as refusal:
            return Decision(False, refusal.rule, level, message=refusal.message, hint=refusal.hint)
        needed = _SCOPES.get(level)
        if needed is not None and needed not in principal.scopes:
            return _lacking(level, needed)
        if level is Level.LOW and private and any(self._credentials.has(target.registry) for target in targets):
            level = Level.MEDIUM
        return Decision(True, f"level_{level.value.lower()}", level, private)

    def check_target(self, principal: Principal, registry: str, repository: str) -> None:
        """Raise Refusal (POLICY_DENIED) for a target discovered during a call, such as a base image."""
        self._registries.check_registry(registry)


def _lacking(level: Level, scope: str) -> Decision:
    if level.has_effects:
        hint = "The operator must start the server with --allow-writes."
        return Decision(False, "writes_not_allowed", level, message="Changes are not allowed here.", hint=hint)
    return Decision(
        False,
        "scope_missing",
        level,
        message=f"This operation needs the scope {scope}.",
        hint="Ask the operator for this scope.",
    )
