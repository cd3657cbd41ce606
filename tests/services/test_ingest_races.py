"""Many at once, at several processes, and a Redis that goes away in the middle."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tellers_core.events import Vote
from tellers_core.members import general_assembly
from tellers_core.roll_call import CastVote
from tellers_ingest import handler
from tellers_ingest.cache import Place
from tellers_ingest.handler import Asked, Recorder, Sender
from tellers_runtime import keys
from tellers_runtime.log import Append, LogReader, LogWriter, Stale, connect_writer
from tellers_runtime.problems import HttpProblem
from tests.scenario import recorded_roll_call
from tests.servers import RedisServer
from tests.services.ingest import GA, Clerk, Hall, hall, refusal

CODES = general_assembly().codes
PLACE = Place("ga", "es-11-1")
SENDER = Sender("0badcafe", "console", "127.0.0.1")


@pytest.fixture
async def at(redis_url: str) -> AsyncIterator[Hall]:
    async with hall(redis_url, 2) as found:
        yield found


async def test_a_whole_assembly_votes_at_once(at: Hall) -> None:
    await at.clerk.open()
    rows = [row for row in recorded_roll_call("es-11-1") if row.vote]
    async with (
        httpx.AsyncClient(timeout=30) as third,
        httpx.AsyncClient(timeout=30) as fourth,
    ):
        for url, http in zip(at.urls, (third, fourth), strict=True):
            http.base_url = httpx.URL(url)
            http.headers = at.clerk.http.headers
            at.clerks.append(Clerk(http))
        answers = await asyncio.gather(
            *(at.clerks[r.number % 4].vote(r.code, str(r.vote)) for r in rows)
        )
    assert [a.status_code for a in answers] == [201] * 181
    said = sorted(a.json()["seq"] for a in answers)
    assert said == list(range(3, 184))
    state = await at.state()
    assert (state.yes, state.no, state.abstain) == (141, 5, 35)
    assert state.votes == {row.code: row.vote for row in rows}


async def test_everybody_changes_their_mind_all_the_time(at: Hall) -> None:
    """Votes, changes, withdrawals, batches and rules at two processes; the log, the
    hash and the versions must agree afterwards (`Hall.state` looks)."""
    await at.clerk.open()
    chance = random.Random(11)

    async def one(number: int) -> httpx.Response:
        clerk = at.clerks[number % 2]
        few = chance.sample(CODES[:12], 4)
        vote = chance.choice(list(Vote)).value
        match chance.randrange(8):
            case 0:
                return await clerk.send("DELETE", f"/es-11-1/votes/{few[0]}")
            case 1:
                votes = [{"delegation": code, "vote": vote} for code in few]
                return await clerk.send("POST", "/es-11-1/votes", {"votes": votes})
            case 2:
                rule = chance.choice(["simple", "two_thirds", "absolute"])
                return await clerk.send("POST", "/es-11-1/rule", {"rule": rule})
            case _:
                return await clerk.vote(few[0], vote)

    for _ in range(6):
        answers = await asyncio.gather(*(one(number) for number in range(40)))
        assert {a.status_code for a in answers} <= {200, 201}
    state = await at.state()
    entries = await at.entries()
    places = Counter(e.seq for e in entries)
    assert list(places) == list(range(1, len(entries) + 1))
    assert state.yes + state.no + state.abstain == len(state.votes)


@pytest.mark.parametrize("votes", [("yes", "yes"), ("yes", "no")])
async def test_one_delegation_at_two_processes(
    at: Hall, votes: tuple[str, str]
) -> None:
    await at.clerk.open()
    for code in CODES[:20]:
        before = await at.length()
        answers = await asyncio.gather(
            *(
                clerk.vote(code, vote)
                for clerk, vote in zip(at.clerks, votes, strict=True)
            )
        )
        assert sorted(a.status_code for a in answers) == [200, 201]
        events = [event for a in answers for event in a.json()["events"]]
        changed = len(set(votes)) == 2
        assert sorted(events) == ["vote.changed"] * changed + ["vote.recorded"]
        assert await at.length() == before + 1 + changed
        # Who answered last (by seq) has the last word.
        last = max(zip(answers, votes, strict=True), key=lambda a: a[0].json()["seq"])
        assert (await at.state()).votes[code] == last[1]


async def test_closing_counts_every_vote_that_was_acknowledged(at: Hall) -> None:
    one, other = at.clerks
    await one.open()
    votes = [asyncio.create_task(one.vote(code, "yes")) for code in CODES[:60]]
    await asyncio.sleep(0.02)  # some are on their way, some are not
    await other.done("POST", "/es-11-1/lock")
    await other.done("POST", "/es-11-1/close")
    answers = await asyncio.gather(*votes)
    taken = [a for a in answers if a.status_code == 201]
    refused = [a for a in answers if a.status_code != 201]
    assert {refusal(a) for a in refused} <= {(409, "not_open")}
    assert (await at.state()).yes == len(taken)


async def test_redis_dies_in_the_middle(tmp_path: Path) -> None:
    """Nothing acknowledged is lost, nothing is counted twice."""
    with RedisServer(tmp_path) as server:
        async with hall(server.url, 2) as at:
            await at.clerk.open()
            sent: dict[str, httpx.Response] = {}

            async def vote(number: int, code: str) -> None:
                key = {"Idempotency-Key": f"key of {code}"}
                while True:
                    with suppress(httpx.TransportError):  # an idle connection, closed
                        sent[code] = await at.clerks[number % 2].vote(
                            code, "yes", headers=key
                        )
                        break
                if len(sent) == 60:
                    server.kill()

            await asyncio.gather(*(vote(*pair) for pair in enumerate(CODES)))
            first = dict(sent)
            lost = [code for code in CODES if sent[code].status_code == 503]
            assert 0 < len(lost) < len(CODES)
            for code in lost:
                assert refusal(sent[code]) == (503, "log_unavailable")
                assert sent[code].headers["Retry-After"] == "1"
            gone = await at.clerk.http.get("/readyz")
            assert (gone.status_code, list(gone.json()["missing"])) == (503, ["redis"])

            await asyncio.to_thread(server.start)
            await asyncio.gather(*(vote(*pair) for pair in enumerate(CODES)))
            assert {a.status_code for a in sent.values()} == {201}
            for code in set(CODES) - set(lost):
                assert sent[code].content == first[code].content
            assert sorted(a.json()["seq"] for a in sent.values()) == list(range(3, 196))
            assert (await at.state()).yes == 193


async def command(redis: Redis, text: str) -> None:
    await redis.execute_command(*text.split())  # type: ignore[no-untyped-call]


async def test_a_redis_that_takes_nothing(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with hall(server.url) as at:
            await at.clerk.open()
            await at.clerk.vote("NOR", "yes")
            for sick, well in (
                ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
                ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
            ):
                await command(at.redis, sick)
                refused = await at.clerk.vote("FRA", "yes")
                assert refusal(refused) == (503, "log_unavailable")
                key = {"Idempotency-Key": "k"}
                refused = await at.clerk.vote("NOR", "yes", headers=key)  # unchanged
                assert refusal(refused) == (503, "log_unavailable")
                await command(at.redis, well)
                assert await at.length() == 3
            assert (await at.clerk.vote("FRA", "yes")).status_code == 201


@pytest.mark.parametrize("lost", ["events", "meta", "epoch"])
async def test_a_log_that_is_not_whole_takes_nothing(at: Hall, lost: str) -> None:
    await at.clerk.open()
    await at.clerk.vote("FRA", "yes")
    if lost == "epoch":
        await at.redis.hdel(keys.meta(GA), "epoch")
    else:
        await at.redis.delete(getattr(keys, lost)(GA))
    for vote in ("yes", "no"):
        response = await at.clerk.vote("PER", vote)
        assert refusal(response) == (503, "log_unavailable")
    new = {"id": "x", "title": "T", "rule": "simple"}
    refused = await at.clerk.send("POST", "", new)
    assert refusal(refused) == (503, "log_unavailable")
    assert await at.redis.exists(keys.roll_call("ga", "x")) == 0
    ready = await at.clerk.http.get("/readyz")
    if lost == "events":
        assert ready.status_code == 200  # readers say this, they know the log
    else:
        assert (ready.status_code, list(ready.json()["missing"])) == (503, ["log ga"])


async def test_a_log_that_was_lost_and_begun_anew_is_noticed(at: Hall) -> None:
    await at.clerk.open()
    await at.clerk.vote("FRA", "yes")
    for key in await at.redis.keys("tellers:{ga}:*"):
        await at.redis.delete(key)
    await LogReader(at.redis, GA).create()
    refused = await at.clerk.vote("PER", "yes")
    assert refusal(refused) == (404, "unknown_roll_call")
    await at.clerk.open()
    assert (await at.clerk.vote("PER", "yes")).json()["seq"] == 3


async def test_an_append_in_flight_is_not_undone(at: Hall, redis_url: str) -> None:
    await at.clerk.open()
    redis = connect_writer(redis_url, "test")
    recorder = Recorder(LogWriter(redis))
    await recorder.record(Asked(PLACE, CastVote("PER", Vote.NO), SENDER))
    await command(at.redis, "CLIENT PAUSE 300 WRITE")
    asked = Asked(PLACE, CastVote("FRA", Vote.YES), SENDER)
    sender = asyncio.create_task(recorder.record(asked))
    await asyncio.sleep(0.1)  # until the append is asked for: Redis will not answer
    assert recorder._appending
    sender.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sender
    await recorder.drain()
    assert (await at.state()).votes == {"PER": Vote.NO, "FRA": Vote.YES}
    kept = recorder._cache.get(PLACE)
    assert kept is not None
    assert kept.roll_call == await at.state()
    await redis.aclose()


class Contended(LogWriter):
    """A writer to whom somebody is always first."""

    tries = 0

    async def append(self, a: Append) -> Stale:
        self.tries += 1
        return Stale("v:FRA", "no")


async def test_a_race_is_given_up_at_last(at: Hall) -> None:
    await at.clerk.open()
    writer = Contended(at.redis)
    asked = Asked(PLACE, CastVote("FRA", Vote.YES), SENDER)
    with pytest.raises(HttpProblem) as given_up:
        await Recorder(writer).record(asked)
    assert given_up.value.code == "log_unavailable"
    assert given_up.value.headers == {"Retry-After": "1"}
    assert writer.tries == handler.MAX_TRIES


async def test_too_many_at_once_are_told_to_come_later(
    at: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at.clerk.open()
    monkeypatch.setattr(handler, "MAX_RUNNING", 4)
    answers = await asyncio.gather(*(at.clerk.vote(c, "yes") for c in CODES[:30]))
    taken = [a for a in answers if a.status_code == 201]
    refused = [a for a in answers if a.status_code != 201]
    assert {refusal(a) for a in refused} == {(429, "too_many_requests")}
    assert all(a.headers["Retry-After"] == "1" for a in refused)
    assert (await at.state()).yes == len(taken) > 0


async def test_a_cached_roll_call_costs_one_command(at: Hall) -> None:
    await at.clerk.open()
    await at.clerk.vote("FRA", "yes")

    async def commands() -> Counter[str]:
        stats = await at.redis.info("commandstats")
        return Counter(
            {k.removeprefix("cmdstat_"): v["calls"] for k, v in stats.items()}
        )

    before = await commands()
    for code in CODES[:50]:
        await at.clerk.vote(code, "abstain")
    asked = await commands() - before
    assert asked["evalsha"] == 50
    assert asked["hgetall"] == 0
    assert asked["hget"] <= 50 * 4 + 5  # guards, and the token every two seconds
