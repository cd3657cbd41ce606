"""`tellers import`: histories of votes, through the real ingest API, then a report.

Nothing is sent before every line of every file is known to be good. What was recorded
by an import that was cut off is recognised by ingest, vote for vote: repeating the
command records the rest.
"""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import httpx
import msgspec
from msgspec import Struct

from tellers_client import GatewayRefused, get_tally, http_client
from tellers_core.majority import Rule
from tellers_core.past import Difference
from tellers_core.roll_call import Phase
from tellers_local.failure import Failure
from tellers_local.ingest import CommandRefused, IngestClient
from tellers_local.past_files import PastRecord, load_past
from tellers_local.replaying import Target, warn_once
from tellers_local.terminal import progress_bar, say, warn

# Some 100 KiB, and some hundred milliseconds: an answer comes long before the client
# stops waiting for it, on any machine.
SENT_AT_ONCE = 25
LOOK_SECONDS = 0.1
# The tally service counts what was recorded meanwhile; it may be some way behind.
SHOWN_SECONDS = 60.0
SHOWN_LINES = 20


class Result(Struct, frozen=True):
    """What ingest made of one roll call; see its `RecordedLine`."""

    id: str
    outcome: Literal["closed", "locked", "exists", "conflict"]
    seq: int | None
    differences: tuple[Difference, ...] = ()


class _Answer(Struct, frozen=True):
    roll_calls: list[Result]


class Outcome(NamedTuple):
    """One roll call of a file, and what became of it."""

    record: PastRecord
    result: Result


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


def import_files(
    files: Sequence[Path],
    target: Target,
    rule: Rule | None,
    source: str | None,
    report: Path | None,
) -> None:
    """Import these files. Raises Failure: a file is bad, or an id is taken."""
    with progress_bar("reading") as progress:
        records, notes = load_past(files, rule, source, progress)
    for note in islice(notes, SHOWN_LINES):
        warn(note)
    outcomes: list[Outcome] = []
    try:
        asyncio.run(_import(records, target, outcomes))
    finally:
        if report is not None:
            report.write_text(as_csv(outcomes), encoding="utf-8", newline="")
    votes = sum(len(one.past.votes) for one in records)
    say(f"{len(records)} roll calls with {votes} votes in {len(files)} files:")
    for sentence in summary(outcomes):
        say(sentence)
    if report is not None:
        say(f"every roll call, and every difference: {report}")
    taken = sum(one.result.outcome == "conflict" for one in outcomes)
    if taken:
        raise Failure(f"{taken} roll calls were refused: their ids are taken by others")


async def _import(
    records: Sequence[PastRecord], target: Target, outcomes: list[Outcome]
) -> None:
    ingest = IngestClient(
        target.services.ingest, target.token, target.chamber, warn_once()
    )
    try:
        if not await ingest.is_there():
            raise Failure(
                f"nothing answers at {ingest.url}: start it with `tellers up`, "
                "or give --ingest"
            )
        with progress_bar("recording") as progress:
            await send(ingest, records, outcomes, progress)
        with progress_bar("counting"):
            await _shown(target, outcomes)
    except CommandRefused as refusal:
        raise Failure(f"after {len(outcomes)} roll calls: {refusal}") from refusal
    except asyncio.CancelledError:
        warn(f"cut off after {len(outcomes)} roll calls; the same command goes on")
        raise
    finally:
        await ingest.aclose()


async def send(
    ingest: IngestClient,
    records: Sequence[PastRecord],
    outcomes: list[Outcome],
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> None:
    """Have every roll call recorded, adding to `outcomes` what became of it.

    Raises CommandRefused or Failure.
    """
    for start in range(0, len(records), SENT_AT_ONCE):
        some = records[start : start + SENT_AT_ONCE]
        body = b"\n".join(_encode(one.past) for one in some)
        answer = _decode(await ingest.import_lines(body))
        outcomes += map(Outcome, some, answer.roll_calls)
        progress(len(outcomes), len(records))


async def _shown(target: Target, outcomes: Sequence[Outcome]) -> None:
    """Wait until the gateway shows what was recorded last."""
    recorded = [one for one in outcomes if one.result.seq is not None]
    if not recorded:
        return
    last = max(recorded, key=lambda one: one.result.seq or 0).result
    trouble = "it does not show them yet"
    try:
        async with (
            asyncio.timeout(SHOWN_SECONDS),
            http_client(target.services.gateway) as client,
        ):
            while True:
                try:
                    tally = await get_tally(client, last.id, chamber=target.chamber)
                    if tally.seq >= (last.seq or 0) and tally.phase is not Phase.OPEN:
                        return
                except (httpx.TransportError, GatewayRefused) as error:
                    trouble = str(error) or type(error).__name__
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        warn(f"all is recorded, but the gateway is not there yet: {trouble}")


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The report in sentences: how many of each, then what is wrong, a line each."""
    counts = Counter(one.result.outcome for one in outcomes)
    lines = [
        f"  {counts['closed']} recorded and closed",
        f"  {counts['exists']} recorded before",
        f"  {counts['locked']} recorded, but not closed: the file says otherwise",
        f"  {counts['conflict']} refused: another roll call has the id",
    ]
    told = [_told(one) for one in outcomes if _told(one)]
    lines += told[:SHOWN_LINES]
    if len(told) > SHOWN_LINES:
        lines.append(f"and {len(told) - SHOWN_LINES} more: --report FILE has them all")
    return lines


def _told(one: Outcome) -> str:
    record, result = one
    place = f"{record.file}:{record.line}: {result.id}"
    if result.outcome == "conflict":
        return f"{place}: there is another roll call of this id"
    if not result.differences:
        return ""
    return f"{place}: " + ", ".join(map(_difference, result.differences))


def _difference(found: Difference) -> str:
    what, said, computed = found.what, found.said, found.computed
    by = ""
    if isinstance(said, int) and isinstance(computed, int):
        by = f" ({computed - said:+d})"
    said = "nothing" if said is None else said
    return f"{what} {computed} by its votes, the file says {said}{by}"


COLUMNS = (
    "file",
    "line",
    "roll_call",
    "symbol",
    "voted_on",
    "outcome",
    "seq",
    "what",
    "said",
    "computed",
)


def as_csv(outcomes: Sequence[Outcome]) -> str:
    """The report as CSV: a line a roll call, or one for each of its differences."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for (file, line, past), result in outcomes:
        place = (file, line, result.id, past.symbol or "", past.voted_on)
        for what, said, computed in _told_apart(result.differences):
            seq = "" if result.seq is None else result.seq
            writer.writerow((*place, result.outcome, seq, what, said, computed))
    return out.getvalue()


def _told_apart(
    differences: Sequence[Difference],
) -> list[tuple[str, int | str, int | str]]:
    if not differences:
        return [("", "", "")]
    return [
        (one.what, "" if one.said is None else one.said, one.computed)
        for one in differences
    ]
