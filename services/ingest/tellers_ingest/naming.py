"""Gives every request a name: in every line of the log about it, and in the answer."""

import itertools
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

HEADER = b"request-id"


class Named:
    """Names requests `<process>-<number>`; a client's own names are not believed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._process = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"{self._process}-{next(self._numbers)}"

        header = HEADER, name.encode()

        async def with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        bound = bind_contextvars(request=name)
        try:
            await self._app(scope, receive, with_name)
        finally:
            reset_contextvars(**bound)
