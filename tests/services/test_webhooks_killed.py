"""kill -9 of the service while it delivers: the receiver has everything, once."""

from contextlib import closing
from pathlib import Path

import httpx

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
    return Reply(seconds=0.03)


def kill_while_delivering(subscribers: Subscribers, receiver: Receiver) -> int:
    """Kill it three times; returns how many deliveries were still due at a kill."""
    left = EXPECTED
    for taken in (30, 80, 130):
        receiver.wait_for_kept(taken)
        subscribers.webhooks.kill()
        left = min(left, EXPECTED - len(receiver.kept))
        subscribers.webhooks.start()
    return left


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


def test_without_the_outcome_on_disk_after_the_answer_something_is_lost(
    tmp_path: Path,
) -> None:
    """The control: noted as delivered when it is taken, sent from memory."""
    with subscribed_stack(tmp_path) as subscribers, Receiver() as receiver:
        receiver.reply = lambda _, __: Reply(seconds=0.05)
        subscribers.webhooks.stop()
        subscribers.webhooks._module = "tests.services.broken_webhooks"
        subscribers.webhooks.start()
        endpoint = subscribers.subscribe(receiver)
        clerk = subscribers.stack.clerk()
        with closing(clerk.http):
            clerk.replay("es-11-3", VOTES)
        wait_until(
            lambda: len(noted(subscribers, endpoint)) > len(receiver.kept) + 20,
            PATIENCE,
            "the queue to be ahead of the receiver",
        )
        called_delivered = noted(subscribers, endpoint)
        subscribers.webhooks.kill()
        subscribers.webhooks.start()
        assert called_delivered <= noted(subscribers, endpoint)
        # They are not sent again, and the receiver has not got them.
        assert called_delivered - {one.seq for one in receiver.kept}


def noted(subscribers: Subscribers, endpoint: str) -> set[int]:
    """The seqs that are noted as delivered."""
    done = subscribers.deliveries(endpoint, state="delivered")
    return {one["seq"] for one in done}


def test_without_redis_it_is_not_ready_and_says_so(tmp_path: Path) -> None:
    with subscribed_stack(tmp_path) as subscribers:
        readyz = f"{subscribers.webhooks.url}/readyz"
        subscribers.stack.redis.kill()
        answer = httpx.get(readyz)
        assert answer.status_code == 503
        assert answer.json()["missing"].keys() == {"redis"}
        subscribers.stack.redis.start()
        wait_until(subscribers.webhooks.ready, PATIENCE, "webhooks to be ready again")
