"""Where a subscription begins: one decision for WebSocket and SSE."""

from typing import Literal, NamedTuple

from tellers_core.errors import UnknownRollCall
from tellers_gateway.feed import Update
from tellers_gateway.frames import Frame, control_frame
from tellers_gateway.hub import Hub

FeedName = Literal["tally", "events"]
# No log is longer: every JSON reader can still count so far.
MAX_SEQ = 2**53
# Tallies are replayed over at most this many missed events; further back, a viewer is
# better served with the state now.
TALLIES_REPLAYED = 5000
# A viewer may come from a gateway that is a moment ahead of this one.
AHEAD_SECONDS = 1.0


class Wish(NamedTuple):
    """What a viewer asks for: `after` and `epoch` are where it was before."""

    feed: FeedName
    roll_call: str | None = None
    after: int | None = None
    epoch: str | None = None


class Beginning(NamedTuple):
    """What it gets: the `subscribed` answer, then `frames`, then what follows.

    Events go on after `position` of the log, tallies after update `number`. All of it
    is true of one epoch: when the hub has another, it is void.
    """

    epoch: str
    seq: int
    recovered: bool | None
    reason: str | None
    frames: list[Frame]
    position: int
    number: int

    def subscribed(self, subscription: int) -> Frame:
        """The first frame of the subscription."""
        reason = {} if self.reason is None else {"reason": self.reason}
        return control_frame(
            "subscribed",
            id=subscription,
            epoch=self.epoch,
            seq=self.seq,
            recovered=self.recovered,
            **reason,
        )


def parse_seq(text: str) -> int:
    """The seq in a query or header. Raises ValueError."""
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_SEQ)):
        return min(int(text), MAX_SEQ)
    raise ValueError("not a number, or too large")


async def begin(hub: Hub, wish: Wish) -> Beginning:
    """Where this wish begins. Raises UnknownRollCall, NotReady."""
    if wish.roll_call is not None and await hub.find(wish.roll_call) is None:
        raise UnknownRollCall(f"{hub.log} has no roll call {wish.roll_call}")
    if wish.after is not None and wish.epoch in (None, hub.epoch):
        await hub.events_beyond(wish.after - 1, AHEAD_SECONDS)
    recovered, reason = _continuity(hub, wish)
    if wish.feed == "events":
        return _begin_events(hub, wish, recovered, reason)
    return await _begin_tally(hub, wish, recovered, reason)


def begin_at_once(hub: Hub, wish: Wish) -> Beginning | None:
    """The same, when nothing has to be waited for or read back; None otherwise.

    Which is the rule: of a thousand viewers who come back, none needs a task for it.
    Raises NotReady.
    """
    if wish.roll_call is not None and wish.roll_call not in hub.feed.latest:
        return None
    ours = wish.after is not None and wish.epoch in (None, hub.epoch)
    if ours and wish.after is not None and wish.after > hub.head:
        return None
    recovered, reason = _continuity(hub, wish)
    if wish.feed == "events":
        return _begin_events(hub, wish, recovered, reason)
    if not (recovered and wish.after is not None):
        return _tally_now(hub, wish, recovered, reason)
    missed = hub.feed.after_seq(wish.after, wish.roll_call)
    if missed is None:
        return None
    frames = _with_standing(
        hub.feed.standing(wish.roll_call), wish.after, [u.frame for u in missed]
    )
    number = hub.feed.number
    return Beginning(hub.epoch, hub.head, recovered, reason, frames, 0, number)


def _continuity(hub: Hub, wish: Wish) -> tuple[bool | None, str | None]:
    if wish.after is None:
        return None, None
    if wish.epoch is not None and wish.epoch != hub.epoch:
        return False, f"the epoch is now {hub.epoch}"
    if wish.after > hub.head:
        return False, f"the log ends at {hub.head}"
    return True, None


def _begin_events(
    hub: Hub, wish: Wish, recovered: bool | None, reason: str | None
) -> Beginning:
    position = wish.after if recovered else (hub.head if recovered is None else 0)
    return Beginning(hub.epoch, hub.head, recovered, reason, [], position or 0, 0)


async def _begin_tally(
    hub: Hub, wish: Wish, recovered: bool | None, reason: str | None
) -> Beginning:
    if recovered and wish.after is not None:
        epoch, seq, number = hub.epoch, hub.head, hub.feed.number
        standing = hub.feed.standing(wish.roll_call)
        missed = await hub.frames_after(wish.after, wish.roll_call, TALLIES_REPLAYED)
        if missed is not None:
            frames = _with_standing(standing, wish.after, missed)
            return Beginning(epoch, seq, recovered, reason, frames, 0, number)
        recovered, reason = False, "too many changes were missed"
    now = _tally_now(hub, wish, recovered, reason)
    if not now.frames and wish.roll_call is not None:
        return now._replace(frames=await hub.finished_frame(wish.roll_call))
    return now


def _tally_now(
    hub: Hub, wish: Wish, recovered: bool | None, reason: str | None
) -> Beginning:
    frames = [update.frame for update in hub.feed.now(wish.roll_call)]
    number = hub.feed.number
    return Beginning(hub.epoch, hub.head, recovered, reason, frames, 0, number)


def _with_standing(
    standing: list[Update], after: int, missed: list[Frame]
) -> list[Frame]:
    """What was missed after a place, and what stands whatever the place."""
    replayed = {frame.text for frame in missed}
    # What is older first, so that the viewer's place ends where the log does.
    older = [u.frame for u in standing if u.tally.seq <= after]
    newer = [u.frame for u in standing if u.tally.seq > after]
    return [*older, *missed, *(f for f in newer if f.text not in replayed)]
