"""The same roll calls with the `eventsourcing` library, as its documentation has it: an
aggregate whose methods are events, an application in memory. For comparison."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from tellers_core.codec import decode
from tellers_core.events import (
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallScheduled,
    VoteRecorded,
)
from tellers_runtime.log import Entry


class RollCall(Aggregate):
    """A roll call: less than ours, it knows one rule and no corrections."""

    def __init__(self, title: str, members: list[str]) -> None:
        self.title = title
        self.members = members
        self.phase = "scheduled"
        self.votes: dict[str, str] = {}

    @event("Opened")
    def open(self) -> None:
        self.phase = "open"

    @event("VoteRecorded")
    def vote(self, delegation: str, vote: str) -> None:
        if self.phase != "open" or delegation in self.votes:
            raise ValueError(delegation)
        self.votes[delegation] = vote

    @event("Locked")
    def lock(self) -> None:
        self.phase = "locked"

    @event("Closed")
    def close(self, adopted: bool) -> None:
        self.phase = "closed"
        self.adopted = adopted


class Eventsourced:
    """An application that holds these entries."""

    def __init__(self, log: Sequence[Entry]) -> None:
        self._app: Application[UUID] = Application()
        self._ids: dict[str, UUID] = {}
        going: dict[str, RollCall] = {}
        for entry in log:
            recorded = decode(entry.body)
            name, what = recorded.roll_call, recorded.event
            if isinstance(what, RollCallScheduled):
                going[name] = RollCall(what.title, list(what.members))
            else:
                _tell(going[name], what)
        for name, roll_call in going.items():
            self._app.save(roll_call)
            self._ids[name] = roll_call.id

    def replay(self, _: Sequence[Entry]) -> int:
        """Every roll call from its stored events."""
        yes = 0
        for place in self._ids.values():
            roll_call = cast("RollCall", self._app.repository.get(place))
            yes += Counter(roll_call.votes.values())["yes"]
        return yes


def _tell(roll_call: RollCall, what: Any) -> None:
    match what:
        case RollCallOpened():
            roll_call.open()
        case VoteRecorded(delegation, vote):
            roll_call.vote(delegation, str(vote))
        case RollCallLocked():
            roll_call.lock()
        case RollCallClosed(_, outcome):
            roll_call.close(outcome == "adopted")
