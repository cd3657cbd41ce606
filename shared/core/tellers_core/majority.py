"""Which majority is required, whether it is reached, and whether that can change.

Integers only. Source: Rules of Procedure of the General Assembly, rules 83-86 and 95;
Charter Articles 18, 27 and 108; the inequalities of `docs/voting-rules.md`.

`Y` yes, `N` no, `R` outstanding (entitled, no answer yet), `M` all members. A majority
of those *present and voting* is a fraction p/q of Y + N; abstaining and silent
delegations do not count. A majority *of the members* is a fraction of M.

    present and voting   carried   Y >= 1 and (q-p)*Y >= p*N    (strict: >)
    of the members       carried   q*Y >= p*M                   (strict: >)
    Security Council     carried   Y >= 9 and no permanent member against

A result is *clinched* when it stays carried with every outstanding vote a no, and
*unreachable* when it is not carried even with every outstanding vote a yes.
"""

from fractions import Fraction as Ratio
from typing import Literal

from msgspec import Struct

MAX_DENOMINATOR = 1000
SECURITY_COUNCIL_YES = 9


class Fraction(Struct, frozen=True, forbid_unknown_fields=True):
    """A required majority in figures: `fraction` is "p/q" with 0 < p/q <= 1."""

    fraction: str
    of: Literal["present_and_voting", "members"]
    strict: bool = False

    @property
    def ratio(self) -> Ratio:
        """The fraction as a number. Raises ValueError when it is not p/q."""
        p, slash, q = self.fraction.partition("/")
        if not (slash and all(n.isascii() and n.isdigit() for n in (p, q))):
            raise ValueError('must look like "2/3"')
        if len(p) > 4 or len(q) > 4 or not 0 < int(p) <= int(q) <= MAX_DENOMINATOR:  # noqa: PLR2004 - digits of 1000
            raise ValueError(f"must be over 0 and at most 1, q <= {MAX_DENOMINATOR}")
        if self.strict and int(p) == int(q):
            raise ValueError("more than all cannot be reached; drop strict")
        return Ratio(int(p), int(q))


RuleName = Literal[
    "simple",
    "two_thirds",
    "absolute",
    "two_thirds_of_members",
    "three_fifths",
    "three_quarters",
    "unanimous",
    "security_council",
]
Rule = RuleName | Fraction

NAMED: dict[RuleName, Fraction] = {
    "simple": Fraction("1/2", "present_and_voting", strict=True),
    "two_thirds": Fraction("2/3", "present_and_voting"),
    "absolute": Fraction("1/2", "members", strict=True),
    "two_thirds_of_members": Fraction("2/3", "members"),
    "three_fifths": Fraction("3/5", "present_and_voting"),
    "three_quarters": Fraction("3/4", "present_and_voting"),
    "unanimous": Fraction("1/1", "present_and_voting"),
}


class Standing(Struct, frozen=True, gc=False):
    """How a roll call stands, all a majority needs to know; numbers of delegations.

    Args:
        yes, no: recorded answers.
        outstanding: entitled delegations that may still answer; 0 once locked.
        members: all members, the base of majorities "of the members".
        vetoes: permanent members recorded against.
        silent_permanent: permanent members among the outstanding.
        agreeing_permanent: permanent members recorded in favour.
    """

    yes: int
    no: int
    outstanding: int
    members: int
    vetoes: int = 0
    silent_permanent: int = 0
    agreeing_permanent: int = 0


# How a vote stands as long as nothing is proclaimed.
Prospect = Literal["pending", "passing", "failing", "tied", "clinched", "unreachable"]


class Majority:
    """A required majority; the questions one asks of it."""

    __slots__ = ("is_simple", "of_members", "p", "q", "strict")

    def __init__(self, rule: Fraction) -> None:
        self.p, self.q = rule.ratio.numerator, rule.ratio.denominator
        self.of_members = rule.of == "members"
        self.strict = rule.strict
        # Rule 95 speaks of an equally divided vote: only this majority can be tied.
        self.is_simple = rule.strict and not self.of_members and self.q == 2 * self.p

    def _met(self, yes: int, no: int, members: int) -> bool:
        if self.of_members:
            left, right = self.q * yes, self.p * members
        else:
            left, right = (self.q - self.p) * yes, self.p * no
        return yes >= 1 and (left > right if self.strict else left >= right)

    def _least(self, numerator: int, denominator: int) -> int:
        """The least k with denominator*k >= numerator (strict: >)."""
        if self.strict:
            return numerator // denominator + 1
        return -(-numerator // denominator)

    def carried(self, s: Standing) -> bool:
        """Whether it carries if nobody else answers."""
        return self._met(s.yes, s.no, s.members)

    def clinched(self, s: Standing) -> bool:
        """Whether it carries although every outstanding vote turns out a no."""
        return self._met(s.yes, s.no + s.outstanding, s.members)

    def unreachable(self, s: Standing) -> bool:
        """Whether it fails although every outstanding vote turns out a yes."""
        return not self._met(s.yes + s.outstanding, s.no, s.members)

    def required(self, s: Standing) -> int:
        """Yes votes needed among the present yes + no, or of all members; >= 1."""
        base = s.members if self.of_members else s.yes + s.no
        return max(1, self._least(self.p * base, self.q))

    def prospect(self, s: Standing) -> Prospect:
        """How it stands. What is settled outranks what merely holds now."""
        if self.clinched(s):
            return "clinched"
        if self.unreachable(s):
            return "unreachable"
        if s.yes == s.no == 0:
            return "pending"
        if self.carried(s):
            return "passing"
        return "tied" if self.is_simple and s.yes == s.no else "failing"

    def judge(
        self, yes: int, no: int, outstanding: int, members: int
    ) -> tuple[Prospect, int]:
        """`prospect` and `required` at once, for who asks at each of many events."""
        p, q, strict = self.p, self.q, self.strict
        if self.of_members:
            base, weight, against = members, q, p * members
            worst = against
        else:
            base, weight, against = yes + no, q - p, p * no
            worst = against + p * outstanding
        # Integers: more than n is n + 1 at least.
        required = (p * base // q + 1 if strict else -(-p * base // q)) or 1
        if not yes:
            return self.prospect(Standing(yes, no, outstanding, members)), required
        now = weight * yes - strict
        if now >= worst:
            return "clinched", required
        if now + weight * outstanding < against:
            return "unreachable", required
        if now >= against:
            return "passing", required
        return ("tied" if self.is_simple and yes == no else "failing"), required

    def to_clinch(self, s: Standing) -> int | None:
        """Further yes votes after which it is certain; None when R do not suffice."""
        if self.of_members:
            more = self.required(s) - s.yes
        else:
            worst = self.p * (s.no + s.outstanding) - (self.q - self.p) * s.yes
            more = max(self._least(worst, self.q), 1 - s.yes)
        more = max(0, more)
        return more if more <= s.outstanding else None

    def flips(self, s: Standing) -> int | None:
        """Votes that must turn (yes to no, or no to yes) to turn the verdict now."""
        margin = s.yes - self.required(s)
        if self.carried(s):
            return margin + 1
        return -margin if -margin <= s.no else None

    def because(self, s: Standing) -> str:
        """The inequality that settles the matter, or how it stands: `141 >= 2 x 5`."""
        yes, no = str(s.yes), str(s.no)
        met = self.carried(s)
        if self.clinched(s) and s.outstanding:
            no = f"{s.no} + {s.outstanding}"
        elif self.unreachable(s) and s.outstanding:
            yes = f"{s.yes} + {s.outstanding}"
        if yes == "0" and not met:
            return "0 yes"
        if self.of_members:
            # "97 >= 97" says it plainer than "2 x 97 > 193".
            return f"{yes} {'>=' if met else '<'} {self.required(s)}"
        if self.p == self.q:
            return f"{no} against"
        sign = (">" if met else "<=") if self.strict else (">=" if met else "<")
        return f"{_times(self.q - self.p, yes)} {sign} {_times(self.p, no)}"


def _times(factor: int, term: str) -> str:
    if factor == 1:
        return term
    return f"{factor} x ({term})" if "+" in term else f"{factor} x {term}"


class SecurityCouncilMajority(Majority):
    """Nine yes and no permanent member against (Charter Article 27(3))."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(Fraction(f"{SECURITY_COUNCIL_YES}/15", "members"))

    def carried(self, s: Standing) -> bool:
        return s.yes >= SECURITY_COUNCIL_YES and s.vetoes == 0

    def clinched(self, s: Standing) -> bool:
        return self.carried(s) and s.silent_permanent == 0

    def unreachable(self, s: Standing) -> bool:
        return s.vetoes > 0 or s.yes + s.outstanding < SECURITY_COUNCIL_YES

    def required(self, s: Standing) -> int:
        return SECURITY_COUNCIL_YES

    def to_clinch(self, s: Standing) -> int | None:
        # Each silent permanent member could still veto, so each must be among the yes.
        more = max(0, SECURITY_COUNCIL_YES - s.yes, s.silent_permanent)
        return more if more <= s.outstanding and s.vetoes == 0 else None

    def flips(self, s: Standing) -> int | None:
        if self.carried(s):
            return 1 if s.agreeing_permanent else s.yes - SECURITY_COUNCIL_YES + 1
        turned = max(s.vetoes, SECURITY_COUNCIL_YES - s.yes)
        return turned if turned <= s.no else None

    def because(self, s: Standing) -> str:
        if s.vetoes:
            return f"{s.vetoes} permanent against"
        if self.unreachable(s) and s.outstanding:
            return f"{s.yes} + {s.outstanding} < {SECURITY_COUNCIL_YES}"
        if s.yes < SECURITY_COUNCIL_YES:
            return f"{s.yes} < {SECURITY_COUNCIL_YES}"
        if s.silent_permanent:
            return f"{s.yes} >= 9, {s.silent_permanent} permanent outstanding"
        return f"{s.yes} >= 9, no permanent against"


_MAJORITIES: dict[Rule, Majority] = {
    **{name: Majority(fraction) for name, fraction in NAMED.items()},
    "security_council": SecurityCouncilMajority(),
}


def majority(rule: Rule) -> Majority:
    """The majority a rule asks for. Raises ValueError for an impossible fraction."""
    known = _MAJORITIES.get(rule)
    if known is None:
        if isinstance(rule, str):
            raise ValueError(f"unknown rule {rule}")
        known = Majority(rule)
    return known
