"""An echo of every message, served as the gateway serves its feeds: for F24 alone.

The same protocol and the same server options; only how much a client may say is not
limited, since the suite that measures the protocol says more than any viewer.
"""

import sys
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tellers_gateway.allowance import Allowance
from tellers_gateway.protocol import FanoutProtocol
from tellers_runtime.connections import Limits
from tellers_runtime.server import configuration, listen

MESSAGE_BYTES = 2**24


class Talkative(FanoutProtocol):
    """Takes as much as comes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bytes = self._messages = Allowance(rate=1e12, burst=1e12)


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        await websocket.send({**message, "type": "websocket.send"})


async def _main(port: int) -> None:
    app = Starlette(routes=[WebSocketRoute("/", _echo)])
    config = configuration(app, limits=Limits(), ws=Talkative)
    config.ws_max_size = MESSAGE_BYTES
    with listen("127.0.0.1", port) as sock:
        await uvicorn.Server(config)._serve(sockets=[sock])


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
