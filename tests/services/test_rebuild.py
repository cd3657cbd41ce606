"""Emptying the projections and rebuilding them from the log, beside a tally service."""

import asyncio

import pytest

from tellers_core import codec
from tellers_core.events import (
    Event,
    IntentionRecorded,
    RollCallOpened,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_runtime.archive.tables import RollCallRow
from tellers_runtime.log import LogLost
from tellers_tally import rebuild
from tellers_tally.rebuild import rebuild_all
from tests.scenario import OPENED, closed, votes
from tests.services.tallying import (
    ASSEMBLY,
    LEASE_SECONDS,
    NONSENSE,
    VOTES,
    Archive,
    Logbook,
    entries,
    leading,
    settings_for,
    tallied,
    until,
)

FJI_YES = VoteRecorded("FJI", Vote.YES)
BUSY: tuple[Event, ...] = (
    *OPENED,
    *votes(yes="FJI FRA", no="NOR", abstain="PER"),
    VoteChanged("FRA", Vote.NO, Vote.YES),
    VoteWithdrawn("PER", Vote.ABSTAIN),
    VoteRecorded("PER", Vote.YES),
)


async def history(log: Logbook) -> int:
    """Roll calls of every kind; the seq of the last event."""
    await log.append("closed", *closed(ASSEMBLY, RollCallOpened(), *VOTES))
    await log.append("busy", *BUSY)
    await log.append("closed", IntentionRecorded("FJI", Vote.NO, "an error"))
    return await log.append("scheduled", *OPENED[:1])


async def test_rebuilt_projections_are_the_same_column_for_column(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, _):
        last = await history(log)
        await until(lambda: archive.seq() == last, "the archive")
        before = archive.everything()
        (done,) = await rebuild_all(settings_for(redis_url, database_url))
        assert (str(done.log), done.events, done.changed) == ("ga", last, 0)
        assert done.seconds > 0
        assert archive.everything() == before
        archive.must_equal_a_recount(await log.entries())


async def test_it_may_run_while_votes_come_in(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        await history(log)
        await log.append("live", ASSEMBLY, RollCallOpened())
        stop = asyncio.Event()

        async def vote() -> int:
            seq = 0
            for cast in VOTES:
                seq = await log.append("live", cast)
                await asyncio.sleep(0)
            stop.set()
            return seq

        voting = asyncio.create_task(vote())
        runs = 0
        while not stop.is_set() or not runs:
            rebuilt = await rebuild_all(settings_for(redis_url, database_url))
            runs += 1
            assert rebuilt[0].events > 200
        last = await voting
        await until(lambda: archive.seq() == last, "the archive")
        archive.must_equal_a_recount(await log.entries())
        shown = await log.published("live")
        assert all(tally.held is None for tally in shown)
        await until(lambda: not leader.worker.trouble, "the lead again")


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE roll_call SET tally = replace(tally, '\"yes\":2', '\"yes\":3') "
        "WHERE id = 'busy'",
        "UPDATE roll_call SET tally = 'no JSON at all' WHERE id = 'busy'",
        "UPDATE roll_call SET yes = 6 WHERE id = 'busy'",
        "UPDATE vote SET vote = 'yes' WHERE roll_call = 'busy' AND vote = 'no'",
        "UPDATE vote SET seq = 1 WHERE roll_call = 'busy' AND delegation = 'FJI'",
        "DELETE FROM vote WHERE roll_call = 'busy'",
        "DELETE FROM roll_call WHERE id = 'busy'",
        "INSERT INTO vote VALUES ('ga', 'busy', 'ZMB', 'no', 3)",
    ],
)
async def test_what_was_tampered_with_is_mended_and_counted(
    redis_url: str, database_url: str, tampering: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, _):
        await log.append("busy", *BUSY)
        last = await log.append("other", *OPENED)
        await until(lambda: archive.seq() == last, "the archive")
        before = archive.everything()
        archive.tampered(tampering)
        (done,) = await rebuild_all(settings_for(redis_url, database_url))
        assert done.changed == 1
        assert archive.everything() == before


async def test_what_is_held_without_a_cause_is_let_go_and_published(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, _):
        await log.append("r1", *OPENED, *votes(yes="FJI FRA"))
        last = await log.append("r2", *OPENED)
        await until(lambda: archive.seq() == last, "the archive")
        archive.tampered("DELETE FROM vote WHERE delegation = 'FJI'")
        last = await log.append("r1", *votes(no="NOR"))
        await until(lambda: archive.seq() == last, "the archive")
        assert archive.roll_call("r1")["held_seq"] == last
        (done,) = await rebuild_all(settings_for(redis_url, database_url))
        assert done.changed == 1
        archive.must_equal_a_recount(await log.entries())
        assert (await log.published("r1"))[-1].held is None
        # And the tally service goes on from there.
        last = await log.append("r1", *votes(no="PER"))
        await until(lambda: archive.seq() == last, "the archive")
        archive.must_equal_a_recount(await log.entries())


async def test_what_newer_code_understands_is_let_go(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = b'org.tellers.vote.recorded.v1"}'
    decoders = dict(codec._DECODERS)
    del decoders[kind]
    async with tallied(redis_url, database_url) as (log, archive, _):
        with monkeypatch.context() as older:
            older.setattr(codec, "_DECODERS", decoders)
            await log.append("r1", *OPENED)
            last = await log.append("r1", *votes(yes="FJI FRA", no="NOR"))
            await until(lambda: archive.seq() == last, "the archive")
            assert archive.roll_call("r1")["held_seq"] == 3
        # Understood now, but a number that lacks three votes is not shown as whole.
        last = await log.append("r1", *votes(no="PER"))
        await until(lambda: archive.seq() == last, "the archive")
        assert archive.roll_call("r1")["held_seq"] == 3
        await rebuild_all(settings_for(redis_url, database_url))
        archive.must_equal_a_recount(await log.entries())
        assert (await log.published("r1"))[-1].counts.yes == 2


async def test_what_has_a_cause_stays_held_in_the_same_state(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, _):
        await log.append("r1", *OPENED, FJI_YES)
        (bad,) = entries([FJI_YES], "r1", 4, 4)
        await log.poison(bad.body)
        await log.append("r2", *OPENED)
        await log.poison(NONSENSE)
        await log.append("r2", FJI_YES)
        last = await log.append("r3", *OPENED)
        await until(lambda: archive.seq() == last, "the archive")
        before = archive.everything()
        (done,) = await rebuild_all(settings_for(redis_url, database_url))
        assert done.changed == 0
        assert archive.everything() == before
        held = {row["id"]: row["held_seq"] for row in archive.rows(RollCallRow)}
        assert held == {"r1": 4, "r2": 7, "r3": None}


async def test_a_running_tally_service_does_not_take_the_lease_from_a_long_rebuild(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        last = await history(log)
        await until(lambda: archive.seq() == last, "the archive")
        before = archive.everything()
        project = rebuild.project

        async def slow(*args: object) -> object:
            beat = leader.store.seen().beat
            beats = "more beats than a lease has"
            await until(lambda: leader.store.seen().beat > beat + 6, beats)
            return await project(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(rebuild, "project", slow)
        (done,) = await rebuild_all(settings_for(redis_url, database_url))
        assert done.events == last
        assert done.seconds > LEASE_SECONDS
        assert archive.everything() == before


async def test_without_a_tally_service_it_also_archives_what_is_new(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        async with leading(redis_url, database_url):
            await log.append("r1", *OPENED)
        await history(log)
        await rebuild_all(settings_for(redis_url, database_url))
        with Archive(database_url) as archive:
            archive.must_equal_a_recount(await log.entries())
            assert archive.lease()["holder"] == ""


async def test_another_log_than_the_archived_one_is_refused(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    settings = settings_for(redis_url, database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                last = await log.append("r1", *OPENED, FJI_YES)
                await until(lambda: archive.seq() == last, "the archive")
            before, saved = archive.everything(), await log.saved()
            await log.redis.hset(keys.meta(log.log), "epoch", "another")
            with pytest.raises(LogLost, match="epoch is another"):
                await rebuild_all(settings)
            await log.redis.flushall()
            with pytest.raises(LogLost, match="tellers restore"):
                await rebuild_all(settings)
            await log.put_back(saved)
            await log.redis.xtrim(keys.events(log.log), minid="2-0", approximate=False)
            with pytest.raises(LogLost, match="entry 1 is missing"):
                await rebuild_all(settings)
            assert archive.everything() == before
            assert archive.lease()["holder"] == ""


async def test_with_nothing_archived_there_is_nothing_to_do(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    assert await rebuild_all(settings_for(redis_url, database_url)) == []
