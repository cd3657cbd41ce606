"""Votes while 1,000 viewers come back at once.

Votes go through the ingest API one after the other; every few seconds all viewers lose
their connections in the same instant and come back as our client does, with full
jitter. Baseline of the same run: the same votes, with the same viewers watching, while
nobody reconnects. Viewers and all services share this machine's cores.
"""

import tempfile
import time
from pathlib import Path

from tests.bench.report import median, quantile, table
from tests.e2e.stack import Stack
from tests.faults.crowd import Crowd, Plan
from tests.faults.voting import Voting

VIEWERS = 1000
STORMS = 20
CALM_SECONDS = 3.0
# What follows a storm belongs to neither.
AFTER_SECONDS = 1.0
# Between two votes: ten a second, each to a thousand viewers.
PAUSE_SECONDS = 0.1


def _storms(
    crowd: Crowd, voting: Voting
) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of every vote in the calm and in a storm; seconds of every storm."""
    calm: list[float] = []
    stormy: list[float] = []
    seconds = []
    for _ in range(STORMS):
        before = len(voting.seconds)
        time.sleep(CALM_SECONDS)
        between = len(voting.seconds)
        seconds.append(crowd.tell("drop"))
        after = len(voting.seconds)
        calm += [one * 1000 for one in voting.seconds[before:between]]
        stormy += [one * 1000 for one in voting.seconds[between:after]]
        time.sleep(AFTER_SECONDS)
    return calm, stormy, seconds


def run() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name, Stack(Path(name)) as stack:
        clerk = stack.clerk()
        with clerk.http:
            clerk.open("storm")
        plan = Plan([stack.gateway_url], "storm", tallies=VIEWERS)
        with Crowd(plan, Path(name)) as crowd:
            crowd.tell("ready")
            with Voting(stack, "storm", PAUSE_SECONDS) as voting:
                calm, stormy, seconds = _storms(crowd, voting)
    table(
        f"Request -> 201 of a vote, ms, while {VIEWERS:,} viewers reconnect at once "
        f"({STORMS} storms, appendfsync always)",
        ["what", "votes", "p50", "p99", "ratio of p99"],
        [
            _row("nobody reconnects", calm, calm),
            _row("in a storm", stormy, calm),
        ],
    )
    table(
        f"Seconds until all {VIEWERS:,} are back (full jitter of 1 s included)",
        ["median", "slowest"],
        [[f"{median(seconds):.2f}", f"{max(seconds):.2f}"]],
    )


def _row(name: str, some: list[float], baseline: list[float]) -> list[str]:
    p99 = quantile(some, 0.99)
    return [
        name,
        f"{len(some):,}",
        f"{quantile(some, 0.5):.1f}",
        f"{p99:.1f}",
        f"{p99 / quantile(baseline, 0.99):.2f}",
    ]
