"""Plays recorded roll calls through the real ingest API, one command after another.

    schedule -> open -> one PUT a vote, spread over the seconds -> lock -> close

Closing announces the file's own counts, which the ingest service compares with what it
recorded.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import httpx
import msgspec

from tellers_client import GatewayRefused, get_roll_call, get_tally, http_client
from tellers_core.roll_call import Phase
from tellers_core.tally import Tally
from tellers_local.failure import Failure
from tellers_local.ingest import CommandRefused, IngestClient
from tellers_local.recorded import Recording, rule_as_json

SHOWN_SECONDS = 30.0
LOOK_SECONDS = 0.05
MOST_NAMES = 1000
MAX_ID = 64


class Begun(NamedTuple):
    """How far a roll call came that was cut off."""

    phase: Phase
    answered: frozenset[str]


class Player:
    """Plays recordings.

    Args:
        rehearsal: what is scheduled is a rehearsal.
        progress: told how many of how many votes are recorded.
    """

    def __init__(
        self,
        ingest: IngestClient,
        seconds: float,
        progress: Callable[[int, int], None] = lambda _, __: None,
        *,
        rehearsal: bool = False,
    ) -> None:
        self._ingest = ingest
        self._seconds = seconds
        self._progress = progress
        self._rehearsal = rehearsal

    async def schedule(self, recording: Recording) -> str:
        """Announce the roll call; returns its id, the next free one: id, id.2, id.3."""
        for name in names_for(recording.id):
            body = {
                "id": name,
                "title": recording.title,
                "symbol": recording.symbol,
                "rule": rule_as_json(recording.rule),
                "rehearsal": self._rehearsal,
            }
            try:
                await self._ingest.post("", body)
            except CommandRefused as refusal:
                if refusal.code != "already_exists":
                    raise
            else:
                return name
        raise Failure(f"{recording.id} has been played {MOST_NAMES} times")

    async def play(
        self, name: str, recording: Recording, begun: Begun | None = None
    ) -> None:
        """Play a scheduled roll call to its end; what was `begun` goes on."""
        phase, answered = begun or Begun(Phase.SCHEDULED, frozenset())
        if phase is Phase.SCHEDULED:
            await self._ingest.post(f"/{name}/open")
        if phase is not Phase.LOCKED:
            await self._votes(name, recording, answered)
            await self._ingest.post(f"/{name}/lock")
        announced = msgspec.to_builtins(recording.figures)
        await self._ingest.post(f"/{name}/close", {"announced": announced})

    async def _votes(
        self, name: str, recording: Recording, answered: frozenset[str]
    ) -> None:
        votes = recording.votes
        self._progress(len(answered), len(votes))
        loop = asyncio.get_running_loop()
        missing = [(code, vote) for code, vote in votes if code not in answered]
        first = len(votes) - len(missing)
        step = self._seconds / max(1, len(votes))
        started = loop.time()
        for number, (code, vote) in enumerate(missing, 1):
            # By the clock, so that what was slow does not make the whole longer.
            await asyncio.sleep(max(0.0, started + number * step - loop.time()))
            await self._ingest.put(f"/{name}/votes/{code}", {"vote": vote})
            self._progress(first + number, len(votes))


def names_for(roll_call: str) -> list[str]:
    """The ids to try: the roll call's own, then numbered ones, none too long."""
    numbered = [f".{number}" for number in range(2, MOST_NAMES)]
    return [
        roll_call,
        *(roll_call[: MAX_ID - len(number)] + number for number in numbered),
    ]


async def begun(gateway: str, chamber: str, roll_call: str) -> Begun | None:
    """How far a roll call is, as the gateway shows it; None when there is none."""
    async with http_client(gateway) as client:
        try:
            found = await get_roll_call(client, roll_call, chamber=chamber)
        except GatewayRefused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return None
            raise Failure(str(refused)) from refused
        except httpx.TransportError as error:
            raise Failure(f"nothing answers at {gateway}: {error}") from error
    answered = frozenset(vote["delegation"] for vote in found["votes"])
    return Begun(Phase(found["phase"]), answered)


async def final_tally(gateway: str, chamber: str, roll_call: str) -> Tally:
    """The tally once the gateway shows the roll call closed.

    Raises Failure when it does not within half a minute.
    """
    trouble = "the gateway does not show it closed"
    try:
        async with asyncio.timeout(SHOWN_SECONDS), http_client(gateway) as client:
            while True:
                try:
                    tally = await get_tally(client, roll_call, chamber=chamber)
                except (httpx.TransportError, GatewayRefused) as error:
                    trouble = str(error) or type(error).__name__
                else:
                    if tally.phase is Phase.CLOSED:
                        return tally
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise Failure(f"{roll_call} is recorded and closed, but {trouble}") from error
