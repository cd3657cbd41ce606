"""The words of the six official languages, the same as the pages' (web/words)."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal, get_args

from babel import Locale

from tellers_core.events import Reveal
from tellers_core.majority import Rule
from tellers_core.roll_call import Phase
from tellers_core.tally import Tally

Language = Literal["en", "fr", "es", "ru", "ar", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
RIGHT_TO_LEFT = frozenset({"ar"})
# Marks that keep a figure or a foreign name whole within a right-to-left sentence.
_FIRST_STRONG, _POP = "\u2068", "\u2069"
_filling = re.compile(r"\{(\w+)\}")


@cache
def _table(language: Language) -> Mapping[str, str | Mapping[str, str]]:
    file = resources.files(__package__) / "web" / "words" / f"{language}.json"
    table: dict[str, str | dict[str, str]] = json.loads(file.read_text("utf-8"))
    return table


class Words:
    """What is said in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.right_to_left = language in RIGHT_TO_LEFT
        self._table = _table(language)
        self._locale = Locale.parse(language)

    def has(self, key: str) -> bool:
        """Whether there are words of that key."""
        return key in self._table

    def say(self, key: str, **values: str | int) -> str:
        """The words of a key, `{name}` filled in; `n` chooses the plural form (CLDR).

        Raises KeyError when a key or a value is missing.
        """
        words = self._table[key]
        if not isinstance(words, str):
            form = self._locale.plural_form(int(values["n"]))
            words = words.get(form, words["other"])
        return _filling.sub(lambda m: self._isolated(str(values[m[1]])), words)

    def _isolated(self, text: str) -> str:
        return f"{_FIRST_STRONG}{text}{_POP}" if self.right_to_left else text


def against(words: Words, number: int) -> str:
    """The votes against in a result: `none against` rather than 0, as one says it."""
    return words.say("against", n=number) if number else words.say("against.none")


def rule_words(words: Words, rule: Rule) -> str:
    """The required majority in words: a named rule, or a fraction of a base."""
    if isinstance(rule, str):
        return words.say(f"rule.{rule}")
    strict = ".strict" if rule.strict else ""
    return words.say(f"rule.{rule.of}{strict}", f=rule.fraction)


# While the vote is locked it is no longer a question of who may still vote.
_LOCKED = {"clinched": "status.carried", "unreachable": "status.not_carried"}


def is_blank(tally: Tally) -> bool:
    """Whether nothing of it is told before it is closed: its figures are there and are
    none, and a 0 would be a vote that nobody cast. As web/verdict.js has it."""
    return tally.withheld is Reveal.NOTHING_UNTIL_CLOSE


def rehearsal_mark(words: Words) -> str:
    """What stands before every text of a rehearsal."""
    return f"{words.say('rehearsal').upper()} \u00b7 {words.say('not_real')}"


def marked(text: str, tally: Tally, words: Words) -> str:
    """A text as it may leave us: that of a rehearsal says first that it is one, since
    what carries it on (a feed reader, a search engine) may show nothing else of us."""
    return f"{rehearsal_mark(words)} \u00b7 {text}" if tally.rehearsal else text


def headline(tally: Tally, words: Words) -> str:
    """Where the vote stands, in a word or two, as web/verdict.js says it; its phase
    instead of a dash where nothing is told."""
    phase, status = tally.phase, tally.verdict.status
    if is_blank(tally):
        return words.say(f"phase.{phase}")
    if phase is Phase.SCHEDULED:
        return words.say("status.scheduled")
    if phase is Phase.LOCKED and status in _LOCKED:
        return words.say(_LOCKED[status])
    if phase is Phase.CLOSED and status == "tied":
        return words.say("status.tied_result")
    return words.say(f"status.{status}")
