"""Roll calls as this process last saw them, so that a vote costs one round trip.

What is kept may lag behind the log, and may hold later events of ours while it lacks
earlier ones of others. That is harmless: the append script guards every field that a
decision rests on, and `version` moves only over events that were all absorbed, so what
rests on the whole roll call (closing, If-Match) is guarded by it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from tellers_core.errors import CorruptHistory
from tellers_core.events import Event
from tellers_core.roll_call import replay
from tellers_runtime.fields import Loaded
from tellers_runtime.log import Appended

# Roll calls that run at the same time in all chambers, with a wide margin.
MAX_KEPT = 64


class Place(NamedTuple):
    """Where a roll call is."""

    chamber: str
    roll_call: str


class Cache:
    """The roll calls used last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Place, Loaded] = OrderedDict()

    def get(self, place: Place) -> Loaded | None:
        """The roll call as last seen, None when it is not kept."""
        found = self._kept.get(place)
        if found is not None:
            self._kept.move_to_end(place)
        return found

    def put(self, place: Place, loaded: Loaded | None) -> None:
        """Keep this, or (None) nothing, of that roll call."""
        if loaded is None:
            self._kept.pop(place, None)
            return
        self._kept[place] = loaded
        self._kept.move_to_end(place)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def absorb(
        self,
        place: Place,
        before: Loaded | None,
        appended: Appended,
        events: Sequence[Event],
    ) -> None:
        """Our events, decided on `before`, were appended.

        Other commands may have moved on what is kept since `before` was taken from it.
        """
        kept = self._kept.get(place, before)
        seq, version, _ = appended
        if kept is None:
            is_whole = version == len(events)
            self.put(place, Loaded(replay(events), version, seq) if is_whole else None)
            return
        if kept.version >= version or (before and before.epoch != kept.epoch):
            return  # it was read again meanwhile
        try:
            state = replay(events, onto=kept.roll_call)
        except CorruptHistory:  # it lags behind too far for these events
            self.put(place, None)
            return
        if version == kept.version + len(events):
            self.put(place, Loaded(state, version, seq, kept.epoch))
        else:
            self.put(place, kept._replace(roll_call=state))
