"""`/healthz`, `/readyz` and `/metrics`, the same in every process."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

# Names what is needed and cannot be reached, with the reason; empty when ready.
Readiness = Callable[[Request], Awaitable[Mapping[str, str]]]


def health_router(readiness: Readiness) -> APIRouter:
    """The three routes; `readiness` says what is missing."""
    router = APIRouter(tags=["monitoring"])

    @router.get("/healthz", summary="The process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/readyz",
        summary="Ready, or 503 naming what it cannot reach",
        responses={503: {"description": "Not ready"}},
    )
    async def readyz(request: Request) -> JSONResponse:
        missing = await readiness(request)
        if missing:
            body = {"status": "not ready", "missing": dict(missing)}
            return JSONResponse(body, 503)
        return JSONResponse({"status": "ready"})

    @router.get("/metrics", summary="Metrics in Prometheus' text format")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
