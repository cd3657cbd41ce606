"""The same feeds as server-sent events: `GET /v1/{chamber}/live`.

`event:` is the frame's `op`, `data:` the same JSON as on the WebSocket, `id:` is
`<epoch>:<seq>`, so a browser resumes by itself with `Last-Event-ID`.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from tellers_gateway import metrics
from tellers_gateway.frames import Frame, control_frame
from tellers_gateway.hub import Hub
from tellers_gateway.resume import MAX_SEQ, Beginning, Wish, begin, parse_seq
from tellers_gateway.state import HubDep, SettingsDep
from tellers_gateway.viewers import EVENTS_AT_ONCE, TALLIES_AT_ONCE
from tellers_runtime.problems import HttpProblem

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold the stream back
}
RETRY_MS = (1000, 5000)
ONLY_SUBSCRIPTION = 0
router = APIRouter(tags=["live"])


@router.get(
    "/v1/{chamber}/live",
    summary="A live feed as server-sent events (or WebSocket, subprotocol tellers.v1)",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def live(
    request: Request,
    hub: HubDep,
    settings: SettingsDep,
    feed: Annotated[Literal["tally", "events"], Query()] = "tally",
    roll_call: Annotated[str | None, Query()] = None,
    after: Annotated[
        int | None, Query(ge=0, le=MAX_SEQ, description="Resume after it.")
    ] = None,
    epoch: Annotated[str | None, Query(description="The epoch `after` is of.")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Frames of `tellers.v1`; resumes by `Last-Event-ID` or `after` and `epoch`."""
    if last_event_id:
        epoch, after = _place(last_event_id)
    wish = Wish(feed, roll_call, after, epoch)
    beginning = await begin(hub, wish)
    stream = _stream(hub, wish, beginning, settings.heartbeat_seconds)
    return StreamingResponse(stream, headers=HEADERS, media_type="text/event-stream")


def _place(last_event_id: str) -> tuple[str, int]:
    epoch, _, seq = last_event_id.rpartition(":")
    try:
        if epoch:
            return epoch, parse_seq(seq)
    except ValueError:
        pass
    raise HttpProblem(
        "bad_request",
        "Last-Event-ID must be <epoch>:<seq>",
        pointer="/header/Last-Event-ID",
    )


async def _stream(
    hub: Hub, wish: Wish, beginning: Beginning, heartbeat_seconds: float
) -> AsyncIterator[bytes]:
    with metrics.VIEWERS.labels("sse").track_inprogress():
        yield b"retry: %d\n\n" % random.randint(*RETRY_MS)
        if hub.stopping:
            return  # to an error status a browser would not come back
        yield _subscribed(wish, beginning).sse
        reader = _Reader(hub, wish, beginning)
        hub.feeds.add(reader)
        try:
            async for chunk in reader.chunks(heartbeat_seconds):
                yield chunk
        finally:
            hub.feeds.discard(reader)


def _subscribed(wish: Wish, beginning: Beginning) -> Frame:
    """The first frame. Of events it has a place: who loses the line before the first of
    them comes back to where it began, not to what is new by then."""
    frame = beginning.subscribed(ONLY_SUBSCRIPTION)
    if wish.feed == "events":
        return frame._replace(place=f"{beginning.epoch}:{beginning.position}")
    return frame


def _joined(frames: list[Frame]) -> bytes:
    return b"".join(frame.sse for frame in frames)


class _Reader:
    """Reads a feed at the viewer's pace: it asks for more when it has sent the rest."""

    def __init__(self, hub: Hub, wish: Wish, beginning: Beginning) -> None:
        self._hub = hub
        self._wish = wish
        self._epoch = beginning.epoch
        self._first = beginning.frames
        self._position = beginning.position
        self._number = beginning.number
        self._is_ended = False

    def end(self) -> None:
        """The gateway stops: the browser connects again after its `retry`."""
        self._is_ended = True
        self._hub.ring()

    async def chunks(self, heartbeat_seconds: float) -> AsyncIterator[bytes]:
        """What was missed, `caught_up`, and then what comes, with heartbeats.

        Ends when the process stops, or the log begins anew: the viewer comes back and
        is told so.
        """
        now = asyncio.get_running_loop().time
        for first in range(0, len(self._first), TALLIES_AT_ONCE):
            yield _joined(self._first[first : first + TALLIES_AT_ONCE])
        self._first = []
        told = False
        beat_at = now() + heartbeat_seconds
        while not (self._hub.closing or self._is_ended or self._is_void):
            more, frames = await self._next()
            if self._is_void:
                return
            if frames:
                yield _joined(frames)
            if now() >= beat_at:
                beat_at = now() + heartbeat_seconds
                if self._hub.vouches:
                    yield self._hub.pulse.sse
                    continue  # while it was sent, something may have come
            if more:
                continue
            if not told:
                told = True
                seq = self._hub.head
                yield control_frame("caught_up", id=ONLY_SUBSCRIPTION, seq=seq).sse
                continue
            await self._hub.news(beat_at - now())

    @property
    def _is_void(self) -> bool:
        return self._hub.epoch != self._epoch

    async def _next(self) -> tuple[bool, list[Frame]]:
        """Whether there may be more at once, and the next frames for this viewer."""
        if self._wish.feed == "events":
            events = await self._hub.events_after(self._position, EVENTS_AT_ONCE)
            if events:
                self._position = events[-1].seq
            wanted = self._wish.roll_call
            frames = [e.frame for e in events if wanted in (None, e.roll_call)]
            return bool(events), frames
        feed = self._hub.feed
        updates = feed.since(self._number, self._wish.roll_call)
        self._number = feed.number
        return bool(updates), [update.frame for update in updates]
