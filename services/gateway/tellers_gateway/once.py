"""An answer that many ask for at the same time is worked out once."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Once(Generic[Key, Answer]):
    """The newest `keep` answers by key, and those being worked out.

    Args:
        lasts: whether an answer may be given again later; an error never is.
    """

    def __init__(
        self, keep: int, lasts: Callable[[Answer], bool] = lambda _: True
    ) -> None:
        self._keep = keep
        self._lasts = lasts
        self._tasks: dict[Key, asyncio.Task[Answer]] = {}

    async def get(
        self, key: Key, work: Callable[[], Coroutine[None, None, Answer]]
    ) -> Answer:
        """The answer; `work` finds it, unless it is known or being looked for.

        Raises what `work` raises. Who gives up waiting stops nobody else.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._done(key, done))
            for oldest in list(self._tasks)[: -self._keep]:
                del self._tasks[oldest]
        return await asyncio.shield(task)

    def forget(self, key: Key) -> None:
        """What was found, or is being looked for, is no longer so."""
        self._tasks.pop(key, None)

    def _done(self, key: Key, task: asyncio.Task[Answer]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if (failed or not self._lasts(task.result())) and self._tasks.get(key) is task:
            del self._tasks[key]
