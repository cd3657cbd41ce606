"""The votes on record must add up to each tally: counted anew, never + 1."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, func, select
from sqlmodel import col

from tellers_core.codec import LogName
from tellers_core.tally import Tally
from tellers_runtime.archive.tables import VoteRow

# A list in SQL has a bound (SQLite: 32,766 values).
CHECKED_AT_ONCE = 500


class Inconsistent(Exception):
    """The votes in the archive do not add up to the tally: nothing was written."""

    def __init__(self, roll_call: str, reason: str) -> None:
        super().__init__(f"{roll_call}: {reason}")
        self.roll_call = roll_call
        self.reason = reason


def check_sums(
    connection: Connection, log: LogName, tallies: Mapping[str, Tally]
) -> None:
    """Count the votes in the archive. Raises Inconsistent when a tally that is not held
    says otherwise."""
    counting = [tally for tally in tallies.values() if tally.held is None]
    for start in range(0, len(counting), CHECKED_AT_ONCE):
        few = counting[start : start + CHECKED_AT_ONCE]
        names = [tally.roll_call for tally in few]
        votes: Counter[tuple[str, str]] = Counter()
        rows = connection.execute(
            select(col(VoteRow.roll_call), col(VoteRow.vote), func.count())
            .where(col(VoteRow.log) == str(log), col(VoteRow.roll_call).in_(names))
            .group_by(col(VoteRow.roll_call), col(VoteRow.vote))
        )
        for roll_call, vote, number in rows:
            votes[roll_call, vote] = number
        for tally in few:
            _check_sum(tally, votes)


def _check_sum(tally: Tally, votes: Counter[tuple[str, str]]) -> None:
    name, counts = tally.roll_call, tally.counts
    said = (counts.yes, counts.no, counts.abstain)
    counted = tuple(votes[name, vote] for vote in ("yes", "no", "abstain"))
    if said != counted:
        raise Inconsistent(name, f"the tally says {said}, the votes are {counted}")
