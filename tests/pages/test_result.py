"""The page people link to: the result, the list, the groups, the vote through time."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.visitor import PHONE, SHOWN_MS, Visitor
from tests.servers import wait_until

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
        is_known(stack, NAME, "closed")
        yield clerk


def is_known(stack: Stack, name: str, phase: str) -> None:
    """Wait until the gateway has a roll call in that phase."""
    address = f"{stack.gateway_url}/v1/ga/roll-calls/{name}/tally"

    def so() -> bool:
        answer = httpx.get(address)
        return answer.is_success and answer.json()["phase"] == phase

    wait_until(so, 30, f"{address} {phase}")


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
    assert "s-maxage=1" in answer.headers["cache-control"]
    (canonical,) = [link for link in head.links if link["rel"] == "canonical"]
    assert canonical["href"] == f"{stack.gateway_url}/v/ga/{NAME}"


def test_a_content_system_discovers_how_to_embed_it(stack: Stack, vote: Clerk) -> None:
    links = Head(page(stack).text).links
    kinds = {link["type"]: link["href"] for link in links if "+oembed" in str(link)}
    assert kinds.keys() == {"application/json+oembed", "text/xml+oembed"}
    found = httpx.get(kinds["application/json+oembed"]).json()
    assert f"/embed/ga/{NAME}" in found["html"]
    assert httpx.get(kinds["text/xml+oembed"]).is_success


def test_a_roll_call_that_is_not_there_is_404_and_says_so(
    browser: Browser, stack: Stack
) -> None:
    assert page(stack, name="never").status_code == 404
    assert page(stack, name="never").headers["cache-control"] == "no-cache"
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
    expect(visitor.page).to_have_url(re.compile(rf"[?&]with={EARLIER}"))


def test_the_picture_that_is_shared_is_of_exactly_these_figures(
    stack: Stack, vote: Clerk
) -> None:
    meta = Head(page(stack, "?lang=fr").text).meta
    assert meta["og:image"] == meta["twitter:image"]
    assert meta["twitter:card"] == "summary_large_image"
    assert (meta["og:image:width"], meta["og:image:height"]) == ("1200", "630")
    assert "141 voix pour" in meta["og:image:alt"]
    picture = httpx.get(meta["og:image"], timeout=60)
    assert picture.headers["content-type"] == meta["og:image:type"] == "image/png"
    assert "immutable" in picture.headers["cache-control"]
    last = httpx.get(f"{stack.gateway_url}/v1/ga/roll-calls/{NAME}/tally").json()["seq"]
    earlier = f"seq={last - 90}"
    before = Head(page(stack, f"?lang=fr&{earlier}").text).meta
    assert earlier in before["og:url"]
    assert before["og:image"] != meta["og:image"]


def test_a_search_engine_finds_the_data(stack: Stack, vote: Clerk) -> None:
    html = page(stack).text
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html)
    dataset = json.loads(block)
    assert (dataset["@type"], dataset["name"]) == ("Dataset", TITLE)
    assert dataset["license"].startswith("https://")
    for download in dataset["distribution"]:
        found = httpx.get(download["contentUrl"])
        assert found.headers["content-type"].startswith(download["encodingFormat"])
    tongues = {link.get("hreflang") for link in Head(html).links}
    assert tongues >= {"en", "fr", "es", "ru", "ar", "zh-Hans"}


def test_without_scripts_every_vote_is_still_there(
    browser: Browser, stack: Stack, vote: Clerk
) -> None:
    with Visitor(browser, stack.gateway_url, java_script_enabled=False) as visitor:
        visitor.page.goto(f"{stack.gateway_url}/v/ga/{NAME}?lang=ar")
        html = visitor.page.locator("html")
        expect(html).to_have_attribute("dir", "rtl")
        expect(html).to_have_attribute("lang", "ar")
        expect(visitor.page.locator("noscript tbody tr")).to_have_count(193)
        expect(visitor.page.get_by_role("row", name="فرنسا")).to_contain_text("مؤيد")
        expect(visitor.page.get_by_role("link", name="تحديث")).to_be_visible()


def test_the_list_in_the_reader_s_order(visitor: Visitor, vote: Clerk) -> None:
    visitor.open(f"/v/ga/{NAME}?lang=fr")
    names = visitor.page.locator("#votes section:first-child li")
    expect(names).to_have_count(141)
    in_french = names.all_inner_texts()
    assert in_french.index("Équateur") < in_french.index("Fidji")  # É is an E
    assert in_french[0] == "Afghanistan"
    order = visitor.page.get_by_role("combobox", name="Ordre", exact=True)
    order.select_option("official")
    assert names.all_inner_texts().index("Allemagne") > 40  # Germany, in English
    order.select_option("time")
    voted = [name for name, answer in ES_11_1 if answer == "yes"]
    codes = names.evaluate_all("all => all.map(one => one.dataset.delegation)")
    assert codes == voted


def test_who_moved_while_the_vote_runs(
    visitor: Visitor, stack: Stack, clerk: Clerk, vote: Clerk
) -> None:
    """Beside any earlier roll call, chosen on the page; live."""
    clerk.open("ghost")
    clerk.vote("ghost", "BLR", "no")
    is_known(stack, "ghost", "open")
    visitor.open("/v/ga/ghost")
    visitor.page.get_by_role("combobox", name="Compared with").select_option(NAME)
    facts = visitor.page.locator("#comparison-figures")
    expect(facts).to_contain_text("180 voted then and not in this one")
    expect(facts).to_contain_text("1 votes the same")
    clerk.vote("ghost", "FRA", "abstain")
    expect(visitor.page.locator("#moved li")).to_have_text("France: yes → abstention")
    expect(facts).to_contain_text("1 delegation votes otherwise")
    cell = visitor.page.locator("#flows tbody tr:first-child td").nth(2)
    expect(cell).to_have_text("1")
    visitor.page.reload()
    expect(visitor.page.locator("#moved li")).to_have_text("France: yes → abstention")
    expect(visitor.page.locator("#groups")).to_contain_text("Can still reach")


def test_a_reader_can_pause_it_and_nothing_moves(
    visitor: Visitor, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("paused")
    is_known(stack, "paused", "open")
    visitor.open("/v/ga/paused")
    yes = visitor.page.locator(".counts [data-vote=yes] .number")
    visitor.page.get_by_role("button", name="Pause updates").press("Enter")
    clerk.vote("paused", "FRA", "yes")
    visitor.sees("Paused; 1 change meanwhile", "#missed")
    clerk.vote("paused", "NOR", "yes")
    visitor.sees("Paused; 2 changes meanwhile", "#missed")
    expect(yes).to_have_text("0")
    expect(visitor.page.locator("#votes section:first-child li")).to_have_count(0)
    visitor.page.get_by_role("button", name="Resume updates").press("Enter")
    expect(yes).to_have_text("2")
    expect(visitor.page.locator("#votes section:first-child li")).to_have_count(2)
    expect(visitor.page.locator("#missed")).to_be_hidden()


def test_everything_is_reached_by_keyboard(visitor: Visitor, vote: Clerk) -> None:
    visitor.open(f"/v/ga/{NAME}?with={EARLIER}")
    expect(visitor.page.locator("#moved li")).to_have_count(1)
    wanted = visitor.page.evaluate(
        "() => [...document.querySelectorAll('a[href], button, input, select')]"
        ".filter(one => one.checkVisibility()).length"
    )
    reached = set()
    for _ in range(2 * wanted):
        visitor.page.keyboard.press("Tab")
        where, outline = visitor.page.evaluate(
            "() => { const one = document.activeElement;"
            " const all = [...document.querySelectorAll('*')];"
            " return [one.matches('a, button, input, select') ? all.indexOf(one) : -1,"
            " getComputedStyle(one).outlineStyle]; }"
        )
        if where >= 0:
            assert outline != "none"
            reached.add(where)
    assert len(reached) == wanted > 15


@pytest.mark.parametrize(("motion", "seconds"), [("reduce", "0s"), (None, "0.24s")])
def test_nothing_moves_for_who_does_not_want_it(
    browser: Browser, stack: Stack, vote: Clerk, motion: Any, seconds: str
) -> None:
    """Nor do the votes' colours go when the system chooses the others."""
    options = {"reduced_motion": motion, "forced_colors": "active"}
    with Visitor(browser, stack.gateway_url, **options) as visitor:
        visitor.open(f"/v/ga/{NAME}")
        style = visitor.page.locator(".segment").first.evaluate(
            "one => [getComputedStyle(one).transitionDuration,"
            " getComputedStyle(one).backgroundColor]"
        )
        assert style == [seconds, "rgb(0, 158, 115)"]


@pytest.mark.parametrize("path", ["v", "embed"])
def test_a_whole_vote_is_read_aloud_in_few_sentences(
    visitor: Visitor, clerk: Clerk, path: str
) -> None:
    """Fewer than 15 utterances, the opening and the result among them."""
    name = f"aloud-{path}"
    clerk.schedule(name, title="Draft")
    visitor.open(f"/{path}/ga/{name}")
    assert visitor.spoken == ""
    visitor.page.evaluate(
        "window.heard = []; const region = document.getElementById('aloud');"
        "new MutationObserver(() => heard.push(region.textContent))"
        ".observe(region, {childList: true, characterData: true, subtree: true})"
    )
    clerk.step(name, "open")
    visitor.page.wait_for_function("() => heard.length === 1")
    for delegation, answer in ES_11_1:
        clerk.vote(name, delegation, answer)
    for rule in ("unanimous", "two_thirds") * 5:  # a verdict that comes and goes
        clerk.step(name, "rule", rule=rule)
    clerk.step(name, "lock")
    clerk.step(name, "close")
    visitor.page.wait_for_function("() => heard.at(-1).includes('Adopted')")
    heard = visitor.page.evaluate("heard")
    assert "Voting is open" in heard[0]
    assert len(heard) < 15, heard
    assert all(said.endswith(".") for said in heard)


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
    visitor.sees("You see the state at", "#past")
    expect(visitor.page.locator("[data-vote=yes] .number")).to_have_text("0")
    visitor.page.wait_for_url(f"**/v/ga/{NAME}?seq={opened['seq']}")
    visitor.page.reload()
    visitor.sees("You see the state at", "#past")
    expect(visitor.page.locator("[data-vote=yes] .number")).to_have_text("0")
    visitor.page.get_by_role("button", name="Back to the latest").click()
    expect(visitor.page.locator("[data-vote=yes] .number")).to_have_text("141")


def test_it_is_live(visitor: Visitor, stack: Stack, clerk: Clerk) -> None:
    clerk.open("linked-live")
    is_known(stack, "linked-live", "open")
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
