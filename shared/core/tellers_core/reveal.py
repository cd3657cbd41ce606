"""What of a running roll call is shown, under its reveal policy (ADR 25). Pure.

    policy                figures while it runs                  who voted what
    live                  at every vote                          at once
    totals_only           at every vote                          when it has ended
    names_after_close     every STEP votes, and at each phase    when it has ended
    nothing_until_close   none                                   when it has ended

"Ended" is closed or annulled: then everything is whole again, in its place. The same
rules serve everybody who publishes: gateway and webhooks.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tellers_core.codec import (
    EPOCH_GAP,
    TYPE_PREFIX,
    LogName,
    Recorded,
    roll_call_of,
    sequence_of,
)
from tellers_core.events import (
    Counts,
    Reveal,
    RollCallAnnulled,
    RollCallClosed,
    RollCallScheduled,
    VoteEvent,
)
from tellers_core.majority import Rule, Standing, majority
from tellers_core.roll_call import Phase
from tellers_core.tally import SETTLED, Held, Retracted, Tally, Verdict

# Votes between two published figures. One vote more would tell who just pressed.
STEP = 5
WITHHELD = f"{TYPE_PREFIX}withheld.v1"
NOT_YET = "its figures are published when it is closed"
_LIFECYCLE = f"{TYPE_PREFIX}roll_call.".encode()
_canonical = msgspec.json.Encoder(order="sorted")


def is_lifecycle(entry: bytes) -> bool:
    """Whether an entry is about the roll call, not about anybody's vote. Only our own
    canonical bytes are: whatever else there is, is withheld with the votes."""
    return entry.rpartition(b',"type":"')[2].startswith(_LIFECYCLE)


class Withheld(NamedTuple):
    """A roll call of which something is withheld, and the seq of its first entry."""

    roll_call: str
    policy: Reveal
    since: int


class Watch:
    """The roll calls of a log of which something is withheld, as of its last entry.

    Args:
        withheld: as of where the entries given to `take` begin.
    """

    def __init__(self, withheld: Iterable[Withheld] = ()) -> None:
        self._withheld = {one.roll_call: one for one in withheld}

    def __bool__(self) -> bool:
        return bool(self._withheld)

    @property
    def since(self) -> int | None:
        """The first seq of which something may be withheld; None: nothing is."""
        return min((one.since for one in self._withheld.values()), default=None)

    def take(self, recorded: Recorded) -> bool:
        """The next event about a roll call; whether one ended with it, of which
        something was withheld."""
        name = recorded.roll_call
        match recorded.event:
            case RollCallScheduled(reveal=reveal) if reveal is not Reveal.LIVE:
                self._withheld[name] = Withheld(name, reveal, recorded.seq)
            case RollCallClosed() | RollCallAnnulled():
                return self._withheld.pop(name, None) is not None
            case _:
                pass
        return False

    def is_public(self, roll_call: str | None) -> bool:
        """Whether everything of it is public. None: it could be anybody's."""
        if roll_call is None:
            return not self._withheld
        return roll_call not in self._withheld

    def policy(self, entry: bytes) -> Reveal | None:
        """The policy under which an entry is withheld; None when it is public."""
        if not self._withheld or is_lifecycle(entry):
            return None
        name = roll_call_of(entry)
        if name is None:
            return next(iter(self._withheld.values())).policy
        found = self._withheld.get(name)
        return found.policy if found else None


def withheld_event(log: LogName, seq: int, entry: bytes, policy: Reveal) -> bytes:
    """What stands in the place of a withheld entry: whose it is and where, no more.

    Its id is another than the entry's: whoever reads the entry later must not take it
    for a repetition.
    """
    sequence = sequence_of(seq)
    subject = msgspec.json.decode(entry, type=_Whose) if roll_call_of(entry) else None
    whose = (
        {}
        if subject is None
        else {
            "rollcall": subject.rollcall,
            "rollcallversion": subject.rollcallversion,
            "subject": subject.rollcall,
        }
    )
    rest = {
        "id": f"{log.chamber}-{sequence}-withheld",
        "sequence": sequence,
        "source": log.source,
        "specversion": "1.0",
        "type": WITHHELD,
        **whose,
    }
    head = _canonical.encode({"data": {"reveal": policy}})[:-1]
    return b"%b,%b%b" % (head, EPOCH_GAP, _canonical.encode(rest)[1:])


class _Whose(msgspec.Struct):
    rollcall: str
    rollcallversion: int


class Shown:
    """Which of one roll call's tallies are shown, and as what.

    Fed with its tallies in order, from any place on; deterministic from its beginning.
    """

    def __init__(self) -> None:
        self._base = 0
        self._now: tuple[Phase, Rule] | None = None
        self._last: Tally | None = None
        self._retracted: Retracted | None = None

    def next(self, tally: Tally) -> Tally | None:
        """The tally as shown; None: what is shown stays as it is."""
        if tally.withheld is None:
            return tally
        if tally.held is not None and self._last is not None:
            self._last = replace(self._last, held=tally.held, confirmed=False)
            return self._last
        now = tally.phase, tally.verdict.rule
        if now != self._now:
            self._now, self._base = now, tally.version
        self._retracted = tally.verdict.retracted or self._retracted
        if not self._is_due(tally, tally.version - self._base):
            return None
        self._last = _masked(tally, self._retracted)
        self._retracted = None
        return self._last

    def _is_due(self, tally: Tally, votes: int) -> bool:
        match tally.withheld:
            case Reveal.NOTHING_UNTIL_CLOSE:
                return votes == 0
            case Reveal.NAMES_AFTER_CLOSE:
                return votes % STEP == 0
            case _:
                return True


def shown_of(tallies: Iterable[Tally]) -> list[Tally]:
    """Those of a roll call's tallies that are shown, from its first on."""
    shown = Shown()
    return [tally for tally in map(shown.next, tallies) if tally is not None]


def ended(tallies: Iterable[Tally]) -> list[Tally]:
    """The tallies of a roll call that has ended: nothing of them is withheld now."""
    return [replace(tally, withheld=None) for tally in tallies]


def _masked(tally: Tally, retracted: Retracted | None) -> Tally:
    if tally.withheld is Reveal.NOTHING_UNTIL_CLOSE:
        return _blank(tally)
    verdict = tally.verdict
    if retracted is None or verdict.status in SETTLED:
        return replace(tally, verdict=replace(verdict, retracted=None))
    cause = retracted.cause.partition(" ")[0]  # without the delegation
    told = replace(retracted, cause=cause)
    return replace(tally, verdict=replace(verdict, retracted=told))


def _blank(tally: Tally) -> Tally:
    """As it was when nobody had voted, and held: that is the last public state."""
    entitled, members = tally.counts.entitled, tally.counts.members
    required, nobody = majority(tally.verdict.rule), Standing(0, 0, entitled, members)
    needed = required.required(nobody)
    verdict = Verdict(
        tally.verdict.rule,
        "pending",
        needed,
        -needed,
        required.to_clinch(nobody),
        required.flips(nobody),
        required.because(nobody),
    )
    return replace(
        tally,
        counts=Counts(0, 0, 0, entitled, entitled, members),
        verdict=verdict,
        held=tally.held or Held(tally.seq, NOT_YET),
        confirmed=False,
    )


def public_history(history: Iterable[Recorded]) -> list[Recorded]:
    """The events of a roll call that are public while its votes are withheld."""
    return [one for one in history if not isinstance(one.event, VoteEvent)]
