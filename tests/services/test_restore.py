"""Rebuilding the log in an empty Redis from the archive."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from tellers_core.codec import LogName
from tellers_core.events import RollCallOpened, Vote, VoteChanged
from tellers_core.tally import decode_tally
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_tally.backup import back_up
from tellers_tally.restore import (
    NotEmpty,
    NothingToRestore,
    restore_all,
    restore_from,
)
from tellers_tally.staging import Disturbed, Staging
from tellers_tally.store import Store
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
    silent,
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
                stream, hashes = await log.raw(), await log.known()
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
                assert await log.known() == hashes
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


class Cuts:
    """Cuts a restore off before, or after, its nth step that anybody else could see."""

    STEPS = (
        (Redis, "delete"),
        (Redis, "unlink"),
        (Pipeline, "execute"),
        (Store, "set_epoch"),
    )

    def __init__(self, patched: pytest.MonkeyPatch, step: int, after: bool) -> None:
        self.left = step
        self._after = after
        for kind, name in self.STEPS:
            patched.setattr(kind, name, self._cutting(name, getattr(kind, name)))

    def _cutting(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def blocking(*args: Any, **kwargs: Any) -> Any:
            if self._now(after=False):
                raise CutOff
            result = original(*args, **kwargs)
            if self._now(after=True):
                raise CutOff
            return result

        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            if self._now(after=False):
                raise CutOff
            result = await original(*args, **kwargs)
            if self._now(after=True):
                raise CutOff
            return result

        def either(*args: Any, **kwargs: Any) -> Any:
            if isinstance(args[0], Pipeline) and name != "execute":
                return original(*args, **kwargs)  # not sent yet
            return awaiting(*args, **kwargs)

        return blocking if original is Store.set_epoch else either

    def _now(self, after: bool) -> bool:
        if after is not self._after:
            return False
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("source", ["archive", "backup"])
async def test_cut_off_anywhere_it_is_simply_run_again(
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    after: bool,
) -> None:
    database_url = f"sqlite:///{tmp_path}/archive.db"
    migrate(database_url)
    settings = settings_for(redis_url, database_url)
    path = tmp_path / "backup"

    async def run() -> None:
        if source == "archive":
            await restore_all(settings)
        else:
            with path.open("rb") as file:
                await restore_from(file, settings, silent)

    async with Logbook(redis_url) as log, Logbook(redis_url, REHEARSALS) as other:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url, logs=(GA, REHEARSALS)):
                for roll_call in ("r1", "r2", "r3", "r4"):
                    last = await log.append(roll_call, *OPENED, *votes(yes="FJI"))
                late = await other.append("r9", *OPENED)
                await until(lambda: archive.seq() == last, "the archive")
                await until(lambda: archive.seq(REHEARSALS) == late, "the rehearsals")
            await back_up(settings, path, silent)
            streams, hashes = (await log.raw(), await other.raw()), await log.known()
            for step in range(100):
                await log.redis.flushall()
                with monkeypatch.context() as patched:
                    cuts = Cuts(patched, step, after)
                    try:
                        await run()
                    except CutOff:
                        pass
                    else:
                        assert cuts.left >= 0
                        break
                # No half a log is to be seen meanwhile: none of them, or all.
                epochs = await log.reader.epoch(), await other.reader.epoch()
                if epochs == (None, None):
                    assert (await log.raw(), await other.raw()) == ([], [])
                    # Leftovers of the log that is gone must not shine through.
                    leftover = ["v:PER", "no", "version", "7"]
                    for name in ("r4", "r5"):
                        key = keys.roll_call("ga", name)
                        await log.redis.hset(key, items=leftover)
                    await log.redis.set(keys.idempotency("ga", "ab"), "old")
                    await run()
                else:
                    with pytest.raises(NotEmpty):
                        await run()
                assert (await log.raw(), await other.raw()) == streams
                assert await log.known() == hashes
                assert not [key async for key in log.redis.scan_iter("*restoring*")]
                assert not await log.redis.exists(keys.idempotency("ga", "ab"))
            assert step >= 8
            async with leading(redis_url, database_url, logs=(GA, REHEARSALS)):
                seq = await log.append("r1", VoteChanged("FJI", Vote.NO, Vote.YES))
                await until(lambda: archive.seq() == seq, "the archive")
                archive.must_equal_a_recount(await log.entries())


async def test_nothing_appears_when_somebody_writes_meanwhile(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_url = f"sqlite:///{tmp_path}/archive.db"
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                last = await log.append("r1", *OPENED)
                await until(lambda: archive.seq() == last, "the archive")
        await log.redis.flushall()
        original = Staging.appear

        def late(staging: Staging, pipe: "Pipeline") -> None:
            original(staging, pipe)
            with BlockingRedis.from_url(redis_url) as client:
                client.delete(staging.stream)

        with monkeypatch.context() as patched:
            patched.setattr(Staging, "appear", late)
            with pytest.raises(Disturbed):
                await restore_all(settings_for(redis_url, database_url))
        assert (await log.reader.epoch(), await log.raw()) == (None, [])
        await restore_all(settings_for(redis_url, database_url))
        assert await log.reader.head() == last


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
