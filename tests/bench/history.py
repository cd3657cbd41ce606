"""A long history of roll calls, as entries of a log."""

import itertools
import random
from collections.abc import Iterator

from tellers_core.codec import LogName, encode
from tellers_core.events import (
    Event,
    Reveal,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallScheduled,
    Vote,
    VoteRecorded,
)
from tellers_core.members import general_assembly
from tellers_core.roll_call import absorb, outcome
from tellers_runtime.log import Entry

LOG = LogName("ga")
TIME = "2026-11-24T12:00:00.000Z"


def _roll_call(number: int, chance: random.Random) -> Iterator[Event]:
    codes = general_assembly().codes
    state = absorb(
        None,
        scheduled := RollCallScheduled(
            f"Roll call {number}",
            None,
            "two_thirds",
            codes,
            codes,
            {},
            (),
            None,
            rehearsal=False,
            reveal=Reveal.LIVE,
        ),
    )
    yield scheduled
    opened: list[Event] = [RollCallOpened()]
    votes = [VoteRecorded(c, chance.choice(list(Vote))) for c in codes]
    for event in [*opened, *votes, RollCallLocked()]:
        state = absorb(state, event)
        yield event
    yield RollCallClosed(state.counts, outcome(state), None)


def stream(count: int, seed: int = 1) -> Iterator[Entry]:
    """The first `count` entries of a log of full roll calls in the Assembly."""
    chance = random.Random(seed)
    seq = 0
    for number in itertools.count(1):
        name = f"r{number}"
        for version, event in enumerate(_roll_call(number, chance), 1):
            if seq == count:
                return
            seq += 1
            body = encode(LOG, name, event, TIME).filled(name, seq, version)
            yield Entry(seq, body)


def entries(count: int, seed: int = 1) -> list[Entry]:
    """The same, at once."""
    return list(stream(count, seed))


def pages(count: int, size: int, seed: int = 1) -> Iterator[list[Entry]]:
    """The same, so many at a time."""
    rest = stream(count, seed)
    while page := list(itertools.islice(rest, size)):
        yield page
