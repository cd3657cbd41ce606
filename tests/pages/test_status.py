"""The page /status in a browser: how fresh the feed is, and who signs."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect

from tests.certificates import make_certificate
from tests.e2e.stack import Clerk, Stack
from tests.pages.test_board import LANGUAGES
from tests.pages.visitor import BACK_MS, HALL, PHONE, Visitor

KEY = make_certificate()["key"]
AT = "2026-11-24T20:00:00.000Z"
CHAMBER: dict[str, Any] = {
    "epoch": "k3v9",
    "seq": 184,
    "tally_seq": 184,
    "held": None,
    "checkpoint": {"size": 180, "at": AT},
}


def answering(visitor: Visitor, **more: Any) -> dict[str, Any]:
    """The gateway says this of itself; change it and the page follows."""
    status: dict[str, Any] = {"chambers": {"ga": dict(CHAMBER)}, "key": KEY, **more}

    def fulfil(route: Route) -> None:
        route.fulfill(json=status)

    visitor.page.route("**/status.json", fulfil)
    return status


def test_a_real_system_is_live_and_shows_its_key_after_a_closing(
    visitor: Visitor, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("fresh", rule="simple")
    visitor.open("/status?lang=en")
    clerk.step("fresh", "lock")
    clerk.step("fresh", "close")
    ga = "[data-chamber=ga]"
    visitor.sees("General Assembly", ga)
    visitor.sees("all of them", f"{ga} [data-fact=counted]")
    visitor.sees("Security Council", "[data-chamber=sc]")
    expect(visitor.page.locator("#fingerprint")).to_contain_text("SHA256:")
    told = httpx.get(f"{stack.gateway_url}/status.json").json()
    visitor.sees(told["key"]["fingerprint"], "#fingerprint")
    visitor.sees(told["chambers"]["ga"]["epoch"], f"{ga} [data-fact=epoch]")
    visitor.sees("events, ", f"{ga} [data-fact=checkpoint]")


def test_it_follows_what_the_gateway_says(visitor: Visitor) -> None:
    status = answering(visitor)
    visitor.open("/status?lang=en")
    visitor.sees("184", "[data-fact=in_log]")
    visitor.sees(
        "of 180 events, 24 November 2026 20:00:00 UTC", "[data-fact=checkpoint]"
    )
    visitor.sees(KEY["fingerprint"], "#fingerprint")
    visitor.sees(KEY["vkey"], "#vkey")
    visitor.sees("Nobody has vouched for it.", "#made-up")

    status["chambers"]["ga"].update(seq=190, tally_seq=185)
    visitor.sees("5 events behind", "[data-fact=counted]")

    status["chambers"]["ga"]["held"] = "the log cannot be read"
    visitor.sees_state("held")
    visitor.sees("The log cannot be read.", "[data-chamber=ga] .alarm")
    assert visitor.spoken == "Held"

    status["chambers"]["ga"] = {**CHAMBER, "checkpoint": None, "epoch": None}
    status["chambers"]["ga"].update(seq=None, tally_seq=None)
    status["key"] = None
    visitor.sees_state("live")
    visitor.sees("none yet", "[data-fact=checkpoint]")
    visitor.sees("there is no key to show", "#key")
    expect(visitor.page.locator("#fingerprint")).to_be_hidden()
    expect(visitor.page.locator("#made-up")).to_be_hidden()


def test_a_key_that_was_given_is_not_called_made_up(visitor: Visitor) -> None:
    answering(visitor, key={**KEY, "made_up": False})
    visitor.open("/status?lang=en")
    visitor.sees(KEY["fingerprint"], "#fingerprint")
    expect(visitor.page.locator("#made-up")).to_be_hidden()


def test_a_gateway_that_does_not_answer_is_said_plainly(
    visitor: Visitor, stack: Stack
) -> None:
    visitor.expects_trouble = True
    visitor.open("/status?lang=en")
    stack.gateway.kill()
    try:
        visitor.sees_state("stale")
        visitor.sees("The gateway has not answered since", "#trouble")
        visitor.sees("General Assembly", "[data-chamber=ga]")  # as it was, marked old
    finally:
        stack.gateway.start()
        stack.wait_ready()
    visitor.sees_state("live", BACK_MS)
    expect(visitor.page.locator("#trouble")).to_be_hidden()


def test_a_gateway_that_never_answered_is_said_plainly(visitor: Visitor) -> None:
    visitor.expects_trouble = True
    visitor.page.route("**/status.json", lambda route: route.abort())
    visitor.open("/status?lang=en", state="stale")
    visitor.sees("The tallies cannot be reached just now.", "#trouble")


@pytest.mark.parametrize("size", [HALL, PHONE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_goes_beyond_the_screen_in_any_language(
    language: str, size: tuple[int, int], browser: Browser, stack: Stack
) -> None:
    with Visitor(browser, stack.gateway_url, size) as visitor:
        held = {**CHAMBER, "held": "the tally service is behind"}
        answering(visitor, chambers={"ga": CHAMBER, "sc": held})
        visitor.open(f"/status?lang={language}", state="held")
        visitor.sees(KEY["fingerprint"], "#fingerprint")
        assert visitor.overflow[0] == 0


def test_the_first_page_leads_to_status_and_verify(visitor: Visitor) -> None:
    visitor.open("/?lang=en")
    visitor.page.locator("footer >> text=Status").click()
    visitor.sees_state("live")
    visitor.page.locator("footer >> text=Verify a result").click()
    visitor.sees_state("empty")
