"""Real tally processes: killed, frozen, two at once, and with the log taken away."""

import asyncio
import os
import random
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tellers_core.events import Event, RollCallOpened
from tellers_runtime import keys
from tellers_runtime.archive.tables import EventRow
from tests.e2e.stack import Service, Stack
from tests.scenario import OPENED, votes
from tests.services.forked import Forked
from tests.services.tallying import (
    ASSEMBLY,
    VOTES,
    Archive,
    Logbook,
    entries,
    metric,
    not_ready,
    stack_of_tallies,
    until,
)

KILLS = 10


class Scene(NamedTuple):
    """A log, its archive, and one tally process that leads; the tests start more."""

    stack: Stack
    log: Logbook
    archive: Archive
    tally: Service

    async def archived(self, seq: int) -> None:
        await until(lambda: self.archive.seq() == seq, f"entry {seq} in the archive")

    async def counted(self) -> None:
        """The archive is whole and right."""
        log = await self.log.entries()
        await self.archived(log[-1].seq)
        self.archive.must_equal_a_recount(log)


@asynccontextmanager
async def scene(folder: Path, database_url: str) -> AsyncIterator[Scene]:
    stack = stack_of_tallies(folder, database_url)
    stack.tally = Forked(stack.tally, "tally.log")
    try:
        stack.tally.start()
        async with Logbook(stack.redis.url) as log:
            with Archive(database_url) as archive:
                await until(stack.tally.ready, "the tally service")
                yield Scene(stack, log, archive, stack.tally)
    finally:
        stack.tally.stop()
        stack.redis.stop()


@asynccontextmanager
async def another(of: Scene) -> AsyncIterator[Service]:
    """A second tally process on the same log and archive."""
    service = Forked(of.stack.service("tally"), "tally-2.log")
    try:
        service.start()
        await until(service.ready, "the standby")
        yield service
    finally:
        service.stop()


async def poured(log: Logbook, name: str, events: tuple[Event, ...]) -> None:
    """The events one by one, as fast as they go."""
    for event in events:
        await log.append(name, event)


def leads(service: Service) -> bool:
    return metric(service, "tellers_tally_leading") == 1.0


async def test_killed_again_and_again_during_193_votes_they_archive_each_event_once(
    tmp_path: Path, database_url: str
) -> None:
    """Two processes on one archive; the one that leads is killed, ten times."""
    chance = random.Random(4)
    async with scene(tmp_path, database_url) as here, another(here) as standby:
        assert (leads(here.tally), leads(standby)) == (True, False)
        await here.log.append("r1", ASSEMBLY, RollCallOpened())
        cuts = sorted(chance.sample(range(1, len(VOTES)), KILLS))
        processes = deque([here.tally, standby])
        starting = asyncio.create_task(asyncio.sleep(0))
        for start, stop in pairwise([0, *cuts]):
            await poured(here.log, "r1", VOTES[start:stop])
            # Anywhere between reading the first of them and having archived the last.
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)
            await starting
            leader = processes[0]
            await asyncio.to_thread(leader.kill)
            processes.rotate()
            await until(lambda: leads(processes[0]), "the other to take over")
            # Not before: it could take the lease that it just lost.
            starting = asyncio.create_task(asyncio.to_thread(leader.start))
        await poured(here.log, "r1", VOTES[cuts[-1] :])
        await starting
        await here.counted()
        assert [leads(process) for process in processes] == [True, False]
        await until(processes[1].ready, "a standby")
        seqs = [tally.seq for tally in await here.log.published()]
        assert set(seqs) == set(range(1, len(VOTES) + 3))
        assert here.archive.lease()["fence"] == KILLS + 1


async def test_a_frozen_process_that_wakes_up_writes_nothing(
    tmp_path: Path, database_url: str
) -> None:
    async with scene(tmp_path, database_url) as here, another(here) as standby:
        await here.log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES[:50])
        await here.archived(52)
        os.kill(here.tally.pid, signal.SIGSTOP)
        try:
            await here.log.append("r1", *VOTES[50:100])
            await until(lambda: leads(standby), "the standby to lead")
            await here.archived(102)
            fence = here.archive.lease()["fence"]
        finally:
            os.kill(here.tally.pid, signal.SIGCONT)
        await poured(here.log, "r1", VOTES[100:])
        await here.counted()
        await until(lambda: not leads(here.tally), "the frozen one to notice")
        await until(here.tally.ready, "the frozen one to stand by")
        assert here.archive.lease()["fence"] == fence
        tallies = await here.log.published("r1")
        assert all(tally.held is None for tally in tallies)


# ---- the log is not what it was


async def lost(here: Scene) -> str:
    await here.log.redis.flushall()
    return "the log is gone, the archive has 195 events"


async def shorter(here: Scene) -> str:
    """Redis starts again on a copy of its data from before the votes."""
    await asyncio.to_thread(here.stack.redis.stop)
    data = here.stack.redis.directory / "appendonlydir"
    shutil.move(data, data.with_name("true"))
    shutil.copytree(data.with_name("older"), data)
    await asyncio.to_thread(here.stack.redis.start)
    return "the log ends at 2, the archive at 195"


async def another_epoch(here: Scene) -> str:
    await here.log.redis.hset(keys.meta(here.log.log), "epoch", "another")
    return "the log's epoch is another"


async def test_when_the_log_is_lost_it_stands_still_until_the_true_one_is_back(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, f"sqlite:///{tmp_path}/archive.db") as here:
        await here.log.append("r1", ASSEMBLY, RollCallOpened())
        copy = here.stack.redis.directory / "appendonlydir"
        shutil.copytree(copy, copy.with_name("older"))
        await here.log.append("r1", *VOTES)
        await here.counted()
        before, saved = here.archive.everything(), await here.log.saved()
        for damage in (lost, another_epoch, shorter):
            reason = await damage(here)
            shown = await here.log.published()
            await until(lambda: reason in not_ready(here.tally), reason)  # noqa: B023
            assert metric(here.tally, "tellers_tally_halted") == 1.0
            assert here.archive.everything() == before
            assert await here.log.published() == shown
            await here.log.put_back(saved)
            await until(here.tally.ready, "the tally service")
        await here.log.append("r2", *OPENED)
        await here.counted()
        # Told to stop, it stops at once and lets go of the lease.
        here.tally.stop()
        assert here.archive.lease()["holder"] == ""
        assert "Traceback" not in here.tally.log.read_text()


# ---- poison


async def test_a_poisoned_roll_call_is_held_loudly_and_stays_so_after_a_restart(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, f"sqlite:///{tmp_path}/archive.db") as here:
        await here.log.append("r1", *OPENED, *votes(yes="FJI FRA"))
        seq = await here.log.append("r2", *OPENED)
        # A schema that this code does not know yet, from an ingest that is newer.
        (newer,) = entries(votes(no="NOR"), "r1", seq + 1, 5)
        body = newer.body.replace(b"recorded.v1", b"recorded.v2")
        held = await here.log.poison(body)
        await here.log.append("r2", *votes(yes="FJI"))
        await here.log.append("r1", *votes(no="PER"))
        seq = await here.log.append("r2", *votes(no="NOR"))
        await here.archived(seq)
        held_row = here.archive.roll_call("r1")
        assert (held_row["held_seq"], held_row["yes"], held_row["no"]) == (held, 2, 0)
        *_, shown = await here.log.published("r1")
        assert shown.held is not None
        assert (shown.held.seq, shown.seq) == (held, 4)
        assert "vote.recorded.v2" in shown.held.reason
        assert metric(here.tally, "tellers_tally_held_roll_calls") == 1.0
        assert here.archive.roll_call("r2")["no"] == 1
        here.tally.kill()
        here.tally.start()
        await here.log.append("r1", *votes(no="RUS"))
        seq = await here.log.append("r2", *votes(abstain="PER"))
        await here.archived(seq)
        assert here.archive.roll_call("r1") == held_row
        assert here.archive.roll_call("r2")["abstain"] == 1
        assert (await here.log.published("r1"))[-1] == shown
        assert metric(here.tally, "tellers_tally_held_roll_calls") == 1.0
        assert len(here.archive.rows(EventRow)) == seq
