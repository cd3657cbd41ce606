"""One server core and 1,000 viewers: our gateway beside other fan-out servers.

What counts is deliveries (a frame read by a viewer) for each second of processor that
the *server* takes, so that a busy machine and the load client beside it matter little.

*One by one*: the next frame is published when every viewer has the last one. *In a
rush*: frames come faster than anybody can write them one by one; a server may then put
several into one write, which ours does.

The servers take turns, round by round; every figure is the median of the rounds. All
run at the niceness of our gateway. The load client is C and epoll; what it takes of a
core while it waits for the server is printed beside the figures: as long as that is
well below what the server takes, it is not the bottleneck.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.bench.report import median, quantile, table
from tests.bench.rivals.load import Load, build
from tests.bench.rivals.servers import Rival, Tallies, all_of
from tests.e2e.stack import Stack
from tests.services.slow import resident_bytes

ROUNDS, ROUNDS_OF_MANY = 5, 3
VIEWERS, MANY = 1000, 10_000
ONE_BY_ONE, OF_MANY, RUSH = 200, 30, 500
IN_FLIGHT = 1000
SETTLE_SECONDS = 0.5
BASELINE = "nginx + nchan"
T = TypeVar("T")


class Figures(NamedTuple):
    """Of one round: deliveries a CPU second, milliseconds, shares of a core, and how
    many of the frames of a rush each viewer got."""

    single: float
    to_last: float
    spread: float
    server: float
    client: float
    rush: float
    rush_frames: float


class Crowded(NamedTuple):
    """With MANY viewers: seconds to let them in, of the server's processor and by the
    clock; KiB each; milliseconds to the last of them."""

    handshakes: float
    handshakes_cpu: float
    kib: float
    to_last: float


def cpu_seconds(pids: Sequence[int]) -> float:
    """The processor time these processes have taken, all threads."""
    # The kernel's number for another process's CPU clock (clock_getcpuclockid).
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def _one_by_one(
    rival: Rival, load: Load, tallies: Tallies, number: int
) -> tuple[float, list[float], list[float]]:
    """CPU seconds of the server; milliseconds to the last viewer and from the first."""
    to_last, spread = [], []
    before = cpu_seconds(rival.pids)
    for _ in range(number):
        text = tallies.next()
        load.expect(tallies.seq)
        began = time.monotonic()
        rival.publish([text])
        seen = load.seen()
        to_last.append(1000 * (seen.last - began))
        spread.append(1000 * (seen.last - seen.first))
    return cpu_seconds(rival.pids) - before, to_last, spread


def _rush(rival: Rival, load: Load, tallies: Tallies) -> tuple[float, int]:
    """CPU seconds of the server, and frames that were read."""
    texts = [tallies.next() for _ in range(RUSH)]
    load.expect(tallies.seq)
    before = cpu_seconds(rival.pids)
    rival.publish(texts)
    frames = load.seen().frames
    return cpu_seconds(rival.pids) - before, frames


def _measure(rival: Rival, program: Path, tallies: Tallies) -> Figures:
    rival.start()
    try:
        with Load(program, rival.place, VIEWERS, IN_FLIGHT) as load:
            time.sleep(SETTLE_SECONDS)
            _one_by_one(rival, load, tallies, 10)
            load.usage()
            began = time.monotonic()
            cpu, to_last, spread = _one_by_one(rival, load, tallies, ONE_BY_ONE)
            wall = time.monotonic() - began
            share = load.usage()
            rush_cpu, frames = _rush(rival, load, tallies)
    finally:
        rival.stop()
    return Figures(
        ONE_BY_ONE * VIEWERS / cpu,
        quantile(to_last, 0.5),
        quantile(spread, 0.5),
        cpu / wall,
        share,
        frames / rush_cpu,
        frames / VIEWERS,
    )


def _measure_many(rival: Rival, program: Path, tallies: Tallies) -> Crowded:
    rival.start()
    try:
        with Load(program, rival.place, 100, IN_FLIGHT):
            time.sleep(SETTLE_SECONDS)  # so that all code is loaded
        size, cpu = _resident(rival), cpu_seconds(rival.pids)
        with Load(program, rival.place, MANY, IN_FLIGHT) as load:
            cpu = cpu_seconds(rival.pids) - cpu
            grown = _resident(rival) - size
            time.sleep(SETTLE_SECONDS)
            _, to_last, _ = _one_by_one(rival, load, tallies, OF_MANY)
            return Crowded(
                load.seconds, cpu, grown / MANY / 1024, quantile(to_last, 0.5)
            )
    finally:
        rival.stop()


def _resident(rival: Rival) -> int:
    return sum(map(resident_bytes, rival.pids))


def run() -> None:
    """Print the tables."""
    with ExitStack() as everything:
        folder = Path(everything.enter_context(tempfile.TemporaryDirectory()))
        program, blast = build("load", folder), build("blast", folder)
        stack = everything.enter_context(Stack(folder))
        tallies = Tallies(stack)
        # From here on the benchmark is the tally service.
        stack.tally.stop()
        stack.gateway.stop()
        rivals = all_of(stack, blast, folder, everything)
        figures = _rounds(
            rivals, ROUNDS, lambda rival: _measure(rival, program, tallies)
        )
        _print(figures)
        crowded = _rounds(
            rivals, ROUNDS_OF_MANY, lambda rival: _measure_many(rival, program, tallies)
        )
        _print_many(crowded)


def _rounds(
    rivals: Sequence[Rival], rounds: int, measure: Callable[[Rival], T]
) -> dict[str, list[T]]:
    """What was measured of each, in rounds, in which all have their turn."""
    found: dict[str, list[T]] = defaultdict(list)
    for number in range(rounds):
        # Whoever comes first in one round comes later in the next.
        for at in range(len(rivals)):
            rival = rivals[(at + number) % len(rivals)]
            found[rival.name].append(measure(rival))
    return {rival.name: found[rival.name] for rival in rivals}


def _medians(rounds: Sequence[tuple[float, ...]]) -> list[float]:
    return [median(values) for values in zip(*rounds, strict=True)]


def _print(figures: dict[str, list[Figures]]) -> None:
    single = {name: Figures(*_medians(rounds)) for name, rounds in figures.items()}
    base = single.get(BASELINE) or next(iter(single.values()))
    table(
        f"Deliveries a CPU second of the server, {VIEWERS:,} viewers "
        f"(medians of {ROUNDS} rounds; ratios to {BASELINE})",
        [
            "server",
            "one by one",
            "ratio",
            "in a rush",
            "ratio",
            f"of {RUSH}",
            "to last, ms",
            "spread, ms",
            "server's core",
            "client's",
        ],
        [
            [
                name,
                f"{one.single:,.0f}",
                f"{one.single / base.single:.2f}",
                f"{one.rush:,.0f}",
                f"{one.rush / base.rush:.2f}",
                f"{one.rush_frames:.0f}",
                f"{one.to_last:.1f}",
                f"{one.spread:.1f}",
                f"{one.server:.0%}",
                f"{one.client:.0%}",
            ]
            for name, one in single.items()
        ],
    )


def _print_many(crowded: dict[str, list[Crowded]]) -> None:
    many = {name: Crowded(*_medians(rounds)) for name, rounds in crowded.items()}
    table(
        f"{MANY:,} viewers who come at once (medians of {ROUNDS_OF_MANY} rounds)",
        ["server", "let in, s", "CPU, s", "KiB each", "to last, ms"],
        [
            [
                name,
                f"{one.handshakes:.2f}",
                f"{one.handshakes_cpu:.2f}",
                f"{one.kib:.1f}",
                f"{one.to_last:.0f}",
            ]
            for name, one in many.items()
        ],
    )
