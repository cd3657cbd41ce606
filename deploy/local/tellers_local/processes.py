"""Starting and ending one child process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tellers_local import leash

LAST_BYTES = 4096


def spawn(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a command that ends with this process, its output appended to `log`.

    Call it from the main thread (see `leash`). In a session of its own, the child does
    not get the Ctrl-C meant for us: we end the processes, in order.
    """
    held = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), *command]
    with log.open("ab") as output:
        return subprocess.Popen(
            held,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def stop_now(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End the process in order; kill it when it takes longer. Blocks."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def how_it_ended(code: int) -> str:
    """A process's return code in words."""
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def last_words(log: Path) -> str:
    """The last line that a process wrote."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return "it left no word"
    # A traceback of several errors is framed in "|" and "+----".
    said = [stripped for line in lines if (stripped := line.strip(" |+-"))]
    return said[-1] if said else "it left no word"
