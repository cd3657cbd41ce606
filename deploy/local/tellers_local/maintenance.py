"""Commands that work on log and archive, whether `tellers up` runs or not."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from tellers_local.data_dir import DataDir
from tellers_local.embedded import running_redis
from tellers_local.failure import Failure
from tellers_local.system import archive_url, external_redis, prepare_archive
from tellers_local.terminal import progress_bar, say
from tellers_runtime.cluster import ClusterUrl
from tellers_runtime.log import LogLost, RedisTooOld, check_version, connect
from tellers_runtime.tokens import Audience, Scope, TokenStore
from tellers_tally.backup import NoLog, back_up
from tellers_tally.backup_file import CannotWrite, Damaged, reason
from tellers_tally.rebuild import rebuild_all
from tellers_tally.restore import (
    Differs,
    NotEmpty,
    NothingToRestore,
    Restored,
    restore_all,
    restore_from,
)
from tellers_tally.settings import TallySettings
from tellers_tally.staging import Disturbed
from tellers_tally.store import LeaseLost

T = TypeVar("T")


class Stores(NamedTuple):
    """Where log and archive are reached."""

    redis_url: str
    database_url: str


@contextmanager
def stores(data: DataDir) -> Iterator[Stores]:
    """Log and archive of a data folder: those of the system that runs on it, or the
    embedded Redis started for this command. Raises Failure."""
    external = external_redis(data)
    running = data.running()
    if running is not None:
        yield Stores(external or running.redis_url, running.database_url)
        return
    data.prepare()
    with data.locked():
        database_url = archive_url(data)
        prepare_archive(database_url)
        if external is not None:
            yield Stores(external, database_url)
        else:
            with running_redis(data) as redis_url:
                yield Stores(redis_url, database_url)


def run(work: Coroutine[None, None, T]) -> T:
    """Run it to its end. Raises Failure when log or archive cannot be used."""
    try:
        return asyncio.run(work)
    except (
        NotEmpty,
        NothingToRestore,
        Differs,
        Disturbed,
        NoLog,
        LogLost,
        RedisTooOld,
    ) as error:
        raise Failure(str(error)) from error
    except LeaseLost as error:
        raise Failure(
            "another command took over meanwhile: nothing was done"
        ) from error
    except (RedisError, OSError) as error:
        raise Failure(f"Redis cannot be used: {error}") from error
    except SQLAlchemyError as error:
        raise Failure(f"the archive cannot be used: {error}") from error


def rebuild(data: DataDir) -> None:
    """Rebuild the projections from the log."""
    with stores(data) as found:
        rebuilt = run(rebuild_all(_settings(data, found)))
    done = [one for one in rebuilt if one.events]
    for log, events, seconds, changed in done:
        rate = events / seconds if seconds else 0.0
        say(
            f"{log}: {events} events in {seconds:.2f} s, {rate:.0f} events/s, "
            f"{changed} tallies changed"
        )
    if not done:
        say("nothing is recorded: there is nothing to rebuild")


def backup(data: DataDir, path: Path) -> None:
    """Write a backup to a new file."""
    try:
        with stores(data) as found, progress_bar("backup") as progress:
            _need_one_redis(found, "backup")
            done = run(back_up(_settings(data, found), path, progress))
    except CannotWrite as error:
        raise Failure(f"the backup {path} cannot be written: {error}") from error
    for log, _, events in done.heads:
        if events:
            say(f"{log}: {events} events")
    say(
        f"{path}: {done.events} events, {done.tokens} tokens, {done.answers} answers, "
        f"{done.bytes} bytes in {done.seconds:.2f} s"
    )


def restore(data: DataDir) -> None:
    """Restore the log from the archive."""
    with stores(data) as found:
        _need_one_redis(found, "restore")
        done = run(restore_all(_settings(data, found)))
    _say_restored(done)


def restore_backup(data: DataDir, path: Path) -> None:
    """Restore what is in a backup."""
    try:
        with (
            _opened(path) as file,
            stores(data) as found,
            progress_bar("restore") as progress,
        ):
            _need_one_redis(found, "restore")
            done = run(restore_from(file, _settings(data, found), progress))
    except Damaged as error:
        raise Failure(f"{path} is not restored: {error}") from error
    _say_restored(done.logs)
    say(f"{done.tokens} tokens and {done.answers} answers came back with them")


def _need_one_redis(found: Stores, command: str) -> None:
    """Its last step is one transaction over all chambers (ADR 35). Raises Failure."""
    if ClusterUrl.parse(found.redis_url) is not None:
        raise Failure(
            f"tellers {command} works on one Redis, not on a cluster: there the "
            "archive's own backup is the copy, and restoring is done into one Redis"
        )


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise Failure(f"the backup {path} cannot be read: {reason(error)}") from error


def _say_restored(done: Sequence[Restored]) -> None:
    for log, events, epoch in done:
        if events:
            say(f"{log}: {events} events restored under the new epoch {epoch}")


def _settings(data: DataDir, found: Stores) -> TallySettings:
    return TallySettings(
        redis_url=found.redis_url, database_url=found.database_url, data_dir=data.path
    )


def lifetime(text: str) -> timedelta:
    """How long `30d`, `12h` or `90m` is. Raises Failure."""
    match = re.fullmatch(r"([1-9]\d{0,4})([dhm])", text, re.ASCII)
    if match is None:
        raise Failure(f"{text!r} is no time: write 30d, 12h or 90m")
    unit = {"d": "days", "h": "hours", "m": "minutes"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def create_token(
    data: DataDir,
    name: str,
    scopes: list[Scope],
    lifetime: timedelta | None = None,
    audience: Audience | None = None,
) -> None:
    """Make a token and show it, this once. Raises Failure."""
    if audience is not None and Scope.WEBHOOKS in scopes:
        raise Failure(
            "--audience is for record, preside and admin: a token of scope webhooks "
            "manages all endpoints, and each endpoint says whether it wants rehearsals"
        )
    clear = _with_tokens(
        data, lambda store: store.create(name, scopes, lifetime, audience)
    )
    say(clear)


def list_tokens(data: DataDir) -> None:
    """List the tokens, without their secrets."""
    for token in _with_tokens(data, lambda store: store.list()):
        scopes = ",".join(token.scopes)
        only = f"  {token.audience} only" if token.audience else ""
        until = f"  until {token.expires}" if token.expires else ""
        say(f"{token.id}  {token.created}  {scopes:<15}  {token.name}{only}{until}")


def revoke_token(data: DataDir, token_id: str) -> None:
    """Make a token worthless. Raises Failure when there is none of that id."""
    if not _with_tokens(data, lambda store: store.revoke(token_id)):
        raise Failure(f"no token {token_id}: `tellers token list` shows them")
    say(f"token {token_id} is revoked")


def _with_tokens(
    data: DataDir, work: Callable[[TokenStore], Coroutine[None, None, T]]
) -> T:
    async def use(url: str) -> T:
        redis: Redis = connect(url, "tellers-token")
        try:
            await check_version(redis)
            return await work(TokenStore(redis))
        finally:
            await redis.aclose()

    with stores(data) as found:
        return run(use(found.redis_url))
