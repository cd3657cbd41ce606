"""The gateway as an application: routes, headers for every answer, readiness."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tellers_gateway import pages, reads, sockets, sse
from tellers_gateway.hub import NotReady
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.state import Hubs, State, unavailable
from tellers_runtime import problems
from tellers_runtime.health import health_router
from tellers_runtime.log import LogLost, Unavailable

DESCRIPTION = """Live vote tallies: public, read only. Every error is a problem document
(RFC 9457) with a stable `code`. Live feeds: WebSocket `tellers.v1` or server-sent
events on `/v1/{chamber}/live`."""

# Public reads carry no credentials: any page anywhere may use them.
PUBLIC_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Retry-After",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


class PublicHeaders:
    """Adds the headers that every answer of the gateway has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(PUBLIC_HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)


class _Gateway(FastAPI):
    """Has the public headers outermost: on an answer to an error of ours too."""

    def build_middleware_stack(self) -> ASGIApp:
        return PublicHeaders(super().build_middleware_stack())


def create_app(settings: GatewaySettings, hubs: Hubs) -> FastAPI:
    """The gateway over these hubs, which somebody else runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        yield {"hubs": hubs, "settings": settings}

    async def readiness(_: Request) -> Mapping[str, str]:
        return {f"log {log}": hub.trouble for log, hub in hubs.items() if hub.trouble}

    app = _Gateway(
        title="Tellers gateway",
        description=DESCRIPTION,
        version="1.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in (reads.router, sse.router, sockets.router, pages.router):
        app.include_router(router)
    app.include_router(health_router(readiness))
    problems.install(app)
    for away in (NotReady, LogLost, DBAPIError, *Unavailable):
        app.add_exception_handler(away, _away)
    pages.mount_files(app)
    return app


async def _away(_: Request, error: Exception) -> Response:
    return unavailable().response()
