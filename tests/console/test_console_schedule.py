"""A roll call scheduled at the desk, and the lot drawn before or after."""

from typing import Any

from playwright.sync_api import expect

from tests.console.desk import Desk, votes
from tests.e2e.stack import Clerk, Stack


def read(clerk: Clerk, roll_call: str) -> dict[str, Any]:
    found: dict[str, Any] = clerk.http.get(f"/v1/ga/roll-calls/{roll_call}").json()
    return found


def test_who_may_not_vote_and_who_was_drawn_are_found_by_name(
    desk: Desk, clerk: Clerk
) -> None:
    desk.sit_down("by-name")
    desk.page.fill("#new-title", "A draft")
    desk.page.focus("#new-start")
    desk.page.keyboard.type("niger")
    desk.press("Enter")  # names that are alike: nobody is chosen, nothing is sent
    desk.sees("#trouble", "alike")
    desk.press("ArrowDown", "ArrowDown", "Enter")
    expect(desk.page.locator("#new-start")).to_have_value("Nigeria (NGA)")
    for name in ("venez", "north mac", "peru"):
        desk.page.fill("#new-barred", name)
        desk.press("Enter")
        expect(desk.page.locator("#new-barred")).to_have_value("")
    desk.sees("#barred", "Peru: Charter Article 19")
    desk.page.click("text=Peru may vote")
    desk.page.fill("#new-barred", "chad")  # not chosen
    desk.page.click("#schedule-form button:not([type])")
    desk.sees("#trouble", "May not vote: choose one of those found")
    desk.page.fill("#new-barred", "")
    desk.page.click("#schedule-form button:not([type])")
    desk.ready()
    found = read(clerk, "by-name")
    assert found["called_from"] == "NGA"
    reason = "Charter Article 19"
    assert found["barred"] == {"MKD": reason, "VEN": reason}
    assert len(found["entitled"]) == 191
    lamp = desk.page.locator("[data-code=VEN] .lamp")
    expect(lamp).to_have_attribute("data-vote", "barred")
    desk.page.click("#do-open")
    desk.sees("#phase", "Open")
    desk.page.locator("#now").focus()
    desk.press("r")
    desk.sees("#now-name", "Nigeria")
    desk.sees("#next", "Next: Norway, Oman, Pakistan")  # not North Macedonia


def test_the_lot_is_drawn_when_the_call_begins(desk: Desk, clerk: Clerk) -> None:
    clerk.open("drawn")
    desk.sit_down("drawn")
    desk.ready()
    desk.press("Escape", "r")
    expect(desk.page.locator("#drawn")).to_be_focused()
    desk.page.keyboard.type("frence")
    desk.press("Enter")
    desk.sees("#ask-trouble", "Choose with the arrows")
    desk.page.fill("#drawn", "viet")
    desk.press("Enter", "Enter")
    desk.sees("#now-name", "Viet Nam")
    desk.sees("#next", "Next: Yemen, Zambia, Zimbabwe")
    desk.press("x", "y")
    desk.sees("#queue", "All recorded")
    assert votes(clerk, "drawn") == {"YEM": "yes"}
    # It is the desk's alone, and stays so after a reload.
    assert read(clerk, "drawn")["called_from"] is None
    desk.sit_down("drawn")
    desk.ready()
    desk.sees("#now-name", "Zambia")
    # Left, and taken up again: nobody is drawn twice.
    desk.press("r")
    desk.sees("#do-call", "Roll-call mode")
    desk.page.locator("#now").focus()
    desk.press("r")
    desk.sees("#now-name", "Zambia")
    desk.sees("#next", "Next: Zimbabwe, Afghanistan")


def test_a_slip_is_a_suggestion_that_is_never_chosen_by_itself(
    desk: Desk, clerk: Clerk
) -> None:
    clerk.open("slip")
    desk.sit_down("slip")
    desk.ready()
    desk.page.keyboard.type("Kyrgyztan")
    desk.sees("#found", "Kyrgyzstan (KGZ)")
    desk.sees("#trouble", "No delegation is called so")
    desk.press("Enter")
    expect(desk.page.locator("#now-name")).to_have_text("\u2013")
    desk.press("ArrowDown", "Enter", "y")
    desk.sees("#queue", "All recorded")
    assert votes(clerk, "slip") == {"KGZ": "yes"}


def test_the_chambers_are_those_that_are_served(desk: Desk, stack: Stack) -> None:
    chambers = "sc,first-committee=ga,ga"
    service = stack.service("ingest", TELLERS_CHAMBERS=chambers)
    service.start()
    try:
        desk.page.goto(f"{service.url}/console")
        expect(desk.page.locator("#chamber option")).to_have_text(
            [
                "Security Council",
                "first-committee (General Assembly)",
                "General Assembly",
            ]
        )
        desk.page.select_option("#chamber", "first-committee")
        desk.page.fill("#token", stack.token)
        desk.page.fill("#roll-call", "in-committee")
        desk.press("Enter")
        expect(desk.page.locator("#new-title")).to_be_focused()
        desk.page.fill("#new-barred", "venez")
        desk.sees("#new-barred-found", "Venezuela")
    finally:
        service.stop()
