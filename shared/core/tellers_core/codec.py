"""Bytes of the log <-> events. Refuses what it does not know.

An entry holds one CloudEvents 1.0 JSON object in canonical form (RFC 8785: keys sorted,
no white space), without `epoch`: that belongs to the log, not to the event, so that a
log restored from the archive has the same bytes. The append script, which alone knows
the sequence number and the version, writes them into the gap between `head` and `tail`:

    {"data":{...},"datacontenttype":"application/json","id":"ga-    <- head
    0000000000000042","rollcall":"es-11-1","rollcallversion":38,"sequence":"0000...42
    ","source":"/chambers/ga","specversion":"1.0",...}              <- tail
"""

from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from tellers_core.errors import CorruptHistory
from tellers_core.events import WIRE_NAMES, Event
from tellers_core.upcasters import UPCASTERS, Payload, Upcasters, upcast

TYPE_PREFIX = "org.tellers."
SEQUENCE_DIGITS = 16
EPOCH_GAP = b'"datacontenttype":"application/json",'

_canonical = msgspec.json.Encoder(order="sorted")


class LogName(NamedTuple):
    """One ordered log: a chamber's own, or that of its rehearsals."""

    chamber: str
    rehearsal: bool = False

    def __str__(self) -> str:
        return f"{self.chamber}/rehearsal" if self.rehearsal else self.chamber

    @property
    def source(self) -> str:
        """The CloudEvents `source`: a subscriber cannot mix the two."""
        return f"/chambers/{self}"

    @classmethod
    def parse(cls, text: str) -> "LogName":
        """The name written by `str` or `source`."""
        chamber, _, rehearsal = text.removeprefix("/chambers/").partition("/")
        return cls(chamber, bool(rehearsal))


class Template(NamedTuple):
    """An encoded event that still lacks its sequence number and version."""

    head: bytes
    tail: bytes

    def filled(self, roll_call: str, seq: int, version: int) -> bytes:
        """The entry as the append script writes it."""
        sequence = b"%0*d" % (SEQUENCE_DIGITS, seq)
        middle = b'","rollcall":"%b","rollcallversion":%d,"sequence":"' % (
            roll_call.encode(),
            version,
        )
        return b"".join((self.head, sequence, middle, sequence, self.tail))


AnyEvent = TypeVar("AnyEvent", bound=Event)


class RecordedAs(
    Struct,
    Generic[AnyEvent],
    frozen=True,
    gc=False,
    rename={"roll_call": "rollcall", "version": "rollcallversion", "event": "data"},
):
    """An event as it stands in the log: `sequence` in the log, in its digits, `version`
    in the roll call, `time` in RFC 3339, `source` the log's own.

    Its fields are those of the entry, so that one pass over the bytes makes it.
    """

    source: str
    roll_call: str
    sequence: str
    version: int
    time: str
    event: AnyEvent

    @property
    def seq(self) -> int:
        """The sequence number."""
        return int(self.sequence)


Recorded = RecordedAs[Event]


class _Type(Struct):
    type: str


_TYPE = b'"type":"'
_decode_type = msgspec.json.Decoder(_Type).decode
_decode_payload = msgspec.json.Decoder(RecordedAs[Payload]).decode  # type: ignore[type-var]
# By the type, with what ends an entry; entries of the log are read in one pass.
_DECODERS = {
    f'{TYPE_PREFIX}{name}.v{schema}"}}'.encode(): msgspec.json.Decoder(
        RecordedAs[event]  # type: ignore[valid-type]
    ).decode
    for event, (name, schema) in WIRE_NAMES.items()
}
_CURRENT = {name: (schema, event) for event, (name, schema) in WIRE_NAMES.items()}


def encode(log: LogName, roll_call: str, event: Event, time: str) -> Template:
    """The event in canonical bytes, but for its sequence number and version.

    Args:
        time: RFC 3339, UTC, milliseconds.
    """
    name, schema = WIRE_NAMES[type(event)]
    delegation = getattr(event, "delegation", None)
    subject = f"{roll_call}/{delegation}" if delegation else roll_call
    rest = {
        "source": log.source,
        "specversion": "1.0",
        "subject": subject,
        "time": time,
        "type": f"{TYPE_PREFIX}{name}.v{schema}",
    }
    head = b'{"data":%b,%b"id":"%b-' % (
        _canonical.encode(event),
        EPOCH_GAP,
        log.chamber.encode(),
    )
    return Template(head, b'",' + _canonical.encode(rest)[1:])


def decode(entry: bytes, upcasters: Upcasters = UPCASTERS) -> Recorded:
    """The event in an entry of the log, brought to its current schema.

    Raises CorruptHistory naming what is not understood: no JSON, a missing attribute,
    an unknown type, or a schema newer than this code.
    """
    try:
        if not entry.isascii():
            entry.decode()  # JSON is UTF-8; what is skipped is not looked at
        # In canonical bytes `type` is last. What looks like it within a text does not:
        # there the quotation marks are escaped.
        decode_entry = _DECODERS.get(entry.rpartition(_TYPE)[2])
        if decode_entry is None:
            decode_entry = _DECODERS.get(b'%b"}' % _decode_type(entry).type.encode())
        recorded: Recorded = (
            _decode_older(entry, upcasters)
            if decode_entry is None
            else decode_entry(entry)
        )
        sequence = recorded.sequence
        # As `int` would find, and faster; and it fits a database's column.
        if not sequence.isdecimal() or len(sequence) > SEQUENCE_DIGITS:
            raise ValueError(f"sequence {sequence[:20]!r} is no number")
        return recorded
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise CorruptHistory(f"not an event: {error}") from error


def _decode_older(entry: bytes, upcasters: Upcasters) -> Recorded:
    type_ = _decode_type(entry).type
    name, _, schema = type_.removeprefix(TYPE_PREFIX).rpartition(".v")
    current, kind = _CURRENT.get(name, (0, None))
    if kind is None or not schema.isdigit() or not 0 < int(schema) < current:
        raise CorruptHistory(f"unknown event type {type_}")
    old = _decode_payload(entry)
    try:
        data = upcast(name, int(schema), current, old.event, upcasters)
    except KeyError as error:
        raise CorruptHistory(f"no upcaster for {type_}") from error
    event: Event = msgspec.convert(data, kind)
    return Recorded(
        old.source, old.roll_call, old.sequence, old.version, old.time, event
    )


class _Subject(Struct):
    rollcall: str


_decode_subject = msgspec.json.Decoder(_Subject).decode


def roll_call_of(entry: bytes) -> str | None:
    """Whose event an entry is, even if its type is not understood; None if unknown."""
    try:
        return _decode_subject(entry).rollcall
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def sequence_of(seq: int) -> str:
    """A seq as CloudEvents' `sequence`: text in the order of the numbers."""
    return f"{seq:0{SEQUENCE_DIGITS}d}"


def as_text(entry: bytes) -> str:
    """An entry as text that any database can hold. One that is no text is kept
    readable; what it belongs to is held anyway."""
    return entry.decode(errors="backslashreplace").replace("\0", "\\x00")


def publishable(
    log: LogName, seq: int, entry: bytes, roll_call: str | None = None
) -> bytes:
    """The entry, or, if it is no event of ours, one that says so in its place: what is
    published stays valid JSON without gaps (type `org.tellers.unreadable.v1`).

    The same for the entry as the archive keeps it (`as_text`), so that a log restored
    from there is published as it was.

    Args:
        roll_call: whose it is (`roll_call_of`), for who knows that already.
    """
    if entry.isascii() and b"\0" not in entry:
        kept = entry  # so most are, and this is done for each
    else:
        kept, roll_call = as_text(entry).encode(), None
    if EPOCH_GAP in kept and (roll_call or roll_call_of(kept)) is not None:
        return kept
    sequence = sequence_of(seq)
    head = _canonical.encode({"data": {"entry": kept.decode()}})[:-1]
    rest = {
        "id": f"{log.chamber}-{sequence}",
        "sequence": sequence,
        "source": log.source,
        "specversion": "1.0",
        "type": f"{TYPE_PREFIX}unreadable.v1",
    }
    return b"%b,%b%b" % (head, EPOCH_GAP, _canonical.encode(rest)[1:])


def public_event(entry: bytes, epoch: str) -> bytes:
    """The CloudEvent as published: the entry with the log's epoch in its place.

    Still canonical: `epoch` sorts between `datacontenttype` and `id`.
    """
    before, gap, after = entry.rpartition(EPOCH_GAP)
    return b'%b%b"epoch":"%b",%b' % (before, gap, epoch.encode(), after)
