"""`delay_ms`: a page is as late as the picture beside it, and never gives it away."""

import re
import time

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import SHOWN_MS, Visitor
from tests.servers import wait_until

# Long enough that a slow machine is not taken for a delay.
DELAY_S = 8
# For what is over: far longer than it takes to learn the gateway's clock, which its
# heartbeats tell every 5 s.
LONG_S, LEARNT_S = 30, 12
HANDED_ON = re.compile(r"[?&]delay_ms=100\b")
# Where each page has its yes.
PAGES = {
    "board": "#counts .count[data-vote=yes] .number",
    "embed": ".counts [data-vote=yes] .number",
    "v": ".counts [data-vote=yes] .number",
    "overlay": ".count[data-vote=yes] .number",
}


def yes_of(stack: Stack, vote: str) -> int:
    """What the public may read now."""
    address = f"{stack.gateway_url}/v1/ga/roll-calls/{vote}/tally"
    counts: dict[str, int] = httpx.get(address).json()["counts"]
    return counts["yes"]


@pytest.mark.parametrize("where", PAGES)
def test_a_change_is_seen_when_it_is_due_and_not_before(
    browser: Browser, stack: Stack, clerk: Clerk, where: str
) -> None:
    name = f"late-{where}"
    clerk.open(name)
    clerk.vote(name, "FRA", "yes")
    with Visitor(browser, stack.gateway_url) as late:
        late.page.goto(
            f"{stack.gateway_url}/{where}/ga/{name}?delay_ms={1000 * DELAY_S}"
        )
        yes = late.page.locator(PAGES[where])
        for _ in range(20):  # of the figures of now there are none either
            assert "1" not in yes.all_inner_texts()
            late.page.wait_for_timeout(100)
        expect(yes).to_have_text("1", timeout=1000 * DELAY_S + SHOWN_MS)
        clerk.vote(name, "NOR", "yes")
        voted = time.monotonic()
        wait_until(lambda: yes_of(stack, name) == 2, 5, "the vote is public")
        while time.monotonic() - voted < 0.75 * DELAY_S:
            assert yes.inner_text() == "1"
            late.page.wait_for_timeout(100)
        expect(yes).to_have_text("2", timeout=0.25 * 1000 * DELAY_S + SHOWN_MS)


@pytest.fixture(scope="module")
def over(stack: Stack) -> str:
    """A roll call whose result every delay of these tests has let through."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.open("long-over")
        clerk.vote("long-over", "FRA", "yes")
        clerk.step("long-over", "lock")
        clerk.step("long-over", "close")
    closed = time.monotonic()
    wait_until(lambda: time.monotonic() - closed > LONG_S, LONG_S + 1, "it is over")
    return "long-over"


@pytest.mark.parametrize("where", PAGES)
def test_what_is_long_over_is_there_as_soon_as_the_clock_is_known(
    browser: Browser, stack: Stack, over: str, where: str
) -> None:
    with Visitor(browser, stack.gateway_url) as late:
        late.page.goto(
            f"{stack.gateway_url}/{where}/ga/{over}?delay_ms={1000 * LONG_S}"
        )
        yes = late.page.locator(PAGES[where])
        expect(yes).to_have_text("1", timeout=1000 * LEARNT_S)


def test_the_lists_and_the_moments_of_the_page_are_late_too(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    name = "late-lists"
    clerk.open(name)
    with Visitor(browser, stack.gateway_url) as late:
        late.page.goto(
            f"{stack.gateway_url}/v/ga/{name}?lang=en&delay_ms={1000 * DELAY_S}"
        )
        card = late.page.locator(".counts [data-vote=yes] .number")
        expect(card).to_have_text("0", timeout=1000 * DELAY_S + SHOWN_MS)
        clerk.vote(name, "FRA", "yes")
        voted = time.monotonic()
        wait_until(lambda: yes_of(stack, name) == 1, 5, "the vote is public")
        page = late.page.locator("body")
        before = page.inner_text()
        while time.monotonic() - voted < 0.75 * DELAY_S:
            assert page.inner_text() == before
            late.page.wait_for_timeout(200)
        expect(late.page.locator("#groups")).to_contain_text("1", timeout=SHOWN_MS)
        expect(late.page.locator(".votes")).to_contain_text("Yes", timeout=SHOWN_MS)


def test_pages_hand_the_delay_on_to_the_pages_they_lead_to(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("handed-on")
    query = "?lang=en&delay_ms=100"
    for path, links in (
        ("board", (".in-full",)),
        ("embed", ("#home", ".card a")),
        ("v", ("#board",)),
    ):
        with Visitor(browser, stack.gateway_url) as late:
            late.open(f"/{path}/ga/handed-on{query}")
            for link in links:
                where = late.page.locator(link).first
                expect(where).to_have_attribute("href", HANDED_ON, timeout=SHOWN_MS)
    page = httpx.get(f"{stack.gateway_url}/v/ga/handed-on{query}").text
    assert '<p class="plain" id="plain"></p>' in page
