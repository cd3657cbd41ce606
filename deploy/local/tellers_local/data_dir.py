"""The folder that holds everything one installation keeps.

    redis/            redis.conf, append-only file, dump
    archive.db        the archive (SQLite), unless TELLERS_DATABASE_URL says otherwise
    logs/<name>.log   what each process wrote
    signing-key.pem   signs checkpoints, unless TELLERS_SIGNING_KEY_FILE says otherwise;
                      mode 0600 (tellers_runtime.signing)
    webhooks-key      encrypts subscribers' secrets in the archive, unless
                      TELLERS_WEBHOOKS_KEY_FILE says otherwise; mode 0600
    operator-token    the operator's token in clear, for `replay`; mode 0600
    tellers.json      addresses and process ids while `tellers up` runs; mode 0600
    lock              held for as long as a command works on the folder

Whoever holds the lock owns the folder: `up`, and the commands that work without it.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from tellers_local.failure import Failure

PRIVATE = 0o600


class Running(Struct, frozen=True):
    """The system that `tellers up` runs on a data folder."""

    pid: int
    gateway: str
    ingest: str
    tally: str
    redis_url: str
    database_url: str
    processes: Mapping[str, int]


class DataDir:
    """One data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.redis = self.path / "redis"
        self.logs = self.path / "logs"
        self._token = self.path / "operator-token"
        self._running = self.path / "tellers.json"
        self._lock = self.path / "lock"

    def prepare(self) -> None:
        """Make the folder and what is in it. Raises Failure when that cannot be."""
        try:
            for folder in (self.path, self.redis, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(None, "permission denied")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failure(
                f"cannot write to the data folder {self.path}: {reason}"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the folder. Raises Failure when another process does."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, PRIVATE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = os.read(descriptor, 20).decode(errors="replace").strip()
                raise Failure(
                    f"the data folder {self.path} is in use by process {owner}: "
                    "stop that one first, or give another folder with --data"
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            yield
        finally:
            os.close(descriptor)  # and the lock goes with it

    def running(self) -> Running | None:
        """What runs on this folder; None when nothing does."""
        try:
            with self._lock.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
        except BlockingIOError:
            return self._noted()
        except OSError:
            return None  # there is no such folder, or nothing ever ran on it

    def _noted(self) -> Running | None:
        try:
            return msgspec.json.decode(self._running.read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError):
            return None

    def note(self, running: Running) -> None:
        """Tell other commands what runs here."""
        _write(self._running, msgspec.json.format(msgspec.json.encode(running)))

    def forget(self) -> None:
        """Nothing runs here any more."""
        self._running.unlink(missing_ok=True)

    def read_token(self) -> str | None:
        """The operator's token, if one was kept here."""
        try:
            return self._token.read_text().strip() or None
        except OSError:
            return None

    def keep_token(self, clear: str) -> None:
        """Keep the operator's token for `replay`."""
        _write(self._token, clear.encode() + b"\n")


def _write(path: Path, content: bytes) -> None:
    """Replace the file in one step; nobody else may ever read it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
