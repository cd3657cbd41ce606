"""What a gateway knows of one log, and how a reader catches up with it. No I/O.

`TallyFeed` keeps the newest tally of each roll call and the last updates. A reader that
is behind gets, in order, every update that changed a verdict or a phase and the newest
of each roll call: never an older one than it has, never a verdict left out.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from tellers_core.tally import ENDED, Held, Tally, encode_tally
from tellers_gateway.frames import Frame, tally_frame, websocket_message

UPDATES_KEPT = 4096
FINISHED_KEPT = 200
# A reader this many updates behind gets them all; further behind, they are conflated.
ALL_WITHIN = 256


class Update(NamedTuple):
    """One published change. `number` counts updates of this process, from 1."""

    number: int
    tally: Tally
    frame: Frame
    milestone: bool


class TallyFeed:
    """The tallies of one log under one epoch.

    Args:
        tallies: the newest of each roll call as of `seq`. What follows `seq` is
            offered; `complete_after` is where that begins to be without gaps.
    """

    def __init__(self, epoch: str, seq: int, tallies: Iterable[Tally]) -> None:
        self.epoch = epoch
        self.held: Held | None = None
        self.number = 0
        self.seq = seq
        self.latest: dict[str, Update] = {}
        self._updates: deque[Update] = deque(maxlen=UPDATES_KEPT)
        # Kept longer than the rest: a reader far behind must not miss a verdict.
        self._milestones: deque[Update] = deque(maxlen=UPDATES_KEPT)
        for tally in sorted(tallies, key=lambda tally: tally.seq):
            self.latest[tally.roll_call] = self._update(tally, milestone=True)
        # Every update after this seq is in `_updates`.
        self.complete_after = seq

    def offer(self, tally: Tally) -> Update | None:
        """Take a published tally; None when it is not news (published twice)."""
        known = self.latest.get(tally.roll_call)
        if tally.epoch != self.epoch:
            return None
        if known is None and tally.seq <= self.seq:
            return None  # it ended long ago and was forgotten here
        if known is not None and not _is_news(known.tally, tally):
            return None
        self.seq = max(self.seq, tally.seq)
        milestone = known is None or _is_milestone(known.tally, tally)
        update = self._update(tally, milestone=milestone)
        self._remember(update)
        return update

    def hold(self, held: Held | None) -> list[Update]:
        """Mark the tallies of running roll calls as held here, or release them."""
        if held == self.held:
            return []
        self.held = held
        running = [u.tally for u in self.latest.values() if _is_running(u.tally)]
        updates = [self._update(tally, milestone=True) for tally in running]
        for update in updates:
            self._remember(update)
        return updates

    def _remember(self, update: Update) -> None:
        self.latest.pop(update.tally.roll_call, None)
        self.latest[update.tally.roll_call] = update
        if self._updates.maxlen == len(self._updates):
            # Not simply its seq: a tally that was held or released is an old one.
            gone = self._updates[0].tally.seq
            self.complete_after = max(self.complete_after, gone)
        self._updates.append(update)
        if update.milestone:
            self._milestones.append(update)
        self._forget_finished()

    def _update(self, tally: Tally, *, milestone: bool) -> Update:
        self.number += 1
        shown = self.shown(tally)
        frame = tally_frame(encode_tally(shown), self.epoch, tally.seq)
        return Update(self.number, tally, frame, milestone)

    def shown(self, tally: Tally) -> Tally:
        """The tally as this gateway shows it: held, if it cannot vouch for it."""
        if self.held is None or tally.held is not None or not _is_running(tally):
            return tally
        return replace(tally, held=self.held, confirmed=False)

    def _forget_finished(self) -> None:
        if len(self.latest) <= 2 * FINISHED_KEPT:
            return
        finished = [n for n, u in self.latest.items() if not _is_running(u.tally)]
        for name in finished[:-FINISHED_KEPT]:
            del self.latest[name]

    def now(self, roll_call: str | None) -> list[Update]:
        """The state now: of one roll call, or of all that run and the newest other."""
        if roll_call is not None:
            update = self.latest.get(roll_call)
            return [update] if update else []
        running = [u for u in self.latest.values() if _is_running(u.tally)]
        newest = list(self.latest.values())[-1:]
        shown = running + [update for update in newest if update not in running]
        # In the log's order: cut off anywhere, a reader resumes after its last one.
        return sorted(shown, key=lambda update: update.tally.seq)

    def standing(self, roll_call: str | None) -> list[Update]:
        """The newest of what runs or is held. A tally that is held, or let go again,
        keeps its seq, so a reader's place does not tell which of them it has."""
        return [
            update
            for name, update in self.latest.items()
            if roll_call in (None, name)
            and (_is_running(update.tally) or update.tally.held is not None)
        ]

    def since(self, number: int, roll_call: str | None) -> list[Update]:
        """What a reader needs that has seen everything up to update `number`."""
        forgotten = self._updates and number < self._updates[0].number - 1
        missed = [
            update
            for update in (self._lasting(number) if forgotten else self._after(number))
            if roll_call in (None, update.tally.roll_call)
        ]
        return missed if len(missed) <= ALL_WITHIN else list(_conflated(missed))

    def _lasting(self, number: int) -> list[Update]:
        lasting = {
            update.number: update
            for update in (*self._milestones, *self.latest.values())
            if update.number > number
        }
        return [lasting[at] for at in sorted(lasting)]

    def after_seq(self, seq: int, roll_call: str | None) -> list[Update] | None:
        """The updates after that place in the log; None when they are not all here."""
        if seq < self.complete_after:
            return None
        return [
            update
            for update in self._updates
            if update.tally.seq > seq and roll_call in (None, update.tally.roll_call)
        ]

    def _after(self, number: int) -> Iterator[Update]:
        first = self._updates[0].number if self._updates else 0
        for index in range(max(0, number + 1 - first), len(self._updates)):
            yield self._updates[index]


def complete_after(seq: int, published: Iterable[Tally]) -> int:
    """The place after which every tally up to `seq`, and beyond it, was published."""
    published_seqs = {tally.seq for tally in published}
    place = max(seq, max(published_seqs, default=0))
    while place in published_seqs:
        place -= 1
    return place


def _is_running(tally: Tally) -> bool:
    # One of the past that could not be closed is nothing that is on now.
    return tally.phase not in ENDED and tally.imported is None


def _is_news(known: Tally, tally: Tally) -> bool:
    # At the same seq a roll call may be held, or let go by a rebuild.
    return tally.seq > known.seq or (tally.seq == known.seq and tally != known)


def _is_milestone(known: Tally, tally: Tally) -> bool:
    return (
        tally.verdict.status != known.verdict.status
        or tally.phase != known.phase
        or tally.verdict.retracted is not None
        or tally.held != known.held
    )


def _conflated(updates: list[Update]) -> Iterator[Update]:
    newest = {update.tally.roll_call: update.number for update in updates}
    for update in updates:
        if update.milestone or newest[update.tally.roll_call] == update.number:
            yield update


class LoggedEvent(NamedTuple):
    """One event of the log as published; `whole` is what it is, if that is withheld."""

    seq: int
    roll_call: str | None
    frame: Frame
    whole: Frame | None = None

    @property
    def cloud_event(self) -> bytes:
        """The CloudEvent alone, as its frame has it."""
        return self.frame.text.partition(b'"event":')[2][:-1]


class EventsWanted(NamedTuple):
    """What of the events a subscription gets, and whether without our frame."""

    roll_call: str | None
    bare: bool


def event_message(events: Iterable[LoggedEvent], wanted: EventsWanted) -> bytes:
    """What of these events is wanted, as WebSocket messages."""
    roll_call, bare = wanted
    some = (e for e in events if roll_call in (None, e.roll_call))
    if bare:
        return b"".join(websocket_message(e.cloud_event) for e in some)
    return b"".join(e.frame.message for e in some)


def tally_message(updates: Iterable[Update], roll_call: str | None) -> bytes:
    """What of these updates a subscription to that roll call, or to all, gets, as
    WebSocket messages."""
    some = (u for u in updates if roll_call in (None, u.tally.roll_call))
    return b"".join(update.frame.message for update in some)


class EventTail:
    """The newest events of a log, without gaps."""

    def __init__(self, head: int, keep: int = 10_000) -> None:
        self.head = head
        self._keep = keep
        self._events: deque[LoggedEvent] = deque()

    def append(self, event: LoggedEvent) -> None:
        """The next event of the log."""
        self.head = event.seq
        self._events.append(event)
        if len(self._events) > self._keep:
            self._events.popleft()

    def reveal(self, is_public: Callable[[str | None], bool]) -> None:
        """What was withheld of these roll calls is whole from now on."""
        for index, event in enumerate(self._events):
            if event.whole is not None and is_public(event.roll_call):
                shown = LoggedEvent(event.seq, event.roll_call, event.whole)
                self._events[index] = shown

    def after(self, seq: int, count: int) -> list[LoggedEvent] | None:
        """Up to `count` events that follow `seq`; None when they are no longer here."""
        if seq >= self.head:
            return []
        if not self._events or seq < self._events[0].seq - 1:
            return None
        start = seq + 1 - self._events[0].seq
        stop = min(start + count, len(self._events))
        return [self._events[index] for index in range(start, stop)]
