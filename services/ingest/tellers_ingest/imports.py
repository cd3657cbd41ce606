"""Roll calls of the past, whole: one JSON object a line, each appended at once.

What five kinds of commands would do in some 160 requests, `decide` does here for a
whole roll call, and one call of the append script records it: all of its events, or
none. A line that is recorded already, vote for vote, is answered `exists`, so that an
import can be repeated from its beginning however it ended.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

import msgspec
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from tellers_core.codec import LogName, encode
from tellers_core.errors import BadRequest, Problem
from tellers_core.former import member
from tellers_core.members import chamber_of
from tellers_core.past import PastRollCall, Taken, roll_of, take
from tellers_core.roll_call import RollCall, Schedule, decide
from tellers_ingest import metrics, models
from tellers_ingest.answers import ImportAnswer, RecordedLine
from tellers_ingest.arrival import arrive
from tellers_ingest.auth import Presiding, address_of, check_audience
from tellers_ingest.handler import Idempotency, IdempotencyConflict, Sender
from tellers_ingest.openapi import import_described
from tellers_ingest.routes import ChamberId
from tellers_runtime import fields
from tellers_runtime.clock import Clock, rfc3339, utc_now
from tellers_runtime.log import (
    Append,
    Appended,
    Duplicate,
    KeyReused,
    LogWriter,
    Stale,
)

LINES = "application/x-ndjson"
# A roll call of 193 delegations is some 4 KiB.
MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_ROLL_CALLS = 200
MAX_MEMBERS = 1000
# One is decided while Redis takes the other; a vote that comes meanwhile waits for no
# more than these.
TOGETHER = 2
_SOURCE = re.compile(r"[a-z0-9-]{1,32}")
_is_id = re.compile(models.ROLL_CALL_ID).fullmatch
_title = TypeAdapter(models.Title).validate_python
_symbol = TypeAdapter(models.Symbol).validate_python
_rule = TypeAdapter(models.RuleField).validate_python
_decode = msgspec.json.Decoder(PastRollCall).decode
_encode = msgspec.json.Encoder().encode
logger = structlog.get_logger()
router = APIRouter()


class _Line(NamedTuple):
    past: PastRollCall
    permanent: tuple[str, ...]
    idempotency: Idempotency | None


class Importer:
    """Records roll calls of the past; one for each process.

    Raises LogLost or one of redis-py's errors: what the lines before came to stands,
    and the same body may be sent again.
    """

    def __init__(self, writer: LogWriter, clock: Clock = utc_now) -> None:
        self._writer = writer
        self._clock = clock

    async def record(
        self, chamber: str, line: "_Line", sender: Sender
    ) -> tuple[RecordedLine, bool]:
        """Record one roll call, all or nothing; whether its key was answered before."""
        taken = take(line.past, line.permanent)
        match await self._append(chamber, line, taken):
            case Appended(seq, version, text):
                _log(chamber, line.past.id, sender, taken, seq, version)
                metrics.COMMANDS.labels("Import", "appended").inc()
                return msgspec.json.decode(text, type=RecordedLine), False
            case Duplicate(text):
                metrics.COMMANDS.labels("Import", "replayed").inc()
                return msgspec.json.decode(text, type=RecordedLine), True
            case KeyReused():
                raise IdempotencyConflict
            case Stale():
                found = await self._found(chamber, line.past.id, taken)
                metrics.COMMANDS.labels("Import", found.outcome).inc()
                return found, False

    async def _append(
        self, chamber: str, line: "_Line", taken: Taken
    ) -> Appended | Duplicate | KeyReused | Stale:
        log, name = LogName(chamber), line.past.id
        now = rfc3339(self._clock())
        outcome = "closed" if not taken.differences else "locked"
        head = _encode({"id": name, "outcome": outcome})[:-1] + b',"seq":'
        tail = b',"differences":%b}' % _encode(taken.differences)
        digest, fingerprint = line.idempotency or ("", "")
        return await self._writer.append(
            Append(
                log,
                name,
                {"version": fields.ABSENT},
                [encode(log, name, event, now) for event in taken.events],
                {
                    field: value
                    for event in taken.events
                    for field, value in fields.changes(event).items()
                },
                head,
                tail,
                digest,
                fingerprint,
            )
        )

    async def _found(self, chamber: str, name: str, taken: Taken) -> RecordedLine:
        """What there is under that id: the very same, whatever was done with it since,
        or another roll call."""
        seen = fields.load(await self._writer.load(chamber, name))
        await self._writer.settled(chamber)
        if seen is None or not _is_same(seen.roll_call, taken.state):
            return RecordedLine(name, "conflict", None, None)
        return RecordedLine(name, "exists", seen.seq, seen.version)


def _is_same(found: RollCall, wanted: RollCall) -> bool:
    """Whether they are one roll call, whatever came after; a table of names that has
    grown since may have put its members in another order."""
    rolls = [
        msgspec.structs.replace(
            roll,
            members=tuple(sorted(roll.members)),
            entitled=tuple(sorted(roll.entitled)),
        )
        for roll in (found.roll, wanted.roll)
    ]
    return rolls[0] == rolls[1] and found.votes == wanted.votes


def _log(
    chamber: str, name: str, sender: Sender, taken: Taken, seq: int, version: int
) -> None:
    """A line of the audit trail, as any command's (ADR 16)."""
    logger.info(
        "command.appended",
        chamber=chamber,
        roll_call=name,
        command="Import",
        seq=seq,
        version=version,
        events=len(taken.events),
        **sender._asdict(),
    )


# ---- reading the body


def read(
    chamber: str, body: bytes, key: Idempotency | None = None
) -> tuple[_Line, ...]:
    """The roll calls in a body, one JSON object a line.

    Raises BadRequest naming every bad line; nothing is recorded then.
    """
    lines: list[_Line] = []
    problems: list[Problem] = []
    first: dict[str, int] = {}
    filled = [
        (number, line)
        for number, line in enumerate(body.split(b"\n"), 1)
        if line.strip()
    ]
    if not filled or len(filled) > MAX_ROLL_CALLS:
        detail = f"1 to {MAX_ROLL_CALLS} roll calls at once, not {len(filled)}"
        raise BadRequest(detail, (Problem(1, detail),))
    for number, text in filled:
        try:
            past = _decode(text)
            line = _sound(chamber, past)
        except (msgspec.DecodeError, ValueError, RecursionError, BadRequest) as error:
            problems.append(Problem(number, _reason(error)))
            continue
        if past.id in first:
            detail = f"{past.id} stands already in line {first[past.id]}"
            problems.append(Problem(number, detail))
        first.setdefault(past.id, number)
        lines.append(line._replace(idempotency=_own_key(key, text, number)))
    if problems:
        raise BadRequest("nothing was recorded", tuple(problems))
    return tuple(lines)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors(include_url=False, include_input=False)[0]["msg"])
    if isinstance(error, BadRequest):
        return error.errors[0].detail
    return str(error)


def _own_key(key: Idempotency | None, text: bytes, number: int) -> Idempotency | None:
    """The key of one line: that of the request, and which line it is."""
    if key is None:
        return None
    digest = hashlib.sha256(f"{key.digest}\n{number}".encode()).hexdigest()
    return Idempotency(digest, hashlib.sha256(text).hexdigest())


def _sound(chamber: str, past: PastRollCall) -> _Line:
    """The line, its texts cleaned. Raises ValueError naming the field that is wrong, or
    BadRequest."""
    for fault in _faults(past):
        raise ValueError(fault)
    assembly = chamber_of(chamber, date.fromisoformat(past.voted_on))
    permanent = assembly.permanent if assembly else ()
    cleaned = msgspec.structs.replace(
        past,
        title=_title(past.title),
        symbol=_symbol(past.symbol or "") or None,
        session=_symbol(past.session),
        record=_symbol(past.record),
        rule=_rule(msgspec.to_builtins(past.rule)),
    )
    # What the rules have against it is said before any line is recorded.
    decide(None, Schedule(roll_of(cleaned, permanent)))
    return _Line(cleaned, permanent, None)


def _faults(past: PastRollCall) -> Iterator[str]:
    if not _is_id(past.id):
        yield "id: a-z, 0-9, dots and hyphens, at most 64"
    if not _SOURCE.fullmatch(past.source):
        yield "source: a-z, 0-9 and hyphens, at most 32"
    if not _is_day(past.voted_on):
        yield "voted_on: a day such as 1974-11-22"
    if not 0 < len(past.members) <= MAX_MEMBERS:
        yield f"members: 1 to {MAX_MEMBERS} codes"
    yield from (f"members: {code[:40]!r} is no member" for code in _unknown(past))
    if len(set(past.members)) != len(past.members):
        yield "members: one is there twice"
    for code in past.votes.keys() - set(past.members):
        yield f"votes: {code[:40]!r} is not among the members"
    said = past.totals
    totals = (getattr(said, name) for name in said.__struct_fields__)
    if any(isinstance(total, int) and total < 0 for total in totals):
        yield "totals: a number below 0"


def _unknown(past: PastRollCall) -> Iterable[str]:
    return (code for code in past.members if member(code) is None)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@router.post("/v1/{chamber}/imports", **import_described())
async def imports(request: Request, token: Presiding, chamber: ChamberId) -> Response:
    """Record whole roll calls of the past, one JSON object a line."""
    check_audience(token.audience, rehearsal=False)
    arrival = await arrive(request, token, chamber, LINES, most=MAX_BODY_BYTES)
    lines = read(chamber, arrival.body, arrival.idempotency())
    importer: Importer = request.state.importer
    sender = Sender(token.id, token.name, address_of(request))
    found: list[tuple[RecordedLine, bool]] = []
    for start in range(0, len(lines), TOGETHER):
        some = lines[start : start + TOGETHER]
        found += await asyncio.gather(
            *(importer.record(chamber, line, sender) for line in some)
        )
    replayed = all(again for _, again in found)
    extra = {"Idempotency-Replayed": "true"} if replayed else None
    body = _encode(ImportAnswer([answer for answer, _ in found]))
    return Response(body, 200, extra, "application/json")
