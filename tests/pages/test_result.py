"""The page people link to: the result, the list, the groups, the vote through time."""

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.visitor import PHONE, SHOWN_MS, Visitor

NAME, EARLIER = "linked", "earlier"
TITLE = 'Aggression "against" <Ukraine>'
ES_11_1 = recorded("es-11-1")


@pytest.fixture(scope="module")
def vote(stack: Stack) -> Iterator[Clerk]:
    """A roll call that is over, and one before it."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.open(EARLIER)
        clerk.vote(EARLIER, "FRA", "no")
        clerk.schedule(NAME, title=TITLE, symbol="A/ES-11/L.1")
        clerk.step(NAME, "open")
        for delegation, answer in ES_11_1:
            clerk.vote(NAME, delegation, answer)
        clerk.step(NAME, "lock")
        clerk.step(NAME, "close")
        yield clerk


class Head(HTMLParser):
    """The meta and link tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.links: list[dict[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "meta" and "content" in found:
            self.meta[found.get("property") or found.get("name", "")] = found["content"]
        if tag == "link":
            self.links.append(found)


def page(stack: Stack, query: str = "", name: str = NAME) -> httpx.Response:
    return httpx.get(f"{stack.gateway_url}/v/ga/{name}{query}")


def test_who_reads_no_scripts_is_told_the_result(stack: Stack, vote: Clerk) -> None:
    answer = page(stack)
    head = Head(answer.text)
    assert head.meta["og:title"] == TITLE
    assert (
        "Adopted: 141 in favour, 5 against, 35 abstentions"
        in head.meta["og:description"]
    )
    assert "141 in favour" in answer.text.split('id="plain"')[1]
    assert "<Ukraine>" not in answer.text
    (canonical,) = [link for link in head.links if link["rel"] == "canonical"]
    assert canonical["href"] == f"{stack.gateway_url}/v/ga/{NAME}"


def test_a_content_system_discovers_how_to_embed_it(stack: Stack, vote: Clerk) -> None:
    links = Head(page(stack).text).links
    kinds = {link["type"]: link["href"] for link in links if link["rel"] == "alternate"}
    assert kinds.keys() == {"application/json+oembed", "text/xml+oembed"}
    found = httpx.get(kinds["application/json+oembed"]).json()
    assert f"/embed/ga/{NAME}" in found["html"]
    assert httpx.get(kinds["text/xml+oembed"]).is_success


def test_a_roll_call_that_is_not_there_is_404_and_says_so(
    browser: Browser, stack: Stack
) -> None:
    assert page(stack, name="never").status_code == 404
    with Visitor(browser, stack.gateway_url, expects_trouble=True) as visitor:
        visitor.open("/v/ga/never", "missing")
        visitor.sees("never", "#trouble")


def test_every_delegation_stands_under_its_answer(
    visitor: Visitor, vote: Clerk
) -> None:
    visitor.open(f"/v/ga/{NAME}")
    lists = visitor.page.locator("#votes section")
    expect(lists).to_have_count(4)
    sizes = [lists.nth(n).locator("li").count() for n in range(4)]
    assert sizes == [141, 5, 35, 12]
    visitor.page.get_by_role("searchbox").fill("cote")
    shown = visitor.page.locator("#votes li:visible")
    expect(shown).to_have_text(["Côte d'Ivoire"])


def test_groups_moments_and_comparison(visitor: Visitor, vote: Clerk) -> None:
    visitor.open(f"/v/ga/{NAME}")
    expect(visitor.page.locator("#groups tbody tr")).to_have_count(5)
    visitor.sees("First vote against: Belarus", "#moments")
    visitor.page.locator("#other").select_option(EARLIER)
    visitor.sees("France: no → yes", "#moved")


def test_the_vote_through_time_by_keyboard_and_by_address(
    visitor: Visitor, vote: Clerk, stack: Stack
) -> None:
    visitor.open(f"/v/ga/{NAME}")
    scrubber = visitor.page.get_by_role("slider", name="Through time")
    first = httpx.get(f"{stack.gateway_url}/v1/ga/roll-calls/{NAME}/timeline").json()
    opened = first["points"][1]
    scrubber.focus()
    scrubber.press("Home")
    scrubber.press("ArrowRight")
    visitor.sees("You see the state at", "#then")
    expect(visitor.page.locator("[data-vote=yes] .number")).to_have_text("0")
    visitor.page.wait_for_url(f"**/v/ga/{NAME}?seq={opened['seq']}")
    visitor.page.reload()
    visitor.sees("You see the state at", "#then")
    expect(visitor.page.locator("[data-vote=yes] .number")).to_have_text("0")
    visitor.page.get_by_role("button", name="Back to the latest").click()
    expect(visitor.page.locator("[data-vote=yes] .number")).to_have_text("141")


def test_it_is_live(visitor: Visitor, clerk: Clerk) -> None:
    clerk.open("linked-live")
    visitor.open("/v/ga/linked-live")
    clerk.vote("linked-live", "FRA", "yes")
    expect(visitor.page.locator(".counts [data-vote=yes] .number")).to_have_text(
        "1", timeout=SHOWN_MS
    )
    visitor.sees("France", "#votes section:first-child")
    visitor.sees("Permanent member France: yes", "#moments")


@pytest.mark.parametrize("language", ["en", "fr", "es", "ru", "ar", "zh"])
def test_on_a_phone_nothing_is_wider_than_it(
    browser: Browser, stack: Stack, vote: Clerk, language: str
) -> None:
    with Visitor(browser, stack.gateway_url, PHONE) as visitor:
        visitor.open(f"/v/ga/{NAME}?lang={language}")
        visitor.sees("141", ".counts")
        assert visitor.overflow[0] <= 0
