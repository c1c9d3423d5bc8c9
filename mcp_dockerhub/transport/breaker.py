"""Circuit breaker per host: after repeated failures a host is left alone for a while, then asked once.

    closed ── 5 failures in a row ──► open ── 30 s ──► half-open ── success ──► closed
                                       ▲                   │
                                       └───── failure ─────┘

Failures are connection errors, timeouts and 5xx. Any other answer, 4xx and 429 included, shows a host that works.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

import httpx2

from mcp_dockerhub.errors import UpstreamTimeout, UpstreamUnavailable
from mcp_dockerhub.transport.exchange import host_of, plan_of
from mcp_dockerhub.transport.faults import NOT_SENT, CircuitOpen, is_server_failure
from mcp_dockerhub.transport.observer import CircuitState, UpstreamObserver

FAILURES_TO_OPEN: Final = 5
OPEN_SECONDS: Final = 30.0
_MOST_HOSTS: Final = 1024


class Circuit:
    """The state machine of one host; not thread-safe, and needs no lock on one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self._generation = 0
        self.announced: CircuitState = "closed"

    @property
    def state(self) -> CircuitState:
        if self._opened_at is None:
            return "closed"
        return "half_open" if self.seconds_left() <= 0 else "open"

    def seconds_left(self) -> float:
        """Until a probe may be sent; 0 when one may be, or when the circuit is closed."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + OPEN_SECONDS - self._clock())

    def admit(self) -> int | None:
        """A ticket to hand back with the result, or None: do not send."""
        if self._opened_at is not None:
            if self._probing or self.seconds_left() > 0:
                return None
            self._probing = True
            self._generation += 1
        return self._generation

    def succeeded(self, ticket: int) -> None:
        if ticket == self._generation:
            self._failures = 0
            self._opened_at = None
            self._probing = False

    def failed(self, ticket: int) -> None:
        if ticket != self._generation:
            return
        self._failures += 1
        if self._probing or self._failures >= FAILURES_TO_OPEN:
            self._opened_at = self._clock()
            self._probing = False
            # Results of requests sent before now are old news when they come.
            self._generation += 1

    def abandoned(self, ticket: int) -> None:
        """The request ended without saying anything about the host (cancelled, never sent)."""
        if ticket == self._generation:
            self._probing = False


class Breaker(httpx2.AsyncBaseTransport):
    """Raises CircuitOpen, an UpstreamUnavailable, for a host whose circuit is open."""

    def __init__(
        self, inner: httpx2.AsyncBaseTransport, observer: UpstreamObserver, clock: Callable[[], float]
    ) -> None:
        self._inner = inner
        self._observer = observer
        self._clock = clock
        self._circuits: OrderedDict[str, Circuit] = OrderedDict()

    def circuits(self) -> Mapping[str, str]:
        """Host to ``closed``, ``open`` or ``half_open``, of the hosts asked most recently."""
        return {host: circuit.state for host, circuit in self._circuits.items()}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = host_of(request.url)
        circuit = self._circuit(host)
        ticket = circuit.admit()
        if ticket is None:
            wait = circuit.seconds_left()
            raise CircuitOpen(f"{host} failed repeatedly and is not asked for a while.", retry_after_s=wait or None)
        self._announce(request, circuit)
        try:
            return await self._send(request, circuit, ticket)
        finally:
            self._announce(request, circuit)

    async def _send(self, request: httpx2.Request, circuit: Circuit, ticket: int) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except NOT_SENT:
            circuit.abandoned(ticket)
            raise
        except (UpstreamUnavailable, UpstreamTimeout):
            circuit.failed(ticket)
            raise
        except BaseException:
            circuit.abandoned(ticket)
            raise
        if is_server_failure(response.status_code):
            circuit.failed(ticket)
        else:
            circuit.succeeded(ticket)
        return response

    def _announce(self, request: httpx2.Request, circuit: Circuit) -> None:
        """Tell of each change once, whichever of the concurrent requests sees it first."""
        state = circuit.state
        if state != circuit.announced:
            circuit.announced = state
            self._observer.circuit(plan_of(request).host_class, state, host_of(request.url))

    def _circuit(self, host: str) -> Circuit:
        circuit = self._circuits.setdefault(host, Circuit(self._clock))
        self._circuits.move_to_end(host)
        while len(self._circuits) > _MOST_HOSTS:
            self._circuits.popitem(last=False)
        return circuit
