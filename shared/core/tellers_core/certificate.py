"""The certificate of a result: everything in it that follows from the events.

`docs/certificate.md` is the format. The gateway makes certificates with `certify`; who
verifies one makes it again from the events in it, and compares. The smaller proofs
(`include`, `Consistency`) stand under the same signed checkpoint.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from tellers_core import tally
from tellers_core.codec import (
    LogName,
    Recorded,
    decode,
    public_event,
    publishable,
)
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Counts,
    Figures,
    Outcome,
    RollCallClosed,
    RollCallScheduled,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.merkle import leaf_hash
from tellers_core.notes import (
    BadNote,
    Checkpoint,
    VerifierKey,
    fingerprint,
    to_base64,
)
from tellers_core.tally import Projection, Tally

CERTIFICATE = "org.tellers.certificate.v1"
INCLUSION = "org.tellers.inclusion.v1"
CONSISTENCY = "org.tellers.consistency.v1"

_EPOCH = "epoch "
_MADE_UP = "key made up on first start"
_EPOCH_LINE = 4


class Key(Struct, frozen=True):
    """The log's key. `made_up`: nobody gave one; it was made on first start."""

    vkey: str
    fingerprint: str
    made_up: bool

    @classmethod
    def of(cls, key: VerifierKey, made_up: bool) -> "Key":
        """The key as a certificate names it."""
        return cls(str(key), fingerprint(key.public), made_up)


class Seal(NamedTuple):
    """What vouches for a proof: the signed note in full, the key of its first
    signature, and the vkeys of the witnesses whose signatures follow, in that order."""

    checkpoint: str
    key: Key
    witnesses: tuple[str, ...] = ()


class VoteLine(Struct, frozen=True):
    """How a delegation voted in the end, and the event that says so."""

    delegation: str
    vote: Vote
    seq: int


class Result(Struct, frozen=True):
    """What was proclaimed at closing."""

    outcome: Outcome
    counts: Counts
    announced: Figures | None
    seq: int
    at: str


class Certificate(Struct, frozen=True, tag_field="type", tag=CERTIFICATE):
    """A closed roll call that can be verified without this system."""

    chamber: str
    roll_call: str
    epoch: str
    tally: Tally
    votes: tuple[VoteLine, ...]
    not_voting: tuple[str, ...]
    result: Result
    events: tuple[Raw, ...]
    leaves: tuple[str, ...]
    proof: tuple[str, ...]
    checkpoint: str
    key: Key
    witnesses: tuple[str, ...]


class Inclusion(Struct, frozen=True, tag_field="type", tag=INCLUSION):
    """One event of the log, and the proof that it is there."""

    event: Raw
    leaf: str
    proof: tuple[str, ...]
    checkpoint: str
    key: Key
    witnesses: tuple[str, ...]


class Consistency(Struct, frozen=True, tag_field="type", tag=CONSISTENCY):
    """The proof that the log of the `old` note is the beginning of that of the `new`.
    `witnesses` are those of `new`; `old` has the log's own signature alone."""

    old: str
    new: str
    proof: tuple[str, ...]
    key: Key
    witnesses: tuple[str, ...]


def encode(value: Certificate | Inclusion | Consistency) -> bytes:
    """The file, as JSON."""
    return msgspec.json.encode(value)


def certify(
    entries: Sequence[bytes], epoch: str, proof: Sequence[bytes], seal: Seal
) -> Certificate:
    """The certificate of the roll call that has these entries of the log.

    Args:
        entries: canonical and without `epoch`, as the log has them: from
            `roll_call.scheduled` to `roll_call.closed`, see `until_closed`.
        proof: see `merkle.missing`.

    Raises OutOfPlace when the entries are not one roll call, whole and closed.
    """
    history = _absorbed(entries)
    projection = history.projection
    roll = projection.roll_call.roll
    return Certificate(
        projection.chamber,
        projection.id,
        epoch,
        tally.tally(projection, epoch),
        _votes(history),
        tuple(code for code in roll.entitled if code not in projection.roll_call.votes),
        history.result,
        tuple(Raw(public_event(entry, epoch)) for entry in entries),
        tuple(to_base64(leaf_hash(entry)) for entry in entries),
        tuple(map(to_base64, proof)),
        *seal,
    )


def include(entry: bytes, epoch: str, proof: Sequence[bytes], seal: Seal) -> Inclusion:
    """The proof that this entry is in the log; `proof` as in `merkle.missing`."""
    return Inclusion(
        Raw(public_event(entry, epoch)),
        to_base64(leaf_hash(entry)),
        tuple(map(to_base64, proof)),
        *seal,
    )


def until_closed(entries: Iterable[bytes]) -> list[bytes]:
    """The roll call's entries up to its closing: what comes after decides nothing.

    Raises CorruptHistory when it is not closed.
    """
    found = []
    for entry in entries:
        found.append(entry)
        if isinstance(decode(entry).event, RollCallClosed):
            return found
    raise CorruptHistory("the roll call is not closed")


class _History(NamedTuple):
    projection: Projection
    voted: dict[str, int]  # delegation -> seq of its latest event
    result: Result


class OutOfPlace(CorruptHistory):
    """The entry at `index`, from 0, does not belong where it stands."""

    def __init__(self, index: int, detail: str) -> None:
        super().__init__(detail)
        self.index = index


def _absorbed(entries: Sequence[bytes]) -> _History:
    projection: Projection | None = None
    source, seq = "", 0
    voted: dict[str, int] = {}
    result: Result | None = None
    for index, entry in enumerate(entries):
        try:
            recorded = decode(entry)
            if result is not None:
                raise CorruptHistory("it comes after the closing")
            if projection is not None:
                _must_follow(recorded, projection, source)
            log = LogName.parse(recorded.source)
            if publishable(log, recorded.seq, entry) != entry:
                raise CorruptHistory("it is not published as it stands in the log")
            projection = tally.absorb(projection, recorded)
            if isinstance(recorded.event, RollCallScheduled):
                _must_be_a_roll(recorded.event, log)
        except CorruptHistory as error:
            raise OutOfPlace(index, str(error)) from error
        source, seq = recorded.source, recorded.seq
        match recorded.event:
            case VoteRecorded() | VoteChanged() | VoteWithdrawn() as vote:
                voted[vote.delegation] = seq
            case RollCallClosed(counts, outcome, announced):
                result = Result(outcome, counts, announced, seq, recorded.time)
            case _:
                pass  # phases and rules are in the tally
    if projection is None or result is None:
        raise OutOfPlace(max(0, len(entries) - 1), "the roll call is not closed")
    return _History(projection, voted, result)


def _must_follow(recorded: Recorded, before: Projection, source: str) -> None:
    if recorded.roll_call != before.id:
        raise CorruptHistory(f"it is of roll call {recorded.roll_call}")
    if recorded.source != source:
        raise CorruptHistory(f"it is of the log {recorded.source}")
    if recorded.seq <= before.seq:
        raise CorruptHistory(f"event {recorded.seq} comes before event {before.seq}")


def _must_be_a_roll(roll: RollCallScheduled, log: LogName) -> None:
    members = set(roll.members)
    if len(members) != len(roll.members) or len(set(roll.entitled)) != len(
        roll.entitled
    ):
        raise CorruptHistory("a delegation stands twice in the roll")
    if not members.issuperset(roll.entitled):
        raise CorruptHistory("who is no member is entitled to vote")
    if roll.rehearsal != log.rehearsal:
        raise CorruptHistory("a rehearsal and what counts have logs of their own")


def _votes(history: _History) -> tuple[VoteLine, ...]:
    state = history.projection.roll_call
    return tuple(
        VoteLine(code, state.votes[code], history.voted[code])
        for code in state.roll.members
        if code in state.votes
    )


# ---- what a checkpoint of ours says beside the root


class Extensions(NamedTuple):
    """The lifetime of the log, and whether its key was made up on first start."""

    epoch: str
    made_up: bool

    def lines(self) -> tuple[str, ...]:
        """The extension lines of the checkpoint."""
        return (_EPOCH + self.epoch, *([_MADE_UP] if self.made_up else ()))


def extensions(checkpoint: Checkpoint) -> Extensions:
    """What the extension lines say. Raises BadNote when they are not ours."""
    lines = checkpoint.extensions
    found = Extensions(lines[0].removeprefix(_EPOCH) if lines else "", len(lines) > 1)
    if not found.epoch or found.lines() != lines:
        raise BadNote(
            _EPOCH_LINE,
            f"the extension lines are not `{_EPOCH}...` "
            f"and, where it is so, `{_MADE_UP}`",
        )
    return found
