"""A vote's way to the last of 1,000 viewers, through the whole system.

Clock starts when the clerk's request is sent, and again when its 201 has arrived; it
stops when the last viewer's socket has given the tally of that vote. Viewers
have a core of their own (`watched.py`). Baseline of the same run: one viewer.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.bench.report import quantile, table
from tests.bench.watched import VIEWERS, VOTES, Watched, watched
from tests.e2e.stack import Stack


class Sample(NamedTuple):
    """Milliseconds of one vote: request to 201; request and 201 to last viewer."""

    accepted: float
    from_request: float
    from_accepted: float
    spread: float


def _sample(vote: Watched) -> Sample:
    return Sample(
        (vote.accepted - vote.sent) * 1000,
        (vote.last - vote.sent) * 1000,
        max(0.0, vote.last - vote.accepted) * 1000,
        (vote.last - vote.first) * 1000,
    )


def run() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        runs = watched(stack, Path(folder), (1, VIEWERS))
    one, many = ([_sample(vote) for vote in run] for run in runs)
    names = {
        "accepted": "request -> 201 (fsync included)",
        "from_accepted": "201 -> last viewer",
        "from_request": "request -> last viewer",
        "spread": "first -> last viewer",
    }
    rows = [
        _row(name, [getattr(s, field) for s in one], [getattr(s, field) for s in many])
        for field, name in names.items()
    ]
    table(
        f"One vote to the last of {VIEWERS:,} WebSocket viewers, ms "
        f"({VOTES} votes, appendfsync always)",
        ["what", "1 viewer p50", "p50", "p99", "ratio of p50"],
        rows,
    )


def _row(name: str, alone: list[float], all_of_them: list[float]) -> list[str]:
    base, p50 = quantile(alone, 0.5), quantile(all_of_them, 0.5)
    ratio = f"{p50 / base:.1f}" if base else "-"
    p99 = quantile(all_of_them, 0.99)
    return [name, f"{base:.1f}", f"{p50:.1f}", f"{p99:.1f}", ratio]
