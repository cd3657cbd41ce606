"""The load client `load.c`: built here, told what to wait for, asked what it took."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.servers import HOST

HERE = Path(__file__).parent
# The gateway makes way for votes (nice 5): who is compared with it does, too.
NICENESS = 5


def build(name: str, folder: Path) -> Path:
    """The program `<name>.c` of this folder. Ends the benchmark without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("this benchmark needs a C compiler (as root: apt-get install gcc)")
    program = folder / name
    command = [compiler, "-O2", "-Wall", "-o", str(program), str(HERE / f"{name}.c")]
    subprocess.run(command, check=True)
    return program


class Seen(NamedTuple):
    """When the first and the last viewer had it (CLOCK_MONOTONIC); frames that were
    read by all."""

    first: float
    last: float
    frames: int


class Place(NamedTuple):
    """Where viewers are served, and the text by which each is seen to be."""

    port: int
    path: str = "/"
    subprotocol: str = ""
    ready: str = ""


class Load:
    """So many viewers of one place. `seconds`: what it took until all were served."""

    def __init__(self, program: Path, place: Place, number: int, at_once: int) -> None:
        arguments = [HOST, place.port, number, at_once, *place[1:]]
        self._process = subprocess.Popen(
            [program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds = float(self._answer("ready")[0])

    @property
    def pid(self) -> int:
        """Of the process that all these viewers are."""
        return self._process.pid

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _answer(self, kind: str) -> list[str]:
        assert self._process.stdout is not None
        found, *values = (self._process.stdout.readline() or "nothing").split()
        if found != kind:
            sys.exit(f"the load client said {found} instead of {kind}")
        return values

    def expect(self, seq: int) -> None:
        """Watch for that seq, from now on."""
        self._tell(f"expect {seq}")

    def seen(self) -> Seen:
        """Wait until every viewer has what was expected."""
        first, last, frames = self._answer("seq")
        return Seen(float(first), float(last), int(frames))

    def usage(self) -> float:
        """The share of one core it took since this was last asked."""
        self._tell("usage")
        cpu, wall = map(float, self._answer("usage"))
        return cpu / wall

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def environment() -> Mapping[str, str]:
    """For servers in Python: that they find this project."""
    return {**os.environ, "PYTHONPATH": str(HERE.parents[2])}
