"""Whether the hub may vouch for what it shows. Pure: the time is an argument."""

LOG, TALLIES = "log", "tallies"


class Vouching:
    """What was heard from the log and from the tally service, and how far they are.

    Times are seconds of one monotonic clock. `tally_seq`: the log is projected up to
    there, as far as is known.
    """

    def __init__(self) -> None:
        self.tally_seq = 0
        self._heard = {LOG: 0.0, TALLIES: 0.0}
        # The tallies owe everything up to this seq since that time.
        self._owed = 0
        self._owed_since = 0.0
        # Held tallies are released when they are as far as this.
        self._release_at: int | None = None

    def begin(self) -> None:
        """Another log: nothing is projected and nothing owed yet."""
        self.tally_seq = self._owed = 0

    def hear(self, what: str, now: float) -> None:
        """LOG or TALLIES answered."""
        self._heard[what] = now

    def lose(self) -> None:
        """Neither can be heard."""
        self._heard = dict.fromkeys(self._heard, 0.0)

    def reach(self, seq: int) -> None:
        """The log is projected up to that seq."""
        self.tally_seq = max(self.tally_seq, seq)

    def doubt(self, held: str, head: int, now: float, silent_seconds: float) -> str:
        """Why running tallies must be held, "" when they need not be.

        Args:
            held: why they are held now, "" when they are not.
            head: the seq of the last event known here.
        """
        reason = self._trouble(head, now, silent_seconds)
        if reason or not held:
            self._release_at = None
            return reason
        # On its way back to the head it shows what was true long ago.
        if self._release_at is None:
            self._release_at = head
        return held if self.tally_seq < self._release_at else ""

    def _trouble(self, head: int, now: float, silent_seconds: float) -> str:
        if now - min(self._heard.values()) > silent_seconds:
            return "the log cannot be read"
        # Not "since they are behind": while votes come fast, some tally is always on
        # its way. What counts is how long the oldest of them has been.
        if self.tally_seq >= self._owed:
            self._owed, self._owed_since = head, now
        if self.tally_seq < self._owed and now - self._owed_since > silent_seconds:
            return "the tally service is behind"
        return ""
