"""Spans to OpenTelemetry, where the environment names a place to send them.

The `OTEL_*` variables are those of OpenTelemetry, and the exporter is the `otel` extra. Nothing of
it is imported otherwise.
"""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from driftpin.spans import NO_SPANS, Span, Spans

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OpenTelemetrySpan
    from opentelemetry.trace import Tracer

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE_NAME: Final = "driftpin"

log = structlog.get_logger(__name__)


class _OpenTelemetrySpan:
    def __init__(self, span: "OpenTelemetrySpan") -> None:
        self._span = span

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)


class OpenTelemetrySpans:
    """Spans of one tracer. An exception marks a span by its type; its text may be a user's."""

    def __init__(self, tracer: "Tracer") -> None:
        """Begin spans with `tracer`."""
        self._tracer = tracer

    @contextmanager
    def span(self, name: str) -> Iterator[Span]:
        """Give a span inside the one that is open here."""
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield _OpenTelemetrySpan(span)
            except Exception as failure:
                span.set_attribute("error.type", type(failure).__name__)
                raise


def spans_from(environment: Mapping[str, str]) -> Spans:
    """Return spans that are exported as the environment says, else ones that cost nothing."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or not any(environment.get(name) for name in ENDPOINTS):
        return NO_SPANS
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        log.warning("traces_off", detail="Install driftpin[otel] to export traces.")
        return NO_SPANS
    # Imported here because it takes long and few deployments trace.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.name": environment.get("OTEL_SERVICE_NAME") or SERVICE_NAME}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetrySpans(provider.get_tracer(SERVICE_NAME))


__all__ = ["ENDPOINTS", "OpenTelemetrySpans", "spans_from"]
