"""Every route of both documents, with every kind of credential."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from tellers_gateway.app import create_app
from tellers_gateway.settings import GatewaySettings
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.clock import utc_now
from tellers_runtime.tokens import Scope, TokenStore
from tests.security.routes import (
    COMMANDS,
    GUARDED_READS,
    IN_LINES,
    MANAGEMENT,
    MONITORING,
    PUBLIC,
    Command,
)
from tests.servers import RedisServer
from tests.services.ingest import Hall, hall, in_thread, places, refusal

START = "/v1/{chamber}"
GENERAL = {"es-11-1": "{roll_call}", "FRA": "{delegation}"}
NO_SUCH_TOKEN = {
    "none": None,
    "empty": "",
    "garbage": "Bearer garbage",
    "another scheme": "Basic dXNlcjpwYXNz",
    "unknown": f"Bearer tlr_00000000_{'A' * 43}",
    "revoked": "Bearer {revoked}",
    "expired": "Bearer {expired}",
    "another's secret": "Bearer {crossed}",
}


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[str]:
    with in_thread(redis_server.url, failures_per_second=0) as url:
        yield url


@pytest.fixture
async def at(redis_url: str, service: str) -> AsyncIterator[Hall]:
    async with hall(redis_url, [service]) as found:
        yield found


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
    }


def entry(command: Command) -> tuple[str, str]:
    """As the document has it."""
    parts = [GENERAL.get(part, part) for part in command.below.split("/")]
    return command.method, START + "/".join(parts)


async def test_the_table_has_every_command(at: Hall) -> None:
    document = (await at.clerk.http.get("/openapi.json")).json()
    guarded = {*map(entry, [*COMMANDS, *IN_LINES]), *GUARDED_READS}
    assert operations(document) == {*guarded, *MONITORING}
    for method, path in guarded:
        assert document["paths"][path][method.lower()]["security"] == [{"token": []}]


def test_the_table_has_every_operation_of_the_gateway() -> None:
    document = create_app(GatewaySettings(), {}, cast(ProofReader, None)).openapi()
    assert operations(document) == PUBLIC | MANAGEMENT | MONITORING
    for method, path in PUBLIC | MANAGEMENT | MONITORING:
        # Only what changes something for others asks for a token.
        guarded = "security" in document["paths"][path][method.lower()]
        assert guarded == ((method, path) in MANAGEMENT), path


def test_a_route_that_is_in_no_table_is_found() -> None:
    app = create_app(GatewaySettings(), {}, cast(ProofReader, None))

    @app.get("/v1/{chamber}/secrets")
    async def secrets(chamber: str) -> str:
        return chamber

    unknown = operations(app.openapi()) - PUBLIC - MANAGEMENT - MONITORING
    assert unknown == {("GET", "/v1/{chamber}/secrets")}


@pytest.mark.parametrize("kind", NO_SUCH_TOKEN)
async def test_who_has_no_good_token_does_nothing(at: Hall, kind: str) -> None:
    await at.clerk.open()
    header = NO_SUCH_TOKEN[kind]
    headers = {} if header is None else {"Authorization": await _filled(at, header)}
    async with httpx.AsyncClient(base_url=at.urls[0], verify=False) as http:
        for command in [*COMMANDS, *IN_LINES]:
            response = await http.request(
                command.method,
                command.address,
                json=command.body,
                headers=headers,
            )
            assert refusal(response) == (401, "unauthorized"), command
            assert response.headers["WWW-Authenticate"] == "Bearer"
    assert await at.length() == 2


async def _filled(at: Hall, header: str) -> str:
    """The header with tokens that were good once, or are another's."""
    store = TokenStore(at.redis)
    revoked = await store.create("revoked", [Scope.ADMIN])
    assert await store.revoke(revoked.split("_")[1])
    past = TokenStore(at.redis, lambda: utc_now() - timedelta(hours=2))
    expired = await past.create("expired", [Scope.ADMIN], timedelta(hours=1))
    one, other = [await store.create("t", [Scope.ADMIN]) for _ in range(2)]
    crossed = "_".join([*one.split("_", 2)[:2], other.split("_", 2)[2]])
    return header.format(revoked=revoked, expired=expired, crossed=crossed)


@pytest.mark.parametrize(
    "scopes", [[], [Scope.RECORD], [Scope.PRESIDE], [Scope.ADMIN], list(Scope)]
)
async def test_each_command_needs_its_scope(at: Hall, scopes: list[Scope]) -> None:
    token = await TokenStore(at.redis).create("machine 7", scopes)
    await at.clerk.schedule()
    for command in [*COMMANDS, *IN_LINES]:
        response = await at.clerk.http.request(
            command.method,
            command.address,
            json=command.body,
            headers={"Authorization": f"Bearer {token}"},
        )
        if command.scope in scopes or Scope.ADMIN in scopes:
            assert response.status_code not in (401, 403), command
        else:
            assert refusal(response) == (403, "forbidden"), command
            assert str(command.scope) in response.json()["detail"]


def _with_unknown(value: object, at: str = "") -> Iterator[tuple[str, object]]:
    """The body with one more field: in itself, and in each object inside it."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            for pointer, changed in _with_unknown(item, f"{at}/{place}"):
                yield pointer, [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, dict):
        yield f"{at}/unknown", {**value, "unknown": 1}
        for name, inner in value.items():
            for pointer, changed in _with_unknown(inner, f"{at}/{name}"):
                yield pointer, {**value, name: changed}


async def test_an_unknown_field_is_refused_wherever_it_is(at: Hall) -> None:
    await at.clerk.open()
    tried = 0
    for command in COMMANDS:
        for pointer, body in _with_unknown(command.body or {}):
            response = await at.clerk.http.request(
                command.method, command.address, json=body
            )
            assert refusal(response) == (422, "bad_request"), (command, body)
            (place,) = places(response)
            # A rule is read as a whole: its place is named, and what is unknown in it.
            assert place == pointer or (
                pointer == "/rule/unknown" and "unknown" in json.dumps(response.json())
            )
            tried += 1
    assert tried == len(COMMANDS) + 3
    assert await at.length() == 2
