"""What Hypothesis may try: commands, whole histories, and events of every kind."""

from typing import Literal

from hypothesis import strategies as st

from tellers_core.errors import Refused
from tellers_core.events import (
    Counts,
    Event,
    Figures,
    IntentionRecorded,
    Outcome,
    Reveal,
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
from tellers_core.majority import NAMED, Fraction, Rule, RuleName
from tellers_core.roll_call import (
    Annul,
    CastVote,
    CastVotes,
    Close,
    Command,
    Lock,
    Open,
    RecordIntention,
    Schedule,
    SwitchRule,
    Unlock,
    WithdrawVote,
    decide,
    replay,
)
from tests.scenario import SIX, scheduled

STRANGER = "PSE"  # an observer: no member, no vote
BARRED = "ZMB"
ROLL = scheduled(barred={BARRED: "Charter Article 19"}, permanent=("FRA", "RUS"))

votes = st.sampled_from(Vote)
entitled = st.sampled_from(SIX[:-1])
anybody = st.sampled_from((*SIX, STRANGER))
named_rules: st.SearchStrategy[RuleName] = st.sampled_from(
    (*sorted(NAMED), "security_council")
)

bases: st.SearchStrategy[Literal["present_and_voting", "members"]] = st.sampled_from(
    ["present_and_voting", "members"]
)


@st.composite
def fractions(draw: st.DrawFn) -> Fraction:
    """A majority in figures that can be reached."""
    q = draw(st.integers(1, 1000))
    p = draw(st.integers(1, q))
    return Fraction(f"{p}/{q}", draw(bases), strict=p < q and draw(st.booleans()))


rules: st.SearchStrategy[Rule] = named_rules | fractions()

# ---- commands, and the histories they make


@st.composite
def batches(draw: st.DrawFn) -> CastVotes:
    """Some answers at once, now and then with a stranger or somebody twice."""
    casts = draw(st.lists(st.builds(CastVote, anybody, votes), max_size=4))
    return CastVotes(tuple(casts), tuple(f"/votes/{n}" for n in range(len(casts))))


casts = st.builds(CastVote, entitled, votes)
steps: st.SearchStrategy[Command] = st.sampled_from(
    [Lock(), Unlock(), Close(), Close(Figures(1, 0, 0)), Open(), Schedule(ROLL)]
)
commands: st.SearchStrategy[Command] = st.one_of(
    casts,
    st.builds(CastVote, anybody, votes),
    st.builds(WithdrawVote, anybody),
    batches(),
    steps,
    st.builds(SwitchRule, rules),
    st.builds(RecordIntention, anybody, votes, st.none() | st.text(max_size=9)),
)
endings: st.SearchStrategy[tuple[Command, ...]] = st.sampled_from(
    [
        (),
        (Unlock(),),
        (Lock(),),
        (Lock(), Close()),
        (Lock(), Close(), RecordIntention("FJI", Vote.NO)),
        (Annul(),),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Event, ...]:
    """All events of a roll call that was opened, got any commands, and ended or not."""
    tried = [
        *draw(st.lists(casts, max_size=6)),
        *draw(st.lists(commands, min_size=draw(st.integers(0, 20)), max_size=30)),
        *draw(endings),
    ]
    events: list[Event] = [ROLL, RollCallOpened()]
    state = replay(events)
    for command in tried:
        try:
            caused = decide(state, command)
        except Refused:
            continue
        events += caused
        state = replay(caused, onto=state)
    return tuple(events)


# ---- events of every kind, for the codec: well-formed, if not always sensible

codes = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
some_codes = st.lists(codes, unique=True, max_size=5).map(tuple)
numbers = st.integers(0, 2**53 - 1)
texts = st.text(max_size=40) | st.sampled_from(
    [
        '"datacontenttype":"application/json",',
        '\\"datacontenttype\\":\\"application/json\\",',
        '"}},"epoch":"x","id":"',
        "\u0000\u001f\u007f\u2028\ufeff\U0001f5f3 \\ / \b\f\n\r\t",
    ]
)
counts = st.builds(Counts, numbers, numbers, numbers, numbers, numbers, numbers)
figures = st.builds(Figures, numbers, numbers, numbers)

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        RollCallScheduled,
        title=texts,
        symbol=st.none() | texts,
        rule=rules,
        members=some_codes,
        entitled=some_codes,
        barred=st.dictionaries(codes, texts, max_size=3),
        permanent=some_codes,
        called_from=st.none() | codes,
        rehearsal=st.booleans(),
        reveal=st.sampled_from(Reveal),
    ),
    st.sampled_from(
        [RollCallOpened(), RollCallLocked(), RollCallUnlocked(), RollCallAnnulled()]
    ),
    st.builds(RuleChanged, rules, rules),
    st.builds(RollCallClosed, counts, st.sampled_from(Outcome), st.none() | figures),
    st.builds(VoteRecorded, codes, votes),
    st.builds(VoteChanged, codes, votes, votes),
    st.builds(VoteWithdrawn, codes, votes),
    st.builds(IntentionRecorded, codes, votes, st.none() | texts),
)
chambers = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
roll_calls = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,63}", fullmatch=True)
times = st.datetimes().map(lambda time: time.isoformat(timespec="milliseconds") + "Z")
epochs = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
