"""The ASGI application: all layers in one visible place, and the factory for other servers.

``uvicorn --factory mcp_dockerhub.web.app:create_app`` and the like serve what ``mcp-dockerhub serve --transport http``
does, minus what only a server can do: ambiguous heads, slow clients and draining are then that server's business.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from mcp_dockerhub.application import Application
from mcp_dockerhub.probes import monitoring_endpoint
from mcp_dockerhub.server import DockerHubServer
from mcp_dockerhub.settings import load_settings
from mcp_dockerhub.web.access import Access, access_of
from mcp_dockerhub.web.authentication import Authenticated
from mcp_dockerhub.web.host_origin import AllowList, HostAndOrigin, OriginList
from mcp_dockerhub.web.limits import Concurrency, InFlight, Lifetime
from mcp_dockerhub.web.messages import Messages
from mcp_dockerhub.web.proxies import TrustedProxies
from mcp_dockerhub.web.refusals import Answered, RefusalLog
from mcp_dockerhub.web.routing import ProperlyAsked, Router
from mcp_dockerhub.web.sdk import SdkApp, http_middleware
from mcp_dockerhub.web_settings import PATH, WebSettings, load_web_settings
from mcp_dockerhub_monitoring.logs import configure_logging
from mcp_dockerhub_monitoring.tracing import trace_fields

if TYPE_CHECKING:
    from mcp_dockerhub.web.scope import App, Receive, Scope, Send

SETTLE: Final = 2.0
"""Seconds that cancelled requests get to write their last record before the log is closed."""


class WebApp:
    """ASGI application. Serves within ``running`` only, which servers that speak ASGI's lifespan enter by it."""

    def __init__(self, application: Application, web: WebSettings, access: Access, sdk: SdkApp) -> None:
        self.application = application
        self.stopping = False
        self.in_flight = InFlight()
        self.refusals = RefusalLog(application.recorder, application.metrics)
        self._access = access
        self._sdk = sdk
        self._app = self._layers(web)

    def _layers(self, web: WebSettings) -> "App":
        methods = ("POST", "GET", "DELETE") if web.sessions else ("POST",)
        access, limiter = self._access, self.application.limiter
        app: App = Lifetime(self._sdk, web.request_timeout)
        app = Messages(app, web.max_body_bytes, limiter.attempt, access.step_up)
        app = Concurrency(app, web.max_concurrency, self.in_flight)
        app = Authenticated(app, access.authenticator)
        app = ProperlyAsked(app, methods, events=not web.json_response)
        app = Router(app, PATH, access.documents)
        app = HostAndOrigin(app, AllowList.of_hosts(web.hosts), OriginList.of(web.origins))
        proxies = TrustedProxies.of(web.trusted_proxies, web.forwarded_header)
        return Answered(app, proxies, self.refusals, self.application.metrics.streams)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._app(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything that lives as long as the server; requests still under way at its end are cancelled."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.application.running())
            stack.callback(self.refusals.own_up)
            await self.application.protection.warm_up()
            if self.application.settings.metrics_port is not None:
                endpoint = monitoring_endpoint(self.application, stopping=lambda: self.stopping)
                await stack.enter_async_context(endpoint)
            await stack.enter_async_context(self._access.running)
            stack.push_async_callback(self._settle)
            await stack.enter_async_context(self._sdk.running())
            try:
                yield
            finally:
                self.stopping = True

    async def _settle(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await self.in_flight.idle()

    async def _lifespan(self, receive: "Receive", send: "Send") -> None:
        phase = "startup"
        await receive()
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:
            await send({"type": f"lifespan.{phase}.failed", "message": type(error).__name__})
            raise
        await send({"type": "lifespan.shutdown.complete"})


def build_app(application: Application, web: WebSettings) -> WebApp:
    """The server over HTTP, as the settings want it. Raises SettingsError where callers could not be checked."""
    server = DockerHubServer(application, middleware=http_middleware())
    return WebApp(application, web, access_of(application, web), SdkApp(server, web, application.metrics.sessions))


def create_app() -> WebApp:
    """The application by the environment alone, for servers that take an ASGI factory.

    Raises:
        SettingsError: something of the configuration cannot be used.
    """
    settings = load_settings({"transport": "http"})
    web = load_web_settings()
    configure_logging(settings.log_level, settings.log_format, context=trace_fields)
    return build_app(Application.build(settings), web)
