"""`<tellers-tally>` in somebody else's page, on another host."""

from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.newsroom import newsroom
from tests.pages.visitor import SHOWN_MS

COUNT = count(1)


@pytest.fixture
def name() -> str:
    """A roll call for each test."""
    return f"element-{next(COUNT)}"


@pytest.fixture
def page(browser: Browser, stack: Stack, clerk: Clerk, name: str) -> Iterator[Page]:
    """A page of a newsroom's with two elements of one roll call, one of another."""
    clerk.open(name)
    clerk.vote(name, "FRA", "yes")
    clerk.open(f"{name}-2")
    body = f"""
      <script type="module" crossorigin
        src="{stack.gateway_url}/elements/tellers-tally.v1.js"></script>
      <tellers-tally id="a" vote="{name}">141-5-35</tellers-tally>
      <tellers-tally id="b" vote="{name}" lang="ar" theme="dark"></tellers-tally>
      <tellers-tally id="c" vote="{name}-2" lang="en"></tellers-tally>
      <tellers-tally id="d" vote="never">Nothing yet</tellers-tally>"""
    with newsroom(body) as address:
        context = browser.new_context(viewport={"width": 800, "height": 1600})
        opened = context.new_page()
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(address)
        yield opened
        context.close()
        assert not errors


def give(page: Page, **attributes: str | None) -> None:
    """Set attributes of the element `c`; None takes one away."""
    for attribute, value in attributes.items():
        page.evaluate(
            "([name, value]) => { const c = document.getElementById('c');"
            " value === null ? c.removeAttribute(name) : c.setAttribute(name, value) }",
            [attribute, value],
        )


def style(found: Locator, name: str) -> str:
    """What the browser makes of it."""
    value: str = found.evaluate("(node, name) => getComputedStyle(node)[name]", name)
    return value


def test_it_is_live_in_the_languages_that_were_asked_for(
    page: Page, clerk: Clerk, name: str
) -> None:
    first = page.locator("#a [data-vote=yes] .number")
    expect(first).to_have_text("1", timeout=SHOWN_MS)
    expect(page.locator("#a")).to_contain_text("Pour")
    expect(page.locator("#b .frame")).to_have_attribute("dir", "rtl")
    expect(page.locator("#c [data-vote=yes] .number")).to_have_text("0")
    clerk.vote(name, "NOR", "yes")
    for which in ("#a", "#b"):
        number = page.locator(f"{which} [data-vote=yes] .number")
        expect(number).to_have_text("2", timeout=SHOWN_MS)


def test_it_is_as_late_as_the_picture_beside_it(
    page: Page, clerk: Clerk, name: str
) -> None:
    number = page.locator("#c [data-vote=yes] .number")
    give(page, delay_ms="4000")
    expect(number).to_have_text("0", timeout=4000 + SHOWN_MS)
    clerk.vote(f"{name}-2", "FRA", "yes")
    clerk.vote(name, "NOR", "yes")
    # The element beside it, without a delay, tells that it could be known.
    prompt = page.locator("#a [data-vote=yes] .number")
    expect(prompt).to_have_text("2", timeout=SHOWN_MS)
    assert number.inner_text() == "0"
    expect(number).to_have_text("1", timeout=4000 + SHOWN_MS)
    assert "delay_ms=4000" in (page.locator("#c #home").get_attribute("href") or "")


def test_what_stands_inside_the_tag_is_shown_until_there_is_a_tally(page: Page) -> None:
    expect(page.locator("#a [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    # Light text without a slot to stand in has no box.
    boxes = (
        "id => { const range = document.createRange();"
        " range.selectNodeContents(document.getElementById(id));"
        " return range.getClientRects().length; }"
    )
    assert page.evaluate(boxes, "a") == 0
    assert page.evaluate(boxes, "d") == 1


def test_the_page_around_it_is_told(page: Page, clerk: Clerk, name: str) -> None:
    expect(page.locator("#a [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    page.evaluate(
        "window.told = []; for (const what of ['update', 'final'])"
        " document.getElementById('a').addEventListener(`tellers-tally:${what}`,"
        " ({type, detail}) => told.push([type, detail.phase]))"
    )
    clerk.step(name, "lock")
    clerk.step(name, "close")
    page.wait_for_function("told.some(([type]) => type === 'tellers-tally:final')")


def test_paused_it_stays_and_then_is_right_at_once(
    page: Page, clerk: Clerk, name: str
) -> None:
    number = page.locator("#a [data-vote=yes] .number")
    expect(number).to_have_text("1", timeout=SHOWN_MS)
    page.evaluate("document.getElementById('a').toggleAttribute('pause', true)")
    clerk.vote(name, "NOR", "yes")
    expect(page.locator("#b [data-vote=yes] .number")).to_have_text("2")
    assert number.inner_text() == "1"
    page.evaluate("document.getElementById('a').toggleAttribute('pause', false)")
    expect(number).to_have_text("2")


def test_it_lets_go_of_its_connection_with_the_last_element(
    page: Page, name: str
) -> None:
    expect(page.locator("#a [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    page.evaluate("document.getElementById('a').remove()")
    expect(page.locator("#b")).to_have_attribute("data-state", "live")
    with page.expect_event("websocket", timeout=SHOWN_MS) as opened:
        page.evaluate(
            "document.getElementById('b').remove();"
            "const one = document.createElement('tellers-tally');"
            f"one.setAttribute('vote', '{name}'); document.body.append(one)"
        )
    assert opened.value.url.startswith("ws://")


@pytest.mark.parametrize(
    ("language", "word"),
    [("en", "Rehearsal"), ("ar", "تجربة"), ("zh", "演练")],
)
def test_a_rehearsal_is_marked(
    page: Page, clerk: Clerk, name: str, language: str, word: str
) -> None:
    clerk.open(f"{name}-r", rehearsal=True)
    mark = page.locator("#c .rehearsal")
    expect(page.locator("#c [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    expect(mark).to_be_hidden()
    give(page, vote=f"{name}-r", lang=language)
    expect(mark).to_be_visible(timeout=SHOWN_MS)
    expect(mark).to_contain_text(word)
    for layout in ("full", "bug"):
        give(page, layout=layout)
        expect(mark).to_be_visible()


def test_the_reader_can_pause_it_and_is_told_what_was_missed(
    page: Page, clerk: Clerk, name: str
) -> None:
    number = page.locator("#a [data-vote=yes] .number")
    expect(number).to_have_text("1", timeout=SHOWN_MS)
    a = page.locator("#a")
    a.get_by_role("button", name="Suspendre les mises à jour").press("Enter")
    expect(a).to_have_attribute("pause", "")
    clerk.vote(name, "NOR", "yes")
    clerk.vote(name, "FJI", "yes")
    expect(a).to_contain_text("En pause ; 2 changements entre-temps", timeout=SHOWN_MS)
    assert number.inner_text() == "1"
    a.get_by_role("button", name="Reprendre les mises à jour").press("Enter")
    expect(number).to_have_text("3")
    expect(a).not_to_have_attribute("pause", "")
    expect(a.locator("#missed")).to_be_hidden()


def test_one_that_is_paused_from_the_beginning_shows_how_it_was_then(
    page: Page, clerk: Clerk, name: str
) -> None:
    page.evaluate(
        "name => document.body.insertAdjacentHTML('beforeend',"
        " `<tellers-tally id=e vote=${name} lang=en pause></tellers-tally>`)",
        name,
    )
    number = page.locator("#e [data-vote=yes] .number")
    expect(number).to_have_text("1", timeout=SHOWN_MS)
    clerk.vote(name, "NOR", "yes")
    expect(page.locator("#e")).to_contain_text("Paused; 1 change", timeout=SHOWN_MS)
    assert number.inner_text() == "1"


def test_what_matters_is_read_aloud(page: Page, clerk: Clerk, name: str) -> None:
    region = page.locator("#c").get_by_role("status")
    expect(page.locator("#c [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    assert region.inner_text() == ""
    clerk.step(f"{name}-2", "lock")
    expect(region).to_contain_text("0 in favour", timeout=SHOWN_MS)


def test_how_it_looks_may_change_at_any_time(page: Page) -> None:
    frame = page.locator("#c .frame")
    yes = page.locator("#c dt [class=chip]").first
    rule = page.locator("#c .rule")
    expect(yes).to_be_visible(timeout=SHOWN_MS)
    assert style(yes, "backgroundColor") == "rgb(0, 158, 115)"
    give(page, palette="cvd")
    expect(yes).to_have_css("background-color", "rgb(43, 143, 214)")
    give(page, dir="rtl")
    expect(frame).to_have_css("direction", "rtl")
    give(page, dir=None)
    expect(frame).to_have_css("direction", "ltr")
    give(page, symbols="0")
    expect(yes).to_be_hidden()
    expect(page.locator("#c dt").first).to_have_text("Yes")
    expect(rule).to_be_visible()
    height = frame.evaluate("node => node.offsetHeight")
    give(page, layout="bug")
    expect(rule).to_be_hidden()
    expect(page.locator("#c [data-vote=yes] .number")).to_be_visible()
    assert frame.evaluate("node => node.offsetHeight") < 0.7 * height
    give(page, layout="sideways", palette="pink", symbols="1")
    expect(rule).to_be_visible()
    expect(yes).to_have_css("background-color", "rgb(0, 158, 115)")


def test_another_roll_call_may_be_named_at_any_time(
    page: Page, clerk: Clerk, name: str
) -> None:
    number = page.locator("#c [data-vote=yes] .number")
    expect(number).to_have_text("0", timeout=SHOWN_MS)
    give(page, vote=name)
    expect(number).to_have_text("1", timeout=SHOWN_MS)


def test_it_follows_whatever_is_voted_on(page: Page, clerk: Clerk, name: str) -> None:
    give(page, vote=None, chamber="sc", follow="current")
    title = page.locator("#c h3")
    for which in ("first", "second"):
        clerk.open(f"{name}-{which}", chamber="sc")
        expect(title).to_have_text(f"Title of {name}-{which}", timeout=SHOWN_MS)
    aloud = page.locator("#c").get_by_role("status")
    expect(aloud).to_have_text(f"Voting is open: Title of {name}-second.")
    clerk.step(f"{name}-second", "annul", "sc")
    expect(page.locator("#c .phase")).to_have_text("Annulled", timeout=SHOWN_MS)
    expect(title).to_have_text(f"Title of {name}-second")
    expect(page.locator("#c #pause")).to_be_visible()


def test_one_connection_serves_who_changes_the_language(page: Page, name: str) -> None:
    for which in ("#a", "#c"):
        one = page.locator(which)
        expect(one).to_have_attribute("data-state", "live", timeout=SHOWN_MS)
    opened: list[str] = []
    page.on("websocket", lambda socket: opened.append(socket.url))
    for language, word in (("es", "A favor"), ("fr", "Pour"), ("en", "Yes")):
        give(page, lang=language)
        expect(page.locator("#c dt").first).to_contain_text(word)
    assert opened == []
