"""Headers that are no token, revocation, and where a token never is.

Scopes: tests/security/test_scopes.py."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tellers_runtime.tokens import CACHE_SECONDS, Scope, TokenStore
from tests.security.routes import COMMANDS
from tests.servers import RedisServer
from tests.services.ingest import Hall, hall, in_thread, refusal


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[str]:
    with in_thread(redis_server.url, failures_per_second=0) as url:
        yield url


@pytest.fixture
async def at(redis_url: str, service: str) -> AsyncIterator[Hall]:
    async with hall(redis_url, [service]) as found:
        yield found


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer token",
        "Bearer tlr__",
        "Bearer tlr_00000000_secret",
        "Bearer {id}",
        "Bearer {token}x",
        "Bearer {token} {token}",
        "{token}",
        "Bearer {token}\xff",
        "Bearer " + "x" * 9000,
    ],
)
async def test_without_a_token_nothing_is_done(at: Hall, sent: str | None) -> None:
    await at.clerk.open()
    header: dict[bytes, bytes] = {}
    if sent is not None:
        token_id = at.token.rsplit("_", 1)[0]
        text = sent.replace("{token}", at.token).replace("{id}", token_id)
        header = {b"Authorization": text.encode("latin-1")}
    async with httpx.AsyncClient(base_url=at.urls[0]) as http:
        for command in COMMANDS:
            # The body is not looked at: it is not even JSON.
            response = await http.request(
                command.method, command.address, headers=header, content=b"{"
            )
            assert refusal(response) == (401, "unauthorized")
            assert response.headers["WWW-Authenticate"] == "Bearer"
    assert await at.length() == 2


async def test_the_scheme_is_written_in_any_case(at: Hall) -> None:
    await at.clerk.open()
    headers = {"Authorization": f"bearer {at.token}"}
    assert (await at.clerk.vote("FRA", "yes", headers=headers)).status_code == 201


async def test_a_revoked_token_is_refused_within_three_seconds(at: Hall) -> None:
    await at.clerk.open()
    store = TokenStore(at.redis)
    clear = await store.create("lost laptop", [Scope.RECORD])
    headers = {"Authorization": f"Bearer {clear}"}
    assert (await at.clerk.vote("FRA", "yes", headers=headers)).status_code == 201
    (kept,) = [t for t in await store.list() if t.name == "lost laptop"]
    assert await store.revoke(kept.id)
    async with asyncio.timeout(CACHE_SECONDS + 1):
        while True:
            response = await at.clerk.vote("FRA", "yes", headers=headers)
            if not response.is_success:
                break
    assert refusal(response) == (401, "unauthorized")


async def test_no_token_is_kept_in_clear(at: Hall) -> None:
    await at.clerk.open()
    await at.clerk.vote("FRA", "yes", headers={"Idempotency-Key": "k"})
    secret = at.token.rsplit("_", 1)[1].encode()
    dumped = [await at.redis.dump(key) or b"" for key in await at.redis.keys("*")]
    assert len(dumped) >= 7
    assert not any(secret in value for value in dumped)


async def test_monitoring_needs_no_token(at: Hall) -> None:
    async with httpx.AsyncClient(base_url=at.urls[0]) as http:
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            assert (await http.get(path)).status_code == 200
        assert (await http.get("/docs")).status_code == 404
