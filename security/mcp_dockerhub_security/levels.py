"""Security levels, said once per operation by a decorator."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

_ATTRIBUTE: Final = "__secure_operation__"
_F = TypeVar("_F", bound=Callable[..., Any])


class Level(StrEnum):
    """What an operation can do, from harmless to irreversible."""

    PUBLIC = "PUBLIC"
    """Says something about this server only."""
    LOW = "LOW"
    """Reads upstream, fetched anonymously."""
    MEDIUM = "MEDIUM"
    """The same reads with the operator's credentials; decided per call, never declared."""
    HIGH = "HIGH"
    """Writes."""
    RESTRICTED = "RESTRICTED"
    """Deletes, builds, pushes."""

    @property
    def has_effects(self) -> bool:
        """True for the levels that are denied by default and audited before they act."""
        return self in _EFFECTS


_EFFECTS: Final = frozenset({Level.HIGH, Level.RESTRICTED})


@dataclass(frozen=True, slots=True)
class Operation:
    """What one tool, resource or prompt declares about itself."""

    level: Level
    heavy: bool = False
    """Counts against the limit for expensive work too (scans, builds, writes)."""


def secure_operation(*, level: Level, heavy: bool = False) -> Callable[[_F], _F]:
    """Declare a handler's base level; MEDIUM cannot be declared, because it depends on the caller."""
    if level is Level.MEDIUM:
        raise ValueError("MEDIUM is decided per call, when credentials would be used: declare LOW")
    operation = Operation(level, heavy)

    def mark(handler: _F) -> _F:
        setattr(handler, _ATTRIBUTE, operation)
        return handler

    return mark


def operation_of(handler: Callable[..., Any]) -> Operation:
    """The declared operation of a handler; LookupError for one that never declared a level."""
    operation = getattr(handler, _ATTRIBUTE, None)
    if isinstance(operation, Operation):
        return operation
    name = getattr(handler, "__name__", repr(handler))
    raise LookupError(f"{name} declares no security level: decorate it with @secure_operation")
