"""`/healthz`, `/readyz` and `/metrics`, the same in every process.

What is missing is named to everybody, as the contract says; why (an address, a message
of Redis) only to who asks on this machine. It is in the log, too.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tellers_runtime.connections import network_of

# Names what is needed and cannot be reached, with the reason; empty when ready.
Readiness = Callable[[Request], Awaitable[Mapping[str, str]]]
MONITORING = "monitoring"
_ANY_JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}


def health_router(readiness: Readiness) -> APIRouter:
    """The three routes; `readiness` says what is missing."""
    router = APIRouter(tags=[MONITORING])

    @router.get("/healthz", summary="The process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/readyz",
        summary="Ready, or 503 naming what it cannot reach",
        responses={503: {"description": "Not ready", "content": _ANY_JSON}},
    )
    async def readyz(request: Request) -> JSONResponse:
        missing = await readiness(request)
        if missing:
            if not _asks_here(request):
                missing = dict.fromkeys(missing, "not available")
            body = {"status": "not ready", "missing": dict(missing)}
            return JSONResponse(body, 503)
        return JSONResponse({"status": "ready"})

    @router.get(
        "/metrics",
        summary="Metrics in Prometheus' text format",
        response_class=PlainTextResponse,
    )
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def _asks_here(request: Request) -> bool:
    """Whether the client is on this machine, and no proxy that stands before others."""
    client = request.client.host if request.client else ""
    forwarded = any(
        name in request.headers for name in ("X-Forwarded-For", "Forwarded")
    )
    return bool(client) and not network_of(client) and not forwarded
