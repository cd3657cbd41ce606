"""The clerk's console in a browser before the real system."""

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.console.desk import Desk, votes
from tests.e2e.stack import ROLL_CALLS, Clerk, Stack, recorded
from tests.pages.test_axe import AXE, TAGS

# So long the network may be away in the middle of a vote.
AWAY_MS = 30_000
KEYS = {"yes": "y", "no": "n", "abstain": "a"}


def version(clerk: Clerk, roll_call: str) -> int:
    found: int = clerk.http.get(f"/v1/ga/roll-calls/{roll_call}").json()["version"]
    return found


def test_a_wrong_token_is_said_so(desk: Desk) -> None:
    desk.sit_down("any", "tlr_wrong")
    desk.sees("#trouble", "unknown, was revoked or expired")


def test_the_roll_call_is_read_with_a_token_only(stack: Stack, clerk: Clerk) -> None:
    clerk.open("read-me")
    url = f"{stack.ingest_url}/v1/ga/roll-calls/read-me"
    assert httpx.get(url, verify=False).status_code == 401
    found = clerk.http.get(url).json()
    assert (found["phase"], found["version"], found["votes"]) == ("open", 2, {})
    assert clerk.http.get(url + "-not").json()["code"] == "unknown_roll_call"


def test_193_votes_by_keyboard_at_most_two_keys_each(
    desk: Desk, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("by-call", called_from="FRA")
    desk.sit_down("by-call")
    desk.ready()
    answers = dict(recorded("es-11-1"))
    codes = [tile["code"] for tile in _members(stack)]
    at = codes.index("FRA")
    pressed = 0
    desk.press("Escape", "r")
    for number, code in enumerate([*codes[at:], *codes[:at]]):
        key = KEYS.get(answers.get(code, ""), "x")
        if number % 40 == 7:  # a slip, undone: only here more keys than two
            desk.press("n" if key == "y" else "y", "u")
        desk.press(key)
        pressed += 1
    desk.sees("#now-round", "Second call")
    desk.sees("#queue", "All recorded", 30_000)
    assert pressed <= 2 * 193
    assert votes(clerk, "by-call") == answers
    desk.sees("#totals", "Yes 141, no 5, abstain 35, not recorded 12")


def test_after_a_reload_the_call_goes_on_at_the_same_member(
    desk: Desk, clerk: Clerk
) -> None:
    """The first is skipped, four answer, two of them without network."""
    clerk.open("reloaded", called_from="FRA")
    desk.sit_down("reloaded")
    desk.ready()
    desk.press("Escape", "r", "x", "y", "y")
    desk.sees("#queue", "All recorded")
    desk.context.set_offline(True)
    desk.press("n", "a")
    desk.sees("#queue", "2 queued")
    desk.sees("#now-name", "Ghana")
    desk.context.set_offline(False)
    # So that what waits still waits after the reload.
    away = "**/v1/ga/roll-calls/reloaded/votes/*"
    desk.page.route(away, lambda route: route.abort())
    desk.sit_down("reloaded")
    desk.ready()
    desk.sees("#queue", "2 queued")
    desk.sees("#now-round", "Roll call")
    desk.sees("#now-name", "Ghana")
    desk.sees("#next", "Next: Greece, Grenada, Guatemala")
    desk.page.unroute(away)
    desk.sees("#queue", "All recorded")
    # Everybody after it answers: then only who was skipped is called again.
    codes = [code for code in _codes(clerk) if code not in votes(clerk, "reloaded")]
    batch = [{"delegation": code, "vote": "yes"} for code in codes]
    later = [vote for vote in batch if vote["delegation"] not in ("FRA", "GHA")]
    clerk.step("reloaded", "votes", votes=later)
    desk.sees("#totals", "not recorded 2")
    desk.press("y")
    desk.sees("#now-round", "Second call")
    desk.sees("#now-name", "France")
    desk.press("n")
    desk.sees("#now-name", "The call is over")


def _codes(clerk: Clerk) -> list[str]:
    found = clerk.http.get("/console/members/ga.json").json()
    return [member["code"] for member in found]


def _members(stack: Stack) -> list[dict[str, str]]:
    url = f"{stack.ingest_url}/console/members/ga.json"
    found: list[dict[str, str]] = httpx.get(url, verify=False).json()
    return found


def test_typed_names_and_those_that_are_alike(desk: Desk, clerk: Clerk) -> None:
    clerk.open("typed")
    desk.sit_down("typed")
    desk.ready()
    desk.page.keyboard.type("turkey")
    desk.press("Enter", "y")
    desk.lamp("TUR", "yes")
    desk.page.keyboard.type("niger")
    desk.press("Enter")
    desk.sees("#trouble", "alike")
    desk.press("ArrowDown", "Enter", "a")
    desk.lamp("NER", "abstain")
    desk.sees("#queue", "All recorded")
    assert votes(clerk, "typed") == {"TUR": "yes", "NER": "abstain"}


def test_without_network_nothing_is_lost_nothing_doubled(
    desk: Desk, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("away")
    desk.sit_down("away")
    desk.ready()
    desk.press("Escape", "r", "Enter", "y", "n")
    desk.context.set_offline(True)
    desk.press("a", "y", "u", "n", "y")
    desk.sees("#queue", "no connection")
    desk.page.wait_for_timeout(AWAY_MS)
    desk.context.set_offline(False)
    desk.sees("#queue", "All recorded")
    found = votes(clerk, "away")
    assert sorted(found.values()) == ["abstain", "no", "no", "yes", "yes"]
    # Scheduled, opened, two votes; two more, one taken back, two more: none doubled.
    assert version(clerk, "away") == 2 + 2 + 2 + 1 + 2
    assert desk.page.locator("#last li").count() == 5


def test_two_consoles_on_one_member(desk: Desk, clerk: Clerk) -> None:
    clerk.open("two")
    desk.sit_down("two")
    desk.ready()
    desk.page.keyboard.type("france")
    desk.press("Enter")
    desk.context.set_offline(True)  # so that it does not see the other's in time
    desk.press("y")
    desk.sees("#queue", "queued")
    clerk.vote("two", "FRA", "no")
    desk.context.set_offline(False)
    desk.sees("#troubles", "France: you entered Yes, but No was recorded")
    assert votes(clerk, "two") == {"FRA": "no"}


def test_import_then_close_with_wrong_then_right_figures(
    desk: Desk, clerk: Clerk
) -> None:
    desk.sit_down("imported")
    desk.page.fill("#new-title", "A drill")
    desk.page.check("#new-rehearsal")
    desk.press("Enter")
    desk.ready()
    desk.sees("#mode", "REHEARSAL")
    desk.page.click("#do-open")
    desk.page.click("#do-import")
    desk.page.fill("#import-text", "delegation,vote\nFRA,yes\nXXX,no\n")
    desk.page.click("#ask-yes")
    desk.sees("#import-report", "Line 3: unknown name XXX")
    assert not desk.page.locator("#ask-trouble").is_visible()  # not an empty plate
    desk.page.set_input_files("#import-file", ROLL_CALLS / "es-11-1.csv")
    expect(desk.page.locator("#import-report")).to_be_empty()
    desk.page.click("#ask-yes")
    desk.sees("#import-report", "181 votes. Before: 0-0-0. After: 141-5-35")
    desk.page.click("#ask-yes")
    desk.sees("#totals", "Yes 141, no 5, abstain 35, not recorded 12")
    desk.page.click("#do-lock")
    desk.page.click("#ask-yes")
    desk.page.click("#do-close")
    desk.sees("#ask-body", "12 not recorded")
    for name, figure in (("yes", "140"), ("no", "5"), ("abstain", "35")):
        desk.page.fill(f"#announced-{name}", figure)
    desk.page.click("#ask-yes")
    desk.sees("#ask-trouble", "Announced 140-5-35")
    desk.sees("#ask-trouble", "recorded 141-5-35")
    desk.page.fill("#announced-yes", "141")
    desk.page.click("#ask-yes")
    desk.sees("#phase", "Closed")


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1920), ("dark", 1920), ("light", 390)]
)
def test_axe_finds_nothing(
    browser: Browser, stack: Stack, clerk: Clerk, scheme: str, width: int
) -> None:
    if not AXE.exists():
        pytest.skip("npm has not installed tests/web: axe-core is missing")
    name = f"axe-{scheme}-{width}"
    clerk.open(name, rehearsal=True)
    clerk.vote(name, "FRA", "yes")
    approval = {"command": "annul", "reason": "the wrong document"}
    clerk.step(name, "approvals", **approval)
    size = {"width": width, "height": 844}
    desk = Desk(browser, stack, color_scheme=scheme, viewport=size)
    desk.sit_down(name)
    desk.ready()
    desk.page.click(".choices summary")
    # Nothing has to be scrolled sideways, also at 200 %.
    across = "document.documentElement.scrollWidth - window.innerWidth"
    assert desk.page.evaluate(across) <= 0
    desk.page.focus("#search")
    desk.page.keyboard.type("gui")
    desk.page.evaluate(AXE.read_text("utf-8"))
    run = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
    found = desk.page.evaluate(run, TAGS)["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    desk.context.close()
