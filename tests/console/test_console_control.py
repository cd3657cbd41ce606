"""The desk's hand on what the public sees, and what needs a second person or another
step: in a browser before the real system."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser, expect

from tellers_runtime.log import connect
from tellers_runtime.tokens import Scope, TokenStore
from tests.console.desk import SHOWN_MS, Desk, votes
from tests.e2e.stack import Clerk, Service, Stack
from tests.servers import wait_until


def token(stack: Stack) -> str:
    """Another person's, who may record and preside."""

    async def made() -> str:
        redis = connect(stack.redis.url, "second")
        try:
            scopes = [Scope.RECORD, Scope.PRESIDE]
            return await TokenStore(redis).create("second", scopes)
        finally:
            await redis.aclose()

    with ThreadPoolExecutor(1) as pool:  # this thread's loop is the browser's
        return pool.submit(asyncio.run, made()).result()


def public(stack: Stack, path: str) -> httpx.Response:
    return httpx.get(f"{stack.gateway_url}{path}", verify=False)


def counted(stack: Stack, name: str) -> int:
    """How many yes the public sees."""
    answer = public(stack, f"/v1/ga/roll-calls/{name}/tally")
    found: int = answer.json()["counts"]["yes"] if answer.is_success else -1
    return found


def test_one_key_freezes_the_public_and_the_release_asks_first(
    desk: Desk, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("frozen-desk")
    desk.sit_down("frozen-desk")
    desk.ready()
    desk.sees("#public", "Public: live")
    desk.press("Escape", "f")
    desk.sees("#public", "FROZEN: the public stays")
    try:
        desk.page.keyboard.press("/")
        desk.page.keyboard.type("france")
        desk.press("Enter", "y")
        desk.sees("#queue", "All recorded")
        assert votes(clerk, "frozen-desk") == {"FRA": "yes"}
        desk.sees("#public", "1 waiting")
        assert counted(stack, "frozen-desk") == 0
        held = public(stack, "/v1/ga/roll-calls/frozen-desk/tally").json()["held"]
        assert held["reason"] == "publication is frozen by the operator"
        desk.press("Escape", "f")
        desk.sees("#ask-body", "Events that wait: 1")
        desk.page.click("#ask-no")
        desk.sees("#public", "FROZEN")
        desk.press("f")
        desk.page.click("#ask-yes")
        desk.sees("#public", "Public: live")
        wait_until(lambda: counted(stack, "frozen-desk") == 1, 15, "the release")
    finally:
        clerk.http.post("/v1/ga/publication/release")


def test_the_delay_is_a_ring_that_fills(desk: Desk, stack: Stack, clerk: Clerk) -> None:
    clerk.open("ring")
    clerk.http.put("/v1/ga/publication/delay", json={"seconds": 10})
    try:
        desk.sit_down("ring")
        desk.ready()
        desk.sees("#public", "10 s behind")
        desk.page.keyboard.type("france")
        desk.press("Enter", "y")
        expect(desk.page.locator("#last .ring")).to_have_count(1)
        assert counted(stack, "ring") < 1
    finally:
        clerk.http.put("/v1/ga/publication/delay", json={"seconds": None})
    # What waits keeps its time, and whatever comes after it waits with it.
    wait_until(lambda: counted(stack, "ring") == 1, 45, "the end of the delay")


def test_a_rule_is_switched_and_an_intention_noted_after_closing(
    desk: Desk, clerk: Clerk
) -> None:
    clerk.open("steps")
    clerk.vote("steps", "FRA", "yes")
    desk.sit_down("steps")
    desk.ready()
    desk.page.click("#do-rule")
    desk.page.select_option("#new-majority", "simple")
    desk.page.click("#ask-yes")
    expect(desk.page.locator("#ask")).not_to_be_visible()
    assert clerk.http.get("/v1/ga/roll-calls/steps").json()["rule"] == "simple"
    clerk.step("steps", "lock")
    clerk.step("steps", "close")
    desk.sees("#phase", "Closed")
    desk.page.click("#do-intention")
    desk.page.fill("#intention-who", "niger")
    desk.page.select_option("#intention-vote", "no")
    desk.page.click("#ask-yes")
    desk.sees("#ask-trouble", "choose one of those found")
    desk.page.focus("#intention-who")
    desk.press("ArrowDown", "Enter")
    expect(desk.page.locator("#intention-who")).to_have_value("Niger (NER)")
    desk.page.click("#ask-yes")
    expect(desk.page.locator("#ask")).not_to_be_visible()
    found = clerk.http.get("/v1/ga/roll-calls/steps").json()
    assert [one["delegation"] for one in found["intentions"]] == ["NER"]
    assert found["votes"] == {"FRA": "yes"}


def test_letters_of_another_language_and_no_single_keys(
    desk: Desk, clerk: Clerk
) -> None:
    clerk.open("letters", called_from="FRA")
    desk.sit_down("letters")
    desk.ready()
    desk.page.click(".choices summary")
    desk.page.select_option("#letters", "ona")
    expect(desk.page.locator("#answer-yes")).to_contain_text("(O)")
    desk.page.locator("#now").focus()
    desk.press("r", "o")
    desk.lamp("FRA", "yes")
    desk.page.uncheck("#single")
    expect(desk.page.locator("#answer-yes")).to_contain_text("(Alt O)")
    desk.page.locator("#now").focus()
    desk.press("n", "Alt+o")
    desk.lamp("GAB", "yes")
    desk.sees("#queue", "All recorded")
    assert votes(clerk, "letters") == {"FRA": "yes", "GAB": "yes"}


def test_an_import_is_undone_as_one(desk: Desk, clerk: Clerk) -> None:
    clerk.open("batch")
    clerk.vote("batch", "FRA", "no")
    desk.sit_down("batch")
    desk.ready()
    desk.page.click("#do-import")
    record = "Votent pour : France, Pérou.\nS\u2019abstiennent : Norvège"
    desk.page.fill("#import-text", record)
    desk.page.click("#ask-yes")
    desk.sees("#import-report", "3 votes. Before: 0-1-0. After: 2-0-1")
    desk.page.click("#ask-yes")
    desk.sees("#totals", "Yes 2, no 0, abstain 1")
    desk.page.locator("#now").focus()
    desk.press("u")
    desk.sees("#echo", "3 votes are taken back as one")
    desk.sees("#queue", "All recorded")
    assert votes(clerk, "batch") == {"FRA": "no"}


@contextmanager
def two_persons(stack: Stack) -> Iterator[Service]:
    """An ingest that asks for a second person."""
    service = stack.service("ingest", TELLERS_TWO_PERSONS="true")
    service.start()
    try:
        wait_until(service.ready, 15, "an ingest for two")
        yield service
    finally:
        service.stop()


@contextmanager
def two_desks(
    stack: Stack, browser: Browser, roll_call: str
) -> Iterator[tuple[Desk, Desk]]:
    """Two persons before such an ingest, each with a token of their own."""
    with two_persons(stack) as service:
        first, second = Desk(browser, stack), Desk(browser, stack)
        for desk, clear in ((first, stack.token), (second, token(stack))):
            desk.at(service.url)
            desk.sit_down(roll_call, clear)
            desk.ready()
        yield first, second
        for desk in (first, second):
            desk.context.close()
            assert desk.errors == []


def test_unlocking_takes_two_persons_at_two_desks(
    stack: Stack, browser: Browser, clerk: Clerk
) -> None:
    clerk.open("two-persons")
    clerk.vote("two-persons", "FRA", "yes")
    clerk.step("two-persons", "lock")
    with two_desks(stack, browser, "two-persons") as (first, second):
        first.page.click("#do-unlock")
        first.page.fill("#approval-reason", "a delegation asked before proclamation")
        first.page.click("#ask-yes")
        first.sees("#approval", "asks to unlock: a delegation asked")
        # Nobody approves and carries out.
        first.page.click("#approval-go")
        first.sees("#trouble", "another token must")
        second.sees("#approval", "asks to unlock: a delegation asked")
        second.page.click("#approval-go")
        second.sees("#phase", "Open")


def test_another_majority_takes_two_persons_who_see_which(
    stack: Stack, browser: Browser, clerk: Clerk
) -> None:
    clerk.open("two-rule")
    with two_desks(stack, browser, "two-rule") as (first, second):
        first.page.click("#do-rule")
        first.page.select_option("#new-majority", "unanimous")
        first.page.click("#ask-yes")
        first.page.fill("#approval-reason", "the chair ruled so")
        first.page.click("#ask-yes")
        asked = "asks to switch the rule to unanimous: the chair ruled so"
        second.sees("#approval", asked)
        second.page.click("#approval-go")
        rule = "/v1/ga/roll-calls/two-rule"
        wait_until(
            lambda: clerk.http.get(rule).json()["rule"] == "unanimous", 15, "the rule"
        )


def test_a_rehearsal_reaches_no_live_screen(
    desk: Desk, stack: Stack, clerk: Clerk, browser: Browser
) -> None:
    """The control is the live roll call beside it."""
    clerk.open("on-air")
    clerk.vote("on-air", "FRA", "yes")
    desk.sit_down("a-drill")
    desk.page.fill("#new-title", "A drill")
    desk.page.check("#new-rehearsal")
    desk.press("Enter")
    desk.ready()
    expect(desk.page.locator("html")).to_have_attribute("data-rehearsal", "")
    assert "REHEARSAL" in desk.page.title()
    desk.page.click("#do-open")
    desk.sees("#phase", "Open")
    desk.sees("#public", "Rehearsal: no live screen shows this")
    desk.page.keyboard.press("/")
    desk.page.keyboard.type("norway")
    desk.press("Enter", "y")
    desk.sees("#queue", "All recorded")
    wait_until(lambda: counted(stack, "on-air") == 1, 15, "the live roll call")
    wait_until(lambda: counted(stack, "a-drill") == 1, 15, "the rehearsal")
    listed = public(stack, "/v1/ga/roll-calls?limit=100").json()["items"]
    events = public(stack, "/v1/ga/events?limit=1000").text
    for text in (str(listed), events):
        assert "a-drill" not in text
        assert "on-air" in text
    assert public(stack, "/v1/ga/roll-calls/a-drill/tally").json()["rehearsal"] is True
    context = browser.new_context()
    page = context.new_page()
    for path in ("overlay/ga/a-drill", "overlay/ga/current", "overlay/ga/on-air"):
        page.goto(f"{stack.gateway_url}/{path}")
        state = page.locator("html")
        if path.endswith("a-drill"):
            expect(state).to_have_attribute("data-state", "EMPTY", timeout=SHOWN_MS)
        else:
            expect(page.locator("body")).to_contain_text("Title of on-air")
        assert "A drill" not in page.inner_text("body")
    context.close()
    # Nothing makes it live.
    assert clerk.http.post("/v1/ga/roll-calls/a-drill/open").status_code == 409
    body = {"id": "a-drill", "title": "x", "rule": "simple"}
    assert clerk.http.post("/v1/ga/roll-calls", json=body).json()["code"] == (
        "already_exists"
    )
    clerk.step("on-air", "annul")
