"""What a command is answered with: the roll call after it, its place, its events.

The append script, which alone knows seq and version, writes them into the gap of

    201{"roll_call":{...},"seq":     <- head, begins with the HTTP status
    42,"version":7
    ,"events":["vote.recorded"]}     <- tail

so that the answer stored under an idempotency key is the answer given first, byte by
byte, and its status with it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from tellers_core.events import Event, Reveal, VoteRecorded, wire_name
from tellers_core.majority import Rule
from tellers_core.past import Difference
from tellers_core.roll_call import CastVote, Command, Phase, RollCall, Schedule

STATUS_DIGITS = 3
OK, CREATED = 200, 201


class RollCallView(Struct):
    """A roll call as it is after the command; `entitled` and `members` are numbers."""

    chamber: str
    id: str
    title: str
    symbol: str | None
    rule: Rule
    phase: Phase
    rehearsal: bool
    reveal: Reveal
    called_from: str | None
    entitled: int
    members: int
    barred: Mapping[str, str]


class CommandAnswer(Struct):
    """`seq` is that of the last event appended, or of the roll call's last one."""

    roll_call: RollCallView
    seq: int
    version: int
    events: list[str]


class RecordedLine(Struct, frozen=True, omit_defaults=True):
    """What became of one line.

    Args:
        outcome: `closed`; `locked`, with the differences that keep it from being
            closed; `exists`: recorded before, just so; `conflict`: another roll call
            has that id.
        seq, version: of its last event; None for a conflict.
    """

    id: str
    outcome: Literal["closed", "locked", "exists", "conflict"]
    seq: int | None
    version: int | None
    differences: tuple[Difference, ...] = ()


class ImportAnswer(Struct, frozen=True):
    """What became of every line, in the order of the body."""

    roll_calls: list[RecordedLine]


class Answer(NamedTuple):
    """An HTTP answer; `replayed` when it was given before."""

    status: int
    body: bytes
    replayed: bool = False


_encode = msgspec.json.Encoder().encode


def view(chamber: str, roll_call_id: str, state: RollCall) -> RollCallView:
    """The roll call as the answer shows it."""
    roll = state.roll
    return RollCallView(
        chamber,
        roll_call_id,
        roll.title,
        roll.symbol,
        state.rule,
        state.phase,
        roll.rehearsal,
        roll.reveal,
        roll.called_from,
        len(roll.entitled),
        len(roll.members),
        roll.barred,
    )


def template(
    shown: RollCallView, command: Command, events: Sequence[Event]
) -> tuple[bytes, bytes]:
    """Head and tail of the answer, its status in front."""
    created = isinstance(command, Schedule) or (
        isinstance(command, CastVote)
        and any(isinstance(event, VoteRecorded) for event in events)
    )
    status = CREATED if created else OK
    names = [wire_name(event) for event in events]
    return (
        b'%d{"roll_call":%b,"seq":' % (status, _encode(shown)),
        b',"events":%b}' % _encode(names),
    )


def stored(text: bytes, *, replayed: bool) -> Answer:
    """The answer in the form the script composes and keeps."""
    return Answer(int(text[:STATUS_DIGITS]), text[STATUS_DIGITS:], replayed)


def unchanged(shown: RollCallView, seq: int, version: int) -> Answer:
    """The answer to a command that asked for what is already true."""
    return Answer(OK, _encode(CommandAnswer(shown, seq, version, [])))
