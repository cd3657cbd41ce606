"""From entries of the log to changes of the projections; no I/O.

Everything is counted twice, by the core and by the shadow: a tally is good when both
say the same. What is not understood, or counted differently, holds that roll call at
its last good tally and lets the others go on. An entry that does not even say whose it
is could be anybody's: it holds every roll call that is still running.
"""

import re
from collections.abc import Callable, Iterable

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
from tellers_tally.shadow import Doubt, Figures, Shadow

DIFFERS = "the second count differs: "
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


class _Known(Struct):
    """A roll call in memory: the first count, the last good tally (its epoch is empty),
    and why it is held there. No good tally: not even its beginning was understood."""

    projection: Projection | None = None
    good: Tally | None = None
    held: Held | None = None


class _Differs(Exception):
    """The two counts of an entry do not say the same."""


def _decoded(entry: Entry) -> Recorded:
    recorded = decode(entry.body)
    if recorded.seq != entry.seq:
        raise CorruptHistory(f"says seq {recorded.seq}, stands at {entry.seq}")
    return recorded


def _count(
    known: _Known, recorded: Recorded, body: bytes, second: Callable[[bytes], Figures]
) -> None:
    """Move a roll call one event on. Raises CorruptHistory before the shadow has seen
    the event, or _Differs; the good tally is then as before."""
    known.projection = absorb(known.projection, recorded)
    counted = tally(known.projection, "")
    first = _figures(counted)
    try:
        found = second(body)
    except Doubt as doubt:
        raise _Differs(f"{DIFFERS}{first}; doubtful: {doubt}") from doubt
    if first != found:
        raise _Differs(f"{DIFFERS}{first}; not {found}")
    known.good = counted


def _figures(counted: Tally) -> Figures:
    counts, verdict = counted.counts, counted.verdict
    return Figures(
        counted.phase,
        counts.yes,
        counts.no,
        counts.abstain,
        counts.not_voting,
        counts.entitled,
        counts.members,
        verdict.status,
        verdict.required,
    )


class Projector:
    """The projections of one log's running roll calls.

    Args:
        log: whose entries these are.
        archived: roll calls that began before; those that go on must be recalled.
        seq: of the last entry before those it will be given.
    """

    def __init__(
        self, log: LogName, archived: Iterable[str] = (), seq: int = 0
    ) -> None:
        self._source = log.source
        self._archived = set(archived)
        self._known: dict[str, _Known] = {}
        self._shadow = Shadow(seq)

    def recall(
        self, roll_call: str, entries: Iterable[Entry], held: Held | None = None
    ) -> None:
        """Put a roll call in memory again, from its archived entries, up to the first
        bad one. One that is archived as `held` stays so, whatever is understood of it
        now, until a rebuild: its later votes are not in the archive's projection."""
        self._shadow.forget(roll_call)
        known = self._known[roll_call] = _Known(held=held)
        for entry in entries:
            if held is not None and entry.seq >= held.seq:
                break
            try:
                _count(known, _decoded(entry), entry.body, self._shadow.recall)
            except (CorruptHistory, _Differs) as error:
                known.held = held or Held(entry.seq, str(error))
                break
        if known.held is not None:
            self._stop(roll_call, known, known.held)

    def absorb(self, entry: Entry) -> Change:
        """Take the next entry of the log. Raises Forgotten, and has changed nothing."""
        try:
            return self._absorb(entry, _decoded(entry))
        except _Differs as error:
            return self._hold_by(entry, str(error))
        except CorruptHistory as error:
            change = self._hold_by(entry, str(error))
            self._shadow.skip()
            return change

    def _absorb(self, entry: Entry, recorded: Recorded) -> Change:
        roll_call = recorded.roll_call
        known = self._find(roll_call)
        if known.held is not None:
            self._shadow.skip()
            return Change(entry, roll_call)
        if recorded.source != self._source:
            raise CorruptHistory(f"{recorded.source} is another log's")
        _count(known, recorded, entry.body, self._shadow.follow)
        self._known[roll_call] = known
        event, begins = recorded.event, recorded.version == 1
        vote = event if isinstance(event, VoteEvent) else None
        return Change(entry, roll_call, (roll_call,), vote, begins)

    def _find(self, roll_call: str) -> _Known:
        known = self._known.get(roll_call)
        if known is not None:
            return known
        if roll_call in self._archived:
            raise Forgotten(roll_call)
        if not _is_id(roll_call):
            raise CorruptHistory(f"{roll_call!r} cannot be a roll call")
        return _Known()

    def _hold_by(self, entry: Entry, reason: str) -> Change:
        """Hold whom a bad entry concerns."""
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
        known = self._find(roll_call)
        if known.held is not None:
            return ()
        self._known[roll_call] = known
        self._stop(roll_call, known, held)
        return (roll_call,) if known.good is not None else ()

    def _stop(self, roll_call: str, known: _Known, held: Held) -> None:
        logger.error(
            "roll_call.held", roll_call=roll_call, at=held.seq, why=held.reason
        )
        known.held = held
        # It may be beyond the last good tally: nobody may go on from it.
        known.projection = None
        self._shadow.forget(roll_call)

    def _running(self) -> list[str]:
        return [
            name
            for name, known in self._known.items()
            if known.good is not None and known.good.phase not in ENDED
        ]

    def tally(self, roll_call: str, epoch: str) -> Tally:
        """The tally now of a roll call that `absorb` named as touched: confirmed, since
        it was counted twice, or held."""
        known = self._known[roll_call]
        assert known.good is not None
        confirmed = known.held is None
        return replace(known.good, epoch=epoch, held=known.held, confirmed=confirmed)

    def held(self) -> dict[str, Held]:
        """Roll calls held at their last good tally."""
        return {
            name: known.held
            for name, known in self._known.items()
            if known.held is not None
        }

    def forget_ended(self, archived_seq: int) -> None:
        """Let go of roll calls that ended and are archived; they can be recalled."""
        for roll_call, known in list(self._known.items()):
            good = known.good
            if (
                good is not None
                and known.held is None
                and good.phase in ENDED
                and good.seq <= archived_seq
            ):
                del self._known[roll_call]
                self._shadow.forget(roll_call)
                self._archived.add(roll_call)


def is_disagreement(held: Held) -> bool:
    """Whether it is held because the two counts did not say the same."""
    return held.reason.startswith(DIFFERS)


def stored(value: Tally) -> str:
    """A tally as archived: without the epoch, which belongs to the log."""
    return encode_tally(replace(value, epoch="")).decode()
