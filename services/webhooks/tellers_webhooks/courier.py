"""Carries what is queued to the endpoints: a task for each, so that a slow one delays
no other. What came of a try is on disk before the same endpoint gets the next.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError

from tellers_runtime.clock import Clock, utc_now
from tellers_runtime.together import in_thread, together
from tellers_webhooks import metrics, signing
from tellers_webhooks.endpoints import Endpoint, Endpoints, Target, milliseconds
from tellers_webhooks.queue import Delivery, Heads, Queue, Settled
from tellers_webhooks.schedule import BRIEF_SECONDS, Answer, wait_after
from tellers_webhooks.sender import REQUEST_ORIGIN, Sender

RETRY_SECONDS = 0.2
# A courier looks again at least so often: another process may have queued something.
LOOK_SECONDS = 5.0
REFRESH_SECONDS = 1.0
FORGET_SECONDS = 3600.0
logger = structlog.get_logger()


class Recorder:
    """Writes what tries came to: all that gathered, in one transaction."""

    def __init__(self, queue: Queue) -> None:
        self.trouble = ""
        self._queue = queue
        self._gathered: list[tuple[Settled, asyncio.Future[None]]] = []
        self._some = asyncio.Event()

    async def record(self, outcome: Settled) -> None:
        """Return when it is on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gathered.append((outcome, done))
        self._some.set()
        await done

    async def run(self) -> None:
        """Write, for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            gathered, self._gathered = self._gathered, []
            await self._write([outcome for outcome, _ in gathered])
            for _, done in gathered:
                if not done.done():
                    done.set_result(None)

    async def _write(self, outcomes: list[Settled]) -> None:
        while True:
            try:
                await in_thread(self._queue.settle, outcomes)
            except DBAPIError as error:
                self.trouble = f"the database cannot be written: {error.orig}"
                logger.error("outcomes.unwritten", why=str(error.orig))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.trouble = ""
                return


class Next(NamedTuple):
    """What to deliver now; or nothing, and the seconds after which to look again."""

    delivery: Delivery | None
    wait_seconds: float = LOOK_SECONDS


def choose(heads: Heads, endpoint: Endpoint, now: int, *, state_first: bool) -> Next:
    """What an endpoint gets next.

    Args:
        now: milliseconds since 1970.
        state_first: who goes first when both are due: they take turns.
    """
    if endpoint.not_before > now:
        return Next(None, _seconds(endpoint.not_before - now))
    order = (heads.state, heads.brief) if state_first else (heads.brief, heads.state)
    there = [head for head in order if head is not None]
    for head in there:
        if head.due <= now:
            return Next(head)
    return Next(
        None, _seconds(min((head.due for head in there), default=1 << 62) - now)
    )


def _seconds(wait: int) -> float:
    return min(wait / 1000, LOOK_SECONDS)


def settled(delivery: Delivery, answer: Answer, now: int, jitter: float) -> Settled:
    """What an answer means for a delivery and its endpoint. Pure."""
    tries = delivery.tries + 1
    outcome = Settled(
        delivery.id,
        delivery.endpoint,
        "delivered",
        tries,
        now,
        status=answer.status,
        trouble=answer.trouble,
    )
    if answer.delivered:
        return outcome
    if answer.gone:
        return outcome._replace(state="failed", disable="it answered 410 Gone")
    if answer.retry_after is not None:
        outcome = outcome._replace(not_before=now + int(answer.retry_after * 1000))
    wait = wait_after(tries, brief=delivery.brief, jitter=jitter)
    if wait is None and delivery.brief:
        return outcome._replace(state="dropped")
    if wait is None:
        reason = f"{tries} tries in vain, the last one: {answer.trouble}"
        return outcome._replace(state="failed", disable=reason)
    due = max(now + int(wait * 1000), outcome.not_before)
    return outcome._replace(state="waiting", due=due)


class Courier:
    """Delivers to one endpoint, one thing at a time."""

    def __init__(
        self,
        endpoint: str,
        endpoints: Endpoints,
        queue: Queue,
        recorder: Recorder,
        sender: Sender,
        clock: Clock,
    ) -> None:
        self._id = endpoint
        self._endpoints = endpoints
        self._queue = queue
        self._recorder = recorder
        self._sender = sender
        self._clock = clock
        self._news = asyncio.Event()
        self._state_first = True

    def wake(self) -> None:
        """There is something new."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until the endpoint is disabled or gone."""
        async with self._sender:
            while True:
                self._news.clear()
                target = await in_thread(self._endpoints.target, self._id)
                if target is None:
                    return
                heads = await in_thread(self._queue.heads, self._id)
                due = choose(
                    heads, target.endpoint, self._now(), state_first=self._state_first
                )
                if due.delivery is not None:
                    self._state_first = due.delivery.brief
                    await self._deliver(target, due.delivery)
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), due.wait_seconds)

    def _now(self) -> int:
        return milliseconds(self._clock())

    async def _deliver(self, target: Target, delivery: Delivery) -> None:
        too_late = delivery.created + BRIEF_SECONDS * 1000 < self._now()
        if delivery.brief and too_late:
            outcome = Settled(
                delivery.id,
                self._id,
                "dropped",
                delivery.tries,
                self._now(),
                trouble=delivery.trouble or "too late",
            )
        else:
            answer = await self._try(target, delivery)
            outcome = settled(delivery, answer, self._now(), random.random())
        await self._recorder.record(outcome)
        what = "retry" if outcome.state == "waiting" else outcome.state
        metrics.TRIES.labels(what).inc()
        if outcome.disable:
            logger.error("endpoint.disabled", endpoint=self._id, why=outcome.disable)

    async def _try(self, target: Target, delivery: Delivery) -> Answer:
        body = delivery.body.encode()
        timestamp = int(self._clock().timestamp())
        headers = signing.headers(target.secrets, delivery.id, timestamp, body)
        if target.endpoint.origin is not None:
            headers[REQUEST_ORIGIN] = target.endpoint.origin
        return await self._sender.post(target.endpoint.url, headers, body)


class Couriers:
    """A courier for each endpoint that is enabled."""

    def __init__(
        self,
        endpoints: Endpoints,
        queue: Queue,
        sender: Callable[[], Sender],
        clock: Clock = utc_now,
    ) -> None:
        self._endpoints = endpoints
        self._queue = queue
        self._sender = sender
        self._clock = clock
        self._recorder = Recorder(queue)
        self._couriers: dict[str, tuple[Courier, asyncio.Task[None]]] = {}
        self._look = asyncio.Event()
        self._trouble = "not started"

    @property
    def trouble(self) -> str:
        """What is wrong; "" when nothing."""
        return self._trouble or self._recorder.trouble

    def wake(self, endpoints: Iterable[str]) -> None:
        """These have something new."""
        for endpoint in endpoints:
            if endpoint in self._couriers:
                self._couriers[endpoint][0].wake()

    def refresh(self) -> None:
        """Endpoints have changed."""
        self._look.set()

    async def run(self) -> None:
        """Deliver, for ever."""
        await together(self._recorder.run(), self._keep(), self._tidy())

    async def _keep(self) -> None:
        try:
            while True:
                self._look.clear()
                try:
                    self._trouble = await self._match()
                except DBAPIError as error:
                    self._trouble = f"the database cannot be read: {error.orig}"
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), REFRESH_SECONDS)
        finally:
            for _, task in self._couriers.values():
                task.cancel()

    async def _match(self) -> str:
        """A courier for each enabled endpoint, and none for any other. Returns why one
        ended that should not have; "" when none did."""
        trouble = ""
        wanted = {e.id for e in await in_thread(self._endpoints.all) if e.enabled}
        for endpoint, (_, task) in list(self._couriers.items()):
            if task.done():
                del self._couriers[endpoint]
                trouble = _why_ended(endpoint, task) or trouble
            elif endpoint not in wanted:
                task.cancel()
        for endpoint in wanted - set(self._couriers):
            courier = Courier(
                endpoint,
                self._endpoints,
                self._queue,
                self._recorder,
                self._sender(),
                self._clock,
            )
            task = asyncio.create_task(courier.run())
            self._couriers[endpoint] = courier, task
        metrics.ENDPOINTS.set(len(wanted))
        metrics.WAITING.set(await in_thread(self._queue.waiting))
        return trouble

    async def _tidy(self) -> None:
        while True:
            with suppress(DBAPIError):  # the next hour will do
                await in_thread(self._queue.forget, milliseconds(self._clock()))
            await asyncio.sleep(FORGET_SECONDS)


def _why_ended(endpoint: str, task: "asyncio.Task[None]") -> str:
    error = None if task.cancelled() else task.exception()
    if error is None:
        return ""  # the endpoint is disabled or gone
    logger.error("courier.ended", endpoint=endpoint, exc_info=error)
    return f"nothing is delivered to {endpoint}: {error}"
