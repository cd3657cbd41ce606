"""Right, or visibly held: what viewers see when the tally service or Redis is away.

Each test breaks something of the one system here and mends it again.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tellers_tally.restore import restore_all
from tellers_tally.settings import TallySettings
from tests.e2e.stack import Clerk, Stack
from tests.servers import wait_until
from tests.services.viewing import (
    HEARTBEAT,
    PATIENCE,
    Json,
    Viewer,
    is_op,
    of_op,
    reading,
    seqs,
    span,
    streaming,
    watching,
)

# 2.5 s of silence are doubted; the rest is this machine's.
HELD_WITHIN = 4.5


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "TELLERS_HEARTBEAT_SECONDS": f"{HEARTBEAT}",
        "TELLERS_LEASE_SECONDS": "0.5",
    }
    with Stack(tmp_path_factory.mktemp("held"), settings=settings) as stack:
        yield stack


@pytest.fixture
def url(stack: Stack) -> str:
    return stack.gateway_url


@pytest.fixture
def clerk(stack: Stack) -> Iterator[Clerk]:
    clerk = stack.clerk()
    yield clerk
    clerk.http.close()


def is_held(frame: Json) -> bool:
    return frame["op"] == "tally" and "held" in frame


def is_live(frame: Json) -> bool:
    return frame["op"] == "tally" and "held" not in frame


async def get(url: str, path: str) -> httpx.Response:
    async with reading(url) as http:
        return await http.get(path)


async def becomes_ready(stack: Stack) -> None:
    await asyncio.to_thread(wait_until, stack.gateway.ready, PATIENCE, "the gateway")


async def no_heartbeat_comes(viewer: Viewer) -> None:
    """Several would have come in that time."""
    with pytest.raises(TimeoutError):
        await viewer.until(is_op("heartbeat"), 4 * HEARTBEAT)


@asynccontextmanager
async def two_roll_calls(
    url: str, clerk: Clerk, name: str
) -> AsyncIterator[tuple[Viewer, Viewer]]:
    """One runs, with one vote, and one is closed; a viewer by each transport."""
    for roll_call in (f"{name}-done", name):
        clerk.open(roll_call)
        clerk.vote(roll_call, "FRA", "yes")
    clerk.step(f"{name}-done", "lock")
    last = clerk.step(f"{name}-done", "close")["seq"]
    async with (
        watching(url, feed="tally", after=last - 8) as socket,
        streaming(url, feed="tally", after=last - 8) as stream,
    ):
        for viewer in (socket, stream):
            await viewer.tally(last)
            await viewer.until(is_op("heartbeat"))
        yield socket, stream


async def test_without_the_tally_service_running_tallies_are_held(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    loop = asyncio.get_running_loop()
    async with two_roll_calls(url, clerk, "tally") as viewers:
        live = (await get(url, "/v1/ga/roll-calls/tally/tally")).headers["etag"]
        stack.tally.kill()
        try:
            clerk.vote("tally", "NOR", "yes")
            began = loop.time()
            for viewer in viewers:
                held = (await viewer.until(is_held))[-1]
                assert held["roll_call"] == "tally"
                assert held["held"]["reason"] == "the tally service is behind"
                assert held["counts"]["yes"] == 1
            assert loop.time() - began < HELD_WITHIN
            assert (await get(url, "/readyz")).status_code == 503
            assert (await get(url, "/healthz")).status_code == 200
            answer = await get(url, "/v1/ga/roll-calls/tally/tally")
            assert answer.json()["held"] == held["held"]
            assert answer.headers["etag"] == f'{live[:-1]}-held"'
            done = await get(url, "/v1/ga/roll-calls/tally-done/tally")
            assert "held" not in done.json()
            listed = (await get(url, "/v1/ga/roll-calls")).json()["items"]
            assert {t["roll_call"]: "held" in t for t in listed[:2]} == {
                "tally": True,
                "tally-done": False,
            }
            async with watching(url, feed="tally") as late:
                frames = await late.caught_up()
            assert [t["roll_call"] for t in frames if is_held(t)] == ["tally"]
            await asyncio.gather(*map(no_heartbeat_comes, viewers))
            shown = [f for v in viewers for f in v.frames if is_held(f)]
            assert {frame["roll_call"] for frame in shown} == {"tally"}
        finally:
            stack.tally.start()
        for viewer in viewers:
            released = (await viewer.until(is_live))[-1]
            while released["counts"]["yes"] != 2:
                released = (await viewer.until(is_live))[-1]
            await viewer.until(is_op("heartbeat"))
        await becomes_ready(stack)
        answer = await get(url, "/v1/ga/roll-calls/tally/tally")
        assert "held" not in answer.json()
        assert answer.json()["counts"]["yes"] == 2


async def test_while_redis_does_not_answer_running_tallies_are_held(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    loop = asyncio.get_running_loop()
    async with two_roll_calls(url, clerk, "stop") as viewers:
        os.kill(stack.redis.pid, signal.SIGSTOP)
        try:
            began = loop.time()
            for viewer in viewers:
                held = (await viewer.until(is_held))[-1]
                while held["roll_call"] != "stop":
                    held = (await viewer.until(is_held))[-1]
                assert held["held"]["reason"] == "the log cannot be read"
            assert loop.time() - began < HELD_WITHIN
            assert (await get(url, "/readyz")).status_code == 503
            await asyncio.gather(*map(no_heartbeat_comes, viewers))
            shown = {f["roll_call"] for v in viewers for f in v.frames if is_held(f)}
            assert not any(name.endswith("-done") for name in shown)
        finally:
            os.kill(stack.redis.pid, signal.SIGCONT)
        await released(viewers, "stop")
        await becomes_ready(stack)
        seq = clerk.vote("stop", "NOR", "yes")["seq"]
        for viewer in viewers:
            assert (await viewer.tally(seq))[-1]["counts"]["yes"] == 2


async def released(viewers: tuple[Viewer, Viewer], name: str) -> None:
    """Until each has the roll call live, and heartbeats."""
    wanted: Callable[[Json], bool] = lambda f: is_live(f) and f["roll_call"] == name  # noqa: E731
    for viewer in viewers:
        await viewer.until(wanted, 2 * PATIENCE)
        await viewer.until(is_op("heartbeat"))


async def test_after_a_restart_of_redis_viewers_go_on_where_they_were(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    async with (
        two_roll_calls(url, clerk, "again") as viewers,
        watching(url, feed="events") as events,
    ):
        (first, *_) = await events.caught_up()
        stack.redis.kill()
        for viewer in viewers:
            await viewer.until(is_held)
        stack.redis.start()
        await released(viewers, "again")
        await asyncio.to_thread(stack.wait_ready)
        for delegation in ("NOR", "FJI"):
            seq = clerk.vote("again", delegation, "yes")["seq"]
        for viewer in viewers:
            assert (await viewer.tally(seq))[-1]["counts"]["yes"] == 3
        assert seqs(await events.event(seq)) == span(first["seq"] + 1, seq)


async def test_a_restored_log_is_a_fresh_start_that_says_why(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    async with two_roll_calls(url, clerk, "epoch") as (socket, stream):
        assert isinstance(stack.gateway.pid, int)
        old = socket.frames[0]["epoch"]
        last = max(seqs(socket.frames, "tally"))
        async with watching(url, feed="events", after=last) as events:
            await events.caught_up()
            await asyncio.to_thread(_lose_redis, stack)
            for viewer in (socket, stream):
                await viewer.until(is_held)
            assert (await get(url, "/readyz")).status_code == 503
            await restore_all(
                TallySettings(
                    redis_url=stack.redis.url, database_url=stack.database_url
                )
            )
            for closed in (socket, events):
                code, reason = await closed.closed()  # type: ignore[attr-defined]
                assert (code, reason) == (1012, "the log was restored")
            await stream.ended()  # type: ignore[attr-defined]
    await becomes_ready(stack)
    cursor = {"after": last, "epoch": old}
    async with watching(url, feed="events", **cursor) as events:
        frames = await events.event(last)
    new = frames[0]["epoch"]
    assert new != old
    assert (frames[0]["recovered"], frames[0]["reason"]) == (
        False,
        f"the epoch is now {new}",
    )
    assert seqs(frames) == span(1, last)
    assert {frame["event"]["epoch"] for frame in of_op(frames, "event")} == {new}
    async with streaming(url, headers={"Last-Event-ID": f"{old}:{last}"}) as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is False
    assert {tally["epoch"] for tally in of_op(frames, "tally")} == {new}
    stack.token = await stack._new_token()
    again = stack.clerk()
    seq = await asyncio.to_thread(again.vote, "epoch", "NOR", "yes")
    assert seq["seq"] == last + 1
    again.http.close()


def _lose_redis(stack: Stack) -> None:
    """Its machine is gone; there is an empty one in its place."""
    stack.redis.kill()
    shutil.rmtree(stack.redis.directory)
    stack.redis.directory.mkdir()
    stack.redis.start()


async def test_nothing_above_was_an_error_of_ours(stack: Stack) -> None:
    """Last of this file: the gateway's own log tells of no exception."""
    assert "Traceback" not in (stack.folder / "gateway.log").read_text()
