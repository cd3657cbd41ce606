"""One roll call as one flat row, for vMix, Flowics, Datawrapper and their like. Pure.

The columns are a promise: their names and order never change, new ones come at the
end. What is not known is left out (JSON, XML) or empty (CSV), never 0.
"""

from typing import Literal

from tellers_core.events import Counts
from tellers_core.roll_call import Phase
from tellers_core.tally import ENDED, Tally
from tellers_gateway.detail import Detail
from tellers_gateway.tabular import Cell
from tellers_gateway.words import Words, is_blank, rule_words

COLUMNS = (
    "vote_id",
    "symbol",
    "title",
    "question",
    "method",
    "state",
    "state_label",
    "mode",
    "yes",
    "no",
    "abstain",
    "not_recorded",
    "not_entitled",
    "members",
    "cast",
    "yes_label",
    "no_label",
    "abstain_label",
    "majority_rule",
    "needed",
    "margin",
    "result",
    "result_label",
    "corrected",
    "seq",
    "epoch",
    "occurred_at",
    "published_at",
    "valid_until",
    "held",
)
VOTE_COLUMNS = (
    "vote_id",
    "symbol",
    "date",
    "title",
    "member_code",
    "member_iso2",
    "member_name",
    "group",
    "vote",
    "vote_label",
    "changed",
    "seq",
    "recorded_at",
    "mode",
)
# The members for graphics systems, in their words: an unrecorded `vote` is empty.
MEMBER_COLUMNS = (
    "rank",
    "code",
    "name",
    "vote",
    "vote_label",
    "symbol_char",
    "changed",
    "recorded_at",
    "mode",
)
SYMBOLS = {"yes": "✓", "no": "✕", "abstain": "○"}
NOT_RECORDED, NOT_ENTITLED, WITHHELD = "not_recorded", "not_entitled", "withheld"


def mode_of(tally: Tally) -> Literal["live", "rehearsal"]:
    """What every set of data says of itself, so that no test reaches air."""
    return "rehearsal" if tally.rehearsal else "live"


def flat_row(tally: Tally, full: Detail, words: Words) -> dict[str, Cell]:
    """The row, every column in order; None where it is not known."""
    phase, verdict = tally.phase, tally.verdict
    annulled = phase is Phase.ANNULLED
    begun = phase is not Phase.SCHEDULED
    told = begun and not is_blank(tally)
    known = _figures(tally.counts) if told else {}
    ended = phase in ENDED
    values: dict[str, Cell] = {
        "vote_id": tally.roll_call,
        "symbol": tally.symbol,
        "title": tally.title,
        "question": None,
        "method": "recorded",
        "state": "cancelled" if annulled else str(phase),
        "state_label": words.say(f"phase.{phase}"),
        "mode": mode_of(tally),
        **known,
        "yes_label": words.say("yes"),
        "no_label": words.say("no"),
        "abstain_label": words.say("abstain"),
        "majority_rule": _majority(tally, words),
        "needed": verdict.required if told else None,
        "margin": verdict.margin if told else None,
        "result": verdict.status if ended else None,
        "result_label": words.say(f"status.{verdict.status}") if ended else None,
        "corrected": int(any(line.changed for line in full.votes)),
        "seq": tally.seq,
        "epoch": tally.epoch,
        "occurred_at": tally.imported.voted_on if tally.imported else tally.at,
        "published_at": tally.at,
        "held": tally.held.reason if tally.held else None,
    }
    return {column: values.get(column) for column in COLUMNS}


def _majority(tally: Tally, words: Words) -> str:
    rule = rule_words(words, tally.verdict.rule)
    return words.say("rule_assumed", rule=rule) if tally.imported else rule


def _figures(counts: Counts) -> dict[str, Cell]:
    return {
        "yes": counts.yes,
        "no": counts.no,
        "abstain": counts.abstain,
        "not_recorded": counts.not_voting,
        "not_entitled": counts.members - counts.entitled,
        "members": counts.members,
        "cast": counts.yes + counts.no + counts.abstain,
    }


def vote_rows(tally: Tally, full: Detail, words: Words) -> list[dict[str, Cell]]:
    """One row a member, in the chamber's order: what it voted, or that it did not."""
    answers = {line.delegation: line for line in full.votes}
    rows = []
    for member in full.members:
        answer = answers.get(member.delegation)
        silent = NOT_RECORDED if member.entitled else NOT_ENTITLED
        if member.entitled and tally.withheld is not None:
            silent = WITHHELD
        vote = str(answer.vote) if answer else silent
        labels = {NOT_RECORDED: "none", NOT_ENTITLED: "barred"}
        values: dict[str, Cell] = {
            "vote_id": tally.roll_call,
            "symbol": tally.symbol,
            "date": tally.day,
            "title": tally.title,
            "member_code": member.delegation,
            "member_iso2": member.iso2,
            "member_name": member.name,
            "group": member.group,
            "vote": vote,
            "vote_label": words.say(labels.get(vote, vote)),
            "changed": int(answer.changed) if answer else 0,
            "seq": answer.seq if answer else None,
            "recorded_at": full.voted_at.get(member.delegation),
            "mode": mode_of(tally),
        }
        rows.append({column: values[column] for column in VOTE_COLUMNS})
    return rows


def member_rows(tally: Tally, full: Detail, words: Words) -> list[dict[str, Cell]]:
    """One row a member, in the chamber's order, for a list on air."""
    answers = {line.delegation: line for line in full.votes}
    rows = []
    for rank, member in enumerate(full.members, 1):
        answer = answers.get(member.delegation)
        vote = str(answer.vote) if answer else None
        unknown = "none" if tally.withheld is None else WITHHELD
        silent = unknown if member.entitled else "barred"
        values: dict[str, Cell] = {
            "rank": rank,
            "code": member.delegation,
            "name": member.name,
            "vote": vote,
            "vote_label": words.say(vote or silent),
            "symbol_char": SYMBOLS.get(vote or "", "–"),  # noqa: RUF001 - a dash it is
            "changed": int(answer.changed) if answer else 0,
            "recorded_at": full.voted_at.get(member.delegation),
            "mode": mode_of(tally),
        }
        rows.append({column: values[column] for column in MEMBER_COLUMNS})
    return rows
