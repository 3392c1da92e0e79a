"""Spans of requests, operations and model requests, and what must never stand in them."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from door import open_door, open_services
from driftpin.server.traces import OpenTelemetrySpans, spans_from
from driftpin.spans import NO_SPANS
from driftpin.store.database import Database
from driftpin.store.store import Store
from people import People
from stepping import SteppedClock

PROGRAM = """
import os
from driftpin.server.traces import spans_from
with spans_from(os.environ).span("a span"):
    pass
"""
WAIT_S = 30


@pytest.fixture
def exporter(database: Database) -> InMemorySpanExporter:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    database.spans = OpenTelemetrySpans(provider.get_tracer("test"))
    return kept


async def test_a_request_and_its_operation_are_spans_without_anything_of_the_user(
    store: Store, people: People, clock: SteppedClock, exporter: InMemorySpanExporter
) -> None:
    door = open_door(await open_services(store, clock), people)
    await door.hello()
    exporter.clear()
    assert (await door.push(AGENTS="a secret of somebody's")).status_code == 200
    assert (await door.get(people.other, f"/workspaces/{people.workspace_id}")).status_code == 404
    await door.http.aclose()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    request = spans["POST /api/v1/agent/snapshots"]
    operation = spans["operation accept_snapshot"]
    assert operation.parent is not None
    assert request.context is not None
    assert operation.parent.span_id == request.context.span_id
    assert dict(request.attributes or {}) == {"http.response.status_code": 200}
    refused = spans["GET /api/v1/workspaces/{workspace_id}"]
    assert dict(refused.attributes or {}) == {"http.response.status_code": 404}
    written = "".join(map(_written, exporter.get_finished_spans()))
    for secret in ("secret", people.workspace_id, "AGENTS", await door.token_of(people.agent)):
        assert secret not in written


def test_without_a_place_to_send_them_there_are_no_spans() -> None:
    assert spans_from({}) is NO_SPANS
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    assert spans_from({**endpoint, "OTEL_SDK_DISABLED": "true"}) is NO_SPANS
    loaded = "import sys, driftpin.server.traces; print('opentelemetry' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=WAIT_S
    )
    assert said.stdout.strip() == "False"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str]]]:
    """A place that takes traces over HTTP: its address, and the paths that were sent to."""
    paths: list[str] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 as above
            return

    server = HTTPServer(("127.0.0.1", 0), Taker)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    serving.join()
    server.server_close()


def test_spans_are_sent_where_the_environment_says(collector: tuple[str, list[str]]) -> None:
    endpoint, paths = collector
    subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"},
        check=True,
        timeout=WAIT_S,
    )
    assert paths == ["/v1/traces"]


def _written(span: ReadableSpan) -> str:
    return f"{span.name} {dict(span.attributes or {})} {span.events} {span.status.description}"
