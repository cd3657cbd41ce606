"""Writes an answer whose length is known in one piece.

uvicorn writes an answer's head and its body apart, each a call to the kernel, and looks
at every header with two patterns. That was a seventh of a vote's time in ingest. What
is no plain answer stays uvicorn's: one in parts, to HEAD, or to be written later.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from tellers_runtime.outermost import RawHeaders

# None of these is in a header (RFC 9110, 5.5); a tab may be in a value.
_CONTROLS = bytes({*range(32), 127} - {9})
_BETWEEN, _END = b": ", b"\r\n"


class Whole:
    """The app, for one request: what it answers is written at once where it can be."""

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle
        self._start: Message | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, self._send)

    async def _send(self, message: Message) -> None:
        start, self._start = self._start, None
        if start is None and _has_length(message):
            self._start = message
        elif start is None:
            await self._cycle.send(message)  # type: ignore[arg-type]
        elif not self._write(start, message):
            await self._cycle.send(start)  # type: ignore[arg-type]
            await self._cycle.send(message)  # type: ignore[arg-type]

    def _write(self, start: Message, message: Message) -> bool:
        """Write both; False, and nothing written, when that is for uvicorn to do."""
        cycle, body = self._cycle, message.get("body", b"")
        is_plain = (
            message["type"] == "http.response.body"
            and not message.get("more_body")
            and not cycle.response_started
            and not cycle.disconnected
            and not cycle.flow.write_paused
            and cycle.scope["method"] != "HEAD"
        )
        headers = [*cycle.default_headers, *start["headers"]]
        head = _head(start["status"], headers, len(body)) if is_plain else None
        if head is None:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        last = _END if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.transport.write(b"".join((head, last, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


def _has_length(message: Message) -> bool:
    return message["type"] == "http.response.start" and any(
        name == b"content-length" for name, _ in message.get("headers", ())
    )


def _head(status: int, headers: RawHeaders, length: int) -> bytes | None:
    """Status and headers; None when a header is wrong, or says more than a length."""
    parts = [STATUS_LINE[status]]
    for name, value in headers:
        if name == b"content-length" and value != b"%d" % length:
            return None
        if name in (b"connection", b"transfer-encoding"):
            return None
        parts += name, _BETWEEN, value, _END
    head = b"".join(parts)
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return head if controls == len(_END) * (len(headers) + 1) else None
