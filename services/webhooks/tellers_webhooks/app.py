"""The webhooks service's HTTP side: monitoring, and the management that the gateway
hands on."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import Response
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from tellers_runtime import problems
from tellers_runtime.health import health_router
from tellers_runtime.log import LogLost, Unavailable
from tellers_runtime.problems import HttpProblem
from tellers_webhooks import admin
from tellers_webhooks.state import Desk, State


def create_app(desk: Desk) -> FastAPI:
    """The app over a desk whose follower and couriers somebody else runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        yield {"desk": desk}

    async def readiness(_: Request) -> Mapping[str, str]:
        troubles = {
            "archive": desk.follower.trouble,
            "deliveries": desk.couriers.trouble,
            # Asked each time: the follower asks only when a log has grown.
            "redis": await _redis_trouble(desk),
        }
        return {name: trouble for name, trouble in troubles.items() if trouble}

    app = FastAPI(
        title="Tellers webhooks", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.include_router(admin.router)
    app.include_router(health_router(readiness))
    problems.install(app)
    for away in (DBAPIError, RedisError):
        app.add_exception_handler(away, _away)
    return app


async def _redis_trouble(desk: Desk) -> str:
    """Why tokens, and what operators said, cannot be read; "" when they can."""
    try:
        for log in desk.logs:
            await desk.said(log)
    except (*Unavailable, LogLost) as error:
        return str(error) or type(error).__name__
    return ""


async def _away(_: Request, __: Exception) -> Response:
    return HttpProblem(
        "log_unavailable",
        "the archive, or Redis with the tokens, cannot be reached; try again",
        headers={"Retry-After": "1"},
    ).response()
