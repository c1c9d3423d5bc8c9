"""Counting what sanitising removed, through one observer for the process.

Field validators run inside pydantic, where nothing can be injected; the composition root sets the observer at start.
"""

from collections.abc import Callable

SanitizeObserver = Callable[[str, int], None]
"""Called with a kind (``ansi``, ``hidden``, ``html``, ``image``, ``link``, ``cut``) and how many."""


def _ignore(kind: str, count: int) -> None:
    """The observer of a process that counts nothing."""


_observer: SanitizeObserver = _ignore


def observe_sanitizing(observer: SanitizeObserver | None) -> None:
    """Set who is told about removals, instead of whoever was; None is nobody."""
    global _observer  # noqa: PLW0603 -- see the module's docstring
    _observer = observer or _ignore


def report(kind: str, count: int) -> None:
    """Tell the observer, if there is anything to tell."""
    if count:
        _observer(kind, count)
