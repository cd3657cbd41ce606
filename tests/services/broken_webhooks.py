"""The webhooks service as one would write it first: what is taken from the queue is
noted as delivered, and sent from memory. The control of the test with kill -9 runs it.
"""

import asyncio

from tellers_webhooks.__main__ import main
from tellers_webhooks.courier import Courier, settled
from tellers_webhooks.endpoints import Target
from tellers_webhooks.queue import Delivery
from tellers_webhooks.schedule import Answer

_in_turn = asyncio.Lock()
_sending: set["asyncio.Task[None]"] = set()


async def _deliver(self: Courier, target: Target, delivery: Delivery) -> None:
    outcome = settled(delivery, Answer(204), self._now(), 0)
    await self._recorder.record(outcome)
    task = asyncio.create_task(_send(self, target, delivery))
    _sending.add(task)
    task.add_done_callback(_sending.discard)


async def _send(self: Courier, target: Target, delivery: Delivery) -> None:
    async with _in_turn:
        await self._try(target, delivery)


if __name__ == "__main__":
    Courier._deliver = _deliver  # type: ignore[method-assign]
    main()
