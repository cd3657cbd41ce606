"""Where the time of one vote goes, on its way to the last of 1,000 viewers.

The services have a clock at each door (`stamped.py`); a hop is the time between two
doors. Viewers have a core of their own (`watched.py`).
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from tests.bench.report import quantile, table
from tests.bench.watched import VIEWERS, VOTES, watched
from tests.e2e.stack import Service, Stack

# From which door to which, and what happens between them.
HOPS = (
    ("sent", "decided", "ingest: request, decision"),
    ("decided", "read", "Redis: append and fsync; the tally service wakes"),
    ("read", "counted", "tally: counted twice, compared"),
    ("counted", "heard", "Redis: tally published and fsync; the gateway wakes"),
    ("heard", "first", "gateway: frame made, first viewer has it"),
    ("first", "last", "first to last viewer"),
)
WHOLE = (
    ("sent", "last", "request -> last viewer"),
    ("sent", "accepted", "request -> 201 (beside the way)"),
    ("heard", "written", "gateway: all frames written (beside the way)"),
)
Doors = dict[str, float]


class Stamped(Service):
    """A service with clocks."""

    def __init__(self, like: Service, name: str, stamps: Path) -> None:
        env = {**like._env, "TELLERS_BENCH_STAMPS": str(stamps)}
        super().__init__(name, like.port, like.log.parent, env)
        self._name = name

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.bench.stamped", self._name],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


class StampedStack(Stack):
    """A whole system with clocks."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.stamps = folder / "stamps"
        self.ingest = Stamped(self.ingest, "ingest", self.stamps)
        self.tally = Stamped(self.tally, "tally", self.stamps)
        self.gateway = Stamped(self.gateway, "gateway", self.stamps)


class Way(NamedTuple):
    """Milliseconds between two doors, for each vote, with one viewer and with many."""

    what: str
    alone: list[float]
    many: list[float]


def _stamps(path: Path) -> dict[int, Doors]:
    found: dict[int, Doors] = defaultdict(dict)
    for line in path.read_text().splitlines():
        door, seq, at = json.loads(line)
        found[seq].setdefault(door, at)
    return found


def _ways(alone: list[Doors], many: list[Doors]) -> list[Way]:
    return [
        Way(
            what,
            *([(d[end] - d[start]) * 1000 for d in doors] for doors in (alone, many)),
        )
        for start, end, what in (*HOPS, *WHOLE)
    ]


def run() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        with StampedStack(Path(folder)) as stack:
            runs = watched(stack, Path(folder), (1, VIEWERS))
        stamps = _stamps(stack.stamps)
    alone, many = ([vote._asdict() | stamps[vote.seq] for vote in run] for run in runs)
    ways = _ways(alone, many)
    whole = quantile(ways[len(HOPS)].many, 0.5)
    table(
        f"One vote to the last of {VIEWERS:,} WebSocket viewers, hop by hop, ms "
        f"({VOTES} votes, appendfsync always)",
        ["hop", "1 viewer p50", "p50", "p99", "share of p50"],
        [
            [
                way.what,
                f"{quantile(way.alone, 0.5):.2f}",
                f"{quantile(way.many, 0.5):.2f}",
                f"{quantile(way.many, 0.99):.2f}",
                f"{100 * quantile(way.many, 0.5) / whole:.0f} %",
            ]
            for way in ways
        ],
    )
