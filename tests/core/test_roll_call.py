"""One roll call: what each command comes to, and what each event makes of it."""

from copy import deepcopy
from typing import get_args

import pytest

from tellers_core import errors
from tellers_core.errors import (
    AlreadyExists,
    AnnouncedMismatch,
    BadRequest,
    CorruptHistory,
    NotEntitled,
    NotOpen,
    Problem,
    Refused,
    UnknownDelegation,
)
from tellers_core.events import (
    WIRE_NAMES,
    Counts,
    Event,
    Figures,
    IntentionRecorded,
    Outcome,
    RollCallAnnulled,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallScheduled,
    RollCallUnlocked,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.majority import Fraction, Rule, Standing
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
    absorb,
    decide,
    evolve,
    outcome,
    replay,
)
from tests.scenario import (
    LOCKED,
    OPENED,
    SCHEDULED,
    SIX,
    closed,
    given,
    opened,
    scheduled,
    votes,
)

YES, NO, ABSTAIN = Vote.YES, Vote.NO, Vote.ABSTAIN
NOTHING: tuple[Event, ...] = ()
FIJI_SAID_YES = votes(yes="FJI")
FIJI_ALONE = Counts(yes=1, no=0, abstain=0, not_voting=5, entitled=6, members=6)
CLOSED = closed(*OPENED, *FIJI_SAID_YES)
THE_RESULT = CLOSED[-1]

# ---- the table: phases x commands

PHASES: dict[str, tuple[Event, ...]] = {
    "none": (),
    "scheduled": SCHEDULED,
    "open": (*OPENED, *FIJI_SAID_YES),
    "locked": (*OPENED, *FIJI_SAID_YES, RollCallLocked()),
    "closed": CLOSED,
    "annulled": (*OPENED, *FIJI_SAID_YES, RollCallAnnulled()),
}
NORWAYS = (VoteRecorded("NOR", NO),)
INTENDED = (IntentionRecorded("NOR", YES, None),)
SWITCHED = (RuleChanged("two_thirds", "simple"),)

# Per command: what it comes to in the phases of PHASES, in that order; a string is
# the code of a refusal.
TABLE: list[tuple[Command, list[str | tuple[Event, ...]]]] = [
    (Schedule(scheduled()), [SCHEDULED, *["already_exists"] * 5]),
    (
        Open(),
        [
            *("unknown_roll_call", (RollCallOpened(),), "wrong_phase", "wrong_phase"),
            *("already_closed", "wrong_phase"),
        ],
    ),
    (
        Lock(),
        [
            *("unknown_roll_call", "wrong_phase", (RollCallLocked(),), "wrong_phase"),
            *("already_closed", "wrong_phase"),
        ],
    ),
    (
        Unlock(),
        [
            *("unknown_roll_call", "wrong_phase", "wrong_phase", (RollCallUnlocked(),)),
            *("already_closed", "wrong_phase"),
        ],
    ),
    (
        Close(),
        [
            *("unknown_roll_call", "wrong_phase", "wrong_phase", (THE_RESULT,)),
            *("already_closed", "wrong_phase"),
        ],
    ),
    (
        Annul(),
        [
            "unknown_roll_call",
            *[(RollCallAnnulled(),)] * 3,
            *("already_closed", "wrong_phase"),
        ],
    ),
    (
        SwitchRule("two_thirds"),
        ["unknown_roll_call", *[SWITCHED] * 3, "already_closed", "wrong_phase"],
    ),
    (
        CastVote("NOR", NO),
        ["unknown_roll_call", "not_open", NORWAYS, *["not_open"] * 3],
    ),
    (
        CastVotes((CastVote("NOR", NO),), ("/votes/0",)),
        ["unknown_roll_call", "not_open", NORWAYS, *["not_open"] * 3],
    ),
    (
        WithdrawVote("FJI"),
        [
            *("unknown_roll_call", "not_open", (VoteWithdrawn("FJI", YES),)),
            *["not_open"] * 3,
        ],
    ),
    (
        RecordIntention("NOR", YES),
        ["unknown_roll_call", *["not_closed"] * 3, INTENDED, "not_closed"],
    ),
]
CELLS = [
    pytest.param(command, phase, cell, id=f"{type(command).__name__}-{phase}")
    for command, cells in TABLE
    for phase, cell in zip(PHASES, cells, strict=True)
]


@pytest.mark.parametrize(("command", "phase", "cell"), CELLS)
def test_each_command_in_each_phase(
    command: Command, phase: str, cell: str | tuple[Event, ...]
) -> None:
    reaction = given(*PHASES[phase]).when(command)
    if isinstance(cell, str):
        assert reaction.refused(refusal(cell)).code == cell
    else:
        reaction.then(*cell)


def test_the_table_has_every_command_and_every_phase() -> None:
    assert [type(command) for command, _ in TABLE] == [
        *(Schedule, Open, Lock, Unlock, Close, Annul, SwitchRule),
        *(CastVote, CastVotes, WithdrawVote, RecordIntention),
    ]
    assert {type(command) for command, _ in TABLE} == set(get_args(Command))
    assert set(PHASES) == {"none"} | set(Phase)
    for phase, history in PHASES.items():
        assert not history or replay(history).phase == phase


def refusal(code: str) -> type[Refused]:
    return next(kind for kind in REFUSALS if kind.code == code)


REFUSALS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Refused) and kind is not Refused
]


def test_the_codes_of_refusals_are_those_of_the_contract() -> None:
    assert sorted(kind.code for kind in REFUSALS) == sorted(
        [
            *("unknown_chamber", "unknown_roll_call", "unknown_delegation"),
            *("not_entitled", "already_exists", "not_open", "not_closed"),
            *("already_closed", "wrong_phase", "announced_mismatch", "bad_request"),
        ]
    )


# ---- votes


def test_a_first_answer_is_recorded() -> None:
    given(*OPENED).when(CastVote("FJI", YES)).then(VoteRecorded("FJI", YES))


def test_a_delegation_may_change_its_vote_until_the_lock() -> None:
    given(*OPENED, *votes(yes="FJI")).when(CastVote("FJI", NO)).then(
        VoteChanged("FJI", NO, previous=YES)
    )


def test_the_same_answer_again_is_no_event() -> None:
    given(*OPENED, *votes(yes="FJI")).when(CastVote("FJI", YES)).then_nothing()


def test_an_answer_may_be_taken_back() -> None:
    given(*OPENED, *votes(abstain="FJI")).when(WithdrawVote("FJI")).then(
        VoteWithdrawn("FJI", previous=ABSTAIN)
    )


def test_there_is_nothing_to_take_back_from_who_has_not_answered() -> None:
    given(*OPENED).when(WithdrawVote("FJI")).then_nothing()


def test_an_answer_after_one_taken_back_is_a_first_answer() -> None:
    given(*OPENED, *votes(yes="FJI"), VoteWithdrawn("FJI", YES)).when(
        CastVote("FJI", YES)
    ).then(VoteRecorded("FJI", YES))


def test_votes_are_taken_again_after_unlocking() -> None:
    given(*LOCKED, RollCallUnlocked()).when(CastVote("FJI", YES)).then(
        VoteRecorded("FJI", YES)
    )


def test_a_vote_after_the_lock_is_refused_and_says_why() -> None:
    refused = given(*LOCKED).when(CastVote("NOR", YES)).refused(NotOpen)
    assert refused.detail == "votes are taken only while open; the roll call is locked"
    assert str(refused) == refused.detail


@pytest.mark.parametrize(
    "command",
    [CastVote("PSE", YES), WithdrawVote("PSE")],
)
def test_who_is_no_member_has_no_vote(command: Command) -> None:
    refused = given(*OPENED).when(command).refused(UnknownDelegation)
    assert refused.detail == "PSE is not a member of this chamber"


ARTICLE_19 = scheduled(barred={"ZMB": "Charter Article 19"})
PARTY = scheduled(entitled=SIX[:-1])


@pytest.mark.parametrize("command", [CastVote("ZMB", YES), WithdrawVote("ZMB")])
def test_a_barred_member_may_not_vote_and_learns_the_reason(command: Command) -> None:
    refused = given(ARTICLE_19, RollCallOpened()).when(command).refused(NotEntitled)
    assert refused.detail == "ZMB may not vote here: Charter Article 19"


def test_a_member_not_entitled_may_not_vote() -> None:
    refused = given(PARTY, RollCallOpened()).when(CastVote("ZMB", YES))
    assert refused.refused(NotEntitled).detail == "ZMB may not vote here"


def test_a_barred_member_still_counts_among_the_members() -> None:
    assert replay((ARTICLE_19,)).counts == Counts(0, 0, 0, 5, entitled=5, members=6)


def test_a_barred_member_may_not_state_an_intention_either() -> None:
    given(*closed(ARTICLE_19, RollCallOpened())).when(
        RecordIntention("ZMB", YES)
    ).refused(NotEntitled)


# ---- batches


def batch(*answers: tuple[str, Vote]) -> CastVotes:
    return CastVotes(
        tuple(CastVote(code, vote) for code, vote in answers),
        tuple(f"/votes/{number}" for number in range(len(answers))),
    )


def test_a_batch_records_every_answer_in_its_order() -> None:
    given(*OPENED, *votes(yes="PER NOR")).when(
        batch(("NOR", YES), ("ZMB", ABSTAIN), ("PER", NO), ("FJI", YES))
    ).then(
        VoteRecorded("ZMB", ABSTAIN),
        VoteChanged("PER", NO, previous=YES),
        VoteRecorded("FJI", YES),
    )


def test_an_empty_batch_is_no_event() -> None:
    given(*OPENED).when(batch()).then_nothing()


def test_one_bad_answer_refuses_the_whole_batch_and_every_bad_place_is_named() -> None:
    refused = (
        given(ARTICLE_19, RollCallOpened())
        .when(batch(("FJI", YES), ("PSE", YES), ("NOR", NO), ("ZMB", NO)))
        .refused(BadRequest)
    )
    assert refused.detail == "nothing was recorded"
    assert refused.errors == (
        Problem("/votes/1", "PSE is not a member of this chamber"),
        Problem("/votes/3", "ZMB may not vote here: Charter Article 19"),
    )


@pytest.mark.parametrize("again", [YES, NO])
def test_a_delegation_twice_in_a_batch_is_refused_even_with_the_same_answer(
    again: Vote,
) -> None:
    refused = (
        given(*OPENED)
        .when(batch(("FJI", YES), ("NOR", NO), ("FJI", again), ("FJI", again)))
        .refused(BadRequest)
    )
    assert refused.errors == (
        Problem("/votes/2", "FJI stands already at /votes/0"),
        Problem("/votes/3", "FJI stands already at /votes/0"),
    )


def test_a_stranger_twice_in_a_batch_is_named_for_both_reasons() -> None:
    refused = given(*OPENED).when(batch(("PSE", YES), ("PSE", YES))).refused(BadRequest)
    assert [problem.where for problem in refused.errors] == [
        *("/votes/0", "/votes/1", "/votes/1")
    ]


def test_a_bad_line_of_a_file_is_named_by_its_number() -> None:
    lines = CastVotes((CastVote("FJI", YES), CastVote("PSE", NO)), (2, 3))
    (problem,) = given(*OPENED).when(lines).refused(BadRequest).errors
    assert problem.as_json() == {
        "line": 3,
        "detail": "PSE is not a member of this chamber",
    }


def test_a_bad_place_in_json_is_named_by_its_pointer() -> None:
    (problem,) = given(*OPENED).when(batch(("PSE", NO))).refused(BadRequest).errors
    assert problem.as_json() == {
        "pointer": "/votes/0",
        "detail": "PSE is not a member of this chamber",
    }


# ---- closing


def test_closing_proclaims_the_counts_and_what_was_announced() -> None:
    announced = Figures(yes=2, no=1, abstain=1)
    votes_cast = votes(yes="FJI NOR", no="PER", abstain="ZMB")
    given(*OPENED, *votes_cast, RollCallLocked()).when(Close(announced)).then(
        RollCallClosed(
            Counts(yes=2, no=1, abstain=1, not_voting=2, entitled=6, members=6),
            Outcome.ADOPTED,
            announced,
        )
    )


def test_other_figures_than_recorded_are_refused_with_both() -> None:
    votes_cast = votes(yes="FJI NOR", no="PER", abstain="ZMB")
    refused = (
        given(*OPENED, *votes_cast, RollCallLocked())
        .when(Close(Figures(yes=3, no=1, abstain=0)))
        .refused(AnnouncedMismatch)
    )
    assert refused.announced == {"yes": 3, "no": 1, "abstain": 0}
    assert refused.recorded == {"yes": 2, "no": 1, "abstain": 1}
    assert refused.detail == "announced 3-1-0 (yes-no-abstain), recorded 2-1-1"


def test_the_phase_is_refused_before_the_figures_are_compared() -> None:
    given(*OPENED).when(Close(Figures(9, 9, 9))).refused(refusal("wrong_phase"))


@pytest.mark.parametrize(
    ("rule", "cast", "expected"),
    [
        ("simple", votes(yes="FJI FRA", no="NOR"), Outcome.ADOPTED),
        ("simple", votes(yes="FJI", no="NOR FRA"), Outcome.REJECTED),
        ("simple", votes(yes="FJI", no="NOR"), Outcome.TIED),
        ("simple", votes(yes="FJI", no="NOR", abstain="PER RUS"), Outcome.TIED),
        ("simple", votes(abstain="FJI NOR"), Outcome.REJECTED),
        ("simple", NOTHING, Outcome.REJECTED),
        ("two_thirds", votes(yes="FJI FRA", no="NOR"), Outcome.ADOPTED),
        ("two_thirds", votes(yes="FJI", no="NOR"), Outcome.REJECTED),
        ("absolute", votes(yes="FJI FRA NOR", no="PER RUS ZMB"), Outcome.REJECTED),
        ("absolute", votes(yes="FJI FRA NOR PER"), Outcome.ADOPTED),
        (
            Fraction("1/2", "present_and_voting", strict=True),
            votes(yes="FJI", no="NOR"),
            Outcome.TIED,
        ),
        (
            Fraction("1/2", "present_and_voting"),
            votes(yes="FJI", no="NOR"),
            Outcome.ADOPTED,
        ),
        ("unanimous", votes(yes="FJI", abstain="NOR"), Outcome.ADOPTED),
        ("unanimous", votes(yes="FJI", no="NOR"), Outcome.REJECTED),
    ],
)
def test_a_tie_under_a_simple_majority_is_neither_adopted_nor_rejected(
    rule: Rule, cast: tuple[Event, ...], expected: Outcome
) -> None:
    state = replay((*opened(rule), *cast, RollCallLocked()))
    assert outcome(state) is expected
    given(*opened(rule), *cast, RollCallLocked()).when(Close()).then(
        RollCallClosed(state.counts, expected, None)
    )


# ---- the required majority


@pytest.mark.parametrize("rule", ["two_thirds", Fraction("5/8", "members")])
def test_the_rule_may_be_switched_while_the_vote_runs(rule: Rule) -> None:
    switched = given(*OPENED, *votes(yes="FJI")).when(SwitchRule(rule))
    after = switched.then(RuleChanged(rule, previous="simple"))
    assert after.state is not None
    assert after.state.rule == rule
    assert after.state.roll.rule == "simple"


def test_switching_to_the_rule_in_force_is_no_event() -> None:
    given(*OPENED).when(SwitchRule("simple")).then_nothing()
    given(*OPENED, *SWITCHED).when(SwitchRule("two_thirds")).then_nothing()


def test_a_switch_names_the_rule_it_replaces() -> None:
    given(*OPENED, *SWITCHED).when(SwitchRule("absolute")).then(
        RuleChanged("absolute", previous="two_thirds")
    )


COUNCIL = scheduled("simple", permanent=("FRA", "RUS"))


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        ("security_council", "security_council needs permanent members"),
        (Fraction("3/2", "members"), "must be over 0 and at most 1, q <= 1000"),
        (Fraction("half", "members"), 'must look like "2/3"'),
    ],
)
def test_an_impossible_rule_is_refused_from_the_start_and_later(
    rule: Rule, detail: str
) -> None:
    for reaction in (
        given().when(Schedule(scheduled(rule))),
        given(*OPENED).when(SwitchRule(rule)),
    ):
        assert reaction.refused(BadRequest).errors == (Problem("/rule", detail),)


def test_a_chamber_with_permanent_members_may_ask_for_the_councils_rule() -> None:
    council = scheduled("security_council", permanent=("FRA", "RUS"))
    given().when(Schedule(council)).then(council)
    given(COUNCIL).when(SwitchRule("security_council")).then(
        RuleChanged("security_council", previous="simple")
    )


def test_scheduling_twice_is_refused() -> None:
    given(*SCHEDULED).when(Schedule(scheduled("two_thirds"))).refused(AlreadyExists)


# ---- what a majority needs to know of a roll call


def test_outstanding_are_the_entitled_who_have_not_answered() -> None:
    state = replay((ARTICLE_19, RollCallOpened(), *votes(yes="FJI", abstain="PER")))
    assert state.standing == Standing(yes=1, no=0, outstanding=3, members=6)


def test_nobody_is_outstanding_at_the_lock_until_it_is_undone() -> None:
    history = (*OPENED, *votes(yes="FJI"), RollCallLocked())
    assert replay(history).standing.outstanding == 0
    assert replay(history).counts.not_voting == 5
    assert replay((*history, RollCallUnlocked())).standing.outstanding == 5


def test_permanent_members_are_told_apart_under_the_councils_rule() -> None:
    council = scheduled("security_council", permanent=("FRA", "NOR", "PER", "RUS"))
    history = (
        council,
        RollCallOpened(),
        *votes("FRA FJI", no="RUS ZMB", abstain="NOR"),
    )
    standing = replay(history).standing
    assert (standing.yes, standing.no, standing.outstanding) == (2, 2, 1)
    assert standing.vetoes == 1
    assert standing.silent_permanent == 1
    assert standing.agreeing_permanent == 1
    assert replay((*history, RollCallLocked())).standing.silent_permanent == 0


def test_a_permanent_member_that_may_not_vote_is_not_waited_for() -> None:
    # Article 27(3): a party to a dispute shall abstain from voting.
    council = scheduled(
        "security_council", entitled=("FJI", "FRA"), permanent=("FRA", "RUS")
    )
    standing = replay((council, RollCallOpened(), *votes(yes="FRA"))).standing
    assert (standing.outstanding, standing.silent_permanent) == (1, 0)


# ---- intentions


def test_an_intention_is_recorded_after_closing_and_never_counted() -> None:
    state = replay(CLOSED)
    after = (
        given(*CLOSED)
        .when(RecordIntention("FJI", NO, "the lamp failed"))
        .then(IntentionRecorded("FJI", NO, "the lamp failed"))
        .state
    )
    assert after is not None
    assert after.counts == state.counts
    assert after.votes == state.votes
    assert after.outcome == state.outcome
    assert after.intentions == {"FJI": IntentionRecorded("FJI", NO, "the lamp failed")}


def test_the_same_intention_again_is_no_event_and_another_one_is() -> None:
    stated = IntentionRecorded("NOR", NO, None)
    given(*CLOSED, stated).when(RecordIntention("NOR", NO)).then_nothing()
    given(*CLOSED, stated).when(RecordIntention("NOR", NO, "meant no")).then(
        IntentionRecorded("NOR", NO, "meant no")
    )


def test_an_intention_of_a_stranger_is_refused() -> None:
    given(*CLOSED).when(RecordIntention("PSE", YES)).refused(UnknownDelegation)


def test_an_annulled_roll_call_takes_no_intentions() -> None:
    given(*PHASES["annulled"]).when(RecordIntention("FJI", YES)).refused(
        refusal("not_closed")
    )


# ---- evolve: events into state


def test_an_annulled_roll_call_keeps_its_votes() -> None:
    state = replay(PHASES["annulled"])
    assert state.votes == {"FJI": YES}
    assert state.counts == FIJI_ALONE
    assert state.outcome is None


def test_counts_follow_changes_and_withdrawals() -> None:
    history = (
        *OPENED,
        *votes(yes="FJI FRA", no="NOR", abstain="PER"),
        VoteChanged("FJI", NO, previous=YES),
        VoteChanged("NOR", ABSTAIN, previous=NO),
        VoteWithdrawn("PER", previous=ABSTAIN),
    )
    assert replay(history).counts == Counts(1, 1, 1, 3, 6, 6)
    assert replay(history).votes == {"FRA": YES, "FJI": NO, "NOR": ABSTAIN}


# Which events may follow in which phase; with the history of PHASES behind them.
FOLLOWS: dict[type[Event], set[str]] = {
    RollCallScheduled: {"none"},
    RollCallOpened: {"scheduled"},
    RollCallLocked: {"open"},
    RollCallUnlocked: {"locked"},
    RuleChanged: {"scheduled", "open", "locked"},
    RollCallClosed: {"locked"},
    RollCallAnnulled: {"scheduled", "open", "locked"},
    VoteRecorded: {"open"},
    VoteChanged: {"open"},
    VoteWithdrawn: {"open"},
    IntentionRecorded: {"closed"},
}
EXAMPLES: tuple[Event, ...] = (
    scheduled(),
    RollCallOpened(),
    RollCallLocked(),
    RollCallUnlocked(),
    RuleChanged("two_thirds", previous="simple"),
    THE_RESULT,
    RollCallAnnulled(),
    VoteRecorded("NOR", NO),
    VoteChanged("FJI", NO, previous=YES),
    VoteWithdrawn("FJI", previous=YES),
    IntentionRecorded("NOR", YES, None),
)


def test_every_event_has_a_row_and_an_example() -> None:
    assert set(FOLLOWS) == set(WIRE_NAMES) == {type(event) for event in EXAMPLES}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_follows_where_its_command_was_allowed_and_nowhere_else(
    event: Event, phase: str
) -> None:
    state = replay(PHASES[phase]) if PHASES[phase] else None
    before = deepcopy(state)
    if phase in FOLLOWS[type(event)]:
        after = evolve(state, event)
        assert after != before
    else:
        with pytest.raises(CorruptHistory):
            evolve(state, event)
    assert state == before


@pytest.mark.parametrize(
    ("history", "event"),
    [
        # previous is not what was recorded
        (OPENED, VoteChanged("FJI", NO, previous=YES)),
        (OPENED, VoteWithdrawn("FJI", previous=YES)),
        ((*OPENED, *votes(yes="FJI")), VoteRecorded("FJI", NO)),
        ((*OPENED, *votes(yes="FJI")), VoteRecorded("FJI", YES)),
        ((*OPENED, *votes(yes="FJI")), VoteChanged("FJI", YES, previous=NO)),
        ((*OPENED, *votes(yes="FJI")), VoteWithdrawn("FJI", previous=ABSTAIN)),
        # strangers and the barred
        (OPENED, VoteRecorded("PSE", YES)),
        ((ARTICLE_19, RollCallOpened()), VoteRecorded("ZMB", YES)),
        (closed(*OPENED), IntentionRecorded("PSE", YES, None)),
        (closed(ARTICLE_19, RollCallOpened()), IntentionRecorded("ZMB", YES, None)),
        # another rule was in force, or none such can be
        (OPENED, RuleChanged("two_thirds", previous="absolute")),
        (OPENED, RuleChanged(Fraction("3/2", "members"), previous="simple")),
        # another result than the votes give
        (LOCKED, RollCallClosed(FIJI_ALONE, Outcome.ADOPTED, None)),
        (
            PHASES["locked"],
            RollCallClosed(
                Counts(1, 0, 0, 4, entitled=5, members=6), Outcome.ADOPTED, None
            ),
        ),
        (PHASES["locked"], RollCallClosed(FIJI_ALONE, Outcome.REJECTED, None)),
    ],
)
def test_an_event_that_contradicts_the_history_leaves_the_state_as_it_was(
    history: tuple[Event, ...], event: Event
) -> None:
    for apply in (evolve, absorb):  # absorb works in place
        state = replay(history)
        before = deepcopy(state)
        with pytest.raises(CorruptHistory):
            apply(state, event)
        assert state == before


def test_a_roll_call_with_an_impossible_rule_is_corrupt() -> None:
    with pytest.raises(CorruptHistory, match="impossible rule"):
        evolve(None, scheduled(Fraction("0/1", "members")))


def test_no_events_are_no_roll_call() -> None:
    with pytest.raises(CorruptHistory, match="no events"):
        replay(())


WALK: tuple[Event, ...] = (
    *OPENED,
    *votes(yes="FJI", no="NOR"),
    VoteChanged("FJI", NO, previous=YES),
    VoteWithdrawn("NOR", previous=NO),
    RuleChanged("two_thirds", previous="simple"),
    RollCallLocked(),
    RollCallUnlocked(),
    RollCallLocked(),
    RollCallClosed(Counts(0, 1, 0, 5, 6, 6), Outcome.REJECTED, None),
    IntentionRecorded("FJI", YES, None),
)


def test_evolve_returns_a_new_state_and_leaves_the_old_one() -> None:
    states: list[RollCall] = []
    copies: list[RollCall] = []
    for event in WALK:
        states.append(evolve(states[-1] if states else None, event))
        copies.append(deepcopy(states[-1]))
    assert states == copies
    assert len({id(state) for state in states}) == len(WALK)
    assert len({id(s.votes) for s in states}) == len(states)


@pytest.mark.parametrize("cut", range(1, len(WALK)))
def test_replaying_onto_a_state_leaves_it_as_it_was(cut: int) -> None:
    onto = replay(WALK[:cut])
    before = deepcopy(onto)
    assert replay(WALK[cut:], onto=onto) == replay(WALK)
    assert onto == before


def test_absorb_works_in_place_and_agrees_with_evolve() -> None:
    state = absorb(None, WALK[0])
    for event in WALK[1:]:
        assert absorb(state, event) is state
    assert state == replay(WALK)


def test_a_command_nobody_knows_is_a_bug_not_a_refusal() -> None:
    with pytest.raises(AssertionError):
        decide(replay(OPENED), "open")  # type: ignore[arg-type]  # what is tested
