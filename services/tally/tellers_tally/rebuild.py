"""Empties the projections and rebuilds them from the log.

Takes the lease by force, so a running tally process stands by and goes on afterwards
from what was rebuilt. Readers see the old projections until the new ones are there:
one transaction swaps them.
"""

import time
from typing import NamedTuple

from tellers_core.codec import LogName
from tellers_core.tally import encode_tally
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.archive.reading import Position
from tellers_runtime.log import LogReader, TallyChannel, connect
from tellers_runtime.together import in_thread
from tellers_tally.lease import leading_by_force
from tellers_tally.projector import Projector
from tellers_tally.settings import TallySettings
from tellers_tally.store import Batch, Store
from tellers_tally.worker import check_same

READ_AT_ONCE = 1000


class Rebuilt(NamedTuple):
    """What was done: `seconds` from the first read to the commit; `changed` roll calls
    whose tally or votes are not, column for column, what they were."""

    log: LogName
    events: int
    seconds: float
    changed: int


async def rebuild_all(settings: TallySettings) -> list[Rebuilt]:
    """Rebuild every log of these settings. Raises LogLost."""
    redis = connect(settings.redis_url, "tellers-rebuild")
    engine = open_engine(settings.archive_url)
    store = Store(engine, settings.lease_name, "rebuild")
    done = []
    try:
        async with leading_by_force(store, settings.lease_seconds):
            for log in settings.logs:
                position = await in_thread(store.read.position, log)
                if position is not None:
                    reader, channel = LogReader(redis, log), TallyChannel(redis, log)
                    done.append(await rebuild(reader, channel, store, position))
        return done
    finally:
        await redis.aclose()
        engine.dispose()


async def rebuild(
    reader: LogReader, channel: TallyChannel, store: Store, position: Position
) -> Rebuilt:
    """Rebuild one log whose lease we hold."""
    started = time.monotonic()
    await check_same(reader, store, position)
    batch = await project(reader, position)
    if not batch.last_seq:
        return Rebuilt(reader.log, 0, time.monotonic() - started, 0)
    changed = await in_thread(
        store.replace, reader.log, position.epoch, position.seq, batch
    )
    seconds = time.monotonic() - started
    tallies = [tally for name, tally in batch.tallies.items() if name in changed]
    await channel.publish([encode_tally(tally) for tally in tallies], batch.last_seq)
    return Rebuilt(reader.log, batch.last_seq, seconds, len(changed))


async def project(reader: LogReader, position: Position) -> Batch:
    """The projections of a whole log, and its entries that are not archived yet."""
    projector = Projector(reader.log)
    batch = Batch()
    touched: dict[str, None] = {}
    while entries := await reader.range(batch.last_seq, READ_AT_ONCE):
        for entry in entries:
            change = projector.absorb(entry)
            batch.count(change)
            if entry.seq > position.seq:
                batch.keep(change)
            touched.update(dict.fromkeys(change.touched))
    for name in touched:
        batch.paint(projector.tally(name, position.epoch))
    return batch
