"""What the service's routes share."""

from collections.abc import Callable
from typing import NamedTuple, TypedDict

from starlette.requests import Request

from tellers_core.codec import LogName
from tellers_runtime.clock import Clock
from tellers_runtime.tokens import TokenStore
from tellers_webhooks.courier import Couriers
from tellers_webhooks.endpoints import Endpoints
from tellers_webhooks.follower import Follower, SaidLast
from tellers_webhooks.guard import Guard
from tellers_webhooks.planner import Planner
from tellers_webhooks.queue import Queue
from tellers_webhooks.sender import Sender


class Desk(NamedTuple):
    """Everything that management works on.

    `origin`: the name under which receivers are asked whether they want deliveries, by
    a sender that `asking` makes.
    """

    logs: tuple[LogName, ...]
    said: SaidLast
    tokens: TokenStore
    endpoints: Endpoints
    queue: Queue
    planner: Planner
    follower: Follower
    couriers: Couriers
    guard: Guard
    clock: Clock
    origin: str
    asking: Callable[[], Sender]


class State(TypedDict):
    """The application's state, one for the life of the process."""

    desk: Desk


def desk_of(request: Request) -> Desk:
    """The desk of this process."""
    desk: Desk = request.state.desk
    return desk
