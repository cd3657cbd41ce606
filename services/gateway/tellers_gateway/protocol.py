"""A WebSocket to which the application writes ready frames, and which costs little.

The usual `await send()` costs one coroutine and one encoding a viewer and frame. Here
the frame is encoded once and the same bytes go to every transport; only viewers whose
buffer is full take the slower way through a task of their own. A viewer who only
watches has no task, no queue and no timer, and no parser of frames: its pongs are known
by their bytes.

Frames that come are taken apart by wsproto, which passes Autobahn.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from wsproto import ConnectionType
from wsproto.connection import Connection, ConnectionState
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from tellers_gateway import metrics
from tellers_gateway.allowance import Allowance
from tellers_gateway.keepalive import Keepalive
from tellers_runtime.connections import Upgrade

ABORT_SECONDS = 1.0
# Who is told goodbye and does not say it too is waited for so long.
CLOSE_SECONDS = 10.0
MESSAGE_BYTES = 4096
TOO_MANY, TOO_BIG, RESTART, INTERNAL_ERROR = 4429, 1009, 1012, 1011
# Messages and pings together. At once, as many as there may be subscriptions and more.
MESSAGES_A_SECOND, MESSAGES_AT_ONCE = 10, 80
# Counted before they are looked at: to take a frame apart costs more than to send one.
BYTES_A_SECOND, BYTES_AT_ONCE = 40_960, 65_536
# A full viewer is given more when only this part of the buffer waits for it: what it
# gets then is new, and little that is old lies before it.
TAKEN_OF_BUFFER = 16
# Of what belongs to the handshake's answer.
HELD_BYTES = 16_384
# A peer that takes nothing is owed no pongs: they would fill the memory.
PONGS_WAITING_BYTES = 65_536
_FINAL_PING, _FINAL_PONG, _MASKED_4 = 0x89, 0x8A, 0x84
_PONG_BYTES = 10


class Listener(Protocol):
    """Whom a WebSocket tells what happens to it."""

    def message(self, message: str | bytes) -> None:
        """A whole message came."""

    def lost(self) -> None:
        """Nothing more can be written, and nothing will come. Told once."""


class Wire:
    """Frames of a peer who says something: parser, message so far, allowances."""

    __slots__ = ("bytes", "connection", "messages", "pieces", "size")

    def __init__(self) -> None:
        self.connection = Connection(ConnectionType.SERVER)
        self.bytes = Allowance(BYTES_A_SECOND, BYTES_AT_ONCE)
        self.messages = Allowance(MESSAGES_A_SECOND, MESSAGES_AT_ONCE)
        self.pieces: list[bytes] = []
        self.size = 0


class FanoutProtocol(asyncio.Protocol):
    """A WebSocket after its handshake.

    Args:
        buffer_bytes: when more than this waits for the viewer, it `is_full`, until
            most of it is taken.

    Whoever says too much is let go with 4429.
    """

    __slots__ = (
        "_connections",
        "_drained",
        "_held",
        "_is_deaf",
        "_keepalive",
        "_leave",
        "_listener",
        "_wire",
        "is_full",
        "is_open",
        "transport",
        "unanswered",
    )
    message_bytes = MESSAGE_BYTES

    def __init__(
        self, upgrade: Upgrade, keepalive: Keepalive, buffer_bytes: int
    ) -> None:
        self.transport = upgrade.transport
        self.is_open = True
        self.is_full = False
        self.unanswered: bytes | None = None
        self._connections = upgrade.connections
        self._leave = upgrade.leave
        self._keepalive = keepalive
        self._listener: Listener | None = None
        self._wire: Wire | None = None
        self._drained: asyncio.Event | None = None
        self._held: bytes | None = None
        self._is_deaf = False
        high, low = buffer_bytes, buffer_bytes // TAKEN_OF_BUFFER
        self.transport.set_write_buffer_limits(high, low)

    def open(self, listener: Listener, answer: bytes) -> None:
        """Take the connection over, and answer the handshake: with all that is written
        until `release`, in one piece."""
        self._listener = listener
        self._held = answer
        self._connections.add(self)
        self.transport.set_protocol(self)
        self._keepalive.join(self)

    def release(self) -> None:
        """What was written since `open` may go."""
        held, self._held = self._held, None
        if held:
            self.transport.write(held)

    # Writing

    @property
    def waiting_bytes(self) -> int:
        """Bytes written and not yet taken by the kernel."""
        return self.transport.get_write_buffer_size()

    def write(self, message: bytes) -> None:
        """Write frames, ready for the wire; nothing if the viewer is gone."""
        if not self.is_open:
            return
        if self._held is None:
            self.transport.write(message)
            return
        self._held += message
        if len(self._held) > HELD_BYTES:
            self.release()

    async def drained(self) -> None:
        """Wait until it is full no longer, or lost."""
        if self._drained is not None:
            await self._drained.wait()

    def pause_writing(self) -> None:
        """Of the transport: too much waits."""
        self.is_full = True
        self._drained = asyncio.Event()

    def resume_writing(self) -> None:
        """Of the transport: most of it was taken."""
        self.is_full = False
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    # Reading

    def pause_reading(self) -> None:
        """The listener has enough to do."""
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """The listener takes messages again."""
        if self.is_open:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take what came, if it is not too much."""
        if self._is_deaf:
            return
        if self._wire is None:
            if self._is_awaited(data):
                self.unanswered = None
                return
            self._wire = Wire()
        wire = self._wire
        if not self._may(wire.bytes, len(data)):
            return
        try:
            wire.connection.receive_data(data)
        except LocalProtocolError:  # after its goodbye
            self.transport.close()
            return
        for event in wire.connection.events():
            self._take(wire, event)
            if self._is_deaf:
                return

    def _is_awaited(self, data: bytes) -> bool:
        """Whether that is the pong to our ping and nothing else."""
        if self.unanswered is None or len(data) != _PONG_BYTES:
            return False
        if (data[0], data[1]) != (_FINAL_PONG, _MASKED_4):
            return False
        mask, payload = data[2:6], data[6:]
        said = bytes(one ^ other for one, other in zip(mask, payload, strict=True))
        return said == self.unanswered

    def _take(self, wire: Wire, event: Event) -> None:
        if isinstance(event, CloseConnection):
            self._closed_by_peer(wire, event)
        elif not self.is_open:
            return  # we have said goodbye
        elif isinstance(event, TextMessage | BytesMessage):
            self._piece(wire, event)
        elif isinstance(event, Ping):
            may = self._may(wire.messages, 1)
            if may and self.waiting_bytes <= PONGS_WAITING_BYTES:
                self.transport.write(wire.connection.send(event.response()))
        elif isinstance(event, Pong) and bytes(event.payload) == self.unanswered:
            self.unanswered = None

    def _piece(self, wire: Wire, event: TextMessage | BytesMessage) -> None:
        if event.message_finished and not self._may(wire.messages, 1):
            return
        piece = event.data.encode() if isinstance(event.data, str) else event.data
        wire.pieces.append(bytes(piece))
        wire.size += len(piece)
        if wire.size > self.message_bytes:
            self.let_go(TOO_BIG, f"at most {self.message_bytes} bytes a message")
        elif event.message_finished:
            whole = b"".join(wire.pieces)
            wire.pieces, wire.size = [], 0
            if self._listener is not None:
                is_text = isinstance(event, TextMessage)
                self._listener.message(whole.decode() if is_text else whole)

    def _may(self, allowance: Allowance, amount: int) -> bool:
        if allowance.take(amount, asyncio.get_running_loop().time()):
            return True
        metrics.TOO_MANY.inc()
        # To close with something unread would take the reason away again.
        reason = f"at most {MESSAGES_A_SECOND} messages a second"
        self.let_go(TOO_MANY, reason, hang_up=self.transport.write_eof)
        return False

    # Keeping alive

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life; the payload has four bytes."""
        self.unanswered = payload
        self.write(bytes((_FINAL_PING, len(payload))) + payload)

    def silent(self) -> None:
        """It gave none."""
        self.let_go(INTERNAL_ERROR, "keepalive ping timeout")

    # The end

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and wait until the peer has read it: it says goodbye, too."""
        if self.is_open:
            self._say_goodbye(code, reason)
            self.transport.resume_reading()
            loop = asyncio.get_running_loop()
            loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def let_go(
        self, code: int, reason: str, hang_up: Callable[[], None] | None = None
    ) -> None:
        """Close, without waiting for a viewer that takes nothing.

        `hang_up` instead of closing at once; ABORT_SECONDS later it is over anyhow.
        """
        self._is_deaf = True
        asyncio.get_running_loop().call_later(ABORT_SECONDS, self.transport.abort)
        if self.is_open:
            self._say_goodbye(code, reason)
            (hang_up or self.transport.close)()

    def shutdown(self) -> None:
        """Of the server: it stops."""
        self.let_go(RESTART, "the gateway restarts")

    def eof_received(self) -> None:
        """The peer will say nothing more, which is how some of them leave."""
        self._is_over()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of the transport: it is over."""
        self._is_deaf = True
        self._is_over()
        self.resume_writing()
        self._connections.discard(self)
        self._leave()

    def _closed_by_peer(self, wire: Wire, event: CloseConnection) -> None:
        """A goodbye, the answer to ours, or what wsproto says of who breaks the
        protocol."""
        self._is_deaf = True
        if self.is_open:
            is_goodbye = wire.connection.state is ConnectionState.REMOTE_CLOSING
            answer = event.response() if is_goodbye else event
            self.transport.write(wire.connection.send(answer))
            self._is_over()
        self.transport.close()

    def _say_goodbye(self, code: int, reason: str) -> None:
        self.release()
        if self._wire is None:
            self._wire = Wire()
        goodbye = CloseConnection(code, reason)
        self.transport.write(self._wire.connection.send(goodbye))
        self._is_over()

    def _is_over(self) -> None:
        self.is_open = False
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost()
