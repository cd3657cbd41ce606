"""The machine's clock jumps, back and forth: the order is the log's own."""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta

from redis.asyncio import Redis

from tellers_core.codec import Recorded
from tellers_core.events import VoteChanged, VoteRecorded
from tellers_runtime.clock import Clock, utc_now
from tests.faults.report import Report, size
from tests.services.ingest import hall, running

VOTES = size(30, 300)
# As after a wrong time server, an empty battery, a summer time set by hand.
JUMPS = [timedelta(), timedelta(hours=-1), timedelta(days=30), timedelta(days=-3650)]


def jumping() -> Clock:
    """A clock that is set anew after every third look."""
    jumps = itertools.cycle(jump for jump in JUMPS for _ in range(3))

    def now() -> datetime:
        return utc_now() + next(jumps)

    return now


def votes(entries: Iterable[Recorded]) -> list[tuple[int, str]]:
    """Seq and answer of the votes among them."""
    return [
        (entry.seq, str(entry.event.vote))
        for entry in entries
        if isinstance(entry.event, VoteRecorded | VoteChanged)
    ]


async def ahead_of_time(redis: Redis) -> int:
    """Seconds by which a stream's own ids are ahead, after one entry was."""
    now = int(utc_now().timestamp() * 1000)
    await redis.xadd("scratch", {"k": "v"}, id=f"{now + 3_600_000}-0")
    await redis.xadd("scratch", {"k": "v"})
    info = await redis.xinfo_stream("scratch")
    milliseconds, _, _ = info["last-generated-id"].partition(b"-")
    return (int(milliseconds) - now) // 1000


async def test_f15_the_clock_jumps(redis_url: str, report: Report) -> None:
    async with running(redis_url, jumping()) as url, hall(redis_url, [url]) as at:
        await at.clerk.open()
        said = []
        for number in range(VOTES):
            vote = ("yes", "no")[number % 2]
            answer = await at.clerk.vote("FRA", vote)
            said.append((answer.json()["seq"], vote))
        entries = await at.entries()
        await at.state()  # as these events make it, in the log's order
        ahead = await ahead_of_time(at.redis)
    gaps = entries[-1].seq - len(entries)
    in_order = votes(entries) == said
    report.figures("F15 clock", votes=VOTES, gaps=gaps, order_ok=int(in_order))
    assert (gaps, in_order) == (0, True)

    by_time = sorted(entries, key=lambda entry: (entry.time, entry.seq))
    in_order = votes(by_time) == said
    report.control(
        "F15", "our own seq", order_ok=int(in_order), stream_ids_ahead_s=ahead
    )
    assert not in_order
    assert ahead > 3500
