"""F25: what the documents allow and what they do not, against both services.

No request may end in an error of ours, nor in an answer that the OpenAPI document does
not announce: status, media type, shape, allowed methods, and that a token is needed.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response

from tellers_runtime import problems
from tellers_runtime.connections import Limits
from tellers_runtime.openapi import with_problems
from tellers_runtime.server import configuration, listen
from tests.e2e.stack import Stack
from tests.faults.fuzzing import Found, fuzz, together
from tests.faults.report import Report, size
from tests.servers import wait_until

FAULT = "F25 API fuzz"
EXAMPLES = size(5, 200)
# Of identifiers that do not exist; most of it is answered 404.
AT_RANDOM = size(5, 50)
KNOWN = {
    "path.chamber": "ga",
    "path.roll_call": ["es-11-1", "es-11-2", "es-11-3", "nothing"],
    "path.other": "es-11-1",
    "path.delegation": ["FRA", "PER", "XXX"],
}
# Nobody is limited here: 429 would hide what is behind it.
UNLIMITED = {
    "TELLERS_COMMANDS_PER_SECOND": "0",
    "TELLERS_FAILURES_PER_SECOND": "0",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Stack(folder, settings=UNLIMITED) as stack, stack.webhooks:
        wait_until(stack.webhooks.ready, 60, "webhooks to be ready")
        with closing(stack.clerk().http) as http:
            clerk = stack.clerk()
            clerk.http = http
            clerk.replay("es-11-1", [("FRA", "yes"), ("PER", "no")])
            clerk.open("es-11-2")
            clerk.schedule("es-11-3")
        yield stack


def test_nothing_that_is_sent_ends_in_an_error_of_ours(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    gateway, ingest, token = stack.gateway_url, stack.ingest_url, stack.token
    found = together(
        fuzz(gateway, tmp_path / "any", AT_RANDOM),
        fuzz(gateway, tmp_path / "known", EXAMPLES, known=KNOWN),
        fuzz(gateway, tmp_path / "managed", EXAMPLES, token=token, known=KNOWN),
        fuzz(ingest, tmp_path / "commands", AT_RANDOM, token=token),
        fuzz(ingest, tmp_path / "calls", EXAMPLES, token=token, known=KNOWN),
    )
    report.figures(FAULT, **_figures(found))
    assert found[2:5] == (0, 0, 0), found.said
    assert all(service.ready() for service in stack.services)


def test_what_is_wrong_is_found(tmp_path: Path, report: Report) -> None:
    with _planted() as url:
        found = fuzz(url, tmp_path / "planted", EXAMPLES)
    report.control(FAULT, "a handler without faults", **_figures(found))
    assert found.server_errors > 0
    assert found.undocumented > 0


def _figures(found: Found) -> dict[str, int]:
    return {
        "operations": found.operations,
        "requests": found.requests,
        "server_errors": found.server_errors,
        "undocumented": found.undocumented,
        "other": found.other,
    }


@contextmanager
def _planted() -> Iterator[str]:
    """A service built as ours are, with a division by zero and a secret status."""
    app = FastAPI(openapi_url=None)
    problems.install(app)

    @app.get("/v1/halves/{number}")
    async def halves(number: int) -> int:
        return 1 // number

    @app.get("/v1/teapot")
    async def teapot() -> Response:
        return Response(status_code=418)

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> dict[str, object]:
        return with_problems(app.openapi(), {422: "`bad_request`"})

    sock = listen("127.0.0.1", 0)
    server = uvicorn.Server(configuration(app, Limits()))
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(asyncio.run, server._serve(sockets=[sock]))
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            serving.result()
