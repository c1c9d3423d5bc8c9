"""Traces, where the operator names a collector. The API is always there; SDK and exporter are the ``otel`` extra."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Final

from opentelemetry import trace

SHUTDOWN: Final = 0.8
"""Seconds the last spans get to leave when the process ends."""
_tracer: Final = trace.get_tracer("mcp_dockerhub")


class TracingUnavailableError(Exception):
    """A collector is named, but the SDK and its exporter are not installed."""


def is_traced(endpoint: str) -> bool:
    """Whether spans go anywhere: to our own ``endpoint``, or to whatever was set up around this process."""
    return bool(endpoint) or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def start_tracing(service_version: str) -> Callable[[], None]:
    """Send spans to the collector that ``OTEL_EXPORTER_OTLP_ENDPOINT`` names; returns what stops it again.

    The SDK reads that and its other ``OTEL_*`` variables itself. Raises TracingUnavailableError.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingUnavailableError("install mcp-dockerhub[otel]") from error
    resource = Resource.create({"service.name": "mcp-dockerhub", "service.version": service_version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

    def stop() -> None:
        # The exporter would go on trying a collector that is gone; the process does not wait for it.
        flushing = Thread(target=provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(SHUTDOWN)

    return stop


@contextmanager
def span(name: str) -> Iterator[None]:
    """A span of our own around the body; without the SDK it costs next to nothing and goes nowhere."""
    with _tracer.start_as_current_span(name):
        yield


def trace_fields() -> Mapping[str, str]:
    """The current trace for a log line, where there is one."""
    context = trace.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.is_valid else {}
