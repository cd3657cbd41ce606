"""A roll call through time: the figures after each of its events. Pure."""

from collections.abc import Iterable

from msgspec import Struct

from tellers_core.codec import Recorded
from tellers_core.errors import CorruptHistory
from tellers_core.roll_call import Phase
from tellers_core.tally import Projection, Status, absorb


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


def timeline(history: Iterable[Recorded]) -> list[Point]:
    """A point for each event; ends before the first that does not follow."""
    points = []
    projection: Projection | None = None
    for recorded in history:
        try:
            projection = absorb(projection, recorded)
        except CorruptHistory:
            break
        counts = projection.roll_call.counts
        points.append(
            Point(
                projection.seq,
                projection.at,
                projection.roll_call.phase,
                projection.status,
                counts.yes,
                counts.no,
                counts.abstain,
                counts.not_voting,
            )
        )
    return points
