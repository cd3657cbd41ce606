"""Freeze and delay, through ingest, Redis and the gateways: nothing beyond the horizon
leaves by any way, and all of it does when it may."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tellers_core.publication import FROZEN
from tests.e2e.stack import Clerk, Service, Stack
from tests.servers import wait_until
from tests.services.viewing import (
    HEARTBEAT,
    PATIENCE,
    Json,
    is_op,
    of_op,
    reading,
    watching,
)

DELAY = 1.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "TELLERS_HEARTBEAT_SECONDS": f"{HEARTBEAT}",
        # A busy machine is slow, and that is not what is tested here.
        "TELLERS_SILENT_SECONDS": "20",
    }
    with Stack(tmp_path_factory.mktemp("public"), settings=settings) as stack:
        yield stack


@pytest.fixture
def url(stack: Stack) -> str:
    return stack.gateway_url


@pytest.fixture
def clerk(stack: Stack) -> Iterator[Clerk]:
    clerk = stack.clerk()
    yield clerk
    clerk.http.close()


def say(clerk: Clerk, what: str, **body: Any) -> Json:
    path = f"/v1/ga/publication/{what}"
    answer = (clerk.http.put if what == "delay" else clerk.http.post)(path, json=body)
    answer.raise_for_status()
    found: Json = answer.json()
    return found


@contextmanager
def frozen(clerk: Clerk) -> Iterator[None]:
    say(clerk, "freeze", reason="the wrong document is on the screen")
    try:
        yield
    finally:
        say(clerk, "release")


@contextmanager
def delayed(clerk: Clerk, seconds: float) -> Iterator[None]:
    say(clerk, "delay", seconds=seconds)
    try:
        yield
    finally:
        say(clerk, "delay", seconds=None)


@contextmanager
def another(stack: Stack) -> Iterator[Service]:
    """A gateway that starts now."""
    second = stack.service("gateway")
    second.start()
    try:
        wait_until(second.ready, PATIENCE, "a second gateway")
        yield second
    finally:
        second.stop()


def get(url: str, path: str) -> httpx.Response:
    return httpx.get(f"{url}{path}", timeout=PATIENCE, verify=False)


def get_json(url: str, path: str) -> list[Json]:
    found: list[Json] = get(url, f"{path}.json").json()
    return found


def status(url: str) -> Json:
    found: Json = get(url, "/status.json").json()["chambers"]["ga"]
    return found


def reaches(url: str, seq: int) -> None:
    def is_there() -> bool:
        found = status(url)
        return bool(found["seq"] >= seq and found["tally_seq"] >= seq)

    wait_until(is_there, PATIENCE, f"seq {seq}")


def begin(clerk: Clerk, url: str, name: str) -> int:
    """Open, with one vote that is public; its seq."""
    clerk.open(name)
    seq: int = clerk.vote(name, "FRA", "yes")["seq"]
    reaches(url, seq)
    return seq


def shows_nothing_beyond(url: str, name: str, seq: int) -> None:
    """No read of this gateway knows of anything that follows `seq`."""
    roll_call = f"/v1/ga/roll-calls/{name}"
    detail = get(url, roll_call).json()
    assert [line["delegation"] for line in detail["votes"]] == ["FRA"]
    assert (detail["phase"], detail["seq"], detail["result"]) == ("open", seq, None)
    rows = {r["member_code"]: r["vote"] for r in get_json(url, f"{roll_call}/votes")}
    assert {code for code in rows if rows[code] != "not_recorded"} == {"FRA"}
    points = get(url, f"{roll_call}/timeline").json()["points"]
    assert points[-1]["seq"] == seq
    told = get(url, f"{roll_call}/moments").json()["moments"]
    assert max(one["seq"] for one in told) <= seq
    assert get_json(url, f"{roll_call}/flat")[0]["state"] == "open"
    assert get(url, f"{roll_call}/tally").json()["counts"]["yes"] == 1
    events = get(url, f"/v1/ga/events?after={seq}&limit=100").json()
    assert (events["events"], events["next"]) == ([], seq)
    assert get(url, f"{roll_call}/tally?as_of={seq + 1}").status_code == 422
    assert get(url, f"{roll_call}/certificate").status_code == 404
    assert get(url, f"/v1/ga/roll-calls/{name}-later/tally").status_code == 404
    listed = get(url, "/v1/ga/roll-calls?limit=100").json()["items"]
    assert f"{name}-later" not in {one["roll_call"] for one in listed}
    still_open = get(url, "/v1/ga/roll-calls?limit=100&phase=open").json()["items"]
    assert name in {one["roll_call"] for one in still_open}
    shown = status(url)
    assert max(shown["seq"], shown["tally_seq"]) == seq
    checkpoint = shown["checkpoint"]
    assert checkpoint is None or checkpoint["size"] <= seq


def go_on(clerk: Clerk, name: str) -> int:
    """Everything that can happen to it; the last seq."""
    clerk.vote(name, "NOR", "no")
    clerk.vote(name, "FRA", "abstain")
    clerk.step(name, "lock")
    clerk.step(name, "close")
    seq: int = clerk.schedule(f"{name}-later")["seq"]
    return seq


async def test_what_follows_a_freeze_leaves_by_no_way_until_the_release(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    seq = await asyncio.to_thread(begin, clerk, url, "freeze")
    async with (
        watching(url, feed="tally", roll_call="freeze") as tallies,
        watching(url, feed="events", after=seq) as events,
    ):
        await tallies.caught_up()
        await events.caught_up()
        with frozen(clerk):
            last = await asyncio.to_thread(go_on, clerk, "freeze")
            held = (await tallies.until(is_op("tally")))[-1]
            assert held["held"] == {"seq": seq, "reason": FROZEN}
            assert (held["seq"], held["counts"]["yes"]) == (seq, 1)
            # The feeds live, and know of nothing.
            for viewer in (tallies, events):
                beat = (await viewer.until(is_op("heartbeat")))[-1]
                assert beat["seq"] == seq
            await asyncio.to_thread(shows_nothing_beyond, url, "freeze", seq)
            assert status(url)["frozen"] is True
            assert status(url)["held"] is None
            assert (await asyncio.to_thread(get, url, "/readyz")).status_code == 200
            # A gateway that starts now knows no more, also of what came before it.
            with another(stack) as second:
                await asyncio.to_thread(shows_nothing_beyond, second.url, "freeze", seq)
                found = get(second.url, "/v1/ga/roll-calls/freeze/tally").json()
                assert found["held"]["reason"] == FROZEN
            assert of_op(events.frames, "event") == []
            shown = {frame["seq"] for frame in of_op(tallies.frames, "tally")}
            assert shown == {seq}
        released = await tallies.until(
            lambda frame: frame["op"] == "tally" and frame["phase"] == "closed"
        )
        assert "held" not in released[-1]
        found = [frame["seq"] for frame in of_op(await events.event(last), "event")]
        assert found == list(range(seq + 1, last + 1))
    await asyncio.to_thread(reaches, url, last)
    assert get(url, "/v1/ga/roll-calls/freeze").json()["result"] is not None


def test_a_freeze_is_said_once_and_repeated_safely(clerk: Clerk, url: str) -> None:
    path = "/v1/ga/publication/"
    key = {"Idempotency-Key": "freeze-1"}
    first = clerk.http.post(path + "freeze", json={"reason": "a"}, headers=key)
    assert first.json()["frozen"] is True
    assert say(clerk, "freeze", reason="b")["reason"] == "a"
    assert say(clerk, "release")["frozen"] is False
    # Late, and sent again: it must not freeze what was released meanwhile.
    again = clerk.http.post(path + "freeze", json={"reason": "a"}, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == first.content
    seen = clerk.http.get("/v1/ga/publication").json()
    assert seen["frozen"] is False
    assert seen["gateways"][0]["url"] == url
    other = clerk.http.post(path + "freeze", json={"reason": "c"}, headers=key)
    assert other.json()["code"] == "idempotency_conflict"


@pytest.mark.parametrize(
    ("method", "what", "body", "pointer"),
    [
        ("PUT", "delay", {"seconds": 31}, "/seconds"),
        ("PUT", "delay", {"seconds": -1}, "/seconds"),
        ("PUT", "delay", {}, "/seconds"),
        ("POST", "freeze", {"reason": 1}, "/reason"),
        ("POST", "release", {"now": True}, "/now"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(
    clerk: Clerk, method: str, what: str, body: Json, pointer: str
) -> None:
    answer = clerk.http.request(method, f"/v1/ga/publication/{what}", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_the_freeze_of_rehearsals_is_their_own(clerk: Clerk, url: str) -> None:
    say(clerk, "freeze", rehearsal=True)
    try:
        assert clerk.http.get("/v1/ga/publication").json()["frozen"] is False
        seq = begin(clerk, url, "not-frozen")
        assert status(url)["seq"] >= seq
    finally:
        say(clerk, "release", rehearsal=True)
    clerk.step("not-frozen", "annul")


async def test_a_slip_corrected_within_the_delay_is_never_on_the_tally_feed(
    url: str, clerk: Clerk
) -> None:
    seq = await asyncio.to_thread(begin, clerk, url, "slip")
    with delayed(clerk, DELAY):
        wait_until(lambda: status(url)["delay_seconds"] == DELAY, PATIENCE, "delay")
        async with (
            watching(url, feed="tally", roll_call="slip") as tallies,
            watching(url, feed="events", roll_call="slip", after=seq) as events,
        ):
            await tallies.caught_up()
            await events.caught_up()
            begun = asyncio.get_running_loop().time()
            clerk.vote("slip", "NOR", "yes")  # the slip
            clerk.vote("slip", "PER", "yes")
            last = clerk.vote("slip", "NOR", "no")["seq"]
            # Nothing is on the way out while it may still be corrected.
            async with reading(url) as http:
                seen = await http.get("/v1/ga/events", params={"after": seq})
                is_early = asyncio.get_running_loop().time() - begun < DELAY
            assert not is_early or seen.json()["events"] == []
            found = await tallies.until(is_op("tally"))
            waited = asyncio.get_running_loop().time() - begun
            told = await events.event(last)
    assert waited >= DELAY
    counts = found[-1]["counts"]
    assert (counts["yes"], counts["no"]) == (2, 1)
    # The record has all of it, in one go.
    types = [frame["event"]["type"].split(".")[3] for frame in of_op(told, "event")]
    assert types == ["recorded", "recorded", "changed"]
    clerk.step("slip", "annul")


async def test_without_a_delay_a_slip_is_on_the_tally_feed(
    url: str, clerk: Clerk
) -> None:
    """The control."""
    await asyncio.to_thread(begin, clerk, url, "no-delay")
    async with watching(url, feed="tally", roll_call="no-delay") as tallies:
        await tallies.caught_up()
        clerk.vote("no-delay", "NOR", "yes")
        last = clerk.vote("no-delay", "NOR", "no")["seq"]
        found = of_op(await tallies.tally(last), "tally")
    assert [frame["counts"]["yes"] for frame in found] == [2, 1]
    clerk.step("no-delay", "annul")


def test_a_gateway_that_restarts_within_the_delay_shows_nothing_early(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    seq = begin(clerk, url, "late")
    with delayed(clerk, 30.0):
        clerk.vote("late", "NOR", "no")
        with another(stack) as second:
            events = get(second.url, f"/v1/ga/events?after={seq}").json()
            assert events["events"] == []
            found = json.dumps(get(second.url, "/v1/ga/roll-calls/late").json())
            assert '"NOR", "name": "Norway", "vote"' not in found
            assert get(second.url, "/readyz").status_code == 200
    clerk.step("late", "annul")
