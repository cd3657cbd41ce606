"""From entries of the log to changes of the projections; no I/O of its own.

What it does not understand holds that roll call at its last good tally and lets the
others go on. An entry that does not even say whose it is could be anybody's: it holds
every roll call that is still running.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from tellers_core.codec import Recorded, decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_core.events import VoteChanged, VoteRecorded, VoteWithdrawn
from tellers_core.tally import (
    ENDED,
    Held,
    Projection,
    Tally,
    absorb,
    encode_tally,
    tally,
)
from tellers_runtime.log import Entry

UNKNOWN_ROLL_CALL = ""
logger = structlog.get_logger()


class Change(NamedTuple):
    """What one entry did.

    Args:
        roll_call: whose entry it is; "" when it does not say.
        touched: roll calls whose tally changed, by being counted or held.
        votes: delegation and vote (None: withdrawn) that it put on record.
        begins: whether the roll call begins with it.
    """

    entry: Entry
    roll_call: str
    touched: tuple[str, ...] = ()
    votes: tuple[tuple[str, str | None], ...] = ()
    begins: bool = False


class History(NamedTuple):
    """A roll call rebuilt from its entries: the last good projection, and why it is
    held there. No projection: not even its beginning was understood."""

    projection: Projection | None
    held: Held | None


def recall(entries: Iterable[Entry]) -> History:
    """Rebuild one roll call from all its entries, up to the first bad one."""
    projection: Projection | None = None
    for entry in entries:
        try:
            projection = absorb(projection, decode(entry.body))
        except CorruptHistory as error:
            held = Held(entry.seq, str(error))
            if projection is not None:
                projection.held = held
            return History(projection, held)
    return History(projection, None)


class Projector:
    """The projections of one log's running roll calls.

    Args:
        remember: all archived entries of a roll call, asked for once when an entry
            continues one that is not in memory.
    """

    def __init__(self, remember: Callable[[str], Iterable[Entry]]) -> None:
        self._remember = remember
        self._known: dict[str, History] = {}

    def absorb(self, entry: Entry) -> Change:
        """Take the next entry of the log."""
        try:
            recorded = decode(entry.body)
            if recorded.seq != entry.seq:
                raise CorruptHistory(f"says seq {recorded.seq}, stands at {entry.seq}")
            return self._absorb(entry, recorded)
        except CorruptHistory as error:
            return self._misunderstood(entry, str(error))

    def _absorb(self, entry: Entry, recorded: Recorded) -> Change:
        roll_call = recorded.roll_call
        before = self._known.get(roll_call) or self._recall(
            roll_call, is_new=recorded.version == 1
        )
        if before.held is not None:
            return Change(entry, roll_call)
        after = absorb(before.projection, recorded)
        if before.projection is None:
            self._known[roll_call] = History(after, None)
        votes, begins = _votes_of(recorded), recorded.version == 1
        return Change(entry, roll_call, (roll_call,), votes, begins)

    def _recall(self, roll_call: str, *, is_new: bool) -> History:
        # A first version needs no look at the archive, which has none of it.
        history = recall(() if is_new else self._remember(roll_call))
        self._known[roll_call] = history
        return history

    def _misunderstood(self, entry: Entry, reason: str) -> Change:
        roll_call = roll_call_of(entry.body)
        if roll_call is not None:
            touched = self.hold(roll_call, Held(entry.seq, reason))
            return Change(entry, roll_call, touched)
        held = Held(entry.seq, "an entry that does not say whose it is")
        touched = tuple(
            name for running in self._running() for name in self.hold(running, held)
        )
        return Change(entry, UNKNOWN_ROLL_CALL, touched)

    def hold(self, roll_call: str, held: Held) -> tuple[str, ...]:
        """Stop counting a roll call at its last good tally; names what changed."""
        before = self._known.get(roll_call) or self._recall(roll_call, is_new=False)
        if before.held is not None:
            return ()
        logger.error(
            "roll_call.held", roll_call=roll_call, at=held.seq, why=held.reason
        )
        self._known[roll_call] = History(before.projection, held)
        if before.projection is None:
            return ()
        before.projection.held = held
        return (roll_call,)

    def _running(self) -> list[str]:
        return [
            name
            for name, (projection, _) in self._known.items()
            if projection is not None and projection.roll_call.phase not in ENDED
        ]

    def tally(self, roll_call: str, epoch: str) -> Tally:
        """The tally now of a roll call that `absorb` named as touched."""
        projection = self._known[roll_call].projection
        assert projection is not None
        return tally(projection, epoch)

    def held(self) -> dict[str, Held]:
        """Roll calls held at their last good tally."""
        return {
            name: history.held
            for name, history in self._known.items()
            if history.held is not None
        }

    def forget_ended(self) -> None:
        """Let go of roll calls that ended and are archived; they can be recalled."""
        for roll_call, history in list(self._known.items()):
            ended = history.projection
            if ended is not None and ended.roll_call.phase in ENDED and not ended.held:
                del self._known[roll_call]


def _votes_of(recorded: Recorded) -> tuple[tuple[str, str | None], ...]:
    event = recorded.event
    if isinstance(event, VoteRecorded | VoteChanged | VoteWithdrawn):
        return ((event.delegation, event.vote),)
    return ()


def stored(value: Tally) -> str:
    """A tally as archived: without the epoch, which belongs to the log."""
    return encode_tally(replace(value, epoch="")).decode()
