"""The fan-out of FastAPI's own tutorial: a list, and `await send_text` in a loop."""

import sys

import uvicorn
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect

app = FastAPI()
viewers: list[WebSocket] = []


@app.websocket("/")
async def view(websocket: WebSocket) -> None:
    """One viewer."""
    await websocket.accept()
    viewers.append(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        viewers.remove(websocket)


@app.post("/pub")
async def publish(request: Request) -> None:
    """The body, to all."""
    text = (await request.body()).decode()
    for websocket in viewers:
        await websocket.send_text(text)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", backlog=4096)
