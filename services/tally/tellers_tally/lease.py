"""Who leads: one process, by a lease in SQL that a standby takes over.

No clock is compared between machines: a standby takes over when it has watched the
holder's beat stand still for the length of the lease, on its own clock.
"""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DBAPIError

from tellers_tally import metrics
from tellers_tally.store import LeaseLost, Seen, Store
from tellers_tally.worker import Worker

BEATS_PER_LEASE = 4
logger = structlog.get_logger()


async def lead_when_ours(
    store: Store, workers: Sequence[Worker], lease_seconds: float
) -> None:
    """Stand by, lead while the lease is ours, stand by again: for ever."""
    try:
        while True:
            await _stand_by(store, lease_seconds)
            logger.info("lease.taken", fence=store.fence)
            metrics.LEADING.set(1)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_beat(store, lease_seconds / BEATS_PER_LEASE))
                    for worker in workers:
                        group.create_task(worker.lead())
            except* LeaseLost:
                logger.warning("lease.lost", fence=store.fence)
            finally:
                metrics.LEADING.set(0)
                for worker in workers:
                    worker.trouble = STANDING_BY
    finally:
        if store.fence:
            await asyncio.shield(asyncio.to_thread(store.release))


STANDING_BY = "standing by"


async def _stand_by(store: Store, lease_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    last: Seen | None = None
    since = loop.time()
    while True:
        try:
            seen = await asyncio.to_thread(store.seen)
            if seen != last:
                last, since = seen, loop.time()
            quiet = loop.time() - since >= lease_seconds
            if not seen.holder or quiet:
                if await asyncio.to_thread(store.take, seen):
                    return
                last = None
        except DBAPIError as error:
            logger.error("archive.unreachable", why=str(error.orig))
            last = None
        await asyncio.sleep(lease_seconds / BEATS_PER_LEASE)


async def _beat(store: Store, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(store.beat)
        except DBAPIError as error:
            # The archive is away for everybody; the fence decides when it is back.
            logger.error("archive.unreachable", why=str(error.orig))
