"""What a tally process of these tests does first: it breaks something of its own.

Each is called in the process, before it starts; nothing of it is in the service.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select, update
from sqlmodel import col

from tellers_core.codec import LogName
from tellers_core.merkle import Frontier
from tellers_runtime.archive.engine import writing
from tellers_runtime.archive.tables import LogRow
from tellers_runtime.archive.trees import grow, keep
from tellers_runtime.log import TallyChannel
from tellers_tally import store
from tellers_tally.store import Batch, LeaseLost, Store

Moment = Literal["before publishing", "after publishing", "in the commit", "after it"]
MOMENTS: tuple[Moment, ...] = (
    "before publishing",
    "after publishing",
    "in the commit",
    "after it",
)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Countdown:
    """True at the n-th time it is asked."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self) -> bool:
        self._left -= 1
        return self._left == 0


def dies(moment: Moment, number: int) -> None:
    """At the n-th publication or commit the process is gone, at that moment."""
    now = _Countdown(number)
    if "publishing" in moment:
        _die_publishing(now, before=moment.startswith("before"))
    elif moment == "in the commit":
        write = store._write

        def _write(*args: Any) -> None:
            write(*args)
            if now():
                _die()

        store._write = _write  # type: ignore[assignment]
    else:
        commit = Store.commit

        def _commit(*args: Any) -> None:
            commit(*args)
            if now():
                _die()

        Store.commit = _commit  # type: ignore[assignment, method-assign]


def _die_publishing(now: Callable[[], bool], *, before: bool) -> None:
    publish: Callable[..., Awaitable[None]] = TallyChannel.publish

    async def _publish(*args: Any) -> None:
        last = now()
        if last and before:
            _die()
        await publish(*args)
        if last:
            _die()

    TallyChannel.publish = _publish  # type: ignore[assignment, method-assign]


def moves_first(number: int) -> None:
    """The position in a transaction of its own, before what belongs to it; the process
    is gone between the two at the n-th commit."""
    now = _Countdown(number)

    def commit(self: Store, log: LogName, epoch: str, old: int, batch: Batch) -> None:
        with writing(self._engine) as connection:
            at = store._At(log, epoch, old)
            tree, nodes = grow(store._tree(connection, at), batch.leaves(log))
            store._move(connection, at, tree, batch.last_seq)
            keep(connection, log, nodes)
        if now():
            _die()
        with writing(self._engine) as connection:
            store._write(connection, log, batch)

    Store.commit = commit  # type: ignore[method-assign]


def counts_commits(path: Path) -> None:
    """Writes a line for each commit: won, or lost to another process."""
    commit = Store.commit

    def _commit(*args: Any) -> None:
        try:
            commit(*args)
        except LeaseLost:
            _line(path, "lost")
            raise
        _line(path, "won")

    Store.commit = _commit  # type: ignore[assignment, method-assign]


def _line(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(f"{text}\n")


def never_compares(path: Path) -> None:
    """The same, and the position moves from wherever it is: no `WHERE seq = :old`."""

    def commit(self: Store, log: LogName, epoch: str, old: int, batch: Batch) -> None:
        with writing(self._engine) as connection:
            here = col(LogRow.name) == str(log)
            seq = connection.scalar(select(col(LogRow.seq)).where(here))
            new = max(seq or 0, batch.last_seq)
            connection.execute(update(LogRow).where(here).values(seq=new))
            store._write(connection, log, batch)
        _line(path, "won")

    Store.commit = commit  # type: ignore[method-assign]
    Store.seal = lambda self, log: None  # type: ignore[method-assign]
    store._tree = lambda connection, at: Frontier()
