"""The file of a backup: read as written, and every damage found."""

import base64
import hashlib
import io
import itertools
import json
from typing import Any

import pytest
from msgspec import Raw

from tellers_runtime.log import Entry
from tellers_tally.backup_file import (
    Damaged,
    LogLine,
    Page,
    TokenLine,
    Writer,
    read,
)
from tests.scenario import AT, OPENED
from tests.services.tallying import entries


def small_file() -> bytes:
    """A whole backup, small enough to damage it everywhere."""
    file = io.BytesIO()
    writer = Writer(file, AT)
    writer.put(LogLine("ga", "k3v9", 3))
    writer.entries(entries(OPENED))
    writer.entries([Entry(3, b"\xff\n")])
    writer.put(LogLine("ga/rehearsal", "0a5b", 0))
    writer.put(TokenLine("3f2a9c11", Raw(b'{"id":"3f2a9c11"}')))
    writer.end()
    return file.getvalue()


def parts(content: bytes) -> list[Any]:
    return list(read(io.BytesIO(content)))


def test_a_file_reads_as_it_was_written() -> None:
    ga, page, rehearsals, token = parts(small_file())
    assert ga == LogLine("ga", "k3v9", 3)
    assert page == Page([*entries(OPENED), Entry(3, b"\xff\n")])
    assert rehearsals.events == 0
    assert bytes(token.token) == b'{"id":"3f2a9c11"}'


def test_a_file_is_lines_that_the_shell_can_check() -> None:
    *lines, last = small_file().splitlines(keepends=True)
    assert lines[2].rstrip() == entries(OPENED)[0].body
    assert json.loads(lines[4]) == {"base64": base64.b64encode(b"\xff\n").decode()}
    assert json.loads(last) == {
        "line": "end",
        "events": 3,
        "lines": len(lines),
        "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
    }


def test_any_changed_byte_is_found() -> None:
    whole = small_file()
    for place, bit in itertools.product(range(len(whole)), (0, 5)):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        with pytest.raises(Damaged):
            parts(bytes(changed))


def test_a_change_with_its_sum_is_not_found() -> None:
    """The negative control: it is the sum that finds a change which still reads."""
    *lines, last = small_file().splitlines(keepends=True)
    old = hashlib.sha256(b"".join(lines)).hexdigest()
    lines[2] = lines[2].replace(b"Aggression", b"Oppression")
    new = hashlib.sha256(b"".join(lines)).hexdigest()
    parts(b"".join(lines) + last.replace(old.encode(), new.encode()))
    with pytest.raises(Damaged, match="line 8: the SHA-256 of lines 1 to 7"):
        parts(b"".join(lines) + last)


def test_a_file_that_was_cut_off_is_found() -> None:
    whole = small_file()
    for size in range(len(whole)):
        with pytest.raises(Damaged):
            parts(whole[:size])


def test_lines_that_are_missing_doubled_or_moved_are_found() -> None:
    lines = small_file().splitlines(keepends=True)
    for number, line in enumerate(lines):
        without = lines[:number] + lines[number + 1 :]
        for wrong in (
            without,
            [*lines[:number], line, *lines[number:]],
            [*without, line] if line is not lines[-1] else [line, *without],
        ):
            with pytest.raises(Damaged):
                parts(b"".join(wrong))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "this is no backup of Tellers: cut off"),
        (b"\x1f\x8b\x08\x00\x00\n", "this is no backup of Tellers: line 1: not under"),
        (b'{"a":1}\n', "this is no backup of Tellers: line 1: not understood"),
        (
            b'{"line":"backup","format":"org.example.backup.v1","made":""}\n',
            "this is no backup of Tellers: line 1 does not say so",
        ),
        (
            b'{"line":"backup","format":"org.tellers.backup.v2","made":""}\n',
            r"its format is org.tellers.backup.v2, this Tellers reads "
            r"org.tellers.backup.v1",
        ),
        (small_file() + b"\n", "line 8: something follows the last line"),
        (small_file()[:-1], "line 8: cut off"),
        (b"x" * (16 * 1024 * 1024), "line 1: too long"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, words: str) -> None:
    with pytest.raises(Damaged, match=words):
        parts(content)
