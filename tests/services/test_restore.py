"""Rebuilding the log in an empty Redis from the archive."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from tellers_core.codec import LogName
from tellers_core.events import RollCallOpened, Vote, VoteChanged
from tellers_core.tally import decode_tally
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_tally import restore
from tellers_tally.restore import NotEmpty, NothingToRestore, restore_all
from tests.e2e.stack import Stack
from tests.scenario import OPENED, scheduled, votes
from tests.services.forked import Forked
from tests.services.tallying import (
    GA,
    NONSENSE,
    Archive,
    Logbook,
    entries,
    leading,
    settings_for,
    until,
)
from tests.services.test_rebuild import history

REHEARSALS = LogName("ga", rehearsal=True)


async def test_the_log_comes_back_byte_for_byte_under_a_new_epoch(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    settings = settings_for(redis_url, database_url)
    async with Logbook(redis_url) as log, Logbook(redis_url, REHEARSALS) as other:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url, logs=(GA, REHEARSALS)):
                last = await history(log)
                await other.append("r9", scheduled(rehearsal=True), RollCallOpened())
                await until(lambda: archive.seq() == last, "the archive")
                await until(lambda: archive.seq(REHEARSALS) == 2, "the rehearsals")
                # The tally service waits meanwhile, and goes on by itself.
                stream, hashes = await log.raw(), await log.hashes()
                rehearsed, epoch = await other.raw(), await log.reader.epoch()
                projections = archive.projections()
                tallies = {t.roll_call: t for t in await log.published()}
                await log.redis.flushall()
                done = await restore_all(settings)
                assert [(r.log, r.events) for r in done] == [
                    (GA, last),
                    (REHEARSALS, 2),
                ]
                assert await log.raw() == stream
                assert await other.raw() == rehearsed
                assert await log.hashes() == hashes
                assert archive.projections() == projections
                assert done[0].epoch == await log.reader.epoch() != epoch
                assert await log.reader.head() == last
                # Ingest takes votes again, and seq goes on.
                assert await log.append("busy", *votes(abstain="RUS")) == last + 1
                await until(lambda: archive.seq() == last + 1, "the archive")
                archive.must_equal_a_recount(await log.entries())
                (shown,) = await log.published()
                assert shown.epoch == done[0].epoch
                assert shown.version == tallies["busy"].version + 1


async def test_tallies_differ_in_nothing_but_the_epoch(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                last = await history(log)
                await until(lambda: archive.seq() == last, "the archive")
                before = {t.roll_call: t for t in await log.published()}
                await log.redis.flushall()
            (done,) = await restore_all(settings_for(redis_url, database_url))
            for name, tally in before.items():
                row = decode_tally(archive.roll_call(name)["tally"].encode())
                assert replace(tally, epoch=done.epoch) == replace(
                    row, epoch=done.epoch
                )


async def test_what_could_not_be_understood_comes_back_too(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                await log.append("r1", *OPENED, *votes(yes="FJI"))
                (newer,) = entries(votes(no="NOR"), "r1", 4, 4)
                await log.poison(newer.body.replace(b"recorded.v1", b"recorded.v2"))
                await log.poison(NONSENSE)
                (orphan,) = entries(votes(no="NOR"), "nobody", 6, 9)
                await log.poison(orphan.body.replace(b"recorded.v1", b"recorded.v2"))
                last = await log.append("r2", *OPENED)
                await until(lambda: archive.seq() == last, "the archive")
            stream, projections = await log.raw(), archive.projections()
            await log.redis.flushall()
            await restore_all(settings_for(redis_url, database_url))
            assert await log.raw() == stream
            assert archive.projections() == projections
            hashes = await log.hashes()
            # Ingest counts versions on from the one nobody understands.
            r1 = hashes[keys.roll_call("ga", "r1").encode()]
            assert (r1[b"version"], r1[b"seq"]) == (b"4", b"4")
            assert keys.roll_call("ga", "nobody").encode() not in hashes
            async with leading(redis_url, database_url):
                last = await log.append("r2", *votes(yes="FJI"))
                await until(lambda: archive.seq() == last, "the archive")
            assert archive.roll_call("r1")["held_seq"] == 4


async def test_an_empty_log_comes_back_as_well(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        async with leading(redis_url, database_url):
            pass
        await log.redis.flushall()
        (done,) = await restore_all(settings_for(redis_url, database_url))
        assert (done.events, await log.reader.epoch()) == (0, done.epoch)
        assert await log.append("r1", *OPENED) == 2


async def test_a_redis_that_has_a_log_is_refused(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    settings = settings_for(redis_url, database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                last = await log.append("r1", *OPENED)
                await until(lambda: archive.seq() == last, "the archive")
            before, saved = archive.everything(), await log.saved()
            with pytest.raises(NotEmpty, match="Redis has the log"):
                await restore_all(settings)
            await log.redis.hset(keys.meta(GA), "epoch", "another")
            with pytest.raises(NotEmpty, match="another log of ga"):
                await restore_all(settings)
            await log.redis.delete(keys.meta(GA))
            with pytest.raises(NotEmpty, match="another log of ga"):
                await restore_all(settings)
            await log.redis.delete(keys.events(GA))
            await log.redis.hset(keys.meta(GA), "epoch", "another")
            with pytest.raises(NotEmpty, match="another log of ga"):
                await restore_all(settings)
            assert archive.everything() == before
            await log.put_back(saved)
            assert await log.append("r1", *votes(yes="FJI")) == last + 1


async def test_an_archive_without_a_log_has_nothing_to_restore(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    with pytest.raises(NothingToRestore):
        await restore_all(settings_for(redis_url, database_url))


class CutOff(Exception):
    """The power went."""


@pytest.mark.parametrize(
    ("kind", "name", "calls"),
    [
        (Redis, "delete", 0),
        (Pipeline, "execute", 0),  # the entries
        (Pipeline, "execute", 1),  # a roll call
        (Pipeline, "execute", 3),
        (restore, "new_epoch", 0),
        (Pipeline, "execute", 5),  # the log becomes visible
        (Redis, "delete", 1),  # the first log is whole, the second not begun
        (Pipeline, "execute", 6),
    ],
)
async def test_cut_off_anywhere_it_is_simply_run_again(
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: object,
    name: str,
    calls: int,
) -> None:
    database_url = f"sqlite:///{tmp_path}/archive.db"
    migrate(database_url)
    settings = settings_for(redis_url, database_url)
    async with Logbook(redis_url) as log, Logbook(redis_url, REHEARSALS) as other:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url, logs=(GA, REHEARSALS)):
                for roll_call in ("r1", "r2", "r3", "r4"):
                    last = await log.append(roll_call, *OPENED, *votes(yes="FJI"))
                late = await other.append("r9", *OPENED)
                await until(lambda: archive.seq() == last, "the archive")
                await until(lambda: archive.seq(REHEARSALS) == late, "the rehearsals")
            streams, hashes = (await log.raw(), await other.raw()), await log.hashes()
            await log.redis.flushall()
            original, left = getattr(kind, name), [calls]

            def cut(*args: object, **kwargs: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    raise CutOff
                return original(*args, **kwargs)

            with monkeypatch.context() as patched:
                patched.setattr(kind, name, cut)
                with pytest.raises(CutOff):
                    await restore_all(settings)
            # No half a log is to be seen meanwhile.
            if await log.reader.epoch() is None:
                assert await log.raw() == []
                # Leftovers of the log that is gone must not shine through.
                await log.redis.hset(keys.roll_call("ga", "r4"), "v:PER", "no")
            await restore_all(settings)
            assert (await log.raw(), await other.raw()) == streams
            assert await log.hashes() == hashes
            async with leading(redis_url, database_url, logs=(GA, REHEARSALS)):
                seq = await log.append("r1", VoteChanged("FJI", Vote.NO, Vote.YES))
                await until(lambda: archive.seq() == seq, "the archive")
                archive.must_equal_a_recount(await log.entries())


async def test_ingest_takes_votes_again_and_knows_what_was_cast(
    tmp_path: Path, database_url: str
) -> None:
    """Ingest and tally run all the time; only Redis was emptied, tokens and all."""
    stack = Stack(tmp_path, database_url, {"TELLERS_CHAMBERS": "ga"})
    stack.tally = Forked(stack.tally, "tally.log")
    stack.redis.start()
    migrate(database_url)
    try:
        stack.token = await stack._new_token()
        await asyncio.gather(
            asyncio.to_thread(stack.tally.start), asyncio.to_thread(stack.ingest.start)
        )
        await until(stack.tally.ready, "the tally service")
        await until(stack.ingest.ready, "ingest")
        clerk = stack.clerk()
        clerk.open("es-11-1")
        last = clerk.vote("es-11-1", "FRA", "yes")
        with Archive(database_url) as archive:
            await until(lambda: archive.seq() == last["seq"], "the archive")
            async with Logbook(stack.redis.url) as log:
                await log.redis.flushall()
                settings = settings_for(stack.redis.url, database_url)
                await restore_all(settings)
                stack.token = await stack._new_token()
                clerk.http.close()
                clerk = stack.clerk()
                same = clerk.vote("es-11-1", "FRA", "yes")
                assert (same["seq"], same["events"]) == (last["seq"], [])
                other = clerk.vote("es-11-1", "DEU", "no")
                assert other["seq"] == last["seq"] + 1
                assert other["version"] == last["version"] + 1
                await until(lambda: archive.seq() == other["seq"], "the archive")
                archive.must_equal_a_recount(await log.entries())
        clerk.http.close()
    finally:
        for service in (stack.ingest, stack.tally, stack.redis):
            service.stop()
