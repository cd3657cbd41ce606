"""Rebuilds the log in an empty Redis from the archive, under a new epoch.

The entries come back byte for byte. Until the very last write, which sets the epoch,
there is no log: ingest refuses, tally and gateway hold. So a restore that is cut off is
simply run again: it leaves alone what is restored already.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from tellers_core.codec import LogName, decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_runtime import keys
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.fields import ABSENT, changes
from tellers_runtime.log import Entry, LogReader, connect, new_epoch
from tellers_runtime.together import in_thread
from tellers_tally.lease import leading_by_force
from tellers_tally.settings import TallySettings
from tellers_tally.store import Store

PAGE = 1000


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
    """Restore the archived logs that are gone. Raises NotEmpty or NothingToRestore."""
    redis = connect(settings.redis_url, "tellers-restore")
    engine = open_engine(settings.archive_url)
    store = Store(engine, settings.lease_name, "restore")
    try:
        gone = await _gone(redis, store, settings.logs)
        async with leading_by_force(store, settings.lease_seconds):
            return [await _restore(redis, store, log) for log in gone]
    finally:
        await redis.aclose()
        engine.dispose()


async def _gone(
    redis: Redis, store: Store, logs: Sequence[LogName]
) -> Sequence[LogName]:
    """The archived logs that Redis lacks; it has some when a restore was cut off."""
    gone, there = [], []
    for log in logs:
        position = await in_thread(store.read.position, log)
        if position is None:
            continue
        if not await redis.exists(keys.meta(log), keys.events(log)):
            gone.append(log)
        elif await LogReader(redis, log).epoch() == position.epoch:
            there.append(log)
        else:
            raise NotEmpty(
                f"Redis has another log of {log}: restore needs an empty Redis"
            )
    if there and not gone:
        raise NotEmpty("Redis has the log: there is nothing to restore")
    if not gone:
        raise NothingToRestore("the archive is empty: there is nothing to restore")
    return gone


async def _restore(redis: Redis, store: Store, log: LogName) -> Restored:
    # Keys of a restore that was cut off, and tallies of the log that is gone.
    staging = f"{keys.events(log)}:restoring"
    await redis.delete(staging, keys.tallies(log))
    roll_calls: dict[str, dict[str, str]] = defaultdict(dict)
    seq = 0
    while page := await in_thread(store.read.events, log, seq, PAGE):
        pipe = redis.pipeline(transaction=False)
        for entry in page:
            pipe.xadd(staging, {"e": entry.body}, id=f"{entry.seq}-0")
            _remember(roll_calls, entry)
        await pipe.execute()
        seq = page[-1].seq
    for roll_call, fields in roll_calls.items():
        key = keys.roll_call(log.chamber, roll_call)
        pipe = redis.pipeline(transaction=True)
        pipe.delete(key)
        pipe.hset(key, items=[part for pair in fields.items() for part in pair])
        await pipe.execute()
    epoch = new_epoch()
    await in_thread(store.set_epoch, log, epoch)
    pipe = redis.pipeline(transaction=True)
    if seq:
        pipe.rename(staging, keys.events(log))
    pipe.hset(keys.meta(log), mapping={"seq": seq, "epoch": epoch})
    await pipe.execute()
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
