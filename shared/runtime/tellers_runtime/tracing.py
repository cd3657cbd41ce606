"""Traces across the services, where somebody wants them (`tellers-runtime[otel]`).

An event has a trace of its own, and every service works out its id from the event's
place in the log, so that nothing need travel with it: entries are canonical and signed
(ADR 3), and stay as they are (ADR 37).

    request's own trace                     the event's trace: SHA-256 of "ga/42"
      PUT /v1/ga/...  ┄┄┄┄ link ┄┄┄┄┄┄┄┄┄>  ingest.append   sent until appended
                                              tally.count   read until published
                                              gateway.show  read until broadcast

Off by default; then nothing of OpenTelemetry is even imported.
"""

import hashlib
import sys
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tellers_core.codec import LogName

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Link

# The `traceparent` of the request that is being answered (W3C Trace Context).
TRACEPARENT: ContextVar[str] = ContextVar("traceparent", default="")
_SAMPLED = 1


class Traces(Protocol):
    """What services tell of an event's way. Times are `clock()` when it began."""

    on: bool

    def clock(self) -> int:
        """Nanoseconds, as `began` wants them; 0 when nobody traces."""

    def appended(self, log: LogName, seqs: Iterable[int], began: int) -> None:
        """Ingest has appended these events for the request of `TRACEPARENT`."""

    def counted(self, log: LogName, seqs: Iterable[int], began: int) -> None:
        """The tally service has published what follows from these events."""

    def shown(self, log: LogName, seqs: Iterable[int], began: int) -> None:
        """A gateway has handed the tallies at these events to its viewers."""


class _NoTraces:
    on = False

    def clock(self) -> int:
        return 0

    def appended(self, log: LogName, seqs: Iterable[int], began: int) -> None: ...
    def counted(self, log: LogName, seqs: Iterable[int], began: int) -> None: ...
    def shown(self, log: LogName, seqs: Iterable[int], began: int) -> None: ...


NO_TRACES: Traces = _NoTraces()


class Ids(NamedTuple):
    """Of an event's trace, and of the span in it that all others are under."""

    trace: int
    root: int


def ids_of(log: LogName, seq: int) -> Ids:
    """What every service works out alike."""
    digest = hashlib.sha256(f"{log}/{seq}".encode()).digest()
    # Neither may be zero, and of these 2^64 none will be.
    return Ids(int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big"))


def traces_to(endpoint: str, service: str) -> Traces:
    """Traces that are sent to an OTLP collector; NO_TRACES when there is none.

    Ends the process with one sentence when OpenTelemetry is not installed.
    """
    if not endpoint:
        return NO_TRACES
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter,
        )
    except ImportError:
        sys.exit(
            "TELLERS_TRACES_ENDPOINT needs OpenTelemetry: install tellers-runtime[otel]"
        )
    return traces_by(OTLPSpanExporter(endpoint=endpoint), service)


def traces_by(
    exporter: "SpanExporter", service: str, *, at_once: bool = False
) -> Traces:
    """Traces that go to an exporter, in batches from a thread of their own; `at_once`
    for tests."""
    # ruff: noqa: PLC0415 - nobody else pays for it
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    provider = TracerProvider(
        resource=Resource({SERVICE_NAME: f"tellers-{service}"}), shutdown_on_exit=True
    )
    processor = SimpleSpanProcessor if at_once else BatchSpanProcessor
    provider.add_span_processor(processor(exporter))
    return _Otel(provider)


class _Otel:
    on = True

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.trace.propagation.tracecontext import (
            TraceContextTextMapPropagator,
        )

        planned = self._planned = _Planned()

        class Generator(RandomIdGenerator):
            """The next root is the event's; all else is by chance."""

            def generate_trace_id(self) -> int:
                return planned.ids.trace if planned.ids else super().generate_trace_id()

            def generate_span_id(self) -> int:
                return planned.ids.root if planned.ids else super().generate_span_id()

        provider.id_generator = Generator()
        self._api = trace
        self._w3c = TraceContextTextMapPropagator()
        self._tracer = provider.get_tracer("tellers")

    def clock(self) -> int:
        # Spans are on the wall clock, as those of everybody else.
        return time.time_ns()  # noqa: TID251

    def appended(self, log: LogName, seqs: Iterable[int], began: int) -> None:
        links = self._links()
        for seq in seqs:
            self._planned.ids = ids_of(log, seq)
            try:
                span = self._tracer.start_span(
                    "ingest.append",
                    context=self._api.set_span_in_context(self._api.INVALID_SPAN),
                    attributes=_attributes(log, seq),
                    links=links,
                    start_time=began,
                )
            finally:
                self._planned.ids = None
            span.end(self.clock())

    def counted(self, log: LogName, seqs: Iterable[int], began: int) -> None:
        self._under("tally.count", log, seqs, began)

    def shown(self, log: LogName, seqs: Iterable[int], began: int) -> None:
        self._under("gateway.show", log, seqs, began)

    def _under(self, name: str, log: LogName, seqs: Iterable[int], began: int) -> None:
        for seq in seqs:
            ids = ids_of(log, seq)
            root = self._api.SpanContext(
                ids.trace,
                ids.root,
                is_remote=True,
                trace_flags=self._api.TraceFlags(_SAMPLED),
            )
            span = self._tracer.start_span(
                name,
                context=self._api.set_span_in_context(self._api.NonRecordingSpan(root)),
                attributes=_attributes(log, seq),
                start_time=began,
            )
            span.end(self.clock())

    def _links(self) -> "list[Link]":
        parent = TRACEPARENT.get()
        if not parent:
            return []
        context = self._w3c.extract({"traceparent": parent})
        asked = self._api.get_current_span(context).get_span_context()
        return [self._api.Link(asked)] if asked.is_valid else []


class WithTraceparent:
    """Keeps a request's `traceparent` where `appended` finds it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            TRACEPARENT.set(Headers(scope=scope).get("traceparent", ""))
        await self._app(scope, receive, send)


class _Planned:
    ids: Ids | None = None


def _attributes(log: LogName, seq: int) -> dict[str, str | int]:
    return {"tellers.log": str(log), "tellers.seq": seq}
