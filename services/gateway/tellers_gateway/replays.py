"""The past for many who ask for the same of it at once: after a storm, all do.

What is read back for one viewer is kept for the others: it no longer changes.
"""

from msgspec.structs import replace

from tellers_core.codec import LogName
from tellers_core.reveal import ended, shown_of
from tellers_core.tally import ENDED, Held, Tally, encode_tally
from tellers_gateway.feed import EventTail, TallyFeed
from tellers_gateway.frames import Frame, tally_frame
from tellers_gateway.once import Once
from tellers_gateway.past import Past, ask
from tellers_runtime.archive.reading import ArchiveReader

ENDED_KEPT = 256
# Each is a whole roll call, some hundred KiB.
REPLAYS_KEPT = 16

# Epoch, roll call, up to which seq, and why it is held.
_Key = tuple[str, str, int, Held | None]
_Placed = list[tuple[int, Frame]]


class Replays:
    """Reads back, each thing once; raises what `Past` raises, or SQL."""

    def __init__(self, log: LogName, past: Past, archive: ArchiveReader) -> None:
        self._log = log
        self._past = past
        self._archive = archive
        self._ended: Once[tuple[str, str], Tally | None] = Once(ENDED_KEPT, _is_ended)
        self._replays: Once[_Key, _Placed] = Once(REPLAYS_KEPT)

    async def ended(self, epoch: str, roll_call: str) -> Tally | None:
        """The tally in the archive; for a roll call that ended it was the last."""
        return await self._ended.get(
            (epoch, roll_call),
            lambda: ask(self._archive.tally, self._log, roll_call),
        )

    def forget(self, published: Tally) -> None:
        """It did not end for good: this was published."""
        self._ended.forget((published.epoch, published.roll_call))

    async def tallies_of(
        self, feed: TallyFeed, roll_call: str, upto: int
    ) -> list[Tally]:
        """Its tally at each of its events up to a seq, as they were published: one that
        is confirmed vouches for all before it, since the first to differ is held. While
        something is withheld, those that are shown; once it has ended, all."""
        known, epoch = feed.latest.get(roll_call), feed.epoch
        now = known.tally if known else await self.ended(epoch, roll_call)
        tallies = await self._past.tallies_of(roll_call, epoch, 0, upto)
        is_whole = now is not None and now.withheld is None
        tallies = ended(tallies) if is_whole else shown_of(tallies)
        if now is None or not now.confirmed:
            return tallies
        return [replace(tally, confirmed=tally.seq <= now.seq) for tally in tallies]

    async def frames_between(
        self, feed: TallyFeed, tail: EventTail, after: int, roll_call: str | None
    ) -> list[Frame]:
        """The tallies in (after, feed.complete_after], in order, as shown now."""
        upto = feed.complete_after
        names = {roll_call} if roll_call else await self._touched(tail, after, upto)
        replays = [await self._replay(feed, name, upto) for name in names]
        placed = [one for replay in replays for one in replay if one[0] > after]
        return [frame for _, frame in sorted(placed, key=lambda one: one[0])]

    async def _touched(self, tail: EventTail, after: int, upto: int) -> set[str]:
        events = tail.after(after, upto - after)
        if events is None or tail.head < upto:
            return await self._past.touched(after, upto)
        return {event.roll_call for event in events if event.roll_call}

    async def _replay(self, feed: TallyFeed, roll_call: str, upto: int) -> _Placed:
        epoch = feed.epoch

        async def read() -> _Placed:
            tallies = await self.tallies_of(feed, roll_call, upto)
            return [
                (t.seq, tally_frame(encode_tally(feed.shown(t)), epoch, t.seq))
                for t in tallies
            ]

        return await self._replays.get((epoch, roll_call, upto, feed.held), read)


def _is_ended(tally: Tally | None) -> bool:
    return tally is not None and tally.phase in ENDED
