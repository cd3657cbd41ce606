"""Backups that are not taken, and not restored."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tellers_core.codec import LogName
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_runtime.log import LogLost
from tellers_tally import backup
from tellers_tally.backup import Head, NoLog
from tellers_tally.backup_file import (
    CannotWrite,
    Damaged,
    Writer,
)
from tellers_tally.restore import (
    Differs,
    NotEmpty,
    restore_all,
)
from tests.scenario import AT, OPENED
from tests.services.backing import archived_log, backups_in, bring_back, take
from tests.services.tallying import (
    GA,
    Logbook,
    leading,
    settings_for,
    until,
)


async def test_nothing_is_written_when_the_file_is_damaged(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with archived_log(redis_url, database_url) as (log, archive):
        path = await take(redis_url, database_url, tmp_path / "backup")
        whole, before = path.read_bytes(), archive.everything()
        await log.redis.flushall()
        for place in range(0, len(whole), len(whole) // 40):
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(changed)
            with pytest.raises(Damaged):
                await bring_back(path, redis_url, database_url)
        path.write_bytes(whole[: -len(whole) // 2])
        with pytest.raises(Damaged, match="cut off"):
            await bring_back(path, redis_url, database_url)
        assert await log.redis.dbsize() == 0
        assert archive.everything() == before
        path.write_bytes(whole)
        await bring_back(path, redis_url, database_url)


async def test_nothing_is_restored_over_events(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with archived_log(redis_url, database_url) as (log, archive):
        path = await take(redis_url, database_url, tmp_path / "backup")
        before, stream = archive.everything(), await log.raw()
        with pytest.raises(NotEmpty, match="Redis has events of ga"):
            await bring_back(path, redis_url, database_url)
        await log.redis.delete(keys.meta(GA))
        with pytest.raises(NotEmpty, match="Redis has events of ga"):
            await bring_back(path, redis_url, database_url)
        assert (archive.everything(), await log.raw()) == (before, stream)
        await log.redis.flushall()
        async with Logbook(redis_url, LogName("c9")) as other:
            await other.reader.create()
            await other.append("r1", *OPENED)
        with pytest.raises(NotEmpty, match="Redis has events of c9"):
            await bring_back(path, redis_url, database_url)


async def test_an_archive_that_is_not_the_beginning_is_refused(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with archived_log(redis_url, database_url) as (log, archive):
        older = await take(redis_url, database_url, tmp_path / "older")
        async with leading(redis_url, database_url):
            last = await log.append("r2", *OPENED)
            await until(lambda: archive.seq() == last, "the archive")
        path = await take(redis_url, database_url, tmp_path / "backup")
        await log.redis.flushall()
        before = archive.everything()
        with pytest.raises(
            Differs, match=f"the archive has {last} events of ga, the backup only"
        ):
            await bring_back(older, redis_url, database_url)
        empty = tmp_path / "empty"
        with empty.open("wb") as file:
            Writer(file, AT).end()
        with pytest.raises(Differs, match="the backup has no such log"):
            await bring_back(empty, redis_url, database_url)
        assert archive.everything() == before
        archive.tampered(
            "UPDATE event SET body = replace(body, 'sequence', 'Sequence') "
            "WHERE seq = 150"
        )
        with pytest.raises(Differs, match="event 150 of ga in the archive is not"):
            await bring_back(path, redis_url, database_url)
        assert await log.redis.dbsize() == 0


async def test_a_log_that_should_not_be_kept_is_not_backed_up(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    migrate(database_url)
    path = tmp_path / "backup"
    with pytest.raises(NoLog, match="nothing to back up"):
        await take(redis_url, database_url, path)
    async with archived_log(redis_url, database_url) as (log, _):
        saved = await log.saved()
        # Redis came back older than it was: the archive knows more.
        await log.redis.xtrim(keys.events(GA), maxlen=100, approximate=False)
        with pytest.raises(LogLost, match="ga: entry 1 is missing"):
            await take(redis_url, database_url, path)
        await log.put_back(saved)
        await log.redis.xdel(keys.events(GA), "77-0")
        with pytest.raises(LogLost, match="ga: entry 77 is missing"):
            await take(redis_url, database_url, path)
        await log.put_back(saved)
        await log.redis.hset(keys.meta(GA), "seq", "100")
        with pytest.raises(LogLost, match="ga: the log ends at 100, the archive at"):
            await take(redis_url, database_url, path)
        await log.redis.flushall()
        with pytest.raises(LogLost, match="ga: the log is gone"):
            await take(redis_url, database_url, path)
    assert backups_in(tmp_path) == []


async def test_a_log_that_is_restored_meanwhile_is_not_backed_up(
    redis_url: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with archived_log(redis_url, database_url) as (log, _):
        original = backup._heads

        async def restored_then(redis: Redis, logs: Any) -> list[Head]:
            heads = await original(redis, logs)
            await log.redis.flushall()
            await restore_all(settings_for(redis_url, database_url))
            return heads

        monkeypatch.setattr(backup, "_heads", restored_then)
        with pytest.raises(LogLost, match="ga: the log was replaced meanwhile"):
            await take(redis_url, database_url, tmp_path / "backup")
        assert backups_in(tmp_path) == []


async def test_a_file_that_cannot_be_written_leaves_nothing_behind(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with archived_log(redis_url, database_url):
        for place, words in (
            (tmp_path / "missing" / "backup", "no such file or directory"),
            (Path("/proc/backup"), "no such file or directory|permission denied"),
            (tmp_path, "it exists already"),
        ):
            with pytest.raises(CannotWrite, match=words):
                await take(redis_url, database_url, place)
        folder = tmp_path / "folder"
        folder.mkdir()
        for kib in (0, 1, 40):
            with (
                files_of_at_most(kib * 1024),
                pytest.raises(CannotWrite, match="file too large"),
            ):
                await take(redis_url, database_url, folder / "backup")
            assert list(folder.iterdir()) == []
        first = await take(redis_url, database_url, folder / "backup")
        before = first.read_bytes()
        with pytest.raises(CannotWrite, match="never written over"):
            await take(redis_url, database_url, first)
        assert list(folder.iterdir()) == [first]
        assert first.read_bytes() == before


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk, for this process: a file that grows further is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
