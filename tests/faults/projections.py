"""Words for the faults of the tally service: votes without end, what came of them."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from tellers_core import tally
from tellers_core.codec import decode
from tellers_core.events import Event, RollCallOpened, Vote, VoteChanged, VoteRecorded
from tellers_core.tally import Projection, Tally
from tellers_runtime.archive.tables import EventRow, RollCallRow, VoteRow
from tellers_runtime.log import Entry
from tellers_tally.projector import stored
from tests.e2e.stack import Service, Stack
from tests.services.forked import Forked
from tests.services.tallying import (
    ASSEMBLY,
    VOTES,
    Archive,
    Logbook,
    recount,
    stack_of_tallies,
    until,
)


def votes_without_end() -> Iterator[Event]:
    """All 193 answer, then change their minds, one after the other."""
    last: dict[str, Vote] = {}
    for event in VOTES:
        assert isinstance(event, VoteRecorded)
        last[event.delegation] = event.vote
        yield event
    order = list(Vote)
    while True:
        for code, was in last.items():
            last[code] = order[(order.index(was) + 1) % len(order)]
            yield VoteChanged(code, last[code], was)


class Pouring:
    """Votes on roll call r1 while the `with` lasts: `at_once` of them, then a pause."""

    def __init__(
        self, log: Logbook, at_once: int = 1, pause_seconds: float = 0.002
    ) -> None:
        self._log = log
        self._at_once = at_once
        self._pause = pause_seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Pouring":
        await self._log.append("r1", ASSEMBLY, RollCallOpened())
        self._task = asyncio.create_task(self._pour())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            await self._task

    async def _pour(self) -> None:
        events = votes_without_end()
        while some := list(itertools.islice(events, self._at_once)):
            await self._log.append("r1", *some)
            await asyncio.sleep(self._pause)


class Scene(NamedTuple):
    """Redis and an archive; the tests start tally processes on them."""

    stack: Stack
    log: Logbook
    archive: Archive

    async def archived(self) -> None:
        """Until the archive is as far as the log."""
        seq = await self.log.reader.head()
        await until(lambda: self.archive.seq() >= seq, f"entry {seq} in the archive")


@asynccontextmanager
async def scene(folder: Path, database_url: str) -> AsyncIterator[Scene]:
    """A new log and its archive, and nobody between them yet."""
    stack = stack_of_tallies(folder, database_url)
    try:
        async with Logbook(stack.redis.url) as log:
            await log.reader.create()
            with Archive(database_url) as archive:
                yield Scene(stack, log, archive)
    finally:
        stack.redis.stop()


@asynccontextmanager
async def running(service: Forked) -> AsyncIterator[Service]:
    """A tally process, until the end of the `with`."""
    await asyncio.to_thread(service.start)
    try:
        yield service
    finally:
        await asyncio.to_thread(service.stop)


# ---- what came of it


class Damage(NamedTuple):
    """How the archive and what was published differ from a count of the log.

    Args:
        applied_twice: entries archived more than once.
        skipped: entries that are not in the archive.
        diff: rows of roll calls and votes that a recount does not give, or that lack.
        wrong: published tallies that are not what the log says at their seq.
    """

    applied_twice: int
    skipped: int
    diff: int
    wrong: int


async def damage(here: Scene) -> Damage:
    """Compare, row by row."""
    log = await here.log.entries()
    archived = Counter(row["seq"] for row in here.archive.rows(EventRow))
    true = tallies_of(log)
    published = await here.log.published()
    return Damage(
        sum(times - 1 for times in archived.values()),
        len({entry.seq for entry in log} - set(archived)),
        len(_rows(here.archive) ^ _recounted(log)),
        sum(
            shown.held is None
            and replace(shown, epoch="", confirmed=False) != true.get(shown.seq)
            for shown in published
        ),
    )


def tallies_of(log: list[Entry]) -> dict[int, Tally]:
    """The tally at each seq, as the core alone counts; their epoch is empty."""
    projections: dict[str, Projection] = {}
    found = {}
    for entry in log:
        recorded = decode(entry.body)
        before = projections.get(recorded.roll_call)
        now = projections[recorded.roll_call] = tally.absorb(before, recorded)
        found[entry.seq] = tally.tally(now, "")
    return found


Row = tuple[object, ...]


def _rows(archive: Archive) -> set[Row]:
    roll_calls = archive.rows(RollCallRow)
    return {("tally", row["id"], row["tally"]) for row in roll_calls} | {
        ("vote", row["roll_call"], row["delegation"], row["vote"], row["seq"])
        for row in archive.rows(VoteRow)
    }


def _recounted(log: list[Entry]) -> set[Row]:
    rows: set[Row] = set()
    for name, counted in recount(log).items():
        shown = replace(tally.tally(counted.projection, ""), confirmed=True)
        rows.add(("tally", name, stored(shown)))
        rows |= {("vote", name, code, *vote) for code, vote in counted.votes.items()}
    return rows
