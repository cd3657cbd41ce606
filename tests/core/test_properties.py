"""Laws that hold for every history, and the core against a model in a dictionary."""

from collections import Counter
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tellers_core import tally
from tellers_core.codec import LogName, decode, encode, public_event
from tellers_core.errors import CorruptHistory, Refused
from tellers_core.events import Event, Figures, RollCallLocked, Vote, VoteRecorded
from tellers_core.roll_call import (
    Annul,
    CastVote,
    CastVotes,
    Close,
    Command,
    Lock,
    Open,
    Phase,
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
from tellers_core.tally import SETTLED, Projection
from tests import strategies
from tests.scenario import (
    AT,
    EPOCH,
    SIX,
    closed,
    opened,
    projected,
    recorded,
)
from tests.strategies import BARRED, ROLL

cuts = st.integers(1, 200)


# ---- snapshots, redelivery, order


@for_all(history=strategies.histories(), cut=cuts)
def test_a_snapshot_plus_the_tail_is_the_whole_history(
    history: tuple[Event, ...], cut: int
) -> None:
    head, tail = history[:cut], history[cut:]
    assert replay(tail, onto=replay(head)) == replay(history)


@for_all(history=strategies.histories(), cut=cuts)
def test_a_snapshot_saved_and_loaded_goes_on_as_if_never_saved(
    history: tuple[Event, ...], cut: int
) -> None:
    saved = msgspec.json.encode(projected(history[:cut]))
    projection = msgspec.json.decode(saved, type=Projection)
    for entry in list(recorded(history))[cut:]:
        projection = tally.absorb(projection, entry)
    assert projection == projected(history)
    assert tally.encode_tally(tally.tally(projection, EPOCH)) == tally.encode_tally(
        tally.tally(projected(history), EPOCH)
    )


@for_all(history=strategies.histories(), cut=cuts, back=st.integers(0, 9))
def test_any_event_delivered_again_is_detected_and_changes_nothing(
    history: tuple[Event, ...], cut: int, back: int
) -> None:
    projection = projected(history[:cut])
    before = deepcopy(projection)
    seen = list(recorded(history))[:cut]
    with pytest.raises(CorruptHistory):
        tally.absorb(projection, seen[-1 - back % len(seen)])
    assert projection == before


@for_all(
    answers=st.dictionaries(st.sampled_from(SIX), strategies.votes), data=st.data()
)
def test_the_order_within_the_call_does_not_change_the_result(
    answers: dict[str, Vote], data: st.DataObject
) -> None:
    cast = [VoteRecorded(code, vote) for code, vote in answers.items()]
    shuffled = data.draw(st.permutations(cast))
    rule = data.draw(strategies.rules)
    one = projected((*opened(rule), *cast))
    other = projected((*opened(rule), *shuffled))
    assert one == other
    assert projected(closed(*opened(rule), *cast)) == projected(
        closed(*opened(rule), *shuffled)
    )


@for_all(history=strategies.histories())
def test_a_subscriber_who_reads_the_published_events_gets_the_same_tally(
    history: tuple[Event, ...],
) -> None:
    mirror = None
    for seq, event in enumerate(history, 1):
        entry = encode(LogName("ga"), "es-11-1", event, AT).filled("es-11-1", seq, seq)
        mirror = tally.absorb(mirror, decode(public_event(entry, EPOCH)))
    assert mirror == projected(history)


# ---- what is true of every tally


@for_all(history=strategies.histories())
def test_every_entitled_delegation_is_counted_exactly_once(
    history: tuple[Event, ...],
) -> None:
    state = replay(history)
    counts = state.counts
    total = counts.yes + counts.no + counts.abstain + counts.not_voting
    assert total == counts.entitled == len(SIX) - 1
    assert counts.members == len(SIX)
    assert min(counts.yes, counts.no, counts.abstain, counts.not_voting) >= 0
    assert Counter(state.votes.values()) == Counter(
        {Vote.YES: counts.yes, Vote.NO: counts.no, Vote.ABSTAIN: counts.abstain}
    )
    assert set(state.votes) <= state.entitled


@for_all(history=strategies.histories())
def test_the_status_obeys_its_laws_after_every_event(
    history: tuple[Event, ...],
) -> None:
    projection, was = None, "pending"
    for entry in recorded(history):
        projection = tally.absorb(projection, entry)
        state, now = projection.roll_call, tally.tally(projection, EPOCH)
        verdict, standing = now.verdict, state.standing
        assert projection.status == tally.status_of(state)
        assert verdict.margin == now.counts.yes - verdict.required
        if state.phase is Phase.LOCKED:
            assert verdict.status in SETTLED
            assert standing.outstanding == 0
        if state.phase is Phase.CLOSED:
            assert verdict.status in {"adopted", "rejected", "tied"}
        if state.phase is Phase.ANNULLED:
            assert verdict.status == "annulled"
        if verdict.status in {"clinched", "adopted"}:
            assert verdict.to_clinch == 0
        if verdict.status in {"unreachable", "rejected", "tied"}:
            assert verdict.to_clinch != 0
        # No settled verdict disappears unseen, and nothing else is called retracted.
        undone = (
            was in SETTLED
            and verdict.status != was
            and state.phase not in {Phase.CLOSED, Phase.ANNULLED}
        )
        assert (verdict.retracted is not None) == undone
        was = verdict.status


@for_all(history=strategies.histories())
def test_the_lock_settles_whatever_is_open(history: tuple[Event, ...]) -> None:
    state = replay(history)
    if state.phase is not Phase.OPEN:
        return
    before = tally.status_of(state)
    after = tally.status_of(evolve(state, RollCallLocked()))
    assert after in SETTLED
    assert before not in SETTLED or before == after


# ---- the core against forty lines of dictionary


class Model(dict[str, Any]):
    """What a clerk with a sheet of paper would keep: no classes, no events."""

    RUNNING = ("scheduled", "open", "locked")
    STEPS = {  # noqa: RUF012 - a constant
        Open: ("scheduled", "open"),
        Lock: ("open", "locked"),
        Unlock: ("locked", "open"),
        Close: ("locked", "closed"),
    }

    def step(self, command: Command) -> str | None:
        """Do as told, or the code of the refusal."""
        kind, phase = type(command), self.get("phase")
        if isinstance(command, Schedule):
            return "already_exists"
        if isinstance(command, CastVote | WithdrawVote | CastVotes):
            if phase != "open":
                return "not_open"
            return self.answer(command)
        if isinstance(command, RecordIntention):
            if phase != "closed":
                return "not_closed"
            if code := self.may_not(command.delegation):
                return code
            self["intentions"][command.delegation] = (command.vote, command.note)
            return None
        if phase == "closed":
            return "already_closed"
        if phase not in (
            (self.STEPS[kind][0],) if kind in self.STEPS else self.RUNNING
        ):
            return "wrong_phase"
        announced = command.announced if isinstance(command, Close) else None
        if announced not in {None, Figures(*self.figures())}:
            return "announced_mismatch"
        if isinstance(command, SwitchRule):
            self["rule"] = command.rule
        else:
            self["phase"] = self.STEPS[kind][1] if kind in self.STEPS else "annulled"
        return None

    def answer(self, command: CastVote | WithdrawVote | CastVotes) -> str | None:
        if isinstance(command, CastVotes):
            codes = [cast.delegation for cast in command.votes]
            if len(set(codes)) < len(codes) or any(map(self.may_not, codes)):
                return "bad_request"
            self["votes"].update((c.delegation, c.vote) for c in command.votes)
        elif code := self.may_not(command.delegation):
            return code
        elif isinstance(command, CastVote):
            self["votes"][command.delegation] = command.vote
        else:
            self["votes"].pop(command.delegation, None)
        return None

    def may_not(self, delegation: str) -> str | None:
        if delegation not in SIX:
            return "unknown_delegation"
        return "not_entitled" if delegation == BARRED else None

    def figures(self) -> tuple[int, int, int]:
        said = list(self["votes"].values()).count
        return said("yes"), said("no"), said("abstain")


class TheCoreAgreesWithASheetOfPaper(RuleBasedStateMachine):
    """Any commands in any order: same refusals, same votes, same figures."""

    def __init__(self) -> None:
        super().__init__()
        self.state: RollCall = replay([ROLL])
        self.history: list[Event] = [ROLL]
        self.paper = Model(phase="scheduled", rule=ROLL.rule, votes={}, intentions={})
        self.put(Open())

    def put(self, command: Command) -> None:
        refused, before = None, deepcopy(self.state)
        try:
            caused = decide(self.state, command)
        except Refused as refusal:
            refused = refusal.code
        else:
            for event in caused:
                self.state = evolve(self.state, event)
            self.history += caused
            if caused:
                assert self.state != before
        assert refused == self.paper.step(command)
        assert refused is None or self.state == before

    @rule(command=strategies.commands)
    def any_command(self, command: Command) -> None:
        self.put(command)

    @rule(code=strategies.entitled, vote=strategies.votes)
    def a_delegation_answers(self, code: str, vote: Vote) -> None:
        self.put(CastVote(code, vote))

    @precondition(lambda self: len(self.history) > 20)
    @rule(end=st.sampled_from([Annul(), Close()]))
    def it_ends(self, end: Command) -> None:
        self.put(Lock())
        self.put(end)

    @precondition(lambda self: len(self.history) > 15)
    @rule()
    def the_right_figures_are_announced(self) -> None:
        self.put(Lock())
        self.put(Close(Figures(*self.paper.figures())))

    @invariant()
    def both_tell_the_same(self) -> None:
        state, paper = self.state, self.paper
        assert state.phase == paper["phase"]
        assert state.rule == paper["rule"]
        assert state.votes == paper["votes"]
        assert (state.yes, state.no, state.abstain) == paper.figures()
        assert paper["intentions"] == {
            code: (intention.vote, intention.note)
            for code, intention in state.intentions.items()
        }
        assert (state.outcome is not None) == (paper["phase"] == "closed")

    def teardown(self) -> None:
        assert replay(self.history) == self.state


TestTheCoreAgreesWithASheetOfPaper = TheCoreAgreesWithASheetOfPaper.TestCase
TestTheCoreAgreesWithASheetOfPaper.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None
)
