"""Viewers that do not read: nobody waits for them, they cost little, and are let go.

A viewer reads nothing from a socket whose receive buffer is as small as the kernel
allows, while a roll call runs whose frames are far more than all buffers hold.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Clerk, Stack
from tests.servers import wait_until
from tests.services.slow import SlowViewer, resident_bytes, run_votes
from tests.services.viewing import (
    PATIENCE,
    STALLED,
    Json,
    metric,
    never_goes_back,
    of_op,
    seqs,
    span,
    watching,
)

pytest_plugins = ("tests.services.gateway_stack",)

SLOW_VIEWERS = 20
EVICTED = "tellers_gateway_evicted_total"
VIEWERS = "tellers_gateway_viewers"
TOO_MANY = "tellers_gateway_too_many_total"
BEHIND = "tellers_gateway_behind_total"
# Times everybody votes. One who is behind is given up to 256 updates whole, and may
# have one publication of 181 in hand.
FURTHER_BEHIND = 4


def everything_is_out(url: str, name: str, seq: int) -> None:
    """Wait until the gateway has all that there is to send."""
    path = f"{url}/v1/ga/roll-calls/{name}/tally"

    def is_out() -> bool:
        answer = httpx.get(path, verify=False)
        return answer.is_success and answer.json()["seq"] == seq

    wait_until(is_out, PATIENCE, f"{path} at {seq}")


async def test_stalled_viewers_hold_up_nobody_cost_little_and_are_let_go(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    with ExitStack() as viewers:
        before, behind = metric(url, EVICTED), metric(url, BEHIND)
        stalled = [
            viewers.enter_context(SlowViewer(url, f"feed={feed}"))
            for feed in ("tally", "events") * (SLOW_VIEWERS // 2)
        ]
        # The code that the votes run through is loaded; what grows now is for viewers.
        await asyncio.to_thread(run_votes, clerk, "stalled-warm", 1)
        memory = resident_bytes(stack.gateway.pid)
        async with (
            watching(url, feed="tally") as tallies,
            watching(url, feed="events") as events,
        ):
            await tallies.caught_up()
            (first, _) = await events.caught_up()

            def all_behind() -> bool:
                return metric(url, BEHIND) >= behind + SLOW_VIEWERS

            last = await asyncio.to_thread(
                run_votes, clerk, "stalled-1", 2, all_behind, most=24
            )
            await asyncio.gather(tallies.tally(last), events.event(last))
        assert seqs(events.frames) == span(first["seq"] + 1, last)
        assert of_op(tallies.frames, "tally")[-1]["phase"] == "closed"
        grown = resident_bytes(stack.gateway.pid) - memory
        # 1,450 events and tallies are kept, once: 2 to 3 MB. Unread they would be
        # 20 MB. A viewer's share is its bound of 256 KiB, written to at most once more.
        assert grown < 18_000_000
        await asyncio.to_thread(
            wait_until,
            lambda: metric(url, EVICTED) >= before + SLOW_VIEWERS,
            STALLED + PATIENCE,
            "the stalled to be let go",
        )
        # Whoever wakes up now is told why.
        codes = [await asyncio.to_thread(_code, viewer) for viewer in stalled[:3]]
        # Unless this machine was so busy that their connections are gone already.
        assert set(codes) in ({4413}, {4413, None}, {None})
    await asyncio.to_thread(
        wait_until, lambda: metric(url, VIEWERS) == 0, PATIENCE, "no viewer"
    )


def _code(viewer: SlowViewer) -> int | None:
    viewer.read()
    return viewer.code


@pytest.fixture
def patient(stack: Stack) -> Iterator[str]:
    """A gateway that lets nobody go while this machine is busy."""
    with stack.service("gateway", TELLERS_STALLED_SECONDS="60") as gateway:
        wait_until(gateway.ready, PATIENCE, "the patient gateway")
        yield gateway.url


async def _votes_until_behind(url: str, clerk: Clerk, name: str) -> int:
    """Votes until a viewer has fallen behind, and then so many that it cannot be given
    them all at once."""

    def is_behind() -> bool:
        return metric(url, BEHIND) > 0

    last = await asyncio.to_thread(run_votes, clerk, name, FURTHER_BEHIND, is_behind)
    await asyncio.to_thread(everything_is_out, url, name, last)
    assert is_behind()
    return last


async def test_who_wakes_up_in_time_gets_verdicts_and_the_newest_state(
    patient: str, clerk: Clerk
) -> None:
    with SlowViewer(patient, "feed=tally") as viewer:
        last = await _votes_until_behind(patient, clerk, "woken-1")
        assert await asyncio.to_thread(viewer.read, last)
    tallies = [f for f in of_op(viewer.frames, "tally") if f["roll_call"] == "woken-1"]
    assert never_goes_back(tallies)
    assert len(tallies) < last - tallies[0]["seq"], "nothing was left out"
    async with watching(patient, feed="tally", after=tallies[0]["seq"] - 1) as fast:
        await fast.caught_up()
    every = [f for f in of_op(fast.frames, "tally") if f["roll_call"] == "woken-1"]
    assert _milestones(tallies) == _milestones(every)
    assert tallies[-1] == every[-1]
    assert tallies[-1]["phase"] == "closed"


def _milestones(tallies: list[Json]) -> list[tuple[int, str, str]]:
    """Where phase or verdict changed."""
    found: list[tuple[int, str, str]] = []
    for tally in tallies:
        now = tally["phase"], tally["verdict"]["status"]
        if not found or found[-1][1:] != now:
            found.append((tally["seq"], *now))
    return found


async def test_who_wakes_up_in_time_gets_all_events(patient: str, clerk: Clerk) -> None:
    first = clerk.schedule("awake-0")["seq"]
    await asyncio.to_thread(everything_is_out, patient, "awake-0", first)
    with SlowViewer(patient, f"feed=events&after={first - 1}") as viewer:
        last = await _votes_until_behind(patient, clerk, "awake-1")
        assert await asyncio.to_thread(viewer.read, last)
    assert seqs(viewer.frames) == span(first, last)


async def test_a_stalled_stream_is_let_go_too(url: str, clerk: Clerk) -> None:
    first = clerk.schedule("stream-0")["seq"]
    with SlowViewer(url, f"feed=events&after={first - 1}", sse=True):
        assert metric(url, VIEWERS) == 1
        await asyncio.to_thread(run_votes, clerk, "stream-1", 4)
        await asyncio.to_thread(
            wait_until,
            lambda: metric(url, VIEWERS) == 0,
            2 * STALLED + PATIENCE,
            "the stalled stream to be let go",
        )


async def test_who_asks_and_never_reads_the_answers_fills_no_memory(
    stack: Stack, url: str
) -> None:
    memory, too_many = resident_bytes(stack.gateway.pid), metric(url, TOO_MANY)
    with SlowViewer(url, "feed=events") as viewer:
        # The answers would be 12 MB.
        send_until_refused(viewer, TEXT, b'{"op":"unsubscribe","id":1}', 50_000)
        await asyncio.to_thread(
            wait_until,
            lambda: metric(url, TOO_MANY) > too_many,
            PATIENCE,
            "it to be let go",
        )
        assert resident_bytes(stack.gateway.pid) - memory < 6_000_000


async def test_who_pings_and_never_reads_the_pongs_fills_no_memory(
    stack: Stack, url: str
) -> None:
    memory = resident_bytes(stack.gateway.pid)
    with SlowViewer(url, "feed=events") as viewer:
        send_until_refused(viewer, PING, b"p" * 125, 150_000)
        # The pongs would be 20 MB.
        assert resident_bytes(stack.gateway.pid) - memory < 6_000_000


TEXT, PING = 0x1, 0x9


def send_until_refused(
    viewer: SlowViewer, opcode: int, payload: bytes, number: int
) -> None:
    """Send so many messages, or as many as the gateway and all buffers take."""
    frame = _masked(opcode, payload)
    sent = 0
    viewer.sock.settimeout(0.5)
    with suppress(TimeoutError, ConnectionError):  # it listens no longer
        while sent < number * len(frame):
            sent += viewer.sock.send(frame * 100)


def _masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame; masked with zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


@pytest.fixture(autouse=True)
async def nobody_is_left(url: str) -> AsyncIterator[Any]:
    """Every test begins and ends without viewers."""
    yield
    await asyncio.to_thread(
        wait_until, lambda: metric(url, VIEWERS) == 0, PATIENCE, "no viewer"
    )
