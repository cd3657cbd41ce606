"""How the regional groups vote: counts, and how united each is. Pure.

Cohesion is the agreement index of Hix, Noury and Roland (2005) over yes, no and
abstain: (3 x the largest - all) / (2 x all). 1 when a group votes as one, 0 when it is
split in three equal parts; not defined before anybody has voted. The bounds say what
the answers that are still missing can make of it, if nobody changes a vote.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

from tellers_core.events import Vote
from tellers_gateway.detail import Detail

DECIMALS = 4
NO_GROUP = "none"


class GroupCounts(Struct, frozen=True):
    """yes + no + abstain + not_voting = entitled."""

    yes: int
    no: int
    abstain: int
    not_voting: int
    entitled: int


class Group(Struct, frozen=True):
    """One regional group. `cohesion` and its bounds are 0 to 1, to four decimals;
    null when nobody in it has voted, or none of it can."""

    group: str
    counts: GroupCounts
    cohesion: float | None
    cohesion_min: float | None
    cohesion_max: float | None
    members: list[str]


def groups(full: Detail, *, running: bool) -> list[Group]:
    """The groups of a roll call's members, in the order of their names.

    Args:
        running: whether those who are missing may still answer.
    """
    votes = {line.delegation: line.vote for line in full.votes}
    by_group: dict[str, list[str]] = {}
    for line in full.members:
        by_group.setdefault(line.group or NO_GROUP, []).append(line.delegation)
    entitled = {line.delegation for line in full.members if line.entitled}
    return [
        _group(name, codes, entitled, votes, running=running)
        for name, codes in sorted(by_group.items())
    ]


def _group(
    name: str,
    codes: list[str],
    entitled: set[str],
    votes: Mapping[str, Vote],
    *,
    running: bool,
) -> Group:
    able = [code for code in codes if code in entitled]
    answers = Counter(votes[code] for code in able if code in votes)
    yes, no, abstain = three = [answers[vote] for vote in Vote]
    missing = len(able) - sum(three)
    lowest, highest = bounds(three, missing if running else 0)
    counts = GroupCounts(yes, no, abstain, missing, len(able))
    now = _rounded(cohesion(three))
    return Group(name, counts, now, _rounded(lowest), _rounded(highest), codes)


def cohesion(three: Sequence[int]) -> Fraction | None:
    """The agreement index of three counts; None when all are 0."""
    cast = sum(three)
    return Fraction(3 * max(three) - cast, 2 * cast) if cast else None


def bounds(
    three: Sequence[int], missing: int
) -> tuple[Fraction | None, Fraction | None]:
    """The lowest and highest cohesion that up to `missing` more answers can lead to.

    Highest: all of them join the largest. Lowest: they fill up the smaller ones, and
    once all are level, what is left over keeps silent.
    """
    if not sum(three) + missing:
        return None, None
    low, middle, high = sorted(three)
    highest = cohesion((low, middle, high + missing))
    gap = 2 * high - middle - low
    if missing >= gap and high:
        return Fraction(0), highest
    if not high:  # nobody yet: one of each of three, or what fewer can do
        spread = [1] * min(missing, 3) + [0] * (3 - min(missing, 3))
        return cohesion(spread), highest
    filled = Fraction(3 * high - (low + middle + high + missing))
    return filled / (2 * (low + middle + high + missing)), highest


def _rounded(value: Fraction | None) -> float | None:
    return None if value is None else round(float(value), DECIMALS)
