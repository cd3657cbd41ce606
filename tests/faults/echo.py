"""An echo of every message, served as the gateway serves its feeds: for F24 alone.

The same protocol and the same server options; only how much a client may say is not
limited, since the suite that measures the protocol says more than any viewer.
"""

import sys
from functools import partial
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette

from tellers_gateway.allowance import Allowance
from tellers_gateway.frames import websocket_message
from tellers_gateway.handshake import accept
from tellers_gateway.keepalive import Keepalive
from tellers_gateway.protocol import FanoutProtocol, Wire
from tellers_runtime.connections import Limits, Upgrade
from tellers_runtime.server import configuration, listen

MESSAGE_BYTES = 2**24
BINARY_FINAL = b"\x82"


class Talkative(FanoutProtocol):
    """Takes as much as comes."""

    message_bytes = MESSAGE_BYTES

    def data_received(self, data: bytes) -> None:
        if self._wire is None:
            self._wire = Wire()
            endless = Allowance(rate=1e12, burst=1e12)
            self._wire.bytes = self._wire.messages = endless
        super().data_received(data)


class Echo:
    """Says what it is told."""

    def __init__(self, socket: Talkative) -> None:
        self._socket = socket

    def message(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._socket.write(websocket_message(message.encode()))
        else:
            self._socket.write(BINARY_FINAL + websocket_message(message)[1:])

    def lost(self) -> None:
        pass


def _sockets(keepalive: Keepalive, upgrade: Upgrade) -> None:
    scope: Any = upgrade.scope
    accepted = accept(scope["method"], scope["http_version"], scope["headers"], ())
    socket = Talkative(upgrade, keepalive, MESSAGE_BYTES)
    socket.open(Echo(socket), accepted.answer)
    socket.release()


async def _main(port: int) -> None:
    sockets = partial(_sockets, Keepalive())
    config = configuration(Starlette(), limits=Limits(), sockets=sockets)
    with listen("127.0.0.1", port) as sock:
        await uvicorn.Server(config)._serve(sockets=[sock])


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
