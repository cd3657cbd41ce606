"""The tally service signs checkpoints: in the transaction of a closing, and from time
to time while the log grows; both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tellers_core.codec import LogName
from tellers_core.events import (
    IntentionRecorded,
    Vote,
    VoteChanged,
)
from tellers_core.merkle import Frontier
from tellers_runtime.archive.engine import migrate
from tellers_runtime.archive.tables import CheckpointRow, LogRow
from tellers_runtime.archive.trees import TreeBroken
from tellers_runtime.signing import load_key
from tellers_tally.sealing import Sealer, seal_while_leading
from tellers_tally.store import LeaseLost, Store
from tellers_tally.sums import Inconsistent
from tests.scenario import EPOCH
from tests.services.sealing import (
    CLOSED,
    SC,
    VOTED,
    Desk,
    must_be_signed,
    must_be_the_tree_of,
    sealing,
    signing_desk,
    sizes,
)
from tests.services.tallying import (
    GA,
    LEASE,
    Archive,
    Logbook,
    leading,
    until,
)


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    yield from signing_desk(database_url, tmp_path)


def test_a_closing_is_signed_with_the_events_of_its_batch(desk: Desk) -> None:
    desk.commit(*VOTED)
    assert sizes(desk.archive) == []
    desk.commit(*CLOSED[len(VOTED) :], version=len(VOTED) + 1)
    assert sizes(desk.archive) == [len(CLOSED)]
    must_be_signed(desk.store, desk.log, len(CLOSED))
    must_be_the_tree_of(desk.archive, desk.log)


def test_what_comes_after_the_closing_is_not_signed_at_once(desk: Desk) -> None:
    desk.commit(*CLOSED)
    late = IntentionRecorded(
        "NOR", Vote.YES, '","type":"org.tellers.roll_call.closed.v1'
    )
    desk.commit(late, version=len(CLOSED) + 1)
    assert sizes(desk.archive) == [len(CLOSED)]


def test_what_is_not_written_is_not_signed_and_grows_no_tree(desk: Desk) -> None:
    desk.commit(*VOTED)
    desk.archive.tampered("DELETE FROM vote WHERE delegation = 'FJI'")
    before = desk.archive.rows(LogRow)
    batch = desk.batch(*CLOSED[len(VOTED) :], version=len(VOTED) + 1)
    with pytest.raises(Inconsistent):
        desk.store.commit(GA, EPOCH, len(VOTED), batch)
    rival = Store(desk.archive.engine, LEASE, "rival")
    rival.take_by_force()
    with pytest.raises(LeaseLost):
        desk.store.commit(GA, EPOCH, len(VOTED), batch)
    with pytest.raises(LeaseLost):
        desk.store.seal(GA)
    assert desk.archive.rows(LogRow) == before
    assert sizes(desk.archive) == []


def test_a_log_is_signed_when_it_has_grown_and_only_then(desk: Desk) -> None:
    desk.store.seal(GA)
    desk.store.seal(SC)
    assert sizes(desk.archive) == []
    desk.commit(*VOTED)
    desk.store.seal(GA)
    first = desk.archive.rows(CheckpointRow)
    desk.store.seal(GA)
    assert desk.archive.rows(CheckpointRow) == first
    assert sizes(desk.archive) == [len(VOTED)]
    must_be_signed(desk.store, desk.log, len(VOTED))


def test_who_has_no_key_signs_nothing(desk: Desk) -> None:
    keyless = Store(desk.archive.engine, LEASE, "us")
    keyless.take_by_force()
    keyless.commit(GA, EPOCH, 0, desk.batch(*CLOSED))
    keyless.seal(GA)
    assert sizes(desk.archive) == []
    must_be_the_tree_of(desk.archive, desk.log)


def test_a_made_up_key_says_so_in_every_checkpoint(desk: Desk, tmp_path: Path) -> None:
    desk.commit(*CLOSED)
    signed = must_be_signed(desk.store, desk.log, len(CLOSED))
    assert signed.extensions == (EPOCH, True)
    assert signed.seal.key.made_up
    given = load_key(str(tmp_path / "signing-key.pem"), tmp_path)
    row = Sealer(given, "tellers.example").seal(GA, EPOCH, Frontier())
    assert row.note.splitlines()[3:5] == [f"epoch {EPOCH}", ""]
    assert row.note.startswith("tellers.example/ga\n0\n")


# ---- a leader


async def test_while_the_log_grows_it_is_signed_again_and_again(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log, leading(redis_url, database_url) as leader:
        with Archive(database_url) as archive:
            seq = await log.append("r1", *VOTED)
            await until(lambda: archive.seq() == seq, "the archive")
            async with sealing(leader, tmp_path, 0.02) as store:
                await until(lambda: sizes(archive) == [seq], "a checkpoint at once")
                vote, other = Vote.NO, Vote.YES
                for _ in range(3):
                    seq = await log.append("r1", VoteChanged("FJI", vote, other))
                    vote, other = other, vote
                    await until(lambda: seq in sizes(archive), "the next")  # noqa: B023
                signed = sizes(archive)
                for size in signed:
                    must_be_signed(store, await log.entries(), size)
                # It does not grow: nothing more is signed.
                beat = archive.lease()["beat"]
                await until(lambda: archive.lease()["beat"] > beat + 3, "some time")
                assert sizes(archive) == signed


async def test_an_archive_that_is_away_is_said_and_waited_for(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_url = f"sqlite:///{tmp_path}/a.db"
    migrate(database_url)
    async with Logbook(redis_url) as log, leading(redis_url, database_url) as leader:
        with Archive(database_url) as archive, capture_logs() as logs:
            seq = await log.append("r1", *VOTED)
            await until(lambda: archive.seq() == seq, "the archive")
            seal = Store.seal
            away = [TreeBroken("edited"), OperationalError("", {}, Exception("away"))]

            def failing(store: Store, name: LogName) -> None:
                if away:
                    raise away.pop()
                seal(store, name)

            monkeypatch.setattr(Store, "seal", failing)
            async with sealing(leader, tmp_path, 0.02):
                await until(lambda: sizes(archive) == [seq], "a checkpoint")
            said = {line["event"] for line in logs}
            assert said >= {"checkpoint.late", "checkpoint.refused"}


async def test_the_lease_table_is_where_signing_stops(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    """Whoever lost the lease signs nothing, whatever is in the archive."""
    migrate(database_url)
    async with Logbook(redis_url) as log, leading(redis_url, database_url) as leader:
        with Archive(database_url) as archive:
            seq = await log.append("r1", *VOTED)
            await until(lambda: archive.seq() == seq, "the archive")
            sealer = Sealer(load_key("", tmp_path), "tellers.local")
            store = Store(archive.engine, LEASE, "zombie", sealer.seal)
            store.fence = leader.store.fence - 1
            with pytest.raises(LeaseLost):
                await seal_while_leading(store, [GA], 0.01)
            with archive.engine.connect() as connection:
                rows = connection.execute(text("SELECT count(*) FROM checkpoint"))
                assert rows.scalar() == 0
