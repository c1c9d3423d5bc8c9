"""Traces of a real server, through the real exporter, at a stand-in collector."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.clients.lines import DEADLINE, LineClient
from tests.upstreams.seeded import Upstreams, running_upstreams

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Collector:
    """Keeps what an OTLP exporter sends over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(DEADLINE)
        self._server.server_close()


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    with running_upstreams() as running:
        yield running


@pytest.fixture(params=[False, True], ids=["kept", "passed on"])
def propagated(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_call_is_one_trace_from_its_client_to_its_upstreams(
    upstreams: Upstreams, tmp_path: Path, propagated: bool
) -> None:
    audit = tmp_path / "audit.jsonl"
    upstreams.registry.clear()
    with Collector() as collector:
        environment = {
            **upstreams.settings(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "MCP_DOCKERHUB_AUDIT_FILE": str(audit),
            "MCP_DOCKERHUB_TRACE_UPSTREAMS": str(propagated).lower(),
        }
        with LineClient(environment) as client:
            client.initialize()
            arguments = {"image": "nginx:alpine"}
            call = {"name": "docker_get_manifest", "arguments": arguments, "_meta": {"traceparent": PARENT}}
            assert not client.request("tools/call", call)["result"].get("isError")
            client.end_of_input()
            assert client.process.wait(DEADLINE) == 0
    spans = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    names = [span.name for span in spans]
    assert "tools/call docker_get_manifest" in names
    assert {"guard", "cache fetch", "HEAD", "GET"} <= set(names)
    by_id = {span.span_id: span for span in spans}
    (root,) = [span for span in spans if span.parent_span_id not in by_id]
    assert root.parent_span_id.hex() == PARENT.split("-")[2]
    assert "nginx" not in str(spans).replace("docker_get_manifest", "")
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    assert TRACE in {record.get("trace_id") for record in records}
    parents = [request.headers.get("traceparent", "") for request in upstreams.registry.requests]
    told = {TRACE in parent for parent in parents}
    assert told == {propagated}


def test_a_collector_that_is_gone_costs_no_answer_and_little_time(upstreams: Upstreams, tmp_path: Path) -> None:
    environment = {**upstreams.settings(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with LineClient(environment) as client:
        client.initialize()
        assert not client.call("docker_get_manifest", {"image": "nginx:alpine"}).get("isError")
        started = time.monotonic()
        client.end_of_input()
        assert client.process.wait(DEADLINE) == 0
        assert time.monotonic() - started < 3
