"""How fast a log becomes tallies: in the core, and from Redis to memory.

Baselines of the same run: the standard library's `json.loads` of the same bytes with a
plain dictionary of votes (no rules, no verdict), and Redis' entries read and dropped.
"""

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from redis.asyncio import Redis

from tellers_core.codec import decode
from tellers_core.tally import Projection, Tally, absorb, tally
from tellers_runtime import keys
from tellers_runtime.archive.reading import Position
from tellers_runtime.log import Entry, LogReader, connect
from tellers_tally.projector import Projector
from tellers_tally.rebuild import READ_AT_ONCE, Audit, project
from tests.bench.history import LOG, entries
from tests.bench.report import median, table
from tests.servers import RedisServer

EVENTS = 1_000_000
RUNS = 3


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


def _twice(log: list[Entry]) -> None:
    projector = Projector(LOG)
    for entry in log:
        projector.absorb(entry)
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


def run() -> None:
    """Print the table."""
    log = entries(EVENTS)
    plain, core, twice = (_seconds(work, log) for work in (_plain, _core, _twice))
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(Path(folder) / "redis") as server,
    ):
        dropped, counted, audited = asyncio.run(_from_redis(server.url, log))

    def row(name: str, seconds: float, baseline: float) -> list[str]:
        return [name, f"{EVENTS / seconds:,.0f}", f"{baseline / seconds:.2f}"]

    table(
        f"Replay of {EVENTS:,} events into tallies (median of {RUNS})",
        ["what", "events/s", "ratio to baseline"],
        [
            row("baseline: json.loads and a dictionary", plain, plain),
            row("core: decode, rules, status at every event", core, plain),
            row("counted twice: core, tally, shadow, compared", twice, plain),
            row("baseline: Redis, entries read and dropped", dropped, dropped),
            row("Redis to tallies in memory, counted twice", counted, dropped),
            row("the same, its tree audited (rebuild)", audited, dropped),
        ],
    )
