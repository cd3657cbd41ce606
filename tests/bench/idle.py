"""What a viewer costs who only watches: memory of the gateway for each idle socket.

Every socket is a WebSocket that is subscribed to a roll call, gets its heartbeats and
answers pings. With `--minutes` they stay, and the slope of the memory is printed.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench.report import table
from tests.e2e.stack import Stack
from tests.faults.crowd import Crowd, Plan
from tests.services.slow import resident_bytes

STEP = 1000
STEPS = 2
SETTLE_SECONDS = 6.0  # a heartbeat, at least
SAMPLE_SECONDS = 5.0


def run(minutes: float = 0.0) -> None:
    """Print the tables."""
    with ExitStack() as everything:
        folder = Path(everything.enter_context(tempfile.TemporaryDirectory()))
        stack = everything.enter_context(Stack(folder))
        clerk = stack.clerk()
        with clerk.http:
            clerk.open("idle")

        def crowd(viewers: int) -> Crowd:
            return Crowd(Plan([stack.gateway_url], "idle", tallies=viewers), folder)

        with crowd(STEP // 10) as first:  # so that all code is loaded
            first.tell("ready")
        time.sleep(SETTLE_SECONDS)
        sizes = [resident_bytes(stack.gateway.pid)]
        for _ in range(STEPS):
            everything.enter_context(crowd(STEP)).tell("ready")
            time.sleep(SETTLE_SECONDS)
            sizes.append(resident_bytes(stack.gateway.pid))
        table(
            "Memory of the gateway with idle WebSocket viewers",
            ["viewers", "MiB", "KiB a viewer"],
            [_row(number * STEP, size, sizes[0]) for number, size in enumerate(sizes)],
        )
        if minutes:
            _soak(stack, minutes)


def _row(viewers: int, size: int, empty: int) -> list[str]:
    each = f"{(size - empty) / viewers / 1024:.1f}" if viewers else "-"
    return [f"{viewers:,}", f"{size / 2**20:.1f}", each]


def _soak(stack: Stack, minutes: float) -> None:
    began = time.monotonic()
    samples = []
    while (passed := time.monotonic() - began) < 60 * minutes:
        samples.append((passed / 600, resident_bytes(stack.gateway.pid) / 2**20))
        time.sleep(SAMPLE_SECONDS)
    table(
        f"The same over {minutes:g} minutes with {STEPS * STEP:,} viewers",
        ["MiB at first", "at last", "slope, MiB in 10 minutes"],
        [[f"{samples[0][1]:.1f}", f"{samples[-1][1]:.1f}", f"{_slope(samples):.2f}"]],
    )


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line with the least squares."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    above = sum((x - middle_x) * (y - middle_y) for x, y in points)
    below = sum((x - middle_x) ** 2 for x, _ in points)
    return above / below if below else 0.0
