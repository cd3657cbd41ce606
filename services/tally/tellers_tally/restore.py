"""Rebuilds the log in an empty Redis from the archive, under a new epoch.

The entries come back byte for byte. Until the very last write, which sets the epoch,
there is no log: ingest refuses, tally and gateway hold. So a restore that is cut off is
simply run again.
"""

import asyncio
from collections import defaultdict
from typing import NamedTuple

from redis.asyncio import Redis

from tellers_core.codec import LogName, decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_runtime import keys
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.fields import ABSENT, changes
from tellers_runtime.log import Entry, connect, new_epoch
from tellers_tally.settings import TallySettings
from tellers_tally.store import Store


class NotEmpty(Exception):
    """Redis has a log: nothing is restored over it."""


class NothingToRestore(Exception):
    """The archive has no log."""


class Restored(NamedTuple):
    """What was done: `events` entries of this log, now under `epoch`."""

    log: LogName
    events: int
    epoch: str


async def restore_all(settings: TallySettings) -> list[Restored]:
    """Restore every archived log. Raises NotEmpty or NothingToRestore."""
    redis = connect(settings.redis_url, "tellers-restore")
    engine = open_engine(settings.archive_url)
    store = Store(engine, settings.lease_name, "restore")
    try:
        archived = [log for log in settings.logs if store.read.position(log)]
        await _check(redis, archived)
        await asyncio.to_thread(store.take_by_force)
        return [await _restore(redis, store, log) for log in archived]
    finally:
        await asyncio.to_thread(store.release)
        await redis.aclose()
        engine.dispose()


async def _check(redis: Redis, archived: list[LogName]) -> None:
    if not archived:
        raise NothingToRestore("the archive is empty: there is nothing to restore")
    for log in archived:
        if await redis.exists(keys.meta(log), keys.events(log)):
            raise NotEmpty(f"Redis has a log of {log}: restore needs an empty Redis")


async def _restore(redis: Redis, store: Store, log: LogName) -> Restored:
    # Keys of a restore that was cut off, and tallies of the log that is gone.
    staging = f"{keys.events(log)}:restoring"
    await redis.delete(staging, keys.tallies(log))
    roll_calls: dict[str, dict[str, str]] = defaultdict(dict)
    seq = 0
    for page in await asyncio.to_thread(lambda: list(store.read.all_events(log))):
        pipe = redis.pipeline(transaction=False)
        for entry in page:
            pipe.xadd(staging, {"e": entry.body}, id=f"{entry.seq}-0")
            _remember(roll_calls, entry)
        await pipe.execute()
        seq = page[-1].seq
    for roll_call, fields in roll_calls.items():
        await redis.hset(
            keys.roll_call(log.chamber, roll_call),
            items=[part for pair in fields.items() for part in pair],
        )
    epoch = new_epoch()
    await asyncio.to_thread(store.set_epoch, log, epoch)
    if seq:
        await redis.rename(staging, keys.events(log))
    await redis.hset(keys.meta(log), mapping={"seq": seq, "epoch": epoch})
    return Restored(log, seq, epoch)


def _remember(roll_calls: dict[str, dict[str, str]], entry: Entry) -> None:
    """The fields that ingest decides on, as after this entry."""
    try:
        recorded = decode(entry.body)
    except CorruptHistory:
        # Nobody understands it; ingest, like the tally, goes on from what came before.
        # Its place in the roll call's versions must still be counted.
        name = roll_call_of(entry.body)
        if name is not None and name in roll_calls:
            fields = roll_calls[name]
            fields["version"] = str(int(fields["version"]) + 1)
            fields["seq"] = str(entry.seq)
        return
    fields = roll_calls[recorded.roll_call]
    for name, value in changes(recorded.event).items():
        if value == ABSENT:
            fields.pop(name, None)
        else:
            fields[name] = value
    fields["version"], fields["seq"] = str(recorded.version), str(entry.seq)
