"""Tracing without its extra, and without anybody who asked for it."""

import sys

import pytest

from mcp_dockerhub_monitoring.tracing import TracingUnavailableError, span, start_tracing, trace_fields


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TracingUnavailableError, match="otel"):
        start_tracing("1")


def test_a_span_that_nobody_collects_has_no_trace() -> None:
    with span("x"):
        assert trace_fields() == {}
