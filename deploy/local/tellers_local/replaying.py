"""`tellers replay`, and what `tellers demo` plays."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tellers_core.roll_call import Phase
from tellers_local.addresses import Services
from tellers_local.data_dir import DataDir
from tellers_local.failure import Failure
from tellers_local.ingest import CommandRefused, IngestClient
from tellers_local.recorded import Recording, chamber_named, load, own_file
from tellers_local.replay import Begun, Player, begun, final_tally
from tellers_local.terminal import progress_bar, say, warn
from tellers_local.words import line

DEMO = "es-11-1"
DEMO_CHAMBER = "ga"


class Target(NamedTuple):
    """Where to play, as whom, and whether it is practice."""

    services: Services
    token: str
    chamber: str
    rehearsal: bool = False


def token_for(data: Path, given: str | None) -> str:
    """The token to use. Raises Failure when there is none."""
    token = given or os.environ.get("TELLERS_TOKEN") or DataDir(data).read_token()
    if not token:
        raise Failure(
            "no token: give --token, set TELLERS_TOKEN, or name with --data the folder "
            f"that `tellers up` works on (there is no operator-token in {data})"
        )
    return token


def replay(recordings: Sequence[Recording], target: Target, seconds: float) -> None:
    """Play recorded roll calls one after another. Raises Failure."""

    async def play_all() -> None:
        for recording in recordings:
            await _play(recording, target, seconds)

    asyncio.run(play_all())


async def _play(
    recording: Recording, target: Target, seconds: float, cut_off: Begun | None = None
) -> None:
    """Play one. Raises Failure saying how far it came."""
    with progress_bar(recording.id) as progress:
        ingest = IngestClient(
            target.services.ingest, target.token, target.chamber, warn_once()
        )
        player = Player(ingest, seconds, progress, rehearsal=target.rehearsal)
        try:
            if not await ingest.is_there():
                raise Failure(
                    f"nothing answers at {ingest.url}: start it with `tellers up`, "
                    "or give --ingest"
                )
            name = recording.id if cut_off else await player.schedule(recording)
            if name != recording.id:
                say(f"{recording.id} exists already: played as {name}")
            await player.play(name, recording, cut_off)
        except asyncio.CancelledError:
            warn(f"{recording.id} was cut off: it stays as far as it came")
            raise
        except CommandRefused as refusal:
            raise Failure(f"{recording.id}: {refusal}") from refusal
        finally:
            await ingest.aclose()
        tally = await final_tally(target.services.gateway, target.chamber, name)
    say(line(tally))


def warn_once() -> Callable[[str], None]:
    """Warns the first time that ingest has to be waited for."""
    said = False

    def waiting(trouble: str) -> None:
        nonlocal said
        if not said:
            warn(f"waiting for ingest: {trouble}")
        said = True

    return waiting


async def play_demo(target: Target, seconds: float) -> None:
    """Play resolution ES-11/1, once on each data folder. Raises Failure."""
    board = f"{target.services.gateway}/board/{DEMO_CHAMBER}/{DEMO}"
    before = await begun(target.services.gateway, DEMO_CHAMBER, DEMO)
    if before is not None and before.phase in (Phase.CLOSED, Phase.ANNULLED):
        say(f"ES-11/1 was played before: {board}")
        return
    (recording,) = load([own_file(DEMO)], chamber_named(DEMO_CHAMBER), None, None)
    again = "goes on where it stopped" if before else "is being played"
    say(f"ES-11/1 {again}: {board}")
    await _play(recording, target, seconds, before)
