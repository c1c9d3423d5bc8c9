"""The one way in: everything that is decided about a call, in one order.

identity → attempts limit → bounds, exact arguments, normalised targets → policy on those targets → call limits →
consent → a durable intent for calls with effects → a Grant. The record of the call is closed however it ends.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry import trace

from mcp_dockerhub_security.consent import Consent, Effect, NoConsent
from mcp_dockerhub_security.grant import Grant, Target, enter_grant, leave_grant
from mcp_dockerhub_security.human import InputRequired
from mcp_dockerhub_security.identity import IdentityProvider, Principal
from mcp_dockerhub_security.levels import Level, Operation
from mcp_dockerhub_security.limits import Limiter
from mcp_dockerhub_security.observer import SecurityObserver
from mcp_dockerhub_security.policy import Policy
from mcp_dockerhub_security.recorder import CallRecord, Recorder
from mcp_dockerhub_security.refusals import Needs, Refusal, RefusalCode, ReportableError
from mcp_dockerhub_security.request import Request
from mcp_dockerhub_security.validation import check_arguments, check_params, unknown_operation

if TYPE_CHECKING:
    from contextvars import Token

_tracer: Final = trace.get_tracer("mcp_dockerhub")

__all__ = ["Admission", "Guard", "OperationCatalogue", "OperationSpec", "ParsedCall", "Request"]

GUARDED: Final = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
"""Methods that name an operation. All others only say something about this server or keep the connection."""


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """Validated arguments and everything upstream that they name."""

    arguments: Any
    targets: tuple[Target, ...] = ()


class OperationSpec(Protocol):
    """One tool, resource, prompt or completion, as the server offers it."""

    @property
    def name(self) -> str:
        """Its name: bounded, ours, never the client's text."""

    @property
    def operation(self) -> Operation:
        """Its declared level."""

    def parse(self, arguments: Mapping[str, Any]) -> ParsedCall:
        """Validate; raise Refusal or another ReportableError. For ``resources/read`` arguments are ``{"uri": …}``."""


class OperationCatalogue(Protocol):
    """What the server offers."""

    def find(self, method: str, name: str) -> OperationSpec | None:
        """The operation a request names (for ``resources/read`` by URI), or None."""

    def names(self, method: str) -> Iterable[str]:
        """What could have been meant, for suggestions."""


class Guard:
    """Admits calls."""

    def __init__(
        self,
        identity: IdentityProvider,
        limiter: Limiter,
        catalogue: OperationCatalogue,
        policy: Policy,
        recorder: Recorder,
        observer: SecurityObserver,
        *,
        consent: Consent | None = None,
    ) -> None:
        self._identity = identity
        self._limiter = limiter
        self._catalogue = catalogue
        self._policy = policy
        self._recorder = recorder
        self._observer = observer
        self._consent = consent or NoConsent()

    def admit(self, request: Request) -> "Admission":
        """``async with guard.admit(request) as grant:`` runs its body granted, or raises Refusal on entering."""
        return Admission(self, request)

    def identify(self, request: Request) -> Principal:
        """Who sends ``request``."""
        return self._identity.identify(request)

    async def begin(self, request: Request) -> tuple[Grant, CallRecord]:
        """Decide; on a refusal, a failure or a cancellation the record is closed before it is raised."""
        record = self._recorder.open(request)
        try:
            return await self._grant(request, record), record
        except InputRequired:
            record.outcome = "input_required"
            await self.end(record)
            raise
        except BaseException as error:
            record.decision, record.rule, record.outcome = "deny", _rule_of(error), outcome_of(error)
            await self.end(record)
            raise

    async def end(self, record: CallRecord) -> None:
        """Close the record of a call; nobody is answered before it is as safe as the audit log's policy says."""
        self._recorder.close(record)
        # Nobody waits for the answer to a cancelled call, and where it was cancelled nothing can be waited for.
        if record.outcome != "cancelled":
            await self._recorder.settle(record)

    async def turn_away(self, request: Request, refusal: Refusal) -> None:
        """Record and charge a request that was refused before it came here; raise Refusal for a flood of them."""
        record = self._recorder.open(request)
        record.rule, record.outcome = refusal.rule, refusal.code
        try:
            record.principal = self._identity.identify(request)
            self._limited_attempt(record.principal)
        except Refusal as worse:
            record.rule, record.outcome = worse.rule, worse.code
            raise
        finally:
            await self.end(record)

    def offers(self, grant: Grant, spec: OperationSpec) -> bool:
        """Whether to list an operation to whoever was granted the list: not if they could never use it."""
        return self._policy.may_ever(grant.principal, spec.operation, tool=_policy_name(spec), address=grant.address)

    def missing(self, principal: Principal, method: str, name: str) -> Needs | None:
        """What a fresh token would have to bring for an operation, whatever its arguments; see Policy.missing.

        None too for what is refused whatever the token says, such as an unknown operation.
        """
        try:
            spec = self._catalogue.find(method, name)
        except Exception as error:
            if not isinstance(error, ReportableError):
                raise
            return None
        return self._policy.missing(principal, spec.operation, tool=_policy_name(spec)) if spec else None

    async def _grant(self, request: Request, record: CallRecord) -> Grant:
        principal = record.principal = self._identity.identify(request)
        self._limited_attempt(principal)
        check_params(request.params, request.arguments)
        if request.method not in GUARDED:
            return self._protocol_grant(request, principal, record)
        spec = self._find(request)
        record.name, record.level = spec.name, spec.operation.level
        parsed = spec.parse(check_arguments(request.arguments))
        record.targets = parsed.targets
        tool = _policy_name(spec)
        decision = self._policy.decide(principal, spec.operation, parsed.targets, tool=tool, address=request.address)
        record.level = decision.level
        if not decision.allowed:
            raise decision.refusal()
        await self._limited_call(principal, spec.operation)
        record.decision, record.rule = "allow", decision.rule
        if decision.level.has_effects:
            effect = Effect(
                principal,
                request.method,
                spec.name,
                decision.level,
                request.arguments or {},
                parsed.targets,
                request.human,
            )
            await self._consented(effect, record)
            await self._recorder.intent(record)
        return self._make(request, principal, spec.name, parsed, decision.level, decision.private, tool)

    async def _consented(self, effect: Effect, record: CallRecord) -> None:
        try:
            await self._consent.require(effect)
        except InputRequired:
            record.consent = "asked"
            raise
        except Refusal as refusal:
            record.consent = refusal.rule.removeprefix("consent_")
            raise
        record.consent = "accepted"

    def _protocol_grant(self, request: Request, principal: Principal, record: CallRecord) -> Grant:
        record.name, record.level = "", Level.PUBLIC
        record.decision, record.rule = "allow", "protocol"
        return self._make(request, principal, "", ParsedCall(request.arguments), Level.PUBLIC, private=False)

    def _find(self, request: Request) -> OperationSpec:
        name = request.name
        spec = self._catalogue.find(request.method, name) if isinstance(name, str) and name else None
        if spec is None:
            raise unknown_operation(request.method, name, self._catalogue.names(request.method))
        return spec

    def _limited_attempt(self, principal: Principal) -> None:
        try:
            self._limiter.attempt(principal.key)
        except Refusal:
            self._observer.limit("refused", "attempts")
            raise

    async def _limited_call(self, principal: Principal, operation: Operation) -> None:
        try:
            await self._limiter.charge(principal.key, principal.tenant, heavy=operation.heavy)
        except Refusal as refusal:
            self._observer.limit("refused", refusal.rule.removeprefix("limit "))
            raise
        self._observer.limit("allowed", "")

    def _make(
        self,
        request: Request,
        principal: Principal,
        name: str,
        parsed: ParsedCall,
        level: Level,
        private: bool,
        tool: str = "",
    ) -> Grant:
        return Grant(
            principal,
            request.method,
            name,
            parsed.arguments,
            parsed.targets,
            level,
            private,
            principal.tenant,
            request.request_id,
            self._check_target,
            tool,
            request.address,
        )

    def _check_target(self, grant: Grant, registry: str, repository: str) -> None:
        try:
            self._policy.check_target(
                grant.principal, registry, repository, tool=grant.tool, address=grant.address, private=grant.private
            )
        except Refusal as refusal:
            # The call goes on and may answer without this target, so its record alone would not tell.
            self._observer.refused(refusal.rule, refusal.code)
            raise


class Admission:
    """One call on its way through the Guard; leaving the context closes its record."""

    __slots__ = ("_guard", "_record", "_request", "_token")

    def __init__(self, guard: Guard, request: Request) -> None:
        self._guard = guard
        self._request = request
        self._record: CallRecord | None = None
        self._token: Token[Grant | None] | None = None

    async def __aenter__(self) -> Grant:
        if trace.get_current_span().is_recording():
            # A refusal is an answer, not a fault of the guard: the span is not marked failed.
            with _tracer.start_as_current_span("guard", record_exception=False, set_status_on_exception=False):
                grant, self._record = await self._guard.begin(self._request)
        else:
            # Nobody traces this call, and a span that goes nowhere costs as much as all that is decided here.
            grant, self._record = await self._guard.begin(self._request)
        self._token = enter_grant(grant)
        return grant

    def conclude(self, outcome: str) -> None:
        """Say how the call ended where no exception does: ``ok``, ``input_required`` or an error's code."""
        if self._record is not None:
            self._record.outcome = outcome

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            leave_grant(self._token)
        if self._record is not None:
            if self._record.outcome is None:
                self._record.outcome = "ok" if error is None else outcome_of(error)
            await self._guard.end(self._record)


def outcome_of(error: BaseException) -> str:
    """``cancelled``, the code of an error that may be shown, or INTERNAL."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return str(error.code) if isinstance(error, ReportableError) else str(RefusalCode.INTERNAL)


def _policy_name(spec: OperationSpec) -> str:
    """The tool that policy knows an operation by, where that is not its own name."""
    return str(getattr(spec, "policy_name", spec.name))


def _rule_of(error: BaseException) -> str:
    if isinstance(error, Refusal):
        return error.rule
    if isinstance(error, ReportableError):
        return "arguments_invalid"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
