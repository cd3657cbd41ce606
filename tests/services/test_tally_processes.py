"""Real tally processes: killed, frozen, two at once, and with the log taken away."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tellers_core.events import Event, RollCallOpened
from tellers_runtime import keys
from tellers_runtime.archive.tables import EventRow
from tests.e2e.stack import Service, Stack
from tests.scenario import OPENED, votes
from tests.services.tallying import (
    ASSEMBLY,
    NONSENSE,
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
    services = [stack.tally]
    try:
        stack.tally.start()
        async with Logbook(stack.redis.url) as log:
            with Archive(database_url) as archive:
                await until(stack.tally.ready, "the tally service")
                yield Scene(stack, log, archive, stack.tally)
    finally:
        for service in services:
            service.stop()
        stack.redis.stop()


@asynccontextmanager
async def another(of: Scene) -> AsyncIterator[Service]:
    """A second tally process on the same log and archive."""
    service = of.stack.service("tally")
    service.log = service.log.with_name("tally-2.log")
    try:
        service.start()
        await until(service.ready, "the standby")
        yield service
    finally:
        os.kill(service.pid, signal.SIGCONT)
        service.stop()


async def poured(log: Logbook, name: str, events: tuple[Event, ...]) -> None:
    """The events one by one, as fast as they go."""
    for event in events:
        await log.append(name, event)


def leads(service: Service) -> bool:
    return metric(service, "tellers_tally_leading") == 1.0


async def test_killed_again_and_again_during_193_votes_it_archives_each_event_once(
    tmp_path: Path, database_url: str
) -> None:
    chance = random.Random(database_url.startswith("sqlite"))
    async with scene(tmp_path, database_url) as here:
        await here.log.append("r1", ASSEMBLY, RollCallOpened())
        cuts = sorted(chance.sample(range(1, len(VOTES)), KILLS - 1))
        for start, stop in zip([0, *cuts], [*cuts, len(VOTES)], strict=True):
            await poured(here.log, "r1", VOTES[start:stop])
            # Anywhere between reading the first of them and having archived the last.
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)
            here.tally.kill()
            here.tally.start()
        await here.counted()
        seqs = [tally.seq for tally in await here.log.published()]
        assert set(seqs) == set(range(1, len(VOTES) + 3))


async def test_of_two_processes_one_leads_and_the_other_takes_over_within_the_votes(
    tmp_path: Path, database_url: str
) -> None:
    async with scene(tmp_path, database_url) as here, another(here) as standby:
        assert (leads(here.tally), leads(standby)) == (True, False)
        await here.log.append("r1", ASSEMBLY, RollCallOpened())
        pouring = asyncio.create_task(poured(here.log, "r1", VOTES))
        await until(lambda: here.archive.seq() > 20, "some votes")
        here.tally.kill()
        await pouring
        await here.counted()
        assert leads(standby)
        here.tally.start()
        await until(lambda: not_ready(here.tally) == "", "the first one, standing by")
        await here.log.append("r2", *OPENED)
        await here.counted()
        assert (leads(here.tally), leads(standby)) == (False, True)


async def test_a_frozen_process_that_wakes_up_writes_nothing(
    tmp_path: Path, database_url: str
) -> None:
    async with scene(tmp_path, database_url) as here, another(here) as standby:
        await here.log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES[:50])
        await here.archived(52)
        os.kill(here.tally.pid, signal.SIGSTOP)
        await here.log.append("r1", *VOTES[50:100])
        await until(lambda: leads(standby), "the standby to lead")
        await here.archived(102)
        fence = here.archive.lease()["fence"]
        os.kill(here.tally.pid, signal.SIGCONT)
        await poured(here.log, "r1", VOTES[100:])
        await here.counted()
        await until(lambda: not leads(here.tally), "the frozen one to notice")
        await until(here.tally.ready, "the frozen one to stand by")
        assert here.archive.lease()["fence"] == fence
        tallies = await here.log.published("r1")
        assert all(tally.held is None for tally in tallies)


async def test_told_to_stop_it_stops_at_once_and_lets_go(
    tmp_path: Path, database_url: str
) -> None:
    async with scene(tmp_path, database_url) as here:
        await here.log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES)
        here.tally.stop()
        assert here.archive.lease()["holder"] == ""
        here.tally.start()
        await here.counted()


# ---- the log is not what it was


async def lost(here: Scene) -> str:
    await here.log.redis.flushall()
    return "the log is gone, the archive has 195 events"


async def shorter(here: Scene) -> str:
    """Redis starts again on a copy of its data from before the votes."""
    here.stack.redis.stop()
    data = here.stack.redis.directory / "appendonlydir"
    shutil.move(data, data.with_name("true"))
    shutil.copytree(data.with_name("older"), data)
    here.stack.redis.start()
    return "the log ends at 2, the archive at 195"


async def emptied(here: Scene) -> str:
    await here.log.redis.xtrim(keys.events(here.log.log), minid="196-0")
    return "entry 195 of the log is missing"


async def another_entry(here: Scene) -> str:
    """The same log but for one byte of its last entry."""
    events = keys.events(here.log.log)
    *rest, (place, fields) = await here.log.redis.xrange(events)
    await here.log.redis.delete(events)
    for earlier, kept in rest:
        await here.log.redis.xadd(events, kept, id=earlier)
    edited = {b"e": fields[b"e"].replace(b'"vote":"', b'"vote": "')}
    await here.log.redis.xadd(events, edited, id=place)
    return "entry 195 of the log is not the one we read"


async def another_epoch(here: Scene) -> str:
    await here.log.redis.hset(keys.meta(here.log.log), "epoch", "another")
    return "the log's epoch is another"


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize(
    "damage", [lost, shorter, emptied, another_entry, another_epoch]
)
async def test_on_a_log_that_is_not_the_one_it_read_it_stands_still(
    tmp_path: Path, damage: Callable[[Scene], Awaitable[str]], running: bool
) -> None:
    if running and damage in {emptied, another_entry}:
        pytest.skip("a running process does not read again what it has read")
    async with scene(tmp_path, f"sqlite:///{tmp_path}/archive.db") as here:
        await here.log.append("r1", ASSEMBLY, RollCallOpened())
        copy = here.stack.redis.directory / "appendonlydir"
        shutil.copytree(copy, copy.with_name("older"))
        await here.log.append("r1", *VOTES)
        await here.counted()
        before = here.archive.everything()
        saved = await here.log.saved()
        if not running:
            here.tally.stop()
        reason = await damage(here)
        if not running:
            here.tally.start()
        shown = await here.log.published()
        await until(lambda: reason in not_ready(here.tally), f"/readyz: {reason}")
        assert metric(here.tally, "tellers_tally_halted") == 1.0
        assert here.archive.everything() == before
        assert await here.log.published() == shown
        # The true log is back.
        await here.log.put_back(saved)
        await until(here.tally.ready, "the tally service")
        await here.log.append("r2", *OPENED)
        await here.counted()


async def test_a_log_that_came_back_shorter_and_grew_differently_is_noticed(
    tmp_path: Path,
) -> None:
    """Redis lost what was acknowledged and published, though not yet archived; other
    votes now stand in their place."""
    async with scene(tmp_path, f"sqlite:///{tmp_path}/archive.db") as here:
        await here.log.append("r1", ASSEMBLY, RollCallOpened())
        await here.archived(2)
        copy = here.stack.redis.directory / "appendonlydir"
        shutil.copytree(copy, copy.with_name("older"))
        await here.log.append("r1", *VOTES)
        await here.counted()
        before = here.archive.everything()
        await shorter(here)
        await here.log.append("r1", *reversed(VOTES))
        await here.log.append("r2", *OPENED)
        reason = "entry 195 of the log is not the one we read"
        await until(lambda: reason in not_ready(here.tally), f"/readyz: {reason}")
        assert here.archive.everything() == before


async def test_a_redis_that_is_killed_within_the_votes_comes_back_whole(
    tmp_path: Path, database_url: str
) -> None:
    async with scene(tmp_path, database_url) as here:
        await here.log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES[:90])
        here.stack.redis.kill()
        here.stack.redis.start()
        await here.log.append("r1", *VOTES[90:])
        await here.counted()
        await until(here.tally.ready, "the tally service")


# ---- poison


async def test_a_poisoned_roll_call_is_held_loudly_and_stays_so_after_a_restart(
    tmp_path: Path, database_url: str
) -> None:
    async with scene(tmp_path, database_url) as here:
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


async def test_a_nameless_entry_holds_all_that_runs_and_later_roll_calls_are_free(
    tmp_path: Path, database_url: str
) -> None:
    async with scene(tmp_path, database_url) as here:
        await here.log.append("r1", *OPENED, *votes(yes="FJI"))
        await here.log.append("r2", *OPENED)
        held = await here.log.poison(NONSENSE)
        await here.log.append("r3", *OPENED)
        seq = await here.log.append("r1", *votes(no="NOR"))
        await here.archived(seq)
        found = {n: here.archive.roll_call(n)["held_seq"] for n in ("r1", "r2", "r3")}
        assert found == {"r1": held, "r2": held, "r3": None}
        assert here.tally.ready()
