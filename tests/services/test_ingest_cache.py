"""What is kept of a roll call may lag behind, but never claims a version it lacks."""

from hypothesis import given as for_all
from hypothesis import strategies as st

from tellers_core.events import Event, Vote, VoteChanged, VoteRecorded
from tellers_core.roll_call import replay
from tellers_ingest.cache import MAX_KEPT, Cache, Place
from tellers_runtime.fields import Loaded
from tellers_runtime.log import Appended
from tests.scenario import OPENED, SIX

PLACE = Place("ga", "es-11-1")
BASE = Loaded(replay(OPENED), 2, 2)


def at(version: int) -> Appended:
    """What an append came to."""
    return Appended(version, version, b"")


def after(before: Loaded, event: Event, version: int) -> Loaded:
    """The roll call with one more event."""
    return Loaded(replay((event,), onto=before.roll_call), version, version)


def test_replies_in_another_order_lose_nothing() -> None:
    cache = Cache()
    cache.put(PLACE, BASE)
    first, second = VoteRecorded("FJI", Vote.YES), VoteRecorded("FRA", Vote.NO)
    cache.absorb(PLACE, BASE, at(4), (second,))
    kept = cache.get(PLACE)
    assert kept is not None
    assert (kept.roll_call.votes, kept.version) == ({"FRA": Vote.NO}, 2)
    cache.absorb(PLACE, BASE, at(3), (first,))
    kept = cache.get(PLACE)
    assert kept is not None
    assert kept.roll_call == replay((*OPENED, first, second))
    assert kept.version == 3  # the truth is 4: closing will read it again


def test_what_was_read_again_is_not_counted_twice() -> None:
    cache = Cache()
    event = VoteRecorded("FJI", Vote.YES)
    fresh = after(BASE, event, 3)
    cache.put(PLACE, fresh)
    cache.absorb(PLACE, BASE, at(3), (event,))
    assert cache.get(PLACE) == fresh


def test_what_lags_too_far_behind_is_dropped() -> None:
    cache = Cache()
    other = Loaded(replay((*OPENED, VoteRecorded("FJI", Vote.YES))), 3, 3)
    cache.put(PLACE, BASE)
    event = VoteChanged("FJI", Vote.NO, Vote.YES)
    cache.absorb(PLACE, other, at(4), (event,))
    assert cache.get(PLACE) is None


def test_a_new_roll_call_is_kept_from_its_beginning() -> None:
    cache = Cache()
    cache.absorb(PLACE, None, Appended(7, 1, b""), OPENED[:1])
    assert cache.get(PLACE) == Loaded(replay(OPENED[:1]), 1, 7)


def test_the_least_recently_used_makes_room() -> None:
    cache = Cache()
    places = [Place("ga", f"r{n}") for n in range(MAX_KEPT + 1)]
    for place in places[:-1]:
        cache.put(place, BASE)
    cache.get(places[0])
    cache.put(places[-1], BASE)
    assert [place for place in places if cache.get(place) is None] == [places[1]]


@for_all(
    st.permutations(range(6)),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_a_version_is_claimed_only_with_all_its_events(
    order: list[int], ours: list[bool]
) -> None:
    """Six first votes, some by other processes, replies to ours in any order."""
    cache = Cache()
    cache.put(PLACE, BASE)
    events = [VoteRecorded(code, Vote.YES) for code in SIX]
    for place in order:
        if ours[place]:
            seen = BASE
            event = events[place]
            cache.absorb(PLACE, seen, at(3 + place), (event,))
    kept = cache.get(PLACE)
    assert kept is not None
    assert kept.roll_call.votes == {
        code: Vote.YES for code, mine in zip(SIX, ours, strict=True) if mine
    }
    assert all(ours[: kept.version - 2])
