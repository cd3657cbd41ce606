"""What a live-blogger would write down of a roll call, from its events. Pure."""

import re
from collections.abc import Iterable
from datetime import date
from functools import cache

from msgspec import Struct

from tellers_core.codec import Recorded
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Counts,
    RollCallAnnulled,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallUnlocked,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.members import security_council
from tellers_core.roll_call import RollCall
from tellers_core.tally import (
    ENDED,
    SETTLED,
    Projection,
    Status,
    absorb,
    status_of,
    verdict,
)
from tellers_gateway.detail import TODAY, name_of
from tellers_gateway.words import Words, against, rule_words

# Names of those against and abstaining are written out while they are so few.
NAMED = 10


class Moment(Struct, frozen=True):
    """One thing worth a line; `id` is the same in every language and for ever."""

    id: str
    kind: str
    seq: int
    at: str
    headline: str
    delegation: str | None
    counts: Counts
    status: Status


def moments(history: Iterable[Recorded], words: Words) -> list[Moment]:
    """The moments of a roll call, oldest first.

    Args:
        history: its events from the first on; what does not follow ends it.
    """
    found: list[Moment] = []
    projection: Projection | None = None
    for recorded in history:
        was = projection.status if projection else None
        first_no = projection is None or projection.roll_call.no == 0
        try:
            projection = absorb(projection, recorded)
        except CorruptHistory:
            break  # held there; the moments before it stand
        told = _of_event(recorded, projection.roll_call, words, first_no=first_no)
        told += _of_verdict(projection, was, words)
        if projection.roll_call.roll.imported is not None:
            # Its votes are in the order of the members: who was first is not known.
            told = [one for one in told if one[0] in ("closed", "annulled")]
        for kind, headline, delegation in told:
            found.append(
                Moment(
                    f"{projection.chamber}-{recorded.roll_call}-{recorded.seq}-{kind}",
                    kind,
                    recorded.seq,
                    recorded.time,
                    headline,
                    delegation,
                    projection.roll_call.counts,
                    projection.status,
                )
            )
    return found


_Told = list[tuple[str, str, str | None]]


def _of_event(
    recorded: Recorded, state: RollCall, words: Words, *, first_no: bool
) -> _Told:
    match recorded.event:
        case RollCallOpened() | RollCallUnlocked():
            return [("opened", words.say("phase.open"), None)]
        case RollCallLocked():
            return [("locked", words.say("phase.locked"), None)]
        case RuleChanged(rule):
            wording = words.say("moment.rule_changed", rule=rule_words(words, rule))
            return [("rule_changed", wording, None)]
        case RollCallClosed():
            return [("closed", result_sentence(state, words), None)]
        case RollCallAnnulled():
            return [("annulled", words.say("status.annulled"), None)]
        case VoteRecorded(code, vote):
            return _of_vote(code, vote, recorded.time, words, first_no=first_no)
        case VoteChanged(code, now, before):
            wording = words.say(
                "moment.changed",
                name=name_of(code, words.language),
                before=words.say(f"vote.{before}"),
                now=words.say(f"vote.{now}"),
            )
            told = _of_vote(code, now, recorded.time, words, first_no=first_no)
            return [("changed", wording, code), *told]
        case VoteWithdrawn(code, before):
            name = name_of(code, words.language)
            taken_back = words.say(f"vote.{before}")
            wording = words.say("moment.withdrawn", name=name, before=taken_back)
            return [("withdrawn", wording, code)]
        case _:
            return []  # scheduling is no moment of the vote, an intention no vote


@cache
def _permanent(day: str) -> frozenset[str]:
    """The permanent members of the Security Council on that day (RFC 3339 date)."""
    return frozenset(security_council(date.fromisoformat(day)).permanent)


def _of_vote(
    code: str, vote: Vote, time: str, words: Words, *, first_no: bool
) -> _Told:
    name = name_of(code, words.language)
    told: _Told = []
    if vote is Vote.NO and first_no:
        told.append(("first_no", words.say("moment.first_no", name=name), code))
    if code in _permanent(time[:10]):
        said = words.say(f"vote.{vote}")
        wording = words.say("moment.permanent", name=name, vote=said)
        told.append(("permanent", wording, code))
    return told


def _of_verdict(projection: Projection, was: Status | None, words: Words) -> _Told:
    state, status = projection.roll_call, projection.status
    told: _Told = []
    if projection.retracted is not None:
        key = f"retracted.{projection.retracted.was}"
        told.append(("retracted", words.say(key), None))
    if status in SETTLED and status != was and state.phase not in ENDED:
        headline = words.say(f"moment.{status}")
        headline += _in_figures(verdict(state, status).because)
        told.append((status, headline, None))
    return told


def _in_figures(because: str) -> str:
    """The inequality as one writes it; nothing where it has English words in it."""
    if re.search("[a-wyz]", because):
        return ""
    for sign, written in ((">=", "\u2265"), ("<=", "\u2264"), (" x ", " \u00d7 ")):
        because = because.replace(sign, written)
    return f" ({because})"


def result_sentence(state: RollCall, words: Words) -> str:
    """How a press release says it, names of the few included.

    `Adopted: 141 in favour, 5 against (Belarus, ...), 35 abstentions, 12 not voting`
    """
    figures = [
        words.say("in_favour", n=state.yes),
        _with_names(words, against(words, state.no), state, Vote.NO),
        _with_names(
            words, words.say("abstentions", n=state.abstain), state, Vote.ABSTAIN
        ),
        words.say("not_voting_count", n=state.counts.not_voting),
    ]
    return words.say(
        "moment.closed",
        outcome=words.say(f"status.{status_of(state)}"),
        figures=words.say("list.comma").join(figures),
    )


def _with_names(words: Words, figure: str, state: RollCall, vote: Vote) -> str:
    """The figure, and who they are while they are few."""
    past = state.roll.imported
    day = past.voted_on if past else TODAY
    names = [
        name_of(code, words.language, day)
        for code in state.roll.members
        if state.votes.get(code) is vote
    ]
    if not 0 < len(names) <= NAMED:
        return figure
    joined = words.say("list.comma").join(names)
    return words.say("moment.named", figure=figure, names=joined)
