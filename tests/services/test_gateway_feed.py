"""How a reader catches up: conflation, boundaries, held tallies, bounds. Pure."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tellers_core.roll_call import Phase
from tellers_core.tally import ENDED, Held, Tally, Verdict, decode_tally, tally
from tellers_gateway.feed import (
    ALL_WITHIN,
    FINISHED_KEPT,
    UPDATES_KEPT,
    EventTail,
    LoggedEvent,
    TallyFeed,
    Update,
    complete_after,
)
from tellers_gateway.frames import Frame
from tests.scenario import EPOCH, OPENED, projected

HELD = Held(7, "the log cannot be read")
A, B = "a-1", "b-1"
_OPEN = tally(projected(OPENED), EPOCH)


def at(
    seq: int,
    roll_call: str = A,
    status: str = "passing",
    phase: Phase = Phase.OPEN,
    held: Held | None = None,
) -> Tally:
    """A tally of which only place, verdict and phase matter here."""
    verdict = Verdict("simple", status, 0, 0, 0, None, "")  # type: ignore[arg-type]
    return replace(
        _OPEN, seq=seq, roll_call=roll_call, verdict=verdict, phase=phase, held=held
    )


def feed_of(*tallies: Tally) -> TallyFeed:
    """A feed that began with an empty log and was offered these."""
    feed = TallyFeed(EPOCH, 0, [])
    for each in tallies:
        feed.offer(each)
    return feed


def places(updates: Iterable[Update] | None) -> list[int]:
    assert updates is not None
    return [update.tally.seq for update in updates]


def shown(update: Update) -> Tally:
    """The tally as its frame has it."""
    return decode_tally(update.frame.text.replace(b'"op":"tally",', b"", 1))


def test_a_reader_a_little_behind_gets_every_update() -> None:
    feed = feed_of(*(at(n) for n in range(1, ALL_WITHIN + 2)))
    assert places(feed.since(1, None)) == list(range(2, ALL_WITHIN + 2))


def test_a_reader_further_behind_gets_milestones_and_the_newest() -> None:
    feed = feed_of(
        at(1),
        *(at(n, B if n % 2 else A) for n in range(2, 400)),
        at(400, A, "clinched"),
        *(at(n, A, "clinched") for n in range(401, 500)),
        at(500, A, "clinched", Phase.LOCKED),
        at(501, A, "clinched", Phase.LOCKED),
        at(502, B),
    )
    assert places(feed.since(1, None)) == [3, 400, 500, 501, 502]
    assert places(feed.since(1, B)) == [*range(3, 400, 2), 502]


def test_a_verdict_is_not_missed_by_who_is_behind_everything_kept() -> None:
    feed = feed_of(
        at(1),
        at(2, B, "clinched"),
        at(3, B, "adopted", Phase.CLOSED),
        *(at(n) for n in range(4, UPDATES_KEPT + 100)),
    )
    last = UPDATES_KEPT + 99
    assert places(feed.since(1, None)) == [2, 3, last]
    assert places(feed.since(1, B)) == [2, 3]
    assert places(feed.since(1, A)) == [last]


def test_who_has_seen_everything_needs_nothing() -> None:
    feed = feed_of(at(1), at(2), at(3))
    assert feed.since(feed.number, None) == []
    assert places(feed.since(feed.number - 1, None)) == [3]
    assert places(feed.since(0, None)) == [1, 2, 3]


def test_a_place_in_the_log_excludes_itself() -> None:
    feed = feed_of(at(1), at(2, B), at(4), at(5, B))
    assert places(feed.after_seq(0, None)) == [1, 2, 4, 5]
    assert places(feed.after_seq(2, None)) == [4, 5]
    assert places(feed.after_seq(3, None)) == [4, 5]
    assert places(feed.after_seq(2, B)) == [5]
    assert places(feed.after_seq(5, None)) == []


def test_a_place_before_what_was_loaded_is_not_answered_from_memory() -> None:
    feed = TallyFeed(EPOCH, 10, [at(8), at(10, B)])
    feed.offer(at(11))
    assert feed.after_seq(9, None) is None
    assert places(feed.after_seq(10, None)) == [11]


def test_a_place_before_what_is_kept_is_not_answered_from_memory() -> None:
    feed = feed_of(*(at(n) for n in range(1, UPDATES_KEPT + 3)))
    assert feed.after_seq(1, None) is None
    assert places(feed.after_seq(2, None))[0] == 3


def test_a_held_tally_that_is_dropped_does_not_vouch_for_newer_ones() -> None:
    # Held and released, a tally is offered anew with its old place in the log.
    feed = feed_of(at(1, B), *(at(n) for n in range(2, 51)))
    feed.hold(HELD)
    feed.hold(None)
    for n in range(51, 51 + UPDATES_KEPT - 4):
        feed.offer(at(n))
    assert places(feed._updates)[:4] == [1, 50, 1, 50]
    feed.offer(at(6000))
    assert feed.after_seq(30, None) is None
    assert places(feed.after_seq(50, None))[-1] == 6000


def test_published_twice_is_no_news() -> None:
    feed = feed_of(at(1), at(2))
    assert feed.offer(at(2)) is None
    assert feed.offer(at(1)) is None
    assert feed.number == 2


def test_a_tally_of_another_epoch_is_no_news() -> None:
    assert feed_of().offer(replace(at(1), epoch="other")) is None


def test_a_roll_call_forgotten_here_does_not_come_back() -> None:
    feed = feed_of(
        *(
            at(n, f"r-{n}", "adopted", Phase.CLOSED)
            for n in range(1, 2 * FINISHED_KEPT + 2)
        )
    )
    assert "r-1" not in feed.latest
    assert feed.offer(at(1, "r-1", "adopted", Phase.CLOSED)) is None


def test_at_the_same_place_a_roll_call_can_be_held_and_let_go() -> None:
    feed = feed_of(at(1))
    held, released = feed.offer(at(1, held=HELD)), feed.offer(at(1))
    assert held is not None
    assert held.milestone
    assert released is not None
    assert released.milestone


def test_the_running_are_held_and_released_the_finished_are_not() -> None:
    feed = feed_of(
        at(1, "done", "adopted", Phase.CLOSED),
        at(2, "void", "annulled", Phase.ANNULLED),
        at(3, A),
        at(4, B, phase=Phase.LOCKED),
    )
    held = feed.hold(HELD)
    assert {update.tally.roll_call for update in held} == {A, B}
    assert all(shown(update).held == HELD for update in held)
    assert all(update.milestone for update in held)
    assert feed.hold(HELD) == []
    released = feed.hold(None)
    assert [shown(update) for update in released] == [
        at(3, A),
        at(4, B, phase=Phase.LOCKED),
    ]


def test_while_held_a_new_tally_is_held_too_unless_it_is_final() -> None:
    feed = feed_of(at(1), at(2, B))
    feed.hold(HELD)
    counted = replace(at(3), confirmed=True)
    running, final = feed.offer(counted), feed.offer(at(4, B, "rejected", Phase.CLOSED))
    assert running is not None
    assert shown(running) == replace(at(3), held=HELD)
    assert final is not None
    assert shown(final).held is None


def test_a_tally_held_by_the_tally_service_keeps_its_own_reason() -> None:
    own = Held(3, "an event that nobody understands")
    feed = feed_of(at(1, held=own))
    feed.hold(HELD)
    assert shown(feed.latest[A]).held == own


def test_now_is_what_runs_and_the_newest_in_the_logs_order() -> None:
    feed = feed_of(
        at(1, "done", "adopted", Phase.CLOSED),
        at(2, B),
        at(3, A),
        at(4, "last", "rejected", Phase.CLOSED),
    )
    assert places(feed.now(None)) == [2, 3, 4]
    feed.hold(HELD)
    assert places(feed.now(None)) == [2, 3]
    assert places(feed.now("done")) == [1]
    assert feed.now("unknown") == []


def test_standing_is_what_runs_or_is_held() -> None:
    feed = feed_of(
        at(1, "done", "adopted", Phase.CLOSED),
        at(2, "stuck", "adopted", Phase.CLOSED, held=HELD),
        at(3, A),
    )
    assert places(feed.standing(None)) == [2, 3]
    assert places(feed.standing(A)) == [3]
    assert feed.standing("done") == []


def test_memory_is_bounded() -> None:
    feed = feed_of()
    for n in range(1, 3 * UPDATES_KEPT):
        ended = n % 3 == 0
        phase = Phase.CLOSED if ended else Phase.OPEN
        status = "adopted" if ended else "passing"
        feed.offer(at(n, f"r-{(n - 1) // 3}", status, phase))
    assert len(feed._updates) == UPDATES_KEPT
    assert len(feed._milestones) == UPDATES_KEPT
    assert len(feed.latest) <= 2 * FINISHED_KEPT + 1


@pytest.mark.parametrize(
    ("seq", "published", "place"),
    [
        (5, (), 5),
        (5, (3, 4, 5), 2),
        (5, (3, 4, 5, 6, 7), 2),
        (5, (3, 4), 5),  # what came between was never published: held
        (5, (2, 4, 5), 3),
        (0, (1, 2, 3), 0),
        (5, (4, 5, 4, 5, 6), 3),  # published twice after a crash
    ],
)
def test_the_channel_is_complete_after(
    seq: int, published: tuple[int, ...], place: int
) -> None:
    assert complete_after(seq, [at(n) for n in published]) == place


# Any interleaving of offers and reads

STATUSES = st.sampled_from(["passing", "passing", "failing", "clinched"])
STEPS = st.sampled_from(["offer"] * 6 + ["repeat", "end", "hold", "release", "read"])


@given(
    steps=st.lists(
        st.tuples(STEPS, st.integers(0, 3), STATUSES), min_size=1, max_size=80
    ),
    all_within=st.integers(0, 8),
    kept=st.integers(2, 12),
)
def test_a_slow_reader_ends_where_a_fast_one_does_and_misses_no_verdict(
    steps: list[tuple[str, int, str]], all_within: int, kept: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tellers_gateway.feed.ALL_WITHIN", all_within)
        feed = feed_of()
        # Few updates are kept, so that a reader can be behind all of them; milestones
        # are kept longer.
        feed._updates = type(feed._updates)(maxlen=kept)
        _interleave(feed, steps)


def _interleave(feed: TallyFeed, steps: list[tuple[str, int, str]]) -> None:
    fast: list[Update] = []
    slow: list[Update] = []
    seen = 0
    ended: dict[str, Tally] = {}
    for seq, (step, which, status) in enumerate(steps, 1):
        name = f"r-{which}"
        match step:
            case "hold":
                fast += feed.hold(HELD)
            case "release":
                fast += feed.hold(None)
            case "read":
                slow += feed.since(seen, None)
                seen = feed.number
            case _:
                new = at(seq, name, status)
                if step == "repeat" and name in feed.latest:
                    new = feed.latest[name].tally
                elif name in ended:
                    continue
                elif step == "end":
                    new = ended[name] = at(seq, name, "adopted", Phase.CLOSED)
                update = feed.offer(new)
                assert (update is None) == (step == "repeat" and new.seq < seq)
                fast += [update] if update else []
    slow += feed.since(seen, None)
    assert _view(slow) == _view(fast)
    numbers = [update.number for update in slow]
    assert numbers == sorted(set(numbers))
    for name in {update.tally.roll_call for update in slow}:
        of_it = [u.tally.seq for u in slow if u.tally.roll_call == name]
        assert of_it == sorted(of_it)
    assert _changes(fast) <= {update.number for update in slow}


def _view(updates: list[Update]) -> dict[str, Tally]:
    """What is on the screen after all these."""
    return {update.tally.roll_call: shown(update) for update in updates}


def _changes(updates: list[Update]) -> set[int]:
    """The numbers of the updates that change a verdict, a phase or the holding."""
    found: set[int] = set()
    before: dict[str, Tally] = {}
    for update in updates:
        now = shown(update)
        was = before.get(now.roll_call)
        if was is None or (was.verdict.status, was.phase, was.held) != (
            now.verdict.status,
            now.phase,
            now.held,
        ):
            found.add(update.number)
        before[now.roll_call] = now
    return found


# The tail of the log


def tail_of(first: int, last: int, keep: int = 10) -> EventTail:
    tail = EventTail(first - 1, keep)
    for seq in range(first, last + 1):
        tail.append(LoggedEvent(seq, A, Frame("event", b"{}", f"{EPOCH}:{seq}")))
    return tail


def after(tail: EventTail, seq: int, count: int = 100) -> list[int] | None:
    found = tail.after(seq, count)
    return None if found is None else [event.seq for event in found]


def test_the_tail_answers_from_any_place_it_has() -> None:
    tail = tail_of(5, 9)
    assert after(tail, 4) == [5, 6, 7, 8, 9]
    assert after(tail, 8) == [9]
    assert after(tail, 9) == []
    assert after(tail, 100) == []
    assert after(tail, 4, count=2) == [5, 6]


def test_the_tail_says_when_it_does_not_reach_back() -> None:
    assert after(tail_of(5, 9), 3) is None
    assert after(EventTail(7), 6) is None
    assert after(EventTail(7), 7) == []


def test_the_tail_keeps_only_so_many() -> None:
    tail = tail_of(1, 25, keep=10)
    assert after(tail, 15) == list(range(16, 26))
    assert after(tail, 14) is None
    assert len(tail._events) == 10


def test_an_event_alone_is_what_its_frame_has() -> None:
    body = b'{"data":{"title":"\\"event\\":{}"},"id":"ga-1"}'
    frame = Frame("event", b'{"op":"event","seq":1,"event":%b}' % body)
    assert LoggedEvent(1, A, frame).cloud_event == body


def test_ended_roll_calls_are_those_closed_or_annulled() -> None:
    assert set(ENDED) == {Phase.CLOSED, Phase.ANNULLED}
