"""Who watches meanwhile: a subscriber of every event, and a reader of the tally."""

import asyncio
from collections import Counter
from itertools import pairwise
from types import TracebackType
from typing import Self

import httpx

from tellers_client import CloudEvent, Restarted, events
from tests.faults.writers import until

READ_EVERY_SECONDS = 0.05


class EventWatcher:
    """Every event of the chamber, by WebSocket, from the first one on."""

    def __init__(self, url: str) -> None:
        self.seqs: list[int] = []
        self.restarts: list[Restarted] = []
        self._url = url
        self._task: asyncio.Task[None] | None = None

    async def _watch(self) -> None:
        log = events(self._url, after=0, on_restart=self.restarts.append)
        async with log:
            async for event in log:
                self._take(event)

    def _take(self, event: CloudEvent) -> None:
        self.seqs.append(int(event["sequence"]))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, seq: int, seconds: float) -> None:
        """Until it has that event. Raises TimeoutError."""
        await until(lambda: seq in self.seqs[-1:], f"event {seq}", seconds)

    @property
    def faults(self) -> dict[str, int]:
        """Events that came twice, and places that are missing."""
        return {
            "repeats": len(self.seqs) - len(set(self.seqs)),
            "gaps": len(set(range(1, max(self.seqs, default=0) + 1)) - set(self.seqs)),
            "disorder": sum(b <= a for a, b in pairwise(self.seqs)),
        }


class TallyReader:
    """Reads the tally through the proxy's cache, over and over: it may never go back,
    but for a moment the cache may be a second behind."""

    def __init__(self, url: str, roll_call: str) -> None:
        self.answers: Counter[str] = Counter()
        self.seqs: list[int] = []
        self._url = f"{url}/v1/ga/roll-calls/{roll_call}/tally"
        self._task: asyncio.Task[None] | None = None

    async def _read(self) -> None:
        async with httpx.AsyncClient(verify=False, timeout=5) as http:
            while True:
                try:
                    answer = await http.get(self._url)
                except httpx.TransportError:
                    self.answers["no answer"] += 1
                else:
                    self._note(answer)
                await asyncio.sleep(READ_EVERY_SECONDS)

    def _note(self, answer: httpx.Response) -> None:
        if answer.is_success:
            self.answers[answer.headers.get("X-Cache", "uncached")] += 1
            self.seqs.append(answer.json()["seq"])
        else:
            self.answers[str(answer.status_code)] += 1

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def hit_rate(self) -> float:
        """Of the answers that were a tally, those that no gateway was asked for."""
        answered = len(self.seqs)
        return self.answers["HIT"] / answered if answered else 0.0

    @property
    def regressions(self) -> int:
        """How often it went back."""
        return sum(b < a for a, b in pairwise(self.seqs))
