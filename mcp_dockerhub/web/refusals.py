"""The outermost layer: opens the exchange, and sees to it that every refusal is JSON, recorded and counted once.

What the Guard gets to see it records itself; this layer records the rest, through the same recorder.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from mcp_dockerhub.web.errors import HttpError, answer, rpc_body
from mcp_dockerhub.web.proxies import TrustedProxies
from mcp_dockerhub.web.scope import App, Exchange, Message, Receive, Scope, Send, value
from mcp_dockerhub_security.mcp_adapter import RPC_CODES
from mcp_dockerhub_security.observer import SecurityObserver
from mcp_dockerhub_security.principal import Origin
from mcp_dockerhub_security.recorder import CallRecord, Recorder
from mcp_dockerhub_security.request import Request
from mcp_dockerhub_security.text import clean_identifier

_log = logging.getLogger(__name__)

MAX_USER_AGENT: Final = 200
MAX_PATH: Final = 100
MAX_ERROR: Final = 2048
"""Bytes of an error's body; a longer one of the SDK's repeats its input and is replaced."""
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class _Allowance:
    """A token bucket: how much may be written."""

    def __init__(self, clock: Callable[[], float], per_second: float, burst: int) -> None:
        self._clock = clock
        self._rate = per_second
        self._burst = burst
        self._left = float(burst)
        self._at = clock()

    def take(self) -> bool:
        """Whether one more may be written."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class RefusalLog:
    """Records refusals; a flood of them is thinned out, so that nobody can fill the disk.

    Whoever authenticated has an allowance apart from that of strangers, whose noise therefore hides nothing of theirs.
    """

    def __init__(
        self,
        recorder: Recorder,
        observer: SecurityObserver,
        *,
        clock: Callable[[], float] = time.monotonic,
        per_second: float = 20.0,
        burst: int = 200,
    ) -> None:
        self._recorder = recorder
        self._observer = observer
        self._strangers = _Allowance(clock, per_second, burst)
        self._authenticated = _Allowance(clock, per_second, burst)
        self._dropped = 0

    def record(self, method: str, path: str, status: int, error: HttpError, origin: Origin) -> CallRecord | None:
        """One refused request; ``path`` may be anything. None where it was thinned out."""
        if error.code == "RATE_LIMITED":
            self._observer.limit("refused", error.rule.removeprefix("limit "))
        if not (self._authenticated if origin.principal else self._strangers).take():
            self._dropped += 1
            self._observer.refused(error.rule, error.code)
            return None
        self.own_up()
        shown = clean_identifier(path[: 4 * MAX_PATH], MAX_PATH)
        return self._write(clean_identifier(method[:40], 20), f"{status} {shown}", error.rule, error.code, origin)

    def own_up(self) -> None:
        """Record how many were thinned out since it was last said; called before the log ends, too."""
        if self._dropped:
            self._write("", f"{self._dropped} more", "refusals_not_recorded", "RATE_LIMITED", Origin(None))
            self._dropped = 0

    async def settle(self, record: CallRecord) -> None:
        """Wait until a record is as safe as the audit log's policy wants it before anybody is answered."""
        await self._recorder.settle(record)

    def _write(self, method: str, name: str, rule: str, code: str, origin: Origin) -> CallRecord:
        record = self._recorder.open(Request(method=f"http {method}".rstrip(), name=name, origin=origin))
        record.name, record.principal = name, origin.principal
        record.decision, record.rule, record.outcome = "deny", rule, code
        self._recorder.close(record)
        return record


@dataclass(frozen=True, slots=True)
class Answered:
    """ASGI layer: every exchange ends with an answer that may be shown."""

    app: App
    proxies: TrustedProxies
    log: RefusalLog
    streams: Callable[[int], None]
    """Told how many event streams are open."""
    _open: set["_Replies"] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Nothing here speaks WebSocket; servers answer 403 when a handshake is closed.
            await send({"type": "websocket.close", "code": 1000})
            return
        exchange = Exchange(
            address=self.proxies.client(scope),
            user_agent=_shown_agent(value(scope, b"user-agent")[: 4 * MAX_USER_AGENT]),
        )
        exchange.open(scope)
        if scope.get("scheme") == "https":
            exchange.extra_headers.append(_HSTS)
        replies = _Replies(exchange, send, self._stream)
        try:
            await self.app(scope, receive, replies)
        except HttpError as error:
            await self._refuse(scope, exchange, replies, error)
        except asyncio.CancelledError:
            # The server ran out of patience while draining; whoever waits is told, and the task ends as it should.
            await self._refuse(scope, exchange, replies, _stopping())
        except Exception:  # noqa: BLE001 - whatever failed, the client gets JSON
            _log.exception("request failed", extra={"path": clean_identifier(str(scope["path"])[:400], MAX_PATH)})
            await self._refuse(scope, exchange, replies, _internal())
        else:
            self._note_sdk_refusal(scope, exchange)
        finally:
            if replies in self._open:
                self._open.discard(replies)
                self.streams(len(self._open))

    def _stream(self, replies: "_Replies") -> None:
        self._open.add(replies)
        self.streams(len(self._open))

    async def _refuse(self, scope: Scope, exchange: Exchange, replies: "_Replies", error: HttpError) -> None:
        record = self.log.record(scope["method"], scope["path"], error.status, error, exchange.origin)
        if record is not None:
            await self.log.settle(record)
        if exchange.status is None:
            # A client that is gone takes no answer, and servers differ in how they say so.
            with suppress(OSError):
                await answer(replies, error, exchange.request_id)

    def _note_sdk_refusal(self, scope: Scope, exchange: Exchange) -> None:
        if exchange.status is None or exchange.status < 400 or exchange.dispatched:
            return
        rule = "session_unknown" if exchange.status == 404 else "protocol"
        error = HttpError(exchange.status, _CODES.get(exchange.status, "INVALID_INPUT"), "", rule=rule)
        self.log.record(scope["method"], scope["path"], exchange.status, error, exchange.origin)


@lru_cache(maxsize=256)
def _shown_agent(text: str) -> str:
    return clean_identifier(text, MAX_USER_AGENT).strip()


def _internal() -> HttpError:
    return HttpError(
        500,
        "INTERNAL",
        "The server failed to answer this request.",
        rule="error",
        hint="This is a defect; the server's log has the details.",
    )


def _stopping() -> HttpError:
    return HttpError(
        503,
        "UPSTREAM_UNAVAILABLE",
        "The server is shutting down.",
        rule="stopping",
        hint="Send the request again; another instance may answer it.",
        retry_after_s=1.0,
        headers=(("connection", "close"),),
    )


_CODES: Final = {404: "NOT_FOUND", 500: "INTERNAL", 503: "RATE_LIMITED"}
_TEXTS: Final = {
    400: "The request is not one the protocol allows.",
    404: "There is no such session, or it is not yours.",
    405: "This path does not take that method.",
    406: "The Accept header does not take what this server answers with.",
    409: "There is such a stream already.",
    500: "The server failed to answer this request.",
    503: "The server has as many sessions as it can keep.",
}


class _Replies:
    """``send`` of an exchange: notes how far the answer got, and holds errors of the SDK to our form."""

    def __init__(self, exchange: Exchange, send: Send, on_stream: Callable[["_Replies"], None]) -> None:
        self._exchange = exchange
        self._send = send
        self._on_stream = on_stream
        self._held: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._exchange.extra_headers]
            if message["status"] >= 400:
                self._held = message
                return
            if _has_type(message["headers"], b"text/event-stream"):
                self._on_stream(self)
        elif message["type"] == "http.response.body":
            if self._held is not None:
                await self._body_of_error(self._held, message)
                return
            self._exchange.complete = not message.get("more_body", False)
        await self._send(message)

    async def _body_of_error(self, start: Message, message: Message) -> None:
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        self._exchange.complete = True
        headers = start["headers"]
        body = bytes(self._body)
        if not _is_ours_to_show(headers, body):
            status = start["status"]
            code = _CODES.get(status, "INVALID_INPUT")
            text = _TEXTS.get(status, _TEXTS[400])
            data = {"code": code, "message": text, "hint": "", "retryable": status == 503}
            body = rpc_body(RPC_CODES[code], data, self._exchange.request_id)
            headers = [field for field in headers if field[0].lower() not in (b"content-type", b"content-length")]
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _is_ours_to_show(headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
    """Short JSON: ours, or an error of the SDK that names a rule of the protocol."""
    return _has_type(headers, b"application/json") and 0 < len(body) <= MAX_ERROR


def _has_type(headers: list[tuple[bytes, bytes]], kind: bytes) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(kind) for name, value in headers)
