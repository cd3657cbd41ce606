"""What differs in a file from what it should be, and where."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

NOTHING = "nothing"
# Characters that are shown of a value, and of anything that a file can make long.
_LONGEST_VALUE = 80
_LONGEST = 240


class Difference(NamedTuple):
    """One place: a JSON pointer, what is there, and what should be, both in words or
    as JSON. No control characters, whatever the file holds."""

    pointer: str
    there: str
    should_be: str

    def __str__(self) -> str:
        where, there, should_be = (_cut(text, _LONGEST) for text in self)
        return f"{where or 'the file'} is {there}, should be {should_be}"


class Unreadable(Exception):
    """No certificate and no smaller proof; the message says why."""


class Differs(Exception):
    """A step of the verification found differences: there is no next step."""

    def __init__(self, *differences: Difference) -> None:
        super().__init__(*differences)
        self.differences = differences


def child(pointer: str, name: str | int) -> str:
    """The pointer to a member or an item (RFC 6901)."""
    escaped = str(name).replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{printable(escaped)}"


def quoted(value: Any) -> str:
    """A value as JSON, cut when it is long."""
    return _cut(printable(json.dumps(value, ensure_ascii=False)), _LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def printable(text: str) -> str:
    """The text without characters that would steer a terminal: escaped, as in JSON."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def compare(there: Any, should_be: Any, pointer: str = "") -> Iterator[Difference]:
    """Where two JSON values differ: each member, and of a list the first item."""
    if isinstance(there, dict) and isinstance(should_be, dict):
        yield from _compare_objects(there, should_be, pointer)
    elif isinstance(there, list) and isinstance(should_be, list):
        yield from _compare_lists(there, should_be, pointer)
    # In Python 1 == True; in JSON it is not.
    elif type(there) is not type(should_be) or there != should_be:
        yield Difference(pointer, quoted(there), quoted(should_be))


def _compare_objects(
    there: dict[str, Any], should_be: dict[str, Any], pointer: str
) -> Iterator[Difference]:
    for name, value in should_be.items():
        if name in there:
            yield from compare(there[name], value, child(pointer, name))
        else:
            yield Difference(child(pointer, name), NOTHING, quoted(value))
    for name, value in there.items():
        if name not in should_be:
            yield Difference(child(pointer, name), quoted(value), NOTHING)


def _compare_lists(
    there: Sequence[Any], should_be: Sequence[Any], pointer: str
) -> Iterator[Difference]:
    for index in range(max(len(there), len(should_be))):
        at = child(pointer, index)
        if index >= len(there):
            found = [Difference(at, NOTHING, quoted(should_be[index]))]
        elif index >= len(should_be):
            found = [Difference(at, quoted(there[index]), NOTHING)]
        else:
            found = list(compare(there[index], should_be[index], at))
        # One item too many or too few moves all that follow: they say nothing more.
        if found:
            yield from found
            return
