"""Guards every connection: how many there are, and how long a request may take to come.

uvicorn waits for the rest of a request for ever, and takes every connection that the
machine has a file for. Here a request has an absolute deadline (a byte now and then
does not move it) and a bounded head, and who comes when the house is full is told so.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple
from urllib.parse import unquote

import httptools
import msgspec
from prometheus_client import Counter as Metric
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tellers_runtime.answering import Whole
from tellers_runtime.problems import MEDIA_TYPE, HttpProblem

HEAD_BYTES = 32_768
# For Redis, the archive, the log, and those who are being told that we are full.
RESERVED_FILES = 256
# Who was refused has so long to read why.
LINGER_SECONDS = 1.0
TURNED_AWAY = Metric(
    "tellers_turned_away_total", "Connections refused or ended by a limit.", ["why"]
)


class Limits(NamedTuple):
    """What one process grants: connections, those of one address, seconds a request."""

    connections: int = 10_000
    per_address: int = 1_000
    request_seconds: float = 10.0


class Doors:
    """Counts who is inside. Pure.

    Addresses on this machine are not counted by themselves: behind one of them is a
    proxy, or an operator.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._inside = 0
        self._of: Counter[str] = Counter()

    def enter(self, address: str) -> HttpProblem | None:
        """Count one in; or say why not."""
        network = network_of(address)
        if self._inside >= self.limits.connections:
            why = "this server is full; try again"
            return HttpProblem("overloaded", why, status=503, headers=_later(5))
        if network and self._of[network] >= self.limits.per_address:
            why = "too many connections from this address"
            return HttpProblem("too_many_requests", why, headers=_later(60))
        self._inside += 1
        if network:
            self._of[network] += 1
        return None

    def leave(self, address: str) -> None:
        """Who was counted in has gone."""
        self._inside -= 1
        network = network_of(address)
        if network:
            self._of[network] -= 1
            if not self._of[network]:
                del self._of[network]


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Whose address it is: of IPv6 the /64; "" on this machine, or where none is."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return "" if parsed.is_loopback else parsed.exploded[:19]
        parsed = parsed.ipv4_mapped
    return "" if parsed.is_loopback else str(parsed)


def _later(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def fitting(limits: Limits) -> Limits:
    """The limits, as far as this process may open files; it is let open all it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return limits._replace(
        connections=max(1, min(limits.connections, hard - RESERVED_FILES))
    )


def _nobody() -> None:
    """Nobody is counted in any more."""


class Upgrade(NamedTuple):
    """A connection whose client asks for a WebSocket. Whoever takes it over becomes its
    transport's protocol, and calls `leave` when it is lost.

    scope: the request, as ASGI has it.
    connections: what the server has open; it calls `shutdown()` of each when it stops,
        and waits until they have gone.
    """

    scope: Scope
    transport: asyncio.Transport
    connections: set[Any]
    leave: Callable[[], None]


# Answers the request: takes the connection over, or says why not and hangs up.
Sockets = Callable[[Upgrade], None]


class GuardedProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, within limits."""

    def __init__(
        self,
        *arguments: Any,
        doors: Doors,
        sockets: Sockets | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._doors = doors
        self._sockets = sockets
        self._leave: Callable[[], None] = _nobody
        self._deadline: asyncio.TimerHandle | None = None
        self._is_head = self._is_coming = True
        self._head_bytes = 0
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        problem = self._doors.enter(address)
        if problem is not None:
            self._turn_away(problem)
            return
        # Not a closure over self: a WebSocket would keep us alive for it.
        self._leave = partial(self._doors.leave, address)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._request_is_here()
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Take what came; the deadline runs from a request's first byte."""
        if self._is_refused:
            return
        if self.cycle is None or self.cycle.response_complete:
            self._is_coming = True
        if self._is_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_coming:  # most requests are there at once, and need no timer
            self._await_request()
        too_long = self._is_head and self._head_bytes > HEAD_BYTES
        if too_long and not self.transport.is_closing():
            self._turn_away(_http_problem(431, f"at most {HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head = self._is_coming = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._request_is_here()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, Whole(app, cycle))  # type: ignore[arg-type]

    def _should_upgrade_to_ws(self) -> bool:
        return self._sockets is not None

    def handle_websocket_upgrade(self) -> None:
        """The WebSocket takes this connection over, and its place inside.

        uvicorn would write the request down again for another parser to read.
        """
        assert self._sockets is not None
        if self.cycle is not None and not self.cycle.response_complete:
            self._turn_away(_http_problem(400, "the request before is being answered"))
            return
        self._request_is_here()
        url = httptools.parse_url(self.url)
        path = unquote(url.path.decode("ascii"))
        query = url.query or b""
        scope = {**self.scope, "type": "websocket", "path": path, "query_string": query}
        self._sockets(Upgrade(scope, self.transport, self.connections, self._leave))
        if self.transport.get_protocol() is self:
            self._is_refused = True
            return
        self._leave = _nobody
        self.connections.discard(self)
        # It knows us, and we it: nothing would free the two for long.
        self.parser = None  # type: ignore[assignment]

    def _await_request(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            seconds = self._doors.limits.request_seconds
            self._deadline = self.loop.call_later(seconds, self._too_late)

    def _request_is_here(self) -> None:
        self._is_coming = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.flow.read_paused:  # it is we who do not read
            self._await_request()
            return
        seconds = self._doors.limits.request_seconds
        self._turn_away(_http_problem(408, f"it did not come within {seconds:g} s"))

    def _turn_away(self, problem: HttpProblem) -> None:
        """Say why, unless something is being said already, and hang up."""
        TURNED_AWAY.labels(problem.code).inc()
        self._request_is_here()
        self._is_refused = True
        begun = self.cycle is not None and not self.cycle.response_complete
        if begun:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if begun and self.cycle.response_started:
            self.transport.close()
            return
        hang_up(self.transport, problem)


def hang_up(transport: asyncio.Transport, problem: HttpProblem) -> None:
    """Answer with a problem, and read nothing more."""
    transport.write(_answer(problem))
    # To close with something unread would take the answer away again.
    if transport.can_write_eof():
        transport.write_eof()
    asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)


def _http_problem(status: int, detail: str) -> HttpProblem:
    phrase = HTTPStatus(status).phrase
    return HttpProblem(phrase.lower().replace(" ", "_"), detail, status=status)


def _answer(problem: HttpProblem) -> bytes:
    """The problem as HTTP/1.1, after which the connection is closed."""
    body = msgspec.json.encode(problem.body())
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(problem.headers or {}),
    }
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
