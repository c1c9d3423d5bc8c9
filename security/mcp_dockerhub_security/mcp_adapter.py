"""The one place of this package that knows the MCP SDK: its middleware hook, which the SDK calls provisional."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from mcp.server.request_state import RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitRequest, ElicitRequestFormParams, InputRequiredResult, TextContent
from mcp_types.version import is_version_at_least
from opentelemetry import trace
from pydantic import ValidationError

from mcp_dockerhub_security.consent import LIFETIME
from mcp_dockerhub_security.guard import Guard
from mcp_dockerhub_security.human import MAX_NONCE, Answer, InputRequired, Reply, Unreachable
from mcp_dockerhub_security.principal import ORIGIN, Origin
from mcp_dockerhub_security.refusals import Refusal, RefusalCode, ReportableError, error_content
from mcp_dockerhub_security.request import Request
from mcp_dockerhub_security.text import clean_identifier
from mcp_dockerhub_security.validation import MAX_INTEGER_BITS

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.DOTALL)
"""W3C Trace Context, section 3.2; later versions may append fields."""

_MAX_ID: Final = 64

RPC_CODES: Final[Mapping[str, int]] = {
    "NOT_FOUND": -32002,
    "INVALID_INPUT": -32003,
    "AUTHENTICATION_FAILED": -32004,
    "FORBIDDEN": -32005,
    "RATE_LIMITED": -32006,
    "QUOTA_EXHAUSTED": -32007,
    "UPSTREAM_TIMEOUT": -32008,
    "UPSTREAM_UNAVAILABLE": -32009,
    "UPSTREAM_INVALID": -32010,
    "UNSUPPORTED": -32011,
    "POLICY_DENIED": -32012,
    "CONSENT_REQUIRED": -32013,
    "TOO_LARGE": -32014,
    "INTERNAL": -32015,
}
"""Own codes in the range that neither the SDK nor the specification uses; -32002 is MCP's "resource not found"."""

_OUTCOMES_OF_RPC: Final[Mapping[int, str]] = {
    -32600: "INVALID_INPUT",
    -32601: "UNSUPPORTED",
    -32602: "INVALID_INPUT",
    -32700: "INVALID_INPUT",
}
"""JSON-RPC 2.0 errors that the SDK answers with."""


class GuardMiddleware:
    """Every request goes through the Guard; notifications change nothing here and pass."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def __call__(self, ctx: "ServerRequestContext[Any, Any]", call_next: "CallNext") -> "HandlerResult":
        if ctx.request_id is None:
            # A notification cannot be answered, and one that cancels must always get through.
            return await call_next(ctx)
        request = request_of(ctx)
        admission = self._guard.admit(request)
        try:
            async with admission:
                try:
                    result = await call_next(ctx)
                except MCPError as error:
                    admission.conclude(_outcome_of_rpc(error))
                    raise
                except ValidationError:
                    # The SDK's own check of a method's parameters; it answers with "invalid params".
                    admission.conclude(str(RefusalCode.INVALID_INPUT))
                    raise
                admission.conclude(_outcome_of_result(result))
                return result
        except InputRequired as asked:
            return _input_required(asked)
        except Exception as error:
            if not isinstance(error, ReportableError):
                raise
            if request.method == "tools/call":
                return tool_error(error)
            raise rpc_error(error) from None


class RefusedStateMiddleware:
    """Belongs outside the SDK's check of ``requestState``, so that what that turns away is recorded and limited too.

    Forged, expired or exchanged state (other arguments, another principal) never reaches the Guard's middleware.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def __call__(self, ctx: "ServerRequestContext[Any, Any]", call_next: "CallNext") -> "HandlerResult":
        try:
            return await call_next(ctx)
        except MCPError as error:
            data = error.error.data
            if ctx.request_id is not None and isinstance(data, Mapping) and data.get("reason") == _STATE_REFUSED:
                try:
                    await self._guard.turn_away(request_of(ctx), _FOREIGN_STATE)
                except Refusal as flood:
                    raise rpc_error(flood) from None
            raise


_STATE_REFUSED: Final = "invalid_request_state"
_FOREIGN_STATE: Final = Refusal(
    RefusalCode.CONSENT_REQUIRED,
    "The state of an earlier question does not belong to this request.",
    rule="consent_state",
)


def request_state_security(guard: Guard, keys: Sequence[str] = ()) -> RequestStateSecurity:
    """How the state of open questions is sealed on its way through the client: AES-GCM, expiring, bound to the caller.

    ``keys`` (at least 32 bytes each) are shared by all replicas, the first seals and all open; without any, a key of
    this process. Raises ValueError for keys that cannot be used.
    """

    def principal(ctx: "ServerRequestContext[Any, Any]") -> str:
        found = guard.identify(request_of(ctx))
        return "\n".join((found.tenant, found.id, found.client))

    return RequestStateSecurity(keys=list(keys) or [os.urandom(32)], ttl=LIFETIME, bind_principal=principal)


_CONSENT: Final = "consent"
"""Key of our one question among a result's input requests."""
_CONFIRM: Final = "confirm"
_FORM: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {_CONFIRM: {"type": "boolean", "title": "Run it once", "default": False}},
    "required": [_CONFIRM],
}
_BY_RETRY: Final = "2026-07-28"
"""Since this version questions are answers to requests, which are then repeated; before, requests of the server."""


class _SessionHuman:
    """The human behind a request, reached through its MCP client."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: "ServerRequestContext[Any, Any]") -> None:
        self._ctx = ctx

    @property
    def reply(self) -> Reply | None:
        """The SDK has checked and opened the state by now; the answer itself is whatever the client says."""
        params = self._ctx.params if isinstance(self._ctx.params, Mapping) else {}
        nonce, responses = params.get("requestState"), params.get("inputResponses")
        if not isinstance(nonce, str) or not 0 < len(nonce) <= MAX_NONCE or not isinstance(responses, Mapping):
            return None
        return Reply(nonce, _answer(responses.get(_CONSENT)))

    async def ask(self, question: str, nonce: str, timeout_s: float) -> Answer:
        """See Human.ask."""
        session = self._ctx.session
        capabilities = session.client_capabilities
        elicitation = capabilities.elicitation if capabilities else None
        # A bare `elicitation: {}` means forms (MCP 2025-11-25, client/elicitation).
        if elicitation is None or (elicitation.form is None and elicitation.url is not None):
            raise Unreachable
        if is_version_at_least(self._ctx.protocol_version, _BY_RETRY):
            raise InputRequired(question, nonce)
        if not session.can_send_request:
            raise Unreachable
        try:
            async with asyncio.timeout(timeout_s):
                found = await session.elicit_form(question, dict(_FORM), related_request_id=self._ctx.request_id)
        except (MCPError, ValidationError):
            raise Unreachable from None
        return _answer({"action": found.action, "content": found.content})


def _answer(response: object) -> Answer:
    """Anything but a clear yes is none."""
    if not isinstance(response, Mapping):
        return Answer.CANCEL
    action, content = response.get("action"), response.get("content")
    if action == Answer.ACCEPT:
        return Answer.ACCEPT if isinstance(content, Mapping) and content.get(_CONFIRM) is True else Answer.DECLINE
    return Answer.DECLINE if action == Answer.DECLINE else Answer.CANCEL


def _input_required(asked: InputRequired) -> InputRequiredResult:
    form = ElicitRequestFormParams(message=asked.question, requested_schema=dict(_FORM))
    return InputRequiredResult(input_requests={_CONSENT: ElicitRequest(params=form)}, request_state=asked.nonce)


def tool_error(error: BaseException) -> CallToolResult:
    """A failed tool call as the model sees it; the one line of text says the same as the structured content."""
    content = error_content(error)
    text = f"{content['code']}: {content['message']} {content['hint']}".rstrip()
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=content, is_error=True)


def rpc_error(error: BaseException) -> MCPError:
    """A failed read, prompt or completion as the client sees it; ``data`` is what a tool error would contain."""
    content = error_content(error)
    code = RPC_CODES.get(content["code"], RPC_CODES["INTERNAL"])
    return MCPError(code, content["message"], content)


def request_of(ctx: "ServerRequestContext[Any, Any]") -> Request:
    """What the SDK's context says of one request."""
    params = ctx.params if isinstance(ctx.params, Mapping) else {}
    name, arguments = _named(ctx.method, params)
    return Request(
        method=ctx.method,
        name=name,
        arguments=arguments,
        params=ctx.params,
        request_id=_shown_id(ctx.request_id),
        client=_client(ctx),
        trace_id=_trace_id(params),
        origin=_origin(ctx),
        human=_SessionHuman(ctx),
    )


def _origin(ctx: "ServerRequestContext[Any, Any]") -> Origin | None:
    """What our ASGI layers left in the request's scope (see ``ORIGIN``); None on stdio."""
    scope = getattr(getattr(ctx, "request", None), "scope", None)
    origin = scope.get(ORIGIN) if isinstance(scope, Mapping) else None
    return origin if isinstance(origin, Origin) else None


def _shown_id(request_id: int | str | None) -> str:
    """Ids are the client's choice; Python refuses to print integers of thousands of digits."""
    if isinstance(request_id, int) and request_id.bit_length() > MAX_INTEGER_BITS:
        return "…"
    return clean_identifier(str(request_id)[:_MAX_ID], _MAX_ID)


def _named(method: str, params: Mapping[str, Any]) -> tuple[Any, Any]:
    """The operation a request names, and its raw arguments."""
    if method == "resources/read":
        return params.get("uri"), {"uri": params.get("uri")}
    if method == "completion/complete":
        reference = params.get("ref")
        if not isinstance(reference, Mapping):
            return None, None
        arguments = {key: params[key] for key in ("ref", "argument", "context") if key in params}
        return reference.get("name", reference.get("uri")), arguments
    if method in ("tools/call", "prompts/get"):
        return params.get("name"), params.get("arguments")
    return "", None


def _client(ctx: "ServerRequestContext[Any, Any]") -> str:
    client = ctx.session.client_params
    return f"{client.client_info.name}/{client.client_info.version}"[:400] if client else ""


def _trace_id(params: Mapping[str, Any]) -> str:
    """Of the span the SDK opened around this message, else of what the client sent."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        return f"{current.trace_id:032x}"
    meta = params.get("_meta")
    parent = meta.get("traceparent") if isinstance(meta, Mapping) else None
    found = _TRACEPARENT.fullmatch(parent) if isinstance(parent, str) else None
    return found[1] if found else ""


def _outcome_of_result(result: "HandlerResult") -> str:
    """Handlers' results arrive as the dict that goes on the wire, those of inner middleware as models."""
    if result is None:
        return "ok"
    wire = result if isinstance(result, dict) else result.model_dump(by_alias=True, mode="json", exclude_none=True)
    if wire.get("isError"):
        return _code(wire.get("structuredContent"))
    return "input_required" if wire.get("resultType") == "input_required" else "ok"


def _outcome_of_rpc(error: MCPError) -> str:
    return _OUTCOMES_OF_RPC.get(error.error.code) or _code(error.error.data)


def _code(content: object) -> str:
    code = content.get("code") if isinstance(content, Mapping) else None
    return code if isinstance(code, str) and code in RPC_CODES else str(RefusalCode.INTERNAL)
