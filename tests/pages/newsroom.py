"""A page of somebody else's, on another host."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@contextmanager
def newsroom(body: str, files: Mapping[str, bytes] | None = None) -> Iterator[str]:
    """The address of a page with this body. Args: files: scripts beside it, by path."""
    scripts = files or {}

    class Newsroom(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = scripts.get(self.path)
            page = f"<!doctype html><html lang='fr'><title>News</title>{body}"
            kind = "text/html" if script is None else "text/javascript"
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode() if script is None else script)

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Newsroom) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
