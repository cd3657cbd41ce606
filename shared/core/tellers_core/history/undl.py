"""The UN Digital Library's voting export: adopted resolutions of the Assembly."""

import re
from collections.abc import Mapping
from typing import ClassVar

from tellers_core.events import Outcome, Vote
from tellers_core.former import delegation_on, is_known
from tellers_core.history.table import (
    MAX_SYMBOL,
    Table,
    day_of,
    id_of,
    title_of,
    total_of,
)
from tellers_core.majority import Rule
from tellers_core.past import PastRollCall, Totals

# How the library ends the title of every resolution.
_ENDING = re.compile(r"\s*:\s*resolutions?\s*/\s*adopted by the General Assembly\W*$")
TOTALS: Mapping[str, str] = {
    "yes": "total_yes",
    "no": "total_no",
    "abstain": "total_abstentions",
    "not_voting": "total_non_voting",
    "members": "total_ms",
}


class Undl(Table):
    """One line a member and resolution; who did not vote has a line with X."""

    SOURCE = "undl"
    COLUMNS = (
        "undl_id",
        "ms_code",
        "ms_name",
        "ms_vote",
        "date",
        "session",
        "resolution",
        "title",
        *TOTALS.values(),
    )
    KEY = "undl_id"
    VOTE = "ms_vote"
    SAID = ("date", "session", "resolution", "title", *TOTALS.values())
    VOTES: ClassVar[Mapping[str, Vote | None]] = {
        "Y": Vote.YES,
        "N": Vote.NO,
        "A": Vote.ABSTAIN,
        "X": None,
        "NV": None,
        "": None,
    }
    ALLOWED = "Y, N, A, X"
    # Only adopted resolutions are in the file. Whichever majority each of them needed,
    # it had more yes than no: with this rule no outcome is ever wrong (ADR 21).
    RULE = "simple"

    def __init__(self, columns: Mapping[str, int], rule: Rule) -> None:
        super().__init__(columns, rule)
        self._code, self._name = columns["ms_code"], columns["ms_name"]
        self._seen: set[tuple[str, str]] = set()

    def _begin(self, said: Mapping[str, str]) -> str:
        for column in TOTALS.values():
            total_of(column, said[column])
        return day_of(said["date"])

    def member(self, fields: list[str], day: str, line: int) -> str | None:
        code, name = fields[self._code], fields[self._name]
        if (code, name) not in self._seen:
            self._seen.add((code, name))
            if not is_known(name):
                self.passed_over[f"{name.strip()} ({code.strip()})"] = line
        return delegation_on(code.strip(), name.strip(), day)

    def past(
        self,
        key: str,
        said: Mapping[str, str],
        day: str,
        members: tuple[str, ...],
        votes: Mapping[str, Vote],
    ) -> PastRollCall:
        symbol = title_of(said["resolution"], MAX_SYMBOL)
        totals = {name: total_of(name, said[column]) for name, column in TOTALS.items()}
        title = title_of(_ENDING.sub("", said["title"]))
        return PastRollCall(
            id=id_of(symbol) or f"undl-{id_of(key)}",
            title=title or symbol or key,
            rule=self.rule,
            members=members,
            votes=votes,
            voted_on=day,
            source=self.SOURCE,
            record=title_of(key, MAX_SYMBOL),
            totals=Totals(**totals),
            symbol=symbol or None,
            session=title_of(said["session"], MAX_SYMBOL),
            outcome=Outcome.ADOPTED,
        )
