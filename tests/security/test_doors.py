"""What strangers learn and may open: origins of feeds, health, errors, documents."""

from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.requests import HTTPConnection

from tellers_gateway.app import create_app
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.state import check_origin
from tellers_runtime import problems
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.health import health_router
from tellers_runtime.problems import HttpProblem
from tests.services.ingest import refusal

OURS = "https://tally.example.org"
WHY = "Error 111 connecting to 10.1.2.3:6379"


def handshake(allowed: str, origin: str | None) -> HTTPConnection:
    """A handshake of a page from there."""
    headers = [] if origin is None else [(b"origin", origin.encode())]
    settings = GatewaySettings(allowed_origins=allowed)
    scope = {"type": "websocket", "headers": headers, "state": {"settings": settings}}
    return HTTPConnection(scope)


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("*", "https://anywhere.example"),
        ("*", "null"),
        (OURS, OURS),
        (f"https://other.example , {OURS}", OURS),
        (OURS, None),  # a program, not a page
    ],
)
def test_pages_of_allowed_origins_may_open_a_feed(
    allowed: str, origin: str | None
) -> None:
    check_origin(handshake(allowed, origin))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "*",
        OURS.replace("https", "http"),
        f"{OURS}:8443",
        f"{OURS}.evil.example",
        f"https://evil.example/{OURS}",
        OURS.upper(),
    ],
)
def test_other_pages_may_not(origin: str) -> None:
    with pytest.raises(HttpProblem) as refused:
        check_origin(handshake(OURS, origin))
    assert refused.value.code == "forbidden"


@pytest.fixture
def watched() -> FastAPI:
    async def missing(_: Request) -> dict[str, str]:
        return {"redis": WHY}

    app = FastAPI()
    app.include_router(health_router(missing))
    problems.install(app)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError(WHY)

    return app


async def get(app: FastAPI, path: str, address: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(
        cast(Any, app), client=(address, 1), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", verify=False
    ) as http:
        return await http.get(path, headers=headers)


async def test_only_this_machine_is_told_why(watched: FastAPI) -> None:
    for address in ("127.0.0.1", "::1"):
        answer = await get(watched, "/readyz", address)
        assert answer.json()["missing"] == {"redis": WHY}
    forwarded = {"X-Forwarded-For": "127.0.0.1"}
    for answer in (
        await get(watched, "/readyz", "203.0.113.9"),
        await get(watched, "/readyz", "10.0.0.7"),
        await get(watched, "/readyz", "127.0.0.1", **forwarded),
    ):
        assert answer.status_code == 503
        assert answer.json()["missing"] == {"redis": "not available"}
        assert WHY not in answer.text


async def test_an_error_of_ours_says_nothing_of_its_inside(watched: FastAPI) -> None:
    answer = await get(watched, "/broken", "127.0.0.1")
    assert refusal(answer) == (500, "internal_error")
    for inside in (WHY, "Traceback", "RuntimeError", __file__, str(Path.cwd())):
        assert inside not in answer.text


@pytest.mark.parametrize(
    "path", ["/docs/oauth2-redirect", "/redoc", "/admin", "/debug", "/.env"]
)
async def test_there_is_nothing_else(path: str) -> None:
    app = create_app(GatewaySettings(), {}, cast(ProofReader, None))
    assert refusal(await get(app, path, "203.0.113.9")) == (404, "not_found")


async def test_files_are_those_of_the_pages_only() -> None:
    app = create_app(GatewaySettings(), {}, cast(ProofReader, None))
    for path in ("/web/%2e%2e/app.py", "/web/..%2fapp.py", "/web//etc/passwd"):
        answer = await get(app, path, "203.0.113.9")
        assert answer.status_code == 404, path
