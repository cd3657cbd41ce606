"""`python -m tests.bench [NAME ...] [--minutes N] [--events N]`; no name: all."""

import argparse
from collections.abc import Callable
from functools import partial

from tests.bench import (
    fanout,
    hops,
    idle,
    imports,
    ingest,
    latency,
    lists,
    pixels,
    postgres,
    proxy,
    replay,
    storm,
)
from tests.bench.report import machine


def main() -> None:
    """Run the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="how long idle viewers stay (idle)"
    )
    parser.add_argument(
        "--events",
        type=int,
        default=replay.EVENTS,
        help="the longest log whose cost an event is measured (replay)",
    )
    asked = parser.parse_args()
    benchmarks: dict[str, Callable[[], None]] = {
        "replay": partial(replay.run, asked.events),
        "ingest": ingest.run,
        "latency": latency.run,
        "fanout": fanout.run,
        "hops": hops.run,
        "storm": storm.run,
        "pixels": pixels.run,
        "import": imports.run,
        "lists": lists.run,
        "proxy": proxy.run,
        "postgres": postgres.run,
        "idle": partial(idle.run, asked.minutes),
    }
    names = asked.names or list(benchmarks)
    if unknown := [name for name in names if name not in benchmarks]:
        parser.error(
            f"unknown benchmark {unknown[0]}; there are: {', '.join(benchmarks)}"
        )
    print(machine())
    for name in names:
        benchmarks[name]()


if __name__ == "__main__":
    main()
