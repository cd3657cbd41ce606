"""Votes one after the other through the whole system, before many WebSocket viewers.

Viewers have machines of their own, so here they have a core of their own, the last one;
this process and all services share the others. They are the load client in C. Without
that the viewers are what is measured: each message wakes them on the gateway's core,
and the two take turns.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.rivals.load import Load, Place, build
from tests.e2e.stack import Stack, recorded

VIEWERS = 1000
VOTES = 300
PAUSE_SECONDS = 0.05
ROLL_CALL = "bench"
PATH = f"/v1/ga/live?feed=tally&roll_call={ROLL_CALL}"


class Watched(NamedTuple):
    """One vote, CLOCK_MONOTONIC seconds: its request was sent, its 201 was there, the
    first viewer and the last one had its tally."""

    seq: int
    sent: float
    accepted: float
    first: float
    last: float


def watched(stack: Stack, folder: Path, runs: tuple[int, ...]) -> list[list[Watched]]:
    """Open the roll call; `VOTES` votes before each of these numbers of viewers."""
    clerk = stack.clerk()
    clerk.schedule(ROLL_CALL)
    seq = clerk.step(ROLL_CALL, "open")["seq"]
    program = build("load", folder)
    found = []
    for number, viewers in enumerate(runs):
        at = Place(stack.gateway.port, PATH, "tellers.v1", '"caught_up"')
        with Load(program, at, viewers, viewers) as load, _apart(stack, load):
            one_run = list(_votes(stack, load, number * VOTES, seq))
        seq = one_run[-1].seq
        found.append(one_run)
    return found


@contextmanager
def _apart(stack: Stack, load: Load) -> Iterator[None]:
    """Viewers on the last core, everything else on the others."""
    cores = os.sched_getaffinity(0)
    *others, last = sorted(cores)
    servers = (stack.redis, stack.ingest, stack.tally, stack.gateway)
    _keep(load.pid, {last})
    for server in servers:
        _keep(server.pid, others or cores)
    os.sched_setaffinity(0, others or cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _keep(pid: int, cores: Iterable[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _votes(stack: Stack, load: Load, start: int, seq: int) -> Iterator[Watched]:
    clerk = stack.clerk()
    codes = [code for code, _ in recorded("es-11-1")]
    for n in range(start, start + VOTES):
        seq += 1
        vote = ("yes", "no", "abstain")[(n // len(codes)) % 3]
        load.expect(seq)
        sent = time.monotonic()
        answer = clerk.vote(ROLL_CALL, codes[n % len(codes)], vote)
        accepted = time.monotonic()
        assert answer["seq"] == seq
        first, last, _ = load.seen()
        yield Watched(seq, sent, accepted, first, last)
        time.sleep(PAUSE_SECONDS)
