"""What one call was granted, and what it may still reach while it runs."""

from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_dockerhub_security.identity import Principal
from mcp_dockerhub_security.levels import Level
from mcp_dockerhub_security.refusals import Refusal, RefusalCode

TargetCheck = Callable[["Grant", str, str], None]
"""Raises Refusal (POLICY_DENIED) unless the granted call may also read a repository of a registry."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something upstream that a call names, normalised."""

    registry: str
    """Host as references name it."""
    repository: str = ""
    """Path below the host; empty when the call names the registry alone."""
    reference: str = ""
    """The whole normalised reference, tag or digest included; what the audit record shows."""

    def __str__(self) -> str:
        return self.reference or f"{self.registry}/{self.repository}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for one request. Structurally an ``Access``: clients ask it before every request."""

    principal: Principal
    method: str
    name: str
    """The operation's name in the catalogue; for resources the template, not the URI."""
    arguments: Any
    """Validated arguments, as the operation's parser made them."""
    targets: tuple[Target, ...]
    level: Level
    private: bool
    """True when the operator's credentials may be used."""
    partition: str
    """The cache partition of the principal's tenant."""
    request_id: str
    _check: TargetCheck = field(repr=False)
    tool: str = ""
    """The tool that policy knows the operation by; a resource goes by the tool it stands for."""
    address: str = ""
    """Where the call came from; empty on stdio."""

    def check_target(self, registry: str, repository: str) -> None:
        """Raise Refusal (POLICY_DENIED) unless this call may read ``repository`` of ``registry``.

        What the call named was decided before it began; what it discovered is decided here.
        """
        for target in self.targets:
            if target.repository == repository and target.registry == registry:
                return
        self._check(self, registry, repository)


_current: Final[ContextVar[Grant | None]] = ContextVar("mcp_dockerhub_grant", default=None)


def current_grant(method: str, name: str) -> Grant:
    """The grant of the running call, if it is for this method and operation; dispatch fails closed otherwise."""
    grant = _current.get()
    if grant is None or grant.method != method or grant.name != name:
        raise Refusal(
            RefusalCode.INTERNAL,
            "This call was not granted.",
            rule="no_grant",
            hint="This is a defect; the server's log has the details.",
        )
    return grant


def enter_grant(grant: Grant) -> Token[Grant | None]:
    """Make ``grant`` current in this context; only the Guard does."""
    return _current.set(grant)


def leave_grant(token: Token[Grant | None]) -> None:
    """Undo ``enter_grant``."""
    _current.reset(token)
