"""Bodies: bounded, in time, one unambiguous JSON-RPC message each.

JSON that two parsers may read differently is refused (RFC 8259, section 4: duplicate names; section 8.1: UTF-8; I-JSON,
RFC 7493, for numbers and surrogates), so that what is checked here is what the SDK then acts on.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mcp_dockerhub.web.authentication import StepUp, challenged
from mcp_dockerhub.web.errors import INVALID_REQUEST, PARSE_ERROR, HttpError
from mcp_dockerhub.web.scope import App, Exchange, Receive, Scope, Send, value
from mcp_dockerhub_security.principal import Principal
from mcp_dockerhub_security.refusals import Refusal

BODY_TIMEOUT: Final = 20.0
"""Seconds a client has to send a body whose head has arrived."""
MAX_DEPTH: Final = 32
"""Levels of nesting; the Guard allows fewer within parameters."""
MAX_VALUES: Final = 16 * 1024
"""Containers, and commas between values: what has more is beyond the Guard's bounds, and takes long to read."""
MAX_ID: Final = 256
"""Characters of a request's id."""
MAX_METHOD: Final = 128

_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string, or the rest of the text where it does not end: linear for any input."""
_BRACKETS: Final = re.compile(r"[\[{\]}]")


class ClientGone(Exception):
    """The client left before its body was complete: nobody is there to be answered."""


@dataclass(frozen=True, slots=True)
class Messages:
    """ASGI layer: reads and checks the message, then asks whether the caller lacks something for it."""

    app: App
    max_body_bytes: int
    attempt: Callable[[str], None]
    """Charges what the Guard never sees; raises Refusal (RATE_LIMITED)."""
    step_up: StepUp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange.of(scope)
        principal = exchange.principal
        if principal is None:
            raise RuntimeError("this layer belongs inside authentication")
        if scope["method"] != "POST":
            self._charge(principal)
            await self.app(scope, receive, send)
            return
        try:
            exchange.body = await read_body(scope, receive, self.max_body_bytes)
        except ClientGone:
            return
        try:
            message = parse(exchange.body)
        except HttpError:
            self._charge(principal)
            raise
        await self._check(exchange, principal, message)
        await self.app(scope, receive, send)

    async def _check(self, exchange: Exchange, principal: Principal, message: Mapping[str, Any]) -> None:
        if "id" not in message or "method" not in message:
            # Notifications and answers; requests that get as far as the Guard are charged there.
            self._charge(principal)
            return
        exchange.request_id = message["id"]
        if self.step_up is not None:
            challenge = await self.step_up.authorize(principal, message["method"], message.get("params") or {})
            if challenge is not None:
                self._charge(principal)
                raise challenged(challenge)

    def _charge(self, principal: Principal) -> None:
        try:
            self.attempt(principal.key)
        except Refusal as refusal:
            raise HttpError(
                429,
                refusal.code,
                refusal.message,
                rule=refusal.rule,
                hint=refusal.hint,
                retry_after_s=refusal.retry_after_s or 1.0,
            ) from None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises HttpError for one that is too large (413) or too slow (408), ClientGone for one that ends early.
    """
    declared = value(scope, b"content-length")
    if declared.isascii() and declared.isdigit() and (len(declared) > 12 or int(declared) > limit):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await _read(receive, limit)
    except TimeoutError:
        raise HttpError(
            408,
            "INVALID_INPUT",
            f"The body did not arrive within {BODY_TIMEOUT:.0f} s.",
            rule="body_timeout",
            headers=(("connection", "close"),),
        ) from None


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(limit: int) -> HttpError:
    return HttpError(413, "TOO_LARGE", f"The body is larger than {limit} bytes.", rule="body_too_large")


def parse(body: bytes) -> Mapping[str, Any]:
    """The one JSON-RPC 2.0 message in a body; raises HttpError (400)."""
    try:
        text = body.decode("utf-8")
        _check_structure(text)
        message = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\u" in text:
            _check_surrogates(message)
    except (ValueError, RecursionError):
        raise HttpError(
            400,
            "INVALID_INPUT",
            "The body is not one JSON text that can only be read one way.",
            rule="json_invalid",
            hint=f"UTF-8, names unique in each object, no NaN, at most {MAX_DEPTH} levels and {MAX_VALUES} values.",
            rpc_code=PARSE_ERROR,
        ) from None
    if not _is_message(message):
        raise HttpError(
            400,
            "INVALID_INPUT",
            "The body is not one JSON-RPC 2.0 request, notification or response.",
            rule="envelope_invalid",
            rpc_code=INVALID_REQUEST,
        )
    return message  # type: ignore[no-any-return] # _is_message looked


def _check_structure(text: str) -> None:
    """Refuse what is nested too deeply or has too many parts, before anything is made of it."""
    # Counting is cheap, and no honest message has many brackets or commas outside its strings.
    if text.count("[") + text.count("{") <= MAX_DEPTH and text.count(",") <= MAX_VALUES:
        return
    bare = _STRINGS.sub("", text)
    if bare.count("[") + bare.count("{") > MAX_VALUES or bare.count(",") > MAX_VALUES:
        raise ValueError("too many values")
    depth = 0
    for bracket in _BRACKETS.findall(bare):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError("too deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _check_surrogates(message: Any) -> None:
    """Half of a surrogate pair is no character and cannot be written anywhere."""
    json.dumps(message, ensure_ascii=False).encode("utf-8")


def _is_message(message: Any) -> bool:
    """Whether it has the form of a request, a notification or a response (JSON-RPC 2.0, sections 4 and 5)."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return False
    if "id" in message and not _is_id(message["id"], response="method" not in message):
        return False
    if "method" not in message:
        return "id" in message and ("result" in message) != ("error" in message)
    method = message["method"]
    return isinstance(method, str) and 0 < len(method) <= MAX_METHOD and isinstance(message.get("params", {}), dict)


def _is_id(found: Any, *, response: bool) -> bool:
    if isinstance(found, str):
        return len(found) <= MAX_ID
    if isinstance(found, int) and not isinstance(found, bool):
        return found.bit_length() <= 64
    return found is None and response
