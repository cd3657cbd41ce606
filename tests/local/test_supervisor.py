"""Real children: killed, stubborn, hopeless, and orphaned."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tellers_local import supervisor as module
from tellers_local.failure import Failure
from tellers_local.processes import how_it_ended, last_words
from tellers_local.supervisor import Pace, Program, Supervisor
from tests.servers import wait_until

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


async def always_ready() -> str | None:
    return None


async def never_ready() -> str | None:
    return "redis: connection refused"


def program(
    name: str, code: str = SLEEP, probe: module.Probe = always_ready
) -> Program:
    return Program(name, (sys.executable, "-c", code), os.environ, probe)


async def until(predicate: Callable[[], bool]) -> None:
    """Wait until the predicate holds, letting the supervisor work meanwhile."""
    async with asyncio.timeout(10):
        while not predicate():  # noqa: ASYNC110 - a file tells no event
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def logged(folder: Path, name: str, times: int) -> bool:
    path = folder / f"{name}.log"
    return path.exists() and path.read_text().count("up") == times


async def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    changes: list[dict[str, int]] = []
    supervisor = Supervisor(
        tmp_path, said.append, lambda: changes.append(supervisor.pids)
    )
    async with supervisor:
        supervisor.start(program("tally"))
        await until(lambda: logged(tmp_path, "tally", 1))
        first = supervisor.pids["tally"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: logged(tmp_path, "tally", 2))
        second = supervisor.pids["tally"]
        assert second != first
    assert said == ["tally ended (SIGKILL): starting it again"]
    assert changes == [{"tally": first}, {"tally": second}]
    assert not is_alive(second)


async def test_stopping_is_in_order_the_last_one_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    real = Supervisor._end

    async def end(self: Supervisor, kept: module._Kept, grace: float) -> None:
        await real(self, kept, grace)
        ended.append(kept.program.name)

    monkeypatch.setattr(Supervisor, "_end", end)
    async with Supervisor(tmp_path, print) as supervisor:
        for name in ("redis", "tally", "ingest", "gateway"):
            supervisor.start(program(name))
    assert ended == ["gateway", "ingest", "tally", "redis"]


async def test_those_of_one_kind_are_stopped_together(tmp_path: Path) -> None:
    """Each ends only when the other has been told to, too."""
    wait = (
        "import signal, sys, time; from pathlib import Path; "
        "mine, other = map(Path, sys.argv[1:]); "
        "told = lambda *_: mine.touch(); signal.signal(signal.SIGTERM, told); "
        "print('up', flush=True)\n"
        "while not (mine.exists() and other.exists()): time.sleep(0.01)"
    )
    said: list[str] = []
    files = [str(tmp_path / name) for name in ("one", "two")]
    async with Supervisor(tmp_path, said.append) as supervisor:
        for name, places in (("gateway", files), ("gateway-2", files[::-1])):
            command = (sys.executable, "-c", wait, *places)
            supervisor.start(
                Program(name, command, os.environ, always_ready, "gateway")
            )
        await until(lambda: logged(tmp_path, "gateway", 1))
        await until(lambda: logged(tmp_path, "gateway-2", 1))
    assert said == []


async def test_who_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(module, "LEAST_GRACE_SECONDS", 0.1)
    said: list[str] = []
    async with Supervisor(tmp_path, said.append) as supervisor:
        supervisor.start(program("gateway", STUBBORN))
        await until(lambda: logged(tmp_path, "gateway", 1))
        pid = supervisor.pids["gateway"]
    assert said == ["gateway does not stop: killed"]
    assert not is_alive(pid)


async def test_who_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    code = "raise SystemExit('cannot listen on 127.0.0.1:1: permission denied')"
    async with Supervisor(tmp_path, print) as supervisor:
        supervisor.start(program("gateway", code, never_ready))
        with pytest.raises(Failure, match="gateway does not start: cannot listen on"):
            await supervisor.until_ready(10)


async def test_who_is_not_ready_in_time_is_named(tmp_path: Path) -> None:
    async with Supervisor(tmp_path, print) as supervisor:
        supervisor.start(program("tally"))
        supervisor.start(program("gateway", probe=never_ready))
        missing = await supervisor.until_ready(0.05)
    assert missing == {"gateway": "redis: connection refused"}


async def test_a_program_that_vanished_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "logs"
    folder.mkdir()
    async with Supervisor(folder, said.append) as supervisor:
        supervisor.start(program("tally"))
        await until(lambda: logged(folder, "tally", 1))
        folder.rename(tmp_path / "away")
        os.kill(supervisor.pids["tally"], signal.SIGKILL)
        await until(lambda: any("cannot be started" in sentence for sentence in said))
        (tmp_path / "away").rename(folder)
        await until(lambda: logged(folder, "tally", 2))


def test_starting_again_slows_down() -> None:
    pace = Pace()
    waits = [pace.ended(0.5) for _ in range(8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 15.0, 15.0]
    assert pace.is_slow


def test_who_lived_for_a_while_is_started_at_once() -> None:
    pace = Pace()
    for _ in range(8):
        pace.ended(0.5)
    assert pace.ended(module.STEADY_SECONDS) == 0.1
    assert not pace.is_slow


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit 0"), (3, "exit 3"), (-9, "SIGKILL"), (-99, "signal 99")],
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


def test_last_words(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert last_words(log) == "it left no word"
    log.write_text("a" * 10_000 + "\nTraceback\nValueError: no\n\n")
    assert last_words(log) == "ValueError: no"
    log.write_text("  +-+------ 1 -----\n    | ValueError: one of two\n    +-------\n")
    assert last_words(log) == "ValueError: one of two"


SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from tellers_local.supervisor import Program, Supervisor, run_until_stopped

async def ready(): return None
supervisor = Supervisor(Path(sys.argv[1]), print)

async def main():
    for name in ("redis", "tally"):
        command = (sys.executable, "-c", sys.argv[2])
        supervisor.start(Program(name, command, os.environ, ready))
    print(*supervisor.pids.values(), flush=True)
    await asyncio.Event().wait()

run_until_stopped(supervisor, main())
print("in order", flush=True)
"""


def supervised(folder: Path, code: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A supervisor in a process of its own, and the ids of its two children."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), code],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    wait_until(
        lambda: all(logged(folder, name, 1) for name in ("redis", "tally")),
        10,
        "both children",
    )
    return process, pids


def gone(pids: Sequence[int]) -> bool:
    return not any(is_alive(pid) for pid in pids)


def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    process, pids = supervised(tmp_path, STUBBORN)
    process.kill()
    process.communicate()
    wait_until(lambda: gone(pids), 60, "the children to end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all(tmp_path: Path, number: signal.Signals) -> None:
    process, pids = supervised(tmp_path, SLEEP)
    process.send_signal(number)
    output, _ = process.communicate(timeout=10)
    assert output.endswith("in order\n")
    assert process.returncode == 0
    assert gone(pids)


def test_a_second_signal_kills_whoever_is_left(tmp_path: Path) -> None:
    process, pids = supervised(tmp_path, STUBBORN)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=2)
    assert output.endswith("in order\n")
    assert gone(pids)
