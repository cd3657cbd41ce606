"""What the service's routes share."""

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


class Desk(NamedTuple):
    """Everything that management works on."""

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


class State(TypedDict):
    """The application's state, one for the life of the process."""

    desk: Desk


def desk_of(request: Request) -> Desk:
    """The desk of this process."""
    desk: Desk = request.state.desk
    return desk
