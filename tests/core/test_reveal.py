"""What is shown of a running roll call under each reveal policy."""

import json

import pytest
from msgspec.structs import replace

from tellers_core.codec import LogName, decode, encode, public_event
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Event,
    Reveal,
    RollCallAnnulled,
    RollCallLocked,
    RollCallOpened,
    RollCallUnlocked,
    Vote,
    VoteChanged,
)
from tellers_core.reveal import (
    NOT_YET,
    STEP,
    WITHHELD,
    Shown,
    Watch,
    Withheld,
    ended,
    is_lifecycle,
    shown_of,
    withheld_event,
)
from tellers_core.tally import Held, Tally, encode_tally, tallies
from tests.scenario import AT, EPOCH, SIX, closed, recorded, scheduled, votes

GA = LogName("ga")
HIDING = [policy for policy in Reveal if policy is not Reveal.LIVE]


def begun(reveal: Reveal, *more: Event) -> tuple[Event, ...]:
    return (scheduled(reveal=reveal), RollCallOpened(), *more)


def history(reveal: Reveal, *more: Event) -> list[Tally]:
    return tallies(recorded(begun(reveal, *more)), EPOCH)


def entry(event: Event, seq: int = 3) -> bytes:
    return encode(GA, "r1", event, AT).filled("r1", seq, seq)


FOUR = votes(yes="FJI FRA NOR", no="PER")


def test_live_is_shown_as_it_is_and_says_nothing_of_it() -> None:
    whole = history(Reveal.LIVE, *FOUR)
    assert shown_of(whole) == whole
    assert b"withheld" not in encode_tally(whole[-1])


def test_totals_only_shows_every_figure() -> None:
    whole = history(Reveal.TOTALS_ONLY, *FOUR)
    assert shown_of(whole) == whole
    assert whole[-1].withheld is Reveal.TOTALS_ONLY


def test_the_cause_of_a_retraction_names_nobody() -> None:
    turned = VoteChanged("FRA", Vote.NO, Vote.YES)
    everybody = votes(yes="FJI FRA NOR RUS", no="PER")
    live = history(Reveal.LIVE, *everybody, turned)[-1].verdict.retracted
    assert live is not None
    assert live.cause == "vote.changed FRA"
    shown = shown_of(history(Reveal.TOTALS_ONLY, *everybody, turned))[-1]
    assert shown.verdict.retracted is not None
    assert shown.verdict.retracted.cause == "vote.changed"


def test_names_after_close_moves_in_steps_and_at_each_phase() -> None:
    five = (*FOUR, *votes(abstain="RUS"))
    end = (RollCallLocked(), RollCallUnlocked(), *votes(no="ZMB"), RollCallLocked())
    shown = shown_of(history(Reveal.NAMES_AFTER_CLOSE, *five, *end))
    # Scheduled, opened, the fifth vote, locked, unlocked, locked.
    assert [tally.version for tally in shown] == [1, 2, 2 + STEP, 8, 9, 11]
    assert shown[2].counts.yes == 3


def test_nothing_until_close_shows_the_phase_and_no_figure() -> None:
    whole = history(Reveal.NOTHING_UNTIL_CLOSE, *FOUR, RollCallLocked())
    shown = shown_of(whole)
    assert [tally.phase for tally in shown] == ["scheduled", "open", "locked"]
    assert whole[-1].verdict.status == "clinched"
    for tally in shown:
        counts = tally.counts
        assert (counts.yes, counts.no, counts.abstain, counts.not_voting) == (
            0,
            0,
            0,
            6,
        )
        assert (tally.verdict.status, tally.verdict.because) == ("pending", "0 yes")
        assert tally.held is not None
        assert tally.held.reason == NOT_YET


@pytest.mark.parametrize("reveal", HIDING)
def test_what_has_ended_is_shown_whole(reveal: Reveal) -> None:
    last = tallies(recorded(closed(*begun(reveal, *FOUR))), EPOCH)[-1]
    assert last.withheld is None
    assert Shown().next(last) == last
    annulled = history(reveal, *FOUR, RollCallAnnulled())
    assert annulled[-1].withheld is None
    assert ended(annulled)[3].counts.yes == 2


def test_a_tally_that_is_held_stays_at_what_was_shown() -> None:
    state = Shown()
    whole = history(Reveal.NAMES_AFTER_CLOSE, *FOUR)
    shown = [state.next(tally) for tally in whole]
    last = whole[-1]
    held = state.next(replace(last, held=Held(last.seq + 1, "the counts differ")))
    assert shown[-1] is None
    assert held is not None
    assert held.counts.yes == 0
    assert held.held is not None


@pytest.mark.parametrize("reveal", HIDING)
def test_a_vote_is_withheld_and_what_stands_in_its_place_tells_nothing(
    reveal: Reveal,
) -> None:
    watch = Watch()
    for one in recorded(begun(reveal)):
        assert not watch.take(one)
    (vote,) = votes(yes="FRA")
    body = entry(vote).replace(b'"rollcall":"r1"', b'"rollcall":"es-11-1"')
    assert watch.policy(body) is reveal
    instead = withheld_event(GA, 3, body, reveal)
    event = json.loads(public_event(instead, "e1"))
    assert event == {
        "specversion": "1.0",
        "id": "ga-0000000000000003-withheld",
        "source": "/chambers/ga",
        "type": WITHHELD,
        "subject": "es-11-1",
        "datacontenttype": "application/json",
        "sequence": "0000000000000003",
        "epoch": "e1",
        "rollcall": "es-11-1",
        "rollcallversion": 3,
        "data": {"reveal": reveal},
    }
    assert list(event) == sorted(event)
    assert not any(code.encode() in instead for code in SIX)
    with pytest.raises(CorruptHistory):
        decode(instead)


def test_what_is_about_the_roll_call_is_public() -> None:
    watch = Watch([Withheld("r1", Reveal.NOTHING_UNTIL_CLOSE, 1)])
    for event in (RollCallOpened(), RollCallLocked(), scheduled(title='","type":"x')):
        assert is_lifecycle(entry(event))
        assert watch.policy(entry(event)) is None
    forged = scheduled(title=',"type":"org.tellers.roll_call.')
    assert watch.policy(entry(forged)) is None


def test_what_cannot_be_read_is_withheld_while_anything_is() -> None:
    watch = Watch([Withheld("r1", Reveal.TOTALS_ONLY, 1)])
    assert watch.policy(b'{"data":{"delegation":"FRA","vo') is Reveal.TOTALS_ONLY
    instead = withheld_event(GA, 3, b"FRA yes", Reveal.TOTALS_ONLY)
    assert "rollcall" not in json.loads(instead)
    assert b"FRA" not in instead
    assert Watch().policy(b"FRA yes") is None


def test_when_it_has_ended_everything_is_public_again() -> None:
    watch = Watch()
    whole = list(recorded(closed(*begun(Reveal.TOTALS_ONLY, *FOUR))))
    assert [watch.take(one) for one in whole].index(True) == len(whole) - 1
    assert watch.is_public("es-11-1")
    assert not watch
    assert watch.since is None
