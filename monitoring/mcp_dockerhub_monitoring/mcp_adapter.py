"""The one place of this package that knows the MCP SDK: its middleware hook, which the SDK calls provisional."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from .logs import request_id
from .metrics import CODES, Metrics

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

_ERAS: Final[Mapping[str, str]] = {
    **dict.fromkeys(HANDSHAKE_PROTOCOL_VERSIONS, "handshake"),
    **dict.fromkeys(MODERN_PROTOCOL_VERSIONS, "stateless"),
}
_RPC_OUTCOMES: Final[Mapping[int, str]] = {
    -32700: "INVALID_INPUT",
    -32600: "INVALID_INPUT",
    -32601: "UNSUPPORTED",
    -32602: "INVALID_INPUT",
}
"""JSON-RPC 2.0 errors that are the client's doing."""


class MetricsMiddleware:
    """Counts and times every message; the outermost of our middleware, so that refusals are timed too."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        transport: Literal["stdio", "http"],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._metrics = metrics
        self._transport = transport
        self._clock = clock

    async def __call__(self, ctx: "ServerRequestContext[Any, Any]", call_next: "CallNext") -> "HandlerResult":
        method = ctx.method
        name = ctx.params.get("name") if method == "tools/call" and ctx.params else None
        outcome = "error"
        token = self._metrics.enter(method, name)
        logged = request_id.set("" if ctx.request_id is None else str(ctx.request_id))
        started = self._clock()
        try:
            result = await call_next(ctx)
            outcome = outcome_of_result(result)
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception as error:
            outcome = outcome_of_error(error)
            raise
        finally:
            seconds = self._clock() - started
            request_id.reset(logged)
            self._metrics.leave(token)
            era = _ERAS.get(ctx.protocol_version, "")
            self._metrics.operation(method, name, outcome, era, self._transport, seconds)
        return result


def outcome_of_result(result: "HandlerResult") -> str:
    """``ok``, ``input_required``, or a tool error's code (``error`` where it has none of ours).

    Handlers' results arrive as the dict that goes on the wire, those of other middleware as models.
    """
    if result is None:
        return "ok"
    if isinstance(result, dict):
        failed, content, kind = result.get("isError"), result.get("structuredContent"), result.get("resultType")
    else:
        failed = getattr(result, "is_error", False)
        content = getattr(result, "structured_content", None)
        kind = getattr(result, "result_type", None)
    if failed:
        return _code(content) or "error"
    return "input_required" if kind == "input_required" else "ok"


def outcome_of_error(error: Exception) -> str:
    """Our code where the error carries one, what JSON-RPC says of the client's mistakes, else ``error``."""
    if isinstance(error, MCPError):
        return _code(error.error.data) or _RPC_OUTCOMES.get(error.error.code, "error")
    if isinstance(error, ValidationError):
        return "INVALID_INPUT"
    code = getattr(error, "code", None)
    return code if isinstance(code, str) and code in CODES else "error"


def _code(content: object) -> str | None:
    code = content.get("code") if isinstance(content, Mapping) else None
    return code if isinstance(code, str) and code in CODES else None
