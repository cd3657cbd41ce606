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
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

# Beyond it, who comes first waits long for who comes last.
MAX_BATCH = 256
# For all replies of a batch, the disk's time included.
REPLY_SECONDS = 5.0

Part = str | bytes | int


def _nothing(_: Sequence[Any]) -> None:
    """There are no replies to be judged."""


class Seal(NamedTuple):
    """What ends every batch: commands, and who judges their replies.

    What `judge` returns, if anything, is raised to everyone in the batch who has no
    error of his own.
    """

    commands: Sequence[Sequence[Part]] = ()
    judge: Callable[[Sequence[Any]], Exception | None] = _nothing


_UNSEALED = Seal()


class _Asked(NamedTuple):
    packed: bytes
    reply: "asyncio.Future[Any]"


class Pipelining:
    """Sends commands to Redis, all that are asked for at once in one batch.

    `redis` brings the connections: its pool knows the address, the user and the limits
    of time, and connects anew when a connection was lost.
    """

    def __init__(self, redis: "Redis", seal: Seal = _UNSEALED) -> None:
        self._pool = redis.connection_pool
        self._seal = seal
        self._sealing = b"".join(map(_packed, seal.commands))
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
        """One batch after the other, until nobody waits."""
        try:
            while self._waiting:
                await self._work_on_one_connection()
        finally:
            self._working = None
            while self._waiting:  # only if we are ended ourselves
                _give(self._take(), [], RedisConnectionError("given up"))

    async def _work_on_one_connection(self) -> None:
        """The same as long as it holds; who is answered from it is not waited for."""
        try:
            connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            _give(self._take(), [], error)
            return
        # It is for each reading and each writing, and a timer each; a batch has one.
        limit, connection.socket_timeout = connection.socket_timeout, None
        try:
            while self._waiting and connection.is_connected:
                await self._carry_out(self._take(), connection)
                await asyncio.sleep(0)  # whoever is ready to ask goes with the next
        finally:
            connection.socket_timeout = limit
            await self._pool.release(connection)

    def _take(self) -> list[_Asked]:
        """Those who waited longest, not too many."""
        batch = self._waiting[:MAX_BATCH]
        del self._waiting[:MAX_BATCH]
        return batch

    async def _carry_out(
        self, batch: list[_Asked], connection: AbstractConnection
    ) -> None:
        """Answer everyone in the batch, one way or the other."""
        replies: list[Any] = []
        trouble: Exception | None = RedisConnectionError("given up")
        try:
            await self._exchange(batch, connection, replies)
            trouble = self._seal.judge(replies[len(batch) :])
        except (RedisError, OSError) as error:
            trouble = error
        finally:
            if trouble is not None and self._seal.commands:
                replies = [r if isinstance(r, Exception) else trouble for r in replies]
            _give(batch, replies, trouble)

    async def _exchange(
        self, batch: list[_Asked], connection: AbstractConnection, replies: list[Any]
    ) -> None:
        """Send the batch, and read its replies and those of the seal, errors too."""
        sent = b"".join([asked.packed for asked in batch]) + self._sealing
        expected = len(batch) + len(self._seal.commands)
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


def _packed(command: Sequence[Part]) -> bytes:
    # Its types are those of a command without arguments.
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]
    return packed


async def _reply(connection: AbstractConnection) -> Any:
    """The next reply; a refusal as a value. The time is limited for the whole batch."""
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as refusal:
        return refusal


def _give(
    batch: Sequence[_Asked], replies: Sequence[Any], otherwise: Exception | None
) -> None:
    """To each the reply in its place; to who has none, the exception."""
    for number, asked in enumerate(batch):
        reply = replies[number] if number < len(replies) else otherwise
        if asked.reply.done():  # who asked has gone away
            continue
        if isinstance(reply, Exception):
            # Each his own: a traceback grows with everyone who raises it.
            asked.reply.set_exception(copy.copy(reply))
        else:
            asked.reply.set_result(reply)
