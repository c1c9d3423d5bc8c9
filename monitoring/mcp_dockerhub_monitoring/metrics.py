"""What the server counts, and how it is shown to Prometheus.

One :class:`Metrics` object satisfies, by structure, the observer protocols of the transport, the cache and
the security manager, so that none of them knows this package.
"""

import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextvars import ContextVar, Token
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

from . import definitions as d
from .store import Histogram, Numbers

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

UNKNOWN: Final = "unknown"
METHODS: Final = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tools/call",
        "tools/list",
    }
)
"""What a client may send, of both eras; any other method counts as ``unknown``."""

CODES: Final = frozenset(
    {
        "INVALID_INPUT",
        "NOT_FOUND",
        "AUTHENTICATION_FAILED",
        "FORBIDDEN",
        "RATE_LIMITED",
        "QUOTA_EXHAUSTED",
        "UPSTREAM_TIMEOUT",
        "UPSTREAM_UNAVAILABLE",
        "UPSTREAM_INVALID",
        "UNSUPPORTED",
        "POLICY_DENIED",
        "CONSENT_REQUIRED",
        "TOO_LARGE",
        "INTERNAL",
    }
)
"""The closed set of codes a tool error carries."""
OUTCOMES: Final = CODES | {"ok", "cancelled", "input_required", "error"}
FAULTS: Final = frozenset({"UPSTREAM_TIMEOUT", "UPSTREAM_UNAVAILABLE", "UPSTREAM_INVALID", "INTERNAL", "error"})
"""Outcomes that are the server's or its upstreams' doing; the rest is the caller's or the policy's."""
ERAS: Final = frozenset({"handshake", "stateless"})
TRANSPORTS: Final = frozenset({"stdio", "http"})
_WORK: Final = frozenset({"resources/read", "prompts/get", "completion/complete"})
"""Methods besides ``tools/call`` whose calls the history keeps; listings and pings would drown them."""

_MAX_HOSTS: Final = 256
_QUOTA_WINDOW: Final = 6 * 3600
"""Seconds a quota is believed where the registry told no window: that of Docker Hub."""
_current: ContextVar[str] = ContextVar("mcp_dockerhub_monitored_operation", default="")


class CallHistory(Protocol):
    """What of :class:`~.history.History` the metrics feed."""

    def record(self, operation: str, outcome: str, seconds: float) -> None: ...

    def cache(self, operation: str, hit: bool) -> None: ...

    def refused(self, operation: str) -> None: ...


class Metrics:
    """Counts everything of one server process.

    ``tools`` are the names that may become label values, asked at each call, so a set filled later will do.
    """

    def __init__(
        self,
        tools: Container[str] = (),
        *,
        history: CallHistory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tools = tools
        self._history = history
        self._numbers = {x.name: Numbers(x) for x in d.definitions() if x.type != "histogram"}
        self._histograms = {x.name: Histogram(x) for x in d.definitions() if x.type == "histogram"}
        self._sources: dict[str, Callable[[], None]] = {}
        self._circuits: dict[str, tuple[str, str]] = {}
        self._circuit_lock = Lock()
        self._registry: CollectorRegistry | None = None
        self._clock = clock
        self._quota: tuple[int, int] | None = None
        self._quota_ends = 0.0
        # The families of the hot path, looked up once.
        self._operations = self._numbers[d.OPERATIONS.name]
        self._durations = self._histograms[d.OPERATION_DURATION.name]
        self._in_flight = self._numbers[d.IN_FLIGHT.name]
        # What alerts look at exists from the start: the first failure is then an increase, not a new series.
        self._in_flight.set(0.0)
        self._numbers[d.AUDIT_EVENTS.name].set(0.0, ("failed",))

    # Operations

    def tool_label(self, name: object) -> str:
        """``name`` where it is a tool of this server, else ``unknown``."""
        return name if isinstance(name, str) and name in self._tools else UNKNOWN

    def enter(self, method: str, name: object) -> Token[str]:
        """Count an operation in flight; cache look-ups and refusals until :meth:`leave` are put to it."""
        self._in_flight.add()
        if method == "tools/call":
            return _current.set(self.tool_label(name))
        return _current.set(method if method in _WORK else "")

    def leave(self, token: Token[str]) -> None:
        """End what :meth:`enter` began, in the same context."""
        _current.reset(token)
        self._in_flight.add(amount=-1.0)

    def operation(self, method: str, name: object, outcome: str, era: str, transport: str, seconds: float) -> None:
        """Count one finished operation; ``name`` is the tool of a ``tools/call`` and ignored otherwise."""
        if method not in METHODS:
            method = UNKNOWN
        tool = self.tool_label(name) if method == "tools/call" else ""
        if outcome not in OUTCOMES:
            outcome = "error"
        if era not in ERAS:
            era = UNKNOWN
        if transport not in TRANSPORTS:
            transport = UNKNOWN
        self._operations.add((method, tool, outcome, era, transport))
        self._durations.observe(seconds, (method, tool))
        if self._history is not None:
            operation = tool or (method if method in _WORK else "")
            if operation:
                self._history.record(operation, outcome, seconds)

    def sessions(self, count: int) -> None:
        """Say how many sessions of the handshake era are open."""
        self._set(d.SESSIONS, count)

    def streams(self, count: int) -> None:
        """Say how many event streams are open."""
        self._set(d.STREAMS, count)

    def scan(self, source: str, coverage: str) -> None:
        """Count one vulnerability scan."""
        self._add(d.SCANS, source, coverage)

    # UpstreamObserver

    def request(
        self,
        host_class: str,
        method: str,
        outcome: str,
        seconds: float,
        first_byte_seconds: float | None,
        received_bytes: int,
    ) -> None:
        """Count one request to an upstream; ``first_byte_seconds`` is None where no answer came."""
        self._add(d.UPSTREAM_REQUESTS, host_class, method, outcome)
        self._observe(d.UPSTREAM_DURATION, seconds, host_class)
        if first_byte_seconds is not None:
            self._observe(d.UPSTREAM_FIRST_BYTE, first_byte_seconds, host_class)
        self._numbers[d.UPSTREAM_BYTES.name].add((host_class,), float(received_bytes))

    def retry(self, host_class: str, reason: str) -> None:
        self._add(d.UPSTREAM_RETRIES, host_class, reason)

    def circuit(self, host_class: str, state: str, host: str) -> None:
        """Follow one host's circuit breaker. The host's name is kept only while its circuit is not closed."""
        self._add(d.CIRCUIT_TRANSITIONS, host_class, state)
        gauge = self._numbers[d.CIRCUITS.name]
        with self._circuit_lock:
            before = self._circuits.pop(host, None)
            if before is not None:
                gauge.add(before, -1.0)
            if state != "closed" and len(self._circuits) < _MAX_HOSTS:
                self._circuits[host] = (host_class, state)
                gauge.add((host_class, state))

    def quota(self, limit: int, remaining: int, window_s: int | None) -> None:
        """Say what the registry last told about the pull quota; ``window_s`` where it told that too."""
        self._quota = (limit, remaining)
        self._quota_ends = self._clock() + (window_s or _QUOTA_WINDOW)
        self._set(d.QUOTA_LIMIT, limit)
        self._set(d.QUOTA_REMAINING, remaining)
        if window_s is not None:
            self._set(d.QUOTA_WINDOW, window_s)

    @property
    def known_quota(self) -> tuple[int, int] | None:
        """Limit and remaining pulls as last told; None while nothing was told within the quota's window."""
        return self._quota if self._clock() < self._quota_ends else None

    # CacheObserver

    def hit(self, kind: str) -> None:
        self._add(d.CACHE_HITS, kind)
        if self._history is not None:
            self._history.cache(_current.get(), True)

    def miss(self, kind: str) -> None:
        self._add(d.CACHE_MISSES, kind)
        if self._history is not None:
            self._history.cache(_current.get(), False)

    def stale(self, kind: str) -> None:
        self._add(d.CACHE_STALE, kind)

    def joined(self, kind: str) -> None:
        self._add(d.CACHE_JOINED, kind)

    def evicted(self, kind: str) -> None:
        self._add(d.CACHE_EVICTIONS, kind)

    def size(self, bytes_: int, entries: int) -> None:
        self._set(d.CACHE_BYTES, bytes_)
        self._set(d.CACHE_ENTRIES, entries)

    # SecurityObserver

    def refused(self, rule: str, code: str) -> None:
        """Count a refusal; those for rate (``RATE_LIMITED``) are counted by :meth:`limit` alone."""
        if code == "INVALID_INPUT":
            self._add(d.INPUT_REFUSALS, rule)
        elif code == "AUTHENTICATION_FAILED":
            self._add(d.AUTHENTICATION_FAILURES, rule)
        elif code != "RATE_LIMITED":
            self._add(d.POLICY_DENIALS, rule, code)
        if self._history is not None:
            self._history.refused(_current.get())

    def limit(self, decision: str, window: str) -> None:
        self._add(d.LIMIT_DECISIONS, decision, window)

    def audit(self, event: str, seconds: float) -> None:
        """Count an audit event and the seconds it took to write; ``failed`` is one that was not written."""
        self._add(d.AUDIT_EVENTS, event)
        if event != "failed":
            self._observe(d.AUDIT_DURATION, seconds, event)

    def audit_chain(self, records: int) -> None:
        """Say how many records the audit chain holds."""
        self._set(d.AUDIT_CHAIN, records)

    def redis_up(self, up: bool) -> None:
        """Whether Redis answers."""
        self._set(d.REDIS_UP, float(up))

    def redis_failed(self, reason: str) -> None:
        """Count a command that Redis did not carry out."""
        self._add(d.REDIS_FAILURES, reason)

    def sanitized(self, kind: str, count: int) -> None:
        self._numbers[d.SANITIZED.name].add((kind,), float(count))

    # State of the process

    def event_loop_lag(self, seconds: float) -> None:
        self._observe(d.EVENT_LOOP_LAG, seconds)

    def build(self, version: str, commit: str, python_version: str, mcp_version: str) -> None:
        """Say once what is running."""
        self._set(d.BUILD_INFO, 1, version, commit, python_version, mcp_version)

    def gauge(self, definition: d.Definition, value: float, *labels: str) -> None:
        """Set a number whose owner lives elsewhere (process, health)."""
        self._set(definition, value, *labels)

    def before_scrape(self, name: str, source: Callable[[], None]) -> None:
        """Call ``source`` before each scrape to refresh gauges; its failure is counted, not passed on."""
        self._sources[name] = source

    # Exposition

    @property
    def registry(self) -> "CollectorRegistry":
        """A registry of our own that reads these families; importing prometheus-client waits until here."""
        if self._registry is None:
            from prometheus_client import CollectorRegistry

            self._registry = CollectorRegistry()
            self._registry.register(self)
        return self._registry

    def render(self) -> bytes:
        """The text exposition format 0.0.4 of everything."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)

    def describe(self) -> Iterable["Metric"]:
        """Nothing: the registry need not collect in order to register us."""
        return ()

    def collect(self) -> Iterator["Metric"]:
        """All families, those nothing happened in too, as prometheus-client's collector protocol wants them."""
        from .exposition import histogram_family, number_family

        self.refresh()

        for definition in d.definitions():
            if definition.type == "histogram":
                yield histogram_family(self._histograms[definition.name])
            else:
                yield number_family(self._numbers[definition.name])

    def values(self, definition: d.Definition) -> list[tuple[tuple[str, ...], float]]:
        """What a counter or gauge holds by label values, without asking the sources anew."""
        return self._numbers[definition.name].items()

    def value(self, definition: d.Definition) -> float:
        """A counter or gauge without labels."""
        return self._numbers[definition.name].get()

    def refresh(self) -> None:
        """Ask the sources of :meth:`before_scrape`."""
        for name, source in self._sources.items():
            try:
                source()
            except Exception:  # noqa: BLE001 - a broken source must not take the other series with it
                self._add(d.COLLECT_ERRORS, name)

    def _add(self, definition: d.Definition, *labels: str) -> None:
        self._numbers[definition.name].add(labels)

    def _set(self, definition: d.Definition, value: float, *labels: str) -> None:
        self._numbers[definition.name].set(float(value), labels)

    def _observe(self, definition: d.Definition, value: float, *labels: str) -> None:
        self._histograms[definition.name].observe(value, labels)
