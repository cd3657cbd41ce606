"""A subscriber's own count: every event through the public rules, beside what is told.

    async for tally in checked("http://127.0.0.1:8000", "es-11-1"):
        ...  # this process has counted the same

`Recount` is the count alone, without a connection.
"""

from collections.abc import AsyncGenerator

import msgspec
from msgspec.structs import replace

from tellers_client.resumer import CloudEvent
from tellers_client.subscription import LOCAL, Subscription, events, subscribe
from tellers_core.codec import decode
from tellers_core.tally import Projection, Tally, absorb, tally

_json = msgspec.json.Encoder().encode


class Differs(Exception):
    """What is told is not what the events come to: show neither.

    Args:
        told: the tally of the gateway.
        counted: the tally of this process, from the same events.
    """

    def __init__(self, told: Tally, counted: Tally) -> None:
        super().__init__(
            f"{told.roll_call} at seq {told.seq}: told {_figures(told)}, "
            f"counted {_figures(counted)}"
        )
        self.told = told
        self.counted = counted


def _figures(value: Tally) -> str:
    counts = value.counts
    figures = f"{counts.yes}-{counts.no}-{counts.abstain}"
    return f"{value.phase} {figures} {value.verdict.status}"


class Recount:
    """One roll call, counted from its events. Another epoch begins it anew."""

    def __init__(self) -> None:
        self.epoch = ""
        self.version = 0
        self._projection: Projection | None = None

    def take(self, event: CloudEvent) -> Tally:
        """The tally after the next event.

        Raises CorruptHistory when the event is not understood or does not follow.
        """
        if event["epoch"] != self.epoch:
            self.epoch, self._projection = str(event["epoch"]), None
        self._projection = absorb(self._projection, decode(_json(event)))
        self.version = self._projection.version
        return self.tally

    @property
    def tally(self) -> Tally:
        """The tally now. Raises ValueError before the first event."""
        if self._projection is None:
            raise ValueError("nothing has been counted yet")
        return tally(self._projection, self.epoch)

    def check(self, told: Tally) -> None:
        """Compare a tally of the same version. Raises Differs.

        What another than the count says, `held` and `confirmed`, is not compared.
        """
        counted = self.tally
        if replace(told, held=None, confirmed=False) != counted:
            raise Differs(told, counted)


async def checked(
    url: str = LOCAL,
    roll_call: str = "",
    *,
    chamber: str = "ga",
    rehearsal: bool = False,
) -> AsyncGenerator[Tally, None]:
    """The tallies of one roll call, each as soon as this process has counted the same.

    A tally that is held is handed on as it is. Raises Differs, CorruptHistory, and what
    a subscription raises. Use it inside `contextlib.aclosing`, if you may stop early.
    """
    recount = Recount()
    async with (
        subscribe(url, chamber, roll_call, rehearsal=rehearsal) as tallies,
        events(url, chamber, roll_call, after=0, rehearsal=rehearsal) as log,
    ):
        async for told in tallies:
            if told.held is None and not await _counted_up_to(recount, log, told):
                continue
            if told.held is None:
                recount.check(told)
            yield told


async def _counted_up_to(
    recount: Recount, log: Subscription[CloudEvent], told: Tally
) -> bool:
    """Count as far as the tally; False when its log was restored meanwhile: the tally
    of the new one follows."""
    while recount.epoch != told.epoch or recount.version < told.version:
        before = recount.epoch
        recount.take(await anext(log))
        if before == told.epoch != recount.epoch:
            return False
    return recount.version == told.version
