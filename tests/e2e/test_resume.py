"""Resuming: nothing lost, nothing twice, and always told whether it held.

By WebSocket, server-sent events and long-poll; with the gap in the gateway's memory,
only in Redis, or only in the archive; after another epoch and before its time. Then
gateways that are killed in the middle of a roll call.
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tellers_core.codec import LogName
from tellers_runtime import keys
from tests.e2e.stack import Clerk, Stack
from tests.servers import wait_until
from tests.services.viewing import (
    ES_11_1,
    PATIENCE,
    Json,
    Viewer,
    batch,
    is_op,
    never_goes_back,
    of_op,
    plain,
    reading,
    refusal,
    seqs,
    span,
    streaming,
    watching,
)

GA = LogName("ga")
EVENTS = "/v1/ga/events"
# A starting gateway loads 2,000 events.
BATCHES = 12
PLACE = 50


class Past(NamedTuple):
    """What was published: every event and every tally, by seq, as seen live."""

    epoch: str
    events: list[Json]
    tallies: list[Json]

    @property
    def head(self) -> int:
        return len(self.events)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"TELLERS_SILENT_SECONDS": "20"}
    with Stack(tmp_path_factory.mktemp("resume"), settings=settings) as stack:
        yield stack


@pytest.fixture(scope="module")
def clerk(stack: Stack) -> Iterator[Clerk]:
    clerk = stack.clerk()
    yield clerk
    clerk.http.close()


@pytest.fixture(scope="module")
def past(stack: Stack, clerk: Clerk) -> Past:
    """One closed roll call, one that goes on."""
    return asyncio.run(_record(stack, clerk))


async def _record(stack: Stack, clerk: Clerk) -> Past:
    url = stack.gateway_url
    async with (
        watching(url, feed="events") as events,
        watching(url, feed="tally") as tallies,
    ):
        (first, *_) = await events.caught_up()
        await tallies.caught_up()
        await asyncio.to_thread(clerk.replay, "closed-1", ES_11_1[:20])
        clerk.open("open-1")
        for n in range(BATCHES):
            vote = ("yes", "no", "abstain")[n % 3]
            last = await asyncio.to_thread(batch, clerk, "open-1", vote)
            # At its pace: a viewer that falls behind is not sent every tally.
            await asyncio.gather(events.event(last), tallies.tally(last))
    past = Past(
        first["epoch"],
        [frame["event"] for frame in of_op(events.frames, "event")],
        [plain(frame) for frame in of_op(tallies.frames, "tally")],
    )
    assert [tally["seq"] for tally in past.tallies] == span(1, last)
    assert [int(event["sequence"]) for event in past.events] == span(1, last)
    return past


def _in_memory(stack: Stack) -> None:
    pass


def _in_redis(stack: Stack) -> None:
    """The gateway starts anew; of published tallies few are kept."""
    with stack.redis.client() as redis:
        redis.xtrim(keys.tallies(GA), maxlen=20, approximate=False)
    _start_anew(stack)


def _in_sql(stack: Stack) -> None:
    """Redis has only the newest of the log."""
    with stack.redis.client() as redis:
        redis.xtrim(keys.events(GA), maxlen=20, approximate=False)
        redis.xtrim(keys.tallies(GA), maxlen=20, approximate=False)
    _start_anew(stack)


def _start_anew(stack: Stack) -> None:
    stack.gateway.kill()
    stack.gateway.start()
    wait_until(stack.gateway.ready, PATIENCE, "the gateway")


# The parameter's order is that of the tests: what is trimmed stays so.
@pytest.fixture(scope="module", params=[_in_memory, _in_redis, _in_sql])
def url(request: pytest.FixtureRequest, stack: Stack, past: Past) -> str:
    """A gateway for which the gap is where the parameter says."""
    prepare: Callable[[Stack], None] = request.param
    prepare(stack)
    return stack.gateway_url


Resume = Callable[..., AbstractAsyncContextManager[Viewer]]


@asynccontextmanager
async def _socket(
    url: str, after: int, epoch: str, **query: Any
) -> AsyncIterator[Viewer]:
    async with watching(url, after=after, epoch=epoch, **query) as viewer:
        yield viewer


@asynccontextmanager
async def _stream(
    url: str, after: int, epoch: str, **query: Any
) -> AsyncIterator[Viewer]:
    headers = {"Last-Event-ID": f"{epoch}:{after}"}
    async with streaming(url, headers=headers, **query) as viewer:
        yield viewer


@asynccontextmanager
async def _message(
    url: str, after: int, epoch: str, **query: Any
) -> AsyncIterator[Viewer]:
    async with watching(url) as viewer:
        await viewer.send(op="subscribe", id=0, after=after, epoch=epoch, **query)
        yield viewer


@pytest.fixture(params=[_socket, _message, _stream])
def resuming(request: pytest.FixtureRequest) -> Resume:
    """A viewer that comes back, by each transport."""
    transport: Resume = request.param
    return transport


# The gap: in memory, in Redis, in SQL


@pytest.mark.parametrize("after", [0, PLACE, -1], ids=["all", "some", "none"])
async def test_every_missed_event_comes_once(
    resuming: Resume, url: str, past: Past, after: int
) -> None:
    place = past.head if after < 0 else after
    async with resuming(url, place, past.epoch, feed="events") as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is True
    assert frames[-1]["seq"] == past.head
    assert [f["event"] for f in of_op(frames, "event")] == past.events[place:]


async def test_every_missed_event_of_one_roll_call_comes_once(
    resuming: Resume, url: str, past: Past
) -> None:
    async with resuming(
        url, 5, past.epoch, feed="events", roll_call="closed-1"
    ) as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is True
    wanted = [event for event in past.events[5:] if event["rollcall"] == "closed-1"]
    assert [frame["event"] for frame in of_op(frames, "event")] == wanted


async def test_every_missed_tally_comes_in_order(
    resuming: Resume, url: str, past: Past
) -> None:
    async with resuming(url, PLACE, past.epoch, feed="tally") as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is True
    found = [plain(frame) for frame in of_op(frames, "tally")]
    assert found == past.tallies[PLACE:]


async def test_the_tally_at_the_end_is_what_stands(
    resuming: Resume, url: str, past: Past
) -> None:
    async with resuming(url, past.head, past.epoch, feed="tally") as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is True
    assert [plain(frame) for frame in of_op(frames, "tally")] == [past.tallies[-1]]


async def test_a_poll_has_every_missed_event_once(url: str, past: Past) -> None:
    found: list[Json] = []
    place = PLACE
    async with reading(url) as http:
        while place < past.head:
            query = {"after": place, "limit": 1000, "wait": 5}
            page = (await http.get(EVENTS, params=query)).json()
            assert page["epoch"] == past.epoch
            found += page["events"]
            assert page["next"] > place
            place = page["next"]
    assert found == past.events[PLACE:]


async def test_every_tally_of_the_past_can_be_read(url: str, past: Past) -> None:
    async with reading(url) as http:
        for tally in (past.tallies[n] for n in (0, 10, PLACE, past.head - 1)):
            path = f"/v1/ga/roll-calls/{tally['roll_call']}/tally"
            answer = await http.get(path, params={"as_of": tally["seq"]})
            assert answer.json() == tally


# No continuity, and it is said


async def test_another_epoch_is_a_fresh_start(
    resuming: Resume, stack: Stack, past: Past
) -> None:
    url = stack.gateway_url
    async with resuming(url, PLACE, "other", feed="events") as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is False
    assert frames[0]["reason"] == f"the epoch is now {past.epoch}"
    assert frames[0]["epoch"] == past.epoch
    assert [frame["event"] for frame in of_op(frames, "event")] == past.events
    async with resuming(url, PLACE, "other", feed="tally") as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is False
    assert [plain(frame) for frame in of_op(frames, "tally")] == [past.tallies[-1]]


async def test_a_place_beyond_the_end_is_a_fresh_start(
    resuming: Resume, stack: Stack, past: Past
) -> None:
    url = stack.gateway_url
    future = past.head + 1
    async with (
        resuming(url, future, past.epoch, feed="events") as events,
        resuming(url, future, past.epoch, feed="tally") as tallies,
    ):
        frames = await events.caught_up()
        assert frames[0]["recovered"] is False
        assert frames[0]["reason"] == f"the log ends at {past.head}"
        assert [frame["event"] for frame in of_op(frames, "event")] == past.events
        frames = await tallies.caught_up()
        assert frames[0]["recovered"] is False
        assert [plain(frame) for frame in of_op(frames, "tally")] == [past.tallies[-1]]


async def test_a_poll_tells_the_epoch_and_waits_beyond_the_end(
    stack: Stack, past: Past
) -> None:
    """It has no cursor but a number: the epoch in each answer is what tells."""
    async with reading(stack.gateway_url) as http:
        query = {"after": past.head + 1, "wait": 0.1}
        page = (await http.get(EVENTS, params=query)).json()
    assert page == {"epoch": past.epoch, "events": [], "next": past.head + 1}


# From here on votes come, so the past above is no longer all


async def test_whoever_comes_while_votes_run_misses_nothing(
    stack: Stack, clerk: Clerk
) -> None:
    """The moment of going live, many times."""
    url = stack.gateway_url
    first = clerk.schedule("going-live")["seq"]
    clerk.step("going-live", "open")
    async with watching(url, feed="tally", after=first - 1) as always:
        head = (await always.tally(first + 1))[0]
        voting = asyncio.create_task(asyncio.to_thread(_vote_all, clerk, "going-live"))

        async def comes(number: int, enter: Resume, feed: str) -> Viewer:
            # Each when the log is at another place.
            await always_at(first + 2 + 4 * number)
            async with enter(url, first - 1, head["epoch"], feed=feed) as viewer:
                last = await asyncio.shield(voting)
                await (viewer.event if feed == "events" else viewer.tally)(last)
            return viewer

        seen = asyncio.Condition()
        newest = 0

        async def always_at(seq: int) -> None:
            async with seen:
                await seen.wait_for(lambda: newest >= seq or voting.done())

        async def follows() -> None:
            nonlocal newest
            phase = ""
            # Not until `voting` is done: its last tally may be here before its answer.
            while phase != "closed":
                tally = (await always.until(is_op("tally")))[-1]
                newest, phase = tally["seq"], tally["phase"]
                async with seen:
                    seen.notify_all()

        async with asyncio.TaskGroup() as group:
            group.create_task(follows())
            coming = [
                (feed, group.create_task(comes(number, enter, feed)))
                for number in range(8)
                for feed in ("events", "tally")
                for enter in (_socket, _stream)
            ]
    last = voting.result()
    every = {f["seq"]: plain(f) for f in of_op(always.frames, "tally")}
    for feed, task in coming:
        frames = task.result().frames
        assert frames[0]["recovered"] is True
        if feed == "events":
            assert seqs(frames) == span(first, last)
        else:
            tallies = [plain(f) for f in of_op(frames, "tally")]
            mine = [t for t in tallies if t["roll_call"] == "going-live"]
            assert mine == [every[seq] for seq in span(first, last)]


def _vote_all(clerk: Clerk, roll_call: str) -> int:
    for delegation, vote in ES_11_1:
        clerk.vote(roll_call, delegation, vote)
    clerk.step(roll_call, "lock")
    seq: int = clerk.step(roll_call, "close")["seq"]
    return seq


class Follower:
    """A reader that always comes back and says where it was."""

    def __init__(self, url: str, enter: Resume, feed: str, place: int) -> None:
        self.frames: list[Json] = []
        self.recovered: list[bool | None] = []
        self.place = place
        self._url = url
        self._enter = enter
        self._feed = feed
        self._op = "event" if feed == "events" else "tally"

    async def until(self, seq: Callable[[], int | None], epoch: str) -> None:
        """Follow until the place is reached that `seq` tells one day."""
        async with asyncio.timeout(3 * PATIENCE):
            while (last := seq()) is None or self.place < last:
                try:
                    await self._connect(epoch, seq)
                except (OSError, ConnectionClosed, InvalidHandshake, httpx.HTTPError):
                    await asyncio.sleep(random.random() / 20)
                except StopAsyncIteration:
                    pass

    async def _connect(self, epoch: str, seq: Callable[[], int | None]) -> None:
        async with self._enter(self._url, self.place, epoch, feed=self._feed) as viewer:
            response = getattr(viewer, "response", None)
            if response is not None and response.is_error:
                assert refusal(response) == (503, "log_unavailable")
                return
            first = await viewer.frame()
            if first["op"] == "error":
                assert first["problem"]["code"] == "log_unavailable"
                return
            self.recovered.append(first["recovered"])
            while (last := seq()) is None or self.place < last:
                frame = await viewer.frame()
                if frame["op"] == self._op:
                    self.frames.append(frame)
                    self.place = max(self.place, frame["seq"])


async def test_a_gateway_that_is_killed_costs_its_readers_nothing(
    stack: Stack, clerk: Clerk
) -> None:
    url = stack.gateway_url
    clerk.schedule("killed-1")
    place = clerk.step("killed-1", "open")["seq"]
    async with watching(url, feed="events", after=place - 1) as viewer:
        epoch = (await viewer.event(place))[0]["epoch"]
    last: list[int] = []

    def votes() -> None:
        for number, (delegation, vote) in enumerate(ES_11_1):
            if number in (50, 120):
                stack.gateway.kill()
            if number in (80, 150):
                stack.gateway.start()
            clerk.vote("killed-1", delegation, vote)
        clerk.step("killed-1", "lock")
        last.append(clerk.step("killed-1", "close")["seq"])

    followers = {
        (enter.__name__, feed): Follower(url, enter, feed, place)
        for enter in (_socket, _stream)
        for feed in ("events", "tally")
    }
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(votes))
        for follower in followers.values():
            group.create_task(follower.until(lambda: last[0] if last else None, epoch))
    for (_, feed), follower in followers.items():
        assert len(follower.recovered) >= 2, "no kill was noticed"
        assert set(follower.recovered) == {True}
        if feed == "events":
            assert seqs(follower.frames) == span(place + 1, last[0])
            assert len({f["event"]["id"] for f in follower.frames}) == 183
        else:
            mine = [f for f in follower.frames if f["roll_call"] == "killed-1"]
            assert never_goes_back(mine)
            assert {f["seq"] for f in mine} >= set(span(place + 1, last[0]))
            final = mine[-1]
            assert (final["phase"], final["version"]) == ("closed", 185)
            assert final["counts"]["yes"] == 141


async def test_a_gateway_that_is_stopped_says_goodbye_and_ends_at_once(
    stack: Stack,
) -> None:
    """Also while Redis does not answer."""
    url = stack.gateway_url
    loop = asyncio.get_running_loop()
    async with (
        reading(url) as http,
        watching(url, feed="events") as socket,
        watching(url) as silent,
        streaming(url, feed="tally") as stream,
    ):
        await socket.caught_up()
        await stream.caught_up()
        head = socket.frames[0]["seq"]
        query: dict[str, float] = {"after": head, "wait": 30}
        polling = asyncio.create_task(http.get(EVENTS, params=query))
        done, _ = await asyncio.wait([polling], timeout=0.3)
        assert not done
        os.kill(stack.redis.pid, signal.SIGSTOP)
        try:
            began = loop.time()
            stopping = asyncio.create_task(asyncio.to_thread(stack.gateway.stop))
            assert (await socket.closed())[0] == 1012
            assert (await silent.closed())[0] == 1012
            await stream.ended()
            assert (await polling).json()["events"] == []
            await stopping
            assert loop.time() - began < 5
        finally:
            os.kill(stack.redis.pid, signal.SIGCONT)


async def test_nothing_above_was_an_error_of_ours(stack: Stack) -> None:
    """Last of this file: the gateway's own log tells of no exception."""
    assert "Traceback" not in (stack.folder / "gateway.log").read_text()
