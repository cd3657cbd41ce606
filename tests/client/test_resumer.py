"""The rules of a subscriber, frame by frame."""

from typing import TypeVar

import pytest

from tellers_client import CloudEvent, NotUnderstood, State, SubscriptionRefused
from tellers_client.resumer import (
    SILENCE_SECONDS,
    Closed,
    Deliver,
    EventResumer,
    HandshakeRefused,
    Output,
    Reconnect,
    Restarted,
    Resumer,
    TallyResumer,
)
from tellers_core.tally import Held
from tests.client.frames import (
    a_tally,
    an_event,
    caught_up,
    event_frame,
    frame,
    heartbeat,
    subscribed,
    tally_frame,
)
from tests.scenario import EPOCH

NOW = 100.0
T = TypeVar("T")


def feed(resumer: Resumer[T], *frames: bytes) -> list[Output[T]]:
    """What all these frames came to."""
    return [output for data in frames for output in resumer.received(data, NOW)]


def events(*numbers: int, epoch: str = EPOCH) -> list[bytes]:
    return [event_frame(an_event(seq, epoch=epoch)) for seq in numbers]


def tallies(*numbers: int, epoch: str = EPOCH) -> list[bytes]:
    return [tally_frame(a_tally(seq, epoch=epoch)) for seq in numbers]


def seqs(outputs: list[Output[CloudEvent]]) -> list[int]:
    """The seq of each event delivered; that nothing else happened."""
    return [int(out.item["id"][3:]) for out in outputs if isinstance(out, Deliver)]


def test_what_is_shown_never_gets_older() -> None:
    resumer = TallyResumer("es-11-1")
    outputs = feed(resumer, subscribed(), *tallies(5, 7, 6, 7, 8))
    assert outputs == [Deliver(a_tally(seq)) for seq in (5, 7, 8)]


def test_roll_calls_of_a_chamber_are_compared_each_with_itself() -> None:
    mine, other = a_tally(9), a_tally(4, roll_call="es-11-3")
    outputs = feed(TallyResumer(), subscribed(), tally_frame(mine), tally_frame(other))
    assert outputs == [Deliver(mine), Deliver(other)]


def test_a_tally_that_is_held_or_let_go_is_news_though_it_keeps_its_seq() -> None:
    good, held = a_tally(5), a_tally(5, held=Held(6, "unknown event type"))
    old = tally_frame(a_tally(4))
    frames = [tally_frame(good), tally_frame(held)] * 2
    outputs = feed(TallyResumer(), subscribed(), *frames[:2], frames[1], old, frames[2])
    assert outputs == [Deliver(good), Deliver(held), Deliver(good)]


def test_the_next_connection_asks_for_what_follows() -> None:
    resumer = TallyResumer("es-11-1")
    fresh = {"feed": "tally", "roll_call": "es-11-1"}
    assert resumer.query() == fresh
    feed(resumer, subscribed(), *tallies(7))
    assert resumer.query() == fresh, "the state was not sent to its end"
    feed(resumer, caught_up(9))
    assert resumer.query() == {
        "feed": "tally",
        "roll_call": "es-11-1",
        "after": "7",
        "epoch": EPOCH,
    }


def test_events_are_asked_for_from_where_they_began() -> None:
    resumer = EventResumer()
    assert resumer.query() == {"feed": "events"}
    feed(resumer, subscribed(41))
    assert resumer.query()["after"] == "41"
    assert seqs(feed(resumer, *events(42, 41))) == [42]
    assert resumer.query()["after"] == "42"


def test_events_that_start_afresh_start_at_the_beginning() -> None:
    resumer = EventResumer(after=41, epoch="old")
    restart, *rest = feed(resumer, subscribed(3, recovered=False), *events(1, 2))
    assert restart == Restarted(EPOCH, "the gateway starts afresh")
    assert seqs(rest) == [1, 2]


def test_an_earlier_subscription_is_resumed() -> None:
    resumer = EventResumer(after=41, epoch=EPOCH, rehearsal=True)
    assert resumer.query() == {
        "feed": "events",
        "after": "41",
        "epoch": EPOCH,
        "rehearsal": "1",
    }
    outputs = feed(resumer, subscribed(50, recovered=True), *events(42, 43))
    assert seqs(outputs) == [42, 43]


def test_a_fresh_start_forgets_what_was_shown_and_says_so() -> None:
    resumer = TallyResumer("es-11-1")
    feed(resumer, subscribed(), *tallies(7))
    restart = subscribed(2, "new", recovered=False, reason="restored")
    outputs = feed(resumer, restart, *tallies(2, epoch="new"))
    assert outputs == [Restarted("new", "restored"), Deliver(a_tally(2, epoch="new"))]
    assert resumer.epoch == "new"


def test_another_epoch_is_a_fresh_start_even_if_the_gateway_does_not_say_so() -> None:
    resumer = TallyResumer()
    outputs = feed(resumer, subscribed(), *tallies(7), subscribed(2, "new"))
    assert isinstance(outputs[-1], Restarted)


def test_who_has_seen_nothing_takes_up_any_epoch() -> None:
    resumer = TallyResumer("es-11-1")
    assert feed(resumer, subscribed(0, "old"), subscribed(0, "new")) == []
    assert resumer.epoch == "new"


@pytest.mark.parametrize(
    "foreign",
    [*tallies(8, epoch="new"), heartbeat(8, "new")],
    ids=["tally", "heartbeat"],
)
def test_another_epoch_without_a_fresh_start_is_not_taken_up(foreign: bytes) -> None:
    resumer = TallyResumer("es-11-1")
    shown = *tallies(7), caught_up(7)
    (*_, last) = feed(resumer, subscribed(), *shown, foreign)
    assert isinstance(last, Reconnect)
    assert resumer.query()["after"] == "7"
    assert resumer.query()["epoch"] == EPOCH


def test_every_event_is_delivered_once() -> None:
    resumer = EventResumer(after=0)
    outputs = feed(resumer, subscribed(3, recovered=True), *events(1, 2, 2, 1, 3))
    assert seqs(outputs) == [1, 2, 3]


def test_a_gap_in_a_chambers_events_is_refetched() -> None:
    resumer = EventResumer(after=0)
    outputs = feed(resumer, subscribed(5, recovered=True), *events(1, 3))
    assert outputs == [Deliver(an_event(1)), Reconnect("a gap before event 3")]
    assert resumer.query()["after"] == "1"


def test_a_roll_calls_events_follow_its_own_count() -> None:
    resumer = EventResumer("es-11-1", after=0)
    good = [event_frame(an_event(seq, version)) for seq, version in ((4, 1), (9, 2))]
    assert seqs(feed(resumer, subscribed(9, recovered=True), *good)) == [4, 9]
    skipping = feed(resumer, event_frame(an_event(12, 4)))
    assert skipping == [Reconnect("a gap before event 12")]


def test_a_replay_that_ended_moves_the_place() -> None:
    resumer = EventResumer("es-11-1", after=0)
    feed(resumer, subscribed(90, recovered=True), caught_up(90))
    assert resumer.query()["after"] == "90"


def test_a_head_that_events_do_not_follow_is_refetched() -> None:
    resumer = EventResumer(after=0)
    begin = feed(resumer, subscribed(2, recovered=True), *events(1), heartbeat(2))
    assert seqs(begin) == [1]
    assert feed(resumer, *events(2), heartbeat(3)) == [Deliver(an_event(2))]
    (output,) = feed(resumer, heartbeat(3))
    assert isinstance(output, Reconnect)


def test_a_slow_replay_is_no_silence() -> None:
    resumer = EventResumer(after=0)
    frames = [f for seq in range(1, 5) for f in (*events(seq), heartbeat(1000))]
    outputs = feed(resumer, subscribed(1000, recovered=True), *frames)
    assert seqs(outputs) == [1, 2, 3, 4]
    assert not any(isinstance(output, Reconnect) for output in outputs)


def test_a_roll_calls_events_may_lag_behind_the_log() -> None:
    resumer = EventResumer("es-11-1", after=0)
    begin = subscribed(2, recovered=True)
    assert feed(resumer, begin, heartbeat(70), heartbeat(90)) == []


def test_any_frame_is_a_sign_of_life() -> None:
    resumer = TallyResumer()
    resumer.connected(10.0)
    assert resumer.silent_at == 10.0 + SILENCE_SECONDS
    resumer.received(subscribed(), 11.0)
    resumer.received(heartbeat(), 15.0)
    assert resumer.silent_at == 15.0 + SILENCE_SECONDS


def test_the_state_is_live_only_while_subscribed() -> None:
    resumer = TallyResumer()
    states = [resumer.state]
    resumer.lost(Closed(), 0.5)
    states.append(resumer.state)
    feed(resumer, subscribed())
    states.append(resumer.state)
    resumer.lost(Closed(1006), 0.5)
    states.append(resumer.state)
    feed(resumer, subscribed())
    states.append(resumer.state)
    assert states == [
        State.CONNECTING,
        State.CONNECTING,
        State.LIVE,
        State.STALE,
        State.LIVE,
    ]


def test_frames_of_a_newer_gateway_are_passed_over() -> None:
    assert feed(TallyResumer(), frame("weather", forecast="sunny")) == []


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{}", frame("tally", seq=3)])
def test_what_cannot_be_read_is_an_error_and_no_tally(data: bytes) -> None:
    with pytest.raises(NotUnderstood):
        TallyResumer().received(data, NOW)


@pytest.mark.parametrize("code", [1008, 4400, 4401, 4403, 4404, 4409, 4410])
def test_terminal_close_codes_end_the_subscription(code: int) -> None:
    with pytest.raises(SubscriptionRefused, match=str(code)) as refused:
        TallyResumer().lost(Closed(code, ""), 0.5)
    assert refused.value.code == code


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refused_handshake_ends_the_subscription(status: int) -> None:
    with pytest.raises(SubscriptionRefused):
        TallyResumer().lost(HandshakeRefused(status), 0.5)


def test_a_request_the_gateway_cannot_serve_ends_the_subscription() -> None:
    problem = {"status": 404, "detail": "no roll call es-99"}
    with pytest.raises(SubscriptionRefused, match="es-99"):
        feed(TallyResumer(), frame("error", id=0, problem=problem))


def test_a_request_the_gateway_cannot_serve_now_is_repeated() -> None:
    problem = {"status": 503, "detail": "the log cannot be reached"}
    (output,) = feed(TallyResumer(), frame("error", problem=problem))
    assert isinstance(output, Reconnect)


def test_waiting_doubles_up_to_half_a_minute() -> None:
    resumer = TallyResumer()
    waits = [resumer.lost(Closed(), 1.0) for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_waiting_is_fully_random() -> None:
    assert TallyResumer().lost(Closed(1011), 0.0) == 0.0
    assert TallyResumer().lost(Closed(1011), 0.25) == 0.25


def test_a_connection_that_was_served_starts_the_waiting_over() -> None:
    resumer = TallyResumer()
    for _ in range(5):
        resumer.lost(Closed(), 1.0)
    feed(resumer, subscribed())
    assert resumer.lost(Closed(), 1.0) == 1.0


@pytest.mark.parametrize(
    ("how", "least", "most"),
    [
        (Closed(1012), 0, 5),
        (Closed(1001), 0, 5),
        (Closed(1013), 10, 11),
        (Closed(4429), 60, 61),
        (Closed(1000), 0, 1),
        (HandshakeRefused(503), 0, 1),
        (HandshakeRefused(429, 7), 7, 8),
        (HandshakeRefused(502), 0, 1),
    ],
)
def test_a_close_code_says_how_long_to_stay_away(
    how: Closed | HandshakeRefused, least: float, most: float
) -> None:
    assert TallyResumer().lost(how, 0.0) == least
    assert TallyResumer().lost(how, 1.0) == most
