"""A browser before the real system."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import Visitor

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system for all tests of the pages; each has roll calls of its own."""
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def clerk(stack: Stack) -> Iterator[Clerk]:
    """Somebody who records votes."""
    clerk = stack.clerk()
    with clerk.http:
        yield clerk


# Not for the session: playwright's own event loop runs in this thread as long as the
# browser does, and no asynchronous test may come meanwhile. For the same reason a stack
# of one's own is to be asked for before the browser.
@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """The machine's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser, stack: Stack) -> Iterator[Visitor]:
    """Somebody in the hall, before a screen of 1920x1080. What the pages do wrong on
    the side fails the test at its end."""
    with Visitor(browser, stack.gateway_url) as somebody:
        yield somebody
