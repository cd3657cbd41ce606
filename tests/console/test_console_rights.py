"""Who may read a roll call at ingest: the console's own route."""

import asyncio

import httpx
import pytest

from tellers_runtime.log import connect
from tellers_runtime.tokens import Scope, TokenStore
from tests.e2e.stack import Clerk, Stack

NAME = "read-at-ingest"


@pytest.fixture(scope="module")
def vote(stack: Stack) -> str:
    """The address of a roll call."""
    clerk: Clerk = stack.clerk()
    with clerk.http:
        clerk.open(NAME)
    return f"{stack.ingest_url}/v1/ga/roll-calls/{NAME}"


def token(stack: Stack, *scopes: Scope, revoked: bool = False) -> str:
    """A token with these scopes."""

    async def made() -> str:
        redis = connect(stack.redis.url, "rights")
        try:
            store = TokenStore(redis)
            clear = await store.create("rights", list(scopes))
            if revoked:
                for known in await store.list():
                    if known.name == "rights":
                        await store.revoke(known.id)
            return clear
        finally:
            await redis.aclose()

    return asyncio.run(made())


def ask(address: str, clear: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {clear}"} if clear else {}
    return httpx.get(address, headers=headers)


def test_without_a_token_and_with_garbage_it_is_401(vote: str) -> None:
    for clear in (None, "garbage", "tlr_00000000_" + 43 * "A"):
        answer = ask(vote, clear)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_a_revoked_token_reads_nothing(stack: Stack, vote: str) -> None:
    assert ask(vote, token(stack, Scope.RECORD, revoked=True)).status_code == 401


@pytest.mark.parametrize(
    ("scope", "status"),
    [(Scope.RECORD, 200), (Scope.ADMIN, 200), (Scope.PRESIDE, 403)],
)
def test_it_needs_the_scope_record(
    stack: Stack, vote: str, scope: Scope, status: int
) -> None:
    assert ask(vote, token(stack, scope)).status_code == status
