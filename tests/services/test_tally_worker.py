"""The tally service on a real log and a real archive, in this process, with faults."""

import shutil
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.exceptions import OutOfMemoryError
from sqlalchemy.exc import OperationalError

from tellers_core.codec import LogName
from tellers_core.events import (
    Event,
    IntentionRecorded,
    RollCallOpened,
    Vote,
    VoteRecorded,
)
from tellers_core.tally import Tally, decode_tally
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_runtime.archive.tables import EventRow, VoteRow
from tellers_runtime.log import Entry, LogReader
from tellers_tally.restore import restore_all
from tellers_tally.store import Batch, Store
from tellers_tally.worker import ALL_WITHIN, MAX_UNARCHIVED
from tests.faults.projections import tallies_of
from tests.scenario import OPENED, closed, scheduled, votes
from tests.servers import PostgresServer, RedisServer
from tests.services.tallying import (
    ASSEMBLY,
    GA,
    NONSENSE,
    VOTES,
    Archive,
    Logbook,
    candidate,
    entries,
    leading,
    reworded,
    settings_for,
    tallied,
    until,
)

FJI_YES = VoteRecorded("FJI", Vote.YES)
ALL = 10_000  # more commits than any of these tests makes


class Gate:
    """Commits of a store wait here while it is closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
        self._permits = threading.Semaphore(ALL)
        self.waiting = threading.Event()
        commit = store.commit

        def gated(log: LogName, epoch: str, old: int, batch: Batch) -> None:
            self.waiting.set()
            assert self._permits.acquire(timeout=20)
            commit(log, epoch, old, batch)

        monkeypatch.setattr(store, "commit", gated)

    def close(self) -> None:
        while self._permits.acquire(blocking=False):
            pass

    def let_through(self, commits: int) -> None:
        self._permits.release(commits)

    def open(self) -> None:
        self._permits.release(ALL)


async def until_published(log: Logbook, seq: int) -> None:
    async def shown() -> bool:
        return await log.projected() >= seq

    await until(shown, f"the tallies up to {seq}")


def seqs(tallies: list[Tally]) -> list[int]:
    return [tally.seq for tally in tallies]


async def test_every_event_is_published_as_a_tally_and_archived(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, _):
        await log.append("r1", ASSEMBLY, RollCallOpened())
        for vote in VOTES[:20]:
            await log.append("r1", vote)
        last = await log.append("r1", *VOTES[20:])
        await until(lambda: archive.seq() == last, "the archive")
        archive.must_equal_a_recount(await log.entries())
        assert seqs(await log.published()) == list(range(1, last + 1))
        assert await log.projected() == last


async def test_a_first_start_makes_the_log_and_a_later_one_goes_on(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            for number in (1, 2, 3):
                async with leading(redis_url, database_url):
                    assert await log.reader.epoch() is not None
                    last = await log.append(f"r{number}", *OPENED, FJI_YES)
                    await until(lambda: archive.seq() == last, "the archive")  # noqa: B023
            archive.must_equal_a_recount(await log.entries())
            assert seqs(await log.published()) == list(range(1, last + 1))


async def test_an_archive_begun_anew_takes_the_whole_log(
    redis_url: str, database_url: str
) -> None:
    """The archive was thrown away, the log is there."""
    async with Logbook(redis_url) as log:
        await log.reader.create()
        await log.append("r1", *closed(*OPENED, FJI_YES))
        last = await log.append("r2", *OPENED)
        async with tallied(redis_url, database_url) as (_, archive, _):
            await until(lambda: archive.seq() == last, "the archive")
            archive.must_equal_a_recount(await log.entries())


async def test_rehearsals_are_a_log_of_their_own(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    rehearsals = LogName("ga", rehearsal=True)
    async with (
        Logbook(redis_url) as log,
        Logbook(redis_url, rehearsals) as other,
        leading(redis_url, database_url, logs=(GA, rehearsals)),
    ):
        with Archive(database_url) as archive:
            last = await log.append("r1", *OPENED)
            await other.append("r2", scheduled(rehearsal=True), RollCallOpened())
            late = await other.append("r2", FJI_YES)
            await until(lambda: archive.seq() == last, "the archive")
            await until(lambda: archive.seq(rehearsals) == late, "the other")
            archive.must_equal_a_recount(await log.entries())
            archive.must_equal_a_recount(await other.entries(), rehearsals)


# ---- publishing beside archiving


async def test_tallies_are_published_while_the_archive_is_slow(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        gate = Gate(monkeypatch, leader.store)
        gate.close()
        await log.append("r1", *OPENED)
        last = await log.append("r1", *votes(yes="FJI FRA NOR"))
        await until_published(log, last)
        assert archive.seq() == 0
        gate.open()
        await until(lambda: archive.seq() == last, "the archive")
        archive.must_equal_a_recount(await log.entries())


async def test_an_intention_finds_a_closing_that_is_not_archived_yet(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended is let go when its own last entry is archived, not when others are."""
    async with tallied(redis_url, database_url) as (log, archive, leader):
        gate = Gate(monkeypatch, leader.store)
        gate.close()
        await log.append("r1", *OPENED[:1])
        await until(gate.waiting.is_set, "a commit")
        seq = await log.append("r1", *closed(*OPENED, FJI_YES)[1:])
        await until_published(log, seq)
        gate.let_through(1)
        await until(lambda: archive.seq() == 1, "the commit")
        seq = await log.append("r1", IntentionRecorded("NOR", Vote.NO, None))
        await until_published(log, seq)
        gate.open()
        await until(lambda: archive.seq() == seq, "the archive")
        archive.must_equal_a_recount(await log.entries())


async def test_an_intention_long_after_closing_is_taken_in(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, _):
        seq = await log.append("r1", *closed(*OPENED, FJI_YES))
        await until(lambda: archive.seq() == seq, "the archive")
        for code in ("NOR", "PER"):
            seq = await log.append("r1", IntentionRecorded(code, Vote.NO, "late"))
            await until(lambda: archive.seq() == seq, "the archive")  # noqa: B023
        archive.must_equal_a_recount(await log.entries())


async def test_reading_waits_when_the_archive_is_too_far_behind(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    follow = LogReader.follow

    async def noted(
        reader: LogReader, after: int, count: int, block_ms: int
    ) -> tuple[str | None, list[Entry]]:
        asked.append(after)
        return await follow(reader, after, count, block_ms)

    monkeypatch.setattr(LogReader, "follow", noted)
    async with tallied(redis_url, database_url) as (log, archive, leader):
        gate = Gate(monkeypatch, leader.store)
        gate.close()
        number = 0
        last = 0
        while last < MAX_UNARCHIVED + 2500:
            number += 1
            last = await log.append(f"r{number}", ASSEMBLY, RollCallOpened(), *VOTES)
        await until_published(log, MAX_UNARCHIVED + 1)
        assert await log.projected() < last
        # Nothing is kept in hand either, to be counted when it is old.
        assert max(asked) <= MAX_UNARCHIVED
        gate.open()
        await until(lambda: archive.seq() == last, "the archive")
        archive.must_equal_a_recount(await log.entries())


# ---- far behind: what a reader is promised who is too slow for every change


def load(roll_calls: int) -> Iterator[tuple[str, tuple[Event, ...]]]:
    """Whole roll calls of the Assembly."""
    for number in range(1, roll_calls + 1):
        yield f"r{number}", closed(ASSEMBLY, RollCallOpened(), *VOTES)


def turns(tallies: Iterable[Tally]) -> list[tuple[int, str, str]]:
    """Where phase or status changed: the place, and what they became."""
    found: list[tuple[int, str, str]] = []
    for tally in tallies:
        stands = (tally.phase, tally.verdict.status)
        if not found or stands != found[-1][1:]:
            found.append((tally.seq, *stands))
    return found


async def test_of_a_bulk_load_every_turn_is_published_and_the_newest(
    redis_url: str, database_url: str
) -> None:
    async with Logbook(redis_url) as log:
        await log.reader.create()
        for name, history in load(8):
            await log.append(name, *history)
        # The newest of this one is no turn.
        last = await log.append("r9", ASSEMBLY, RollCallOpened(), *VOTES[:5])
        whole = tallies_of(await log.entries())
        async with tallied(redis_url, database_url) as (_, archive, _):
            await until(lambda: archive.seq() == last, "the archive")
            archive.must_equal_a_recount(await log.entries())
        published = await log.published()
        assert await log.projected() == last
        assert len(published) < last / 10
        assert seqs(published) == sorted(set(seqs(published)))
        for shown in published:
            assert shown.confirmed
            assert replace(shown, epoch="", confirmed=False) == whole[shown.seq]
        assert published[-1].seq == last
        for name in [name for name, _ in load(9)]:
            all_of_it = [one for one in whole.values() if one.roll_call == name]
            mine = [one for one in published if one.roll_call == name]
            assert turns(mine) == turns(all_of_it)
            assert mine[-1].seq == all_of_it[-1].seq


async def test_a_reader_who_is_hardly_behind_gets_every_tally(
    redis_url: str, database_url: str
) -> None:
    async with Logbook(redis_url) as log:
        await log.reader.create()
        ((name, history),) = load(1)
        last = await log.append(name, *history)
        assert last <= ALL_WITHIN
        async with tallied(redis_url, database_url) as (_, archive, _):
            await until(lambda: archive.seq() == last, "the archive")
        assert seqs(await log.published()) == list(range(1, last + 1))


async def test_a_bulk_load_with_a_bad_entry_is_counted_up_to_there(
    redis_url: str, database_url: str
) -> None:
    async with Logbook(redis_url) as log:
        await log.reader.create()
        await log.append("bad", ASSEMBLY, RollCallOpened(), *VOTES[:50])
        good = await log.reader.head()
        (entry,) = entries([VOTES[50]], "bad", good + 1, good + 1)
        await log.poison(reworded(entry, b"recorded", b"whispered").body)
        (next_,) = entries([VOTES[51]], "bad", good + 2, good + 2)
        await log.poison(next_.body)
        for name, history in load(3):
            last = await log.append(name, *history)
        async with tallied(redis_url, database_url) as (_, archive, _):
            await until(lambda: archive.seq() == last, "the archive")
            assert archive.roll_call("bad")["held_seq"] == good + 1
            assert archive.roll_call("bad")["seq"] == good
            of_bad = [r for r in archive.rows(VoteRow) if r["roll_call"] == "bad"]
            assert len(of_bad) == 50
            assert archive.roll_call("r3")["phase"] == "closed"
        *_, shown = await log.published("bad")
        assert (shown.held is not None, shown.seq) == (True, good)


# ---- the archive does not add up


async def test_a_roll_call_whose_votes_do_not_add_up_is_held_and_the_others_go_on(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        await log.append("r1", *OPENED, *votes(yes="FJI FRA"))
        seq = await log.append("r2", *OPENED, FJI_YES)
        await until(lambda: archive.seq() == seq, "the archive")
        archive.tampered("UPDATE vote SET vote = 'no' WHERE roll_call = 'r1'")
        await log.append("r1", VoteRecorded("NOR", Vote.YES))
        await until(lambda: archive.roll_call("r1")["held_seq"], "r1 to be held")
        await log.append("r1", VoteRecorded("PER", Vote.YES))
        seq = await log.append("r2", VoteRecorded("NOR", Vote.YES))
        await until(lambda: archive.seq() == seq, "the archive")
        *_, shown = await log.published("r1")
        assert shown.held is not None
        assert "the votes are" in shown.held.reason
        assert archive.roll_call("r1")["held_seq"] == shown.held.seq
        assert archive.roll_call("r2")["yes"] == 2
        assert len(archive.rows(EventRow)) == seq
        assert not leader.task.done()


async def test_after_the_mark_of_a_held_roll_call_no_tally_without_it_is_published(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, _):
        seq = await log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES[:3])
        await until(lambda: archive.seq() == seq, "the archive")
        archive.tampered("DELETE FROM vote")
        for vote in VOTES[3:60]:
            seq = await log.append("r1", vote)
        await until(lambda: archive.seq() == seq, "the archive")
        marks = [tally.held is not None for tally in await log.published("r1")]
        assert marks == sorted(marks)
        assert marks.count(True) == 1
        assert decode_tally(archive.roll_call("r1")["tally"].encode()).held


# ---- held, and a new start


async def test_what_is_held_stays_held_after_a_new_start(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                await log.append("r1", *OPENED, FJI_YES)
                (bad,) = entries([FJI_YES], "r1", 4, 4)
                seq = await log.poison(bad.body)
                await until(lambda: archive.seq() == seq, "the archive")
            held = archive.roll_call("r1")
            assert held["held_seq"] == 4
            async with leading(redis_url, database_url) as leader:
                (good,) = entries([VoteRecorded("NOR", Vote.NO)], "r1", 5, 4)
                await log.poison(good.body)
                seq = await log.append("r2", *OPENED)
                await until(lambda: archive.seq() == seq, "the archive")
                assert archive.roll_call("r1") == held
                assert archive.roll_call("r2")["held_seq"] is None
                assert (await log.published("r1"))[-1].held is not None
                assert len(await log.published("r1")) == 4
                assert not leader.worker.trouble


async def test_a_nameless_entry_holds_also_what_was_not_touched_since_the_start(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                await log.append("running", *OPENED, FJI_YES)
                seq = await log.append("ended", *closed(*OPENED))
                await until(lambda: archive.seq() == seq, "the archive")
            async with leading(redis_url, database_url):
                seq = await log.poison(NONSENSE)
                await until(lambda: archive.seq() == seq, "the archive")
                assert archive.roll_call("running")["held_seq"] == seq
                assert archive.roll_call("ended")["held_seq"] is None
            async with leading(redis_url, database_url):
                seq = await log.append("running", VoteRecorded("NOR", Vote.NO))
                await until(lambda: archive.seq() == seq, "the archive")
                assert archive.roll_call("running")["no"] == 0
                *_, shown = await log.published("running")
                assert shown.held is not None


async def test_the_last_entry_may_be_no_text_and_a_new_start_goes_on(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                await log.append("r1", *OPENED)
                seq = await log.poison(b"\xff\0\xfe")
                await until(lambda: archive.seq() == seq, "the archive")
            async with leading(redis_url, database_url):
                seq = await log.append("r2", *OPENED)
                await until(lambda: archive.seq() == seq, "the archive")


@pytest.mark.parametrize("name", ["x" * 300, "a\\u0000b", "UPPER", ""])
async def test_an_impossible_name_stops_nobody(
    redis_url: str, database_url: str, name: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        await log.poison(b'{"rollcall":"%b"}' % name.encode())
        seq = await log.append("r1", *OPENED)
        await until(lambda: archive.seq() == seq, "the archive")
        assert not leader.worker.trouble


# ---- Redis and PostgreSQL go away


async def test_a_redis_that_is_killed_and_comes_back_is_followed_again(
    tmp_path: Path, database_url: str
) -> None:
    with RedisServer(tmp_path / "redis") as server:
        async with tallied(server.url, database_url) as (log, archive, leader):
            await log.append("r1", ASSEMBLY, RollCallOpened())
            for start in range(0, len(VOTES), 65):
                last = await log.append("r1", *VOTES[start : start + 65])
                server.kill()
                await until(lambda: leader.worker.trouble, "the trouble")
                server.start()
                await until(lambda: not leader.worker.trouble, "the log again")
            await until(lambda: archive.seq() == last, "the archive")
            archive.must_equal_a_recount(await log.entries())
            assert not leader.task.done()


async def test_a_redis_that_refuses_to_write_is_waited_for(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):

        async def refused(*_: object) -> None:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'")

        with monkeypatch.context() as patched:
            patched.setattr(leader.worker._channel, "publish", refused)
            seq = await log.append("r1", *OPENED)
            await until(lambda: "maxmemory" in leader.worker.trouble, "the trouble")
            assert archive.seq() == 0
        await until(lambda: archive.seq() == seq, "the archive")
        assert seqs(await log.published()) == [1, 2]


async def test_tallies_are_published_while_postgresql_is_away_and_archived_after(
    redis_url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.start()
    async with tallied(redis_url, postgres_server.new_database()) as (
        log,
        archive,
        leader,
    ):
        seq = await log.append("r1", ASSEMBLY, RollCallOpened())
        await until(lambda: archive.seq() == seq, "the archive")
        postgres_server.stop()
        for vote in VOTES[:50]:
            last = await log.append("r1", vote)
        await log.append("r2", *OPENED)  # one that nobody has heard of
        last = await log.append("r1", *VOTES[50:])
        await until_published(log, last)
        await until(lambda: "archive" in leader.worker.trouble, "the trouble")
        assert seqs(await log.published()) == list(range(1, last + 1))
        postgres_server.start()
        await until(lambda: archive.seq() == last, "the archive")
        archive.must_equal_a_recount(await log.entries())
        await until(lambda: not leader.worker.trouble, "all to be well")
        assert not leader.task.done()


# ---- the log is not what it was


async def lost(log: Logbook) -> str:
    await log.redis.flushall()
    return "the log is gone, the archive has 6 events: run `tellers restore`"


async def shorter(log: Logbook) -> str:
    stream, meta = keys.events(log.log), keys.meta(log.log)
    kept = (await log.entries())[:4]
    await log.redis.delete(stream)
    for seq, body in kept:
        await log.redis.xadd(stream, {"e": body}, id=f"{seq}-0")
    await log.redis.hset(meta, "seq", "4")
    return "the log ends at 4, the archive at 6"


async def trimmed(log: Logbook) -> str:
    await log.append("r1", VoteRecorded("RUS", Vote.NO))
    await log.redis.xtrim(keys.events(log.log), minid="7-0", approximate=False)
    return "entry 6 is missing: the log goes on at b'7-0'"


async def emptied(log: Logbook) -> str:
    await log.redis.delete(keys.events(log.log))
    return "entry 6 of the log is missing"


async def another_entry(log: Logbook) -> str:
    """The same log but for one byte of its last entry."""
    *rest, last = await log.entries()
    stream = keys.events(log.log)
    await log.redis.delete(stream)
    for seq, body in (*rest, reworded(last, b'"vote":"', b'"vote": "')):
        await log.redis.xadd(stream, {"e": body}, id=f"{seq}-0")
    return "entry 6 of the log is not the one we read"


async def another_epoch(log: Logbook) -> str:
    await log.redis.hset(keys.meta(log.log), "epoch", "another")
    return "the log's epoch is another"


@pytest.mark.parametrize(
    "damage", [lost, shorter, trimmed, emptied, another_entry, another_epoch]
)
async def test_on_a_log_that_is_not_the_archived_one_it_stands_still(
    redis_url: str, database_url: str, damage: Callable[[Logbook], Awaitable[str]]
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                await log.append("r1", *OPENED, *votes(yes="FJI FRA", no="NOR PER"))
                await until(lambda: archive.seq() == 6, "the archive")
            before, saved = archive.everything(), await log.saved()
            reason = await damage(log)
            shown = await log.published()
            async with candidate(redis_url, database_url) as leader:
                await until(lambda: reason in leader.worker.trouble, reason)
                assert archive.everything() == before
                assert await log.published() == shown
                await log.put_back(saved)
                await until(lambda: not leader.worker.trouble, "the true log")
                seq = await log.append("r2", *OPENED)
                await until(lambda: archive.seq() == seq, "the archive")
                archive.must_equal_a_recount(await log.entries())


async def test_a_log_that_came_back_shorter_and_grew_differently_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis lost what was acknowledged and published, though not archived; other votes
    stand in their place before anybody looked."""
    with RedisServer(tmp_path / "redis") as server:
        async with tallied(server.url, f"sqlite:///{tmp_path}/a.db") as (
            log,
            archive,
            leader,
        ):
            seq = await log.append("r1", *OPENED)
            await until(lambda: archive.seq() == seq, "the archive")
            data = server.directory / "appendonlydir"
            shutil.copytree(data, data.with_name("older"))
            gate = Gate(monkeypatch, leader.store)
            gate.close()
            seq = await log.append("r1", *votes(yes="FJI FRA"))
            await until_published(log, seq)
            server.stop()
            await until(lambda: leader.worker.trouble, "the trouble")
            shutil.move(data, data.with_name("true"))
            shutil.copytree(data.with_name("older"), data)
            gate.open()
            server.start()
            async with Logbook(server.url) as afterwards:
                await afterwards.append("r1", *votes(yes="FRA FJI"))
                reason = "entry 4 of the log is not the one we read"
                await until(lambda: reason in leader.worker.trouble, reason)
                assert [t.seq for t in await afterwards.published()] == [1, 2]
            assert not leader.task.done()


async def test_a_log_restored_under_a_new_epoch_may_lack_what_was_not_archived(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        seq = await log.append("r1", *OPENED)
        await until(lambda: archive.seq() == seq, "the archive")

        def away(*_: object) -> None:
            raise OperationalError("", None, Exception("away"))

        with monkeypatch.context() as patched:
            patched.setattr(leader.store, "commit", away)
            await log.append("r1", FJI_YES)
            await until(lambda: "away" in leader.worker.trouble, "the trouble")
            await log.redis.flushall()
            await until(lambda: "restore" in leader.worker.trouble, "a halt")
        await restore_all(settings_for(redis_url, database_url))
        await until(lambda: not leader.worker.trouble, "the log again")
        # Another event now stands where the lost one stood.
        seq = await log.append("r1", VoteRecorded("NOR", Vote.NO))
        await until(lambda: archive.seq() == seq, "the archive")
        archive.must_equal_a_recount(await log.entries())
        assert [row["delegation"] for row in archive.rows(VoteRow)] == ["NOR"]
