"""The tally in somebody else's page: sandboxed, without storage."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import SHOWN_MS, Visitor

NAME = "embedded"
TITLE = 'Draft "A" & <b>B</b>'


@pytest.fixture(scope="module")
def vote(stack: Stack) -> Iterator[Clerk]:
    """A roll call that is on, and its clerk."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.schedule(NAME, title=TITLE)
        clerk.step(NAME, "open")
        clerk.vote(NAME, "FRA", "yes")
        yield clerk


class LiveBlog(BaseHTTPRequestHandler):
    """A newsroom's page: WordPress' sandbox, and a listener for heights."""

    page = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def blog(browser: Browser, stack: Stack, vote: Clerk) -> Iterator[Page]:
    """The newsroom's page with our frame in it, on another host."""
    frame = f"{stack.gateway_url}/embed/ga/{NAME}#?secret=Ab12Cd34Ef"

    class Handler(LiveBlog):
        page = f"""<!doctype html><script>
          window.told = [];
          addEventListener("message", (e) => window.told.push(e.data));
        </script><iframe id="f" width="500" height="300" sandbox="allow-scripts"
          src="{frame}"></iframe>"""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context(viewport={"width": 800, "height": 900})
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console", lambda m: errors.append(m.text) if m.type == "error" else None
        )
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        yield page
        context.close()
        server.shutdown()
        assert not errors


def test_it_is_live_in_an_opaque_sandbox(blog: Page, vote: Clerk) -> None:
    frame = blog.frame_locator("#f")
    yes = frame.locator("[data-vote=yes] .number")
    expect(yes).to_have_text("1", timeout=SHOWN_MS)
    expect(frame.locator("html")).to_have_attribute("data-state", "live")
    vote.vote(NAME, "NOR", "yes")
    expect(yes).to_have_text("2", timeout=SHOWN_MS)
    vote.http.delete(f"/v1/ga/roll-calls/{NAME}/votes/NOR")
    expect(yes).to_have_text("1", timeout=SHOWN_MS)
    expect(frame.locator("h3")).to_have_text(TITLE)


def test_it_tells_its_height_as_wordpress_and_others_read_it(blog: Page) -> None:
    told = "told.find(m => m && m.message === 'height')"
    blog.wait_for_function(f"{told} && told.some(m => m?.type === 'tellers:size')")
    wordpress = blog.evaluate("told.filter(m => m?.message === 'height').at(-1)")
    ours = blog.evaluate("told.filter(m => m?.type === 'tellers:size').at(-1)")
    assert wordpress["secret"] == "Ab12Cd34Ef"
    assert 200 <= wordpress["value"] <= 1000
    assert ours["vote"] == f"ga/{NAME}"
    assert ours["height"] > 200


def test_a_click_in_the_sandbox_is_handed_to_wordpress(
    blog: Page, stack: Stack
) -> None:
    link = blog.frame_locator("#f").locator("#home")
    expect(link).to_be_visible(timeout=SHOWN_MS)
    link.click()
    blog.wait_for_function("told.some(m => m?.message === 'link')")
    told = blog.evaluate("told.find(m => m?.message === 'link')")
    assert told["secret"] == "Ab12Cd34Ef"
    assert told["value"].startswith(f"{stack.gateway_url}/v/ga/{NAME}")


def test_what_the_page_offers_to_paste_takes_its_height(
    browser: Browser, stack: Stack, vote: Clerk
) -> None:
    """The snippet of /v, as it is, in a newsroom's page on another host."""
    with Visitor(browser, stack.gateway_url) as visitor:
        visitor.open(f"/v/ga/{NAME}")
        snippet = visitor.page.locator("#snippet").inner_text()
    assert "<b>" not in snippet

    class Handler(LiveBlog):
        page = f"<!doctype html><div style='width:320px'>{snippet}</div>"

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        opened = browser.new_page()
        opened.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        frame = opened.frame_locator("iframe").locator("#embed")
        expect(frame.locator(".number").first).to_be_visible(timeout=SHOWN_MS)
        opened.wait_for_function("document.querySelector('iframe').style.height")
        opened.wait_for_function(
            "height => Math.abs(document.querySelector('iframe').offsetHeight"
            " - height) < 2",
            arg=frame.evaluate("main => main.getBoundingClientRect().height"),
        )
        assert opened.locator("iframe").get_attribute("title") == f"Live tally: {TITLE}"
        opened.evaluate(
            "window.postMessage({type: 'tellers:size', height: 99}, '*')"
        )  # not from the frame
        assert opened.evaluate("document.querySelector('iframe').offsetHeight") != 99
        opened.close()
        server.shutdown()


def test_a_reader_can_pause_it(browser: Browser, stack: Stack, vote: Clerk) -> None:
    with Visitor(browser, stack.gateway_url, (500, 700)) as visitor:
        visitor.open(f"/embed/ga/{NAME}")
        yes = visitor.page.locator("[data-vote=yes] .number")
        expect(yes).to_have_text("1", timeout=SHOWN_MS)
        visitor.page.get_by_role("button", name="Pause updates").press("Enter")
        vote.vote(NAME, "NOR", "yes")
        visitor.sees("Paused; 1 change meanwhile", "#missed")
        assert yes.inner_text() == "1"
        visitor.page.get_by_role("button", name="Resume updates").press("Enter")
        expect(yes).to_have_text("2", timeout=SHOWN_MS)
        assert not visitor.page.locator("#missed").is_visible()
        vote.http.delete(f"/v1/ga/roll-calls/{NAME}/votes/NOR")


def test_its_address_says_how_it_looks(
    browser: Browser, stack: Stack, vote: Clerk
) -> None:
    asked = "theme=dark&palette=cvd&dir=rtl&layout=bug"
    with Visitor(browser, stack.gateway_url, (500, 700)) as visitor:
        page = visitor.page
        visitor.open(f"/embed/ga/{NAME}")
        usual = page.locator("#embed").evaluate("main => main.offsetHeight")
        visitor.open(f"/embed/ga/{NAME}?{asked}")
        chip = page.locator("dt .chip").first
        expect(chip).to_have_css("background-color", "rgb(43, 143, 214)")
        expect(page.locator("#embed")).to_have_css("direction", "rtl")
        expect(page.locator("#embed")).to_have_css(
            "background-color", "rgb(16, 24, 32)"
        )
        expect(page.locator(".rule")).to_be_hidden()
        assert page.locator("#embed").evaluate("m => m.offsetHeight") < 0.7 * usual
        visitor.open(f"/embed/ga/{NAME}?symbols=0")
        expect(chip).to_be_hidden()
        expect(page.locator("dt").first).to_have_text("Yes")
        visitor.open(f"/embed/ga/{NAME}?layout=huge&palette=&dir=up&symbols=yes")
        assert page.locator("#embed").evaluate("m => m.offsetHeight") == usual


@pytest.mark.parametrize("path", ["current", f"{NAME}?follow=current"])
def test_it_follows_whatever_is_voted_on(
    browser: Browser, stack: Stack, vote: Clerk, path: str
) -> None:
    following = "follow" in path
    with Visitor(browser, stack.gateway_url, (500, 700)) as visitor:
        visitor.page.goto(f"{stack.gateway_url}/embed/sc/{path}")
        for which in ("first", "second"):
            name = f"followed-{which}-{int(following)}"
            vote.open(name, chamber="sc")
            visitor.sees(f"Title of {name}", "h3")


@pytest.mark.parametrize("rehearsal", [False, True])
def test_a_rehearsal_has_the_word_in_its_title_too(
    browser: Browser, stack: Stack, vote: Clerk, rehearsal: bool
) -> None:
    name = f"embedded-{rehearsal}".lower()
    vote.open(name, rehearsal=rehearsal)
    for path in (f"/embed/ga/{name}", f"/board/ga/{name}"):
        with Visitor(browser, stack.gateway_url, expects_trouble=True) as visitor:
            visitor.open(path)
            visitor.sees(f"Title of {name}")
            mark = visitor.page.locator("#rehearsal")
            expect(mark).to_be_visible() if rehearsal else expect(mark).to_be_hidden()
            assert visitor.page.title().startswith("REHEARSAL") is rehearsal


@pytest.mark.parametrize("width", [320, 600, 1200])
@pytest.mark.parametrize("language", ["en", "ar", "ru"])
def test_nothing_is_wider_than_the_frame(
    browser: Browser, stack: Stack, vote: Clerk, width: int, language: str
) -> None:
    with Visitor(browser, stack.gateway_url, (width, 900)) as visitor:
        visitor.open(f"/embed/ga/{NAME}?lang={language}")
        assert visitor.overflow[0] <= 0


class TestOembed:
    def ask(self, stack: Stack, **query: Any) -> httpx.Response:
        page = f"{stack.gateway_url}/board/ga/{NAME}"
        params = {"url": page, **query}
        return httpx.get(f"{stack.gateway_url}/oembed", params=params)

    def test_rich_with_a_quotation_and_a_frame(self, stack: Stack, vote: Clerk) -> None:
        found = self.ask(stack).json()
        assert (found["type"], found["version"]) == ("rich", "1.0")
        html = ElementTree.fromstring(f"<div>{found['html']}</div>")
        quotation, frame = html
        assert (quotation.tag, frame.tag) == ("blockquote", "iframe")
        text = "".join(quotation.itertext())
        assert text.startswith(TITLE)
        assert "1 in favour" in text
        assert frame.attrib["src"].startswith(f"{stack.gateway_url}/embed/ga/{NAME}")
        kept = {"src", "width", "height", "frameborder", "scrolling", "title"}
        assert set(frame.keys()) <= kept
        assert TITLE in frame.attrib["title"]

    def test_it_keeps_to_the_room_it_is_given(self, stack: Stack, vote: Clerk) -> None:
        found = self.ask(stack, maxwidth=300, maxheight=250).json()
        assert (found["width"], found["height"]) == (300, 250)
        assert 'width="300"' in found["html"]
        assert found["thumbnail_width"] <= 300
        assert found["thumbnail_height"] <= 250
        picture = httpx.get(found["thumbnail_url"]).content
        size = [int.from_bytes(picture[n : n + 4]) for n in (16, 20)]
        assert size == [found["thumbnail_width"], found["thumbnail_height"]]

    def test_in_the_language_of_the_page(self, stack: Stack, vote: Clerk) -> None:
        url = f"{stack.gateway_url}/v/ga/{NAME}?lang=fr"
        assert "voix pour" in self.ask(stack, url=url).json()["html"]
        assert "in favour" in self.ask(stack, url=url, lang="en").json()["html"]

    def test_the_same_as_xml(self, stack: Stack, vote: Clerk) -> None:
        answer = self.ask(stack, format="xml")
        assert answer.headers["content-type"].startswith("text/xml")
        root = ElementTree.fromstring(answer.content)
        assert root.tag == "oembed"
        assert {child.tag: child.text for child in root}["html"] == (
            self.ask(stack).json()["html"]
        )

    @pytest.mark.parametrize("form", ["yaml", "JSON", ""])
    def test_a_form_that_is_not_offered_is_501(
        self, stack: Stack, vote: Clerk, form: str
    ) -> None:
        answer = self.ask(stack, format=form)
        assert answer.status_code == 501
        problem = answer.json()
        assert problem["code"] == "not_implemented"
        assert problem["detail"] == "format must be json or xml"
        assert problem["errors"][0]["pointer"] == "/query/format"

    @pytest.mark.parametrize(
        "url",
        [
            "https://elsewhere.test/board/ga/embedded",
            "{base}/board/ga/never",
            "{base}/docs",
            "{base}/board/xx/embedded",
            "javascript:alert(1)",
            "http://[",
        ],
    )
    def test_what_is_no_page_of_ours_is_404(self, stack: Stack, url: str) -> None:
        answer = self.ask(stack, url=url.format(base=stack.gateway_url))
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
