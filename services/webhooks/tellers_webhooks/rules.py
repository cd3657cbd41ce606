"""What a subscriber may be told instead of everything: a closed list of rules.

A rule on the tally matches at the event that makes it true, not at every event while it
stays true; a rule on the event matches at each such event. Pure.
"""

from datetime import date
from functools import cache
from typing import Literal, NamedTuple

from msgspec import Struct

from tellers_core.codec import Recorded
from tellers_core.events import (
    RollCallClosed,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.members import security_council
from tellers_core.tally import Tally

Name = Literal[
    "margin_below",
    "permanent_member_votes",
    "clinched",
    "unreachable",
    "retracted",
    "closed",
]
# No side has said anything, or it is over: a margin of then says nothing.
MARGINLESS = ("pending", "adopted", "rejected", "annulled")


class Rule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`{"rule":"margin_below","value":5}`; only `margin_below` takes a value.

    margin_below: the verdict's margin (yes - required) has come below `value`, while
    the vote runs and somebody said yes or no. permanent_member_votes: a permanent
    member of the Security Council votes, changes or withdraws its vote, in any
    chamber. clinched, unreachable: the verdict has become so. retracted: a clinch was
    undone. closed: the result is there.
    """

    rule: Name
    value: int | None = None


class Moment(NamedTuple):
    """An event and the tallies it lies between; `before` is None at the first one."""

    recorded: Recorded
    before: Tally | None
    after: Tally


def problem(rule: Rule) -> str:
    """Why it is no rule; "" when it is one."""
    if rule.rule == "margin_below":
        return "" if rule.value is not None else "margin_below needs a value"
    return "" if rule.value is None else f"{rule.rule} takes no value"


def matches(rule: Rule, moment: Moment) -> bool:
    """Whether the rule is met at this event.

    Of a roll call of the past only its closing is news: it was recorded at once.
    """
    event, after = moment.recorded.event, moment.after
    if after.imported is not None and rule.rule != "closed":
        return False
    match rule.rule:
        case "permanent_member_votes":
            if not isinstance(event, VoteRecorded | VoteChanged | VoteWithdrawn):
                return False
            return event.delegation in _permanent(moment.recorded.time[:10])
        case "closed":
            return isinstance(event, RollCallClosed)
        case "retracted":
            return after.verdict.retracted is not None
        case _:
            held = moment.before is not None and _holds(rule, moment.before)
            return _holds(rule, after) and not held


@cache
def _permanent(day: str) -> frozenset[str]:
    """The permanent members of the Security Council on that day (RFC 3339 date)."""
    return frozenset(security_council(date.fromisoformat(day)).permanent)


def _holds(rule: Rule, tally: Tally) -> bool:
    verdict = tally.verdict
    if rule.rule == "margin_below":
        assert rule.value is not None
        return verdict.status not in MARGINLESS and verdict.margin < rule.value
    return verdict.status == rule.rule
