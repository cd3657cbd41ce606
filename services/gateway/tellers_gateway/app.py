"""The gateway as an application: routes, headers for every answer, readiness."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp

from tellers_gateway import (
    cards,
    certificates,
    checkpoints,
    derived,
    element,
    graphics,
    oembed,
    pages,
    reads,
    result_page,
    sse,
    status,
    webhooks_admin,
)
from tellers_gateway.admission import Admission
from tellers_gateway.heads import Heads
from tellers_gateway.hub import NotReady
from tellers_gateway.openapi import GatewayApp
from tellers_gateway.preflight import Preflight
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.state import Hubs, State, unavailable
from tellers_runtime import outermost, problems
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.archive.trees import TreeBroken
from tellers_runtime.health import health_router
from tellers_runtime.log import LogLost, Unavailable

DESCRIPTION = """Live vote tallies: public, read only. Every error is a problem document
(RFC 9457) with a stable `code`. Live feeds: WebSocket `tellers.v1` or server-sent
events on `/v1/{chamber}/live`."""

# Public reads carry no credentials: any page anywhere may use them.
PUBLIC_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "ETag, Link, RateLimit, RateLimit-Policy, Retry-After"
    ),
    "Cross-Origin-Resource-Policy": "cross-origin",
    # For what is no page and was opened as one; the pages have a policy of their own.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    **outermost.HEADERS,
}


def create_app(settings: GatewaySettings, hubs: Hubs, proofs: ProofReader) -> FastAPI:
    """The gateway over these hubs, which somebody else runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        yield {
            "hubs": hubs,
            "settings": settings,
            "proofs": proofs,
            "pictures": cards.Pictures(),
        }

    async def readiness(_: Request) -> Mapping[str, str]:
        return {f"log {log}": hub.trouble for log, hub in hubs.items() if hub.trouble}

    class _Gateway(GatewayApp):
        def build_middleware_stack(self) -> ASGIApp:
            admitting = Admission(
                super().build_middleware_stack(), settings.reads_per_second_here
            )
            asked = Heads(Preflight(admitting))
            answering = outermost.AnswerHeaders(asked, PUBLIC_HEADERS)
            return outermost.behind(settings.trusted_proxies, answering)

    app = _Gateway(
        title="Tellers gateway",
        description=DESCRIPTION,
        version="1.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in (
        reads.router,
        derived.router,
        cards.router,
        certificates.router,
        checkpoints.router,
        status.router,
        graphics.router,
        oembed.router,
        result_page.router,
        sse.router,
        pages.router,
        element.router,
        webhooks_admin.router,
    ):
        app.include_router(router)
    app.include_router(health_router(readiness))
    problems.install(app)
    for away in (NotReady, LogLost, DBAPIError, *Unavailable):
        app.add_exception_handler(away, _away)
    app.add_exception_handler(TreeBroken, certificates.broken)
    pages.mount_files(app)
    return app


async def _away(_: Request, error: Exception) -> Response:
    return unavailable().response()
