"""What a certificate says follows from the events, for any closed roll call."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tellers_core.certificate import (
    Extensions,
    OutOfPlace,
    certify,
    encode,
    extensions,
    until_closed,
)
from tellers_core.codec import LogName, decode, public_event
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Event,
    Figures,
    IntentionRecorded,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.merkle import leaf_hash, root_from
from tellers_core.notes import BadNote, Checkpoint, from_base64
from tellers_core.roll_call import replay
from tests.certificates import (
    Log,
    as_json,
    busy_log,
    es_11_1,
    make_certificate,
)
from tests.scenario import EPOCH, closed, opened, scheduled, votes
from tests.strategies import histories

RESULT = closed(*opened(), *votes(yes="FJI PER ZMB", no="RUS", abstain="FRA"))


def certificate_of(*events: Event) -> dict[str, Any]:
    return as_json(Log().write(*events).certificate())


def refused(log: Log, entries: list[bytes]) -> OutOfPlace:
    with pytest.raises(OutOfPlace) as error:
        certify(entries, EPOCH, [], log.seal())
    return error.value


def test_the_result_of_a_small_roll_call() -> None:
    found = certificate_of(*RESULT)
    assert found["chamber"] == "ga"
    assert found["roll_call"] == "es-11-1"
    assert found["epoch"] == EPOCH
    assert found["votes"] == [
        {"delegation": "FJI", "vote": "yes", "seq": 3},
        {"delegation": "FRA", "vote": "abstain", "seq": 7},
        {"delegation": "PER", "vote": "yes", "seq": 4},
        {"delegation": "RUS", "vote": "no", "seq": 6},
        {"delegation": "ZMB", "vote": "yes", "seq": 5},
    ]
    assert found["not_voting"] == ["NOR"]
    counts = {
        "yes": 3,
        "no": 1,
        "abstain": 1,
        "not_voting": 1,
        "entitled": 6,
        "members": 6,
    }
    assert found["tally"]["counts"] == counts
    assert found["tally"]["verdict"]["status"] == "adopted"
    assert found["result"] == {
        "outcome": "adopted",
        "counts": counts,
        "announced": None,
        "seq": 9,
        "at": "2026-11-23T17:02:41.002Z",
    }


def test_es_11_1_as_it_was_voted() -> None:
    found = make_certificate()
    counts = found["tally"]["counts"]
    assert (counts["yes"], counts["no"], counts["abstain"]) == (141, 5, 35)
    assert counts["not_voting"] == len(found["not_voting"]) == 12
    assert len(found["votes"]) == 181
    assert found["result"]["outcome"] == "adopted"


def test_members_stand_in_the_order_of_the_format() -> None:
    assert list(make_certificate()) == [
        "type",
        "chamber",
        "roll_call",
        "epoch",
        "tally",
        "votes",
        "not_voting",
        "result",
        "events",
        "leaves",
        "proof",
        "checkpoint",
        "key",
        "witnesses",
    ]


def test_events_are_as_published_and_leaves_are_of_the_log() -> None:
    log = busy_log(RESULT)
    found = as_json(log.certificate())
    entries = log.of()
    assert found["events"] == [
        json.loads(public_event(entry, EPOCH)) for entry in entries
    ]
    assert [from_base64(leaf) for leaf in found["leaves"]] == [
        leaf_hash(entry) for entry in entries
    ]


def test_leaves_and_proof_give_the_root_of_the_checkpoint() -> None:
    log = busy_log()
    found = as_json(log.certificate())
    places = [decode(entry).seq - 1 for entry in log.of()]
    leaves = dict(zip(places, map(from_base64, found["leaves"]), strict=True))
    proof = [from_base64(text) for text in found["proof"]]
    assert root_from(len(log.entries), leaves, proof) == log.checkpoint().root


def test_an_answer_that_was_taken_back_is_no_vote() -> None:
    found = certificate_of(
        *closed(
            *opened(),
            VoteRecorded("FJI", Vote.YES),
            VoteRecorded("FRA", Vote.NO),
            VoteWithdrawn("FJI", Vote.YES),
            VoteChanged("FRA", Vote.YES, Vote.NO),
        )
    )
    assert found["votes"] == [{"delegation": "FRA", "vote": "yes", "seq": 6}]
    assert "FJI" in found["not_voting"]


def test_who_is_barred_is_neither_voting_nor_not_voting() -> None:
    roll = scheduled(barred={"ZMB": "Charter Article 19"})
    found = certificate_of(*closed(roll, RollCallOpened(), *votes(yes="FJI")))
    assert found["not_voting"] == ["FRA", "NOR", "PER", "RUS"]


def test_what_was_announced_is_in_the_result() -> None:
    state = replay((*opened(), *votes(yes="FJI"), RollCallLocked()))
    *before, end = closed(*opened(), *votes(yes="FJI"))
    assert isinstance(end, RollCallClosed)
    said = RollCallClosed(state.counts, end.outcome, Figures(1, 0, 0))
    found = certificate_of(*before, said)
    assert found["result"]["announced"] == {"yes": 1, "no": 0, "abstain": 0}


def test_intentions_after_the_closing_are_not_in_it() -> None:
    later = IntentionRecorded("NOR", Vote.YES, None)
    with_them = Log().write(*RESULT, later)
    entries = until_closed(with_them.of())
    assert len(with_them.of()) == len(entries) + 1
    found = as_json(with_them.certificate())
    assert len(found["events"]) == len(RESULT)
    assert found["not_voting"] == ["NOR"]


def test_what_is_not_closed_has_no_certificate() -> None:
    log = Log().write(*opened())
    with pytest.raises(CorruptHistory, match="not closed"):
        until_closed(log.of())
    assert "not closed" in str(refused(log, log.of()))
    assert "not closed" in str(refused(log, []))


@given(histories(), st.booleans())
def test_every_closed_history_has_its_certificate(
    history: tuple[Event, ...], made_up: bool
) -> None:
    assume(any(isinstance(event, RollCallClosed) for event in history))
    log = busy_log(history, made_up=made_up)
    found = as_json(log.certificate())
    state = replay(decode(entry).event for entry in until_closed(log.of()))
    assert {line["delegation"]: line["vote"] for line in found["votes"]} == state.votes
    assert found["not_voting"] == [
        code for code in state.roll.entitled if code not in state.votes
    ]
    assert found["tally"]["counts"] == found["result"]["counts"]
    assert found["tally"]["seq"] == found["result"]["seq"]
    for line in found["votes"]:
        said = decode(log.entries[line["seq"] - 1]).event
        assert (getattr(said, "delegation"), getattr(said, "vote")) == (  # noqa: B009
            line["delegation"],
            line["vote"],
        )
    assert encode(log.certificate()) == encode(log.certificate())


# ---- entries that are no roll call


def test_an_event_that_is_missing_is_named_by_the_one_after_it() -> None:
    log = Log().write(*RESULT)
    entries = log.of()
    del entries[4]
    error = refused(log, entries)
    assert error.index == 4
    assert str(error) == "version 6 after version 4"


def test_an_event_of_another_roll_call_is_named() -> None:
    log = Log().write(*RESULT).write(*RESULT, roll_call="es-11-3")
    error = refused(log, [*log.of()[:3], *log.of("es-11-3")[3:]])
    assert (error.index, str(error)) == (3, "it is of roll call es-11-3")


def test_an_event_of_another_log_is_named() -> None:
    log, other = Log().write(*RESULT), Log(LogName("sc")).write(*RESULT)
    error = refused(log, [*log.of()[:3], *other.of()[3:]])
    assert (error.index, str(error)) == (3, "it is of the log /chambers/sc")


def test_an_event_after_the_closing_is_named() -> None:
    log = Log().write(*RESULT, IntentionRecorded("NOR", Vote.YES, None))
    error = refused(log, log.of())
    assert (error.index, str(error)) == (len(RESULT), "it comes after the closing")


def test_the_log_goes_forward() -> None:
    log = Log().write(*RESULT[:2], roll_call="other").write(*RESULT)
    early = Log().write(*RESULT)
    error = refused(log, [*log.of()[:1], *early.of()[1:]])
    assert (error.index, str(error)) == (1, "event 2 comes before event 3")


def test_an_entry_that_is_published_as_another_is_named() -> None:
    log = Log().write(*RESULT)
    *entries, end = log.of()
    end = end.replace(b'"datacontenttype":"application/json",', b"")
    error = refused(log, [*entries, end])
    assert error.index == len(entries)
    assert "not published as it stands" in str(error)


@pytest.mark.parametrize(
    ("roll", "says"),
    [
        (scheduled(members=("FJI", "FRA", "FJI")), "stands twice"),
        (scheduled(entitled=("FJI", "FJI")), "stands twice"),
        (scheduled(entitled=("FJI", "PSE")), "who is no member"),
        (scheduled(rehearsal=True), "logs of their own"),
    ],
)
def test_a_roll_that_cannot_be(roll: Event, says: str) -> None:
    log = Log().write(*closed(roll, RollCallOpened()))
    assert says in str(refused(log, log.of()))


def test_a_rehearsal_is_certified_in_its_own_log() -> None:
    name = LogName("ga", rehearsal=True)
    log = Log(name).write(*closed(scheduled(rehearsal=True), RollCallOpened()))
    assert as_json(log.certificate())["tally"]["rehearsal"] is True


# ---- the extension lines


@pytest.mark.parametrize("made_up", [True, False])
def test_extension_lines_are_read_back(made_up: bool) -> None:
    said = Extensions("k3v9", made_up)
    assert extensions(Checkpoint("o", 1, bytes(32), said.lines())) == said


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("epoch ",),
        ("epoch",),
        ("Epoch k3v9",),
        ("key made up on first start",),
        ("key made up on first start", "epoch k3v9"),
        ("epoch k3v9", "key made up on first start", "epoch k3v9"),
        ("epoch k3v9", "key made up"),
    ],
)
def test_other_extension_lines_are_not_ours(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadNote, match="extension lines"):
        extensions(Checkpoint("o", 1, bytes(32), lines))


def test_the_same_tree_under_another_epoch() -> None:
    """A log restored from the archive has another epoch, and the same leaves."""
    before, after = Log(epoch="k3v9").write(*es_11_1()), Log(epoch="x2y4")
    after.entries = before.entries
    assert before.checkpoint().root == after.checkpoint().root
    old, new = as_json(before.certificate()), as_json(after.certificate())
    assert old["leaves"] == new["leaves"]
    assert old["events"] != new["events"]
