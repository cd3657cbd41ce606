"""The archive is written in whole batches, once, by one holder; on both databases."""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from tellers_core.codec import LogName
from tellers_core.events import (
    Event,
    RollCallOpened,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.merkle import Frontier
from tellers_core.tally import Held
from tellers_runtime.archive.engine import migrate, open_engine, writing
from tellers_runtime.archive.reading import ArchiveReader
from tellers_runtime.archive.tables import EventRow, RollCallRow, VoteRow
from tellers_runtime.archive.trees import Grown, grow, leaf_of
from tellers_runtime.log import Entry
from tellers_tally.projector import Projector
from tellers_tally.store import Batch, LeaseLost, Store, _At, _move
from tellers_tally.sums import Inconsistent
from tests.scenario import EPOCH, OPENED, votes
from tests.servers import PostgresServer
from tests.services.tallying import (
    GA,
    LEASE,
    NONSENSE,
    Archive,
    entries,
)

VOTED: tuple[Event, ...] = (*OPENED, *votes(yes="FJI FRA", no="NOR", abstain="PER"))
BEGUN = entries(VOTED)


class Desk(NamedTuple):
    """A store that holds the lease on an archive just begun, and what it projects."""

    archive: Archive
    store: Store
    projector: Projector

    def batch(self, log: list[Entry]) -> Batch:
        batch = Batch()
        for entry in log:
            change = self.projector.absorb(entry)
            tallies = [self.projector.tally(n, EPOCH) for n in change.touched]
            batch.add(change, tallies)
        return batch

    def commit(self, log: list[Entry]) -> Batch:
        batch = self.batch(log)
        self.store.commit(GA, EPOCH, log[0].seq - 1, batch)
        return batch

    def rival(self) -> Store:
        """Another process, which has taken the lease."""
        rival = Store(self.archive.engine, LEASE, "rival")
        rival.take_by_force()
        return rival

    def votes(self) -> dict[str, tuple[str, int]]:
        rows = self.archive.rows(VoteRow)
        return {row["delegation"]: (row["vote"], row["seq"]) for row in rows}


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    migrate(database_url)
    with Archive(database_url) as archive:
        store = Store(archive.engine, LEASE, "us")
        store.take_by_force()
        store.begin(GA, EPOCH)
        yield Desk(archive, store, Projector(GA))


def tree_of(log: list[Entry]) -> Grown:
    return grow(Frontier(), (leaf_of(GA, *entry) for entry in log))


def more(*events: Event, first_seq: int = 7) -> list[Entry]:
    return entries(events, first_seq=first_seq, first_version=first_seq)


def test_a_batch_archives_events_tallies_votes_and_position(desk: Desk) -> None:
    desk.commit(BEGUN)
    desk.archive.must_equal_a_recount(BEGUN)


def test_changed_votes_overwrite_and_withdrawn_ones_vanish(desk: Desk) -> None:
    desk.commit(BEGUN)
    log = more(
        VoteChanged("FJI", Vote.NO, Vote.YES),
        VoteWithdrawn("NOR", Vote.NO),
        VoteWithdrawn("FRA", Vote.YES),
        VoteRecorded("FRA", Vote.ABSTAIN),
    )
    desk.commit(log)
    assert desk.votes() == {
        "FJI": ("no", 7),
        "FRA": ("abstain", 10),
        "PER": ("abstain", 6),
    }
    desk.archive.must_equal_a_recount([*BEGUN, *log])


def test_a_vote_that_comes_and_goes_within_a_batch_leaves_nothing(desk: Desk) -> None:
    log = [
        *BEGUN,
        *more(VoteRecorded("RUS", Vote.NO), VoteWithdrawn("RUS", Vote.NO)),
    ]
    desk.commit(log)
    assert "RUS" not in desk.votes()
    desk.archive.must_equal_a_recount(log)


def test_where_a_roll_call_was_scheduled_stays_through_all_batches(desk: Desk) -> None:
    late = entries(OPENED, "late", first_seq=7)
    desk.commit(BEGUN)
    desk.commit(late)
    desk.commit(entries([VoteRecorded("PER", Vote.NO)], "late", 9, 3))
    assert desk.archive.roll_call("late")["scheduled_seq"] == 7
    assert desk.archive.roll_call("r1")["scheduled_seq"] == 1


def test_the_same_batch_twice_is_refused_and_written_once(desk: Desk) -> None:
    batch = desk.commit(BEGUN)
    before = desk.archive.everything()
    for old in (0, BEGUN[-1].seq - 1):
        with pytest.raises(LeaseLost):
            desk.store.commit(GA, EPOCH, old, batch)
    assert desk.archive.everything() == before


def test_a_batch_that_does_not_follow_is_refused(desk: Desk) -> None:
    batch = desk.batch(BEGUN)
    before = desk.archive.everything()
    with pytest.raises(LeaseLost):
        desk.store.commit(GA, EPOCH, 1, batch)
    assert desk.archive.everything() == before


def test_a_batch_under_another_epoch_is_refused(desk: Desk) -> None:
    batch = desk.batch(BEGUN)
    before = desk.archive.everything()
    with pytest.raises(LeaseLost):
        desk.store.commit(GA, "another", 0, batch)
    desk.store.set_epoch(GA, "another")
    with pytest.raises(LeaseLost):
        desk.store.commit(GA, EPOCH, 0, batch)
    assert desk.archive.everything()[1:] == before[1:]


def test_a_log_that_was_never_begun_takes_no_batch(desk: Desk) -> None:
    with pytest.raises(LeaseLost):
        desk.store.commit(LogName("sc"), EPOCH, 0, desk.batch(BEGUN))
    assert desk.archive.rows(EventRow, LogName("sc")) == []


def test_an_old_holder_writes_nothing_at_all(desk: Desk) -> None:
    batch = desk.batch(BEGUN)
    rival = desk.rival()
    before = desk.archive.everything()
    for write in (
        lambda: desk.store.commit(GA, EPOCH, 0, batch),
        lambda: desk.store.replace(GA, EPOCH, 0, batch, tree_of(BEGUN)),
        lambda: desk.store.begin(LogName("sc"), EPOCH),
        lambda: desk.store.set_epoch(GA, "another"),
        desk.store.beat,
    ):
        with pytest.raises(LeaseLost):
            write()
    assert desk.archive.everything() == before
    rival.commit(GA, EPOCH, 0, batch)
    desk.archive.must_equal_a_recount(BEGUN)


def test_who_never_held_the_lease_writes_nothing(desk: Desk) -> None:
    stranger = Store(desk.archive.engine, LEASE, "stranger")
    with pytest.raises(LeaseLost):
        stranger.commit(GA, EPOCH, 0, desk.batch(BEGUN))
    nobody = Store(desk.archive.engine, "another lease", "nobody")
    with pytest.raises(LeaseLost):
        nobody.commit(GA, EPOCH, 0, desk.batch(BEGUN))
    assert desk.archive.seq() == 0


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE vote SET vote = 'no' WHERE delegation = 'FJI'",
        "UPDATE vote SET vote = 'maybe' WHERE delegation = 'FJI'",
        "UPDATE vote SET roll_call = 'r2' WHERE delegation = 'FJI'",
        "DELETE FROM vote WHERE delegation = 'FRA'",
        "INSERT INTO vote VALUES ('ga', 'r1', 'ZMB', 'yes', 3)",
    ],
)
def test_votes_that_do_not_add_up_are_found_and_nothing_is_written(
    desk: Desk, tampering: str
) -> None:
    desk.commit(BEGUN)
    desk.archive.tampered(tampering)
    before = desk.archive.everything()
    batch = desk.batch(more(VoteRecorded("RUS", Vote.YES)))
    with pytest.raises(Inconsistent, match="the votes are") as found:
        desk.store.commit(GA, EPOCH, 6, batch)
    assert found.value.roll_call == "r1"
    assert desk.archive.everything() == before


def test_a_batch_with_its_roll_call_held_keeps_the_others(desk: Desk) -> None:
    desk.commit(BEGUN)
    desk.archive.tampered("DELETE FROM vote WHERE delegation = 'FRA'")
    log = [*more(VoteRecorded("RUS", Vote.YES)), *entries(OPENED, "r2", 8)]
    batch = desk.batch(log)
    desk.projector.hold("r1", Held(9, "the votes"))
    batch.hold(desk.projector.tally("r1", EPOCH))
    desk.store.commit(GA, EPOCH, 6, batch)
    assert desk.archive.roll_call("r1")["held_seq"] == 9
    assert desk.archive.roll_call("r2")["phase"] == "open"
    assert "RUS" not in desk.votes()
    assert len(desk.archive.rows(EventRow)) == 9


def test_an_event_that_is_archived_already_fails_the_whole_batch(desk: Desk) -> None:
    desk.commit(BEGUN)
    desk.archive.tampered("INSERT INTO event VALUES ('ga', 8, 'r1', '{}')")
    before = desk.archive.everything()
    log = more(VoteRecorded("RUS", Vote.YES), VoteRecorded("ZMB", Vote.YES))
    batch = desk.batch(log)
    with pytest.raises(IntegrityError):
        desk.store.commit(GA, EPOCH, 6, batch)
    assert desk.archive.everything() == before


@pytest.mark.parametrize(
    "body", [NONSENSE, b"", b"\xff\xfe", b"a\0b", b'{"rollcall":"a\\u0000"}']
)
def test_bytes_of_any_kind_can_be_archived(desk: Desk, body: bytes) -> None:
    desk.commit(BEGUN)
    desk.commit([Entry(7, body)])
    assert desk.archive.seq() == 7
    assert desk.archive.roll_call("r1")["held_seq"] == 7


def test_hundreds_of_roll_calls_are_checked_in_one_batch(desk: Desk) -> None:
    log: list[Entry] = []
    for number in range(1, 1201):
        log += entries(OPENED[:1], f"r{number}", first_seq=len(log) + 1)
    desk.commit(log)
    assert len(desk.archive.rows(RollCallRow)) == 1200
    desk.archive.tampered("INSERT INTO vote VALUES ('ga', 'r1150', 'FJI', 'yes', 3)")
    batch = Batch()
    for number in range(1, 1201):
        entry = entries([RollCallOpened()], f"r{number}", 1200 + number, 2)[0]
        batch.add(
            desk.projector.absorb(entry), [desk.projector.tally(f"r{number}", EPOCH)]
        )
    with pytest.raises(Inconsistent, match="r1150"):
        desk.store.commit(GA, EPOCH, 1200, batch)


# ---- replacing all projections


def test_replacing_names_what_was_otherwise_and_mends_it(desk: Desk) -> None:
    other = entries((*OPENED, *votes(yes="FJI")), "other", first_seq=7)
    third = entries(OPENED, "third", first_seq=10)
    log = [*BEGUN, *other, *third]
    desk.commit(log)
    desk.archive.tampered("UPDATE roll_call SET abstain = 9 WHERE id = 'r1'")
    desk.archive.tampered("UPDATE vote SET seq = 1 WHERE roll_call = 'other'")
    desk.archive.tampered("INSERT INTO vote VALUES ('ga', 'ghost', 'FJI', 'yes', 3)")
    afresh = Desk(desk.archive, desk.store, Projector(GA))
    batch = afresh.batch(log)
    batch.events.clear()
    changed = desk.store.replace(GA, EPOCH, log[-1].seq, batch, tree_of(log))
    assert changed == {"r1", "other", "ghost"}
    desk.archive.must_equal_a_recount(log)
    again = afresh.store.replace(GA, EPOCH, log[-1].seq, batch, tree_of(log))
    assert again == set()


def test_replacing_leaves_the_logs_of_others_alone(desk: Desk) -> None:
    sc = LogName("sc")
    desk.store.begin(sc, EPOCH)
    theirs = entries(VOTED, log=sc)
    projector, batch = Projector(sc), Batch()
    for entry in theirs:
        batch.add(projector.absorb(entry), [projector.tally("r1", EPOCH)])
    desk.store.commit(sc, EPOCH, 0, batch)
    desk.commit(BEGUN)
    empty = Batch()
    empty.last_seq = BEGUN[-1].seq
    desk.store.replace(GA, EPOCH, BEGUN[-1].seq, empty, tree_of(BEGUN))
    assert desk.archive.projections() == ([], [])
    desk.archive.must_equal_a_recount(theirs, sc)


# ---- the lease


def test_the_lease_can_be_taken_only_as_it_was_seen(desk: Desk) -> None:
    one, two = (Store(desk.archive.engine, "l", n) for n in ("one", "two"))
    seen = one.seen()
    assert seen == two.seen() == (0, 0, "")
    assert one.take(seen)
    assert not two.take(seen)
    one.beat()
    assert not two.take(seen._replace(fence=1))
    assert two.take(two.seen())
    assert (one.fence, two.fence) == (1, 2)
    with pytest.raises(LeaseLost):
        one.beat()
    one.release()
    assert two.seen().holder == "two"
    two.release()
    assert one.seen().holder == ""


def test_a_holder_frozen_within_a_transaction_does_not_keep_the_lease(
    postgres_server: PostgresServer,
) -> None:
    database_url = postgres_server.new_database()
    migrate(database_url)
    frozen, rival = open_engine(database_url), open_engine(database_url)
    one, two = Store(frozen, LEASE, "frozen"), Store(rival, LEASE, "rival")
    one.take_by_force()
    one.begin(GA, EPOCH)
    try:
        with suppress(DBAPIError), writing(frozen) as connection:
            one._check_fence(connection)
            assert two.take(two.seen())
            _move(connection, _At(GA, EPOCH, 0), tree_of(BEGUN[:1]).frontier, 1)
        assert ArchiveReader(rival).position(GA) == (EPOCH, 0)
    finally:
        frozen.dispose()
        rival.dispose()
