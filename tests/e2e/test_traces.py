"""One vote's trace across three processes, at a collector that speaks OTLP."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from tellers_core.codec import LogName
from tellers_runtime.tracing import ids_of
from tests.e2e.stack import Stack
from tests.servers import HOST, wait_until

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(HTTPServer):
    """Takes spans: service and name, by the id of their trace."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.spans: dict[int, set[tuple[str, str]]] = {}
        self.linked: dict[int, set[str]] = {}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/v1/traces"

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = (
                attribute.value.string_value
                for attribute in resource.resource.attributes
                if attribute.key == "service.name"
            )
            for scope in resource.scope_spans:
                for span in scope.spans:
                    trace = int.from_bytes(span.trace_id, "big")
                    self.spans.setdefault(trace, set()).add((service, span.name))
                    self.linked.setdefault(trace, set()).update(
                        link.trace_id.hex() for link in span.links
                    )


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Collector)
        self.server.take(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_vote_is_one_trace_from_the_request_to_the_screens(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")  # milliseconds
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    settings = {"TELLERS_TRACES_ENDPOINT": collector.url}
    with Stack(tmp_path, settings=settings) as stack:
        clerk = stack.clerk()
        with clerk.http as http:
            clerk.open("one", rule="simple")
            http.headers["traceparent"] = CALLER
            seq = clerk.vote("one", "FRA", "yes")["seq"]
        trace = ids_of(LogName("ga"), seq).trace
        wait_until(
            lambda: (
                collector.spans.get(trace)
                == {
                    ("tellers-ingest", "ingest.append"),
                    ("tellers-tally", "tally.count"),
                    ("tellers-gateway", "gateway.show"),
                }
            ),
            20,
            "the three spans of a vote",
        )
        assert collector.linked[trace] == {CALLER.split("-")[1]}
