"""The hall's board in a browser, before the real system."""

from collections import Counter

import pytest
from playwright.sync_api import Browser

from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.visitor import BACK_MS, HALL, PHONE, Visitor

LANGUAGES = {
    "en": "United Kingdom of Great Britain and Northern Ireland",
    "fr": "Royaume-Uni de Grande-Bretagne et d'Irlande du Nord",
    "es": "Reino Unido de Gran Bretaña e Irlanda del Norte",
    "ru": "Соединенное Королевство Великобритании и Северной Ирландии",
    "ar": "المملكة المتحدة لبريطانيا العظمى وأيرلندا الشمالية",
    "zh": "大不列颠及北爱尔兰联合王国",
}


def test_a_board_follows_a_vote_from_before_it_begins(
    visitor: Visitor, clerk: Clerk
) -> None:
    clerk.schedule("es-11-1", title="Aggression against Ukraine", symbol="A/ES-11/L.1")
    visitor.open_board("es-11-1")
    visitor.sees("Voting has not begun")
    assert visitor.lamp_counts == {"none": 193}

    clerk.step("es-11-1", "open")
    votes = recorded("es-11-1")
    for delegation, vote in votes[:100]:
        clerk.vote("es-11-1", delegation, vote)
    visitor.sees("Voting is open")
    visitor.sees("93 still to vote", "#path")
    for delegation, vote in votes[100:]:
        clerk.vote("es-11-1", delegation, vote)
    visitor.sees("Clinched unless delegations change their votes", "#verdict")
    visitor.sees("141 ≥ 2 × (5 + 12)", "#because")  # noqa: RUF001 - a times sign
    clerk.step("es-11-1", "lock")
    clerk.step("es-11-1", "close", announced={"yes": 141, "no": 5, "abstain": 35})

    visitor.sees("Adopted 141-5-35", "#verdict")
    visitor.sees("98 votes in favour required", "#verdict")
    visitor.sees_counts(141, 5, 35, 12)
    assert visitor.lamp_counts == {"yes": 141, "no": 5, "abstain": 35, "none": 12}
    silent = {code for code, vote in visitor.lamps.items() if vote == "none"}
    assert visitor.lamps == dict(votes) | dict.fromkeys(silent, "none")
    assert visitor.overflow == (0, 0)
    assert visitor.cut_names == []
    assert "Adopted" in visitor.spoken
    visitor.page.get_by_role("link", name="Every vote in full").first.click()
    visitor.page.wait_for_url("**/v/ga/es-11-1?lang=en")


def test_the_same_board_opened_during_and_after_the_vote(
    browser: Browser, stack: Stack, visitor: Visitor, clerk: Clerk
) -> None:
    clerk.open("during")
    votes = recorded("es-11-3")
    for delegation, vote in votes[:100]:
        clerk.vote("during", delegation, vote)
    visitor.open_board("during")
    cast = Counter(vote for _, vote in votes[:100])
    visitor.sees_counts(cast["yes"], cast["no"], cast["abstain"], 93)
    for delegation, vote in votes[100:]:
        clerk.vote("during", delegation, vote)
    clerk.step("during", "lock")
    clerk.step("during", "close")
    visitor.sees_counts(93, 24, 58, 18)
    with Visitor(browser, stack.gateway_url) as late:
        late.open_board("during")
        late.sees_counts(93, 24, 58, 18)
        assert late.lamps == visitor.lamps


def test_a_changed_vote_is_marked_and_a_clinch_it_undoes_taken_back(
    visitor: Visitor, clerk: Clerk
) -> None:
    clerk.open("undone")
    visitor.open_board("undone")
    codes = list(visitor.lamps)
    assert len(codes) == 193
    for code in codes[:129]:
        clerk.vote("undone", code, "yes")
    visitor.sees("Clinched", "#verdict")
    clerk.vote("undone", codes[0], "no")
    visitor.sees("No longer clinched: Afghanistan changed its vote.", "#retracted")
    visitor.sees("1 more yes vote settles it; 64 still to vote.", "#path")
    assert visitor.page.locator(".lamp[data-changed]").count() == 1
    assert visitor.lamps[codes[0]] == "no"
    visitor.sees("changed its vote", "#legend")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_name_is_whole_in_every_language(
    language: str, visitor: Visitor, clerk: Clerk
) -> None:
    roll_call = f"names-{language}"
    clerk.open(roll_call)
    clerk.vote(roll_call, "FRA", "abstain")
    visitor.open_board(roll_call, f"?lang={language}")
    visitor.sees(LANGUAGES[language], ".lamps")
    assert visitor.cut_names == []
    assert visitor.overflow == (0, 0)
    right_to_left = visitor.page.locator("html[dir=rtl]").count()
    assert right_to_left == (language == "ar")


def test_in_arabic_a_latin_title_begins_where_all_else_does(
    visitor: Visitor, clerk: Clerk
) -> None:
    clerk.open("latin", title="Aggression")
    visitor.open_board("latin", "?lang=ar")
    title, counts = (
        visitor.page.evaluate(
            "where => { const range = document.createRange();"
            " range.selectNodeContents(document.querySelector(where));"
            " return range.getBoundingClientRect().right; }",
            where,
        )
        for where in ("#title", "#counts")
    )
    assert abs(title - counts) <= 1


@pytest.mark.parametrize("size", [HALL, (1366, 768), (1280, 720), (3840, 2160), PHONE])
def test_a_title_of_any_length_leaves_room_for_the_rest(
    size: tuple[int, int], browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    roll_call = f"long-{size[0]}"
    title = "Report of the Special Political and Decolonization Committee on " * 4
    clerk.open(roll_call, title=title.strip(), barred={"VEN": "Charter Article 19"})
    with Visitor(browser, stack.gateway_url, size) as visitor:
        visitor.open_board(roll_call)
        visitor.sees("1 member may not vote", "#rail")
        across, down = visitor.overflow
        assert across == 0
        assert down == 0 or size == PHONE
        rail = "document.getElementById('rail')"
        assert visitor.page.evaluate(f"{rail}.scrollHeight <= {rail}.clientHeight")


def test_titles_are_text(visitor: Visitor, clerk: Clerk) -> None:
    title = "<img src=x onerror=alert(1)> & <b>bold</b>"
    clerk.open("markup", title=title)
    visitor.open_board("markup")
    visitor.sees(title, "#title")
    visitor.open("/")
    visitor.sees(title, "#now")


def test_a_rehearsal_says_so(visitor: Visitor, clerk: Clerk) -> None:
    clerk.open("try-out", rehearsal=True)
    clerk.vote("try-out", "FRA", "yes")
    visitor.open_board("try-out")
    assert visitor.page.locator("#rehearsal").is_visible()
    clerk.vote("try-out", "FJI", "no")
    visitor.sees_counts(1, 1, 0, 191)
    visitor.open("/")
    assert "Title of try-out" not in visitor.page.inner_text("main")


def test_the_security_council(visitor: Visitor, clerk: Clerk) -> None:
    clerk.open("veto", chamber="sc", rule="security_council")
    visitor.open_board("veto", chamber="sc")
    assert visitor.lamp_counts == {"none": 15}
    clerk.vote("veto", "FRA", "no", chamber="sc")
    visitor.sees("Out of reach", "#verdict")
    visitor.sees("1 permanent member against", "#because")


def test_a_board_opened_too_early_comes_alive_by_itself(
    visitor: Visitor, clerk: Clerk
) -> None:
    visitor.expects_trouble = True  # the browser notes the 404
    visitor.open("/board/ga/tomorrow", state="missing")
    visitor.sees("There is no roll call “tomorrow” yet.", "#message")
    clerk.schedule("tomorrow")
    visitor.sees_state("live")
    visitor.sees("Title of tomorrow", "#title")


def test_an_unknown_chamber_is_told_calmly(visitor: Visitor) -> None:
    visitor.expects_trouble = True
    visitor.open("/board/atlantis/x", state="missing")
    visitor.sees("There is no chamber “atlantis”.", "#message")


def test_a_count_that_cannot_be_vouched_for_is_held(
    visitor: Visitor, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("held")
    clerk.vote("held", "FRA", "yes")
    visitor.open_board("held")
    stack.tally.kill()
    try:
        clerk.vote("held", "FJI", "no")
        visitor.sees_state("held")
        visitor.sees("These are the last good figures", "#trouble")
        visitor.sees_counts(1, 0, 0, 192)
        assert visitor.lamps["FJI"] == "none"  # lamps never run ahead of the counts
    finally:
        stack.tally.start()
    visitor.sees_state("live", BACK_MS)
    visitor.sees_counts(1, 1, 0, 191)
    assert visitor.lamps["FJI"] == "no"
    assert not visitor.page.locator("#trouble").is_visible()


def test_without_the_gateway_the_number_stays_and_comes_back_alive(
    visitor: Visitor, stack: Stack, clerk: Clerk
) -> None:
    visitor.expects_trouble = True
    clerk.open("lost")
    clerk.vote("lost", "FRA", "yes")
    visitor.open_board("lost")
    stack.gateway.kill()
    try:
        visitor.sees_state("stale")
        visitor.sees("Connection lost", "#trouble")
        visitor.sees("No word since", "#trouble")
        visitor.sees_counts(1, 0, 0, 192)
        clerk.vote("lost", "FJI", "no")
    finally:
        stack.gateway.start()
    visitor.sees_state("live", BACK_MS)
    visitor.sees_counts(1, 1, 0, 191)
    assert visitor.lamps["FJI"] == "no"
