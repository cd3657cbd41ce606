"""The same command again: by key, by version, at whichever process it arrives."""

import asyncio

import httpx
import pytest

from tellers_core.events import Vote
from tellers_runtime import keys
from tests.services.ingest import Clerk, Hall, refusal

pytest_plugins = ("tests.services.two_ingests",)

FRA = "/es-11-1/votes/FRA"
KEY = {"Idempotency-Key": "c1f0f1a2-7d0e"}


def same(first: httpx.Response, again: httpx.Response) -> None:
    """The same answer, byte by byte, said to be a repetition."""
    assert again.content == first.content
    assert again.status_code == first.status_code
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_key_gives_the_same_answer_on_every_process(at: Hall) -> None:
    one, other = at.clerks
    await one.open()
    first = await one.vote("FRA", "yes", headers=KEY)
    assert first.status_code == 201
    same(first, await one.vote("FRA", "yes", headers=KEY))
    same(first, await other.vote("FRA", "yes", headers=KEY))
    await other.vote("FRA", "no")
    same(first, await one.vote("FRA", "yes", headers=KEY))
    assert (await at.state()).votes == {"FRA": Vote.NO}
    assert await at.length() == 4


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {"id": "x", "title": "T", "rule": "simple"}),
        ("POST", "/es-11-1/lock", None),
        ("POST", "/es-11-1/annul", {}),
        ("POST", "/es-11-1/rule", {"rule": "simple"}),
        ("PUT", FRA, {"vote": "abstain"}),
        ("DELETE", "/es-11-1/votes/PER", None),
        ("POST", "/es-11-1/votes", {"votes": [{"delegation": "NOR", "vote": "no"}]}),
    ],
)
async def test_every_command_may_be_repeated(
    at: Hall, method: str, path: str, body: object
) -> None:
    one, other = at.clerks
    await one.open()
    await one.vote("PER", "yes")
    answers = await asyncio.gather(
        *(
            clerk.send(method, path, body, headers=KEY)
            for clerk in (one, other) * 5  # all at once
        )
    )
    assert len({(a.status_code, a.content) for a in answers}) == 1, answers
    assert answers[0].status_code in (200, 201)
    assert sum("Idempotency-Replayed" in a.headers for a in answers) == 9
    assert await at.length() == 4


async def test_an_answer_outlives_what_it_rested_on(at: Hall) -> None:
    one, other = at.clerks
    await one.open()
    vote = await one.vote("FRA", "yes", headers=KEY)
    for step in ("lock", "close"):
        await other.done("POST", f"/es-11-1/{step}")
    same(vote, await one.vote("FRA", "yes", headers=KEY))
    same(vote, await other.vote("FRA", "yes", headers=KEY))
    assert refusal(await one.vote("PER", "yes")) == (409, "not_open")


async def test_unchanged_is_an_answer_that_is_kept(at: Hall) -> None:
    one, other = at.clerks
    await one.open()
    await one.vote("FRA", "yes")
    first = await one.vote("FRA", "yes", headers=KEY)
    assert (first.status_code, first.json()["events"]) == (200, [])
    await other.vote("FRA", "no")
    same(first, await other.vote("FRA", "yes", headers=KEY))


async def test_a_refusal_is_not_kept(at: Hall) -> None:
    one, other = at.clerks
    await one.schedule()
    assert refusal(await one.vote("FRA", "yes", headers=KEY)) == (409, "not_open")
    await other.done("POST", "/es-11-1/open")
    assert (await one.vote("FRA", "yes", headers=KEY)).status_code == 201


async def test_a_key_belongs_to_one_request(at: Hall) -> None:
    one, other = at.clerks
    await one.open()
    await one.vote("FRA", "yes", headers=KEY)
    for response in (
        await other.vote("FRA", "no", headers=KEY),
        await one.vote("PER", "yes", headers=KEY),
        await one.vote("FRA", "yes", "another", headers=KEY),  # no such roll call
        await one.send("DELETE", FRA, headers=KEY),
        await one.send("POST", "/es-11-1/unlock", headers=KEY),  # refused besides
        await one.send(
            "PUT", FRA, content=b'{"vote" : "yes"}', headers=KEY
        ),  # another body
    ):
        assert refusal(response) == (422, "idempotency_conflict")
    assert await at.length() == 3
    # Chambers share nothing.
    council = Clerk(one.http, "sc")
    await council.open()
    assert (await council.vote("FRA", "yes", headers=KEY)).status_code == 201


async def test_a_key_may_be_quoted(at: Hall) -> None:
    clerk = at.clerk
    await clerk.open()
    first = await clerk.vote("FRA", "yes", headers={"Idempotency-Key": r'a"\ b'})
    quoted = {"Idempotency-Key": r'"a\"\\ b"'}
    same(first, await clerk.vote("FRA", "yes", headers=quoted))
    longest = {"Idempotency-Key": "k" * 255}
    assert (await clerk.vote("PER", "yes", headers=longest)).status_code == 201


async def test_a_key_is_kept_for_a_day_and_not_in_clear(at: Hall) -> None:
    await at.clerk.open()
    await at.clerk.vote("FRA", "yes", headers=KEY)
    (kept,) = [k async for k in at.redis.scan_iter(match=keys.idempotency("ga", "*"))]
    assert 86_000 < await at.redis.ttl(kept) <= 86_400
    assert KEY["Idempotency-Key"].encode() not in kept + await at.redis.get(kept)


async def test_a_version_that_was_seen(at: Hall) -> None:
    one, other = at.clerks
    await one.open()

    async def vote(clerk: Clerk, vote: str, version: int) -> httpx.Response:
        headers = {"If-Match": f'"{version}"'}
        return await clerk.vote("FRA", vote, headers=headers)

    assert (await vote(one, "yes", 2)).status_code == 201
    stale = await vote(other, "no", 2)
    assert refusal(stale) == (412, "version_conflict")
    assert "at 3" in stale.json()["detail"]
    assert refusal(await vote(one, "no", 4)) == (412, "version_conflict")
    assert refusal(await vote(one, "yes", 2)) == (412, "version_conflict")
    assert (await vote(one, "yes", 3)).json()["events"] == []
    await other.vote("PER", "no")  # `one` has not seen this
    assert refusal(await vote(one, "no", 3)) == (412, "version_conflict")
    assert (await vote(one, "no", 4)).json()["version"] == 5


async def test_only_one_of_many_moves_a_version_on(at: Hall) -> None:
    await at.clerk.open()
    headers = {"If-Match": '"2"'}
    codes = ("FRA", "PER", "NOR", "RUS", "ZMB", "FJI")
    answers = await asyncio.gather(
        *(at.clerks[n % 2].vote(c, "yes", headers=headers) for n, c in enumerate(codes))
    )
    assert sorted(a.status_code for a in answers) == [201] + [412] * 5
    assert await at.length() == 3


async def test_a_new_roll_call_may_insist_on_being_new(at: Hall) -> None:
    body = {"id": "x", "title": "T", "rule": "simple"}
    refused = await at.clerk.send("POST", "", body, headers={"If-Match": '"1"'})
    assert refusal(refused) == (412, "version_conflict")
    await at.clerk.done("POST", "", body, headers={"If-Match": '"0"'})


@pytest.mark.parametrize("phase", ["open", "closed", "annulled", "missing"])
@pytest.mark.parametrize("version", ["none", "right", "wrong"])
@pytest.mark.parametrize("key", ["none", "new", "same", "reused"])
async def test_the_append_matrix(at: Hall, phase: str, version: str, key: str) -> None:
    """Fault test F28: each cell twice, on one process and on the other."""
    one, other = at.clerks
    if phase != "missing":
        await one.open()
        if key == "same":
            await one.vote("FRA", "yes", headers=KEY)
    if key == "reused":
        await one.schedule("before")
        await one.done("POST", "/before/open", headers=KEY)
    for step in {"closed": ("lock", "close"), "annulled": ("annul",)}.get(phase, ()):
        await one.done("POST", f"/es-11-1/{step}")
    before = await at.length()
    at_version = max(
        [e.version for e in await at.entries() if e.roll_call == "es-11-1"], default=0
    )
    headers = dict(KEY) if key != "none" else {}
    if version != "none":
        headers["If-Match"] = f'"{at_version + (version == "wrong")}"'

    answers = [
        await clerk.vote("FRA", "yes", headers=headers) for clerk in (one, other)
    ]

    appended = await at.length() - before
    if key == "reused":
        expected: tuple[int, str] | None = (422, "idempotency_conflict")
    elif key == "same" and phase != "missing":
        expected = None  # the answer of then
    elif phase == "missing":
        expected = (404, "unknown_roll_call")
    elif version == "wrong":
        expected = (412, "version_conflict")
    elif phase != "open":
        expected = (409, "not_open")
    else:
        expected = None
    if expected is not None:
        assert [refusal(answer) for answer in answers] == [expected] * 2
        assert appended == 0
    elif key == "same":
        assert [a.headers["Idempotency-Replayed"] for a in answers] == ["true"] * 2
        assert appended == 0
    else:
        assert answers[0].status_code == 201
        assert appended == 1
        if key == "new":
            same(answers[0], answers[1])
        elif version == "right":  # which it is no more
            assert refusal(answers[1]) == (412, "version_conflict")
        else:
            assert answers[1].json()["events"] == []
