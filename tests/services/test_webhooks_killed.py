"""kill -9 of the service while it delivers: the receiver has everything, once."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.stack import recorded
from tests.servers import wait_until
from tests.services.receiving import (
    PATIENCE,
    Received,
    Receiver,
    Reply,
    Subscribers,
    subscribed_stack,
)

VOTES = recorded("es-11-3")  # 175
# scheduled, opened, the votes, locked, closed
EXPECTED = len(VOTES) + 4


def slow(_: Received, __: int) -> Reply:
    """Long enough for a kill to meet a delivery that is on its way."""
    return Reply(seconds=0.01)


def kill_while_delivering(subscribers: Subscribers, receiver: Receiver) -> int:
    """Kill it three times; returns how many deliveries were still due at a kill."""
    left = EXPECTED
    for taken in (30, 80, 130):
        receiver.wait_for_kept(taken)
        os.kill(subscribers.webhooks.pid, signal.SIGKILL)
        subscribers.webhooks.kill()
        left = min(left, EXPECTED - len(receiver.kept))
        subscribers.webhooks.start()
    return left


@pytest.mark.timeout(120)
def test_kill_9_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    with subscribed_stack(tmp_path) as subscribers, Receiver() as receiver:
        receiver.reply = slow
        endpoint = subscribers.subscribe(receiver)
        clerk = subscribers.stack.clerk()
        with closing(clerk.http):
            clerk.replay("es-11-3", VOTES)
        left = kill_while_delivering(subscribers, receiver)
        assert left > 0, "killed only when all was delivered: nothing was tested"
        receiver.wait_for_kept(EXPECTED)
        wait_until(
            lambda: not subscribers.deliveries(endpoint, state="waiting"),
            PATIENCE,
            "the queue to be empty",
        )
    assert receiver.refused == []
    kept = receiver.kept
    assert [one.seq for one in kept] == list(range(1, EXPECTED + 1))
    assert len({one.event["id"] for one in kept}) == EXPECTED
    assert kept[-1].name == "roll_call.closed"
    # Each try of the same thing says the very same bytes.
    for one in kept:
        assert {again.body for again in receiver.tries_of(one.id)} == {one.body}
