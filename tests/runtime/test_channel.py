"""The channel of published tallies, on every redis-server of this machine."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tellers_core.codec import LogName
from tellers_runtime import keys
from tellers_runtime.log import TALLIES_KEPT, Published, TallyChannel, connect

GA = LogName("ga")


@pytest.fixture
async def channel(every_redis_url: str) -> AsyncIterator[TallyChannel]:
    redis = connect(every_redis_url, "test")
    yield TallyChannel(redis, GA)
    await redis.aclose()


async def test_an_empty_channel_says_so_and_can_be_followed(
    channel: TallyChannel,
) -> None:
    assert await channel.recent() == Published([], 0, "0-0")
    assert await channel.follow("0-0", 1) == Published([], 0, "0-0")


async def test_tallies_come_in_the_order_of_publication(channel: TallyChannel) -> None:
    await channel.publish([b"one", b"two"], 2)
    await channel.publish([b"three"], 3)
    recent = await channel.recent()
    assert (recent.tallies, recent.seq) == ([b"one", b"two", b"three"], 3)
    assert await channel.follow(recent.place, 1) == Published([], 0, recent.place)


async def test_a_follower_gets_what_came_after_its_place(channel: TallyChannel) -> None:
    await channel.publish([b"one"], 1)
    place = (await channel.recent()).place
    waiting = asyncio.create_task(channel.follow(place, 5000))
    await channel.publish([b"two", b"three"], 3)
    first = await waiting
    rest = await channel.follow(first.place, 1)
    assert [*first.tallies, *rest.tallies] == [b"two", b"three"]
    assert max(first.seq, rest.seq) == 3


async def test_progress_without_a_tally_is_told_too(channel: TallyChannel) -> None:
    """A roll call that is held gets no more tallies; the service still goes on."""
    await channel.publish([b"one"], 1)
    await channel.publish([], 7)
    recent = await channel.recent()
    assert (recent.tallies, recent.seq) == ([b"one"], 7)


async def test_only_the_last_tally_of_a_publication_says_how_far_it_is(
    channel: TallyChannel,
) -> None:
    """Who reads the first alone must not believe that all up to the last is in."""
    await channel.publish([b"one", b"two"], 2)
    found = await channel._redis.xrange(keys.tallies(GA))
    assert found is not None
    assert [fields for _, fields in found] == [
        {b"t": b"one"},
        {b"t": b"two", b"s": b"2"},
    ]


async def test_publishing_twice_shows_it_twice_and_nothing_older(
    channel: TallyChannel,
) -> None:
    for _ in range(2):
        await channel.publish([b"one"], 1)
    recent = await channel.recent()
    assert (recent.tallies, recent.seq) == ([b"one", b"one"], 1)


async def test_the_newest_thousands_are_kept_and_no_more(channel: TallyChannel) -> None:
    total = TALLIES_KEPT + 1500
    for start in range(0, total, 500):
        numbers = range(start, start + 500)
        await channel.publish([b"%d" % number for number in numbers], start + 500)
    kept = (await channel.recent()).tallies
    assert TALLIES_KEPT <= len(kept) <= TALLIES_KEPT + 200
    assert kept == [b"%d" % number for number in range(total - len(kept), total)]


async def test_a_follower_far_behind_catches_up_in_pieces(
    channel: TallyChannel,
) -> None:
    await channel.publish([b"%d" % number for number in range(2500)], 2500)
    place, found = "0-0", list[bytes]()
    while published := (await channel.follow(place, 1)).tallies:
        found += published
        place = (await channel.follow(place, 1)).place
    assert found == [b"%d" % number for number in range(2500)]


async def test_each_log_has_a_channel_of_its_own(channel: TallyChannel) -> None:
    rehearsals = TallyChannel(channel._redis, LogName("ga", rehearsal=True))
    await channel.publish([b"real"], 1)
    await rehearsals.publish([b"rehearsal"], 9)
    assert (await channel.recent()).tallies == [b"real"]
    assert (await rehearsals.recent()).tallies == [b"rehearsal"]
