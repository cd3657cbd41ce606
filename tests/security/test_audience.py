"""A token for rehearsals reaches nothing real, and the other way round."""

from typing import Any

import httpx
import pytest

from tellers_runtime import keys
from tellers_runtime.tokens import Audience, Scope, TokenStore
from tests.security.routes import COMMANDS, IN_LINES, Command
from tests.services.ingest import Hall, refusal

pytest_plugins = ("tests.services.two_ingests",)

# Where the body says which of the two it is about; all others name a roll call.
BODY_SAYS = ("", "/publication/freeze", "/publication/release", "/publication/delay")
SAYS = {
    Audience.LIVE: "this token has the audience live: it reaches no rehearsal",
    Audience.REHEARSAL: "this token has the audience rehearsal: "
    "it reaches rehearsals only",
}
OTHER = {
    Audience.LIVE: Audience.REHEARSAL,
    Audience.REHEARSAL: Audience.LIVE,
}


async def token_for(at: Hall, audience: Audience | None) -> dict[str, str]:
    """The header of a token that may do everything there."""
    store = TokenStore(at.redis)
    clear = await store.create("desk", [Scope.ADMIN], audience=audience)
    return {"Authorization": f"Bearer {clear}"}


async def send(
    at: Hall, command: Command, of: Audience, header: dict[str, str]
) -> httpx.Response:
    body: Any = command.body
    if command.path in BODY_SAYS:
        body = {**(body or {}), "rehearsal": of is Audience.REHEARSAL}
    return await at.clerk.http.request(
        command.method, command.address, json=body, headers=header
    )


@pytest.mark.parametrize("audience", Audience)
async def test_no_command_reaches_the_other_kind(at: Hall, audience: Audience) -> None:
    other = OTHER[audience]
    await at.clerk.open(rehearsal=other is Audience.REHEARSAL)
    header = await token_for(at, audience)
    before = await at.length()
    for command in COMMANDS:
        response = await send(at, command, other, header)
        assert refusal(response) == (403, "forbidden"), command
        assert response.json()["detail"] == SAYS[audience], command
    assert await at.length() == before
    assert not await at.redis.exists(keys.approval("ga", "es-11-1"))


@pytest.mark.parametrize("audience", [*Audience, None])
async def test_every_command_reaches_its_own(
    at: Hall, audience: Audience | None
) -> None:
    own = audience or Audience.LIVE
    await at.clerk.open(rehearsal=own is Audience.REHEARSAL)
    header = await token_for(at, audience)
    for command in COMMANDS:
        assert (await send(at, command, own, header)).status_code != 403, command


async def test_what_is_withheld_is_not_read_across(at: Hall) -> None:
    await at.clerk.open("real")
    await at.clerk.open("drill", rehearsal=True)
    for audience, own, other, flag in (
        (Audience.LIVE, "real", "drill", "true"),
        (Audience.REHEARSAL, "drill", "real", "false"),
    ):
        header = await token_for(at, audience)
        assert (await at.clerk.send("GET", f"/{own}", headers=header)).is_success
        read = await at.clerk.send("GET", f"/{other}", headers=header)
        assert refusal(read) == (403, "forbidden")
        at_desk = await at.clerk.http.get(
            "/v1/ga/publication", params={"rehearsal": flag}, headers=header
        )
        assert refusal(at_desk) == (403, "forbidden")


async def test_the_past_is_real(at: Hall) -> None:
    (past,) = IN_LINES
    header = await token_for(at, Audience.REHEARSAL)
    response = await at.clerk.http.request(past.method, past.address, headers=header)
    assert refusal(response) == (403, "forbidden")


async def test_who_may_reach_it_is_asked_of_the_roll_call_as_it_is_now(
    at: Hall,
) -> None:
    """A restore can put another one under an id that a process still remembers."""
    await at.clerk.open()
    await at.clerk.vote("FRA", "yes")
    key = keys.roll_call("ga", "es-11-1")
    await at.redis.delete(key)
    await at.clerks[1].open(rehearsal=True)
    await at.redis.hset(key, "epoch", "restored")
    header = await token_for(at, Audience.REHEARSAL)
    assert (await at.clerk.vote("PER", "no", headers=header)).status_code == 201
    header = await token_for(at, Audience.LIVE)
    assert refusal(await at.clerk.vote("PER", "no", headers=header))[0] == 403
