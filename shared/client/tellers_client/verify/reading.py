"""JSON that every reader understands alike (I-JSON, RFC 7493), and its shape."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from tellers_client.verify.differences import (
    NOTHING,
    Difference,
    Differs,
    Unreadable,
    child,
    printable,
    quoted,
)
from tellers_core.merkle import HASH_SIZE
from tellers_core.notes import from_base64

MAX_FILE = 16 * 1024 * 1024  # bytes; 193 votes are 100 KB
MAX_DEPTH = 64
MAX_INTEGER = 2**53 - 1

# What may stand in a place: a type, `bytes` for a hash in base64, [form] for a list of
# them, or the members of an object.
Form = type | list[Any] | Mapping[str, Any]

_DIGITS = len(str(MAX_INTEGER)) + 1  # with a sign
_IN_WORDS = {
    str: "a string",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    bytes: f"{HASH_SIZE} bytes in canonical base64",
}


class _Refused:
    """Stands where the file has something that readers understand differently."""

    def __init__(self, there: str, should_be: str) -> None:
        self.there, self.should_be = there, should_be


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in the file.

    Raises Unreadable when there is none.
    """
    if len(data) > MAX_FILE:
        raise Unreadable(f"more than {MAX_FILE // 1024 // 1024} MiB")
    try:
        value = _decoder.decode(data.decode())
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8: byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"no JSON: {error}") from error
    except RecursionError as error:
        raise Unreadable("nested too deep") from error
    if not isinstance(value, dict):
        raise Unreadable("no JSON object")
    return value


def must_be_plain(value: Any) -> None:
    """Nothing, when the JSON means the same to every reader. Raises Differs, naming
    members that stand twice, numbers that are no integers or too large for some, and
    half characters; Unreadable when it is nested too deep."""
    if found := list(_oddities(value, "", 0)):
        raise Differs(*found)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        twice = _Refused("there twice", "there once")
        found[name] = twice if name in found else value
    return found


def _integer(text: str) -> int | _Refused:
    if len(text) <= _DIGITS and abs(number := int(text)) <= MAX_INTEGER:
        return number
    return _Refused(printable(text[:40]), "an integer within 2^53 - 1")


def _float(text: str) -> _Refused:
    return _Refused(printable(text[:40]), "an integer without . and e")


def _no_number(text: str) -> NoReturn:
    raise Unreadable(f"no JSON: {text}")


_decoder = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_no_number,
)


def _oddities(value: Any, pointer: str, depth: int) -> Iterator[Difference]:
    if depth > MAX_DEPTH:
        raise Unreadable("nested too deep")
    match value:
        case _Refused():
            yield Difference(pointer, value.there, value.should_be)
        case str() if _is_half(value):
            yield Difference(pointer, quoted(value), "whole characters")
        case dict():
            for name, member in value.items():
                at = child(pointer, name)
                if _is_half(name):
                    yield Difference(at, quoted(name), "whole characters")
                yield from _oddities(member, at, depth + 1)
        case list():
            for index, item in enumerate(value):
                yield from _oddities(item, child(pointer, index), depth + 1)
        case _:
            pass


def _is_half(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def must_have_shape(value: Any, form: Form) -> None:
    """Nothing, when the value has exactly this form. Raises Differs."""
    if found := list(_misshapen(value, form, "")):
        raise Differs(*found)


def _misshapen(value: Any, form: Form, pointer: str) -> Iterator[Difference]:
    if isinstance(form, Mapping):
        yield from _misshapen_object(value, form, pointer)
    elif isinstance(form, list):
        if not isinstance(value, list):
            yield Difference(pointer, quoted(value), _IN_WORDS[list])
            return
        for index, item in enumerate(value):
            yield from _misshapen(item, form[0], child(pointer, index))
    elif not (_is_hash(value) if form is bytes else isinstance(value, form)):
        yield Difference(pointer, quoted(value), _IN_WORDS[form])


def _misshapen_object(
    value: Any, form: Mapping[str, Any], pointer: str
) -> Iterator[Difference]:
    if not isinstance(value, dict):
        yield Difference(pointer, quoted(value), _IN_WORDS[dict])
        return
    for name, inner in form.items():
        at = child(pointer, name)
        if name in value:
            yield from _misshapen(value[name], inner, at)
        else:
            yield Difference(at, NOTHING, _in_words(inner))
    for name in value:
        if name not in form:
            yield Difference(child(pointer, name), quoted(value[name]), NOTHING)


def _in_words(form: Form) -> str:
    if isinstance(form, type):
        return _IN_WORDS[form]
    return _IN_WORDS[list if isinstance(form, list) else dict]


def _is_hash(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return len(from_base64(value)) == HASH_SIZE
    except ValueError:
        return False
