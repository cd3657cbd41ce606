"""Every page under axe-core: WCAG 2.2 AA, light and dark, in both directions.

axe finds what a program can find; the rest is in the other tests of the pages:
keyboard, what is read aloud, the languages, names that are not cut.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.newsroom import newsroom
from tests.pages.visitor import HALL, PHONE, SHOWN_MS, Visitor, pages_of

AXE = Path(__file__).parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
NAME = "seen-by-all"
PAGES = {
    **pages_of(NAME),
    "/status": None,
    "/docs": None,
    "/graphics/": None,
}
# For who builds with us: in English only.
ENGLISH = ("/docs", "/graphics/")
# Every language, light and dark, on a phone and in the hall.
LOOKS = {
    "en-light": HALL,
    "ar-dark": PHONE,
    "fr-dark": HALL,
    "es-light": PHONE,
    "ru-light": HALL,
    "zh-dark": PHONE,
}
IN_FULL = ("en-light", "ar-dark")


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    if not AXE.exists():
        pytest.skip("npm has not installed tests/web: axe-core is missing")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def vote(stack: Stack) -> Iterator[Clerk]:
    """A roll call with votes of every kind, a changed and a withdrawn one."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.open(f"{NAME}-before")
        clerk.vote(f"{NAME}-before", "FRA", "abstain")
        clerk.open(NAME)
        for delegation, answer in (("FRA", "yes"), ("CHN", "no"), ("IND", "abstain")):
            clerk.vote(NAME, delegation, answer)
        clerk.vote(NAME, "FRA", "no")
        yield clerk


def violations(
    page: Page, script: str, kind: str = "tag", values: list[str] = TAGS
) -> list[str]:
    """What axe finds, as `rule: elements`. Args: kind: `tag` or `rule`."""
    # Not a script tag: the pages' own policy would refuse it, and rightly.
    page.evaluate(script)
    found: dict[str, Any] = page.evaluate(
        "([type, values]) => axe.run(document, {runOnly: {type, values}})",
        [kind, values],
    )
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found["violations"]
    ]


@pytest.mark.parametrize(
    ("path", "look"),
    [
        (path, look)
        for path in PAGES
        for look in LOOKS
        if look in IN_FULL or path not in ENGLISH
    ],
)
def test_axe_finds_nothing(
    browser: Browser, stack: Stack, vote: Clerk, axe: str, path: str, look: str
) -> None:
    language, scheme = look.split("-")
    options: dict[str, Any] = {"color_scheme": scheme}
    with Visitor(browser, stack.gateway_url, LOOKS[look], **options) as visitor:
        mark = "&" if "?" in path else "?"
        visitor.page.goto(f"{stack.gateway_url}{path}{mark}lang={language}")
        state = PAGES[path]
        if state is not None:
            visitor.sees_state(state)
        else:
            visitor.page.wait_for_load_state("networkidle")
        assert violations(visitor.page, axe) == []


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_in_the_element(
    browser: Browser, stack: Stack, vote: Clerk, axe: str, look: str
) -> None:
    language, scheme = look.split("-")
    width, height = LOOKS[look]
    one = f'<tellers-tally vote="{NAME}" lang="{language}"'
    body = (
        '<script type="module" '
        f'src="{stack.gateway_url}/elements/tellers-tally.v1.js"></script>'
        f'{one}></tellers-tally>{one} layout="bug" palette="cvd" theme="{scheme}">'
        f'</tellers-tally>{one} symbols="0" pause></tellers-tally>'
    )
    options: dict[str, Any] = {"color_scheme": scheme}
    options["viewport"] = {"width": width, "height": height}
    with newsroom(body) as address, browser.new_page(**options) as page:
        page.goto(address)
        expect(page.locator("[data-state=live] #pause")).to_have_count(
            3, timeout=SHOWN_MS
        )
        assert violations(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [path for path, state in PAGES.items() if state])
def test_who_asks_for_more_contrast_gets_the_highest_that_there_is_a_rule_for(
    browser: Browser, stack: Stack, vote: Clerk, axe: str, path: str, scheme: str
) -> None:
    """7:1, which is level AAA: 1.4.6."""
    for contrast in ("more", "no-preference"):
        options: dict[str, Any] = {"color_scheme": scheme, "contrast": contrast}
        with Visitor(browser, stack.gateway_url, **options) as visitor:
            visitor.open(path, PAGES[path] or "")
            found = violations(visitor.page, axe, "rule", ["color-contrast-enhanced"])
            if contrast == "more":
                assert found == []
            lines = visitor.page.evaluate(
                "[...document.querySelectorAll('.track')]"
                ".map(bar => getComputedStyle(bar).outlineStyle === 'solid')"
            )
            assert set(lines) <= {contrast == "more"}


def test_axe_finds_what_is_wrong(visitor: Visitor, vote: Clerk, axe: str) -> None:
    visitor.open(f"/v/ga/{NAME}")
    visitor.page.evaluate(
        "document.getElementById('find').removeAttribute('aria-label')"
    )
    visitor.page.evaluate("document.getElementById('find').placeholder = ''")
    assert any(found.startswith("label") for found in violations(visitor.page, axe))
