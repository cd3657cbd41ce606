"""The first page in a browser, before the real system."""

import json
import re

import httpx
import pytest
from playwright.sync_api import Browser, WebSocketRoute, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import BACK_MS, HALL, PHONE, Visitor


def test_what_is_on_moves_to_the_past_when_it_ends(
    visitor: Visitor, clerk: Clerk
) -> None:
    visitor.open("/")
    clerk.open("morning", rule="simple", symbol="A/80/L.1")
    visitor.sees("Title of morning", "#now")
    clerk.vote("morning", "FRA", "yes")
    clerk.vote("morning", "FJI", "yes")
    clerk.vote("morning", "NOR", "no")
    card = "[data-key='ga/morning']"
    visitor.sees("Passing", card)
    visitor.sees("A/80/L.1", card)
    clerk.step("morning", "lock")
    clerk.step("morning", "close")
    visitor.sees("Adopted 2-1-0", f"#past {card}")
    assert "Adopted" in visitor.spoken
    visitor.page.locator(f"{card} a").click()
    visitor.sees_state("live")
    # Who comes after the vote reads about it; while it is on they watch the board.
    expect(visitor.page).to_have_url(re.compile("/v/ga/morning$"))
    visitor.sees("Adopted 2-1-0", ".headline")


def test_the_reader_can_pause_what_is_on(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.replay("breath-before", [("FRA", "yes")])  # there is a past to search
    clerk.open("breath", rule="simple")
    with Visitor(browser, stack.gateway_url) as visitor:
        visitor.open("/")
        yes = visitor.page.locator("[data-key='ga/breath'] [data-vote=yes] .number")
        expect(yes).to_have_text("0")
        visitor.page.get_by_role("button", name="Pause updates").press("Enter")
        clerk.vote("breath", "FRA", "yes")
        visitor.sees("Paused; 1 change meanwhile", "#missed")
        clerk.vote("breath", "FJI", "yes")
        visitor.sees("Paused; 2 changes meanwhile", "#missed")
        clerk.open("breathless")
        expect(visitor.page.locator("#missed")).not_to_contain_text("2 changes")
        assert yes.inner_text() == "0"
        assert not visitor.page.get_by_text("Title of breathless").is_visible()
        # What the reader asks for himself comes all the same, and only that.
        visitor.page.locator("#find").fill("no such thing")
        visitor.page.locator("#not-found").wait_for()
        assert yes.inner_text() == "0"
        visitor.page.get_by_role("button", name="Resume updates").press("Enter")
        expect(yes).to_have_text("2")
        visitor.sees("Title of breathless", "#now")
        expect(visitor.page.locator("#missed")).to_be_hidden()


def test_paused_it_stays_so_when_the_gateway_comes_back(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("through", rule="simple")
    with Visitor(browser, stack.gateway_url, expects_trouble=True) as visitor:
        visitor.open("/")
        yes = visitor.page.locator("[data-key='ga/through'] [data-vote=yes] .number")
        visitor.page.get_by_role("button", name="Pause updates").click()
        stack.gateway.stop()
        visitor.sees_state("stale")
        stack.gateway.start()
        visitor.sees_state("live", BACK_MS)
        clerk.vote("through", "FRA", "yes")
        visitor.sees("Paused; 1 change meanwhile", "#missed")
        assert yes.inner_text() == "0"
        visitor.page.get_by_role("button", name="Resume updates").click()
        expect(yes).to_have_text("1")


def test_paused_it_does_not_begin_anew_with_a_restored_log(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("anew", rule="simple")
    with Visitor(browser, stack.gateway_url) as visitor:
        page = visitor.page
        page.add_init_script("Math.random = () => 0")  # it begins at once
        sockets: list[WebSocketRoute] = []

        def meet(socket: WebSocketRoute) -> None:
            sockets.append(socket)
            socket.connect_to_server()

        page.route_web_socket(re.compile("/v1/ga/live"), meet)
        listed: list[str] = []
        page.on("request", lambda request: listed.append(request.url))
        visitor.open("/")
        yes = page.locator("[data-key='ga/anew'] [data-vote=yes] .number")
        page.get_by_role("button", name="Pause updates").click()
        clerk.vote("anew", "FRA", "yes")
        visitor.sees("Paused; 1 change meanwhile", "#missed")
        listed.clear()
        other = {"op": "subscribed", "id": 1, "epoch": "other", "seq": 1}
        sockets[-1].send(json.dumps({**other, "recovered": None}))
        page.evaluate("new Promise((done) => setTimeout(done, 300))")
        assert listed == []
        assert yes.inner_text() == "0"
        page.get_by_role("button", name="Resume updates").click()
        expect(yes).to_have_text("1")
        visitor.sees_state("live")
        assert len(sockets) == 2


@pytest.mark.parametrize("size", [HALL, PHONE])
@pytest.mark.parametrize("language", ["en", "ar", "ru"])
def test_nothing_goes_beyond_the_screen(
    size: tuple[int, int], language: str, browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open(f"wide-{language}-{size[0]}", title="Draft " * 30)
    with Visitor(browser, stack.gateway_url, size) as visitor:
        visitor.open(f"/?lang={language}")
        visitor.sees("Draft Draft", "#now")
        across, _ = visitor.overflow
        assert across == 0


def test_older_roll_calls_come_on_demand(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    for number in range(22):
        clerk.schedule(f"old-{number}")
        clerk.step(f"old-{number}", "annul")
    with Visitor(browser, stack.gateway_url) as visitor:
        visitor.open("/")
        before = visitor.page.locator(".card").count()
        visitor.page.locator("#more").click()
        visitor.page.locator(f".card >> nth={before}").wait_for()


@pytest.mark.parametrize("path", ["/", "/board/ga/x", "/web/board.js", "/web/base.css"])
def test_pages_and_files_allow_nothing_from_elsewhere(path: str, stack: Stack) -> None:
    answer = httpx.get(f"{stack.gateway_url}{path}")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    # No module of an older release beside those of a newer one.
    assert answer.headers["cache-control"] == "no-cache"
