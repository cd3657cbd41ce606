"""Required majorities, against the published arithmetic and against brute force.

The figures in the tables are those of the voting rules, section "Mathematics". The
brute force asks the definitions instead: what is certain holds in every way the
missing delegations may still answer. Nothing in it calls the code under test.
"""
# ruff: noqa: SIM300 - the inequalities as the voting rules write them

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction as Ratio
from functools import cache
from itertools import product
from typing import get_args

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from tellers_core.majority import (
    MAX_DENOMINATOR,
    NAMED,
    Fraction,
    Rule,
    RuleName,
    Standing,
    majority,
)

M = 193


def figures(standing: Standing) -> tuple[int, int, int, int]:
    """Y, N, R, M, as the voting rules call them."""
    return standing.yes, standing.no, standing.outstanding, standing.members


def of_193(yes: int, no: int, outstanding: int) -> Standing:
    return Standing(yes, no, outstanding, M)


# ---- the worked examples, figures as in the document


@dataclass(frozen=True)
class Example:
    """One cell of the table of worked examples; None: the document says nothing."""

    rule: Rule
    yes: int
    no: int
    outstanding: int
    verdict: str
    flips: int | None = None
    to_clinch: int | None = None


EXAMPLES = [
    # ES-11/1, final: 141-5-35, 12 not voting
    Example("simple", 141, 5, 0, "carried", flips=68),
    Example("two_thirds", 141, 5, 0, "carried", flips=44),
    Example("absolute", 141, 5, 0, "carried"),
    Example("two_thirds_of_members", 141, 5, 0, "carried", flips=13),
    # ES-11/3, final: 93-24-58, 18 not voting
    Example("simple", 93, 24, 0, "carried", flips=35),
    Example("two_thirds", 93, 24, 0, "carried", flips=16),
    Example("absolute", 93, 24, 0, "defeated"),
    Example("two_thirds_of_members", 93, 24, 0, "defeated"),
    # 60-10-30 so far, R = 93
    Example("simple", 60, 10, 93, "carried so far, open", to_clinch=22),
    Example("two_thirds", 60, 10, 93, "carried so far, open", to_clinch=49),
    Example("absolute", 60, 10, 93, "open", to_clinch=37),
    Example("two_thirds_of_members", 60, 10, 93, "open", to_clinch=69),
    # 84-62-25, 22 not voting
    Example("simple", 84, 62, 0, "carried"),
    Example("two_thirds", 84, 62, 0, "defeated"),
    Example("absolute", 84, 62, 0, "defeated"),
    Example("two_thirds_of_members", 84, 62, 0, "defeated"),
    # tie 70-70-40, 13 not voting
    Example("simple", 70, 70, 0, "defeated"),
    Example("two_thirds", 70, 70, 0, "defeated"),
    Example("absolute", 70, 70, 0, "defeated"),
    Example("two_thirds_of_members", 70, 70, 0, "defeated"),
    # all abstain, 0-0-180, 13 not voting
    Example("simple", 0, 0, 0, "defeated"),
    Example("two_thirds", 0, 0, 0, "defeated"),
    Example("absolute", 0, 0, 0, "defeated"),
    Example("two_thirds_of_members", 0, 0, 0, "defeated"),
    # nobody has voted, R = 193
    Example("simple", 0, 0, 193, "open", to_clinch=97),
    Example("two_thirds", 0, 0, 193, "open", to_clinch=129),
    Example("absolute", 0, 0, 193, "open", to_clinch=97),
    Example("two_thirds_of_members", 0, 0, 193, "open", to_clinch=129),
]
VERDICTS = {  # carried, clinched, unreachable
    "carried": (True, True, False),
    "defeated": (False, False, True),
    "carried so far, open": (True, False, False),
    "open": (False, False, False),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_worked_examples_come_out_as_published(example: Example) -> None:
    required = majority(example.rule)
    standing = of_193(example.yes, example.no, example.outstanding)
    assert (
        required.carried(standing),
        required.clinched(standing),
        required.unreachable(standing),
    ) == VERDICTS[example.verdict]
    if example.flips is not None:
        assert required.flips(standing) == example.flips
    if example.to_clinch is not None:
        assert required.to_clinch(standing) == example.to_clinch


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        ("absolute", 97),
        ("two_thirds_of_members", 129),
        (Fraction("3/5", "members"), 116),
        (Fraction("3/4", "members"), 145),
        (Fraction("1/1", "members"), 193),
    ],
)
def test_the_thresholds_of_193_members_are_as_published(
    rule: Rule, threshold: int
) -> None:
    required = majority(rule)
    assert required.required(of_193(0, 0, 193)) == threshold
    assert required.required(of_193(threshold, 40, 0)) == threshold
    assert required.carried(of_193(threshold, 0, 0))
    assert not required.carried(of_193(threshold - 1, 0, 0))


@pytest.mark.parametrize(
    "rule", ["simple", "two_thirds", "three_fifths", "three_quarters", "unanimous"]
)
@pytest.mark.parametrize("yes", [193, 1])
def test_all_yes_and_a_single_yes_carry_among_those_voting(
    rule: RuleName, yes: int
) -> None:
    assert majority(rule).carried(of_193(yes, 0, 0))


@pytest.mark.parametrize("rule", sorted(NAMED))
def test_without_a_single_yes_nothing_carries(rule: RuleName) -> None:
    nobody = of_193(0, 0, 0)
    assert not majority(rule).carried(nobody)
    assert majority(rule).unreachable(nobody)
    assert majority(rule).required(nobody) >= 1


def test_two_thirds_of_100_voting_are_67() -> None:
    assert majority("two_thirds").required(of_193(60, 40, 93)) == 67


def test_one_abstention_settles_what_was_open() -> None:
    two_thirds = majority("two_thirds")
    assert not two_thirds.clinched(of_193(4, 1, 2))
    assert two_thirds.clinched(of_193(4, 1, 1))
    assert not two_thirds.unreachable(of_193(0, 1, 2))
    assert two_thirds.unreachable(of_193(0, 1, 1))


# ---- the table of inequalities, row by row, on every scale


Inequality = Callable[[int, int, int, int], bool]


@dataclass(frozen=True)
class Published:
    """A row of the published tables in Y, N, R, M; `need` before it is capped at R."""

    carried: Inequality
    clinched: Inequality
    defeated: Inequality
    need: Callable[[int, int, int, int], int | None]


def _ratio_row(p: int, q: int) -> Published:
    return Published(
        carried=lambda Y, N, R, M: Y >= 1 and (q - p) * Y >= p * N,
        clinched=lambda Y, N, R, M: Y >= 1 and (q - p) * Y >= p * (N + R),
        defeated=lambda Y, N, R, M: Y + R == 0 or (q - p) * (Y + R) < p * N,
        need=lambda Y, N, R, M: max(0, 1 - Y, -((-(p * (N + R) - (q - p) * Y)) // q)),
    )


def _members_row(threshold: Callable[[int], int]) -> Published:
    return Published(
        carried=lambda Y, N, R, M: Y >= threshold(M),
        clinched=lambda Y, N, R, M: Y >= threshold(M),
        defeated=lambda Y, N, R, M: Y + R < threshold(M),
        need=lambda Y, N, R, M: max(0, threshold(M) - Y),
    )


PUBLISHED: dict[RuleName, Published] = {
    "simple": Published(
        carried=lambda Y, N, R, M: Y > N,
        clinched=lambda Y, N, R, M: Y > N + R,
        defeated=lambda Y, N, R, M: Y + R <= N,
        need=lambda Y, N, R, M: max(0, (N + R - Y) // 2 + 1),
    ),
    "two_thirds": Published(
        carried=lambda Y, N, R, M: Y >= 1 and Y >= 2 * N,
        clinched=lambda Y, N, R, M: Y >= 1 and Y >= 2 * (N + R),
        defeated=lambda Y, N, R, M: Y + R == 0 or Y + R < 2 * N,
        need=lambda Y, N, R, M: max(0, 1 - Y, -(-(2 * (N + R) - Y) // 3)),
    ),
    "three_fifths": _ratio_row(3, 5),
    "three_quarters": _ratio_row(3, 4),
    "unanimous": Published(
        carried=lambda Y, N, R, M: N == 0 and Y >= 1,
        clinched=lambda Y, N, R, M: N == 0 and Y >= 1 and R == 0,
        defeated=lambda Y, N, R, M: N > 0 or Y + R == 0,
        need=lambda Y, N, R, M: max(N + R, 1 - Y) if N == 0 else None,
    ),
    "absolute": _members_row(lambda M: M // 2 + 1),
    "two_thirds_of_members": _members_row(lambda M: (2 * M + 3 - 1) // 3),
}


def test_every_named_majority_has_its_published_row() -> None:
    assert (
        set(PUBLISHED) == set(NAMED) == set(get_args(RuleName)) - {"security_council"}
    )


@st.composite
def standings(draw: st.DrawFn, members: int = 250) -> Standing:
    """Any state of any assembly up to that size, with members who may not vote."""
    size = draw(st.integers(1, members))
    entitled = draw(st.integers(0, size))
    yes = draw(st.integers(0, entitled))
    no = draw(st.integers(0, entitled - yes))
    return Standing(yes, no, draw(st.integers(0, entitled - yes - no)), size)


@for_all(standing=standings(), rule=st.sampled_from(sorted(PUBLISHED)))
def test_the_published_inequalities_hold_in_assemblies_of_any_size(
    standing: Standing, rule: RuleName
) -> None:
    required, row = majority(rule), PUBLISHED[rule]
    need = row.need(*figures(standing))
    out_of_reach = need is None or need > standing.outstanding
    assert required.carried(standing) == row.carried(*figures(standing))
    assert required.clinched(standing) == row.clinched(*figures(standing))
    assert required.unreachable(standing) == row.defeated(*figures(standing))
    assert required.to_clinch(standing) == (None if out_of_reach else need)


# ---- brute force against the definitions

RULES: dict[str, tuple[Rule, Callable[[int, int, int], bool]]] = {
    # what carried means: Y, N, M
    "simple": ("simple", lambda y, n, m: y > n),
    "two_thirds": ("two_thirds", lambda y, n, m: y >= 1 and 3 * y >= 2 * (y + n)),
    "absolute": ("absolute", lambda y, n, m: Ratio(y) > Ratio(m, 2)),
    "two_thirds_of_members": ("two_thirds_of_members", lambda y, n, m: 3 * y >= 2 * m),
    "three_fifths": (
        "three_fifths",
        lambda y, n, m: y >= 1 and Ratio(y, y + n) >= Ratio(3, 5),
    ),
    "three_quarters": (
        "three_quarters",
        lambda y, n, m: y >= 1 and Ratio(y, y + n) >= Ratio(3, 4),
    ),
    "unanimous": ("unanimous", lambda y, n, m: y >= 1 and n == 0),
}


def _custom(
    fraction: str, p: int, q: int, *, members: bool = False, strict: bool = False
) -> None:
    """Add a rule in figures, with what it says in plain fractions."""
    rule = Fraction(fraction, "members" if members else "present_and_voting", strict)

    def says(y: int, n: int, m: int) -> bool:
        base = m if members else y + n
        if y == 0 or base == 0:
            return False
        share = Ratio(y, base)
        return share > Ratio(p, q) if strict else share >= Ratio(p, q)

    RULES[f"{fraction} of {rule.of}{' strict' * strict}"] = (rule, says)


_custom("1/2", 1, 2)  # unlike simple: half is enough
_custom("2/4", 2, 4, strict=True)
_custom("2/3", 2, 3, strict=True)
_custom("1/3", 1, 3)
_custom("3/7", 3, 7, strict=True)
_custom("5/8", 5, 8)
_custom("1/1000", 1, 1000)
_custom("999/1000", 999, 1000, strict=True)
_custom("1/2", 1, 2, members=True)
_custom("1/3", 1, 3, members=True, strict=True)
_custom("3/5", 3, 5, members=True)
_custom("4/4", 1, 1, members=True)


@cache
def completions(outstanding: int) -> frozenset[tuple[int, int]]:
    """How many yes and no so many delegations may add, each of four minds: yes, no,
    abstaining, silent."""
    return frozenset(
        (answers.count("yes"), answers.count("no"))
        for answers in product(("yes", "no", "abstain", "silent"), repeat=outstanding)
    )


def small_states() -> Iterator[Standing]:
    """Every count state of assemblies with up to 8 entitled, up to 2 more members."""
    seen = {
        (yes, no, outstanding, members)
        for entitled in range(9)
        for members in range(max(entitled, 1), entitled + 3)
        for yes in range(entitled + 1)
        for no in range(entitled - yes + 1)
        for outstanding in range(entitled - yes - no + 1)
    }
    return (Standing(*state) for state in sorted(seen))


def _least(candidates: range, holds: Callable[[int], bool]) -> int | None:
    return next((k for k in candidates if holds(k)), None)


@pytest.mark.parametrize("name", RULES)
def test_every_state_of_small_assemblies_is_judged_by_the_definitions(
    name: str,
) -> None:
    rule, carried = RULES[name]
    required = majority(rule)
    for standing in small_states():
        Y, N, R, m = figures(standing)

        @cache
        def clinched(yes: int, no: int, left: int, members: int = m) -> bool:
            return all(
                carried(yes + more_yes, no + more_no, members)
                for more_yes, more_no in completions(left)
            )

        unreachable = not any(carried(Y + y, N + n, m) for y, n in completions(R))
        to_clinch = _least(range(R + 1), lambda k: clinched(Y + k, N, R - k))  # noqa: B023 - called at once
        if carried(Y, N, m):
            flips = _least(range(Y + 1), lambda k: not carried(Y - k, N + k, m))  # noqa: B023
        else:
            flips = _least(range(N + 1), lambda k: carried(Y + k, N - k, m))  # noqa: B023
        assert required.carried(standing) == carried(Y, N, m), standing
        assert required.clinched(standing) == clinched(Y, N, R), standing
        assert required.unreachable(standing) == unreachable, standing
        assert required.to_clinch(standing) == to_clinch, standing
        assert required.flips(standing) == flips, standing


@pytest.mark.parametrize("name", RULES)
def test_required_is_the_least_number_of_yes_that_carries(name: str) -> None:
    rule, carried = RULES[name]
    of_members = majority(rule).of_members
    for standing in small_states():
        Y, N, _, m = figures(standing)
        if of_members:
            least = _least(range(m + 1), lambda y: carried(y, 0, m))  # noqa: B023
        else:
            # Before anybody says yes or no it takes one yes.
            voting = max(1, Y + N)
            least = _least(range(voting + 1), lambda y: carried(y, voting - y, m))  # noqa: B023
        assert majority(rule).required(standing) == least, standing


# ---- the laws the document names


@for_all(standing=standings(), name=st.sampled_from(sorted(RULES)))
def test_clinched_and_unreachable_exclude_each_other(
    standing: Standing, name: str
) -> None:
    required = majority(RULES[name][0])
    clinched, unreachable = required.clinched(standing), required.unreachable(standing)
    assert not (clinched and unreachable)
    if standing.outstanding == 0:
        assert clinched == required.carried(standing) == (not unreachable)


@for_all(standing=standings(), name=st.sampled_from(sorted(RULES)))
def test_silence_keeps_what_is_settled_settled(standing: Standing, name: str) -> None:
    required = majority(RULES[name][0])
    later = replace(standing, outstanding=max(0, standing.outstanding - 1))
    assert not required.clinched(standing) or required.clinched(later)
    assert not required.unreachable(standing) or required.unreachable(later)


# ---- because: the sentence beside the verdict is true


@pytest.mark.parametrize(
    ("rule", "standing", "because"),
    [
        ("two_thirds", (141, 5, 12), "141 >= 2 x (5 + 12)"),
        ("two_thirds", (141, 5, 0), "141 >= 2 x 5"),
        ("two_thirds", (60, 10, 93), "60 >= 2 x 10"),
        ("two_thirds", (84, 62, 0), "84 < 2 x 62"),
        ("two_thirds", (10, 62, 22), "10 + 22 < 2 x 62"),
        ("simple", (93, 24, 18), "93 > 24 + 18"),
        ("simple", (70, 70, 13), "70 <= 70"),
        ("simple", (50, 70, 13), "50 + 13 <= 70"),
        ("three_fifths", (93, 24, 0), "2 x 93 >= 3 x 24"),
        ("three_fifths", (10, 90, 20), "2 x (10 + 20) < 3 x 90"),
        ("absolute", (97, 5, 12), "97 >= 97"),
        ("absolute", (93, 24, 0), "93 < 97"),
        ("absolute", (60, 100, 33), "60 + 33 < 97"),
        ("two_thirds_of_members", (141, 5, 0), "141 >= 129"),
        ("unanimous", (181, 0, 0), "0 against"),
        ("unanimous", (141, 5, 12), "5 against"),
        ("simple", (0, 0, 193), "0 yes"),
        ("two_thirds", (0, 0, 0), "0 yes"),
        ("two_thirds", (0, 5, 2), "0 + 2 < 2 x 5"),
        ("absolute", (0, 5, 90), "0 + 90 < 97"),
    ],
)
def test_because_names_the_figures_that_settle_it(
    rule: Rule, standing: tuple[int, int, int], because: str
) -> None:
    assert majority(rule).because(of_193(*standing)) == because


_COMPARED = re.compile(r"(?P<left>.+) (?P<sign><=|>=|<|>) (?P<right>.+)")


def _value(term: str) -> int:
    """`2 x (5 + 12)` -> 34."""
    factor, _, rest = term.rpartition(" x ")
    total = sum(int(part) for part in rest.strip("()").split(" + "))
    return total * int(factor or 1)


@for_all(standing=standings(), name=st.sampled_from(sorted(RULES)))
def test_an_inequality_in_because_is_true(standing: Standing, name: str) -> None:
    because = majority(RULES[name][0]).because(standing)
    compared = _COMPARED.fullmatch(because)
    if compared is None:
        assert because.endswith((" yes", " against"))
        assert because.split()[0] in {str(standing.yes), str(standing.no)}
        return
    left, right = _value(compared["left"]), _value(compared["right"])
    assert {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[compared["sign"]]


# ---- rules in figures that cannot be


@pytest.mark.parametrize(
    "fraction",
    [
        *("", "2", "/", "2/", "/3", "2/3/4", "2:3", "a/b", "-1/2", "+1/2", "1.5/2"),
        *(" 1/2", "1/2 ", "1 /2", "1_0/20", "\u0662/\u0663", "\u00b2/3"),
        *("0/1", "0/0", "1/0", "3/2", "1/1001", "1001/1001", "00001/2", "1/00002"),
        "9" * 5000 + "/" + "9" * 5000,
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_fraction_must_be_over_0_and_at_most_1(fraction: str, strict: bool) -> None:
    with pytest.raises(ValueError, match=r"must|more than all"):
        majority(Fraction(fraction, "members", strict))


def test_more_than_all_is_impossible() -> None:
    with pytest.raises(ValueError, match="more than all"):
        majority(Fraction("3/3", "present_and_voting", strict=True))


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown rule most"):
        majority("most")  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(
    ("fraction", "required"), [("1000/1000", 193), ("1/1000", 1), ("0001/0002", 97)]
)
def test_a_fraction_may_have_as_many_digits_as_1000(
    fraction: str, required: int
) -> None:
    assert majority(Fraction(fraction, "members")).required(of_193(0, 0, 193)) == (
        required
    )


def test_the_largest_denominator_is_exact() -> None:
    fraction = Fraction(f"{MAX_DENOMINATOR - 1}/{MAX_DENOMINATOR}", "members")
    assert majority(fraction).required(Standing(0, 0, 0, 2000)) == 1998


@pytest.mark.parametrize(
    ("rule", "simple"),
    [
        ("simple", True),
        (Fraction("1/2", "present_and_voting", strict=True), True),
        (Fraction("50/100", "present_and_voting", strict=True), True),
        (Fraction("1/2", "present_and_voting"), False),
        (Fraction("1/2", "members", strict=True), False),
        ("absolute", False),
        ("two_thirds", False),
        ("unanimous", False),
        ("security_council", False),
    ],
)
def test_only_more_yes_than_no_can_be_tied(rule: Rule, simple: bool) -> None:
    assert majority(rule).is_simple is simple


# ---- the Security Council


Answer = str | None
ANSWERS: tuple[Answer, ...] = ("yes", "no", "abstain", None)
PERMANENT = 2


@dataclass(frozen=True)
class Council:
    """A council by its answers: each permanent member's, and how many others'."""

    permanent: tuple[Answer, ...]
    yes: int
    no: int
    silent: int

    @property
    def standing(self) -> Standing:
        counted = self.permanent.count
        return Standing(
            self.yes + counted("yes"),
            self.no + counted("no"),
            self.silent + counted(None),
            members=15,
            vetoes=counted("no"),
            silent_permanent=counted(None),
            agreeing_permanent=counted("yes"),
        )

    @property
    def carried(self) -> bool:
        """Nine affirmative votes, no permanent member against."""
        yes = self.yes + self.permanent.count("yes")
        return yes >= 9 and "no" not in self.permanent


def councils(size: int) -> Iterator[Council]:
    others = size - PERMANENT
    for permanent in product(ANSWERS, repeat=PERMANENT):
        for yes in range(others + 1):
            for no in range(others - yes + 1):
                for silent in range(others - yes - no + 1):
                    yield Council(permanent, yes, no, silent)


def council_completions(council: Council) -> Iterator[Council]:
    """Every way the silent members may answer or stay silent."""
    minds = (ANSWERS if answer is None else (answer,) for answer in council.permanent)
    for permanent in product(*minds):
        for yes, no in completions(council.silent):
            yield Council(permanent, council.yes + yes, council.no + no, 0)


@cache
def council_clinched(council: Council) -> bool:
    return all(end.carried for end in council_completions(council))


def turned(
    council: Council, asked: int, start: Answer, end: Answer
) -> Iterator[Council]:
    """Every council in which that many who said `start` had said `end` instead."""
    for mask in product((False, True), repeat=PERMANENT):
        moved = sum(mask)
        if moved > asked or any(
            move and answer != start
            for move, answer in zip(mask, council.permanent, strict=True)
        ):
            continue
        permanent = tuple(
            end if move else answer
            for move, answer in zip(mask, council.permanent, strict=True)
        )
        counts = {"yes": council.yes, "no": council.no, None: council.silent}
        others = asked - moved
        if counts[start] >= others:
            counts[start] -= others
            counts[end] += others
            yield Council(permanent, counts["yes"], counts["no"], counts[None])


@pytest.mark.parametrize("size", [9, 10, 11])
def test_every_state_of_a_small_council_is_judged_by_the_definitions(
    size: int,
) -> None:
    required = majority("security_council")
    for council in councils(size):
        standing = council.standing
        carried = council.carried
        reachable = any(end.carried for end in council_completions(council))
        assert required.carried(standing) == carried, council
        assert required.clinched(standing) == council_clinched(council), council
        assert required.unreachable(standing) == (not reachable), council
        assert required.to_clinch(standing) == next(
            (
                k
                for k in range(standing.outstanding + 1)
                if any(map(council_clinched, turned(council, k, None, "yes")))
            ),
            None,
        ), council
        start, end = ("yes", "no") if carried else ("no", "yes")
        assert required.flips(standing) == next(
            (
                k
                for k in range(1, size + 1)
                if any(
                    other.carried is not carried
                    for other in turned(council, k, start, end)
                )
            ),
            None,
        ), council
        assert required.required(standing) == 9


@pytest.mark.parametrize(
    ("standing", "because"),
    [
        (Standing(9, 6, 0, 15, agreeing_permanent=5), "9 >= 9, no permanent against"),
        (Standing(14, 1, 0, 15, vetoes=1), "1 permanent against"),
        (
            Standing(10, 0, 5, 15, silent_permanent=2),
            "10 >= 9, 2 permanent outstanding",
        ),
        (Standing(8, 7, 0, 15), "8 < 9"),
        (Standing(3, 7, 5, 15), "3 + 5 < 9"),
        (Standing(0, 0, 15, 15, silent_permanent=5), "0 < 9"),
    ],
)
def test_because_in_the_council_names_the_nine_and_the_permanent_five(
    standing: Standing, because: str
) -> None:
    assert majority("security_council").because(standing) == because


# ---- asked for many events, both at once


ANY_RULE: tuple[Rule, ...] = (
    *NAMED,
    Fraction("1/2", "present_and_voting"),
    Fraction("2/3", "present_and_voting", strict=True),
    Fraction("5/8", "members", strict=True),
    Fraction("1/1000", "present_and_voting"),
    Fraction("1/1", "members"),
    Fraction("1/1", "present_and_voting"),
)


@pytest.mark.parametrize("rule", ANY_RULE, ids=str)
def test_asked_at_once_the_answers_are_the_same(rule: Rule) -> None:
    asked = majority(rule)
    for yes, no, outstanding in product(range(12), repeat=3):
        for others in (0, 3):
            standing = Standing(yes, no, outstanding, yes + no + outstanding + others)
            one_by_one = asked.prospect(standing), asked.required(standing)
            assert asked.judge(*figures(standing)) == one_by_one


@for_all(
    yes=st.integers(0, 10_000),
    no=st.integers(0, 10_000),
    outstanding=st.integers(0, 10_000),
    others=st.integers(0, 10_000),
    rule=st.sampled_from(ANY_RULE),
)
def test_asked_at_once_of_any_size_the_answers_are_the_same(
    yes: int, no: int, outstanding: int, others: int, rule: Rule
) -> None:
    asked = majority(rule)
    standing = Standing(yes, no, outstanding, yes + no + outstanding + others)
    one_by_one = asked.prospect(standing), asked.required(standing)
    assert asked.judge(*figures(standing)) == one_by_one
