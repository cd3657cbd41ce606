"""A second count of the same votes, made to go wrong in other ways than the first.

It shares no code with the core: it reads the log's bytes with the standard library (a
vote as the one line of text that it is), keeps who gave which answer as sets, and looks
up in a table, made with fractions, how many yes a number of votes needs. The projector
compares: only what both counts say is published as confirmed. It knows schema 1 of each
event and the rules of `docs/voting-rules.md`; what the core learns must be taught here
too.
"""

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

_read = json.JSONDecoder().raw_decode
# A vote as ingest writes it. Another spelling of the same is read as JSON.
_TEXT = r'"[^"\\]*+"'
_read_vote = re.compile(
    r'\{"data":\{"delegation":"([A-Z]{3})",'
    r'"previous":(?:null|"[a-z]++"),"vote":(?:null|"([a-z]++)")\},'
    rf'"datacontenttype":"application/json","id":{_TEXT},"rollcall":"([^"\\]*+)",'
    rf'"rollcallversion":([0-9]++),"sequence":"([0-9]++)","source":{_TEXT},'
    rf'"specversion":"1.0","subject":{_TEXT},"time":{_TEXT},'
    r'"type":"org\.tellers\.vote\.(?:recorded|changed|withdrawn)\.v1"\}'
).fullmatch
_NOT_UNDERSTOOD = (ValueError, LookupError, TypeError, AttributeError, RecursionError)

# Type of an event: the phases in which it may come, and the phase after it.
_VOTES = tuple(
    f"org.tellers.vote.{what}.v1" for what in ("recorded", "changed", "withdrawn")
)
_ANSWERS = ("yes", "no", "abstain")
_RUNNING = ("scheduled", "open", "locked")
_STEPS = {
    "org.tellers.roll_call.opened.v1": (("scheduled",), "open"),
    "org.tellers.roll_call.locked.v1": (("open",), "locked"),
    "org.tellers.roll_call.unlocked.v1": (("locked",), "open"),
    "org.tellers.roll_call.closed.v1": (("locked",), "closed"),
    "org.tellers.roll_call.annulled.v1": (_RUNNING, "annulled"),
    "org.tellers.intention.recorded.v1": (("closed",), "closed"),
}
_SCHEDULED = "org.tellers.roll_call.scheduled.v1"
_RULE_CHANGED = "org.tellers.roll_call.rule_changed.v1"


class Doubt(Exception):
    """The entry cannot be counted here: not understood, or out of its place."""


class Figures(NamedTuple):
    """What both counts must agree on."""

    phase: str
    yes: int
    no: int
    abstain: int
    not_voting: int
    entitled: int
    members: int
    status: str
    required: int

    def __str__(self) -> str:
        return (
            f"{self.phase}, {self.yes}-{self.no}-{self.abstain}, "
            f"{self.not_voting} of {self.entitled} not voting, {self.members} members, "
            f"{self.status}, {self.required} required"
        )


_figures = tuple.__new__  # Figures(...) takes half as long as all the counting


class Shadow:
    """The second count of one log's running roll calls.

    Args:
        seq: of the last entry before those that it will be given.
    """

    def __init__(self, seq: int = 0) -> None:
        self._seq = seq
        self._sheets: dict[str, _Sheet] = {}

    def follow(self, body: bytes) -> Figures:
        """Count the next entry of the log: how its roll call stands now.

        Raises Doubt, also when it is another entry than the next.
        """
        self._seq += 1
        return self._count(body, self._seq)

    def skip(self) -> None:
        """The next entry of the log is not counted."""
        self._seq += 1

    def recall(self, body: bytes) -> Figures:
        """Count an entry from before; those of a roll call in order. Raises Doubt."""
        return self._count(body, None)

    def forget(self, roll_call: str) -> None:
        """Let go of a roll call; it can be recalled."""
        self._sheets.pop(roll_call, None)

    def _count(self, body: bytes, seq: int | None) -> Figures:
        try:
            text = body.decode()
            vote = _read_vote(text)
            if vote is None:
                return self._count_other(text, seq)
            delegation, answer, roll_call, version, sequence = vote.groups()
            if seq is not None and int(sequence) != seq:
                raise _misplaced(sequence, seq)
            sheet = self._sheets.get(roll_call)
            if sheet is None:
                raise Doubt(_NO_BEGINNING)
            sheet.turn(int(version))
            sheet.answer(delegation, answer)
            return sheet.figures()
        except _NOT_UNDERSTOOD as error:
            raise Doubt(f"{type(error).__name__} {error}") from error

    def _count_other(self, text: str, seq: int | None) -> Figures:
        entry = _read(text)[0]
        if seq is not None and int(entry["sequence"]) != seq:
            raise _misplaced(entry["sequence"], seq)
        sheet = self._sheets.get(entry["rollcall"])
        if sheet is None:
            sheet = self._sheets[entry["rollcall"]] = _scheduled(entry)
        else:
            sheet.write(entry)
        return sheet.figures()


def _misplaced(sequence: str, seq: int) -> Doubt:
    return Doubt(f"entry {sequence} comes as number {seq}")


class _Sheet:
    """One roll call on paper: a column for each answer."""

    __slots__ = ("answers", "entitled", "members", "permanent", "phase", "rule", "seen")

    def __init__(self, roll: Mapping[str, Any]) -> None:
        self.phase = "scheduled"
        self.seen = 1
        self.rule = _rule(roll["rule"])
        self.members = len(roll["members"])
        self.entitled = set(roll["entitled"])
        self.permanent = self.entitled.intersection(roll["permanent"])
        self.answers: dict[str, set[str]] = {
            "yes": set(),
            "no": set(),
            "abstain": set(),
        }

    def write(self, entry: Mapping[str, Any]) -> None:
        """Take the roll call's next event. Raises Doubt."""
        self.turn(entry["rollcallversion"])
        kind = entry["type"]
        if kind in _VOTES:
            self.answer(entry["data"]["delegation"], entry["data"]["vote"])
        elif kind == _RULE_CHANGED:
            self._must_be_in(_RUNNING, kind)
            self.rule = _rule(entry["data"]["rule"])
        else:
            before, after = _STEPS[kind]
            self._must_be_in(before, kind)
            self.phase = after

    def _must_be_in(self, phases: tuple[str, ...], kind: str) -> None:
        if self.phase not in phases:
            raise Doubt(f"{kind} comes while {self.phase}")

    def turn(self, version: int) -> None:
        """The next event's number must be the next. Raises Doubt."""
        self.seen += 1
        if version != self.seen:
            raise Doubt(f"event {version} comes as number {self.seen}")

    def answer(self, delegation: str, vote: str | None) -> None:
        """Cross the delegation out wherever it stands, and write it down anew: the same
        event twice would change nothing."""
        if self.phase != "open":
            raise Doubt(f"a vote comes while {self.phase}")
        if delegation not in self.entitled:
            raise Doubt(f"{delegation} may not vote")
        for answered in self.answers.values():
            answered.discard(delegation)
        if vote is not None:
            self.answers[vote].add(delegation)

    def figures(self) -> Figures:
        """How it stands."""
        yes, no, abstain = map(len, self.answers.values())
        entitled = len(self.entitled)
        not_voting = entitled - yes - no - abstain
        missing = not_voting if self.phase in ("scheduled", "open") else 0
        status, required = self.rule.judge(self, yes, no, missing)
        if self.phase == "annulled":
            status = "annulled"
        elif self.phase == "closed":
            tied = self.rule.by_half and yes == no > 0
            status = _PROCLAIMED.get(status, "tied" if tied else "rejected")
        return _figures(
            Figures,
            (
                self.phase,
                yes,
                no,
                abstain,
                not_voting,
                entitled,
                self.members,
                status,
                required,
            ),
        )


_PROCLAIMED = {"clinched": "adopted"}


_NO_BEGINNING = "its beginning is missing"


def _scheduled(entry: Mapping[str, Any]) -> _Sheet:
    if (entry["type"], entry["rollcallversion"]) != (_SCHEDULED, 1):
        raise Doubt(_NO_BEGINNING)
    return _Sheet(entry["data"])


# ---- who carries


class _Share:
    """A share of the votes cast, or of all members.

    However the missing vote, yes or no, as many votes are cast in the end: so the best
    and the worst case are judged by the same number in the table.
    """

    __slots__ = ("_needed", "_of_members", "_share", "_strict", "by_half")

    def __init__(self, share: Fraction, of: str, strict: bool = False) -> None:
        self._share, self._of_members, self._strict = share, of == "members", strict
        # Only an equally divided vote under a plain majority is a tie (rule 95).
        self.by_half = strict and share == Fraction(1, 2) and not self._of_members
        self._needed: dict[int, int] = {}

    def needed(self, base: int) -> int:
        """The fewest yes that are enough of `base`; at least one."""
        if base not in self._needed:
            enough = (yes for yes in count(1) if self._enough(yes, base))
            self._needed[base] = next(enough)
        return self._needed[base]

    def _enough(self, yes: int, base: int) -> bool:
        part = Fraction(yes, max(base, 1))
        return part > self._share if self._strict else part >= self._share

    def judge(self, sheet: _Sheet, yes: int, no: int, missing: int) -> tuple[str, int]:
        """How it stands, and how many yes it takes now."""
        if self._of_members:
            now = in_the_end = self.needed(sheet.members)
        else:
            known, cast = self._needed, yes + no
            now = known.get(cast) or self.needed(cast)
            in_the_end = known.get(cast + missing) or self.needed(cast + missing)
        if yes >= in_the_end:  # though all the missing say no
            return "clinched", now
        if yes + missing < in_the_end:  # though they all say yes
            return "unreachable", now
        if not yes + no:
            return "pending", now
        if yes >= now:
            return "passing", now
        return ("tied" if self.by_half and yes == no else "failing"), now


_COUNCIL_YES = 9


class _Council:
    """Nine yes and no permanent member against (Charter Article 27)."""

    by_half = False

    def judge(self, sheet: _Sheet, yes: int, no: int, missing: int) -> tuple[str, int]:
        """How it stands, and how many yes it takes."""
        against = sheet.permanent & sheet.answers["no"]
        silent = sheet.permanent.difference(*sheet.answers.values()) if missing else ()
        if yes >= _COUNCIL_YES and not against and not silent:
            return "clinched", _COUNCIL_YES
        if against or yes + missing < _COUNCIL_YES:
            return "unreachable", _COUNCIL_YES
        if not yes + no:
            return "pending", _COUNCIL_YES
        return ("passing" if yes >= _COUNCIL_YES else "failing"), _COUNCIL_YES


_CAST = "present_and_voting"
_NAMED: dict[str, _Share | _Council] = {
    "simple": _Share(Fraction(1, 2), _CAST, strict=True),
    "two_thirds": _Share(Fraction(2, 3), _CAST),
    "absolute": _Share(Fraction(1, 2), "members", strict=True),
    "two_thirds_of_members": _Share(Fraction(2, 3), "members"),
    "three_fifths": _Share(Fraction(3, 5), _CAST),
    "three_quarters": _Share(Fraction(3, 4), _CAST),
    "unanimous": _Share(Fraction(1), _CAST),
    "security_council": _Council(),
}


def _rule(asked: str | Mapping[str, Any]) -> _Share | _Council:
    if isinstance(asked, str):
        return _NAMED[asked]
    return _share(asked["fraction"], asked["of"], asked.get("strict", False))


@lru_cache(maxsize=256)
def _share(fraction: str, of: str, strict: bool) -> _Share:
    return _Share(Fraction(fraction), of, strict)
