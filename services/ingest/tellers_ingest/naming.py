"""Gives every request a name: in every line of the log about it, and in the answer."""

import itertools
import secrets
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from tellers_runtime.outermost import on_the_line, with_headers

HEADER = b"request-id"


class Named:
    """Names requests `<process>-<number>`; a client's own names are not believed.

    Args:
        headers: what every answer has beside the name, unless it has it already.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = on_the_line(headers)
        self._process = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"{self._process}-{next(self._numbers)}"
        sending = with_headers(send, [*self._headers, (HEADER, name.encode())])
        bound = bind_contextvars(request=name)
        try:
            await self._app(scope, receive, sending)
        finally:
            reset_contextvars(**bound)
