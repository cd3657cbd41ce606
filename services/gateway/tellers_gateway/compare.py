"""Who votes otherwise than in another roll call; live while either runs. Pure."""

from collections import Counter

from msgspec import Struct

from tellers_core.events import Vote
from tellers_gateway.detail import Detail, name_of


class Moved(Struct, frozen=True):
    """A delegation with another answer than in the other roll call; null: none."""

    delegation: str
    name: str
    before: Vote | None
    now: Vote | None


class Flow(Struct, frozen=True):
    """How many delegations went from one answer to another; null: none."""

    before: Vote | None
    now: Vote | None
    delegations: int


class Comparison(Struct, frozen=True):
    """This roll call beside the other one.

    Args:
        moved: voted in both, otherwise; in the chamber's order.
        silent_now: voted in the other one and, so far, not in this.
        new: voted in this and not in the other one.
        same: how many voted the same in both.
        flows: every pair of answers that occurs, members of both only.
    """

    moved: list[Moved]
    silent_now: list[Moved]
    new: list[Moved]
    same: int
    flows: list[Flow]


def compare(this: Detail, other: Detail, language: str = "en") -> Comparison:
    """Delegations that are members in both; others cannot have moved."""
    now = {line.delegation: line.vote for line in this.votes}
    before = {line.delegation: line.vote for line in other.votes}
    members = {line.delegation for line in other.members}
    pairs = [
        Moved(code, name_of(code, language), before.get(code), now.get(code))
        for code in (line.delegation for line in this.members)
        if code in members
    ]
    differing = [pair for pair in pairs if pair.before is not pair.now]
    counted = Counter((pair.before, pair.now) for pair in pairs)
    return Comparison(
        [pair for pair in differing if pair.before and pair.now],
        [pair for pair in differing if pair.now is None],
        [pair for pair in differing if pair.before is None],
        sum(1 for pair in pairs if pair.now and pair.before is pair.now),
        [
            Flow(was, is_now, counted[was, is_now])
            for was in (*Vote, None)
            for is_now in (*Vote, None)
            if counted[was, is_now]
        ],
    )
