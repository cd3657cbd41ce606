"""How far a log is public: delay, slips, freeze."""

from hypothesis import given
from hypothesis import strategies as st

from tellers_core.codec import LogName, encode
from tellers_core.events import Event, RollCallLocked, Vote, VoteChanged, VoteRecorded
from tellers_core.publication import (
    MAX_DELAY_SECONDS,
    Dated,
    Horizon,
    Publication,
    Slip,
    decode_publication,
    encode_publication,
    horizon_of,
)
from tests.scenario import AT, SIX

GA = LogName("ga")


def body(event: Event, seq: int = 1) -> bytes:
    return encode(GA, "r1", event, AT).filled("r1", seq, seq)


def yes(code: str) -> bytes:
    return body(VoteRecorded(code, Vote.YES))


def no(code: str) -> bytes:
    return body(VoteChanged(code, Vote.NO, Vote.YES))


def test_what_is_due_is_public_in_order() -> None:
    horizon = Horizon(10)
    for seq, code in enumerate(SIX[:3], 11):
        horizon.add(seq, yes(code), due=seq + 3.0)
    assert horizon.advance(13.9) == []
    assert horizon.seq == 10
    horizon.advance(15.0)
    assert (horizon.seq, horizon.waiting) == (12, 1)


def test_a_slip_goes_out_with_its_correction() -> None:
    horizon = Horizon(0)
    horizon.add(1, yes("FJI"), due=1)
    horizon.add(2, yes("FRA"), due=2)
    horizon.add(3, body(RollCallLocked()), due=3)
    horizon.add(4, no("FRA"), due=9)
    horizon.add(5, yes("NOR"), due=10)
    horizon.advance(8)
    assert horizon.seq == 1
    assert horizon.advance(9) == [Slip("r1", 2, 4)]
    assert horizon.seq == 4
    slip = Slip("r1", 2, 4)
    assert [slip.hides("r1", seq) for seq in (1, 2, 3, 4)] == [False, True, True, False]
    assert not slip.hides("r2", 2)


def test_who_corrects_for_ever_keeps_nothing_back_for_ever() -> None:
    horizon = Horizon(0)
    horizon.add(1, yes("FRA"), due=0)
    horizon.add(2, no("FRA"), due=1000)
    horizon.advance(MAX_DELAY_SECONDS - 1)
    assert horizon.seq == 0
    horizon.advance(MAX_DELAY_SECONDS)
    assert horizon.seq == 1


def test_a_release_lets_out_all_that_waits() -> None:
    horizon = Horizon(0)
    horizon.add(1, yes("FRA"), due=0)
    horizon.add(2, no("FRA"), due=1000)
    horizon.release(5)
    assert horizon.advance(5) == [Slip("r1", 1, 2)]
    assert horizon.seq == 2


def dated(*seconds: float) -> list[Dated]:
    return [Dated(seq, yes(SIX[seq % 6]), at) for seq, at in enumerate(seconds, 1)]


def test_who_comes_anew_finds_the_same_horizon() -> None:
    entries = dated(100, 101, 104, 105)
    assert horizon_of(0, entries, Publication(), 3, 0, 104) == 2
    assert horizon_of(0, entries, Publication(), 0, 0, 105) == 4
    frozen = Publication(frozen=True, seq=3)
    assert horizon_of(0, entries, frozen, 3, 104.5, 200) == 2
    assert horizon_of(0, entries, frozen, 0, 104.5, 200) == 3
    released = Publication(public_seq=3)
    assert horizon_of(0, entries, released, 3, 0, 105) == 3


def test_a_clock_that_is_ahead_keeps_nothing_back_for_ever() -> None:
    assert horizon_of(0, dated(9_999), Publication(), 3, 0, 100) == 0
    assert horizon_of(0, dated(9_999), Publication(), 0, 0, 100) == 1


def test_what_was_said_is_kept_as_it_was() -> None:
    said = Publication(
        frozen=True, delay_seconds=2.5, seq=4, at=AT, token="a", reason="b"
    )
    assert decode_publication(encode_publication(said)) == said


@given(
    st.lists(st.tuples(st.sampled_from(SIX), st.floats(0, 5)), max_size=30),
    st.lists(st.floats(0, 20), max_size=10),
)
def test_the_horizon_only_grows_and_never_stops_in_a_slip(
    answers: list[tuple[str, float]], moments: list[float]
) -> None:
    horizon, due = Horizon(0), 0.0
    for seq, (code, more) in enumerate(answers, 1):
        due += more / 10
        horizon.add(seq, yes(code), due)
    before = 0
    for now in sorted(moments):
        horizon.advance(now)
        assert horizon.seq >= before
        before = horizon.seq
        public = {code for code, _ in answers[:before]}
        waiting = {code for code, _ in answers[before:]}
        assert not public & waiting
