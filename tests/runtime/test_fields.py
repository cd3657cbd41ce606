"""The hash of a roll call says what its events say, and guards what decisions rest on.

A decision is as good as the fields it guards: any event that would have changed it must
change one of them.
"""

from collections.abc import Mapping

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from tellers_core.errors import Refused
from tellers_core.events import (
    Event,
    IntentionRecorded,
    RollCallAnnulled,
    RollCallUnlocked,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.majority import Fraction
from tellers_core.roll_call import (
    Annul,
    CastVote,
    CastVotes,
    Close,
    Command,
    Lock,
    Open,
    RecordIntention,
    RollCall,
    Schedule,
    SwitchRule,
    Unlock,
    WithdrawVote,
    decide,
    evolve,
    replay,
)
from tellers_runtime.fields import Loaded, changes, guards, load
from tests.scenario import LOCKED, OPENED, SCHEDULED, SIX, closed, scheduled, votes

HISTORIES: dict[str, tuple[Event, ...]] = {
    "scheduled": SCHEDULED,
    "open": OPENED,
    "voting": (
        *OPENED,
        *votes(yes="FJI FRA", no="NOR", abstain="PER"),
        VoteChanged("FRA", Vote.NO, Vote.YES),
        VoteWithdrawn("FJI", Vote.YES),
    ),
    "locked": LOCKED,
    "unlocked": (*LOCKED, RollCallUnlocked()),
    "closed": closed(*OPENED, *votes(yes="FJI")),
    "intentions": (
        *closed(*OPENED, *votes(yes="FJI")),
        IntentionRecorded("FRA", Vote.NO, 'the "button"'),
        IntentionRecorded("FRA", Vote.YES, None),
    ),
    "annulled": (*OPENED, *votes(yes="FJI"), RollCallAnnulled()),
    "another rule": (
        *OPENED,
        RuleChanged(Fraction("3/7", "members", strict=True), "simple"),
    ),
}
COMMANDS: tuple[Command, ...] = (
    Schedule(scheduled()),
    Open(),
    Lock(),
    Unlock(),
    Close(),
    Annul(),
    SwitchRule("unanimous"),
    SwitchRule(Fraction("2/3", "members")),
    *(CastVote(code, vote) for code in SIX[:3] for vote in Vote),
    *(WithdrawVote(code) for code in SIX[:3]),
    CastVotes((CastVote("FJI", Vote.NO), CastVote("FRA", Vote.NO)), (1, 2)),
    *(RecordIntention(code, Vote.YES, "n") for code in SIX[:2]),
)


def folded(events: tuple[Event, ...]) -> dict[str, str]:
    """The fields as the script changes them, one event at a time."""
    fields: dict[str, str] = {}
    for event in events:
        for name, value in changes(event).items():
            if value:
                fields[name] = value
            else:
                fields.pop(name, None)
    return fields


def hashed(events: tuple[Event, ...]) -> dict[bytes, bytes]:
    """The hash as Redis has it after these events."""
    fields = folded(events) | {
        "version": str(len(events)),
        "seq": str(len(events) + 10),
    }
    return {name.encode(): value.encode() for name, value in fields.items()}


def answered(state: RollCall | None, command: Command) -> object:
    try:
        return decide(state, command)
    except Refused as refusal:
        return refusal.code, refusal.detail


@pytest.mark.parametrize("name", HISTORIES)
def test_the_hash_decides_as_the_events_do(name: str) -> None:
    events = HISTORIES[name]
    state = replay(events)
    loaded = load(hashed(events))
    assert loaded is not None
    assert (loaded.version, loaded.seq) == (len(events), len(events) + 10)
    found = loaded.roll_call
    found.outcome = state.outcome  # not needed to decide, hence not kept
    assert found == state
    for command in COMMANDS:
        assert answered(found, command) == answered(state, command)


def test_there_is_no_roll_call_in_an_empty_hash() -> None:
    assert load({}) is None
    assert guards(None, Schedule(scheduled())) == {"version": ""}


def test_a_withdrawn_vote_leaves_no_field() -> None:
    assert changes(VoteWithdrawn("FJI", Vote.YES)) == {"v:FJI": ""}
    assert "v:FJI" not in folded(HISTORIES["voting"])


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_guards_hold_where_the_decision_was_made(name: str, command: Command) -> None:
    events = HISTORIES[name]
    seen = load(hashed(events))
    assert holds(guards(seen, command), hashed(events))


def holds(guarded: Mapping[str, str], fields: dict[bytes, bytes]) -> bool:
    return all(
        fields.get(name.encode(), b"").decode() == value
        for name, value in guarded.items()
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[Event, ...]:
    """Events as commands made them."""
    events: tuple[Event, ...] = SCHEDULED
    state = replay(events)
    for command in draw(st.lists(st.sampled_from(COMMANDS), max_size=25)):
        try:
            news = decide(state, command)
        except Refused:
            continue
        events += news
        for event in news:
            state = evolve(state, event)
    return events


@for_all(histories(), st.data())
def test_while_the_guards_hold_the_decision_stands(
    events: tuple[Event, ...], data: st.DataObject
) -> None:
    """Decided on an older state, appended to a newer one: the same events, and they
    are possible there, and the answer shows the right phase and rule."""
    cut = data.draw(st.integers(1, len(events)))
    command = data.draw(st.sampled_from(COMMANDS))
    old, new = load(hashed(events[:cut])), load(hashed(events))
    assert old is not None
    assert new is not None
    try:
        decision = decide(old.roll_call, command)
    except Refused:
        return  # nothing is appended
    if not holds(guards(old, command), hashed(events)):
        return
    assert decide(new.roll_call, command) == decision
    assert (old.roll_call.phase, old.roll_call.rule) == (
        new.roll_call.phase,
        new.roll_call.rule,
    )


def test_two_delegations_never_conflict() -> None:
    seen = load(hashed(OPENED))
    assert seen is not None
    first = guards(seen, CastVote("FJI", Vote.YES))
    touched = changes(VoteRecorded("FRA", Vote.YES)).keys() | {"version", "seq"}
    assert first.keys().isdisjoint(touched)


def test_closing_rests_on_everything() -> None:
    seen = load(hashed(LOCKED))
    assert guards(seen, Close())["version"] == str(len(LOCKED))


@for_all(histories())
def test_the_hash_holds_the_roll_as_it_was_scheduled(events: tuple[Event, ...]) -> None:
    loaded = load(hashed(events))
    assert isinstance(loaded, Loaded)
    assert loaded.roll_call.roll == events[0]
