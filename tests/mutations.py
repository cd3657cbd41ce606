"""Every small change that somebody could make to a JSON file, and where it was made."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import cycle, islice
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
NOTHING = object()


class Mutation(NamedTuple):
    """A changed copy; `what` is for the reader of a failed test."""

    path: Path
    what: str
    value: Any

    @property
    def pointer(self) -> str:
        """Where it was changed, as a JSON pointer."""
        return "".join(f"/{step}" for step in self.path)


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value in a JSON document, the document first."""
    yield path, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def mutations(document: dict[str, Any]) -> Iterator[Mutation]:
    """Every scalar changed in several ways, every member and item of every object and
    array removed, added, replaced, doubled and moved. The document stays as it is."""
    for path, value in places(document):
        for what, other in _others(value):
            yield Mutation(path, what, _with(document, path, other))
        if path:
            yield Mutation(path, "removed", _with(document, path, NOTHING))


def _others(value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case bool():
            yield "flipped", not value
            yield "as a number", int(value)
            yield "as a string", str(value).lower()
        case int():
            yield "one more", value + 1
            yield "one less", value - 1
            yield "negative", -value - 1
            yield "as a string", str(value)
            yield "as true", True
        case str():
            yield from _other_strings(value)
        case dict():
            yield "a member more", {**value, "more": 1}
            yield "as a list", list(value.values())
        case list():
            yield from _other_lists(value)
        case None:
            yield "as a string", ""
            yield "as a number", 0
            yield "as an object", {}
    if value is not None:
        yield "as null", None


def _other_strings(value: str) -> Iterator[tuple[str, Any]]:
    for at in sorted({0, len(value) // 2, len(value) - 1}) if value else ():
        other = "b" if value[at] == "a" else "a"
        yield f"character {at}", value[:at] + other + value[at + 1 :]
    yield "longer", value + "a"
    yield "shorter", value[:-1] if value else "aa"
    if value.swapcase() != value:
        yield "in other case", value.swapcase()
    yield "as a number", 7
    yield "as a list", [value]


def _other_lists(value: list[Any]) -> Iterator[tuple[str, Any]]:
    yield "an item more", [*value, "more"]
    yield "as an object", {}
    if value:
        yield "emptied", []
        yield "the first twice", [value[0], *value]
        yield "the last twice", [*value, value[-1]]
    for at in range(len(value) - 1):
        if value[at] != value[at + 1]:
            swapped = [*value[:at], value[at + 1], value[at], *value[at + 2 :]]
            yield f"{at} and {at + 1} swapped", swapped


def _with(document: Any, path: Path, value: Any) -> Any:
    """A copy with another value there, or none; the rest is shared."""
    if not path:
        return deepcopy(value)
    first, *rest = path
    copy = document.copy()
    if rest:
        copy[first] = _with(document[first], tuple(rest), value)
    elif value is NOTHING:
        del copy[first]
    else:
        copy[first] = value
    return copy


# One of each class of character that a note, a key or base64 has or must not have.
CHARACTERS = "aZ09+/= \n\t\r\0-_.\u2014\u00a0\u2028é\U0001f5f3"


def respelled(text: str) -> Iterator[tuple[str, str]]:
    """The text with every single character removed, doubled, in other case, and
    replaced by three, of all classes in turn; what was done, and the text."""
    others = cycle(CHARACTERS)
    for at, character in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        for other in {character.swapcase(), *islice(others, 3)} - {character}:
            yield f"character {at} as {other!r}", before + other + after
        yield f"character {at} removed", before + after
        yield f"character {at} doubled", before + 2 * character + after
