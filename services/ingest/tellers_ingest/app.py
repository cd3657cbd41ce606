"""The ingest service's HTTP app."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypedDict

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response
from redis.exceptions import RedisError
from starlette.types import ASGIApp, Receive, Scope, Send

from tellers_ingest import control
from tellers_ingest.approvals import Approvals
from tellers_ingest.auth import Gate
from tellers_ingest.console import console
from tellers_ingest.direct import Direct
from tellers_ingest.handler import Recorder
from tellers_ingest.imports import Importer
from tellers_ingest.imports import router as imports_router
from tellers_ingest.naming import Named
from tellers_ingest.openapi import IngestApp
from tellers_ingest.routes import router
from tellers_ingest.settings import IngestSettings
from tellers_runtime import outermost, problems
from tellers_runtime.clients import Clients
from tellers_runtime.clock import Clock, utc_now
from tellers_runtime.health import Readiness, health_router
from tellers_runtime.log import LogLost, LogReader, LogWriter, NotReplicated
from tellers_runtime.problems import HttpProblem
from tellers_runtime.tokens import TokenStore
from tellers_runtime.tracing import NO_TRACES, Traces, WithTraceparent

logger = structlog.get_logger()

# No answer is anybody else's; the console's pages bring a policy of their own.
HEADERS = {
    **outermost.HEADERS,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class State(TypedDict):
    """What requests find in `request.state`."""

    redis: Clients
    recorder: Recorder
    importer: Importer
    gate: Gate
    chambers: Mapping[str, str]
    settings: IngestSettings
    approvals: Approvals


def create_app(
    settings: IngestSettings, clock: Clock = utc_now, traces: Traces = NO_TRACES
) -> FastAPI:
    """The app; it connects when it is started."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        redis = Clients(settings.redis_url, "tellers-ingest", writing=True)
        writer = LogWriter(redis, settings.replicas, settings.replica_timeout_ms)
        recorder = Recorder(writer, clock, traces)
        yield {
            "redis": redis,
            "recorder": recorder,
            "importer": Importer(writer, clock),
            "gate": Gate(TokenStore(redis.tokens), settings),
            "chambers": settings.composition,
            "settings": settings,
            "approvals": Approvals(redis, writer, clock),
        }
        await recorder.drain()
        await redis.aclose()

    class _Ingest(IngestApp):
        def build_middleware_stack(self) -> ASGIApp:
            inner = super().build_middleware_stack()
            direct = Direct(inner, router.routes, self.exception_handlers)
            traced = WithTraceparent(direct) if traces.on else direct
            return outermost.behind(settings.trusted_proxies, Named(traced, HEADERS))

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and self.middleware_stack is not None:
                # FastAPI would first ask the environment whether it shall measure us.
                scope["app"] = self
                await self.middleware_stack(scope, receive, send)
                return
            await super().__call__(scope, receive, send)

    app = _Ingest(
        title="Tellers ingest",
        summary="Records votes: commands in, events out.",
        lifespan=lifespan,
        docs_url=None,  # both load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(router)
    app.include_router(imports_router)
    app.include_router(control.router)
    app.include_router(console.router)
    console.mount_files(app)
    app.include_router(health_router(_readiness(settings)))
    problems.install(app)
    for lost in (RedisError, LogLost):
        app.add_exception_handler(lost, _unavailable)
    return app


def _readiness(
    settings: IngestSettings,
) -> Readiness:
    async def missing(request: Request) -> Mapping[str, str]:
        redis: Clients = request.state.redis
        readers = (LogReader(redis.of(log.chamber), log) for log in settings.logs)
        try:
            epochs = await asyncio.gather(*(reader.epoch() for reader in readers))
        except RedisError as error:
            return {"redis": str(error)}
        return {
            f"log {log}": "it has no epoch yet: the tally service begins a log"
            for log, epoch in zip(settings.logs, epochs, strict=True)
            if not epoch
        }

    return missing


async def _unavailable(request: Request, error: Exception) -> Response:
    """Nothing was recorded, or it is not known: the same key may be sent again."""
    logger.error("log.unavailable", path=request.url.path, why=str(error))
    why = (
        "the outcome is unknown, too few replicas answered"
        if isinstance(error, NotReplicated)
        else "the log cannot be reached or is not whole"
    )
    problem = HttpProblem(
        "log_unavailable",
        f"{why}; try again with the same key",
        headers={"Retry-After": "1"},
    )
    return problem.response()
