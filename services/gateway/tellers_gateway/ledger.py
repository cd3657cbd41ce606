"""The log as it is told here: its newest public events, each in full or, under a reveal
policy, with what is withheld of it taken out."""

from tellers_core.codec import LogName, decode, publishable, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_core.reveal import Watch, is_lifecycle, withheld_event
from tellers_gateway.feed import EventTail, LoggedEvent
from tellers_gateway.frames import event_frame
from tellers_gateway.past import READ_AT_ONCE, Past
from tellers_runtime.log import Entry

TAIL_LOADED = 2000


class Ledger:
    """One log under one epoch.

    Args:
        after: where the newest events begin.
        watch: what is withheld at the last of them.
    """

    def __init__(
        self, log: LogName, epoch: str = "", after: int = 0, watch: Watch | None = None
    ) -> None:
        self._log = log
        self._epoch = epoch
        self._watch = Watch() if watch is None else watch
        self.tail = EventTail(after)

    @classmethod
    async def read_back(
        cls, log: LogName, epoch: str, head: int, watch: Watch, past: Past
    ) -> "Ledger":
        """With the newest public events, up to the head: a reader that was here before
        must not meet a log that seems to end before its place."""
        ledger = cls(log, epoch, max(0, head - TAIL_LOADED), watch)
        while ledger.head < head:
            for entry in await past.entries_after(ledger.head, READ_AT_ONCE):
                if entry.seq <= head:
                    ledger.tail.append(ledger.told(entry))
        return ledger

    @property
    def head(self) -> int:
        """The seq of the last event that is public."""
        return self.tail.head

    @property
    def proven_seq(self) -> int:
        """What is proven up to there gives nothing away that is withheld: the hash of a
        vote that is nearly known is as good as the vote."""
        since = self._watch.since
        return self.head if since is None else min(self.head, since - 1)

    def append(self, entry: Entry) -> LoggedEvent:
        """The next event. With the last of a roll call, what was withheld of it is
        public."""
        event = self.told(entry)
        self.tail.append(event)
        if is_lifecycle(entry.body) and self._ends(entry):
            self.tail.reveal(self._watch.is_public)
        return event

    def _ends(self, entry: Entry) -> bool:
        try:
            return self._watch.take(decode(entry.body))
        except CorruptHistory:
            return False

    def told(self, entry: Entry) -> LoggedEvent:
        """An event as it is told now."""
        roll_call = roll_call_of(entry.body)
        body = publishable(self._log, entry.seq, entry.body, roll_call)
        frame = event_frame(body, self._epoch, entry.seq)
        policy = self._watch.policy(entry.body) if self._watch else None
        if policy is None:
            return LoggedEvent(entry.seq, roll_call, frame)
        instead = withheld_event(self._log, entry.seq, entry.body, policy)
        shown = event_frame(instead, self._epoch, entry.seq)
        return LoggedEvent(entry.seq, roll_call, shown, frame)
