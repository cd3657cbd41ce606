"""From entries of the log to changes of the projections; no I/O.

What it does not understand holds that roll call at its last good tally and lets the
others go on. An entry that does not even say whose it is could be anybody's: it holds
every roll call that is still running.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import structlog
from msgspec import Struct
from msgspec.structs import replace

from tellers_core.codec import LogName, Recorded, decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_core.events import VoteEvent
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
_is_id = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}").fullmatch
logger = structlog.get_logger()


class Change(Struct, frozen=True, gc=False):
    """What one entry did.

    Args:
        roll_call: whose entry it is; "" when it does not say.
        touched: roll calls whose tally changed, by being counted or held.
        vote: the vote event it is, if it is one that was counted.
        begins: whether the roll call begins with it.
    """

    entry: Entry
    roll_call: str
    touched: tuple[str, ...] = ()
    vote: VoteEvent | None = None
    begins: bool = False


class Forgotten(Exception):
    """An entry continues a roll call that is archived and not in memory: `recall` it,
    then take the entry again."""

    def __init__(self, roll_call: str) -> None:
        super().__init__(f"{roll_call} must be recalled first")
        self.roll_call = roll_call


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
            projection = absorb(projection, _decoded(entry))
        except CorruptHistory as error:
            held = Held(entry.seq, str(error))
            if projection is not None:
                projection.held = held
            return History(projection, held)
    return History(projection, None)


def _decoded(entry: Entry) -> Recorded:
    recorded = decode(entry.body)
    if recorded.seq != entry.seq:
        raise CorruptHistory(f"says seq {recorded.seq}, stands at {entry.seq}")
    return recorded


NO_HISTORY = History(None, None)


class Projector:
    """The projections of one log's running roll calls.

    Args:
        log: whose entries these are.
        archived: roll calls that began before; those that go on must be recalled.
    """

    def __init__(self, log: LogName, archived: Iterable[str] = ()) -> None:
        self._source = log.source
        self._archived = set(archived)
        self._known: dict[str, History] = {}

    def recall(
        self, roll_call: str, entries: Iterable[Entry], held: Held | None = None
    ) -> None:
        """Put a roll call in memory again, from its archived entries. One that is
        archived as `held` stays so, whatever is understood of it now, until a rebuild:
        its later votes are not in the archive's projection."""
        if held is not None:
            entries = (entry for entry in entries if entry.seq < held.seq)
        history = recall(entries)
        if held is not None:
            if history.projection is not None:
                history.projection.held = held
            history = History(history.projection, held)
        self._known[roll_call] = history

    def absorb(self, entry: Entry) -> Change:
        """Take the next entry of the log. Raises Forgotten, and has changed nothing."""
        try:
            return self._absorb(entry, _decoded(entry))
        except CorruptHistory as error:
            return self._misunderstood(entry, str(error))

    def _absorb(self, entry: Entry, recorded: Recorded) -> Change:
        roll_call = recorded.roll_call
        before = self._history(roll_call)
        if before.held is not None:
            return Change(entry, roll_call)
        if recorded.source != self._source:
            raise CorruptHistory(f"{recorded.source} is another log's")
        after = absorb(before.projection, recorded)
        if before.projection is None:
            self._known[roll_call] = History(after, None)
        event, begins = recorded.event, recorded.version == 1
        vote = event if isinstance(event, VoteEvent) else None
        return Change(entry, roll_call, (roll_call,), vote, begins)

    def _history(self, roll_call: str) -> History:
        known = self._known.get(roll_call)
        if known is not None:
            return known
        if roll_call in self._archived:
            raise Forgotten(roll_call)
        if not _is_id(roll_call):
            raise CorruptHistory(f"{roll_call!r} cannot be a roll call")
        return NO_HISTORY

    def _misunderstood(self, entry: Entry, reason: str) -> Change:
        roll_call = roll_call_of(entry.body)
        if roll_call is not None and _is_id(roll_call):
            touched = self.hold(roll_call, Held(entry.seq, reason))
            return Change(entry, roll_call, touched)
        held = Held(entry.seq, "an entry that does not say whose it is")
        touched = tuple(
            name for running in self._running() for name in self.hold(running, held)
        )
        return Change(entry, UNKNOWN_ROLL_CALL, touched)

    def hold(self, roll_call: str, held: Held) -> tuple[str, ...]:
        """Stop counting a roll call at its last good tally; names what changed.

        Raises Forgotten.
        """
        before = self._history(roll_call)
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

    def forget_ended(self, archived_seq: int) -> None:
        """Let go of roll calls that ended and are archived; they can be recalled."""
        for roll_call, (projection, held) in list(self._known.items()):
            if (
                projection is not None
                and held is None
                and projection.roll_call.phase in ENDED
                and projection.seq <= archived_seq
            ):
                del self._known[roll_call]
                self._archived.add(roll_call)


def stored(value: Tally) -> str:
    """A tally as archived: without the epoch, which belongs to the log."""
    return encode_tally(replace(value, epoch="")).decode()
