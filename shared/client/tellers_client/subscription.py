"""The socket under a `Resumer`: connect, read, wait, connect again. For ever."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, Literal, Self, TypedDict, Unpack, overload
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    WebSocketException,
)
from websockets.http11 import Response
from websockets.typing import Subprotocol

from tellers_client.reading import is_loopback
from tellers_client.resumer import (
    FIRST_TRY_SECONDS,
    SUBPROTOCOL,
    Closed,
    CloudEvent,
    Deliver,
    EventResumer,
    HandshakeRefused,
    Item,
    Reconnect,
    Restarted,
    Resumer,
    State,
    TallyResumer,
)
from tellers_core.tally import Tally

LOCAL = "http://127.0.0.1:8000"
OPEN_SECONDS = 5.0
CLOSE_SECONDS = 1.0


class Subscription(Generic[Item]):
    """Iterate over it, once: `async for item in subscription`.

    Whoever may stop early does so inside `async with subscription`, which closes the
    connection there and then. `state` says whether what came last is live, `seq` and
    `epoch` where it stands: kept by the caller, they resume a later subscription.

    Iterating raises SubscriptionRefused when the gateway will not serve it, and
    NotUnderstood when it speaks otherwise; from all else it recovers.

    Args:
        on_state: called with every new state, also while no item comes.
        on_restart: called before the first item of a fresh start.
    """

    def __init__(
        self,
        url: str,
        chamber: str,
        resumer: Resumer[Item],
        on_state: Callable[[State], None] | None = None,
        on_restart: Callable[[Restarted], None] | None = None,
    ) -> None:
        scheme, host, path, *_ = urlsplit(url)
        if scheme not in ("http", "https") or not host:
            raise ValueError(f"{url!r} is no http address")
        self._address = f"{scheme.replace('http', 'ws')}://{host}{path.rstrip('/')}"
        self._path = f"/v1/{chamber}/live"
        self._resumer = resumer
        self._on_state = on_state
        self._on_restart = on_restart
        self._told = State.CONNECTING
        self._iterator = self._items()

    @property
    def state(self) -> State:
        return self._resumer.state

    @property
    def epoch(self) -> str | None:
        return self._resumer.epoch

    @property
    def seq(self) -> int | None:
        return self._resumer.seq

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        return await anext(self._iterator)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; nothing comes any more."""
        await self._iterator.aclose()

    async def _items(self) -> AsyncGenerator[Item, None]:
        pause = random.random() * FIRST_TRY_SECONDS
        while True:
            await asyncio.sleep(pause)
            how: Closed | HandshakeRefused = Closed()
            try:
                async with (
                    self._connect() as socket,
                    aclosing(self._read(socket)) as items,
                ):
                    async for item in items:
                        yield item
            except ConnectionClosed as closed:
                if closed.rcvd is not None:
                    how = Closed(closed.rcvd.code, closed.rcvd.reason)
            except InvalidStatus as refused:
                how = _refused(refused.response)
            except (OSError, WebSocketException):
                pass  # nobody there, or nobody who speaks WebSocket: perhaps later
            pause = self._resumer.lost(how, random.random())
            self._tell()

    def _connect(self) -> connect:
        return connect(
            f"{self._address}{self._path}?{urlencode(self._resumer.query())}",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            proxy=None if is_loopback(self._address) else True,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=None,  # the gateway's heartbeat says more than a pong
        )

    async def _read(self, socket: ClientConnection) -> AsyncGenerator[Item, None]:
        """Items until the connection is lost, silent or of no more use."""
        resumer, now = self._resumer, asyncio.get_running_loop().time
        resumer.connected(now())
        while True:
            # The subscriber may have been busy: what came meanwhile is read first.
            try:
                async with asyncio.timeout_at(max(resumer.silent_at, now() + 0.5)):
                    data = await socket.recv(decode=False)
            except TimeoutError:
                return
            outputs = resumer.received(data, now())
            self._tell()
            for output in outputs:
                match output:
                    case Deliver(item):
                        yield item
                    case Restarted() if self._on_restart is not None:
                        self._on_restart(output)
                    case Reconnect():
                        return

    def _tell(self) -> None:
        if self._told is not self.state:
            self._told = self.state
            if self._on_state is not None:
                self._on_state(self.state)


def _refused(response: Response) -> HandshakeRefused:
    wait = response.headers.get("Retry-After", "")
    return HandshakeRefused(response.status_code, float(wait) if wait.isdigit() else 0)


class Options(TypedDict, total=False):
    """What a subscription may be told.

    `after` and `epoch` are where an earlier one ended; `after=0` is the beginning.
    """

    after: int | None
    epoch: str | None
    rehearsal: bool
    on_state: Callable[[State], None] | None
    on_restart: Callable[[Restarted], None] | None


@overload
def subscribe(
    url: str = LOCAL,
    chamber: str = "ga",
    roll_call: str | None = None,
    feed: Literal["tally"] = "tally",
    **options: Unpack[Options],
) -> Subscription[Tally]: ...


@overload
def subscribe(
    url: str,
    chamber: str,
    roll_call: str | None,
    feed: Literal["events"],
    **options: Unpack[Options],
) -> Subscription[CloudEvent]: ...


def subscribe(
    url: str = LOCAL,
    chamber: str = "ga",
    roll_call: str | None = None,
    feed: Literal["tally", "events"] = "tally",
    **options: Unpack[Options],
) -> Subscription[Tally] | Subscription[CloudEvent]:
    """The tallies of one roll call or of a whole chamber: the state now, then changes.

    With `feed="events"` the same as `events`.
    """
    if feed == "events":
        return events(url, chamber, roll_call, **options)
    return _subscription(TallyResumer, url, chamber, roll_call, options)


def events(
    url: str = LOCAL,
    chamber: str = "ga",
    roll_call: str | None = None,
    **options: Unpack[Options],
) -> Subscription[CloudEvent]:
    """Every event exactly once, in order: from the log's beginning with `after=0`."""
    return _subscription(EventResumer, url, chamber, roll_call, options)


def _subscription(
    kind: type[Resumer[Item]],
    url: str,
    chamber: str,
    roll_call: str | None,
    options: Options,
) -> Subscription[Item]:
    resumer = kind(
        roll_call,
        after=options.get("after"),
        epoch=options.get("epoch"),
        rehearsal=options.get("rehearsal", False),
    )
    on_state, on_restart = options.get("on_state"), options.get("on_restart")
    return Subscription(url, chamber, resumer, on_state, on_restart)
