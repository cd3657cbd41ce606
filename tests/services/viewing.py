"""What viewers of a gateway see: by WebSocket, by server-sent events, by HTTP.

Everything here speaks to a real gateway over a socket and waits with a deadline.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.e2e.stack import Clerk, recorded

# What a busy machine needs for one frame; never waited for when all is well.
PATIENCE = 30.0
# Settings of the gateway in `gateway_stack`, in seconds.
HEARTBEAT, SUBSCRIBE, STALLED = 0.5, 2.0, 2.0
TELLERS, BARE = "tellers.v1", "cloudevents.json"
PROBLEM = "application/problem+json"

Json = dict[str, Any]
ES_11_1 = recorded("es-11-1")


class Viewer:
    """A viewer on either transport: frames in the order in which they came."""

    def __init__(self) -> None:
        self.frames: list[Json] = []

    async def _receive(self) -> Json:
        raise NotImplementedError

    async def frame(self, seconds: float = PATIENCE) -> Json:
        """The next frame."""
        async with asyncio.timeout(seconds):
            frame = await self._receive()
        self.frames.append(frame)
        return frame

    async def until(
        self, wanted: Callable[[Json], bool], seconds: float = PATIENCE
    ) -> list[Json]:
        """The next frames, up to and with the first one that is wanted."""
        found: list[Json] = []
        async with asyncio.timeout(seconds):
            while not found or not wanted(found[-1]):
                found.append(await self._receive())
                self.frames.append(found[-1])
        return found

    async def caught_up(self) -> list[Json]:
        """The frames of a beginning: `subscribed` first, `caught_up` last."""
        return without_heartbeats(await self.until(is_op("caught_up")))

    async def tally(self, seq: int) -> list[Json]:
        """The frames up to the tally of that seq, or a later one."""
        return await self.until(lambda f: f["op"] == "tally" and f["seq"] >= seq)

    async def event(self, seq: int) -> list[Json]:
        """The frames up to the event of that seq."""
        return await self.until(lambda f: f["op"] == "event" and f["seq"] >= seq)


class Socket(Viewer):
    """A viewer by WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self.connection = connection

    async def _receive(self) -> Json:
        frame: Json = json.loads(await self.connection.recv())
        return frame

    async def bare_event(self) -> Json:
        """The next message, which has no `op`: a bare event."""
        event = await self.frame()
        assert "op" not in event
        return event

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def subscribe(self, number: int, feed: str, **more: Any) -> list[Json]:
        """Subscribe, and the frames until it is caught up or refused."""
        await self.send(op="subscribe", id=number, feed=feed, **more)
        frames = await self.until(
            lambda f: f["op"] in ("caught_up", "error") and f.get("id") == number
        )
        return without_heartbeats(frames)

    async def closed(self, seconds: float = PATIENCE) -> tuple[int | None, str]:
        """How the gateway closes it, whatever it sends before."""
        async with asyncio.timeout(seconds):
            try:
                while True:
                    await self.frame(seconds)
            except ConnectionClosed as error:
                return (
                    (error.rcvd.code, error.rcvd.reason) if error.rcvd else (None, "")
                )


@asynccontextmanager
async def watching(
    url: str, chamber: str = "ga", subprotocol: str | None = TELLERS, **query: Any
) -> AsyncIterator[Socket]:
    """A WebSocket on a chamber's feeds."""
    address = f"{url.replace('http', 'ws', 1)}/v1/{chamber}/live"
    offered = [Subprotocol(subprotocol)] if subprotocol else None
    text = str(httpx.QueryParams(query))
    async with connect(
        f"{address}?{text}" if text else address,
        subprotocols=offered,
        open_timeout=PATIENCE,
        max_size=None,
    ) as connection:
        yield Socket(connection)


class Stream(Viewer):
    """A viewer by server-sent events. `ids` are those of the frames that have one."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.ids: list[str] = []
        self.retry_ms = 0
        self._chunks = response.aiter_bytes()
        self._next: asyncio.Task[bytes] | None = None
        self._rest = b""
        self._blocks: deque[bytes] = deque()

    async def _more(self) -> None:
        # Shielded: who stops waiting for a frame must not break the stream off.
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._chunks))
        chunk = await asyncio.shield(self._next)
        self._next = None
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        self._blocks.extend(blocks)

    async def leave(self) -> None:
        """Read no more."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])

    async def _receive(self) -> Json:
        while True:
            while not self._blocks:
                await self._more()
            fields = _fields(self._blocks.popleft().decode())
            if "retry" in fields:
                self.retry_ms = int(fields["retry"])
            if "data" not in fields:
                continue
            frame: Json = json.loads(fields["data"])
            assert frame["op"] == fields["event"]
            if "id" in fields:
                self.ids.append(fields["id"])
            return frame

    async def ended(self, seconds: float = PATIENCE) -> None:
        """Until the gateway ends the stream."""
        async with asyncio.timeout(seconds):
            try:
                while True:
                    await self.frame(seconds)
            except (StopAsyncIteration, httpx.RemoteProtocolError):
                return


def _fields(block: str) -> dict[str, str]:
    pairs = [line.partition(": ")[::2] for line in block.split("\n")]
    fields = dict(pairs)
    assert len(fields) == len(pairs), f"a field twice in one event: {block}"
    return fields


def reading(url: str) -> httpx.AsyncClient:
    """HTTP reads. Loading certificates would take longer than all else here."""
    return httpx.AsyncClient(base_url=url, timeout=PATIENCE, verify=False)


@asynccontextmanager
async def streaming(
    url: str, chamber: str = "ga", headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[Stream]:
    """Server-sent events of a chamber."""
    async with (
        reading(url) as http,
        http.stream(
            "GET", f"/v1/{chamber}/live", params=query, headers=headers
        ) as response,
    ):
        if response.is_error:
            await response.aread()
        stream = Stream(response)
        try:
            yield stream
        finally:
            await stream.leave()


# What frames say


def is_op(op: str) -> Callable[[Json], bool]:
    return lambda frame: frame["op"] == op


def without_heartbeats(frames: Iterable[Json]) -> list[Json]:
    """A busy machine may beat at any time."""
    return [frame for frame in frames if frame["op"] != "heartbeat"]


def of_op(frames: Iterable[Json], op: str) -> list[Json]:
    return [frame for frame in frames if frame["op"] == op]


def seqs(frames: Iterable[Json], op: str = "event") -> list[int]:
    """The places of events, or tallies, in the order in which they came."""
    return [frame["seq"] for frame in of_op(frames, op)]


def plain(tally_frame: Json) -> Json:
    """The tally in a frame."""
    assert tally_frame["op"] == "tally"
    return {name: value for name, value in tally_frame.items() if name != "op"}


def span(first: int, last: int) -> list[int]:
    """Places without a gap, both ends in."""
    return list(range(first, last + 1))


def never_goes_back(frames: Iterable[Json]) -> bool:
    """Whether no roll call's tally is followed by an older one."""
    newest: dict[str, int] = {}
    for frame in of_op(frames, "tally"):
        if frame["seq"] < newest.get(frame["roll_call"], 0):
            return False
        newest[frame["roll_call"]] = frame["seq"]
    return True


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document, which is well-formed."""
    assert response.headers["content-type"] == PROBLEM, response.text
    assert response.headers["access-control-allow-origin"] == "*"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["detail"]
    return response.status_code, body["code"]


# What the hall does


def batch(clerk: Clerk, roll_call: str, vote: str, number: int = 181) -> int:
    """The vote of the 181 who voted in ES-11/1 at once; the seq after it."""
    codes = [code for code, _ in ES_11_1][:number]
    votes = [{"delegation": code, "vote": vote} for code in codes]
    path = f"/v1/ga/roll-calls/{roll_call}/votes"
    answer = clerk.http.post(path, json={"votes": votes})
    answer.raise_for_status()
    seq: int = answer.json()["seq"]
    return seq


def metric(url: str, name: str) -> float:
    """The sum of a metric over its labels."""
    # Without certificates, which take longer to load than all else here.
    text = httpx.get(f"{url}/metrics", timeout=PATIENCE, verify=False).text
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for value in found)
