"""Flat rows, exports, moments, groups and comparisons, from events. Pure."""

import csv
import io
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from itertools import product
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from openpyxl import load_workbook

from tellers_core.codec import Recorded
from tellers_core.events import (
    Event,
    RollCallAnnulled,
    RollCallLocked,
    RollCallOpened,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.members import security_council
from tellers_core.roll_call import Close, decide, evolve
from tellers_core.tally import Projection, Tally, absorb, tally
from tellers_gateway.compare import Flow, compare
from tellers_gateway.detail import detail
from tellers_gateway.flat import COLUMNS, flat_row, vote_rows
from tellers_gateway.groups import bounds, cohesion, groups
from tellers_gateway.moments import Moment, moments
from tellers_gateway.oembed import in_words
from tellers_gateway.research import voeten_rows
from tellers_gateway.tabular import Sheet, safe, to_csv, to_xlsx, to_xml
from tellers_gateway.words import LANGUAGES, Language, Words
from tests.scenario import SIX, recorded, recorded_roll_call, scheduled
from tests.services.tallying import ASSEMBLY

YES, NO, ABSTAIN = Vote.YES, Vote.NO, Vote.ABSTAIN
EN = Words("en")
BARRED = {"ZMB": "Charter Article 19"}


def logged(events: Iterable[Event]) -> list[Recorded]:
    return list(recorded(events))


def told(history: list[Recorded]) -> Tally:
    projection: Projection | None = None
    for event in history:
        projection = absorb(projection, event)
    assert projection is not None
    return tally(projection, "e1")


def closed(*events: Event) -> list[Recorded]:
    """These events and, by the rules, the closing."""
    state = None
    for event in events:
        state = evolve(state, event)
    assert state is not None
    for event in (RollCallLocked(),):
        state = evolve(state, event)
    return logged((*events, RollCallLocked(), *decide(state, Close(None))))


VOTES = [
    VoteRecorded(row.code, row.vote)
    for row in recorded_roll_call("es-11-1")
    if row.vote is not None
]
ES_11_1 = closed(ASSEMBLY, RollCallOpened(), *VOTES)


class TestVoeten:
    def test_the_codes_are_his(self) -> None:
        full, final = detail(ES_11_1), told(ES_11_1)
        rows = {row[1]: row for row in voeten_rows(final, full)}
        codes = {country: rows[country][3] for country in ("FR", "IN", "BY", "MA")}
        assert codes == {"FR": 1, "IN": 2, "BY": 3, "MA": 8}
        assert len(rows) == 193
        assert rows["FR"][0] == final.roll_call

    def test_nobody_is_absent_while_the_answer_may_still_come(self) -> None:
        history = logged((ASSEMBLY, RollCallOpened(), VOTES[0]))
        cells = [row[3] for row in voeten_rows(told(history), detail(history))]
        assert cells.count(None) == 192

    @pytest.mark.parametrize(
        ("symbol", "session"),
        [
            ("A/RES/78/1", 78),
            ("A/79/L.2", 79),
            ("A/C.1/79/L.3", 79),
            ("A/ES-11/L.1", None),
            (None, None),
        ],
    )
    def test_the_session_is_the_symbol_s(
        self, symbol: str | None, session: int | None
    ) -> None:
        final = replace(told(ES_11_1), symbol=symbol)
        assert voeten_rows(final, detail(ES_11_1))[0][6] == session


class TestFlat:
    def test_the_columns_are_a_promise(self) -> None:
        """In this order for ever; new ones only after these."""
        assert " ".join(COLUMNS[:29]) == (
            "vote_id symbol title question method state state_label mode yes no "
            "abstain not_recorded not_entitled members cast yes_label no_label "
            "abstain_label majority_rule needed margin result result_label corrected "
            "seq epoch occurred_at published_at valid_until"
        )

    def test_es_11_1_as_one_row(self) -> None:
        row = flat_row(told(ES_11_1), detail(ES_11_1), EN)
        assert tuple(row) == COLUMNS
        figures = [row[name] for name in ("yes", "no", "abstain", "not_recorded")]
        assert figures == [141, 5, 35, 12]
        assert (row["cast"], row["members"], row["not_entitled"]) == (181, 193, 0)
        assert (row["state"], row["result"], row["result_label"]) == (
            "closed",
            "adopted",
            "Adopted",
        )
        assert (row["needed"], row["margin"], row["mode"]) == (98, 43, "live")

    def test_before_it_is_open_nothing_is_known_and_nothing_is_0(self) -> None:
        history = logged((scheduled(),))
        row = flat_row(told(history), detail(history), EN)
        for name in ("yes", "no", "abstain", "cast", "needed", "margin", "result"):
            assert row[name] is None
        assert b",0," not in to_csv(COLUMNS[:20], [list(row.values())[:20]])

    def test_an_annulled_one_is_cancelled(self) -> None:
        history = logged((scheduled(), RollCallOpened(), RollCallAnnulled()))
        assert flat_row(told(history), detail(history), EN)["state"] == "cancelled"

    def test_a_row_a_member_in_official_order(self) -> None:
        events = scheduled(barred=BARRED), RollCallOpened(), VoteRecorded("FRA", NO)
        history = logged((*events, VoteChanged("FRA", YES, NO)))
        rows = vote_rows(told(history), detail(history, "fr"), Words("fr"))
        assert [row["member_code"] for row in rows] == list(SIX)
        by_code = {row["member_code"]: row for row in rows}
        france = by_code["FRA"]
        assert (france["vote"], france["vote_label"]) == ("yes", "Pour")
        assert (france["changed"], france["seq"], france["member_iso2"]) == (1, 4, "FR")
        assert by_code["ZMB"]["vote"] == "not_entitled"
        assert by_code["PER"]["vote"] == "not_recorded"
        assert by_code["PER"]["recorded_at"] is None


class TestTabular:
    @pytest.mark.parametrize(
        "cell",
        [
            *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\u00a0=1"),
            *("a\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "x\n \uff1d1"),
        ],
    )
    def test_what_could_be_a_formula_is_escaped(self, cell: str) -> None:
        assert safe(cell) == "'" + cell
        (row,) = list(csv.reader(io.StringIO(to_csv(["c"], [[cell]]).decode())))[1:]
        assert row == ["'" + cell]

    @pytest.mark.parametrize("cell", ["A/ES-11/L.1", "Côte d'Ivoire", "a=b", "1-2", ""])
    def test_what_could_not_is_left_alone(self, cell: str) -> None:
        assert safe(cell) == cell

    def test_csv_is_rfc_4180(self) -> None:
        body = to_csv(["a", "b"], [['say "x", y', None], ["line\nbreak", -3]])
        assert body == b'a,b\r\n"say ""x"", y",\r\n"line\nbreak",-3\r\n'

    def test_xml_holds_any_text_and_leaves_out_the_unknown(self) -> None:
        body = to_xml(["a", "b"], [["<&>\x00\ufffe", None], ["\U0001f5f3", 3]])
        rows = ElementTree.fromstring(body)
        assert [[cell.text for cell in row] for row in rows] == [
            ["<&>"],
            ["\U0001f5f3", "3"],
        ]

    def test_a_workbook_another_library_reads(self) -> None:
        rows: list[list[Any]] = [["=HYPERLINK()", 5], ["https://un.org", None]]
        body = to_xlsx([Sheet("totals", ["t", "n"], rows, right_to_left=True)])
        page = load_workbook(io.BytesIO(body))["totals"]
        values = [[cell.value for cell in row] for row in page.iter_rows()]
        assert values == [["t", "n"], ["'=HYPERLINK()", 5], ["https://un.org", None]]
        assert page["A2"].data_type == "s"
        assert page["A3"].hyperlink is None
        assert page.sheet_view.rightToLeft
        assert page.freeze_panes == "A2"


class TestGroups:
    def test_counts_of_all_groups_add_up(self) -> None:
        found = groups(detail(ES_11_1), running=False)
        assert sum(group.counts.yes for group in found) == 141
        assert sum(group.counts.entitled for group in found) == 193
        assert {code for group in found for code in group.members} == {
            line.delegation for line in detail(ES_11_1).members
        }

    def test_when_it_is_over_the_bounds_meet_whoever_kept_silent(self) -> None:
        for group in groups(detail(ES_11_1), running=False):
            assert group.cohesion == group.cohesion_min == group.cohesion_max

    def test_when_all_have_voted_the_bounds_meet(self) -> None:
        history = logged(
            (scheduled(), RollCallOpened(), *(VoteRecorded(c, YES) for c in SIX))
        )
        for group in groups(detail(history), running=True):
            assert group.cohesion == group.cohesion_min == group.cohesion_max == 1.0

    @given(
        st.tuples(*[st.integers(0, 6)] * 3),
        st.integers(0, 7),
    )
    def test_the_bounds_are_those_of_trying_everything(
        self, three: tuple[int, int, int], missing: int
    ) -> None:
        reachable = [
            found
            for more in product(range(missing + 1), repeat=3)
            if sum(more) <= missing
            and (found := cohesion([a + b for a, b in zip(three, more, strict=True)]))
            is not None
        ]
        expected = (min(reachable), max(reachable)) if reachable else (None, None)
        assert bounds(three, missing) == expected

    def test_one_voice_is_1_and_thirds_are_0(self) -> None:
        assert cohesion((9, 0, 0)) == 1
        assert cohesion((3, 3, 3)) == 0
        assert cohesion((2, 1, 0)) == Fraction(1, 2)
        assert cohesion((0, 0, 0)) is None


class TestCompare:
    def test_who_moved_who_is_silent_and_who_is_new(self) -> None:
        def vote(**votes: Vote) -> list[Recorded]:
            cast = (VoteRecorded(code, vote) for code, vote in votes.items())
            return logged((scheduled(), RollCallOpened(), *cast))

        before = detail(vote(FJI=YES, FRA=YES, NOR=NO))
        now = detail(vote(FJI=YES, FRA=NO, PER=ABSTAIN))
        found = compare(now, before)
        assert [(m.delegation, m.before, m.now) for m in found.moved] == [
            ("FRA", YES, NO)
        ]
        assert [m.delegation for m in found.silent_now] == ["NOR"]
        assert [m.delegation for m in found.new] == ["PER"]
        assert found.same == 1
        assert Flow(YES, NO, 1) in found.flows
        assert sum(flow.delegations for flow in found.flows) == len(SIX)


class TestMoments:
    def test_the_moments_of_es_11_1(self) -> None:
        found = moments(ES_11_1, EN)
        kinds = [moment.kind for moment in found]
        assert kinds[0] == "opened"
        assert kinds[-2:] == ["locked", "closed"]
        (clinched,) = [moment for moment in found if moment.kind == "clinched"]
        assert clinched.seq == 143
        assert "112 \u2265 2 \u00d7 (4 + 52)" in clinched.headline
        (first_no,) = [moment for moment in found if moment.kind == "first_no"]
        assert first_no.delegation == "BLR"
        permanent = {m.delegation for m in found if m.kind == "permanent"}
        assert permanent == {"CHN", "FRA", "GBR", "RUS", "USA"}
        assert found[-1].headline == (
            "Adopted: 141 in favour, 5 against (Belarus, Democratic People's Republic "
            "of Korea, Eritrea, Russian Federation, Syrian Arab Republic), "
            "35 abstentions, 12 not voting"
        )

    def test_a_clinch_that_is_taken_back_and_a_vote_withdrawn(self) -> None:
        events: tuple[Event, ...] = (
            scheduled(),
            RollCallOpened(),
            *(VoteRecorded(code, YES) for code in ("FJI", "FRA", "NOR", "PER")),
            VoteChanged("PER", NO, YES),
            VoteWithdrawn("PER", NO),
        )
        kinds = [moment.kind for moment in moments(logged(events), EN)]
        assert kinds == [
            "opened",
            "permanent",
            "clinched",
            "changed",
            "first_no",
            "retracted",
            "withdrawn",
        ]

    def test_a_change_may_be_a_veto_and_its_change_settle_it_again(self) -> None:
        council = security_council(date(2026, 11, 23))
        roll = scheduled("security_council", council.codes, permanent=council.permanent)
        history = logged(
            (
                roll,
                RollCallOpened(),
                *(VoteRecorded(code, YES) for code in council.codes),
                VoteChanged("RUS", NO, YES),
                VoteChanged("RUS", YES, NO),
            )
        )
        last = len(history)
        told = [(m.seq, m.kind) for m in moments(history, EN) if m.seq >= last - 1]
        assert told == [
            (last - 1, "changed"),
            (last - 1, "first_no"),
            (last - 1, "permanent"),
            (last - 1, "retracted"),
            (last - 1, "unreachable"),
            (last, "changed"),
            (last, "permanent"),
            (last, "retracted"),
            (last, "clinched"),
        ]

    @pytest.mark.parametrize(
        ("language", "words"),
        [
            ("en", "none against"),
            ("fr", "aucune voix contre"),
            ("es", "ningún voto en contra"),
            ("ru", "голосов против нет"),
            ("ar", "لا أصوات معارضة"),
            ("zh", "无反对票"),
        ],
    )
    def test_a_result_that_nobody_opposed_says_so_in_words(
        self, language: Language, words: str
    ) -> None:
        spoken = Words(language)
        with_one = closed(scheduled(), RollCallOpened(), VoteRecorded("FRA", NO))
        without = closed(scheduled(), RollCallOpened(), VoteRecorded("FRA", YES))
        for history, opposed in ((with_one, True), (without, False)):
            said = moments(history, spoken)[-1].headline
            assert (words in said) is not opposed
            assert (words in in_words(told(history), spoken)) is not opposed
        # While the vote is on it is a figure like the others.
        running = logged((scheduled(), RollCallOpened()))
        if language != "ar":  # which has no other way to say 0
            assert words not in in_words(told(running), spoken)

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_the_same_moments_in_every_language(self, language: Any) -> None:
        def same(moment: Moment) -> tuple[str, str, int]:
            return moment.id, moment.kind, moment.seq

        found = moments(ES_11_1, Words(language))
        assert list(map(same, found)) == list(map(same, moments(ES_11_1, EN)))
        assert all("{" not in moment.headline for moment in found)
        assert len({moment.id for moment in found}) == len(found)

    def test_what_does_not_follow_ends_them(self) -> None:
        history = ES_11_1[:10] + ES_11_1[11:]
        assert moments(history, EN) == moments(ES_11_1[:10], EN)


class TestWords:
    def test_every_language_has_every_word(self) -> None:
        english = Words("en")
        for language in LANGUAGES:
            assert Words(language)._table.keys() == english._table.keys()

    def test_plural_forms_follow_cldr(self) -> None:
        assert EN.say("abstentions", n=1) == "1 abstention"
        russian = Words("ru")
        assert russian.say("left", n=21).replace("21", "2") != russian.say("left", n=2)

    def test_foreign_names_keep_their_direction_in_arabic(self) -> None:
        said = Words("ar").say("moment.first_no", name="A/RES/1")
        assert "\u2068A/RES/1\u2069" in said
