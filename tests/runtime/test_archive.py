"""The archive's schema, its connections, and what is read from it; both databases."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel

from tellers_core.codec import LogName
from tellers_core.events import (
    Imported,
    IntentionRecorded,
    RollCallAnnulled,
    RollCallOpened,
    Vote,
)
from tellers_core.tally import Held
from tellers_runtime.archive.engine import migrate, open_engine, reading, writing
from tellers_runtime.archive.reading import (
    EVERYTHING,
    ArchiveReader,
    Cursor,
    Page,
    Position,
    Wanted,
    archived,
)
from tellers_runtime.log import Entry
from tellers_tally.projector import Projector
from tellers_tally.store import Batch, Store
from tests.scenario import EPOCH, OPENED, SCHEDULED, closed, scheduled, votes
from tests.services.tallying import GA, entries

SC = LogName("sc")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate(database_url)
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


# ---- the schema


def test_the_migrations_make_exactly_the_tables_of_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_models_make_the_same_columns_as_the_migrations(engine: Engine) -> None:
    """`compare_metadata` overlooks some; a database that the models made does not."""

    def columns() -> dict[str, object]:
        found = inspect(engine)
        return {
            table: (
                [
                    (column["name"], str(column["type"]), column["nullable"])
                    for column in found.get_columns(table)
                ],
                [(i["name"], i["column_names"]) for i in found.get_indexes(table)],
                found.get_pk_constraint(table)["constrained_columns"],
            )
            for table in SQLModel.metadata.tables
        }

    migrated = columns()
    SQLModel.metadata.drop_all(engine)
    SQLModel.metadata.create_all(engine)
    assert columns() == migrated


def test_migrating_again_does_nothing(engine: Engine, database_url: str) -> None:
    Store(engine, "lease", "us").take_by_force()
    migrate(database_url)
    assert Store(engine, "lease", "us").seen().holder == "us"


def test_a_downgrade_leaves_nothing_behind(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def downgrade(config: Config, _: str) -> None:
        command.downgrade(config, "base")

    monkeypatch.setattr(command, "upgrade", downgrade)
    migrate(database_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]


def test_numbers_beyond_32_bits_fit(engine: Engine) -> None:
    far = 2**40
    store = Store(engine, "lease", "us")
    store.take_by_force()
    store.begin(GA, EPOCH)
    with writing(engine) as connection:
        # One perfect tree, so that its frontier is one hash.
        tree = {"frontier": bytes(32)}
        connection.execute(
            text(f"UPDATE log SET seq = {far}, frontier = :frontier"), tree
        )
        connection.execute(text(f"UPDATE lease SET beat = {far}"))
    store.beat()
    batch = batch_of(*entries((*OPENED, *votes(yes="FJI")), first_seq=far + 1))
    store.commit(GA, EPOCH, far, batch)
    assert store.read.position(GA) == (EPOCH, far + 3)
    assert store.read.events(GA, far, 1)[0].seq == far + 1


# ---- connections


def test_sqlite_loses_nothing_and_readers_do_not_wait(tmp_path: object) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000}
    engine.dispose()


def test_a_transaction_that_fails_is_rolled_back(engine: Engine) -> None:
    def insert(connection: Connection) -> None:
        connection.execute(text("INSERT INTO log VALUES ('ga', 'e', 1, '')"))

    with suppress(ZeroDivisionError), writing(engine) as connection:
        insert(connection)
        raise ZeroDivisionError
    assert ArchiveReader(engine).position(GA) is None
    with writing(engine) as connection:
        insert(connection)
    assert ArchiveReader(engine).position(GA) == ("e", 1)


def test_a_reader_sees_one_state_whatever_is_written_beside(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO log VALUES ('ga', 'e', 1, '')"))
    with reading(engine) as reader:
        seq = "SELECT seq FROM log"
        assert reader.scalar(text(seq)) == 1
        with writing(engine) as writer:
            writer.execute(text("UPDATE log SET seq = 2"))
        assert reader.scalar(text(seq)) == 1
    with reading(engine) as reader:
        assert reader.scalar(text(seq)) == 2


def test_a_writer_waits_for_the_other_and_sees_what_it_wrote(engine: Engine) -> None:
    """Read first and write later: without BEGIN IMMEDIATE, SQLite refuses that."""
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO log VALUES ('ga', 'e', 0, '')"))

    def increment(times: int) -> None:
        for _ in range(times):
            with writing(engine) as connection:
                lock = "" if engine.dialect.name == "sqlite" else " FOR UPDATE"
                seq = connection.scalar(text(f"SELECT seq FROM log{lock}"))
                connection.execute(text(f"UPDATE log SET seq = {seq} + 1"))

    threads = [threading.Thread(target=increment, args=(20,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ArchiveReader(engine).position(GA) == ("e", 80)


def test_a_database_that_is_not_there_is_an_error_of_its_own() -> None:
    engine = open_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OperationalError):
        ArchiveReader(engine).position(GA)


# ---- reading


def batch_of(*log: Entry, of: LogName = GA) -> Batch:
    before = log[0].seq - 1 if log else 0
    projector, batch = Projector(of, (), before), Batch()
    for entry in log:
        change = projector.absorb(entry)
        batch.add(change, [projector.tally(n, EPOCH) for n in change.touched])
    return batch


@pytest.fixture
def reader(engine: Engine) -> ArchiveReader:
    """An archive with a roll call of each kind, in this order."""
    store = Store(engine, "lease", "us")
    store.take_by_force()
    log: list[Entry] = []
    for name, history in (
        ("closed", closed(*OPENED, *votes(yes="FJI"))),
        ("annulled", (*OPENED, RollCallAnnulled())),
        ("open", (*OPENED, *votes(no="NOR"))),
        ("scheduled", SCHEDULED),
        ("held", (*OPENED, *votes(yes="FJI"), *votes(yes="FJI"))),
        ("late", closed(*OPENED)),
    ):
        log += entries(history, name, len(log) + 1)
    intention = IntentionRecorded("NOR", Vote.NO, None)
    log += entries([intention], "closed", len(log) + 1, 6)
    store.begin(GA, EPOCH)
    store.begin(SC, EPOCH)
    store.commit(GA, EPOCH, 0, batch_of(*log))
    return store.read


HEAD = 21


def test_a_log_that_was_never_archived_has_nothing(reader: ArchiveReader) -> None:
    nowhere = LogName("nowhere")
    assert reader.position(nowhere) is None
    assert reader.snapshot(nowhere, 10) is None
    assert reader.standing(nowhere) is None
    assert reader.tallies(nowhere, EVERYTHING, 10, None) == Page([], None)
    assert reader.tally(nowhere, "open") is None
    assert reader.events(nowhere, 0, 10) == []
    assert reader.events_of(nowhere, "open") == (0, [])


def test_a_log_without_events_is_at_0(reader: ArchiveReader) -> None:
    assert reader.position(SC) == Position(EPOCH, 0)
    assert reader.snapshot(SC, 10) == ((EPOCH, 0), [])
    assert reader.standing(SC) == ((EPOCH, 0), [], [])


def test_a_snapshot_has_what_runs_and_the_newest_of_what_ended(
    reader: ArchiveReader,
) -> None:
    found = reader.snapshot(GA, 2)
    assert found is not None
    position, tallies = found
    assert position == (EPOCH, HEAD)
    names = {tally.roll_call for tally in tallies}
    # Newest by its last event: the closed one got an intention.
    assert names == {"open", "scheduled", "held", "closed", "late"}
    assert {tally.epoch for tally in tallies} == {EPOCH}


def test_standing_names_all_and_has_what_goes_on_or_is_held(
    reader: ArchiveReader,
) -> None:
    found = reader.standing(GA)
    assert found is not None
    position, names, going = found
    assert position == (EPOCH, HEAD)
    assert set(names) == {"closed", "annulled", "open", "scheduled", "held", "late"}
    assert {t.roll_call: t.held is None for t in going} == {
        "open": True,
        "scheduled": True,
        "held": False,
    }


def test_pages_go_from_the_newest_scheduled_to_the_oldest(
    reader: ArchiveReader,
) -> None:
    seen, before = [], None
    while True:
        page = reader.tallies(GA, EVERYTHING, 2, before)
        seen += [tally.roll_call for tally in page.tallies]
        if page.next is None:
            break
        before = page.next
    assert seen == ["late", "held", "scheduled", "open", "annulled", "closed"]


def test_a_page_that_is_just_full_has_no_next(reader: ArchiveReader) -> None:
    assert reader.tallies(GA, Wanted("open"), 2, None).next is None
    assert reader.tallies(GA, Wanted("open"), 1, None).next is not None


def test_pages_may_be_of_one_phase(reader: ArchiveReader) -> None:
    def names(phase: str) -> list[str]:
        page = reader.tallies(GA, Wanted(phase), 10, None)
        return [tally.roll_call for tally in page.tallies]

    assert names("closed") == ["late", "closed"]
    assert names("open") == ["held", "open"]
    assert names("locked") == []


PAST = {
    "a-res-66-i": ("1946-12-11", "1", "Voting in the Security Council"),
    "a-res-41-31": ("1986-11-03", "41", "Judgment: the Court's, of 27 June"),
    "a-res-41-32": ("1986-11-03", "41", "Éléments of 100% certainty_"),
}


@pytest.fixture
def past(reader: ArchiveReader, engine: Engine) -> ArchiveReader:
    """The same, and roll calls of the past, recorded after all others."""
    log: list[Entry] = []
    for name, (day, session, title) in PAST.items():
        imported = Imported(day, session, "undl", "1", None)
        history = (scheduled(title=title, imported=imported), RollCallOpened())
        log += entries(closed(*history), name, HEAD + len(log) + 1)
    store = Store(engine, "again", "test")
    store.take_by_force()
    store.commit(GA, EPOCH, HEAD, batch_of(*log))
    return reader


def found(reader: ArchiveReader, wanted: Wanted) -> list[str]:
    return [tally.roll_call for tally in reader.tallies(GA, wanted, 9, None).tallies]


def test_the_list_is_in_order_of_the_days_of_the_votes(past: ArchiveReader) -> None:
    assert found(past, EVERYTHING)[-3:] == ["a-res-41-32", "a-res-41-31", "a-res-66-i"]
    assert found(past, EVERYTHING)[0] == "late"
    page = past.tallies(GA, Wanted("closed"), 3, None)
    assert page.next == Cursor("1986-11-03", page.next.seq if page.next else 0)
    assert Cursor.parse(str(page.next)) == page.next
    rest = past.tallies(GA, Wanted("closed"), 3, page.next)
    assert [tally.roll_call for tally in rest.tallies] == ["a-res-41-31", "a-res-66-i"]


def test_the_past_is_narrowed_by_year_and_session(past: ArchiveReader) -> None:
    assert found(past, Wanted(year=1986)) == ["a-res-41-32", "a-res-41-31"]
    assert found(past, Wanted(year=1946, session="1")) == ["a-res-66-i"]
    assert found(past, Wanted(year=1947)) == []
    assert found(past, Wanted(session="41", phase="open")) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("JUDGMENT", ["a-res-41-31"]),
        ("the court 1986", ["a-res-41-31"]),
        ("a/res/66", ["a-res-66-i"]),
        ("elements", ["a-res-41-32"]),
        ("%", ["a-res-41-32", "a-res-41-31", "a-res-66-i"]),
        ("c_rtainty", []),
        ("1986-11", ["a-res-41-32", "a-res-41-31"]),
        ("nobody has this", []),
    ],
)
def test_every_word_must_be_found_whatever_its_case_and_accents(
    past: ArchiveReader, text: str, names: list[str]
) -> None:
    within = [name for name in found(past, Wanted(text=text)) if name in PAST]
    assert within == names


def test_one_tally_comes_with_the_logs_epoch(reader: ArchiveReader) -> None:
    tally = reader.tally(GA, "held")
    assert tally is not None
    assert tally.epoch == EPOCH
    assert tally.held == Held(16, "FJI's vote contradicts what came before it")
    assert reader.tally(GA, "nobody") is None
    assert reader.tally(SC, "open") is None


def test_events_come_in_order_from_anywhere(reader: ArchiveReader) -> None:
    assert [e.seq for e in reader.events(GA, 0, 100)] == list(range(1, HEAD + 1))
    assert [e.seq for e in reader.events(GA, 7, 3)] == [8, 9, 10]
    assert reader.events(GA, HEAD, 3) == []


def test_the_events_of_one_roll_call_come_with_the_position(
    reader: ArchiveReader,
) -> None:
    position, found = reader.events_of(GA, "closed")
    assert (position, [entry.seq for entry in found]) == (HEAD, [1, 2, 3, 4, 5, HEAD])
    assert reader.events_of(GA, "nobody") == (HEAD, [])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{}", "{}"),
        ("d\u00e9j\u00e0 \U0001f5f3".encode(), "d\u00e9j\u00e0 \U0001f5f3"),
        (b"\xff", "\\xff"),
        (b"a\0b", "a\\x00b"),
    ],
)
def test_what_is_no_text_is_kept_readable(body: bytes, text: str) -> None:
    assert archived(body) == text
    assert archived(text.encode()) == text
