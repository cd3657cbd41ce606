"""The tree is that of the log whatever happens: crashes, rebuilds, restores, edits;
both databases."""

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from tellers_core.events import (
    RollCallOpened,
)
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate, writing
from tellers_runtime.archive.tables import CheckpointRow, LogRow, TreeNodeRow
from tellers_runtime.archive.trees import leaf_of
from tellers_runtime.log import LogLost
from tellers_tally import store as store_module
from tellers_tally.rebuild import rebuild_all
from tellers_tally.restore import restore_all
from tellers_tally.store import Store
from tests.scenario import EPOCH, closed, votes
from tests.services.forked import Forked
from tests.services.sealing import (
    CLOSED,
    VOTED,
    Desk,
    must_be_signed,
    must_be_the_tree_of,
    sealing,
    signing_desk,
    sizes,
)
from tests.services.tallying import (
    ASSEMBLY,
    GA,
    LEASE,
    VOTES,
    Archive,
    Logbook,
    leading,
    settings_for,
    stack_of_tallies,
    until,
)

# ---- rebuild


async def test_a_rebuild_leaves_the_tree_and_its_checkpoints_as_they_are(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log, leading(redis_url, database_url) as leader:
        with Archive(database_url) as archive:
            await log.append("a", *closed(ASSEMBLY, RollCallOpened(), *VOTES))
            seq = await log.append("b", ASSEMBLY, RollCallOpened(), *VOTES)
            await until(lambda: archive.seq() == seq, "the archive")
            async with sealing(leader, tmp_path, 10):
                await until(lambda: sizes(archive) == [seq], "a checkpoint")

            def tree() -> object:
                tables = (LogRow, TreeNodeRow, CheckpointRow)
                return [archive.rows(table) for table in tables]

            before = tree()
            must_be_the_tree_of(archive, await log.entries())
            settings = settings_for(redis_url, database_url)
            await rebuild_all(settings)
            assert tree() == before
            for tampering in (
                "DELETE FROM tree_node",
                "UPDATE tree_node SET hash = (SELECT frontier FROM log LIMIT 1)",
                "UPDATE log SET frontier = (SELECT hash FROM tree_node LIMIT 1)",
            ):
                await until(lambda: not leader.worker.trouble, "the lead")
                archive.tampered(tampering)
                assert tree() != before
                await rebuild_all(settings)
                assert tree() == before


@pytest.mark.parametrize("edited", [3, 200, 389])
async def test_a_log_that_was_edited_is_not_rebuilt_from(
    redis_url: str, database_url: str, tmp_path: Path, edited: int
) -> None:
    """Somebody edits one past vote in Redis: the checkpoints know better."""
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url) as leader:
                await log.append("a", ASSEMBLY, RollCallOpened(), *VOTES)
                seq = await log.append("b", ASSEMBLY, RollCallOpened(), *VOTES)
                await until(lambda: archive.seq() == seq, "the archive")
                async with sealing(leader, tmp_path, 10):
                    await until(lambda: sizes(archive) == [seq], "a checkpoint")
            before = archive.everything()
            whole = await log.entries()
            await log.redis.delete(keys.events(GA))
            for entry in whole:
                body = turned(entry.body) if entry.seq == edited else entry.body
                place = f"{entry.seq}-0"
                await log.redis.xadd(keys.events(GA), {"e": body}, id=place)
            with pytest.raises(LogLost, match=f"was signed at {seq}"):
                await rebuild_all(settings_for(redis_url, database_url))
            assert archive.everything() == before


def turned(body: bytes) -> bytes:
    """The vote event with another vote in it."""
    other = body.replace(b'"vote":"yes"', b'"vote":"no"')
    if other == body:
        other = re.sub(b'"vote":"(no|abstain)"', b'"vote":"yes"', body)
    assert other != body
    return other


async def test_a_tree_that_does_not_fit_stops_the_archive_until_a_rebuild(
    redis_url: str, database_url: str
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log, leading(redis_url, database_url) as leader:
        with Archive(database_url) as archive:
            seq = await log.append("r1", *VOTED)
            await until(lambda: archive.seq() == seq, "the archive")
            archive.tampered("UPDATE log SET frontier = ''")
            last = await log.append("r1", *votes(no="PER"))
            reason = f"the tree of ga in the archive is not one of {seq}"
            await until(lambda: leader.worker.trouble == reason, reason)
            assert archive.seq() == seq
            await rebuild_all(settings_for(redis_url, database_url))
            await until(lambda: archive.seq() == last, "the archive")
            await until(lambda: not leader.worker.trouble, "the lead")
            must_be_the_tree_of(archive, await log.entries())


# ---- restore


async def test_a_restored_log_goes_on_in_the_same_tree(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    settings = settings_for(redis_url, database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url) as leader:
                seq = await log.append("r1", *CLOSED)
                await until(lambda: archive.seq() == seq, "the archive")
                async with sealing(leader, tmp_path, 10):
                    await until(lambda: sizes(archive) == [seq], "a checkpoint")
            before = [archive.rows(table) for table in (TreeNodeRow, CheckpointRow)]
            old_epoch = archive.rows(LogRow)[0]["epoch"]
            await log.redis.flushall()
            (done,) = await restore_all(settings)
            after = [archive.rows(table) for table in (TreeNodeRow, CheckpointRow)]
            assert after == before
            must_be_the_tree_of(archive, await log.entries())
            async with leading(redis_url, database_url) as leader:
                last = await log.append("r2", *CLOSED)
                await until(lambda: archive.seq() == last, "the archive")
                async with sealing(leader, tmp_path, 10) as store:
                    await until(lambda: sizes(archive) == [seq, last], "the second")
                    whole = await log.entries()
                    old = must_be_signed(store, whole, seq)
                    new = must_be_signed(store, whole, last)
                    assert old.extensions.epoch == old_epoch
                    assert new.extensions.epoch == done.epoch != old_epoch
                    assert store.proofs.consistency(GA, old, new)
            must_be_the_tree_of(archive, await log.entries())


# ---- killed


async def test_killed_anywhere_the_tree_is_that_of_the_log(
    tmp_path: Path, database_url: str
) -> None:
    """The process is killed again and again while votes come; every roll call that was
    closed has its checkpoint, and each checkpoint is of the log as it was."""
    chance = random.Random(7)
    stack = stack_of_tallies(tmp_path, database_url)
    tally = Forked(stack.tally, "tally.log")
    try:
        async with Logbook(stack.redis.url) as log:
            with Archive(database_url) as archive:
                tally.start()
                await until(tally.ready, "the tally service")
                closings = []
                for number in range(6):
                    name = f"r{number}"
                    history = closed(ASSEMBLY, RollCallOpened(), *VOTES)
                    cut = chance.randrange(len(history))
                    await log.append(name, *history[:cut])
                    for _ in range(chance.randrange(40)):
                        await asyncio.sleep(0)
                    tally.kill()
                    closings.append(await log.append(name, *history[cut:]))
                    tally.start()
                    await until(tally.ready, "the tally service")
                await until(lambda: archive.seq() == closings[-1], "the archive")
                whole = await log.entries()
                must_be_the_tree_of(archive, whole)
                archive.must_equal_a_recount(whole)
                store = Store(archive.engine, LEASE, "reader")
                signed = sizes(archive)
                for size in signed:
                    must_be_signed(store, whole, size)
                for closing in closings:
                    first = store.proofs.first(GA, closing)
                    assert first is not None
                    leaf = {closing - 1: leaf_of(GA, *whole[closing - 1])}
                    assert store.proofs.inclusion(GA, first, leaf)
        assert "Traceback" not in tally.log.read_text()
    finally:
        tally.stop()
        stack.redis.stop()


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    yield from signing_desk(database_url, tmp_path)


class PowerCut(Exception):
    """The process is gone."""


def test_cut_off_within_a_commit_nothing_of_it_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.commit(*VOTED)
    batch = desk.batch(*CLOSED[len(VOTED) :], version=len(VOTED) + 1)
    for step in ("_move", "keep", "_write"):
        original = getattr(store_module, step)

        def cut(*args: object, original: Callable[..., None] = original) -> None:
            original(*args)
            raise PowerCut

        with monkeypatch.context() as patched:
            patched.setattr(store_module, step, cut)
            with pytest.raises(PowerCut):
                desk.store.commit(GA, EPOCH, len(VOTED), batch)
        must_be_the_tree_of(desk.archive, desk.log[: len(VOTED)])
        assert sizes(desk.archive) == []
    desk.store.commit(GA, EPOCH, len(VOTED), batch)
    must_be_the_tree_of(desk.archive, desk.log)
    must_be_signed(desk.store, desk.log, len(CLOSED))


def test_the_control_a_tree_that_is_written_apart_is_wrong_after_a_crash(
    desk: Desk,
) -> None:
    """Why it is one transaction: with two, a crash between them leaves a tree that is
    not that of the events, and the recount above says so."""
    desk.commit(*VOTED)
    tree = desk.archive.rows(LogRow)[0]["frontier"]
    desk.commit(*CLOSED[len(VOTED) :], version=len(VOTED) + 1)
    with writing(desk.archive.engine) as connection:
        put_back = update(LogRow).values(frontier=tree)
        connection.execute(put_back)
    with pytest.raises(AssertionError):
        must_be_the_tree_of(desk.archive, desk.log)
