"""What a clerk checks before closing: when the votes were locked, and which of them
changed just before.

Read from the log, since a roll call's hash has no times; only while it is locked.
"""

from collections.abc import AsyncIterator

from msgspec import Struct

from tellers_core.codec import Recorded, decode
from tellers_core.events import RollCallLocked, Vote, VoteChanged, VoteWithdrawn
from tellers_runtime.clock import seconds_of
from tellers_runtime.log import LogReader

BEFORE_SECONDS = 60
# Of a busy chamber; each delegation of the General Assembly five times.
MOST = 1000
_PAGE = 200


class Change(Struct, frozen=True):
    """A vote that was changed, or (`vote` None) withdrawn."""

    delegation: str
    vote: Vote | None
    previous: Vote
    at: str


class Lock(Struct, frozen=True):
    """When it was locked, and what changed in the last BEFORE_SECONDS until then, in
    order."""

    at: str
    changes: tuple[Change, ...]


async def last_lock(log: LogReader, roll_call: str, seq: int) -> Lock | None:
    """The lock of a roll call whose last event is at `seq`; None when it is not among
    the MOST entries before."""
    return await found_in(_backwards(log, seq), roll_call)


async def found_in(entries: AsyncIterator[Recorded], roll_call: str) -> Lock | None:
    """The same, in entries of the log that come newest first."""
    locked: Recorded | None = None
    changes: list[Change] = []
    async for entry in entries:
        if locked and seconds_of(locked.time) - seconds_of(entry.time) > BEFORE_SECONDS:
            break
        if entry.roll_call != roll_call:
            continue
        if isinstance(entry.event, RollCallLocked):
            locked = locked or entry
        elif locked and isinstance(entry.event, VoteChanged | VoteWithdrawn):
            event = entry.event
            change = Change(event.delegation, event.vote, event.previous, entry.time)
            changes.append(change)
    return Lock(locked.time, tuple(reversed(changes))) if locked else None


async def _backwards(log: LogReader, seq: int) -> AsyncIterator[Recorded]:
    last = max(0, seq - MOST)
    while seq > last:
        after = max(last, seq - _PAGE)
        for entry in reversed(await log.range(after, seq - after)):
            yield decode(entry.body)
        seq = after
