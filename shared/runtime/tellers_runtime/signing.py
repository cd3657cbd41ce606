"""The Ed25519 key that signs checkpoints, and the check of anybody's signature.

Only the tally service and `tellers key` read the private key. It is a PEM file (PKCS 8)
as `openssl genpkey -algorithm ed25519` makes one. Where none is given, one is made up
on first start and kept in the data folder; every checkpoint that it signs says so.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tellers_core.notes import ED25519, Signature, VerifierKey, signed

MADE_UP_NAME = "signing-key.pem"
PRIVATE = 0o600


_is_origin = re.compile(r"[!-*,-~]{1,128}").fullmatch  # ASCII, no space, no +


class BadKey(Exception):
    """Key or origin cannot be used; one sentence says which and why."""


class SigningKey(NamedTuple):
    """A private key, where it is kept, and whether it was made up on first start."""

    private: Ed25519PrivateKey
    path: Path
    made_up: bool

    def verifier(self, name: str) -> VerifierKey:
        """The public key under that name."""
        public = self.private.public_key()
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(name, ED25519, raw)

    def sign(self, name: str, text: str) -> Signature:
        """The signature line's content for a note's text."""
        key_id = self.verifier(name).key_id
        return Signature(name, key_id, self.private.sign(text.encode()))


def holds(key: VerifierKey, text: str, value: bytes) -> bool:
    """Whether this is the key's signature of the text (cosignature/v1 included)."""
    try:
        said = signed(key, text, value)
        public = Ed25519PublicKey.from_public_bytes(key.public)
        public.verify(said.signature, said.message)
    except (InvalidSignature, ValueError):
        return False
    return True


def checked_origin(origin: str) -> str:
    """The origin, if signatures can be named so. Raises BadKey."""
    if not _is_origin(origin):
        raise BadKey(
            f"TELLERS_ORIGIN {origin!r} is no name of a key: it has 1 to 128 printable "
            "ASCII characters without spaces and +"
        )
    return origin


def load_key(file: str, data_dir: Path) -> SigningKey:
    """The key in that file; without one ("") the made-up one of the data folder, which
    is made now if need be. Raises BadKey."""
    if file:
        return SigningKey(_read(Path(file)), Path(file), made_up=False)
    path = data_dir.absolute() / MADE_UP_NAME
    if not path.exists():
        _make_up(path)
    return SigningKey(_read(path), path, made_up=True)


def _make_up(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another process was quicker: take that one
            create_key(path)
    except OSError as error:
        raise BadKey(f"cannot keep a signing key at {path}: {_why(error)}") from error


def create_key(path: Path) -> None:
    """Write a new key, which nobody but its owner may read.

    Raises FileExistsError, and leaves alone what is there; or OSError.
    """
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    # Whole or not at all, and never in another's place: written beside, then linked.
    with _beside(path) as fresh:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(descriptor)
        path.hardlink_to(fresh)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise BadKey(f"the signing key {path} cannot be read: {_why(error)}") from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(f"{path} is no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"the key in {path} is not an Ed25519 key")
    return key


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
