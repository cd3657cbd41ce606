"""The WebSocket endpoint `tellers.v1`: subscribe, unsubscribe, errors, close codes."""

import asyncio
import re
from collections.abc import Coroutine, Mapping
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta, Struct
from sqlalchemy.exc import DBAPIError
from starlette.requests import HTTPConnection

from tellers_core.errors import Refused
from tellers_gateway import metrics
from tellers_gateway.frames import Frame, control_frame
from tellers_gateway.handshake import accept
from tellers_gateway.hub import Hub, NotReady
from tellers_gateway.keepalive import Keepalive
from tellers_gateway.protocol import INTERNAL_ERROR, FanoutProtocol
from tellers_gateway.resume import (
    MAX_SEQ,
    Beginning,
    FeedName,
    Wish,
    begin,
    begin_at_once,
    parse_seq,
)
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.state import check_origin, hub_of, restarting, unavailable
from tellers_gateway.viewers import (
    Connection,
    EventSubscription,
    Stalled,
    Subscription,
    TallySubscription,
)
from tellers_runtime.connections import Upgrade, hang_up
from tellers_runtime.log import LogLost, Unavailable
from tellers_runtime.problems import HttpProblem, of_refusal

TELLERS, BARE = "tellers.v1", "cloudevents.json"
BAD_MESSAGE, UNKNOWN, NO_SUBSCRIPTION = 4400, 4404, 4408
TRY_LATER = 1013
MAX_SUBSCRIPTIONS = 64
QUERY_SUBSCRIPTION = 0
# Any of these in the query string subscribes at once.
WISHES = ("feed", "roll_call", "after", "epoch")
AWAY = (NotReady, LogLost, *Unavailable, DBAPIError)

is_live = re.compile(r"/v1/(?P<chamber>[^/]+)/live").fullmatch
logger = structlog.get_logger()


Number = Annotated[int, Meta(ge=-MAX_SEQ, le=MAX_SEQ)]


class Subscribe(Struct, tag_field="op", tag="subscribe"):
    """A viewer's wish; `id` is its own name for the subscription."""

    id: Number
    feed: FeedName
    roll_call: str | None = None
    after: Annotated[int, Meta(ge=0, le=MAX_SEQ)] | None = None
    epoch: str | None = None

    @property
    def wish(self) -> Wish:
        """What is asked for."""
        return Wish(self.feed, self.roll_call, self.after, self.epoch)


class Unsubscribe(Struct, tag_field="op", tag="unsubscribe"):
    """The end of a subscription."""

    id: Number


class _Numbered(Struct):
    """As much of a bad request as its answer needs."""

    id: Number | None = None


_decode = msgspec.json.Decoder(Subscribe | Unsubscribe).decode
_decode_id = msgspec.json.Decoder(_Numbered).decode


class Session:
    """One WebSocket and its subscriptions: what it is told, it answers."""

    __slots__ = (
        "_answering",
        "_connection",
        "_hub",
        "_hurry",
        "_inbox",
        "_subscriptions",
    )

    def __init__(self, hub: Hub, connection: Connection) -> None:
        self._hub = hub
        self._connection = connection
        self._subscriptions: dict[int, Subscription] = {}
        self._inbox: list[str | bytes] = []
        # Only while something is waited for.
        self._answering: asyncio.Task[None] | None = None
        self._hurry: asyncio.TimerHandle | None = None

    # The protocol's listener

    def message(self, message: str | bytes) -> None:
        """Answer it, after those that came before; meanwhile nothing is read."""
        self._inbox.append(message)
        if self._answering is None:
            self._connection.socket.pause_reading()
            self._answering = self._spawn(self._answer_all())

    def lost(self) -> None:
        """The viewer has gone."""
        metrics.WEBSOCKETS.dec()
        self._hub.feeds.discard(self._connection)
        self.end()

    # Subscriptions

    def open(self, query: Mapping[str, str], hurry_seconds: float) -> None:
        """Serve it from now on, with what its query string asks for."""
        metrics.WEBSOCKETS.inc()
        self._hub.feeds.add(self._connection)
        bare = self._connection.bare
        if not bare and not any(name in query for name in WISHES):
            loop = asyncio.get_running_loop()
            self._hurry = loop.call_later(hurry_seconds, self._too_late)
            return
        try:
            wish = wish_of(query, "events" if bare else "tally")
            if not self._subscribe_at_once(QUERY_SUBSCRIPTION, wish):
                self._connection.socket.pause_reading()
                self._answering = self._spawn(self._subscribe_by_query(wish))
        except (HttpProblem, Refused, *AWAY) as error:
            self._refuse_query(error)

    async def _subscribe_by_query(self, wish: Wish) -> None:
        try:
            await self.subscribe(QUERY_SUBSCRIPTION, wish)
        except (HttpProblem, Refused, *AWAY) as error:
            self._refuse_query(error)
            return
        await self._answer_all()

    def _refuse_query(self, error: Exception) -> None:
        problem = _problem(error)
        self._connection.control(error_frame(problem, QUERY_SUBSCRIPTION))
        self._connection.socket.close(_close_code(problem), problem.detail[:120])

    async def subscribe(self, number: int, wish: Wish) -> None:
        """Start a subscription. Raises Refused, HttpProblem, or what is in AWAY."""
        if not self._subscribe_at_once(number, wish):
            self._start(number, wish, await begin(self._hub, wish))

    def _subscribe_at_once(self, number: int, wish: Wish) -> bool:
        """Start it, unless something has to be waited for before."""
        if number in self._subscriptions:
            raise HttpProblem("bad_request", f"id {number} is subscribed already")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise HttpProblem("bad_request", f"at most {MAX_SUBSCRIPTIONS} at once")
        if self._connection.bare and wish.feed != "events":
            raise HttpProblem("bad_request", f"{BARE} has only the feed events")
        beginning = begin_at_once(self._hub, wish)
        if beginning is None:
            return False
        self._start(number, wish, beginning)
        return True

    def _start(self, number: int, wish: Wish, beginning: Beginning) -> None:
        if not self._connection.socket.is_open:
            return  # it left meanwhile
        kind = EventSubscription if wish.feed == "events" else TallySubscription
        subscription = kind(
            self._connection, self._hub, number, wish.roll_call, self._spawn
        )
        self._subscriptions[number] = subscription
        self._take_time()
        self._connection.control(beginning.subscribed(number))
        subscription.start(beginning)

    def unsubscribe(self, number: int) -> None:
        """End a subscription. Raises HttpProblem when there is none of that id."""
        if number not in self._subscriptions:
            raise HttpProblem("bad_request", f"no subscription has id {number}")
        self._subscriptions.pop(number).leave()

    def end(self) -> None:
        """End every subscription, and whatever is waited for."""
        self._take_time()
        if self._answering is not None:
            self._answering.cancel()
        for number in list(self._subscriptions):
            self.unsubscribe(number)

    def _take_time(self) -> None:
        """Something was subscribed in time: it may be ended before the next one."""
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def _too_late(self) -> None:
        self._connection.let_go(NO_SUBSCRIPTION, "nothing was subscribed in time")

    # Answering

    async def _answer_all(self) -> None:
        # Who takes no answers is asked nothing: they would fill the memory.
        await self._connection.room()
        while self._inbox:
            await self._answer(self._inbox.pop(0))
            await self._connection.room()
        self._answering = None
        self._connection.socket.resume_reading()

    async def _answer(self, message: str | bytes) -> None:
        try:
            request = _decode(message if isinstance(message, str) else b"")
        except msgspec.ValidationError as error:
            problem = HttpProblem("bad_request", str(error))
            self._connection.control(error_frame(problem, _id_of(message)))
            return
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self._connection.let_go(BAD_MESSAGE, "send JSON text as tellers.v1 says")
            return
        try:
            if isinstance(request, Unsubscribe):
                self.unsubscribe(request.id)
            else:
                await self.subscribe(request.id, request.wish)
        except (HttpProblem, Refused, *AWAY) as error:
            self._connection.control(error_frame(_problem(error), request.id))

    def _spawn(self, waiting: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run(waiting))
        task.add_done_callback(self._ended)
        return task

    async def _run(self, waiting: Coroutine[None, None, None]) -> None:
        try:
            await waiting
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


def error_frame(problem: HttpProblem, number: int | None) -> Frame:
    """A problem as a frame, with the id of the request it answers if there is one."""
    which = {} if number is None else {"id": number}
    return control_frame("error", **which, problem=problem.body())


def _id_of(message: str | bytes) -> int | None:
    """The id of a request that is otherwise bad; None when it is bad itself."""
    try:
        return _decode_id(message).id
    except msgspec.ValidationError:
        return None


def _problem(error: Exception) -> HttpProblem:
    match error:
        case HttpProblem():
            return error
        case Refused():
            return of_refusal(error)
        case _:
            return unavailable()


class LiveSockets:
    """Answers who asks for a WebSocket: `/v1/{chamber}/live`, and there is no other.

    Neither a framework's layers nor ASGI stand between it and the connection: they
    would be a dozen suspended coroutines a viewer for as long as he watches, and most
    of the work of letting him in.
    """

    def __init__(self) -> None:
        self._keepalive = Keepalive()

    def __call__(self, upgrade: Upgrade) -> None:
        try:
            self._open(upgrade)
        except HttpProblem as problem:
            hang_up(upgrade.transport, problem)

    def _open(self, upgrade: Upgrade) -> None:
        scope = upgrade.scope
        found = is_live(scope["path"])
        if found is None:
            raise HttpProblem("not_found", "there is no WebSocket here")
        request = HTTPConnection(scope)
        check_origin(request)
        query = request.query_params
        hub = hub_of(request, found["chamber"], query.get("rehearsal"))
        if hub.stopping:
            raise restarting()
        accepted = accept(
            scope["method"], scope["http_version"], scope["headers"], (TELLERS, BARE)
        )
        settings: GatewaySettings = request.state.settings
        socket = FanoutProtocol(upgrade, self._keepalive, settings.buffer_bytes)
        bare = accepted.subprotocol == BARE
        connection = Connection(
            socket, bare=bare, stalled_seconds=settings.stalled_seconds
        )
        session = Session(hub, connection)
        socket.open(session, accepted.answer)
        session.open(query, settings.subscribe_seconds)
        socket.release()


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
        detail = "feed must be tally or events"
        raise HttpProblem("bad_request", detail, pointer="/query/feed")
    after = query.get("after")
    try:
        place = None if after is None else parse_seq(after)
    except ValueError as error:
        detail = f"after must be a seq: {error}"
        raise HttpProblem("bad_request", detail, pointer="/query/after") from None
    return Wish(
        "tally" if feed == "tally" else "events",
        query.get("roll_call"),
        place,
        query.get("epoch"),
    )
