"""uvicorn's WebSocket protocol, with a way to write a ready frame to the transport.

The usual `await send()` costs one coroutine and one encoding a viewer and frame. Here
the frame is encoded once and the same bytes go to every transport; only viewers whose
buffer is full take the slower way through their own task.
"""

from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Ping, Request

EXTENSION = "tellers.socket"
ABORT_SECONDS = 1.0
# A peer that takes nothing is owed no pongs: they would fill the memory.
PONGS_WAITING_BYTES = 65_536


class FanoutProtocol(WSProtocol):
    """A WebSocket that lets the application write frames directly."""

    def handle_connect(self, event: Request) -> None:
        """Hand the application this protocol in the scope's extensions."""
        super().handle_connect(event)
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self

    def handle_ping(self, event: Ping) -> None:
        """Answer, if the peer takes answers."""
        if self.waiting_bytes <= PONGS_WAITING_BYTES:
            super().handle_ping(event)

    def handle_close(self, event: CloseConnection) -> None:
        """Tell a peer that breaks the protocol so, before its connection is closed."""
        if self.conn.state is ConnectionState.OPEN and self.alive:
            self.transport.write(self.conn.send(event))
        super().handle_close(event)

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

    def let_go(self, code: int, reason: str) -> None:
        """Close, without waiting for a viewer that takes nothing."""
        if not self.alive:
            return
        self.transport.write(self.conn.send(CloseConnection(code, reason)))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": code, "reason": reason}
        )
        self.transport.close()
        self.loop.call_later(ABORT_SECONDS, self.transport.abort)
