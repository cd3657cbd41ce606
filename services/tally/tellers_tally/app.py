"""The tally service's HTTP side: monitoring only."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request

from tellers_runtime import problems
from tellers_runtime.health import health_router
from tellers_tally.lease import STANDING_BY
from tellers_tally.worker import Worker


def create_app(workers: Sequence[Worker]) -> FastAPI:
    """`/healthz`, `/readyz`, `/metrics`. A standby is ready: it is doing its job. Two
    counts that differ are nobody's ordinary trouble: not ready until they agree."""

    async def readiness(_: Request) -> Mapping[str, str]:
        missing = {
            f"log {worker.log}": worker.trouble
            for worker in workers
            if worker.trouble not in ("", STANDING_BY)
        }
        for worker in workers:
            for roll_call, reason in worker.disagreements.items():
                missing[f"log {worker.log}, roll call {roll_call}"] = reason
        return missing

    app = FastAPI(title="Tellers tally", docs_url=None, redoc_url=None)
    app.include_router(health_router(readiness))
    problems.install(app)
    return app
