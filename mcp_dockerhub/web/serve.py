"""Serving over HTTP with uvicorn."""

import asyncio
import gc
import logging
import socket
import ssl
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from mcp_dockerhub.application import Application
from mcp_dockerhub.misspelt import configuration_warnings
from mcp_dockerhub.settings import PREFIX, Settings, SettingsError
from mcp_dockerhub.web.app import WebApp, build_app
from mcp_dockerhub.web.connection import ConnectionLimits, connection_class
from mcp_dockerhub.web.drain import DrainingServer
from mcp_dockerhub.web.heads import MAX_HEAD
from mcp_dockerhub.web.listener import ACCEPTS, ARRIVING, BACKLOG, FEWEST_ARRIVING, Listener
from mcp_dockerhub.web_settings import PATH, WebSettings, load_web_settings
from mcp_dockerhub_monitoring.logs import configure_logging
from mcp_dockerhub_monitoring.tracing import trace_fields
from mcp_dockerhub_security.principal import Origin

if TYPE_CHECKING:
    from mcp_dockerhub.web.errors import HttpError

_log = logging.getLogger(__name__)

KEEP_ALIVE: Final = 30
"""Seconds an idle connection is kept: shorter than proxies keep theirs would cost them requests."""
SPARE_FILES: Final = 256
"""Descriptors for everything that is no client: upstream connections, the audit log, the event loop."""

COLLECTOR_THRESHOLDS: Final = (10_000, 10, 10)
"""Objects that calls may leave, and rounds, between two looks of Python's cycle collector at each generation."""


def serve_http(settings: Settings, overrides: Mapping[str, Any] | None = None) -> int:
    """Serve until a signal ends the process; returns the exit code.

    Raises:
        SettingsError: something of the configuration cannot be used, the address included.
    """
    web = load_web_settings(overrides)
    configure_logging(settings.log_level, settings.log_format, context=trace_fields)
    application = Application.build(settings)
    for warning in configuration_warnings(settings):
        sys.stderr.write(f"mcp-dockerhub: {warning}\n")
    run(build_app(application, web), web)
    return 0


def run(app: WebApp, web: WebSettings) -> None:
    """Serve ``app`` until a signal ends it. Raises SettingsError where it cannot start."""
    connected, arriving = _capacity()
    with closing(_listen(web, arriving)) as listener:
        asyncio.run(_run(app, web, listener, connected))


async def _run(app: WebApp, web: WebSettings, listener: Listener, connected: int) -> None:
    def stopping() -> None:
        app.stopping = True

    server = DrainingServer(_config(app, web, listener, connected), stopping, listener)
    async with app.running():
        host, port = listener.getsockname()[:2]
        scheme = "https" if web.tls_cert_file else "http"
        _log.info("listening", extra={"host": host, "port": port, "path": PATH, "transport": scheme})
        if web.insecure_no_auth:
            _log.warning("tokens are not checked: everybody on this machine is the local user")
        spare_the_collector()
        await server.serve(sockets=[listener])
        # After a second signal nothing was waited for.
        for task in server.server_state.tasks:
            task.cancel()
    _log.info("stopped")


def spare_the_collector() -> None:
    """Keep Python's cycle collector from looking again and again at what stays: a quarter of the time of a call.

    What exists now (modules, schemas, the catalogue) is set aside for good, and what calls leave behind is nearly
    all freed without the collector, which therefore looks less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def _config(app: WebApp, web: WebSettings, listener: Listener, connected: int) -> uvicorn.Config:
    # It warns of every request that is not HTTP; those are counted and recorded here, floods of them thinned out.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    def report(error: "HttpError", address: str) -> None:
        app.refusals.record("", "", error.status, error, Origin(None, address))

    config = uvicorn.Config(
        app,
        http=connection_class(ConnectionLimits(connections=connected), report, listener.arrived),
        backlog=ACCEPTS,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Ours are read by our own layer, from the proxies the operator named.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=round(web.drain_timeout),
        h11_max_incomplete_event_size=2 * MAX_HEAD,
        ssl_certfile=web.tls_cert_file,
        ssl_keyfile=web.tls_key_file,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{PREFIX}TLS_CERT_FILE, {PREFIX}TLS_KEY_FILE: cannot be used ({error.strerror or 'not a PEM pair'})."
        ) from error
    return config


def _listen(web: WebSettings, arriving: int) -> Listener:
    listener = Listener(socket.AF_INET6 if ":" in web.host else socket.AF_INET, arriving=arriving)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((web.host.strip("[]"), web.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or "no such address"
        raise SettingsError(f"{PREFIX}HOST, {PREFIX}PORT: the address cannot be listened on ({reason}).") from error
    listener.setblocking(False)
    return listener


def _capacity() -> tuple[int, int]:
    """How many clients may be connected, and how many on their way in.

    Room is made for as many as the system lets us.
    """
    connected, arriving = ConnectionLimits().connections, ARRIVING
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = connected + arriving + SPARE_FILES
        if 0 <= soft < wanted:
            soft = wanted if hard < 0 else min(hard, wanted)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft >= 0:
            room = soft - SPARE_FILES
            arriving = max(FEWEST_ARRIVING, min(arriving, room // 5))
            connected = max(64, min(connected, room - arriving))
    return connected, arriving
