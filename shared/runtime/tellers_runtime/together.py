"""Coroutines and threads that end in order.

`together` is like `asyncio.TaskGroup`, whose place it takes where a failure is
survived: up to Python 3.12 a task group swallows a cancellation that comes while it
ends for another reason, and a service that then goes on does not stop at SIGTERM.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work in a thread. A cancellation waits for its end: a commit left
    running would race whatever is done next."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def together(*works: Coroutine[None, None, None]) -> None:
    """Run all until the first one fails, or we are cancelled; then end the others.

    Raises a group of what they raised; CancelledError before all else.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await _end(tasks)
    errors = [
        error
        for task in tasks
        if not task.cancelled() and (error := task.exception()) is not None
    ]
    if errors:
        raise BaseExceptionGroup("of several tasks", errors)


async def _end(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
