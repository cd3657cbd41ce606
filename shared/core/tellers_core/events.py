"""Every event of a roll call and its stable wire name: the public contract.

An event is a fact in the past tense. Its wire name (`vote.recorded`, schema 1) never
follows a renamed class or module; the envelope around it (seq, version, time) belongs
to `codec`.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from tellers_core.majority import Rule


class Vote(StrEnum):
    """One delegation's answer. Silence is no vote: there is no fourth value."""

    YES = "yes"
    NO = "no"
    ABSTAIN = "abstain"


class Reveal(StrEnum):
    """What the public sees while the vote runs; once it has ended, everything (ADR 25).

    live: everything. totals_only: the figures, vote by vote, and no names.
    names_after_close: no names, and the figures in steps of several votes.
    nothing_until_close: neither; only the phase.
    """

    LIVE = "live"
    TOTALS_ONLY = "totals_only"
    NAMES_AFTER_CLOSE = "names_after_close"
    NOTHING_UNTIL_CLOSE = "nothing_until_close"


class Outcome(StrEnum):
    """What closing establishes. A tie under a simple majority calls for a second
    vote (rule 95): it is neither adopted nor rejected."""

    ADOPTED = "adopted"
    REJECTED = "rejected"
    TIED = "tied"


class Figures(Struct, frozen=True, gc=False):
    """Three counts as a president announces them."""

    yes: int
    no: int
    abstain: int


class Counts(Struct, frozen=True, gc=False):
    """yes + no + abstain + not_voting = entitled <= members."""

    yes: int
    no: int
    abstain: int
    not_voting: int
    entitled: int
    members: int


class Imported(Struct, frozen=True):
    """Where a roll call comes from that was recorded long after it was taken.

    Args:
        voted_on: the day of the vote, ISO 8601; the event's time is when we recorded.
        session: as the source writes it, e.g. "77" or "ES-11"; "" when it does not say.
        source: whose data: `undl` (United Nations Digital Library) or `voeten`.
        record: the roll call's number there.
        figures: its totals there, which need not be what was computed from its votes;
            None when it does not say.
    """

    voted_on: str
    session: str
    source: str
    record: str
    figures: Figures | None


# A field that is not there in what was written before is left out where it is not set:
# the bytes of all other events stay what they were.
class RollCallScheduled(Struct, frozen=True, omit_defaults=True):
    """A roll call on one proposal, with the roll frozen: who are members, who may vote.

    Args:
        members: codes in the chamber's official order, the base M.
        entitled: codes that may vote, in the same order, E <= M.
        barred: code to reason, members without a vote (Charter Article 19).
        permanent: members whose no is a veto under `security_council`.
        called_from: the delegation drawn by lot, where a call by name begins.
        imported: only of a roll call that was taken elsewhere, before.
    """

    title: str
    symbol: str | None
    rule: Rule
    members: tuple[str, ...]
    entitled: tuple[str, ...]
    barred: Mapping[str, str]
    permanent: tuple[str, ...]
    called_from: str | None
    rehearsal: bool
    reveal: Reveal
    imported: Imported | None = None


class RollCallOpened(Struct, frozen=True):
    """Votes are taken from here on."""


class RollCallLocked(Struct, frozen=True):
    """No more votes: who has not answered is not voting."""


class RollCallUnlocked(Struct, frozen=True):
    """Votes are taken again."""


class RuleChanged(Struct, frozen=True):
    """The President rules that another majority is required."""

    rule: Rule
    previous: Rule


class RollCallClosed(Struct, frozen=True):
    """The result is proclaimed, with what was announced, if it was given."""

    counts: Counts
    outcome: Outcome
    announced: Figures | None


class RollCallAnnulled(Struct, frozen=True):
    """The roll call is void; its votes stay on record and decide nothing."""


class VoteRecorded(Struct, frozen=True, gc=False):
    """A delegation's first answer, or one after a withdrawal."""

    delegation: str
    vote: Vote
    previous: None = None


class VoteChanged(Struct, frozen=True, gc=False):
    """A delegation answers otherwise than before."""

    delegation: str
    vote: Vote
    previous: Vote


class VoteWithdrawn(Struct, frozen=True, gc=False):
    """A delegation's answer is taken back; it counts as not voting again."""

    delegation: str
    previous: Vote
    vote: None = None


class IntentionRecorded(Struct, frozen=True):
    """After closing a delegation says how it had meant to vote. Never counted."""

    delegation: str
    vote: Vote
    note: str | None


VoteEvent = VoteRecorded | VoteChanged | VoteWithdrawn
Event = (
    RollCallScheduled
    | RollCallOpened
    | RollCallLocked
    | RollCallUnlocked
    | RuleChanged
    | RollCallClosed
    | RollCallAnnulled
    | VoteEvent
    | IntentionRecorded
)

# Wire name and current schema of each event. A name once published is never reused.
WIRE_NAMES: dict[type[Event], tuple[str, int]] = {
    RollCallScheduled: ("roll_call.scheduled", 1),
    RollCallOpened: ("roll_call.opened", 1),
    RollCallLocked: ("roll_call.locked", 1),
    RollCallUnlocked: ("roll_call.unlocked", 1),
    RuleChanged: ("roll_call.rule_changed", 1),
    RollCallClosed: ("roll_call.closed", 1),
    RollCallAnnulled: ("roll_call.annulled", 1),
    VoteRecorded: ("vote.recorded", 1),
    VoteChanged: ("vote.changed", 1),
    VoteWithdrawn: ("vote.withdrawn", 1),
    IntentionRecorded: ("intention.recorded", 1),
}


def wire_name(event: Event) -> str:
    """The event's name without prefix and schema, e.g. `vote.recorded`."""
    return WIRE_NAMES[type(event)][0]
