"""Hands steps of traces to a collector, as OpenTelemetry's OTLP over HTTP, from a thread of its own.

Whoever takes a step pays for an append. A collector that is slow or away costs nobody anything: the queue is
bounded, the oldest step goes first, and what was not taken is counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from turnosya.runtime import metrics, spans

if TYPE_CHECKING:
    from uuid import UUID

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from turnosya.runtime.settings import ProcessSettings
    from turnosya.runtime.spans import Span

log = structlog.get_logger()

MOST_STEPS, BATCH_STEPS = 10_000, 512
_EVERY_S = 1.0
_EXPORT_WITHIN_S, _LAST_WITHIN_S = 5.0, 3.0


@asynccontextmanager
async def exporting_traces(settings: ProcessSettings, process_id: UUID) -> AsyncGenerator[None]:
    """While the block runs, if a collector is set; at its end what is left is handed over, within 3 s."""
    if settings.otlp_endpoint is None:
        yield
        return
    # Here, so that a process without a collector loads nothing of it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    # It calls each try to reach a collector that is away an error; we count what was not taken.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    endpoint = f"{str(settings.otlp_endpoint).rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_WITHIN_S)
    recorder = TraceExport(exporter, process_id, share=settings.traces_share)
    recorder.start()
    spans.record_with(recorder)
    try:
        yield
    finally:
        spans.record_with(None)
        await asyncio.to_thread(recorder.stop)


class TraceExport:
    """A bounded queue of steps, and the thread that empties it."""

    def __init__(self, exporter: SpanExporter, process_id: UUID, *, share: float) -> None:
        self.share = share
        self._exporter = exporter
        self._process_id = process_id
        self._steps: deque[Span] = deque()
        self._resources: dict[str, Resource] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)

    def keep(self, span: Span) -> None:
        """Puts a step into the queue; drops the oldest when there are too many."""
        if len(self._steps) >= MOST_STEPS:
            self._steps.popleft()
            metrics.spans.labels("dropped").inc()
        self._steps.append(span)
        if len(self._steps) >= BATCH_STEPS:
            self._wake.set()

    def start(self) -> None:
        """Begins to hand over."""
        self._thread.start()

    def stop(self) -> None:
        """Hands over what is left, if the collector takes it in time."""
        self._stopping = True
        self._wake.set()
        self._thread.join(_LAST_WITHIN_S)
        # Ends its waits between tries; what the thread then still holds goes with the process.
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(_EVERY_S)
            self._wake.clear()
            try:
                self.hand_over()
            except Exception:
                # Those steps are lost; the next ones need not be.
                log.exception("traces_not_handed_over")
        self.hand_over()

    def hand_over(self) -> None:
        """All that is there now, in batches; a batch that the collector does not take is not tried again."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        while batch := self.batch():
            result = self._exporter.export([self._told(span) for span in batch])
            outcome = "taken" if result is SpanExportResult.SUCCESS else "refused"
            metrics.spans.labels(outcome).inc(len(batch))

    def batch(self) -> Sequence[Span]:
        """The oldest steps, which are no longer kept here."""
        batch: list[Span] = []
        while self._steps and len(batch) < BATCH_STEPS:
            batch.append(self._steps.popleft())
        return batch

    def _told(self, span: Span) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags  # noqa: PLC0415

        trace, flags = span.trace, TraceFlags(TraceFlags.SAMPLED)
        trace_id = int(trace.trace_id, 16)
        parent = trace.parent_id and SpanContext(trace_id, int(trace.parent_id, 16), True, flags)
        status = Status(StatusCode.ERROR, span.failure) if span.failure else Status(StatusCode.UNSET)
        return ReadableSpan(
            span.name,
            context=SpanContext(trace_id, int(trace.span_id, 16), False, flags),
            parent=parent or None,
            resource=self._resource(span.service),
            attributes={**span.attributes, "turnosya.request_id": trace.request_id},
            kind=SpanKind[span.kind.name],
            status=status,
            start_time=span.began_ns,
            end_time=span.ended_ns,
        )

    def _resource(self, service: str) -> Resource:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

        if service not in self._resources:
            self._resources[service] = Resource(
                {
                    "service.name": service,
                    "service.namespace": "turnosya",
                    "service.instance.id": str(self._process_id),
                }
            )
        return self._resources[service]
