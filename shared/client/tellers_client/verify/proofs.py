"""The three kinds of file that can be verified, step by step.

Each step ends the verification when it finds something, so that what is named is the
cause and not its consequences.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import rfc8785

from tellers_client.verify.differences import (
    Difference,
    Differs,
    Unreadable,
    compare,
    printable,
    quoted,
)
from tellers_client.verify.reading import (
    Form,
    must_be_plain,
    must_have_shape,
    read_object,
)
from tellers_client.verify.sealing import (
    KEY_FORM,
    Expected,
    Sealed,
    Vouched,
    read_key,
    read_note,
    read_witnesses,
)
from tellers_core.certificate import (
    CERTIFICATE,
    CONSISTENCY,
    INCLUSION,
    Certificate,
    Key,
    OutOfPlace,
    Seal,
    certify,
    encode,
)
from tellers_core.codec import SEQUENCE_DIGITS, Recorded, decode
from tellers_core.errors import CorruptHistory
from tellers_core.merkle import BadProof, consistent, leaf_hash, root_from
from tellers_core.notes import Checkpoint, from_base64, to_base64


class Growth(NamedTuple):
    """A log that only grew: what stood in the old tree stands in the new one."""

    old: Checkpoint
    new: Checkpoint


class Valid(NamedTuple):
    """It is proved: a result, that an event is in the log, or that the log only grew,
    as far as the key of the seal is trusted."""

    proves: Certificate | Recorded | Growth
    seal: Sealed


class Invalid(NamedTuple):
    """It proves nothing; the first difference is the first cause found."""

    differences: tuple[Difference, ...]


_SEAL_FORM: Mapping[str, Form] = {
    "checkpoint": str,
    "key": KEY_FORM,
    "witnesses": [str],
}
_CERTIFICATE_FORM: Form = {
    "type": str,
    "chamber": str,
    "roll_call": str,
    "epoch": str,
    "tally": dict,
    "votes": list,
    "not_voting": list,
    "result": dict,
    "events": [dict],
    "leaves": [bytes],
    "proof": [bytes],
    **_SEAL_FORM,
}
_INCLUSION_FORM: Form = {
    "type": str,
    "event": dict,
    "leaf": bytes,
    "proof": [bytes],
    **_SEAL_FORM,
}
_CONSISTENCY_FORM: Form = {
    "type": str,
    "old": str,
    "new": str,
    "proof": [bytes],
    "key": KEY_FORM,
    "witnesses": [str],
}
_SEQUENCE = re.compile(f"[0-9]{{{SEQUENCE_DIGITS}}}")
_SOURCE_START = "/chambers/"

Json = Mapping[str, Any]


def verify(data: bytes, expected: Expected | None = None) -> Valid | Invalid:
    """What a file proves, or what is wrong with it.

    Args:
        expected: the log's key, known from elsewhere; None: whatever key it names.

    Raises Unreadable when it is neither a certificate nor a smaller proof.
    """
    value = read_object(data)
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _CHECKS:
        named = f": {quoted(kind)}" if isinstance(kind, str) else ""
        raise Unreadable(f"of no type known here{named}")
    form, check = _CHECKS[kind]
    try:
        must_be_plain(value)
        must_have_shape(value, form)
        return check(value, expected)
    except Differs as error:
        return Invalid(error.differences)


def _check_certificate(value: Json, expected: Expected | None) -> Valid:
    _must_pair_up(value["events"], value["leaves"])
    note, sealed = _sealed(value, "/checkpoint", expected)
    _must_equal("/epoch", value["epoch"], note.extensions.epoch)
    items = [
        _Item(f"/events/{n}", event, f"/leaves/{n}", leaf)
        for n, (event, leaf) in enumerate(
            zip(value["events"], value["leaves"], strict=True)
        )
    ]
    _must_be_in_tree(items, value["proof"], note)
    certificate = _certified_again(value, [item.entry for item in items], note)
    if found := tuple(compare(value, json.loads(encode(certificate)))):
        raise Differs(*found)
    return Valid(certificate, sealed)


def _check_inclusion(value: Json, expected: Expected | None) -> Valid:
    note, sealed = _sealed(value, "/checkpoint", expected)
    item = _Item("/event", value["event"], "/leaf", value["leaf"])
    _must_be_in_tree([item], value["proof"], note)
    try:
        recorded = decode(item.entry)
    except CorruptHistory as error:
        raise Differs(
            Difference("/event", f"none of ours ({error})", "an event of a roll call")
        ) from error
    _must_be_the_logs(item.event, note)
    return Valid(recorded, sealed)


def _check_consistency(value: Json, expected: Expected | None) -> Valid:
    new, sealed = _sealed(value, "/new", expected)
    old = read_note(value["old"], sealed.key, "/old")
    _must_equal("/old", len(old.note.signatures), 1)
    _must_equal("/key/made_up", sealed.extensions.made_up, old.extensions.made_up)
    before, after = old.checkpoint, new.checkpoint
    hashes = [from_base64(text) for text in value["proof"]]
    try:
        consistent(before.size, after.size, before.root, after.root, hashes)
    except BadProof as error:
        raise Differs(_unproved(hashes, error, "one tree to the other")) from error
    return Valid(Growth(before, after), sealed)


_CHECKS = {
    CERTIFICATE: (_CERTIFICATE_FORM, _check_certificate),
    INCLUSION: (_INCLUSION_FORM, _check_inclusion),
    CONSISTENCY: (_CONSISTENCY_FORM, _check_consistency),
}


def _sealed(
    value: Json, pointer: str, expected: Expected | None
) -> tuple[Vouched, Sealed]:
    """The note at the pointer, its key and its witnesses."""
    key = read_key(value["key"], expected)
    vouched = read_note(value[pointer[1:]], key, pointer)
    witnesses = read_witnesses(value["witnesses"], vouched.note, key, pointer)
    _must_equal("/key/made_up", value["key"]["made_up"], vouched.extensions.made_up)
    return vouched, Sealed(
        key, expected is not None, vouched.checkpoint, vouched.extensions, witnesses
    )


def _must_equal(pointer: str, there: Any, should_be: Any) -> None:
    if found := tuple(compare(there, should_be, pointer)):
        raise Differs(*found)


def _must_pair_up(events: list[Json], leaves: list[str]) -> None:
    if not events:
        raise Differs(Difference("/events", "empty", "the events of a roll call"))
    if len(leaves) != len(events):
        should_be = f"{len(events)}, one for each event"
        raise Differs(Difference("/leaves", f"{len(leaves)} hashes", should_be))


# ---- the tree


class _Item:
    """An event of the file and the leaf it should have, and where they stand."""

    def __init__(self, pointer: str, event: Json, leaf_pointer: str, leaf: str) -> None:
        self.pointer, self.event = pointer, event
        self.leaf_pointer, self.leaf = leaf_pointer, from_base64(leaf)
        # `epoch` belongs to the log, not to the event.
        self.entry = rfc8785.dumps({k: v for k, v in event.items() if k != "epoch"})
        self.own_leaf = leaf_hash(self.entry)


def _must_be_in_tree(items: list[_Item], proof: list[str], note: Vouched) -> None:
    """Nothing, when the events are those that the checkpoint vouches for, of its epoch.
    Raises Differs."""
    hashes = [from_base64(text) for text in proof]
    epoch = note.extensions.epoch
    for item in items:
        _must_equal(f"{item.pointer}/epoch", item.event.get("epoch"), epoch)
    if wrong := [item for item in items if item.leaf != item.own_leaf]:
        leaves_are_to_blame = _is_root(items, hashes, note.checkpoint)
        raise Differs(*(_mismatch(item, leaves_are_to_blame) for item in wrong))
    leaves = dict(zip(_indices(items), (item.leaf for item in items), strict=True))
    checkpoint = note.checkpoint
    goal = f"the root {to_base64(checkpoint.root)}"
    try:
        root = root_from(checkpoint.size, leaves, hashes)
    except BadProof as error:
        raise Differs(_unproved(hashes, error, goal)) from error
    if root != checkpoint.root:
        raise Differs(_unproved(hashes, f"they lead to {to_base64(root)}", goal))


def _unproved(hashes: list[bytes], why: object, goal: str) -> Difference:
    should_be = f"the hashes that lead to {goal}"
    return Difference("/proof", f"{len(hashes)} hashes ({why})", should_be)


def _mismatch(item: _Item, leaf_is_to_blame: bool) -> Difference:
    there, own = quoted(to_base64(item.leaf)), quoted(to_base64(item.own_leaf))
    if leaf_is_to_blame:
        return Difference(item.leaf_pointer, there, own)
    return Difference(
        item.pointer, f"an event with the leaf {own}", f"the one with the leaf {there}"
    )


def _is_root(items: list[_Item], proof: list[bytes], checkpoint: Checkpoint) -> bool:
    """Whether the events themselves are proved, whatever leaves are stated."""
    try:
        own = dict(zip(_indices(items), (item.own_leaf for item in items), strict=True))
        return root_from(checkpoint.size, own, proof) == checkpoint.root
    except (Differs, BadProof):
        return False


def _indices(items: list[_Item]) -> list[int]:
    """The events' places in the tree. Raises Differs when they do not rise."""
    found: list[int] = []
    for item in items:
        sequence = item.event.get("sequence")
        at = f"{item.pointer}/sequence"
        if not isinstance(sequence, str) or not _SEQUENCE.fullmatch(sequence):
            should_be = f"{SEQUENCE_DIGITS} digits"
            raise Differs(Difference(at, quoted(sequence), should_be))
        index = int(sequence) - 1
        if found and index <= found[-1]:
            should_be = f"more than {found[-1] + 1}, the event before"
            raise Differs(Difference(at, quoted(sequence), should_be))
        found.append(index)
    return found


# ---- what follows from the events


def _certified_again(value: Json, entries: list[bytes], note: Vouched) -> Certificate:
    """The certificate as these events have it. Raises Differs when they are no whole
    roll call of the log that the checkpoint names."""
    key, events = value["key"], value["events"]
    proof = [from_base64(text) for text in value["proof"]]
    seal = Seal(value["checkpoint"], Key(**key), tuple(value["witnesses"]))
    try:
        certificate = certify(entries, note.extensions.epoch, proof, seal)
    except OutOfPlace as error:
        at = error.index
        there = f"{quoted(events[at].get('type'))} ({printable(str(error))})"
        should_be = "an event that follows from those before it, up to the closing"
        raise Differs(Difference(f"/events/{at}", there, should_be)) from error
    _must_be_the_logs(events[0], note)
    return certificate


def _must_be_the_logs(event: Json, note: Vouched) -> None:
    """Nothing, when the event is of the log whose tree it is. Raises Differs."""
    source = str(event["source"])
    log = source.removeprefix(_SOURCE_START)
    origin = note.checkpoint.origin
    if log == source or not origin.endswith(f"/{log}"):
        there = f"of the log {quoted(origin)}"
        raise Differs(Difference("/checkpoint", there, f"of that of {quoted(source)}"))
