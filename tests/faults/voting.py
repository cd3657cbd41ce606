"""Votes that go on while something is broken, and what the log says of them after."""

import json
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

from tellers_core.codec import LogName
from tellers_runtime import keys
from tests.e2e.stack import Clerk, Stack, recorded
from tests.servers import RedisServer

CODES = [code for code, _ in recorded("es-11-1")]
Numbers = tuple[int, int, int, int]


class Voting:
    """A clerk in a thread, who records votes one after the other until the `with` ends.

    `accepted`: (time, seq) of every 201 or 200, by CLOCK_MONOTONIC; `seconds`: how long
    each took.
    """

    def __init__(self, stack: Stack, roll_call: str, pause_seconds: float) -> None:
        self.accepted: list[tuple[float, int]] = []
        self.seconds: list[float] = []
        self._clerk: Clerk = stack.clerk()
        self._roll_call = roll_call
        self._pause = pause_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self._pause):
            vote = ("yes", "no", "abstain")[(number // len(CODES)) % 3]
            began = time.monotonic()
            answer = self._clerk.vote(self._roll_call, CODES[number % len(CODES)], vote)
            now = time.monotonic()
            self.seconds.append(now - began)
            self.accepted.append((now, answer["seq"]))
            number += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._clerk.http.close()

    def seq_at(self, at: float) -> int:
        """The newest seq that was accepted by then."""
        return max((seq for time, seq in self.accepted if time <= at), default=0)


def truth(redis: RedisServer, roll_call: str) -> set[Numbers]:
    """(seq, yes, no, abstain) after every event of a roll call, counted by hand."""
    votes: dict[str, str] = {}
    found = set()
    with redis.client() as client:
        entries = client.xrange(keys.events(LogName("ga")))
    for identity, fields in entries:
        (body,) = fields.values()
        event = json.loads(body)
        if event["rollcall"] != roll_call:
            continue
        if "vote" in event["data"]:
            votes[event["data"]["delegation"]] = event["data"]["vote"]
        counts = Counter(votes.values())
        seq = int(identity.partition(b"-")[0])
        found.add((seq, counts["yes"], counts["no"], counts["abstain"]))
    return found
