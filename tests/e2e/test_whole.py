"""The whole system as its users start it: `tellers` commands, kill -9, wiped Redis."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tellers_client import events
from tests.e2e.stack import ROLL_CALLS
from tests.servers import HOST, free_port, wait_until

TELLERS = Path(sys.executable).with_name("tellers")
PORTS_NEEDED = 10


class Installation:
    """`tellers` on a data folder and ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port = free_port(block=PORTS_NEEDED)
        self.url = f"http://{HOST}:{self.port}"
        self._output = folder / "output.txt"
        self._running: subprocess.Popen[bytes] | None = None

    def _command(self, *arguments: str) -> list[str]:
        return [str(TELLERS), *arguments, "--data", str(self.data)]

    def start(self, command: str, *arguments: str) -> Self:
        """`tellers up` or `demo`, in the background."""
        with self._output.open("ab") as output:
            self._running = subprocess.Popen(
                self._command(command, "--port", str(self.port), *arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_until(self._is_ready, 60, f"tellers {command}: {self.said}")
        return self

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=2).is_success
        return False

    @property
    def said(self) -> str:
        return self._output.read_text()

    @property
    def pids(self) -> dict[str, int]:
        """Of the supervised processes, as the supervisor notes them."""
        noted = json.loads((self.data / "tellers.json").read_text())
        found: dict[str, int] = noted["processes"]
        return found

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self._running is not None
        self._running.send_signal(signal.SIGINT)
        return self._running.wait(20)

    def end(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self.interrupt()

    def spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Another command, running beside."""
        with self._output.open("ab") as output:
            return subprocess.Popen(
                self._command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def run(self, *arguments: str) -> str:
        """Another command to its end; what it printed."""
        done = subprocess.run(
            self._command(*arguments),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tally(self, roll_call: str, **query: Any) -> dict[str, Any]:
        """The tally as the gateway answers it; {} while it has none."""
        url = f"{self.url}/v1/ga/roll-calls/{roll_call}/tally"
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(url, params=query, timeout=5)
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
        return {}

    def closed(self, roll_call: str) -> bool:
        return self.tally(roll_call).get("phase") == "closed"


@pytest.fixture
def tellers(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    try:
        yield installation
    finally:
        installation.end()


def _figures(tally: dict[str, Any]) -> tuple[int, ...]:
    counts = tally["counts"]
    return tuple(counts[name] for name in ("yes", "no", "abstain", "not_voting"))


def _but_for_the_epoch(tally: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tally.items() if name != "epoch"}


def test_the_demo_plays_es_11_1_and_ctrl_c_leaves_nothing_running(
    tellers: Installation,
) -> None:
    tellers.start("demo", "--seconds", "2")
    wait_until(lambda: tellers.closed("es-11-1"), 60, "es-11-1 to close")
    tally = tellers.tally("es-11-1")
    assert _figures(tally) == (141, 5, 35, 12)
    assert tally["counts"]["entitled"] == 193
    assert tally["verdict"]["rule"] == "two_thirds"
    assert tally["verdict"]["status"] == "adopted"
    assert tally["verdict"]["required"] == 98
    # Row 149 of the file (San Marino) is the 141st vote sent; two events came before.
    assert tellers.tally("es-11-1", as_of=142)["verdict"]["status"] == "passing"
    clinched = tellers.tally("es-11-1", as_of=143)
    assert clinched["verdict"]["status"] == "clinched"
    assert _figures(clinched) == (112, 4, 25, 52)
    pids = tellers.pids
    assert tellers.interrupt() == 0
    assert not [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]

    tellers.start("demo", "--seconds", "2")
    assert tellers.tally("es-11-1") == tally
    assert not tellers.tally("es-11-1.2")


async def _read_all(url: str, seen: list[int]) -> None:
    async with events(url, after=0) as log:
        async for event in log:
            seen.append(int(event["sequence"]))  # noqa: PERF401 - seen as they come


async def test_kill_9_of_each_process_loses_and_doubles_nothing(
    tellers: Installation,
) -> None:
    await asyncio.to_thread(tellers.start, "up")
    seen: list[int] = []
    reader = asyncio.create_task(_read_all(tellers.url, seen))
    file = str(ROLL_CALLS / "es-11-3.csv")
    replaying = tellers.spawn("replay", file, "--seconds", "10")
    for name in ("tally", "ingest", "gateway", "redis"):
        before = len(seen)
        await _until(lambda n=before: len(seen) > n + 20, "votes to arrive")
        os.kill(tellers.pids[name], signal.SIGKILL)
    assert await asyncio.to_thread(replaying.wait, 90) == 0, tellers.said
    await asyncio.to_thread(
        wait_until, lambda: tellers.closed("es-11-3"), 20, "es-11-3 to close"
    )
    tally = tellers.tally("es-11-3")
    assert _figures(tally) == (93, 24, 58, 18)
    assert tally["verdict"]["status"] == "adopted"
    # scheduled, opened, 175 votes, locked, closed: each once, in order
    await _until(lambda: len(seen) >= 179, "every event to arrive")
    assert seen == list(range(1, 180))
    reader.cancel()


async def _until(predicate: Any, what: str) -> None:
    await asyncio.to_thread(wait_until, predicate, 40, what)


async def _subscribed(url: str, epoch: str, after: int) -> dict[str, Any]:
    """The answer to a subscription that resumes there."""
    address = url.replace("http", "ws") + "/v1/ga/live"
    query = f"feed=events&after={after}&epoch={epoch}"
    protocols = [Subprotocol("tellers.v1")]
    async with connect(f"{address}?{query}", subprotocols=protocols) as socket:
        answer: dict[str, Any] = json.loads(await socket.recv())
        return answer


async def test_rebuild_and_restore_give_the_same_tallies(tellers: Installation) -> None:
    await asyncio.to_thread(tellers.start, "up")
    files = [str(ROLL_CALLS / f"{name}.csv") for name in ("es-11-1", "es-11-3")]
    await asyncio.to_thread(tellers.run, "replay", *files, "--seconds", "0")
    before = {name: tellers.tally(name) for name in ("es-11-1", "es-11-3")}
    epoch = before["es-11-1"]["epoch"]

    said = await asyncio.to_thread(tellers.run, "rebuild")
    assert "events/s" in said
    assert {name: tellers.tally(name) for name in before} == before

    tellers.interrupt()
    shutil.rmtree(tellers.data / "redis")
    await asyncio.to_thread(tellers.run, "restore")
    await asyncio.to_thread(tellers.start, "up")
    after = {name: tellers.tally(name) for name in before}
    assert after["es-11-1"]["epoch"] != epoch
    for name, tally in before.items():
        assert _but_for_the_epoch(after[name]) == _but_for_the_epoch(tally)
    old = await _subscribed(tellers.url, epoch, 100)
    assert old["recovered"] is False
    assert old["epoch"] == after["es-11-1"]["epoch"]
    new = await _subscribed(tellers.url, after["es-11-1"]["epoch"], 100)
    assert new["recovered"] is True
