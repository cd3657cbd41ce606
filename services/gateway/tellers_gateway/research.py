"""Rows for who works with the numbers: the log of changes, a chart's few rows, the form
of E. Voeten's voting data, and what a workbook says about itself. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tellers_core.codec import Recorded
from tellers_core.events import (
    WIRE_NAMES,
    IntentionRecorded,
    RollCallClosed,
    RollCallScheduled,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.roll_call import Phase
from tellers_core.tally import ENDED, Tally
from tellers_gateway.detail import Detail, name_of
from tellers_gateway.flat import mode_of
from tellers_gateway.tabular import Cell, Row
from tellers_gateway.words import Words, rule_words

CHANGE_COLUMNS = (
    "seq",
    "at",
    "event",
    "member_code",
    "member_name",
    "from",
    "to",
    "note",
    "mode",
)
CHART_COLUMNS = ("label", "votes", "color", "mode")
COLOURS = ("#009e73", "#d55e00", "#f0e442", "#84919c")
# Columns and codes of the roll-call votes that E. Voeten publishes and the R package
# unvotes reads; `mode` is ours, as are `rcid` as text, and members by ISO code.
VOETEN_COLUMNS = (
    "rcid",
    "country_code",
    "country",
    "vote",
    "unres",
    "date",
    "session",
    "mode",
)
VOETEN = {Vote.YES: 1, Vote.ABSTAIN: 2, Vote.NO: 3}
ABSENT = 8
ABOUT_COLUMNS = ("about", "value")
# The session in a symbol of the Assembly: A/RES/78/1, A/79/L.2, A/C.1/79/L.3.
_session = re.compile(r"A/(?:RES/|C\.\d/)?(\d{1,3})/").match


@dataclass(frozen=True)
class Source:
    """Where the data are from: the page of the roll call as of this seq, and the
    address of their licence."""

    page: str
    licence: str


def change_rows(tally: Tally, history: Iterable[Recorded], words: Words) -> list[Row]:
    """A row an event of the roll call, oldest first."""
    return [
        (
            recorded.seq,
            recorded.time,
            WIRE_NAMES[type(recorded.event)][0],
            *_change(recorded, words),
            mode_of(tally),
        )
        for recorded in history
    ]


def _change(recorded: Recorded, words: Words) -> tuple[Cell, ...]:
    """The cells from `member_code` to `note`."""

    def of(code: str, was: Vote | None, now: Vote | None) -> tuple[Cell, ...]:
        votes = (str(vote) if vote else None for vote in (was, now))
        return (code, name_of(code, words.language), *votes, None)

    match recorded.event:
        case VoteRecorded(code, vote):
            return of(code, None, vote)
        case VoteChanged(code, vote, previous):
            return of(code, previous, vote)
        case VoteWithdrawn(code, previous):
            return of(code, previous, None)
        case IntentionRecorded(code, vote, note):
            return (code, name_of(code, words.language), None, str(vote), note)
        case RollCallScheduled() as scheduled:
            return (None, None, None, rule_words(words, scheduled.rule), None)
        case RuleChanged(now, before):
            was, is_now = rule_words(words, before), rule_words(words, now)
            return (None, None, was, is_now, None)
        case RollCallClosed(outcome=outcome):
            return (None, None, None, str(outcome), None)
        case _:
            return (None,) * 5  # a phase: the event's name says it


def chart_rows(tally: Tally, words: Words) -> list[Row]:
    """Label, number and colour; no number before the vote is open."""
    counts, over = tally.counts, tally.phase is Phase.LOCKED or tally.phase in ENDED
    labels = ("yes", "no", "abstain", "not_voting" if over else "not_recorded")
    numbers = (counts.yes, counts.no, counts.abstain, counts.not_voting)
    begun = tally.phase is not Phase.SCHEDULED
    return [
        (words.say(label), number if begun else None, colour, mode_of(tally))
        for label, number, colour in zip(labels, numbers, COLOURS, strict=True)
    ]


def voeten_rows(tally: Tally, full: Detail) -> list[Row]:
    """A row a member; no answer is `absent` only once none can come any more."""
    answers = {line.delegation: line.vote for line in full.votes}
    silent = ABSENT if tally.phase in ENDED else None
    session = _session_of(tally)
    return [
        (
            tally.roll_call,
            member.iso2,
            member.name,
            VOETEN[answers[member.delegation]]
            if member.delegation in answers
            else silent,
            tally.symbol,
            tally.day,
            session,
            mode_of(tally),
        )
        for member in full.members
    ]


def _session_of(tally: Tally) -> int | None:
    """The regular session; None where neither source nor symbol tells it."""
    if tally.imported and tally.imported.session.isdecimal():
        return int(tally.imported.session)
    found = _session(tally.symbol or "")
    return int(found[1]) if found else None


def about_rows(tally: Tally, words: Words, source: Source) -> list[Row]:
    """What the workbook is, under which licence, and how to cite it."""
    key = f"chamber.{tally.chamber}"
    chamber = words.say(key) if words.has(key) else tally.chamber
    named = [chamber, tally.title, tally.symbol, f"seq {tally.seq}", source.page]
    mode = words.say("rehearsal") if tally.rehearsal else "live"
    return [
        ("title", tally.title),
        ("state", words.say(f"phase.{tally.phase}")),
        ("mode", mode),
        ("date of the vote", tally.day),
        ("as of", tally.at),
        ("seq", tally.seq),
        ("epoch", tally.epoch),
        ("held", tally.held.reason if tally.held else None),
        ("source", source.page),
        ("licence", source.licence),
        ("citation", "Tellers. " + ". ".join(part for part in named if part)),
    ]
