"""Keeps endpoints' secrets encrypted: a copy of the database alone signs nothing.

AES-256-GCM, each secret bound to its endpoint's id. The key is in a file of its own,
outside the database.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MADE_UP_NAME = "webhooks-key"
KEY_BYTES = 32
NONCE_BYTES = 12
PRIVATE = 0o600


class BadKey(Exception):
    """The key cannot be read, made, or is not the one that encrypted this."""


class Vault:
    """Seals and opens secrets with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, endpoint: str, secret: str) -> bytes:
        """The secret as it is stored."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), endpoint.encode())
        return nonce + sealed

    def open(self, endpoint: str, sealed: bytes) -> str:
        """The secret. Raises BadKey when another key sealed it, or for another one."""
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, endpoint.encode()).decode()
        except InvalidTag as error:
            raise BadKey(
                f"the secret of {endpoint} was encrypted with another key"
            ) from error


def load_vault(file: str, data_dir: Path) -> Vault:
    """The vault with the key in that file; without one ("") the made-up key of the data
    folder, which is made now if need be. Raises BadKey."""
    path = Path(file) if file else data_dir.absolute() / MADE_UP_NAME
    try:
        if not file and not path.exists():
            _make_up(path)
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKey(f"the webhooks key {path} cannot be used: {error}") from error
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadKey(f"{path} is no webhooks key: it has {2 * KEY_BYTES} hex digits")
    return Vault(key)


def _make_up(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(KEY_BYTES) + "\n")
            out.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):  # another process was quicker: take that one
            path.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)
