"""One tally process leads, the others stand by; within this process, on both databases.

What happens to real processes is in `test_tally_processes.py`.
"""

import asyncio
import threading
import time
from collections.abc import Callable

import httpx
import pytest
from httpx import ASGITransport

from tellers_core.codec import LogName
from tellers_core.events import RollCallOpened
from tellers_runtime.archive.engine import migrate, open_engine
from tellers_runtime.log import LogLost, connect
from tellers_tally.app import create_app
from tellers_tally.lease import STANDING_BY, leading_by_force
from tellers_tally.store import Batch, LeaseLost, Store
from tellers_tally.worker import Worker
from tests.scenario import OPENED, votes
from tests.services.tallying import (
    ASSEMBLY,
    GA,
    LEASE,
    LEASE_SECONDS,
    VOTES,
    candidate,
    leading,
    tallied,
    until,
)


async def ready(worker: Worker) -> int:
    app = create_app([worker])
    async with httpx.AsyncClient(
        transport=ASGITransport(app), base_url="http://tally"
    ) as client:
        return (await client.get("/readyz")).status_code


async def test_a_standby_takes_over_at_once_when_the_holder_lets_go(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    long = 3.0
    async with (
        leading(redis_url, database_url, lease_seconds=long) as leader,
        candidate(redis_url, database_url, lease_seconds=long) as standby,
    ):
        await until(lambda: standby.worker.trouble == STANDING_BY, "a standby")
        assert await ready(standby.worker) == 200
        assert standby.store.fence == 0
        leader.task.cancel()
        started = time.monotonic()
        await until(lambda: not standby.worker.trouble, "the lead")
        assert time.monotonic() - started < long


async def test_a_standby_takes_over_when_the_holder_falls_silent(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    engine = open_engine(database_url)
    silent = Store(engine, LEASE, "silent")
    silent.take_by_force()
    async with candidate(redis_url, database_url) as standby:
        # Not even a standby is ready as long as nobody was seen to live.
        assert await ready(standby.worker) == 503
        await until(lambda: not standby.worker.trouble, "the lead")
        assert standby.store.fence == 2
        with pytest.raises(LeaseLost):
            silent.beat()
    engine.dispose()


async def test_as_long_as_the_holder_beats_nobody_takes_over(
    redis_url: str, database_url: str
) -> None:
    async with (
        tallied(redis_url, database_url) as (log, archive, leader),
        candidate(redis_url, database_url) as standby,
    ):
        fence, beat, _ = leader.store.seen()
        await log.append("r1", ASSEMBLY, RollCallOpened(), *VOTES)
        await until(lambda: leader.store.seen().beat > beat + 6, "more than a lease")
        assert leader.store.seen().fence == fence
        assert (standby.store.fence, standby.worker.trouble) == (0, STANDING_BY)
        archive.must_equal_a_recount(await log.entries())


async def test_who_loses_the_lease_stands_by_and_goes_on_when_it_is_free(
    redis_url: str, database_url: str
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        await log.append("r1", *OPENED)
        await until(lambda: archive.seq() == 2, "the archive")
        rival = Store(archive.engine, LEASE, "rival")
        async with leading_by_force(rival, LEASE_SECONDS):
            await until(lambda: leader.worker.trouble == STANDING_BY, "a standby")
            seq = await log.append("r1", *votes(yes="FJI FRA"))
            beat = rival.seen().beat
            await until(lambda: rival.seen().beat > beat + 6, "more than a lease")
            assert archive.seq() == 2
            assert await log.projected() == 2
        await until(lambda: archive.seq() == seq, "the archive")
        archive.must_equal_a_recount(await log.entries())


async def test_the_lease_is_let_go_however_the_work_by_force_ends(
    database_url: str,
) -> None:
    migrate(database_url)
    engine = open_engine(database_url)
    store = Store(engine, LEASE, "rebuild")
    with pytest.raises(LogLost):
        async with leading_by_force(store, LEASE_SECONDS):
            raise LogLost
    assert store.seen().holder == ""
    engine.dispose()


async def test_an_archive_that_cannot_be_reached_is_waited_for(redis_url: str) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    async with candidate(redis_url, url) as standby:
        await until(lambda: "archive" in standby.worker.trouble, "the trouble")
        assert await ready(standby.worker) == 503
        assert not standby.task.done()


async def test_two_logs_are_led_under_one_lease_and_neither_stops_the_other(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with leading(redis_url, database_url, logs=(GA, LogName("sc"))) as leader:
        redis = connect(redis_url, "test")
        await redis.hset("tellers:{ga}:meta", "epoch", "another")
        await until(lambda: "epoch" in leader.workers[0].trouble, "a halt")
        assert leader.workers[1].trouble == ""
        assert not leader.task.done()
        await redis.aclose()


# ---- ending


async def ends_when_cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done, "the cancellation was swallowed"
    assert task.cancelled()


def blocked(commit: Callable[..., None]) -> tuple[Callable[..., None], threading.Event]:
    """A commit that hangs until the event is set."""
    free = threading.Event()

    def slow(log: LogName, epoch: str, old: int, batch: Batch) -> None:
        free.wait(20)
        commit(log, epoch, old, batch)

    return slow, free


@pytest.mark.parametrize("what", ["lease lost", "log lost"])
async def test_it_ends_even_when_told_so_while_it_is_failing(
    redis_url: str, database_url: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An `asyncio.TaskGroup` would swallow it, and SIGTERM with it."""
    async with tallied(redis_url, database_url) as (log, archive, leader):
        slow, free = blocked(leader.store.commit)
        monkeypatch.setattr(leader.store, "commit", slow)
        await log.append("r1", *OPENED)
        await until(log.projected, "the tallies")
        if what == "lease lost":
            Store(archive.engine, LEASE, "rival").take_by_force()
            lost = threading.Event()

            def beat() -> None:
                lost.set()
                raise LeaseLost

            monkeypatch.setattr(leader.store, "beat", beat)
            await until(lost.is_set, "the beat to fail")
        else:
            await log.redis.hset("tellers:{ga}:meta", "epoch", "another")
        # The commit keeps the group from ending; the failure has been noticed.
        await until(lambda: is_ending(leader.task), "the group to end")
        leader.task.cancel()
        free.set()
        await ends_when_cancelled(leader.task)


def is_ending(task: "asyncio.Task[None]") -> bool:
    return any(other.cancelling() for other in asyncio.all_tasks() if other is not task)


async def test_a_commit_under_way_is_finished_before_it_ends(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tallied(redis_url, database_url) as (log, archive, leader):
        slow, free = blocked(leader.store.commit)
        monkeypatch.setattr(leader.store, "commit", slow)
        await log.append("r1", *OPENED)
        await until(log.projected, "the tallies")
        leader.task.cancel()
        await asyncio.wait([leader.task], timeout=0.1)
        assert not leader.task.done()
        free.set()
        await ends_when_cancelled(leader.task)
        assert archive.seq() == 2
        assert leader.store.seen().holder == ""
