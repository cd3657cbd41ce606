"""The signed checkpoint under a proof: whose key, which tree, which witnesses."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tellers_client.verify.differences import Difference, Differs, quoted
from tellers_core.certificate import Extensions, extensions
from tellers_core.notes import (
    ED25519,
    BadNote,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    fingerprint,
    parse_note,
    signed,
)

Expected = VerifierKey | str  # a whole key, or a fingerprint
KEY_FORM = {"vkey": str, "fingerprint": str, "made_up": bool}

_FINGERPRINT_START = "SHA256:"
_FINGERPRINT_SIZE = len(fingerprint(b""))


class Witnessed(NamedTuple):
    """A witness's key; `timestamp`: when it says it saw the checkpoint, seconds since
    1970, if it says so."""

    key: VerifierKey
    timestamp: int | None


class Sealed(NamedTuple):
    """A checkpoint whose signatures hold. `expected`: the key is the one that was
    asked for; otherwise it is only the one that the file names."""

    key: VerifierKey
    expected: bool
    checkpoint: Checkpoint
    extensions: Extensions
    witnesses: tuple[Witnessed, ...]

    @property
    def fingerprint(self) -> str:
        """The log's key, for people to compare."""
        return fingerprint(self.key.public)


def expected_key(text: str) -> Expected:
    """The key to insist on, from a fingerprint or a vkey. Raises ValueError."""
    if text.startswith(_FINGERPRINT_START) and len(text) == _FINGERPRINT_SIZE:
        return text
    try:
        return VerifierKey.parse(text)
    except BadNote as error:
        raise ValueError(
            f"neither a fingerprint ({_FINGERPRINT_START}...) nor a vkey "
            f"(name+id+base64): {error.detail}"
        ) from error


def read_key(stated: Mapping[str, Any], expected: Expected | None) -> VerifierKey:
    """The key of a file's `key`. Raises Differs when it is not one, not named rightly,
    or not the expected one."""
    key = _parse_key(stated["vkey"], "/key/vkey")
    if key.algorithm != ED25519:
        raise Differs(Difference("/key/vkey", "a witness's key", "a log's key"))
    own = fingerprint(key.public)
    if stated["fingerprint"] != own:
        there = quoted(stated["fingerprint"])
        raise Differs(Difference("/key/fingerprint", there, quoted(own)))
    if isinstance(expected, str) and own != expected:
        raise Differs(_unexpected("/key/fingerprint", own, expected))
    if isinstance(expected, VerifierKey) and key != expected:
        raise Differs(_unexpected("/key/vkey", str(key), str(expected)))
    return key


def _parse_key(text: str, pointer: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except BadNote as error:
        there = f"{quoted(text)} ({error.detail})"
        raise Differs(Difference(pointer, there, "a verifier key")) from error


def _unexpected(pointer: str, there: str, expected: str) -> Difference:
    return Difference(pointer, quoted(there), f"{quoted(expected)}, the key asked for")


class Vouched(NamedTuple):
    """A note whose first signature is the log's, and what its text says."""

    note: Note
    checkpoint: Checkpoint
    extensions: Extensions


def read_note(text: str, key: VerifierKey, pointer: str) -> Vouched:
    """The checkpoint in a note that the log signed. Raises Differs."""
    try:
        note = parse_note(text)
        _must_hold(note, note.signatures[0], key, pointer)
        checkpoint = Checkpoint.parse(note.text)
        extra = extensions(checkpoint)
    except BadNote as error:
        there = f"a text that is none ({error})"
        raise Differs(Difference(pointer, there, "a signed checkpoint")) from error
    if checkpoint.origin != key.name:
        there = f"of the log {quoted(checkpoint.origin)}"
        raise Differs(Difference(pointer, there, f"of {quoted(key.name)}, its key's"))
    return Vouched(note, checkpoint, extra)


def _must_hold(
    note: Note, signature: Signature, key: VerifierKey, pointer: str
) -> int | None:
    """The time a cosignature states. Raises Differs when the signature is not by this
    key over this text."""
    try:
        if not signature.is_of(key):
            raise ValueError("is by another key")
        message, made, timestamp = signed(key, note.text, signature.value)
        Ed25519PublicKey.from_public_bytes(key.public).verify(made, message)
    except (ValueError, InvalidSignature) as error:
        there = f"a text whose signature by {quoted(signature.name)} " + (
            f"does not hold{f' ({error})' * bool(str(error))}"
        )
        raise Differs(
            Difference(pointer, there, f"signed by {quoted(str(key))}")
        ) from error
    return timestamp


def read_witnesses(
    stated: Sequence[str], note: Note, log_key: VerifierKey, pointer: str
) -> tuple[Witnessed, ...]:
    """The witnesses of a note, which are those that the file names. Raises Differs.

    Args:
        pointer: where the note stands in the file.
    """
    lines = note.signatures[1:]
    if len(stated) != len(lines):
        should_be = f"{len(lines)}, one for each signature after the log's"
        raise Differs(Difference("/witnesses", f"{len(stated)} keys", should_be))
    seen = {log_key.public}
    found = []
    for index, (text, line) in enumerate(zip(stated, lines, strict=True)):
        at = f"/witnesses/{index}"
        key = _parse_key(text, at)
        if key.public in seen:
            raise Differs(Difference(at, "a key that signed already", "another's"))
        seen.add(key.public)
        if not line.is_of(key):
            should_be = f"{quoted(line.name)}'s, whose signature stands there"
            raise Differs(Difference(at, quoted(text), should_be))
        found.append(Witnessed(key, _must_hold(note, line, key, pointer)))
    return tuple(found)
