"""A backup: what comes back from it, and what is not in it."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tellers_core.codec import LogName, encode
from tellers_core.events import Vote, VoteRecorded
from tellers_core.tally import decode_tally
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_runtime.archive.tables import RollCallRow
from tellers_runtime.fields import changes
from tellers_runtime.log import Append, Duplicate, LogWriter
from tellers_runtime.tokens import Scope, TokenStore
from tellers_tally import backup, backup_file, restore, staging
from tellers_tally.backup import Head
from tellers_tally.backup_file import (
    Writer,
)
from tests.scenario import AT, OPENED, scheduled, votes
from tests.services.backing import archived_log, bring_back, take
from tests.services.tallying import (
    GA,
    NONSENSE,
    Archive,
    Logbook,
    leading,
    until,
)
from tests.services.test_rebuild import history

REHEARSALS = LogName("ga", rehearsal=True)
SC = LogName("sc")
UNREADABLE = (
    NONSENSE,
    b"",
    b"two\nlines",
    b"\xff\x00 no text",
    b'{"base64":"eHh4"}',
    b'{"line":"end","events":0,"lines":1,"sha256":""}',
)


async def test_everything_that_cannot_be_derived_comes_back(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    other_database = f"sqlite:///{tmp_path}/other.db"
    migrate(other_database)
    logs = (GA, REHEARSALS, SC)
    async with (
        Logbook(redis_url) as log,
        Logbook(redis_url, REHEARSALS) as rehearsed,
        Logbook(redis_url, SC) as council,
    ):
        tokens = TokenStore(log.redis)
        clear = await tokens.create("Machine", [Scope.RECORD])
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url, logs=logs):
                await history(log)
                for body in UNREADABLE:
                    last = await log.poison(body)
                await rehearsed.append("r9", scheduled(rehearsal=True))
                await until(lambda: archive.seq() == last, "the archive")
                await until(lambda: archive.seq(REHEARSALS) == 1, "the rehearsals")
                await until(lambda: archive.seq(SC) == 0, "the council")
            projections = archive.projections()
        streams = [await one.raw() for one in (log, rehearsed, council)]
        hashes, listed = await log.known(), await tokens.list()
        path = await take(redis_url, database_url, tmp_path / "backup")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

        await log.redis.flushall()
        done = await bring_back(path, redis_url, other_database)
        assert {r.log: r.events for r in done.logs} == {GA: last, REHEARSALS: 1, SC: 0}
        assert done.tokens == 1
        assert [await one.raw() for one in (log, rehearsed, council)] == streams
        assert await log.known() == hashes
        assert await tokens.list() == listed
        assert await TokenStore(log.redis).verify(clear)
        epochs = {str(r.log): r.epoch for r in done.logs}
        assert len(set(epochs.values())) == 3
        assert epochs["ga"] == await log.reader.epoch()

        # The tally service begins with an empty archive and counts everything anew.
        with Archive(other_database) as archive:
            async with leading(redis_url, other_database, logs=logs):
                await until(lambda: archive.seq() == last, "the archive")
                assert archive.projections() == projections
                shown = (await log.published("closed"))[-1]
                assert shown.epoch == epochs["ga"]
                last = await log.append("busy", *votes(abstain="RUS"))
                await until(lambda: archive.seq() == last, "the archive")


async def test_tallies_differ_in_nothing_but_the_epoch(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with archived_log(redis_url, database_url) as (log, archive):
        path = await take(redis_url, database_url, tmp_path / "backup")
        before = {row["id"]: row["tally"] for row in archive.rows(RollCallRow)}
        (epoch,) = {tally.epoch for tally in await log.published()}
        await log.redis.flushall()
        other = f"sqlite:///{tmp_path}/other.db"
        migrate(other)
        await bring_back(path, redis_url, other)
        with Archive(other) as anew:
            async with leading(redis_url, other):
                await until(lambda: anew.seq() == archive.seq(), "the archive")
            rows = anew.rows(RollCallRow)
        # `tally` holds the published bytes, but for the epoch, which the log has.
        assert {row["id"]: row["tally"] for row in rows} == before
        assert {decode_tally(row["tally"].encode()).epoch for row in rows} == {""}
        assert await log.reader.epoch() != epoch


@pytest.mark.parametrize("kept", ["all", "half", "none"])
async def test_an_archive_that_is_the_beginning_is_gone_on_with(
    redis_url: str, database_url: str, tmp_path: Path, kept: str
) -> None:
    async with archived_log(redis_url, database_url) as (log, archive):
        half = await take(redis_url, database_url, tmp_path / "half")
        async with leading(redis_url, database_url):
            last = await log.append("r2", *OPENED, *votes(yes="FJI"))
            await until(lambda: archive.seq() == last, "the archive")
        path = await take(redis_url, database_url, tmp_path / "backup")
        stream = await log.raw()
        await log.redis.flushall()
        if kept != "all":
            database_url = f"sqlite:///{tmp_path}/other.db"
            migrate(database_url)
        with Archive(database_url) as found:
            if kept == "half":
                await bring_back(half, redis_url, database_url)
                async with leading(redis_url, database_url):
                    await until(lambda: found.seq() == last - 3, "the half")
                await log.redis.flushall()
            await bring_back(path, redis_url, database_url)
            assert await log.raw() == stream
            async with leading(redis_url, database_url):
                await until(lambda: found.seq() == last, "the archive")
                last = await log.append("r2", *votes(no="NOR"))
                await until(lambda: found.seq() == last, "the archive")
                found.must_equal_a_recount(await log.entries())


async def test_a_system_without_events_comes_back(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        async with leading(redis_url, database_url, logs=(GA, REHEARSALS)):
            pass
        path = await take(redis_url, database_url, tmp_path / "backup")
        before = await log.reader.epoch()
        # Into a system that was only started, which is as empty.
        done = await bring_back(path, redis_url, database_url)
        assert [(r.log, r.events) for r in done.logs] == [(GA, 0), (REHEARSALS, 0)]
        assert await log.reader.epoch() != before
        async with leading(redis_url, database_url):
            assert await log.append("r1", *OPENED) == 2


# ---- the fixed head


def vote(roll_call: str, delegation: str, digest: str) -> Append:
    """A vote as ingest appends it, with an idempotency key."""
    event = VoteRecorded(delegation, Vote.YES)
    return Append(
        GA,
        roll_call,
        {},
        [encode(GA, roll_call, event, AT)],
        changes(event),
        b'201{"roll_call":{"rehearsal":false},"seq":',
        b',"events":["vote.recorded"]}',
        digest,
        "f" * 64,
    )


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "control"])
async def test_an_answer_never_comes_back_without_its_event(
    redis_url: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fixed: bool,
) -> None:
    """The control takes every answer there is, as a backup without fixed heads would:
    a sender who asks again is then told of a vote that is in no log."""
    async with archived_log(redis_url, database_url) as (log, _):
        writer = LogWriter(log.redis)
        await log.append("r2", *OPENED)
        early, late = vote("r2", "FJI", "a1"), vote("r2", "FRA", "b2")
        await writer.append(early)
        heads, put_answers = backup._heads, backup._put_answers

        async def vote_after(redis: Redis, logs: Any) -> list[Head]:
            found = await heads(redis, logs)
            await writer.append(late)
            return found

        async def all_answers(redis: Redis, file: Writer, found: list[Head]) -> int:
            unfixed = [head._replace(seq=1_000_000) for head in found]
            return await put_answers(redis, file, unfixed)

        monkeypatch.setattr(backup, "_heads", vote_after)
        if not fixed:
            monkeypatch.setattr(backup, "_put_answers", all_answers)
        path = await take(redis_url, database_url, tmp_path / "backup")
        stream = await log.entries()
        ttl = await log.redis.pttl(keys.idempotency("ga", "a1"))
        await log.redis.flushall()
        done = await bring_back(path, redis_url, database_url)
        assert await log.entries() == stream[:-1]
        assert done.answers == (1 if fixed else 2)
        again = await writer.append(early)
        assert isinstance(again, Duplicate)
        assert ttl - 60_000 < await log.redis.pttl(keys.idempotency("ga", "a1")) <= ttl
        again = await writer.append(late)
        in_the_log = await log.reader.head() == len(stream)
        assert isinstance(again, Duplicate) is not in_the_log
        assert in_the_log is fixed


async def test_answers_are_forgotten_when_their_time_is_over(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with archived_log(redis_url, database_url) as (log, _):
        await log.append("r2", *OPENED)
        writer = LogWriter(log.redis)
        await writer.append(vote("r2", "FJI", "a1"))
        await writer.append(vote("r2", "FRA", "b2"))
        await log.redis.pexpire(keys.idempotency("ga", "b2"), 400)
        path = await take(redis_url, database_url, tmp_path / "backup")
        assert path.read_text().count('"line":"answer"') == 2
        await log.redis.flushall()
        await asyncio.sleep(0.5)  # the time that passes is what this is about
        done = await bring_back(path, redis_url, database_url)
        assert done.answers == 1


async def test_pages_have_no_seam(
    redis_url: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every size of a log around a page's, every page read on."""
    for module in (backup, backup_file, restore, staging):
        monkeypatch.setattr(module, "PAGE", 3)
    migrate(database_url)
    async with Logbook(redis_url) as log:
        await log.reader.create()
        for size in range(2, 9):
            await log.append("r1", *(OPENED if size == 2 else ()), *_one_vote(size))
            await take(redis_url, database_url, tmp_path / f"backup-{size}")
            saved, stream, hashes = (
                await log.saved(),
                await log.raw(),
                await log.known(),
            )
            await log.redis.flushall()
            await bring_back(tmp_path / f"backup-{size}", redis_url, database_url)
            assert await log.raw() == stream
            assert await log.known() == hashes
            await log.put_back(saved)


def _one_vote(size: int) -> tuple[VoteRecorded, ...]:
    codes = ("FJI", "FRA", "NOR", "PER", "RUS", "ZMB")
    return (VoteRecorded(codes[size - 3], Vote.YES),) if size > 2 else ()
