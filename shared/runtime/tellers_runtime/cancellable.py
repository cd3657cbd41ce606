"""Connections to Redis whose commands can be cancelled, always.

redis-py sends within `asyncio.wait_for`, which up to Python 3.11 swallows a
cancellation that comes just as the sending ends (CPython issue 81839): one in ten, when
a task is cancelled soon after its start. The task goes on as if nobody had said
anything, and a process does not stop at SIGTERM.

And a primary that becomes a replica (`FAILOVER`) sends away who waits in a blocking
read: to a reader that is a lost connection like any other, not an error of its own.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError


class Cancellable(AbstractConnection):
    """What every connection of ours has."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        await super().send_packed_command(command, check_health)
        if task and task.cancelling() > before:
            # A reply will come that nobody waits for.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if not str(error).startswith("UNBLOCKED"):
                raise
            await self.disconnect(nowait=True)
            raise RedisConnectionError(str(error)) from error


class _Tcp(Cancellable, Connection):
    pass


class _Tls(Cancellable, SSLConnection):
    pass


class _Unix(Cancellable, UnixDomainSocketConnection):
    pass


_CANCELLABLE = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def cancellable(redis: "Redis") -> "Redis":
    """The client with such connections; it must not have any yet."""
    pool = redis.connection_pool
    pool.connection_class = _CANCELLABLE[pool.connection_class]
    return redis
