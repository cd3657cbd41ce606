"""The overlay from disk while the gateway comes and goes: the last number stays."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Stack
from tests.pages.visitor import BACK_MS, SHOWN_MS


@pytest.fixture(scope="module")
def dying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, for it dies. Asked for before the browser (conftest)."""
    with Stack(tmp_path_factory.mktemp("dying")) as stack:
        yield stack


def test_the_last_number_stays_while_the_gateway_is_away(
    dying: Stack, browser: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "overlay.html"
    page.write_bytes(httpx.get(f"{dying.gateway_url}/graphics/overlay.html").content)
    clerk = dying.clerk()
    clerk.open("dies")
    clerk.vote("dies", "FRA", "yes")
    dying.gateway.kill()
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    source = context.new_page()
    # From disk, with the gateway down, as a studio starts in the morning.
    source.goto(f"{page.as_uri()}?vote=dies")
    html = source.locator("html")
    expect(html).to_have_attribute("data-state", "EMPTY")
    dying.gateway.start()
    expect(html).to_have_attribute("data-state", "LIVE", timeout=BACK_MS)
    number = source.locator(".count[data-vote=yes] .number")
    expect(number).to_have_text("1")
    dying.gateway.kill()
    expect(html).to_have_attribute("data-state", "STALE", timeout=SHOWN_MS)
    clerk.vote("dies", "NOR", "yes")
    assert number.inner_text() == "1"
    assert source.locator("#overlay").is_visible()
    dying.gateway.start()
    expect(number).to_have_text("2", timeout=BACK_MS)
    expect(html).to_have_attribute("data-state", "LIVE")
    context.close()
    clerk.http.close()
