"""Whatever was voted, and however it was cut into batches: the archive is the same."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from tellers_core.codec import LogName
from tellers_core.events import Event
from tellers_runtime.archive.engine import migrate
from tellers_runtime.archive.tables import EventRow, RollCallRow, VoteRow
from tellers_runtime.log import Entry
from tellers_tally.projector import Forgotten, Projector
from tellers_tally.store import Batch, LeaseLost, Store
from tests import strategies
from tests.scenario import EPOCH
from tests.services.tallying import LEASE, NONSENSE, Archive, entries

some = settings(
    max_examples=25,
    # Each example has a log of its own in the one database.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
numbers = itertools.count(1)


class Desk(NamedTuple):
    archive: Archive
    store: Store


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    migrate(database_url)
    with Archive(database_url) as archive:
        store = Store(archive.engine, LEASE, "us")
        store.take_by_force()
        yield Desk(archive, store)


@st.composite
def logs(draw: st.DrawFn, bad: bool = False) -> list[tuple[str, Event | bytes]]:
    """Some roll calls at the same time; if asked, with entries nobody understands."""
    histories = draw(st.lists(strategies.histories(), min_size=1, max_size=3))
    queues = {f"r{n}": list(history) for n, history in enumerate(histories)}
    log: list[tuple[str, Event | bytes]] = []
    while queues:
        name = draw(st.sampled_from(sorted(queues)))
        log.append((name, queues[name].pop(0)))
        if not queues[name]:
            del queues[name]
    if bad:
        body = st.sampled_from([NONSENSE, b"\xff", b'{"rollcall":"r0"}'])
        for _ in range(draw(st.integers(1, 3))):
            log.insert(draw(st.integers(0, len(log))), ("", draw(body)))
    return log


def written(log: list[tuple[str, Event | bytes]], of: LogName) -> list[Entry]:
    versions: dict[str, int] = {}
    found = []
    for seq, (name, event) in enumerate(log, 1):
        if isinstance(event, bytes):
            found.append(Entry(seq, event))
            continue
        versions[name] = versions.get(name, 0) + 1
        found += entries([event], name, seq, versions[name], of)
    return found


class Tally:
    """What the worker does, without Redis: absorb, archive, forget, start again."""

    def __init__(self, store: Store, log: LogName) -> None:
        self.store = store
        self.log = log
        self.projector = Projector(log)
        self.seq = 0
        store.begin(log, EPOCH)

    def archive(self, part: list[Entry]) -> Batch:
        batch = Batch()
        for entry in part:
            try:
                change = self.projector.absorb(entry)
            except Forgotten as forgotten:
                self.recall(forgotten.roll_call)
                change = self.projector.absorb(entry)
            tallies = [self.projector.tally(n, EPOCH) for n in change.touched]
            batch.add(change, tallies)
        self.store.commit(self.log, EPOCH, self.seq, batch)
        self.seq = batch.last_seq
        self.projector.forget_ended(self.seq)
        return batch

    def recall(self, name: str) -> None:
        self.projector.recall(name, self.store.read.events_of(self.log, name)[1])

    def start_again(self) -> None:
        standing = self.store.read.standing(self.log)
        assert standing is not None
        assert standing.position.seq == self.seq
        self.projector = Projector(self.log, standing.roll_calls, self.seq)
        for tally in standing.going:
            _, known = self.store.read.events_of(self.log, tally.roll_call)
            self.projector.recall(tally.roll_call, known, tally.held)


def cut(log: list[Entry], places: set[int]) -> list[list[Entry]]:
    edges = [0, *sorted(place for place in places if 0 < place < len(log)), len(log)]
    return [log[start:stop] for start, stop in itertools.pairwise(edges)]


def rows(desk: Desk, log: LogName) -> list[list[dict[str, object]]]:
    """All that is archived, without the log's name and what has it inside."""
    chamber = f'"chamber":"{log}"', f'/chambers/{log}"', f'"{log}-'
    found = []
    for table in (EventRow, RollCallRow, VoteRow):
        of_table = desk.archive.rows(table, log)
        for row in of_table:
            del row["log"]
            for name in ("body", "tally"):
                for part in chamber if name in row else ():
                    row[name] = row[name].replace(part, "")
        found.append(of_table)
    return found


def fresh() -> LogName:
    return LogName(f"x{next(numbers)}")


@some
@for_all(history=logs(), places=st.sets(st.integers(1, 80)), twice=st.integers(0, 80))
def test_the_archive_equals_a_recount_whatever_the_cuts_and_redeliveries(
    desk: Desk, history: list[tuple[str, Event | bytes]], places: set[int], twice: int
) -> None:
    log = fresh()
    tally, entries_ = Tally(desk.store, log), written(history, log)
    for number, part in enumerate(cut(entries_, places)):
        before = tally.seq
        batch = tally.archive(part)
        if number == twice % (len(places) + 1):
            with pytest.raises(LeaseLost):
                desk.store.commit(log, EPOCH, before, batch)
    desk.archive.must_equal_a_recount(entries_, log)


@some
@for_all(
    history=logs(bad=True),
    places=st.sets(st.integers(1, 80)),
    restarts=st.sets(st.integers(0, 80)),
)
@example(
    history=[("", b'{"rollcall":"r0"}'), ("r0", strategies.ROLL)],
    places={1},
    restarts={0},
).via("a bad entry before the beginning, then a restart: its name was forgotten")
def test_neither_cuts_nor_restarts_change_what_is_counted_and_what_is_held(
    desk: Desk,
    history: list[tuple[str, Event | bytes]],
    places: set[int],
    restarts: set[int],
) -> None:
    whole, parts = fresh(), fresh()
    Tally(desk.store, whole).archive(written(history, whole))
    tally = Tally(desk.store, parts)
    for number, part in enumerate(cut(written(history, parts), places)):
        tally.archive(part)
        if number in restarts:
            tally.start_again()
    assert rows(desk, parts) == rows(desk, whole)


@some
@for_all(history=logs(), place=st.integers(1, 80))
def test_a_batch_of_which_some_is_archived_already_changes_nothing(
    desk: Desk, history: list[tuple[str, Event | bytes]], place: int
) -> None:
    log = fresh()
    tally, entries_ = Tally(desk.store, log), written(history, log)
    tally.archive(entries_[:place])
    before = rows(desk, log)
    again = Tally.__new__(Tally)
    again.store, again.log, again.projector, again.seq = (
        desk.store,
        log,
        Projector(log),
        0,
    )
    with pytest.raises(LeaseLost):
        again.archive(entries_)
    assert rows(desk, log) == before
