"""Answers HEAD as GET is answered, without the body: `curl -I`, caches, monitors."""

from starlette.types import ASGIApp, Receive, Scope, Send

from tellers_gateway.sockets import is_live


class Heads:
    """The app, which is asked for GET; uvicorn, which knows better, sends no body.

    A live feed has no end that could be waited for: of it there is no HEAD.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        if is_http and scope["method"] == "HEAD" and not is_live(scope["path"]):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
