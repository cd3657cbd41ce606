"""From entries of the log to changes of the projections; no I/O.

Everything is counted twice, by the core and by the shadow: a tally is good when both
say the same. What is not understood, or counted differently, holds that roll call at
its last good tally and lets the others go on. An entry that does not even say whose it
is could be anybody's: it holds every roll call that is still running.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable

import structlog
from msgspec import Struct
from msgspec.structs import replace

from tellers_core.codec import LogName, Recorded, decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_core.events import VoteChanged, VoteEvent, VoteRecorded, VoteWithdrawn
from tellers_core.tally import (
    ENDED,
    Held,
    Projection,
    Tally,
    absorb,
    encode_tally,
    judged,
    tally,
)
from tellers_runtime.log import Entry
from tellers_tally.shadow import Doubt, Figures, Shadow

DIFFERS = "the second count differs: "
UNKNOWN_ROLL_CALL = ""
_VOTES = (VoteRecorded, VoteChanged, VoteWithdrawn)
_new = tuple.__new__  # Figures(...) takes longer than to count them
_is_id = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}").fullmatch
logger = structlog.get_logger()


class Change(Struct, frozen=True, gc=False):
    """What one entry did.

    Args:
        roll_call: whose entry it is; "" when it does not say.
        touched: roll calls whose tally changed, by being counted or held.
        vote: the vote event it is, if it is one that was counted.
        begins: whether the roll call begins with it.
        milestone: whether phase or status changed, or something is held.
    """

    entry: Entry
    roll_call: str
    touched: tuple[str, ...] = ()
    vote: VoteEvent | None = None
    begins: bool = False
    milestone: bool = False


class Forgotten(Exception):
    """An entry continues a roll call that is archived and not in memory: `recall` it,
    then take the entry again."""

    def __init__(self, roll_call: str) -> None:
        super().__init__(f"{roll_call} must be recalled first")
        self.roll_call = roll_call


# What both counts said at an event.
_Agreed = tuple[Recorded, Figures]


class _Known(Struct):
    """A roll call in memory.

    Args:
        projection: the first count; None when held, or before its beginning.
        good: the last tally that was made and found good; its epoch is empty. None:
            not even its beginning was understood.
        held: why it is held there.
        base: the first count as it was at `good`.
        since: the events since then; at each both counts said the same.
        figures: what they said last.
    """

    projection: Projection | None = None
    good: Tally | None = None
    held: Held | None = None
    base: Projection | None = None
    since: list[_Agreed] = []
    figures: Figures | None = None


class _Differs(Exception):
    """The two counts of an entry do not say the same."""


def _decoded(entry: Entry) -> Recorded:
    recorded = decode(entry.body)
    if recorded.seq != entry.seq:
        raise CorruptHistory(f"says seq {recorded.seq}, stands at {entry.seq}")
    return recorded


def _count(
    known: _Known, recorded: Recorded, body: bytes, second: Callable[[bytes], Figures]
) -> bool:
    """Move both counts of a roll call one event on, and compare them; tells whether
    phase or status changed. Raises CorruptHistory before the second has seen the event,
    or _Differs."""
    if not known.since:
        known.base = _copied(known.projection)
    projection = known.projection = absorb(known.projection, recorded)
    first = _standing(projection)
    try:
        found = second(body)
    except Doubt as doubt:
        known.projection = None
        raise _Differs(f"{DIFFERS}{first}; doubtful: {doubt}") from doubt
    if first != found:
        known.projection = None
        raise _Differs(f"{DIFFERS}{first}; not {found}")
    before = known.figures
    known.since.append((recorded, found))
    known.figures = found
    return (
        before is None or before.phase != found.phase or before.status != found.status
    )


def _copied(projection: Projection | None) -> Projection | None:
    if projection is None:
        return None
    state = projection.roll_call
    alone = replace(state, votes=dict(state.votes))
    return dataclasses.replace(projection, roll_call=alone)


def _standing(projection: Projection) -> Figures:
    """The first count's figures."""
    state = projection.roll_call
    yes, no, abstain, entitled = state.yes, state.no, state.abstain, len(state.entitled)
    counts = (state.phase, yes, no, abstain, entitled - yes - no - abstain, entitled)
    return _new(Figures, (*counts, len(state.roll.members), *judged(state)))


def _figures(counted: Tally) -> Figures:
    """The figures as they would be published."""
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


def _settle(known: _Known) -> Held | None:
    """Make the tally of what was counted since the last good one, and compare it, as it
    would be published, with the second count. When they differ: the first event at
    which they do, and `good` is the tally at the one before."""
    if not known.since:
        return None
    held = None
    if known.projection is not None:
        counted = tally(known.projection, "")
        held = _differs(counted, known.since[-1])
        if held is None:
            known.good = counted
            known.since, known.base = [], None
            return None
    return _settle_one_by_one(known, held)


def _settle_one_by_one(known: _Known, last: Held | None) -> Held | None:
    """The same with a tally for each event: slow, and for trouble only. What differed
    once, at the `last`, is not trusted again."""
    counting, since = known.base, known.since
    known.since, known.base = [], None
    for agreed in since:
        if last is not None and last.seq == agreed[0].seq:
            return last
        try:
            counting = absorb(counting, agreed[0])
        except CorruptHistory as error:
            return Held(agreed[0].seq, f"{DIFFERS}{error}; not {agreed[1]}")
        counted = tally(counting, "")
        held = _differs(counted, agreed)
        if held is not None:
            return held
        known.good = counted
    return None


def _differs(counted: Tally, agreed: _Agreed) -> Held | None:
    recorded, found = agreed
    first = _figures(counted)
    if first != found:
        return Held(recorded.seq, f"{DIFFERS}{first}; not {found}")
    return None


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
        # Taken, and the tally not made since.
        self._unsettled: dict[str, None] = {}
        # From which seq on they turned out to be counted differently.
        self._taken_back: dict[str, int] = {}

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
        found = _settle(known)
        known.held = held or found or known.held
        if known.held is not None:
            self._stop(roll_call, known, known.held)

    def absorb(self, entry: Entry) -> Change:
        """Take the next entry of the log, and make the tallies of what it touched.
        Raises Forgotten, and has changed nothing."""
        return self.settle([self.take(entry)])[0]

    def take(self, entry: Entry) -> Change:
        """Take the next entry of the log; its tally is made when it is asked for, or by
        `settle`. Raises Forgotten, and has changed nothing."""
        try:
            return self._take(entry, _decoded(entry))
        except _Differs as error:
            return self._hold_by(entry, str(error))
        except CorruptHistory as error:
            change = self._hold_by(entry, str(error))
            self._shadow.skip()
            return change

    def _take(self, entry: Entry, recorded: Recorded) -> Change:
        roll_call = recorded.roll_call
        known = self._known.get(roll_call) or self._find(roll_call)
        if known.held is not None:
            self._shadow.skip()
            return Change(entry, roll_call)
        if recorded.source != self._source:
            raise CorruptHistory(f"{recorded.source} is another log's")
        milestone = _count(known, recorded, entry.body, self._shadow.follow)
        self._known[roll_call] = known
        self._unsettled[roll_call] = None
        event, begins = recorded.event, recorded.version == 1
        vote = event if isinstance(event, _VOTES) else None
        return Change(entry, roll_call, (roll_call,), vote, begins, milestone)

    def settle(self, changes: list[Change]) -> list[Change]:
        """Make the tallies of all that was taken since the last time. These are the
        changes since then; what is counted differently in them is taken back."""
        for roll_call in list(self._unsettled):
            self._settle(roll_call)
        if not self._taken_back:
            return changes
        taken_back, self._taken_back = self._taken_back, {}
        return [
            self._without(change, taken_back.get(change.roll_call))
            for change in changes
        ]

    def _without(self, change: Change, held_at: int | None) -> Change:
        entry, roll_call = change.entry, change.roll_call
        if held_at is None or entry.seq < held_at:
            return change
        shown = entry.seq == held_at and self._known[roll_call].good is not None
        touched = (roll_call,) if shown else ()
        return Change(entry, roll_call, touched, milestone=shown)

    def _settle(self, roll_call: str) -> None:
        if roll_call not in self._unsettled:
            return
        del self._unsettled[roll_call]
        known = self._known[roll_call]
        held = _settle(known)
        if held is not None:
            self._taken_back[roll_call] = held.seq
            self._stop(roll_call, known, held)

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
            return Change(entry, roll_call, touched, milestone=bool(touched))
        held = Held(entry.seq, "an entry that does not say whose it is")
        touched = tuple(
            name for running in self._running() for name in self.hold(running, held)
        )
        return Change(entry, UNKNOWN_ROLL_CALL, touched, milestone=bool(touched))

    def hold(self, roll_call: str, held: Held) -> tuple[str, ...]:
        """Stop counting a roll call at its last good tally; names what changed.

        Raises Forgotten.
        """
        known = self._find(roll_call)
        if known.held is not None:
            return ()
        self._known[roll_call] = known
        self._settle(roll_call)
        if known.held is None:
            self._stop(roll_call, known, held)
        return (roll_call,) if known.good is not None else ()

    def _stop(self, roll_call: str, known: _Known, held: Held) -> None:
        logger.error(
            "roll_call.held", roll_call=roll_call, at=held.seq, why=held.reason
        )
        known.held = held
        # It may be beyond the last good tally: nobody may go on from it.
        known.projection = known.base = None
        known.since = []
        self._shadow.forget(roll_call)

    def _running(self) -> list[str]:
        return [
            name
            for name, known in self._known.items()
            if known.figures is not None and known.figures.phase not in ENDED
        ]

    def tally(self, roll_call: str, epoch: str) -> Tally:
        """The tally now of a roll call that `absorb` named as touched: confirmed, since
        it was counted twice, or held."""
        self._settle(roll_call)
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
                and not known.since
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
