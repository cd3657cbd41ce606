"""The gateway as an application, over hubs that fail: what the public is told."""

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tellers_core.codec import LogName
from tellers_gateway.app import PUBLIC_HEADERS, create_app
from tellers_gateway.hub import Hub, NotReady
from tellers_gateway.settings import GatewaySettings
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.log import LogLost
from tests.services.viewing import refusal

SECRET = "SELECT secret FROM 10.0.0.1"
PATHS = (
    "/v1/ga/roll-calls",
    "/v1/ga/roll-calls/x",
    "/v1/ga/roll-calls/x/tally",
    "/v1/ga/roll-calls/x/certificate",
    "/v1/ga/roll-calls/x/votes/FRA/proof",
    "/v1/ga/checkpoints",
    "/v1/ga/events",
    "/v1/ga/live?roll_call=x",
)


class FailingHub:
    """Answers every question with an error."""

    log = LogName("ga")
    trouble = "test"

    def __init__(self) -> None:
        self.error: Exception = RuntimeError(SECRET)

    def __getattr__(self, name: str) -> Any:
        raise self.error


@pytest.fixture
def hub() -> FailingHub:
    return FailingHub()


@pytest.fixture
async def http(hub: FailingHub) -> AsyncIterator[httpx.AsyncClient]:
    hubs = {LogName("ga", kind): cast(Hub, hub) for kind in (False, True)}
    app = create_app(GatewaySettings(), hubs, cast(ProofReader, hub))
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", verify=False
        ) as client:
            yield client


async def test_what_is_away_is_told_without_its_inside(
    http: httpx.AsyncClient, hub: FailingHub
) -> None:
    for hub.error in (
        NotReady("starting"),
        LogLost("it is gone"),
        RedisConnectionError(SECRET),
        OperationalError(SECRET, {}, Exception(SECRET)),
        OSError(SECRET),
    ):
        for path in PATHS:
            response = await http.get(path)
            assert refusal(response) == (503, "log_unavailable"), hub.error
            assert response.headers["retry-after"] == "1"
            assert SECRET not in response.text


async def test_an_error_of_ours_is_a_public_problem_too(
    http: httpx.AsyncClient,
) -> None:
    for path in PATHS:
        with capture_logs() as logs:
            response = await http.get(path)
        assert refusal(response) == (500, "internal_error")
        assert SECRET not in response.text
        assert dict(response.headers).items() >= {
            (name.lower(), value) for name, value in PUBLIC_HEADERS.items()
        }
        assert [entry["event"] for entry in logs] == ["request.failed"]


async def test_readiness_names_what_is_wrong(http: httpx.AsyncClient) -> None:
    response = await http.get("/readyz")
    assert response.status_code == 503
    assert response.json()["missing"] == {"log ga": "test", "log ga/rehearsal": "test"}
    assert (await http.get("/healthz")).status_code == 200
