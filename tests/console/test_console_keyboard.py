"""A whole vote by keyboard alone, and each dialog under axe-core."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.console.desk import Desk, votes
from tests.console.test_console_control import token, two_persons
from tests.e2e.stack import Clerk, Stack
from tests.pages.test_axe import AXE, TAGS

# No part of the desk is further away than this.
MOST_TABS = 40


def focused(desk: Desk) -> str:
    found: str = desk.page.evaluate("document.activeElement.id")
    return found


def tab_to(desk: Desk, where: str) -> None:
    """As somebody without a mouse finds it."""
    for _ in range(MOST_TABS):
        if focused(desk) == where:
            return
        desk.press("Tab")
    raise AssertionError(f"#{where} is not reached by Tab, but #{focused(desk)}")


def write(desk: Desk, where: str, text: str) -> None:
    tab_to(desk, where)
    desk.page.keyboard.type(text)


def test_scheduled_opened_voted_locked_and_closed_without_a_mouse(
    desk: Desk, stack: Stack, clerk: Clerk
) -> None:
    desk.page.goto(f"{stack.ingest_url}/console")
    expect(desk.page.locator("#token")).to_be_focused()
    desk.page.keyboard.type(stack.token)
    write(desk, "roll-call", "no-mouse")
    desk.press("Enter")
    expect(desk.page.locator("#new-title")).to_be_focused()
    desk.page.keyboard.type("A draft resolution")
    write(desk, "new-start", "zimb")
    desk.press("Enter")
    write(desk, "new-barred", "venez")
    desk.press("Enter")
    tab_to(desk, "new-rehearsal")
    desk.press("Space", "Enter")
    desk.ready()
    desk.sees("#mode", "REHEARSAL")
    tab_to(desk, "do-open")
    desk.press("Enter")
    desk.sees("#phase", "Open")
    desk.press("r")
    desk.sees("#now-name", "Zimbabwe")
    desk.press("y", "n", "x", "a", "u", "y", "r")
    desk.press("/")
    desk.page.keyboard.type("niger")
    desk.press("ArrowDown", "Enter", "n")
    desk.sees("#queue", "All recorded")
    desk.press("Alt+l")
    desk.press("Tab", "Enter")
    desk.sees("#phase", "Locked at")
    tab_to(desk, "do-close")
    desk.press("Enter")
    desk.sees("#ask-body", "Yes 2, no 2, abstain 0, not recorded 188")
    for name, figure in (("yes", "2"), ("no", "2"), ("abstain", "0")):
        write(desk, f"announced-{name}", figure)
    desk.press("Enter")
    desk.sees("#phase", "Closed")
    desk.sees("#result", "TIED")
    answers = {"ZWE": "yes", "AFG": "no", "DZA": "yes", "NER": "no"}
    assert votes(clerk, "no-mouse") == answers


@pytest.fixture
def axe() -> str:
    if not AXE.exists():
        pytest.skip("npm has not installed tests/web: axe-core is missing")
    return AXE.read_text("utf-8")


def violations(desk: Desk, script: str) -> list[tuple[str, str]]:
    desk.page.evaluate(script)
    run = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
    found: list[dict[str, Any]] = desk.page.evaluate(run, TAGS)["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


def test_axe_finds_nothing_in_any_dialog(
    stack: Stack, browser: Browser, clerk: Clerk, axe: str
) -> None:
    """Each is opened in its turn, on a roll call that goes from open to closed."""
    clerk.open("dialogs", rehearsal=True)
    clerk.vote("dialogs", "FRA", "yes")
    clerk.vote("dialogs", "FRA", "no")
    with two_persons(stack) as service:
        desk = Desk(browser, stack)
        page = desk.page
        desk.at(service.url)
        desk.sit_down("dialogs", token(stack))
        desk.ready()
        seen: list[str] = []

        def look(button: str, title: str) -> None:
            page.click(f"#{button}")
            desk.sees("#ask-title", title)
            seen.append(title)
            assert (title, violations(desk, axe)) == (title, [])

        def leave() -> None:
            page.keyboard.press("Escape")
            expect(page.locator("#ask")).not_to_be_visible()

        for button, title in (
            ("do-help", "Keys"),
            ("do-rule", "Another majority"),
            ("do-annul", "Annul"),
            ("do-lock", "Lock"),
        ):
            look(button, title)
            leave()
        look("do-call", "Roll-call mode")
        page.fill("#drawn", "guin")
        desk.sees("#drawn-found", "Guinea-Bissau")
        assert violations(desk, axe) == []
        leave()
        look("do-import", "Import votes")
        page.fill("#import-text", "FRA,yes\nXXX,no")
        page.click("#ask-yes")
        desk.sees("#import-report", "unknown name XXX")
        assert violations(desk, axe) == []
        leave()
        page.click("#do-freeze")
        desk.sees("#do-freeze", "Release")
        look("do-freeze", "Release what waits")
        page.click("#ask-yes")
        expect(page.locator("#ask")).not_to_be_visible()
        clerk.step("dialogs", "lock")
        desk.sees("#phase", "Locked at")
        look("do-unlock", "A second person is needed")
        leave()
        look("do-close", "Close and proclaim")
        leave()
        clerk.step("dialogs", "close")
        desk.sees("#phase", "Closed")
        look("do-intention", "Note an intention")
        assert len(seen) == 10
        desk.context.close()
        assert desk.errors == []


def test_axe_finds_nothing_where_a_roll_call_is_scheduled(desk: Desk, axe: str) -> None:
    desk.sit_down("to-be-scheduled")
    expect(desk.page.locator("#new-title")).to_be_focused()
    for name in ("venez", "guin"):
        desk.page.fill("#new-barred", name)
        desk.press("Enter")
    desk.sees("#new-barred-found", "Guinea-Bissau")
    assert violations(desk, axe) == []
