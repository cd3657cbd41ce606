"""What the formats have in common: lines of a roll call that come together."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from tellers_core.events import Vote
from tellers_core.majority import Rule
from tellers_core.past import PastRollCall

MAX_ID, MAX_TITLE, MAX_SYMBOL = 64, 500, 64
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_JOINERS = "\u200c\u200d"


class Found(NamedTuple):
    """A roll call of a file, and the line where it begins."""

    line: int
    past: PastRollCall


@dataclass(slots=True)
class Gathered:
    """A roll call while its lines come in. `said`: what each of them must say; `day`:
    of the vote, "" when it is not understood; `answers`: None is silence."""

    line: int
    said: tuple[str, ...]
    day: str
    answers: dict[str, Vote | None] = field(default_factory=dict)


class Table:
    """The lines of one file of one format, roll call by roll call.

    Args:
        columns: where each used column stands.
        rule: the majority that was required.
    """

    SOURCE: ClassVar[str]
    COLUMNS: ClassVar[tuple[str, ...]]
    OPTIONAL: ClassVar[tuple[str, ...]] = ()
    # The column that names the roll call, that of the answer, and those which must say
    # the same in all lines of a roll call.
    KEY: ClassVar[str]
    VOTE: ClassVar[str]
    SAID: ClassVar[tuple[str, ...]]
    VOTES: ClassVar[Mapping[str, Vote | None]]
    ALLOWED: ClassVar[str]
    # Required where nobody says which; None: it must be said, and why.
    RULE: ClassVar[Rule | None] = None
    NO_RULE: ClassVar[str] = ""

    def __init__(self, columns: Mapping[str, int], rule: Rule) -> None:
        self.passed_over: dict[str, int] = {}
        self.rule = rule
        self._columns = columns
        self._names = tuple(name for name in self.SAID if name in columns)
        self._said = itemgetter(*(columns[name] for name in self._names))
        self._key, self._vote = columns[self.KEY], columns[self.VOTE]
        self._roll_calls: dict[str, Gathered] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there was no line yet."""
        return not self._roll_calls

    def take(self, line: int, fields: list[str]) -> None:
        """One more line. Raises ValueError saying what is wrong with it."""
        key, said = fields[self._key], self._said(fields)
        known = self._roll_calls.get(key)
        if known is None:
            known = self._roll_calls[key] = Gathered(line, said, "")
            if not key.strip():
                raise ValueError(f"{self.KEY} is empty")
            known.day = self._begin(dict(zip(self._names, said, strict=True)))
        elif said != known.said:
            raise ValueError(self._contradicts(known, said))
        if not known.day:
            return  # what its first line says is bad already
        answer = fields[self._vote]
        if answer not in self.VOTES:
            answer = self._cleaned(answer)
        code = self.member(fields, known.day, line)
        if code is None:
            return
        if code in known.answers:
            raise ValueError(f"{code} is there already in roll call {key}")
        known.answers[code] = self.VOTES[answer]

    def _cleaned(self, answer: str) -> str:
        cleaned = answer.strip().upper().removesuffix(".0")
        if cleaned not in self.VOTES:
            raise ValueError(
                f"{quoted(answer)} is no {self.VOTE}; allowed: {self.ALLOWED}"
            )
        return cleaned

    def _contradicts(self, known: Gathered, said: tuple[str, ...]) -> str:
        for name, now, before in zip(self._names, said, known.said, strict=True):
            if now != before:
                return (
                    f"{name} is {quoted(now)}, but {quoted(before)} in line "
                    f"{known.line} of the same roll call"
                )
        raise AssertionError("the same is no contradiction")

    def roll_calls(self) -> tuple[Found, ...]:
        """All of them in order of their days; within a day, as in the file."""
        order = sorted(
            self._roll_calls.items(), key=lambda item: (item[1].day, item[1].line)
        )
        found = [
            (key, Found(gathered.line, self._past(key.strip(), gathered)))
            for key, gathered in order
        ]
        # One symbol may stand for several votes: each of them then has its number too.
        names = Counter(one.past.id for _, one in found)
        return tuple(
            one
            if names[one.past.id] == 1
            else one._replace(past=replace(one.past, id=numbered(one.past.id, key)))
            for key, one in found
        )

    def _past(self, key: str, gathered: Gathered) -> PastRollCall:
        said = dict(zip(self._names, gathered.said, strict=True))
        answers = gathered.answers
        votes = {code: vote for code, vote in answers.items() if vote is not None}
        return self.past(key, said, gathered.day, tuple(answers), votes)

    # What a format knows

    def _begin(self, said: Mapping[str, str]) -> str:
        """The day of the vote, the rest checked. Raises ValueError."""
        raise NotImplementedError

    def member(self, fields: list[str], day: str, line: int) -> str | None:
        """Whose line it is; None: of no member. Raises ValueError."""
        raise NotImplementedError

    def past(
        self,
        key: str,
        said: Mapping[str, str],
        day: str,
        members: tuple[str, ...],
        votes: Mapping[str, Vote],
    ) -> PastRollCall:
        """The roll call that its lines come to."""
        raise NotImplementedError


def day_of(text: str) -> str:
    """A day of the calendar. Raises ValueError saying how it is written."""
    text = text.strip()
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise ValueError(f"date: {quoted(text)} is no day such as 1974-11-22")


def total_of(name: str, text: str) -> int | None:
    """A count, also as 120.0; None when there is none. Raises ValueError."""
    text = text.strip().removesuffix(".0")
    if text in ("", "NA"):
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name}: {quoted(text)} is no number of delegations")
    return int(text)


def id_of(symbol: str) -> str:
    """A roll call's id made of a document symbol; "" when nothing of it can stay."""
    return re.sub(r"[^a-z0-9.]+", "-", symbol.casefold())[:MAX_ID].strip("-.")


def numbered(name: str, number: str) -> str:
    """The id with a number behind it, not too long."""
    end = f".{id_of(number)}"
    return name[: MAX_ID - len(end)] + end


def title_of(text: str, most: int = MAX_TITLE) -> str:
    """A text in one line, without what cannot be seen, and not too long."""
    line = " ".join(text.split())
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFC", line)
        if letter in _JOINERS or unicodedata.category(letter) not in _HIDDEN
    )
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def quoted(text: str) -> str:
    """A text as it is shown within a sentence."""
    return repr(text if len(text) <= 40 else text[:39] + "…")  # noqa: PLR2004 - readable
