"""Histories of votes in the formats of their publishers. Made up, but for who was a
member on which day: nobody voted like that."""

import csv
import io
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from tellers_core.former import by_cow, memberships, name_on
from tellers_core.members import name_key, rows

# As in the library's file; what is not used here stays empty.
UNDL = """
    undl_id ms_code ms_name ms_vote date session resolution draft committee_report
    meeting title agenda_title subjects vote_note total_yes total_no total_abstentions
    total_non_voting total_ms undl_link
"""
VOETEN = "rcid ccode vote session date unres descr yes no abstain"
ENDING = " : resolution / adopted by the General Assembly"
ANSWERS = {"Y": "1", "A": "2", "N": "3", "X": "8"}
SUBJECTS = ("peace", "outer space", "fisheries", "decolonization", "the law of the sea")


class PastVote(NamedTuple):
    """A vote of the past; `answers` by code: Y, N, A or X. `more`: columns that say
    otherwise than the votes, e.g. {"total_yes": "99"}."""

    number: int
    day: str
    session: str
    symbol: str
    title: str
    answers: Mapping[str, str]
    more: Mapping[str, Any] = {}

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.answers.values())


def members_on(day: str) -> list[str]:
    """Who was a member on that day, in alphabetical order of the names then."""
    found = (code for code, one in memberships().items() if one.includes(day))
    return sorted(found, key=lambda code: name_key(name_on(code, day)))


def vote_on(day: str, number: int = 1, **options: Any) -> PastVote:
    """A vote of all members of that day, three of each four of them a yes."""
    codes = members_on(day)
    answers = {code: "YNYAYYXY"[place % 8] for place, code in enumerate(codes)}
    session = str(int(day[:4]) - 1945)
    made = PastVote(
        number, day, session, f"A/RES/{session}/{number}", f"Question {number}", answers
    )
    return made._replace(**options)


def undl(votes: Iterable[PastVote]) -> str:
    """The votes as the UN Digital Library exports them."""
    return _csv(UNDL, (row for vote in votes for row in _undl(vote)))


def _undl(vote: PastVote) -> Iterator[dict[str, Any]]:
    counts = vote.counts
    said = {
        "undl_id": vote.number,
        "date": vote.day,
        "session": vote.session,
        "resolution": vote.symbol,
        "title": vote.title + ENDING,
        "total_yes": counts["Y"],
        "total_no": counts["N"],
        "total_abstentions": counts["A"],
        "total_non_voting": counts["X"],
        "total_ms": len(vote.answers),
        "undl_link": f"https://digitallibrary.un.org/record/{vote.number}",
        **vote.more,
    }
    for code, answer in vote.answers.items():
        name = name_on(code, vote.day).upper()
        yield said | {"ms_code": code, "ms_name": name, "ms_vote": answer}


def voeten(votes: Iterable[PastVote]) -> str:
    """The votes as Voeten's data has them: also those who were no members, a 9 each."""
    return _csv(VOETEN, (row for vote in votes for row in _voeten(vote)))


def _voeten(vote: PastVote) -> Iterator[dict[str, Any]]:
    counts = vote.counts
    said = {
        "rcid": vote.number,
        "session": vote.session,
        "date": vote.day,
        "unres": vote.symbol,
        "descr": vote.title,
        "yes": counts["Y"],
        "no": counts["N"],
        "abstain": counts["A"],
        **vote.more,
    }
    for row in rows("cow-codes.csv"):
        code = by_cow(row["cow"], vote.day)
        if row["cow"] in ("260", "679", "713"):
            continue  # the second number of a member that has two
        given = vote.answers.get(code) if code else None
        answer = ANSWERS[given] if given else "9"
        yield said | {"ccode": row["cow"], "vote": answer}


def _csv(columns: str, lines: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns.split(), restval="")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def generated(count: int, seed: int = 1) -> Iterator[PastVote]:
    """So many votes from 1946 on, a few each month, the same for the same seed."""
    chance = random.Random(seed)
    first, last = date(1946, 12, 1), date(2025, 12, 1)
    for number in range(1, count + 1):
        day = (first + (last - first) * number / count).isoformat()
        answers = {
            code: chance.choices("YNAX", (70, 10, 14, 6))[0] for code in members_on(day)
        }
        title = f"Question {number} of {chance.choice(SUBJECTS)}"
        yield vote_on(day, number, title=title, answers=answers)
