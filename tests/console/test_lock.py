"""What changed in the minute before the lock, and no more."""

from collections.abc import AsyncIterator

from tellers_core.codec import Recorded, RecordedAs
from tellers_core.events import Event, RollCallLocked, Vote, VoteChanged, VoteWithdrawn
from tellers_ingest.console.lock import Change, Lock, found_in

CHANGED = VoteChanged("FRA", Vote.NO, Vote.YES)
WITHDRAWN = VoteWithdrawn("NOR", Vote.NO)


async def backwards(*events: tuple[str, Event]) -> AsyncIterator[Recorded]:
    for at, event in reversed(events):
        yield RecordedAs("/chambers/ga", "es-11-1", "1", 1, moment(at), event)


def moment(at: str) -> str:
    return f"2026-11-23T17:{at}Z"


async def test_a_minute_before_the_lock_counts_and_not_more() -> None:
    found = await found_in(
        backwards(
            ("00:59.999", CHANGED),
            ("01:00.000", CHANGED),
            ("01:59.000", WITHDRAWN),
            ("02:00.000", RollCallLocked()),
        ),
        "es-11-1",
    )
    changes = (
        Change("FRA", Vote.NO, Vote.YES, moment("01:00.000")),
        Change("NOR", None, Vote.NO, moment("01:59.000")),
    )
    assert found == Lock(moment("02:00.000"), changes)


async def test_without_a_lock_among_them_there_is_none() -> None:
    assert await found_in(backwards(("01:00.000", CHANGED)), "es-11-1") is None
