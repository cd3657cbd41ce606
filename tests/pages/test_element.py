"""`<tellers-tally>` in somebody else's page, on another host."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import SHOWN_MS

COUNT = count(1)


@pytest.fixture
def name() -> str:
    """A roll call for each test."""
    return f"element-{next(COUNT)}"


@pytest.fixture
def page(browser: Browser, stack: Stack, clerk: Clerk, name: str) -> Iterator[Page]:
    """A page of a newsroom's with two elements of one roll call, one of another."""
    clerk.open(name)
    clerk.vote(name, "FRA", "yes")
    clerk.open(f"{name}-2")

    class Newsroom(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"""<!doctype html><html lang="fr"><title>News</title>
              <script type="module" crossorigin
                src="{stack.gateway_url}/elements/tellers-tally.v1.js"></script>
              <tellers-tally id="a" vote="{name}">141-5-35</tellers-tally>
              <tellers-tally id="b" vote="{name}" lang="ar" theme="dark">
              </tellers-tally>
              <tellers-tally id="c" vote="{name}-2" lang="en"></tellers-tally>
              <tellers-tally id="d" vote="never">Nothing yet</tellers-tally>"""
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Newsroom) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context(viewport={"width": 800, "height": 1600})
        opened = context.new_page()
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        yield opened
        context.close()
        server.shutdown()
        assert not errors


def test_it_is_live_in_the_languages_that_were_asked_for(
    page: Page, clerk: Clerk, name: str
) -> None:
    first = page.locator("#a [data-vote=yes] .number")
    expect(first).to_have_text("1", timeout=SHOWN_MS)
    expect(page.locator("#a")).to_contain_text("Pour")
    expect(page.locator("#b .frame")).to_have_attribute("dir", "rtl")
    expect(page.locator("#c [data-vote=yes] .number")).to_have_text("0")
    clerk.vote(name, "NOR", "yes")
    for which in ("#a", "#b"):
        number = page.locator(f"{which} [data-vote=yes] .number")
        expect(number).to_have_text("2", timeout=SHOWN_MS)


def test_what_stands_inside_the_tag_is_shown_until_there_is_a_tally(page: Page) -> None:
    expect(page.locator("#a [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    # Light text without a slot to stand in has no box.
    boxes = (
        "id => { const range = document.createRange();"
        " range.selectNodeContents(document.getElementById(id));"
        " return range.getClientRects().length; }"
    )
    assert page.evaluate(boxes, "a") == 0
    assert page.evaluate(boxes, "d") == 1


def test_the_page_around_it_is_told(page: Page, clerk: Clerk, name: str) -> None:
    expect(page.locator("#a [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    page.evaluate(
        "window.told = []; for (const what of ['update', 'final'])"
        " document.getElementById('a').addEventListener(`tellers-tally:${what}`,"
        " ({type, detail}) => told.push([type, detail.phase]))"
    )
    clerk.step(name, "lock")
    clerk.step(name, "close")
    page.wait_for_function("told.some(([type]) => type === 'tellers-tally:final')")


def test_paused_it_stays_and_then_is_right_at_once(
    page: Page, clerk: Clerk, name: str
) -> None:
    number = page.locator("#a [data-vote=yes] .number")
    expect(number).to_have_text("1", timeout=SHOWN_MS)
    page.evaluate("document.getElementById('a').toggleAttribute('pause', true)")
    clerk.vote(name, "NOR", "yes")
    expect(page.locator("#b [data-vote=yes] .number")).to_have_text("2")
    assert number.inner_text() == "1"
    page.evaluate("document.getElementById('a').toggleAttribute('pause', false)")
    expect(number).to_have_text("2")


def test_it_lets_go_of_its_connection_with_the_last_element(
    page: Page, name: str
) -> None:
    expect(page.locator("#a [data-vote=yes] .number")).to_be_visible(timeout=SHOWN_MS)
    page.evaluate("document.getElementById('a').remove()")
    expect(page.locator("#b")).to_have_attribute("data-state", "live")
    with page.expect_event("websocket", timeout=SHOWN_MS) as opened:
        page.evaluate(
            "document.getElementById('b').remove();"
            "const one = document.createElement('tellers-tally');"
            f"one.setAttribute('vote', '{name}'); document.body.append(one)"
        )
    assert opened.value.url.startswith("ws://")
