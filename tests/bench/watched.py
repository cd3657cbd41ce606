"""Votes one after the other through the whole system, before many WebSocket viewers.

The viewers are the load client in C: those in Python read for longer than the gateway
writes, and so were what was measured.
"""

import time
from collections.abc import Iterator
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
        with Load(program, at, viewers, viewers) as load:
            one_run = list(_votes(stack, load, number * VOTES, seq))
        seq = one_run[-1].seq
        found.append(one_run)
    return found


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
