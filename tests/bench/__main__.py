"""`python -m tests.bench [replay|fanout ...]`."""

import sys

from tests.bench import fanout, replay
from tests.bench.report import machine

BENCHMARKS = {"replay": replay.run, "fanout": fanout.run}


def main() -> None:
    """Run the benchmarks named, or all."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"unknown benchmark {unknown[0]}; there are: {', '.join(BENCHMARKS)}")
    print(machine())
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
