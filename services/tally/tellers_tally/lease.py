"""Who leads: one process, by a lease in SQL that a standby takes over.

No clock is compared between machines: a standby takes over when it has watched the
holder's beat stand still for the length of the lease, on its own clock.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from sqlalchemy.exc import DBAPIError

from tellers_runtime.server import Background
from tellers_runtime.together import in_thread, together
from tellers_tally import metrics
from tellers_tally.store import LeaseLost, Seen, Store
from tellers_tally.worker import Worker

BEATS_PER_LEASE = 4
STANDING_BY = "standing by"
logger = structlog.get_logger()


async def lead_when_ours(
    store: Store,
    workers: Sequence[Worker],
    lease_seconds: float,
    beside: Sequence[Background] = (),
) -> None:
    """Stand by, lead while the lease is ours, stand by again: for ever.

    `beside` is what else a leader does; it raises LeaseLost when it is none.
    """
    try:
        while True:
            await _stand_by(store, workers, lease_seconds)
            logger.info("lease.taken", fence=store.fence)
            metrics.LEADING.set(1)
            try:
                await together(
                    _beat(store, lease_seconds),
                    *(worker.lead() for worker in workers),
                    *(work() for work in beside),
                )
            except* LeaseLost:
                logger.warning("lease.lost", fence=store.fence)
            finally:
                metrics.LEADING.set(0)
                _say(workers, STANDING_BY)
    finally:
        if store.fence:
            await asyncio.shield(_release(store))


@asynccontextmanager
async def leading_by_force(store: Store, lease_seconds: float) -> AsyncIterator[None]:
    """Lead at once, whoever did, until the end of the `with`. Beats meanwhile: a tally
    process that lost its lease must not take it back."""
    await in_thread(store.take_by_force)
    beating = asyncio.create_task(_beat(store, lease_seconds))
    try:
        yield
    finally:
        beating.cancel()
        # If the lease is lost, whoever wanted to write has found out.
        with suppress(asyncio.CancelledError, LeaseLost):
            await beating
        await _release(store)


def _say(workers: Sequence[Worker], trouble: str) -> None:
    for worker in workers:
        worker.trouble = trouble


async def _stand_by(
    store: Store, workers: Sequence[Worker], lease_seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    last: Seen | None = None
    since = loop.time()
    while True:
        try:
            seen = await in_thread(store.seen)
            if last is not None and seen != last:
                _say(workers, STANDING_BY)  # somebody else leads, we have seen it
            if seen != last:
                last, since = seen, loop.time()
            quiet = loop.time() - since >= lease_seconds
            if not seen.holder or quiet:
                if await in_thread(store.take, seen):
                    return
                last = None
        except DBAPIError as error:
            logger.error("archive.unreachable", why=str(error.orig))
            _say(workers, f"the archive cannot be reached: {error.orig}")
            last = None
        await asyncio.sleep(lease_seconds / BEATS_PER_LEASE)


async def _beat(store: Store, lease_seconds: float) -> None:
    while True:
        await asyncio.sleep(lease_seconds / BEATS_PER_LEASE)
        try:
            await in_thread(store.beat)
        except DBAPIError as error:
            # The archive is away for everybody; the fence decides when it is back.
            logger.error("archive.unreachable", why=str(error.orig))


async def _release(store: Store) -> None:
    try:
        await in_thread(store.release)
    except DBAPIError as error:
        # A standby takes over all the same, when the lease has run out.
        logger.error("archive.unreachable", why=str(error.orig))
