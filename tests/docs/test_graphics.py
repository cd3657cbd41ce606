"""Every piece of docs/graphics.md does what the page says; the graphics systems are
stand-ins: a server that takes PUT, an object with `Replicant`."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.docs.pieces import Piece, pieces, run
from tests.e2e.stack import Stack

TRIO, SINGULAR, NODECG = pieces("graphics.md")
VOTES = [("FRA", "yes"), ("CHN", "abstain"), ("BLR", "no")]
HOST = """
import extension from "./extension.mjs";
const replicants = {};
const Replicant = (name, options) => (replicants[name] = { options });
await extension({ Replicant });
console.log(JSON.stringify(replicants));
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("graphics")) as stack:
        clerk = stack.clerk()
        with clerk.http:
            clerk.replay("es-11-1", VOTES)
        yield stack


@pytest.fixture(scope="module")
def row(stack: Stack) -> dict[str, Any]:
    """The flat row, as the tool is to have it."""
    url = f"{stack.gateway_url}/v1/ga/roll-calls/es-11-1/flat.json"
    (found,) = httpx.get(url, verify=False).json()
    assert (found["yes"], found["no"], found["abstain"]) == (1, 1, 1)
    shown: dict[str, Any] = found
    return shown


def test_viz_trio(stack: Stack, tmp_path: Path, row: dict[str, Any]) -> None:
    assert json.loads(run(TRIO, stack, tmp_path)) == row


def test_singular(stack: Stack, tmp_path: Path, row: dict[str, Any]) -> None:
    put: list[tuple[str, Any]] = []

    class Datastream(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            put.append((self.path, json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Datastream) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/datastreams/token"
        run(SINGULAR, stack, tmp_path, SINGULAR_STREAM=address)
        server.shutdown()
    assert put == [("/datastreams/token", row)]


def test_nodecg(stack: Stack, tmp_path: Path, row: dict[str, Any]) -> None:
    client = httpx.get(
        f"{stack.gateway_url}/elements/tellers-client.v1.mjs", verify=False
    )
    (tmp_path / "tellers-client.v1.mjs").write_text(client.text, "utf-8")
    address = stack.gateway_url.removeprefix("http://")
    extension = NODECG.code.replace("127.0.0.1:8000", address)
    (tmp_path / "extension.mjs").write_text(extension, "utf-8")
    (replicant,) = json.loads(run(Piece("", "js", HOST), stack, tmp_path)).values()
    assert replicant == {
        "options": {"persistent": False, "defaultValue": {}},
        "value": row,
    }
