"""The WebSocket endpoint `tellers.v1`: subscribe, unsubscribe, errors, close codes."""

import asyncio
import re
from collections.abc import Coroutine, Mapping
from typing import Annotated

import msgspec
import structlog
from fastapi import WebSocket, WebSocketDisconnect
from msgspec import Meta, Struct
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tellers_core.errors import Refused
from tellers_gateway import metrics
from tellers_gateway.frames import Frame, control_frame
from tellers_gateway.hub import Hub, NotReady
from tellers_gateway.protocol import EXTENSION, FanoutProtocol
from tellers_gateway.resume import MAX_SEQ, FeedName, Wish, begin, parse_seq
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.state import check_origin, hub_of, restarting, unavailable
from tellers_gateway.viewers import (
    Connection,
    EventSubscription,
    Stalled,
    Subscription,
    TallySubscription,
)
from tellers_runtime.log import LogLost, Unavailable
from tellers_runtime.problems import HttpProblem, of_refusal

TELLERS, BARE = "tellers.v1", "cloudevents.json"
BAD_MESSAGE, UNKNOWN, NO_SUBSCRIPTION = 4400, 4404, 4408
TRY_LATER, INTERNAL_ERROR = 1013, 1011
MAX_SUBSCRIPTIONS = 64
QUERY_SUBSCRIPTION = 0
# Any of these in the query string subscribes at once.
WISHES = ("feed", "roll_call", "after", "epoch")
AWAY = (NotReady, LogLost, *Unavailable, DBAPIError)

_is_live = re.compile(r"/v1/(?P<chamber>[^/]+)/live").fullmatch
logger = structlog.get_logger()


Number = Annotated[int, Meta(ge=-MAX_SEQ, le=MAX_SEQ)]


class Subscribe(Struct, tag_field="op", tag="subscribe"):
    """A viewer's wish; `id` is its own name for the subscription."""

    id: Number
    feed: FeedName
    roll_call: str | None = None
    after: Annotated[int, Meta(ge=0, le=MAX_SEQ)] | None = None
    epoch: str | None = None


class Unsubscribe(Struct, tag_field="op", tag="unsubscribe"):
    """The end of a subscription."""

    id: Number


_decode = msgspec.json.Decoder(Subscribe | Unsubscribe).decode


class Session:
    """One WebSocket and its subscriptions."""

    def __init__(self, hub: Hub, connection: Connection) -> None:
        self._hub = hub
        self._connection = connection
        self._running: dict[int, tuple[Subscription, asyncio.Task[None]]] = {}

    @property
    def subscribed(self) -> bool:
        """Whether anything is subscribed."""
        return bool(self._running)

    async def subscribe(self, number: int, wish: Wish) -> None:
        """Start a subscription. Raises Refused, HttpProblem, or what is in AWAY."""
        if number in self._running:
            raise HttpProblem("bad_request", f"id {number} is subscribed already")
        if len(self._running) >= MAX_SUBSCRIPTIONS:
            raise HttpProblem("bad_request", f"at most {MAX_SUBSCRIPTIONS} at once")
        if self._connection.bare and wish.feed != "events":
            raise HttpProblem("bad_request", f"{BARE} has only the feed events")
        beginning = await begin(self._hub, wish)
        self._connection.control(beginning.subscribed(number))
        kind = EventSubscription if wish.feed == "events" else TallySubscription
        subscription = kind(self._connection, self._hub, number, wish.roll_call)
        task = asyncio.create_task(self._run(subscription.run(beginning)))
        task.add_done_callback(self._ended)
        self._running[number] = subscription, task

    async def _run(self, running: Coroutine[None, None, None]) -> None:
        try:
            await running
        except Stalled:
            return  # the connection is closed already
        except AWAY as error:
            logger.warning("subscription.ended", why=str(error))
            self._connection.let_go(TRY_LATER, "the log cannot be read; try again")

    def _ended(self, task: asyncio.Task[None]) -> None:
        # A bug must not look like a feed on which nothing happens.
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("subscription.failed", exc_info=error)
            self._connection.let_go(INTERNAL_ERROR, "an error on our side")

    def unsubscribe(self, number: int) -> None:
        """End a subscription. Raises HttpProblem when there is none of that id."""
        if number not in self._running:
            raise HttpProblem("bad_request", f"no subscription has id {number}")
        subscription, task = self._running.pop(number)
        subscription.leave()
        task.cancel()

    def end(self) -> None:
        """End every subscription."""
        for number in list(self._running):
            self.unsubscribe(number)


def error_frame(problem: HttpProblem, number: int | None) -> Frame:
    """A problem as a frame, with the id of the request it answers if there is one."""
    which = {} if number is None else {"id": number}
    return control_frame("error", **which, problem=problem.body())


def _problem(error: Exception) -> HttpProblem:
    match error:
        case HttpProblem():
            return error
        case Refused():
            return of_refusal(error)
        case _:
            return unavailable()


class LiveSockets:
    """Serves the WebSockets `/v1/{chamber}/live`, and leaves all else to the app.

    Outside the framework, whose layers would be a dozen suspended coroutines a viewer
    for as long as he watches, and most of the work of letting him in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _is_live(scope["path"]) if scope["type"] == "websocket" else None
        if found is None:
            await self._app(scope, receive, send)
        else:
            await live(WebSocket(scope, receive, send), found["chamber"])


async def live(websocket: WebSocket, chamber: str) -> None:
    """Feeds of one chamber, as the contract's section 5 says."""
    try:
        check_origin(websocket)
        hub = hub_of(websocket, chamber, websocket.query_params.get("rehearsal"))
        if hub.stopping:
            raise restarting()
    except HttpProblem as problem:
        await websocket.send_denial_response(problem.response())
        return
    offered = websocket.scope["subprotocols"]
    chosen = next((name for name in offered if name in (TELLERS, BARE)), None)
    await websocket.accept(chosen)
    socket: FanoutProtocol = websocket.scope["extensions"][EXTENSION]
    settings: GatewaySettings = websocket.state.settings
    connection = Connection(
        socket,
        bare=chosen == BARE,
        buffer_bytes=settings.buffer_bytes,
        stalled_seconds=settings.stalled_seconds,
    )
    session = Session(hub, connection)
    hub.feeds.add(connection)
    with metrics.VIEWERS.labels("websocket").track_inprogress():
        try:
            await _converse(websocket, session, connection, settings)
        except WebSocketDisconnect:
            return
        finally:
            hub.feeds.discard(connection)
            session.end()


async def _converse(
    websocket: WebSocket,
    session: Session,
    connection: Connection,
    settings: GatewaySettings,
) -> None:
    if connection.bare or any(name in websocket.query_params for name in WISHES):
        try:
            wish = wish_of(
                websocket.query_params, "events" if connection.bare else "tally"
            )
            await session.subscribe(QUERY_SUBSCRIPTION, wish)
        except (HttpProblem, Refused, *AWAY) as error:
            problem = _problem(error)
            connection.control(error_frame(problem, QUERY_SUBSCRIPTION))
            await websocket.close(_close_code(problem), problem.detail[:120])
            return
    connection.forget_handshake()
    hurry = asyncio.get_running_loop().call_later(
        settings.subscribe_seconds, _hurry, session, connection
    )
    try:
        while True:
            # Who takes no answers is asked nothing: they would fill the memory.
            await connection.room()
            await _answer(session, connection, await websocket.receive())
    except Stalled:
        return  # closed already
    finally:
        hurry.cancel()


async def _answer(session: Session, connection: Connection, message: Message) -> None:
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"], message.get("reason"))
    try:
        request = _decode(message.get("text") or b"")
    except msgspec.ValidationError as error:
        problem = HttpProblem("bad_request", str(error))
        connection.control(error_frame(problem, None))
        return
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        connection.let_go(BAD_MESSAGE, "send JSON text as tellers.v1 says")
        return
    try:
        if isinstance(request, Unsubscribe):
            session.unsubscribe(request.id)
        else:
            wish = Wish(request.feed, request.roll_call, request.after, request.epoch)
            await session.subscribe(request.id, wish)
    except (HttpProblem, Refused, *AWAY) as error:
        connection.control(error_frame(_problem(error), request.id))


def _hurry(session: Session, connection: Connection) -> None:
    if not session.subscribed:
        connection.let_go(NO_SUBSCRIPTION, "nothing was subscribed in time")


def _close_code(problem: HttpProblem) -> int:
    match problem.code:
        case "unknown_roll_call":
            return UNKNOWN
        case "log_unavailable":
            return TRY_LATER
        case _:
            return BAD_MESSAGE


def wish_of(query: Mapping[str, str], default_feed: FeedName | None) -> Wish:
    """The wish in a query string. Raises HttpProblem naming the parameter."""
    feed = query.get("feed", default_feed)
    if feed not in ("tally", "events"):
        raise HttpProblem("bad_request", "feed must be tally or events")
    after = query.get("after")
    try:
        place = None if after is None else parse_seq(after)
    except ValueError as error:
        raise HttpProblem("bad_request", f"after must be a seq: {error}") from None
    return Wish(
        "tally" if feed == "tally" else "events",
        query.get("roll_call"),
        place,
        query.get("epoch"),
    )
