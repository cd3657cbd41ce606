"""The file of `<tellers-tally>` by itself: its hash, and a copy on another host."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha384

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.newsroom import newsroom
from tests.pages.visitor import SHOWN_MS

NAME = "element-alone"
ELEMENT = "/elements/tellers-tally.v1"


@pytest.fixture(scope="module")
def vote(stack: Stack) -> Iterator[Clerk]:
    """A roll call that is on, and its clerk."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.open(NAME)
        clerk.vote(NAME, "FRA", "yes")
        yield clerk


def read(stack: Stack, address: str) -> httpx.Response:
    return httpx.get(f"{stack.gateway_url}{address}", verify=False)


def release(stack: Stack) -> dict[str, str]:
    found: dict[str, str] = read(stack, f"{ELEMENT}.json").json()
    return found


def test_the_hash_is_of_the_file_at_both_addresses(stack: Stack) -> None:
    told = release(stack)
    assert told["script"].startswith(f"{stack.gateway_url}{ELEMENT}.")
    newest = read(stack, f"{ELEMENT}.js")
    kept = httpx.get(told["script"], verify=False)
    assert newest.content == kept.content
    digest = b64encode(sha384(kept.content).digest()).decode()
    assert told["integrity"] == f"sha384-{digest}"
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert newest.headers["cache-control"] == "no-cache"
    for response in (newest, kept):
        assert response.headers["content-type"].startswith("text/javascript")
        assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("digest", ["0" * 16, "1.2.3", "x"])
def test_another_release_is_not_here(stack: Stack, digest: str) -> None:
    answer = read(stack, f"{ELEMENT}.{digest}.js")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert f"{ELEMENT}.json" in answer.json()["detail"]


def test_the_hash_lets_it_in_and_nothing_else(
    browser: Browser, stack: Stack, vote: Clerk
) -> None:
    told = release(stack)
    other = "sha384-" + "A" * 64
    for integrity, text in ((told["integrity"], "1"), (other, "before")):
        body = (
            f'<script type="module" crossorigin src="{told["script"]}" '
            f'integrity="{integrity}"></script>'
            f'<tellers-tally vote="{NAME}">before</tellers-tally>'
        )
        with newsroom(body) as address, browser.new_page() as page:
            page.goto(address)
            if text == "before":
                expect(page.locator("tellers-tally")).to_have_text(text)
                assert page.evaluate("customElements.get('tellers-tally')") is None
            else:
                number = page.locator("[data-vote=yes] .number")
                expect(number).to_have_text(text, timeout=SHOWN_MS)


def test_a_copy_on_another_host_needs_nothing_else_of_ours(
    browser: Browser, stack: Stack, vote: Clerk
) -> None:
    """Not even its host's leave for styles within the page."""
    policy = (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"script-src 'self'; connect-src {stack.gateway_url} "
        f'{stack.gateway_url.replace("http", "ws")}">'
    )
    body = (
        f'{policy}<script type="module" src="/copy.js"></script>'
        f'<tellers-tally vote="{NAME}" endpoint="{stack.gateway_url}" lang="en">'
        "before</tellers-tally>"
    )
    script = read(stack, f"{ELEMENT}.js").content
    with newsroom(body, {"/copy.js": script}) as address, browser.new_page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        number = page.locator("[data-vote=yes] .number")
        expect(number).to_have_text("1", timeout=SHOWN_MS)
        expect(page.locator(".frame")).to_have_css("border-radius", "12px")
        expect(page.locator("tellers-tally")).to_have_attribute("data-state", "live")
        home = page.locator("#home").get_attribute("href")
        assert home == f"{stack.gateway_url}/v/ga/{NAME}?lang=en"
        ours = [url for url in asked if url.startswith(stack.gateway_url)]
        assert ours == [f"{stack.gateway_url}/v1/ga/roll-calls/{NAME}/tally"]


@pytest.mark.parametrize("endpoint", ["javascript:alert(1)", "http://[", "tally"])
def test_an_endpoint_that_is_none_is_passed_over(
    browser: Browser, stack: Stack, vote: Clerk, endpoint: str
) -> None:
    body = (
        f'<script type="module" src="{stack.gateway_url}{ELEMENT}.js"></script>'
        f'<tellers-tally vote="{NAME}" endpoint="{endpoint}"></tellers-tally>'
    )
    with newsroom(body) as address, browser.new_page() as page:
        page.goto(address)
        number = page.locator("[data-vote=yes] .number")
        expect(number).to_have_text("1", timeout=SHOWN_MS)
