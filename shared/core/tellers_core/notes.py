"""Signed notes, checkpoints and verifier keys as C2SP writes them. Text only.

    tellers.local/ga                                 origin
    184                                              size
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=     root
    epoch k3v9                                       extension lines, if any

    — tellers.local/ga Az3grlgtzPICa5OS8np...        signature lines

c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature. Reading is
strict: what can be read is written back to the same bytes.
"""

import binascii
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

ED25519 = 0x01
COSIGNATURE = 0x04  # Ed25519 over a time and the text: a witness's
PUBLIC_SIZE = 32  # bytes
SIGNATURE_SIZE = 64
TIMESTAMP_SIZE = 8
MAX_TIMESTAMP = 2**63 - 1
MAX_SIZE = 2**53 - 1  # every reader of JSON can count so far
# The specification asks for 16 at least; nobody has as many witnesses.
MAX_SIGNATURES = 64

_KEY_ID_SIZE = 4
_SIGNATURE_START = "\u2014 "
_DECIMAL = re.compile("0|[1-9][0-9]*")
_KEY_ID = re.compile("[0-9a-f]{8}")


class BadNote(Exception):
    """Text that is no note, checkpoint or key. `line` counts from 1."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line = line
        self.detail = detail


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """The bytes that `to_base64` writes so. Raises ValueError for any other spelling,
    such as one without padding or with bits set that mean nothing."""
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("no base64") from error
    if to_base64(data) != text:
        raise ValueError("no canonical base64")
    return data


def fingerprint(public: bytes) -> str:
    """The name of a public key for people to compare: `SHA256:` and its digest in
    base64 without padding."""
    return "SHA256:" + to_base64(sha256(public).digest()).rstrip("=")


class VerifierKey(NamedTuple):
    """Whose signature it is: a name, ED25519 or COSIGNATURE, and 32 bytes of key."""

    name: str
    algorithm: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of the same name apart; no protection."""
        named = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        return sha256(named).digest()[:_KEY_ID_SIZE]

    def __str__(self) -> str:
        """The key as `<name>+<key id>+<base64(algorithm, public key)>`."""
        encoded = to_base64(bytes([self.algorithm]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The key written by `str`. Raises BadNote."""
        name, key_id, encoded = _three(text)
        if not _is_name(name):
            raise BadNote(1, "a key's name has no spaces, + or control characters")
        if not _KEY_ID.fullmatch(key_id):
            raise BadNote(1, f"a key id is 8 hex digits, not {key_id!r}")
        try:
            data = from_base64(encoded)
        except ValueError as error:
            raise BadNote(1, f"the public key is {error}") from error
        if len(data) != 1 + PUBLIC_SIZE or data[0] not in (ED25519, COSIGNATURE):
            raise BadNote(1, "the key is neither Ed25519 nor cosignature/v1")
        key = cls(name, data[0], data[1:])
        if key.key_id.hex() != key_id:
            raise BadNote(1, f"the key id is {key.key_id.hex()}, not {key_id}")
        return key


def _three(text: str) -> list[str]:
    parts = text.split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004
        raise BadNote(1, "a key is <name>+<key id>+<base64>")
    return parts


def _is_name(name: str) -> bool:
    return bool(name) and not any(c in "+\x7f" or c <= " " or c.isspace() for c in name)


class Checkpoint(NamedTuple):
    """The root of a log's tree at one size; `extensions` are further lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint in a note's text. Raises BadNote."""
        *lines, last = text.split("\n")
        if last:
            raise BadNote(len(lines) + 1, "the last line does not end")
        if len(lines) < 3:  # noqa: PLR2004
            raise BadNote(len(lines) + 1, "a checkpoint has origin, size and root")
        for number, line in enumerate(lines, 1):
            if not line:
                raise BadNote(number, "a checkpoint has no empty line")
        origin, size, root, *extensions = lines
        return cls(origin, _size(size), _root(root), tuple(extensions))


def _size(line: str) -> int:
    if not _DECIMAL.fullmatch(line) or len(line) > len(str(MAX_SIZE)):
        raise BadNote(2, f"{line!r} is no size of a tree")
    if (size := int(line)) > MAX_SIZE:
        raise BadNote(2, f"{line} is larger than any log")
    return size


def _root(line: str) -> bytes:
    try:
        root = from_base64(line)
    except ValueError as error:
        raise BadNote(3, f"the root is {error}") from error
    if len(root) != sha256().digest_size:
        raise BadNote(3, "the root is not 32 bytes long")
    return root


class Signature(NamedTuple):
    """A signature line: whose, and `value`, what its algorithm makes of the text."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        """The line, without its end."""
        return f"{_SIGNATURE_START}{self.name} {to_base64(self.key_id + self.value)}"

    @classmethod
    def parse(cls, line: str, number: int = 1) -> "Signature":
        """The signature in this line, which is line `number` of what was read.

        Raises BadNote.
        """
        if not line.startswith(_SIGNATURE_START):
            raise BadNote(
                number, "a signature line begins with a long dash and a space"
            )
        name, _, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
        if not _is_name(name):
            raise BadNote(number, "a signature line is a dash, a name and base64")
        try:
            data = from_base64(encoded)
        except ValueError as error:
            raise BadNote(number, f"the signature is {error}") from error
        if len(data) <= _KEY_ID_SIZE:
            raise BadNote(number, "the signature is too short")
        return cls(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])

    def is_of(self, key: VerifierKey) -> bool:
        """Whether it claims to be this key's: the name and the key id are."""
        return (self.name, self.key_id) == (key.name, key.key_id)


class Note(NamedTuple):
    """A text and the signatures under it; whether they hold is not known yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        """The note as it is published."""
        lines = "".join(f"{signature}\n" for signature in self.signatures)
        return f"{self.text}\n{lines}"


def parse_note(note: str) -> Note:
    """The note in this text. Raises BadNote."""
    _must_be_plain(note)
    if not note.endswith("\n"):
        raise BadNote(note.count("\n") + 1, "the last line does not end")
    # The last empty line divides: the text itself may have some.
    text, gap, lines = note.rpartition("\n\n")
    if not gap:
        raise BadNote(note.count("\n"), "no empty line and no signatures")
    first = text.count("\n") + 3
    signatures = lines[:-1].split("\n") if lines else []
    if not 0 < len(signatures) <= MAX_SIGNATURES:
        raise BadNote(first, f"a note has 1 to {MAX_SIGNATURES} signatures")
    return Note(
        text + "\n",
        tuple(Signature.parse(line, n) for n, line in enumerate(signatures, first)),
    )


def _must_be_plain(note: str) -> None:
    for number, line in enumerate(note.split("\n"), 1):
        if any(c < " " for c in line):
            raise BadNote(number, "a control character")
        if any("\ud800" <= c <= "\udfff" for c in line):
            raise BadNote(number, "half of a character")


class Signed(NamedTuple):
    """What an Ed25519 signature is over. `timestamp`: seconds since 1970 at which a
    witness says it saw the text; None for a plain signature."""

    message: bytes
    signature: bytes
    timestamp: int | None


def cosigned(text: str, timestamp: int) -> bytes:
    """The message that a cosignature/v1 of that time signs."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def signed(key: VerifierKey, text: str, value: bytes) -> Signed:
    """What a signature's `value` by this key is over. Raises ValueError when it is no
    signature of the key's kind."""
    time_size = TIMESTAMP_SIZE if key.algorithm == COSIGNATURE else 0
    if len(value) != time_size + SIGNATURE_SIZE:
        raise ValueError(f"a signature of {len(value)} bytes")
    signature = value[time_size:]
    if not time_size:
        return Signed(text.encode(), signature, None)
    timestamp = int.from_bytes(value[:time_size], "big")
    if timestamp > MAX_TIMESTAMP:
        raise ValueError("a time after the end of time")
    return Signed(cosigned(text, timestamp), signature, timestamp)
