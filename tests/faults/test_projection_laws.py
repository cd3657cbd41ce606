"""What must be equal: a rebuild, and a snapshot with what follows it.

F16 and F27 of the list.
"""

from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from tellers_core.events import Event
from tellers_core.tally import Tally, encode_tally
from tellers_gateway.feed import TallyFeed
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_runtime.log import Entry
from tellers_tally.projector import Projector
from tellers_tally.rebuild import rebuild_all
from tests.bench.history import entries as long_history
from tests.faults.report import Report, size
from tests.scenario import EPOCH
from tests.services.tallying import GA, Archive, Logbook, leading, settings_for, until
from tests.services.test_tally_properties import logs, written

# ---- F16: rebuilt from the log


async def fill(log: Logbook, history: list[Entry]) -> None:
    """Put these entries in an empty log."""
    await log.reader.create()
    for start in range(0, len(history), 1000):
        pipe = log.redis.pipeline(transaction=False)
        for seq, body in history[start : start + 1000]:
            pipe.xadd(keys.events(GA), {"e": body}, id=f"{seq}-0")
        await pipe.execute()
    await log.redis.hset(keys.meta(GA), "seq", str(len(history)))


async def test_f16_a_rebuild_gives_every_column_again(
    redis_url: str, database_url: str, report: Report
) -> None:
    count = size(1_000, 100_000)
    kind = database_url.partition(":")[0].partition("+")[0]
    migrate(database_url)
    async with Logbook(redis_url) as log:
        await fill(log, long_history(count))
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                reached = lambda: archive.seq() == count  # noqa: E731
                await until(reached, "the archive", seconds=size(30, 300))
            before = archive.everything()
            (done,) = await rebuild_all(settings_for(redis_url, database_url))
            same = archive.everything() == before
            archive.tampered(
                "UPDATE vote SET vote = 'no' WHERE roll_call = 'r1' AND vote = 'yes'"
            )
            (mended,) = await rebuild_all(settings_for(redis_url, database_url))
            mends = archive.everything() == before
    report.figures(
        f"F16 rebuild, {kind}",
        events=done.events,
        rebuild_diff=done.changed,
        secs=done.seconds,
        events_per_s=int(done.events / done.seconds),
    )
    report.control(
        f"F16 rebuild, {kind}", "an untouched archive", rebuild_diff=mended.changed
    )
    assert (done.changed, same, done.events) == (0, True, count)
    assert (mended.changed, mends) == (1, True)


# ---- F27: a snapshot and what follows it


def as_projected(log: list[Entry]) -> list[Tally]:
    """Every tally on the way through this log."""
    projector = Projector(GA)
    tallies: list[Tally] = []
    for entry in log:
        touched = projector.absorb(entry).touched
        tallies += [projector.tally(name, EPOCH) for name in touched]
    return tallies


def newest(tallies: list[Tally]) -> dict[str, Tally]:
    return {tally.roll_call: tally for tally in tallies}


def recalled(head: list[Entry], names: dict[str, list[Entry]]) -> Projector:
    """A projector that starts where `head` ends, from the entries of each roll call."""
    projector = Projector(GA, names, len(head))
    for name, of_roll_call in names.items():
        projector.recall(name, of_roll_call)
    return projector


def by_roll_call(
    history: list[tuple[str, Event | bytes]], log: list[Entry]
) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for (name, _), entry in zip(history, log, strict=False):
        found.setdefault(name, []).append(entry)
    return found


def feed_shows(feed: TallyFeed) -> dict[str, bytes]:
    return {name: update.frame.text for name, update in feed.latest.items()}


def unequal(
    history: list[tuple[str, Event | bytes]], log: list[Entry], cut: int, late: int = 0
) -> bool:
    """Whether tally service or gateway get another state from a snapshot at `cut`, and
    what follows it `late` entries on, than from the beginning."""
    whole, head = as_projected(log), as_projected(log[:cut])
    now = newest(whole)
    projector = recalled(log[:cut], by_roll_call(history, log[:cut]))
    again = newest(head)
    for entry in log[cut + late :]:
        for name in projector.absorb(entry).touched:
            again[name] = projector.tally(name, EPOCH)
    feed = TallyFeed(EPOCH, cut, newest(head).values())
    for tally in whole:
        if tally.seq > cut + late:
            feed.offer(tally)
    expected = {name: encode_tally(tally) for name, tally in now.items()}
    return {
        name: encode_tally(tally) for name, tally in again.items()
    } != expected or feed_shows(feed) != feed_shows(
        TallyFeed(EPOCH, len(log), now.values())
    )


def test_f27_a_snapshot_and_what_follows_it_is_the_whole(report: Report) -> None:
    counted = {"cases": 0, "unequal": 0, "control": 0}

    @settings(
        max_examples=size(100, 2_000),
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @for_all(history=logs(), cut=st.integers(0, 80))
    def law(history: list[tuple[str, Event | bytes]], cut: int) -> None:
        log = written(history, GA)
        cut = min(cut, len(log) - 1)
        counted["cases"] += 1
        counted["unequal"] += unequal(history, log, cut)
        counted["control"] += unequal(history, log, cut, late=1)

    law()
    report.figures(
        "F27 snapshot law", cases=counted["cases"], unequal=counted["unequal"]
    )
    report.control(
        "F27 snapshot law",
        "the first event after the snapshot",
        cases=counted["cases"],
        unequal=counted["control"],
    )
    assert counted["cases"] >= size(100, 2_000)
    assert counted["unequal"] == 0
    assert counted["control"] == counted["cases"]
