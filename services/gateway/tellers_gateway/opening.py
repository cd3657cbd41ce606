"""Where a hub begins: how far its log is public, and what is shown of it there.

The archive has everything; what is beyond the horizon, and what is withheld, is taken
out here before anything else in the process knows of it (ADR 25, ADR 26).
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from tellers_core.codec import decode
from tellers_core.errors import CorruptHistory
from tellers_core.publication import Dated, Publication, horizon_of
from tellers_core.reveal import Shown, Watch, Withheld, ended, is_lifecycle
from tellers_core.tally import Tally
from tellers_gateway.past import READ_AT_ONCE, Past
from tellers_runtime.clock import seconds_of, utc_now
from tellers_runtime.log import Entry


class Opened(NamedTuple):
    """A roll call as it is shown at the horizon; `state` goes on with its tallies when
    something of it is withheld."""

    shown: Tally
    state: Shown | None = None


class Opening:
    """Reads; every method raises what `Past` raises, or SQL."""

    def __init__(self, past: Past) -> None:
        self._past = past

    async def horizon(self, head: int, said: Publication, setting: float) -> int:
        """How far the log is public, for a process that has shown nothing yet."""
        delay = setting if said.delay_seconds is None else said.delay_seconds
        last = min(head, said.seq) if said.frozen else head
        now = utc_now().timestamp()
        said_at = seconds_of(said.at) if said.at else now
        if not delay:
            return last
        entries = await self._since(last, (said_at if said.frozen else now) - delay)
        dated = [Dated(one.seq, one.body, _time(one, now)) for one in entries]
        after = entries[0].seq - 1 if entries else last
        return horizon_of(after, dated, said, delay, said_at, now)

    async def _since(self, last: int, moment: float) -> list[Entry]:
        """The entries up to `last`, from before that moment on."""
        found: list[Entry] = []
        after = last
        while after > 0:
            after = max(0, after - READ_AT_ONCE)
            page = await self._past.entries_after(after, READ_AT_ONCE)
            found = [one for one in page if one.seq <= last] + found
            last = after
            if _time(found[0], moment) < moment:
                break
        return found

    async def as_of(
        self, horizon: int, epoch: str, archived: Iterable[Tally]
    ) -> list[Opened]:
        """What is shown of these at the horizon; those that begin beyond it are not."""
        found = []
        for tally in archived:
            if tally.seq <= horizon and tally.withheld is None:
                found.append(Opened(tally))
                continue
            opened = await self._as_of(horizon, epoch, tally)
            if opened is not None:
                found.append(opened)
        return found

    async def _as_of(self, horizon: int, epoch: str, archived: Tally) -> Opened | None:
        tallies = await self._past.tallies_of(archived.roll_call, epoch, 0, horizon)
        if not tallies:
            return None
        held = archived.held
        known = {
            "held": held if held is not None and held.seq <= horizon else None,
            "confirmed": archived.confirmed,
        }
        if tallies[-1].withheld is None:
            (last,) = ended(tallies[-1:])
            return Opened(replace(last, **known))
        state, shown = Shown(), None
        for tally in (*tallies[:-1], replace(tallies[-1], **known)):
            shown = state.next(tally) or shown
        return None if shown is None else Opened(shown, state)

    async def watch(
        self, horizon: int, archived: int, opened: Iterable[Opened]
    ) -> Watch:
        """What is withheld at the horizon. Args: archived: the seq that `opened` was
        read at, if that is less."""
        withheld = []
        for one in opened:
            policy = one.shown.withheld
            if policy is not None:
                name = one.shown.roll_call
                first = (await self._past.events_of(name, horizon))[0].seq
                withheld.append(Withheld(name, policy, first))
        watch = Watch(withheld)
        while archived < horizon:
            entries = await self._past.entries_after(archived, READ_AT_ONCE)
            for entry in entries:
                if entry.seq <= horizon and is_lifecycle(entry.body):
                    _take(watch, entry)
            archived = entries[-1].seq
        return watch


def _take(watch: Watch, entry: Entry) -> None:
    try:
        watch.take(decode(entry.body))
    except CorruptHistory:
        return  # held there: what is withheld of it stays so


def _time(entry: Entry, otherwise: float) -> float:
    try:
        return seconds_of(decode(entry.body).time)
    except (CorruptHistory, ValueError):
        return otherwise
