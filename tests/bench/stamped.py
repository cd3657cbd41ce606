"""`python -m tests.bench.stamped ingest|tally|gateway`: the service, with a clock at
each door that a vote goes through. Nothing of it is in the service.

A stamp is a line of JSON in the file `TELLERS_BENCH_STAMPS`: which door, the seq, and
CLOCK_MONOTONIC, which all processes of a machine share.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tellers_runtime.log import Append, LogReader, LogWriter, TallyChannel

_file = -1


def _stamp(door: str, seq: int, at: float | None = None) -> None:
    line = json.dumps([door, seq, time.monotonic() if at is None else at])
    os.write(_file, f"{line}\n".encode())


def _ingest() -> None:
    append: Callable[..., Awaitable[Any]] = LogWriter.append

    async def stamped(self: LogWriter, asked: Append) -> Any:
        began = time.monotonic()
        answer = await append(self, asked)
        _stamp("decided", answer.seq, began)
        _stamp("appended", answer.seq)
        return answer

    LogWriter.append = stamped  # type: ignore[assignment, method-assign]


def _tally() -> None:
    follow: Callable[..., Awaitable[Any]] = LogReader.follow
    publish: Callable[..., Awaitable[None]] = TallyChannel.publish

    async def followed(self: LogReader, *args: Any) -> Any:
        found = await follow(self, *args)
        if found[1] and not self.log.rehearsal:
            _stamp("read", found[1][-1].seq)
        return found

    async def published(self: TallyChannel, tallies: Sequence[bytes], seq: int) -> None:
        _stamp("counted", seq)
        await publish(self, tallies, seq)

    LogReader.follow = followed  # type: ignore[assignment, method-assign]
    TallyChannel.publish = published  # type: ignore[method-assign]


def _gateway() -> None:
    follow: Callable[..., Awaitable[Any]] = TallyChannel.follow
    hub = importlib.import_module("tellers_gateway.hub").Hub
    offer = hub._offer

    async def followed(self: TallyChannel, *args: Any) -> Any:
        found = await follow(self, *args)
        if found.seq:
            _stamp("heard", found.seq)
        return found

    def offered(self: Any, tallies: Any) -> None:
        offer(self, tallies)
        if tallies:
            _stamp("written", tallies[-1].seq)

    TallyChannel.follow = followed  # type: ignore[assignment, method-assign]
    hub._offer = offered


_DOORS = {"ingest": _ingest, "tally": _tally, "gateway": _gateway}


def main() -> None:
    """The argument is the service's name."""
    global _file  # noqa: PLW0603 - one process, one file
    name = sys.argv.pop(1)
    path = os.environ["TELLERS_BENCH_STAMPS"]
    _file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    _DOORS[name]()
    importlib.import_module(f"tellers_{name}.__main__").main()


if __name__ == "__main__":
    main()
