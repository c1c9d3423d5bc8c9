"""Refusals of the HTTP layers and what they look like on the wire: one small JSON form for all of them.

The body is a JSON-RPC error, since that is what clients parse; its ``data`` is what a tool error would contain.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from mcp_dockerhub.web.scope import Headers, Send
from mcp_dockerhub_security.mcp_adapter import RPC_CODES
from mcp_dockerhub_security.refusals import error_content

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600

_ALWAYS: Final = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class HttpError(Exception):
    """Ends an exchange with ``status``. It says what was wrong and what to do, and repeats nothing it was sent.

    ``code`` is one of the tool error codes; ``rule`` comes from a closed set and is a label of metrics and audit
    records; ``rpc_code`` is the JSON-RPC code where a standard one fits better than ours.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        rule: str,
        hint: str = "",
        headers: Headers = (),
        retry_after_s: float | None = None,
        rpc_code: int | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.rule = rule
        self.hint = hint
        self.headers = headers
        self.retry_after_s = retry_after_s
        self.retryable = retry_after_s is not None
        self.rpc_code = rpc_code
        super().__init__(message)


def body_of(error: HttpError, request_id: str | int | None = None) -> bytes:
    """The JSON-RPC error of a refusal; under 2 KB."""
    return rpc_body(error.rpc_code or RPC_CODES.get(error.code, INVALID_REQUEST), error_content(error), request_id)


def rpc_body(code: int, data: Mapping[str, Any], request_id: str | int | None = None) -> bytes:
    """A JSON-RPC 2.0 error whose message is that of ``data``."""
    error = {"code": code, "message": data["message"], "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}, separators=(",", ":")).encode()


def headers_of(error: HttpError, body: bytes) -> list[tuple[bytes, bytes]]:
    """Header fields of a refusal; ``Retry-After`` in whole seconds (RFC 9110, section 10.2.3)."""
    headers = [*_ALWAYS, (b"content-length", str(len(body)).encode())]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()))
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers]
    return headers


async def answer(send: Send, error: HttpError, request_id: str | int | None = None) -> None:
    """Send a refusal."""
    body = body_of(error, request_id)
    await send({"type": "http.response.start", "status": error.status, "headers": headers_of(error, body)})
    await send({"type": "http.response.body", "body": body})
