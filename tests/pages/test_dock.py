"""The operator's dock: it alone tells trouble, and it commands the overlays."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import BACK_MS, SHOWN_MS

# What the requirement allows from the loss to the alarm.
ALARM_MS = 15_000


@pytest.fixture
def pages(browser: Browser, stack: Stack) -> Iterator[tuple[Page, Page]]:
    """An overlay and the dock, in one browser as in OBS."""
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    yield context.new_page(), context.new_page()
    context.close()


def opened(
    pages: tuple[Page, Page], stack: Stack, vote: str, query: str = ""
) -> tuple[Page, Page]:
    air, dock = pages
    air.goto(f"{stack.gateway_url}/overlay/ga/{vote}{query}")
    expect(air.locator("html")).to_have_attribute(
        "data-state", "LIVE", timeout=SHOWN_MS
    )
    dock.goto(f"{stack.gateway_url}/dock/ga/{vote}{query}")
    expect(dock.locator("#overlays .state")).to_have_text("LIVE", timeout=SHOWN_MS)
    return air, dock


def test_hold_and_release_clear_and_show_and_the_steps(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("docked")
    clerk.vote("docked", "FRA", "yes")
    air, dock = opened(pages, stack, "docked")
    number = air.locator(".count[data-vote=yes] .number")
    button = {
        name: dock.locator("#overlays button").nth(place)
        for place, name in enumerate(("hold", "clear", "tally", "members", "result"))
    }
    button["hold"].click()
    expect(dock.locator("#overlays .state")).to_have_text("HELD")
    expect(button["hold"]).to_have_text("Release")
    clerk.vote("docked", "NOR", "yes")
    expect(dock.locator("#feed .number").first).to_have_text("2", timeout=SHOWN_MS)
    expect(dock.locator("#overlays .number").first).to_have_text("1")
    assert number.inner_text() == "1"
    button["hold"].click()
    expect(number).to_have_text("2", timeout=SHOWN_MS)
    button["members"].click()
    expect(air.locator("html")).to_have_attribute("data-layout", "members")
    button["clear"].click()
    expect(air.locator("#overlay")).to_be_hidden()
    button["clear"].click()
    expect(air.locator("#overlay")).to_be_visible()


def test_the_dock_alarms_and_the_air_shows_nothing_of_it(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("alarmed")
    clerk.vote("alarmed", "FRA", "yes")
    air, dock = opened(pages, stack, "alarmed")
    air.evaluate("addEventListener('alarm', (event) => (window.heard = event.detail))")
    expect(dock.locator("html")).to_have_attribute("data-state", "calm")
    before = air.locator("#overlay").inner_text()
    stack.gateway.kill()
    try:
        trouble = dock.locator("#trouble")
        expect(trouble).to_contain_text("connection is lost", timeout=ALARM_MS)
        expect(dock.locator("#overlays .state")).to_have_text("STALE")
        assert dock.title().startswith("⚠")
        assert air.evaluate("heard.state") == "STALE"
        assert air.locator("#overlay").inner_text() == before
    finally:
        stack.gateway.start()
    expect(dock.locator("html")).to_have_attribute(
        "data-state", "calm", timeout=BACK_MS
    )
    expect(air.locator("html")).to_have_attribute("data-state", "LIVE", timeout=BACK_MS)
    facts = dock.locator("#overlays .facts").inner_text().split(" · ")
    assert facts[0].startswith("event ")
    assert all(one != two for one, two in pairwise(facts))


def test_without_an_overlay_the_dock_still_watches_the_feed(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("alone")
    clerk.vote("alone", "FRA", "no")
    _, dock = pages
    dock.goto(f"{stack.gateway_url}/dock/ga/alone")
    expect(dock.locator("#feed .state")).to_have_text("LIVE", timeout=SHOWN_MS)
    expect(dock.locator("#feed .number")).to_have_text(["0", "1", "0"])
    expect(dock.locator("#none")).to_be_visible()


def test_figures_are_typed_and_what_is_refused_stands_beside_its_field(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("typed-in-the-dock")
    clerk.vote("typed-in-the-dock", "FRA", "yes")
    air, dock = opened(pages, stack, "typed-in-the-dock")
    number = air.locator(".count:not([hidden]) .number")
    dock.locator("#overlays summary").click()
    put = dock.get_by_role("button", name="Put on air")

    def typed(**figures: str) -> None:
        for name, figure in figures.items():
            dock.locator(f"#overlays input[name={name}]").fill(figure)
        put.click()

    def refused(name: str) -> Locator:
        return dock.locator(".typing p", has=dock.locator(f"[name={name}]")).locator(
            ".refused"
        )

    typed(yes="100", no="7", abstain="9")
    expect(number).to_have_text(["100", "7", "9"])
    expect(dock.locator("#overlays .facts")).to_contain_text("typed by hand")
    typed(yes="150", no="60", abstain="20")
    expect(refused("yes")).to_have_text(
        "“150” is refused: 230 together, and there are 193 members"
    )
    typed(yes="150", no=" ", abstain="20")
    expect(refused("no")).to_have_text(
        "“ ” is refused: digits only, at most five", use_inner_text=False
    )
    expect(refused("yes")).to_be_hidden()
    expect(dock.locator("#overlays .number")).to_have_text(["100", "7", "9"])
    expect(number).to_have_text(["100", "7", "9"])
    dock.get_by_role("button", name="Back to the feed").click()
    expect(number).to_have_text(["1", "0", "0", "192"])
    expect(refused("no")).to_be_hidden()


def test_what_a_playout_server_typed_is_refused_in_the_dock_too(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("typed-by-playout")
    air, dock = opened(pages, stack, "typed-by-playout")
    air.evaluate("addEventListener('tellers-overlay', (e) => (window.told = e.detail))")
    air.evaluate("""update('{"yes": "-1", "no": "1", "abstain": "1"}')""")
    expect(dock.locator(".refused:visible")).to_have_text(
        "“-1” is refused: digits only, at most five"
    )
    assert air.evaluate("told.refused.yes.why") == "digits"


def test_typed_figures_are_gone_with_the_vote_they_were_typed_for(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("typed-a")
    air, _ = opened(pages, stack, "current")
    title = air.locator(".title")
    expect(title).to_have_text("Title of typed-a", timeout=SHOWN_MS)
    air.evaluate("update({yes: 100, no: 7, abstain: 9})")
    number = air.locator(".count:not([hidden]) .number")
    expect(number).to_have_text(["100", "7", "9"])
    clerk.open("typed-b")
    expect(title).to_have_text("Title of typed-b", timeout=SHOWN_MS)
    expect(number).to_have_text(["0", "0", "0", "193"])


def test_a_rehearsal_is_marked_on_every_card(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("dock-practice", rehearsal=True)
    clerk.vote("dock-practice", "FRA", "yes")
    _, dock = opened(pages, stack, "dock-practice", "?rehearsal=1")
    expect(dock.locator("#feed .number").first).to_have_text("1", timeout=SHOWN_MS)
    marks = dock.locator(".card .rehearsal")
    expect(marks).to_have_text(["Rehearsal", "Rehearsal"])
    assert [mark.is_visible() for mark in marks.all()] == [True, True]


def test_a_real_vote_is_not_marked(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("dock-real")
    _, dock = opened(pages, stack, "dock-real")
    assert dock.locator(".card .rehearsal:visible").count() == 0


def test_an_acknowledged_alarm_is_calm_until_it_comes_anew(
    pages: tuple[Page, Page], stack: Stack, clerk: Clerk
) -> None:
    clerk.open("acknowledged")
    air, dock = opened(pages, stack, "acknowledged")
    html = dock.locator("html")
    shouting = dock.locator("#trouble .alarm")
    stack.gateway.kill()
    try:
        expect(html).to_have_attribute("data-state", "alarm", timeout=ALARM_MS)
        expect(shouting).to_have_count(
            2, timeout=ALARM_MS
        )  # the feed and what is on air
        for _ in range(2):
            shouting.first.get_by_role("button", name="Acknowledge").click()
        expect(html).to_have_attribute("data-state", "calm")
        expect(dock.locator("#trouble p")).to_have_count(2)
        expect(shouting).to_have_count(0)
        expect(dock.locator("#trouble")).to_contain_text("connection is lost")
        assert not dock.title().startswith("⚠")
    finally:
        stack.gateway.start()
    expect(dock.locator("#trouble p")).to_have_count(0, timeout=BACK_MS)
    expect(air.locator("html")).to_have_attribute("data-state", "LIVE", timeout=BACK_MS)
    stack.gateway.kill()
    try:
        expect(html).to_have_attribute("data-state", "alarm", timeout=ALARM_MS)
        expect(shouting).to_have_count(2, timeout=ALARM_MS)
    finally:
        stack.gateway.start()
    expect(html).to_have_attribute("data-state", "calm", timeout=BACK_MS)
