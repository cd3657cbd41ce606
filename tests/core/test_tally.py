"""The tally everybody paints: counts, verdict, and what was retracted."""

import json
from copy import deepcopy

import msgspec
import pytest
from msgspec.structs import replace

from tellers_core import tally
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Counts,
    Event,
    IntentionRecorded,
    RollCallAnnulled,
    RollCallLocked,
    RollCallOpened,
    RollCallUnlocked,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.majority import Fraction, Rule
from tellers_core.members import general_assembly
from tellers_core.roll_call import Phase
from tellers_core.tally import (
    Held,
    Projection,
    Retracted,
    Status,
    Tally,
    Verdict,
    decode_tally,
    encode_tally,
)
from tests.scenario import (
    AT,
    EPOCH,
    OPENED,
    SCHEDULED,
    closed,
    opened,
    projected,
    recorded,
    recorded_roll_call,
    result,
    scheduled,
    votes,
)


def verdict_of(*history: Event) -> Verdict:
    return tally.tally(projected(history), EPOCH).verdict


def status_after(*history: Event) -> Status:
    return verdict_of(*history).status


# ---- the contract's example


EXAMPLE = b"""
{"type":"tally","chamber":"ga","roll_call":"es-11-1",
"title":"Aggression against Ukraine","symbol":"A/ES-11/L.1",
"epoch":"k3v9","seq":183,"version":182,"phase":"open","rehearsal":false,
"counts":{"yes":141,"no":5,"abstain":35,"not_voting":12,"entitled":193,"members":193},
"verdict":{"rule":"two_thirds","status":"clinched","required":98,"margin":43,
"to_clinch":0,"flips":44,"because":"141 >= 2 x (5 + 12)"},
"at":"2026-11-23T17:02:41.002Z"}
""".replace(b"\n", b"")


def example() -> Tally:
    projection = projected(result(141, 5, 35, "two_thirds"))
    projection.sequence, projection.version = f"{183:016}", 182
    return tally.tally(projection, EPOCH)


def test_the_contracts_example_comes_out_byte_for_byte() -> None:
    assert encode_tally(example()) == EXAMPLE


def test_the_members_of_the_json_stand_in_the_contracts_order() -> None:
    written = json.loads(encode_tally(example()))
    assert list(written) == [
        *("type", "chamber", "roll_call", "title", "symbol", "epoch", "seq"),
        *("version", "phase", "rehearsal", "counts", "verdict", "at"),
    ]
    assert list(written["counts"]) == [
        *("yes", "no", "abstain", "not_voting", "entitled", "members")
    ]
    assert list(written["verdict"]) == [
        *("rule", "status", "required", "margin", "to_clinch", "flips", "because")
    ]


def test_what_is_rare_is_left_out_unless_there_is_something_to_say() -> None:
    written = json.loads(encode_tally(example()))
    assert "held" not in written
    assert "confirmed" not in written
    assert "retracted" not in written["verdict"]
    held = replace(example(), held=Held(184, "unknown event type"))
    retracted = replace(
        example(),
        verdict=replace(
            example().verdict, retracted=Retracted("clinched", 183, "vote.changed FRA")
        ),
    )
    confirmed = replace(example(), confirmed=True)
    assert json.loads(encode_tally(confirmed)) == {**written, "confirmed": True}
    assert json.loads(encode_tally(held))["held"] == {
        "seq": 184,
        "reason": "unknown event type",
    }
    assert json.loads(encode_tally(retracted))["verdict"]["retracted"] == {
        "was": "clinched",
        "seq": 183,
        "cause": "vote.changed FRA",
    }


def test_what_is_out_of_reach_is_null_and_not_left_out() -> None:
    verdict = json.loads(encode_tally(tally.tally(projected(SCHEDULED), EPOCH)))
    assert verdict["verdict"]["flips"] is None
    none = closed(*opened("unanimous"), *votes(no="FJI"))
    verdict = json.loads(encode_tally(tally.tally(projected(none), EPOCH)))
    assert verdict["verdict"]["to_clinch"] is None


@pytest.mark.parametrize(
    "value",
    [
        example(),
        replace(example(), held=Held(184, "a gap"), symbol=None),
        replace(example(), confirmed=True),
        tally.tally(projected(opened(Fraction("5/8", "members", strict=True))), EPOCH),
    ],
)
def test_a_tally_survives_its_json(value: Tally) -> None:
    assert decode_tally(encode_tally(value)) == value


def test_what_is_no_tally_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_tally(b'{"type":"event"}')


def test_a_tally_says_where_in_the_log_it_holds() -> None:
    projection = None
    for entry in recorded(OPENED, first_seq=40, source="/chambers/ga/rehearsal"):
        projection = tally.absorb(projection, entry)
    assert projection is not None
    now = tally.tally(projection, EPOCH)
    assert (now.chamber, now.roll_call) == ("ga", "es-11-1")
    assert (now.epoch, now.seq, now.version, now.at) == (EPOCH, 41, 2, AT)


def test_a_rehearsal_says_so() -> None:
    assert tally.tally(projected([scheduled(rehearsal=True)]), EPOCH).rehearsal


# ---- the real roll calls, absent delegations outstanding until the lock


def settled_at(name: str, rule: Rule) -> tuple[int, str, Status, Counts] | None:
    """The row at which the verdict first is settled, and how it stands there."""
    rows = recorded_roll_call(name)
    events = iter(recorded(played(name, rule)))
    projection = tally.absorb(None, next(events))
    projection = tally.absorb(projection, next(events))
    for row in rows:
        if row.vote is not None:
            projection = tally.absorb(projection, next(events))
        if projection.status in tally.SETTLED:
            counts = projection.roll_call.counts
            return row.number, row.code, projection.status, counts
    return None


def played(name: str, rule: Rule) -> tuple[Event, ...]:
    """A real roll call in file order; absent delegations are not sent."""
    return (
        *opened(rule, general_assembly().codes),
        *(
            VoteRecorded(row.code, row.vote)
            for row in recorded_roll_call(name)
            if row.vote is not None
        ),
    )


@pytest.mark.parametrize(
    ("name", "rule", "row", "code", "figures"),
    [
        ("es-11-1", "simple", 120, "NRU", (86, 3, 23)),
        ("es-11-1", "two_thirds", 149, "SMR", (112, 4, 25)),
        ("es-11-1", "two_thirds_of_members", 174, "TON", (129, 5, 31)),
        ("es-11-3", "simple", 149, "SMR", (77, 19, 41)),
        ("es-11-3", "two_thirds", 185, "USA", (92, 21, 56)),
    ],
)
def test_a_real_roll_call_is_clinched_at_the_published_row(
    name: str, rule: Rule, row: int, code: str, figures: tuple[int, int, int]
) -> None:
    settled = settled_at(name, rule)
    assert settled is not None
    assert settled[:3] == (row, code, "clinched")
    counts = settled[3]
    assert (counts.yes, counts.no, counts.abstain) == figures


def test_es_11_3_fails_an_absolute_majority_only_at_the_lock() -> None:
    assert settled_at("es-11-3", "absolute") is None
    history = played("es-11-3", "absolute")
    assert status_after(*history) == "failing"
    assert verdict_of(*history).to_clinch == 97 - 93
    assert status_after(*history, RollCallLocked()) == "unreachable"
    assert verdict_of(*history, RollCallLocked()).because == "93 < 97"
    assert status_after(*closed(*history)) == "rejected"


def test_a_clinched_real_roll_call_stays_clinched_to_the_end() -> None:
    statuses: list[Status] = []
    projection = None
    for entry in recorded(closed(*played("es-11-1", "two_thirds"))):
        projection = tally.absorb(projection, entry)
        statuses.append(projection.status)
        assert projection.retracted is None
    first = statuses.index("clinched")
    assert set(statuses[first:-1]) == {"clinched"}
    assert statuses[-1] == "adopted"


@pytest.mark.parametrize(
    ("name", "counts", "rule", "flips"),
    [
        ("es-11-1", Counts(141, 5, 35, 12, 193, 193), "simple", 68),
        ("es-11-1", Counts(141, 5, 35, 12, 193, 193), "two_thirds", 44),
        ("es-11-1", Counts(141, 5, 35, 12, 193, 193), "two_thirds_of_members", 13),
        ("es-11-3", Counts(93, 24, 58, 18, 193, 193), "simple", 35),
        ("es-11-3", Counts(93, 24, 58, 18, 193, 193), "two_thirds", 16),
    ],
)
def test_the_real_roll_calls_end_as_announced(
    name: str, counts: Counts, rule: Rule, flips: int
) -> None:
    now = tally.tally(projected(closed(*played(name, rule))), EPOCH)
    assert now.counts == counts
    assert (now.phase, now.verdict.status) == (Phase.CLOSED, "adopted")
    assert now.verdict.flips == flips


# ---- the status


@pytest.mark.parametrize(
    ("rule", "cast", "status"),
    [
        ("simple", (), "pending"),
        ("simple", votes(abstain="FJI FRA"), "pending"),
        ("simple", votes(yes="FJI"), "passing"),
        ("simple", votes(no="FJI"), "failing"),
        ("simple", votes(yes="FJI", no="FRA"), "tied"),
        ("simple", votes(yes="FJI FRA NOR PER"), "clinched"),
        ("simple", votes(no="FJI FRA NOR"), "unreachable"),
        ("simple", votes(yes="FJI", no="FRA", abstain="NOR PER RUS"), "tied"),
        ("two_thirds", votes(yes="FJI", no="FRA"), "failing"),
        ("two_thirds", votes(yes="FJI FRA", no="NOR"), "passing"),
        ("two_thirds", votes(yes="FJI FRA NOR PER"), "clinched"),
        ("unanimous", votes(yes="FJI", no="FRA"), "unreachable"),
        ("absolute", votes(yes="FJI FRA NOR"), "failing"),
        ("absolute", votes(yes="FJI FRA NOR PER"), "clinched"),
        ("absolute", votes(abstain="FJI FRA NOR"), "unreachable"),
    ],
)
def test_the_status_of_an_open_vote(
    rule: Rule, cast: tuple[Event, ...], status: Status
) -> None:
    assert status_after(*opened(rule), *cast) == status


@pytest.mark.parametrize(
    ("cast", "locked", "at_the_end"),
    [
        (votes(yes="FJI"), "clinched", "adopted"),
        (votes(no="FJI"), "unreachable", "rejected"),
        (votes(yes="FJI", no="FRA"), "unreachable", "tied"),
        (votes(abstain="FJI"), "unreachable", "rejected"),
        ((), "unreachable", "rejected"),
    ],
)
def test_the_status_at_the_lock_and_after_closing(
    cast: tuple[Event, ...], locked: Status, at_the_end: Status
) -> None:
    assert status_after(*OPENED, *cast, RollCallLocked()) == locked
    assert status_after(*closed(*OPENED, *cast)) == at_the_end


def test_a_scheduled_roll_call_is_pending() -> None:
    assert status_after(*SCHEDULED) == "pending"


def test_an_annulled_roll_call_is_annulled_whatever_its_votes() -> None:
    annulled = (*OPENED, *votes(yes="FJI FRA NOR PER"), RollCallAnnulled())
    assert status_after(*annulled) == "annulled"


def test_the_contracts_figures_of_es_11_1_while_it_is_open() -> None:
    assert verdict_of(*result(141, 5, 35, "two_thirds")) == Verdict(
        rule="two_thirds",
        status="clinched",
        required=98,
        margin=43,
        to_clinch=0,
        flips=44,
        because="141 >= 2 x (5 + 12)",
    )


def test_the_figures_of_a_vote_not_yet_settled() -> None:
    assert verdict_of(*result(60, 10, 30, "two_thirds")) == Verdict(
        rule="two_thirds",
        status="passing",
        required=47,  # 3 x 47 >= 2 x 70
        margin=13,
        to_clinch=49,
        flips=14,
        because="60 >= 2 x 10",
    )


def test_the_figures_of_a_failing_majority_of_the_members() -> None:
    assert verdict_of(*result(93, 24, 58, "absolute")) == Verdict(
        rule="absolute",
        status="failing",
        required=97,
        margin=-4,
        to_clinch=4,
        flips=4,
        because="93 < 97",
    )


def test_an_intention_changes_nothing_but_the_place_in_the_log() -> None:
    history = closed(*OPENED, *votes(yes="FJI"))
    before = tally.tally(projected(history), EPOCH)
    after = tally.tally(
        projected((*history, IntentionRecorded("FRA", Vote.NO, None))), EPOCH
    )
    assert after == replace(before, seq=before.seq + 1, version=before.version + 1)


# ---- a settled verdict that is undone


CLINCHED = (*OPENED, *votes(yes="FJI FRA NOR PER"))  # 4 of 6, seq 6
UNREACHABLE = (*OPENED, *votes(no="FJI FRA NOR"))  # seq 5
FRANCE_TURNS = VoteChanged("FRA", Vote.NO, previous=Vote.YES)


@pytest.mark.parametrize(
    ("history", "event", "was", "cause", "now"),
    [
        (CLINCHED, FRANCE_TURNS, "clinched", "vote.changed FRA", "passing"),
        (
            CLINCHED,
            VoteWithdrawn("PER", previous=Vote.YES),
            "clinched",
            "vote.withdrawn PER",
            "passing",
        ),
        (
            UNREACHABLE,
            VoteChanged("NOR", Vote.ABSTAIN, previous=Vote.NO),
            "unreachable",
            "vote.changed NOR",
            "failing",
        ),
        (
            CLINCHED,
            RuleChanged("unanimous", previous="simple"),
            "clinched",
            "roll_call.rule_changed unanimous",
            "passing",
        ),
        (
            CLINCHED,
            RuleChanged(Fraction("5/6", "members"), previous="simple"),
            "clinched",
            "roll_call.rule_changed",
            "failing",
        ),
        (
            (*OPENED, *votes(yes="FJI", no="FRA"), RollCallLocked()),
            RollCallUnlocked(),
            "unreachable",
            "roll_call.unlocked",
            "tied",
        ),
        (
            (*OPENED, *votes(yes="FJI"), RollCallLocked()),
            RollCallUnlocked(),
            "clinched",
            "roll_call.unlocked",
            "passing",
        ),
        (
            (*OPENED, *votes(yes="FJI", no="FRA"), RollCallLocked()),
            RuleChanged(Fraction("1/2", "present_and_voting"), previous="simple"),
            "unreachable",
            "roll_call.rule_changed",
            "clinched",
        ),
        (
            (*OPENED, *votes(yes="FJI FRA", no="NOR PER RUS ZMB")),
            VoteChanged("ZMB", Vote.YES, previous=Vote.NO),
            "unreachable",
            "vote.changed ZMB",
            None,  # a tie with nobody outstanding: still out of reach
        ),
        (
            (*opened("absolute"), *votes(abstain="FJI FRA NOR")),
            VoteRecorded("PER", Vote.YES),
            "unreachable",
            "vote.recorded PER",
            None,
        ),
    ],
)
def test_a_settled_verdict_undone_is_published_in_that_update(
    history: tuple[Event, ...],
    event: Event,
    was: Status,
    cause: str,
    now: Status | None,
) -> None:
    before = verdict_of(*history)
    assert (before.status, before.retracted) == (was, None)
    after = verdict_of(*history, event)
    if now is None:
        assert (after.status, after.retracted) == (was, None)
        return
    assert after.status == now
    assert after.retracted == Retracted(was, seq=len(history) + 1, cause=cause)


def test_the_update_after_a_retraction_no_longer_carries_it() -> None:
    undone = (*CLINCHED, FRANCE_TURNS)
    assert verdict_of(*undone).retracted == Retracted("clinched", 7, "vote.changed FRA")
    assert verdict_of(*undone, *votes(no="RUS")).retracted is None


def test_undone_and_settled_again_both_show() -> None:
    back = VoteChanged("FRA", Vote.YES, previous=Vote.NO)
    undone = (*CLINCHED, FRANCE_TURNS)
    again = verdict_of(*undone, back)
    assert (again.status, again.retracted) == ("clinched", None)
    twice = verdict_of(*undone, back, VoteWithdrawn("FJI", previous=Vote.YES))
    assert twice.retracted == Retracted("clinched", 9, "vote.withdrawn FJI")


def test_retracted_carries_the_logs_seq_not_the_roll_calls_version() -> None:
    projection = None
    for entry in recorded((*CLINCHED, FRANCE_TURNS), first_seq=100):
        projection = tally.absorb(projection, entry)
    assert projection is not None
    assert projection.retracted == Retracted("clinched", 106, "vote.changed FRA")
    assert projection.version == 7


@pytest.mark.parametrize(
    "history",
    [
        (*CLINCHED, RollCallLocked()),
        (*CLINCHED, RollCallAnnulled()),
        closed(*CLINCHED),
        closed(*OPENED, *votes(yes="FJI", no="FRA")),  # unreachable, then tied
    ],
)
def test_the_end_of_a_roll_call_retracts_nothing(history: tuple[Event, ...]) -> None:
    assert verdict_of(*history).retracted is None


# ---- the place in the log


def test_an_event_delivered_twice_is_detected_and_changes_nothing() -> None:
    entries = list(recorded((*OPENED, *votes(yes="FJI", no="FRA"))))
    projection = tally.absorb(None, entries[0])
    for entry in entries[1:]:
        projection = tally.absorb(projection, entry)
        before = deepcopy(projection)
        with pytest.raises(CorruptHistory, match="version"):
            tally.absorb(projection, entry)
        assert projection == before


def test_a_missing_event_is_detected_and_changes_nothing() -> None:
    first, second, _, fourth = recorded((*OPENED, *votes(yes="FJI", no="FRA")))
    projection = tally.absorb(tally.absorb(None, first), second)
    before = deepcopy(projection)
    with pytest.raises(CorruptHistory, match="version 4 after version 2"):
        tally.absorb(projection, fourth)
    assert projection == before


def test_a_roll_call_without_its_beginning_is_detected() -> None:
    _, second = recorded(OPENED)
    with pytest.raises(CorruptHistory, match="version 2 without its beginning"):
        tally.absorb(None, second)


def test_a_roll_call_begins_with_being_scheduled() -> None:
    (opening,) = recorded([RollCallOpened()])
    with pytest.raises(CorruptHistory, match="out of place"):
        tally.absorb(None, opening)


def test_an_event_that_contradicts_the_history_leaves_the_projection_as_it_was() -> (
    None
):
    projection: Projection = projected((*CLINCHED, FRANCE_TURNS))
    before = deepcopy(projection)
    *_, bad = recorded((*CLINCHED, FRANCE_TURNS, VoteRecorded("FJI", Vote.NO)))
    with pytest.raises(CorruptHistory):
        tally.absorb(projection, bad)
    assert projection == before
