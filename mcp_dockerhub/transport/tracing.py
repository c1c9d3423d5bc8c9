"""One span per attempt, after OpenTelemetry's semantic conventions for HTTP clients.

Attributes name the host and what became of the request, never its path: that holds what a caller asked about.
"""

from typing import Final

import httpx2
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

from mcp_dockerhub.errors import DockerHubError
from mcp_dockerhub.transport.exchange import plan_of

_tracer: Final = trace.get_tracer("mcp_dockerhub")


class Traced(httpx2.AsyncBaseTransport):
    """Opens the spans; ``propagated`` sends the trace context (W3C) on, where the operator allows it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, propagated: bool) -> None:
        self._inner = inner
        self._propagated = propagated

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": request.url.host,
            "mcp_dockerhub.host_class": plan_of(request).host_class,
        }
        if request.url.port is not None:
            attributes["server.port"] = request.url.port
        with _tracer.start_as_current_span(
            request.method,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if self._propagated:
                propagate.inject(request.headers)
            try:
                response = await self._inner.handle_async_request(request)
            except DockerHubError as error:
                span.set_attribute("error.type", str(error.code))
                span.set_status(StatusCode.ERROR)
                raise
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 400:
                span.set_attribute("error.type", str(response.status_code))
                span.set_status(StatusCode.ERROR)
            return response
