"""Where a subscription begins: one decision for WebSocket and SSE."""

from typing import Literal, NamedTuple

from tellers_core.errors import UnknownRollCall
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
        position = wish.after if recovered else (hub.head if recovered is None else 0)
        return Beginning(hub.epoch, hub.head, recovered, reason, [], position or 0, 0)
    return await _begin_tally(hub, wish, recovered, reason)


def _continuity(hub: Hub, wish: Wish) -> tuple[bool | None, str | None]:
    if wish.after is None:
        return None, None
    if wish.epoch is not None and wish.epoch != hub.epoch:
        return False, f"the epoch is now {hub.epoch}"
    if wish.after > hub.head:
        return False, f"the log ends at {hub.head}"
    return True, None


async def _begin_tally(
    hub: Hub, wish: Wish, recovered: bool | None, reason: str | None
) -> Beginning:
    epoch, seq, number = hub.epoch, hub.head, hub.feed.number
    frames = None
    if recovered and wish.after is not None:
        standing = hub.feed.standing(wish.roll_call)
        frames = await hub.frames_after(wish.after, wish.roll_call, TALLIES_REPLAYED)
        if frames is None:
            recovered, reason = False, "too many changes were missed"
        else:
            replayed = {frame.text for frame in frames}
            # What is older first, so that the viewer's place ends where the log does.
            before = [u.frame for u in standing if u.tally.seq <= wish.after]
            after = [u.frame for u in standing if u.tally.seq > wish.after]
            frames = [
                *before,
                *frames,
                *(frame for frame in after if frame.text not in replayed),
            ]
    if frames is None:
        epoch, seq, number = hub.epoch, hub.head, hub.feed.number
        frames = [update.frame for update in hub.feed.now(wish.roll_call)]
    if not frames and not recovered and wish.roll_call is not None:
        frames = await hub.finished_frame(wish.roll_call)
    return Beginning(epoch, seq, recovered, reason, frames, 0, number)
