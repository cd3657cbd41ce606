"""Words for the tests of backups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tellers_runtime.archive.engine import migrate
from tellers_tally.backup import back_up
from tellers_tally.restore import (
    FromFile,
    restore_from,
)
from tests.services.tallying import (
    Archive,
    Logbook,
    leading,
    settings_for,
    silent,
    until,
)
from tests.services.test_rebuild import history


async def take(redis_url: str, database_url: str, path: Path) -> Path:
    """Back up what is there to that file."""
    await back_up(settings_for(redis_url, database_url), path, silent)
    return path


def backups_in(folder: Path) -> list[str]:
    """Whole ones or not."""
    return [path.name for path in folder.iterdir() if "backup" in path.name]


async def bring_back(path: Path, redis_url: str, database_url: str) -> FromFile:
    """Restore what is in that file."""
    with path.open("rb") as file:
        return await restore_from(file, settings_for(redis_url, database_url), silent)


@asynccontextmanager
async def archived_log(
    redis_url: str, database_url: str
) -> AsyncIterator[tuple[Logbook, Archive]]:
    """A log of every kind of roll call, all of it archived, and nobody at work."""
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                last = await history(log)
                await until(lambda: archive.seq() == last, "the archive")
            yield log, archive
