"""What of an archived log is public: up to where, and under which policies. Blocking.

The archive has everything at once; the same rules as at the gateway say what may be
delivered of it (ADR 25, ADR 26).
"""

from collections.abc import Iterable

from sqlalchemy import Connection, select
from sqlmodel import col

from tellers_core.codec import LogName, Recorded, decode
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Reveal,
    RollCallAnnulled,
    RollCallClosed,
    RollCallScheduled,
)
from tellers_core.publication import Dated, Publication, horizon_of
from tellers_core.reveal import ended, is_lifecycle, shown_of
from tellers_core.tally import Tally, tallies
from tellers_runtime.archive.tables import EventRow
from tellers_runtime.clock import Clock, seconds_of
from tellers_runtime.log import Entry

# Roll calls whose policy is known without asking; forgotten all at once.
POLICIES_KEPT = 1000


class Public:
    """One log, its position being where deliveries are.

    Args:
        delay_seconds: as the setting says.
    """

    def __init__(self, log: LogName, delay_seconds: float, clock: Clock) -> None:
        self._log = log
        self._setting = delay_seconds
        self._clock = clock
        self._reveal: dict[str, Reveal] = {}

    def upto(self, old: int, entries: list[Entry], said: Publication) -> list[Entry]:
        """Those of the entries after the position that are public now."""
        delay = self._setting if said.delay_seconds is None else said.delay_seconds
        if not said.frozen and not delay:
            return entries
        now = self._clock().timestamp()
        said_at = seconds_of(said.at) if said.at else now
        dated = [Dated(one.seq, one.body, _time(one, now)) for one in entries]
        horizon = horizon_of(old, dated, said, delay, said_at, now)
        return [entry for entry in entries if entry.seq <= horizon]

    def holds_back(self, said: Publication) -> bool:
        """Whether something of the log may not be public."""
        delay = self._setting if said.delay_seconds is None else said.delay_seconds
        return said.frozen or delay > 0

    def policy(
        self, connection: Connection, name: str, horizon: int, entry: Entry | None
    ) -> Reveal | None:
        """The policy under which an entry of a roll call is withheld, the log being
        public up to the horizon; None when it is public."""
        if entry is not None and is_lifecycle(entry.body):
            return None
        reveal = self._reveal.get(name)
        if reveal is None:
            reveal = self._reveal_of(connection, name)
        if reveal is Reveal.LIVE:
            return None
        history = self._history(connection, name, horizon)
        over = any(
            isinstance(one.event, RollCallClosed | RollCallAnnulled) for one in history
        )
        return None if over else reveal

    def _reveal_of(self, connection: Connection, name: str) -> Reveal:
        reveal = Reveal.LIVE
        for one in self._history(connection, name, None, 1):
            if isinstance(one.event, RollCallScheduled):
                reveal = one.event.reveal
        if len(self._reveal) >= POLICIES_KEPT:
            self._reveal.clear()
        self._reveal[name] = reveal
        return reveal

    def _history(
        self,
        connection: Connection,
        name: str,
        horizon: int | None,
        limit: int | None = None,
    ) -> list[Recorded]:
        query = select(col(EventRow.body)).where(
            col(EventRow.log) == str(self._log), col(EventRow.roll_call) == name
        )
        if horizon is not None:
            query = query.where(col(EventRow.seq) <= horizon)
        bodies = connection.scalars(query.order_by(col(EventRow.seq)).limit(limit))
        return _understood(bodies)

    def tally(
        self, connection: Connection, archived: Tally, horizon: int, epoch: str
    ) -> Tally | None:
        """The archived tally as it is shown; None when nothing is."""
        policy = self.policy(connection, archived.roll_call, horizon, None)
        if archived.seq <= horizon and policy is None:
            return archived
        history = self._history(connection, archived.roll_call, horizon)
        found = tallies(history, epoch)
        shown = shown_of(found) if policy is not None else ended(found)
        return shown[-1] if shown else None


def shown(tally: Tally, policy: Reveal | None) -> Tally:
    """A tally at an event whose roll call is under this policy now."""
    (found,) = ended([tally]) if policy is None else shown_of([tally])
    return found


def _understood(bodies: Iterable[str]) -> list[Recorded]:
    found = []
    for body in bodies:
        try:
            found.append(decode(body.encode()))
        except CorruptHistory:
            break
    return found


def _time(entry: Entry, otherwise: float) -> float:
    try:
        return seconds_of(decode(entry.body).time)
    except (CorruptHistory, ValueError):
        return otherwise
