"""Every piece of docs/subscribing.md does what the page says, as it stands there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.docs.pieces import Piece, pieces, run
from tests.e2e.stack import Stack

LOG, GROUP = "tellers:{ga}:events", "newsroom"
VOTES = [("FRA", "yes"), ("CHN", "abstain"), ("BLR", "no")]
# Scheduled, opened, three votes, locked, closed.
EVENTS = 7


PIECES = pieces("subscribing.md")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system with the roll call of the page, closed."""
    with Stack(tmp_path_factory.mktemp("subscribing")) as stack:
        clerk = stack.clerk()
        with clerk.http:
            clerk.replay("es-11-1", VOTES)
        yield stack


def the(heading: str) -> list[Piece]:
    return [piece for piece in PIECES if piece.heading.startswith(heading)]


def test_every_piece_is_run_here() -> None:
    assert [piece.language for piece in PIECES] == [
        *("sh", "sh", "python", "python", "python"),
        *("sh", "js", "python"),
    ]


def test_the_number_now(stack: Stack, tmp_path: Path) -> None:
    said = run(the("The number now")[0], stack, tmp_path)
    assert '"yes":1,"no":1,"abstain":1' in said
    assert '"type":"org.tellers.roll_call.opened.v1"' in said
    assert "vote_id,symbol,title" in said


def test_server_sent_events(stack: Stack, tmp_path: Path) -> None:
    said = run(the("Server-sent events")[0], stack, tmp_path)
    assert "event: tally\nid: " in said
    assert "event: caught_up" in said


def test_a_websocket(stack: Stack, tmp_path: Path) -> None:
    said = run(the("WebSocket")[0], stack, tmp_path).splitlines()
    assert len(said) == EVENTS
    assert said[0] == "1 org.tellers.roll_call.scheduled.v1"
    assert said[-1] == f"{EVENTS} org.tellers.roll_call.closed.v1"


def test_python(stack: Stack, tmp_path: Path) -> None:
    plain, checked = the("Python")
    assert "1 rejected" in run(plain, stack, tmp_path)
    assert run(checked, stack, tmp_path).startswith("counted here too: 1 rejected")


def test_javascript(stack: Stack, tmp_path: Path) -> None:
    copy, program = the("JavaScript")
    run(copy, stack, tmp_path)
    said = run(program, stack, tmp_path).splitlines()
    assert [line.split()[0] for line in said] == [*map(str, range(1, 8)), "1"]
    assert said[-1] == "1 rejected"


def test_a_consumer_group(stack: Stack, tmp_path: Path) -> None:
    (piece,) = the("Inside the trust zone")
    said = run(piece, stack, tmp_path).splitlines()
    assert [line.split()[0] for line in said] == [
        f"{seq}-0" for seq in range(1, EVENTS + 1)
    ]
    assert run(piece, stack, tmp_path) == ""  # acknowledged: nothing comes twice
    clerk = stack.clerk()
    with clerk.http, Redis.from_url(stack.redis.url) as redis:
        # A group holds nothing up, and what a dead worker left is taken over.
        clerk.open("later")
        taken = redis.xreadgroup(GROUP, "dead", {LOG: ">"})
        assert len(taken[0][1]) == 2
        assert run(piece, stack, tmp_path) == ""
        _, claimed, _ = redis.xautoclaim(LOG, GROUP, "worker-1", 0, "0")
        assert [seq for seq, _ in claimed] == [b"8-0", b"9-0"]
    said = run(piece, stack, tmp_path).splitlines()
    assert [line.split()[0] for line in said] == ["8-0", "9-0"]
