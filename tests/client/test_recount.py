"""A subscriber's own count: it comes to what the system tells, or it says so."""

import json
from contextlib import aclosing

import pytest
from hypothesis import given
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection

from tellers_client import CloudEvent, Differs, Recount, checked, resumer
from tellers_core.codec import LogName, encode, public_event
from tellers_core.errors import CorruptHistory
from tellers_core.events import Event, RollCallOpened, Vote, VoteChanged, VoteRecorded
from tellers_core.tally import Held, Tally, tally
from tests.client.frames import caught_up, event_frame, subscribed, tally_frame
from tests.client.gateway import Query, gateway, send
from tests.scenario import AT, EPOCH, projected, scheduled
from tests.strategies import histories

HISTORY: tuple[Event, ...] = (
    scheduled(),
    RollCallOpened(),
    VoteRecorded("FRA", Vote.YES),
    VoteRecorded("FJI", Vote.NO),
    VoteChanged("FRA", Vote.ABSTAIN, Vote.YES),
)


def published(history: tuple[Event, ...], epoch: str = EPOCH) -> list[CloudEvent]:
    """The events as a subscriber gets them."""
    found = []
    for version, event in enumerate(history, 1):
        template = encode(LogName("ga"), "es-11-1", event, AT)
        entry = template.filled("es-11-1", version, version)
        found.append(json.loads(public_event(entry, epoch)))
    return found


def told(history: tuple[Event, ...], epoch: str = EPOCH) -> Tally:
    """The tally that the system publishes after these events."""
    return tally(projected(history), epoch)


@given(histories())
def test_the_own_count_is_what_the_system_tells(history: tuple[Event, ...]) -> None:
    recount = Recount()
    for event in published(history):
        recount.take(event)
    recount.check(told(history))
    recount.check(replace(told(history), confirmed=True))


def test_a_figure_that_the_events_do_not_come_to_is_found() -> None:
    recount = Recount()
    for event in published(HISTORY):
        recount.take(event)
    honest = told(HISTORY)
    forged = replace(honest, counts=replace(honest.counts, yes=honest.counts.yes + 1))
    with pytest.raises(Differs, match="counted open 0-1-1") as found:
        recount.check(forged)
    assert found.value.counted == honest


def test_an_event_left_out_is_noticed_and_another_epoch_begins_anew() -> None:
    events = published(HISTORY)
    recount = Recount()
    recount.take(events[0])
    with pytest.raises(CorruptHistory):
        recount.take(events[2])
    for event in published(HISTORY[:3], "another"):
        recount.take(event)
    recount.check(told(HISTORY[:3], "another"))
    with pytest.raises(ValueError, match="nothing has been counted"):
        Recount().check(told(HISTORY))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumer, "MAX_BACKOFF_SECONDS", 0.02)


@pytest.mark.usefixtures("_impatient")
async def test_only_what_was_counted_is_handed_on() -> None:
    forged = replace(told(HISTORY), counts=told(HISTORY[:3]).counts)
    held = replace(told(HISTORY[:3]), held=Held(3, "two counts differ"))

    async def script(connection: ServerConnection, query: Query, __: int) -> None:
        if query["feed"] == "events":
            frames = map(event_frame, published(HISTORY))
            await send(connection, subscribed(5, recovered=True), *frames, caught_up(5))
        else:
            shown = [told(HISTORY[:2]), held, told(HISTORY[:4]), forged]
            await send(connection, subscribed(5), *map(tally_frame, shown))
        await connection.wait_closed()

    async with (
        gateway(script) as here,
        aclosing(checked(here.url, "es-11-1")) as tallies,
    ):
        assert [(await anext(tallies)).version for _ in range(3)] == [2, 3, 4]
        with pytest.raises(Differs):
            await anext(tallies)
