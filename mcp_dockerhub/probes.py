"""The monitoring endpoint beside a running server."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from mcp_dockerhub.application import Application
from mcp_dockerhub.settings import SettingsError
from mcp_dockerhub_monitoring.endpoint import Handler, MonitoringEndpoint, Reply, standard_routes
from mcp_dockerhub_monitoring.status_page import status_route


@asynccontextmanager
async def monitoring_endpoint(
    application: Application, *, stopping: Callable[[], bool] = lambda: False
) -> AsyncIterator[None]:
    """``/metrics``, ``/healthz``, ``/readyz`` and ``/status`` on a port of their own while the body runs.

    While ``stopping`` says so the server is not ready, however healthy it is: no new traffic should come.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    settings = application.settings
    routes = standard_routes(application.metrics, application.health)
    routes["/readyz"] = _unless(stopping, routes["/readyz"])
    routes["/status"] = status_route(application.metrics, application.health, application.services.operations.history)
    endpoint = MonitoringEndpoint(routes, host=settings.metrics_host, port=settings.metrics_port or 0)
    try:
        await endpoint.start()
    except OSError as error:
        reason = error.strerror or "no such address"
        raise SettingsError(f"MCP_DOCKERHUB_METRICS_PORT: the address cannot be listened on ({reason}).") from error
    try:
        yield
    finally:
        await endpoint.aclose()


def _unless(stopping: Callable[[], bool], ready: Handler) -> Handler:
    return lambda: Reply(HTTPStatus.SERVICE_UNAVAILABLE, b"stopping\n") if stopping() else ready()
