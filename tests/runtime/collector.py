"""A collector of traces for tests: takes OTLP over HTTP and keeps what it was told."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from turnosya.runtime import spans
from turnosya.runtime.spans import Span


@dataclass(frozen=True, slots=True)
class Told:
    """One step as the collector has it; ids in hexadecimal."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    failure: str
    attributes: dict[str, str | int]
    took_ns: int


@dataclass
class Collector:
    """What it was told, and how it answers."""

    url: str = ""
    status: int = 200
    told: list[Told] = field(default_factory=list[Told])
    bodies: list[bytes] = field(default_factory=list[bytes])

    async def names(self) -> list[str]:
        """Of all steps so far."""
        return [one.name for one in self.told]

    def named(self, name: str) -> Told:
        """The one step of this name."""
        (found,) = [one for one in self.told if one.name == name]
        return found

    def take(self, path: str, body: bytes) -> int:
        """Reads one request; the status of its answer."""
        assert path == "/v1/traces"
        if self.status == 200:
            self.bodies.append(body)
            self.told += _read(body)
        return self.status


class Kept:
    """A recorder that keeps steps where a test sees them."""

    def __init__(self) -> None:
        self.share = 1.0
        self.steps: list[Span] = []

    def keep(self, span: Span) -> None:
        """One more."""
        self.steps.append(span)


@contextmanager
def keeping_steps() -> Generator[Kept]:
    """While the block runs, this process tells of its steps."""
    kept = Kept()
    spans.record_with(kept)
    try:
        yield kept
    finally:
        spans.record_with(None)


def _read(body: bytes) -> list[Told]:
    request: Any = ExportTraceServiceRequest.FromString(body)
    found: list[Told] = []
    for group in request.resource_spans:
        about = {one.key: one.value.string_value for one in group.resource.attributes}
        assert about["service.namespace"] == "turnosya"
        for span in (span for scope in group.scope_spans for span in scope.spans):
            attributes = {one.key: one.value.int_value or one.value.string_value for one in span.attributes}
            found.append(
                Told(
                    about["service.name"], span.name, span.kind, span.trace_id.hex(), span.span_id.hex(),
                    span.parent_span_id.hex(), span.status.message if span.status.code == 2 else "",
                    attributes, span.end_time_unix_nano - span.start_time_unix_nano,
                )
            )  # fmt: skip
    return found


@contextmanager
def a_collector() -> Generator[Collector]:
    """Listens while the block runs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(collector.take(self.path, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own signature
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
