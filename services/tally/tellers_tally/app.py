"""The tally service's HTTP side: monitoring only."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request

from tellers_runtime import problems
from tellers_runtime.health import health_router
from tellers_tally.lease import STANDING_BY
from tellers_tally.worker import Worker


def create_app(workers: Sequence[Worker]) -> FastAPI:
    """`/healthz`, `/readyz`, `/metrics`. A standby is ready: it is doing its job."""

    async def readiness(_: Request) -> Mapping[str, str]:
        return {
            f"log {worker.log}": worker.trouble
            for worker in workers
            if worker.trouble not in ("", STANDING_BY)
        }

    app = FastAPI(title="Tellers tally", docs_url=None, redoc_url=None)
    app.include_router(health_router(readiness))
    problems.install(app)
    return app
