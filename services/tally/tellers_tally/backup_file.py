"""The backup file: its lines, out and in. Knows nothing of Redis or SQL.

UTF-8 text with one JSON object a line, so that whoever has `grep` and `sha256sum` can
read it in ten years:

    {"line":"backup","format":"org.tellers.backup.v1","made":"2026-11-24T21:00:00.000Z"}
    {"line":"log","name":"ga","epoch":"k3v9","events":2}
    {"data":{...},...,"type":"org.tellers.roll_call.scheduled.v1"}   <- entry 1
    {"data":{...},...,"type":"org.tellers.roll_call.opened.v1"}      <- entry 2
    {"line":"log","name":"ga/rehearsal","epoch":"0a5b","events":0}
    {"line":"token","id":"3f2a9c11","token":{...}}
    {"line":"answer","chamber":"ga","digest":"...","until":"...","kept":"..."}
    {"line":"end","events":2,"lines":6,"sha256":"..."}

The entries are the log's own bytes. One that is no line of text, or that begins like
what stands for it, is written `{"base64":"..."}`. `sha256` is that of everything before
the last line: `head -n -1 FILE | sha256sum`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, BinaryIO, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from tellers_runtime.log import Entry

FORMAT = "org.tellers.backup.v1"
FAMILY = "org.tellers.backup."
PAGE = 1000
# Our entries and answers have a few KiB. Another program's file may have no lines.
MAX_LINE_BYTES = 16 * 1024 * 1024
_WRAPPED = b'{"base64":'

Count = Annotated[int, Meta(ge=0)]


class CannotWrite(Exception):
    """The file could not be written; nothing of it was left behind."""


class Damaged(Exception):
    """The file is not what was once written, or none of ours; says where and what."""


class _Line(Struct, frozen=True, tag_field="line", forbid_unknown_fields=True):
    pass


class Beginning(_Line, frozen=True, tag="backup"):
    """The first line; `made` is the time at which the heads of the logs were read."""

    format: str
    made: str


class LogLine(_Line, frozen=True, tag="log"):
    """A log; its `events` entries follow, from seq 1 on."""

    name: str
    epoch: str
    events: Count


class TokenLine(_Line, frozen=True, tag="token"):
    """An API token as it is kept: hashed."""

    id: str
    token: Raw


class AnswerLine(_Line, frozen=True, tag="answer"):
    """What was once answered to an idempotency key (`digest`), valid `until` then."""

    chamber: str
    digest: str
    until: str
    kept: str


class Ending(_Line, frozen=True, tag="end"):
    """The last line: what came before it."""

    events: Count
    lines: Count
    sha256: str


class _Wrapped(Struct):
    base64: bytes


class Page(NamedTuple):
    """Up to PAGE entries of the log that was announced last, in order."""

    entries: Sequence[Entry]


Part = LogLine | Page | TokenLine | AnswerLine
Structured = Beginning | LogLine | TokenLine | AnswerLine | Ending

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Writer:
    """Writes the lines. Raises CannotWrite."""

    def __init__(self, file: BinaryIO, made: str) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._lines = 0
        self.events = 0
        self.bytes = 0
        self.put(Beginning(FORMAT, made))

    def put(self, line: Structured) -> None:
        """One line that is no entry."""
        self._write(_encode(line))

    def entries(self, entries: Sequence[Entry]) -> None:
        """The next entries of the log that was put last."""
        for entry in entries:
            self._write(_line_of(entry.body))
        self.events += len(entries)

    def end(self) -> None:
        """The last line."""
        self.put(Ending(self.events, self._lines, self._sha256.hexdigest()))

    def _write(self, text: bytes) -> None:
        line = text + b"\n"
        self._sha256.update(line)
        self._lines += 1
        self.bytes += len(line)
        try:
            self._file.write(line)
        except OSError as error:
            raise CannotWrite(reason(error)) from error


def reason(error: OSError) -> str:
    """Why, in words for the middle of a sentence."""
    return (error.strerror or str(error)).lower()


def _line_of(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        return _encode(_Wrapped(body))
    if b"\n" in body or body.startswith(_WRAPPED):
        return _encode(_Wrapped(body))
    return body


def read(file: BinaryIO) -> Iterator[Part]:
    """What is in the file, from its beginning. Trust it when the iterator has ended.

    Raises Damaged at the first line that cannot be right.
    """
    file.seek(0)
    lines = _Lines(file)
    _check_beginning(lines)
    events = 0
    while True:
        part = lines.structured()
        match part:
            case LogLine():
                yield part
                yield from _pages(lines, part.events)
                events += part.events
            case TokenLine() | AnswerLine():
                yield part
            case Ending():
                lines.check_end(part, events)
                return
            case Beginning():
                raise lines.damaged("a second beginning")


def _check_beginning(lines: "_Lines") -> None:
    try:
        first = lines.structured()
    except Damaged as error:
        raise Damaged(f"this is no backup of Tellers: {error}") from error
    if not isinstance(first, Beginning) or not first.format.startswith(FAMILY):
        raise Damaged("this is no backup of Tellers: line 1 does not say so")
    if first.format != FORMAT:
        raise Damaged(f"its format is {first.format}, this Tellers reads {FORMAT}")


def _pages(lines: "_Lines", events: int) -> Iterator[Page]:
    for first in range(1, events + 1, PAGE):
        last = min(first + PAGE, events + 1)
        yield Page([Entry(seq, lines.entry()) for seq in range(first, last)])


class _Lines:
    """The lines one after the other, with what the last one must say of them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._number = 0
        self._line = b""

    def damaged(self, what: str) -> Damaged:
        """The error to raise about the line read last."""
        return Damaged(f"line {self._number}: {what}")

    def structured(self) -> Structured:
        """The next line, which is no entry."""
        # mypy does not take a union for a type.
        kind: Any = Structured
        line: Structured = self._decode(self._next(), kind)
        return line

    def entry(self) -> bytes:
        """The next line as the entry it is or stands for."""
        text = self._next()
        if text.startswith(_WRAPPED):
            return self._decode(text, _Wrapped).base64
        return text

    def check_end(self, end: Ending, events: int) -> None:
        """The line read last is the last one, and says what was read."""
        if _encode(end) + b"\n" != self._line or end.lines != self._number - 1:
            raise self.damaged("the last line is not as it was written")
        if end.sha256 != self._sha256.hexdigest():
            raise self.damaged(
                f"the SHA-256 of lines 1 to {end.lines} is not the one written here: "
                "something in them was changed"
            )
        if end.events != events:
            raise self.damaged(f"{end.events} events are announced, {events} are there")
        if self._file.read(1):
            raise self.damaged("something follows the last line")

    def _decode(self, text: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, ValueError) as error:
            raise self.damaged(f"not understood: {error}") from error

    def _next(self) -> bytes:
        self._sha256.update(self._line)
        try:
            self._line = self._file.readline(MAX_LINE_BYTES)
        except OSError as error:
            raise Damaged(f"line {self._number + 1} cannot be read: {error}") from error
        if not self._line:
            raise Damaged(f"cut off: the file ends after line {self._number}")
        self._number += 1
        if not self._line.endswith(b"\n"):
            whole = len(self._line) < MAX_LINE_BYTES
            raise self.damaged("cut off" if whole else "too long")
        return self._line[:-1]
