"""A tally in words for the terminal."""

from collections.abc import Mapping

from tellers_core.majority import Fraction, Rule
from tellers_core.roll_call import Phase
from tellers_core.tally import Status, Tally, Verdict

VERDICTS: Mapping[Status, str] = {
    "pending": "no yes and no no yet",
    "passing": "would be adopted now",
    "failing": "would be rejected now",
    "tied": "tied",
    "clinched": "certain to be adopted, if nobody changes its vote",
    "unreachable": "cannot be adopted any more, if nobody changes its vote",
    "adopted": "adopted",
    "rejected": "rejected",
    "annulled": "annulled",
}


def rule_in_words(rule: Rule) -> str:
    """The majority that is required."""
    if isinstance(rule, Fraction):
        more = "more than " if rule.strict else ""
        return f"{more}{rule.fraction} of {rule.of.replace('_', ' ')}"
    return rule.replace("_", " ")


def figures(tally: Tally) -> str:
    """The three counts as they are proclaimed: yes, no, abstentions."""
    counts = tally.counts
    return f"{counts.yes}-{counts.no}-{counts.abstain}"


def path_to_majority(tally: Tally) -> str | None:
    """What is still needed; None when nothing is, or nothing helps."""
    to_clinch, left = tally.verdict.to_clinch, tally.counts.not_voting
    if tally.phase is not Phase.OPEN or not to_clinch:
        return None
    return f"certain with {to_clinch} more yes of the {left} still to vote"


def verdict_in_words(verdict: Verdict) -> str:
    """How it stands, and the inequality that says so."""
    return f"{VERDICTS[verdict.status]} ({verdict.because})"


def notes(tally: Tally) -> list[str]:
    """What must not be overlooked: a verdict taken back, a tally that is held."""
    found = []
    if tally.verdict.retracted is not None:
        was, cause = tally.verdict.retracted.was, tally.verdict.retracted.cause
        found.append(f"TAKEN BACK: it was {was}, undone by {cause}")
    if tally.held is not None:
        found.append(f"HELD since event {tally.held.seq}: {tally.held.reason}")
    return found


def line(tally: Tally) -> str:
    """The tally in one line."""
    name = f"REHEARSAL {tally.roll_call}" if tally.rehearsal else tally.roll_call
    parts = [
        f"{name} {tally.phase}: {figures(tally)} (yes-no-abstain)",
        f"{tally.counts.not_voting} not voting",
        f"{rule_in_words(tally.verdict.rule)}: {verdict_in_words(tally.verdict)}",
        *notes(tally),
    ]
    return ", ".join(parts)
