"""The tally service dies, meets itself, and meets what it does not understand.

F10, F11, F14 of the list. Figures compare the archive, row by row, and every published
tally with a count of the log from its beginning.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tellers_core.events import Vote, VoteRecorded
from tellers_runtime.archive.tables import EventRow
from tellers_runtime.log import Entry
from tellers_tally.projector import Change, Projector
from tests.e2e.stack import Stack
from tests.faults.broken_tally import (
    MOMENTS,
    counts_commits,
    dies,
    moves_first,
    never_compares,
)
from tests.faults.projections import Pouring, Scene, damage, running, scene
from tests.faults.report import Report, size
from tests.scenario import OPENED, votes
from tests.servers import PostgresServer
from tests.services.forked import Forked
from tests.services.tallying import (
    NONSENSE,
    Archive,
    Logbook,
    entries,
    metric,
    reworded,
    tallied,
    until,
)


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/archive.db"


# ---- F10: killed


async def until_it_dies(process: Forked) -> None:
    await until(lambda: not process.running, "the process to die")


async def die_again_and_again(here: Scene, kills: int, chance: random.Random) -> None:
    """Every other time at a moment of its own choosing, else at any time at all."""
    process = Forked(here.stack.tally, "tally.log")
    for number in range(kills):
        moment = MOMENTS[number // 2 % len(MOMENTS)] if number % 2 else None
        nth = chance.randint(1, 4)
        process.prepare = partial(dies, moment, nth) if moment else None
        await asyncio.to_thread(process.start)
        if moment is None:
            await until(lambda: metric(process, "tellers_tally_leading") == 1, "a lead")
            await asyncio.sleep(chance.random() * 0.2)
            await asyncio.to_thread(process.kill)
        await until_it_dies(process)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_f10_killed_anywhere_it_counts_each_event_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, report: Report
) -> None:
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.start()
        url = server.new_database()
    else:
        url = sqlite(tmp_path)
    kills = size(2 if kind == "postgres" else 5, 50)
    async with scene(tmp_path, url) as here:
        async with Pouring(here.log):
            await die_again_and_again(here, kills, random.Random(10))
        async with running(Forked(here.stack.tally, "tally.log")):
            await here.archived()
        found = await damage(here)
        events = await here.log.reader.head()
    report.figures(
        f"F10 projection killed, {kind}",
        kills=kills,
        events=events,
        applied_twice=found.applied_twice,
        skipped=found.skipped,
        diff_vs_recount=found.diff,
        wrong_published=found.wrong,
    )
    assert found == (0, 0, 0, 0)


async def test_f10_control_a_position_that_is_committed_apart(
    tmp_path: Path, report: Report
) -> None:
    async with scene(tmp_path, sqlite(tmp_path)) as here:
        async with Pouring(here.log):
            process = Forked(here.stack.tally, "tally.log", partial(moves_first, 3))
            await asyncio.to_thread(process.start)
            await until_it_dies(process)
        async with running(Forked(here.stack.tally, "tally.log")):
            await here.archived()
        found = await damage(here)
    report.control(
        "F10 projection killed",
        "position and projection in one transaction",
        kills=1,
        skipped=found.skipped,
        diff_vs_recount=found.diff,
    )
    assert found.skipped > 0
    assert found.diff > 0


# ---- F11: two of them


class Two:
    """Two tally processes that both lead the same log: they serve different chambers,
    so each has a lease of its own, and only the position's comparison is left."""

    def __init__(
        self, stack: Stack, prepare: Callable[[Path], None], folder: Path
    ) -> None:
        self.lines = [folder / "one.txt", folder / "other.txt"]
        self.processes = []
        for path, chambers in zip(self.lines, ("ga", "ga,sc"), strict=True):
            path.touch()
            process = Forked(
                stack.service("tally"),
                f"{path.stem}.log",
                partial(prepare, path),
            )
            process._env = {**process._env, "TELLERS_CHAMBERS": chambers}
            self.processes.append(process)

    def said(self, word: str) -> list[int]:
        """How often each won, or lost, a batch."""
        return [path.read_text().split().count(word) for path in self.lines]


async def test_f11_of_two_projections_one_applies_each_batch(
    tmp_path: Path, report: Report
) -> None:
    each = size(2, 40)
    async with scene(tmp_path, sqlite(tmp_path)) as here:
        two = Two(here.stack, counts_commits, tmp_path)
        async with running(two.processes[0]), running(two.processes[1]):
            # Both sleep before each lot, and wake up to it together.
            async with Pouring(here.log, at_once=10, pause_seconds=0.1):
                await until(
                    lambda: min(*two.said("won"), sum(two.said("lost"))) >= each,
                    "both to win and lose",
                    # Who lost comes back late, and wins one in twenty.
                    seconds=size(120, 600),
                )
            await here.archived()
        found = await damage(here)
        events = await here.log.reader.head()
    won, lost = two.said("won"), sum(two.said("lost"))
    report.figures(
        "F11 two projections",
        events=events,
        batches_won=f"{won[0]}+{won[1]}",
        batches_refused=lost,
        applied_twice=found.applied_twice,
        skipped=found.skipped,
        diff_vs_recount=found.diff,
        wrong_published=found.wrong,
    )
    assert found == (0, 0, 0, 0)


async def test_f11_control_without_the_comparison(
    tmp_path: Path, report: Report
) -> None:
    async with scene(tmp_path, sqlite(tmp_path)) as here:
        # The events' primary key would still refuse the second copy.
        with here.archive.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE copy AS SELECT * FROM event")
            connection.exec_driver_sql("DROP TABLE event")
            connection.exec_driver_sql("ALTER TABLE copy RENAME TO event")
        two = Two(here.stack, never_compares, tmp_path)
        async with running(two.processes[0]), running(two.processes[1]):
            async with Pouring(here.log):
                await until(lambda: min(two.said("won")) >= 3, "both to win")
            await here.archived()
        found = await damage(here)
    report.control(
        "F11 two projections",
        "WHERE seq=:old and the events' primary key",
        applied_twice=found.applied_twice,
    )
    assert found.applied_twice > 0


# ---- F14: poison


def poisons(seq: int) -> list[tuple[str, bytes]]:
    """Bytes that each concern a roll call of their own, whose next version is 4."""

    def vote(name: str) -> Entry:
        (entry,) = entries([VoteRecorded("NOR", Vote.NO)], name, seq, 4)
        return entry

    made = {
        "future": reworded(vote("future"), b"recorded.v1", b"recorded.v2").body,
        "unknown": reworded(vote("unknown"), b"vote.recorded", b"vote.whispered").body,
        "gap": reworded(vote("gap"), b'version":4', b'version":6').body,
        "vote": reworded(vote("vote"), b'"no"', b'"maybe"').body,
        "bare": b'{"rollcall":"bare"}',
    }
    return list(made.items())


async def poisoned(log: Logbook, archive: Archive) -> list[str]:
    """A bad entry in the middle of each of some roll calls, and one roll call that
    goes on between them all; returns the names of the former."""
    names = [name for name, _ in poisons(0)]
    for name in (*names, "well"):
        await log.append(name, *OPENED, *votes(yes="FJI"))
    for name, _ in poisons(0):
        seq = await log.reader.head() + 1
        await log.poison(dict(poisons(seq))[name])
        (good,) = entries([VoteRecorded("PER", Vote.NO)], name, seq + 1, 5)
        await log.poison(good.body)
    seq = await log.append("well", *votes(no="NOR PER", abstain="RUS"))
    await until(lambda: archive.seq() == seq, "the archive")
    return names


async def test_f14_poison_holds_its_roll_call_and_the_others_advance(
    redis_url: str, tmp_path: Path, report: Report
) -> None:
    async with tallied(redis_url, sqlite(tmp_path)) as (log, archive, leader):
        names = await poisoned(log, archive)
        held = [
            name
            for name in names
            if archive.roll_call(name)["held_seq"]
            and (await log.published(name))[-1].held is not None
        ]
        wrong = sum(archive.roll_call(name)["no"] for name in names)
        skipped = archive.seq() - len(archive.rows(EventRow))
        advance = archive.roll_call("well")["no"] == 2
        # And one that could be anybody's.
        await log.append("late", *OPENED)
        seq = await log.poison(NONSENSE)
        await until(lambda: archive.seq() == seq, "the archive")
        ended = archive.roll_call("late")["held_seq"] == seq
        assert not leader.task.done()
    report.figures(
        "F14 poison",
        poisoned=len(names),
        held=len(held),
        nameless_holds_all_running=int(ended),
        counted_beyond=wrong,
        skipped=skipped,
        others_advance=int(advance),
    )
    assert (held, wrong, skipped, advance, ended) == (names, 0, 0, True, True)


async def test_f14_control_passing_over_what_is_not_understood(
    redis_url: str, tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passed_over(self: Projector, entry: Entry, reason: str) -> Change:
        return Change(entry, "")

    monkeypatch.setattr(Projector, "_hold_by", passed_over)
    async with tallied(redis_url, sqlite(tmp_path)) as (log, archive, _):
        names = await poisoned(log, archive)
        unmarked = [
            name for name in names if (await log.published(name))[-1].held is None
        ]
    report.control("F14 poison", "holding", unmarked_stale=len(unmarked))
    assert unmarked == names
