"""Commands of many requests in one round trip to Redis.

    asked for      a    b c          d e f g
    on the line    [a]------>[b c]------>[d e f g]------>
                        fsync       fsync           fsync

What is asked for while a batch is on its way goes together in the next one, and so does
what is asked for in the same turn of the event loop: Redis reads it at once and, with
`appendfsync always`, writes it to the disk at once. Who asks alone waits for nobody.

Each command has its own reply, or its own error. When the connection fails, everyone
whose reply was not read is told so: the outcome is unknown. Who goes away changes
nothing for the others: only the batch reads replies, in order, and does not end before
it has all of them or has closed the connection. Nothing is sent a second time.
"""

import asyncio
import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

# Beyond it, who comes first waits long for who comes last.
MAX_BATCH = 256
# For all replies of a batch, the disk's time included.
REPLY_SECONDS = 5.0

Part = str | bytes | int


class Seal(NamedTuple):
    """What ends every batch: commands, and who judges their replies.

    What `judge` raises is every command's answer, unless it has an error of its own.
    """

    commands: Sequence[Sequence[Part]]
    judge: Callable[[Sequence[Any]], None]


class _Asked(NamedTuple):
    packed: bytes
    reply: "asyncio.Future[Any]"


class Pipelining:
    """Sends commands to Redis, all that are asked for at once in one batch.

    `redis` brings the connections: its pool knows the address, the user and the limits
    of time, and connects anew when a connection was lost.
    """

    def __init__(self, redis: "Redis", seal: Seal | None = None) -> None:
        self._pool = redis.connection_pool
        self._seal = seal
        self._sealing = b"".join(_packed(c) for c in seal.commands) if seal else b""
        self._waiting: list[_Asked] = []
        self._working: asyncio.Task[None] | None = None

    def ask(self, *command: Part) -> "asyncio.Future[Any]":
        """The command's reply, to be awaited.

        It raises ResponseError when Redis refuses the command, any other RedisError or
        OSError when it is unknown whether the command was carried out.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(_packed(command), loop.create_future())
        self._waiting.append(asked)
        if self._working is None:
            self._working = loop.create_task(self._work())
        return asked.reply

    async def _work(self) -> None:
        """Batch after batch, until nobody waits."""
        try:
            while self._waiting:
                batch = self._waiting[:MAX_BATCH]
                del self._waiting[:MAX_BATCH]
                await self._carry_out(batch)
        finally:
            self._working = None
            for asked in self._waiting:  # the loop ends, and we are cancelled
                _give(asked.reply, RedisConnectionError("given up before it was sent"))
            self._waiting.clear()

    async def _carry_out(self, batch: Sequence[_Asked]) -> None:
        """Answer everyone in the batch, one way or the other."""
        replies: list[Any] = []
        trouble: Exception | None = None
        try:
            await self._exchange(batch, replies)
            if self._seal is not None:
                self._seal.judge(replies[len(batch) :])
        except asyncio.CancelledError:
            trouble = RedisConnectionError("given up before it was answered")
            raise
        except Exception as error:  # noqa: BLE001 - it is raised to all who asked
            trouble = error
        finally:
            for number, asked in enumerate(batch):
                reply = replies[number] if number < len(replies) else trouble
                is_unsealed = trouble is not None and self._seal is not None
                if is_unsealed and not isinstance(reply, Exception):
                    reply = trouble
                _give(asked.reply, reply)

    async def _exchange(self, batch: Sequence[_Asked], replies: list[Any]) -> None:
        """Send the batch, and read its replies and those of the seal, errors too."""
        sent = b"".join([asked.packed for asked in batch]) + self._sealing
        expected = len(batch) + (len(self._seal.commands) if self._seal else 0)
        connection: AbstractConnection = await self._pool.get_connection()
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                await connection.send_packed_command(sent)
                while len(replies) < expected:
                    replies.append(await _reply(connection))
        except TimeoutError as error:
            raise RedisTimeoutError(f"no reply within {REPLY_SECONDS:g} s") from error
        finally:
            if len(replies) < expected:  # they may still come, and are nobody's
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)


def _packed(command: Sequence[Part]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))
    return packed


async def _reply(connection: AbstractConnection) -> Any:
    """The next reply; a refusal as a value. The time is limited for the whole batch."""
    try:
        return await connection.read_response(timeout=math.inf)  # type: ignore[no-untyped-call]
    except ResponseError as refusal:
        return refusal


def _give(future: "asyncio.Future[Any]", reply: Any) -> None:
    if future.done():  # who asked has gone away
        return
    if isinstance(reply, Exception):
        # Each his own: a traceback grows with everyone who raises it.
        future.set_exception(copy.copy(reply))
    else:
        future.set_result(reply)
