"""Live feeds of a running gateway: WebSocket `tellers.v1`, bare events, SSE."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from websockets.exceptions import InvalidStatus

from tests.e2e.stack import Clerk, Stack
from tests.servers import wait_until
from tests.services.viewing import (
    BARE,
    ES_11_1,
    HEARTBEAT,
    SUBSCRIBE,
    Json,
    Viewer,
    batch,
    is_op,
    metric,
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

pytest_plugins = ("tests.services.gateway_stack",)

Feed = Callable[..., AbstractAsyncContextManager[Viewer]]


@asynccontextmanager
async def _watching(url: str, **query: Any) -> AsyncIterator[Viewer]:
    async with watching(url, **query) as viewer:
        yield viewer


@asynccontextmanager
async def _streaming(url: str, **query: Any) -> AsyncIterator[Viewer]:
    async with streaming(url, **query) as viewer:
        yield viewer


@pytest.fixture(params=[_watching, _streaming], ids=["websocket", "sse"])
def feed_of(request: pytest.FixtureRequest) -> Feed:
    """A viewer by either transport: the same frames come by both."""
    transport: Feed = request.param
    return transport


def vote_all(clerk: Clerk, roll_call: str) -> int:
    """ES-11/1 vote by vote, closed at the end; the seq of its closing."""
    clerk.open(roll_call)
    for delegation, vote in ES_11_1:
        clerk.vote(roll_call, delegation, vote)
    clerk.step(roll_call, "lock")
    seq: int = clerk.step(roll_call, "close")["seq"]
    return seq


# Subscribed at once, by query


async def test_the_first_frames_are_subscribed_the_state_and_caught_up(
    feed_of: Feed, url: str, clerk: Clerk, request: pytest.FixtureRequest
) -> None:
    name = f"first-{request.node.callspec.id}"
    clerk.open(name)
    seq = clerk.vote(name, "FRA", "yes")["seq"]
    async with feed_of(url, feed="events", after=seq - 1) as viewer:
        await viewer.event(seq)
    async with feed_of(url, feed="tally", roll_call=name) as viewer:
        first, state, last = await viewer.caught_up()
    assert first["op"] == "subscribed"
    assert (first["id"], first["seq"], first["recovered"]) == (0, seq, None)
    assert "reason" not in first
    assert first["epoch"] == state["epoch"]
    assert (state["op"], state["roll_call"], state["seq"]) == ("tally", name, seq)
    assert last == {"op": "caught_up", "id": 0, "seq": seq}
    async with reading(url) as http:
        answer = await http.get(f"/v1/ga/roll-calls/{name}/tally")
    assert answer.json() == plain(state)


async def test_a_fast_reader_sees_every_change_in_order(
    feed_of: Feed, url: str, clerk: Clerk, request: pytest.FixtureRequest
) -> None:
    name = f"every-{request.node.callspec.id}"
    async with feed_of(url, feed="tally") as viewer:
        await viewer.caught_up()
        last = await asyncio.to_thread(vote_all, clerk, name)
        await viewer.tally(last)
    tallies = [f for f in of_op(viewer.frames, "tally") if f["roll_call"] == name]
    assert [tally["version"] for tally in tallies] == span(1, len(ES_11_1) + 4)
    assert never_goes_back(viewer.frames)
    final = tallies[-1]
    assert final["verdict"]["status"] == "adopted"
    counts = final["counts"]
    assert (counts["yes"], counts["no"], counts["abstain"]) == (141, 5, 35)
    assert "clinched" in {tally["verdict"]["status"] for tally in tallies}


@pytest.mark.parametrize("filtered", [False, True])
async def test_events_come_without_gaps_while_votes_run(
    feed_of: Feed,
    url: str,
    clerk: Clerk,
    request: pytest.FixtureRequest,
    filtered: bool,
) -> None:
    name = f"gapless-{request.node.callspec.id}".lower()
    query = {"roll_call": name} if filtered else {}
    clerk.schedule(name)
    clerk.open(f"{name}-beside")
    first = clerk.step(name, "open")["seq"]
    async with feed_of(url, feed="events", after=first - 1, **query) as viewer:
        for delegation, vote in ES_11_1[:40]:
            await asyncio.to_thread(clerk.vote, name, delegation, vote)
            last = await asyncio.to_thread(
                clerk.vote, f"{name}-beside", delegation, vote
            )
        last = await asyncio.to_thread(clerk.step, name, "lock")
        await viewer.event(last["seq"])
    events = of_op(viewer.frames, "event")
    assert all(int(e["event"]["sequence"]) == e["seq"] for e in events)
    if filtered:
        assert {event["event"]["rollcall"] for event in events} == {name}
        versions = [event["event"]["rollcallversion"] for event in events]
        assert versions == span(2, 43)
    else:
        assert seqs(events) == span(first, last["seq"])


async def test_heartbeats_come_though_nothing_else_does(
    feed_of: Feed, url: str, clerk: Clerk, request: pytest.FixtureRequest
) -> None:
    """Also to a reader of one roll call while others vote."""
    name = f"quiet-{request.node.callspec.id}"
    clerk.open(name)
    clerk.open(f"{name}-loud")
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    async def others_vote() -> None:
        while not stop.is_set():
            for vote in ("yes", "no"):
                await asyncio.to_thread(clerk.vote, f"{name}-loud", "FRA", vote)

    async with feed_of(url, feed="tally", roll_call=name) as viewer:
        await viewer.caught_up()
        began = loop.time()
        voting = asyncio.create_task(others_vote())
        for _ in range(3):
            await viewer.until(is_op("heartbeat"))
        took = loop.time() - began
        stop.set()
        await voting
    beats = of_op(viewer.frames, "heartbeat")
    assert set(beats[0]) == {"op", "epoch", "seq", "at"}
    assert [beat["seq"] for beat in beats] == sorted(beat["seq"] for beat in beats)
    assert beats[-1]["seq"] > beats[0]["seq"]
    assert took > 2 * HEARTBEAT * 0.8


async def test_a_rehearsal_is_seen_only_by_who_asks_for_it(
    feed_of: Feed, url: str, clerk: Clerk, request: pytest.FixtureRequest
) -> None:
    name = f"try-{request.node.callspec.id}"
    async with (
        feed_of(url, feed="tally") as public,
        feed_of(url, feed="events", rehearsal=1) as rehearsals,
    ):
        await public.caught_up()
        await rehearsals.caught_up()
        clerk.open(name, rehearsal=True)
        seq = clerk.vote(name, "FRA", "yes")["seq"]
        after = clerk.schedule(f"{name}-real")["seq"]
        frames = await public.tally(after)
        await rehearsals.event(seq)
    assert name not in {f["roll_call"] for f in of_op(frames, "tally")}
    events = [frame["event"] for frame in of_op(rehearsals.frames, "event")]
    assert {event["source"] for event in events} == {"/chambers/ga/rehearsal"}
    assert [event["rollcallversion"] for event in events] == [1, 2, 3]


async def test_another_chamber_is_another_feed(
    feed_of: Feed, url: str, clerk: Clerk, request: pytest.FixtureRequest
) -> None:
    name = f"sc-{request.node.callspec.id}"
    async with feed_of(url, chamber="sc", feed="events") as viewer:
        (first, *_) = await viewer.caught_up()
        clerk.schedule(f"{name}-ga")
        last = clerk.schedule(name, chamber="sc")["seq"]
        events = await viewer.event(last)
    assert last == first["seq"] + 1
    assert [e["event"]["rollcall"] for e in of_op(events, "event")] == [name]


async def test_a_replay_past_many_foreign_events_ends_at_the_end(
    feed_of: Feed, url: str, clerk: Clerk, request: pytest.FixtureRequest
) -> None:
    name = f"far-{request.node.callspec.id}"
    first = clerk.schedule(name)["seq"]
    clerk.open(f"{name}-other")
    for vote in ("yes", "no", "abstain", "yes"):
        batch(clerk, f"{name}-other", vote)
    last = clerk.step(name, "open")["seq"]
    assert last > first + 700
    async with feed_of(url, feed="events", after=last - 1) as viewer:
        await viewer.event(last)
    async with feed_of(url, feed="events", after=first - 1, roll_call=name) as viewer:
        frames = await viewer.caught_up()
    assert seqs(frames) == [first, last]


# Subscribed by message


async def test_several_subscriptions_share_a_socket(url: str, clerk: Clerk) -> None:
    clerk.open("several-1")
    clerk.open("several-2")
    async with watching(url) as viewer:
        first = await viewer.subscribe(1, "tally", roll_call="several-1")
        second = await viewer.subscribe(2, "events", roll_call="several-2")
        assert [frame["op"] for frame in first] == ["subscribed", "tally", "caught_up"]
        assert [frame["op"] for frame in second] == ["subscribed", "caught_up"]
        assert (first[0]["id"], second[0]["id"]) == (1, 2)
        one = clerk.vote("several-1", "FRA", "yes")["seq"]
        two = clerk.vote("several-2", "FRA", "yes")["seq"]
        got: set[tuple[str, int]] = set()
        while got != {("tally", one), ("event", two)}:
            frame = await viewer.frame()
            if frame["op"] in ("tally", "event"):
                got.add((frame["op"], frame["seq"]))


async def test_after_unsubscribing_nothing_more_comes(url: str, clerk: Clerk) -> None:
    clerk.open("unsub-1")
    async with watching(url) as viewer:
        await viewer.subscribe(1, "tally", roll_call="unsub-1")
        await viewer.subscribe(2, "events")
        await viewer.send(op="unsubscribe", id=1)
        # Its answer to something bad shows that it has taken the message before.
        await viewer.send(op="unsubscribe", id=1)
        (error,) = of_op(await viewer.until(is_op("error")), "error")
        assert error["id"] == 1
        frames = await viewer.event(clerk.vote("unsub-1", "FRA", "yes")["seq"])
        frames += await viewer.event(clerk.vote("unsub-1", "NOR", "yes")["seq"])
        assert of_op(frames, "tally") == []
        again = await viewer.subscribe(1, "tally", roll_call="unsub-1")
        assert again[-1]["op"] == "caught_up"
        last = clerk.vote("unsub-1", "FJI", "yes")["seq"]
        assert (await viewer.tally(last))[-1]["counts"]["yes"] == 3


async def test_a_query_subscription_has_the_id_0(url: str, clerk: Clerk) -> None:
    clerk.open("zero-1")
    async with watching(url, roll_call="zero-1") as viewer:
        frames = await viewer.caught_up()
        assert frames[0]["id"] == 0
        assert seqs(frames, "tally")
        error = (await viewer.subscribe(0, "events"))[-1]
        assert error["problem"]["code"] == "bad_request"


BAD_REQUESTS: list[tuple[dict[str, Any], str, int | None]] = [
    ({"op": "subscribe", "id": 5, "feed": "tally", "roll_call": "no-such"},
     "unknown_roll_call", 5),
    ({"op": "subscribe", "id": 5, "feed": "events", "roll_call": "\0"},
     "unknown_roll_call", 5),
    ({"op": "subscribe", "id": 5, "feed": "events", "roll_call": "é" * 500},
     "unknown_roll_call", 5),
    ({"op": "unsubscribe", "id": 6}, "bad_request", 6),
    ({"op": "subscribe", "id": 7, "feed": "both"}, "bad_request", 7),
    ({"op": "subscribe", "id": 7, "feed": "events", "after": -1}, "bad_request", 7),
    ({"op": "subscribe", "id": 7, "feed": "events", "after": 2**63},
     "bad_request", 7),
    ({"op": "subscribe", "id": 7, "feed": "events", "after": 10**80},
     "bad_request", 7),
    ({"op": "subscribe", "id": 7, "feed": "events", "after": 1.5},
     "bad_request", 7),
    ({"op": "subscribe", "id": 10**80, "feed": "events"}, "bad_request", None),
    ({"op": "subscribe", "id": "7", "feed": "events"}, "bad_request", None),
    ({"op": "subscribe", "id": None, "feed": "events"}, "bad_request", None),
    ({"op": "subscribe", "feed": "events"}, "bad_request", None),
    ({"op": "subscribe", "id": 7}, "bad_request", 7),
    ({"op": "dance", "id": 7}, "bad_request", 7),
    ({"id": 7}, "bad_request", 7),
    ({}, "bad_request", None),
]  # fmt: skip


async def test_a_request_it_cannot_serve_is_told_and_harms_nothing(
    url: str, clerk: Clerk
) -> None:
    clerk.open("told-1")
    async with watching(url) as viewer:
        frames = await viewer.subscribe(1, "tally", roll_call="told-1")
        assert frames[-1]["op"] == "caught_up"
        for message, code, number in BAD_REQUESTS:
            await viewer.send(**message)
            error = (await viewer.until(is_op("error")))[-1]
            assert error["problem"]["code"] == code, message
            assert error["problem"]["detail"]
            assert error["problem"]["status"] in (404, 422)
            assert error.get("id") == number, message
        await viewer.tally(clerk.vote("told-1", "FRA", "yes")["seq"])


async def test_there_is_a_limit_to_subscriptions(url: str) -> None:
    async with watching(url) as viewer:
        for number in range(64):
            frames = await viewer.subscribe(number, "events")
            assert frames[-1]["op"] == "caught_up"
        error = (await viewer.subscribe(64, "events"))[-1]
        assert "at most 64" in error["problem"]["detail"]


# Closing


@pytest.mark.parametrize(
    "message",
    ["", "no JSON", "{", b"\x00\x01", b"{}", '"\\ud800"', "{" * 2000, "\0"],
)
async def test_what_is_no_json_text_closes_with_4400(
    url: str, message: str | bytes
) -> None:
    async with watching(url) as viewer:
        await viewer.connection.send(message)
        code, reason = await viewer.closed()
    assert code == 4400
    assert reason


async def test_bad_utf8_closes_with_1007(url: str) -> None:
    async with watching(url) as viewer:
        await viewer.connection.send(b"\xff\xfe", text=True)
        assert (await viewer.closed())[0] == 1007


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"feed": "both"}, 4400),
        ({"feed": ""}, 4400),
        ({"feed": "events", "after": "-1"}, 4400),
        ({"feed": "events", "after": "x"}, 4400),
        ({"feed": "events", "after": ""}, 4400),
        ({"feed": "events", "after": "²"}, 4400),
        ({"feed": "events", "after": "9" * 5000}, 4400),
        ({"feed": "tally", "roll_call": "no-such"}, 4404),
        ({"feed": "tally", "roll_call": "é\0" * 100}, 4404),
        ({"roll_call": "no-such"}, 4404),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_bad_query_is_told_and_closed(
    url: str, query: dict[str, str], code: int
) -> None:
    async with watching(url, **query) as viewer:
        closed, reason = await viewer.closed()
    assert closed == code
    (error,) = viewer.frames
    assert (error["op"], error["id"]) == ("error", 0)
    assert error["problem"]["detail"].startswith(reason[:20])


async def test_who_subscribes_to_nothing_is_closed_with_4408(url: str) -> None:
    loop = asyncio.get_running_loop()
    async with watching(url) as viewer:
        began = loop.time()
        assert (await viewer.closed())[0] == 4408
        assert loop.time() - began > SUBSCRIBE * 0.8


async def test_who_has_subscribed_stays(url: str) -> None:
    async with watching(url, feed="events") as viewer:
        await viewer.caught_up()
        for _ in range(int(1.3 * SUBSCRIBE / HEARTBEAT) + 1):
            await viewer.until(is_op("heartbeat"))


async def test_who_has_subscribed_may_think_before_the_next_one(url: str) -> None:
    async with watching(url) as viewer:
        await viewer.subscribe(1, feed="events")
        await viewer.connection.send('{"op":"unsubscribe","id":1}')
        await asyncio.sleep(1.3 * SUBSCRIBE)
        await viewer.subscribe(2, feed="tally")


@pytest.mark.parametrize(
    ("chamber", "query", "status", "code"),
    [
        ("nowhere", {}, 404, "unknown_chamber"),
        ("GA", {"feed": "tally"}, 404, "unknown_chamber"),
        ("ga", {"rehearsal": "2"}, 422, "bad_request"),
    ],
)
async def test_an_unknown_chamber_is_denied_before_the_handshake(
    url: str, chamber: str, query: dict[str, str], status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as denied:
        async with watching(url, chamber, **query):
            pass
    response = denied.value.response
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(response.body or b"")["code"] == code


async def test_a_message_may_have_4096_bytes(url: str) -> None:
    def of_size(size: int) -> str:
        head, tail = '{"op":"unsubscribe","id":1,"pad":"', '"}'
        return f"{head}{'x' * (size - len(head) - len(tail))}{tail}"

    async with watching(url) as viewer:
        await viewer.connection.send(of_size(4096))
        assert (await viewer.frame())["op"] == "error"
        await viewer.connection.send(of_size(4097))
        assert (await viewer.closed())[0] == 1009


async def test_a_message_in_pieces_is_one_message_with_one_limit(url: str) -> None:
    async with watching(url) as viewer:
        await viewer.connection.send(['{"op":"unsub', 'scribe","id":1}'])
        assert (await viewer.frame())["op"] == "error"
        await viewer.connection.send(["x" * 3000, "x" * 3000])
        assert (await viewer.closed())[0] == 1009


async def test_a_client_without_a_subprotocol_is_served(url: str) -> None:
    async with watching(url, subprotocol=None, feed="events") as viewer:
        assert viewer.connection.subprotocol is None
        await viewer.caught_up()


# cloudevents.json


async def test_bare_events_are_cloud_events_and_nothing_else(
    url: str, clerk: Clerk
) -> None:
    seq = clerk.schedule("bare-1")["seq"]
    async with watching(url, subprotocol=BARE, after=seq - 1) as viewer:
        assert viewer.connection.subprotocol == BARE
        clerk.step("bare-1", "open")
        last = clerk.vote("bare-1", "FRA", "yes")["seq"]
        events: list[Json] = []
        while len(events) < 3:
            text = await viewer.connection.recv()
            assert isinstance(text, str)
            event = JSONFormat().read(CloudEvent, text)
            assert event.get_source() == "/chambers/ga"
            events.append(json.loads(text))
        # Heartbeats would come now.
        with pytest.raises(TimeoutError):
            await viewer.frame(2.5 * HEARTBEAT)
    assert [int(event["sequence"]) for event in events] == span(seq, last)


async def test_bare_events_can_be_of_one_roll_call(url: str, clerk: Clerk) -> None:
    clerk.open("bare-2")
    clerk.open("bare-3")
    async with watching(url, subprotocol=BARE, roll_call="bare-2", after=0) as viewer:
        assert [(await viewer.bare_event()) for _ in range(2)]
        clerk.vote("bare-3", "FRA", "yes")
        clerk.vote("bare-2", "FRA", "yes")
        assert (await viewer.bare_event())["subject"] == "bare-2/FRA"


@pytest.mark.parametrize(
    ("query", "code"), [({"feed": "tally"}, 4400), ({"roll_call": "no-such"}, 4404)]
)
async def test_bare_viewers_are_refused_by_close_code_alone(
    url: str, query: dict[str, str], code: int
) -> None:
    async with watching(url, subprotocol=BARE, **query) as viewer:
        assert (await viewer.closed())[0] == code
    assert viewer.frames == []


# Server-sent events


async def test_ids_are_epoch_and_seq_and_lead_on(url: str, clerk: Clerk) -> None:
    first = clerk.schedule("sse-1")["seq"]
    async with streaming(url, feed="events", after=first - 1) as viewer:
        response = viewer.response
        await viewer.event(first)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert 1000 <= viewer.retry_ms <= 5000
    epoch = viewer.frames[0]["epoch"]
    assert viewer.ids == [f"{epoch}:{first - 1}", f"{epoch}:{first}"]
    clerk.step("sse-1", "open")
    last = clerk.vote("sse-1", "FRA", "yes")["seq"]
    async with streaming(
        url, headers={"Last-Event-ID": viewer.ids[-1]}, feed="events"
    ) as viewer:
        frames = await viewer.event(last)
    assert frames[0]["recovered"] is True
    assert seqs(frames) == span(first + 1, last)


async def test_who_loses_the_line_before_any_event_misses_none(
    url: str, clerk: Clerk
) -> None:
    async with streaming(url, feed="events") as viewer:
        await viewer.caught_up()
    seq = clerk.schedule("sse-quiet")["seq"]
    headers = {"Last-Event-ID": viewer.ids[-1]}
    async with streaming(url, headers=headers, feed="events") as viewer:
        frames = await viewer.caught_up()
    assert frames[0]["recovered"] is True
    assert seqs(frames) == [seq]


async def test_the_last_event_id_outranks_the_address(url: str, clerk: Clerk) -> None:
    seq = clerk.schedule("sse-2")["seq"]
    async with streaming(url, feed="events", after=seq - 1) as viewer:
        await viewer.event(seq)
    async with streaming(
        url, headers={"Last-Event-ID": viewer.ids[-1]}, feed="events", after=0
    ) as viewer:
        frames = await viewer.caught_up()
    assert seqs(frames) == []


@pytest.mark.parametrize(
    "value", ["x", ":5", "k3v9:", "k3v9:-1", "k3v9:x", "5", "k:" + "9" * 5000, "k:0x5"]
)
async def test_a_bad_last_event_id_is_refused(url: str, value: str) -> None:
    async with streaming(url, headers={"Last-Event-ID": value}) as viewer:
        assert refusal(viewer.response) == (422, "bad_request")
        assert "Last-Event-ID" in viewer.response.json()["detail"]


async def test_a_stream_of_an_unknown_roll_call_or_chamber_is_refused(
    url: str,
) -> None:
    async with streaming(url, roll_call="no-such") as viewer:
        assert refusal(viewer.response) == (404, "unknown_roll_call")
    async with streaming(url, "nowhere") as viewer:
        assert refusal(viewer.response) == (404, "unknown_chamber")


# Leaving


async def test_who_left_is_forgotten(url: str) -> None:
    before = metric(url, "tellers_gateway_viewers")

    async def comes_and_goes(feed: Feed, kind: str) -> None:
        async with feed(url, feed=kind) as viewer:
            await viewer.caught_up()

    feeds = (_watching, _streaming)
    await asyncio.gather(
        *(comes_and_goes(feed, kind) for feed in feeds for kind in ("tally", "events"))
    )

    async def cut_off() -> None:
        async with watching(url, feed="tally") as viewer:
            await viewer.caught_up()
            viewer.connection.transport.abort()

    await asyncio.gather(*(cut_off() for _ in range(10)))
    await asyncio.to_thread(
        wait_until,
        lambda: metric(url, "tellers_gateway_viewers") <= before,
        10,
        "the viewers to be forgotten",
    )


async def test_nothing_above_was_an_error_of_ours(stack: Stack) -> None:
    """Last of this file: the gateway's own log tells of no exception."""
    text = (stack.folder / "gateway.log").read_text()
    assert "Traceback" not in text
    assert "subscription.failed" not in text
