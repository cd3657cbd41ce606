"""The log is not what it was: shorter, or trimmed. F12 and F13 of the list.

What is read again is compared with what was read before.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tellers_core.events import RollCallOpened
from tellers_core.tally import Tally, decode_tally
from tellers_runtime import keys
from tellers_runtime import log as log_module
from tellers_runtime.log import Entry, LogLost
from tellers_tally import metrics, worker
from tests.e2e.stack import Stack
from tests.faults.projections import tallies_of
from tests.faults.report import Report
from tests.scenario import OPENED, votes
from tests.services.tallying import (
    ASSEMBLY,
    VOTES,
    Archive,
    Leader,
    Logbook,
    candidate,
    metric,
    not_ready,
    tallied,
    until,
)
from tests.services.viewing import Json, watching


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/archive.db"


# ---- F12: Redis comes back with an older copy of its file, and grows again


class Screen:
    """Every frame of a feed, in order."""

    def __init__(self) -> None:
        self.frames: list[Json] = []

    def of(self, op: str) -> list[Json]:
        return [frame for frame in self.frames if frame["op"] == op]

    @property
    def is_held(self) -> bool:
        return bool(self.of("tally") and "held" in self.of("tally")[-1])


@asynccontextmanager
async def screen(url: str, feed: str) -> AsyncIterator[Screen]:
    """A viewer of one connection, which stays while Redis goes."""
    shown = Screen()

    async def show() -> None:
        async with watching(url, feed=feed, after=0) as socket:
            while True:
                shown.frames.append(await socket.frame(seconds=600))

    task = asyncio.create_task(show())
    try:
        yield shown
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def wrong_frames(frames: list[Json], true: dict[int, Tally]) -> int:
    """Numbers shown that the log never said at their place."""
    wrong = 0
    for frame in frames:
        shown = decode_tally(json.dumps({**frame, "op": None}).encode())
        said = true.get(shown.seq)
        wrong += said is None or shown.counts != said.counts
    return wrong


async def older_copy(stack: Stack) -> None:
    """Redis is stopped and comes back with `older`."""
    data = stack.redis.directory / "appendonlydir"
    await asyncio.to_thread(stack.redis.stop)
    shutil.move(data, data.with_name("true"))
    shutil.copytree(data.with_name("older"), data)
    await asyncio.to_thread(stack.redis.start)


async def true_copy(stack: Stack) -> None:
    data = stack.redis.directory / "appendonlydir"
    await asyncio.to_thread(stack.redis.stop)
    shutil.rmtree(data)
    shutil.move(data.with_name("true"), data)
    await asyncio.to_thread(stack.redis.start)


YES, NO = 60, 120  # votes: the first before the copy was made, the others twice


async def test_f12_a_log_that_regressed_stops_the_projection_and_is_held_on_screen(
    tmp_path: Path, report: Report
) -> None:
    stack = await asyncio.to_thread(Stack(tmp_path).__enter__)
    try:
        async with Logbook(stack.redis.url) as log:
            await log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES[:YES])
            data = stack.redis.directory / "appendonlydir"
            shutil.copytree(data, data.with_name("older"))
            seq = await log.append("r1", *VOTES[YES:NO])
            history = await log.entries()
        true = tallies_of(history)
        async with (
            screen(stack.gateway_url, "tally") as tallies,
            screen(stack.gateway_url, "events") as events,
        ):
            await until(lambda: len(tallies.of("tally")) >= seq, "the tallies")
            await until(lambda: len(events.of("event")) >= seq, "the events")
            await until(lambda: archived(stack) == seq, "the archive")
            await older_copy(stack)
            async with Logbook(stack.redis.url) as log:
                # Other votes now stand where the lost ones stood, and beyond.
                grown = await log.append("r1", *VOTES[NO:], *VOTES[YES + 5 : NO])
            assert grown > seq
            reason = "is not the one we read"
            await until(lambda: reason in not_ready(stack.tally), reason)
            ready = 200 if await asyncio.to_thread(stack.tally.ready) else 503
            halted = metric(stack.tally, "tellers_tally_halted")
            await until(lambda: tallies.is_held, "the mark on the screen")
            await until(lambda: not stack.gateway.ready(), "the gateway's readiness")
            held = tallies.of("tally")[-1]
            await true_copy(stack)
            await asyncio.to_thread(stack.wait_ready)
            await until(lambda: not tallies.is_held, "the mark to go")
            wrong = wrong_frames(tallies.of("tally"), true)
            strange = [
                frame
                for frame in events.of("event")
                if frame["seq"] > seq
                or json.loads(history[frame["seq"] - 1].body)["subject"]
                != frame["event"]["subject"]
            ]
    finally:
        await asyncio.to_thread(stack.__exit__)
    report.figures(
        "F12 log regressed",
        halted=int(halted),
        ready=ready,
        last_number_held=int(held["seq"] == seq),
        wrong_frames=wrong,
        wrong_events=len(strange),
    )
    assert (halted, ready) == (1.0, 503)
    assert (held["seq"], wrong, strange) == (seq, 0, [])


def archived(stack: Stack) -> int:
    with Archive(stack.database_url) as archive:
        return archive.seq()


async def test_f12_control_without_looking_back(
    redis_url: str, tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unchecked(*_: object) -> None:
        return

    monkeypatch.setattr(worker, "check_same", unchecked)
    monkeypatch.setattr(worker, "_check_entry", unchecked)
    async with tallied(redis_url, sqlite(tmp_path)) as (log, archive, leader):
        await log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES[:YES])
        older = await log.saved()
        seq = await log.append("r1", *VOTES[YES:NO])
        await until(lambda: archive.seq() == seq, "the archive")
        async with halted(log, leader):
            await log.put_back(older)
            grown = await log.append("r1", *VOTES[NO:], *VOTES[YES + 5 : NO])
        await until(lambda: archive.seq() == grown, "the archive")
        true = tallies_of(await log.entries())
        shown = [t for t in await log.published() if t.seq > seq]
        wrong = sum(t.held is None and t.counts != true[t.seq].counts for t in shown)
    report.control("F12 log regressed", "the look back", wrong_frames=wrong)
    assert wrong > 0


@asynccontextmanager
async def halted(log: Logbook, leader: Leader) -> AsyncIterator[None]:
    """The log is away meanwhile, as it is while Redis restarts."""
    epoch = await log.reader.epoch()
    assert epoch is not None
    await log.redis.hset(keys.meta(log.log), "epoch", "away")
    await until(lambda: leader.worker.trouble, "the halt")
    yield


# ---- F13: trimmed beyond the position


async def trimmed(log: Logbook) -> int:
    """A log whose middle, all of r2, was never archived and is gone; its end."""
    await log.append("r2", *OPENED, *votes(yes="FJI FRA"))
    await log.redis.xtrim(keys.events(log.log), minid="7-0", approximate=False)
    return await log.append("r3", *OPENED)


async def test_f13_a_gap_stops_the_projection(
    redis_url: str, tmp_path: Path, report: Report
) -> None:
    url = sqlite(tmp_path)
    async with tallied(redis_url, url) as (log, archive, _):
        seq = await log.append("r1", *OPENED)
        await until(lambda: archive.seq() == seq, "the archive")
    async with Logbook(redis_url) as log:
        await trimmed(log)
        with Archive(url) as archive:
            before = archive.everything()
            async with candidate(redis_url, url) as leader:
                await until(lambda: "missing" in leader.worker.trouble, "the halt")
                reason = leader.worker.trouble
                stopped = int(metrics.HALTED.labels("ga")._value.get())
                archived = int(archive.everything() != before)
    found = "gap" if "missing: the log goes on at" in reason else reason
    report.figures(
        "F13 trimmed", halted=stopped, reason=found, archived_beyond=archived
    )
    assert (stopped, found, archived) == (1, "gap", 0)


async def test_f13_control_reading_on_whatever_comes(
    redis_url: str, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XREAD gives what there is after a place, however long after."""

    def as_it_comes(found: log_module.Found, after: int) -> list[Entry]:
        return [Entry(int(at.partition(b"-")[0]), entry[1]) for at, entry in found]

    async with Logbook(redis_url) as log:
        await log.reader.create()
        read = await log.append("r1", *OPENED)
        last = await trimmed(log)
        with pytest.raises(LogLost, match="is missing"):
            await log.reader.follow(read, 1000, 1)
        monkeypatch.setattr(log_module, "_entries", as_it_comes)
        _, found = await log.reader.follow(read, 1000, 1)
    passed_over = found[0].seq - read - 1
    report.control("F13 trimmed", "the check for gaps", halted=0, skipped=passed_over)
    assert (passed_over, found[-1].seq) == (4, last)
