"""A crowd of viewers in one process, which keeps the rules of our own client.

Started by `Crowd.of`; told what to do by lines on standard input, each of which is
answered with a line:

    ready   when every viewer is live: seconds since it was asked
    drop    end every connection at once; when every viewer is live again: seconds
    stop    write down what was seen (`Seen`) and end

Sockets and frames are read here with as little as can be, since hundreds of viewers
share two cores with the system they watch; what a frame comes to is decided by
`tellers_client`. A naive viewer keeps none of its rules: it counts the events it
happens to see.
"""

import asyncio
import base64
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import msgspec
import uvloop
from msgspec import Struct

from tellers_client.resumer import (
    Closed,
    Deliver,
    EventResumer,
    HandshakeRefused,
    Reconnect,
    Restarted,
    Resumer,
    State,
    TallyResumer,
)
from tellers_core.tally import Tally

TEXT, CLOSE, PING = 0x1, 0x8, 0x9
LOST = 1006
SAMPLE_SECONDS = 0.2
OPEN_SECONDS = 5.0
LIVE_SECONDS = 45.0
# How often a restless viewer claims to have seen what never was.
BEYOND, FAR_BEYOND = 0.2, 10**9


class Plan(Struct):
    """Who comes: viewers of tallies, of events, and naive ones; all of one roll call.

    Each viewer of tallies breaks off every `restless_seconds` or so and resumes from a
    random place; 0: never. Without `jitter` nobody waits before he comes back.
    """

    urls: list[str]
    roll_call: str
    tallies: int
    events: int = 0
    naive: int = 0
    restless_seconds: float = 0.0
    jitter: bool = True
    seed: int = 1
    out: str = ""


class Sample(Struct, array_like=True):
    """At a time (CLOCK_MONOTONIC): who shows a number that is not marked, and the
    smallest seq of those numbers."""

    at: float
    unmarked: int
    lowest: int


class Seen(Struct):
    """What the crowd saw. `shown`: each number shown, once: (seq, yes, no, abstain).

    Times are CLOCK_MONOTONIC: of every attempt to connect, of every connection lost,
    and when the last viewer of tallies was shown a seq.
    """

    frames: int = 0
    shown: set[tuple[int, int, int, int]] = set()
    naive: set[tuple[int, int, int, int]] = set()
    regressions: int = 0
    gave_up: list[str] = []
    recovered: int = 0
    not_recovered: int = 0
    recovered_false_shown: int = 0
    closes: dict[int, int] = {}
    refusals: dict[int, int] = {}
    longest_gap_seconds: float = 0.0
    attempts: list[float] = []
    losses: list[float] = []
    arrivals: dict[int, float] = {}
    samples: list[Sample] = []


def busiest(times: list[float], seconds: float) -> int:
    """The most of these that lie within so many seconds."""
    times = sorted(times)
    most = first = 0
    for last, at in enumerate(times):
        while times[first] < at - seconds:
            first += 1
        most = max(most, last + 1 - first)
    return most


class Line(asyncio.Protocol):
    """One WebSocket, from the handshake to its end, which is `ended`."""

    def __init__(self, url: str, query: dict[str, str], viewer: "Viewer") -> None:
        self._url = urlsplit(url)
        self._query = urlencode(query)
        self._viewer = viewer
        self._buffer = b""
        self._is_open = False
        self.transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[Closed | HandshakeRefused] = (
            asyncio.get_running_loop().create_future()
        )

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /v1/ga/live?{self._query} HTTP/1.1\r\nHost: {self._url.netloc}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: tellers.v1\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            status = int(head.split()[1])
            if status != 101:
                self.end(HandshakeRefused(status))
                return
            self._is_open, self._buffer = True, rest
        self._read_frames()

    def _read_frames(self) -> None:
        data, at = self._buffer, 0
        while len(data) >= at + 2:
            opcode, size, head = data[at] & 0x0F, data[at + 1], at + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                if len(data) < head + width:
                    break
                size = int.from_bytes(data[head : head + width], "big")
                head += width
            if len(data) < head + size:
                break
            payload = data[head : head + size]
            at = head + size
            if opcode == TEXT:
                self._viewer.received(payload)
            elif opcode == CLOSE:
                self.end(Closed(int.from_bytes(payload[:2], "big")))
            elif opcode == PING and self.transport is not None:
                masked = bytes([0x8A, 0x80 | size]) + bytes(4) + payload
                self.transport.write(masked)
        self._buffer = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(Closed())

    def end(self, how: Closed | HandshakeRefused) -> None:
        """It is over; only the first word counts."""
        if not self.ended.done():
            self.ended.set_result(how)
        if self.transport is not None:
            self.transport.abort()


def _same(line: Line) -> Line:
    return line


class Viewer:
    """One viewer of the crowd, across all its connections."""

    def __init__(self, plan: Plan, seen: Seen, resumer: Resumer[Any]) -> None:
        self.plan, self.seen, self.resumer = plan, seen, resumer
        self.is_caught_up = False
        self.line: Line | None = None
        self._lost_at = 0.0
        self._url = 0
        self._must_restart = False

    @property
    def is_live(self) -> bool:
        return self.resumer.state is State.LIVE and self.is_caught_up

    async def run(self) -> None:
        """Watch, for ever."""
        loop = asyncio.get_running_loop()
        pause = random.random()
        while True:
            await asyncio.sleep(pause if self.plan.jitter else min(pause, 0.02))
            self.seen.attempts.append(time.monotonic())
            url = self.plan.urls[self._url % len(self.plan.urls)]
            self.line = line = Line(url, self.resumer.query(), self)
            place = urlsplit(url)
            how: Closed | HandshakeRefused = Closed()
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await loop.create_connection(
                        partial(_same, line), place.hostname or "", place.port or 80
                    )
            except (OSError, TimeoutError):
                pass
            else:
                how = await self._until_over(line)
            self._over(how)
            pause = self.resumer.lost(how, random.random())

    async def _until_over(self, line: Line) -> Closed | HandshakeRefused:
        """Until it ends, or has been silent for too long."""
        now = asyncio.get_running_loop().time
        self.resumer.connected(now())
        while not line.ended.done():
            wait = max(0.1, self.resumer.silent_at - now())
            await asyncio.wait([line.ended], timeout=wait)
            if not line.ended.done() and now() > self.resumer.silent_at:
                line.end(Closed())
        return line.ended.result()

    def _over(self, how: Closed | HandshakeRefused) -> None:
        self._lose()
        if isinstance(how, HandshakeRefused):
            self.seen.refusals[how.status] = self.seen.refusals.get(how.status, 0) + 1
        else:
            code = how.code or LOST
            self.seen.closes[code] = self.seen.closes.get(code, 0) + 1
        self._url += 1

    def received(self, data: bytes) -> None:
        """One frame."""
        self.seen.frames += 1
        if data.startswith(b'{"op":"subscribed"'):
            self._subscribed(data)
        if data.startswith(b'{"op":"caught_up"'):
            self._caught_up()
        for output in self.resumer.received(data, asyncio.get_running_loop().time()):
            match output:
                case Deliver(item):
                    if self._must_restart:
                        self.seen.recovered_false_shown += 1
                    self.show(item)
                case Restarted():
                    self._must_restart = False
                    self.restarted()
                case Reconnect(reason):
                    self.seen.gave_up.append(f"{type(self).__name__}: {reason}")
                    if self.line is not None:
                        self.line.end(Closed())

    def _subscribed(self, data: bytes) -> None:
        recovered = json.loads(data)["recovered"]
        self._must_restart = recovered is False
        self.seen.recovered += recovered is True
        self.seen.not_recovered += recovered is False

    def _lose(self) -> None:
        if self.is_caught_up:
            self.is_caught_up = False
            self._lost_at = time.monotonic()
            self.seen.losses.append(self._lost_at)

    def _caught_up(self) -> None:
        self.is_caught_up = True
        if self._lost_at:
            gap = time.monotonic() - self._lost_at
            self.seen.longest_gap_seconds = max(self.seen.longest_gap_seconds, gap)
            self._lost_at = 0.0

    def drop(self) -> None:
        """Lose the connection without a word."""
        self._lose()
        if self.line is not None:
            self.line.end(Closed())

    def show(self, item: Any) -> None:
        raise NotImplementedError

    def restarted(self) -> None:
        """What was shown is no longer."""


class TallyViewer(Viewer):
    """Shows the tally."""

    tally: Tally | None = None

    def show(self, item: Tally) -> None:
        if self.tally is not None and item.seq < self.tally.seq:
            self.seen.regressions += 1
        self.tally = item
        self.seen.arrivals[item.seq] = time.monotonic()
        counts = item.counts
        self.seen.shown.add((item.seq, counts.yes, counts.no, counts.abstain))

    def restarted(self) -> None:
        self.tally = None

    @property
    def unmarked(self) -> int | None:
        """The seq of the number that is shown and not marked as old or held."""
        if not self.is_live or self.tally is None or self.tally.held is not None:
            return None
        return self.tally.seq

    def resume_elsewhere(self) -> None:
        """Come back as somebody who has seen everything up to a random place, which
        may lie beyond the log's end."""
        if self.tally is None or self.resumer.epoch is None:
            return
        beyond = random.random() < BEYOND
        after = FAR_BEYOND if beyond else random.randint(0, self.tally.seq)
        self.resumer = TallyResumer(
            self.plan.roll_call, after=after, epoch=self.resumer.epoch
        )
        self.tally = None
        self.drop()


class EventViewer(Viewer):
    """Counts the votes itself, from the events."""

    def __init__(self, plan: Plan, seen: Seen, resumer: Resumer[Any]) -> None:
        super().__init__(plan, seen, resumer)
        self._votes: dict[str, str] = {}
        self._numbers = seen.shown

    def show(self, item: dict[str, Any]) -> None:
        data = item["data"]
        if "vote" in data:
            self._votes[data["delegation"]] = data["vote"]
        counts = Counter(self._votes.values())
        seq = int(item["sequence"])
        self._numbers.add((seq, counts["yes"], counts["no"], counts["abstain"]))

    def restarted(self) -> None:
        self._votes = {}


class NaiveViewer(EventViewer):
    """Adds up what it happens to see: it never asks for what it missed."""

    def __init__(self, plan: Plan, seen: Seen) -> None:
        super().__init__(plan, seen, EventResumer(plan.roll_call, after=0))
        self._numbers = seen.naive

    def _over(self, how: Closed | HandshakeRefused) -> None:
        super()._over(how)
        self.resumer = EventResumer(self.plan.roll_call)


async def _sample(viewers: list[TallyViewer], seen: Seen) -> None:
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        seqs = [seq for viewer in viewers if (seq := viewer.unmarked) is not None]
        seen.samples.append(Sample(time.monotonic(), len(seqs), min(seqs, default=0)))


async def _unsettle(viewers: list[TallyViewer], seconds: float) -> None:
    while seconds:
        await asyncio.sleep(seconds / len(viewers))
        random.choice(viewers).resume_elsewhere()


async def _until_live(viewers: list[Viewer]) -> dict[str, float]:
    began = time.monotonic()
    missing = viewers
    # Each once, not all at the same time: some are restless.
    while missing := [viewer for viewer in missing if not viewer.is_live]:
        await asyncio.sleep(0.01)
        if time.monotonic() - began > LIVE_SECONDS:
            sys.exit(f"{len(missing)} of {len(viewers)} viewers are not live")
    return {"seconds": time.monotonic() - began}


async def _main(plan: Plan) -> None:
    random.seed(plan.seed)
    seen = Seen()
    tallies = [
        TallyViewer(plan, seen, TallyResumer(plan.roll_call))
        for _ in range(plan.tallies)
    ]
    events = [
        EventViewer(plan, seen, EventResumer(plan.roll_call, after=0))
        for _ in range(plan.events)
    ]
    naive = [NaiveViewer(plan, seen) for _ in range(plan.naive)]
    viewers: list[Viewer] = [*tallies, *events]
    tasks = [asyncio.create_task(viewer.run()) for viewer in [*viewers, *naive]]
    tasks.append(asyncio.create_task(_sample(tallies, seen)))
    tasks.append(asyncio.create_task(_unsettle(tallies, plan.restless_seconds)))
    while (said := (await asyncio.to_thread(sys.stdin.readline)).strip()) != "stop":
        if not said:
            return  # whoever started us is gone
        if said == "drop":
            for viewer in viewers:
                viewer.drop()
        _answer(await _until_live(viewers))
    for task in tasks:
        if task.done():
            task.result()  # a viewer that ended could not go on
    _write(plan.out, seen)
    _answer({})
    os._exit(0)  # nobody waits for a thousand connections to be closed in order


def _write(path: str, seen: Seen) -> None:
    Path(path).write_bytes(msgspec.msgpack.encode(seen))


def _answer(answer: dict[str, float]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


class Crowd:
    """The crowd's process, as its test sees it."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        plan.out = str(folder / f"crowd-{random.getrandbits(32):x}")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with Path(f"{self.plan.out}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    __name__,
                    json.dumps(msgspec.to_builtins(self.plan)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            with self._process:  # closes its pipes and waits
                pass

    def tell(self, what: str) -> float:
        """`ready` or `drop`; the seconds it took."""
        return float(self._ask(what)["seconds"])

    def say(self, what: str) -> None:
        """Tell, and do not wait for the answer, which `heard` gives."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def heard(self) -> dict[str, float]:
        """The next answer."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(Path(f"{self.plan.out}.log").read_text()[-2000:])
        answer: dict[str, float] = json.loads(line)
        return answer

    def stop(self) -> Seen:
        """End it; what it saw."""
        self._ask("stop")
        return msgspec.msgpack.decode(Path(self.plan.out).read_bytes(), type=Seen)

    def _ask(self, what: str) -> dict[str, float]:
        self.say(what)
        return self.heard()


if __name__ == "__main__":
    os.nice(10)  # in truth viewers have machines of their own
    uvloop.run(_main(msgspec.json.decode(sys.argv[1], type=Plan)))
