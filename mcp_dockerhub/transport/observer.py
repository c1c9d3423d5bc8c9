"""What the HTTP stack tells the metrics layer. All labels are bounded by construction."""

from typing import Final, Literal, Protocol

from mcp_dockerhub.transport.client import HostClass

Outcome = Literal["2xx", "3xx", "4xx", "5xx", "timeout", "unavailable", "invalid", "refused", "too_large"]
RetryReason = Literal["408", "429", "5xx", "connection"]
CircuitState = Literal["open", "half_open", "closed"]


class UpstreamObserver(Protocol):
    """Satisfied by the metrics layer; called synchronously, must not raise."""

    def request(
        self,
        host_class: HostClass,
        method: str,
        outcome: Outcome,
        seconds: float,
        first_byte_seconds: float | None,
        received_bytes: int,
    ) -> None:
        """One attempt ended. ``first_byte_seconds`` is None when no answer began; bytes are those on the wire."""

    def retry(self, host_class: HostClass, reason: RetryReason) -> None:
        """An attempt is about to be repeated."""

    def circuit(self, host_class: HostClass, state: CircuitState, host: str) -> None:
        """The circuit breaker of ``host`` changed its state."""

    def quota(self, limit: int, remaining: int, window_s: int) -> None:
        """A registry said how many pulls are allowed and left per window of seconds."""


class _NullObserver:
    def request(
        self,
        host_class: HostClass,
        method: str,
        outcome: Outcome,
        seconds: float,
        first_byte_seconds: float | None,
        received_bytes: int,
    ) -> None:
        pass

    def retry(self, host_class: HostClass, reason: RetryReason) -> None:
        pass

    def circuit(self, host_class: HostClass, state: CircuitState, host: str) -> None:
        pass

    def quota(self, limit: int, remaining: int, window_s: int) -> None:
        pass


NULL_OBSERVER: Final[UpstreamObserver] = _NullObserver()
