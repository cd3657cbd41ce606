"""What the projector does with entries it does not understand. No I/O."""

import json
from collections.abc import Callable, Iterable

import pytest

from tellers_core.codec import LogName
from tellers_core.events import (
    Event,
    IntentionRecorded,
    RollCallAnnulled,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.tally import Held
from tellers_runtime.log import Entry
from tellers_tally.projector import Change, Forgotten, Projector
from tests.scenario import EPOCH, OPENED, closed, opened, scheduled, votes
from tests.services.tallying import GA, NONSENSE, entries, reworded

FJI_YES = VoteRecorded("FJI", Vote.YES)
NOR_NO = VoteRecorded("NOR", Vote.NO)
OTHER = entries(OPENED, "other")
MINE = entries((*OPENED, FJI_YES), "mine", first_seq=3)
BAD_SEQ = 6


def projector(*taken: Entry) -> Projector:
    found = Projector(GA, seq=taken[0].seq - 1 if taken else 0)
    absorb(found, taken)
    return found


def absorb(into: Projector, taken: Iterable[Entry]) -> list[Change]:
    return [into.absorb(entry) for entry in taken]


def next_of(name: str, event: Event, version: int, seq: int = BAD_SEQ) -> Entry:
    (entry,) = entries([event], name, seq, version)
    return entry


def unknown_type() -> Entry:
    return reworded(next_of("mine", NOR_NO, 4), b"vote.recorded", b"vote.whispered")


def newer_schema() -> Entry:
    return reworded(next_of("mine", NOR_NO, 4), b"recorded.v1", b"recorded.v2")


def version_gap() -> Entry:
    return next_of("mine", NOR_NO, 5)


def version_repeated() -> Entry:
    return next_of("mine", NOR_NO, 3)


def contradicting_vote() -> Entry:
    return next_of("mine", VoteChanged("FJI", Vote.YES, Vote.NO), 4)


def vote_recorded_twice() -> Entry:
    return next_of("mine", FJI_YES, 4)


def stranger() -> Entry:
    return next_of("mine", VoteRecorded("PSE", Vote.YES), 4)


def wrong_seq_inside() -> Entry:
    return Entry(BAD_SEQ, next_of("mine", NOR_NO, 4, seq=BAD_SEQ + 1).body)


def begins_anew() -> Entry:
    return next_of("mine", scheduled(), 1)


def another_logs() -> Entry:
    (entry,) = entries([NOR_NO], "mine", BAD_SEQ, 4, LogName("sc"))
    return entry


def bytes_that_are_no_text() -> Entry:
    return reworded(next_of("mine", NOR_NO, 4), b'"specversion"', b'"x":"\xff","s"')


BAD = pytest.mark.parametrize(
    "bad",
    [
        unknown_type,
        newer_schema,
        version_gap,
        version_repeated,
        contradicting_vote,
        vote_recorded_twice,
        stranger,
        wrong_seq_inside,
        begins_anew,
        another_logs,
        bytes_that_are_no_text,
    ],
)


@BAD
def test_a_bad_entry_holds_its_roll_call_at_the_last_good_tally(
    bad: Callable[[], Entry],
) -> None:
    one = projector(*MINE)
    before = one.tally("mine", EPOCH)
    change = one.absorb(bad())
    assert (change.roll_call, change.touched, change.vote) == ("mine", ("mine",), None)
    after = one.tally("mine", EPOCH)
    assert after.held is not None
    assert after.held.seq == BAD_SEQ
    assert after.held.reason
    assert (after.counts, after.verdict, after.seq, after.version) == (
        before.counts,
        before.verdict,
        before.seq,
        before.version,
    )


@BAD
def test_the_others_go_on(bad: Callable[[], Entry]) -> None:
    one = projector(*OTHER, *MINE, bad())
    change = one.absorb(next_of("other", FJI_YES, 3, seq=BAD_SEQ + 1))
    assert change.touched == ("other",)
    assert one.tally("other", EPOCH).counts.yes == 1
    assert set(one.held()) == {"mine"}


@BAD
def test_a_held_roll_call_counts_nothing_more_and_says_so_once(
    bad: Callable[[], Entry],
) -> None:
    one = projector(*MINE, bad())
    held = one.tally("mine", EPOCH)
    later = [next_of("mine", NOR_NO, 4, BAD_SEQ + 1), unknown_type(), bad()]
    for change in absorb(one, later):
        assert (change.touched, change.vote) == ((), None)
    assert one.tally("mine", EPOCH) == held


@BAD
def test_recalled_after_a_restart_it_is_held_in_the_same_state(
    bad: Callable[[], Entry],
) -> None:
    history = [*MINE, bad(), next_of("mine", NOR_NO, 4, BAD_SEQ + 1)]
    before = projector(*history)
    shown = before.tally("mine", EPOCH)
    after = Projector(GA, ["mine"], BAD_SEQ + 1)
    after.recall("mine", history, shown.held)
    assert after.tally("mine", EPOCH) == shown
    assert after.held() == before.held()
    assert after.absorb(next_of("mine", NOR_NO, 4, BAD_SEQ + 2)).touched == ()


@pytest.mark.parametrize(
    "body",
    [NONSENSE, b"", b"[]", b'{"rollcall":7}', b"\xff\xfe", b"[" * 100_000]
    + [json.dumps({"rollcall": n}).encode() for n in ("", "UP", "a" * 65, "a\0", "-a")],
)
def test_an_entry_that_does_not_say_whose_it_is_holds_every_running_roll_call(
    body: bytes,
) -> None:
    ended = entries(closed(*OPENED, FJI_YES), "ended", first_seq=6)
    one = projector(*OTHER, *MINE, *ended)
    change = one.absorb(Entry(11, body))
    assert change.roll_call == ""
    assert set(change.touched) == {"mine", "other"}
    assert set(one.held()) == {"mine", "other"}
    assert one.tally("ended", EPOCH).held is None
    assert one.absorb(Entry(12, body)).touched == ()


def test_a_roll_call_begun_after_a_nameless_entry_is_counted() -> None:
    one = projector(Entry(1, NONSENSE))
    absorb(one, entries(OPENED, "new", first_seq=2))
    assert one.held() == {}
    assert one.tally("new", EPOCH).phase == "open"


def test_a_roll_call_whose_beginning_is_not_understood_has_no_tally() -> None:
    first = reworded(MINE[0], b"scheduled.v1", b"scheduled.v7")
    one = Projector(GA, seq=MINE[0].seq - 1)
    for change in absorb(one, [first, *MINE[1:]]):
        assert change.touched == ()
    assert set(one.held()) == {"mine"}


def test_a_beginning_that_is_missing_holds_what_follows() -> None:
    one = Projector(GA, seq=MINE[0].seq)
    assert one.absorb(MINE[1]).touched == ()
    assert one.held()["mine"].reason == "version 2 without its beginning"


def test_an_impossible_id_is_nobodys_even_in_a_good_event() -> None:
    one = projector(*MINE)
    change = one.absorb(next_of("NOT-AN-ID", scheduled(), 1))
    assert (change.roll_call, change.touched) == ("", ("mine",))


# ---- forgetting and recalling


def test_what_ended_is_forgotten_when_archived_and_recalled_when_it_goes_on() -> None:
    history = entries(closed(*OPENED, FJI_YES), "mine")
    one = projector(*history)
    one.forget_ended(archived_seq=history[-1].seq)
    intention = next_of("mine", IntentionRecorded("NOR", Vote.YES, None), 6, seq=6)
    with pytest.raises(Forgotten, match="mine") as forgotten:
        one.absorb(intention)
    assert forgotten.value.roll_call == "mine"
    one.recall("mine", history)
    assert one.absorb(intention).touched == ("mine",)
    tally = one.tally("mine", EPOCH)
    assert (tally.version, tally.phase, tally.held) == (6, "closed", None)


def test_what_ended_is_kept_until_its_last_entry_is_archived() -> None:
    history = entries(closed(*OPENED, FJI_YES), "mine")
    one = projector(*history)
    one.forget_ended(archived_seq=history[-1].seq - 1)
    intention = next_of("mine", IntentionRecorded("NOR", Vote.YES, None), 6, seq=6)
    assert one.absorb(intention).touched == ("mine",)


def test_running_and_held_roll_calls_are_never_forgotten() -> None:
    annulled = entries((*OPENED, RollCallAnnulled()), "annulled", first_seq=6)
    broken = next_of("annulled", FJI_YES, 9, seq=9)
    one = projector(*MINE, *annulled, broken)
    one.forget_ended(archived_seq=1000)
    assert one.tally("mine", EPOCH).counts.yes == 1
    assert set(one.held()) == {"annulled"}


def test_a_roll_call_that_ended_cannot_begin_anew() -> None:
    history = entries(closed(*OPENED, FJI_YES), "mine")
    one = projector(*history)
    shown = one.tally("mine", EPOCH)
    one.forget_ended(archived_seq=history[-1].seq)
    again = next_of("mine", scheduled(), 1, seq=6)
    with pytest.raises(Forgotten):
        one.absorb(again)
    one.recall("mine", history)
    assert one.absorb(again).touched == ("mine",)
    held = one.tally("mine", EPOCH)
    assert held.held is not None
    assert (held.phase, held.counts) == ("closed", shown.counts)


def test_what_is_held_in_the_archive_stays_held_though_it_is_understood_now() -> None:
    held = Held(MINE[2].seq, "code of yesterday")
    one = Projector(GA, ["mine"], MINE[2].seq)
    one.recall("mine", MINE, held)
    assert one.tally("mine", EPOCH).counts.yes == 0
    assert one.absorb(next_of("mine", NOR_NO, 4)).touched == ()
    assert one.held() == {"mine": held}


def test_recall_stops_at_the_first_bad_entry() -> None:
    one = Projector(GA, ["mine"], BAD_SEQ)
    one.recall("mine", [*MINE[:2], unknown_type(), MINE[2]])
    tally = one.tally("mine", EPOCH)
    assert tally.held is not None
    assert (tally.held.seq, tally.version) == (BAD_SEQ, 2)
    assert one.held() == {"mine": tally.held}


def test_a_change_names_the_vote_and_the_beginning() -> None:
    vote = VoteChanged("FJI", Vote.NO, Vote.YES)
    gone = VoteWithdrawn("FJI", Vote.NO)
    one = projector()
    changes = absorb(one, entries((*opened(), *votes(yes="FJI"), vote, gone)))
    assert [change.begins for change in changes] == [True, False, False, False, False]
    assert [change.vote for change in changes] == [None, None, FJI_YES, vote, gone]
