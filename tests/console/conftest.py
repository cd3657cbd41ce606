"""The real system and a browser, as for the pages, and somebody at the console."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.console.desk import Desk
from tests.e2e.stack import Stack
from tests.pages.conftest import browser, clerk, stack

__all__ = ["browser", "clerk", "stack"]


@pytest.fixture
def desk(stack: Stack, browser: Browser) -> Iterator[Desk]:
    found = Desk(browser, stack)
    yield found
    found.context.close()
    assert found.errors == []
