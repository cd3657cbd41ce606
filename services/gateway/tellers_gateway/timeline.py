"""A roll call through time: the figures after each of its events. Pure."""

from collections.abc import Iterable

from msgspec import Struct

from tellers_core.codec import Recorded
from tellers_core.roll_call import Phase
from tellers_core.tally import Status, Tally, tallies


class Point(Struct, frozen=True):
    """The state after the event of that seq."""

    seq: int
    at: str
    phase: Phase
    status: Status
    yes: int
    no: int
    abstain: int
    not_voting: int


def point_of(tally: Tally) -> Point:
    """The point of a tally."""
    counts = tally.counts
    return Point(
        tally.seq,
        tally.at,
        tally.phase,
        tally.verdict.status,
        counts.yes,
        counts.no,
        counts.abstain,
        counts.not_voting,
    )


def timeline(history: Iterable[Recorded]) -> list[Point]:
    """A point for each event; ends before the first that does not follow."""
    return [point_of(one) for one in tallies(history, "")]
