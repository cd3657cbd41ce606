"""The overlay on air: right, or the last good number, or nothing."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.air import LANGUAGES, LAYOUTS, UPRIGHT, Air
from tests.pages.visitor import HALL, SHOWN_MS


@pytest.fixture
def air(browser: Browser, stack: Stack) -> Iterator[Air]:
    """A browser source of 1920x1080; whatever it reports fails the test."""
    with Air(browser, stack.gateway_url) as source:
        yield source


def test_before_anything_is_known_nothing_is_on_air(air: Air) -> None:
    air.opens("never-scheduled", state="EMPTY")
    assert air.numbers == []
    assert air.is_clear


def test_before_the_vote_opens_there_is_no_0(air: Air, clerk: Clerk) -> None:
    clerk.schedule("not-yet")
    air.opens("not-yet")
    air.sees("Voting has not begun", ".verdict")
    assert air.numbers == []
    clerk.step("not-yet", "open")
    air.sees("No yes or no yet", ".verdict")
    assert air.numbers == ["0", "0", "0", "193"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [HALL, UPRIGHT], ids=["wide", "upright"])
def test_everything_stays_within_the_safe_area(
    browser: Browser, stack: Stack, clerk: Clerk, layout: str, size: tuple[int, int]
) -> None:
    name = f"safe-{layout}-{size[0]}"
    title = (
        "Aggression against Ukraine: emergency special session, eleventh, as revised"
    )
    clerk.schedule(name, title=title, symbol="A/ES-11/L.1")
    clerk.step(name, "open")
    clerk.vote(name, "FRA", "yes")
    with Air(browser, stack.gateway_url, size) as air:
        air.opens(name, f"?layout={layout}")
        if layout == "members":
            expect(air.page.locator(".grid li")).to_have_count(193, timeout=SHOWN_MS)
        boxes = air.page.evaluate(
            "[...document.querySelectorAll('.plate, .plate *')].map(e => "
            "e.getBoundingClientRect()).filter(b => b.width && b.height)"
            ".map(b => [b.left, b.top, innerWidth - b.right, innerHeight - b.bottom])"
        )
        across, down = 0.05 * size[0] - 1, 0.05 * size[1] - 1
        assert boxes
        for left, top, right, bottom in boxes:
            assert min(left, right) >= across
            assert min(top, bottom) >= down


# A label that leaves its count, a chip that is pressed flat, what leaves the plate.
CROWDED = """() => {
  const box = (element) => element.getBoundingClientRect();
  const plate = box(document.querySelector(".plate"));
  const shown = [...document.querySelectorAll(".plate *")].filter((e) => box(e).width);
  return shown.filter((e) => {
    const { left, top, right, bottom, width, height } = box(e);
    const out = left < plate.left - 1 || right > plate.right + 1
      || top < plate.top - 1 || bottom > plate.bottom + 1;
    const flat = e.matches("svg.chip") && Math.abs(width - height) > 1;
    const wide = e.matches("dt, .counts") && e.scrollWidth > e.clientWidth + 1;
    return out || flat || wide;
  }).map((e) => e.outerHTML);
}"""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_every_language_all_has_its_room(
    browser: Browser, stack: Stack, clerk: Clerk, layout: str
) -> None:
    title = "Report of the Special Political and Decolonization Committee on " * 3
    clerk.open(f"room-{layout}", title=title.strip(), symbol="A/C.4/78/L.42/Rev.1")
    for delegation, vote in recorded("es-11-1")[:30]:
        clerk.vote(f"room-{layout}", delegation, vote)
    for language in LANGUAGES:
        with Air(browser, stack.gateway_url) as air:
            air.opens(f"room-{layout}", f"?layout={layout}&lang={language}")
            air.page.locator(".number").first.wait_for()
            assert air.page.evaluate(CROWDED) == [], language


def test_a_whole_replay_ends_in_the_final_result(air: Air, clerk: Clerk) -> None:
    clerk.open("on-air")
    air.opens("on-air")
    for delegation, vote in recorded("es-11-1"):
        clerk.vote("on-air", delegation, vote)
    air.shows(141, 5, 35, 12)
    clerk.step("on-air", "lock")
    clerk.step("on-air", "close")
    air.sees_state("FINAL")
    air.sees("Adopted", ".verdict")


def test_hold_freezes_and_release_is_one_step(air: Air, clerk: Clerk) -> None:
    clerk.open("held-on-air")
    clerk.vote("held-on-air", "FRA", "yes")
    air.opens("held-on-air")
    air.shows(1, 0, 0, 192)
    air.page.evaluate("tellers.hold()")
    air.sees_state("HELD")
    clerk.vote("held-on-air", "NOR", "yes")
    air.page.wait_for_timeout(500)  # the feed goes on beneath, the picture does not
    assert air.numbers == ["1", "0", "0", "192"]
    air.page.evaluate("tellers.release()")
    air.shows(2, 0, 0, 191)
    air.sees_state("LIVE")


def test_rehearsals_reach_air_only_where_they_are_asked_for(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("practice", rehearsal=True)
    clerk.vote("practice", "FRA", "yes")
    with Air(browser, stack.gateway_url) as air:
        air.opens("practice", state="EMPTY")
        air.page.wait_for_timeout(500)
        assert air.is_clear
    with Air(browser, stack.gateway_url) as air:
        air.opens("practice", "?rehearsal=1")
        expect(air.page.locator(".rehearsal")).to_be_visible()


def test_current_follows_the_vote_that_is_on(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("first", chamber="sc")
    with Air(browser, stack.gateway_url) as air:
        air.open("/overlay/sc/current", "LIVE")
        air.sees("Title of first", ".title")
        clerk.step("first", "lock", "sc")
        clerk.step("first", "close", "sc")
        air.sees_state("FINAL")
        clerk.schedule("second", chamber="sc")
        air.sees("Title of first", ".title")
        clerk.step("second", "open", "sc")
        air.sees("Title of second", ".title")
        air.sees_state("LIVE")


def test_figures_typed_by_hand_beat_the_feed(air: Air, clerk: Clerk) -> None:
    clerk.open("typed")
    clerk.vote("typed", "FRA", "yes")
    air.opens("typed")
    air.page.evaluate("""update('{"yes":"100","no":"7","abstain":"9"}')""")
    assert air.numbers == ["100", "7", "9"]
    xml = (
        '<templateData><componentData id="f2"><data id="text" value="101"/>'
        "</componentData></templateData>"
    )
    air.page.evaluate("given => update(given)", xml)
    assert air.numbers == ["101", "7", "9"]
    air.page.evaluate("""update({yes: "", no: "", abstain: ""})""")
    air.shows(1, 0, 0, 192)
    air.page.evaluate("update('nonsense')")
    air.shows(1, 0, 0, 192)


def test_a_playout_goes_on_to_who_voted_how_and_to_the_result(
    air: Air, clerk: Clerk
) -> None:
    clerk.open("steps")
    clerk.vote("steps", "FRA", "yes")
    clerk.vote("steps", "CHN", "no")
    # As CasparCG does it: its object is there first, and calls come in any order.
    air.page.add_init_script("window.caspar = window.casparcg = {};")
    air.opens("steps")
    assert air.is_clear
    given = (
        '{"title":"Côte d’Ivoire’s proposal: اقتراح 提案","lang":"zh"}',  # noqa: RUF001
        '<templateData><componentData id="lang"><data id="text" value="fr"/>'
        "</componentData></templateData>",
    )
    air.page.evaluate("given => update(given)", given[0])
    assert air.is_clear
    air.page.evaluate("play()")
    air.sees("Côte d’Ivoire’s proposal: اقتراح 提案", ".title")  # noqa: RUF001
    air.sees("赞成", ".count[data-vote=yes]")
    air.page.evaluate("given => update(given)", given[1])
    air.sees("Pour", ".count[data-vote=yes]")
    grid = air.page.locator(".grid li")
    expect(grid.first).not_to_be_visible()
    air.page.evaluate("next()")
    expect(grid).to_have_count(193, timeout=SHOWN_MS)
    lit = air.page.locator(".grid li:not([data-vote=none])")
    expect(lit).to_have_text(["CHN", "FRA"])
    clerk.vote("steps", "CHN", "abstain")
    changed = air.page.locator(".grid li[data-changed]")
    expect(changed).to_have_text(["CHN"], timeout=SHOWN_MS)
    air.page.evaluate("next()")
    assert air.page.locator("html").get_attribute("data-layout") == "result"
    air.page.evaluate("next()")
    assert air.is_clear
    air.page.evaluate("next()")
    assert air.is_clear
    air.page.evaluate("play()")
    assert air.page.locator("html").get_attribute("data-layout") == "lower-third"
    air.page.evaluate("remove()")
    assert air.is_clear


def test_a_reload_shows_what_was_there_before_the_gateway_answers(
    air: Air, clerk: Clerk
) -> None:
    clerk.open("reloaded")
    clerk.vote("reloaded", "FRA", "yes")
    air.opens("reloaded")
    air.shows(1, 0, 0, 192)
    air.page.evaluate("tellers.hold()")
    air.page.add_init_script("window.WebSocket = class {}")
    air.page.reload()
    air.sees_state("HELD")
    assert air.numbers == ["1", "0", "0", "192"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_speaks_six_languages(air: Air, clerk: Clerk, language: str) -> None:
    name = f"spoken-{language}"
    clerk.open(name)
    clerk.vote(name, "FRA", "yes")
    air.opens(name, f"?lang={language}")
    html = air.page.locator("html")
    expect(html).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    assert len(air.numbers) == 4
