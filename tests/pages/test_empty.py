"""The first page of a system where nothing has happened yet."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.stack import Stack
from tests.pages.visitor import Visitor


@pytest.fixture(scope="module")
def empty_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system without any roll call."""
    with Stack(tmp_path_factory.mktemp("empty")) as running:
        yield running


def test_an_empty_system_tells_how_to_begin(
    empty_stack: Stack, browser: Browser
) -> None:
    with Visitor(browser, empty_stack.gateway_url) as visitor:
        visitor.open("/")
        visitor.sees("No roll call yet", "#empty")
        visitor.sees("tellers replay FILE", "#empty")
        clerk = empty_stack.clerk()
        with clerk.http:
            clerk.schedule("first", chamber="sc")
        visitor.sees("Title of first", "#now")
        assert not visitor.page.locator("#empty").is_visible()
