"""Every page on a phone, in every language: nothing is wider, nothing meets."""

import pytest
from playwright.sync_api import Browser

from tests.e2e.stack import Clerk, Stack
from tests.pages.test_board import LANGUAGES
from tests.pages.visitor import BACK_MS, PHONE, Visitor, pages_of

NAME = "narrow"
TITLE = "Report of the Special Political and Decolonization Committee, as revised"
LEAST_ROOM = 8  # pixels
PAGES = {**pages_of(NAME), "/status": "live"}
# Labels of the counts that leave their column; numbers of one row at two heights.
UNEVEN = """() => {
  const cells = [...document.querySelectorAll(".counts > div")];
  const box = (cell, what) => cell.querySelector(what).getBoundingClientRect();
  const wide = cells.filter((cell) => cell.scrollWidth > cell.clientWidth);
  const low = cells.filter((cell) => cells.some((other) =>
    Math.abs(cell.getBoundingClientRect().top - other.getBoundingClientRect().top) < 1
    && Math.abs(box(cell, "dd").top - box(other, "dd").top) > 1));
  return [...wide, ...low].map((cell) => cell.textContent);
}"""


@pytest.fixture(scope="module")
def vote(stack: Stack) -> None:
    """A roll call that runs, and another one."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.open(f"{NAME}-before", title=TITLE)
        clerk.open(NAME, title=TITLE, symbol="A/C.4/78/L.42/Rev.1")
        for delegation, answer in (("FRA", "yes"), ("CHN", "no"), ("IND", "abstain")):
            clerk.vote(NAME, delegation, answer)


@pytest.mark.usefixtures("vote")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_all_has_its_room(
    browser: Browser, stack: Stack, path: str, language: str
) -> None:
    size = (320, 640) if path.startswith("/embed") else PHONE
    with Visitor(browser, stack.gateway_url, size) as visitor:
        mark = "&" if "?" in path else "?"
        visitor.page.goto(f"{stack.gateway_url}{path}{mark}lang={language}")
        state = PAGES[path]
        if state is not None:
            visitor.sees_state(state)
        assert visitor.overflow[0] <= 0
        assert visitor.page.evaluate(UNEVEN) == []


def test_far_from_the_gateway_old_figures_are_told_once(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("parted")
    url = stack.gateway_url
    with (
        Visitor(browser, url, expects_trouble=True) as reader,
        Visitor(browser, url, PHONE, expects_trouble=True) as framed,
    ):
        reader.open("/v/ga/parted")
        framed.open("/embed/ga/parted")
        stack.gateway.kill()
        try:
            for visitor in (reader, framed):
                visitor.sees_state("stale")
                visitor.sees("No word since", "#trouble")
            # What the page was served with is older still.
            assert not reader.page.locator("#plain").is_visible()
        finally:
            stack.gateway.start()
        for visitor in (reader, framed):
            visitor.sees_state("live", BACK_MS)
            assert not visitor.page.locator("#trouble").is_visible()


def test_what_is_held_is_said_in_a_plate_with_room_around_it(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("behind")
    clerk.vote("behind", "FRA", "yes")
    stack.tally.kill()
    try:
        clerk.vote("behind", "FJI", "no")
        for path in ("/", "/board/ga/behind", "/v/ga/behind", "/embed/ga/behind"):
            with Visitor(browser, stack.gateway_url, PHONE) as visitor:
                visitor.page.goto(stack.gateway_url + path)
                visitor.sees_state("held")
                words = "These are the last good figures"
                plate = visitor.page.locator(".alarm", has_text=words).first
                plate.wait_for()
                room = plate.evaluate(
                    "(plate) => parseFloat(getComputedStyle(plate).paddingInlineStart)"
                )
                assert room >= LEAST_ROOM, path
    finally:
        stack.tally.start()
