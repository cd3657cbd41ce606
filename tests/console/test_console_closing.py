"""Lock and close at the desk: what is to be compared, and the result on paper."""

import re
from typing import Any

from playwright.sync_api import expect

from tests.console.desk import Desk
from tests.e2e.stack import Clerk

TIME = re.compile(r"Locked at \d\d:\d\d:\d\d")
HIDDEN_ON_PAPER = ("#clock", "#queue", "#public", "#steps", ".entry", ".choices")


def test_what_is_to_be_compared_before_closing(desk: Desk, clerk: Clerk) -> None:
    barred = {"VEN": "Charter Article 19"}
    clerk.open("compared", barred=barred)
    clerk.open("beside")
    for roll_call, delegation, vote in (
        ("compared", "FRA", "yes"),
        ("compared", "PER", "yes"),
        ("compared", "NOR", "no"),
        ("compared", "FRA", "abstain"),
        ("beside", "PER", "no"),
        ("beside", "PER", "yes"),
    ):
        clerk.vote(roll_call, delegation, vote)
    clerk.http.delete("/v1/ga/roll-calls/compared/votes/NOR")
    desk.sit_down("compared")
    desk.ready()
    desk.press("Alt+l")
    expect(desk.page.locator("#ask-no")).to_be_focused()
    desk.press("Tab", "Enter")
    expect(desk.page.locator("#phase")).to_have_text(TIME)
    clerk.step("compared", "rule", rule="two_thirds_of_members")
    desk.page.click("#do-close")
    body = desk.page.locator("#ask-body")
    for text in (
        "Yes 1, no 0, abstain 1, not recorded 190",
        "1 + 0 + 1 + 190 = 192 entitled of 193 members",
        "needed: 129 yes. Result on closing: REJECTED",
        "1 not entitled: Venezuela",
        TIME,
        "France from Yes to Abstain at ",
        "Norway from No to Not voting at ",
    ):
        expect(body).to_contain_text(text)
    expect(body).not_to_contain_text("Peru from")  # another roll call's
    expect(desk.page.locator("#ask-no")).to_be_focused()


def test_the_times_of_a_lock(clerk: Clerk) -> None:
    """Only while it is locked, and of the last lock, however busy the chamber is."""
    clerk.open("locks")
    clerk.open("busy")
    clerk.vote("locks", "FRA", "yes")

    def lock() -> dict[str, Any] | None:
        answer = clerk.http.get("/v1/ga/roll-calls/locks").json()
        found: dict[str, Any] | None = answer["lock"]
        return found

    assert lock() is None
    clerk.step("locks", "lock")
    first = lock()
    assert first is not None
    assert first["changes"] == []
    clerk.step("locks", "unlock")
    assert lock() is None
    clerk.vote("locks", "FRA", "no")
    codes = [one["code"] for one in clerk.http.get("/console/members/ga.json").json()]
    for vote in ("yes", "no"):
        votes = [{"delegation": code, "vote": vote} for code in codes]
        clerk.step("busy", "votes", votes=votes)
    clerk.step("locks", "lock")
    second = lock()
    assert second is not None
    assert second["at"] > first["at"]
    (change,) = second["changes"]
    assert first["at"] < change["at"] <= second["at"]
    said = {"delegation": "FRA", "vote": "no", "previous": "yes"}
    assert change == {**said, "at": change["at"]}
    clerk.step("locks", "rule", rule="simple")
    assert lock() == second
    clerk.step("locks", "close")
    assert lock() is None


def test_the_result_on_paper(desk: Desk, clerk: Clerk) -> None:
    clerk.open("paper", symbol="A/80/L.1", rule="simple", barred={"VEN": "Article 19"})
    clerk.vote("paper", "FRA", "yes")
    desk.sit_down("paper")
    desk.ready()
    assert desk.page.locator("#do-print").count() == 0
    clerk.step("paper", "lock")
    clerk.step("paper", "close")
    desk.sees("#result", "ADOPTED \u00b7 majority: simple, needed: 1 yes")
    desk.page.evaluate("window.print = () => { window.printed = true; }")
    desk.page.click("#do-print")
    assert desk.page.evaluate("window.printed")
    desk.page.emulate_media(media="print")
    for shown in ("#title", "#symbol", "#phase", "#totals", "#result"):
        expect(desk.page.locator(shown)).to_be_visible()
    for hidden in HIDDEN_ON_PAPER:
        expect(desk.page.locator(hidden)).to_be_hidden()
    expect(desk.page.locator("#symbol")).to_have_text("A/80/L.1")
    tiles = [desk.page.locator(f"[data-code={code}]") for code in ("FRA", "PER", "VEN")]
    words = [
        tile.evaluate("it => getComputedStyle(it, '::after').content") for tile in tiles
    ]
    assert words == ['"Yes"', '"Not voting"', '"Not entitled"']
