"""Follows the archive: whenever a log has grown, queue what follows from it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog
from sqlalchemy.exc import DBAPIError

from tellers_core.codec import LogName
from tellers_core.publication import Publication
from tellers_runtime.log import LogLost, Unavailable
from tellers_runtime.together import in_thread
from tellers_webhooks import metrics
from tellers_webhooks.planner import Planner, PositionLost

# How late a delivery may begin after the event is archived; a look costs 0.3 ms.
LOOK_SECONDS = 0.1
RETRY_SECONDS = 1.0
# What operators said last about a log's publication. Raises LogLost, or `Unavailable`.
SaidLast = Callable[[LogName], Awaitable[Publication]]
logger = structlog.get_logger()


class Follower:
    """Runs the planner. `trouble` says what is wrong, "" when nothing.

    Args:
        queued: told which endpoints have something new.
        said: while it cannot be told, nothing is delivered.
    """

    def __init__(
        self,
        planner: Planner,
        queued: Callable[[Iterable[str]], None],
        said: SaidLast,
    ) -> None:
        self.trouble = "not started"
        self._planner = planner
        self._queued = queued
        self._said = said

    async def run(self) -> None:
        """Follow, for ever."""
        begun = False
        while True:
            try:
                if not begun:
                    await in_thread(self._planner.begin)
                    begun = True
                logs = await in_thread(self._planner.behind)
                moved = [await self._step(log) for log in logs]
                self.trouble = ""
                if not any(moved):
                    await asyncio.sleep(LOOK_SECONDS)
            except DBAPIError as error:
                await self._halt(f"the archive cannot be used: {error.orig}")
            except (PositionLost, LogLost) as error:
                await self._halt(str(error))
            except Unavailable as error:
                await self._halt(f"whether publication is frozen is not known: {error}")

    async def _step(self, log: LogName) -> bool:
        """Whether it moved on."""
        said = await self._said(log)
        planned = await in_thread(self._planner.step, log, said)
        metrics.QUEUED.labels(str(log)).inc(planned.deliveries)
        metrics.SEQ.labels(str(log)).set(planned.seq)
        self._queued(planned.endpoints)
        return planned.moved

    async def _halt(self, why: str) -> None:
        if why != self.trouble:
            logger.error("archive.halted", why=why)
        self.trouble = why
        await asyncio.sleep(RETRY_SECONDS)
