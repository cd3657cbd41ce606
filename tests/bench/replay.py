"""How fast a log becomes tallies: in the core, from Redis to memory, and from Redis
into the archive, where everybody can ask for them.

Baselines of the same run: the standard library's `json.loads` of the same bytes with a
plain dictionary of votes (no rules, no verdict), the library `eventsourcing` on the
same roll calls, and Redis' entries read and dropped. And whether an event costs the
same however many came before it.
"""

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import uvloop
from redis.asyncio import Redis

from tellers_core.codec import decode
from tellers_core.tally import ENDED, Projection, Tally, absorb, tally
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate, open_engine
from tellers_runtime.archive.reading import Position
from tellers_runtime.log import Entry, LogReader, TallyChannel, connect
from tellers_runtime.server import leave_the_program_alone
from tellers_tally.lease import lead_when_ours
from tellers_tally.projector import Projector
from tellers_tally.rebuild import READ_AT_ONCE, Audit, project
from tellers_tally.store import Store
from tellers_tally.worker import Worker
from tests.bench.eventsourced import Eventsourced
from tests.bench.history import LOG, entries, pages
from tests.bench.report import median, table
from tests.servers import RedisServer

EVENTS = 1_000_000
RUNS = 3
# The library takes a tenth of a millisecond to store an event.
EVENTSOURCED = 50_000
FLAT_FROM = 10_000
PAGE = 1000


def _plain(log: list[Entry]) -> int:
    votes: dict[str, dict[str, str]] = {}
    for entry in log:
        event = json.loads(entry.body)
        data = event["data"]
        if data.get("vote"):
            of = votes.setdefault(event["rollcall"], {})
            of[data["delegation"]] = data["vote"]
    return sum(Counter(of.values())["yes"] for of in votes.values())


def _core(log: list[Entry]) -> list[Tally]:
    projections: dict[str, Projection] = {}
    for entry in log:
        recorded = decode(entry.body)
        name = recorded.roll_call
        projections[name] = absorb(projections.get(name), recorded)
    return [tally(projection, "bench") for projection in projections.values()]


def _each(log: list[Entry]) -> None:
    """As while a vote runs: a tally for each event."""
    projector = Projector(LOG)
    for entry in log:
        projector.absorb(entry)
    assert not projector.held()


def _twice(log: list[Entry]) -> None:
    projector = Projector(LOG)
    for start in range(0, len(log), PAGE):
        page = log[start : start + PAGE]
        projector.settle([projector.take(entry) for entry in page])
    assert not projector.held()


def _seconds(work: Callable[[list[Entry]], object], log: list[Entry]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work(log)
        times.append(time.perf_counter() - started)
    return median(times)


async def _fill(redis: "Redis", log: list[Entry]) -> None:
    for start in range(0, len(log), READ_AT_ONCE):
        pipe = redis.pipeline(transaction=False)
        for entry in log[start : start + READ_AT_ONCE]:
            pipe.xadd(keys.events(LOG), {"e": entry.body}, id=f"{entry.seq}-0")
        await pipe.execute()


async def _drop(reader: LogReader) -> None:
    after = 0
    while page := await reader.range(after, READ_AT_ONCE):
        after = page[-1].seq


class _FromRedis(NamedTuple):
    """Seconds for reading the log from Redis and dropping it, counting it, and counting
    it while its tree is compared with what was signed, as `tellers rebuild` does."""

    dropped: float
    counted: float
    audited: float


async def _from_redis(url: str, log: list[Entry]) -> _FromRedis:
    redis = connect(url, "bench")
    reader = LogReader(redis, LOG)
    await _fill(redis, log)
    position = Position("bench", EVENTS)
    runs = [
        _FromRedis(
            await _timed(_drop(reader)),
            await _timed(project(reader, position, lambda _: None)),
            await _timed(project(reader, position, Audit(LOG, {}).take)),
        )
        for _ in range(RUNS)
    ]
    await redis.aclose()
    return _FromRedis(*(median(times) for times in zip(*runs, strict=True)))


async def _timed(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _archived(redis_url: str, archive_url: str, epoch: str) -> float:
    """Seconds until the whole log is counted, published and in the archive, by a tally
    service that finds it there."""
    migrate(archive_url)
    engine = open_engine(archive_url)
    redis = connect(redis_url, "bench")
    await redis.hset(keys.meta(LOG), items=["epoch", epoch, "seq", EVENTS])
    store = Store(engine, "bench", "bench")
    worker = Worker(LogReader(redis, LOG), TallyChannel(redis, LOG), store)
    started = time.perf_counter()
    leading = asyncio.create_task(lead_when_ours(store, [worker], 2.0))
    try:
        while True:
            position = await asyncio.to_thread(store.read.position, LOG)
            if position is not None and position.seq == EVENTS:
                return time.perf_counter() - started
            assert not leading.done()
            await asyncio.sleep(0.05)
    finally:
        leading.cancel()
        await asyncio.wait([leading])
        await redis.aclose()
        engine.dispose()


# ---- flat


def _microseconds_an_event(events: int) -> tuple[float, float]:
    """Core alone, and counted twice, over a log that does not fit into memory: what
    ended and is archived is let go, as in the service."""
    core = twice = 0.0
    projections: dict[str, Projection] = {}
    projector = Projector(LOG)
    for page in pages(events, PAGE):
        started = time.perf_counter()
        for entry in page:
            recorded = decode(entry.body)
            name = recorded.roll_call
            projections[name] = absorb(projections.get(name), recorded)
        counted = time.perf_counter()
        projector.settle([projector.take(entry) for entry in page])
        projector.forget_ended(page[-1].seq)
        core += counted - started
        twice += time.perf_counter() - counted
        for name, one in list(projections.items()):
            if one.roll_call.phase in ENDED:
                del projections[name]
    return core / events * 1e6, twice / events * 1e6


def _flat(most: int) -> None:
    sizes = [FLAT_FROM]
    while sizes[-1] * 10 <= most:
        sizes.append(sizes[-1] * 10)
    found = [(events, *_microseconds_an_event(events)) for events in sizes]
    _, first_core, first_twice = found[0]
    table(
        "An event's cost by the length of the log, microseconds",
        ["events", "core", "ratio", "counted twice", "ratio"],
        [
            [
                f"{events:,}",
                f"{core:.2f}",
                f"{core / first_core:.2f}",
                f"{twice:.2f}",
                f"{twice / first_twice:.2f}",
            ]
            for events, core, twice in found
        ],
    )


def run(most: int = EVENTS) -> None:
    """Print the tables. `most`: the longest log of the last one."""
    _flat(most)
    log = entries(EVENTS)
    leave_the_program_alone()  # as in the service; here that is the log, too
    few = log[:EVENTSOURCED]
    library = Eventsourced(few)
    compared = _seconds(library.replay, few), _seconds(_core, few)
    del library
    plain, core, twice, each = (
        _seconds(work, log) for work in (_plain, _core, _twice, _each)
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(Path(folder) / "redis") as server,
    ):
        dropped, counted, audited = uvloop.run(_from_redis(server.url, log))
        archive = f"sqlite:///{folder}/archive.db"
        archived = uvloop.run(_archived(server.url, archive, "bench"))

    def row(
        name: str, seconds: float, baseline: float, events: int = EVENTS
    ) -> list[str]:
        return [name, f"{events / seconds:,.0f}", f"{baseline / seconds:.2f}"]

    table(
        f"Replay of {EVENTSOURCED:,} events, beside the library `eventsourcing`",
        ["what", "events/s", "ratio to baseline"],
        [
            row("baseline: eventsourcing, in memory", *compared[:1] * 2, EVENTSOURCED),
            row("core: decode, rules, tally", *compared[::-1], EVENTSOURCED),
        ],
    )
    table(
        f"Replay of {EVENTS:,} events into tallies (median of {RUNS})",
        ["what", "events/s", "ratio to baseline"],
        [
            row("baseline: json.loads and a dictionary", plain, plain),
            row("core: decode, rules, tally", core, plain),
            row("counted twice, compared at every event", twice, plain),
            row("the same with a tally at every event (live)", each, plain),
            row("baseline: Redis, entries read and dropped", dropped, dropped),
            row("Redis to tallies in memory, counted twice", counted, dropped),
            row("the same, its tree audited (rebuild)", audited, dropped),
            row("Redis to the archive, published (1 run)", archived, dropped),
        ],
    )
    print(
        f"  {EVENTS:,} events that wait in Redis are queryable after {archived:.1f} s"
    )
