"""The MCP SDK's side of HTTP: its session manager as an ASGI application, and what our layers need inside of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_dockerhub.web.errors import HttpError
from mcp_dockerhub.web.scope import KEY, Exchange, Receive, Scope, Send, value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp.server import MCPServer
    from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext

    from mcp_dockerhub.web_settings import WebSettings

MAX_SESSIONS: Final = 1_000
MAX_OWN_SESSIONS: Final = 100
"""Of one caller, so that nobody takes all of them."""
SESSION_IDLE: Final = 1_800.0
"""Seconds."""
SESSIONS_RETRY: Final = 60.0
_CANCELLED: Final = -32800
"""What the SDK itself answers a cancelled request of the handshake era with, where it has to answer."""


class CancelledWithItsRequest:
    """SDK middleware: ties a handler to the HTTP exchange that asked for it.

    The SDK runs handlers of the handshake era in tasks of their own, which outlive a client that left.
    """

    async def __call__(self, ctx: "ServerRequestContext[Any, Any]", call_next: "CallNext") -> "HandlerResult":
        exchange = exchange_of(ctx)
        if exchange is None or ctx.request_id is None:
            return await call_next(ctx)
        exchange.dispatched = True
        with anyio.CancelScope() as scope, exchange.cancelling(scope.cancel):
            return await call_next(ctx)
        raise MCPError(_CANCELLED, "The request was cancelled: its client left, or it took too long.")


def http_middleware() -> "Sequence[ServerMiddleware[Any]]":
    """What goes around our own middleware in an SDK server on HTTP."""
    return (CancelledWithItsRequest(),)


def exchange_of(ctx: "ServerRequestContext[Any, Any]") -> Exchange | None:
    """The exchange a request came with; None where it did not come through our layers."""
    scope = getattr(ctx.request, "scope", None)
    found = scope.get(KEY) if scope is not None else None
    return found if isinstance(found, Exchange) else None


class SdkApp:
    """ASGI application: the innermost layer. Usable within ``running`` only, and only once."""

    def __init__(self, server: "MCPServer[Any]", web: "WebSettings", count: "Callable[[int], None]") -> None:
        """``count`` is told how many sessions are open."""
        self._count = count
        # Host and Origin were checked by our own layer, which also does so where the SDK's would not.
        self._manager = StreamableHTTPSessionManager(
            server._lowlevel_server,  # noqa: SLF001 - the SDK's own way to an app builds one without our layers
            json_response=web.json_response,
            stateless=not web.sessions,
            session_idle_timeout=SESSION_IDLE,
            max_request_body_size=web.max_body_bytes,
            max_sessions=MAX_SESSIONS,
        )

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._manager._server_instances)  # noqa: SLF001 - it says so nowhere else

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the body runs."""
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = Exchange.of(scope).principal
        if principal is None:
            raise RuntimeError("this application belongs inside authentication")
        scope["user"] = user = _user(principal.key, principal.client)
        self._check_sessions(scope, user)
        token = auth_context_var.set(user)
        try:
            await self._manager.handle_request(scope, receive, send)
        finally:
            auth_context_var.reset(token)
            if not self._manager.stateless:
                self._count(self.sessions)

    def _check_sessions(self, scope: Scope, user: AuthenticatedUser) -> None:
        """Refuse to open one session more for a caller who has many."""
        if self._manager.stateless or scope["method"] != "POST" or value(scope, b"mcp-session-id"):
            return
        if value(scope, b"mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS:
            return
        caller = authorization_context(user)["subject"]
        owners = self._manager._session_owners.values()  # noqa: SLF001 - it says so nowhere else
        if sum(owner["subject"] == caller for owner in owners) >= MAX_OWN_SESSIONS:
            raise HttpError(
                503,
                "RATE_LIMITED",
                "You have as many sessions open as one caller may have.",
                rule="sessions",
                hint="End sessions that are not needed any more (DELETE).",
                retry_after_s=SESSIONS_RETRY,
            )


@lru_cache(maxsize=1024)
def _user(principal: str, client: str) -> AuthenticatedUser:
    """Whom the SDK binds sessions to, so that they are of no use to anybody else, nor to another client of theirs."""
    return AuthenticatedUser(AccessToken(token="", client_id=client, scopes=[], subject=principal))
