"""Voeten's roll-call data: resolutions, amendments, paragraphs; also rejected ones."""

from collections.abc import Mapping
from typing import ClassVar

from tellers_core.events import Vote
from tellers_core.former import by_cow
from tellers_core.history.table import (
    MAX_SYMBOL,
    Table,
    day_of,
    id_of,
    quoted,
    title_of,
    total_of,
)
from tellers_core.majority import Rule
from tellers_core.past import PastRollCall, Totals

TOTALS = ("yes", "no", "abstain")
_NOT_A_MEMBER = "9"


class Voeten(Table):
    """One line a country and roll call; a country that was no member has a 9."""

    SOURCE = "voeten"
    COLUMNS = ("rcid", "ccode", "vote", "session", "date")
    OPTIONAL = ("unres", "descr", "short", *TOTALS)
    KEY = "rcid"
    VOTE = "vote"
    SAID = ("session", "date", "unres", "descr", "short", *TOTALS)
    VOTES: ClassVar[Mapping[str, Vote | None]] = {
        "1": Vote.YES,
        "2": Vote.ABSTAIN,
        "3": Vote.NO,
        "8": None,
        _NOT_A_MEMBER: None,
    }
    ALLOWED = "1 yes, 2 abstain, 3 no, 8 absent, 9 not a member"
    NO_RULE = (
        "Voeten's data has rejected proposals too and does not say which majority was "
        "required: give --rule"
    )

    def __init__(self, columns: Mapping[str, int], rule: Rule) -> None:
        super().__init__(columns, rule)
        self._code = columns["ccode"]

    def _begin(self, said: Mapping[str, str]) -> str:
        for column in TOTALS:
            total_of(column, said.get(column, ""))
        return day_of(said["date"])

    def member(self, fields: list[str], day: str, line: int) -> str | None:
        if self._cleaned(fields[self._vote]) == _NOT_A_MEMBER:
            return None
        number = fields[self._code].strip().removesuffix(".0")
        member = by_cow(number, day)
        if member is None:
            raise ValueError(
                f"{quoted(number)} is no ccode of a member, past or present"
            )
        return member

    def past(
        self,
        key: str,
        said: Mapping[str, str],
        day: str,
        members: tuple[str, ...],
        votes: Mapping[str, Vote],
    ) -> PastRollCall:
        number = id_of(key.removesuffix(".0"))
        symbol, *titles = (
            title_of("" if said.get(column) == "NA" else said.get(column, ""))
            for column in ("unres", "descr", "short")
        )
        totals = {name: total_of(name, said[name]) for name in TOTALS if name in said}
        return PastRollCall(
            id=f"voeten-{number}",
            title=next(filter(None, (*titles, symbol)), f"Roll call {number}"),
            rule=self.rule,
            members=members,
            votes=votes,
            voted_on=day,
            source=self.SOURCE,
            record=number,
            totals=Totals(**totals),
            symbol=symbol[:MAX_SYMBOL] or None,
            session=title_of(said["session"].removesuffix(".0"), MAX_SYMBOL),
        )
