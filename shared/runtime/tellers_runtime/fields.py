"""A roll call as a Redis hash: what `decide` needs, and what the append script guards.

    roll      the scheduled event, JSON (its rule is the first one)
    phase, rule, version, seq
    epoch     of the log when it was restored; absent in a log that never was
    v:FRA     a recorded vote
    i:FRA     an intention, JSON

The hash changes in the same script as the log. It is derived: `changes` of all events
of the log give it back (`tellers restore` does that).
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tellers_core.events import (
    Event,
    IntentionRecorded,
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
from tellers_core.majority import Rule
from tellers_core.roll_call import (
    CastVote,
    CastVotes,
    Close,
    Command,
    Phase,
    RecordIntention,
    RollCall,
    Schedule,
    WithdrawVote,
)

ABSENT = ""


class Loaded(NamedTuple):
    """A roll call as last seen, with its version and the seq of its last event.

    `epoch` tells one restored log from the one that was seen before: versions may
    repeat, with other votes.
    """

    roll_call: RollCall
    version: int
    seq: int
    epoch: str = ABSENT


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def changes(event: Event) -> dict[str, str]:
    """The fields that an event sets; ABSENT removes one."""
    match event:
        case RollCallScheduled():
            return {
                "roll": _json(event),
                "rule": _json(event.rule),
                "phase": Phase.SCHEDULED,
            }
        case VoteRecorded() | VoteChanged() | VoteWithdrawn():
            return {f"v:{event.delegation}": event.vote or ABSENT}
        case RollCallOpened() | RollCallUnlocked():
            return {"phase": Phase.OPEN}
        case RollCallLocked():
            return {"phase": Phase.LOCKED}
        case RollCallClosed():
            return {"phase": Phase.CLOSED}
        case RollCallAnnulled():
            return {"phase": Phase.ANNULLED}
        case RuleChanged(rule):
            return {"rule": _json(rule)}
        case IntentionRecorded(delegation):
            return {f"i:{delegation}": _json(event)}


def guards(seen: Loaded | None, command: Command) -> dict[str, str]:
    """The fields a decision and its answer rest on, with the values they were made on.

    Two delegations' votes rest on different fields, so they never conflict. Phase and
    rule are in every answer, so every command rests on both.
    """
    if seen is None:
        return {"version": ABSENT}
    state = seen.roll_call
    resting = {
        "phase": str(state.phase),
        "rule": _json(state.rule),
        "epoch": seen.epoch,
    }
    match command:
        case CastVote(delegation) | WithdrawVote(delegation):
            resting[f"v:{delegation}"] = state.votes.get(delegation, ABSENT)
        case CastVotes(votes):
            for vote in votes:
                answer = state.votes.get(vote.delegation, ABSENT)
                resting[f"v:{vote.delegation}"] = answer
        case Schedule() | Close():
            # Closing publishes counts, so nothing at all may have happened meanwhile.
            resting["version"] = str(seen.version)
        case RecordIntention(delegation):
            before = state.intentions.get(delegation)
            resting[f"i:{delegation}"] = _json(before) if before else ABSENT
        case _:
            pass  # the others rest on the phase alone, or on the rule
    return resting


def load(fields: Mapping[bytes, bytes]) -> Loaded | None:
    """The roll call in a hash, None when there is none."""
    if not fields:
        return None
    roll = msgspec.json.decode(fields[b"roll"], type=RollCallScheduled)
    votes = {
        name[2:].decode(): Vote(value.decode())
        for name, value in fields.items()
        if name.startswith(b"v:")
    }
    intentions = {
        name[2:].decode(): msgspec.json.decode(value, type=IntentionRecorded)
        for name, value in fields.items()
        if name.startswith(b"i:")
    }
    answers = list(votes.values())
    state = RollCall(
        roll,
        frozenset(roll.entitled),
        Phase(fields[b"phase"].decode()),
        msgspec.json.decode(fields[b"rule"], type=Rule),
        votes,
        answers.count(Vote.YES),
        answers.count(Vote.NO),
        answers.count(Vote.ABSTAIN),
        intentions=intentions,
    )
    epoch = fields.get(b"epoch", b"").decode()
    return Loaded(state, int(fields[b"version"]), int(fields[b"seq"]), epoch)
