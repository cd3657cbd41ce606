"""What a browser asks before a page elsewhere may send a header of its own (CORS).

Only of reads, which are public and take no credentials. The management of webhooks has
no pages elsewhere: there a preflight is refused like any method that is not known.
"""

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tellers_gateway import webhooks_admin

ASKS = b"access-control-request-method"
ANSWER = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    # `*` is any but Authorization; the two by name for browsers that do not know it.
    "Access-Control-Allow-Headers": "If-None-Match, Last-Event-ID, *",
    "Access-Control-Max-Age": "600",
}


class Preflight:
    """Answers preflights of reads; all else is the app's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_of_a_read(scope):
            await Response(status_code=204, headers=ANSWER)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_of_a_read(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "OPTIONS"
        and any(name == ASKS for name, _ in scope["headers"])
        and not scope["path"].startswith(webhooks_admin.PREFIX)
    )
