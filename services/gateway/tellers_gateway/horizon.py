"""The gate between what was read of a log and what is public of it (ADR 26). No I/O.

With no delay and no freeze everything passes at once. Otherwise entries wait until they
are due, and tallies until the log is public up to their seq; what passes, passes in
order, and nothing that is behind the gate is known to anything else in the process.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from tellers_core.publication import Horizon, Publication, Slip
from tellers_core.tally import Tally
from tellers_runtime.log import Entry

# What may wait in memory while frozen: some 30 MB. The rest waits in the log.
ENTRIES_WAITING = 50_000
TALLIES_WAITING = 5_000
# A tally that comes later than its slip went out must still be recognised.
SLIPS_KEPT = 1_000


class Passed(NamedTuple):
    """What is public now, in order: first the entries, then the tallies."""

    entries: list[Entry]
    tallies: list[Tally]


class Gate:
    """What waits of one log under one epoch.

    Times are seconds of the event loop's clock.

    Args:
        seq: everything up to there is public.
        delay: seconds, as the setting says.
        said: what operators said last.
    """

    def __init__(self, seq: int, delay: float, said: Publication) -> None:
        self.read = seq
        self._horizon = Horizon(seq)
        self._setting = delay
        self._said = said
        self._entries: deque[Entry] = deque()
        self._tallies: deque[Tally] = deque()
        self._slips: deque[Slip] = deque(maxlen=SLIPS_KEPT)

    @property
    def frozen(self) -> bool:
        """Whether operators froze it."""
        return self._said.frozen

    @property
    def delay(self) -> float:
        """Seconds from an entry's arrival to its publication."""
        said = self._said.delay_seconds
        return self._setting if said is None else said

    @property
    def has_room(self) -> bool:
        """Whether more of the log may be read."""
        return len(self._entries) < ENTRIES_WAITING

    @property
    def holds_back(self) -> bool:
        """Whether something may be in the log that is not public."""
        return self.frozen or self.delay > 0 or bool(self._entries)

    def say(self, said: Publication, now: float) -> Passed:
        """What operators say now. A release lets out all that waits, as a snapshot."""
        released = self._said.frozen and not said.frozen
        self._said = said
        if not released:
            return Passed([], [])
        self._horizon.release(now)
        self._tallies = deque(_snapshot(self._tallies))
        return self.due(now)

    def take(self, entries: list[Entry], now: float) -> Passed:
        """The next entries of the log."""
        if not entries:
            return Passed([], [])
        if not self.holds_back:
            self.read = self._horizon.seq = entries[-1].seq
            return Passed(entries, self._counted() if self._tallies else [])
        for entry in entries:
            self.read = entry.seq
            self._entries.append(entry)
            self._horizon.add(entry.seq, entry.body, now + self.delay)
        return self.due(now)

    def count(self, tallies: Iterable[Tally]) -> list[Tally]:
        """Tallies as they were published by the tally service; those that may pass."""
        if not self.holds_back:
            return list(tallies)
        passed = []
        for tally in tallies:
            if tally.seq > self._horizon.seq:
                self._tallies.append(tally)
            elif not self._is_hidden(tally):
                passed.append(tally)
        if len(self._tallies) > TALLIES_WAITING:
            self._tallies = deque(_snapshot(self._tallies))
        return passed

    def due(self, now: float) -> Passed:
        """What is due."""
        if self.frozen or not self._entries:
            return Passed([], [])
        self._slips.extend(self._horizon.advance(now))
        entries = []
        while self._entries and self._entries[0].seq <= self._horizon.seq:
            entries.append(self._entries.popleft())
        return Passed(entries, self._counted())

    def _counted(self) -> list[Tally]:
        waiting = list(self._tallies)
        self._tallies = deque(t for t in waiting if t.seq > self._horizon.seq)
        return [
            tally
            for tally in waiting
            if tally.seq <= self._horizon.seq and not self._is_hidden(tally)
        ]

    def _is_hidden(self, tally: Tally) -> bool:
        return any(slip.hides(tally.roll_call, tally.seq) for slip in self._slips)


def _snapshot(tallies: Iterable[Tally]) -> list[Tally]:
    """The newest of each roll call, and every one with another verdict or phase."""
    found: list[Tally] = []
    newest: dict[str, Tally] = {}
    for tally in tallies:
        before = newest.get(tally.roll_call)
        newest[tally.roll_call] = tally
        if before is None or _outlook(before) != _outlook(tally):
            found.append(tally)
    kept = {id(tally) for tally in found}
    found += [tally for tally in newest.values() if id(tally) not in kept]
    return sorted(found, key=lambda tally: tally.seq)


def _outlook(tally: Tally) -> tuple[object, ...]:
    verdict = tally.verdict
    return tally.phase, verdict.status, verdict.retracted, tally.held
