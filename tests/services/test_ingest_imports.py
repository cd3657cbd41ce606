"""Whole roll calls of the past at the ingest API: each all or nothing, and once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tellers_core.codec import LogName
from tellers_core.events import Figures, Outcome, RollCallClosed, RollCallScheduled
from tellers_core.roll_call import Phase
from tellers_runtime.tokens import Scope, TokenStore
from tests.servers import RedisServer
from tests.services.ingest import Hall, hall, in_thread, places, refusal

PAST: dict[str, Any] = {
    "id": "a-res-41-31",
    "title": "A question",
    "symbol": "A/RES/41/31",
    "rule": "simple",
    "members": ["USA", "TUR", "CSK", "RUS"],
    "votes": {"USA": "no", "CSK": "yes", "RUS": "yes"},
    "voted_on": "1986-11-03",
    "session": "41",
    "source": "undl",
    "record": "700002",
    "totals": {"yes": 2, "no": 1, "abstain": 0, "not_voting": 1, "members": 4},
}


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[str]:
    with in_thread(redis_server.url) as url:
        yield url


@pytest.fixture
async def at(redis_url: str, service: str) -> AsyncIterator[Hall]:
    async with hall(redis_url, [service]) as found:
        yield found


async def send(
    at: Hall, *pasts: object, chamber: str = "ga", **headers: str
) -> httpx.Response:
    lines = [past if isinstance(past, str) else json.dumps(past) for past in pasts]
    return await at.clerk.http.post(
        f"/v1/{chamber}/imports",
        content="\n".join(lines).encode(),
        headers={"Content-Type": "application/x-ndjson", **headers},
    )


async def sent(at: Hall, *pasts: object, **headers: str) -> list[dict[str, Any]]:
    """What became of each line."""
    response = await send(at, *pasts, **headers)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["roll_calls"]
    return found


async def test_a_roll_call_of_the_past_is_recorded_whole_and_closed(at: Hall) -> None:
    (found,) = await sent(at, PAST)
    assert found == {"id": "a-res-41-31", "outcome": "closed", "seq": 7, "version": 7}
    state = await at.state("a-res-41-31")
    assert state.phase is Phase.CLOSED
    first, *_, last = [entry.event for entry in await at.entries()]
    assert isinstance(first, RollCallScheduled)
    assert first.imported is not None
    assert first.imported.voted_on == "1986-11-03"
    assert first.members == ("CSK", "TUR", "RUS", "USA")
    assert isinstance(last, RollCallClosed)
    assert last.outcome is Outcome.ADOPTED
    assert last.announced == Figures(2, 1, 0)


async def test_one_whose_totals_differ_is_locked_and_both_figures_are_told(
    at: Hall,
) -> None:
    totals = {**PAST["totals"], "yes": 3, "members": 5}
    (found,) = await sent(at, {**PAST, "totals": totals})
    assert found["outcome"] == "locked"
    assert found["differences"] == [
        {"what": "yes", "said": 3, "computed": 2},
        {"what": "members", "said": 5, "computed": 4},
    ]
    assert (await at.state("a-res-41-31")).phase is Phase.LOCKED


async def test_the_same_again_is_there_already(at: Hall) -> None:
    (first,) = await sent(at, PAST)
    length = await at.length()
    shuffled = {**PAST, "members": PAST["members"][::-1]}
    (again,) = await sent(at, shuffled)
    assert again == {**first, "outcome": "exists"}
    assert await at.length() == length


async def test_another_roll_call_of_the_same_id_is_refused_and_changes_nothing(
    at: Hall,
) -> None:
    await sent(at, PAST)
    length = await at.length()
    other = {**PAST, "votes": {**PAST["votes"], "USA": "abstain"}}
    new = {**PAST, "id": "a-res-41-32"}
    first, second = await sent(at, other, new)
    assert first == {
        "id": "a-res-41-31",
        "outcome": "conflict",
        "seq": None,
        "version": None,
    }
    assert second["outcome"] == "closed"
    assert await at.length() == length + 7


async def test_one_that_was_recorded_live_is_never_overwritten(at: Hall) -> None:
    await at.clerk.open("a-res-41-31")
    (found,) = await sent(at, PAST)
    assert found["outcome"] == "conflict"
    assert (await at.state("a-res-41-31")).phase is Phase.OPEN


async def test_the_same_key_gives_the_same_answer(at: Hall) -> None:
    key = {"Idempotency-Key": "one"}
    first = await send(at, PAST, **key)
    again = await send(at, PAST, **key)
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await at.length() == 7


async def test_the_same_key_with_another_body_is_refused(at: Hall) -> None:
    key = {"Idempotency-Key": "one"}
    await send(at, PAST, **key)
    other = await send(at, {**PAST, "title": "Another question"}, **key)
    assert refusal(other) == (422, "idempotency_conflict")


async def test_the_same_at_once_from_many_is_recorded_once(at: Hall) -> None:
    answers = await asyncio.gather(*(sent(at, PAST) for _ in range(8)))
    outcomes = sorted(answer["outcome"] for (answer,) in answers)
    assert outcomes == ["closed"] + ["exists"] * 7
    assert await at.length() == 7


BAD: list[tuple[object, str]] = [
    ("{", "truncated"),
    ({}, "required field `id`"),
    ({**PAST, "more": 1}, "more"),
    ({**PAST, "id": "A Vote"}, "id: a-z"),
    ({**PAST, "id": "x\n"}, "id: a-z"),
    ({**PAST, "title": ""}, "1 to 500 characters"),
    ({**PAST, "title": "a\u202eb"}, "control character"),
    ({**PAST, "rule": "most"}, "rule"),
    ({**PAST, "rule": {"fraction": "3/2", "of": "members"}}, "at most 1"),
    ({**PAST, "rule": "security_council"}, "permanent members"),
    ({**PAST, "members": []}, "members: 1 to 1000"),
    ({**PAST, "members": [*PAST["members"], "USA"]}, "one is there twice"),
    ({**PAST, "members": [*PAST["members"], "XXX"]}, "'XXX' is no member"),
    ({**PAST, "votes": {"FRA": "yes"}}, "'FRA' is not among the members"),
    ({**PAST, "votes": {"USA": "maybe"}}, "maybe"),
    ({**PAST, "voted_on": "3 November 1986"}, "voted_on: a day such as"),
    ({**PAST, "source": "The UN"}, "source: a-z"),
    ({**PAST, "totals": {"yes": -1}}, "below 0"),
]


@pytest.mark.parametrize(("bad", "detail"), BAD)
async def test_a_bad_line_is_named_and_nothing_is_recorded(
    at: Hall, bad: object, detail: str
) -> None:
    response = await send(at, {**PAST, "id": "good"}, bad)
    assert refusal(response) == (422, "bad_request")
    assert places(response) == [2]
    assert detail in response.json()["errors"][0]["detail"]
    assert await at.length() == 0


async def test_every_bad_line_is_named(at: Hall) -> None:
    response = await send(at, "{", PAST, {}, PAST)
    assert places(response) == [1, 3, 4]


async def test_an_empty_body_and_too_many_lines_are_refused(at: Hall) -> None:
    assert refusal(await send(at)) == (422, "bad_request")
    many = ({**PAST, "id": f"n{number}"} for number in range(201))
    assert refusal(await send(at, *many)) == (422, "bad_request")
    assert await at.length() == 0


async def test_it_takes_lines_of_json_and_nothing_else(at: Hall) -> None:
    json_list = await at.clerk.http.post("/v1/ga/imports", json=[PAST])
    assert refusal(json_list) == (415, "bad_request")
    unknown = await send(at, PAST, chamber="nowhere")
    assert refusal(unknown) == (404, "unknown_chamber")


async def test_it_needs_the_scope_of_who_presides(at: Hall) -> None:
    store = TokenStore(at.redis)
    token = await store.create("desk", [Scope.RECORD])
    refused = await send(at, PAST, Authorization=f"Bearer {token}")
    assert refusal(refused) == (403, "forbidden")
    refused = await send(at, PAST, Authorization="Bearer nobody")
    assert refusal(refused) == (401, "unauthorized")
    assert await at.length() == 0


async def test_the_council_of_the_day_has_its_permanent_members(at: Hall) -> None:
    past = {**PAST, "rule": "security_council", "totals": {}}
    past["members"] = ["USA", "CHN", "FRA", "GBR", "RUS", "CSK"]
    past["votes"] = {"USA": "yes", "RUS": "no"}
    response = await send(at, past, chamber="sc")
    assert response.json()["roll_calls"][0]["outcome"] == "closed"
    first, *_, last = await at.entries(LogName("sc"))
    assert isinstance(first.event, RollCallScheduled)
    assert set(first.event.permanent) == {"CHN", "FRA", "GBR", "RUS", "USA"}
    assert isinstance(last.event, RollCallClosed)
    assert last.event.outcome is Outcome.REJECTED
