"""Files of roll calls of the past: read and checked whole before anything is sent."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tellers_core.history import FORMATS, Reading, is_history, read_history
from tellers_core.majority import Rule
from tellers_core.past import PastRollCall
from tellers_local.failure import Failure

# Often enough for a bar that moves, seldom enough to cost nothing.
LINES_A_STEP = 10_000

# Told how many of how many bytes of all files are read.
Progress = Callable[[int, int], None]


class PastRecord(NamedTuple):
    """A roll call, and where it was read."""

    file: Path
    line: int
    past: PastRollCall


def is_history_file(file: Path) -> bool:
    """Whether it has many roll calls, as its header tells; what cannot be read has
    none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return is_history(lines.readline())
    except OSError:
        return False


def checked_format(name: str | None) -> str | None:
    """The format's name. Raises Failure naming what is allowed."""
    if name is not None and name not in FORMATS:
        raise Failure(f"{name!r} is no format: {', '.join(FORMATS)}")
    return name


def load_past(
    files: Sequence[Path],
    rule: Rule | None,
    source: str | None,
    progress: Progress = lambda _, __: None,
) -> tuple[list[PastRecord], list[str]]:
    """Every roll call in these files, in order of the days of the votes; and, in
    sentences, what should be known about the files.

    Raises Failure with all bad lines of all files, each as `file:line: what`.
    """
    found: dict[str, PastRecord] = {}
    faults: list[str] = []
    notes: list[str] = []
    size, before = sum(map(_size, files)), 0
    for file in files:
        reading = _read(file, rule, source, lambda at: progress(before + at, size))  # noqa: B023 - used at once
        before += _size(file)
        faults += [
            f"{file}:{fault.where}: {fault.detail}" for fault in reading.problems
        ]
        notes += [
            f"{file}:{line}: the name {name} is not known: taken by its code"
            for name, line in reading.passed_over.items()
        ]
        for line, past in reading.roll_calls:
            one = found.setdefault(past.id, PastRecord(file, line, past))
            if one.past != past:
                at = f"{one.file}:{one.line}"
                faults.append(f"{file}:{line}: {past.id} is otherwise in {at}")
    if faults:
        raise Failure("\n".join(faults))
    records = sorted(found.values(), key=lambda one: one.past.voted_on)
    return records, notes


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise Failure(f"{file}: {(error.strerror or str(error)).lower()}") from error


def _read(
    file: Path, rule: Rule | None, source: str | None, progress: Callable[[int], None]
) -> Reading:
    try:
        return read_history(_lines(file, progress), rule, source)
    except OSError as error:
        raise Failure(f"{file}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError:
        line, byte = _not_utf8(file)
        raise Failure(
            f"{file}:{line}: byte {byte:#04x} is not UTF-8: save the file as UTF-8"
        ) from None


def _lines(file: Path, progress: Callable[[int], None]) -> Iterator[str]:
    with (
        file.open("rb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines,
    ):
        for number, line in enumerate(lines, 1):
            if number % LINES_A_STEP == 0:
                progress(raw.tell())
            yield line


def _not_utf8(file: Path) -> tuple[int, int]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return number, line[error.start]
    raise Failure(f"{file}: was changed while it was read")
