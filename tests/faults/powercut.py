"""Power cuts without cutting the power: see `powercut.c`.

It covers what is appended, not the renaming when an append-only file is rewritten, so
rewriting is off; `KILL -9` in the middle of a rewrite is tested apart.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import RedisServer

SOURCE = Path(__file__).with_name("powercut.c")


def powercut_server(folder: Path, fsync: str) -> RedisServer:
    """A Redis that can lose its power; skips the test where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the power cut's library cannot be built")
    library = folder / "powercut.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror"]
    subprocess.run([*command, "-o", library, SOURCE, "-ldl"], check=True)
    return RedisServer(
        folder / fsync,
        options={"appendfsync": fsync, "auto-aof-rewrite-percentage": "0"},
        environment={"LD_PRELOAD": str(library)},
    )


def cut_power(server: RedisServer) -> int:
    """End the server and take away what was not yet on the disk: so many bytes."""
    server.kill()
    lost = 0
    for file in server.directory.rglob("*.incr.aof"):
        noted = file.with_name(f"{file.name}.synced")
        written = file.stat().st_size
        length = min(int(noted.read_text()), written) if noted.exists() else 0
        os.truncate(file, length)
        lost += written - length
    return lost


def noticed(server: RedisServer) -> bool:
    """Whether anything was on the disk yet, as far as we were told."""
    return any(server.directory.rglob("*.incr.aof.synced"))
