"""The real system and a browser, as for the pages."""

from tests.pages.conftest import browser, clerk, stack

__all__ = ["browser", "clerk", "stack"]
