"""Keeps the processes running: starts them, starts them again, ends them in order.

    start --> running --ended--> waiting (0.1 s, 0.2 s ... 3.2 s, 15 s) --> running
    stop: the last one started first (those of one kind together), each given a few
          seconds before it is killed

Started from the event loop's own thread, which must be the main thread (`leash`).
"""

import asyncio
import signal
import subprocess
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

from tellers_local.failure import Failure
from tellers_local.processes import how_it_ended, last_words, spawn

# Nobody waits for a child's exit but by looking: no threads, no signal handlers.
LOOK_SECONDS = 0.05
QUICK_RESTARTS = 6
FIRST_WAIT_SECONDS = 0.1
SLOW_WAIT_SECONDS = 15.0
# Who lived this long ended for another reason than its start.
STEADY_SECONDS = 20.0
# Before it was ever ready: then starting it again is no help.
HOPELESS_ENDS = 3
# All of them together are ended within about ten seconds.
STOP_SECONDS = 10.0
LONGEST_GRACE_SECONDS = 6.0
LEAST_GRACE_SECONDS = 1.0

Say = Callable[[str], None]
Probe = Callable[[], Awaitable[str | None]]


class Program(NamedTuple):
    """A process to keep running; `probe` says why it is not ready, None when it is.

    Those of one `kind` that were started one after the other are stopped together.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    probe: Probe
    kind: str = ""


class Pace:
    """How long a process that ended waits for its next start."""

    def __init__(self) -> None:
        self.ends = 0

    @property
    def is_slow(self) -> bool:
        return self.ends > QUICK_RESTARTS

    def ended(self, lived_seconds: float) -> float:
        """Seconds to wait, now that it ended after `lived_seconds`."""
        self.ends = 1 if lived_seconds >= STEADY_SECONDS else self.ends + 1
        if self.is_slow:
            return SLOW_WAIT_SECONDS
        return float(FIRST_WAIT_SECONDS * 2 ** (self.ends - 1))


@dataclass
class _Kept:
    """A program, its process of the moment, and the task that watches it."""

    program: Program
    log: Path
    process: subprocess.Popen[bytes]
    started: float
    pace: Pace = field(default_factory=Pace)
    task: asyncio.Task[None] | None = None


class Supervisor:
    """The processes of one installation.

    Args:
        logs: folder for the output of each, appended to `<name>.log`.
        say: told in a sentence what the operator should know.
        changed: called whenever a process id changed.
    """

    def __init__(
        self, logs: Path, say: Say, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._logs = logs
        self._say = say
        self._changed = changed
        self._kept: list[_Kept] = []
        self.is_stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each program, in the order of their start."""
        return {kept.program.name: kept.process.pid for kept in self._kept}

    def start(self, program: Program) -> None:
        """Start a program and keep it running."""
        log = self._logs / f"{program.name}.log"
        now = asyncio.get_running_loop().time()
        kept = _Kept(program, log, _spawned(program, log), now)
        self._kept.append(kept)
        kept.task = asyncio.create_task(self._keep(kept), name=f"keep {program.name}")
        self._changed()

    async def until_ready(self, seconds: float) -> dict[str, str]:
        """Wait for all; returns who is not ready in time, and why.

        Raises Failure when one cannot even be started.
        """
        waits = [self._until_ready(kept, seconds) for kept in self._kept]
        found = await asyncio.gather(*waits)
        names = [kept.program.name for kept in self._kept]
        return {name: why for name, why in zip(names, found, strict=True) if why}

    async def _until_ready(self, kept: _Kept, seconds: float) -> str | None:
        now = asyncio.get_running_loop().time
        deadline = now() + seconds
        while (trouble := await kept.program.probe()) is not None:
            if kept.pace.ends >= HOPELESS_ENDS:
                raise Failure(
                    f"{kept.program.name} does not start: {last_words(kept.log)} "
                    f"(see {kept.log})"
                )
            if now() > deadline:
                return trouble
            await asyncio.sleep(LOOK_SECONDS)
        return None

    async def _keep(self, kept: _Kept) -> None:
        name, now = kept.program.name, asyncio.get_running_loop().time
        while True:
            code = await _ended(kept.process)
            wait = kept.pace.ended(now() - kept.started)
            if kept.pace.is_slow:
                self._say(
                    f"{name} keeps ending ({how_it_ended(code)}): "
                    f"trying again every {wait:.0f} s; see {kept.log}"
                )
            else:
                self._say(f"{name} ended ({how_it_ended(code)}): starting it again")
            await asyncio.sleep(wait)
            try:
                kept.process = _spawned(kept.program, kept.log)
                kept.started = now()
                self._changed()
            except OSError as error:  # no memory, no disk: perhaps later
                self._say(f"{name} cannot be started: {error}")

    async def stop(self) -> None:
        """End all, the last one started first."""
        self.is_stopping = True
        now = asyncio.get_running_loop().time
        deadline = now() + STOP_SECONDS
        for kept in self._kept:
            if kept.task is not None:
                kept.task.cancel()
        for _, some in groupby(reversed(self._kept), _kind):
            left = deadline - now()
            grace = max(LEAST_GRACE_SECONDS, min(LONGEST_GRACE_SECONDS, left))
            await asyncio.gather(*(self._end(kept, grace) for kept in some))

    async def _end(self, kept: _Kept, grace_seconds: float) -> None:
        kept.process.terminate()
        try:
            async with asyncio.timeout(grace_seconds):
                await _ended(kept.process)
        except TimeoutError:
            self._say(f"{kept.program.name} does not stop: killed")
            kept.process.kill()
            await _ended(kept.process)

    def kill(self) -> None:
        """End all at once: nothing that was acknowledged is lost by it."""
        for kept in self._kept:
            kept.process.kill()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _kind(kept: _Kept) -> str:
    return kept.program.kind or kept.program.name


def _spawned(program: Program, log: Path) -> subprocess.Popen[bytes]:
    return spawn(program.command, log, program.environment)


async def _ended(process: subprocess.Popen[bytes]) -> int:
    while (code := process.poll()) is None:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(LOOK_SECONDS)
    return code


def run_until_stopped(
    supervisor: Supervisor, main: Coroutine[None, None, None]
) -> None:
    """Run `main` until it ends, or until SIGINT, SIGTERM or SIGHUP; then end all
    processes. A second signal kills them."""
    with suppress(asyncio.CancelledError):
        asyncio.run(_until_stopped(supervisor, main))


async def _until_stopped(
    supervisor: Supervisor, main: Coroutine[None, None, None]
) -> None:
    task = asyncio.current_task()

    def on_signal() -> None:
        if supervisor.is_stopping:
            supervisor.kill()
        elif task is not None:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    async with supervisor:
        await main
