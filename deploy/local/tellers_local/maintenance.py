"""Commands that work on log and archive, whether `tellers up` runs or not."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from tellers_local.data_dir import DataDir
from tellers_local.embedded import running_redis
from tellers_local.failure import Failure
from tellers_local.system import archive_url, external_redis, prepare_archive
from tellers_local.terminal import say
from tellers_runtime.log import LogLost, RedisTooOld, check_version, connect
from tellers_runtime.tokens import Scope, TokenStore
from tellers_tally.rebuild import rebuild_all
from tellers_tally.restore import NotEmpty, NothingToRestore, restore_all
from tellers_tally.settings import TallySettings

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
    except (NotEmpty, NothingToRestore, LogLost, RedisTooOld) as error:
        raise Failure(str(error)) from error
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


def restore(data: DataDir) -> None:
    """Restore the log from the archive."""
    with stores(data) as found:
        done = run(restore_all(_settings(data, found)))
    for log, events, epoch in done:
        if events:
            say(f"{log}: {events} events restored under the new epoch {epoch}")


def _settings(data: DataDir, found: Stores) -> TallySettings:
    return TallySettings(
        redis_url=found.redis_url, database_url=found.database_url, data_dir=data.path
    )


def create_token(data: DataDir, name: str, scopes: list[Scope]) -> None:
    """Make a token and show it, this once."""
    clear = _with_tokens(data, lambda store: store.create(name, scopes))
    say(clear)


def list_tokens(data: DataDir) -> None:
    """List the tokens, without their secrets."""
    for token in _with_tokens(data, lambda store: store.list()):
        scopes = ",".join(token.scopes)
        say(f"{token.id}  {token.created}  {scopes:<15}  {token.name}")


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
