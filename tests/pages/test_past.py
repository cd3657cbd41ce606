"""The past in a browser: found by its words, and shown for what it is."""

import json

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import PHONE, Visitor
from tests.servers import wait_until

PAST = {
    "rule": "simple",
    "members": ["AFG", "CSK", "RUS", "USA"],
    "votes": {"AFG": "yes", "CSK": "yes", "USA": "no"},
    "session": "41",
    "source": "undl",
    "record": "700002",
}
TOTALS = {"yes": 2, "no": 1, "abstain": 0, "not_voting": 1, "members": 4}


@pytest.fixture(autouse=True)
def _imported(stack: Stack, clerk: Clerk) -> None:
    """Two roll calls of the past; repeated for each test, recorded once."""
    lines = [
        {
            **PAST,
            "id": "a-res-41-31",
            "title": "Judgment of the Court",
            "symbol": "A/RES/41/31",
            "voted_on": "1986-11-03",
            "totals": TOTALS,
        },
        {
            **PAST,
            "id": "a-res-29-1",
            "title": "A question that differs",
            "voted_on": "1974-11-22",
            "totals": {**TOTALS, "yes": 3},
        },
    ]
    body = "\n".join(map(json.dumps, lines))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = clerk.http.post("/v1/ga/imports", content=body, headers=headers)
    answer.raise_for_status()
    shown = f"{stack.gateway_url}/v1/ga/roll-calls/a-res-29-1/tally"
    wait_until(lambda: clerk.http.get(shown).is_success, 20, "the past")


def test_the_past_is_found_by_its_words_and_the_address_names_them(
    visitor: Visitor,
) -> None:
    visitor.open("/")
    visitor.page.locator("#find").fill("judgment 1986")
    card = "#past [data-key='ga/a-res-41-31']"
    visitor.sees("3 November 1986", card)
    visitor.sees("Adopted 2-1-0", card)
    expect(visitor.page.locator("#past .card")).to_have_count(1)
    assert "q=judgment+1986" in visitor.page.url
    visitor.page.reload()
    visitor.sees("Judgment of the Court", card)
    visitor.page.locator("#find").fill("nobody has this")
    visitor.sees("No roll call found", "#not-found")
    visitor.page.locator("#find").fill("")
    expect(visitor.page.locator("#past .card").nth(1)).to_be_visible()
    expect(visitor.page.locator("#not-found")).to_be_hidden()
    assert "q=" not in visitor.page.url


def test_one_that_could_not_be_closed_says_so_and_is_nothing_that_is_on(
    visitor: Visitor,
) -> None:
    visitor.open("/?q=differs")
    card = "#past [data-key='ga/a-res-29-1']"
    visitor.sees("own totals differ (3-1-0)", card)
    assert visitor.page.locator("#now [data-key='ga/a-res-29-1']").count() == 0


def test_its_page_says_whose_data_it_is_and_shows_no_course_of_the_vote(
    browser: Browser, stack: Stack
) -> None:
    with Visitor(browser, stack.gateway_url, PHONE) as visitor:
        visitor.open("/v/ga/a-res-41-31")
        visitor.sees("Voted on 3 November 1986", "#origin")
        visitor.sees("record 700002", "#origin")
        visitor.sees("Czechoslovakia", "#votes")
        visitor.sees("Union of Soviet Socialist Republics", "#votes")
        assert not visitor.page.locator("#scrubber").is_visible()
        assert not visitor.page.locator("#moments").is_visible()
        across, _ = visitor.overflow
        assert across == 0


def test_its_certificate_is_valid_in_the_browser_too(
    stack: Stack, visitor: Visitor
) -> None:
    certificate = f"{stack.gateway_url}/v1/ga/roll-calls/a-res-41-31/certificate"
    wait_until(lambda: httpx.get(certificate, verify=False).is_success, 20, "signed")
    visitor.open("/verify?lang=en&chamber=ga&roll_call=a-res-41-31", state="valid")
    visitor.sees("Judgment of the Court", ".result")
    visitor.sees("Adopted 2-1-0, 1 not voting", ".result")
