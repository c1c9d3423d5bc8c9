"""One object is what the transport, the cache and the security manager report to; mypy checks the shapes."""

from mcp_dockerhub.cache import CacheObserver
from mcp_dockerhub.errors import ErrorCode
from mcp_dockerhub.transport.observer import UpstreamObserver
from mcp_dockerhub_monitoring.metrics import CODES, FAULTS, Metrics
from mcp_dockerhub_security.observer import SecurityObserver


def test_metrics_satisfies_every_observer() -> None:
    metrics = Metrics()
    upstream: UpstreamObserver = metrics
    cache: CacheObserver = metrics
    security: SecurityObserver = metrics
    upstream.request(
        host_class="hub", method="GET", outcome="2xx", seconds=0.1, first_byte_seconds=None, received_bytes=1
    )
    upstream.retry(host_class="hub", reason="429")
    upstream.circuit(host_class="hub", state="open", host="hub.docker.com")
    upstream.quota(limit=100, remaining=1, window_s=21600)
    cache.size(bytes_=1, entries=1)
    security.refused(rule="schema", code="INVALID_INPUT")
    security.limit(decision="allowed", window="")
    security.audit(event="intent", seconds=0.1)
    security.sanitized(kind="ansi", count=1)
    text = metrics.render().decode()
    assert 'mcp_dockerhub_upstream_circuits{host_class="hub",state="open"} 1.0' in text
    assert 'mcp_dockerhub_limit_decisions_total{decision="allowed",window=""} 1.0' in text


def test_the_codes_counted_are_the_codes_there_are() -> None:
    assert {code.value for code in ErrorCode} == CODES
    assert {"error"} == FAULTS - CODES
