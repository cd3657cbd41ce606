"""An echo as a framework has it, for the negative control of F24."""

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

MESSAGE_BYTES = 2**24


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        await websocket.send({**message, "type": "websocket.send"})


app = Starlette(routes=[WebSocketRoute("/", _echo)])
