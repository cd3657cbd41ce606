"""uvicorn's WebSocket protocol, with a way to write a ready frame to the transport.

The usual `await send()` costs one coroutine and one encoding a viewer and frame. Here
the frame is encoded once and the same bytes go to every transport; only viewers whose
buffer is full take the slower way through their own task.
"""

from collections.abc import Callable
from typing import Any

from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, Request, TextMessage

from tellers_gateway import metrics
from tellers_gateway.allowance import Allowance
from tellers_runtime.connections import GuardedWebSocket

EXTENSION = "tellers.socket"
ABORT_SECONDS = 1.0
TOO_MANY = 4429
# Messages and pings together. At once, as many as there may be subscriptions and more.
MESSAGES_A_SECOND, MESSAGES_AT_ONCE = 10, 80
# Counted before they are looked at: to take a frame apart costs more than to send one.
BYTES_A_SECOND, BYTES_AT_ONCE = 40_960, 65_536
# A peer that takes nothing is owed no pongs: they would fill the memory.
PONGS_WAITING_BYTES = 65_536


class FanoutProtocol(GuardedWebSocket):
    """A WebSocket that lets the application write frames directly.

    Whoever says too much is let go with 4429.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bytes = Allowance(BYTES_A_SECOND, BYTES_AT_ONCE)
        self._messages = Allowance(MESSAGES_A_SECOND, MESSAGES_AT_ONCE)
        self._is_muted = False

    def data_received(self, data: bytes) -> None:
        """Take what came, if it is not too much."""
        if not self._is_muted and self._may(self._bytes, len(data)):
            super().data_received(data)

    def handle_message(self, event: TextMessage | BytesMessage) -> None:
        """Hand it to the application, if there are not too many."""
        if not event.message_finished or self._may(self._messages, 1):
            super().handle_message(event)

    def handle_connect(self, event: Request) -> None:
        """Hand the application this protocol in the scope's extensions."""
        super().handle_connect(event)
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self

    def handle_ping(self, event: Ping) -> None:
        """Answer, if the peer takes answers."""
        if not self._may(self._messages, 1):
            return
        if self.waiting_bytes <= PONGS_WAITING_BYTES:
            super().handle_ping(event)

    def handle_close(self, event: CloseConnection) -> None:
        """Tell a peer that breaks the protocol so, before its connection is closed."""
        if self.conn.state is ConnectionState.OPEN and self.alive:
            self.transport.write(self.conn.send(event))
        super().handle_close(event)

    def forget_handshake(self) -> None:
        """Keep nothing of the request, once it is accepted and read: for a viewer who
        only watches it would be a third of his memory."""
        if self.conn.connection is not None:
            # It has all that uvicorn uses of the pair of handshake and connection.
            self.conn = self.conn.connection  # type: ignore[assignment]
        self.scope["headers"] = []

    def _may(self, allowance: Allowance, amount: int) -> bool:
        if allowance.take(amount, self.loop.time()):
            return True
        if not self._is_muted:
            self._is_muted = True
            metrics.TOO_MANY.inc()
            # To close with something unread would take the reason away again.
            reason = f"at most {MESSAGES_A_SECOND} messages a second"
            self.let_go(TOO_MANY, reason, hang_up=self.transport.write_eof)
        return False

    @property
    def alive(self) -> bool:
        """Whether a frame written now could still arrive."""
        return (
            self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and not self.transport.is_closing()
        )

    @property
    def waiting_bytes(self) -> int:
        """Bytes written and not yet taken by the kernel."""
        return self.transport.get_write_buffer_size()

    def write(self, message: bytes) -> None:
        """Write frames, ready for the wire; nothing if the viewer is gone."""
        if self.alive:
            self.transport.write(message)

    def let_go(
        self, code: int, reason: str, hang_up: Callable[[], None] | None = None
    ) -> None:
        """Close, without waiting for a viewer that takes nothing.

        `hang_up` instead of closing at once; ABORT_SECONDS later it is over anyhow.
        """
        self.loop.call_later(ABORT_SECONDS, self.transport.abort)
        if not self.alive:
            return
        self.transport.write(self.conn.send(CloseConnection(code, reason)))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": code, "reason": reason}
        )
        (hang_up or self.transport.close)()
