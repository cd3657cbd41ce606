"""A vote's way to the last of 1,000 viewers, through the whole system.

Clock starts when the clerk's request is sent, and again when its 201 has arrived; it
stops when the last viewer's socket has given the tally of that vote. Viewers and all
services share this machine's cores. Baseline of the same run: one viewer.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.report import quantile, table
from tests.e2e.stack import Clerk, Stack, recorded
from tests.servers import HOST

VIEWERS = 1000
VOTES = 300
PAUSE_SECONDS = 0.05


class Sample(NamedTuple):
    """Milliseconds of one vote: request to 201; request and 201 to last viewer."""

    accepted: float
    from_request: float
    from_accepted: float
    spread: float


def _vote(clerk: Clerk, viewers: "subprocess.Popen[str]", n: int) -> Sample:
    codes = [code for code, _ in recorded("es-11-1")]
    vote = ("yes", "no", "abstain")[(n // len(codes)) % 3]
    assert viewers.stdin is not None
    assert viewers.stdout is not None
    sent = time.monotonic()
    answer = clerk.vote("bench", codes[n % len(codes)], vote)
    accepted = time.monotonic()
    viewers.stdin.write(json.dumps({"seq": answer["seq"]}) + "\n")
    viewers.stdin.flush()
    seen = json.loads(viewers.stdout.readline())
    return Sample(
        (accepted - sent) * 1000,
        (seen["last"] - sent) * 1000,
        max(0.0, seen["last"] - accepted) * 1000,
        (seen["last"] - seen["first"]) * 1000,
    )


def _measure(stack: Stack, number: int, first_vote: int) -> list[Sample]:
    path = "/v1/ga/live?feed=tally&roll_call=bench"
    command = [sys.executable, "-m", "tests.bench.viewers", HOST]
    viewers = subprocess.Popen(
        [*command, str(stack.gateway.port), path, str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert viewers.stdout is not None
        json.loads(viewers.stdout.readline())
        clerk = stack.clerk()
        samples = []
        for n in range(VOTES):
            samples.append(_vote(clerk, viewers, first_vote + n))
            time.sleep(PAUSE_SECONDS)
        return samples
    finally:
        viewers.kill()
        viewers.wait()


def run() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        stack.clerk().open("bench")
        one = _measure(stack, 1, 0)
        many = _measure(stack, VIEWERS, VOTES)
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
