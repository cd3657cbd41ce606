"""A JSON value with one thing changed: every scalar, every character of some texts,
every member left out, added or doubled, every list shortened or in another order."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

# Texts in which every single character is changed, not only some.
THOROUGH = ("/checkpoint", "/key/vkey", "/witnesses/0", "/leaves/0", "/proof/0")


class Mutation(NamedTuple):
    """What was changed (a JSON pointer), how, and the file with it."""

    pointer: str
    how: str
    text: str


def mutations(file: Any) -> Iterator[Mutation]:
    """Every file that differs from this one in one thing."""
    for path, value in _walk(file, ()):
        for how, other in _others(value, _pointer(path)):
            changed = _with(file, path, other)
            yield Mutation(_pointer(path), how, json.dumps(changed))
        if isinstance(value, dict):
            for name in value:
                doubled = _doubled(file, path, name)
                yield Mutation(_pointer((*path, name)), "doubled", doubled)


def _walk(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for name, item in items:
        yield from _walk(item, (*path, name))


def _others(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    match value:
        case bool():
            yield "turned", not value
        case int():
            yield "one more", value + 1
            yield "as a fraction", float(value)
            yield "as text", str(value)
        case None:
            yield "something", "x"
        case str():
            thorough = pointer in THOROUGH
            places = range(len(value)) if thorough else {0, len(value) // 2}
            for place in sorted(place for place in places if place < len(value)):
                yield f"character {place}", _other_character(value, place)
            yield "longer", value + "x"
            yield "nothing", None
        case dict():
            yield "a member more", {**value, "x": 1}
            for name in value:
                yield f"without {name}", {n: v for n, v in value.items() if n != name}
        case list():
            if value:
                yield "without the last", value[:-1]
                yield "the last twice", [*value, value[-1]]
            if len(value) > 1:
                yield "the first two swapped", [value[1], value[0], *value[2:]]


def _other_character(text: str, place: int) -> str:
    old = text[place]
    new = chr(ord(old) + 1) if old not in "zZ9/" else chr(ord(old) - 1)
    return text[:place] + new + text[place + 1 :]


def _with(file: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = deepcopy(file)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


def _doubled(file: Any, path: tuple[Any, ...], name: str) -> str:
    """The file's text with a member a second time, the same as before."""
    marker = "\u0001"
    member = file
    for step in path:
        member = member[step]
    text = json.dumps(_with(file, path, {**member, marker: 1}))
    again = f"{json.dumps(name)}: {json.dumps(member[name])}"
    return text.replace(f"{json.dumps(marker)}: 1", again)


def _pointer(path: tuple[Any, ...]) -> str:
    return "".join(f"/{name}" for name in path)
