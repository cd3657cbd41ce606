"""A second person for what undoes the lock, and for another majority."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from tellers_ingest.approvals import EXPIRY_SECONDS
from tellers_runtime import keys
from tellers_runtime.tokens import Scope, TokenStore
from tests.services.ingest import Hall, hall, places, running

SIMPLE = {"rule": "simple"}
Two = tuple[httpx.AsyncClient, httpx.AsyncClient]


@pytest.fixture
async def at(redis_url: str) -> AsyncIterator[Hall]:
    async with (
        running(redis_url, two_persons=True) as url,
        hall(redis_url, [url]) as found,
    ):
        yield found


@pytest.fixture
async def two(at: Hall) -> AsyncIterator[Two]:
    """Two who may preside, before a roll call that is locked with one vote."""
    await at.clerk.open()
    await at.clerk.vote("FRA", "yes")
    await at.clerk.send("POST", "/es-11-1/lock")
    store = TokenStore(at.redis)
    tokens = [await store.create(name, [Scope.PRESIDE]) for name in ("first", "second")]
    base = f"{at.urls[0]}/v1/ga/roll-calls/es-11-1/"
    first, second = (
        httpx.AsyncClient(
            base_url=base, headers={"Authorization": f"Bearer {token}"}, verify=False
        )
        for token in tokens
    )
    async with first, second:
        yield first, second


async def approve(
    by: httpx.AsyncClient, command: str = "unlock", **more: object
) -> str:
    reason = "a delegation asked before proclamation"
    body = {"command": command, "reason": reason, **more}
    answer = await by.post("approvals", json=body)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["approval"]
    return found


def refusal(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.json()["code"]) == (403, "second_person")
    detail: str = answer.json()["detail"]
    return detail


@pytest.mark.parametrize(
    ("command", "phase"), [("unlock", "open"), ("annul", "annulled")]
)
async def test_one_approves_another_carries_out(
    two: Two, command: str, phase: str
) -> None:
    first, second = two
    approval = await approve(first, command)
    answer = await second.post(command, json={"approval": approval})
    assert answer.status_code == 200
    assert answer.json()["roll_call"]["phase"] == phase


async def test_nobody_does_it_alone(two: Two) -> None:
    first, _ = two
    for command, body in (("unlock", {}), ("annul", {}), ("rule", SIMPLE)):
        answer = await first.post(command, json=body)
        assert "needs a second person" in refusal(answer)
    approval = await approve(first)
    assert "another token" in refusal(
        await first.post("unlock", json={"approval": approval})
    )


async def test_an_approval_is_for_one_command(two: Two) -> None:
    first, second = two
    approval = await approve(first, "unlock")
    refusal(await second.post("annul", json={"approval": approval}))
    refusal(await second.post("unlock", json={"approval": "no such"}))


async def test_an_approval_is_for_one_state(at: Hall, two: Two) -> None:
    first, second = two
    approval = await approve(first)
    again = await approve(second)
    assert (await first.post("unlock", json={"approval": again})).status_code == 200
    await at.clerk.vote("NOR", "no")
    await at.clerk.send("POST", "/es-11-1/lock")
    refusal(await second.post("unlock", json={"approval": approval}))
    refusal(await second.post("unlock", json={"approval": again}))


async def test_an_approval_of_what_has_changed_since_is_void(
    at: Hall, two: Two
) -> None:
    first, second = two
    unlocking = {"approval": await approve(first)}
    assert (await second.post("unlock", json=unlocking)).status_code == 200
    approval = await approve(first, "annul")
    await at.clerk.vote("NOR", "no")
    detail = refusal(await second.post("annul", json={"approval": approval}))
    assert "version 5 was approved, the roll call is at 6" in detail


async def test_another_majority_takes_two(at: Hall, two: Two) -> None:
    first, second = two
    approval = await approve(first, "rule", **SIMPLE)
    seen = await at.clerk.send("GET", "/es-11-1")
    assert seen.json()["approval"]["rule"] == "simple"
    alone = await first.post("rule", json={**SIMPLE, "approval": approval})
    assert "another token" in refusal(alone)
    other = await second.post("rule", json={"rule": "unanimous", "approval": approval})
    assert 'what was approved is another rule: "simple"' in refusal(other)
    answer = await second.post("rule", json={**SIMPLE, "approval": approval})
    assert answer.status_code == 200
    assert answer.json()["roll_call"]["rule"] == "simple"
    assert answer.json()["events"] == ["roll_call.rule_changed"]


async def test_a_rule_is_switched_while_votes_come_in(at: Hall, two: Two) -> None:
    """What was approved is to go from one rule to the other, in this phase."""
    first, second = two
    unlocking = {"approval": await approve(first)}
    assert (await second.post("unlock", json=unlocking)).status_code == 200
    fraction = {"fraction": "3/5", "of": "members", "strict": False}
    approval = await approve(first, "rule", rule=fraction)
    await at.clerk.vote("NOR", "no")
    answer = await second.post("rule", json={"rule": fraction, "approval": approval})
    assert answer.json()["roll_call"]["rule"]["fraction"] == "3/5"
    approval = await approve(first, "rule", **SIMPLE)
    await at.clerk.send("POST", "/es-11-1/lock")
    answer = await second.post("rule", json={**SIMPLE, "approval": approval})
    assert "approve anew" in refusal(answer)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"command": "rule"}, "/rule"),
        ({"command": "rule", "rule": None}, "/rule"),
        ({"command": "rule", "rule": "half"}, "/rule"),
        ({"command": "annul", "rule": "simple"}, "/rule"),
        ({"command": "close"}, "/command"),
    ],
)
async def test_what_cannot_be_approved(
    two: Two, body: dict[str, object], place: str
) -> None:
    first, _ = two
    answer = await first.post("approvals", json={"reason": "r", **body})
    assert answer.status_code == 422
    assert places(answer) == [place]


async def test_an_approval_ends_by_itself(at: Hall, two: Two) -> None:
    first, second = two
    approval = await approve(first)
    key = keys.approval("ga", "es-11-1")
    assert 0 < await at.redis.ttl(key) <= EXPIRY_SECONDS
    await at.redis.pexpire(key, timedelta(milliseconds=1))
    while await at.redis.exists(key):
        pass
    assert "no such approval" in refusal(
        await second.post("unlock", json={"approval": approval})
    )


async def test_a_repetition_has_the_answer_that_was_given(two: Two) -> None:
    first, second = two
    approval = await approve(first)
    send = {"json": {"approval": approval}, "headers": {"Idempotency-Key": "k"}}
    given = await second.post("unlock", **send)  # type: ignore[arg-type]
    again = await second.post("unlock", **send)  # type: ignore[arg-type]
    assert (again.status_code, again.content) == (200, given.content)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_without_the_setting_one_person_is_enough(redis_url: str) -> None:
    """The control, and the default."""
    async with running(redis_url) as url, hall(redis_url, [url]) as at:
        await at.clerk.open()
        await at.clerk.send("POST", "/es-11-1/lock")
        assert (await at.clerk.send("POST", "/es-11-1/unlock")).status_code == 200
        switched = await at.clerk.send("POST", "/es-11-1/rule", SIMPLE)
        assert switched.json()["roll_call"]["rule"] == "simple"
        assert (await at.clerk.send("POST", "/es-11-1/annul")).status_code == 200
