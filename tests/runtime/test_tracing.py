"""Traces that every service works out alike, from an event's place in the log."""

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tellers_core.codec import LogName
from tellers_runtime.tracing import (
    NO_TRACES,
    TRACEPARENT,
    ids_of,
    traces_by,
    traces_to,
)

GA = LogName("ga")
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def by_name(spans: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in spans.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


def test_three_services_that_never_met_make_one_trace(
    spans: InMemorySpanExporter,
) -> None:
    ingest = traces_by(spans, "ingest", at_once=True)
    tally = traces_by(spans, "tally", at_once=True)
    gateway = traces_by(spans, "gateway", at_once=True)
    began = ingest.clock()
    token = TRACEPARENT.set(CALLER)
    try:
        ingest.appended(GA, [41, 42], began)
    finally:
        TRACEPARENT.reset(token)
    tally.counted(GA, [41, 42], tally.clock())
    gateway.shown(GA, [42], gateway.clock())

    found = by_name(spans)
    roots = found["ingest.append"]
    assert [span.parent for span in roots] == [None, None]
    for seq, root in zip((41, 42), roots, strict=True):
        context = root.get_span_context()
        assert context is not None
        assert (context.trace_id, context.span_id) == ids_of(GA, seq)
        assert root.attributes == {"tellers.log": "ga", "tellers.seq": seq}
        (link,) = root.links
        assert f"{link.context.trace_id:032x}" == CALLER.split("-")[1]
    (shown,) = found["gateway.show"]
    for span in (found["tally.count"][1], shown):
        assert span.parent is not None
        assert (span.parent.trace_id, span.parent.span_id) == ids_of(GA, 42)
        context = span.get_span_context()
        assert context is not None
        assert context.trace_id == ids_of(GA, 42).trace
    assert shown.resource.attributes["service.name"] == "tellers-gateway"


def test_a_caller_without_a_trace_or_with_nonsense_is_not_linked(
    spans: InMemorySpanExporter,
) -> None:
    ingest = traces_by(spans, "ingest", at_once=True)
    ingest.appended(GA, [1], ingest.clock())
    token = TRACEPARENT.set("nonsense")
    try:
        ingest.appended(GA, [2], ingest.clock())
    finally:
        TRACEPARENT.reset(token)
    assert [span.links for span in spans.get_finished_spans()] == [(), ()]


def test_every_log_and_seq_has_ids_of_its_own() -> None:
    places = [
        (LogName(chamber, kind), seq)
        for chamber in ("ga", "sc")
        for kind in (False, True)
        for seq in range(1, 200)
    ]
    assert len({ids_of(*place) for place in places}) == len(places)
    assert all(ids_of(*place).trace and ids_of(*place).root for place in places)


def test_off_is_off() -> None:
    assert traces_to("", "ingest") is NO_TRACES
    assert not NO_TRACES.on
    assert NO_TRACES.clock() == 0


@pytest.mark.parametrize("service", ["ingest", "tally", "gateway"])
def test_off_we_import_nothing_that_traces(service: str) -> None:
    # redis-py takes its metrics' interface where it finds it installed.
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import tellers_{service}.__main__, sys;"
            "ours = 'opentelemetry.sdk.trace', 'opentelemetry.exporter';"
            "print([name for name in sys.modules if name.startswith(ours)])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"


def test_without_the_extra_an_endpoint_is_refused_by_name(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None;"
        "from tellers_runtime.tracing import traces_to;"
        "traces_to('http://127.0.0.1:1', 'ingest')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "install tellers-runtime[otel]" in done.stderr
