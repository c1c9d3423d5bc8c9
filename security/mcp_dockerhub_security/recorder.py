"""One record of each call: opened when it arrives, closed however it ends."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from mcp_dockerhub_security.audit import AuditLog, AuditUnavailableError
from mcp_dockerhub_security.observer import SecurityObserver
from mcp_dockerhub_security.refusals import Refusal, RefusalCode
from mcp_dockerhub_security.request import Request
from mcp_dockerhub_security.text import clean_identifier
from mcp_dockerhub_security.validation import argument_shape

if TYPE_CHECKING:
    from mcp_dockerhub_security.grant import Target
    from mcp_dockerhub_security.identity import Principal
    from mcp_dockerhub_security.levels import Level

MAX_NAME: Final = 100
MAX_TARGETS: Final = 20

Event = Literal["intent", "outcome", "refusal"]


class CallRecord:
    """What is known of a call so far; the Guard fills it in as it decides."""

    __slots__ = (
        "consent",
        "decision",
        "level",
        "name",
        "outcome",
        "principal",
        "request",
        "rule",
        "started",
        "targets",
    )

    def __init__(self, request: Request, started: float) -> None:
        self.request = request
        self.started = started
        self.principal: Principal | None = None
        self.name: str | None = None
        """The operation's name in the catalogue; until it is found, what the client wrote is shown, cleaned."""
        self.targets: tuple[Target, ...] = ()
        self.level: Level | None = None
        self.decision: Literal["allow", "deny"] = "deny"
        self.rule = ""
        self.consent = ""
        """How the human was asked and answered: ``asked``, ``accepted``, ``declined``…; empty where none was needed."""
        self.outcome: str | None = None
        """``ok``, ``cancelled``, ``input_required``, or the code of the error."""


class Recorder:
    """Writes call records to the audit log, or to their tenant's own, and tells the observer."""

    def __init__(
        self,
        log: AuditLog,
        observer: SecurityObserver,
        *,
        tenants: Mapping[str, AuditLog] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._log = log
        self._tenants = tenants or {}
        self._observer = observer
        self._clock = clock
        for each in (log, *self._tenants.values()):
            each.watch(observer.audit)

    def open(self, request: Request) -> CallRecord:
        """Begin the record of a call."""
        return CallRecord(request, self._clock())

    async def intent(self, record: CallRecord) -> None:
        """Put on the disk that a call with effects is about to happen.

        Raises Refusal when that fails: what cannot be recorded is not done.
        """
        started, log = self._clock(), self._log_of(record)
        log.append("intent", self._fields("intent", record, started), watched=False)
        try:
            await log.sync()
        except AuditUnavailableError:
            raise Refusal(
                RefusalCode.INTERNAL,
                "The audit log cannot be written, so nothing that changes anything is done.",
                rule="audit_unavailable",
                hint="The operator must make room for the audit log; reads still work.",
                retryable=True,
            ) from None
        self._observer.audit("intent", self._clock() - started)

    def close(self, record: CallRecord) -> None:
        """Take how the call ended, to be written with the other records of this turn of the event loop."""
        refused = record.decision == "deny"
        if refused:
            self._observer.refused(record.rule, record.outcome or "")
        event: Event = "refusal" if refused else "outcome"
        self._log_of(record).append(event, self._fields(event, record, self._clock()))

    async def settle(self, record: CallRecord) -> None:
        """Wait until a closed record is written, and on the disk where the log's policy wants that.

        A log that fails does not fail a call that is over; health shows it.
        """
        with suppress(AuditUnavailableError):
            await self._log_of(record).settle()

    def _log_of(self, record: CallRecord) -> AuditLog:
        return self._tenants.get(record.principal.tenant, self._log) if record.principal else self._log

    def _fields(self, event: Event, record: CallRecord, now: float) -> dict[str, Any]:
        request, principal = record.request, record.principal
        fields: dict[str, Any] = {
            "method": clean_identifier(request.method, MAX_NAME),
            "tool": record.name if record.name is not None else _shown(request.name),
            "arguments": argument_shape(request.arguments),
            "target": [str(target) for target in record.targets[:MAX_TARGETS]],
            "principal": principal.id if principal else "",
            "tenant": principal.tenant if principal else "",
            "client": principal.client if principal else "",
            "address": request.address,
            "user_agent": request.origin.user_agent if request.origin else "",
            "decision": record.decision,
            "rule": record.rule,
            "consent": record.consent,
            "level": record.level.value if record.level else "",
            "request_id": request.request_id,
            "trace_id": request.trace_id,
        }
        if event != "intent":
            fields["outcome"] = record.outcome
            fields["duration_ms"] = round((now - record.started) * 1000, 3)
        return fields


def _shown(name: Any) -> str:
    """What the client called the operation; anything but text is left to the arguments' shape."""
    return clean_identifier(name[: 4 * MAX_NAME], MAX_NAME) if isinstance(name, str) else ""
