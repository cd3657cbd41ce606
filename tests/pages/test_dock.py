"""The operator's dock: it alone tells trouble, and it commands the overlays."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page, expect

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


def opened(pages: tuple[Page, Page], stack: Stack, vote: str) -> tuple[Page, Page]:
    air, dock = pages
    air.goto(f"{stack.gateway_url}/overlay/ga/{vote}")
    expect(air.locator("html")).to_have_attribute(
        "data-state", "LIVE", timeout=SHOWN_MS
    )
    dock.goto(f"{stack.gateway_url}/dock/ga/{vote}")
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
