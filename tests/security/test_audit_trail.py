"""Who did what, from where, and what came of it: a line of the log for each command."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from tellers_runtime.tokens import Scope, TokenStore
from tests.services.ingest import Hall, hall, running

Line = MutableMapping[str, Any]


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    """What is logged, with what is bound to the request."""
    before = structlog.get_config()
    capture = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture
async def at(redis_url: str, lines: list[Line]) -> AsyncIterator[Hall]:
    async with (
        running(redis_url, trusted_proxies="127.0.0.1") as url,
        hall(redis_url, [url]) as found,
    ):
        await found.clerk.open()
        lines.clear()
        yield found


async def test_a_command_names_its_sender_and_its_event(
    at: Hall, lines: list[Line]
) -> None:
    token = await TokenStore(at.redis).create("desk 4", [Scope.RECORD])
    headers = {
        "Authorization": f"Bearer {token}",
        "X-Forwarded-For": "198.51.100.7",
        "Request-Id": "what the client says of itself",
    }
    answer = await at.clerk.vote("FRA", "yes", headers=headers)
    (line,) = lines
    assert line == {
        "event": "command.appended",
        "log_level": "info",
        "chamber": "ga",
        "roll_call": "es-11-1",
        "command": "CastVote",
        "seq": 3,
        "version": 3,
        "events": ["vote.recorded"],
        "token": token.split("_")[1],
        "name": "desk 4",
        "address": "198.51.100.7",
        "request": answer.headers["Request-Id"],
    }
    # The event, which is public, names nobody; it has what was so before.
    entry = (await at.entries())[-1]
    assert "desk 4" not in repr(entry)


async def test_what_appended_nothing_is_there_too(at: Hall, lines: list[Line]) -> None:
    keyed = {"Idempotency-Key": "k"}
    for wanted in ("yes", "yes", "no"):
        await at.clerk.vote("FRA", wanted, headers=keyed)
    await at.clerk.vote("FRA", "yes")
    await at.clerk.send("POST", "/es-11-1/unlock")
    await at.clerk.send("POST", "/nothing/open")
    outcomes = [line.get("outcome", line["event"]) for line in lines]
    assert outcomes == [
        "command.appended",
        "replayed",
        "idempotency_conflict",
        "unchanged",
        "wrong_phase",
        "unknown_roll_call",
    ]
    assert all(line["name"] == "test" and line["address"] for line in lines)
    names = [line["request"] for line in lines]
    assert len(set(names)) == len(names)


async def test_who_was_turned_away_is_there_too(at: Hall, lines: list[Line]) -> None:
    guess = {"Authorization": "Bearer tlr_00000000_guess"}
    refused = await at.clerk.vote("FRA", "yes", headers=guess)
    token = await TokenStore(at.redis).create("desk 4", [Scope.RECORD])
    recording = {"Authorization": f"Bearer {token}"}
    await at.clerk.send("POST", "/es-11-1/lock", headers=recording)
    failed, forbidden = lines
    assert failed["event"] == "authentication.failed"
    assert failed["address"] == "127.0.0.1"
    assert failed["request"] == refused.headers["Request-Id"]
    assert forbidden["event"] == "command.forbidden"
    assert forbidden["token"] == token.split("_")[1]
    assert forbidden["needs"] == Scope.PRESIDE


async def test_a_flood_of_guesses_does_not_fill_the_log(
    redis_url: str, lines: list[Line]
) -> None:
    async with (
        running(redis_url, failures_per_second=2) as url,
        hall(redis_url, [url]) as at,
    ):
        guess = {"Authorization": "Bearer tlr_00000000_guess"}
        for _ in range(50):
            answer = await at.clerk.vote("FRA", "yes", headers=guess)
            if answer.status_code == 429:
                break
        written = len(lines)
        assert answer.status_code == 429
        assert written < 50
        assert not any("429" in str(line) for line in lines)
