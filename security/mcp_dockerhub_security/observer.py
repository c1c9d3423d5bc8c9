"""What the security manager tells whoever counts."""

from typing import Final, Protocol


class SecurityObserver(Protocol):
    """Every label comes from a closed or configured set, so counting by label stays bounded."""

    def refused(self, rule: str, code: str) -> None:
        """A call was refused by ``rule`` with ``code``."""

    def limit(self, decision: str, window: str) -> None:
        """A limit ``allowed`` or ``refused``; ``window`` is the full one, else empty."""

    def audit(self, event: str, seconds: float) -> None:
        """An audit record (``intent``, ``outcome``, ``refusal``, ``failed``) took this long to write."""

    def sanitized(self, kind: str, count: int) -> None:
        """Text of others lost ``count`` things of ``kind``."""


class _Nobody:
    """Counts nothing."""

    def refused(self, rule: str, code: str) -> None:
        pass

    def limit(self, decision: str, window: str) -> None:
        pass

    def audit(self, event: str, seconds: float) -> None:
        pass

    def sanitized(self, kind: str, count: int) -> None:
        pass


NULL_OBSERVER: Final[SecurityObserver] = _Nobody()
